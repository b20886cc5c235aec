import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.devices.timemachine_clock import ExternalClock, ExternalClockSettings
from console.model import Heard
from tests.devices.outlet import Nowhere

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "timemachine.json").read_text())


def external_clock(**settings: Any) -> ExternalClock:
    driver = ExternalClock(ExternalClockSettings(name="clock", type="timemachine-clock", **settings), Nowhere())
    driver.opened()
    return driver


def vector(name: str) -> bytes:
    return bytes.fromhex(next(one["hex"] for one in VECTORS if one["name"] == name))


def test_it_shows_its_time_and_times_nobody() -> None:
    driver = external_clock()
    assert driver.silence() is None
    (heard,) = driver.receive(vector("clock_set"), 0)
    assert heard == Heard(raw=vector("clock_set"), label="CLOCK")
    assert driver.facts == {"clock": "12:34:56", "state": "set"}
    assert driver.silence() is None
    driver.receive(vector("clock_up"), 0)
    assert driver.facts == {"clock": "00:00:09", "state": "counting up"}
    driver.receive(vector("clock_down"), 0)
    assert driver.facts == {"clock": "23:59:59", "state": "counting down"}
    assert driver.silence() == 3
    (heard,) = driver.receive(vector("event_1"), 0)
    assert "move the cable" in heard.flaw
    driver.receive(b"\x82", 0)
    assert driver.lost() == [Heard(raw=b"\x82", label="garbage", flaw="cut short")]
    assert (driver.facts, driver.silence()) == ({}, None), "what it shows now nobody knows"


def test_the_strip_shows_it_only_where_it_is_wanted_and_while_it_is_there() -> None:
    driver = external_clock(strip=True)
    driver.receive(vector("clock_down"), 0)
    assert driver.facts["strip"] == "23:59:59"
    driver.lost()
    assert "strip" not in driver.facts


@pytest.mark.parametrize(("given_", "silence"), [(0, None), (10, 10)])
def test_it_is_as_silent_as_the_operator_allows(given_: float, silence: float | None) -> None:
    driver = external_clock(silent_after=given_)
    driver.receive(vector("clock_up"), 0)
    assert driver.silence() == silence


def test_a_wrong_speed_is_said_as_one_kind_of_flaw() -> None:
    driver = external_clock(baud=1200)
    heard = [one for _ in range(30) for one in driver.receive(b"\xf8\x80\xe0\n", 0)]
    flaws = {one.flaw.partition(":")[0] for one in heard[40:]}
    assert flaws == {"unreadable"}
    assert 'baud = 1200 in [[device]] "clock" may be wrong' in heard[-1].flaw
    driver.receive(vector("clock_up"), 0)
    assert "unreadable" not in driver.receive(b"x\n", 0)[0].flaw


def test_lines_of_the_other_port_are_a_wrong_cable_however_many_come() -> None:
    driver = external_clock()
    for _ in range(20):
        (heard,) = driver.receive(vector("primary_first"), 0)
        assert "move the cable to External Clock" in heard.flaw


def test_it_is_explained() -> None:
    assert ExternalClock.explain(vector("clock_set")) == {"line": "EXTERNAL CLOCK", "state": "set", "time": "12:34:56"}


@given(st.binary(max_size=400))
def test_nothing_makes_it_raise(data: bytes) -> None:
    driver = external_clock()
    assert b"".join(one.raw for one in driver.receive(data, 0) + driver.lost()) == data
    assert ExternalClock.explain(data)


@pytest.mark.parametrize("wrong", [{"data_bits": 7}, {"strip": "yes"}])
def test_settings_it_does_not_have(wrong: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"name": "clock", "type": "timemachine-clock", **wrong}, ExternalClockSettings)
