"""What the journal needs now and then, away from the writer: syncing the flight log, copying the WAL, the mirror."""

import errno
import os
import sqlite3
import threading
from contextlib import closing, suppress
from pathlib import Path

from console.journal.writer import Writer
from console.model import Level

EVERY = 1.0
"""Seconds between two syncs of the flight log."""

WAL_PAGES = 2000
"""Pages after which the WAL is copied into the database."""

LONG_WAL = 8000
"""Pages of the WAL from which on the writer itself copies the rest, so that the WAL starts anew."""

BLOCK = 1024 * 1024


class Upkeep(threading.Thread):
    """Syncs the flight log about once a second and keeps the WAL short."""

    def __init__(self, writer: Writer) -> None:
        super().__init__(name="journal-upkeep", daemon=True)
        self._writer = writer
        self._end = threading.Event()

    def run(self) -> None:
        """Work until `stop`."""
        while not self._end.wait(EVERY):
            self._sync()
            self._look_for_files()
            if self._writer.wal >= WAL_PAGES:
                with suppress(sqlite3.Error):  # the writer finds out for itself, and says so
                    self._checkpoint()

    def stop(self) -> None:
        """End soon; does not wait."""
        self._end.set()

    def _sync(self) -> None:
        try:
            self._writer.twin.sync()
        except OSError as error:
            failed = error
            self._writer.inbox.task(lambda: self._writer.twin.failed(failed))

    def _look_for_files(self) -> None:
        """A file deleted under us would be written to for hours, and be gone with the last handle."""
        writer = self._writer
        if not writer.ready.is_set() or writer.reason or writer.twin.reason:
            return
        if not writer.flight.exists():
            gone = FileNotFoundError(errno.ENOENT, "it was deleted")
            writer.inbox.task(lambda: writer.twin.failed(gone))
        with writer.files:
            missing = not writer.path.exists()
        if missing:
            writer.inbox.task(lambda: writer.give_up_database("it was deleted"))

    def _checkpoint(self) -> None:
        with self._writer.files, closing(sqlite3.connect(self._writer.path, isolation_level=None)) as connection:
            self._writer.wal = 0
            _, pages, _ = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        self._writer.long_wal = pages > LONG_WAL


class Mirror(threading.Thread):
    """Keeps a byte-for-byte copy of the flight log at a second path, behind it by about a second.

    It follows the file, not the writer: a stick that is slow, full or pulled out holds up nobody, and catches up by
    itself when it is back.
    """

    def __init__(self, writer: Writer, path: Path) -> None:
        super().__init__(name="journal-mirror", daemon=True)
        self._writer = writer
        self._source = writer.flight
        self._root = path.parent if path.suffix else path
        """Must be there: a stick that is not plugged in must not have its mount point made a directory of this disk."""
        self._path = path if path.suffix else path / writer.directory.name / "flight.log"
        self._end = threading.Event()
        self._failing = ""
        self._compared = False

    def run(self) -> None:
        """Work until `stop`, and then copy what is left."""
        ended = False
        while not ended:
            ended = self._end.wait(EVERY)
            try:
                self._follow()
            except OSError as error:
                self._compared = False
                self._fails(f"{error.strerror or error}")
            else:
                self._works()

    def stop(self) -> None:
        """End soon; does not wait."""
        self._end.set()

    def _follow(self) -> None:
        if not self._source.exists():
            return
        if not self._root.is_dir():
            raise FileNotFoundError(errno.ENOENT, "not there; is the stick plugged in?")
        self._path.parent.mkdir(exist_ok=True)
        if not self._compared and not self._is_beginning():
            self._move_aside()
        self._compared = True
        with self._source.open("rb") as source, self._path.open("ab") as copy:
            source.seek(copy.tell())
            moved = 0
            while block := source.read(BLOCK):
                copy.write(block)
                moved += len(block)
            if moved:
                copy.flush()
                os.fsync(copy.fileno())

    def _is_beginning(self) -> bool:
        """Whether the copy, as it is, is the beginning of the log."""
        if not self._path.exists():
            return True
        with self._source.open("rb") as source, self._path.open("rb") as copy:
            while block := copy.read(BLOCK):
                if source.read(len(block)) != block:
                    return False
        return True

    def _move_aside(self) -> None:
        """What is there is of another event, or damaged, or longer than ours: it may be worth something."""
        count = 1
        while (aside := self._path.with_name(f"{self._path.name}.{count}")).exists():
            count += 1
        self._path.rename(aside)
        text = f"mirror: {self._path} is not the beginning of this flight log; kept as {aside.name}, copied anew"
        self._writer.say(Level.WARNING, text)

    def _fails(self, why: str) -> None:
        if not self._failing:
            self._writer.say(Level.WARNING, f"mirror: {self._path}: {why}; tried again every second")
        self._failing = why

    def _works(self) -> None:
        if self._failing:
            self._failing = ""
            self._writer.say(Level.NOTE, f"mirror: {self._path} is written again, and complete")
