"""A recording proxy between any ITS program and the server: every byte goes on unchanged, and is then written down.

It works on any stream, whether or not the server link is as the documents have it: that is what it is to find out.
"""

import asyncio
import os
import time
from collections.abc import Callable
from contextlib import suppress
from typing import cast

from console.codecs.columns import iso
from console.its.recording import Event, Opening, Row, Said, Side, Stream
from console.links.address import format_address
from console.links.listener import Listener, listen
from console.links.tcp import CONNECT_TIMEOUT, connect, look_up, watch_peer

FAREWELL = 1.0
"""Seconds for what is under way when the tap ends."""


class Tap:
    """Listens, and connects to `forward` for every client. `put` gets each row of the recording, and must not block."""

    def __init__(self, forward: tuple[str, int], put: Callable[[Row], None]) -> None:
        self.forward = forward
        self.put = put
        self.connections: set[Connection] = set()
        """Those that are open."""
        self.count = 0
        """Connections so far."""
        self._listener: Listener | None = None

    async def listen(self, host: str, port: int) -> str:
        """Begin; the address that clients connect to. Raises LinkError."""
        self._listener = await listen(host, port, self._client)
        where = self._listener.where
        wall, mono = time.time_ns(), time.monotonic_ns()
        forward = format_address(*self.forward)
        self.put(Opening(wall=wall, mono=mono, time=str(iso(wall)), listen=where, forward=forward))
        return where

    async def close(self) -> None:
        """End, with what is under way written and recorded where that can be."""
        if self._listener:
            self._listener.close()
        for one in self.connections:
            one.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL):
                while self.connections:
                    await next(iter(self.connections)).over.wait()
        for one in [*self.connections]:
            one.abort()
        while self.connections:
            await next(iter(self.connections)).over.wait()

    def _client(self) -> asyncio.Protocol:
        self.count += 1
        connection = Connection(self, self.count)
        self.connections.add(connection)
        return connection.client


class Connection:
    """A client, and the connection to the server that was opened for it."""

    def __init__(self, tap: Tap, number: int) -> None:
        self.over = asyncio.Event()
        """Both ends are closed, and all is recorded."""
        self._tap = tap
        self._number = number
        self.client, self.server = End(self, "client"), End(self, "server")
        self.client.other, self.server.other = self.server, self.client
        self._dialling: asyncio.Task[None] | None = None

    def dial(self, client: str) -> None:
        """The client is there: connect to the server."""
        self.note(f"{client} has connected")
        self._dialling = asyncio.get_running_loop().create_task(self._dial())

    async def _dial(self) -> None:
        host, port = self._tap.forward
        where = format_address(host, port)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                reached = await connect(await look_up(host, port), watch_peer)
            await loop.create_connection(lambda: self.server, sock=reached)
        except OSError as error:  # TimeoutError included
            why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or "no answer"
            self.note(f"{where} cannot be reached: {why}")
            self.server.gone = True
            self.client.close()
            return
        self.note(f"connected to {where}")
        self.client.resume()

    def heard(self, said: list[Said]) -> None:
        """Record what one side has said."""
        for row in said:
            self._tap.put(row)

    def note(self, text: str) -> None:
        """Record what happened."""
        wall, mono = time.time_ns(), time.monotonic_ns()
        self._tap.put(Event(wall=wall, mono=mono, time=str(iso(wall)), connection=self._number, text=text))

    def stream(self, side: Side) -> Stream:
        """What will be heard of one side."""
        return Stream(self._number, side)

    def lost(self) -> None:
        """One end is gone."""
        if self.client.gone and self._dialling and not self._dialling.done():
            self._dialling.cancel()
            self.server.gone = True
        if self.client.gone and self.server.gone:
            self.note("over")
            self._tap.connections.discard(self)
            self.over.set()

    def close(self) -> None:
        """Close both ends, once what they are to be written is."""
        self.client.close()
        self.server.close()

    def abort(self) -> None:
        """Close both ends now."""
        self.client.abort()
        self.server.abort()


class End(asyncio.Protocol):
    """One end. What comes in is written to the other, as fast as that one takes it."""

    other: "End"

    def __init__(self, connection: Connection, side: Side) -> None:
        self.gone = False
        self._connection = connection
        self._side: Side = side
        self._stream = connection.stream(side)
        self._transport: asyncio.Transport | None = None
        self._ended = False
        """It has said that it sends no more."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol. Nothing is read from a client until there is a server to write it to."""
        self._transport = cast(asyncio.Transport, transport)
        if self._side == "client":
            self._transport.pause_reading()
            watch_peer(transport.get_extra_info("socket"))
            self._connection.dial(format_address(*transport.get_extra_info("peername")[:2]))

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol. The clocks are read, the bytes go on, and only then are they looked at."""
        wall, mono = time.time_ns(), time.monotonic_ns()
        self.other.write(data)
        self._connection.heard(self._stream.receive(data, wall, mono))

    def eof_received(self) -> bool:
        """See asyncio.Protocol. The other direction stays open until it ends as well."""
        self._ended = True
        self._connection.note(f"the {self._side} sends no more")
        self.other.write_eof()
        if self.other._ended:
            self._connection.close()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self.gone = True
        self._transport = None
        self._connection.heard(self._stream.end(time.time_ns(), time.monotonic_ns()))
        if exc or not self._ended:
            self._connection.note(f"the {self._side}'s connection is gone{f': {exc}' if exc else ''}")
        self.other.close()
        self._connection.lost()

    def pause_writing(self) -> None:
        """See asyncio.Protocol."""
        self.other.pause()

    def resume_writing(self) -> None:
        """See asyncio.Protocol."""
        self.other.resume()

    # --- what the other end has done with it ---

    def write(self, data: bytes) -> None:
        """Pass bytes on."""
        if self._transport:
            self._transport.write(data)

    def write_eof(self) -> None:
        """Pass on that no more come."""
        if self._transport and not self._transport.is_closing():
            self._transport.write_eof()

    def pause(self) -> None:
        """Read no more for now."""
        if self._transport:
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self._transport:
            self._transport.resume_reading()

    def close(self) -> None:
        """Close it, once all is written."""
        if self._transport:
            self._transport.close()

    def abort(self) -> None:
        """Close it now."""
        if self._transport:
            self._transport.abort()
