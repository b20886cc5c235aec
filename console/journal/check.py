"""The slow check behind the event: every row's CRC in both copies, both ways, at a pace that disturbs nobody."""

import logging
import re
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from msgspec import Struct, field

from console.journal.flight import scan
from console.journal.lines import Entry, Heads, LineError, label_of, read_line, unseal
from console.journal.rebuild import missing_in_words
from console.journal.rows import READERS, Row, RowError, line_of_row, read_kept_row, read_saved_row, read_tally_row
from console.journal.store import TABLES, Store, is_damage
from console.journal.writer import Writer
from console.model import Level

log = logging.getLogger(__name__)

AFTER = 3.0
"""Seconds from opening to the first check."""

EVERY = 3600.0
"""Seconds between two checks."""

SHARE = 0.1
"""Part of one processor's time that the check takes."""

LINES = 200
"""Lines looked at in one go."""

_INDEX_ONLY = re.compile(r"(row \d+ missing from index|wrong # of entries in index|non-unique entry in index) \w+")


class Findings(Struct):
    """What one check came upon."""

    rows: int = 0
    bad_lines: int = 0
    mended: Counter[str] = field(default_factory=Counter)
    """Table -> rows of the database put back from the flight log."""
    written: Counter[str] = field(default_factory=Counter)
    """Table -> rows whose line was appended to the flight log again."""
    lost: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    """Table -> numbers that neither has."""
    other: list[str] = field(default_factory=list)

    def in_words(self) -> str:
        """One line for the operator."""
        parts = [f"{self.rows:,} rows checked in both copies"]
        if self.mended:
            parts.append(f"mended from the flight log: {_counts(self.mended)}")
        if self.written:
            parts.append(f"written to the flight log again: {_counts(self.written)}")
        parts += self.other
        if self.lost:
            parts.append(f"in neither: {missing_in_words(self.lost)}")
        if self.bad_lines:
            parts.append(f"damaged lines in the flight log: {self.bad_lines:,}")
        return "; ".join(parts) if len(parts) > 1 else f"{parts[0]}: all good"


class Checker(threading.Thread):
    """Checks soon after opening, then every hour, and when something looks wrong."""

    def __init__(self, writer: Writer, after: float = AFTER, share: float = SHARE) -> None:
        super().__init__(name="journal-check", daemon=True)
        self._writer = writer
        self._after = after
        self._share = share
        self._wake = threading.Event()
        self._end = threading.Event()
        self._told_lost: dict[str, list[tuple[int, int]]] = {}
        self._asked: set[tuple[str, int]] = set()
        self._spent = 0.0

    def run(self) -> None:
        """Work until `stop`."""
        wait = self._after
        while not self._end.is_set():
            self._wake.wait(wait)
            self._wake.clear()
            if self._end.is_set():
                return
            wait = EVERY
            if not self._writer.ready.is_set() or self._writer.reason or self._writer.twin.reason:
                wait = self._after
                continue
            try:
                self.check()
            except _StopError:
                return
            except (sqlite3.Error, OSError) as error:
                log.warning("the journal's check could not be finished: %s", error)
                wait = self._after
            except Exception:
                log.exception("the journal's check")

    def stop(self) -> None:
        """End soon; does not wait."""
        self._end.set()
        self._wake.set()

    def soon(self) -> None:
        """Check now: a reader could not read the database."""
        self._wake.set()

    def mend(self, kind: str, number: int) -> None:
        """Mend one row that a reader found damaged."""
        if (kind, number) not in self._asked:
            self._asked.add((kind, number))
            self._writer.inbox.task(lambda: self._writer.mend_row(kind, number))

    # --- one check ---

    def check(self) -> Findings:
        """Check everything there is now; returns what was found, after it was mended."""
        while not self._writer.ready.wait(0.2):
            if self._end.is_set():
                raise _StopError
        for _ in range(3):
            found = Findings()
            problem = self._damage(found)
            if not problem:
                self._asked.clear()
                self._tell(found)
                return found
            # Rebuilt from the log: then it is looked at again.
            self._do(lambda problem=problem: self._writer.give_up_database(problem))  # type: ignore[misc]
            self._do(lambda: None)
        raise sqlite3.DatabaseError(problem)

    def _damage(self, found: Findings) -> str:
        """What is wrong with the database that only a rebuild mends; everything else is mended on the way."""
        heads = self._writer.twin.held
        store = Store.look(self._writer.path)
        try:
            if problem := self._structure(store, found):
                return problem
            marks = self._lines(store, heads, found)
            self._unmarked(store, marks, found)
            self._sides(store, found)
        except sqlite3.DatabaseError as error:
            if is_damage(error):
                return str(error)
            raise
        finally:
            store.close()
        return ""

    def _structure(self, store: Store, found: Findings) -> str:
        """SQLite's own check: it knows the tree and the indexes, but not what is in the rows."""
        for (table,) in store.query("SELECT name FROM sqlite_schema WHERE type = 'table'"):
            problems = store.problems(table)
            self._pace()
            if problems and all(map(_INDEX_ONLY.fullmatch, problems)):
                self._do(lambda name=table: self._writer.reindex(name))  # type: ignore[misc]
                problems = store.problems(table)
                if not problems:
                    found.other.append(f"the indexes of {table} were damaged and have been made anew")
            if problems:
                return problems[0]
        return ""

    def _lines(self, store: Store, heads: Heads, found: Findings) -> dict[str, bytearray]:
        """Compare every line of the log with its row. Returns for each kind one byte per number: 1, both are good."""
        marks = {kind: bytearray(getattr(heads, table) + 1) for kind, table in TABLES.items()}
        for lines in _pieces(self._writer.flight):
            told: dict[str, dict[int, tuple[int, bytes]]] = {kind: {} for kind in TABLES}
            for line in lines:
                try:
                    content, crc = unseal(line)
                    kind, number = label_of(content)
                except LineError:
                    found.bad_lines += bool(line)
                    continue
                name = kind.decode()
                if name in told and 0 < number < len(marks[name]):
                    told[name][number] = crc, content
            for name, numbers in told.items():
                if numbers:
                    self._compare(store, name, numbers, marks[name], found)
            self._pace()
        return marks

    def _compare(
        self, store: Store, kind: str, told: dict[int, tuple[int, bytes]], marks: bytearray, found: Findings
    ) -> None:
        rows = _rows(store, kind, sorted(told))
        mends: list[Entry] = []
        for number, (crc, content) in told.items():
            row = rows.get(number)
            if row is not None and _is_good(kind, row):
                marks[number] |= row[-1] == crc
            else:
                mends.append(read_line(content))
                marks[number] = 1
        if mends:
            self._do(lambda: self._writer.replace(mends))
            found.mended[TABLES[kind]] += len(mends)

    def _unmarked(self, store: Store, marks: dict[str, bytearray], found: Findings) -> None:
        """Rows without a line that says the same: the log gets one. Numbers that neither has are lost."""
        for kind, marked in marks.items():
            found.rows += len(marked) - 1
            lost: list[int] = []
            good: list[bytes] = []
            at = marked.find(0, 1)
            while at > 0:
                row = store.row(kind, at)
                try:
                    if row is None:
                        lost.append(at)
                    else:
                        good.append(line_of_row(kind, row))
                except RowError:
                    lost.append(at)
                at = marked.find(0, at + 1)
                if good and (len(good) == LINES or at < 0):
                    batch, good = good, []
                    self._do(lambda batch=batch: self._writer.append(batch))  # type: ignore[misc]
                    found.written[TABLES[kind]] += len(batch)
                    self._pace()
            if good:
                self._do(lambda batch=good: self._writer.append(batch))  # type: ignore[misc]
                found.written[TABLES[kind]] += len(good)
            if lost:
                found.lost[TABLES[kind]] = _ranges(lost)

    def _sides(self, store: Store, found: Findings) -> None:
        """Timing states, cursors, counts."""
        try:
            for row in store.query("SELECT * FROM states"):
                read_kept_row(row)
            for row in store.query("SELECT * FROM cursors"):
                read_saved_row(row)
        except RowError as error:
            self._do(self._writer.mend_sides)
            found.other.append(f"{error}; put back from the flight log")
        store.query("BEGIN")
        try:
            told = dict(map(read_tally_row, store.query("SELECT * FROM counts")))
            wrong = told != store.counted()
        except RowError:
            wrong = True
        finally:
            store.query("COMMIT")
        if wrong:
            self._do(self._writer.recount)
            found.other.append("the counts were wrong and have been made anew")

    def _tell(self, found: Findings) -> None:
        self._writer.check = f"{time.strftime('%H:%M')} {found.in_words()}"
        lost_more = bool(found.lost) and found.lost != self._told_lost
        if found.mended or found.written or found.other or lost_more:
            self._told_lost = found.lost
            level = Level.ALARM if lost_more else Level.WARNING
            self._writer.say(level, f"check: {found.in_words()}")
        self._do(self._writer.tell_changed)

    # --- pace ---

    def _pace(self) -> None:
        """Rest, so that the check takes but its share of a processor."""
        now = time.thread_time()
        worked, self._spent = now - self._spent, now
        until = time.monotonic() + worked * (1 - self._share) / self._share
        while not self._end.is_set() and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, 0.2))
        if self._end.is_set():
            raise _StopError

    def _do(self, task: Callable[[], None]) -> None:
        """Have the writer do it, and wait until it has."""
        done = threading.Event()

        def doing() -> None:
            try:
                task()
            finally:
                done.set()

        self._writer.inbox.task(doing)
        while not done.wait(0.2):
            if self._end.is_set():
                raise _StopError


class _StopError(Exception):
    pass


def _pieces(flight: Path) -> Iterator[list[bytes]]:
    for lines in scan(flight):
        for at in range(0, len(lines), LINES):
            yield lines[at : at + LINES]


def _rows(store: Store, kind: str, numbers: list[int]) -> dict[int, Row]:
    first, last = numbers[0], numbers[-1]
    if last - first <= 4 * LINES:
        return {row[0]: row for row in store.rows(kind, first, last)}
    return {number: row for number in numbers if (row := store.row(kind, number))}


def _is_good(kind: str, row: Row) -> bool:
    try:
        READERS[kind](row)
    except RowError:
        return False
    return True


def _ranges(numbers: list[int]) -> list[tuple[int, int]]:
    ranges: list[tuple[int, int]] = []
    for number in numbers:
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1] = ranges[-1][0], number
        else:
            ranges.append((number, number))
    return ranges


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{count:,} {table if count != 1 else table[:-1]}" for table, count in counts.items())
