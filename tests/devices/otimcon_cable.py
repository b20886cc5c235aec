"""A driver and a station on a cable of their own, for the tests of what they say to each other."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, tzinfo

import msgspec
import pytest

from console.devices import otimcon, otimcon_station
from console.devices.driver import Reply
from console.devices.otimcon import Otimcon, OtimconSettings
from console.model import Heard, Order
from console.simulators import otimcon_board
from console.simulators.otimcon_firmware import Station
from console.simulators.port import Port
from tests.devices.outlet import Nowhere

WALL = 1_795_166_400_000_000_000  # 2026-11-20 09:20:00 UTC


class Cable(Nowhere, Port):
    """Between a driver and a station: what one writes, the other reads."""

    def __init__(self) -> None:
        Nowhere.__init__(self)
        self.where = "cable"
        self.sent: list[tuple[bytes, str]] = []
        self.walls: list[int] = []
        """When each of them was sent."""
        self.heard: list[Heard] = []
        self.driver: Otimcon | None = None
        self.deaf = False
        self.zoned: tzinfo = UTC
        self.ahead = 0
        """ns by which this machine's clock is made to be ahead."""
        self._incoming: asyncio.Queue[bytes] = asyncio.Queue()

    def wall(self) -> int:
        return time.time_ns() + self.ahead

    @property
    def zone(self) -> tzinfo:
        return self.zoned

    def send(self, raw: bytes, *, by: str = "", label: str = "", mask: bytes = b"") -> None:
        self.sent.append((raw, by))
        self.walls.append(self.wall())
        if not self.deaf:
            self._incoming.put_nowait(raw)

    def lines_sent(self) -> list[str]:
        """What was sent, but for line feeds and PINGs."""
        return [raw.decode().strip() for raw, _ in self.sent if raw not in (b"\n", b"PING\n")]

    async def through(self, raw: bytes) -> None:
        """Have the station get these bytes."""
        self._incoming.put_nowait(raw)
        await asyncio.sleep(0)

    async def read(self) -> bytes:
        return await self._incoming.get()

    def write(self, data: bytes) -> None:
        if self.driver is not None:
            self.heard += self.driver.receive(data, WALL)

    async def close(self) -> None:
        self._incoming.put_nowait(b"")


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.001)


def driver_of(outlet: Cable | None = None, **settings: object) -> Otimcon:
    known = msgspec.convert({"name": "control-31", "type": "otimcon", **settings}, OtimconSettings)
    return Otimcon(known, outlet or Cable())


def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long."""
    monkeypatch.setattr(otimcon_board, "LOOP", 0.001)
    monkeypatch.setattr(otimcon, "BOOT", 0.01)
    monkeypatch.setattr(otimcon_station, "ANSWER", 0.5)
    monkeypatch.setattr(otimcon_station, "QUIET", 0.02)
    monkeypatch.setattr(otimcon_station, "WAKE_FOR", 0.2)
    monkeypatch.setattr(otimcon_station, "WAKE_DEEP", 0.2)


class Talk:
    """A driver and a station, talking."""

    def __init__(self, driver: Otimcon, station: Station, cable: Cable) -> None:
        self.driver = driver
        self.station = station
        self.cable = cable

    async def tell(self, words: str, by: str = "ann") -> Reply:
        return await self.driver.command(Order(words=words, by=by))


@asynccontextmanager
async def attended(
    *,
    version: str = "0.22",
    mode: str = "CONTROL",
    clock: float = 1795169730,
    deaf: bool = False,
    low_power: bool = False,
    monotonic: Callable[[], float] = time.monotonic,
    **settings: object,
) -> AsyncIterator[Talk]:
    """The talk of a driver with these settings to a station, from the opening of the link."""
    cable = Cable()
    cable.deaf = deaf
    driver = cable.driver = driver_of(cable, **{"keep_awake": 0.0, **settings})
    station = Station(
        cable, version=version, mode=mode, clock=clock, baud=1_000_000, low_power=low_power, monotonic=monotonic
    )
    driver.opened()
    tasks = [asyncio.create_task(station.run()), asyncio.create_task(driver.attend())]
    try:
        yield Talk(driver, station, cable)
    finally:
        await cable.close()
        tasks[1].cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            assert outcome is None or isinstance(outcome, asyncio.CancelledError)


async def known(talk: Talk) -> None:
    """The station has introduced itself."""
    await until(lambda: "clock" in talk.driver.facts)
