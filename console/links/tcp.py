"""A TCP client: devices with an Ethernet port, and serial bridges."""

import asyncio
import errno
import os
import socket
from collections.abc import Callable
from typing import Any, TypeAlias

from console.links.address import format_address
from console.links.link import Endpoint, Link, LinkError, Receiver
from console.links.transport import TransportLink

Address: TypeAlias = tuple[int, int, int, str, Any]
"""As `getaddrinfo` gives it."""

CONNECT_TIMEOUT = 5.0
"""Seconds for looking up the name and connecting."""

# A peer that is gone without a word (power, cable, Wi-Fi) is noticed after at most 3 + 3 * 2 = 9 seconds: an idle
# connection by its keepalive probes, one with unacknowledged data by the user timeout, which bounds its retransmits.
_KEEPALIVE = {
    "TCP_KEEPIDLE": 3,  # Linux's name of it, seconds
    "TCP_KEEPALIVE": 3,  # and macOS's
    "TCP_KEEPINTVL": 2,
    "TCP_KEEPCNT": 3,
    "TCP_USER_TIMEOUT": 8_000,  # milliseconds; Linux only
}


class TcpClient(Endpoint):
    """Connects to `host:port`."""

    def __init__(self, host: str, port: int, timeout: float = CONNECT_TIMEOUT) -> None:
        self.where = format_address(host, port)
        self._host = host
        self._port = port
        self._timeout = timeout

    async def open(self, receiver: Receiver) -> Link:
        """See Endpoint."""
        try:
            async with asyncio.timeout(self._timeout):
                connection = await connect(await look_up(self._host, self._port), watch_peer)
                _, link = await asyncio.get_running_loop().create_connection(
                    lambda: _TcpLink(receiver, self.where), sock=connection
                )
        except OSError as error:  # TimeoutError included
            raise LinkError(self._why_not(error)) from error
        return link

    async def appeared(self) -> None:
        """See Endpoint. Nothing tells; wait for ever."""
        await asyncio.get_running_loop().create_future()

    def _why_not(self, error: OSError) -> str:
        if isinstance(error, socket.gaierror):
            return f"{self.where}: the host {self._host!r} is not known: check its spelling and the network"
        if isinstance(error, TimeoutError):
            return f"{self.where}: no answer within {self._timeout:g} s: check address, cable and power"
        match error.errno:
            case errno.ECONNREFUSED:
                return f"{self.where}: connection refused: the machine is there, but nothing listens on this port"
            case errno.EHOSTUNREACH | errno.ENETUNREACH:
                return f"{self.where}: not reachable: check cable, Wi-Fi and this machine's network settings"
            case number:
                return f"{self.where}: {os.strerror(number) if number else error}"


async def look_up(host: str, port: int) -> list[Address]:
    """Where `host:port` may be; raises OSError (`gaierror`)."""
    return [*await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)]


async def connect(addresses: list[Address], prepare: Callable[[socket.socket], None]) -> socket.socket:
    """A `prepare`d socket connected to the first of the addresses that answers; OSError of the last where none does.

    An error of its own, unlike that of asyncio's `create_connection`, which mixes those of all addresses.
    """
    loop = asyncio.get_running_loop()
    failure = OSError(errno.EHOSTUNREACH, "no address")
    for family, kind, protocol, _, address in addresses:
        trial = socket.socket(family, kind, protocol)
        try:
            trial.setblocking(False)
            prepare(trial)
            await loop.sock_connect(trial, address)
        except OSError as error:
            trial.close()
            failure = error
        except BaseException:
            trial.close()
            raise
        else:
            return trial
    raise failure


class _TcpLink(TransportLink):
    def __init__(self, receiver: Receiver, where: str) -> None:
        super().__init__(receiver)
        self._where = where

    def eof_received(self) -> None:
        """The peer sends no more: to a host that listens, that is a loss, whatever else still works."""
        self._lose(f"{self._where}: the other side closed the connection")
        self.abort()

    def _why(self, exc: Exception | None) -> str:
        if isinstance(exc, TimeoutError):
            return f"{self._where}: the other side does not answer any more: check cable, Wi-Fi and power"
        if isinstance(exc, ConnectionError):
            return f"{self._where}: the other side broke the connection off"
        return f"{self._where}: {exc or 'closed'}"


def watch_peer(connection: socket.socket) -> None:
    """Have the kernel notice within 10 s that the peer is gone, and send small frames at once."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for name, value in _KEEPALIVE.items():
        option = getattr(socket, name, None)
        if option is not None:
            connection.setsockopt(socket.IPPROTO_TCP, option, value)
