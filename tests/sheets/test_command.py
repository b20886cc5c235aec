"""`racedeck sheet`, against an engine that answers, one that does not know, and none."""

import asyncio
import csv
import io
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from console import places
from console.cli import main
from console.control import messages as m
from console.exit import Exit
from console.model import Sheet
from console.sheets import SHEETS
from tests.screens.conftest import engine_at
from tests.screens.fake_engine import FakeEngine

Run: TypeAlias = Callable[..., Awaitable[tuple[int, str, str]]]

TABLE = Sheet(
    title="laps chute",
    columns=("EVENT", " LAP", "NAME"),
    rows=[("001", "9", "=1+1"), ("001", "10", "\x1b[31mEva")],
    note="1 of 2 splits differs",
)


class Engine(FakeEngine):
    """It keeps one sheet."""

    async def answer(self, call: m.Call, who: str, console: int) -> m.Result:
        if call == m.GetSheet(device="chute", name="laps"):
            return m.Table(sheet=TABLE)
        return await super().answer(call, who, console)


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """`racedeck sheet` with these arguments: its exit status and what it printed."""
    settings = tmp_path / "racedeck.toml"
    settings.write_text('[event]\nname = "spring-10k"\ntimezone = "Europe/Paris"\n')
    state = tmp_path / "state"
    state.mkdir()

    async def run(*words: str, engine: bool = True) -> tuple[int, str, str]:
        argv = ["sheet", *words, "--config", str(settings), "--state-dir", str(state)]
        if engine:
            async with engine_at(places.socket_path(state, "spring-10k"), Engine()):
                status = await asyncio.to_thread(main, argv)
        else:
            status = await asyncio.to_thread(main, argv)
        return status, *capsys.readouterr()

    return run


async def test_columns_are_aligned_and_nothing_reaches_the_terminal(run: Run) -> None:
    status, out, _ = await run("laps", "chute")
    assert status == Exit.OK
    assert out.splitlines() == [
        "laps chute",
        "EVENT  LAP  NAME",
        "001      9  =1+1",
        "001     10  \\x1b[31mEva",
        "1 of 2 splits differs",
    ]


async def test_csv_is_defused(run: Run) -> None:
    status, out, err = await run("laps", "chute", "--csv")
    assert status == Exit.OK
    assert list(csv.reader(io.StringIO(out))) == [
        ["EVENT", "LAP", "NAME"],
        ["001", "9", "'=1+1"],
        ["001", "10", "\\x1b[31mEva"],
    ]
    assert err == "1 of 2 splits differs\n"


async def test_json_is_one_object_a_row(run: Run) -> None:
    status, out, _ = await run("laps", "chute", "--json")
    assert status == Exit.OK
    assert [json.loads(line) for line in out.splitlines()] == [
        {"EVENT": "001", "LAP": "9", "NAME": "=1+1"},
        {"EVENT": "001", "LAP": "10", "NAME": "\x1b[31mEva"},
    ]


async def test_an_unknown_sheet_is_refused_with_those_there_are(run: Run) -> None:
    status, out, err = await run("lips", "chute")
    assert (status, out) == (Exit.REFUSED, "")
    assert "chute keeps no sheet 'lips'; there is " in err
    assert all(name in err for name in SHEETS)


async def test_an_unknown_sheet_of_nothing_in_particular(run: Run) -> None:
    status, _, err = await run("lips")
    assert status == Exit.REFUSED
    assert err.startswith("racedeck: no sheet 'lips'; there is report, ")


async def test_without_an_engine_and_a_journal_it_is_said(run: Run) -> None:
    status, out, err = await run("laps", "chute", engine=False)
    assert (status, out) == (Exit.NO_ENGINE, "")
    assert "no engine runs" in err


def test_help_names_every_sheet(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["sheet", "--help"])
    told = capsys.readouterr().out
    assert all(name in told for name in SHEETS)


@pytest.mark.parametrize("name", SHEETS)
def test_every_sheet_is_there(name: str) -> None:
    from importlib import import_module

    module, _, function = SHEETS[name].partition(":")
    assert callable(getattr(import_module(module), function or "make"))
