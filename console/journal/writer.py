"""The one thread that writes the journal: it commits whatever has queued up, writes the flight log, then tells.

A disk that fails is a state. What was not committed stays in bounded memory; every second the files are opened anew
(never is a handle used again on which something failed), compared with what is known to be safe, and all drains.
"""

import concurrent.futures
import contextlib
import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from console.journal.batch import Asked, Batch, Committed, Memory, Said, ToNumber
from console.journal.flight import find
from console.journal.inbox import Inbox, Taken
from console.journal.lines import Entry
from console.journal.recovery import DATABASE, FLIGHT, glimpse, load, mend_sides, open_store, put_back
from console.journal.store import TABLES, Connect, DamagedError, Store, is_damage
from console.journal.twin import Twin
from console.model import SECOND, JournalState, Level, Trouble

log = logging.getLogger(__name__)

RETRY = 1.0
"""Seconds between attempts while the disk fails."""

LAST_TRY = 5.0
"""Seconds for which closing waits for a disk that fails."""

SLOW = SECOND // 4
"""A commit longer than this (ns) is slow; ..."""
SLOW_COMMITS = 3
"""... so many more slow ones than quick ones make the disk slow."""

PAGES_OF_COMMIT = 8
"""What a commit of one frame writes: a page of each table and index. A frame more in it writes about half a page."""


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
        self.twin = Twin(self.flight, self._say_and_show, lambda error: _advice(error, directory))
        self.reason = ""
        """Why the database cannot be written; empty: it can."""
        self.commit_time = 0
        self.busy_since = 0.0
        """Monotonic time at which the transaction under way began; 0: there is none."""
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
        self._failing_since = 0.0
        self._told_dropped = 0

    def state(self) -> JournalState:
        """The journal as the strip shows it."""
        state, reason = "ok", ""
        if not self.ready.is_set():
            state, reason = "failing", self.reason or "the journal is being opened; frames wait in memory"
        elif self.reason or self.twin.reason:
            state, reason = "failing", self.reason or self.twin.reason
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
            self._taken = self.inbox.take(0 if self.inbox.closed else self.twin.patience)
        self._store_taken()
        self._run_tasks()
        if self._store:
            self.twin.tend(self._store, self.memory)
            if self.long_wal:
                self._store.checkpoint()
                self.long_wal = False

    def _ended(self) -> bool:
        return self.inbox.closed and self.inbox.empty and not self._said

    # --- opening ---

    def _prepare(self) -> None:
        """Open both files, make them one, and load what must be known."""
        with self.files:
            store, said = open_store(
                self.directory,
                self._connect,
                first=self._first,
                fresh=not self.ready.is_set(),
                rebuilding=self._glimpse,
                damage=self._damage,
            )
        self._first, self._damage = False, ""
        try:
            try:
                heads, logged, more = put_back(store, self.flight)
            except OSError as error:  # the log cannot be read; the database alone will do
                heads, logged, more = store.heads(), store.heads(), []
                self.twin.failed(error)
            memory, yet_more = load(store, self.flight, heads)
        except BaseException:
            store.close()
            raise
        self._store, self.memory = store, memory
        self._said.extendleft(Said(time.time_ns(), trouble) for trouble in reversed((*said, *more, *yet_more)))
        self.twin.open(store, memory, logged)
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

    # --- one transaction ---

    def _store_taken(self) -> None:
        """Commit what was taken; it stays taken until that has succeeded."""
        store, taken = self._store, self._taken
        self._tell_dropped()
        while self._said:
            taken.items.insert(0, self._said.pop())
        if store is None or not (taken.items or taken.cursors):
            return
        self.busy_since = time.monotonic()
        batch = Batch(self.memory, store, self._mend, self._bytes_only)
        for item in taken.items:
            batch.take(item)
        for cursor in taken.cursors:
            batch.save(cursor)
        batch.close()
        began = time.monotonic_ns()
        self._unsure = batch
        store.write(batch.rows)
        self.commit_time = time.monotonic_ns() - began
        batch.remember()
        self._bytes_only = False
        self._works_again()
        self.twin.write(batch.lines, self.memory.heads)  # first: what anyone has heard of is in both files
        self._unsure = None
        self.busy_since = 0.0
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
        self.twin.remember(batch.cursors)
        if self.announcing:
            try:
                self._committed(batch.committed)
            except Exception:
                log.exception("told of a commit")
        batch.answer()

    def _run_tasks(self) -> None:
        while self._taken.tasks:
            self._taken.tasks.pop(0)()

    def _mend(self, kind: str, number: int) -> Entry | None:
        """A row that is bad, as the flight log has it; the row is mended with the next check."""
        return find(self.flight, kind, number)

    # --- what the check asks for; in this thread, between two transactions ---

    def replace(self, entries: list[Entry]) -> None:
        """Write these rows over those of their numbers."""
        if self._store:
            self._store.replace(entries)

    def append(self, lines: list[bytes]) -> None:
        """Write these lines to the flight log again."""
        self.twin.write(lines, self.memory.heads)

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
        at_once = damaged and not self._damage
        if damaged:
            self._damage = str(error)
        if self._store:
            self._store.close()
            self._store = None
        words = f"{error}: {_advice(error, self.directory)}"
        if not damaged and not self._failing_since:
            self._failing_since = time.monotonic()
            text = f"the journal cannot be written ({words}); frames are kept in memory"
            self._said.append(_said(Level.ALARM, text))
        if words != self.reason:
            log.error("the journal cannot be written: %s", words)
            self.reason = words
            self._changed()
        return at_once

    def _say_and_show(self, level: Level, text: str) -> None:
        self.say(level, text)
        self._changed()

    def _tell_dropped(self) -> None:
        if self.inbox.dropped > self._told_dropped:
            lost = self.inbox.dropped - self._told_dropped
            self._told_dropped = self.inbox.dropped
            text = f"{lost:,} frames are LOST: the disk could not write for longer than memory could hold them"
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
        while waiting := self._taken.items or self.inbox.take(0).items:
            for asked in [item for item in waiting if isinstance(item, Asked | ToNumber)]:
                with contextlib.suppress(concurrent.futures.InvalidStateError):
                    asked.done.set_exception(OSError(f"the journal was closed before this was safe: {self.reason}"))
            self._taken = Taken()
        self.twin.close(self.memory.heads)
        if self._store:
            with contextlib.suppress(sqlite3.Error):
                self._store.checkpoint("TRUNCATE")
            self._store.close()


def _said(level: Level, text: str) -> Said:
    return Said(time.time_ns(), Trouble(level, "journal", text))


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
