"""One connected peer of an export: what it takes is measured, what it sends is limited."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from console.exports.health import PATIENCE, Health, Verdict, send_space, tcp_info
from console.exports.tail import Tail

BUFFER = 65_536
"""Bytes we keep ready for a client beyond which nothing more is written."""

ROOM_EVERY, MOST_ROOM_EVERY = 0.005, 0.1
"""Seconds between two looks for room in the kernel: at first, and when it has been waited for."""

MARGIN = 8_192
"""Bytes of the kernel's memory that must be free beside what is to be written."""

LOOK_EVERY = 0.25
"""Seconds between two looks at what is outstanding."""

ALLOWANCE = 65_536
"""Bytes a client may send in a second; whoever sends more is read more slowly."""

KEEPALIVE = ((("TCP_KEEPIDLE", "TCP_KEEPALIVE"), 10), (("TCP_KEEPINTVL",), 5), (("TCP_KEEPCNT",), 3))
"""Socket options (the first that this system has) and their values: a quiet client that vanished is noticed in 25 s."""


class Host(Protocol):
    """Whom a peer serves."""

    def connected(self, peer: "Peer") -> None:
        """A client is there."""

    def taken(self, peer: "Peer", offset: int) -> None:
        """Its TCP has taken the first `offset` bytes."""

    def lost(self, peer: "Peer", reason: str) -> None:
        """It is gone; said once, after the last `taken`."""


class Peer(asyncio.Protocol):
    """A client. A client that closes its sending half is still there; one that does not read delays nobody else.

    Or the program that we have connected to (`dialled`): one that sends no more has ended, for whoever is called does
    not hang up first, and we would not call again.
    """

    def __init__(self, host: Host, *, idle: bytes = b"", idle_after: float = 0.0, dialled: str = "") -> None:
        self._host = host
        self._dialled = dialled
        self._idle = idle
        self._idle_after = idle_after
        self.address = dialled
        """Of a client, without the port; of a program that we have connected to, as in the settings."""
        self.received: Callable[[bytes], None] = lambda data: None
        """What the client sends; by default it is discarded."""
        self.written = 0
        """Bytes handed to the transport."""
        self.tail = Tail()
        self.heard = 0
        """Bytes received."""
        self.dropped = False
        """We ended the connection."""
        self.measured = False
        """The kernel tells what the peer's TCP has taken; else `taken` means handed to our own kernel."""
        self.verdict = Verdict.WELL
        self.half_closed = False
        self.reason = ""
        """Why the connection has ended."""
        self.since = asyncio.get_running_loop().time()
        """When it was made, in the loop's time."""
        self._transport: asyncio.Transport
        self._socket: socket.socket | None
        """None: it is another kind of transport, whose write buffer is all that was not taken."""
        self._loop = asyncio.get_running_loop()
        self._last_write = self._loop.time()
        self._health = Health(self._last_write)
        self._uncounted = 0
        self._handed = 0
        """Bytes that our kernel is known to have got."""
        self._outstanding = False
        self._writable = asyncio.Event()
        self._writable.set()
        self._gone = asyncio.Event()
        self._allowance = ALLOWANCE
        self._timers: dict[str, asyncio.TimerHandle] = {}

    # --- the transport's side ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The client is there."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._socket = transport.get_extra_info("socket")
        self.address = self._dialled or transport.get_extra_info("peername")[0].partition("%")[0]
        transport.set_write_buffer_limits(high=BUFFER)
        if self._socket:
            with suppress(OSError):  # gone already: we are told so next
                _prepare(self._socket)
        info = tcp_info(self._socket)
        self.measured = info is not None
        # Of a connection that we made, the kernel counts our SYN as a byte.
        self._uncounted = info.acked if info else 0
        if self._idle:
            self._after("idle", self._idle_after, self._stay_alive)
        self._host.connected(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone: look once more at what it took, while the socket is still open."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        if self._socket is None:
            self._handed = self.written - self._transport.get_write_buffer_size()
        self._host.taken(self, self._taken())
        self.reason = self.reason or (f"connection lost: {exc}" if exc else self._closed)
        self._host.lost(self, self.reason)
        self._gone.set()

    def pause_writing(self) -> None:
        """It takes no more for now; nor do we hear it, lest answers pile up."""
        self._writable.clear()
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """It takes again."""
        self._writable.set()
        self._resume_reading()

    def data_received(self, data: bytes) -> None:
        """Something came: within limits, it is passed on."""
        self.heard += len(data)
        self.tail.received(data)
        self._allowance -= len(data)
        if self._allowance <= 0:
            self._transport.pause_reading()
        if "allowance" not in self._timers:
            self._after("allowance", 1.0, self._renew_allowance)
        self.received(data)

    def eof_received(self) -> bool:
        """It has closed its sending half, and goes on being served.

        Or it has closed everything, which looks the same until something is written to it: where the protocol has
        an idle line, that is found out at once.
        """
        if self._dialled:
            self._end(self._closed)
            return True
        self.half_closed = True
        if self._idle and self._writable.is_set():
            self.write(self._idle)
        self._after("look", LOOK_EVERY, self.look)
        return True

    # --- the pump's side ---

    @property
    def stuck_for(self) -> float:
        """Seconds for which something has been outstanding and nothing was taken."""
        return self._health.idle_for(self._loop.time()) if self._outstanding else 0.0

    async def writable(self) -> None:
        """Wait until the client takes more."""
        await self._writable.wait()

    async def room(self, size: int) -> None:
        """Wait until the kernel takes so many bytes at once: where it must never be left with half a line. Waits for
        nothing but `writable` where the kernel does not tell."""
        await self.writable()
        delay = ROOM_EVERY
        while self._socket and (space := send_space(self._socket)):
            free, buffer = space
            if free >= min(2 * size + MARGIN, buffer):
                return
            await asyncio.sleep(delay)
            delay = min(2 * delay, MOST_ROOM_EVERY)

    def write(self, data: bytes, shown: bytes | None = None) -> None:
        """Write whole lines. `shown`: what may be seen of them, where they hold a secret."""
        self.tail.sent(data if shown is None else shown)
        self._last_write = self._loop.time()
        if not self._outstanding:
            self._outstanding = True
            self._health = Health(self._last_write)
            self._after("look", LOOK_EVERY, self.look)
        self.written += len(data)
        self._transport.write(data)
        self._handed = self.written - self._transport.get_write_buffer_size()

    def drop(self, reason: str) -> None:
        """End the connection at once."""
        self.dropped = True
        self._end(reason)

    async def gone(self) -> None:
        """Wait until the connection has ended."""
        await self._gone.wait()

    @property
    def _closed(self) -> str:
        return "the program there closed it" if self._dialled else "the client closed it"

    def _end(self, reason: str) -> None:
        self.reason = self.reason or reason
        self._transport.abort()

    # --- timers ---

    def _after(self, name: str, delay: float, what: Callable[[], None]) -> None:
        """Have `what` called once, in place of the earlier call of this name."""
        if name in self._timers:
            self._timers[name].cancel()

        def fire() -> None:
            del self._timers[name]
            what()

        self._timers[name] = self._loop.call_later(delay, fire)

    def _taken(self) -> int:
        """How many bytes the peer's TCP has taken.

        The kernel's count of acknowledged bytes, and not SIOCOUTQ with the transport's buffer: that buffer is emptied
        before `connection_lost` is called, which would make bytes that never left it look taken.
        """
        info = tcp_info(self._socket)
        return min(max(info.acked - self._uncounted, 0), self.written) if info else self._handed

    def look(self) -> None:
        """See what was taken, and whether the peer is still there."""
        info = tcp_info(self._socket)
        if info and not info.open:
            self._end(self._closed)
            return
        self._handed = self.written - self._transport.get_write_buffer_size()
        now, taken = self._loop.time(), self._taken()
        self._outstanding = taken < self.written
        self.verdict = self._health.check(now, taken, self.written, info)
        self._host.taken(self, taken)
        if self.verdict is Verdict.DEAD:
            self.drop(f"no answer for {self._health.idle_for(now):.0f} s: check the cable, and that the computer is on")
        elif self.verdict is Verdict.HOPELESS:
            self.drop(f"took nothing for {PATIENCE:.0f} s: its program does not read; restart that program")
        elif self._outstanding or self.half_closed:
            self._after("look", LOOK_EVERY, self.look)

    def _stay_alive(self) -> None:
        """Say something where nothing was said for a while."""
        rest = self._last_write + self._idle_after - self._loop.time()
        if rest <= 0:
            rest = self._idle_after
            if self._writable.is_set():
                self.write(self._idle)
        self._after("idle", rest, self._stay_alive)

    def _renew_allowance(self) -> None:
        self._allowance = ALLOWANCE
        self._resume_reading()

    def _resume_reading(self) -> None:
        if self._writable.is_set() and self._allowance > 0 and not self.half_closed:
            self._transport.resume_reading()


def _prepare(connection: socket.socket) -> None:
    # Left alone, Linux lets this buffer grow to megabytes: "sent" would run minutes ahead of "taken".
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for names, value in KEEPALIVE:
        option = next((getattr(socket, name) for name in names if hasattr(socket, name)), None)
        if option is not None:
            connection.setsockopt(socket.IPPROTO_TCP, option, value)
