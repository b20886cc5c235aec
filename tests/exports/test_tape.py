"""The tape, on a printer that is a command, or a device; also without paper."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from console.exports import export_class
from console.exports.tape import TapeExport, TapeSettings
from console.model import SECOND, Level, Phase, Status
from tests.exports.desk import edit, until
from tests.exports.sinks import RecordsDesk

DAY = 86_400 * SECOND


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.exports.sink.PAUSE", 0.0)
    monkeypatch.setattr("console.exports.sink.RETRY_EVERY", 0.01)
    monkeypatch.setattr("console.exports.printers.ASK_EVERY", 0.002)
    monkeypatch.setattr("console.exports.printers.STUCK_AFTER", 0.02)


def make(desk: RecordsDesk, **settings: Any) -> TapeExport:
    return TapeExport(TapeSettings(name="tape", type="tape", **settings), desk, desk.now)


@asynccontextmanager
async def at_work(export: TapeExport) -> AsyncIterator[TapeExport]:
    task = asyncio.create_task(export.run())
    try:
        await until(lambda: task.done() or export.state().peers[0].since)
        yield export
    finally:
        task.cancel()
        (result,) = await asyncio.gather(task, return_exceptions=True)
        assert isinstance(result, asyncio.CancelledError), result


class Printer:
    """A command that prints on a file; without paper it fails."""

    def __init__(self, directory: Path) -> None:
        self.paper = directory / "paper"
        self.paper.touch()
        self.script = directory / "print.py"
        self.script.write_text(
            "import sys\n"
            "text = sys.stdin.buffer.read()\n"
            f"open({str(directory / 'jobs')!r}, 'a').write('x')\n"
            f"try: open({str(self.paper)!r}, 'rb+').seek(0)\n"
            "except FileNotFoundError: sys.exit('tape: no paper')\n"
            f"open({str(self.paper)!r}, 'ab').write(text)\n"
        )
        self.command = f"{sys.executable} {self.script}"

    def lines(self) -> list[str]:
        return self.paper.read_text().splitlines()


def bibs(lines: list[str]) -> list[int]:
    """Those of passings that were printed without a mark."""
    return [int(line.split()[1]) for line in lines if line.endswith("Finish")]


def test_the_registry_finds_it() -> None:
    assert export_class("tape") is TapeExport


@pytest.mark.parametrize(
    "settings", [{}, {"printer": "lp", "device": "/dev/lp0"}, {"device": "lp0"}, {"printer": "lp 'x"}, {"printer": " "}]
)
def test_settings_that_cannot_be(settings: dict[str, str]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"name": "x", "type": "tape", **settings}, TapeSettings)


async def test_lines_as_things_happen(tmp_path: Path) -> None:
    desk, printer = RecordsDesk(tmp_path), Printer(tmp_path)
    desk.add(3)
    desk.act("phase", phase="RACE")
    async with at_work(make(desk, printer=printer.command)) as export:
        (first,) = desk.add(bib=None)
        await until(lambda: export.state().acked == 1)
        desk.clock += SECOND
        desk.act("bib", bib="5")
        desk.act("phase", phase="CLOSED")
        await until(lambda: export.aside_place == 3)
        desk.add(phase=Phase.TEST)
        desk.add(status=Status.REPEAT, of=1)
        desk.add(read_type=1)
        desk.clock += SECOND
        row = edit(desk, first, "1204", ago=0)
        await until(lambda: export.place == row.seq)
        assert [fate for _, fate in export.fate(first) + export.fate(desk.feed.passings[0])] == [
            "sent",
            "came before this export",
        ]
        desk.clock += DAY
        desk.add(bib="77", status=Status.CANCELLED, of=4)
        await until(lambda: export.state().acked == 3)
    assert printer.lines() == [
        "=" * 40, "spring-10k", "2026-04-22 UTC", "=" * 40,
        "10:29:02  ---- Finish",
        "-- 10:29:03 phase CLOSED (anna)",
        "10:29:02 *1204 Finish bib by anna: was", "  ----",
        "=" * 40, "spring-10k", "2026-04-23 UTC", "=" * 40,
        "10:29:02 X  77 Finish CANCELLED",
    ]  # fmt: skip


async def test_the_whole_day_where_it_is_wanted(tmp_path: Path) -> None:
    desk, printer = RecordsDesk(tmp_path), Printer(tmp_path)
    desk.add(50)
    async with at_work(make(desk, printer=printer.command, newcomers="all")) as export:
        await until(lambda: export.state().acked == 50)
    assert bibs(printer.lines()) == list(range(1, 51))
    assert (tmp_path / "jobs").read_text() == "xxx", "a few lines at a time"


async def test_without_paper_it_waits_and_goes_on_from_there(tmp_path: Path) -> None:
    desk, printer = RecordsDesk(tmp_path), Printer(tmp_path)
    async with at_work(make(desk, printer=printer.command)) as export:
        desk.add(2)
        await until(lambda: export.state().acked == 2)
        printer.paper.rename(tmp_path / "used up")
        desk.add(30)
        await until(lambda: export.state().state == "down")
        assert export.state().reason == f"{sys.executable} failed with status 1: tape: no paper"
        await until(lambda: export.state().waiting == 30)
        await until(lambda: len((tmp_path / "jobs").read_text()) > 6)
        assert export.state().state == "down"
        assert [level for level, _, _ in desk.troubles] == [Level.ALARM], "said once, however often it is tried"
    async with at_work(make(desk, printer=printer.command)) as export:
        await until(lambda: export.state().state == "down" and export.state().waiting == 30)
        (tmp_path / "used up").rename(printer.paper)
        await until(lambda: export.state().acked == 32)
        assert export.state().state == "up"
    assert bibs(printer.lines()) == list(range(1, 33))
    assert sum(line.startswith("=") for line in printer.lines()) == 2, "one head"


async def test_another_printer_goes_on_where_the_broken_one_was(tmp_path: Path) -> None:
    desk = RecordsDesk(tmp_path)
    (tmp_path / "spare").mkdir()
    first, spare = Printer(tmp_path), Printer(tmp_path / "spare")
    async with at_work(make(desk, printer=first.command)) as export:
        desk.add(2)
        await until(lambda: export.state().acked == 2)
        first.paper.rename(tmp_path / "used up")
        rows = desk.add(3)
        await until(lambda: export.state().state == "down" and export.state().waiting == 3)
    desk.act("phase", phase="CLOSED")
    async with at_work(make(desk, printer=spare.command)) as export:
        await until(lambda: export.state().acked == 3)
        assert export.fate(rows[0]) == [(spare.command, "sent")]
        assert export.fate(desk.feed.passings[0]) == [
            (first.command, "sent"),
            (spare.command, "came before this export"),
        ]
        (broken,) = export.state().former
        assert (broken.journaled, broken.sent, broken.acked, broken.waiting) == (2, 2, 2, 0)
        assert broken.reason == "no longer configured: the settings name another"
    (tmp_path / "used up").rename(first.paper)
    async with at_work(make(desk, printer=first.command)) as export:
        desk.add(1)
        await until(lambda: export.state().acked == 1)
        assert export.state().journaled == 1, "of this printer, since it prints again"
    assert bibs(spare.lines()) == [3, 4, 5]
    assert sum("phase CLOSED" in line for line in spare.lines()) == 1
    assert spare.lines()[0] == "=" * 40, "a new roll begins with a head"
    assert bibs(first.lines()) == [1, 2, 6]


async def test_commands_that_are_not_there_or_do_not_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.exports.printers.JOB_WITHIN", 0.05)
    desk = RecordsDesk(tmp_path)
    desk.add()
    async with at_work(make(desk, printer="no-such-command -d x", newcomers="all")) as export:
        await until(lambda: export.state().state == "down")
        assert export.state().reason == "no-such-command: No such file or directory: is it installed?"
    async with at_work(make(desk, printer="sleep 600", newcomers="all")) as export:
        await until(lambda: "did not end within" in export.state().reason)
        assert [level for level, _, _ in desk.troubles] == [Level.ALARM] * 2


async def test_paused_while_the_roll_is_changed(tmp_path: Path) -> None:
    desk, printer = RecordsDesk(tmp_path), Printer(tmp_path)
    async with at_work(make(desk, printer=printer.command)) as export:
        export.pause("anna")
        desk.add(2)
        await until(lambda: export.state().waiting == 2)
        assert (export.state().state, export.state().reason) == ("paused", "by anna")
        with pytest.raises(ValueError, match="paused already"):
            export.pause("ben")
    async with at_work(make(desk, printer=printer.command)) as export:
        await until(lambda: export.state().state == "paused", "over a restart, too")
        export.resume("anna")
        await until(lambda: export.state().acked == 2)
    assert bibs(printer.lines()) == [1, 2]


# --- a device ---


class Roll:
    """A device file (a FIFO): what is printed is read when the test wants it, so the printer may be full, or gone."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "lp0"
        self.fd = -1
        self.printed = b""

    def plug_in(self) -> None:
        if not self.path.exists():
            os.mkfifo(self.path)
        self.fd = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)

    def take(self) -> None:
        while True:
            try:
                data = os.read(self.fd, 65_536)
            except BlockingIOError:
                return
            if not data:
                return
            self.printed += data

    def unplug(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1

    def lines(self) -> list[str]:
        self.take()
        return self.printed.decode("ascii").split("\r\n")


@pytest.fixture
def roll(tmp_path: Path) -> Iterator[Roll]:
    one = Roll(tmp_path)
    yield one
    one.unplug()


async def test_a_device_takes_lines_in_ascii(tmp_path: Path, roll: Roll) -> None:
    desk = RecordsDesk(tmp_path, event="fête")
    roll.plug_in()
    async with at_work(make(desk, device=str(roll.path), width=24)) as export:
        desk.add(2)
        await until(lambda: export.state().sent == 2)
        assert export.state().acked is None, "taken by the kernel is not on paper"
    assert roll.lines() == [
        "=" * 24, "fete", "2026-04-22 UTC", "=" * 24, "10:29:02     1 Finish", "10:29:02     2 Finish", "",
    ]  # fmt: skip


async def test_a_device_that_is_not_there_takes_nothing_or_goes_away(tmp_path: Path, roll: Roll) -> None:
    desk = RecordsDesk(tmp_path)
    async with at_work(make(desk, device=str(roll.path))) as export:
        desk.add(3)
        await until(lambda: export.state().state == "down")
        assert export.state().reason == f"{roll.path}: No such file or directory: is the printer plugged in and on?"
        assert not roll.path.exists(), "it does not become a file"
        roll.plug_in()
        await until(lambda: export.state().sent == 3)
        desk.add(5_000)  # more than the FIFO holds
        await until(lambda: "takes nothing: is there paper" in export.state().reason)
        stuck = export.state().sent
        assert 3 < stuck < 5_003

        def printed_on() -> bool:
            roll.take()
            return export.state().sent == 5_003

        await until(printed_on)
        assert export.state().state == "up"
        roll.take()
        roll.unplug()
        desk.add(2)
        await until(lambda: "is the printer plugged in" in export.state().reason)
        roll.plug_in()
        await until(lambda: export.state().sent == 5_005)
    whole = [line for line in roll.lines() if line.endswith("Finish") and len(line) == len("10:29:02     1 Finish")]
    assert bibs(whole) == list(range(1, 5_006))
