import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.devices import driver_class
from console.devices.driver import CommandError
from console.devices.timemachine import TimeMachine, TimeMachineSettings
from console.devices.timemachine_clock import ExternalClock
from console.devices.timemachine_lines import line_seconds
from console.model import (
    Basis,
    EventIs,
    Fact,
    Heard,
    Kind,
    Order,
    Reading,
    Retold,
    RetransmitBegin,
    RetransmitEnd,
    Start,
)
from tests.codecs.test_timemachine_word import with_parity
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
    assert machine(xoff_timeout=30).facts["XOFF timeout"] == "30 s"


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


@pytest.mark.parametrize("left", [b"\x04END", b"\x04END OF RETRANS"])
def test_an_end_line_that_was_cut_short_ends_a_retransmit(left: bytes) -> None:
    driver = machine()
    facts(driver, vector("event_255") + vector("retransmit_begin") + b"\x00EVENT 007\r\n")
    (cut, live) = driver.receive(left + vector("primary_first"), 0)
    assert (cut.flaw, cut.facts) == ("cut short", (RetransmitEnd(),))
    assert live.label == "PRIMARY"
    assert (driver.facts["state"], driver.facts["event"]) == ("FLOWING", "255")
    assert facts(driver, left + vector("primary_first"))[0] != RetransmitEnd()  # nothing is there to be ended


@pytest.mark.parametrize("left", [b"\x04EN", b"\x84END"])
def test_less_of_it_ends_nothing(left: bytes) -> None:
    driver = machine()
    facts(driver, vector("retransmit_begin") + left + vector("primary_first"))
    assert driver.facts["state"] == "RETRANSMIT"


def test_a_retransmit_is_over_when_timing_says_so() -> None:
    class Timing(Wire):
        newest: Retold | None = None

        def retold(self) -> Retold | None:
            return self.newest

    timing = Timing()
    driver = machine(timing)
    line = vector("primary_first")
    driver.receive(vector("retransmit_begin"), 5)
    for told, state in (
        (None, "RETRANSMIT"),
        (Retold(since=4, first=1, last=1, ended=True), "RETRANSMIT"),  # the one before
        (Retold(since=5, first=2, last=2), "RETRANSMIT"),
        (Retold(since=5, first=2, last=2, ended=True), "FLOWING"),
    ):
        timing.newest = told
        driver.receive(line, 6)
        assert driver.facts["state"] == state


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


ADVICE = (
    "wrong word setting: the timer sends 7E2: "
    'set data_bits = 7, parity = "even" in [[device]] "chute", or 8N2 in the timer\'s RS232 menu'
)


def test_a_wrong_word_setting_is_named_once_with_what_to_change_until_a_good_line_comes() -> None:
    driver = machine()
    bad = vector("bad_7E2_read_as_8N1_select")
    first, second, third = driver.receive(bad + bad + vector("bad_7E2_read_as_8N1_eor"), 0)
    assert (first.label, first.flaw) == ("garbage", ADVICE)
    assert (second.label, second.flaw) == ("garbage", "wrong word setting: the timer sends 7E2")
    assert (third.label, third.flaw) == ("garbage", "wrong word setting: the timer sends 7E2")
    assert driver.facts["line"] == "9600 8N2, but the timer is set to 7E2"
    assert driver.receive(vector("event_1"), 0)[0].flaw == ""
    assert driver.facts["line"] == "9600 8N2"
    assert driver.receive(bad, 0)[0].flaw == ADVICE


@pytest.mark.parametrize(("word", "parity"), [("7E2", "even"), ("7O2", "odd"), ("7N2", "none")])
def test_a_word_setting_is_found_out_before_any_line_ends(word: str, parity: str) -> None:
    """At 7O2 and 7N2 there is no LF to wait for."""
    driver = machine()
    (heard,) = driver.receive(with_parity(vector("primary_first")[:20], word), 0)
    assert f'set data_bits = 7, parity = "{parity}" in [[device]] "chute"' in heard.flaw
    assert (heard.label, heard.facts) == ("garbage", ())
    assert word in driver.facts["line"]


@pytest.mark.parametrize("word", ["7E2", "7O2", "7N2", "8N2"])
def test_at_seven_bits_every_word_setting_is_read(word: str) -> None:
    data = vector("primary_first")
    (heard,) = machine(data_bits=7).receive(data if word == "8N2" else with_parity(data, word), 0)
    assert (heard.label, heard.flaw) == ("PRIMARY", "")


def test_a_wrong_speed_is_said_once_with_the_bytes() -> None:
    driver = machine(baud=2400, parity="even")
    heard = [one for _ in range(20) for one in driver.receive(b"\xf8\x80\xe0\xfe\x98\x86" * 2, 0)]
    assert [one.flaw for one in heard if "baud" in one.flaw] == [heard[0].flaw]
    assert heard[0].flaw.startswith("unreadable: 72 bytes, no valid line: E0 FE 98 86 F8 80")
    assert 'compare baud = 2400 and 8E2 of [[device]] "chute" with the timer\'s RS232 menu' in heard[0].flaw
    assert driver.facts["line"].startswith("2400 8E2: 72 bytes, no valid line")
    driver.receive(b"\n" + vector("event_1"), 0)
    assert driver.facts["line"] == "2400 8E2"


def test_bad_lines_now_and_then_are_no_wrong_speed() -> None:
    driver = machine()
    for _ in range(10):
        heard = driver.receive(vector("a_byte_lost") + vector("cr_lost") + vector("event_1"), 0)
        assert not any("unreadable" in one.flaw for one in heard)
        assert driver.facts["line"] == "9600 8N2"


def test_a_line_that_comes_byte_by_byte_after_garbage_is_not_given_up() -> None:
    driver = machine()
    driver.receive(b"x" * 60 + b"\n", 0)
    heard = [one for byte in vector("select_padded") for one in driver.receive(bytes((byte,)), 0)]
    assert [(one.label, one.flaw) for one in heard] == [("SELECT", "")]


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


def test_xon_and_xoff_are_explained() -> None:
    assert TimeMachine.explain(b"\x11") == {"line": "XON: go on"}
    assert TimeMachine.explain(b"\x13") == {"line": "XOFF: pause"}


@given(st.binary(max_size=400))
def test_nothing_makes_it_raise(data: bytes) -> None:
    for driver in (machine(), machine(data_bits=7), machine(model="737")):
        assert b"".join(one.raw for one in driver.receive(data, 0) + driver.lost()) == data
    assert TimeMachine.explain(data)


def test_a_737_is_promised_places_only() -> None:
    driver = machine(model="737")
    assert driver.facts == {"model": "Chronomix 737", "line": "9600 8N2", "state": "XON sent"}
    heard = driver.receive(vector("primary_first") + vector("event_1") + vector("select_padded"), 0)
    assert [len(one.facts) for one in heard] == [1, 0, 1]
    assert [one.label for one in heard] == ["PRIMARY", "EVENT", "SELECT"]
    assert heard[1].flaw == (
        'not a line of the 737: EVENT; for a TIME MACHINE, take model = "737" out of [[device]] "chute"'
    )
    driver.receive(vector("start_xc_zero") + vector("lap_first") + vector("retransmit_begin"), 0)
    assert driver.facts == {"model": "Chronomix 737", "line": "9600 8N2", "state": "FLOWING"}
    assert driver.refill() == "no retransmit of a 737 is known of: take the place from its own record"


def test_what_a_retransmit_costs() -> None:
    """Measured in the fact sheet: SELECT 0.34 s at 1200 baud and 8E2, 0.043 s at 9600."""
    slow = TimeMachineSettings(name="c", type="timemachine", baud=1200, parity="even")
    assert line_seconds(34, slow) == pytest.approx(0.34)
    assert line_seconds(34, TimeMachineSettings(name="c", type="timemachine", parity="even")) == pytest.approx(0.0425)
    driver = machine(baud=1200, parity="even")
    assert driver.refill() == "a retransmit brings it, live lines wait meanwhile: after the rush"
    for place in range(1, 258):
        driver.receive(b"\x00EVENT 001\r\n" * (place == 1) + b"\x1711 %03d %04d 00:15:42.07 \r\n" % (place, place), 0)
    told = "a retransmit of event 1 takes about 70 s, live lines wait meanwhile: after the rush"
    assert driver.refill() == told
    driver.receive(vector("retransmit_begin") + b"\x00EVENT 007\r\n" + vector("primary_first"), 0)
    assert driver.refill() == told, "of the event that is in force, and told again it costs no more"
    driver.receive(vector("retransmit_end") + b"\x00EVENT 000\r\n" + vector("primary_big"), 0)
    assert "of event 0 takes about 45 min" in driver.refill(), "9,999 places, though only one was heard"
    driver.receive(vector("start_xc_zero") + vector("lap_first"), 0)
    assert "takes about 1 s" in driver.refill()


class Lines(Wire):
    """An outlet with modem lines."""

    def __init__(self, **lines: bool | None) -> None:
        super().__init__()
        self.state: dict[str, bool | None] = dict(lines)

    def lines(self) -> dict[str, bool | None]:
        return self.state


def test_a_low_line_of_the_timers_may_explain_a_silence() -> None:
    driver = machine(Lines(CTS=False, DSR=None, CD=False))
    assert driver.facts["handshake"] == "CTS low: is the timer on, and its cable in?"
    driver.receive(vector("event_1"), 0)
    assert "handshake" not in driver.facts, "with this cable it means nothing"
    driver.lines_changed({"CTS": False, "DSR": False})
    assert driver.facts["handshake"].startswith("CTS and DSR low")
    driver.lines_changed({"CTS": True, "DSR": True})
    assert "handshake" not in driver.facts
    assert "handshake" not in machine(Lines(CTS=None)).facts


@pytest.mark.parametrize(
    "words",
    [
        "PAUSE 0",
        "PAUSE 3601",
        "PAUSE -1",
        "PAUSE 1.5",
        "PAUSE 5m",
        "PAUSE \u0665",
        "PAUSE 1 2",
        "RTS",
        "RTS up",
        "XOFF",
        "",
    ],
)
async def test_what_cannot_be_sent_is_refused_before(words: str) -> None:
    wire = Wire()
    driver = machine(wire)
    wire.sent.clear()
    with pytest.raises(CommandError):
        await driver.command(Order(words=words, by="anna"))
    assert wire.sent == []


def test_no_command_hides_a_key_of_the_console() -> None:
    keys = [one.key for one in TimeMachine.commands]
    assert len(set(keys)) == len(keys)
    assert not set(keys) & set("adxlingqbume/:?[]")
    assert not any(one.changes or one.destroys for one in TimeMachine.commands)


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (TimeMachineSettings, {"baud": 38400}),
        (TimeMachineSettings, {"data_bits": 9}),
        (TimeMachineSettings, {"xoff_timeout": 100}),
        (TimeMachineSettings, {"clock": "utc"}),
        (TimeMachineSettings, {"model": "738"}),
    ],
)
def test_settings_the_timer_does_not_have(kind: Callable[..., object], wrong: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"name": "chute", "type": "timemachine", **wrong}, kind)
