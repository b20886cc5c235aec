"""Reading the journal: pages of rows, each checked against its CRC as it is read."""

import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from msgspec import structs

from console.journal.figures import Figures, figures
from console.journal.flight import find
from console.journal.index import PassingIndex
from console.journal.lines import Entry
from console.journal.numbering import Series, rows_from
from console.journal.recovery import DATABASE, FLIGHT
from console.journal.rows import READERS, Row, RowError, read_saved_row, unchecked_frame
from console.journal.store import TABLES, Store
from console.model import Act, Cursor, Direction, Frame, Incident, Judged, Kind, Numbered, Origin, Passing, Status
from console.timing.offers import come

T = TypeVar("T")

CHATTER = ("PING", "PONG", "wake", "prompt", "blank")
"""Labels of what is said and heard all day only to keep stations awake."""

_INDEXES = {Status.EDITED: "passings_edited", Status.OFFERED: "passings_offered"}
"""Statuses that few passings have, and the index of these: a page of them never reads through the event."""

MOST_ASKED = 500
"""Passings asked about in one query."""

ROWS_OF_NUMBERS = 64
"""Rows looked up in one query: a page of numbers may be in one, or each number in a row of its own."""

UNREADABLE = "unreadable"
"""Begins the `flaw` of a frame whose row is damaged and that the flight log does not give back either."""


class Reader:
    """A read-only connection. It never raises for what is on the disk: what cannot be read is not returned, or
    returned as unreadable, and `damaged` is told its kind and number.

    Any thread may use it; only one at a time gets through.
    """

    def __init__(self, directory: Path, damaged: Callable[[str, int], None] | None = None) -> None:
        self._path, self._flight = directory / DATABASE, directory / FLIGHT
        self._damaged = damaged
        self._store: Store | None = None
        self._inode = 0
        self._one = threading.Lock()

    def frames(
        self,
        *,
        after: int | None = None,
        before: int | None = None,
        limit: int = 200,
        device: str = "",
        devices: Sequence[str] = (),
        direction: Direction | None = None,
        flawed: bool = False,
        text: str = "",
        quiet: bool = False,
    ) -> list[Frame]:
        """A page of frames, ascending: the first beyond `after`, or the last before `before`, or the newest; `quiet`:
        without `CHATTER`, unless it is flawed."""
        where, args = _filters(device=device, direction=direction)
        if devices and not device:
            where.append(f"device IN ({', '.join('?' * len(devices))})")
            args += devices
        if flawed:
            where.append("flaw != ''")
        elif quiet:
            where.append(f"(label NOT IN ({', '.join('?' * len(CHATTER))}) OR flaw != '')")
            args += CHATTER
        if text:
            columns = "CAST(raw AS TEXT) || char(10) || label || char(10) || flaw || char(10) || device"
            where.append(f"instr(lower({columns}), lower(?)) > 0")
            args.append(text)
        return self._page("F", where, args, after, before, limit, _frame)

    def passings(
        self,
        *,
        after: int | None = None,
        before: int | None = None,
        limit: int = 200,
        device: str = "",
        kinds: Sequence[Kind] = (),
        statuses: Sequence[Status] = (),
        origins: Sequence[Origin] = (),
        text: str = "",
    ) -> list[Passing]:
        """A page of passings, as `frames`: of these kinds, statuses and origins (none given: any). `text` is looked
        for in what they say, not in the names of the fields.
        """
        where, args = _filters(device=device)
        index = _INDEXES.get(statuses[0], "") if len(statuses) == 1 else ""
        if index:
            where.append(f"status = '{statuses[0]}'")
        for column, wanted in (("kind", kinds), ("status", () if index else statuses)):
            if wanted:
                where.append(f"{column} IN ({', '.join('?' * len(wanted))})")
                args += [str(one) for one in wanted]
        if origins:
            where.append(f"({' OR '.join(['instr(body, ?) > 0'] * len(origins))})")
            args += [f'"origin":"{origin}"' for origin in origins]
        if text:
            where.append("instr(lower(body), lower(?)) > 0")
            args.append(text)
        sought = text.lower()

        def read(entry: Entry) -> Passing | None:
            assert isinstance(entry, Judged)
            return entry.passing if not sought or sought in _words(entry.passing) else None

        return self._page("P", where, args, after, before, limit, read, index)

    def passings_of(self, frame: int) -> list[Passing]:
        """The passings decoded from a frame."""
        return self._page("P", ["frame = ?"], [frame], 0, None, 10_000, _passing)

    def first_from(self, frame: int) -> int | None:
        """The first passing of this frame, or of one behind it; None: there is none."""
        found = self._page("P", ["frame >= ?"], [frame], 0, None, 1, _passing)
        return found[0].seq if found else None

    def edits(self) -> list[Passing]:
        """Every bib that an operator gave or took back, oldest first."""
        return self._passings_where("status = 'edited'")

    def offered(self, device: str) -> list[Passing]:
        """What a download or a backup of a device (empty: of any) told, and what neither has come since nor was taken
        over."""
        which = "INDEXED BY passings_offered WHERE status = 'offered' AND ? IN (device, '')"
        with self._one:
            rows = self._query(f"SELECT * FROM passings {which} ORDER BY seq", [device])
            found = [entry for row in rows if isinstance(entry := self._entry("P", row), Judged)]
            try:
                index = PassingIndex(self._connection(), lambda _: None, self._mended)
                return [one.passing for one in found if not come(one, index)]
            except (sqlite3.Error, OSError):
                self._lose()
                return []

    def about(self, seqs: Iterable[int]) -> list[Passing]:
        """Every passing that is about these, or about one that is: all that is known of them. Oldest first."""
        found: list[Passing] = []
        ask = list(seqs)
        while ask:
            now, ask = ask[:MOST_ASKED], ask[MOST_ASKED:]
            rows = self._passings_where(f"about IN ({', '.join(map(str, now))})")
            found += rows
            ask += [row.seq for row in rows if row.status is not Status.EDITED]
        return sorted(found, key=lambda row: row.seq)

    def these(self, seqs: Iterable[int]) -> list[Passing]:
        """The passings of these numbers, ascending."""
        found: list[Passing] = []
        ask = sorted(seqs)
        while ask:
            now, ask = ask[:MOST_ASKED], ask[MOST_ASKED:]
            found += self._passings_where(f"seq IN ({', '.join(map(str, now))})")
        return found

    def changes(self, device: str) -> list[Passing]:
        """Every row of a device (empty: of any) that says otherwise of a passing that came before: corrections,
        cancellations, bibs by hand. Oldest first."""
        return self._told(device, "correction", "cancelled", "edited")

    def taken_over(self, device: str) -> list[Passing]:
        """What of a device (empty: of any) was offered, and counts because an operator took it over. Oldest first."""
        return self._told(device, "live")

    def figures(self) -> dict[str, Figures] | None:
        """Device -> what the journal holds of it; None: it cannot be read just now."""
        with self._one:
            try:
                return figures(self._connection())
            except (sqlite3.Error, OSError):
                self._lose()
                return None

    def cursors(self) -> list[Cursor]:
        """How far every peer was served, as it was journaled last; what cannot be read is left out."""
        found = []
        with self._one:
            for row in self._query("SELECT * FROM cursors", []):
                with suppress(RowError):
                    found.append(read_saved_row(row).cursor)
        return found

    def incidents(self, *, after: int | None = None, before: int | None = None, limit: int = 200) -> list[Incident]:
        """A page of incidents, as `frames`."""
        return self._page(
            "I", [], [], after, before, limit, lambda entry: entry if isinstance(entry, Incident) else None
        )

    def acts(self, *, after: int | None = None, before: int | None = None, limit: int = 200) -> list[Act]:
        """A page of acts, as `frames`."""
        return self._page("A", [], [], after, before, limit, _act)

    def numbers(self, series: Series, first: int, limit: int = 500) -> list[tuple[int, int]] | None:
        """Of an export, connection id and location: (number, passing) from the number `first` on, ascending. Fewer than
        `limit`: there are no more. None: the database cannot be read now; nothing is left out unnoticed."""
        found: list[tuple[int, int]] = []
        with self._one:
            try:
                store = self._connection()
                while len(found) < limit and (rows := rows_from(store, series, first, ROWS_OF_NUMBERS)):
                    for seq, last in rows:
                        row = store.row("N", seq)
                        entry = self._entry("N", row) if row else find(self._flight, "N", seq)
                        if isinstance(entry, Numbered) and entry.series == series:
                            found += [pair for pair in enumerate(entry.passings, entry.first) if pair[0] >= first]
                        first = last + 1
                        if len(found) >= limit:
                            break
            except (sqlite3.Error, OSError):
                self._lose()
                return None
        return found[:limit]

    def frame(self, seq: int) -> Frame | None:
        """One frame."""
        found = self._page("F", ["seq = ?"], [seq], 0, None, 1, _frame)
        return found[0] if found else None

    def passing(self, seq: int) -> Passing | None:
        """One passing."""
        found = self._page("P", ["seq = ?"], [seq], 0, None, 1, _passing)
        return found[0] if found else None

    def newest(self) -> tuple[int, int, int, int]:
        """The highest numbers of frames, passings, incidents and acts; 0: none."""
        with self._one:
            rows = self._query(
                "SELECT (SELECT max(seq) FROM frames), (SELECT max(seq) FROM passings),"
                " (SELECT max(seq) FROM incidents), (SELECT max(seq) FROM acts)",
                [],
            )
        frames, passings, incidents, acts = rows[0] if rows else (0, 0, 0, 0)
        return frames or 0, passings or 0, incidents or 0, acts or 0

    def close(self) -> None:
        """Close the connection; the next call opens it again."""
        with self._one:
            self._drop()

    def _passings_where(self, condition: str) -> list[Passing]:
        with self._one:
            rows = self._query(f"SELECT * FROM passings WHERE {condition} ORDER BY seq", [])
            return [passing for row in rows if (entry := self._entry("P", row)) and (passing := _passing(entry))]

    def _told(self, device: str, *statuses: str) -> list[Passing]:
        """Passings of these statuses that are about another one, found in the index of such."""
        wanted = ", ".join(f"'{status}'" for status in statuses)
        with self._one:
            rows = self._query(
                f"SELECT * FROM passings INDEXED BY passings_by_status WHERE status IN ({wanted})"
                " AND (status != 'live' OR about IS NOT NULL) AND ? IN (device, '') ORDER BY seq",
                [device],
            )
            return [passing for row in rows if (entry := self._entry("P", row)) and (passing := _passing(entry))]

    def _mended(self, seq: int) -> Judged | None:
        if self._damaged:
            self._damaged("P", seq)
        entry = find(self._flight, "P", seq)
        return entry if isinstance(entry, Judged) else None

    # --- a page ---

    def _page(
        self,
        kind: str,
        where: list[str],
        args: list[object],
        after: int | None,
        before: int | None,
        limit: int,
        read: Callable[[Entry], T | None],
        index: str = "",
    ) -> list[T]:
        """Read on until the page is full: rows may turn out unreadable, or not meant by the filter."""
        found: list[T] = []
        forward = after is not None
        edge = after if after is not None else before if before is not None else 2**63 - 1
        order = "ASC" if forward else "DESC"
        conditions = " AND ".join([*where, "seq > ?" if forward else "seq < ?"])
        with self._one:
            while len(found) < limit:
                size = limit - len(found)
                table = f"{TABLES[kind]} INDEXED BY {index}" if index else TABLES[kind]
                sql = f"SELECT * FROM {table} WHERE {conditions} ORDER BY seq {order} LIMIT {size}"
                rows = self._query(sql, [*args, edge])
                for row in rows:
                    entry = self._entry(kind, row)
                    if entry is not None and (one := read(entry)) is not None:
                        found.append(one)
                if len(rows) < size:
                    break
                edge = rows[-1][0]
        return found if forward else found[::-1]

    def _entry(self, kind: str, row: Row) -> Entry | None:
        try:
            return READERS[kind](row)
        except RowError as error:
            if self._damaged:
                self._damaged(kind, row[0])
            if mended := find(self._flight, kind, row[0]):
                return mended
            return _unreadable(row, error) if kind == "F" else None

    def _query(self, sql: str, args: list[object]) -> list[Row]:
        try:
            return self._connection().query(sql, *args)
        except (sqlite3.Error, OSError):
            self._lose()
            return []

    def _lose(self) -> None:
        """The database cannot be read: the next question opens it anew, and the check is told."""
        self._drop()
        if self._damaged:
            self._damaged("", 0)

    def _connection(self) -> Store:
        """The connection; a new one where the database has been replaced."""
        inode = self._path.stat().st_ino
        if self._store is None or inode != self._inode:
            self._drop()
            self._store, self._inode = Store.look(self._path), inode
        return self._store

    def _drop(self) -> None:
        if self._store:
            self._store.close()
            self._store = None


def _filters(**wanted: str | None) -> tuple[list[str], list[object]]:
    given = {column: str(value) for column, value in wanted.items() if value}
    return [f"{column} = ?" for column in given], list(given.values())


def _frame(entry: Entry) -> Frame | None:
    return entry if isinstance(entry, Frame) else None


def _passing(entry: Entry) -> Passing | None:
    return entry.passing if isinstance(entry, Judged) else None


def _incident(entry: Entry) -> Incident | None:
    return entry if isinstance(entry, Incident) else None


def _act(entry: Entry) -> Act | None:
    return entry if isinstance(entry, Act) else None


def _words(passing: Passing) -> str:
    """What a passing says, in lower case."""
    said = (passing.device, passing.kind, passing.time, passing.tag, passing.bib, passing.channel, passing.event)
    return "\n".join(str(word) for word in (*said, *passing.extra.values()) if word is not None).lower()


def _unreadable(row: Row, error: RowError) -> Frame | None:
    """What is left of a frame: shown, and said to be wrong."""
    try:
        frame = unchecked_frame(row)
        return structs.replace(frame, raw=bytes(frame.raw), flaw=f"{UNREADABLE}: {error}")
    except (ValueError, TypeError):
        return None
