"""Rows in files: each once and in order, whatever happens to the file, the disk and the engine."""

import asyncio
import csv
import errno
import os
import random
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from console.codecs import thcom
from console.codecs.columns import FRAME_COLUMNS, PASSING_COLUMNS
from console.exports import export_class
from console.exports.csv_file import CsvFile, CsvSettings
from console.model import SECOND, Direction, Level, Phase, Selection, Status
from tests.exports.desk import NOON, until
from tests.exports.sinks import RecordsDesk

DAY = 86_400 * SECOND


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.exports.sink.PAUSE", 0.0)
    monkeypatch.setattr("console.exports.sink.RETRY_EVERY", 0.01)


def make(desk: RecordsDesk, **settings: Any) -> CsvFile:
    return CsvFile(CsvSettings(name="sheet", type="csv", **settings), desk, desk.now)


@asynccontextmanager
async def at_work(export: CsvFile) -> AsyncIterator[CsvFile]:
    task = asyncio.create_task(export.run())
    try:
        yield export
    finally:
        task.cancel()
        (result,) = await asyncio.gather(task, return_exceptions=True)
        assert isinstance(result, asyncio.CancelledError), result


def read(path: Path, separator: str = ",") -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file, delimiter=separator))


def numbers(path: Path) -> list[int]:
    return [int(row["seq"]) for row in read(path)]


async def until_safe(export: CsvFile, count: int) -> None:
    await until(lambda: export.state().acked == count)


def test_the_registry_finds_it() -> None:
    assert export_class("csv") is CsvFile


async def test_passings_in_the_columns_of_dump(tmp_path: Path) -> None:
    desk = RecordsDesk(tmp_path)
    desk.add(2)
    desk.add(tag='=1+1;"\r\n', bib=None, extra={"lane": 2}, phase=Phase.TEST)
    desk.add(status=Status.REPEAT, of=1)
    async with at_work(make(desk)) as export:
        await until_safe(export, 4)
        desk.add()
        await until_safe(export, 5)
        state = export.state()
        assert (state.state, state.journaled, state.sent, state.tcp, state.waiting) == ("up", 5, 5, None, 0)
        assert export.fate(desk.feed.passings[0]) == [(str(tmp_path / "sheet.csv"), "sent")]
    rows = read(tmp_path / "sheet.csv")
    assert tuple(rows[0]) == PASSING_COLUMNS
    assert [row["seq"] for row in rows] == ["1", "2", "3", "4", "5"]
    assert (rows[0]["bib"], rows[0]["utc"], rows[0]["point"]) == ("1", "2026-04-22T10:29:02.123456700Z", "Finish")
    assert rows[2]["tag"] == "'=1+1;\"\\x0d\\x0a"
    assert (rows[2]["extra"], rows[2]["phase"], rows[3]["status"]) == ("lane=2", "TEST", "repeat")
    assert not desk.troubles


async def test_frames(tmp_path: Path) -> None:
    desk = RecordsDesk(tmp_path)
    desk.frame(b"TN\r\n")
    desk.frame(b"elsewhere", device="chute")
    desk.frame(b"#SN\r\n", direction=Direction.TX)
    async with at_work(make(desk, format="frames", devices=("start",), separator=";")) as export:
        await until_safe(export, 2)
        assert export.state().where == f"frames in {tmp_path / 'sheet.csv'}"
    rows = read(tmp_path / "sheet.csv", ";")
    assert tuple(rows[0]) == FRAME_COLUMNS
    assert [(row["seq"], row["direction"], row["raw"]) for row in rows] == [
        ("1", "rx", "VE4NCg=="),
        ("3", "tx", "I1NODQo="),
    ]


async def test_only_what_is_chosen(tmp_path: Path) -> None:
    desk = RecordsDesk(tmp_path)
    desk.add()
    desk.add(device="chute")
    desk.add(event="02")
    desk.add(event="01", read_type=1)
    export = make(desk, devices=("mat",), events=("2",), points=("Finish",), skip_first_seen=True)
    async with at_work(export):
        await until_safe(export, 1)
        assert [export.fate(one) for one in desk.feed.passings] == [
            [("", "event unknown: not chosen")],
            [("", "device not chosen")],
            [(export.target, "sent")],
            [("", "first seen")],
        ]
    assert numbers(tmp_path / "sheet.csv") == [3]


async def test_a_new_file_may_begin_now(tmp_path: Path) -> None:
    desk = RecordsDesk(tmp_path)
    desk.add(3)
    async with at_work(make(desk, newcomers="live")) as export:
        await until(lambda: export.state().state == "up" and (tmp_path / "sheet.csv").exists())
        desk.add()
        await until_safe(export, 1)
        assert export.fate(desk.feed.passings[0]) == [(export.target, "came before this export")]
    assert numbers(tmp_path / "sheet.csv") == [4]


# --- the path ---


@pytest.mark.parametrize("path", ["{bib}.csv", "a{", "{}", "{event.x}", "{date:%Q", "logs/"])
def test_a_path_that_cannot_be(path: str) -> None:
    with pytest.raises(msgspec.ValidationError, match="path"):
        msgspec.convert({"name": "x", "type": "csv", "path": path}, CsvSettings)


async def test_a_file_for_each_event_and_day(tmp_path: Path) -> None:
    desk = RecordsDesk(tmp_path)
    path = str(tmp_path / "{event}" / "finish-{date}.csv")
    desk.add(2)
    desk.add(2, wall=NOON + DAY)
    async with at_work(make(desk, path=path)) as export:
        await until_safe(export, 4)
    desk.clock += DAY
    async with at_work(make(desk, path=path)) as export:
        desk.add(1)
        await until_safe(export, 5)
    assert numbers(tmp_path / "spring-10k" / "finish-2026-04-22.csv") == [1, 2]
    assert numbers(tmp_path / "spring-10k" / "finish-2026-04-23.csv") == [3, 4, 5]


async def test_rows_of_another_event_are_left_alone(tmp_path: Path) -> None:
    first, second = RecordsDesk(tmp_path), RecordsDesk(tmp_path, "autumn")
    first.add(3)
    second.add(5, wall=NOON + 1)
    async with at_work(make(first)) as export:
        await until_safe(export, 3)
    before = (tmp_path / "sheet.csv").read_bytes()
    async with at_work(make(second)) as export:
        await until(lambda: export.state().state == "down")
        assert "another event's" in export.state().reason
        await until(lambda: export.state().waiting == 5)
        assert (tmp_path / "sheet.csv").read_bytes() == before
        (tmp_path / "sheet.csv").rename(tmp_path / "spring.csv")
        await until_safe(export, 5)
    assert numbers(tmp_path / "sheet.csv") == [1, 2, 3, 4, 5]
    assert [level for level, _, _ in second.troubles] == [Level.ALARM, Level.NOTE]


@pytest.mark.parametrize("content", [b"name,bib\r\n", b"no line end", b"seq;frame;device\r\n1;1;mat\r\n"])
async def test_a_file_that_is_not_ours_is_left_alone(tmp_path: Path, content: bytes) -> None:
    desk = RecordsDesk(tmp_path)
    (tmp_path / "sheet.csv").write_bytes(content)
    async with at_work(make(desk)) as export:
        await until(lambda: "begins with other columns" in export.state().reason)
    assert (tmp_path / "sheet.csv").read_bytes() == content


async def test_a_path_that_cannot_be_written(tmp_path: Path) -> None:
    desk = RecordsDesk(tmp_path)
    desk.add(2)
    os.mkfifo(tmp_path / "sheet.csv")
    async with at_work(make(desk)) as export:
        await until(lambda: "no file that lines can be appended to" in export.state().reason)
        (tmp_path / "sheet.csv").unlink()
        await until_safe(export, 2)
    async with at_work(make(desk, path="there/is/none.csv")) as export:
        await until(lambda: export.state().state == "down")
        assert "No such file or directory: is that disk plugged in and mounted?" in export.state().reason


async def test_two_exports_do_not_share_a_file(tmp_path: Path) -> None:
    desk, other = RecordsDesk(tmp_path), RecordsDesk(tmp_path)
    desk.add(2)
    other.feed.publish(*desk.feed.passings)
    async with at_work(make(desk)) as export:
        await until_safe(export, 2)
        async with at_work(make(other)) as second:
            await until(lambda: "give this one a path of its own" in second.state().reason)
    assert numbers(tmp_path / "sheet.csv") == [1, 2]


# --- others touch it ---


async def test_a_file_that_is_renamed_or_removed_is_begun_anew(tmp_path: Path) -> None:
    desk, path = RecordsDesk(tmp_path), tmp_path / "sheet.csv"
    async with at_work(make(desk)) as export:
        desk.add(2)
        await until_safe(export, 2)
        path.rename(tmp_path / "kept.csv")
        desk.add(2)
        await until_safe(export, 4)
        assert (numbers(tmp_path / "kept.csv"), numbers(path)) == ([1, 2], [3, 4])
        path.unlink()
        desk.add(1)
        await until_safe(export, 5)
        assert numbers(path) == [5]
        path.write_bytes(b"")
        desk.add(1)
        await until_safe(export, 6)
        assert numbers(path) == [6]
    words = [text for level, _, text in desk.troubles if level is Level.WARNING and " by somebody:" in text]
    assert [word.partition(" by ")[0].rpartition(" ")[2] for word in words] == ["renamed", "removed", "to"]
    path.unlink()
    async with at_work(make(desk)) as export:
        desk.add(1)
        await until_safe(export, 7)
    assert numbers(path) == [7]
    assert "was not there any more" in desk.troubles[-1][2]


async def test_what_was_cut_off_is_written_again(tmp_path: Path) -> None:
    desk, path = RecordsDesk(tmp_path), tmp_path / "sheet.csv"
    desk.add(6)
    async with at_work(make(desk)) as export:
        await until_safe(export, 6)
        whole = path.read_bytes()
        lines = whole.splitlines(keepends=True)
        path.write_bytes(b"".join(lines[:4]))
        desk.add(1)
        await until_safe(export, 7)
    assert numbers(path) == [1, 2, 3, 4, 5, 6, 7]
    path.write_bytes(whole[:-30])  # a power cut
    async with at_work(make(desk)) as export:
        await until(lambda: len(numbers(path)) == 7)
    assert path.read_bytes().startswith(whole)
    assert any("of a row that was not finished were cut off" in text for _, _, text in desk.troubles)


@pytest.mark.parametrize("line", [b"a note\r\n", b"\x00\r\n", b'"\r\n', b"7,1\r\n", b"9" * 30 + b"\r\n"])
async def test_a_line_of_somebody_else_stops_it_until_that_is_sorted_out(tmp_path: Path, line: bytes) -> None:
    desk, path = RecordsDesk(tmp_path), tmp_path / "sheet.csv"
    async with at_work(make(desk)) as export:
        desk.add(7)
        await until_safe(export, 7)
        whole = path.read_bytes()
        path.write_bytes(whole + line)
        desk.add()
        await until(lambda: "somebody has changed it" in export.state().reason)
        assert path.read_bytes() == whole + line
        path.write_bytes(whole)
        await until_safe(export, 8)
    assert numbers(path) == list(range(1, 9))


# --- the disk ---


class Disk:
    """`os.write` and `os.fsync` of a disk that is full, or fails, now and then; it may take half of what is written."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.room: int | None = None
        self.fails = False
        self.refusals = 0
        self._write, self._fsync = os.write, os.fsync
        monkeypatch.setattr("console.exports.append.os.write", self.write)
        monkeypatch.setattr("console.exports.append.os.fsync", self.fsync)

    def write(self, fd: int, data: memoryview) -> int:
        if self.room is None:
            return self._write(fd, data)
        if not self.room:
            self.refusals += 1
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = self._write(fd, data[: self.room])
        self.room -= written
        return written

    def fsync(self, fd: int) -> None:
        if self.fails:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        self._fsync(fd)


async def test_a_full_disk_recovers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk, path, disk = RecordsDesk(tmp_path), tmp_path / "sheet.csv", Disk(monkeypatch)
    async with at_work(make(desk)) as export:
        for turn in range(1, 6):
            disk.room = 37 * turn
            desk.add(100)
            await until(lambda: export.state().state == "down")
            assert "No space left on device: make room on that disk" in export.state().reason
            await until(lambda: export.state().waiting == 100)
            assert export.state().oldest == desk.clock
            await until(lambda: disk.refusals > 5 * turn)  # noqa: B023
            assert export.state().state == "down"
            assert path.read_bytes()[-2:] in (b"", b"\r\n"), "no half line is left behind"
            disk.room = None
            await until_safe(export, 100 * turn)
            assert export.state().state == "up"
    assert numbers(path) == list(range(1, 501))
    assert [level for level, _, _ in desk.troubles] == [Level.ALARM, Level.NOTE] * 5


async def test_a_disk_that_does_not_keep_what_it_took(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk, disk = RecordsDesk(tmp_path), Disk(monkeypatch)
    async with at_work(make(desk)) as export:
        await until(lambda: export.state().state == "up")
        disk.fails = True
        desk.add(10)
        await until(lambda: export.state().state == "down")
        assert export.state().acked == 0
        disk.fails = False
        await until_safe(export, 10)
    assert numbers(tmp_path / "sheet.csv") == list(range(1, 11))


async def test_a_disk_that_hangs_delays_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.exports.sink.HANGS", 0.05)
    monkeypatch.setattr("console.exports.append.FAREWELL", 0.01)
    desk, lets_go = RecordsDesk(tmp_path), threading.Event()
    fsync = os.fsync
    async with at_work(make(desk)) as export:
        await until(lambda: export.state().state == "up" and (tmp_path / "sheet.csv").exists())
        monkeypatch.setattr("console.exports.append.os.fsync", lambda fd: (lets_go.wait(10), fsync(fd)))
        desk.add(10)
        await until(lambda: export.state().state == "stuck")
        await until(lambda: desk.troubles and desk.troubles[-1][0] is Level.ALARM)
        desk.add(10)
        await until(lambda: export.state().waiting == 20)
    async with at_work(make(desk)) as second:  # the first one's thread still hangs, and has the file
        await until(lambda: second.state().state == "down")
        lets_go.set()
        await until_safe(second, 20)
    assert numbers(tmp_path / "sheet.csv") == list(range(1, 21))


# --- what an operator does ---


async def test_a_pause_lets_go_of_the_file(tmp_path: Path) -> None:
    desk = RecordsDesk(tmp_path)
    path = tmp_path / "sheet.csv"
    async with at_work(make(desk)) as export:
        desk.add(2)
        await until_safe(export, 2)
        export.pause("anna")
        await until(lambda: export._file is None)
        path.rename(tmp_path / "stick.csv")  # the disk is taken away
        desk.add(2)
        await until(lambda: export.state().waiting == 2)
        assert export.state().state == "paused"
        (tmp_path / "stick.csv").rename(path)
        export.resume("anna")
        await until_safe(export, 4)
    assert numbers(path) == [1, 2, 3, 4]
    assert [text for level, _, text in desk.troubles if level is not Level.NOTE] == [
        "paused: nothing is sent until it is resumed (anna)"
    ]


async def test_rows_are_neither_written_again_nor_skipped(tmp_path: Path) -> None:
    desk = RecordsDesk(tmp_path)
    async with at_work(make(desk)) as export:
        desk.add(2)
        await until_safe(export, 2)
        with pytest.raises(
            ValueError, match="sheet is a file that holds each row once: `racedeck export set sheet path="
        ):
            await export.resend(Selection(), "anna")
        with pytest.raises(ValueError, match="sheet is a file that holds every row: nothing is skipped"):
            export.waiting()
    async with at_work(make(desk, path="another.csv")) as export:
        await until_safe(export, 2)
    assert numbers(tmp_path / "another.csv") == [1, 2], "as it is said"


# --- kills ---


class Killed(BaseException):
    """The process is no more: nothing after this is done."""


@pytest.mark.parametrize("settings", [{}, {"format": "frames"}, {"format": "gsm-interface"}, {"path": "{date}.csv"}])
async def test_killed_at_any_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str]) -> None:
    """Every life ends at a random step: in the middle of a write, before or after the fsync, before or after the
    cursor is journaled."""
    chance = random.Random(4)
    desk, lives = RecordsDesk(tmp_path), 0
    write, fsync, save = os.write, os.fsync, desk.save
    left = 0
    dead = False

    def step() -> None:
        nonlocal left, dead
        left -= 1
        if left <= 0 or dead:
            dead = True
            raise Killed

    def die_writing(fd: int, data: memoryview) -> int:
        try:
            step()
        except Killed:
            if lives % 2:
                write(fd, data[: chance.randrange(len(data) + 1)])
            raise
        return write(fd, data)

    def die_syncing(fd: int) -> None:
        step()
        fsync(fd)

    def die_saving(*args: Any) -> None:
        step()
        save(*args)

    monkeypatch.setattr("console.exports.append.os.write", die_writing)
    monkeypatch.setattr("console.exports.append.os.fsync", die_syncing)
    monkeypatch.setattr("console.exports.append.os.ftruncate", truncating(step, os.ftruncate))
    monkeypatch.setattr(desk, "save", die_saving)
    monkeypatch.setattr("console.exports.sink.BATCH", 40)
    total = 2_000
    for number in range(total):
        desk.clock += 90 * SECOND
        desk.add(1)
        desk.frame(thcom.basic(thcom.time_line("TN", number, number, "1", number * SECOND, 0), checksum=True))
        if number % 50 == 0:
            desk.incident(f"about {number}")
    count = total + (total // 50 if settings.get("format") == "gsm-interface" else 0)

    def rows() -> list[str]:
        files = sorted(tmp_path.glob("*.csv"))
        return [line for file in files for line in file.read_text().splitlines()[1:]]

    async def live() -> bool:
        """One life; whether it came to the end of the work."""
        export = make(desk, **settings)
        task = asyncio.ensure_future(_as_killed(export))
        await until(lambda: task.done() or (export.place == total and len(rows()) >= count))
        whole = not task.done()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return whole

    while lives < 5_000:
        lives += 1
        left, dead = chance.choice((2, 3, 5, 8, 13, 40)), False
        if await live():
            break
    assert lives > 20
    found = rows()
    assert len(found) == count
    if settings.get("format") == "gsm-interface":
        frames = [line for line in found if not line.startswith("---")]
        assert [int(line.partition(";")[0]) for line in frames] == list(range(1, total + 1))
        events = [line for line in found if line.startswith("---")]
        assert len(set(events)) == len(events) == total // 50
    else:
        assert [int(line.partition(",")[0]) for line in found] == list(range(1, total + 1))


def truncating(step: Callable[[], None], ftruncate: Callable[[int, int], None]) -> Callable[[int, int], None]:
    def truncate(fd: int, size: int) -> None:
        step()
        ftruncate(fd, size)

    return truncate


async def _as_killed(export: CsvFile) -> None:
    """Run until killed; of what a living process would do then, only that is done which the system does."""
    try:
        await export.run()
    except Killed:
        if export._file:
            export._file.close()


# --- the GSM Interface's log ---


async def test_the_log_of_the_gsm_interface(tmp_path: Path) -> None:
    desk = RecordsDesk(tmp_path)
    desk.clock = 1_732_798_217 * SECOND  # 2024-11-28 12:50:17 UTC
    desk.incident("new peer 127.0.0.1")
    desk.frame(thcom.basic("SN 10084 CP545 VB10", checksum=False))
    desk.frame(b"\r\n")
    desk.frame(b"TN    1    1 M1 13:50:12.36600  9098\t06A9\r\n")
    desk.frame(b"#SN\r\n", direction=Direction.TX)
    async with at_work(make(desk, format="gsm-interface", path="GSM_Interface_Log.csv")) as export:
        await until_safe(export, 2)
        desk.incident("=gone")
        await until(lambda: export.aside_place == 2)
    assert (tmp_path / "GSM_Interface_Log.csv").read_bytes().decode() == (
        "ID Frame;Date;Hour;Model;Serial number;Message;Port\r\n"
        "001;28/11/2024;12:50:17;CP545;0084;SN 10084 CP545 VB10;\r\n"
        "003;28/11/2024;12:50:17;CP545;0084;TN    1    1 M1 13:50:12.36600  909806A9;7000\r\n"
        "---;28/11/2024;12:50:17;----;----;software: new peer 127.0.0.1;\r\n"
        "---;28/11/2024;12:50:17;----;----;software: =gone;\r\n"
    )


async def test_a_log_that_is_there_already_is_gone_on_with(tmp_path: Path) -> None:
    first, second = RecordsDesk(tmp_path), RecordsDesk(tmp_path, "autumn")
    for desk in (first, second):
        desk.frame(b"CL 01\r\n")
        async with at_work(make(desk, format="gsm-interface")) as export:
            await until_safe(export, 1)
    assert len(read(tmp_path / "sheet.csv", ";")) == 2
