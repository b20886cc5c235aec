"""What benchmarks share: a place to work in, programs that end with them, and where figures go."""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import quantiles
from typing import NamedTuple

from console.control.client import Client, EngineGoneError
from console.model import EngineState
from console.places import socket_path
from tests.bench.figures import Figure, shown

PATIENCE = 60.0
"""Seconds that anything may take to start, to end or to come."""

EVENT = "bench"

TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


class Lab:
    """One run. `quick` is for trying out the benchmarks: its figures mean little."""

    def __init__(self, scratch: Path, *, quick: bool) -> None:
        self.scratch = scratch
        self.quick = quick
        self.figures: list[Figure] = []
        self.bench = ""
        """Which benchmark is at work."""
        self._directories = 0

    def some(self, full: int, quick: int) -> int:
        """How many, or how long."""
        return quick if self.quick else full

    def directory(self) -> Path:
        """A new, empty one."""
        self._directories += 1
        path = self.scratch / f"{self._directories}"
        path.mkdir()
        return path

    def tell(
        self, what: str, value: float, unit: str, *, at_most: float | None = None, at_least: float | None = None
    ) -> None:
        """Note a figure, with its goal if it has one."""
        goal, met = "", None
        if at_most is not None:
            goal, met = f"<= {shown(at_most)} {unit}", value <= at_most
        elif at_least is not None:
            goal, met = f">= {shown(at_least)} {unit}", value >= at_least
        self.figures.append(Figure(bench=self.bench, what=what, value=value, unit=unit, goal=goal, met=met))
        self.say(f"{what}: {shown(value)} {unit}")

    def say(self, text: str) -> None:
        """What goes on, for who waits."""
        print(f"{self.bench}: {text}", file=sys.stderr, flush=True)


def racedeck(*words: object) -> list[str]:
    """A command line of RaceDeck in this interpreter."""
    return [sys.executable, "-m", "console.cli", *map(str, words)]


class Usage(NamedTuple):
    """What a process has used."""

    cpu: float
    """Seconds of processor time."""
    rss: float
    """Resident memory, MiB."""


def usage(pid: int) -> Usage:
    """Of one process, as the kernel counts it."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return Usage((int(fields[11]) + int(fields[12])) / TICK, resident * PAGE / 2**20)


class Engine:
    """A running engine."""

    def __init__(self, process: subprocess.Popen[bytes], directory: Path) -> None:
        self.process = process
        self.pid = process.pid
        self.places = ("--config", directory / "racedeck.toml", "--state-dir", directory)
        self.socket = socket_path(directory, EVENT)

    def usage(self) -> Usage:
        """What it has used so far."""
        return usage(self.pid)

    def state(self) -> EngineState:
        """How it stands; raises EngineGoneError where it does not answer."""

        async def ask() -> EngineState:
            client = await Client.connect(self.socket, observe=True)
            client.close()
            return client.state

        return asyncio.run(ask())


@contextmanager
def engine(directory: Path, settings: str) -> Iterator[Engine]:
    """An engine of its own process that answers at its control socket. It ends with the block, however that ends."""
    text = f'[event]\nname = "{EVENT}"\ntimezone = "Europe/Paris"\n\n{settings}'
    (directory / "racedeck.toml").write_text(text)
    command = racedeck("engine", "--config", directory / "racedeck.toml", "--state-dir", directory, "--with-parent")
    with (directory / "engine.log").open("ab") as log:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log)
    with ending(process):
        running = Engine(process, directory)
        until(lambda: answers(running), f"the engine (see {directory}/engine.log)", every=0.002)
        yield running


def answers(running: Engine) -> bool:
    """Whether the engine answers at its control socket."""
    if running.process.poll() is not None:
        raise RuntimeError(f"the engine has ended with status {running.process.returncode}")
    try:
        running.state()
    except EngineGoneError:
        return False
    return True


@contextmanager
def ending(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """End `process` with the block: its stdin closes, or else it is asked to."""
    try:
        yield process
    finally:
        if process.stdin:
            with suppress(OSError):
                process.stdin.close()
        else:
            process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def until(condition: Callable[[], bool], what: str, *, every: float = 0.02, patience: float = PATIENCE) -> None:
    """Wait for `condition`; raises TimeoutError."""
    end = time.monotonic() + patience
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {patience:.0f} s for {what}")
        time.sleep(every)


def free_port() -> int:
    """A TCP port of the loopback that nobody uses."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def dial(port: int, source: str = "127.0.0.1") -> socket.socket:
    """Connect to a program that may not listen yet."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), source_address=(source, 0))
        except ConnectionRefusedError:
            if time.monotonic() > end:
                raise
            time.sleep(0.01)


def missing(program: str) -> bool:
    """Whether a program that others are measured against is not installed."""
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is None


class Spread(NamedTuple):
    """The middle and the end of many measurements."""

    p50: float
    p99: float


def spread(values: Sequence[float]) -> Spread:
    """Median and 99th percentile."""
    cuts = quantiles(values, n=100)
    return Spread(cuts[49], cuts[98])
