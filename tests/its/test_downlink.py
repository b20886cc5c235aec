"""What the server sends is written into a wired timer: once, in order, and nothing stale unasked."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from console.codecs.thcom_link import extended
from console.exports import export_class
from console.its import downlink as module
from console.its.downlink import Downlink, DownlinkSettings
from console.model import SECOND, Direction, Frame, Kind, Level
from tests.exports.desk import passing, until
from tests.exports.sinks import RecordsDesk

TN = "TN    1    1 M1 13:50:12.36600  9098"
NET = "IR 1       1    00:00:11.62000"

OURS, OWN = "1007 (software)", "0086 (finish)"

WIRED = DownlinkSettings(name="its-to-finish", type="its-write", device="finish", connection=OURS, software=OURS)
LINKED_UP = structs.replace(WIRED, address="10086", connection=OWN)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AGAIN_EVERY", 0.01)
    monkeypatch.setattr(module, "PACE", 0.0)


class Timer:
    """The link to the server, and a timer on a cable."""

    def __init__(self) -> None:
        self.there = True
        self.got: list[str] = []

    def write(self, device: str, data: str) -> None:
        assert device == "finish"
        if not self.there:
            raise ConnectionError("finish is not connected (cable): nothing was sent")
        self.got.append(data)

    def why_not(self, device: str) -> str:
        assert device == "finish"
        return "" if self.there else "cable"

    def is_source(self, device: str) -> bool:
        return device.startswith("its-")


class LinkDesk(RecordsDesk):
    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.its: Any = Timer()

    @property
    def timer(self) -> Timer:
        timer: Timer = self.its
        return timer

    def come(self, data: str, *, source: str = "10084", by: str = "", protocol: str = "1", **changes: Any) -> Frame:
        """A frame comes, on the connection of this computer unless told otherwise."""
        raw = extended(0, source, "10086", data, protocol=protocol)
        device = "its" if by else f"its-{source[1:]}"
        return self.frame(raw, **({"device": device, "by": by} | changes))


@pytest.fixture
def desk(tmp_path: Path) -> LinkDesk:
    return LinkDesk(tmp_path)


@asynccontextmanager
async def at_work(desk: LinkDesk, settings: DownlinkSettings = WIRED) -> AsyncIterator[Downlink]:
    one = Downlink(settings, desk, desk.now)
    task = asyncio.create_task(one.run())
    try:
        await until(lambda: settings.device in desk.saved)
        yield one
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def test_the_registry_finds_it() -> None:
    assert export_class("its-write") is Downlink


async def test_times_and_results_of_others_are_written(desk: LinkDesk) -> None:
    desk.come("TN    9    9 M1 13:50:12.36600  9098")  # before there was anything to write
    async with at_work(desk) as one:
        desk.come(TN)
        desk.come(NET)
        await until(lambda: desk.timer.got == [TN, NET])
        told = one.writer()
        assert (told.device, told.written, told.waiting, told.held, told.last) == ("finish", 2, 0, 0, desk.clock)
        (peer,) = one.state().peers
        assert (peer.journaled, peer.sent, peer.tcp, peer.connected) == (2, 2, None, True)


async def test_what_comes_before_it_is_at_work_is_for_the_timer(desk: LinkDesk) -> None:
    one = Downlink(WIRED, desk, desk.now)
    desk.come(TN)
    task = asyncio.create_task(one.run())
    await until(lambda: desk.timer.got == [TN])
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_nobody_far_away_commands_a_timer(desk: LinkDesk) -> None:
    async with at_work(desk):
        for data in ("#WC 005", "#PL hello", "AK C", "SN 00084 CP545 VB10", "PW secret", "UN x", "ID 00084"):
            desk.come(data)
        for data in ("!T 13:50:00 28/11/24", "&P 001 5", "OP 01  00 SPLIT", "CL 01", "what?", TN.replace("TN", "AN")):
            desk.come(data)
        desk.come(TN, protocol="3")
        desk.come(TN, flaw="checksum: got 801E, computed 8381")  # the settings require a right one
        desk.come(TN, direction=Direction.TX)
        desk.frame(b"TN    1    1 M1 13:50:12.36600  9098\r\n", device="chute")
        desk.come(NET)
        await until(lambda: desk.timer.got)
        assert desk.timer.got == [NET]


async def test_a_timer_that_is_linked_up_is_told_what_comes_on_its_own_connection(desk: LinkDesk) -> None:
    async with at_work(desk, LINKED_UP):
        desk.come(TN)
        desk.come(TN, by=OURS, source="10085")
        desk.come("TN    2    2 M1 13:50:12.36600  9098", by=OWN, source="10086")  # its own
        desk.come(NET, by=OWN)
        await until(lambda: desk.timer.got)
        assert desk.timer.got == [NET]


async def test_a_timer_that_is_not_is_told_of_our_own_others_too(desk: LinkDesk) -> None:
    async with at_work(desk):
        desk.come(TN, by="0085 (start)", source="10084")
        desk.come(NET, by=OURS, source="10085")  # linked up here, and sent back to this computer
        await until(lambda: desk.timer.got)
        assert desk.timer.got == [NET]


async def test_what_comes_again_is_written_once_over_restarts_too(desk: LinkDesk) -> None:
    star = TN.replace("TN", "T*")
    async with at_work(desk):
        for data in (TN, TN, star):
            desk.come(data)
        await until(lambda: desk.timer.got == [TN, star])
    desk.come(TN)
    async with at_work(desk):
        desk.come(NET)
        await until(lambda: desk.timer.got == [TN, star, NET])


async def test_what_comes_while_it_is_unplugged_or_the_engine_is_down_is_written_afterwards(desk: LinkDesk) -> None:
    desk.timer.there = False
    async with at_work(desk) as one:
        for data in (TN, TN, NET):
            desk.come(data)
        await until(lambda: desk.troubles)
        assert (one.state().state, one.writer().waiting) == ("down", 2)
        assert one.state().peers[0].oldest == desk.clock
    desk.come(TN.replace("TN", "T*"))
    desk.timer.there = True
    async with at_work(desk):
        await until(lambda: desk.timer.got == [TN, NET, TN.replace("TN", "T*")])


async def test_what_has_gone_stale_is_held_and_offered(desk: LinkDesk) -> None:
    desk.timer.there = False
    async with at_work(desk) as one:
        stale = [desk.come(f"TN {number:4}    1 M1 13:50:12.36600  9098") for number in range(4)]
        desk.come(NET)  # nobody is given a result for being on course
        await until(lambda: one.writer().waiting == 5)
        desk.clock += 11 * SECOND
        await until(lambda: one.writer().held == 4)
        assert one.state().peers[0].reasons == {"stale: older than 10 s": 4}
        told = passing(1, device="its-0084", kind=Kind.IMPULSE, frame=stale[0].seq)
        assert one.fate(told) == [("finish", "held")]
    desk.timer.there = True
    async with at_work(desk) as one:
        await until(lambda: desk.timer.got == [NET])
        assert one.writer().held == 4
        assert one.skip([stale[3].seq]) == 1
        assert one.release([stale[1].seq], "finish") == 1
        await until(lambda: len(desk.timer.got) == 2)
        assert one.release([], "another") == 0
        assert one.release([]) == 2
        await until(lambda: one.writer().written == 4)
        assert [data[3:7] for data in desk.timer.got[1:]] == ["   1", "   0", "   2"]
        (peer,) = one.state().peers
        assert (peer.journaled, peer.sent, peer.skipped, peer.held, peer.waiting) == (5, 4, 1, 0, 0)
        assert [one.fate(structs.replace(told, frame=frame.seq))[0][1] for frame in stale] == [
            "sent", "sent", "sent", "skipped",
        ]  # fmt: skip
    assert (desk.saved["finish"].held, desk.saved["finish"].settled) == ((), (stale[3].seq,))


async def test_what_is_released_while_it_is_not_there_is_held_again(desk: LinkDesk) -> None:
    desk.timer.there = False
    async with at_work(desk) as one:
        desk.come(TN)
        await until(lambda: desk.troubles)
        desk.clock += 11 * SECOND
        await until(lambda: one.writer().held == 1)
        assert one.release([]) == 1
        assert one.writer().held == 0
        await until(lambda: one.writer().held == 1)
        desk.timer.there = True
        assert (one.state().state, one.state().peers[0].connected) == ("up", True), "before anything is written to it"
        assert one.release([]) == 1
        await until(lambda: desk.timer.got == [TN])
    levels = [(level, source) for level, source, _ in desk.troubles]
    assert levels == [(Level.WARNING, "finish"), (Level.NOTE, "finish")]


async def test_the_fate_of_what_is_not_for_it(desk: LinkDesk) -> None:
    first = desk.come(TN)
    async with at_work(desk) as one:
        told = passing(1, device="its-0084", kind=Kind.IMPULSE, frame=first.seq)
        assert one.fate(told) == [("finish", "came before this export")]
        assert one.fate(structs.replace(told, device="chute")) == [("", "finish is told what the server sends for it")]
