"""16 devices at once, each on a pty of its own: 1,000 frames a second for long, 10,000 for 5 s."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from typing import NamedTuple

from tests.bench.lab import Engine, Lab, dial, engine, free_port, spread, until
from tests.bench.ways import Pty, device, line, listening, sequence_of, server

DEVICES = 16

TURN = 0.02
"""Seconds between two writes of one device when it has more to say than a line."""


class Outcome(NamedTuple):
    """What became of one load."""

    sent: int
    held_up: float
    """Seconds by which the last line was late: nobody took the device's bytes."""
    delivered: int
    drained: float
    """Seconds from the last line sent to the last one received."""
    delays: list[float]
    """Of every line, milliseconds."""
    cpu: float
    """Part of one processor that the engine took, from the first line to the last one received."""


def run(lab: Lab) -> None:
    """One engine for both loads."""
    with ExitStack() as stack:
        ptys = [stack.enter_context(closing(Pty())) for _ in range(DEVICES)]
        port = free_port()
        settings = "".join(device(f"timer-{number}", pty) for number, pty in enumerate(ptys))
        # A late impulse is held for the operator: here it is to be seen how late it would have been.
        running = stack.enter_context(engine(lab.directory(), settings + server(port, more="stale_after = 1e6")))
        until(lambda: listening(port), "port of the export")
        until(lambda: all(one.state in ("open", "up") for one in running.state().devices), "devices")
        client = stack.enter_context(dial(port))
        until(lambda: any(one.peers for one in running.state().exports), "the client")
        for rate, seconds in ((1000, lab.some(15, 2)), (10_000, lab.some(5, 1))):
            before = running.state().journal
            outcome = load(running, ptys, client, rate, seconds)
            after = running.state().journal
            word = f"{rate:,}/s for {seconds} s"
            lab.tell(f"{word}: not journaled", outcome.sent - (after.frames - before.frames), "frames", at_most=0)
            lab.tell(f"{word}: not delivered", outcome.sent - outcome.delivered, "frames", at_most=0)
            delay = spread(outcome.delays)
            lab.tell(f"{word}: delay p50", delay.p50, "ms")
            lab.tell(f"{word}: delay p99", delay.p99, "ms")
            lab.tell(f"{word}: devices held up for", outcome.held_up, "s", at_most=0.1)
            lab.tell(f"{word}: drained after", outcome.drained, "s")
            lab.tell(f"{word}: CPU of the engine", outcome.cpu * 100, "%")


class Schedule:
    """When each device says which line: all at the same rate, one after the other."""

    def __init__(self, rate: int, seconds: int) -> None:
        self.began = time.monotonic() + 0.2
        self.count = rate * seconds // DEVICES
        """Lines of one device."""
        self.first = rate * 1_000_000
        """Number of each device's first line."""
        self._share = rate / DEVICES
        self.together = max(1, int(self._share * TURN))
        """Lines that a device writes at once."""

    def due(self, at: int, number: int) -> float:
        """When device `at` says its line `number` (from 0)."""
        return self.began + (number // self.together * self.together + at / DEVICES) / self._share


def load(running: Engine, ptys: list[Pty], client: socket.socket, rate: int, seconds: int) -> Outcome:
    """All devices together say `rate` lines a second, each on a channel of its own."""
    schedule = Schedule(rate, seconds)
    cpu = running.usage().cpu
    with ThreadPoolExecutor(DEVICES) as pool:
        senders = [pool.submit(_send, pty, at, schedule) for at, pty in enumerate(ptys)]
        delays = _receive(client, schedule)
        took = time.monotonic() - schedule.began
        held_up = max(sender.result() for sender in senders)
    return Outcome(
        sent=schedule.count * DEVICES,
        held_up=held_up,
        delivered=len(delays),
        drained=max(0.0, took - seconds),
        delays=delays,
        cpu=(running.usage().cpu - cpu) / took,
    )


def _send(pty: Pty, at: int, schedule: Schedule) -> float:
    """Say everything; seconds by which the last line was late."""
    for number in range(0, schedule.count, schedule.together):
        time.sleep(max(0.0, schedule.due(at, number) - time.monotonic()))
        numbers = range(number, min(number + schedule.together, schedule.count))
        pty.write(b"".join(line(schedule.first + one, str(at + 1)) for one in numbers))
    return max(0.0, time.monotonic() - schedule.due(at, schedule.count - 1))


def _receive(client: socket.socket, schedule: Schedule) -> list[float]:
    """Milliseconds that each line was on its way; ends early where nothing comes any more."""
    client.settimeout(20)
    delays: list[float] = []
    came = [0] * DEVICES
    rest = b""
    while len(delays) < schedule.count * DEVICES:
        try:
            data = client.recv(1 << 18)
        except TimeoutError:
            break
        now = time.monotonic()
        *lines, rest = (rest + data).split(b"\n")
        for one in lines:
            if len(one) > 1:
                at = int(one[13:15]) - 1
                if sequence_of(one) != (schedule.first + came[at]) % 10_000:
                    raise RuntimeError(f"expected impulse {came[at]} on channel {at + 1}, got {one!r}")
                delays.append((now - schedule.due(at, came[at])) * 1000)
                came[at] += 1
    return delays
