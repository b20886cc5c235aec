"""Tables, and what the log leaves out."""

from pathlib import Path

import msgspec

from console.control import messages as m
from console.model import SECOND, Sheet
from tests.screens.conftest import console_on
from tests.screens.fake_engine import FakeEngine, frame_of
from tests.screens.snapshots import compare

LAPS = Sheet(
    title="LAPS of chute",
    columns=("LANE", " LAP", " SPLIT", "NAME"),
    rows=[(f"{lane}", f"{lap}", f"{lap}:0{lane}.5", f"RUNNER {lane}") for lap in range(1, 9) for lane in range(1, 5)],
    marks={0: "bad", 3: "warn"},
    note="lap 3 of lane 2 came twice: look at the timer's own print",
)


def asked(engine: FakeEngine) -> int:
    return sum(isinstance(call, m.GetSheet) for _, call in engine.calls)


async def test_a_table_scrolls_and_is_asked_again_only_when_something_came(socket: Path) -> None:
    engine = FakeEngine()
    engine.sheets["ctl-31", "cards"] = LAPS
    async with console_on(socket, engine) as console:
        await console.press(":")
        await console.type("sheet ctl-31 cards")
        await console.sees("LAPS of chute", "32 rows", "1       1  1:01.5  RUNNER 1", "came twice", "more lines below")
        compare("sheet-80x24", console.text)
        await console.press("end")
        await console.sees("4       8  8:04.5  RUNNER 4", "-- end --", "LANE  LAP   SPLIT  NAME")
        first = asked(engine)
        for _ in range(5):
            engine.frames += 1
            console.push()
            await console.sees(f"SAVED {engine.frames}")
        assert asked(engine) <= first + 5
        before, engine.quiet = asked(engine), engine.quiet + 5 * SECOND
        console.push()
        await console.sees(lambda: asked(engine) == before + (before < first + 5))
        now = asked(engine)
        for _ in range(5):
            engine.quiet += 2 * SECOND
            console.push()
        await console.press("up", "down", "up")
        assert asked(engine) == now
        await console.press("escape")
        await console.sees("PASSINGS")


async def test_a_table_that_is_not_there_says_so(socket: Path) -> None:
    async with console_on(socket) as console:
        await console.press(":")
        await console.type("sheet ctl-31 nothing")
        await console.sees("ctl-31 keeps no sheet 'nothing'")
        await console.press("escape", "#")
        await console.sees("that is a key of a device's tab")


async def test_without_a_device_it_is_about_the_tab_in_front_or_the_event(socket: Path) -> None:
    async with console_on(socket) as console:
        for keys, name, wanted in (
            (("d",), "finish", ""),
            (("l", "]"), "finish", "chute"),
            (("l", "]"), "chutes", "chute"),
            (("l", "]", "]", "]"), "finish", ""),
            (("l", "]", "]", "]"), "backup", "ctl-31"),
        ):
            await console.press(*keys, ":")
            await console.type(f"sheet {name}")
            call = m.GetSheet(device=wanted, name=name)
            await console.sees("keeps no sheet")
            assert console.engine.calls[-1][1] == call
            await console.press("escape")


async def test_the_key_for_tables_offers_those_of_the_device(socket: Path) -> None:
    async with console_on(socket) as console:
        await console.press("l", "]", "]", "]", "#")
        await console.sees(":sheet ctl-31", "backup    every punch of the last download", "WIRE")
        await console.press("b", "tab", "enter")
        await console.sees("ctl-31 keeps no sheet 'backup'")


async def test_a_narrow_screen_cuts_cells_and_marks_them(socket: Path) -> None:
    engine = FakeEngine()
    engine.sheets["ctl-31", "cards"] = Sheet(
        title="CARDS", columns=("CARD", "NAME", "WHAT"), rows=[("04A1B2C3", "N" * 50, "W" * 80)]
    )
    async with console_on(socket, engine, size=(60, 15)) as console:
        await console.press(":")
        await console.type("sheet ctl-31 cards")
        await console.sees("04A1B2C3  NNN", "N~  WWW", "W~")
        assert {len(line) for line in console.lines} == {60}


async def test_what_is_behind_a_row_opens_on_enter(socket: Path) -> None:
    engine = FakeEngine()
    engine.sheets["", "report"] = Sheet(
        title="report",
        columns=("OF", "FIGURE", " COUNT"),
        rows=[("raceday", f"figure {number}", str(number)) for number in range(40)],
        links={1: "held raceday 192.168.1.20", 39: "tell"},
        marks={2: "bad"},
    )
    engine.sheets["raceday 192.168.1.20", "held"] = Sheet(
        title="held", columns=("#",), rows=[("4189",), ("4190",)], links={0: "4189", 1: "4190"}
    )
    async with console_on(socket, engine) as console:
        await console.press(":")
        await console.type("sheet report")
        await console.sees("> raceday  figure 0 ", "  raceday  figure 1 ", "Enter what is behind it")
        await console.press("enter")
        await console.sees("> raceday  figure 0 ")
        await console.press("down", "enter")
        await console.sees("held", "> 4189")
        await console.press("down", "enter")
        await console.sees("FRAME 4190")
        await console.press("escape")
        await console.sees("> 4190")
        await console.press("escape")
        await console.sees("> raceday  figure 1 ")
        await console.press("end")
        await console.sees("> raceday  figure 39", "-- end --")
        await console.press("up", "up")
        await console.sees("> raceday  figure 37", "figure 38")
        await console.press("home")
        await console.sees("> raceday  figure 0 ", "more lines below")
        engine.sheets["", "report"] = Sheet(title="report", columns=("OF",), rows=[], links={0: "1"})
        engine.frames += 1
        engine.quiet += 5 * SECOND
        console.push()
        await console.sees("nothing yet")
        await console.press("down", "up")
        await console.sees("nothing yet")


async def test_the_log_leaves_chatter_out_and_says_so(socket: Path) -> None:
    engine = FakeEngine(200)
    for seq in range(100, 201):
        if seq % 10 in (5, 6, 9):
            label = {5: "PONG", 6: "prompt", 9: "PING"}[seq % 10]
            engine.odd[seq] = msgspec.structs.replace(frame_of(seq), label=label)
    async with console_on(socket, engine) as console:
        await console.press("l")
        await console.sees("chatter hidden (/ chatter shows it)", "200 SAVED", "    200  ")
        log = console.deck.stack.log.frames
        assert not {"PING", "PONG", "prompt"} & {row.label for row in log.rows}
        for text in ("chatter", "PONG"):
            await console.press("/", *["backspace"] * len(log.filter))
            await console.type(text)
            await console.sees(lambda: "PONG" in {row.label for row in log.rows})
            await console.sees_no("chatter hidden")
        await console.press("escape")
        await console.sees("chatter hidden")
