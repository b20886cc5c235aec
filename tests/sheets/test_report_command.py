"""`racedeck report`, against an engine that answers."""

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
from tests.screens.conftest import engine_at
from tests.screens.fake_engine import FakeEngine

Run: TypeAlias = Callable[..., Awaitable[tuple[int, str, str]]]

REPORT = Sheet(
    title="report",
    columns=("OF", "PEER", "FIGURE", " COUNT", "NOTE"),
    rows=[
        ("chute", "", "frames", "4230", "received"),
        ("chute", "", "nameless", "?", ""),
        ("scoring", "10.0.0.5", "journaled", "4212", "= 4212 sent + 0 waiting"),
        ("scoring", "10.0.0.5", "acked", "-", "the protocol does not acknowledge"),
        ("scoring", "10.0.0.5", "waiting", "-1", "=1+1"),
        ("printer", "-", "journaled", "4212", "nobody has come yet"),
    ],
    note="tcp: taken by the peer's TCP",
)


class Engine(FakeEngine):
    """It has a report, and what is held for one peer."""

    def __init__(self, report: Sheet) -> None:
        super().__init__()
        self.report = report

    async def answer(self, call: m.Call, who: str, console: int) -> m.Result:
        if call == m.GetSheet(device="", name="report"):
            return m.Table(sheet=self.report)
        if call == m.GetSheet(device="scoring 10.0.0.5", name="held"):
            return m.Table(sheet=Sheet(title="held scoring 10.0.0.5", columns=(" #",), rows=[("7",)]))
        return await super().answer(call, who, console)


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """`racedeck report` with these arguments: its exit status and what it printed."""
    settings = tmp_path / "racedeck.toml"
    settings.write_text('[event]\nname = "spring-10k"\ntimezone = "Europe/Paris"\n')
    state = tmp_path / "state"
    state.mkdir()

    async def run(*words: str, report: Sheet = REPORT) -> tuple[int, str, str]:
        argv = ["report", *words, "--config", str(settings), "--state-dir", str(state)]
        async with engine_at(places.socket_path(state, "spring-10k"), Engine(report)):
            status = await asyncio.to_thread(main, argv)
        return status, *capsys.readouterr()

    return run


async def test_as_a_table(run: Run) -> None:
    status, out, _ = await run()
    assert status == Exit.OK
    assert out.splitlines()[:4] == [
        "report",
        "OF       PEER      FIGURE     COUNT  NOTE",
        "chute              frames      4230  received",
        "chute              nameless       ?",
    ]
    assert out.splitlines()[-1] == "tcp: taken by the peer's TCP"


async def test_as_csv(run: Run) -> None:
    status, out, err = await run("--csv")
    assert status == Exit.OK
    rows = list(csv.reader(io.StringIO(out)))
    assert rows[0] == ["OF", "PEER", "FIGURE", "COUNT", "NOTE"]
    assert rows[3] == ["scoring", "10.0.0.5", "journaled", "4212", "'= 4212 sent + 0 waiting"]
    assert err == "tcp: taken by the peer's TCP\n"


async def test_as_json_unknown_is_null(run: Run) -> None:
    status, out, _ = await run("--json")
    assert status == Exit.OK
    assert json.loads(out) == {
        "adds_up": True,
        "devices": {"chute": {"frames": 4230, "nameless": None}},
        "exports": {"scoring": {"10.0.0.5": {"journaled": 4212, "acked": None, "waiting": -1}}, "printer": {}},
    }


async def test_a_script_is_told_that_it_does_not_add_up(run: Run) -> None:
    wrong = Sheet(title="report", columns=REPORT.columns, rows=REPORT.rows, marks={2: "bad"})
    status, out, _ = await run("--json", report=wrong)
    assert status == Exit.TROUBLE
    assert json.loads(out)["adds_up"] is False


async def test_the_rows_behind_a_figure(run: Run) -> None:
    status, out, _ = await run("--show", "held", "scoring", "10.0.0.5", "--json")
    assert (status, out) == (Exit.OK, '{"#":"7"}\n')
    status, _, err = await run("--show", "hold", "scoring")
    assert status == Exit.REFUSED
    assert "there is report, " in err
