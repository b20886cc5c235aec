"""Devices of ours, linked up: delivered is what the server has acknowledged."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from console.codecs.thcom_link import Dialect
from console.exports import export_class
from console.exports.export import Export
from console.its import connection as connection_module
from console.its.connection import Connection, User
from console.its.login import Login
from console.its.uplink import Uplink, UplinkSettings
from console.model import SECOND, Basis, Direction, Kind, Level, Origin, Passing, PeerState, Selection, Status
from tests.exports.desk import MemoryDesk, edit, until
from tests.its.wire import Host, Wire

LINE = "TN    4    4 M2 18:01:33.15300  8829"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "backoff", lambda: iter(lambda: 0.0, 1))
    monkeypatch.setattr(connection_module, "TICK", 0.005)


class FakeIts:
    """One server for all devices."""

    def __init__(self) -> None:
        self.host = Host()
        self.wire = Wire(self.host)
        self.there: list[Connection] = []

    def connection(self, login: Login, user: User, role: str) -> Connection:
        one = Connection(login, Dialect(), lambda: "secret01", self.wire, self.host, user, role)
        self.host.safe = one.safe
        self.there.append(one)
        return one

    def ended(self, connection: Connection) -> None:
        self.there.remove(connection)


class LinkDesk(MemoryDesk):
    def __init__(self) -> None:
        super().__init__()
        self.its: Any = FakeIts()

    @property
    def wire(self) -> Wire:
        wire: Wire = self.its.wire
        return wire

    @property
    def got(self) -> list[str]:
        return [data for _, data in self.wire.got]


def make(desk: LinkDesk, **settings: Any) -> Uplink:
    settings = {"serials": {"finish": "0086"}, "devices": ("finish",), "user": "timer01"} | settings
    return Uplink(UplinkSettings(name="its", type="its", **settings), desk, desk.now)


@asynccontextmanager
async def at_work(export: Export[Any]) -> AsyncIterator[Uplink]:
    assert isinstance(export, Uplink)
    task = asyncio.create_task(export.run())
    try:
        await until(lambda: export.state().peers and export.state().state == "up")
        yield export
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def impulse(desk: LinkDesk, sequence: int = 4, **changes: Any) -> Passing:
    values: dict[str, Any] = {
        "device": "finish",
        "kind": Kind.IMPULSE,
        "bib": "4",
        "channel": "M2",
        "time": "18:01:33.15300",
        "ns": 64_893_153_000_000,
        "basis": Basis.DAY,
        "day": 8829 + 10_957,
        "extra": {"record": "TN", "sequence": sequence},
    }
    return desk.add(**(values | changes))[0]


def peer(uplink: Uplink) -> PeerState:
    (one,) = uplink.state().peers
    return one


def test_the_registry_finds_it() -> None:
    assert export_class("its") is Uplink


async def test_times_go_up_in_the_timers_name_and_count_when_they_are_acknowledged() -> None:
    desk = LinkDesk()
    async with at_work(make(desk)) as uplink:
        assert desk.wire.said == ["SN 00086 CP545 VB10", "UN timer01", "PW secret01"]
        told = impulse(desk)
        await until(lambda: peer(uplink).acked == 1)
        assert desk.wire.got == [("10086", LINE)]
        assert (peer(uplink).address, peer(uplink).sent, peer(uplink).tcp, peer(uplink).waiting) == (
            "finish",
            1,
            None,
            0,
        )
        assert (uplink.state().acked, uplink.state().tcp) == (1, None)
        assert uplink.fate(told) == [("finish", "acked")]
        impulse(desk, 5, device="start")  # not linked up
        impulse(desk, 6)
        await until(lambda: peer(uplink).acked == 2)
        assert [data[8:12] for data in desk.got] == ["   4", "   6"]
        assert desk.saved["finish"].export == "its"
        assert uplink.talk("finish").sent[-1].startswith(b"TN")
    assert desk.its.there == []


async def test_other_devices_are_impulses_on_their_channel() -> None:
    desk = LinkDesk()
    async with at_work(make(desk, channels={"finish": "4"})) as uplink:
        desk.add(device="finish", kind=Kind.PLACE, bib="12")
        await until(lambda: peer(uplink).acked == 1)
        assert desk.got == ["TN   12    1  4 10:29:02.12345  9608"]


async def test_corrections_go_up() -> None:
    desk = LinkDesk()
    async with at_work(make(desk)) as uplink:
        told = impulse(desk)
        extra = {"record": "T-", "sequence": 4, "was": "4"}
        impulse(desk, bib=None, status=Status.CORRECTION, of=told.seq, change="unassigned", extra=extra)
        extra = {"record": "TC", "sequence": 4}
        impulse(desk, status=Status.CANCELLED, of=told.seq, change="cancelled", extra=extra)
        await until(lambda: peer(uplink).acked == 3)
        other = impulse(desk, 5)
        edit(desk, other, "9")
        await until(lambda: peer(uplink).acked == 5)
        assert [data[:12] for data in desk.got] == [
            "TN    4    4", "T-    4    4", "TC    4    4", "TN    4    5", "T*    9    5",
        ]  # fmt: skip


async def test_what_was_not_acknowledged_goes_again_after_a_cut() -> None:
    desk = LinkDesk()
    desk.wire.acknowledges = False
    async with at_work(make(desk)) as uplink:
        impulse(desk)
        await until(lambda: desk.got == [LINE])
        assert (peer(uplink).sent, peer(uplink).acked) == (1, 0)
        desk.wire.acknowledges = True
        desk.wire.cut()
        await until(lambda: peer(uplink).acked == 1)
        assert desk.got == [LINE, LINE]  # the server knows it by its contents


async def test_what_has_gone_stale_meanwhile_is_held_for_the_operator() -> None:
    desk = LinkDesk()
    async with at_work(make(desk)) as uplink:
        desk.wire.refuses = True
        desk.wire.cut()
        await until(lambda: uplink.state().state == "down")
        assert "finish: down: server: connection refused" in uplink.state().reason
        old = impulse(desk)
        await until(lambda: peer(uplink).waiting == 1)
        desk.clock += 11 * SECOND
        impulse(desk, 5)
        desk.wire.refuses = False
        await until(lambda: peer(uplink).acked == 1)
        assert uplink.holds() == {"finish": {old.seq: "stale: older than 10 s"}}
        assert [data[8:12] for data in desk.got] == ["   5"]
        assert uplink.release([old.seq]) == 1
        await until(lambda: peer(uplink).acked == 2)
        assert [data[8:12] for data in desk.got] == ["   5", "   4"]


async def test_a_server_that_never_acknowledges_gets_a_window_and_no_more() -> None:
    desk = LinkDesk()
    desk.wire.acknowledges = False
    async with at_work(make(desk)) as uplink:
        for number in range(30):
            impulse(desk, number + 1)
        await until(lambda: len(desk.got) == 10)
        await asyncio.sleep(0.05)
        assert (peer(uplink).sent, peer(uplink).waiting, len(desk.got)) == (10, 20, 10)
        desk.wire.acknowledges = True
        for _ in range(20):
            desk.its.host.now += 6 * SECOND  # the frames under way go again, and are acknowledged now
            if peer(uplink).acked == 30:
                break
            await asyncio.sleep(0.01)
        await until(lambda: peer(uplink).acked == 30)
        assert [int(data[8:12]) for data in desk.got] == list(range(1, 31))


async def test_empty_your_buffer_skips_what_waited_and_it_can_be_sent_again() -> None:
    desk = LinkDesk()
    async with at_work(make(desk)) as uplink:
        desk.wire.refuses = True
        desk.wire.cut()
        await until(lambda: uplink.state().state == "down")
        first = impulse(desk)
        await until(lambda: peer(uplink).waiting == 1)
        desk.wire.greeting = ("#GC 2",)
        desk.wire.refuses = False
        await until(lambda: uplink.state().state == "up")
        assert (peer(uplink).skipped, peer(uplink).waiting) == (1, 0)
        assert uplink.fate(first)[0][1].startswith("skipped")
        (said,) = [text for level, _, text in desk.troubles if "#GC 2" in text]
        assert "passings skipped: 1;" in said
        impulse(desk, 5)
        await until(lambda: peer(uplink).acked == 1)
        assert [data[8:12] for data in desk.got] == ["   5"]
        assert "1 sent" in await uplink.resend(Selection(first=first.seq, last=first.seq), "anna", "finish")
        await until(lambda: peer(uplink).resent == 1)
        assert [data[8:12] for data in desk.got] == ["   5", "   4"]


async def test_pause_holds_everything_up_and_resume_goes_on() -> None:
    desk = LinkDesk()
    async with at_work(make(desk)) as uplink:
        uplink.pause("anna")
        impulse(desk)
        await until(lambda: peer(uplink).waiting == 1)
        assert uplink.state().state == "paused"
        uplink.resume("anna")
        await until(lambda: peer(uplink).acked == 1)


async def test_a_restart_goes_on_from_what_was_acknowledged() -> None:
    desk = LinkDesk()
    async with at_work(make(desk)) as uplink:
        impulse(desk)
        await until(lambda: peer(uplink).acked == 1)
    impulse(desk, 5)
    async with at_work(make(desk)) as uplink:
        await until(lambda: peer(uplink).acked == 2)
        assert [data[8:12] for data in desk.got] == ["   4", "   5"]


async def test_what_the_server_has_for_the_timer_is_journaled_for_its_cable() -> None:
    desk = LinkDesk()
    async with at_work(make(desk)):
        desk.wire.say("10084", "TN    1    1 M1 13:50:12.36600  9098")
        await until(lambda: not desk.wire.waiting)
        (told,) = [one for one in desk.its.host.drafts if b"TN" in one.raw and one.direction is Direction.RX]
        assert (told.device, told.by) == ("its", "0086 (finish)"), "where a downlink finds it"


async def test_what_is_told_late_is_held() -> None:
    desk = LinkDesk()
    async with at_work(make(desk)) as uplink:
        impulse(desk, origin=Origin.RECALL)
        await until(lambda: peer(uplink).held == 1)
        assert desk.got == []
        assert not [text for level, _, text in desk.troubles if level is Level.ALARM]
