"""The sockets of a simulated CP545: what waits for whom, and what a lost link takes with it (thcom.md, 1.2)."""

import asyncio
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from typing import Protocol

from console.codecs import thcom
from console.links.address import format_address
from console.simulators.port import Port

BUFFER = 4096
"""Lines that wait for one client (inferred: the size is not documented)."""


class Socket(Protocol):
    """Something that lines are sent through."""

    checksum: bool

    def put(self, data: bytes) -> None:
        """Send `data` when it is its turn."""


class Line:
    """A serial line: sends, whether somebody listens or not."""

    checksum = True

    def __init__(self, port: Port) -> None:
        self._port = port

    def put(self, data: bytes) -> None:
        """Send `data`."""
        self._port.write(data)


class Outbox:
    """What waits for one client on TCP, until his TCP has taken it."""

    checksum = False

    def __init__(self) -> None:
        self.connected = False
        self._keeps = False
        self._waiting: deque[bytes] = deque(maxlen=BUFFER)
        self._filled = asyncio.Event()

    def put(self, data: bytes) -> None:
        """Send `data`, or keep it for a client that was lost."""
        if self.connected or self._keeps:
            self._waiting.append(data)
            self._filled.set()

    def disconnected(self, keep: bool) -> None:
        """The client is gone: go on collecting for him, or forget what he has not got."""
        self.connected = False
        self._keeps = keep
        if not keep:
            self._waiting.clear()

    async def pump(self, port: Port, idle: float) -> None:
        """Send what waits, line by line, and an empty line after `idle` seconds without one."""
        while True:
            if not self._waiting:
                self._filled.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(idle):
                        await self._filled.wait()
            data = self._waiting.popleft() if self._waiting else thcom.KEEP_ALIVE
            taken = False
            try:
                port.write(data)
                await port.drain()
                taken = True
            except OSError:
                return
            finally:
                if not taken and data != thcom.KEEP_ALIVE and len(self._waiting) < BUFFER:
                    self._waiting.appendleft(data)


class Connection(Port):
    """One client."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.where = format_address(*writer.get_extra_info("peername")[:2])
        self.clean = False
        """The client has closed the connection, rather than lost it."""
        self._reader = reader
        self._writer = writer
        self._dropped = False
        writer.transport.set_write_buffer_limits(0)  # so that `drain` waits until TCP has taken everything

    async def read(self) -> bytes:
        """Some bytes; b"" when the client is gone."""
        try:
            data = await self._reader.read(65_536)
        except OSError:
            return b""
        self.clean = not data and not self._dropped
        return data

    def write(self, data: bytes) -> None:
        """Send `data`."""
        if not self._writer.is_closing():
            self._writer.write(data)

    async def drain(self) -> None:
        """Wait until the client's TCP has taken what was written. Raises OSError when he is gone."""
        await self._writer.drain()

    async def close(self) -> None:
        """Say goodbye, unless the client does not listen."""
        if self._writer.transport.get_write_buffer_size():
            self._writer.transport.abort()
        else:
            self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()

    async def drop(self, away: float = 0.5) -> None:
        """Lose the link without a goodbye; the client may come back when he likes."""
        del away
        self._dropped = True
        self._writer.transport.abort()


class Everybody(Port):
    """All sockets at once, for a replay."""

    where = ""

    def __init__(self, sockets: Iterable[Socket]) -> None:
        self._sockets = sockets

    async def read(self) -> bytes:
        """Nothing: the sockets are read elsewhere."""
        return b""

    def write(self, data: bytes) -> None:
        """Send `data` to all."""
        for socket in self._sockets:
            socket.put(data)

    async def close(self) -> None:
        """Nothing: the sockets are closed elsewhere."""
