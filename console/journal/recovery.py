"""Making the two copies of an event one again: at every opening, and on a spare machine."""

import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

from msgspec import Struct

from console.journal.batch import Memory
from console.journal.flight import find, read_tail, sync
from console.journal.lines import Entry, Heads, Kept, Saved
from console.journal.numbering import CONNECTION, all_highest, connection_of
from console.journal.rebuild import (
    CHUNK,
    Newest,
    Rebuilt,
    append,
    highest,
    in_words,
    name_of,
    newest_of,
    rebuild,
    replace_damaged,
    replace_older,
    valid_entries,
)
from console.journal.rows import READERS, Row, RowError, line_of_row, read_kept_row, read_saved_row, read_tally_row
from console.journal.store import TABLES, Connect, DamagedError, OtherVersionError, Store, is_damage, sound_header
from console.model import Act, Judged, Level, Phase, Trouble
from console.timing.guns import gun_of
from console.timing.judge import next_event_state

DATABASE = "journal.sqlite"
FLIGHT = "flight.log"


class RecoveryError(Exception):
    """An event cannot be recovered; the text says why and what to do."""


class Recovered(Struct, frozen=True, kw_only=True):
    """What `recover` brought back."""

    event: str
    frames: int
    passings: int
    incidents: int
    acts: int
    numbers: int
    cursors: int
    bad_lines: int
    """Lines that were damaged or cut short."""
    missing: dict[str, list[tuple[int, int]]]
    """Table -> ranges (first, last) of numbers without a valid line."""


def open_store(
    directory: Path,
    connect: Connect,
    *,
    first: bool,
    fresh: bool,
    rebuilding: Callable[[], None],
    damage: str = "",
) -> tuple[Store, list[Trouble]]:
    """The event's database: opened, made, or (damaged, of another version, missing beside a flight log) rebuilt.

    `first`: this process has no connection to it yet. `fresh`: nor has it had one to which it wrote; what the end of
    the flight log should tell is known to nobody. `rebuilding` is called before that begins: it takes half a minute
    for a million frames. Raises sqlite3.Error or OSError where the disk fails.
    """
    path, flight = directory / DATABASE, directory / FLIGHT
    if not path.exists():
        if not flight.exists() or not flight.stat().st_size:
            Store.build(path).finish(path)
            return Store.open(path, connect), []
        damage = damage or "it was missing"
    elif first and not sound_header(path):
        damage = damage or "its header is not that of a database"
    if not damage:
        try:
            return Store.open(path, connect), []
        except OtherVersionError:
            rebuilding()
            said = replace_older(path, flight, renew=fresh and not _log_is_whole(path, flight))
            return Store.open(path, connect), [said]
        except DamagedError as error:
            damage = str(error)
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            damage = str(error)
    rebuilding()
    said = replace_damaged(path, flight, damage, renew=fresh)
    return Store.open(path, connect), [said]


def _log_is_whole(path: Path, flight: Path) -> bool:
    """Whether the flight log has every number that a sound database has given."""
    if not flight.exists():
        return False
    logged = read_tail(flight, None).heads
    try:
        with closing(Store.look(path)) as store:
            return highest(store.heads(), logged) == logged
    except sqlite3.Error:
        return False


def put_back(store: Store, flight: Path) -> tuple[Heads, Heads, list[Trouble]]:
    """Put back what the flight log holds beyond the database.

    Returns the highest numbers ever given, those that the log knows of, and what is to be said. A commit comes before
    its lines, so a database behind its log has lost commits (its WAL is damaged, and what was copied from it may
    not fit together): it is checked at once, and DamagedError raised where it does not hold.
    """
    known = store.heads()
    if not flight.exists():
        return known, Heads(), []
    tail = read_tail(flight, known)
    both = highest(known, tail.heads)
    if both == known:
        return both, tail.heads, []
    if problems := store.problems():
        raise DamagedError(problems[0])
    beyond = [entry for entry in tail.beyond if not isinstance(entry, Kept | Saved)]
    store.replace(beyond)
    store.recount()
    mend_sides(store, flight)
    if not beyond:
        return both, tail.heads, []
    text = "the database had lost its last rows; put back from the flight log: "
    text += in_words(Counter(map(name_of, beyond)))
    return both, tail.heads, [Trouble(Level.WARNING, "journal", text)]


def lines_beyond(store: Store, since: Heads) -> Iterator[list[bytes]]:
    """Lines of all numbered rows beyond `since`, in pieces. Bad rows are left to the check."""
    for kind, table in TABLES.items():
        at = getattr(since, table)
        while rows := store.query(f"SELECT * FROM {table} WHERE seq > ? ORDER BY seq LIMIT {CHUNK}", at):
            at = rows[-1][0]
            lines = []
            for row in rows:
                with suppress(RowError):
                    lines.append(line_of_row(kind, row))
            yield lines


def load(store: Store, flight: Path, heads: Heads) -> tuple[Memory, list[Trouble]]:
    """What the writer must know, from the database; bad rows of it are mended first."""
    said: list[Trouble] = []
    try:
        kept, saved = _kept(store), _saved(store)
    except RowError as error:
        mend_sides(store, flight)
        said.append(Trouble(Level.WARNING, "journal", f"{error}; put back from the flight log"))
        kept, saved = _kept(store), _saved(store)
    try:
        tallies = dict(read_tally_row(row) for row in store.query("SELECT * FROM counts"))
    except RowError as error:
        tallies = store.recount()
        said.append(Trouble(Level.WARNING, "journal", f"{error}; counted again"))
    memory = Memory(
        heads=heads,
        timing={one.device: one.state for one in kept},
        tallies=tallies,
        cursors={(one.cursor.export, one.cursor.peer): one for one in saved},
        numbers=all_highest(store, flight),
    )
    for row in store.query("SELECT * FROM acts WHERE word IN ('phase', ?) ORDER BY seq", CONNECTION):
        act = _readable("A", row) or find(flight, "A", row[0])
        if isinstance(act, Act):
            _follow_phase(memory, act)
            memory.connections |= connection_of(act)
    for row in store.query("SELECT * FROM passings WHERE kind = 'gun' ORDER BY seq"):
        judged = _readable("P", row) or find(flight, "P", row[0])
        if isinstance(judged, Judged) and (gun := gun_of(judged.passing)):
            memory.guns.append(gun)
    return memory, said


def glimpse(flight: Path) -> Memory:
    """What the log alone tells quickly, for while the database is being rebuilt; counts and numbers are not known, nor
    are connection ids: who asks for one waits, and gets a new one."""
    if not flight.exists():
        return Memory()
    memory, newest = Memory(heads=read_tail(flight, None).heads), Newest()
    for entry in valid_entries(flight, Rebuilt(), lambda line: line[31:32] in b"SCA" or b'"kind":"gun"' in line):
        match entry:
            case Kept() | Saved():
                newest.take(entry)
            case Act():
                _follow_phase(memory, entry)
            case Judged() if gun := gun_of(entry.passing):
                memory.guns.append(gun)
    for one in newest.entries.values():
        if isinstance(one, Kept):
            memory.timing[one.device] = one.state
        else:
            memory.cursors[one.cursor.export, one.cursor.peer] = one
    return memory


def mend_sides(store: Store, flight: Path) -> None:
    """Write timing states and cursors anew: of each the newest good one, be it here or in the flight log."""
    newest = newest_of(flight)
    for table, read in (("states", read_kept_row), ("cursors", read_saved_row)):
        for row in store.query(f"SELECT * FROM {table}"):
            with suppress(RowError):
                newest.take(read(row))
    with store.transaction() as connection:
        connection.execute("DELETE FROM states")
        connection.execute("DELETE FROM cursors")
        store.fill(newest.entries.values())


def recover(flight: Path, directory: Path) -> Recovered:
    """Rebuild an event in `directory` from a flight log alone.

    The directory must not hold a database, nor another flight log. Raises RecoveryError or OSError.
    """
    path, own = directory / DATABASE, directory / FLIGHT
    if not flight.is_file():
        raise RecoveryError(f"{flight}: there is no such file; give the path of a flight.log")
    if path.exists():
        raise RecoveryError(f"{path} exists already; recover into an empty directory, or move it aside")
    if own.exists() and not own.samefile(flight):
        raise RecoveryError(f"{own} exists already; recover into an empty directory, or move it aside")
    directory.mkdir(parents=True, exist_ok=True)
    built = path.with_name(path.name + ".built")
    rebuilt = rebuild(flight, built, renew=True)
    if not rebuilt.event and not any(rebuilt.rows.values()):
        built.unlink()
        raise RecoveryError(f"{flight}: not one line of a RaceDeck flight log in it")
    if not own.exists():
        shutil.copyfile(flight, own)
        sync(own)
    append(own, rebuilt.renewed)
    built.replace(path)
    sync(directory)
    return Recovered(event=rebuilt.event, bad_lines=rebuilt.bad_lines, missing=rebuilt.missing, **rebuilt.rows)


def _follow_phase(memory: Memory, act: Act) -> None:
    if act.word == "phase":
        with suppress(ValueError):
            memory.event = next_event_state(memory.event, Phase(str(act.body.get("phase"))))


def _kept(store: Store) -> list[Kept]:
    return [read_kept_row(row) for row in store.query("SELECT * FROM states")]


def _saved(store: Store) -> list[Saved]:
    return [read_saved_row(row) for row in store.query("SELECT * FROM cursors")]


def _readable(kind: str, row: Row) -> Entry | None:
    try:
        return READERS[kind](row)
    except RowError:
        return None
