"""What a console on 80x24 costs: bytes to the terminal, key to paint, processor time and memory."""

import threading
import time
from contextlib import ExitStack, closing
from itertools import cycle

from tests.bench.lab import Engine, Lab, engine, free_port, spread, until
from tests.bench.million import long_event
from tests.bench.terminal import Terminal, console
from tests.bench.ways import Pty, device, line, server

KEYS = (("l", b"[Log]"), ("x", b"[Exports]"), ("d", b"[Race]"))
"""Keys, and what shows that the screen has followed."""


def run(lab: Lab) -> None:
    """One device, one console at a time, on a long event."""
    directory, _ = long_event(lab)
    seconds = lab.some(8, 2)
    with ExitStack() as stack:
        pty = stack.enter_context(closing(Pty()))
        running = stack.enter_context(engine(directory, device("timer", pty) + server(free_port())))
        until(lambda: running.state().devices[0].state in ("open", "up"), "the device")
        source = stack.enter_context(closing(Source(pty)))
        with console(running) as plain:
            settle(lab, running, plain)
            lab.tell("idle", watch(running, plain, seconds).kib, "KiB/s", at_most=0.3)
            source.rate = 10
            at_ten = watch(running, plain, seconds)
            lab.tell("following 10/s, Race", at_ten.kib, "KiB/s", at_most=80)
            press(plain, *KEYS[0])
            lab.tell("following 10/s, Log", watch(running, plain, seconds).kib, "KiB/s", at_most=80)
            source.rate = 1000
            at_thousand = watch(running, plain, seconds)
            lab.tell("following 1,000/s, Log", at_thousand.kib, "KiB/s")
            paints = key_to_paint(plain, lab.some(40, 6))
            lab.tell("key to paint at 1,000/s, p50", paints[0], "ms", at_most=100)
            lab.tell("key to paint at 1,000/s, worst", paints[1], "ms", at_most=100)
            source.rate = 0
            for word, seen in (("10/s", at_ten), ("1,000/s", at_thousand)):
                lab.tell(f"CPU of the engine at {word}", seen.engine, "%")
                lab.tell(f"CPU of the console at {word}", seen.console, "%")
            lab.tell("memory of the console", plain.usage().rss, "MiB")
        with console(running, "--slow") as slow:
            settle(lab, running, slow)
            lab.tell("idle, --slow", watch(running, slow, seconds).kib, "KiB/s", at_most=0.3)
            source.rate = 10
            lab.tell("following 10/s, Race, --slow", watch(running, slow, seconds).kib, "KiB/s", at_most=4)
            press(slow, *KEYS[0])
            lab.tell("following 10/s, Log, --slow", watch(running, slow, seconds).kib, "KiB/s", at_most=4)
            source.rate = 0
        journal = running.state().journal
        lab.tell(f"memory of the engine, {journal.frames:,} frames", running.usage().rss, "MiB")


class Seen:
    """What a stretch of time cost, per second."""

    def __init__(self, running: Engine, terminal: Terminal, seconds: float) -> None:
        before = terminal.bytes, running.usage().cpu, terminal.usage().cpu
        began = time.monotonic()
        time.sleep(seconds)
        took = time.monotonic() - began
        self.kib = (terminal.bytes - before[0]) / took / 1024
        self.engine = (running.usage().cpu - before[1]) / took * 100
        """Percent of one processor."""
        self.console = (terminal.usage().cpu - before[2]) / took * 100


def watch(running: Engine, terminal: Terminal, seconds: float) -> Seen:
    """Look on, after a moment in which what was before comes to its end."""
    time.sleep(1)
    return Seen(running, terminal, seconds)


def settle(lab: Lab, running: Engine, terminal: Terminal) -> None:
    """Wait until the first screen is there and the engine has counted what its exports have."""
    terminal.sees(b"SAVED")
    lab.say("waiting until the engine is at rest")
    before = -1.0
    while (now := running.usage().cpu) - before > 0.05:
        before = now
        time.sleep(0.5)


def press(terminal: Terminal, key: str, shows: bytes) -> float:
    """Seconds from pressing `key` until the terminal is told."""
    began = time.monotonic()
    terminal.press(key)
    return terminal.sees(shows) - began


def key_to_paint(terminal: Terminal, times: int) -> tuple[float, float]:
    """Median and worst, milliseconds."""
    keys = cycle((*KEYS[1:], KEYS[0]))
    found = []
    for number in range(times):
        time.sleep(0.2 + number % 7 / 70)  # at any moment of a tick
        found.append(press(terminal, *next(keys)) * 1000)
    return spread(found).p50, max(found)


class Source:
    """A device that says `rate` lines a second."""

    def __init__(self, pty: Pty) -> None:
        self.rate = 0
        self._pty = pty
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """No more."""
        self._over.set()
        self._thread.join()

    def _send(self) -> None:
        number, due = 5_000_000_000, time.monotonic()
        while not self._over.is_set():
            if not self.rate:
                self._over.wait(0.05)
                due = time.monotonic()
                continue
            due += 1 / self.rate
            time.sleep(max(0.0, due - time.monotonic()))
            number += 1
            self._pty.write(line(number))
