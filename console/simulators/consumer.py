"""A program that takes what an export sends, and can also misbehave. It connects to our listener and comes back when
the link is lost, or it listens for us.
"""

import asyncio
import random
import socket
import struct
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from console.links.address import parse_address

HALF = 0.5
"""Seconds that half of something may lie in our buffer: programs in the wild fail on it."""


class Consumer(ABC):
    """Reads from one connection at a time, until cancelled."""

    greeting = b""
    """What it says first."""

    def __init__(
        self,
        address: str,
        *,
        listens: bool = False,
        retry: float = 0.5,
        pace: float = 0.0,
        buffer: int = 0,
        log: Path | None = None,
    ):
        """Raises ValueError for the address, OSError for the log.

        `listens`: wait there for us, rather than connect; `pace`: seconds to sleep after each read; `buffer`: size of
        the receive buffer in bytes (0: the system's).
        """
        self.host, self.port = parse_address(address)
        self.listens = listens
        self.listening = False
        self.pace = pace
        self.closes = 0.0
        """The chance of breaking off after a read."""
        self.connections = 0
        """How often it was connected so far."""
        self.connected = False
        self.half_closed = False
        self.flaws: deque[str] = deque(maxlen=1000)
        """What was wrong with what it could not use, newest last."""
        self.talk: Callable[[str], None] = lambda text: None
        """Called with what happens to the link, and with what is wrong, in words."""
        self.chance = random.Random(1)
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

    @property
    def halfway(self) -> bool:
        """Half of something has come."""
        return False

    def flaw(self, text: str) -> None:
        """Something has come that is of no use."""
        self.flaws.append(text)
        self._stirred.set()
        self.talk(text)

    def note(self, line: str) -> None:
        """Write a line to the log."""
        if self._log:
            self._log.write(f"{line}\n")
            self._log.flush()

    async def run(self) -> None:
        """Connect or listen, read, and do it again; until cancelled. Raises OSError where it cannot listen."""
        try:
            await (self._serve() if self.listens else self._call())
        finally:
            if self._log:
                self._log.close()

    async def _call(self) -> None:
        said = ""
        while True:
            try:
                await self._visit(*await self._connect())
                why = "the server has closed the connection"
            except OSError as error:
                why = f"{error.strerror or error}; trying again"
            if why != said:
                self.talk(why)
            said = why
            await asyncio.sleep(self._retry)

    async def _serve(self) -> None:
        clients: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
        server = await asyncio.start_server(lambda *client: clients.put_nowait(client), self.host, self.port)
        self.port = server.sockets[0].getsockname()[1]
        self.listening = True
        self._stirred.set()
        try:
            while True:
                client = await clients.get()
                with suppress(OSError):
                    await self._visit(*client)
        finally:
            server.close()

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

    async def _visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
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
                if self.closes and self.chance.random() < self.closes:
                    self.drop()
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
        if self.halfway:
            with suppress(TimeoutError):
                async with asyncio.timeout(HALF):
                    return await reader.read(4096)
            self.flaw(f"half of it has come, and nothing more for {HALF} s")
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
