import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.devices import driver_class
from console.devices.timemachine import ExternalClock, ExternalClockSettings, TimeMachine, TimeMachineSettings
from console.model import (
    Basis,
    EventIs,
    Fact,
    Heard,
    Kind,
    Reading,
    RetransmitBegin,
    RetransmitEnd,
    Start,
)
from tests.devices.outlet import Nowhere

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "timemachine.json").read_text())

FLAWED = [v["name"] for v in VECTORS if v["port"] == "rs232" and any("flaw" in piece for piece in v["pieces"])]


class Wire(Nowhere):
    """An outlet that keeps what was sent."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[bytes, str]] = []

    def send(self, raw: bytes, *, by: str = "", label: str = "", mask: bytes = b"") -> None:
        self.sent.append((raw, label))


def machine(wire: Wire | None = None, **settings: Any) -> TimeMachine:
    driver = TimeMachine(TimeMachineSettings(name="chute", type="timemachine", **settings), wire or Wire())
    driver.opened()
    return driver


def external_clock(**settings: Any) -> ExternalClock:
    driver = ExternalClock(ExternalClockSettings(name="clock", type="timemachine-clock", **settings), Wire())
    driver.opened()
    return driver


def facts(driver: TimeMachine, data: bytes) -> list[Fact]:
    return [fact for heard in driver.receive(data, 0) for fact in heard.facts]


def vector(name: str) -> bytes:
    return bytes.fromhex(next(one["hex"] for one in VECTORS if one["name"] == name))


def test_both_types_are_registered() -> None:
    assert driver_class("timemachine") is TimeMachine
    assert driver_class("timemachine-clock") is ExternalClock


def test_opening_says_xon() -> None:
    wire = Wire()
    assert machine(wire).facts == {"line": "9600 8N2", "state": "XON sent"}
    assert wire.sent == [(b"\x11", "XON")]


def test_a_primary_line_is_a_place() -> None:
    (reading,) = facts(machine(), vector("primary_first"))
    assert reading == Reading(
        kind=Kind.PLACE,
        identity="place/11/1/1/primary",
        value="00:15:42.07",
        by_event=True,
        time="00:15:42.07",
        ns=942_070_000_000,
        basis=Basis.RACE,
        channel="11",
        series="place",
        position=1,
        join="place/11/1/1",
        extra={"chute": 11, "place_in_lane": 1, "place": 1},
    )


def test_a_select_line_has_a_bib_and_joins_its_place() -> None:
    (reading,) = facts(machine(clock="day"), vector("select_padded"))
    assert reading == Reading(
        kind=Kind.SELECT,
        identity="place/11/2/2/select",
        value="00:15:44.90 123",
        by_event=True,
        time="00:15:44.90",
        ns=944_900_000_000,
        basis=Basis.DAY,
        bib="123",
        channel="11",
        series="place",
        position=2,
        join="place/11/2/2",
        extra={"chute": 11, "place_in_lane": 2, "place": 2},
    )


@pytest.mark.parametrize(
    ("name", "bib"),
    [
        ("select_blank_padded", "123"),
        ("select_max", "98765"),
        ("select_alpha", "AB123"),
        ("select_no_number", None),
        ("select_number_of_zeros", None),
    ],
)
def test_race_numbers(name: str, bib: str | None) -> None:
    (reading,) = facts(machine(), vector(name))
    assert isinstance(reading, Reading)
    assert reading.bib == bib


def test_a_lap_line() -> None:
    (reading,) = facts(machine(), vector("lap_rollover"))
    assert reading == Reading(
        kind=Kind.LAP,
        identity="lap/8/0/00:46:40.04",
        value="00:46:40.04 01:29.99",
        by_event=True,
        time="00:46:40.04",
        ns=2_800_040_000_000,
        basis=Basis.RACE,
        channel="8",
        extra={"lane": 8, "lap": 0, "split": "01:29.99"},
    )


@pytest.mark.parametrize(("clock", "basis"), [("race", Basis.RACE), ("day", Basis.DAY)])
def test_a_start_line_is_a_start_and_no_passing(clock: str, basis: Basis) -> None:
    driver = machine(clock=clock)
    assert facts(driver, vector("start_xc_preset_max")) == [
        Start(time="31:59:59.00", ns=115_199_000_000_000, basis=basis, mode="XC")
    ]
    assert driver.facts["clock"] == ("race clock" if clock == "race" else "time of day") + ", START XC 31:59:59.00"


def test_a_retransmit_is_bracketed_and_the_event_before_it_comes_back() -> None:
    driver = machine()
    begin, end = vector("retransmit_begin"), vector("retransmit_end")
    assert facts(driver, vector("event_255")) == [EventIs("255")]
    assert driver.facts == {"line": "9600 8N2", "state": "FLOWING", "event": "255"}
    first, *_ = facts(driver, begin + b"\x00EVENT 007\r\n" + vector("primary_first"))
    assert first == RetransmitBegin()
    assert (driver.facts["state"], driver.facts["event"]) == ("RETRANSMIT", "007")
    assert facts(driver, begin + end) == [RetransmitBegin(), RetransmitEnd()]
    assert (driver.facts["state"], driver.facts["event"]) == ("FLOWING", "255")
    facts(driver, end)
    assert driver.facts["event"] == "255"


def test_a_start_line_ends_a_retransmit_that_was_cut_off() -> None:
    driver = machine()
    facts(driver, vector("event_255") + vector("retransmit_begin") + b"\x00EVENT 007\r\n" + vector("start_xc_zero"))
    assert (driver.facts["state"], driver.facts["event"]) == ("FLOWING", "255")


def test_every_fact_of_a_session_in_order() -> None:
    driver = machine()
    heard = driver.receive(vector("retransmit_full"), 0)
    assert [one.label for one in heard] == [
        *("PRIMARY", "RETRANSMIT", "EVENT", "PRIMARY", "SELECT", "END RETRANSMIT", "PRIMARY")
    ]
    readings = [fact for one in heard for fact in one.facts if isinstance(fact, Reading)]
    assert [one.identity for one in readings] == [
        "place/11/1/1/primary",
        "place/11/1/1/primary",
        "place/11/2/2/select",
        "place/11/3/3/primary",
    ]
    assert readings[0] == readings[1]


@pytest.mark.parametrize("name", FLAWED)
def test_a_flawed_line_is_handed_on_without_facts(name: str) -> None:
    driver = machine()
    heard = driver.receive(vector(name), 0) + driver.lost()
    assert b"".join(one.raw for one in heard) == vector(name)
    assert any(one.flaw for one in heard)
    assert all(bool(one.flaw) != bool(one.facts) for one in heard)


def test_a_wrong_word_setting_shows_until_a_good_line_comes() -> None:
    driver = machine()
    (heard,) = driver.receive(vector("bad_7E2_read_as_8N1_select"), 0)
    assert heard.label == "SELECT"
    assert "7E2" in heard.flaw
    assert driver.facts["line"] == "9600 8N2, but the timer is set to 7E2"
    driver.receive(vector("event_1"), 0)
    assert driver.facts["line"] == "9600 8N2"


def test_at_seven_bits_the_parity_bit_is_left_out() -> None:
    driver = machine(data_bits=7, parity="even", baud=1200)
    (heard,) = driver.receive(vector("bad_7E2_read_as_8N1_select"), 0)
    assert heard.raw == vector("bad_7E2_read_as_8N1_select")
    assert heard.label == "SELECT"
    assert heard.flaw == ""
    assert driver.facts["line"] == "1200 7E2"


def test_a_lost_link_hands_out_the_half_line_and_the_next_begins_anew() -> None:
    driver = machine()
    driver.receive(vector("primary_first")[:9], 0)
    assert driver.lost() == [Heard(raw=vector("primary_first")[:9], label="PRIMARY", flaw="cut short")]
    assert driver.facts["state"] == "no link"
    driver.opened()
    (heard,) = driver.receive(vector("primary_first")[9:], 0)
    assert heard == Heard(raw=vector("primary_first")[9:], label="garbage", flaw="joined in the middle of a line")


def test_silence_is_normal_unless_the_operator_says_otherwise() -> None:
    assert machine().silence() is None
    assert machine(silent_after=60).silence() == 60


def test_the_external_clock_shows_its_time_and_times_nobody() -> None:
    driver = external_clock()
    assert driver.silence() is None
    (heard,) = driver.receive(vector("clock_set"), 0)
    assert heard == Heard(raw=vector("clock_set"), label="CLOCK")
    assert driver.facts == {"clock": "12:34:56", "state": "set"}
    assert driver.silence() is None
    driver.receive(vector("clock_down"), 0)
    assert driver.facts == {"clock": "23:59:59", "state": "counting down"}
    assert driver.silence() == 3
    (heard,) = driver.receive(vector("event_1"), 0)
    assert "move the cable" in heard.flaw
    driver.receive(b"\x82", 0)
    assert driver.lost() == [Heard(raw=b"\x82", label="garbage", flaw="cut short")]


@pytest.mark.parametrize(("given_", "silence"), [(0, None), (10, 10)])
def test_the_clock_is_as_silent_as_the_operator_allows(given_: float, silence: float | None) -> None:
    driver = external_clock(silent_after=given_)
    driver.receive(vector("clock_up"), 0)
    assert driver.silence() == silence


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("start_lap", {"line": "START", "mode": "lap timing", "clock at start": "00:00:00.00"}),
        ("event_1", {"line": "EVENT", "event": "001"}),
        (
            "primary_first",
            {"line": "PRIMARY TIME", "chute": "11", "place in lane": "1", "place": "1", "time": "00:15:42.07"},
        ),
        (
            "select_no_number",
            {
                "line": "SELECT TIME",
                "chute": "11",
                "place in lane": "5",
                "place": "5",
                "time": "00:16:01.00",
                "race number": "none",
            },
        ),
        ("lap_first", {"line": "LAP TIME", "lane": "1", "lap": "1", "total": "00:01:02.34", "split": "01:02.34"}),
        ("retransmit_begin", {"line": "START OF RETRANSMIT", "meaning": "what follows is not live"}),
        ("retransmit_end", {"line": "END OF RETRANSMIT", "meaning": "live again"}),
        (
            "bad_7E2_read_as_8N1_eor",
            {"line": "END OF RETRANSMIT", "meaning": "live again", "bit 7": "parity: the timer is set to 7E2"},
        ),
        ("a_byte_lost", {"line": "PRIMARY, not readable"}),
        ("second_line_unknown", {"line": "EVENT, not readable"}),
    ],
)
def test_lines_are_explained(name: str, fields: dict[str, str]) -> None:
    assert TimeMachine.explain(vector(name)) == fields


def test_xon_xoff_and_the_clock_are_explained() -> None:
    assert TimeMachine.explain(b"\x11") == {"line": "XON: go on"}
    assert TimeMachine.explain(b"\x13") == {"line": "XOFF: pause"}
    assert ExternalClock.explain(vector("clock_set")) == {"line": "EXTERNAL CLOCK", "state": "set", "time": "12:34:56"}


@given(st.binary(max_size=400))
def test_nothing_makes_it_raise(data: bytes) -> None:
    for driver in (machine(), external_clock()):
        assert b"".join(one.raw for one in driver.receive(data, 0) + driver.lost()) == data
    assert TimeMachine.explain(data)
    assert ExternalClock.explain(data)


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (TimeMachineSettings, {"baud": 38400}),
        (TimeMachineSettings, {"data_bits": 9}),
        (TimeMachineSettings, {"xoff_timeout": 100}),
        (TimeMachineSettings, {"clock": "utc"}),
        (ExternalClockSettings, {"data_bits": 7}),
    ],
)
def test_settings_the_timer_does_not_have(kind: Callable[..., object], wrong: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"name": "chute", "type": "timemachine", **wrong}, kind)
