"""What the engine's log gets to see of a call."""

import logging

import pytest

from console.control import messages as m
from console.office import Office


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
