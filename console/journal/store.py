"""The journal's database: one SQLite file in WAL mode, and the SQL that reads and writes it."""

import sqlite3
import zlib
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from urllib.parse import quote

from msgspec import Struct, field

from console.journal.flight import sync
from console.journal.lines import Entry, Heads, Kept, Saved
from console.journal.rows import (
    Row,
    Tally,
    act_row,
    frame_row,
    incident_row,
    kept_row,
    numbered_row,
    passing_row,
    saved_row,
    tally_row,
)
from console.model import Act, Frame, Incident, Judged, Numbered

Connect = Callable[..., sqlite3.Connection]
"""`sqlite3.connect`, or what a test puts in its place to make a disk fail."""

SCHEMA = """
CREATE TABLE frames(seq INTEGER PRIMARY KEY, device TEXT, direction TEXT, wall INTEGER, mono INTEGER, raw BLOB,
    label TEXT, flaw TEXT, masked INTEGER, by TEXT, crc INTEGER);
CREATE TABLE passings(seq INTEGER PRIMARY KEY, frame INTEGER, device TEXT, kind TEXT, status TEXT, identity TEXT,
    series TEXT, position INTEGER, join_key TEXT, about INTEGER, body TEXT, crc INTEGER);
CREATE TABLE incidents(seq INTEGER PRIMARY KEY, wall INTEGER, level TEXT, source TEXT, text TEXT, frame INTEGER,
    crc INTEGER);
CREATE TABLE acts(seq INTEGER PRIMARY KEY, wall INTEGER, word TEXT, body TEXT, by TEXT, crc INTEGER);
CREATE TABLE numbers(seq INTEGER PRIMARY KEY, wall INTEGER, export TEXT, connection TEXT, location TEXT, first INTEGER,
    last INTEGER, high INTEGER, late INTEGER, passings TEXT, crc INTEGER);
CREATE TABLE states(device TEXT PRIMARY KEY, frame INTEGER, wall INTEGER, body TEXT, crc INTEGER) WITHOUT ROWID;
CREATE TABLE cursors(export TEXT, peer TEXT, number INTEGER, wall INTEGER, body TEXT, crc INTEGER,
    PRIMARY KEY(export, peer)) WITHOUT ROWID;
CREATE TABLE counts(device TEXT PRIMARY KEY, frames INTEGER, passings INTEGER, repeats INTEGER, flaws INTEGER,
    nameless INTEGER, generation INTEGER, newest INTEGER, crc INTEGER) WITHOUT ROWID;
CREATE INDEX frames_of_device ON frames(device);
CREATE INDEX frames_sent ON frames(device, direction) WHERE direction = 'tx';
CREATE INDEX frames_with_flaw ON frames(seq) WHERE flaw != '';
CREATE INDEX passings_of_device ON passings(device);
CREATE INDEX passings_by_status ON passings(status, device, about) WHERE status != 'live' OR about IS NOT NULL;
CREATE INDEX passings_of_frame ON passings(frame);
CREATE INDEX passings_by_identity ON passings(identity);
CREATE INDEX passings_by_position ON passings(series, position) WHERE series IS NOT NULL;
CREATE INDEX passings_by_join ON passings(join_key) WHERE join_key IS NOT NULL;
CREATE INDEX passings_about ON passings(about) WHERE about IS NOT NULL;
CREATE INDEX passings_of_guns ON passings(seq) WHERE kind = 'gun';
CREATE INDEX passings_edited ON passings(seq) WHERE status = 'edited';
CREATE INDEX passings_offered ON passings(seq) WHERE status = 'offered';
CREATE INDEX acts_by_word ON acts(word);
CREATE INDEX numbers_by_last ON numbers(export, connection, location, last);
CREATE INDEX numbers_by_high ON numbers(export, connection, location, high) WHERE high IS NOT NULL;
CREATE INDEX numbers_late ON numbers(export, connection, location, late) WHERE late IS NOT NULL;
"""

LAYOUT = zlib.crc32(SCHEMA.encode()) & 0x7FFFFFFF
"""Number of this layout, kept in the database (`user_version`): another one was made by another version of RaceDeck."""

TABLES = {"F": "frames", "P": "passings", "I": "incidents", "A": "acts", "N": "numbers"}
"""Kind of a numbered row -> its table."""

_INSERT = {
    "frames": "INSERT INTO frames VALUES (?,?,?,?,?,?,?,?,?,?,?)",
    "passings": "INSERT INTO passings VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
    "incidents": "INSERT INTO incidents VALUES (?,?,?,?,?,?,?)",
    "acts": "INSERT INTO acts VALUES (?,?,?,?,?,?)",
    "numbers": "INSERT INTO numbers VALUES (?,?,?,?,?,?,?,?,?,?,?)",
    "states": "INSERT OR REPLACE INTO states VALUES (?,?,?,?,?)",
    "cursors": "INSERT OR REPLACE INTO cursors VALUES (?,?,?,?,?,?)",
    "counts": "INSERT OR REPLACE INTO counts VALUES (?,?,?,?,?,?,?,?,?)",
}

_PRAGMAS = "PRAGMA busy_timeout = 5000; PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = FULL;"

_lenient_text = partial(str, encoding="utf-8", errors="surrogateescape")
"""A flipped bit must not make a row unreadable before its CRC is looked at."""


class DamagedError(Exception):
    """The database's structure is damaged: it must be moved aside and rebuilt."""


class OtherVersionError(Exception):
    """The database is sound, as far as can be told, but another version of RaceDeck has made its tables."""


class Rows(Struct):
    """What one transaction writes."""

    frames: list[Row] = field(default_factory=list)
    passings: list[Row] = field(default_factory=list)
    incidents: list[Row] = field(default_factory=list)
    acts: list[Row] = field(default_factory=list)
    numbers: list[Row] = field(default_factory=list)
    states: dict[str, Row] = field(default_factory=dict)
    cursors: list[Row] = field(default_factory=list)
    counts: list[Row] = field(default_factory=list)


def is_damage(error: sqlite3.Error) -> bool:
    """Whether SQLite says that the file is damaged, not that the disk fails."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    # A number given twice: the database does not show all that it holds.
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CONSTRAINT)


class Store:
    """The one writing connection. Every method may raise sqlite3.Error; `DamagedError` where the structure is wrong."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self.connection = connection

    @classmethod
    def open(cls, path: Path, connect: Connect = sqlite3.connect) -> "Store":
        """Open an existing database; raises DamagedError where it is not as it was made, OtherVersionError."""
        store = cls(path, connect(path, isolation_level=None, check_same_thread=False))
        try:
            store.connection.text_factory = _lenient_text
            store.connection.executescript(_PRAGMAS)
            store.compare()
        except BaseException:
            store.close()
            raise
        return store

    def compare(self) -> None:
        """Raise OtherVersionError or DamagedError where the tables are not those of `SCHEMA`."""
        if self.query("PRAGMA user_version") != [(LAYOUT,)]:
            raise OtherVersionError
        if self.query(_TABLE_OF_CONTENTS) != _expected_table_of_contents():
            raise DamagedError("its table of contents is not as it was written")

    @classmethod
    def look(cls, path: Path) -> "Store":
        """A connection that only reads, for one thread at a time."""
        if not path.exists():
            raise sqlite3.OperationalError(f"{path} does not exist")
        address = f"file:{quote(str(path.absolute()))}?mode=ro"
        connection = sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False)
        connection.text_factory = _lenient_text
        return cls(path, connection)

    @classmethod
    def build(cls, path: Path) -> "Store":
        """An empty database for `fill` and `finish`, beside `path` until it is finished."""
        beside = path.with_name(path.name + ".new")
        beside.unlink(missing_ok=True)
        connection = sqlite3.connect(beside, isolation_level=None)
        connection.text_factory = _lenient_text
        connection.executescript(
            "PRAGMA auto_vacuum = 0; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = NORMAL;"
            f"PRAGMA application_id = 0x52444B31; PRAGMA user_version = {LAYOUT};" + SCHEMA
        )
        return cls(beside, connection)

    def finish(self, path: Path) -> None:
        """Make what was built the database at `path`, durably and in one step."""
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.close()
        sync(self.path)
        for suffix in ("-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        self.path.replace(path)
        sync(path.parent)

    def close(self) -> None:
        """Close the connection, whatever state it is in."""
        with suppress(sqlite3.Error):
            self.connection.close()

    # --- writing ---

    def write(self, rows: Rows) -> None:
        """One transaction; when this returns it is on disk."""
        connection = self.connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            self.insert(rows)
            connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
            raise

    def insert(self, rows: Rows) -> None:
        """Insert rows inside the transaction under way."""
        many = self.connection.executemany
        for table in ("frames", "passings", "incidents", "acts", "numbers", "cursors", "counts"):
            if new := getattr(rows, table):
                many(_INSERT[table], new)
        if rows.states:
            many(_INSERT["states"], rows.states.values())

    def replace(self, entries: Iterable[Entry]) -> None:
        """Write these rows over what is there under their numbers, in one transaction."""
        with self.transaction():
            self.fill(entries)

    def fill(self, entries: Iterable[Entry]) -> None:
        """Write these rows over what is there under their numbers, inside the transaction under way, if any."""
        gathered: dict[str, dict[object, Row]] = {table: {} for table in _INSERT}
        for entry in entries:
            match entry:
                case Frame():
                    gathered["frames"][entry.seq] = frame_row(entry)[0]
                case Judged():
                    gathered["passings"][entry.passing.seq] = passing_row(entry)[0]
                case Incident():
                    gathered["incidents"][entry.seq] = incident_row(entry)[0]
                case Act():
                    gathered["acts"][entry.seq] = act_row(entry)[0]
                case Numbered():
                    gathered["numbers"][entry.seq] = numbered_row(entry)[0]
                case Kept():
                    gathered["states"][entry.device] = kept_row(entry)[0]
                case Saved():
                    gathered["cursors"][entry.cursor.export, entry.cursor.peer] = saved_row(entry)[0]
        for table, rows in gathered.items():
            if rows:
                sql = _INSERT[table].replace("INSERT INTO", "INSERT OR REPLACE INTO")
                self.connection.executemany(sql, rows.values())

    def recount(self) -> dict[str, Tally]:
        """Count everything again and write it; returns the counts."""
        tallies = self.counted()
        with self.transaction():
            self.connection.execute("DELETE FROM counts")
            self.connection.executemany(_INSERT["counts"], [tally_row(*item) for item in tallies.items()])
        return tallies

    def transaction(self) -> sqlite3.Connection:
        """Begin a transaction that ends with the `with` block of what is returned."""
        self.connection.execute("BEGIN IMMEDIATE")
        return self.connection

    def checkpoint(self, mode: str = "PASSIVE") -> tuple[bool, int, int]:
        """Copy the WAL into the database: (was somebody in the way, pages in the WAL, pages copied)."""
        busy, pages, copied = self.connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
        return bool(busy), pages, copied

    # --- reading ---

    def query(self, sql: str, *args: object) -> list[Row]:
        """All rows of a query."""
        return self.connection.execute(sql, args).fetchall()

    def heads(self) -> Heads:
        """The highest numbers in the database."""
        frames, passings, incidents, acts, numbers, cursors = self.query(
            "SELECT (SELECT max(seq) FROM frames), (SELECT max(seq) FROM passings), (SELECT max(seq) FROM incidents),"
            " (SELECT max(seq) FROM acts), (SELECT max(seq) FROM numbers), (SELECT max(number) FROM cursors)"
        )[0]
        return Heads(
            frames=frames or 0,
            passings=passings or 0,
            incidents=incidents or 0,
            acts=acts or 0,
            numbers=numbers or 0,
            cursors=cursors or 0,
        )

    def row(self, kind: str, number: int) -> Row | None:
        """One numbered row."""
        found = self.query(f"SELECT * FROM {TABLES[kind]} WHERE seq = ?", number)
        return found[0] if found else None

    def rows(self, kind: str, first: int, last: int) -> list[Row]:
        """The numbered rows from `first` to `last`."""
        return self.query(f"SELECT * FROM {TABLES[kind]} WHERE seq BETWEEN ? AND ? ORDER BY seq", first, last)

    def gaps(self, kind: str, top: int) -> list[tuple[int, int]]:
        """Ranges (first, last) of numbers from 1 to `top` that are not there."""
        table = TABLES[kind]
        found = self.query(
            f"SELECT before + 1, seq - 1 FROM (SELECT seq, lag(seq, 1, 0) OVER (ORDER BY seq) AS before FROM {table})"
            " WHERE seq > before + 1"
        )
        ((last,),) = self.query(f"SELECT ifnull(max(seq), 0) FROM {table}")
        if last < top:
            found.append((last + 1, top))
        return found

    def counted(self) -> dict[str, Tally]:
        """Counts as the rows themselves give them."""
        tallies: dict[str, Tally] = {}
        for device, frames, flaws in self.query("SELECT device, count(*), sum(flaw != '') FROM frames GROUP BY device"):
            tallies[device] = Tally(frames=frames, flaws=flaws)
        for device, passings, repeats in self.query(
            "SELECT device, sum(status = 'live'), sum(status = 'repeat') FROM passings GROUP BY device"
        ):
            tally = tallies.setdefault(device, Tally())
            tally.passings, tally.repeats = passings, repeats
        for device, nameless in self.query(
            "SELECT device, sum(iif(status = 'live', bib IS NULL, 0)"
            " - iif((status = 'joined' OR (status IN ('correction', 'edited') AND change = 'bib' AND was IS NULL))"
            " AND edited IS NULL, bib IS NOT NULL, 0)"
            " + iif(status = 'edited' AND was IS NOT NULL, bib IS NULL, 0))"
            " FROM (SELECT device, status, json_extract(body, '$.passing.bib') AS bib, json_extract(body,"
            " '$.passing.change') AS change, json_extract(body, '$.passing.extra.was') AS was,"
            " json_extract(body, '$.passing.extra.edited') AS edited FROM passings"
            " WHERE json_valid(body) AND kind IN ('place', 'select')"
            " AND json_extract(body, '$.passing.phase') = 'RACE') GROUP BY device"
        ):
            tallies[device].nameless = nameless
        for device, generation, newest in self.query(
            "SELECT device, json_extract(body, '$.passing.generation') AS generation,"
            " max(iif(json_extract(body, '$.passing.basis') IN ('span', 'none'), NULL,"
            " json_extract(body, '$.passing.ns')))"
            " FROM passings WHERE json_valid(body) GROUP BY device, generation ORDER BY generation"
        ):
            tallies[device].generation, tallies[device].newest = generation, newest
        return tallies

    def problems(self, table: str = "") -> list[str]:
        """What SQLite's own check finds wrong with the structure of a table and its indexes (or of all)."""
        try:
            found = self.query(f"PRAGMA integrity_check({table})" if table else "PRAGMA integrity_check")
        except sqlite3.DatabaseError as error:
            if is_damage(error):
                return [str(error)]
            raise
        return [
            " ".join(str(row[0]).removeprefix("*** in database main ***").split()) for row in found if row[0] != "ok"
        ]


_TABLE_OF_CONTENTS = "SELECT type, name, tbl_name, rootpage, sql FROM sqlite_schema ORDER BY rootpage, name"


def _expected_table_of_contents() -> list[Row]:
    """Tables, indexes and their root pages, as the schema makes them in an empty file: always the same."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript("PRAGMA auto_vacuum = 0;" + SCHEMA)
        return connection.execute(_TABLE_OF_CONTENTS).fetchall()


def sound_header(path: Path) -> bool:
    """Whether the file's first bytes are those of a WAL database in UTF-8.

    Only for before the first connection: closing a file drops this process's locks on it.
    """
    with path.open("rb") as file:
        header = file.read(100)
    return header[:16] == b"SQLite format 3\0" and header[18:20] == b"\2\2" and header[56:60] == b"\0\0\0\1"
