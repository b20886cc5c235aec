"""The relay's database: one SQLite file, written by the server and by commands at the same time."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

NAME = "relay.db"

VERSION = 2

SCHEMA = """
CREATE TABLE ids(user TEXT PRIMARY KEY, salt BLOB, hash BLOB, cost INTEGER);
CREATE TABLE materials(serial TEXT PRIMARY KEY, type TEXT, model TEXT, label TEXT, user TEXT, empty INTEGER DEFAULT 0,
    colour TEXT DEFAULT '', phone TEXT DEFAULT '');
CREATE TABLE configurations(name TEXT PRIMARY KEY);
CREATE TABLE arrows(configuration TEXT, sender TEXT, receiver TEXT, PRIMARY KEY(configuration, sender, receiver));
CREATE TABLE events(name TEXT PRIMARY KEY, first TEXT, last TEXT, zone TEXT, configuration TEXT,
    active INTEGER DEFAULT 0);
CREATE TABLE server(address TEXT);
CREATE TABLE connections(serial TEXT PRIMARY KEY, address TEXT, user TEXT, since INTEGER);
CREATE TABLE data(id INTEGER PRIMARY KEY AUTOINCREMENT, frame INTEGER, at INTEGER, via TEXT, origin TEXT,
    number INTEGER, protocol TEXT, given TEXT, destination TEXT, message TEXT, state TEXT, changed INTEGER,
    reason TEXT, times INTEGER DEFAULT 1);
CREATE INDEX data_to ON data(destination, state, id);
CREATE INDEX data_of_frame ON data(frame);
CREATE INDEX data_via ON data(via, frame);
PRAGMA user_version = 2;
"""

SINCE_1 = """
ALTER TABLE materials ADD COLUMN colour TEXT DEFAULT '';
ALTER TABLE materials ADD COLUMN phone TEXT DEFAULT '';
PRAGMA user_version = 2;
"""
"""What the tables of version 1 lack."""

Row = tuple[Any, ...]


class Database:
    """An open database. Every method may raise sqlite3.Error."""

    def __init__(self, path: Path) -> None:
        """Open it; where there is none, make one that only its owner can read. Raises OSError, too."""
        self.path = path
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        self.connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            self.connection.executescript(
                "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
            )
            with self.transaction():
                self._build()
        except BaseException:
            self.connection.close()
            raise

    def _build(self) -> None:
        ((version,),) = self.query("PRAGMA user_version")
        if version > VERSION:
            raise sqlite3.DatabaseError(f"it was made by a newer RaceDeck (version {version} of its tables)")
        for statement in {0: SCHEMA, 1: SINCE_1}.get(version, "").split(";\n"):
            self.connection.execute(statement)

    def close(self) -> None:
        """Close it, whatever state it is in."""
        with suppress(sqlite3.Error):
            self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of the block or nothing; on the disk when the block is left."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
            raise

    def query(self, sql: str, *args: object) -> list[Row]:
        """All rows of a query."""
        return self.connection.execute(sql, args).fetchall()

    def change(self, sql: str, *args: object) -> int:
        """Change rows; how many. Outside a transaction it is one of its own."""
        return self.connection.execute(sql, args).rowcount
