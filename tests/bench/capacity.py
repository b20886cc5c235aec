"""16 devices at once, each on a pty of its own: 1,000 frames a second for long, 10,000 for 5 s."""

import socket
import threading
import time
from contextlib import ExitStack, closing
from typing import NamedTuple

from tests.bench.lab import Engine, Lab, dial, engine, free_port, spread, until
from tests.bench.ways import Pty, device, line, listening, server

DEVICES = 16

TURN = 0.02
"""Seconds between two writes of one device when it has more to say than a line."""


class Outcome(NamedTuple):
    """What became of one load."""

    sent: int
    held_up: float
    """Seconds by which devices were late because nobody took their bytes."""
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


def load(running: Engine, ptys: list[Pty], client: socket.socket, rate: int, seconds: int) -> Outcome:
    """Every device says its share of `rate` lines a second, each on a channel of its own."""
    share = rate / DEVICES
    count = int(share * seconds)
    # The clock of a line tells when it was sent: number k of a device goes out at k / share.
    base = rate * 1_000_000
    began_cpu, began = running.usage().cpu, time.monotonic() + 0.2
    late: list[float] = []
    senders = [
        threading.Thread(target=_send, args=(pty, f"{at + 1}", base, count, share, began, late), daemon=True)
        for at, pty in enumerate(ptys)
    ]
    for one in senders:
        one.start()
    delays = _receive(client, count, base, share, began)
    now = time.monotonic()
    for one in senders:
        one.join()
    cpu = (running.usage().cpu - began_cpu) / (now - began)
    return Outcome(
        sent=count * DEVICES,
        held_up=max(late),
        delivered=len(delays),
        drained=max(0.0, now - began - seconds),
        delays=delays,
        cpu=cpu,
    )


def _send(pty: Pty, channel: str, base: int, count: int, share: float, began: float, late: list[float]) -> None:
    number = 0
    while number < count:
        due = began + number / share
        time.sleep(max(0.0, due - time.monotonic()))
        many = max(1, min(count - number, int(share * TURN)))
        pty.write(b"".join(line(base + one, channel) for one in range(number, number + many)))
        number += many
    late.append(max(0.0, time.monotonic() - began - count / share))


def _receive(client: socket.socket, count: int, base: int, share: float, began: float) -> list[float]:
    client.settimeout(20)
    delays: list[float] = []
    told = [0] * (DEVICES + 1)
    rest = b""
    step = max(1, int(share * TURN))
    while len(delays) < count * DEVICES:
        try:
            data = client.recv(1 << 18)
        except TimeoutError:
            break
        now = time.monotonic()
        *lines, rest = (rest + data).split(b"\n")
        for one in lines:
            if len(one) > 1:
                channel = int(one[13:15])
                number = told[channel]
                if int(one[8:12]) != (base + number) % 10_000:
                    raise RuntimeError(f"expected impulse {number} on channel {channel}, got {one!r}")
                told[channel] += 1
                delays.append((now - began - number // step * step / share) * 1000)
    return delays
