"""Real engines, as processes of their own, with real devices and clients around them; and what is done to them."""

import asyncio
import base64
import json
import os
import random
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeAlias

from msgspec import Struct

from console import places
from console.codecs import thcom
from console.codecs import timemachine as tm
from console.control.client import Client, EngineGoneError
from console.model import SECOND, EngineState, ExportState, Frame, Incident
from console.simulators.consumer import Consumer
from console.simulators.port import Port, PtyPort, TcpPort
from console.simulators.software import Software

EVENT = "faults"

PATIENCE = 60.0
"""Seconds after which what is waited for is taken not to come: far more than it ever needs."""

Row: TypeAlias = dict[str, Any]


async def until(condition: Callable[[], object], what: str = "") -> None:
    """Wait until `condition` holds."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"did not come: {what or condition}") from None


# --- the engine ---


class Ran(Struct, frozen=True):
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def rows(self) -> list[Row]:
        """Its stdout, one JSON object per line."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def row(self) -> Row:
        """Its stdout, one JSON object."""
        (row,) = self.rows
        return row


class Engine:
    """One event's engine in `directory`: it may be started, killed and started again."""

    def __init__(self, directory: Path, settings: str, *, event: str = EVENT) -> None:
        self.directory = directory
        self.config = directory / "racedeck.toml"
        self.state = directory / "state"
        self.event = event
        self.process: Process | None = None
        self.where = ["--config", str(self.config), "--state-dir", str(self.state)]
        self.write(settings)

    def write(self, settings: str) -> None:
        """New settings, behind the head that every engine here has."""
        self.config.write_text(f'[event]\nname = "{self.event}"\ntimezone = "Europe/Paris"\n{settings}')

    @property
    def files(self) -> Path:
        """Where journal and flight log are."""
        return places.event_directory(self.state, self.event)

    @property
    def socket(self) -> Path:
        """The control socket."""
        return places.socket_path(self.state, self.event)

    @property
    def log(self) -> str:
        """What it said on stderr, over all its lives."""
        return (self.directory / "engine.log").read_text(errors="replace")

    @property
    def pid(self) -> int:
        """Of the process that runs now."""
        assert self.process
        return self.process.pid

    async def start(self, **environment: str) -> Client:
        """Start it, and attach as soon as it answers."""
        await self.spawn(**environment)
        return await self.attach()

    async def spawn(self, **environment: str) -> None:
        """Start it, and do not wait for anything."""
        self.state.mkdir(exist_ok=True)
        with (self.directory / "engine.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *_racedeck("engine"),
                *self.where,
                "--with-parent",
                stdin=PIPE,
                stdout=DEVNULL,
                stderr=log,
                env=os.environ | environment,
            )

    async def attach(self, *, observe: bool = False) -> Client:
        """A console of the engine that runs now."""
        found: list[Client] = []

        async def try_it() -> bool:
            assert self.process is None or self.process.returncode is None, self.log
            with suppress(EngineGoneError):
                client = await Client.connect(self.socket, observe=observe)
                if self.process is None or client.state.pid == self.process.pid:
                    found.append(client)
                    return True
                client.close()
            return False

        await until_true(try_it, "the control socket answers")
        return found[0]

    async def kill(self) -> None:
        """Kill -9, at this very moment."""
        assert self.process
        self.process.send_signal(signal.SIGKILL)
        assert await self.process.wait() == -signal.SIGKILL, self.log

    async def stop(self) -> int:
        """SIGTERM; returns the exit status."""
        assert self.process
        self.process.send_signal(signal.SIGTERM)
        return await self.ended()

    async def ended(self) -> int:
        """Wait for its end; returns the exit status."""
        assert self.process
        async with asyncio.timeout(PATIENCE):
            return await self.process.wait()

    async def racedeck(self, *words: str) -> Ran:
        """Run a command for this event."""
        command, *more = words
        return await racedeck(command, *self.where, *more)

    async def dump(self, what: str) -> list[Row]:
        """All frames or passings."""
        ran = await self.racedeck("dump", what, "--format", "json")
        assert ran.status == 0, ran.err
        return ran.rows


@asynccontextmanager
async def engine(directory: Path, settings: str) -> AsyncIterator[tuple[Engine, Client]]:
    """A running engine and a console of it; in the end it is stopped, if the test has not done that."""
    one = Engine(directory, settings)
    async with ending(one):
        client = await one.start()
        try:
            yield one, client
        finally:
            client.close()


@asynccontextmanager
async def ending(one: Engine) -> AsyncIterator[Engine]:
    """Whatever happens, the engine that runs last has ended afterwards, and left no traceback."""
    try:
        yield one
    finally:
        process = one.process
        if process and process.returncode is None:
            assert process.stdin
            process.stdin.close()
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
            try:
                async with asyncio.timeout(PATIENCE):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
                raise
    assert "Traceback" not in one.log, one.log


def _racedeck(command: str) -> list[str]:
    return [sys.executable, "-m", "console.cli", command]


async def racedeck(command: str, *words: str, stdin: bytes = b"") -> Ran:
    """Run `racedeck COMMAND WORDS` to its end."""
    process = await asyncio.create_subprocess_exec(*_racedeck(command), *words, stdin=PIPE, stdout=PIPE, stderr=PIPE)
    async with asyncio.timeout(PATIENCE):
        out, err = await process.communicate(stdin)
    assert process.returncode is not None
    ran = Ran(process.returncode, out.decode(), err.decode())
    assert "Traceback" not in ran.err, ran.err
    assert "fault in RaceDeck" not in ran.err, ran.err
    return ran


async def until_true(condition: Callable[[], Awaitable[object]], what: str) -> None:
    """Wait until what `condition` gives is true."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not await condition():
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"did not come: {what}") from None


async def until_state(client: Client, condition: Callable[[EngineState], object], what: str = "") -> EngineState:
    """Wait until the engine's state is such."""
    while_waiting = client.state

    async def look() -> bool:
        nonlocal while_waiting
        while_waiting = await client.refresh()
        return bool(condition(while_waiting))

    await until_true(look, what)
    return while_waiting


async def until_open(client: Client) -> EngineState:
    """Wait until every device is connected and every export listens."""

    def is_open(state: EngineState) -> bool:
        devices = all(one.state in ("open", "up") for one in state.devices)
        return devices and all(one.state != "down" for one in state.exports)

    return await until_state(client, is_open, "devices and exports are there")


def export(state: EngineState, name: str) -> ExportState:
    """One export of the state."""
    return next(one for one in state.exports if one.name == name)


async def all_frames(client: Client, device: str = "") -> list[Frame]:
    """Every frame there is."""
    frames: list[Frame] = []
    while page := await client.frames(after=frames[-1].seq if frames else 0, limit=1000, device=device):
        frames += page
    return frames


async def incidents(client: Client) -> list[Incident]:
    """Every incident there is."""
    return await client.incidents(after=0, limit=1000)


def raw(row: Row) -> bytes:
    """The bytes of a dumped frame."""
    return base64.b64decode(row["raw"])


def received(rows: list[Row], device: str) -> bytes:
    """All that came from a device, in order."""
    return b"".join(raw(row) for row in rows if row["device"] == device and row["direction"] == "rx")


# --- devices and clients ---


def free_port() -> int:
    """A TCP port that nobody has. The kernel gives clients higher ones, so it stays free while an engine restarts."""
    while True:
        number = random.SystemRandom().randrange(20_000, 32_000)
        with socket.socket() as attempt, suppress(OSError):
            attempt.bind(("127.0.0.1", number))
            return number


def cp545_line(number: int, channel: str = "1") -> bytes:
    """Line `number` of a CP545: bib and sequence number say which."""
    ns = 36_000 * SECOND + number * SECOND // 100
    return thcom.basic(thcom.time_line("TN", number, number, channel, ns, 0), checksum=False)


def chute_line(number: int) -> bytes:
    """Line `number` of a TIME MACHINE: place and bib say which."""
    return tm.encode(place(number))


def place(number: int, *, select: bool = True) -> tm.Place:
    """Finisher `number`, ten milliseconds behind the one before."""
    ns = 36_000 * SECOND + number * SECOND // 100
    bib = str(number) if select else ""
    return tm.Place(
        select=select, chute=11, place_in_lane=number % 1000, place=number, time=tm.clock_text(ns), ns=ns, bib=bib
    )


class Sender:
    """A device that sends numbered lines, and forgets them as it sends them."""

    def __init__(self, port: TcpPort | PtyPort, line: Callable[[int], bytes]) -> None:
        self.port = port
        self.line = line
        self.number = 0

    async def run(self) -> None:
        """Listen, as long as the port is open; only so is it noticed that the other side has gone."""
        while await self.port.read():
            pass

    def send(self, count: int = 1) -> None:
        """The next `count` lines."""
        for _ in range(count):
            self.number += 1
            self.port.write(self.line(self.number))

    async def flood(self, count: int) -> None:
        """The next `count` lines, as fast as the line takes them."""
        for _ in range(count):
            self.send()
            if self.number % 200 == 0:
                await self.port.drain()
        await self.port.drain()

    async def chatter(self, chance: random.Random, *, most: int = 8, pause: float = 0.01) -> None:
        """Send until cancelled, in bursts of up to `most` lines, to whoever listens: a number has four columns,
        and they would run out where an engine takes its time to start."""
        while True:
            if self.port.connected:
                self.send(chance.randint(1, most))
                await self.port.drain()
            await asyncio.sleep(pause)


class Visits(Software):
    """Timing software that remembers which connection brought which line."""

    def __init__(self, address: str) -> None:
        super().__init__(address, retry=0.05)
        self.visits: list[list[str]] = []

    def got(self, line: str) -> None:
        """See Software."""
        super().got(line)
        while len(self.visits) < self.connections:
            self.visits.append([])
        self.visits[-1].append(line)


@asynccontextmanager
async def plugged(*ports: Port) -> AsyncIterator[None]:
    """Ports that are closed afterwards."""
    try:
        yield
    finally:
        for port in ports:
            await port.close()


@asynccontextmanager
async def at_work(*work: Awaitable[None] | Consumer | Sender) -> AsyncIterator[None]:
    """Devices and clients at work meanwhile."""
    tasks = [asyncio.ensure_future(one.run() if isinstance(one, Consumer | Sender) else one) for one in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result
