import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from console.devices import otimcon_backup
from console.devices.driver import CommandError
from console.journal.journal import Committed, Journal
from console.model import SECOND, Act, Draft, Frame, Level, Origin, Passing, Retold, Scalar, Status
from console.sheets import Sources
from console.sheets.offered import make as offered
from console.simulators.otimcon_card import Card
from console.simulators.otimcon_firmware import Station
from console.timing.bind import Binder
from console.timing.retold import Retellings
from tests.devices.otimcon_bench import NOON, Bench, Desk, bench, until

YEAR = 365 * 86_400


class Journaled(Desk):
    """A desk with a real journal, whose verdicts count."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self.retellings = Retellings()
        self.passings: list[Passing] = []
        self.journal = Journal.open(directory, committed=self.committed)

    def frame(self, draft: Draft) -> bool:
        super().frame(draft)
        return self.journal.frame(draft)

    def committed(self, news: Committed) -> None:
        for passing in news.passings:
            self.retellings.take(passing)
        self.passings += news.passings

    def retold(self, device: str) -> Retold | None:
        return self.retellings.of(device, self.wall())

    async def offered(self, device: str) -> int:
        return sum(one.heard_in_test is None for one in self.journal.reader().offered(device))

    async def began(self) -> int:
        frames: list[Frame] = []

        def committed() -> bool:
            frames[:] = self.journal.reader().frames(after=0, limit=1)
            return bool(frames)

        await until(committed)
        return frames[0].wall

    async def phase(self, phase: str) -> Act:
        return await asyncio.wrap_future(self.journal.act("phase", {"phase": phase}, "ann"))

    async def take_over(self, passing: Passing) -> Act:
        body: dict[str, Scalar] = {"passing": passing.seq, "device": "ctl"}
        return await asyncio.wrap_future(self.journal.act("take over", body, "ann"))


@asynccontextmanager
async def at_work(
    monkeypatch: pytest.MonkeyPatch, directory: Path, **station: Any
) -> AsyncIterator[tuple[Bench, Journaled, Station]]:
    journaled = Journaled(directory)
    try:
        async with (
            bench(monkeypatch, journaled) as desk,
            desk.plugged(**{"clock": NOON, **station}) as made,
        ):
            await until(lambda: "clock" in desk.state.facts)
            yield desk, journaled, made
    finally:
        journaled.journal.close()


def uid(number: int) -> bytes:
    return bytes([4, 161, number >> 8, number & 255])


def card(number: int) -> Card:
    return Card(uid=uid(number))


def slowly(monkeypatch: pytest.MonkeyPatch, station: Station) -> None:
    """What it prints takes its time."""
    write, later = station.port.write, asyncio.get_running_loop().call_later

    def piecewise(data: bytes) -> None:
        for number in range(1 + len(data) // 1000):
            later(0.002 * number, write, data[1000 * number : 1000 * (number + 1)])

    monkeypatch.setattr(station.port, "write", piecewise)


async def test_five_hundred_and_twelve_lines_are_compared_with_the_journal(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Firmware 0.16 uses all of them: 100 of last year, 412 of today, three of which never reached us."""
    async with at_work(monkeypatch, tmp_path, version="0.16") as (desk, journaled, station):
        for number in range(100):
            station._back_up(uid(number), NOON - YEAR + number)
        missing = {507, 151, 300}
        for number in range(100, 512):
            if number in missing:
                desk.cable.b.link, link = None, desk.cable.b.link
                station.touch(card(number), hold=0.01)
                desk.cable.b.link = link
            else:
                station.touch(card(number), hold=0.01)
        await until(lambda: len(journaled.passings) == 409)

        slowly(monkeypatch, station)
        downloading = desk.ordered("GET BACKUP")
        await until(lambda: desk.state.job and 0 < desk.state.job.done < 512 and desk.state.job.total == 512)
        reply = await downloading
        assert (reply.ok, reply.data) == (
            True,
            {"lines": 512, "punches": 512, "of this event": 412, "known": 409, "new": 3, "differ": 0},
        )
        assert reply.text.startswith(
            "512 punches in the backup; 409 known; 3 in the backup that never arrived: - shows them, "
            "+ takes them over (racedeck take-over ctl); 100 not of this event, which is 2026-11-20 00:00:0"
        )
        assert desk.told(Level.WARNING) == [reply.text]
        assert (await desk.order("COMPARE BACKUP")).text == reply.text
        assert desk.state.job is None
        assert desk.state.facts["backup"] == "read 12:00, 512 punches"

        found = [one for one in journaled.passings if one.status is Status.OFFERED]
        assert {(one.tag, one.channel, one.origin) for one in found} == {
            (uid(number).hex().upper(), "31", Origin.BACKUP) for number in missing
        }
        binder = Binder(UTC)
        reader = journaled.journal.reader()
        table = offered(Sources(device="ctl", reader=reader, resolve=binder.resolve, zone=UTC))
        assert len(table.rows) == 3
        reader.close()

        unmoved = await desk.order("GET BACKUP")
        assert "412 known or offered before; 3 OF THOSE NOT TAKEN OVER YET (sheet offered)" in unmoved.text

        for one in found:
            assert (await journaled.take_over(one)).body["status"] == Status.LIVE
        again = await desk.order("GET BACKUP")
        assert (again.data["known"], again.data["new"]) == (412, 0)
        assert "none that never arrived" in again.text
        live = [one for one in journaled.passings if one.status is Status.LIVE]
        assert len(live) == 412
        assert {one.tag for one in live if one.origin is Origin.RECOVERED} == {one.tag for one in found}

        sheet = desk.manager.sheet("ctl", "backup")
        assert len(sheet.rows) == 512
        assert sheet.rows[0] == ("2025-11-20 12:00:00", "04A10000", "0", "not of this event")
        assert sheet.marks == dict.fromkeys(range(100), "dim")


async def test_a_station_whose_clock_is_off_is_understood_by_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with at_work(monkeypatch, tmp_path, clock=NOON - YEAR, mode="READOUT") as (desk, journaled, station):
        station._back_up(uid(1), NOON - YEAR - 3600)
        station._back_up(uid(2), NOON - 10)  # from before its clock was lost
        reply = await desk.order("GET BACKUP")
        assert (reply.data["of this event"], reply.data["new"]) == (1, 1)
        (one,) = journaled.passings
        assert (one.tag, one.channel, one.ns) == ("04A10001", None, (NOON - YEAR - 3600) * SECOND)
        assert "1 not of this event" not in reply.text  # a year ahead of its clock: no time at all
        assert reply.data["punches"] == 1


async def test_a_touch_that_came_late_is_corrected_by_the_backup(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The first line was lost; what the runner's second touch printed is seconds late."""
    async with at_work(monkeypatch, tmp_path) as (desk, journaled, station):
        station._back_up(uid(1), NOON - 100)
        station.port.write(f"^31, 04 A1 00 01,{NOON - 90}$\r\n>\r\n".encode())
        await until(lambda: journaled.passings)
        reply = await desk.order("GET BACKUP")
        assert reply.data["differ"] == 1
        assert "1 with an earlier time than was told live" in reply.text
        assert journaled.passings[-1].status is Status.CORRECTION


async def test_what_came_during_test_is_said_and_warns_of_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with at_work(monkeypatch, tmp_path) as (desk, journaled, station):
        await journaled.phase("TEST")
        station.touch(card(1), hold=0.01)
        await until(lambda: journaled.passings)
        await journaled.phase("RACE")
        for _ in range(2):
            reply = await desk.order("GET BACKUP")
            assert (reply.data["known"], reply.data["new"], reply.data["in test"]) == (0, 0, 1)
            assert "0 known; 1 of them came during TEST: not taken over with the others" in reply.text
            assert "none that never arrived" in reply.text
            assert not desk.told(Level.WARNING)
            assert desk.told(Level.NOTE)[-1] == reply.text
        station._back_up(uid(2), NOON - 100)
        reply = await desk.order("GET BACKUP")
        assert (reply.data["new"], reply.data["in test"]) == (1, 1)
        assert desk.told(Level.WARNING) == [reply.text]
        assert [one.heard_in_test for one in journaled.journal.reader().offered("ctl")] == [1, None]


async def test_a_board_that_was_never_reset_gives_its_punches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with at_work(monkeypatch, tmp_path) as (desk, journaled, station):
        station.pointer = -1
        for number in range(10):
            station._back_up(uid(number), NOON - 100 + number)
        reply = await desk.order("GET BACKUP")
        assert (reply.data["new"], len(journaled.passings)) == (10, 10)
        assert "10 were off by 7 bytes: SET RESET_BACKUP was never given to this board" in reply.text
        assert desk.manager.sheet("ctl", "backup").rows[0][-1] == "off by 7"


async def test_an_empty_backup_and_one_that_is_full(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with at_work(monkeypatch, tmp_path) as (desk, _, station):
        reply = await desk.order("GET BACKUP")
        assert reply.text == "0 punches in the backup; 0 known; none that never arrived"
        assert not desk.told(Level.WARNING)
        for number in range(70):
            station._back_up(uid(number), NOON - 100 + number)
        reply = await desk.order("GET BACKUP")
        assert (reply.data["punches"], reply.data["new"]) == (64, 64)
        assert "there may have been more: it begins again after 64" in reply.text


async def test_a_backup_that_breaks_off_says_where(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(otimcon_backup, "LINE_WITHIN", 0.1)
    async with at_work(monkeypatch, tmp_path) as (desk, journaled, station):
        station._back_up(uid(1), NOON - 100)
        write = station.port.write
        monkeypatch.setattr(
            station.port, "write", lambda data: write(data[: len(data) // 2]) if len(data) > 9999 else write(data)
        )
        with pytest.raises(CommandError, match=r"nothing came after line 2\d\d of 512; what came is kept"):
            await desk.order("GET BACKUP")
        assert desk.state.job is None
        await until(lambda: journaled.passings)  # what came is kept
        monkeypatch.setattr(station.port, "write", lambda data: write(data.replace(b"FF FF", b"FF xF", 1)))
        reply = await desk.order("GET BACKUP")
        assert (reply.ok, reply.data["known"]) == (False, 1)
        assert "511 lines came of 512: get it again" in reply.text


async def test_a_lost_link_and_stop_end_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    journaled = Journaled(tmp_path)
    async with bench(monkeypatch, journaled) as desk:
        async with desk.plugged(baud=20_000) as _:
            await until(lambda: "clock" in desk.state.facts)
            with pytest.raises(CommandError, match="no backup was downloaded"):
                await desk.order("COMPARE BACKUP")
            desk.cable.stall()
            downloading = desk.ordered("GET BACKUP")
            await until(lambda: desk.state.job)
            with pytest.raises(CommandError, match="GET BACKUP is under way"):
                await desk.order("GET BACKUP")
            await desk.order("STOP")
            with pytest.raises(ConnectionError, match="stopped by ann"):
                await downloading
            assert desk.state.job is None
            before = len(desk.desk.sent())
            downloading = desk.ordered("GET BACKUP")
            await until(lambda: "GET CTRL" in desk.desk.sent()[before:])
        with pytest.raises(ConnectionError, match="the link was lost"):
            await downloading
        assert desk.state.job is None
    journaled.journal.close()


async def test_what_is_asked_after_stop_waits_until_the_station_has_printed_it_all(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with at_work(monkeypatch, tmp_path) as (desk, _, station):
        held: list[bytes] = []
        write = station.port.write
        # It prints for seconds, and answers nothing else meanwhile.
        monkeypatch.setattr(station.port, "write", held.append)
        downloading = desk.ordered("GET BACKUP")
        await until(lambda: held)
        write(held.pop(0))  # the answer to GET CTRL
        await until(lambda: held)
        write(held.pop(0))  # to GET TIME
        await until(lambda: held)
        backup = held.pop(0)
        write(backup[:5000])
        await until(lambda: desk.job == "reading the backup")
        await desk.order("STOP")
        with pytest.raises(ConnectionError, match="stopped by ann"):
            await downloading
        sent = len(desk.desk.sent())
        asked = desk.ordered("GET TIME")
        for at in range(5000, len(backup), 5000):
            await asyncio.sleep(0)
            assert len(desk.desk.sent()) == sent
            write(backup[at : at + 5000])
        monkeypatch.setattr(station.port, "write", write)
        assert (await asked).ok
        assert desk.desk.sent()[sent:] == ["GET TIME"]


async def test_what_has_no_backup_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with at_work(monkeypatch, tmp_path, version="0.14") as (desk, _, _):
        with pytest.raises(CommandError, match="this firmware does not know it"):
            await desk.order("GET BACKUP")
        assert desk.state.job is None
