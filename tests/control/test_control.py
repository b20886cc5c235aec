"""Both ends of the control socket, over a real one."""

import asyncio
import select
import socket
import stat
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.control import messages as m
from console.control.client import Client, EngineGoneError, RefusedError
from console.control.messages import Unpacker, packed
from console.control.server import SLOW, Server
from console.model import ClockState, Direction, EngineState, Frame, JournalState, Phase


class FakeOffice:
    """An engine without a race: it counts, and remembers who asked for what."""

    def __init__(self) -> None:
        self.frames = 0
        self.asked: list[tuple[m.Call, str]] = []
        self.padding = ""

    def state(self) -> EngineState:
        return EngineState(
            version="0",
            event="spring-10k",
            timezone="UTC",
            phase=Phase.RACE,
            now=0,
            started=0,
            pid=1,
            clock=ClockState(source="?", synced=None),
            guns=(),
            devices=(),
            exports=(),
            journal=JournalState(state="ok", frames=self.frames, reason=self.padding),
        )

    def left(self, console: int) -> None:
        pass

    async def answer(self, call: m.Call, who: str, console: int) -> m.Result:
        self.asked.append((call, who))
        match call:
            case m.GetState():
                return m.State(state=self.state())
            case m.GetFrames(limit=limit):
                frame = Frame(seq=1, device="d", direction=Direction.RX, wall=1, mono=1, raw=bytes(range(256)))
                return m.Frames(rows=[frame] * limit)
            case m.GetPassings():
                return m.Failed(reason="no passings today")
        return m.Done(text="done")


@pytest.fixture
def office() -> FakeOffice:
    return FakeOffice()


@pytest.fixture
async def server(tmp_path: Path, office: FakeOffice) -> AsyncIterator[Server]:
    server = Server(tmp_path / "event.sock", office)
    await server.open()
    task = asyncio.create_task(server.run())
    yield server
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


async def test_attach_ask_and_act(server: Server, office: FakeOffice) -> None:
    client = await Client.connect(server.path, who="anna")
    assert client.state.event == "spring-10k"
    rows = await client.frames(limit=3)
    assert [row.raw for row in rows] == [bytes(range(256))] * 3
    assert (await client.phase(Phase.TEST)).text == "done"
    assert office.asked[-1] == (m.SetPhase(phase=Phase.TEST), "anna")
    with pytest.raises(RefusedError, match="no passings today"):
        await client.passings()
    client.close()


async def test_the_socket_is_private_and_goes_with_the_server(tmp_path: Path, office: FakeOffice) -> None:
    server = Server(tmp_path / "event.sock", office)
    await server.open()
    assert stat.S_IMODE(server.path.stat().st_mode) == 0o600
    await server.close()
    assert list(tmp_path.iterdir()) == []


async def test_changes_are_pushed_coalesced(server: Server, office: FakeOffice) -> None:
    client = await Client.connect(server.path)
    pushed: list[int] = []
    client.on_state = lambda state: pushed.append(state.journal.frames)
    for number in range(1, 1001):
        office.frames = number
        server.changed()
        if not number % 100:
            await asyncio.sleep(0)
    await until(lambda: pushed and pushed[-1] == 1000)
    assert len(pushed) < 10
    client.close()


async def test_an_observer_looks_but_does_not_act(server: Server, office: FakeOffice) -> None:
    client = await Client.connect(server.path, observe=True)
    await client.refresh()
    with pytest.raises(RefusedError, match="only observes"):
        await client.phase(Phase.CLOSED)
    with pytest.raises(RefusedError, match="only observes"):
        await client.stop("spring-10k")
    assert not any(isinstance(call, m.CHANGES) for call, _ in office.asked)
    client.close()


async def test_no_engine_is_said(tmp_path: Path) -> None:
    with pytest.raises(EngineGoneError, match="no engine answers"):
        await Client.connect(tmp_path / "event.sock")


async def test_an_engine_that_is_killed_at_the_first_word_is_gone(tmp_path: Path) -> None:
    # What waits in the queue of a listener whose process dies is reset, not closed.
    path = tmp_path / "event.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        connecting = asyncio.create_task(Client.connect(path))
        await until(lambda: select.select([listener], [], [], 0)[0])
    with pytest.raises(EngineGoneError, match="does not answer"):
        await connecting


async def test_what_is_no_engine_is_refused_in_words(tmp_path: Path) -> None:
    async def babble(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(packed(m.Hello(protocol=1, who="not an engine")))
        writer.close()

    async with await asyncio.start_unix_server(babble, tmp_path / "event.sock"):
        with pytest.raises(RefusedError, match="cannot be understood"):
            await Client.connect(tmp_path / "event.sock")


async def test_a_stale_socket_is_no_obstacle(tmp_path: Path, office: FakeOffice) -> None:
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(tmp_path / "event.sock"))
    stale.close()
    server = Server(tmp_path / "event.sock", office)
    await server.open()
    client = await Client.connect(server.path)
    client.close()
    await server.close()


async def test_a_deleted_socket_is_made_again(server: Server) -> None:
    server.path.unlink()
    server.changed()
    await until(server.path.exists)
    client = await Client.connect(server.path)
    client.close()


async def test_a_client_sees_the_engine_go(server: Server) -> None:
    client = await Client.connect(server.path)
    await server.close()
    await asyncio.wait_for(client.gone.wait(), 5)
    with pytest.raises(EngineGoneError):
        await client.frames()
    client.close()


async def test_another_protocol_version_is_refused_in_words(server: Server) -> None:
    reader, writer = await asyncio.open_unix_connection(str(server.path))
    writer.write(packed(m.Hello(protocol=99, who="x")))
    (body,) = Unpacker().feed(await reader.read(4096))
    assert isinstance(refused := m.decode_engine(body), m.Refused)
    assert "version 99" in refused.reason
    writer.close()


async def test_a_call_before_hello_is_refused(server: Server, office: FakeOffice) -> None:
    reader, writer = await asyncio.open_unix_connection(str(server.path))
    writer.write(packed(m.Request(id=1, call=m.Stop(event="spring-10k"))))
    (body,) = Unpacker().feed(await reader.read(4096))
    assert isinstance(m.decode_engine(body), m.Refused)
    assert office.asked == []
    writer.close()


@pytest.mark.parametrize("garbage", [b"GET / HTTP/1.1\r\n\r\n", b"\0\0\0\1\xc1", b"\xff" * 100, bytes(range(256))])
async def test_garbage_ends_that_connection_and_no_other(server: Server, garbage: bytes) -> None:
    client = await Client.connect(server.path)
    reader, writer = await asyncio.open_unix_connection(str(server.path))
    writer.write(garbage)
    writer.write_eof()
    assert await asyncio.wait_for(reader.read(), 5) == b""
    await client.refresh()
    writer.close()
    client.close()


async def test_a_frozen_console_is_pushed_nothing_more_and_delays_nobody(server: Server, office: FakeOffice) -> None:
    office.padding = "x" * 50_000
    _, frozen = await asyncio.open_unix_connection(str(server.path))
    frozen.transport.pause_reading()  # type: ignore[attr-defined] # what SIGSTOP does to it, seen from here
    frozen.write(packed(m.Hello(protocol=m.PROTOCOL, who="frozen")))
    await until(lambda: any(one.welcome for one in server.clients))
    for _ in range(60):
        server._push()
    (stuck,) = server.clients
    assert stuck.unread() < SLOW + 60_000
    client = await Client.connect(server.path)
    await client.refresh()
    client.close()
    frozen.transport.abort()


@given(st.lists(st.binary(max_size=300)), st.data())
def test_bodies_survive_any_cuts(bodies: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(len(body).to_bytes(4, "big") + body for body in bodies)
    unpacker, found = Unpacker(), []
    while stream:
        cut = data.draw(st.integers(1, len(stream)))
        found += unpacker.feed(stream[:cut])
        stream = stream[cut:]
    assert found == bodies
