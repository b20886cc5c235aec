"""The one thread that writes the journal: it commits whatever has queued up, writes the flight log, then tells.

A disk that fails is a state. What was not committed stays in bounded memory; every second the files are opened anew
(never is a handle used again on which something failed), compared with what is known to be safe, and all drains.
"""

import contextlib
import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from console.journal.batch import Asked, Batch, Committed, Memory, Said
from console.journal.flight import FlightLog, find
from console.journal.inbox import Inbox, Taken
from console.journal.lines import Entry, Heads, Kept, Saved
from console.journal.recovery import DATABASE, FLIGHT, glimpse, lines_beyond, load, mend_sides, open_store, put_back
from console.journal.rows import RowError, read_kept_row, sealed
from console.journal.store import TABLES, Connect, DamagedError, Store, is_damage
from console.model import SECOND, JournalState, Judged, Level, Trouble

log = logging.getLogger(__name__)

RETRY = 1.0
"""Seconds between attempts while the disk fails."""

LAST_TRY = 5.0
"""Seconds for which closing waits for a disk that fails."""

SLOW = SECOND // 4
"""A commit longer than this (ns) is slow; ..."""
SLOW_COMMITS = 3
"""... so many more slow ones than quick ones make the disk slow."""

CURSOR_LINES = 1.0
"""Seconds between checkpoints of cursors in the flight log."""

PAGES_OF_COMMIT = 8
"""What a commit of one frame writes: a page of each table and index. A frame more in it writes about half a page."""

CATCH_UP = 20_000
"""Numbers that the flight log may lack at opening to be given them at once; more is left to the check behind."""


class Writer(threading.Thread):
    """Owns the writing connection and the flight log. Its attributes may be read from any thread."""

    def __init__(
        self,
        directory: Path,
        committed: Callable[[Committed], None],
        changed: Callable[[], None],
        connect: Connect = sqlite3.connect,
    ) -> None:
        super().__init__(name="journal", daemon=True)
        self.directory, self.path, self.flight = directory, directory / DATABASE, directory / FLIGHT
        self.inbox = Inbox()
        self.memory = Memory()
        self.ready = threading.Event()
        """The files are open and reconciled."""
        self.known = threading.Event()
        """What must be known is, be it only from the flight log while the database is rebuilt."""
        self.announcing = False
        """Whether `committed` is called: not for what opening itself writes."""
        self.check = ""
        """What the check behind has found, in words."""
        self.files = threading.Lock()
        """Held while the database is replaced: nobody else may have it open for writing."""
        self.wal = 0
        """Pages, estimated, that the WAL has grown by since it was last copied."""
        self.long_wal = False
        """The WAL can only be copied in full between two of our commits."""
        self.synced = Heads()
        """What the flight log is known to have on disk."""
        self.logged = Heads()
        """What the flight log holds."""
        self.log: FlightLog | None = None
        self.log_reason = ""
        self.reason = ""
        """Why the database cannot be written; empty: it can."""
        self.commit_time = 0
        self.slow = False
        self._committed, self._changed, self._connect = committed, changed, connect
        self._store: Store | None = None
        self._taken = Taken()
        self._unsure: Batch | None = None
        """A batch whose commit failed: only the file can tell whether it is in it."""
        self._said: deque[Said] = deque()
        self._damage = ""
        self._bytes_only = False
        self._first = True
        self._slowness = 0
        self._unlogged: dict[tuple[str, str], Saved] = {}
        self._cursors_logged = 0.0
        self._log_tried = 0.0
        self._failing_since = 0.0
        self._told_dropped = 0

    def state(self) -> JournalState:
        """The journal as the strip shows it."""
        state, reason = "ok", ""
        if not self.ready.is_set():
            state, reason = "failing", self.reason or "the journal is being opened; frames wait in memory"
        elif self.reason or self.log_reason:
            state, reason = "failing", self.reason or self.log_reason
        elif self.slow:
            state, reason = "slow", f"the last commit took {self.commit_time / SECOND:.1f} s"
        heads = self.memory.heads
        return JournalState(
            state=state,
            reason=reason,
            path=str(self.path),
            frames=heads.frames,
            passings=heads.passings,
            incidents=heads.incidents,
            acts=heads.acts,
            unsafe=self.inbox.frames,
            dropped=self.inbox.dropped,
            commit=self.commit_time,
            check=self.check,
        )

    def say(self, level: Level, text: str) -> None:
        """Have an incident of the journal's own journaled."""
        self._said.append(_said(level, text))
        self.inbox.task(lambda: None)  # wakes the writer

    # --- the thread ---

    def run(self) -> None:
        """Work until the inbox is closed and empty, or the disk gives us no chance to empty it."""
        give_up = float("inf")
        while True:
            if self.inbox.closed:
                give_up = min(give_up, time.monotonic() + LAST_TRY)
            try:
                self._turn()
                if self._ended():
                    break
            except Exception as error:
                if not isinstance(error, sqlite3.Error | OSError | DamagedError):
                    log.exception("the journal's writer")
                    self._bytes_only = True
                if not self._failed(error):
                    if time.monotonic() > give_up:
                        break
                    self.inbox.pause(RETRY)
        self._finish()

    def _turn(self) -> None:
        if self._store is None:
            self._prepare()
        if not (self._taken.items or self._taken.cursors or self._said):
            self._taken = self.inbox.take(self._patience())
        self._store_taken()
        self._run_tasks()
        self._write_cursor_lines()
        if self.log is None and time.monotonic() - self._log_tried >= RETRY:
            self._open_log(self.synced)
        if self.long_wal and self._store:
            self._store.checkpoint()
            self.long_wal = False

    def _ended(self) -> bool:
        return self.inbox.closed and self.inbox.empty and not self._said

    def _patience(self) -> float | None:
        """Seconds to wait for something to do; None: for ever."""
        if self.inbox.closed:
            return 0
        if self.log is None:
            return RETRY
        if self._unlogged:
            return max(0.0, self._cursors_logged + CURSOR_LINES - time.monotonic())
        return None

    # --- opening ---

    def _prepare(self) -> None:
        """Open both files, make them one, and load what must be known."""
        with self.files:
            store, said = open_store(
                self.directory, self._connect, first=self._first, rebuilding=self._glimpse, damage=self._damage
            )
        self._first, self._damage = False, ""
        try:
            try:
                heads, logged, more = put_back(store, self.flight)
            except OSError as error:  # the log cannot be read; the database alone will do
                heads, logged, more = store.heads(), store.heads(), []
                self._log_failed(error)
            memory, yet_more = load(store, self.flight, heads)
        except BaseException:
            store.close()
            raise
        self._store, self.memory = store, memory
        self._said.extendleft(Said(time.time_ns(), trouble) for trouble in reversed((*said, *more, *yet_more)))
        self._open_log(logged)
        if self._unsure and self._unsure.heads == heads:
            self._announce(self._unsure)
        self._unsure = None
        if not self.ready.is_set():
            if self._said:
                self._store_taken()
            self.ready.set()
            self.known.set()
        self._changed()

    def _glimpse(self) -> None:
        """The database is to be rebuilt: what must be known at once is told by the flight log."""
        if not self.ready.is_set():
            self.memory = glimpse(self.flight)
            self.known.set()

    def _open_log(self, since: Heads) -> None:
        """Open the flight log and append what it lacks beyond `since`."""
        if self.log:
            self.log.close()
        self.log, self._log_tried = None, time.monotonic()
        store, memory = self._store, self.memory
        if store is None:
            return
        try:
            self.log = FlightLog(self.flight)
            self.log.begin(self.directory.name, time.time_ns(), since)
            if memory.heads.frames + memory.heads.passings - since.frames - since.passings <= CATCH_UP:
                for lines in lines_beyond(store, since):
                    self.log.append(lines, since, time.time_ns())
            self.log.append(_side_lines(store, memory), since, time.time_ns())
            self.log.mark(memory.heads, time.time_ns())
            self.log.sync()
        except OSError as error:
            self._log_failed(error)
            return
        self.synced = self.logged = memory.heads
        self._unlogged.clear()
        if self.log_reason:
            self.log_reason = ""
            self.say(Level.WARNING, "the flight log is written again; what it lacked was appended")
            self._changed()

    # --- one transaction ---

    def _store_taken(self) -> None:
        """Commit what was taken; it stays taken until that has succeeded."""
        store, taken = self._store, self._taken
        self._tell_dropped()
        while self._said:
            taken.items.insert(0, self._said.pop())
        if store is None or not (taken.items or taken.cursors):
            return
        batch = Batch(self.memory, store, self._mend, self._bytes_only)
        for item in taken.items:
            batch.take(item)
        for cursor in taken.cursors:
            batch.save(cursor)
        batch.close()
        began = time.monotonic_ns()
        self._unsure = batch
        store.write(batch.rows)
        self._unsure = None
        self.commit_time = time.monotonic_ns() - began
        batch.remember()
        self._bytes_only = False
        self._works_again()
        self._write_lines(batch)  # first: what anyone has heard of is in both files
        self._announce(batch)
        self._judge_speed()

    def _works_again(self) -> None:
        """A commit has returned: only that tells that a disk which failed is back."""
        if not self.reason:
            return
        self.reason = ""
        if self._failing_since:
            seconds = time.monotonic() - self._failing_since
            text = (
                f"the journal's disk is back after {seconds:.0f} s; {self.inbox.frames:,} frames had waited in memory"
            )
            self._said.append(_said(Level.WARNING, text))
            self._failing_since = 0.0
        self._changed()

    def _announce(self, batch: Batch) -> None:
        """All of it is safe: let go of it and tell."""
        self.wal += PAGES_OF_COMMIT + len(self._taken.items) // 2
        self.inbox.done(self._taken)
        tasks, self._taken = self._taken.tasks, Taken()
        self._taken.tasks = tasks
        for saved in batch.cursors:
            self._unlogged[saved.cursor.export, saved.cursor.peer] = saved
        if self.announcing:
            try:
                self._committed(batch.committed)
            except Exception:
                log.exception("told of a commit")
        batch.answer()

    def _write_lines(self, batch: Batch) -> None:
        if self.log is None or not batch.lines:
            return
        try:
            self.log.append(batch.lines, self.memory.heads, time.time_ns())
            self.logged = self.memory.heads
        except OSError as error:
            self._log_failed(error)

    def _write_cursor_lines(self, *, now: bool = False) -> None:
        if not self._unlogged or self.log is None:
            return
        if not now and time.monotonic() - self._cursors_logged < CURSOR_LINES:
            return
        try:
            self.log.append([sealed(saved) for saved in self._unlogged.values()], self.memory.heads, time.time_ns())
        except OSError as error:
            self._log_failed(error)
            return
        self._unlogged.clear()
        self._cursors_logged = time.monotonic()

    def _run_tasks(self) -> None:
        while self._taken.tasks:
            self._taken.tasks.pop(0)()

    def _mend(self, number: int) -> Judged | None:
        """A passing whose row is bad, as the flight log has it; the row is mended with the next check."""
        entry = find(self.flight, "P", number)
        return entry if isinstance(entry, Judged) else None

    # --- what the check asks for; in this thread, between two transactions ---

    def replace(self, entries: list[Entry]) -> None:
        """Write these rows over those of their numbers."""
        if self._store:
            self._store.replace(entries)

    def append(self, lines: list[bytes]) -> None:
        """Write these lines to the flight log again."""
        if self.log is None:
            return
        try:
            self.log.append(lines, self.memory.heads, time.time_ns())
        except OSError as error:
            self._log_failed(error)

    def mend_row(self, kind: str, number: int) -> None:
        """Put one row back from the flight log, if that has it."""
        entry = find(self.flight, kind, number)
        if entry and self._store:
            self._store.replace([entry])
            text = f"{TABLES[kind][:-1]} #{number} was damaged; mended from the flight log"
            self._said.append(_said(Level.WARNING, text))

    def mend_sides(self) -> None:
        """Write timing states and cursors anew."""
        if self._store:
            mend_sides(self._store, self.flight)

    def recount(self) -> None:
        """Make the counts anew."""
        if self._store:
            self.memory.tallies = self._store.recount()

    def reindex(self, table: str) -> None:
        """Make the indexes of a table anew."""
        if self._store:
            self._store.connection.execute(f"REINDEX {table}")

    def give_up_database(self, problem: str) -> None:
        """Its structure is damaged: have it rebuilt."""
        raise DamagedError(problem)

    def tell_changed(self) -> None:
        """The state is no longer what was shown."""
        self._changed()

    # --- what goes wrong ---

    def _failed(self, error: Exception) -> bool:
        """Close the database; the next turn opens it anew. Returns whether that may be at once."""
        damaged = isinstance(error, DamagedError) or (isinstance(error, sqlite3.Error) and is_damage(error))
        if damaged:
            self._damage = str(error)
        if self._store:
            self._store.close()
            self._store = None
        words = f"{error}: {_advice(error, self.directory)}"
        log.error("the journal cannot be written: %s", words)
        if not damaged and not self._failing_since:
            self._failing_since = time.monotonic()
            text = f"the journal cannot be written ({words}); frames are kept in memory"
            self._said.append(_said(Level.ALARM, text))
        if words != self.reason:
            self.reason = words
            self._changed()
        return damaged

    def log_failed(self, error: OSError) -> None:
        """Another thread could not sync the flight log."""
        self.inbox.task(lambda: self._log_failed(error))

    def _log_failed(self, error: OSError) -> None:
        if self.log:
            self.log.close()
            self.log = None
        self._log_tried = time.monotonic()
        words = f"flight log: {error.strerror or error}: {_advice(error, self.directory)}"
        if words != self.log_reason:
            if not self.log_reason:
                self.say(Level.ALARM, f"{words}; what comes is safe in the database alone")
            self.log_reason = words
            self._changed()

    def _tell_dropped(self) -> None:
        if self.inbox.dropped > self._told_dropped:
            lost = self.inbox.dropped - self._told_dropped
            self._told_dropped = self.inbox.dropped
            text = f"{lost:,} frames are LOST: the disk failed for longer than memory could hold them"
            self._said.append(_said(Level.ALARM, text))

    def _judge_speed(self) -> None:
        step = 1 if self.commit_time > SLOW else -1
        self._slowness = max(0, min(2 * SLOW_COMMITS, self._slowness + step))
        slow = self._slowness >= (1 if self.slow else SLOW_COMMITS)
        if slow != self.slow:
            self.slow = slow
            if slow:
                self.say(Level.WARNING, f"the disk is slow: a commit took {self.commit_time / SECOND:.1f} s")
            else:
                self.say(Level.NOTE, "the disk is quick again")
            self._changed()

    # --- the end ---

    def _finish(self) -> None:
        """Leave the files as whole as can be."""
        lost = self.inbox.frames
        if lost:
            log.error("closed with %d frames that could not be written: %s", lost, self.reason)
        for item in self._taken.items:
            if isinstance(item, Asked) and not item.done.done():
                item.done.set_exception(OSError(f"the journal was closed before this was safe: {self.reason}"))
        self._write_cursor_lines(now=True)
        if self.log:
            with contextlib.suppress(OSError):
                self.log.mark(self.memory.heads, time.time_ns())
                self.log.sync()
            self.log.close()
        if self._store:
            with contextlib.suppress(sqlite3.Error):
                self._store.checkpoint("TRUNCATE")
            self._store.close()


def _said(level: Level, text: str) -> Said:
    return Said(time.time_ns(), Trouble(level, "journal", text))


def _side_lines(store: Store, memory: Memory) -> list[bytes]:
    """Lines of all timing states and cursors as they are."""
    lines = [sealed(saved) for saved in memory.cursors.values()]
    for row in store.query("SELECT * FROM states"):
        with contextlib.suppress(RowError):
            kept: Kept = read_kept_row(row)
            lines.append(sealed(kept))
    return lines


def _advice(error: Exception, directory: Path) -> str:
    """What the operator can do."""
    text = str(error).lower()
    if "full" in text or "no space" in text or "too large" in text:
        return f"make room on the disk of {directory}"
    if "readonly" in text or "read-only" in text or "permission" in text:
        return f"make {directory} writable"
    if isinstance(error, DamagedError) or "malformed" in text or "not a database" in text:
        return "it is being rebuilt from the flight log"
    return f"check the disk of {directory}"
