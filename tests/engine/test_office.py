"""What the engine's log gets to see of a call."""

import logging

import pytest

from console.control import messages as m
from console.engine.office import Office, holes_in_words


async def test_a_fault_is_logged_without_the_call_which_may_hold_a_password(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fails(*_: object) -> m.Result:
        raise ZeroDivisionError("ours")

    office = Office.__new__(Office)
    monkeypatch.setattr(office, "_answer", fails)
    with caplog.at_level(logging.ERROR, "racedeck"):
        result = await office.answer(m.Command(device="gsm", words="SET PASSWORD AP1 pw", text="topsecret"), "anna")
    assert isinstance(result, m.Failed)
    assert "Command of anna failed" in caplog.text
    assert "topsecret" not in caplog.text + result.reason


def test_holes_name_their_event_only_where_several_have_some() -> None:
    one = {"chute|1|001|place": [(3, 3), (12, 15)], "chute|1|002|place": []}
    assert holes_in_words(one) == ("0003", "0012-0015")
    assert holes_in_words({**one, "chute|1|002|place": [(3, 3)]}) == (
        "0003 of event 001",
        "0012-0015 of event 001",
        "0003 of event 002",
    )
