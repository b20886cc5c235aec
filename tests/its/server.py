"""A small ITS ONLINE TIMING server: it believes everybody, greets as the guide's does, and says what it is told to."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from itertools import count

from console.codecs.thcom_link import Decoder, Dialect, Extended
from console.codecs.thcom_session import Arrived, Delivered, Session

SERVER = "P0000"


class Visitor:
    """One connection, once it has said who it is."""

    def __init__(self, server: "Server", reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.server = server
        self.reader = reader
        self.writer = writer
        self.session = Session(Dialect(), asyncio.get_running_loop().time(), first=190, at_once=False)
        self.login: dict[str, str] = {}
        self.address = ""
        self.delivered: set[int] = set()
        self.raw = b""
        self._stir = asyncio.Event()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        reading = asyncio.create_task(self._read())
        try:
            while not reading.done():
                self._stir.clear()
                self.writer.write(self.session.write(loop.time()))
                stirred = asyncio.create_task(self._stir.wait())
                await asyncio.wait((reading, stirred), return_when=asyncio.FIRST_COMPLETED, timeout=0.5)
                stirred.cancel()
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            self.writer.transport.abort()

    async def _read(self) -> None:
        with suppress(OSError):
            while data := await self.reader.read(65_536):
                self.raw += data
                for event in self.session.receive(data, asyncio.get_running_loop().time()):
                    match event:
                        case Arrived(frame=frame, again=again):
                            if self.server.acknowledges:
                                self.session.acknowledge(frame.number)
                            word = frame.data[:2]
                            if word in ("SN", "UN", "PW"):
                                self.address = frame.source
                                self.login[word] = frame.data[3:]
                                if word == "PW":
                                    self.server.greet(self)
                            elif not again:
                                self.server.received.append((frame.source, frame.data))
                        case Delivered(key):
                            self.delivered.add(key)
                self._stir.set()

    def say(self, source: str, data: str, *, number: int | None = None) -> int:
        key = next(self.server.keys)
        self.session.offer(key, source, self.address, data, number=number)
        self._stir.set()
        return key

    def write(self, raw: bytes) -> None:
        self.writer.write(raw)


class Server:
    """Listens on a port of its own."""

    def __init__(self) -> None:
        self.visitors: list[Visitor] = []
        self.received: list[tuple[str, str]] = []
        self.greeting = ["#GC 1", "#PL ITS ONLINE TIMING", "#PL Hello ITSCHRONO", "#PL Test serveur"]
        self.acknowledges = True
        self.keys = count(1)
        self.port = 0
        self.on_login: Callable[[Visitor], None] = lambda visitor: None

    def greet(self, visitor: Visitor) -> None:
        for line in self.greeting:
            visitor.say(SERVER, line)
        self.on_login(visitor)

    def at(self, serial: str) -> Visitor:
        """The newest connection of that serial, which has logged in."""
        return next(one for one in reversed(self.visitors) if one.address[1:] == serial and "PW" in one.login)

    def cut(self) -> None:
        for visitor in self.visitors:
            visitor.writer.transport.abort()

    async def _visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visitor = Visitor(self, reader, writer)
        self.visitors.append(visitor)
        await visitor.run()


@asynccontextmanager
async def serving(server: Server | None = None) -> AsyncIterator[Server]:
    one = server or Server()
    listening = await asyncio.start_server(one._visit, "127.0.0.1", one.port)
    one.port = listening.sockets[0].getsockname()[1]
    try:
        yield one
    finally:
        listening.close()
        one.cut()
        await asyncio.sleep(0)


def frames(raw: bytes) -> list[str]:
    """The data of all Extended frames in a stream."""
    records = [piece.record for piece in Decoder().receive(raw)]
    return [record.data for record in records if isinstance(record, Extended)]
