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
from console.model import SECOND, Level, Phase, Selection, Status
from console.sheets.report import mismatch
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
        await until(lambda: export.state().sent == 1)
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
        await until(lambda: export.fate(row) == [("printer", "sent")])
        assert export.restates, "nobody need be told what the tape says itself"
        desk.clock += DAY
        desk.add(bib="77", status=Status.CANCELLED, of=4)
        await until(lambda: export.state().sent == 3)
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
        await until(lambda: export.state().sent == 50)
    assert bibs(printer.lines()) == list(range(1, 51))
    assert (tmp_path / "jobs").read_text() == "xxx", "a few lines at a time"


async def test_without_paper_it_waits_and_goes_on_from_there(tmp_path: Path) -> None:
    desk, printer = RecordsDesk(tmp_path), Printer(tmp_path)
    async with at_work(make(desk, printer=printer.command)) as export:
        desk.add(2)
        await until(lambda: export.state().sent == 2)
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
        await until(lambda: export.state().sent == 32)
        assert export.state().state == "up"
    assert bibs(printer.lines()) == list(range(1, 33))
    assert sum(line.startswith("=") for line in printer.lines()) == 2, "one head"


async def test_another_printer_goes_on_where_the_broken_one_was(tmp_path: Path) -> None:
    desk = RecordsDesk(tmp_path)
    (tmp_path / "spare").mkdir()
    first, spare = Printer(tmp_path), Printer(tmp_path / "spare")
    async with at_work(make(desk, printer=first.command)) as export:
        desk.add(2)
        await until(lambda: export.state().sent == 2)
        first.paper.rename(tmp_path / "used up")
        rows = desk.add(3)
        await until(lambda: export.state().state == "down" and export.state().waiting == 3)
    desk.act("phase", phase="CLOSED")
    async with at_work(make(desk, printer=spare.command)) as export:
        await until(lambda: export.state().sent == 5)
        assert [export.fate(one) for one in (desk.feed.passings[0], rows[0])] == [[("printer", "sent")]] * 2
        (state,) = export.state().peers
        assert (state.journaled, state.waiting, state.acked, export.state().where) == (5, 0, None, spare.command)
    (tmp_path / "used up").rename(first.paper)
    async with at_work(make(desk, printer=first.command)) as export:
        desk.add(1)
        await until(lambda: export.state().sent == 6)
        assert (export.state().journaled, export.state().former) == (6, ()), "one tape, whoever prints it"
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
        await until(lambda: export.state().sent == 2)
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


# --- what an operator does ---


def figures(export: TapeExport) -> tuple[int, int, int, int, int]:
    (peer,) = export.state().peers
    assert not mismatch(peer)
    return peer.journaled, peer.sent, peer.waiting, peer.skipped, peer.resent


async def test_what_comes_before_it_is_at_work_is_printed(tmp_path: Path) -> None:
    desk, printer = RecordsDesk(tmp_path), Printer(tmp_path)
    desk.add(2)  # before there was the tape
    export = make(desk, printer=printer.command)
    desk.add(3)
    async with at_work(export):
        await until(lambda: bibs(printer.lines()) == [3, 4, 5])


async def test_a_torn_tape_is_printed_again(tmp_path: Path) -> None:
    desk, printer = RecordsDesk(tmp_path), Printer(tmp_path)
    async with at_work(make(desk, printer=printer.command)) as export:
        desk.add(50)
        await until(lambda: export.state().sent == 50)
        desk.add(phase=Phase.TEST)
        before = len(printer.lines())
        assert await export.resend(Selection(first=5, last=51), "anna") == "46 sent again, 1 not for this export"
        again = printer.lines()[before:]
        assert (again[0], again[-1]) == ("-- printed again: #5 to #51", "-- end of what is printed again")
        assert bibs(again) == list(range(5, 51))
        assert await export.resend(Selection(bib="7"), "anna") == "1 sent again"
        assert printer.lines()[-3].startswith("-- printed again: #1 to #51 of bib 7")
        desk.add()
        await until(lambda: export.state().sent == 51)
        assert figures(export) == (51, 51, 0, 0, 47)
        assert bibs(printer.lines())[-1] == 52
        with pytest.raises(ValueError, match="the newest is #52"):
            await export.resend(Selection(first=60), "anna")
    async with at_work(make(desk, printer=printer.command)) as export:
        await until(lambda: export.state().sent == 51)
        assert figures(export) == (51, 51, 0, 0, 47)
    assert [act.body["do"] for act in desk.noted if act.word == "export"] == ["resend", "resent"] * 2
    assert not [text for _, _, text in desk.troubles if "cut short" in text]


async def test_what_is_of_another_day_has_its_head(tmp_path: Path) -> None:
    desk, printer = RecordsDesk(tmp_path), Printer(tmp_path)
    async with at_work(make(desk, printer=printer.command)) as export:
        desk.add()
        await until(lambda: export.state().sent == 1)
        desk.clock += DAY
        desk.add()
        await until(lambda: export.state().sent == 2)
        await export.resend(Selection(last=1), "anna")
        desk.add()
        await until(lambda: export.state().sent == 3)
    dates = [line for line in printer.lines() if line.endswith(" UTC")]
    assert dates == ["2026-04-22 UTC", "2026-04-23 UTC", "2026-04-22 UTC", "2026-04-23 UTC"]


async def test_printing_again_waits_for_paper_and_ends_with_a_pause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.exports.steering.REPLY_WITHIN", 0.01)
    desk, printer = RecordsDesk(tmp_path), Printer(tmp_path)
    async with at_work(make(desk, printer=printer.command)) as export:
        desk.add(30)
        await until(lambda: export.state().sent == 30)
        printer.paper.rename(tmp_path / "used up")
        assert "it goes on" in await export.resend(Selection(last=3), "anna")
        await until(lambda: export.state().state == "down")
        with pytest.raises(ValueError, match="sending something again already"):
            await export.resend(Selection(last=3), "bert")
        printer.paper.touch()
        await until(lambda: figures(export)[-1] == 3)
        assert bibs(printer.lines()) == [1, 2, 3]
        await until(lambda: export.again is None)
        printer.paper.unlink()
        assert "it goes on" in await export.resend(Selection(), "anna")
        await until(lambda: export.state().state == "down")
        export.pause("anna")
        printer.paper.touch()
        export.resume("anna")
        desk.add()
        await until(lambda: export.state().sent == 31)
        assert bibs(printer.lines()) == [31]
    assert any("ended early at #0: anna paused the export" in text for _, _, text in desk.troubles)


async def test_a_pause_while_the_paper_is_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.exports.sink.HANGS", 0.02)
    desk, printer = RecordsDesk(tmp_path), Printer(tmp_path)
    async with at_work(make(desk, printer=printer.command)) as export:
        desk.add(200)
        await until(lambda: export.state().sent > 0)
        export.pause("anna")
        await until(lambda: export._busy_since is None)
        desk.troubles.clear()
        taken = export.state().sent
        printer.paper.rename(tmp_path / "used up")
        await asyncio.sleep(0.1)  # in which a printer that hangs would be told of
        assert export.state().sent == taken
        assert figures(export) == (200, taken, 200 - taken, 0, 0)
        assert not desk.troubles
        printer.paper.touch()
        export.resume("anna")
        await until(lambda: export.state().sent == 200)
    assert bibs(printer.lines()) == list(range(taken + 1, 201))


@pytest.mark.parametrize("how", ["paused", "without paper"])
async def test_what_waits_is_skipped(tmp_path: Path, how: str) -> None:
    desk, printer = RecordsDesk(tmp_path), Printer(tmp_path)
    async with at_work(make(desk, printer=printer.command)) as export:
        desk.add(2)
        await until(lambda: export.state().sent == 2)
        if how == "paused":
            export.pause("anna")
        else:
            printer.paper.rename(tmp_path / "used up")
        desk.add(30)
        await until(lambda: export.waiting() == 30)
        await until(lambda: export.state().state != "up")
        asked = export.counted_to
        desk.add(phase=Phase.TEST)
        (late,) = desk.add()
        await until(lambda: export.waiting() == 31)
        assert await export.skip_until(asked, "anna") in (30, 10), "what is tried just now fails, and is skipped then"
        await until(lambda: figures(export) == (33, 2, 1, 30, 0))
        assert await export.skip_until(asked, "anna") == 0, "given twice"
        assert [word for _, word in export.fate(desk.feed.passings[5])] == [
            "skipped: it waited when all that did was skipped"
        ]
        assert export.fate(late) == [("printer", "waiting")]
    async with at_work(make(desk, printer=printer.command)) as export:
        await until(lambda: figures(export) == (33, 2, 1, 30, 0))
        if how == "paused":
            export.resume("anna")
        else:
            (tmp_path / "used up").rename(printer.paper)
        await until(lambda: export.state().sent == 3)
        assert figures(export) == (33, 3, 0, 30, 0)
        assert await export.resend(Selection(first=3, last=4), "anna") == "2 sent again"
    assert bibs(printer.lines()) == [1, 2, 34, 3, 4]


async def test_what_is_being_printed_is_not_skipped(tmp_path: Path) -> None:
    desk, printer = RecordsDesk(tmp_path), Printer(tmp_path)
    started, goes_on = tmp_path / "started", tmp_path / "goes on"
    slow = tmp_path / "slow.py"
    slow.write_text(
        f"import os, time, runpy\nopen({str(started)!r}, 'w')\n"
        f"while not os.path.exists({str(goes_on)!r}): time.sleep(0.01)\n"
        f"runpy.run_path({str(printer.script)!r})\n"
    )
    async with at_work(make(desk, printer=f"{sys.executable} {slow}")) as export:
        desk.add(50)
        await until(started.exists)
        await until(lambda: export.waiting() == 50)
        in_hand = export._in_hand
        count = await export.skip_until(export.counted_to, "anna")
        assert count == 50 - in_hand < 50
        goes_on.touch()
        await until(lambda: export.state().sent == in_hand)
        desk.add()
        await until(lambda: export.state().sent == in_hand + 1)
        assert figures(export) == (51, in_hand + 1, 0, count, 0)
    assert bibs(printer.lines()) == [*range(1, in_hand + 1), 51]


async def test_a_printer_that_is_replaced_prints_nothing_that_was_skipped(tmp_path: Path) -> None:
    desk = RecordsDesk(tmp_path)
    (tmp_path / "spare").mkdir()
    first, spare = Printer(tmp_path), Printer(tmp_path / "spare")
    first.paper.unlink()
    async with at_work(make(desk, printer=first.command)) as export:
        desk.add(3)
        await until(lambda: export.waiting() == 3 and export.state().state == "down")
        assert await export.skip_until(3, "anna") == 3
    async with at_work(make(desk, printer=spare.command)) as export:
        desk.add()
        await until(lambda: figures(export) == (4, 1, 0, 3, 0))
    assert bibs(spare.lines()) == [4]
