"""Where a simulated instrument plugs in: a pty, or a TCP port as a serial bridge gives, also a misbehaving one."""

import asyncio
import fcntl
import os
import random
import socket
import termios
import tty
from abc import ABC, abstractmethod
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from console.links.pty import point

OUTBOX = 65_536
"""Bytes that may wait for a slow reader. What is written beyond them is lost, as on a line that nobody reads."""

SLICE = 0.02
"""Seconds of line time written at once where a port has a speed."""


class Port(ABC):
    """A full-duplex byte stream with a cable that can be pulled."""

    where: str
    """What the other side opens: a device path, or `host:port`."""

    @abstractmethod
    async def read(self) -> bytes:
        """Some bytes of the other side; b"" when it is gone for good, or the port closed."""

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Send `data`; never blocks. Bytes for a closed port are lost, as an instrument's are."""

    @abstractmethod
    async def close(self) -> None:
        """Pull the cable for good: the other side sees a hangup. Closing twice is harmless."""

    async def drain(self) -> None:
        """Wait until what was written is on its way."""
        await asyncio.sleep(0)

    async def taken(self) -> None:
        """Wait until the other side has read what was written, or may still read it after a hangup."""
        await self.drain()

    async def drop(self, away: float = 0.5) -> None:
        """Pull the cable; where the port can, put it back after `away` seconds."""
        del away
        await self.close()


class _DescriptorPort(Port):
    """A port on a non-blocking file descriptor, which may be absent for a while.

    `baud` paces what is written, at `bits` per character (start, data, parity and stop bits); 0: as fast as it goes.
    """

    def __init__(self, baud: int, bits: int) -> None:
        self.lost = 0
        """Bytes that nobody could take."""
        self._rate = baud / bits
        self._descriptor: int | None = None
        self._closed = False
        self._stirred = asyncio.Event()
        self._outbox = bytearray()
        self._drained = asyncio.Event()
        self._drained.set()
        self._timer: asyncio.TimerHandle | None = None
        self._line_free = 0.0

    async def read(self) -> bytes:
        while not self._closed:
            self._stirred.clear()
            descriptor = self._descriptor
            if descriptor is not None:
                try:
                    data = os.read(descriptor, 65_536)
                except BlockingIOError:
                    asyncio.get_running_loop().add_reader(descriptor, self._readable, descriptor)
                except OSError:
                    self._hangup()
                    continue
                else:
                    if data:
                        return data
                    self._hangup()
                    continue
            await self._stirred.wait()
        return b""

    def write(self, data: bytes) -> None:
        if self._descriptor is None or len(self._outbox) + len(data) > OUTBOX:
            self.lost += len(data)
            return
        self._outbox += data
        self._drained.clear()
        self._pump()

    async def drain(self) -> None:
        await self._drained.wait()

    @property
    def connected(self) -> bool:
        """Somebody may hear what is written now."""
        return self._descriptor is not None

    def _attach(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._stirred.set()

    def _detach(self) -> int | None:
        """Forget the descriptor, and what was still to be written; the caller closes it."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            loop = asyncio.get_running_loop()
            loop.remove_reader(descriptor)
            loop.remove_writer(descriptor)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.lost += len(self._outbox)
        self._outbox.clear()
        self._drained.set()
        self._stirred.set()
        return descriptor

    @abstractmethod
    def _hangup(self) -> None:
        """The descriptor is of no more use: detach and close it."""

    def _readable(self, descriptor: int) -> None:
        asyncio.get_running_loop().remove_reader(descriptor)
        self._stirred.set()

    def _writable(self, descriptor: int) -> None:
        asyncio.get_running_loop().remove_writer(descriptor)
        self._pump()

    def _due(self) -> None:
        self._timer = None
        self._pump()

    def _pump(self) -> None:
        """Write what the descriptor takes and the line's speed allows; come back for the rest."""
        loop = asyncio.get_running_loop()
        while self._outbox and self._descriptor is not None and self._timer is None:
            now = loop.time()
            if self._rate and now < self._line_free:
                self._timer = loop.call_at(self._line_free, self._due)
                return
            count = max(1, int(self._rate * SLICE)) if self._rate else len(self._outbox)
            try:
                taken = os.write(self._descriptor, self._outbox[:count])
            except BlockingIOError:
                loop.add_writer(self._descriptor, self._writable, self._descriptor)
                return
            except OSError:
                self._hangup()
                return
            del self._outbox[:taken]
            if self._rate:
                self._line_free = now + taken / self._rate
        if not self._outbox:
            self._drained.set()


class PtyPort(_DescriptorPort):
    """A pseudo terminal: the host opens `where` as it would a serial port."""

    def __init__(self, link: Path | None, baud: int, bits: int) -> None:
        super().__init__(baud, bits)
        self._link = link
        self._slave: int | None = None
        self._plug()

    @classmethod
    def open(cls, link: Path | None = None, *, baud: int = 0, bits: int = 10) -> "PtyPort":
        """A new pty, reached under its own path or under the symbolic link `link`, which comes back after a `drop()`.

        Raises OSError where no pty or no link can be made.
        """
        return cls(link, baud, bits)

    async def taken(self) -> None:
        """A hangup discards what the host has not read: wait until that is nothing."""
        await self.drain()
        empty = 0
        while (
            empty < 2 and self._slave is not None
        ):  # on its way through the kernel it is in neither place for a moment
            await asyncio.sleep(0.02)
            unread = fcntl.ioctl(self._slave, termios.FIONREAD, bytes(4))
            empty = 0 if any(unread) else empty + 1

    async def close(self) -> None:
        """Hang up, and remove the link."""
        self._closed = True
        self._hangup()

    async def drop(self, away: float = 0.5) -> None:
        """Hang up; come back as another pty, under the same link."""
        self._hangup()
        await asyncio.sleep(away)
        if not self._closed:
            self._plug()

    def _plug(self) -> None:
        master, slave = os.openpty()
        tty.setraw(slave)
        # Our own hold on the slave keeps reads here from failing while no host has it open.
        self._slave = slave
        self.where = os.ttyname(slave)
        if self._link is not None:
            point(self._link, self.where)
            self.where = str(self._link)
        self._attach(master)

    def _hangup(self) -> None:
        descriptors = (self._detach(), self._slave)
        # The number of a closed pty is soon given to another: a link to it must not stay behind.
        if self._slave is not None and self._link is not None:
            self._link.unlink(missing_ok=True)
        self._slave = None
        for descriptor in descriptors:
            if descriptor is not None:
                os.close(descriptor)


class TcpPort(_DescriptorPort):
    """The far end of a serial bridge: a listener that serves one client at a time, and refuses others meanwhile."""

    def __init__(self, listener: socket.socket, baud: int, bits: int) -> None:
        super().__init__(baud, bits)
        host, port = listener.getsockname()[:2]
        self.where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._listener = listener
        self._client: socket.socket | None = None
        asyncio.get_running_loop().add_reader(listener, self._accept)

    @classmethod
    def listen(cls, host: str = "127.0.0.1", port: int = 0, *, baud: int = 0, bits: int = 10) -> "TcpPort":
        """Listen on `port` (0: a free one, see `where`). Raises OSError where that is not possible."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family)
        listener.setblocking(False)
        return cls(listener, baud, bits)

    async def close(self) -> None:
        """Hang up, and listen no more."""
        if not self._closed:
            self._closed = True
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()
        self._hangup()

    async def drop(self, away: float = 0.5) -> None:
        """Hang up on the client, who may come back when he likes."""
        del away
        self._hangup()

    def _accept(self) -> None:
        with suppress(BlockingIOError, ConnectionError):
            client, _ = self._listener.accept()
            if self._client is not None:
                client.close()
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._client = client
            self._attach(client.fileno())

    def _hangup(self) -> None:
        self._detach()
        if self._client is not None:
            self._client.close()
        self._client = None


class Faults(Struct, frozen=True):
    """How often a write goes wrong: probabilities from 0 to 1. The same seed gives the same faults."""

    cut: float = 0.0
    """Only a part of it is written."""
    garbage: float = 0.0
    """Random bytes come before it."""
    drop: float = 0.0
    """The link is lost in the middle of it."""
    seed: int = 0


class MisbehavingPort(Port):
    """A port on a bad cable."""

    def __init__(self, port: Port, faults: Faults) -> None:
        self.where = port.where
        self._port = port
        self._faults = faults
        self._random = random.Random(faults.seed)
        self._dropping: asyncio.Task[None] | None = None

    async def read(self) -> bytes:
        """What the port reads: faults are in what is sent."""
        return await self._port.read()

    def write(self, data: bytes) -> None:
        """Send `data`, or what the faults leave of it."""
        chance = self._random
        garbage, cut, drop = (chance.random() < p for p in (self._faults.garbage, self._faults.cut, self._faults.drop))
        if garbage:
            self._port.write(chance.randbytes(chance.randint(1, 40)))
        if (cut or drop) and len(data) > 1:
            data = data[: chance.randint(1, len(data) - 1)]
        self._port.write(data)
        if drop and (self._dropping is None or self._dropping.done()):
            self._dropping = asyncio.create_task(self._drop())

    async def drain(self) -> None:
        """See `Port`."""
        await self._port.drain()

    async def close(self) -> None:
        """See `Port`."""
        await self._port.close()
        if self._dropping is not None:
            self._dropping.cancel()
            await asyncio.wait([self._dropping])

    async def drop(self, away: float = 0.5) -> None:
        """See `Port`."""
        await self._port.drop(away)
        self.where = self._port.where

    async def _drop(self) -> None:
        await self._port.drain()
        await self.drop()


def add_fault_arguments(parser: ArgumentParser) -> None:
    """The options of a misbehaving simulator."""
    group = parser.add_argument_group("misbehaving (probabilities per line, 0 to 1)")
    group.add_argument("--cut", type=_probability, default=0.0, metavar="P", help="send only a part of the line")
    group.add_argument(
        "--garbage", type=_probability, default=0.0, metavar="P", help="send random bytes before the line"
    )
    group.add_argument(
        "--drop", type=_probability, default=0.0, metavar="P", help="lose the link in the middle of the line"
    )
    group.add_argument("--seed", type=int, default=0, help="the same seed gives the same faults (default: 0)")


def _probability(text: str) -> float:
    chance = float(text)
    if not 0 <= chance <= 1:
        raise ArgumentTypeError(f"{text}: expected a probability from 0 to 1")
    return chance


def faults_from(args: Namespace) -> Faults:
    """What `add_fault_arguments` got."""
    return Faults(cut=args.cut, garbage=args.garbage, drop=args.drop, seed=args.seed)


def add_port_arguments(parser: ArgumentParser) -> None:
    """The options of where a serial instrument's simulator is to be reached, and of what it replays."""
    group = parser.add_argument_group("port")
    group.add_argument("--link", type=Path, metavar="PATH", help="symbolic link to the pty, kept while it runs")
    group.add_argument("--listen", metavar="HOST:PORT", help="be a serial bridge on TCP instead of a pty")
    group.add_argument("--replay", type=Path, metavar="FILE", help="play back `racedeck dump frames --format json`")
    group.add_argument(
        "--speed", type=float, default=1.0, help="of the replay (default: 1, as recorded; 0: as fast as it goes)"
    )


def port_from(args: Namespace, *, baud: int = 0, bits: int = 10) -> Port:
    """The port that `add_port_arguments` and `add_fault_arguments` describe. Raises OSError, ValueError."""
    port: Port
    if args.listen:
        host, _, number = args.listen.rpartition(":")
        if not number.isdecimal():
            raise ValueError(f"--listen {args.listen}: expected HOST:PORT")
        port = TcpPort.listen(host.strip("[]") or "127.0.0.1", int(number), baud=baud, bits=bits)
    else:
        port = PtyPort.open(args.link, baud=baud, bits=bits)
    faults = faults_from(args)
    return MisbehavingPort(port, faults) if faults.cut or faults.garbage or faults.drop else port
