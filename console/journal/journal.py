"""The journal: what is put into it is on disk, in order, before anyone hears of it."""

import concurrent.futures
import sqlite3
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from msgspec import Struct

from console.journal.batch import Asked, Committed, Said, ToNumber
from console.journal.check import AFTER, SHARE, Checker
from console.journal.feed import Feed
from console.journal.numbering import CONNECTION
from console.journal.reader import Reader
from console.journal.store import Connect
from console.journal.upkeep import Mirror, Upkeep
from console.journal.writer import Writer
from console.model import Act, Cursor, Draft, EventState, Gun, Highest, JournalState, Scalar, TimingState, Trouble

__all__ = ["Committed", "Counts", "Journal", "JournalFullError"]

PATIENCE = 5.0
"""Seconds for which opening waits for a disk that does not answer. A database that must be rebuilt is rebuilt behind,
while frames wait in memory; opening only waits for what the flight log tells at once."""

CLOSING = 60.0
"""Seconds for which closing waits for the writer: it ends within `LAST_TRY` of a disk that fails, but what waits while
the database is being rebuilt is still to be written."""


class JournalFullError(Exception):
    """The disk fails, and memory cannot hold more: nothing was noted."""


HANGS = 2.0
"""Seconds after which a transaction that has not ended tells of a disk that hangs."""


class Counts(Struct, frozen=True, kw_only=True):
    """What one device has in the journal."""

    frames: int = 0
    """Both ways."""
    passings: int = 0
    """Counted once each: only LIVE ones."""
    repeats: int = 0
    flaws: int = 0
    nameless: int = 0
    """Places of the race without a bib, neither their own nor brought by another line."""


class Journal:
    """One event's journal, open for writing by this process alone. All methods may be called from any thread, and none
    but `open` and `close` ever waits."""

    feed: Feed

    def __init__(self, writer: Writer, threads: list[Upkeep | Mirror | Checker], checker: Checker) -> None:
        self._writer = writer
        self._threads = threads
        self._checker = checker
        self._closed = False
        self.feed = Feed(writer.memory.heads.passings, self.reader)

    @classmethod
    def open(
        cls,
        directory: Path,
        *,
        committed: Callable[[Committed], None],
        changed: Callable[[], None] = lambda: None,
        mirror: Path | None = None,
        connect: Connect = sqlite3.connect,
        check_after: float = AFTER,
        check_share: float = SHARE,
    ) -> "Journal":
        """Open (or begin) the event in `directory`, bring its two copies in line, and start the writer.

        `committed` and `changed` are called in the writer's thread. A disk that fails is a state, not an exception;
        OSError only where the directory cannot be made. `mirror`: a second path for the
        flight log, a file `*.log` or a directory that exists.
        """
        directory.mkdir(parents=True, exist_ok=True)
        writer = Writer(directory, committed, changed, connect)
        writer.start()
        writer.known.wait(PATIENCE)
        writer.announcing = True
        checker = Checker(writer, check_after, check_share)
        threads: list[Upkeep | Mirror | Checker] = [Upkeep(writer), checker]
        if mirror:
            threads.append(Mirror(writer, mirror))
        for thread in threads:
            thread.start()
        return cls(writer, threads, checker)

    # --- putting in ---

    def frame(self, draft: Draft) -> bool:
        """A frame and what a driver found in it. False: memory is full of frames that the disk did not take; lost."""
        return self._writer.inbox.put(draft)

    def keeps_up(self) -> bool:
        """Whether what it is given gets written: the disk neither fails nor hangs."""
        since = self._writer.busy_since
        hangs = since and time.monotonic() - since > HANGS
        return self._writer.ready.is_set() and not self._writer.reason and not hangs

    def trouble(self, trouble: Trouble) -> None:
        """An incident of no frame."""
        self._writer.inbox.put(Said(time.time_ns(), trouble))

    def cursor(self, cursor: Cursor) -> None:
        """How far a peer has been served; only the newest counts."""
        self._writer.inbox.cursor(cursor)

    def act(self, word: str, body: dict[str, Scalar], by: str) -> "concurrent.futures.Future[Act]":
        """What an operator did. The result comes when it is safe, or ValueError, or JournalFullError."""
        done: concurrent.futures.Future[Act] = concurrent.futures.Future()
        if not self._writer.inbox.put(Asked(time.time_ns(), word, body, by, done)):
            done.set_exception(_full())
        return done

    def number(
        self, export: str, connection: str, location: str, passings: Iterable[int]
    ) -> "concurrent.futures.Future[dict[int, int]]":
        """Give these lines of `location` their numbers, in this order, counted from 1 for each location of each
        connection id. What has a number there keeps it: asking again, for instance after a kill, changes nothing.

        What the lines tell of: see `Numbered.passings`. The result, each with its number, comes when it is safe; or
        JournalFullError.
        """
        done: concurrent.futures.Future[dict[int, int]] = concurrent.futures.Future()
        wanted = ToNumber(time.time_ns(), (export, connection, location), tuple(passings), done)
        if not self._writer.inbox.put(wanted):
            done.set_exception(_full())
        return done

    def renumber(self, export: str, by: str) -> "concurrent.futures.Future[Act]":
        """Have the lines of an export numbered from 1, under a new connection id (`id` in the act's body). The numbers
        under the old one stay what they are. The result comes as that of `act`."""
        return self.act(CONNECTION, {"export": export}, by)

    # --- what is known ---

    def state(self) -> JournalState:
        """The journal as the strip shows it."""
        return self._writer.state()

    def counts(self) -> dict[str, Counts]:
        """What each device has in the journal."""
        return {
            device: Counts(
                frames=one.frames,
                passings=one.passings,
                repeats=one.repeats,
                flaws=one.flaws,
                nameless=one.nameless,
            )
            for device, one in self._writer.memory.tallies.copy().items()
        }

    def timing(self, device: str) -> TimingState:
        """What timing remembers of a device."""
        return self._writer.memory.timing.get(device) or TimingState()

    @property
    def event(self) -> EventState:
        """Phase and round."""
        return self._writer.memory.event

    def cursors(self, export: str) -> list[Cursor]:
        """The cursors of an export as they were journaled last."""
        saved = self._writer.memory.cursors.copy()
        return [one.cursor for (name, _), one in saved.items() if name == export]

    def connection_id(self, export: str) -> str | None:
        """Under which id the lines of an export are numbered; None: there is none yet, or it is not known while the
        database is being rebuilt."""
        return self._writer.memory.connections.get(export)

    def highest(self, export: str, connection: str) -> dict[str, Highest]:
        """Location -> how far its numbers have come."""
        numbers = self._writer.memory.numbers.copy()
        return {series[2]: highest for series, highest in numbers.items() if series[:2] == (export, connection)}

    def guns(self) -> list[Gun]:
        """Guns of live START lines, oldest first. Those that an operator gave are acts."""
        return list(self._writer.memory.guns)

    def reader(self) -> Reader:
        """A read-only view of its own."""
        return Reader(self._writer.directory, self._damaged)

    def check(self) -> str:
        """Do the slow check now and wait for it; returns what it found (and mended), in words."""
        return self._checker.check().in_words()

    def close(self) -> None:
        """Write what waits, and end; bounded in time even where the disk fails."""
        if self._closed:
            return
        self._closed = True
        self._checker.stop()
        self.feed.close()
        self._writer.inbox.close()
        self._writer.join(CLOSING)
        for thread in self._threads:
            thread.stop()
        for thread in self._threads:
            thread.join(5)

    def _damaged(self, kind: str, number: int) -> None:
        if kind:
            self._checker.mend(kind, number)
        else:
            self._checker.soon()


def _full() -> JournalFullError:
    return JournalFullError("the journal takes nothing any more: see its state")
