import asyncio
import base64
import json
import os
from argparse import ArgumentParser
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from console.simulators.port import (
    OUTBOX,
    Faults,
    MisbehavingPort,
    Port,
    PtyPort,
    TcpPort,
    add_fault_arguments,
    add_port_arguments,
    faults_from,
    port_from,
)
from console.simulators.replay import RecordingError, replay
from tests.simulators.host import Host


@pytest.fixture
async def pty() -> AsyncIterator[PtyPort]:
    port = PtyPort.open()
    yield port
    await port.close()


@pytest.fixture
async def host(pty: PtyPort) -> AsyncIterator[Host]:
    host = Host(pty.where)
    yield host
    host.close()


class Recorder(Port):
    """Keeps what is written to it."""

    where = "nowhere"

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed = asyncio.Event()

    async def read(self) -> bytes:
        await self.closed.wait()
        return b""

    def write(self, data: bytes) -> None:
        self.written.append(data)

    async def close(self) -> None:
        self.closed.set()


EVERY_BYTE = bytes(range(256))


async def test_a_pty_carries_every_byte_both_ways(pty: PtyPort, host: Host) -> None:
    pty.write(EVERY_BYTE)
    assert await host.read(256) == EVERY_BYTE
    host.send(EVERY_BYTE)
    got = b""
    while len(got) < 256:
        got += await pty.read()
    assert got == EVERY_BYTE


async def test_it_waits_for_its_first_host_and_outlives_one(pty: PtyPort) -> None:
    reading = asyncio.create_task(pty.read())
    first = os.open(pty.where, os.O_RDWR | os.O_NOCTTY)
    os.close(first)
    second = os.open(pty.where, os.O_RDWR | os.O_NOCTTY)
    os.write(second, b"x")
    assert await reading == b"x"
    os.close(second)


async def test_closing_is_a_hangup(pty: PtyPort, host: Host) -> None:
    hearing = asyncio.create_task(host.read(1))
    reading = asyncio.create_task(pty.read())
    await pty.close()
    assert await hearing == b""
    assert await reading == b""
    pty.write(b"lost")
    assert pty.lost == 4
    await pty.close()


async def test_a_host_that_does_not_read_blocks_nobody(pty: PtyPort, host: Host) -> None:
    written = 0
    while not pty.lost:
        pty.write(b"x" * 1024)
        written += 1024
        assert written < 64 * OUTBOX
    expected = written - pty.lost
    assert await host.read(expected) == b"x" * expected
    await pty.drain()


async def test_a_line_speed_paces_the_writing() -> None:
    port = PtyPort.open(baud=9600, bits=10)
    host = Host(port.where)
    loop = asyncio.get_running_loop()
    began = loop.time()
    port.write(b"x" * 240)
    await port.drain()
    # 240 characters last 250 ms; the last slice of 20 ms is written at its beginning
    assert loop.time() - began > 0.2
    assert await host.read(240) == b"x" * 240
    await port.close()
    host.close()


async def test_a_link_is_gone_while_the_pty_is_and_comes_back(tmp_path: Path) -> None:
    link = tmp_path / "chute"
    link.symlink_to("/nowhere")  # left over from a killed simulator
    port = PtyPort.open(link)
    assert port.where == str(link)
    host = Host(port.where)
    reading = asyncio.create_task(port.read())
    away = asyncio.create_task(port.drop(away=3600))
    assert await host.read(1) == b""
    assert not link.is_symlink()
    away.cancel()
    await asyncio.wait([away])
    await port.drop(away=0)
    again = Host(port.where)
    again.send(b"back")
    assert await reading == b"back"
    await port.close()
    assert not link.is_symlink()
    host.close()
    again.close()


async def test_a_link_never_replaces_a_file(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("mine")
    with pytest.raises(FileExistsError, match="no symbolic link"):
        PtyPort.open(tmp_path / "notes")
    assert (tmp_path / "notes").read_text() == "mine"


async def test_a_bridge_serves_one_client_after_the_other() -> None:
    port = TcpPort.listen()
    address, number = port.where.rsplit(":", 1)
    first_in, first_out = await asyncio.open_connection(address, int(number))
    first_out.write(b"one")
    assert await port.read() == b"one"
    port.write(b"to one")
    assert await first_in.readexactly(6) == b"to one"

    refused_in, refused_out = await asyncio.open_connection(address, int(number))
    assert await refused_in.read() == b""
    refused_out.close()

    reading = asyncio.create_task(port.read())
    await port.drop()
    assert await first_in.read() == b""
    first_out.close()
    second_in, second_out = await asyncio.open_connection(address, int(number))
    second_out.write(b"two")
    assert await reading == b"two"
    await port.close()
    assert await second_in.read() == b""
    second_out.close()


async def test_faults_come_as_often_as_told_and_the_same_each_time() -> None:
    async def faulty(faults: Faults) -> list[bytes]:
        recorder = Recorder()
        port = MisbehavingPort(recorder, faults)
        for _ in range(200):
            port.write(b"0123456789\r\n")
        await port.close()
        return recorder.written

    assert await faulty(Faults()) == [b"0123456789\r\n"] * 200
    cut = await faulty(Faults(cut=0.5, seed=1))
    assert 60 < sum(len(line) < 12 for line in cut) < 140
    assert all(line and b"0123456789\r\n".startswith(line) for line in cut)
    assert cut == await faulty(Faults(cut=0.5, seed=1)) != await faulty(Faults(cut=0.5, seed=2))
    garbage = await faulty(Faults(garbage=0.5))
    assert 260 < len(garbage) < 340
    assert garbage.count(b"0123456789\r\n") == 200


async def test_a_drop_is_a_hangup_in_the_middle_of_the_line() -> None:
    recorder = Recorder()
    port = MisbehavingPort(recorder, Faults(drop=1))
    port.write(b"0123456789\r\n")
    assert await port.read() == b""
    assert 0 < len(recorder.written[0]) < 12
    await port.close()


def recorded(device: str, direction: str, second: float, raw: bytes) -> str:
    wall = f"2026-05-01T10:00:{second:012.9f}Z"
    return json.dumps(
        {"seq": 1, "device": device, "direction": direction, "wall": wall, "raw": base64.b64encode(raw).decode()}
    )


async def test_replay_plays_what_one_device_said_at_its_pace(tmp_path: Path) -> None:
    session = tmp_path / "session.json"
    lines = [
        recorded("chute", "rx", 1, b"\x00EVENT 001\r\n"),
        recorded("chute", "tx", 1, b"\x11"),
        recorded("other", "rx", 1.5, b"no"),
        recorded("chute", "rx", 3, b"late"),
    ]
    session.write_text("\n".join(lines) + "\n")
    recorder = Recorder()
    began = asyncio.get_running_loop().time()
    assert await replay(recorder, session, 20, "chute") == 2
    assert asyncio.get_running_loop().time() - began >= 0.09
    assert recorder.written == [b"\x00EVENT 001\r\n", b"late"]
    assert await replay(recorder, session, 0) == 3


@pytest.mark.parametrize("bad", ["{", '{"device": "a"}', recorded("a", "rx", 1, b"x").replace("eA==", "***")])
async def test_a_bad_recording_is_named(tmp_path: Path, bad: str) -> None:
    session = tmp_path / "session.json"
    session.write_text(recorded("a", "rx", 1, b"x") + "\n" + bad + "\n")
    with pytest.raises(RecordingError, match=r"session.json, line 2: not a recorded frame"):
        await replay(Recorder(), session)
    with pytest.raises(RecordingError, match="speed -1"):
        await replay(Recorder(), session, -1)


async def test_the_command_line_describes_a_port(tmp_path: Path) -> None:
    parser = ArgumentParser()
    add_port_arguments(parser)
    add_fault_arguments(parser)
    plain = port_from(parser.parse_args(["--link", str(tmp_path / "x")]))
    assert isinstance(plain, PtyPort)
    args = parser.parse_args(["--listen=127.0.0.1:0", "--cut=0.1", "--garbage=0.2", "--drop=0.3", "--seed=7"])
    assert faults_from(args) == Faults(0.1, 0.2, 0.3, 7)
    bad = port_from(args)
    assert isinstance(bad, MisbehavingPort)
    assert bad.where.startswith("127.0.0.1:")
    with pytest.raises(ValueError, match="expected HOST:PORT"):
        port_from(parser.parse_args(["--listen", "here"]))
    await plain.close()
    await bad.close()
