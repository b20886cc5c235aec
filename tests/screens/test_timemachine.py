"""The TIME MACHINE's tab, driven with keys."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from console.control import messages as m
from console.model import SECOND, Flow, Gun, Kind, LinkState, Origin, Sheet, Status
from screens.finish import from_
from screens.listing import Listing
from screens.timemachine import control_lines, packed
from screens.transmit import said
from tests.screens.conftest import Console, console_on
from tests.screens.fake_engine import GUN
from tests.screens.snapshots import compare
from tests.screens.timer import TimerEngine, race_day, rows_told


@asynccontextmanager
async def tab(socket: Path, engine: TimerEngine, **look: object) -> AsyncIterator[Console]:
    """The timer's tab, with its rows."""
    async with console_on(socket, engine, **look) as console:  # type: ignore[arg-type]
        await console.press("l", "]")
        await console.sees("TRANSMIT STATUS", lambda: "\n...\n" not in console.text)
        yield console


def row_of(console: Console, text: str) -> str:
    """The line on the screen that begins with `text`."""
    found = [line for line in console.lines if line.strip().startswith(text)]
    assert found, f"no {text!r} on\n{console.text}"
    return found[0]


def place_of(listing: Listing[Any]) -> object:
    """The place under the cursor."""
    return listing.current.passing.extra["place"] if listing.current else None


# --- as it looks ---


@pytest.mark.parametrize("size", [(80, 24), (132, 43)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_it_looks_as_drawn(socket: Path, size: tuple[int, int]) -> None:
    async with tab(socket, race_day(), size=size) as console:
        await console.sees(" 0414 ", "14 SELECT")
        assert {len(line) for line in console.lines if line.isascii()} == {size[0]}
        assert len(console.lines) == size[1]
        compare(f"timer-{size[0]}x{size[1]}", console.text)


async def test_without_box_drawing_and_colour_it_says_the_same(socket: Path) -> None:
    async with tab(socket, race_day(), ascii=True, theme="mono") as console:
        await console.sees(" 0414 ", "HOLE 0410")
        assert console.text.isascii()
        compare("timer-ascii-80x24", console.text)


async def test_a_pause_looks_as_drawn(socket: Path) -> None:
    engine = race_day()
    engine.set(
        holes=(),
        facts={"state": "PAUSED"},
        flow=Flow(
            paused_at=engine.clock - 7 * SECOND,
            by="anna",
            resumes_at=engine.clock + 23 * SECOND,
            ends_at=engine.clock + 53 * SECOND,
            lines=1,
            heard=engine.clock - 7 * SECOND,
            note="line in transit ended 0.03 s after XOFF",
        ),
    )
    async with tab(socket, engine) as console:
        await console.sees("PAUSED 0:07 by anna, timer resumes by itself in 0:23", "NOT A SAFE STORE")
        compare("timer-paused-80x24", console.text)
        engine.clock += 5 * SECOND
        console.push()
        await console.sees("PAUSED 0:12 by anna, timer resumes by itself in 0:18", "we send XON in 0:48")
        engine.set(facts={"state": "PAUSED, but lines come"})
        console.push()
        await console.sees("PAUSED 0:12, but lines come by anna")
        engine.set(
            facts={"state": "PAUSED"}, flow=Flow(paused_at=engine.clock, by="anna", ends_at=engine.clock + SECOND)
        )
        console.push()
        await console.sees("PAUSED 0:00 by anna, until XON", "we send XON in 0:01")


async def test_p_pauses_and_r_resumes(socket: Path) -> None:
    async with tab(socket, race_day()) as console:
        await console.press("p")
        await console.sees("XOFF sent")
        console.push()
        await console.sees("PAUSED 0:00", "NOT A SAFE STORE")
        await console.press("r")
        await console.sees("XON sent")
        console.push()
        await console.sees("FLOWING", "first line 0.05 s after XON")


# --- the finish order ---


async def test_only_places_that_count_are_asked_for_with_what_became_of_them(socket: Path) -> None:
    engine = race_day()
    async with tab(socket, engine):
        asked = [call for _, call in engine.calls if isinstance(call, m.GetPassings) and call.outs]
        assert asked
        assert {(call.device, call.kinds, call.statuses) for call in asked} == {
            ("chute", (Kind.PLACE, Kind.SELECT), (Status.LIVE,))
        }


async def test_a_hole_stands_where_it_is_with_the_way_to_fill_it(socket: Path) -> None:
    async with tab(socket, race_day()) as console:
        await console.sees("HOLE 0410: a retransmit of event 1 takes about 40 s", "start it on the timer")
        at = [line.split()[0] for line in console.lines if line.strip()[:2] == "04"]
        assert at == ["0408", "0409", "0410", "0411", "0412", "0413", "0414"]
        assert row_of(console, "0410").split() == ["0410", "HOLE"]


async def test_n_and_n_back_walk_holes_and_what_has_no_bib(socket: Path) -> None:
    engine = race_day()
    async with tab(socket, engine) as console:
        listing = console.deck.stack.view.listing
        assert listing is not None
        seen = []
        for _ in range(4):
            place = place_of(listing)
            await console.press("N")
            await console.sees(lambda: place_of(listing) != place)  # noqa: B023 - called before the next turn
            seen.append(place_of(listing))
        assert seen == [413, 411, 409, 408]  # without bib, behind a hole, without bib, held


async def test_a_place_out_of_order_is_marked_at_once(socket: Path) -> None:
    engine = race_day()
    async with tab(socket, engine) as console:
        engine.place(416, "01:12:20.00", "0001")
        engine.place(415, "01:12:21.00", "0002")
        console.push()
        await console.sees("OUT OF ORDER")
        assert "OUT OF ORDER" in row_of(console, "0415")
        assert "OUT OF ORDER" not in row_of(console, "0416")


async def test_what_a_retransmit_fills_is_told_late_not_out_of_order(socket: Path) -> None:
    engine = race_day()
    async with tab(socket, engine) as console:
        engine.place(410, "01:11:55.20", "0410", origin=Origin.RETRANSMIT)
        engine.set(holes=())
        console.push()
        await console.sees("01:11:55.20")
        assert row_of(console, "0410").split()[-1] == "retransmit"
        assert "OUT OF ORDER" not in console.text
        assert "HOLE 0410" not in console.text


async def test_a_hole_of_one_event_is_none_in_another(socket: Path) -> None:
    engine = TimerEngine()
    for place in (409, 411):
        engine.place(place, f"01:11:0{place % 10}.00", "1", event="001")
    for place in (410, 411):
        engine.place(place, f"01:12:0{place % 10}.00", "2", event="002")
    engine.set(holes=("0410",))
    async with tab(socket, engine) as console:
        await console.sees("0411 002")
        rows = [line.split()[:2] for line in console.lines if line.strip()[:2] == "04"]
        assert rows == [["0409", "001"], ["0410", "HOLE"], ["0411", "001"], ["0410", "002"], ["0411", "002"]]


async def test_holes_of_several_events_are_each_named_and_stand_where_they_belong(socket: Path) -> None:
    engine = TimerEngine()
    for event, place in (("001", 409), ("001", 411), ("002", 410), ("002", 412), ("001", 412)):
        engine.place(place, f"01:{event[-1]}1:0{place % 10}.00", "1", event=event)
    engine.set(holes=("0410 of event 001", "0411 of event 002"))
    async with tab(socket, engine) as console:
        await console.sees("HOLE 0410 of event 001, 0411 of event 002:", "2 HOLES")
        rows = [line.split()[:4] for line in console.lines if line.strip()[:2] == "04"]
        assert rows == [
            ["0409", "001", "11", "409"],
            ["0410", "of", "event", "001"],
            ["0411", "001", "11", "411"],
            ["0410", "002", "11", "410"],
            ["0411", "of", "event", "002"],
            ["0412", "002", "11", "412"],
            ["0412", "001", "11", "412"],
        ]
        await console.press("l")
        console.deck.stack.show(0)
        await console.sees("place 0410 of event 001", "place 0411 of event 002")


async def test_a_bib_and_a_delivery_that_come_later_are_shown(socket: Path) -> None:
    engine = race_day()
    async with tab(socket, engine) as console:
        await console.sees(lambda: "NO BIB" in row_of(console, "0413"))
        was = next(row for row in engine.rows if row.passing.extra["place"] == 413)
        at = engine.rows.index(was)
        engine.rows[at] = type(was)(
            passing=was.passing, utc=was.utc, point=was.point, bib="1204", edited="anna", halves=was.halves, out="HELD"
        )
        engine.clock += SECOND
        console.push()
        await console.sees(lambda: "1204" in row_of(console, "0413"))
        assert row_of(console, "0413").split()[-2:] == ["edited", "anna"]
        engine.rows[at] = type(was)(passing=was.passing, utc=was.utc, point=was.point, bib="1204", out="tcp")
        engine.clock += SECOND
        console.push()
        await console.sees(lambda: "tcp" in row_of(console, "0413"))


async def test_events_and_chutes_are_named_and_picked_with_a_filter(socket: Path) -> None:
    engine = TimerEngine()
    for number in range(1, 61):
        event, chute = f"{1 + number % 2:03d}", 11 + number % 3
        engine.place(number, f"00:10:{number % 60:02d}.00", str(number), event=event, chute=chute)
    engine.sheets["chute", "chutes"] = Sheet(
        title="chutes", columns=("RUN", "EVENT", "CHUTE", " PLACES"), rows=[("1", "007", "19", "3")]
    )
    async with tab(socket, engine) as console:
        await console.sees("events 001 002 007  / event:001   chutes 11 12 13 19  / chute:11")
        await console.press("/")
        await console.type("event:2 chute:12")
        await console.sees("FINISH ORDER  following  / event:2 chute:12")
        await console.sees(lambda: {line.split()[2] for line in console.lines if line[:2] == " 0"} == {"12"})
        assert {line.split()[1] for line in console.lines if line[:2] == " 0"} == {"002"}
        listing = console.deck.stack.view.listing
        assert listing is not None
        await console.press("home")
        await console.sees(lambda: place_of(listing) == 1)
        assert len(listing.rows) == 10
        await console.press("escape", "/")
        await console.type("event:two")
        await console.sees("event: takes a number")
        await console.press("/")
        await console.type("@start")
        await console.sees("event:NUMBER and chute:NUMBER")


async def test_a_time_that_a_retransmit_told_otherwise_stands_beside_the_first(socket: Path) -> None:
    engine = race_day()
    async with tab(socket, engine) as console:
        await console.sees(" 0412 ")
        told: dict[str, Any] = {"origin": Origin.RETRANSMIT, "status": Status.CORRECTION, "of": 7}
        engine.place(412, "01:11:58.17", "0412", **told)
        engine.clock += SECOND
        console.push()
        await console.sees(lambda: row_of(console, "0412").rstrip().endswith("ALSO 01:11:58.17"))
        assert " 01:11:58.07 " in row_of(console, "0412")
        engine.place(412, "01:11:58.07", "0412", **told)  # the timer has gone back on it
        engine.clock += SECOND
        console.push()
        await console.sees(lambda: "ALSO" not in row_of(console, "0412"))


async def test_a_bib_that_the_device_took_back_is_told(socket: Path) -> None:
    engine = TimerEngine()
    engine.place(1, "00:16:00.55", "12", known="21")
    async with tab(socket, engine) as console:
        await console.sees(lambda: row_of(console, "0001").split()[-3:] == ["select", "was", "12"])


async def test_letters_in_a_bib_and_no_chute_are_no_harm(socket: Path) -> None:
    engine = TimerEngine()
    engine.place(1, "00:16:00.55", "AB123")
    engine.place(99999, "00:16:00.60", "ÁLV\x1b[31m", channel=None)
    async with tab(socket, engine) as console:
        await console.sees("AB123", "99999")
        assert "\x1b" not in console.text


async def test_who_is_not_in_the_list_is_said_where_there_is_one(socket: Path) -> None:
    engine = TimerEngine()
    engine.place(1, "00:16:00.55", "1")
    engine.place(2, "00:16:01.55", "2", name="BAUER Eva")
    engine.place(3, "00:16:02.55", "3", name="")
    async with tab(socket, engine) as console:
        await console.sees(lambda: "not in list" in row_of(console, "0003"))
        assert "not in list" not in row_of(console, "0001"), "there was no table yet"
        assert "not in list" not in row_of(console, "0002")


def test_from_says_which_lines_told() -> None:
    engine = TimerEngine()
    assert from_(engine.place(1, "00:16:00.55")) == "primary"
    assert from_(engine.place(2, "00:16:00.55", "1")) == "select"
    assert from_(engine.place(3, "00:16:00.55", halves=(Kind.SELECT, Kind.PLACE))) == "primary+select"


async def test_bib_entry_knows_the_finish_order(socket: Path) -> None:
    async with tab(socket, race_day()) as console:
        await console.press("b")
        await console.sees("place 0409")
        await console.press("escape")


# --- the wire ---


async def test_lines_bytes_and_control_lines_are_one_list(socket: Path) -> None:
    engine = race_day()
    engine.crosses(engine.clock, b"", "CTS low")
    engine.crosses(engine.clock, b"", "RTS high", ours=True, by="anna")
    engine.crosses(engine.clock, b"\x17\x1b[31m\r\n", "garbage", flaw="cut short")
    async with tab(socket, engine, size=(132, 43)) as console:
        await console.sees("< ! cut short: ")
        wire = [line[14:].rstrip() for line in console.lines if line[12:15] in ("  <", "  >") and line[2:3] == ":"]
        assert wire == [
            "< 17 PRIMARY 11 413 0413 01:11:58.90",
            "> 13 XOFF, 30 s at most  anna",
            "> 11 XON, held 3.3 s  anna",
            "< 14 SELECT 11 414 0414 01:12:14.12 00771",
            "< -- CTS low",
            "> -- RTS high  anna",
            "< ! cut short: \\x17\\x1b[31m\\r\\n",
        ]


def test_a_parity_bit_is_not_shown_and_lines_that_speak_for_themselves_do() -> None:
    engine = TimerEngine()
    engine.crosses(1, bytes(byte | 0x80 for byte in b"\x17011 001\r\n"), "PRIMARY")
    engine.crosses(2, b"\x01START OF RETRANSMIT\r\n", "RETRANSMIT")
    engine.crosses(3, b"\x00EVENT 007\r\n", "EVENT")
    engine.crosses(4, b"\x19XC 00:00:00.00 \r\n", "START")
    assert [said(frame) for frame in engine.wire] == [
        "17 PRIMARY 011 001",
        "01 START OF RETRANSMIT",
        "00 EVENT 007",
        "19 START XC 00:00:00.00",
    ]


async def test_tab_brings_the_wire_to_the_front_where_it_can_be_filtered(socket: Path) -> None:
    async with tab(socket, race_day()) as console:
        await console.press("tab")
        await console.sees(">TRANSMIT STATUS")
        await console.press("home", "up")
        await console.sees("TRANSMIT STATUS  FROZEN")


# --- the head ---


async def test_a_wrong_word_setting_is_loud(socket: Path) -> None:
    engine = race_day()
    engine.set(facts={"line": "9600 8N2, but the timer is set to 7E2"})
    async with tab(socket, engine) as console:
        await console.sees("!! WRONG LINE SETTING: 9600 8N2 here, the timer is set to 7E2; set data_bits = 7")
        await console.sees('parity = "even" in the settings, or 8N2 in the timer\'s RS232 menu')
        engine.set(facts={"line": "9600 7E2: 132 bytes, no valid line: F8 80 E0 F8 80 E0"})
        console.push()
        await console.sees("!! WRONG LINE SETTING: 9600 7E2 here, 132 bytes, no valid line: F8 80 E0")


async def test_control_lines_of_a_port_without_any_are_not_available(socket: Path) -> None:
    engine = race_day()
    engine.set(facts={"lines": "not available", "handshake": "CTS low: is the timer on, and its cable in?"})
    async with tab(socket, engine) as console:
        await console.sees("CTS DSR n/a", "!! CTS low: is the timer on")


def test_our_own_lines_are_named_only_when_one_is_dropped() -> None:
    assert control_lines("CTS high DSR low CD low RTS low DTR high") == [
        ("CTS high", ""),
        ("DSR low", "bad"),
        ("CD low", ""),
        ("RTS low", "bad"),
    ]
    assert control_lines("") == []


async def test_a_timer_that_is_down_says_so_in_the_place_of_flowing(socket: Path) -> None:
    engine = race_day()
    engine.set(
        state=LinkState.DOWN, reason="/dev/ttyUSB0 is not there; is it plugged in?", retry_at=engine.clock + 4 * SECOND
    )
    async with tab(socket, engine) as console:
        await console.sees("DOWN retry 4s", "is it plugged in?")
        assert "FLOWING" not in console.text
        engine.set(state=LinkState.SILENT, reason="")
        console.push()
        await console.sees("SILENT 3s, FLOWING")


async def test_the_race_clock_is_that_of_the_newest_run(socket: Path) -> None:
    engine = race_day()
    later = Gun(device="chute", generation=2, ns=0, wall=GUN + 60 * SECOND, source="START line")
    again = Gun(device="chute", generation=2, ns=0, wall=GUN + 90 * SECOND, source="START line")
    other = Gun(device="start", generation=9, ns=0, wall=GUN, source="anna")
    engine.changes["guns"] = (
        Gun(device="chute", generation=1, ns=0, wall=GUN, source="START line"),
        later,
        again,
        other,
    )
    async with tab(socket, engine) as console:
        await console.sees("race clock 1:11:17  gun 09:31:00.00 from START line")
        engine.changes["guns"] = (later, Gun(device="chute", generation=2, ns=0, wall=GUN, source="anna"))
        console.push()
        await console.sees("race clock 1:12:17  gun 09:30:00.00 anna")
        engine.changes["guns"] = ()
        console.push()
        await console.sees("race clock ?  no gun yet")
        engine.set(facts={"clock": "time of day, START XC 09:30:00.00"})
        console.push()
        await console.sees("times are the time of day")


async def test_a_737_is_called_what_it_is(socket: Path) -> None:
    engine = race_day()
    engine.set(facts={"model": "Chronomix 737"})
    async with tab(socket, engine) as console:
        await console.sees("CHRONOMIX 737 9600 7E2  FLOWING")
        assert "retransmit: start it" not in console.text, "none is known of"


async def test_without_rows_it_says_so_and_how_a_retransmit_is_started(socket: Path) -> None:
    async with tab(socket, TimerEngine()) as console:
        await console.sees("no place yet", "no line yet", "retransmit: start it with the timer's own keys")


def test_packed_breaks_between_runs_and_cuts_only_what_is_longer_than_a_line() -> None:
    lines = packed([("one", ""), ("two", "bad"), ("x" * 30, "")], 10)
    assert ["".join(text for text, _ in line) for line in lines] == ["one  two", "x" * 9 + "~"]


# --- the retransmit ---


async def retold(engine: TimerEngine) -> None:
    """A repeat, a place that fills the hole, one that differs, the other half of a place."""
    first, told = len(engine.rows) + 1, Origin.RETRANSMIT
    engine.place(405, "01:11:41.66", "0655", origin=told, status=Status.REPEAT, of=1)
    engine.place(410, "01:11:55.20", "0410", origin=told)
    engine.place(412, "01:11:58.17", "0421", origin=told, status=Status.CORRECTION, of=7)
    engine.place(413, "01:11:58.90", "0777", origin=told, status=Status.JOINED, of=8)
    rows_told(engine, engine.rows[first - 1 :])


async def test_a_retransmit_is_counted_and_its_lines_can_be_walked(socket: Path) -> None:
    engine = race_day()
    await retold(engine)
    async with tab(socket, engine) as console:
        await console.sees("retransmit of event 001: 4 lines, 2 new, 1 differs")
        await console.press("tab", "tab")
        await console.sees(">RETRANSMIT", "repeat of #1", "DIFFERS, was 01:11:58.07 0412", "NEW select line of #8")
        assert "TRANSMIT STATUS" in console.text  # live lines stay in sight
        compare("timer-retransmit-80x24", console.text)
        listing = console.deck.stack.view.listing
        assert listing is not None
        for place in (413, 412, 410):
            await console.press("N")
            await console.sees(lambda: place_of(listing) == place)  # noqa: B023 - called before the next turn
        await console.press("/")
        await console.type("differs")
        await console.sees(lambda: [row.passing.status for row in listing.rows] == [Status.CORRECTION])
        await console.press("=")
        await console.sees(">FINISH ORDER")
        await console.press("=")
        await console.sees("RETRANSMIT  following  / differs")
        await console.press("escape", "escape")
        await console.sees(">FINISH ORDER")


async def test_the_next_retransmit_has_a_list_of_its_own(socket: Path) -> None:
    engine = race_day()
    await retold(engine)
    async with tab(socket, engine) as console:
        await console.press("=")
        await console.sees("DIFFERS, was")
        engine.clock += 60 * SECOND
        engine.place(406, "01:11:44.09", "0120", origin=Origin.RETRANSMIT, status=Status.REPEAT, of=2)
        rows_told(engine, engine.rows[-1:])
        console.push()
        await console.sees("1 line, 0 new, 0 differ", "repeat of #2")
        assert "DIFFERS" not in console.text


async def test_without_a_retransmit_there_is_nothing_to_open(socket: Path) -> None:
    async with tab(socket, race_day()) as console:
        await console.press("=")
        await console.sees("has told nothing again")
        assert "FINISH ORDER" in console.text


# --- laps ---


async def test_a_timer_of_laps_shows_its_lap_table(socket: Path) -> None:
    engine = TimerEngine()
    engine.place(1, "00:00:30.00", "7")
    engine.sheets["chute", "laps"] = Sheet(
        title="laps chute",
        columns=("EVENT", " LANE", " LAP", " TOTAL", " SPLIT", " BY TOTALS", "NOTE"),
        rows=[("001", "1", str(lap), f"00:{lap:02d}:00.00", "01:00.00", "01:00.00", "") for lap in range(1, 41)],
        note="1 of 40 splits differs",
    )
    async with tab(socket, engine) as console:
        await console.sees("FINISH ORDER")
        engine.lap(1, 1, "00:01:00.00", "01:00.00")
        console.push()
        await console.sees("laps chute", "40 rows", "1 of 40 splits differs")
        assert "FINISH ORDER" not in console.text
        await console.press("end")
        await console.sees("00:40:00.00")
        await console.press("home")
        await console.sees("00:01:00.00")
        engine.place(2, "00:50:30.00", "8")
        console.push()
        await console.sees("FINISH ORDER", " 0002 ")
