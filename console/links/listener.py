"""A TCP listener, limited to the networks it may serve."""

import asyncio
import errno
import os
import socket
from collections.abc import Callable, Iterable
from ipaddress import ip_address

from console.links.address import format_address, parse_network
from console.links.link import LinkError


class Listener:
    """An open listener. Connections it has accepted outlive its `close()`: they belong to their protocols."""

    def __init__(self, server: asyncio.Server) -> None:
        self._server = server

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Host and port of every socket that listens: more than one where a name stands for several addresses."""
        return [listening.getsockname()[:2] for listening in self._server.sockets]

    @property
    def where(self) -> str:
        """The first of `addresses`, as `host:port`."""
        return format_address(*self.addresses[0])

    def close(self) -> None:
        """Accept no more; the port is free again."""
        self._server.close()


async def listen(
    host: str,
    port: int,
    factory: Callable[[], asyncio.Protocol],
    networks: Iterable[str] = (),
    refused: Callable[[str], None] = lambda address: None,
) -> Listener:
    """Listen on `host:port` (port 0: a free one) and make a protocol of `factory` for every client from `networks`.

    No network: any client that reaches the address. Others are cut off at once, and `refused` is told their address.
    Raises LinkError where that port cannot be had, and ValueError for a malformed network.
    """
    allowed = [parse_network(network) for network in networks]

    def welcome(address: str) -> bool:
        client = ip_address(address)
        return any(client in network for network in allowed)

    class Doorman(asyncio.Protocol):
        """Lets a client in to its own protocol, or not at all."""

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            peer = transport.get_extra_info("peername")
            if not peer:  # gone already
                transport.abort()
                return
            address, _, _ = peer[0].partition("%")
            if allowed and not welcome(address):
                transport.abort()
                refused(address)
                return
            protocol = factory()
            transport.set_protocol(protocol)
            protocol.connection_made(transport)

    try:
        server = await asyncio.get_running_loop().create_server(Doorman, host, port)
    except OSError as error:
        raise LinkError(_why_not(host, port, error)) from error
    return Listener(server)


def _why_not(host: str, port: int, error: OSError) -> str:
    where = format_address(host, port)
    if isinstance(error, socket.gaierror):
        return f"cannot listen on {where}: the host {host!r} is not known here; write an address of this machine"
    match error.errno:
        case errno.EADDRINUSE:
            return f"cannot listen on {where}: another program has this port; stop it, or choose another port"
        case errno.EADDRNOTAVAIL:
            return f"cannot listen on {where}: this machine has no such address; `ip address` lists those it has"
        case errno.EACCES | errno.EPERM:
            return f"cannot listen on {where}: ports below 1024 need root; choose a higher one"
        case number:
            return f"cannot listen on {where}: {os.strerror(number) if number else error}"
