"""Building the database anew from the flight log, with what a damaged database still gives."""

import os
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from msgspec import Struct, field, structs

from console.journal.flight import scan, sync
from console.journal.lines import Entry, Heads, Kept, LineError, Opened, Saved, read_line, unseal
from console.journal.numbering import CONNECTION, connection_of, new_connection
from console.journal.rows import READERS, Row, RowError, read_act_row, read_kept_row, read_saved_row, sealed
from console.journal.store import TABLES, Store
from console.model import Act, Frame, Incident, Judged, Level, Numbered, Trouble

CHUNK = 5000
"""Rows handled at a time: bounds memory."""


class Rebuilt(Struct):
    """What a rebuild found."""

    heads: Heads = field(default_factory=Heads)
    """The highest numbers that were ever given, as far as can be told."""
    event: str = ""
    bad_lines: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    """Table -> rows in the new database."""
    salvaged: Counter[str] = field(default_factory=Counter)
    """What the damaged database still held and the flight log did not."""
    renewed: list[Act] = field(default_factory=list)
    """New connection ids, in the new database; the log is still to be told."""
    missing: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    """Table -> ranges (first, last) of numbers that neither has."""


class Newest:
    """Of states and cursors, the newest of each; they come in any order."""

    def __init__(self) -> None:
        self.entries: dict[object, Kept | Saved] = {}

    def take(self, entry: Kept | Saved) -> None:
        """Keep it, unless a newer one is known. Of two that are as old the later line holds: an act may change what is
        remembered of a device when no frame has come since."""
        key = entry.device if isinstance(entry, Kept) else (entry.cursor.export, entry.cursor.peer)
        known = self.entries.get(key)
        if known is None or _age(entry) > _age(known) or (_age(entry) == _age(known) and entry != known):
            self.entries[key] = entry


def rebuild(flight: Path, built: Path, salvage: Path | None = None, *, renew: bool) -> Rebuilt:
    """Build a database at `built` from the flight log, and from what the one at `salvage` holds beyond it.

    `renew`: the log may have lost its end, and with it numbers that a peer has seen; so that none of them is given
    again, every export gets a new connection id.
    What was salvaged is appended to the log and synced before this returns, so that a kill loses none of it.
    """
    rebuilt, newest = Rebuilt(), Newest()
    store = Store.build(built)
    try:
        for chunk in _chunks(_numbered(flight, rebuilt, newest)):
            store.replace(chunk)
        if salvage:
            for found in _salvage(salvage, store, newest):
                append(flight, found)
                rebuilt.salvaged.update(map(name_of, found))
        store.replace(newest.entries.values())
        store.recount()
        rebuilt.heads = highest(rebuilt.heads, store.heads())
        if renew:
            rebuilt.renewed = list(_new_connections(store, rebuilt.heads))
            store.replace(rebuilt.renewed)
            rebuilt.heads = highest(rebuilt.heads, store.heads())
        for table in (*TABLES.values(), "cursors"):
            ((rebuilt.rows[table],),) = store.query(f"SELECT count(*) FROM {table}")
        for kind, table in TABLES.items():
            if gaps := store.gaps(kind, getattr(rebuilt.heads, table)):
                rebuilt.missing[table] = gaps
        store.finish(built)
    finally:
        store.close()
    return rebuilt


def replace_damaged(path: Path, flight: Path, damage: str, *, renew: bool) -> Trouble:
    """Rebuild the database at `path`; what was there is moved aside, never deleted. Returns what is to be said.

    `renew`: as in `rebuild`.
    """
    rebuilt, aside = _replace(path, flight, "damaged", renew)
    kept = f", is kept as {aside}," if aside else ""
    text = f"the database could not be used ({damage}){kept} and was rebuilt from the flight log"
    return Trouble(Level.ALARM, "journal", text + _more(rebuilt))


def replace_older(path: Path, flight: Path, *, renew: bool) -> Trouble:
    """The same for a sound database that another version of RaceDeck has made: no reason for an alarm, unless something
    is lost."""
    rebuilt, aside = _replace(path, flight, "other-version", renew)
    text = "the database was made by another version of RaceDeck: its tables are made anew from the flight log; "
    level = Level.ALARM if rebuilt.missing else Level.NOTE
    return Trouble(level, "journal", f"{text}the old file is kept as {aside}{_more(rebuilt)}")


def _replace(path: Path, flight: Path, word: str, renew: bool) -> tuple[Rebuilt, str]:
    """Rebuild the database at `path`; the name under which the old one is kept, if there was one."""
    built, kept = path.with_name(path.name + ".built"), ""
    rebuilt = rebuild(flight, built, path if path.exists() else None, renew=renew)
    append(flight, rebuilt.renewed)
    if path.exists():
        aside = _aside(path, word)
        kept = aside.name
        path.replace(aside)
        for suffix in ("-wal", "-shm"):
            with suppress(FileNotFoundError):
                path.with_name(path.name + suffix).replace(aside.with_name(aside.name + suffix))
    built.replace(path)
    sync(path.parent)
    return rebuilt, kept


def _more(rebuilt: Rebuilt) -> str:
    """What else is to be said of a rebuild."""
    text = ""
    if rebuilt.salvaged:
        text += f"; the log lacked {in_words(rebuilt.salvaged)}, read from the old database"
    if rebuilt.renewed:
        names = ", ".join(sorted(str(act.body["export"]) for act in rebuilt.renewed))
        text += f"; the numbers of {names} begin anew, under a new connection id: scoring may ask for all again"
    if rebuilt.missing:
        text += f"; in neither of the two: {missing_in_words(rebuilt.missing)}"
    return text


def newest_of(flight: Path) -> Newest:
    """The newest state of every device and the newest of every cursor, as the log has them."""
    newest = Newest()
    for entry in valid_entries(flight, Rebuilt(), lambda line: line[31:32] in b"SC"):
        if isinstance(entry, Kept | Saved):
            newest.take(entry)
    return newest


def valid_entries(flight: Path, found: Rebuilt, wanted: Callable[[bytes], bool] = bool) -> Iterator[Entry]:
    """Every valid line of the log that is wanted; damaged ones are counted in `found`. No log: nothing."""
    if not flight.exists():
        return
    for lines in scan(flight):
        for line in lines:
            if not wanted(line):
                continue
            try:
                yield read_line(unseal(line)[0])
            except LineError:
                found.bad_lines += bool(line)


# --- words ---


def name_of(entry: Entry) -> str:
    """What an entry is counted as."""
    names = {Frame: "frames", Judged: "passings", Incident: "incidents", Act: "acts", Numbered: "numbers"}
    return names.get(type(entry), "timing states" if isinstance(entry, Kept) else "cursors")


def in_words(counts: Counter[str]) -> str:
    """`12 frames, 3 passings`."""
    return ", ".join(f"{count:,} {name if count != 1 else name[:-1]}" for name, count in counts.items())


def missing_in_words(missing: dict[str, list[tuple[int, int]]]) -> str:
    """`frames 17-19, 4187; passings 12`; at most five ranges of each."""
    parts = []
    for table, ranges in missing.items():
        words = [f"{first}" if first == last else f"{first}-{last}" for first, last in ranges[:5]]
        more = f" and {len(ranges) - 5} more ranges" if len(ranges) > 5 else ""
        parts.append(f"{table} {', '.join(words)}{more}")
    return "; ".join(parts)


def highest(one: Heads, other: Heads) -> Heads:
    """The higher number of each kind."""
    told = structs.asdict(other)
    return Heads(**{name: max(number, told[name]) for name, number in structs.asdict(one).items()})


# --- parts ---


def _numbered(flight: Path, rebuilt: Rebuilt, newest: Newest) -> Iterator[Entry]:
    """The log's numbered rows; what else it holds goes into `rebuilt` and `newest`."""
    for entry in valid_entries(flight, rebuilt):
        match entry:
            case Opened():
                rebuilt.event = entry.event
            case Heads():
                rebuilt.heads = highest(rebuilt.heads, entry)
            case Kept() | Saved():
                newest.take(entry)
            case _:
                yield entry


def _salvage(damaged: Path, into: Store, newest: Newest) -> Iterator[list[Entry]]:
    """Put good rows of a damaged database that `into` lacks there; take its newer states and cursors."""
    try:
        old = Store.look(damaged)
    except sqlite3.Error:
        return
    try:
        for kind in TABLES:
            for chunk in _chunks(_good_rows(old, kind, into.gaps(kind, _top(old, kind)))):
                into.replace(chunk)
                yield chunk
        before = set(map(id, newest.entries.values()))
        for row in _try(old, "SELECT * FROM states"):
            with suppress(RowError):
                newest.take(read_kept_row(row))
        for row in _try(old, "SELECT * FROM cursors"):
            with suppress(RowError):
                newest.take(read_saved_row(row))
        yield [entry for entry in newest.entries.values() if id(entry) not in before]
    finally:
        old.close()


def _good_rows(old: Store, kind: str, wanted: list[tuple[int, int]]) -> Iterator[Entry]:
    for first, last in wanted:
        for number in range(first, last + 1):
            for row in _try(old, f"SELECT * FROM {TABLES[kind]} WHERE seq = {number}"):
                with suppress(RowError):
                    entry = READERS[kind](row)
                    if row[0] == number:
                        yield entry


def _new_connections(store: Store, heads: Heads) -> Iterator[Act]:
    """A new connection id for every export that has one."""
    exports: dict[str, str] = {}
    for row in store.query("SELECT * FROM acts WHERE word = ? ORDER BY seq", CONNECTION):
        exports |= connection_of(read_act_row(row))
    for seq, export in enumerate(exports, heads.acts + 1):
        yield Act(seq=seq, wall=time.time_ns(), word=CONNECTION, body=new_connection(export), by="journal")


def _top(old: Store, kind: str) -> int:
    """The highest number that a damaged database gives; a nonsensical one (it is damaged) is not believed."""
    rows = _try(old, f"SELECT seq FROM {TABLES[kind]} ORDER BY seq DESC LIMIT 100")
    for row in rows:
        for good in _try(old, f"SELECT * FROM {TABLES[kind]} WHERE seq = {row[0]}"):
            with suppress(RowError):
                READERS[kind](good)
                return int(row[0])
    return 0


def _try(store: Store, sql: str) -> list[Row]:
    try:
        return store.query(sql)
    except sqlite3.Error:
        return []


def append(flight: Path, entries: Sequence[Entry]) -> None:
    """Append lines to the log, on disk when this returns."""
    if not entries:
        return
    with flight.open("ab") as file:
        file.write(b"\n" + b"".join(map(sealed, entries)))
        file.flush()
        os.fsync(file.fileno())


def _chunks(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    chunk: list[Entry] = []
    for entry in entries:
        chunk.append(entry)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _age(entry: Kept | Saved) -> int:
    return entry.frame if isinstance(entry, Kept) else entry.number


def _aside(path: Path, word: str) -> Path:
    """A name for the old database that nothing has yet."""
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    aside = path.with_name(f"{path.stem}.{word}-{stamp}{path.suffix}")
    count = 1
    while aside.exists():
        count += 1
        aside = path.with_name(f"{path.stem}.{word}-{stamp}-{count}{path.suffix}")
    return aside
