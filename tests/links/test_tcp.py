import asyncio
import socket
from collections.abc import Callable, Iterator

import pytest

from console.links import tcp
from console.links.link import LinkError
from console.links.tcp import TcpClient
from tests.links.recorder import Recorder, until


@pytest.fixture
def device() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield listener


def client(device: socket.socket) -> TcpClient:
    return TcpClient(*device.getsockname())


async def accept(device: socket.socket) -> socket.socket:
    connection, _ = await asyncio.get_running_loop().sock_accept(device)
    connection.setblocking(False)
    return connection


async def test_bytes_go_both_ways(device: socket.socket) -> None:
    here, loop = Recorder(), asyncio.get_running_loop()
    link = await client(device).open(here)
    with await accept(device) as far:
        await loop.sock_sendall(far, b"TN\r\n")
        await here.hears(b"TN\r\n")
        link.write(b"#SN\r")
        assert await loop.sock_recv(far, 100) == b"#SN\r"
        assert link.pending() == 0
        assert link.lines() == {}
        link.abort()
        link.abort()
        await link.closed()
        assert await loop.sock_recv(far, 100) == b""
    with pytest.raises(ConnectionError):
        link.write(b"late")
    assert here.losses == []


async def test_what_the_peer_does_not_take_is_pending(device: socket.socket) -> None:
    link = await client(device).open(Recorder())
    with await accept(device):
        for _ in range(200):
            link.write(bytes(65_536))
        assert link.pending() > 0
        link.abort()
        await link.closed()
        assert link.pending() == 0


@pytest.mark.parametrize("half", [True, False])
async def test_a_peer_that_closes_even_halfway_is_lost_after_its_last_bytes(device: socket.socket, half: bool) -> None:
    here, loop = Recorder(), asyncio.get_running_loop()
    link = await client(device).open(here)
    with await accept(device) as far:
        await loop.sock_sendall(far, b"half a li")
        if half:
            far.shutdown(socket.SHUT_WR)
        else:
            far.close()
        assert "closed the connection" in await here.loses()
        assert here.data == b"half a li"
        with pytest.raises(ConnectionError):
            link.write(b"anybody?")
    await link.closed()
    assert len(here.losses) == 1


async def test_a_reset_is_said_in_words(device: socket.socket) -> None:
    here = Recorder()
    link = await client(device).open(here)
    far = await accept(device)
    far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    far.close()
    assert "broke the connection off" in await here.loses()
    await link.closed()


async def test_the_kernel_watches_the_peer(device: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    sockets: list[socket.socket] = []
    connect = tcp.connect

    async def spy(addresses: list[tcp.Address], prepare: Callable[[socket.socket], None]) -> socket.socket:
        sockets.append(await connect(addresses, prepare))
        return sockets[0]

    monkeypatch.setattr(tcp, "connect", spy)
    link = await client(device).open(Recorder())

    def option(name: str, level: int = socket.IPPROTO_TCP) -> int:
        return sockets[0].getsockopt(level, getattr(socket, name))

    try:
        assert option("SO_KEEPALIVE", socket.SOL_SOCKET)
        assert option("TCP_NODELAY")
        idle = option("TCP_KEEPIDLE" if hasattr(socket, "TCP_KEEPIDLE") else "TCP_KEEPALIVE")
        assert idle + option("TCP_KEEPINTVL") * option("TCP_KEEPCNT") < 10
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            assert 0 < option("TCP_USER_TIMEOUT") < 10_000
    finally:
        link.abort()
        await link.closed()


async def test_refused_is_said_in_words(device: socket.socket) -> None:
    endpoint = client(device)
    device.close()
    with pytest.raises(LinkError, match=r"127\.0\.0\.1:\d+: connection refused: the machine is there"):
        await endpoint.open(Recorder())


async def test_an_unknown_host_is_said_in_words() -> None:
    with pytest.raises(LinkError, match=r"the host 'no-such-host\.invalid' is not known"):
        await TcpClient("no-such-host.invalid", 7000).open(Recorder())


async def test_no_answer_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: object) -> None:
        await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(tcp, "connect", never)
    with pytest.raises(LinkError, match=r"192\.0\.2\.1:7000: no answer within 0\.01 s: check address"):
        await TcpClient("192.0.2.1", 7000, timeout=0.01).open(Recorder())


async def test_the_next_address_of_a_host_is_tried(device: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    good = device.getsockname()
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        bad = closed.getsockname()

    async def two(*_: object, **__: object) -> list[tuple[int, int, int, str, object]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", address) for address in (bad, good)]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", two)
    link = await TcpClient("device.local", 7000).open(Recorder())
    with await accept(device):
        link.abort()
        await link.closed()


async def test_nothing_announces_a_tcp_device(device: socket.socket) -> None:
    waiting = asyncio.create_task(client(device).appeared())
    await asyncio.sleep(0)
    assert not waiting.done()
    waiting.cancel()
    await until(waiting.done)
