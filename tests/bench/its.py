"""Start to finish through a relay on the loopback, beside port 7000 at the start; and the link cut 200 times.

An impulse goes in at the start's pty and comes out at the finish's, which a station writes into its timer; then one
back. The same impulse comes to timing software at the start, without the way over the relay.
"""

import asyncio
import os
import random
import select
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from console.relay.database import Database
from tests.bench.lab import Lab, dial, ending, engine, free_port, racedeck, spread, until
from tests.bench.ways import Pty, device, line, listening, sequence_of, server
from tests.faults.test_its import HUTS, is_linked, its, secret, wire_the_huts
from tests.faults.test_its_cuts import through_cuts
from tests.relay.desk import FINISH, START, set_up

SILENT = 30.0
"""Seconds after which what has not come is taken to be lost."""


def run(lab: Lab) -> None:
    """One impulse at a time there and back; then the cuts."""
    count = lab.some(2000, 100)
    with ExitStack() as stack:
        port, software = stack.enter_context(relay(lab)), free_port()
        start = stack.enter_context(station(lab, port, START, server(software)))
        finish = stack.enter_context(station(lab, port, FINISH))
        local = stack.enter_context(dial(software))
        here = Tap(local.fileno(), local.recv)
        for number in range(20):  # warm
            exchange(start, finish, here, number)
        rows = [exchange(start, finish, here, number) for number in range(20, 20 + count)]
    names = ("start to its own port 7000", "start to finish through the relay", "there and back")
    for name, values in zip(names, zip(*rows, strict=True), strict=True):
        found = spread(values)
        lab.tell(f"{name} p50", found.p50, "ms")
        lab.tell(f"{name} p99", found.p99, "ms")
    frames, cuts = lab.some(10_000, 400), lab.some(200, 12)
    began = time.monotonic()
    repeats = asyncio.run(through_cuts(lab.directory(), frames, cuts, random.Random(11)))
    # It raises where one frame is lost, or there twice.
    lab.tell(f"{frames:,} frames each way, {cuts} cuts", time.monotonic() - began, "s")
    lab.tell("came again, and counted for nothing", sum(repeats), "")


class Tap:
    """Lines that come out somewhere."""

    def __init__(self, descriptor: int, read: Callable[[int], bytes]) -> None:
        self.descriptor = descriptor
        self._read = read
        self._rest = b""

    def has(self, number: int) -> bool:
        """Whether what is there to be read has impulse `number` in it; questions to a timer do not count."""
        *lines, self._rest = (self._rest + self._read(1 << 16)).split(b"\n")
        return any(one.startswith(b"TN") and sequence_of(one) == number for one in lines)


class End(Tap):
    """A timer's side of a station."""

    def __init__(self, pty: Pty) -> None:
        super().__init__(pty.near, lambda size: os.read(pty.near, size))
        self.pty = pty


def exchange(start: End, finish: End, here: Tap, number: int) -> tuple[float, float, float]:
    """Milliseconds of an impulse on its three ways."""
    began = time.monotonic_ns()
    start.pty.write(line(number, "1"))
    came = wait(number, here, finish)
    finish.pty.write(line(number, "4"))
    back = wait(number, start)[start]
    return (came[here] - began) / 1e6, (came[finish] - began) / 1e6, (back - began) / 1e6


def wait(number: int, *taps: Tap) -> dict[Tap, int]:
    """When impulse `number` has come to each; raises TimeoutError."""
    came: dict[Tap, int] = {}
    while missing := {one.descriptor: one for one in taps if one not in came}:
        ready, _, _ = select.select(list(missing), [], [], SILENT)
        now = time.monotonic_ns()
        if not ready:
            raise TimeoutError(f"impulse {number} has not come")
        came |= {missing[one]: now for one in ready if missing[one].has(number)}
    return came


@contextmanager
def relay(lab: Lab) -> Iterator[int]:
    """A relay with the guide's example, as a process; its port."""
    directory, port = lab.directory(), free_port()
    database = Database(directory / "relay" / "relay.db")
    set_up(database)
    database.close()
    wire_the_huts(directory)
    where = ("--listen", f"127.0.0.1:{port}", "--config", directory / "racedeck.toml", "--state-dir", directory)
    process = subprocess.Popen(racedeck("relay", "serve", *where), stderr=subprocess.DEVNULL)
    with ending(process):
        until(lambda: listening(port), "the relay")
        yield port


@contextmanager
def station(lab: Lab, port: int, serial: str, more: str = "") -> Iterator[End]:
    """A timer on a pty, and the engine that links it up."""
    directory, pty = secret(lab.directory()), Pty()
    sends = f'[[its.send]]\ndevice = "timer"\nserial = "{serial}"\n[[its.write]]\ndevice = "timer"\n'
    try:
        with engine(directory, device("timer", pty) + more + its(port, HUTS[serial], sends)) as running:
            until(lambda: is_linked(running.state()), f"{serial} is linked")
            yield End(pty)
    finally:
        pty.close()
