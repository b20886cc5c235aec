"""Numbers of lines: given once, kept for good, in both copies of an event."""

import shutil
import sqlite3
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from console.journal import numbering
from console.journal.journal import Journal, JournalFullError
from console.journal.reader import Reader
from console.journal.recovery import recover
from console.model import Highest, Level
from tests.journal.event import SERIES, Listener, contents, open_journal, place

pytestmark = pytest.mark.usefixtures("_quiet")

EXPORT, CONNECTION, FINISH = SERIES


def give(journal: Journal, *passings: int, location: str = FINISH, connection: str = CONNECTION) -> dict[int, int]:
    return journal.number(EXPORT, connection, location, passings).result(5)


def renumber(journal: Journal) -> str:
    made = journal.renumber(EXPORT, "anna").result(5).body["id"]
    assert isinstance(made, str)
    return made


def page(journal: Journal, first: int = 1, limit: int = 1000, location: str = FINISH) -> list[tuple[int, int]]:
    until = time.monotonic() + 5
    with closing(journal.reader()) as reader:
        while (found := reader.numbers((EXPORT, CONNECTION, location), first, limit)) is None:
            assert time.monotonic() < until
    return found


def spoil(path: Path, old: bytes, new: bytes) -> None:
    data = path.read_bytes()
    assert data.count(old) == 1
    path.write_bytes(data.replace(old, new))


def test_each_location_counts_from_one_and_what_has_a_number_keeps_it(tmp_path: Path) -> None:
    with closing(open_journal(tmp_path / "event")) as journal:
        assert give(journal, 0, 10, 12) == {0: 1, 10: 2, 12: 3}
        assert give(journal, 10, location="km 30") == {10: 1}
        assert give(journal, 12, 14, 10, 14) == {12: 3, 14: 4, 10: 2}
        assert give(journal, 14, 12) == {14: 4, 12: 3}
        assert give(journal) == {}
        assert page(journal) == [(1, 0), (2, 10), (3, 12), (4, 14)]
        assert journal.highest(EXPORT, CONNECTION) == {
            FINISH: Highest(number=4, passing=14),
            "km 30": Highest(number=1, passing=10),
        }
        assert journal.highest(EXPORT, "another") == {}


def test_one_that_was_held_gets_the_next_number_when_it_is_let_go(tmp_path: Path) -> None:
    with closing(open_journal(tmp_path / "event")) as journal:
        give(journal, *range(10, 20), *range(30, 40))
        assert give(journal, 25, 24, 50, -3, 26) == {25: 21, 24: 22, 50: 23, -3: 24, 26: 25}
        assert give(journal, -3, 24, 26, 25, 19, 30, 50) == {-3: 24, 24: 22, 26: 25, 25: 21, 19: 10, 30: 11, 50: 23}
        assert [number for number, _ in page(journal)] == list(range(1, 26))
    with closing(open_journal(tmp_path / "event")) as journal:
        assert journal.highest(EXPORT, CONNECTION) == {FINISH: Highest(number=25, passing=50)}
        assert give(journal, 27, 24) == {27: 26, 24: 22}


def test_under_a_new_connection_id_numbers_begin_at_one(tmp_path: Path) -> None:
    with closing(open_journal(tmp_path / "event")) as journal:
        assert journal.connection_id(EXPORT) is None
        first = renumber(journal)
        assert len(first) == 40
        assert journal.connection_id(EXPORT) == first
        assert give(journal, 7, 8, connection=first) == {7: 1, 8: 2}
        second = renumber(journal)
        assert second != first
        assert give(journal, 8, connection=second) == {8: 1}
        assert give(journal, 9, connection=first) == {9: 3}, "who has not heard of it yet does no harm"
    with closing(open_journal(tmp_path / "event")) as journal:
        assert journal.connection_id(EXPORT) == second
        assert journal.connection_id("another") is None
        assert give(journal, 8, 9, connection=second) == {8: 1, 9: 2}
        assert "all good" in journal.check()


def test_an_act_without_an_export_is_refused(tmp_path: Path) -> None:
    with closing(open_journal(tmp_path / "event")) as journal:
        with pytest.raises(ValueError, match="which export"):
            journal.act("connection id", {}, "anna").result(5)
        assert contents(journal)["acts"] == []


def test_what_cannot_be_stored_is_told_to_who_asked_and_stops_nobody(tmp_path: Path) -> None:
    with closing(open_journal(tmp_path / "event")) as journal:
        with pytest.raises(OverflowError):
            give(journal, 1, 2**63)
        with pytest.raises(UnicodeEncodeError):
            give(journal, 1, location="\udc80")
        assert give(journal, 2) == {2: 1}, "and takes no number"
    with pytest.raises(JournalFullError):
        give(journal, 3)


def test_pages_begin_at_any_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numbering, "RUN", 7)
    with closing(open_journal(tmp_path / "event")) as journal:
        give(journal, *range(1, 1001))
        done = [journal.number(*SERIES, [passing]) for passing in range(1001, 1201)]  # each a row of its own
        done[-1].result(5)
        for first in (1, 6, 7, 8, 14, 500, 999, 1001, 1199, 1200):
            for limit in (1, 7, 150, 5000):
                expected = [(number, number) for number in range(first, min(first + limit, 1201))]
                assert page(journal, first, limit) == expected
        assert page(journal, 1201) == []
        assert page(journal, location="nowhere") == []


def test_numbers_of_one_transaction_are_found_in_it(tmp_path: Path) -> None:
    with closing(open_journal(tmp_path / "event")) as journal:
        gate = journal.number(*SERIES, [1])
        asked = [journal.number(*SERIES, [number, number // 2]) for number in range(2, 200)]
        assert gate.result(5) == {1: 1}
        answers = [one.result(5) for one in asked]
        told: dict[int, int] = {}
        for answer in answers:
            for passing, number in answer.items():
                assert told.setdefault(passing, number) == number
        assert [(told.get(passing, 1), passing) for passing in range(1, 200)] == page(journal)


def test_a_database_that_cannot_be_read_is_not_an_empty_page(tmp_path: Path) -> None:
    assert Reader(tmp_path).numbers(SERIES, 1) is None


# --- damage ---


@pytest.fixture
def event(tmp_path: Path) -> Path:
    """Passings 1..60 as lines of `Finish`, ten in a row, but for 31 that came late; closed."""
    directory = tmp_path / "event"
    listener = Listener()
    with closing(open_journal(directory, listener)) as journal:
        for number in range(1, 61):
            journal.frame(place(number))
        listener.wait(lambda it: len(it.passings) == 60)
        renumber(journal)
        for first in (1, 11, 21, 32, 41, 51):
            give(journal, *range(first, first // 10 * 10 + 11))
        give(journal, 31)
    return directory


EXPECTED = [*zip(range(1, 31), range(1, 31), strict=True), *((one - 1, one) for one in range(32, 61)), (60, 31)]


def test_a_digit_changed_in_a_row_is_mended(event: Path) -> None:
    spoil(event / "journal.sqlite", b"[11,12,13,", b"[11,12,33,")
    with closing(open_journal(event)) as journal:
        assert give(journal, 13) == {13: 13}
        assert "mended from the flight log: 1 number" in journal.check()
        assert page(journal) == EXPECTED
        assert "all good" in journal.check()


def test_a_reader_gives_the_good_copy_at_once(event: Path) -> None:
    spoil(event / "journal.sqlite", b"[11,12,13,", b"[11,12,33,")
    listener = Listener()
    with closing(open_journal(event, listener)) as journal:
        assert page(journal) == EXPECTED
        listener.wait(lambda it: [one for one in it.incidents if "number #2 was damaged; mended" in one.text])
        assert "all good" in journal.check()


def test_a_digit_changed_in_the_newest_row_gives_no_number_twice(event: Path) -> None:
    with closing(sqlite3.connect(event / "journal.sqlite")) as connection:
        connection.execute("UPDATE numbers SET last = 3, first = 3, location = 'X' WHERE seq = 7")
        connection.commit()
    with closing(open_journal(event)) as journal:
        assert give(journal, 70) == {70: 61}
        journal.check()
        assert page(journal) == [*EXPECTED, (61, 70)]


def test_a_row_bad_in_both_is_said_and_its_numbers_are_not_given_again(event: Path) -> None:
    spoil(event / "journal.sqlite", b"[31]", b"[39]")
    spoil(event / "flight.log", b"[31] late", b"[39] late")
    with closing(open_journal(event)) as journal:
        assert "in neither: numbers 7" in journal.check()
        assert page(journal) == EXPECTED[:-1]
        assert give(journal, 31, 70) == {31: 61, 70: 62}, "again is better than never"


def test_a_line_lost_from_the_log_is_written_again(event: Path) -> None:
    log = event / "flight.log"
    log.write_bytes(b"".join(line for line in log.read_bytes().splitlines(True) if b" N 000000004 " not in line))
    with closing(open_journal(event)) as journal:
        assert "written to the flight log again: 1 number" in journal.check()
        assert "all good" in journal.check()


def test_rows_lost_at_the_end_of_the_database_are_put_back(event: Path) -> None:
    with closing(sqlite3.connect(event / "journal.sqlite")) as connection:
        connection.execute("DELETE FROM numbers WHERE seq > 4")
        connection.commit()
    with closing(open_journal(event)) as journal:
        assert page(journal) == EXPECTED
        assert give(journal, 31, 61) == {31: 60, 61: 61}
        texts = [one.text for one in contents(journal)["incidents"]]
        assert any("put back from the flight log: 3 numbers" in text for text in texts)


def test_a_rebuild_at_opening_keeps_all_and_renews_the_connection_id(event: Path) -> None:
    """The log may have lost its end with the database; then the next numbers may be known to a receiver already."""
    with closing(open_journal(event)) as journal:
        before = journal.connection_id(EXPORT)
    for file in event.glob("journal.sqlite*"):
        file.unlink()
    with closing(open_journal(event)) as journal:
        journal.check()
        made = journal.connection_id(EXPORT)
        assert made not in (None, before)
        assert page(journal) == EXPECTED
        said = [one for one in contents(journal)["incidents"] if one.level is Level.ALARM]
        assert "numbers of scoring begin anew" in said[-1].text
    with closing(open_journal(event)) as journal:
        assert journal.connection_id(EXPORT) == made, "it is durable, and only a rebuild renews it"
        assert "all good" in journal.check()


def test_a_rebuild_while_it_runs_changes_no_connection_id(event: Path) -> None:
    """What this process wrote is in the log: nothing was lost."""
    listener = Listener()
    with closing(open_journal(event, listener)) as journal:
        before = journal.connection_id(EXPORT)
        give(journal, 61)
        journal._writer.inbox.task(lambda: journal._writer.give_up_database("for this test"))
        assert give(journal, 62, 31) == {62: 62, 31: 60}
        listener.wait(lambda it: [one for one in it.incidents if "rebuilt from the flight log" in one.text])
        assert journal.connection_id(EXPORT) == before
        assert page(journal) == [*EXPECTED, (61, 61), (62, 62)]


def test_on_a_spare_machine_all_is_there_under_a_new_connection_id(event: Path, tmp_path: Path) -> None:
    stick = tmp_path / "stick.log"
    shutil.copy(event / "flight.log", stick)
    data = stick.read_bytes()
    found = recover(stick, tmp_path / "spare")
    assert (found.numbers, found.acts, found.missing) == (7, 2, {})
    assert stick.read_bytes() == data, "the stick is only read"
    with closing(open_journal(event)) as journal:
        before, old = contents(journal), journal.connection_id(EXPORT)
    with closing(open_journal(tmp_path / "spare")) as journal:
        after = contents(journal)
        assert [one.body["id"] for one in after.pop("acts")] == [old, journal.connection_id(EXPORT)]
        assert journal.connection_id(EXPORT) != old
        before.pop("acts")
        assert after == before
        assert "all good" in journal.check()


# --- any history ---


class Histories(RuleBasedStateMachine):
    """Numbers asked for in any order, again and again, over restarts, rebuilds and copies that are lost."""

    directory: Path

    def __init__(self) -> None:
        super().__init__()
        type(self).directory = self.directory.with_name(f"{int(self.directory.name) + 1}")
        self.here = self.directory
        self.told: dict[str, dict[int, int]] = {}
        self.ids: list[str] = []
        self.journal = open_journal(self.here)

    def teardown(self) -> None:
        assert "all good" in self.journal.check()
        self.journal.close()

    def _ask(self, passings: Iterable[int], location: str) -> None:
        given = give(self.journal, *passings, location=location)
        told = self.told.setdefault(location, {})
        fresh = [number for passing, number in given.items() if passing not in told]
        assert list(given) == list(dict.fromkeys(passings))
        assert all(given[passing] == told[passing] for passing in given if passing in told), "kept"
        assert fresh == list(range(len(told) + 1, len(told) + 1 + len(fresh))), "no gap, in the order of asking"
        told |= given

    @rule(passings=st.lists(st.integers(-3, 60), max_size=12), location=st.sampled_from(["Finish", "km 30"]))
    def any_of_them(self, passings: list[int], location: str) -> None:
        self._ask(passings, location)

    @rule(count=st.integers(1, 12), location=st.sampled_from(["Finish", "km 30"]))
    def the_next(self, count: int, location: str) -> None:
        top = max(self.told.get(location, {}), default=0)
        self._ask(range(top - 2, top + count), location)

    @rule()
    def start_over(self) -> None:
        made = renumber(self.journal)
        assert made not in self.ids
        self.ids.append(made)

    @rule(lost=st.sampled_from(["", "flight.log", "journal.sqlite"]))
    def restart(self, lost: str) -> None:
        self.journal.close()
        if lost:
            (self.here / lost).unlink()
        self.journal = open_journal(self.here)
        self.journal.check()  # it waits for a rebuild
        if lost == "journal.sqlite" and self.ids:
            made = self.journal.connection_id(EXPORT)
            assert made
            assert made not in self.ids
            self.ids.append(made)

    @rule()
    def rebuild(self) -> None:
        self.journal._writer.inbox.task(lambda: self.journal._writer.give_up_database("for this test"))

    @invariant()
    def all_is_as_told(self) -> None:
        assert self.journal.connection_id(EXPORT) == (self.ids[-1] if self.ids else None)
        highest = self.journal.highest(EXPORT, CONNECTION)
        assert {location: one.number for location, one in highest.items()} == {
            location: len(told) for location, told in self.told.items() if told
        }
        for location, told in self.told.items():
            assert page(self.journal, location=location) == [(number, passing) for passing, number in told.items()]


def test_no_history_gives_a_number_twice(tmp_path: Path) -> None:
    Histories.directory = tmp_path / "0"
    run_state_machine_as_test(Histories, settings=settings(max_examples=25, stateful_step_count=15))
