"""A disk that is full, read-only, slow or lies about syncing is a state: capture goes on, and all drains."""

import errno
import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from console.journal import inbox, twin, upkeep, writer
from console.journal import journal as journal_module
from console.journal.journal import JournalFullError
from console.model import Highest, Level
from tests.journal.event import SERIES, Listener, contents, cursor, open_journal, place

pytestmark = pytest.mark.usefixtures("_quiet")


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "RETRY", 0.03)
    monkeypatch.setattr(twin, "RETRY", 0.03)


class Disk:
    """Makes connections whose commits fail while it is told to."""

    def __init__(self) -> None:
        self.before: Exception | None = None
        """Raised in place of committing."""
        self.after: Exception | None = None
        """Raised although it was committed: the sync failed, or its answer was lost."""
        self.delay = 0.0
        self.commits = 0
        self.opened = 0

    def connect(self, *args: Any, **more: Any) -> sqlite3.Connection:
        self.opened += 1
        connection = sqlite3.connect(*args, factory=Connection, **more)
        assert isinstance(connection, Connection)
        connection.disk = self
        return connection


class Connection(sqlite3.Connection):
    disk: Disk
    broken = False

    def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
        if sql != "COMMIT":
            return super().execute(sql, *args)
        assert not self.broken, "a handle on which something failed is not used again"
        if self.disk.before:
            self.broken = True
            raise self.disk.before
        time.sleep(self.disk.delay)
        done = super().execute(sql)
        self.disk.commits += 1
        if self.disk.after:
            self.broken = True
            raise self.disk.after
        return done


FULL = sqlite3.OperationalError("database or disk is full")
READ_ONLY = sqlite3.OperationalError("attempt to write a readonly database")
IO = sqlite3.OperationalError("disk I/O error")


@pytest.mark.parametrize("error", [FULL, READ_ONLY, IO])
def test_all_drains_when_the_disk_is_back(tmp_path: Path, error: Exception) -> None:
    disk, listener = Disk(), Listener()
    with closing(open_journal(tmp_path / "event", listener, connect=disk.connect)) as journal:
        journal.frame(place(1))
        listener.wait(lambda it: len(it.frames) == 1)
        disk.before = error
        for number in range(2, 52):
            journal.frame(place(number))
        done = journal.act("gun", {"device": ""}, "operator")
        journal.cursor(cursor(1))
        listener.wait(lambda _: journal.state().state == "failing")
        opened = disk.opened
        listener.wait(lambda _: disk.opened > opened + 2)  # tried again, and each time on a new handle
        state = journal.state()
        assert str(error) in state.reason
        assert (state.frames, state.unsafe) == (1, 50)
        assert len(listener.frames) == 1, "nobody hears of what is not safe"
        assert not done.done()

        disk.before = None
        listener.wait(lambda it: len(it.frames) == 51 and len(it.acts) == 1)
        assert done.result(5).word == "gun"
        listener.wait(lambda _: journal.state().state == "ok" and journal.cursors("scoring"))
        assert journal.state().unsafe == 0
        assert [one.seq for one in listener.frames] == list(range(1, 52))
        assert [one.extra["place"] for one in listener.passings] == list(range(1, 52))
        levels = [(one.level, one.source) for one in listener.incidents]
        assert levels.count((Level.ALARM, "journal")) == 1, "said once, not at every attempt"
        assert contents(journal)["frames"] == listener.frames
    with closing(open_journal(tmp_path / "event")) as journal:
        assert contents(journal)["frames"] == listener.frames
        assert "all good" in journal.check()


def test_numbers_of_a_commit_that_took_although_it_failed_are_given_once(tmp_path: Path) -> None:
    disk = Disk()
    with closing(open_journal(tmp_path / "event", connect=disk.connect)) as journal:
        assert journal.number(*SERIES, [1, 2]).result(5) == {1: 1, 2: 2}
        done, disk.after = disk.commits, IO
        given = journal.number(*SERIES, [2, 3])
        until = time.monotonic() + 5
        while disk.commits == done:
            assert time.monotonic() < until
            time.sleep(0.001)
        disk.after = None
        assert given.result(5) == {2: 2, 3: 3}
        disk.before = FULL
        given = journal.number(*SERIES, [4])
        assert journal.highest(*SERIES[:2]) == {"Finish": Highest(number=3, passing=3)}
        disk.before = None
        assert given.result(5) == {4: 4}
        assert contents(journal)["numbers"] == [(1, 1), (2, 2), (3, 3), (4, 4)]


def test_a_commit_that_took_although_it_failed_is_not_written_twice(tmp_path: Path) -> None:
    disk, listener = Disk(), Listener()
    with closing(open_journal(tmp_path / "event", listener, connect=disk.connect)) as journal:
        journal.frame(place(1))
        listener.wait(lambda it: len(it.frames) == 1)
        disk.after = IO
        journal.frame(place(2))
        listener.wait(lambda _: disk.commits >= 2)
        disk.after = None
        journal.frame(place(3))
        listener.wait(lambda it: len(it.frames) == 3)
        assert [one.raw for one in listener.frames] == [place(number).raw for number in (1, 2, 3)]
        assert contents(journal)["frames"] == listener.frames
        assert "all good" in journal.check()
        assert journal.counts()["chute"].frames == 3


def test_memory_is_bounded_and_what_is_lost_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk, listener = Disk(), Listener()
    with closing(open_journal(tmp_path / "event", listener, connect=disk.connect)) as journal:
        disk.before = FULL
        journal.frame(place(1))
        listener.wait(lambda _: journal.state().state == "failing")
        journal._writer.inbox.limit = 20_000
        for number in range(2, 101):
            journal.frame(place(number))
        state = journal.state()
        assert 5 < state.unsafe < 20
        assert state.unsafe + state.dropped == 100
        acts = [journal.act("gun", {}, "operator") for _ in range(5)]
        assert isinstance(acts[-1].exception(5), JournalFullError)
        disk.before = None
        listener.wait(lambda it: len(it.frames) == state.unsafe)
        listener.wait(lambda it: [one for one in it.incidents if "LOST" in one.text])
        assert [one.extra["place"] for one in listener.passings] == list(range(1, state.unsafe + 1)), "the newest go"
        assert journal.state().dropped == state.dropped
    assert inbox.LIMIT == 64 * 1024 * 1024


def test_a_slow_disk_is_a_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "SLOW", 5_000_000)
    disk, listener = Disk(), Listener()
    with closing(open_journal(tmp_path / "event", listener, connect=disk.connect)) as journal:
        disk.delay = 0.02
        for number in range(1, 7):
            journal.frame(place(number))
            listener.wait(lambda it: len(it.frames) == number)  # noqa: B023
        listener.wait(lambda _: journal.state().state == "slow")
        disk.delay = 0
        monkeypatch.setattr(writer, "SLOW", 10**12)
        for number in range(7, 20):
            journal.frame(place(number))
            listener.wait(lambda it: len(it.frames) == number)  # noqa: B023
        listener.wait(lambda _: journal.state().state == "ok")


def test_a_disk_that_fails_at_opening_does_not_stop_capture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "PATIENCE", 0.1)
    with closing(open_journal(tmp_path / "event")):
        pass
    listener = Listener()
    failing = True

    def connect(*args: Any, **more: Any) -> sqlite3.Connection:
        if failing:
            raise sqlite3.OperationalError("unable to open database file")
        connection: sqlite3.Connection = sqlite3.connect(*args, **more)
        return connection

    with closing(open_journal(tmp_path / "event", listener, connect=connect)) as journal:
        journal.frame(place(1))
        assert journal.state().state == "failing"
        assert journal.state().unsafe == 1
        failing = False
        listener.wait(lambda it: len(it.frames) == 1)
        listener.wait(lambda _: journal.state().state == "ok")


def test_closing_does_not_wait_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "LAST_TRY", 0.1)
    disk, listener = Disk(), Listener()
    journal = open_journal(tmp_path / "event", listener, connect=disk.connect)
    disk.before = FULL
    journal.frame(place(1))
    done = journal.act("gun", {}, "operator")
    journal.close()
    assert isinstance(done.exception(5), OSError)
    assert listener.frames == []


def test_a_flight_log_that_cannot_be_written_catches_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listener = Listener()
    write = os.write
    room = 10

    def full(handle: int, data: Any) -> int:
        nonlocal room
        if handle <= 2:
            return write(handle, data)
        if room <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = write(handle, bytes(data[:room]))  # the disk takes a part of a line, then no more
        room -= written
        return written

    with closing(open_journal(tmp_path / "event", listener)) as journal:
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", full)
            journal.frame(place(1))
            listener.wait(lambda _: journal.state().state == "failing")
            journal.frame(place(2))
            listener.wait(lambda it: len(it.frames) == 2)  # the database is enough to be safe
            assert "No space left" in journal.state().reason
        listener.wait(lambda _: journal.state().state == "ok")
        listener.wait(lambda it: [one for one in it.incidents if "is written again" in one.text])
    with closing(open_journal(tmp_path / "event")) as journal:
        assert "written to the flight log again" not in journal.check()
        assert "damaged lines in the flight log: 1" in journal.check()


def test_a_sync_of_the_flight_log_that_fails_has_its_lines_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "EVERY", 0.05)
    listener = Listener()
    with closing(open_journal(tmp_path / "event", listener)) as journal:
        with monkeypatch.context() as patch:

            def fail(handle: int) -> None:
                raise OSError(errno.EIO, os.strerror(errno.EIO))

            patch.setattr(os, "fsync", fail)
            journal.frame(place(1))
            listener.wait(lambda _: journal.state().state == "failing")
        listener.wait(lambda _: journal.state().state == "ok")
    log = (tmp_path / "event" / "flight.log").read_text()
    assert log.count(" F 000000001 ") >= 2, "what the failed sync may have lost is there again"


@pytest.mark.parametrize("name", ["journal.sqlite", "flight.log"])
def test_a_deleted_file_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(upkeep, "EVERY", 0.03)
    listener = Listener()
    with closing(open_journal(tmp_path / "event", listener)) as journal:
        journal.frame(place(1))
        listener.wait(lambda it: len(it.frames) == 1)
        (tmp_path / "event" / name).unlink()
        listener.wait(lambda it: [one for one in it.incidents if "it was deleted" in one.text])
        journal.frame(place(2))
        listener.wait(lambda it: len(it.frames) == 2)
        listener.wait(lambda _: journal.state().state == "ok")
        assert "in neither" not in journal.check()
        assert contents(journal)["frames"] == listener.frames
    lines = (tmp_path / "event" / "flight.log").read_text()
    assert " F 000000001 " in lines
    assert " F 000000002 " in lines


RLIMITED = """
import resource, signal, sys
from pathlib import Path
from console.journal import twin, writer
from tests.journal.event import Listener, contents, open_journal, place

writer.RETRY = twin.RETRY = 0.05
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
directory, listener = Path(sys.argv[1]), Listener()
journal = open_journal(directory, listener)
journal.frame(place(1))
listener.wait(lambda it: len(it.frames) == 1)
resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, hard))
number = 1
while journal.state().state == "ok":
    number += 1
    journal.frame(place(number))
    if number % 10 == 0:
        listener.wait(lambda it: len(it.frames) == number or journal.state().state != "ok")
    assert number < 5000
for number in range(number + 1, number + 51):
    journal.frame(place(number))
assert "failing" == journal.state().state
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
listener.wait(lambda it: len(it.frames) == number)
listener.wait(lambda it: journal.state().state == "ok")
assert [one.extra["place"] for one in listener.passings] == list(range(1, number + 1))
journal.close()
journal = open_journal(directory)
assert [one.extra["place"] for one in contents(journal)["passings"]] == list(range(1, number + 1))
assert "mended" not in journal.check(), journal.check()
journal.close()
"""


def test_a_file_that_really_cannot_grow(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", RLIMITED, str(tmp_path / "event")],
        cwd=Path.cwd(),
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
