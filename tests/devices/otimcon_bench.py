"""A desk with one serial cable, and OTIMCON stations to be plugged into it one after the other."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import repeat
from typing import Any

import msgspec
import pytest

from console.devices import otimcon, otimcon_station, runner
from console.devices.driver import Reply
from console.devices.manager import Manager
from console.devices.otimcon import OtimconSettings
from console.links.nullmodem import NullModem
from console.model import SECOND, DeviceState, Direction, Level, LinkState, Order
from console.simulators import otimcon_board
from console.simulators.otimcon_firmware import Station
from console.simulators.port import Port
from tests.devices.scripted import MemoryDesk

NOON = 1_795_176_000
"""2026-11-20 12:00:00 UTC."""


class Desk(MemoryDesk):
    """Its clock stands just before a full second, so that nobody has to wait for one."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOON * SECOND + 970_000_000

    def wall(self) -> int:
        return self.now

    def sent(self) -> list[str]:
        """Every line that was sent, but for what wakes stations and keeps them awake."""
        return [
            one.raw.decode().strip()
            for one in self.frames
            if one.direction is Direction.TX and one.raw.strip() and one.by != "keep-awake"
        ]


class Plug(Port):
    """The station's end of the cable."""

    def __init__(self, cable: NullModem) -> None:
        self.where = "plug"
        self._cable = cable
        self._incoming: asyncio.Queue[bytes] = asyncio.Queue()

    async def read(self) -> bytes:
        return await self._incoming.get()

    def write(self, data: bytes) -> None:
        if self._cable.b.link is not None:
            self._cable.b.link.write(data)

    async def close(self) -> None:
        self._incoming.put_nowait(b"")

    def received(self, data: bytes) -> None:
        self._incoming.put_nowait(data)

    def lost(self, reason: str) -> None:
        self._incoming.put_nowait(b"")


class Bench:
    """One device, `ctl`."""

    def __init__(self, desk: Desk | None = None, **settings: object) -> None:
        self.desk = desk or Desk()
        self.cable = NullModem()
        self.cable.cut()
        self.manager = Manager(self.desk, lambda _: self.cable.a)
        self.settings = msgspec.convert(
            {"name": "ctl", "type": "otimcon", "keep_awake": 0, **settings}, OtimconSettings
        )

    @property
    def state(self) -> DeviceState:
        return self.manager.states()[0]

    @property
    def job(self) -> str:
        return self.state.job.text if self.state.job else ""

    async def order(self, words: str, text: str = "") -> Reply:
        return await self.manager.command("ctl", Order(words=words, by="ann", text=text))

    def ordered(self, words: str, text: str = "") -> "asyncio.Task[Reply]":
        return asyncio.create_task(self.order(words, text))

    @asynccontextmanager
    async def plugged(self, **station: Any) -> AsyncIterator[Station]:
        """A station on the cable, for as long as the block lasts."""
        plug = Plug(self.cable)
        known: dict[str, Any] = {"clock": NOON - 270, "baud": 1_000_000, "low_power": False}
        made = Station(plug, **{**known, **station})
        self.cable.mend()
        await until(lambda: self.cable.a.link)
        await self.cable.b.open(plug)
        running = asyncio.create_task(made.run())
        try:
            yield made
        finally:
            self.cable.cut("unplugged")
            await running
            await until(lambda: self.state.state is not LinkState.OPEN and self.state.state is not LinkState.UP)

    def told(self, level: Level = Level.NOTE) -> list[str]:
        return self.desk.told(level)


async def until(true: Callable[[], object]) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(60):
        while not true():
            await asyncio.sleep(0.001)


@asynccontextmanager
async def bench(monkeypatch: pytest.MonkeyPatch, desk: Desk | None = None, **settings: object) -> AsyncIterator[Bench]:
    """A bench on which nothing takes long."""
    monkeypatch.setattr(otimcon_board, "LOOP", 0.001)
    monkeypatch.setattr(otimcon, "BOOT", 0.02)
    monkeypatch.setattr(otimcon_station, "ANSWER", 0.5)
    monkeypatch.setattr(otimcon_station, "QUIET", 0.05)
    monkeypatch.setattr(runner, "backoff", lambda: repeat(0.01))
    made = Bench(desk, **settings)
    await made.manager.apply([made.settings])
    try:
        yield made
    finally:
        await made.manager.stop()
