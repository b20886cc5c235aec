"""A million passings wait for a client that comes at last: how fast it gets them, and who suffers from it."""

import socket
import threading
import time
from contextlib import ExitStack, closing

from tests.bench.lab import Engine, Lab, Spread, dial, engine, free_port, spread, until
from tests.bench.million import long_event
from tests.bench.ways import CYCLE, Pty, device, line, listening, sequence_of, server

RATE = 100
"""Lines a second that another client gets meanwhile."""

ELSEWHERE = "127.0.0.2"
"""From where the client of the backlog connects: an address of its own has an account of its own."""


def run(lab: Lab) -> None:
    """Drain it once, while another client is served."""
    directory, count = long_event(lab)
    live, late = free_port(), free_port()
    backlog = (
        f'[[export]]\nname = "backlog"\ntype = "tsv1"\nlisten = "127.0.0.1:{late}"\n'
        'newcomers = "all"\nkinds = ["impulse"]\n\n'
    )
    with ExitStack() as stack:
        pty = stack.enter_context(closing(Pty()))
        running = stack.enter_context(engine(directory, device("timer", pty) + server(live) + backlog))
        until(lambda: listening(live) and listening(late), "ports of the exports")
        watched = stack.enter_context(closing(Live(pty, dial(live))))
        until(lambda: any(one.peers for one in running.state().exports), "the live client")
        began = time.monotonic()
        until(lambda: _counted(running) >= count, "the exports to count what waits", patience=600, every=0.5)
        lab.tell("counting what waits, passings", count / (time.monotonic() - began), "/s")
        lab.tell("live latency p99 meanwhile", watched.delays().p99, "ms", at_most=250)
        time.sleep(2)
        lab.tell("live latency p99 without a backlog", watched.delays().p99, "ms")

        before = running.usage()
        drain = Drain(dial(late, ELSEWHERE))
        began = time.monotonic()
        while drain.count < count and time.monotonic() - began < 600:
            time.sleep(0.05)
            drain.peak = max(drain.peak, running.usage().rss)
        took = time.monotonic() - began
        during, after = watched.delays(), running.usage()
        drain.socket.close()
    lab.tell("drained, passings", drain.count / took, "/s", at_least=5000)
    lab.tell("live latency p50 meanwhile", during.p50, "ms")
    lab.tell("live latency p99 meanwhile", during.p99, "ms", at_most=250)
    lab.tell("memory of the engine before", before.rss, "MiB")
    lab.tell("memory grows by, at most", drain.peak - before.rss, "MiB", at_most=16)
    lab.tell("memory grows by, for good", after.rss - before.rss, "MiB")
    lab.tell("CPU of the engine meanwhile", (after.cpu - before.cpu) / took * 100, "%")


def _counted(running: Engine) -> int:
    return next(one.journaled for one in running.state().exports if one.name == "backlog")


class Drain:
    """Counts the reads that come."""

    def __init__(self, client: socket.socket) -> None:
        self.socket = client
        self.count = 0
        self.peak = 0.0
        """Most memory that the engine had, MiB."""
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            while data := self.socket.recv(1 << 18):
                self.count += data.count(b"{")
        except OSError:
            return


class Live:
    """A device that says a line now and then, and a client that gets it."""

    def __init__(self, pty: Pty, client: socket.socket) -> None:
        self.socket = client
        self._pty = pty
        self._sent: list[int] = []
        self._delays: list[float] = []
        self._over = threading.Event()
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._send, self._receive)]
        for thread in self._threads:
            thread.start()

    def delays(self) -> Spread:
        """Of the lines since this was asked last."""
        delays, self._delays = self._delays, []
        return spread(delays)

    def close(self) -> None:
        """No more."""
        self._over.set()
        self._threads[0].join()
        self.socket.close()

    def _send(self) -> None:
        while not self._over.wait(1 / RATE):
            self._sent.append(time.monotonic_ns())
            self._pty.write(line(CYCLE // 2 + len(self._sent)))

    def _receive(self) -> None:
        rest, last = b"", None
        try:
            while data := self.socket.recv(1 << 18):
                now = time.monotonic_ns()
                *lines, rest = (rest + data).split(b"\n")
                for number in (sequence_of(one) for one in lines if len(one) > 1):
                    if last is not None and number != (last + 1) % 10_000:
                        raise RuntimeError(f"live client: expected {last + 1}, got {number}")
                    last = number
                    # Counted from 1 without a gap, so the newest sent with this number is the one that came.
                    newest = len(self._sent)
                    self._delays.append((now - self._sent[newest - (newest - number) % 10_000 - 1]) / 1e6)
        except OSError:
            return
