"""A simulated timer on a cable that is as slow as a serial line, and a manager, both in virtual time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from console.codecs import timemachine as codec
from console.devices.driver import Reply
from console.devices.manager import Manager
from console.devices.timemachine import TimeMachineSettings
from console.links.link import Link
from console.links.nullmodem import End, NullModem
from console.model import SECOND, DeviceState, Direction, Draft, Flow, Order
from console.simulators.port import Port
from console.simulators.timemachine import TimeMachine
from tests import virtual
from tests.devices.scripted import MemoryDesk

EPOCH = 1_750_000_000 * SECOND
"""Wall time at which the loop's time is 0."""

BITS = 11
"""Of a character at 8N2."""


class VirtualDesk(MemoryDesk):
    """Its clocks are the loop's."""

    def wall(self) -> int:
        return EPOCH + virtual.now_ns()

    def mono(self) -> int:
        return virtual.now_ns()


class CablePort(Port):
    """The timer's end of a null modem. Each byte takes its time."""

    where = "null modem b"

    def __init__(self, end: End, baud: int) -> None:
        self._end = end
        self._byte = BITS / baud
        self._link: Link | None = None
        self._inbox: asyncio.Queue[bytes] = asyncio.Queue()
        self._outbox = bytearray()

    async def plug(self) -> None:
        self._link = await self._end.open(self)

    def received(self, data: bytes) -> None:
        self._inbox.put_nowait(data)

    def lost(self, reason: str) -> None:
        self._link = None

    async def read(self) -> bytes:
        return await self._inbox.get()

    def write(self, data: bytes) -> None:
        self._outbox += data

    async def drain(self) -> None:
        while self._outbox:
            await asyncio.sleep(self._byte)
            byte = bytes(self._outbox[:1])
            del self._outbox[:1]
            if self._link is not None:
                self._link.write(byte)

    async def close(self) -> None:
        self._inbox.put_nowait(b"")


class Rig:
    """`machine` is the timer; `own_timeout` is its XOFF timeout and `word` its word setting, whatever ours say."""

    def __init__(self, settings: TimeMachineSettings, own_timeout: float, word: str) -> None:
        self.settings = settings
        self.desk = VirtualDesk()
        self.cable = NullModem()
        self.port = CablePort(self.cable.b, settings.baud)
        self.machine = TimeMachine(self.port, xoff_timeout=own_timeout, word=word, clock=virtual.now_ns)
        self.manager = Manager(self.desk, lambda _: self.cable.a)
        self.finished = 0
        """The newest place of `finishers`."""

    def state(self) -> DeviceState:
        return self.manager.states()[0]

    def flow(self) -> Flow:
        flow = self.state().flow
        assert flow is not None
        return flow

    def paused(self) -> bool:
        """Whether the timer is."""
        return self.machine.paused

    async def send(self, words: str, console: int = 7) -> Reply:
        return await self.manager.command("chute", Order(words=words, by="anna", console=console))

    def frames(self, direction: Direction, since: float = 0.0) -> list[tuple[float, Draft]]:
        """Frames, and the loop's time when they came."""
        times = [((one.wall - EPOCH) / SECOND, one) for one in self.desk.frames if one.direction is direction]
        return [(at, one) for at, one in times if at >= since]

    def sent(self, since: float = 0.0) -> list[tuple[float, bytes]]:
        return [(at, one.raw) for at, one in self.frames(Direction.TX, since)]

    def places(self) -> list[int]:
        """Overall places of all lines that came, in order."""
        pieces = codec.Decoder().receive(self.desk.raw("chute"))
        return [piece.record.place for piece in pieces if isinstance(piece.record, codec.Place)]

    async def finishers(self, every: float) -> None:
        """One finisher after the other; to run as a task."""
        while True:
            self.finished = self.machine.primary().place
            await asyncio.sleep(every)


@asynccontextmanager
async def rig(*, own_timeout: float = 0, word: str = "8N2", baud: int = 9600, **settings: object) -> AsyncIterator[Rig]:
    """A timer that is connected and has started its race; nothing is left running."""
    device = TimeMachineSettings(name="chute", type="timemachine", baud=baud, **settings)  # type: ignore[arg-type]
    made = Rig(device, own_timeout, word)
    await made.port.plug()
    running = asyncio.create_task(made.machine.run())
    try:
        await made.manager.apply([made.settings])
        async with asyncio.timeout(60):
            await made.machine.heard_xon.wait()
        await asyncio.sleep(1)
        yield made
    finally:
        await made.manager.stop()
        await made.port.close()
        await running
