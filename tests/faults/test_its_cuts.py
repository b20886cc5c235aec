"""The link to the server cut and restored at random moments, with frames on their way in both directions."""

import asyncio
import random
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from console.codecs import thcom
from console.model import EngineState
from console.relay.data import Data
from console.relay.database import Database
from console.simulators.port import TcpPort
from tests.faults.rig import Engine, Sender, at_work, ending, export, plugged, until, until_open, until_state
from tests.faults.test_its import is_linked, its, secret, timer
from tests.relay.desk import FINISH, PC, START, connected
from tests.relay.test_processes import serving

SLOWLY = 600.0
"""Seconds that all of it may take; thousands of frames want more than a test's usual patience."""

AT_ONCE = """
from console.its import connection
from console.links import backoff
backoff.LEAST, backoff.MOST = 0.02, 0.05
connection.REFUSED_FOR = 0.05
"""
"""An engine that comes back at once: else 200 cuts are half an hour of waiting for the next attempt."""


def message(number: int, channel: str) -> str:
    """What a timer says: impulses, and a result now and then; the time in it says which."""
    ns = (36_000_000 + number) * 1_000_000
    if number % 5 == 4:
        return thcom.result_line("RR", number % 9999 + 1, 1, ns)
    return thcom.time_line("TN", None, number % 10_000, channel, ns, 0)


def time_in(text: str) -> str:
    """The time in a message."""
    found = re.search(r"[\d:]+\.\d+", text)
    assert found, text
    return found[0]


class Cuts:
    """A TCP proxy on the way to the server that cuts all that goes through it, in the middle of anything."""

    def __init__(self, port: int) -> None:
        self.where = 0
        self.count = 0
        """Cuts that hit a connection."""
        self._port = port
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def open(self) -> bool:
        """Whether something goes through it."""
        return bool(self._writers)

    async def restore(self) -> None:
        """Let connections through."""
        self._server = await asyncio.start_server(self._come, "127.0.0.1", self.where)
        self.where = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Break off all that there are, and refuse others until `restore`."""
        assert self._server
        self._server.close()
        self.count += self.open
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _come(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        self._writers.add(writer)
        ends = [writer]
        try:
            there, out = await asyncio.open_connection("127.0.0.1", self._port)
            ends.append(out)
            self._writers.add(out)
            await asyncio.gather(_copy(reader, out), _copy(there, writer))
        except ConnectionError:
            pass
        finally:
            self._tasks.discard(task)
            for end in ends:
                self._writers.discard(end)
                end.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(4096):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()


@asynccontextmanager
async def cutting(port: int) -> AsyncIterator[Cuts]:
    """A way to `port` that is open."""
    cuts = Cuts(port)
    await cuts.restore()
    try:
        yield cuts
    finally:
        await cuts.cut()


class Repeats(NamedTuple):
    """Frames that came again, as their acknowledgement was lost, and counted for nothing."""

    up: int
    down: int


async def through_cuts(directory: Path, frames: int, cuts: int, chance: random.Random) -> Repeats:
    """Send `frames` each way while the link is cut `cuts` times; AssertionError where one is missing or there twice."""
    (home := directory / "relay").mkdir()
    (hasty := directory / "hasty").mkdir()
    (hasty / "sitecustomize.py").write_text(AT_ONCE)
    up, down = ([message(number, channel) for number in range(frames)] for channel in ("1", "M2"))
    port = TcpPort.listen()
    device = Sender(port, lambda number: thcom.basic(up[number - 1], checksum=False))
    async with serving(home) as server, cutting(server.port) as way, plugged(port), at_work(device):
        sends = f'stale_after = 3600\nlog_file = ""\n[[its.send]]\ndevice = "cable"\nserial = "{START}"\n'
        settings = timer(port, "cable", serial=False) + its(way.where, PC, sends)
        one = Engine(secret(directory / "pc"), settings)
        async with ending(one), connected(server.port, FINISH) as (far,):
            client = await one.start(PYTHONPATH=str(hasty))
            await until_open(client)
            await until_state(client, is_linked)
            while way.count < cuts:
                fed, due = device.number, frames * (way.count + 1) // cuts
                for text in down[fed:due]:
                    far.say(text)
                device.send(due - fed)
                await until(lambda: way.open)
                target = len(far.heard) + chance.randint(0, frames // cuts)
                with suppress(TimeoutError):  # in the middle of them, or in the middle of the next login
                    async with asyncio.timeout(chance.uniform(0, 0.5)):
                        while len(far.heard) < target:
                            await asyncio.sleep(0.001)
                await way.cut()
                await asyncio.sleep(chance.uniform(0, 0.05))
                await way.restore()

            database = Database(home / "relay" / "relay.db")
            data = Data(database)

            def all_there(state: EngineState) -> bool:
                up_there = len(far.heard) >= frames and export(state, "its").acked == frames
                return up_there and not far.outbox and not data.figures(PC)[0]

            async with asyncio.timeout(SLOWLY):
                while not all_there(await client.refresh()):
                    await asyncio.sleep(0.05)
            state = await client.refresh()
            client.close()
            assert (export(state, "its").held, export(state, "its").waiting) == (0, 0)
            assert far.heard == up, "each once, and in order"
            passings = [row for row in await one.dump("passings") if row["device"] == f"its-{FINISH}"]
            assert {row["status"] for row in passings} <= {"live", "repeat"}
            live = [time_in(row["time"]) for row in passings if row["status"] == "live"]
            assert live == [time_in(text) for text in down]
            ways = (f"1{FINISH}", PC), (f"1{START}", FINISH)  # not those back to where it came from
            rows = [row for row in data.rows(0) if (row.origin, row.destination) in ways]
            database.close()
            kept = Counter((row.destination, row.message) for row in rows if row.state == "acknowledged")
            assert kept == Counter([*((PC, text) for text in down), *((FINISH, text) for text in up)])
            return Repeats(
                up=sum(row.times - 1 for row in rows),
                down=sum(row["status"] == "repeat" for row in passings),
            )


async def test_each_frame_once_through_cuts(tmp_path: Path) -> None:
    repeats = await through_cuts(tmp_path, 400, 12, random.Random(5))
    assert sum(repeats) > 0, "or no cut has hit anything on its way"
