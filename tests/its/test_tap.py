"""The recording proxy: bytes unchanged both ways, ends passed on, and a file that holds all but the password."""

import asyncio
import socket
import stat
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from console.codecs.thcom_link import HEARTBEAT, acknowledgement, extended
from console.its.recording import Event, Opening, Row, Said, read
from console.its.scribe import Scribe
from console.its.tap import Tap
from console.links.link import LinkError
from tests.links.recorder import until

SECRET = "top-secret/7"
LOGIN = (
    extended(253, "P1007", "P0000", "SN 01007 PC 0100"),
    extended(254, "P1007", "P0000", "UN timer01"),
    extended(255, "P1007", "P0000", f"PW {SECRET}"),
)
GREETING = b"".join(
    extended(number, "P0000", "P1007", data) for number, data in ((190, "#GC 1"), (191, "#PL ITS ONLINE TIMING"))
)


class Talk:
    """One side of a connection, and all that it has heard."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heard = b""
        self.ended = False
        self.failed = False
        self.writer = writer
        self._reader = reader
        self.task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            while data := await self._reader.read(65536):
                self.heard += data
        except ConnectionError:
            self.failed = True
        self.ended = True

    async def hears(self, data: bytes) -> None:
        await until(lambda: len(self.heard) >= len(data))
        assert self.heard == data

    async def close(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])
        self.writer.close()


class Lab:
    """A server, a tap before it, and clients."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.served: list[Talk] = []
        self.clients: list[Talk] = []
        self.where = ("", 0)
        self.tap: Tap

    async def client(self) -> Talk:
        one = Talk(*await asyncio.open_connection(*self.where))
        self.clients.append(one)
        return one

    async def pair(self) -> tuple[Talk, Talk]:
        count = len(self.served)
        one = await self.client()
        await until(lambda: len(self.served) > count)
        return one, self.served[-1]

    def said(self, by: str, connection: int = 1) -> bytes:
        return b"".join(
            row.bytes for row in self.rows if isinstance(row, Said) and (row.by, row.connection) == (by, connection)
        )

    def events(self) -> list[str]:
        return [row.text for row in self.rows if isinstance(row, Event)]


@asynccontextmanager
async def laboratory(put: object = None) -> AsyncIterator[Lab]:
    lab = Lab()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lab.served.append(Talk(reader, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    lab.tap = Tap(server.sockets[0].getsockname()[:2], put or lab.rows.append)  # type: ignore[arg-type]
    host, _, port = (await lab.tap.listen("127.0.0.1", 0)).rpartition(":")
    lab.where = (host, int(port))
    try:
        yield lab
    finally:
        await lab.tap.close()
        for one in (*lab.clients, *lab.served):
            await one.close()
        server.close()
        await server.wait_closed()


async def test_both_directions_cross_unchanged_and_are_recorded() -> None:
    async with laboratory() as lab:
        client, server = await lab.pair()
        for data in b"".join(LOGIN)[:50], b"".join(LOGIN)[50:]:
            client.writer.write(data)
        await server.hears(b"".join(LOGIN))
        server.writer.write(GREETING + HEARTBEAT)
        await client.hears(GREETING + HEARTBEAT)
        client.writer.write(acknowledgement(190) + b"\xff\x00 what?\r\n")
        await until(lambda: server.heard.endswith(b"\r\n"))
        await until(lambda: b"what" in lab.said("client"))
        assert server.heard == b"".join(LOGIN) + acknowledgement(190) + b"\xff\x00 what?\r\n"
        assert lab.said("server") == GREETING + HEARTBEAT
        masked = b"\x022551P1007P0000\x04PW *\t*\r\n"
        assert lab.said("client") == server.heard.replace(LOGIN[2], masked)
        assert SECRET not in str(lab.rows)
        assert isinstance(lab.rows[0], Opening)
        assert [row.mono for row in lab.rows] == sorted(row.mono for row in lab.rows)


async def test_half_a_connection_that_ends_leaves_the_other_half() -> None:
    async with laboratory() as lab:
        client, server = await lab.pair()
        client.writer.write(b"last words\r\n")
        client.writer.write_eof()
        await until(lambda: server.ended)
        assert server.heard == b"last words\r\n"
        server.writer.write(b"answer")
        await client.hears(b"answer")
        assert not client.ended
        server.writer.close()
        await until(lambda: client.ended)
        await until(lambda: not lab.tap.connections)
        assert (lab.said("client"), lab.said("server")) == (b"last words\r\n", b"answer")
        assert lab.events()[-3:] == ["the client sends no more", "the server sends no more", "over"]


async def test_a_server_that_is_dead_is_said_and_the_client_let_go() -> None:
    async with laboratory() as lab:
        lab.tap.forward = ("127.0.0.1", 1)
        client = await lab.client()
        client.writer.write(b"anybody?")
        await until(lambda: client.ended)
        await until(lambda: not lab.tap.connections)
        assert "127.0.0.1:1 cannot be reached: Connection refused" in lab.events()
        lab.tap.forward = ("no-such-host.invalid", 3000)
        client = await lab.client()
        await until(lambda: client.ended)
        assert any(text.startswith("no-such-host.invalid:3000 cannot be reached:") for text in lab.events())


@pytest.mark.parametrize("who", ["client", "server"])
async def test_one_side_breaks_off_and_what_it_had_said_arrives(who: str) -> None:
    async with laboratory() as lab:
        client, server = await lab.pair()
        one, other = (client, server) if who == "client" else (server, client)
        one.writer.write(b"half a line")
        await other.hears(b"half a line")
        linger = struct.pack("ii", 1, 0)  # close with a reset
        one.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        one.writer.transport.abort()
        await until(lambda: other.ended)
        await until(lambda: not lab.tap.connections)
        assert lab.said(who) == b"half a line"
        fresh, behind = await lab.pair()
        fresh.writer.write(b"next\n")
        await behind.hears(b"next\n")


async def test_many_connections_at_once_are_kept_apart() -> None:
    async with laboratory() as lab:
        count = 30
        talks = [await lab.pair() for _ in range(count)]
        for number, (client, server) in enumerate(talks, 1):
            client.writer.write(f"client {number}\n".encode())
            server.writer.write(f"server {number}\n".encode())
        for number, (client, server) in enumerate(talks, 1):
            await server.hears(f"client {number}\n".encode())
            await client.hears(f"server {number}\n".encode())
            assert lab.said("client", number) == server.heard
            assert lab.said("server", number) == client.heard


async def test_a_side_that_does_not_read_holds_the_other_up_and_not_our_memory() -> None:
    async with laboratory(lambda row: None) as lab:
        client, server = await lab.pair()
        server.task.cancel()
        await asyncio.wait([server.task])
        server.writer.transport.pause_reading()  # type: ignore[attr-defined]
        (connection,) = lab.tap.connections
        chunk = b"x" * 65_535 + b"\n"
        sent = 0

        async def pour() -> None:
            nonlocal sent
            while True:
                client.writer.write(chunk)
                await client.writer.drain()
                sent += len(chunk)

        pouring = asyncio.create_task(pour())
        await until(lambda: connection.client._transport and not connection.client._transport.is_reading())
        transport = connection.server._transport
        assert transport is not None
        assert transport.get_write_buffer_size() < 1_000_000
        pouring.cancel()
        await asyncio.wait([pouring])


async def test_the_end_of_the_tap_ends_every_connection() -> None:
    async with laboratory() as lab:
        client, server = await lab.pair()
        client.writer.write(b"\x02half a frame")
        await server.hears(b"\x02half a frame")
        await lab.tap.close()
        await until(lambda: client.ended and server.ended)
        assert lab.said("client") == b"\x02half a frame"
        assert lab.events()[-1] == "over"
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*lab.where)


async def test_a_port_in_use_is_said() -> None:
    async with laboratory() as lab:
        with pytest.raises(LinkError, match="another program has this port"):
            await Tap(("127.0.0.1", 1), lab.rows.append).listen(*lab.where)


# --- the file ---


async def test_the_recording_is_a_file_of_its_own_user_that_reads_back(tmp_path: Path) -> None:
    path, shown = tmp_path / "tap.jsonl", list[str]()
    path.write_text("")
    path.chmod(0o644)
    scribe = Scribe(path, shown.append)
    async with laboratory(scribe.put) as lab:
        client, server = await lab.pair()
        client.writer.write(b"".join(LOGIN))
        await server.hears(b"".join(LOGIN))
    scribe.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    rows = list(read(path))
    assert [row.words for row in rows if isinstance(row, Said)][2] == "frame 255  P1007 > P0000  PW *"
    assert len(rows) == len(shown)
    assert any("frame 254  P1007 > P0000  UN timer01  checksum right" in line for line in shown)
    assert SECRET not in path.read_text() + "".join(shown)
    assert (scribe.lost, scribe.trouble) == (0, "")


def test_a_reader_that_goes_away_does_not_end_the_recording(tmp_path: Path) -> None:
    def gone(line: str) -> None:
        raise BrokenPipeError

    scribe = Scribe(tmp_path / "tap.jsonl", gone)
    for number in range(3):
        scribe.put(Opening(wall=number, mono=0, time="", listen="", forward=""))
    scribe.close()
    assert len(list(read(tmp_path / "tap.jsonl"))) == 3


def test_a_full_disk_is_said_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    scribe = Scribe(tmp_path / "tap.jsonl", lambda line: None)
    monkeypatch.setattr("console.its.scribe.os.write", full)
    scribe.put(Opening(wall=0, mono=0, time="", listen="", forward=""))
    scribe.close()
    assert (scribe.lost, scribe.trouble) == (1, "No space left on device")
