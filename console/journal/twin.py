"""The flight log as the writer keeps it: the second copy. That it fails is a state of its own and stops nothing."""

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

from console.journal.batch import Memory
from console.journal.flight import FlightLog
from console.journal.lines import Heads, Saved
from console.journal.recovery import lines_beyond
from console.journal.rows import RowError, read_kept_row, sealed
from console.journal.store import TABLES, Store
from console.model import Level

RETRY = 1.0
"""Seconds between attempts to open a log that failed."""

CURSOR_LINES = 1.0
"""Seconds between checkpoints of cursors."""

CATCH_UP = 20_000
"""Rows that the log may lack at opening to be given them at once; more is left to the check behind."""


class Twin:
    """Used in the writer's thread, but for `sync`. Raises sqlite3.Error where the database cannot be read."""

    def __init__(self, path: Path, say: Callable[[Level, str], None], advice: Callable[[Exception], str]) -> None:
        self.path = path
        self.reason = ""
        """Why it cannot be written; empty: it can."""
        self.held = Heads()
        """The highest numbers whose lines it has."""
        self._log: FlightLog | None = None
        self._on_disk = Heads()
        """Those it is known to have on disk."""
        self._say, self._advice = say, advice
        self._cursors: dict[tuple[str, str], Saved] = {}
        self._cursors_written = 0.0
        self._tried = 0.0

    @property
    def patience(self) -> float | None:
        """Seconds until `tend` has something to do; None: nothing."""
        if self._log is None:
            return RETRY
        if self._cursors:
            return max(0.0, self._cursors_written + CURSOR_LINES - time.monotonic())
        return None

    def open(self, store: Store, memory: Memory, since: Heads) -> None:
        """Open the log, anew if it is open, and append what it lacks beyond `since`."""
        self._drop()
        self._tried = time.monotonic()
        heads = memory.heads
        try:
            self._log = FlightLog(self.path)
            self._log.begin(self.path.parent.name, time.time_ns(), since)
            if sum(getattr(heads, table) - getattr(since, table) for table in TABLES.values()) <= CATCH_UP:
                for lines in lines_beyond(store, since):
                    self._log.append(lines, since, time.time_ns())
            self._log.append(_side_lines(store, memory), since, time.time_ns())
            self._log.mark(heads, time.time_ns())
            self._log.sync()
        except OSError as error:
            self.failed(error)
            return
        self._on_disk = self.held = heads
        self._cursors.clear()
        if self.reason:
            self.reason = ""
            self._say(Level.WARNING, "the flight log is written again; what it lacked was appended")

    def write(self, lines: list[bytes], heads: Heads) -> None:
        """Append sealed lines; `heads` are the highest numbers then."""
        if self._log is None or not lines:
            return
        try:
            self._log.append(lines, heads, time.time_ns())
            self.held = heads
        except OSError as error:
            self.failed(error)

    def remember(self, saved: list[Saved]) -> None:
        """Cursors that have changed; their lines are written at most once a second."""
        for one in saved:
            self._cursors[one.cursor.export, one.cursor.peer] = one

    def tend(self, store: Store, memory: Memory) -> None:
        """What is due: cursors, or another attempt to open."""
        if self._log is None:
            if time.monotonic() - self._tried >= RETRY:
                self.open(store, memory, self._on_disk)
        elif self.patience == 0:
            self._write_cursors(memory.heads)

    def sync(self) -> None:
        """Have what was written on disk. Called from another thread; raises OSError."""
        log, held = self._log, self.held
        if log and log.size != log.synced_size:
            log.sync()
            self._on_disk = held

    def failed(self, error: OSError) -> None:
        """Close it; `tend` opens it again."""
        self._drop()
        self._tried = time.monotonic()
        words = f"flight log: {error.strerror or error}: {self._advice(error)}"
        if not self.reason:
            self.reason = words
            self._say(Level.ALARM, f"{words}; what comes is safe in the database alone")
        self.reason = words

    def close(self, heads: Heads) -> None:
        """Write what is due, and end."""
        self._write_cursors(heads)
        if self._log:
            with contextlib.suppress(OSError):
                self._log.mark(heads, time.time_ns())
                self._log.sync()
        self._drop()

    def _write_cursors(self, heads: Heads) -> None:
        self.write([sealed(saved) for saved in self._cursors.values()], heads)
        self._cursors.clear()
        self._cursors_written = time.monotonic()

    def _drop(self) -> None:
        if self._log:
            self._log.close()
            self._log = None


def _side_lines(store: Store, memory: Memory) -> list[bytes]:
    """Lines of all timing states and cursors as they are."""
    lines = [sealed(saved) for saved in memory.cursors.values()]
    for row in store.query("SELECT * FROM states"):
        with contextlib.suppress(RowError):
            lines.append(sealed(read_kept_row(row)))
    return lines
