"""A console on a pseudo-terminal of 80x24, seen from the terminal's end."""

import fcntl
import os
import re
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.bench.lab import PATIENCE, Engine, Usage, racedeck, usage

_SEQUENCE = re.compile(rb"\x1b(\[[0-?]*[ -/]*[@-~]|[()][0-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[=>78])")


class Terminal:
    """What the console writes, as it comes."""

    def __init__(self, process: subprocess.Popen[bytes], near: int) -> None:
        self.process = process
        self.began = time.monotonic()
        self.bytes = 0
        """How many came so far."""
        self._near = near
        self._tail = b""
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def usage(self) -> Usage:
        """What the console has used so far."""
        return usage(self.process.pid)

    def press(self, key: str) -> None:
        """Press a key; what was written before it does not count for `sees`."""
        with self._news:
            self._tail = b""
        os.write(self._near, key.encode())

    def sees(self, text: bytes, patience: float = PATIENCE) -> float:
        """Wait until `text` has been written since the last key; the moment. Raises TimeoutError."""
        end = time.monotonic() + patience
        with self._news:
            while text not in _SEQUENCE.sub(b"", self._tail):
                left = end - time.monotonic()
                if left <= 0 or not self._reader.is_alive():
                    raise TimeoutError(f"the console has not shown {text!r}: {self._tail[-400:]!r}")
                self._news.wait(left)
            return time.monotonic()

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._near, 1 << 16)
            except OSError:  # the console has gone
                data = b""
            with self._news:
                self.bytes += len(data)
                self._tail = (self._tail + data)[-1 << 17 :]
                self._news.notify_all()
            if not data:
                return


@contextmanager
def console(engine: Engine, *options: str) -> Iterator[Terminal]:
    """A console attached to `engine`; it is left with the block."""
    near, far = os.openpty()
    fcntl.ioctl(far, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("SSH_CONNECTION", "NO_COLOR")}
    process = subprocess.Popen(
        racedeck("attach", *engine.places, *options),
        stdin=far,
        stdout=far,
        stderr=far,
        start_new_session=True,
        env={**environment, "TERM": "xterm-256color", "COLORTERM": "truecolor"},
    )
    os.close(far)
    terminal = Terminal(process, near)
    try:
        yield terminal
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        os.close(near)
