"""A device that says a line now and then, and a client that gets it, beside whatever else is measured."""

import socket
import threading
import time

from tests.bench.lab import Spread, spread
from tests.bench.ways import CYCLE, Pty, line, sequence_of

RATE = 100
"""Lines a second."""


class Live:
    """Sends and receives from the start, until it is closed."""

    def __init__(self, pty: Pty, client: socket.socket) -> None:
        self.socket = client
        self._pty = pty
        self._sent: list[int] = []
        self._first = CYCLE // 2 + int(time.time() * RATE) % 1_000_000_000
        """Beyond what was sent on the same event before: no impulse comes twice."""
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
            self._pty.write(line(self._first + len(self._sent) - 1, bib=len(self._sent) % 9999 + 1))

    def _receive(self) -> None:
        rest, last = b"", None
        try:
            while data := self.socket.recv(1 << 18):
                now = time.monotonic_ns()
                *lines, rest = (rest + data).split(b"\n")
                for number in (sequence_of(one) for one in lines if len(one) > 1):
                    if last is None and number != self._first % 10_000:
                        continue  # the end of what an earlier one did not take
                    if last is not None and number != (last + 1) % 10_000:
                        raise RuntimeError(f"live client: expected {last + 1}, got {number}")
                    last = number
                    # Counted without a gap, so the newest sent with this number is the one that came.
                    newest = len(self._sent) - 1
                    self._delays.append((now - self._sent[newest - (self._first + newest - number) % 10_000]) / 1e6)
        except OSError:
            return
