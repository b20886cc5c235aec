"""A program that connects to one of our listeners, reads, and comes back when the link is lost; can also misbehave."""

import asyncio
import socket
import struct
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from console.links.address import parse_address


class Consumer(ABC):
    """A TCP client. `run()` connects and reads until cancelled."""

    greeting = b""
    """What it says first."""

    def __init__(
        self, address: str, *, retry: float = 0.5, pace: float = 0.0, buffer: int = 0, log: Path | None = None
    ):
        """Raises ValueError for the address, OSError for the log.

        `pace`: seconds to sleep after each read; `buffer`: size of the receive buffer in bytes (0: the system's).
        """
        self.host, self.port = parse_address(address)
        self.pace = pace
        self.connections = 0
        """How often it was connected so far."""
        self.connected = False
        self.half_closed = False
        self.flaws: deque[str] = deque(maxlen=1000)
        """What was wrong with what it could not use, newest last."""
        self.talk: Callable[[str], None] = lambda text: None
        """Called with what happens to the link, and with what is wrong, in words."""
        self._retry = retry
        self._buffer = buffer
        self._log: TextIO | None = log.open("a", encoding="utf-8", newline="\n") if log else None
        self._reading = asyncio.Event()
        self._reading.set()
        self._stirred = asyncio.Event()
        self._writer: asyncio.StreamWriter | None = None

    @abstractmethod
    def take(self, data: bytes) -> None:
        """Understand a chunk."""

    @abstractmethod
    def lost(self) -> None:
        """The link is gone: forget what is half read."""

    def flaw(self, text: str) -> None:
        """Something has come that is of no use."""
        self.flaws.append(text)
        self.talk(text)

    def note(self, line: str) -> None:
        """Write a line to the log."""
        if self._log:
            self._log.write(f"{line}\n")
            self._log.flush()

    async def run(self) -> None:
        """Connect, read, come back; until cancelled."""
        said = ""
        try:
            while True:
                try:
                    await self._visit()
                    why = "the server has closed the connection"
                except OSError as error:
                    why = f"{error.strerror or error}; trying again"
                if why != said:
                    self.talk(why)
                said = why
                await asyncio.sleep(self._retry)
        finally:
            if self._log:
                self._log.close()

    async def until(self, enough: Callable[[], bool]) -> None:
        """Wait until `enough` is true; it is asked again whenever something has come or the link has changed."""
        while not enough():
            self._stirred.clear()
            await self._stirred.wait()

    # --- misbehaving ---

    def stop_reading(self) -> None:
        """Stay connected and take nothing: the server's buffers fill."""
        self._reading.clear()

    def read_on(self) -> None:
        """Read again."""
        self._reading.set()

    def half_close(self) -> None:
        """Close the sending half only, and go on reading."""
        if self._writer:
            self._writer.write_eof()
            self.half_closed = True

    def drop(self) -> None:
        """Break the connection off without a goodbye (RST); `run()` comes back."""
        if self._writer:
            opened: socket.socket = self._writer.get_extra_info("socket")
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._writer.transport.abort()

    # --- one connection ---

    async def _visit(self) -> None:
        reader, writer = await self._connect()
        self._writer = writer
        self.connected, self.half_closed = True, False
        self.connections += 1
        self._stirred.set()
        self.talk("connected")
        try:
            writer.write(self.greeting)
            while data := await self._read(reader):
                self.take(data)
                self._stirred.set()
                if self.pace:
                    await asyncio.sleep(self.pace)
        finally:
            self.connected = False
            self._writer = None
            self.lost()
            self._stirred.set()
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _read(self, reader: asyncio.StreamReader) -> bytes:
        await self._reading.wait()
        return await reader.read(4096)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if not self._buffer:
            return await asyncio.open_connection(self.host, self.port, limit=4096)
        found = await asyncio.get_running_loop().getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, address = found[0]
        fresh = socket.socket(family, kind, protocol)
        fresh.setblocking(False)
        try:
            fresh.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._buffer)  # only counts before connecting
            await asyncio.get_running_loop().sock_connect(fresh, address)
            return await asyncio.open_connection(sock=fresh, limit=4096)
        except BaseException:
            fresh.close()
            raise
