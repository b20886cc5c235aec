"""Garbage through the real engine: every byte is kept, good lines are understood again, memory stays bounded."""

import random
from pathlib import Path

import pytest

from console.control.client import Client
from console.simulators.port import OUTBOX, Port, PtyPort, TcpPort
from tests.faults.rig import (
    Engine,
    Row,
    Sender,
    all_frames,
    at_work,
    chute_line,
    cp545_line,
    engine,
    incidents,
    plugged,
    raw,
    received,
    until_open,
    until_state,
    until_true,
)

ENDLESS = 10 * 1024 * 1024
"""Bytes of a line that does not end."""

GROWTH = 250 * 1024 * 1024
"""Bytes by which the engine may grow meanwhile: what waits for the disk is bounded by 64 MiB (estimated)."""


def odd_parity(line: bytes) -> bytes:
    """A line of 7 bits and odd parity, as a host that expects 8 bits reads it."""
    return bytes(byte | (0x80 if byte.bit_count() % 2 == 0 else 0) for byte in line)


def punch_line(number: int) -> bytes:
    """Punch `number` at an OTIMCON station."""
    return f"^31, 01 02 {number // 256:02X} {number % 256:02X},{1_795_169_730 + number}$\r\n".encode()


NASTY = [
    odd_parity(chute_line(1)),
    odd_parity(cp545_line(1)),
    b"\x1b[2J\x1b]0;owned\x07\x1b[31m\r\n",
    b"\x9b31m\xc2\x9b2J\r\n",
    b"\0" * 1000 + b"\r\n",
    b"\xff\xfe\xc3\x28\xf0\x9f\r\n",
    chute_line(7)[:20] + b"\r\n",
    cp545_line(7)[:20] + b"\r\n",
    b"TN 1234 0001  1 25:61:61.99999     0\r\n",
    b"\r\n\n\n\r\r",
    bytes(range(256)),
    b"=cmd|'/c calc'!A1\r\n",
    "TN \u202egnp.exe \U0001f3c1\r\n".encode(),
    b"9" * 5000 + b"\r\n",
    random.Random(5).randbytes(20_000),
]


@pytest.mark.parametrize("kind", ["thcom", "timemachine", "otimcon"])
async def test_every_byte_of_garbage_is_kept(tmp_path: Path, kind: str) -> None:
    port: TcpPort | PtyPort = TcpPort.listen() if kind == "thcom" else PtyPort.open(tmp_path / "port")
    good = {"thcom": cp545_line, "timemachine": chute_line, "otimcon": punch_line}[kind]
    device = Sender(port, good)
    async with plugged(port), engine(tmp_path, device_at(kind, port)) as (one, client), at_work(device):
        await until_open(client)
        sent = b""
        for number, nasty in enumerate(NASTY, 1):
            for data in (nasty, b"\r\n", good(10 * number), good(10 * number + 1)):
                port.write(data)
                sent += data
            await port.drain()
        frames = await all_of(one, client, sent)
        passings = await one.dump("passings")
        understood = {raw(frames[row["frame"]]).strip() for row in passings}
        # A good line right behind garbage may be taken for a part of it; the one after it never is.
        assert understood >= {good(10 * number + 1).strip() for number in range(1, len(NASTY) + 1)}
        assert not any(frames[row["frame"]]["flaw"] for row in passings)
        assert client.state.devices[0].state == "up"
        await nothing_is_obeyed(one)


@pytest.mark.parametrize("kind", ["thcom", "timemachine", "otimcon"])
async def test_a_line_without_end(tmp_path: Path, kind: str) -> None:
    port = TcpPort.listen()
    good = {"thcom": cp545_line, "timemachine": chute_line, "otimcon": punch_line}[kind]
    device = Sender(port, good)
    async with plugged(port), engine(tmp_path, device_at(kind, port)) as (one, client), at_work(device):
        await until_open(client)
        before = memory(one.pid, "VmRSS")
        chunk = b"x" * OUTBOX
        for _ in range(ENDLESS // OUTBOX):
            port.write(chunk)
            await port.drain()
        port.write(b"\r\n")
        device.send(3)
        state = await until_state(client, lambda state: state.journal.passings == 3)
        assert state.journal.dropped == 0
        assert memory(one.pid, "VmHWM") - before < GROWTH
        assert state.journal.frames >= ENDLESS // 4096
        assert sum(len(frame.raw) for frame in await all_frames(client) if frame.direction == "rx") == (
            ENDLESS + 2 + sum(len(good(number)) for number in (1, 2, 3))
        )
        assert len(await incidents(client)) < 10, "said, not repeated"


async def test_a_device_that_says_nothing(tmp_path: Path) -> None:
    """It accepts the connection, and that is all: connected, but not up."""
    port = TcpPort.listen()
    settings = device_at("thcom", port) + "silent_after = 0.2\n"
    async with plugged(port), engine(tmp_path, settings) as (one, client), at_work(Sender(port, cp545_line)):
        state = await until_state(client, lambda state: state.alarms)
        assert state.alarms[0].text.startswith("silent: nothing heard for 0.2 s: check that the device is on")
        assert state.devices[0].state == "silent"
        port.write(cp545_line(1))
        await until_state(client, lambda state: state.devices[0].state == "up")
        said = await one.racedeck("tail", "--incidents", "--since", "0")
        assert "heard again after" in said.out


def device_at(kind: str, port: Port) -> str:
    """Settings of a device of this type."""
    key = "address" if isinstance(port, TcpPort) else "port"
    return f'[[device]]\nname = "dev"\ntype = "{kind}"\n{key} = "{port.where}"\n'


async def all_of(one: Engine, client: Client, sent: bytes) -> dict[int, Row]:
    """Wait until the journal has all that was sent, byte for byte; the frames by their numbers."""

    async def has_all() -> bool:
        return sum(len(frame.raw) for frame in await all_frames(client) if frame.direction == "rx") >= len(sent)

    await until_true(has_all, f"{len(sent)} bytes")
    rows = await one.dump("frames")
    assert received(rows, "dev") == sent
    assert (await client.refresh()).journal.dropped == 0
    return {row["seq"]: row for row in rows}


async def nothing_is_obeyed(one: Engine) -> None:
    """Whatever a device sent, no terminal and no spreadsheet is told to do anything."""
    for words in (
        ["tail", "--frames", "--since", "0"],
        ["tail", "--passings", "--since", "0"],
        ["tail", "--incidents", "--since", "0"],
        ["tail", "--frames", "--since", "0", "--json"],
        ["dump", "frames"],
        ["dump", "passings"],
        ["status"],
    ):
        ran = await one.racedeck(*words)
        odd = {char for char in ran.out if not char.isprintable()} - {"\n", "\r"}
        assert not odd, (words, odd)
        assert "\r" not in ran.out or words[0] == "dump"
        assert ran.err == ""


def memory(pid: int, field: str) -> int:
    """A figure of a process's memory, bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith(f"{field}:"))
    return int(line.split()[1]) * 1024
