"""10,000 passings for each export of reads, and the bytes themselves, through cuts, stalls and kills of the engine."""

import asyncio
import os
import random
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from console.control.client import Client
from console.model import Phase
from console.simulators.consumer import Consumer
from console.simulators.port import TcpPort
from console.simulators.scoring import Scoring
from console.simulators.scoring_tsv2 import ScoringTsv2
from tests.faults.rig import (
    Engine,
    Sender,
    at_work,
    chute_line,
    ending,
    free_port,
    plugged,
    raw,
    until,
    until_open,
    until_state,
)

MANY = 10_000

LIVES = 5
"""Kills of the engine meanwhile."""


class Lines(Consumer):
    """Any program that reads lines."""

    def __init__(self, address: str) -> None:
        super().__init__(address, retry=0.05)
        self.lines: list[bytes] = []
        self._rest = b""

    def take(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        self.lines += lines

    def lost(self) -> None:
        self._rest = b""


async def test_ten_thousand_passings_through_cuts_stalls_and_kills(tmp_path: Path) -> None:
    chance = random.Random(23)
    port = TcpPort.listen()
    device = Sender(port, chute_line)
    ports = [free_port() for _ in range(4)]
    tsv1, tsv2, lines, stream = (f"127.0.0.1:{one}" for one in ports)
    scoring, template, bytes_ = Scoring(tsv1, retry=0.05), Lines(lines), Lines(stream)
    called = ScoringTsv2("127.0.0.1:0", listens=True)
    listened = ScoringTsv2(tsv2, retry=0.05)
    consumers: list[Consumer] = [scoring, called, listened, template, bytes_]
    async with plugged(port), at_work(device, *consumers):
        await called.until(lambda: called.listening)
        engine = Engine(tmp_path, _settings(port.where, tsv1, tsv2, f"127.0.0.1:{called.port}", lines, stream))
        async with ending(engine):
            # Bytes come once: what a client's TCP has taken, and it does not read before it breaks off, is gone.
            misuse = [_misuse(one, chance, breaks_off=one is not bytes_) for one in consumers]
            async with at_work(device.chatter(chance, most=80), *misuse):
                for life in range(1, LIVES + 1):
                    client = await engine.start()
                    try:
                        enough = MANY * life // LIVES
                        await until_state(client, lambda state: state.journal.passings >= enough)  # noqa: B023
                    finally:
                        client.close()
                        await engine.kill()
            client = await engine.start()
            for one in consumers:
                one.closes = 0.0
                one.read_on()
            await until_open(client)
            device.send(5)
            last = str(device.number)
            await until(lambda: bool(scoring.reads) and str(scoring.reads[-1].chip) == last)
            await until(lambda: all(one.reads and one.reads[-1].chip == last for one in (called, listened)))
            await until(lambda: bool(template.lines) and template.lines[-1].split(b";")[1] == last.encode())
            await until(lambda: chute_line(device.number).strip() in map(bytes.strip, bytes_.lines[-5:]))
            state = await until_state(client, lambda state: all(one.tcp == one.journaled for one in state.exports))
            assert state.phase is Phase.RACE
            assert all(one.waiting == one.held == one.unmapped == 0 for one in state.exports)
            passings, frames = await engine.dump("passings"), await engine.dump("frames")
            client.close()
            assert await engine.stop() == 0

    assert len(passings) >= MANY
    wanted = [row["bib"] for row in passings]
    assert len(set(wanted)) == len(wanted)
    _check([(str(read.chip), read) for read in scoring.reads], wanted)
    for one in (called, listened):
        _check([(read.chip, read) for read in one.reads], wanted)
    said = [line.rstrip(b"\r").decode() for line in template.lines]
    _check([(line.split(";")[1], line) for line in said], wanted)
    assert {line.split(";")[0] for line in said} == {str(row["seq"]) for row in passings}
    came = b"".join(raw(row) for row in frames if row["direction"] == "rx").split(b"\n")[:-1]
    _check([(line, line) for line in bytes_.lines], came)
    for one in consumers:
        assert one.connections > LIVES
        assert set(one.flaws) <= {"cut short"}


def _check(got: Sequence[tuple[object, object]], wanted: Sequence[object]) -> None:
    """None missed, none invented, in order; what came twice is the same."""
    first: dict[object, object] = {}
    for identity, read in got:
        assert first.setdefault(identity, read) == read, "a duplicate says something else"
    assert list(first) == list(wanted)


async def _misuse(consumer: Consumer, chance: random.Random, *, breaks_off: bool) -> None:
    """Break off, fall silent, be slow."""
    consumer.closes = 0.002 * breaks_off
    while True:
        await asyncio.sleep(chance.uniform(0.05, 0.8))
        match chance.randrange(3):
            case 0 if breaks_off:
                consumer.drop()
            case 1:
                consumer.stop_reading()
                await asyncio.sleep(chance.uniform(0.05, 0.6))
                consumer.read_on()
            case 2:
                consumer.pace = 0.02
                await asyncio.sleep(chance.uniform(0.05, 0.4))
                consumer.pace = 0.0


def _settings(device: str, tsv1: str, tsv2: str, called: str, lines: str, stream: str) -> str:
    return rf"""
[[device]]
name = "chute"
type = "timemachine"
address = "{device}"
clock = "day"
point = "Finish"

[[export]]
name = "one"
type = "tsv1"
listen = "{tsv1}"
newcomers = "all"

[[export]]
name = "two"
type = "tsv2"
listen = "{tsv2}"
newcomers = "all"

[[export]]
name = "called"
type = "tsv2"
connect = "{called}"

[[export]]
name = "lines"
type = "template"
listen = "{lines}"
newcomers = "all"
template = '{{number}};{{bib}};{{time:%H:%M:%S.%3f}};{{point}}\r\n'

[[export]]
name = "stream"
type = "raw"
listen = "{stream}"
newcomers = "all"
devices = ["chute"]
"""


async def test_what_reads_a_pty_misses_nothing(tmp_path: Path) -> None:
    """It opens the port again whenever that is gone, or it has had enough."""
    chance = random.Random(23)
    port, link = TcpPort.listen(), tmp_path / "chute-for-scoring"
    device = Sender(port, chute_line)
    settings = f"""
[[device]]
name = "chute"
type = "timemachine"
address = "{port.where}"

[[export]]
name = "stream"
type = "raw"
pty = "{link}"
newcomers = "all"
devices = ["chute"]
"""
    got: list[bytes] = []
    alive = asyncio.Event()
    engine = Engine(tmp_path, settings)
    async with plugged(port), at_work(device, _read_port(link, alive, got, chance)), ending(engine):
        async with at_work(device.chatter(chance, most=10)):
            for enough in (300, 800):
                client = await _start(engine, alive)
                await until_state(client, lambda state: state.journal.passings >= enough)  # noqa: B023
                await until(lambda: len(got) > enough // 2)  # noqa: B023
                client.close()
                alive.clear()
                await engine.kill()
        client = await _start(engine, alive)
        await until_open(client)
        device.send(5)
        last = chute_line(device.number).strip()
        await until(lambda: last in map(bytes.strip, got[-5:]))
        state = await until_state(client, lambda state: state.exports[0].tcp == state.exports[0].journaled)
        assert state.exports[0].where == str(link)
        frames = await engine.dump("frames")
        client.close()
        assert await engine.stop() == 0
    assert not link.is_symlink()
    came = b"".join(raw(row) for row in frames if row["direction"] == "rx").split(b"\n")[:-1]
    _check([(line, line) for line in got], came)


async def _start(engine: Engine, alive: asyncio.Event) -> Client:
    """Set `alive` once the link is the engine's: one that a killed engine left may lead to a terminal of others."""
    client = await engine.start()
    await until_state(client, lambda state: state.exports and state.exports[0].state != "down")
    alive.set()
    return client


async def _read_port(link: Path, alive: asyncio.Event, got: list[bytes], chance: random.Random) -> None:
    while True:
        await asyncio.sleep(0.02)
        await alive.wait()
        with suppress(OSError):
            program = os.open(link, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
            try:
                rest, left = b"", chance.randrange(100, 2000)
                while left:
                    left -= 1
                    with suppress(BlockingIOError):
                        *lines, rest = (rest + os.read(program, chance.randrange(1, 400))).split(b"\n")
                        got += lines
                    await asyncio.sleep(0.001)
            finally:
                os.close(program)
