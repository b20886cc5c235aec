"""Keeps one connection to a program that listens, and says in words why there is none and what to check."""

import asyncio
import errno
import os
import socket
from collections.abc import Callable

from console.exports.peer import Peer
from console.links.address import parse_address
from console.links.backoff import backoff
from console.links.tcp import Address, connect, look_up
from console.model import Level

CONNECT_WITHIN = 5.0
"""Seconds for looking up the name and connecting."""

SOON = 2.0
"""Seconds: a connection that was closed so soon was turned away."""

STEADY = 5.0
"""Seconds after which a connection counts as made: then the delays begin anew, and what went wrong is over."""

MOST_STEADY = 600.0
"""Seconds that it takes at most, before that is said, where the connection was lost after it had been said: each time
four times as long. One that lasts so long begins with `STEADY` again."""


class Dialler:
    """Connects to `where`, and again whenever the connection ends: after 0.5 to 10 s, and never twice at once.

    What is wrong is announced once, however often it is tried, until a connection has lasted.
    """

    def __init__(
        self,
        where: str,
        peer: Callable[[], Peer],
        announce: Callable[[Level, str], None],
        changed: Callable[[], None],
        *,
        answers_within: float = 0.0,
    ) -> None:
        self.where = where
        self.down = "not connected yet"
        """Why there is no connection; empty: there is one."""
        self._peer = peer
        self._announce = announce
        self._changed = changed
        self._answers_within = answers_within
        self._host, self._port = parse_address(where)
        self._lookup: asyncio.Task[list[Address]] | None = None
        self._connected: Peer | None = None
        self._since = 0.0
        self._steady_after = STEADY
        self._said: set[str] = set()
        """What was announced since a connection has lasted."""

    @property
    def silent(self) -> str:
        """What to check where the program does not say a word, and ought to; empty: all is well."""
        peer, within = self._connected, self._answers_within
        if not within or not peer or peer.heard or asyncio.get_running_loop().time() - self._since < within:
            return ""
        return (
            f"{self.where} took the connection and says nothing, for {within:g} s: check that it is the right program "
            "and port, that it expects this format, and that it is not busy with another client"
        )

    async def run(self) -> None:
        """Connect until cancelled."""
        delays = backoff()
        try:
            while True:
                try:
                    peer = await self._dial()
                except OSError as error:  # TimeoutError included
                    self._fail(self._why_not(error))
                else:
                    if await self._stay(peer):
                        delays = backoff()
                await asyncio.sleep(next(delays))
        finally:
            if self._lookup:
                self._lookup.cancel()

    async def _dial(self) -> Peer:
        addresses = await self._look_up()
        async with asyncio.timeout(CONNECT_WITHIN):
            connection = await connect(addresses, lambda _: None)
            _, peer = await asyncio.get_running_loop().create_connection(self._peer, sock=connection)
            return peer

    async def _look_up(self) -> list[Address]:
        """Where the target is. A lookup that hangs, in a thread, goes on: never are there two of them."""
        if self._lookup is None:
            self._lookup = asyncio.create_task(look_up(self._host, self._port))
        await asyncio.wait([self._lookup], timeout=CONNECT_WITHIN)
        if not self._lookup.done():
            raise socket.gaierror(socket.EAI_AGAIN, "no answer")
        lookup, self._lookup = self._lookup, None
        return lookup.result()

    async def _stay(self, peer: Peer) -> bool:
        """Wait until the connection has ended; whether it had lasted."""
        loop = asyncio.get_running_loop()
        self._connected, self._since, self.down = peer, loop.time(), ""
        self._changed()
        timers = [loop.call_later(self._steady_after, self._steady)]
        if self._answers_within:
            timers.append(loop.call_later(self._answers_within, self._say_silent))
        try:
            await peer.gone()
        finally:
            self._connected = None
            for timer in timers:
                timer.cancel()
        self._fail(self.why_gone(peer, peer.reason))
        lasted = loop.time() - self._since
        if lasted >= MOST_STEADY:
            self._steady_after = STEADY
        return lasted >= STEADY

    # --- words ---

    def why_gone(self, peer: Peer, reason: str) -> str:
        """Why this connection has ended, for which the peer gives `reason`."""
        lasted = asyncio.get_running_loop().time() - peer.since
        if peer.dropped or peer.heard or lasted > SOON:
            return f"{self.where}: {reason}"
        if not peer.written:
            return (
                f"{self.where} closes the connection as soon as it is made: check that it admits this machine, and "
                "that no other client is connected to it"
            )
        return (
            f"{self.where} closes the connection after our first lines, without a word: check that it is the right "
            "program and port, and that it expects this format"
        )

    def _why_not(self, error: OSError) -> str:
        if isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN:
            return f"the name {self._host!r} cannot be looked up just now: check the network, or write its IP address"
        if isinstance(error, socket.gaierror):
            return f"the name {self._host!r} is not known: check its spelling and the network, or write its IP address"
        if isinstance(error, TimeoutError):
            return f"{self.where} does not answer: check the address, the cable, and the firewall of that machine"
        match error.errno:
            case errno.ECONNREFUSED:
                return f"{self.where} refuses: check that the program is running there, and that this is its port"
            case errno.EHOSTUNREACH | errno.ENETUNREACH:
                return f"{self.where} cannot be reached: check cable, Wi-Fi and this machine's network settings"
            case number:
                return f"{self.where}: {os.strerror(number) if number else error}"

    def _fail(self, why: str) -> None:
        self.down = why
        self._say(why + "; trying again by itself")
        self._changed()

    def _say_silent(self) -> None:
        if silent := self.silent:
            self._say(silent)
            self._changed()

    def _say(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._announce(Level.WARNING, text)

    def _steady(self) -> None:
        if self._said and not self.silent:
            self._said.clear()
            self._steady_after = min(4 * self._steady_after, MOST_STEADY)
            self._announce(Level.NOTE, f"connected to {self.where}")
