import asyncio
import socket

import pytest

from console.links.link import LinkError
from console.links.listener import listen


class Greeter(asyncio.Protocol):
    """Says hello, and returns what it hears."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(b"hello ")

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)
        self.transport.close()


async def talk(address: tuple[str, int]) -> bytes:
    reader, writer = await asyncio.open_connection(*address)
    try:
        writer.write(b"you")
        return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize("networks", [(), ("10.0.0.0/8", "127.0.0.0/8"), ("127.0.0.1",)])
async def test_a_client_gets_its_own_protocol(networks: tuple[str, ...]) -> None:
    listener = await listen("127.0.0.1", 0, Greeter, networks)
    assert listener.where == f"127.0.0.1:{listener.addresses[0][1]}"
    try:
        assert await asyncio.gather(*(talk(listener.addresses[0]) for _ in range(3))) == [b"hello you"] * 3
    finally:
        listener.close()


async def test_a_stranger_is_cut_off_and_named() -> None:
    strangers: list[str] = []
    listener = await listen("127.0.0.1", 0, Greeter, ["10.0.0.0/8"], strangers.append)
    try:
        assert await talk(listener.addresses[0]) == b""
        assert strangers == ["127.0.0.1"]
    finally:
        listener.close()


async def test_a_closed_listener_frees_its_port() -> None:
    listener = await listen("127.0.0.1", 0, Greeter)
    address = listener.addresses[0]
    listener.close()
    with pytest.raises(ConnectionRefusedError):
        await talk(address)
    again = await listen(*address, Greeter)
    again.close()


async def test_a_port_in_use_is_said_in_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LinkError, match=f"cannot listen on 127.0.0.1:{port}: another program has this port"):
            await listen("127.0.0.1", port, Greeter)


async def test_an_address_of_another_machine_is_said_in_words() -> None:
    with pytest.raises(LinkError, match=r"cannot listen on 192\.0\.2\.1:7000: "):
        await listen("192.0.2.1", 7000, Greeter)


async def test_an_unknown_host_is_said_in_words() -> None:
    with pytest.raises(LinkError, match=r"the host 'no\.such\.host\.invalid' is not known"):
        await listen("no.such.host.invalid", 7000, Greeter)


async def test_a_malformed_network_is_an_error_before_the_port_opens() -> None:
    with pytest.raises(ValueError, match="expected a network"):
        await listen("127.0.0.1", 0, Greeter, ["office"])
