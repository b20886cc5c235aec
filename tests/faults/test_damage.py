"""Flipped bits in the journal's files between two runs of the engine; an event rebuilt from its flight log alone."""

import asyncio
import random
import shutil
from contextlib import suppress
from pathlib import Path

import pytest

from console.exit import Exit
from console.simulators.port import PtyPort, TcpPort
from tests.faults.rig import (
    Engine,
    Row,
    Sender,
    at_work,
    chute_line,
    cp545_line,
    ending,
    engine,
    incidents,
    plugged,
    until_open,
    until_state,
    until_true,
)

LINES = 150
"""Of each of the two devices."""


class Event:
    """An event of two devices, recorded once; each test damages a copy of it."""

    def __init__(self, directory: Path, frames: list[Row], passings: list[Row]) -> None:
        self.directory = directory
        self.frames = frames
        self.passings = passings

    def copy(self, to: Path) -> Engine:
        """The event in another directory, without its devices."""
        shutil.copytree(self.directory, to, ignore=shutil.ignore_patterns("*.sock", "*-shm"), symlinks=True)
        return Engine(to, "")


async def record(directory: Path, *, killed: bool) -> Event:
    """Hold a race; end the engine by SIGTERM, or by kill -9 with its last rows in the WAL alone."""
    directory.mkdir()
    start, chute = TcpPort.listen(), PtyPort.open(directory / "chute")
    senders = [Sender(start, cp545_line), Sender(chute, chute_line)]
    settings = f"""
[[device]]
name = "start"
type = "thcom"
address = "{start.where}"

[[device]]
name = "chute"
type = "timemachine"
port = "{chute.where}"
clock = "day"
"""
    async with plugged(start, chute), engine(directory, settings) as (one, client), at_work(*senders):
        await until_open(client)
        for number in range(LINES):
            for sender in senders:
                sender.send()
            if number % 10 == 0:
                chute.write(b"\x1b[2J\xff garbage\r\n")
                await until_state(client, lambda state: state.journal.passings >= 2 * number)  # noqa: B023
            if number == LINES // 2:
                await one.racedeck("gun", "10:00:00")
        await until_state(client, lambda state: state.journal.passings == 2 * LINES)
        if killed:
            await one.kill()
        else:
            assert await one.stop() == 0
    # Whoever opens a database that was not closed tidies up: so a copy is read.
    copy = Event(directory, [], []).copy(directory.with_name("read"))
    event = Event(directory, await copy.dump("frames"), await copy.dump("passings"))
    assert len(event.frames) > 2 * LINES
    return event


def flip(path: Path, chance: random.Random, count: int) -> None:
    """Flip bits of a file, spread over the whole of it."""
    data = bytearray(path.read_bytes())
    for _ in range(count):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)


@pytest.mark.parametrize("killed", [False, True])
async def test_flipped_bits_cost_nothing_and_are_told(tmp_path: Path, killed: bool) -> None:
    chance = random.Random(11)
    event = await record(tmp_path / "live", killed=killed)
    files = ["flight.log", *(["journal.sqlite-wal"] if killed else ["journal.sqlite"] * 2)]
    copies = [(event.copy(tmp_path / str(turn)), file) for turn, file in enumerate(files)]
    for one, file in copies:
        flip(one.files / file, chance, count=8)
    await asyncio.gather(*(_mended(event, one, file) for one, file in copies))


async def _mended(event: Event, one: Engine, file: str) -> None:
    """Open a damaged event: it must hold what it held, and say what was wrong."""
    damaged = (one.files / file).read_bytes()
    async with ending(one):
        client = await one.start()
        await until_state(client, lambda state: state.journal.check, "it has been checked")
        assert await one.dump("frames") == event.frames, file
        assert await one.dump("passings") == event.passings, file

        async def said() -> str:
            return " ".join([client.state.journal.check, *(text.text for text in await incidents(client))])

        async def told() -> bool:
            text = await said()
            return any(word in text for word in ("mended", "put back", "rebuilt", "damaged", "again", "anew"))

        await until_true(told, f"what was wrong with {file}")
        if "was rebuilt" in await said():
            kept = [path.read_bytes() for path in one.files.glob("journal.damaged-*")]
            assert file == "journal.sqlite-wal" or damaged in kept
        client.close()


async def test_a_database_that_is_no_more_is_rebuilt_and_kept_aside(tmp_path: Path) -> None:
    event = await record(tmp_path / "live", killed=False)
    one = event.copy(tmp_path / "copy")
    journal = one.files / "journal.sqlite"
    journal.write_bytes(b"\0" * journal.stat().st_size)
    async with ending(one):
        client = await one.start()
        state = await until_state(client, lambda state: state.journal.state == "ok")
        assert state.journal.frames == len(event.frames)
        assert await one.dump("frames") == event.frames
        assert await one.dump("passings") == event.passings

        async def told() -> bool:
            return any("rebuilt from the flight log" in one.text for one in await incidents(client))

        await until_true(told, "it is said that it was rebuilt")
        (aside,) = one.files.glob("journal.damaged-*.sqlite")
        assert not aside.read_bytes().strip(b"\0")
        client.close()


async def test_recovered_on_a_spare_machine(tmp_path: Path) -> None:
    event = await record(tmp_path / "live", killed=True)
    log = tmp_path / "stick.log"
    shutil.copyfile(Engine(tmp_path / "live", "").files / "flight.log", log)
    (tmp_path / "spare").mkdir()
    spare = Engine(tmp_path / "spare", "")

    ran = await spare.racedeck("recover", str(log))
    assert ran.status == Exit.OK, ran.err
    assert f"{len(event.frames)} frames, {len(event.passings)} passings" in ran.err
    assert await spare.dump("frames") == event.frames, "without an engine"
    again = await spare.racedeck("recover", str(log))
    assert again.status == Exit.FAILED
    assert "already holds a journal" in again.err

    (spare.directory / "engine.log").touch()
    async with ending(spare):
        client = await spare.start()
        assert await spare.dump("frames") == event.frames
        assert await spare.dump("passings") == event.passings
        assert client.state.journal.frames == len(event.frames)
        client.close()


@pytest.mark.parametrize("wrong", ["nothing", "a folder", "no flight log"])
async def test_recovering_from_what_is_no_flight_log(tmp_path: Path, wrong: str) -> None:
    one = Engine(tmp_path, "")
    log = tmp_path / "flight.log"
    if wrong == "a folder":
        log.mkdir()
    elif wrong == "no flight log":
        log.write_bytes(b"Dear diary,\n\xff\0\n")
    ran = await one.racedeck("recover", str(log))
    assert ran.status == Exit.FAILED
    assert str(log) in ran.err
    with suppress(FileNotFoundError):
        assert not list(one.files.glob("journal.sqlite*"))
