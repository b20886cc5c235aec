"""Counts of each device, from the rows themselves."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from msgspec import structs

from console.journal.figures import figures
from console.journal.journal import Journal
from console.journal.recovery import DATABASE
from console.journal.store import Store
from console.model import Direction, Level, Status, Trouble
from tests.journal.event import Listener, cursor, draft, open_journal, place, start


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """Places 1, 2 and 5, 2 told again, garbage, two lines of ours, a bib and its undoing, an incident."""
    listener = Listener()
    with closing(open_journal(tmp_path, listener)) as journal:
        for heard in (start(), place(1), place(2), place(2), place(5), draft(b"\xff", flaw="garbage")):
            journal.frame(heard)
        for _ in range(2):
            journal.frame(structs.replace(draft(b"PING\r\n", device="control-31"), direction=Direction.TX))
        journal.trouble(Trouble(Level.WARNING, "chute", "late"))
        journal.cursor(cursor(5))
        journal.act("bib", {"passing": 2, "bib": "77"}, "anna").result(10)
        journal.act("undo", {}, "anna").result(10)
        yield journal


def test_every_row_is_counted_once(journal: Journal) -> None:
    with closing(journal.reader()) as reader:
        found = reader.figures()
    assert found is not None
    chute, station = found["chute"], found["control-31"]
    assert (chute.frames, chute.sent, chute.incidents, chute.recovered) == (6, 0, 2, 0), "a hole is an incident, too"
    assert +chute.rows == {Status.LIVE: 4, Status.REPEAT: 1, Status.EDITED: 2}
    assert chute.holes == ((3, 4),)
    assert chute.tally
    assert (chute.tally.flaws, chute.tally.nameless, chute.differs) == (1, 3, False)
    assert (station.frames, station.sent, +station.rows, station.differs) == (2, 2, {}, False)


def test_what_changes_and_these_and_cursors_are_found(journal: Journal) -> None:
    with closing(journal.reader()) as reader:
        assert [(row.status, row.of) for row in reader.changes("")] == [(Status.EDITED, 2), (Status.EDITED, 2)]
        assert reader.changes("chute") == reader.changes("")
        assert reader.changes("control-31") == []
        assert [row.seq for row in reader.these([3, 99, 1])] == [1, 3]
        assert reader.cursors() == [cursor(5)]


def test_a_count_that_differs_from_the_rows_is_seen(tmp_path: Path, journal: Journal) -> None:
    journal.close()
    with closing(sqlite3.connect(tmp_path / DATABASE)) as connection:
        connection.execute("DELETE FROM passings WHERE seq = 3")
        connection.commit()
    with closing(Store.look(tmp_path / DATABASE)) as store:
        found = figures(store)
        assert found["chute"].differs
        assert not found["control-31"].differs
        assert not store.connection.in_transaction


def test_no_million_rows_are_read(tmp_path: Path, journal: Journal) -> None:
    """Each count is made in an index; the few incidents, counts and states are read."""
    journal.close()
    asked: list[str] = []
    with closing(Store.look(tmp_path / DATABASE)) as store:
        store.connection.set_trace_callback(asked.append)
        figures(store)
        store.connection.set_trace_callback(None)
        for sql in asked:
            if " FROM frames " in sql or " FROM passings " in sql:
                plan = " ".join(row[3] for row in store.query(f"EXPLAIN QUERY PLAN {sql}"))
                assert "COVERING INDEX" in plan
                assert "TEMP B-TREE" not in plan
    assert len(asked) >= 8


def test_what_cannot_be_read_is_not_zero(tmp_path: Path, journal: Journal) -> None:
    journal.close()
    with closing(journal.reader()) as reader:
        (tmp_path / DATABASE).write_bytes(b"gone" * 4096)
        assert reader.figures() is None
