"""Bibs by hand, at 80x24."""

from pathlib import Path

import msgspec
import pytest

from console.control import messages as m
from console.model import SECOND, Kind
from screens.sources import without_bib
from tests.screens.conftest import console_on
from tests.screens.fake_engine import FakeEngine, nameless
from tests.screens.test_deck import changes


def many_nameless() -> FakeEngine:
    """An engine with four places without a bib on the screen."""
    engine = FakeEngine(60)
    for seq in (46, 48, 49):
        row = engine.passing(seq)
        passing = msgspec.structs.replace(row.passing, kind=Kind.PLACE)
        engine.odd_passings[seq] = msgspec.structs.replace(row, bib=None, passing=passing)
    return engine


async def test_digits_and_enter_are_all_it_takes(socket: Path) -> None:
    engine = FakeEngine()
    async with console_on(socket, engine) as console:
        one = next(row.passing.seq for row in console.deck.stack.race.passings.visible if nameless(row.passing.seq))
        await console.press("1")
        await console.sees(f"BIB for #{one} (place ", ": 1", "following", "Enter save, next without bib")
        await console.press("2", "0", "4")
        engine.frames += 3
        console.push()
        await console.sees("SAVED 4215", "1204")
        await console.press("enter")
        await console.sees(f"done: #{one} ---- -> 1204; goes out in 10 s", "u undo")
        assert changes(engine) == [m.SetBib(passing=one, bib="1204")]
        engine.quiet += 2 * SECOND
        console.push()
        await console.sees("goes out in 8 s")
        await console.press("escape")
        await console.sees("goes out in 8 s")
        engine.quiet += 8 * SECOND
        console.push()
        await console.sees_no("goes out in")


async def test_typing_ahead_never_hits_another_passing_than_the_one_named(socket: Path) -> None:
    engine = many_nameless()
    async with console_on(socket, engine) as console:
        rows = without_bib(console.deck.stack.race.passings.visible)
        await console.press(*"11", "enter", *"22", "enter", *"33", "enter")
        await console.sees(lambda: len(changes(engine)) == 3)
        wanted = [row.passing.seq for row in rows][:3]
        assert [call.passing for call in changes(engine) if isinstance(call, m.SetBib)] == wanted
        assert [call.bib for call in changes(engine) if isinstance(call, m.SetBib)] == ["11", "22", "33"]


async def test_a_bib_is_text_and_the_cursor_says_whose(socket: Path) -> None:
    engine = FakeEngine()
    async with console_on(socket, engine) as console:
        await console.press("up", "up", "up", "up", "b")
        row = console.deck.stack.race.passings.current
        assert row is not None
        await console.sees(f"BIB for #{row.passing.seq} (")
        await console.type("E12b")
        await console.sees(lambda: changes(engine) == [m.SetBib(passing=row.passing.seq, bib="E12b")])
        engine.frames += 1
        console.push()
        await console.press("end")
        await console.sees("edited ", "E12b")


async def test_undo_within_the_time_and_after_it(socket: Path) -> None:
    engine = FakeEngine()
    async with console_on(socket, engine) as console:
        await console.press("1", "enter", "escape")
        await console.sees("goes out in 10 s")
        await console.press("u")
        await console.sees("is as it was")
        await console.sees_no("goes out")
        await console.press("u")
        await console.sees("there is nothing to take back")
        assert [type(call) for call in changes(engine)] == [m.SetBib, m.Undo, m.Undo]


async def test_what_was_not_saved_is_never_silent(socket: Path) -> None:
    engine = many_nameless()
    engine.refuse_bibs = "the disk is full"
    async with console_on(socket, engine) as console:
        await console.press("7", "enter")
        await console.sees(" 7 NOT SAVED: the disk is full")
        await console.press("8")
        await console.sees("NOT SAVED: the disk is full")
        await console.press("escape")
        await console.sees_no("NOT SAVED")


async def test_no_bib_changes_nothing(socket: Path) -> None:
    async with console_on(socket) as console:
        await console.press("b", "enter")
        await console.sees("no bib was typed; nothing was changed")
        await console.press("b", "escape", "l", "b")
        await console.sees("bibs are given on a list of passings")
        assert changes(console.engine) == []


async def test_an_observer_gives_no_bibs(socket: Path) -> None:
    async with console_on(socket, observe=True) as console:
        for keys in (("b",), ("1",), ("u",)):
            await console.press(*keys)
            await console.sees("this console only observes")
            await console.press("tab")
        assert not console.deck.asking
        assert changes(console.engine) == []


@pytest.mark.parametrize(
    ("typed", "call"),
    [
        ("bib #12 0933", m.SetBib(passing=12, bib="0933")),
        ("bib 12 -", m.SetBib(passing=12, bib="")),
        ("undo", m.Undo()),
    ],
)
async def test_on_the_command_line(socket: Path, typed: str, call: m.Call) -> None:
    async with console_on(socket) as console:
        await console.press(":")
        await console.type(typed)
        await console.sees(lambda: changes(console.engine) == [call])
