"""Writes a recording to its file, in a thread of its own: neither a slow disk nor a stopped terminal delays a byte."""

import os
import queue
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from console.its.recording import Row, encode, in_line

MOST = 16 * 1024 * 1024
"""Bytes that may wait for the disk; what comes on top is lost to the recording, and counted."""


class Scribe:
    """Appends rows to the file at `path`, which nobody else can read, and tells `show` each one in words.

    Raises OSError where the file cannot be opened.
    """

    def __init__(self, path: Path, show: Callable[[str], None]) -> None:
        self.path = path
        self.lost = 0
        """Rows that are not in the file."""
        self.trouble = ""
        """Why not."""
        self._show: Callable[[str], None] | None = show
        self._rows: queue.SimpleQueue[tuple[Row, bytes] | None] = queue.SimpleQueue()
        self._waiting = 0
        """Bytes that were given; less those that were taken: each thread writes only its own."""
        self._taken = 0
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        os.fchmod(self._file, 0o600)
        self._thread = threading.Thread(target=self._write, name="its-tap", daemon=True)
        self._thread.start()

    def put(self, row: Row) -> None:
        """Have a row written; never blocks."""
        line = encode(row) + b"\n"
        if self._waiting - self._taken + len(line) > MOST:
            self.lost += 1
            self.trouble = self.trouble or "the disk or the terminal was too slow"
            return
        self._waiting += len(line)
        self._rows.put((row, line))

    def close(self, patience: float = 5.0) -> None:
        """Write what waits, for so many seconds at most."""
        self._rows.put(None)
        self._thread.join(patience)
        if self._thread.is_alive():
            self.trouble = "the disk or the terminal does not answer; what came last is not in it"

    def _write(self) -> None:
        try:
            while (item := self._rows.get()) is not None:
                row, line = item
                try:
                    _write_all(self._file, line)
                except OSError as error:
                    self.lost += 1
                    self.trouble = self.trouble or error.strerror or str(error)
                self._tell(in_line(row))
                self._taken += len(line)
        finally:
            os.close(self._file)

    def _tell(self, line: str) -> None:
        if self._show:
            try:
                self._show(line)
            except (OSError, ValueError):  # whoever read it has gone; the recording goes on
                self._show = None


def on_stdout(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _write_all(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]
