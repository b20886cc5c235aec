from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from console.journal.journal import Journal
from console.journal.reader import CHATTER, Reader
from console.model import Direction, Kind
from tests.journal.event import Listener, cursor, draft, open_journal, place, punch, start


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journal]:
    """Frames 1 (START), 2..101 (places 1..100), 102 (a punch), 103 (garbage)."""
    listener = Listener()
    with closing(open_journal(tmp_path_factory.mktemp("event"), listener)) as journal:
        journal.frame(start())
        for number in range(1, 101):
            journal.frame(place(number))
        journal.frame(punch("4711", 100))
        journal.frame(draft(b"\xff\0 100% _GARBAGE_ \r\n", device="start", flaw="no such line"))
        listener.wait(lambda it: len(it.frames) == 103)
        yield journal


@pytest.fixture
def reader(journal: Journal) -> Iterator[Reader]:
    with closing(journal.reader()) as reader:
        yield reader


def seqs(rows: list[object]) -> list[int]:
    return [row.seq for row in rows]  # type: ignore[attr-defined]


def test_pages_of_frames(reader: Reader) -> None:
    assert seqs([*reader.frames(limit=3)]) == [101, 102, 103]
    assert seqs([*reader.frames(before=101, limit=3)]) == [98, 99, 100]
    assert seqs([*reader.frames(after=0, limit=3)]) == [1, 2, 3]
    assert seqs([*reader.frames(after=101, limit=30)]) == [102, 103]
    assert reader.frames(after=103) == []
    assert reader.frames(before=1) == []
    assert len(reader.frames()) == 103


def test_filters_of_frames(reader: Reader) -> None:
    assert seqs([*reader.frames(device="control-31")]) == [102]
    assert seqs([*reader.frames(device="chute", limit=2)]) == [100, 101]
    assert seqs([*reader.frames(flawed=True)]) == [103]
    assert reader.frames(direction=Direction.TX) == []
    assert len(reader.frames(direction=Direction.RX)) == 103
    assert seqs([*reader.frames(text="_garbage_")]) == [103], "behind a NUL, whatever the case, and _ is no wildcard"
    assert seqs([*reader.frames(text="100%")]) == [103]
    assert seqs([*reader.frames(text="no such LINE")]) == [103]
    assert seqs([*reader.frames(text="0042 ")]) == [43]
    assert seqs([*reader.frames(text="PRIMARY", before=50, limit=2)]) == [48, 49]


def test_one_row(reader: Reader) -> None:
    frame = reader.frame(2)
    assert frame
    assert frame.raw == place(1).raw
    assert reader.frame(999) is None
    passing = reader.passing(2)
    assert passing
    assert passing.extra == {"place": 1}
    assert reader.passing(999) is None
    assert reader.passings_of(2) == [passing]
    assert reader.passings_of(103) == []
    assert reader.newest() == (103, 102, 0, 0)


def test_pages_and_filters_of_passings(reader: Reader) -> None:
    assert seqs([*reader.passings(limit=2)]) == [101, 102]
    assert seqs([*reader.passings(kinds=[Kind.GUN])]) == [1]
    assert seqs([*reader.passings(kinds=[Kind.PUNCH], text="4711")]) == [102]
    assert seqs([*reader.passings(device="chute", before=4)]) == [1, 2, 3]
    assert seqs([*reader.passings(text="01:00:42")]) == [43]
    assert reader.passings(text="passing") == [], "the names of the fields are not searched"


def test_pages_stay_full_where_the_filter_is_finer_than_the_query(reader: Reader) -> None:
    # `1` is in every body; in what passings say, only in some
    first = reader.passings(text="00:1", after=0, limit=5)
    assert len(first) == 5
    rest = reader.passings(text="00:1", after=first[-1].seq, limit=1000)
    assert not {one.seq for one in first} & {one.seq for one in rest}


def test_a_reader_follows_what_is_written(tmp_path: Path) -> None:
    listener = Listener()
    with closing(open_journal(tmp_path / "event", listener)) as journal, closing(journal.reader()) as reader:
        assert reader.frames() == []
        assert reader.newest() == (0, 0, 0, 0)
        journal.frame(place(1))
        journal.cursor(cursor(1))
        journal.act("gun", {"device": ""}, "anna").result(5)
        listener.wait(lambda it: it.frames)
        assert len(reader.frames()) == 1
        assert [one.word for one in reader.acts()] == ["gun"]


def test_a_reader_without_a_database_gives_nothing(tmp_path: Path) -> None:
    told: list[tuple[str, int]] = []
    reader = Reader(tmp_path, lambda kind, number: told.append((kind, number)))
    assert reader.frames() == []
    assert reader.newest() == (0, 0, 0, 0)
    assert told


def test_a_reader_outlives_a_rebuilt_database(tmp_path: Path) -> None:
    listener = Listener()
    with closing(open_journal(tmp_path / "event", listener)) as journal, closing(journal.reader()) as reader:
        journal.frame(place(1))
        listener.wait(lambda it: len(it.frames) == 1)
        assert len(reader.frames()) == 1
        journal._writer.inbox.task(lambda: journal._writer.give_up_database("for this test"))
        journal.frame(place(2))
        listener.wait(lambda it: len(it.frames) == 2)
        assert [one.seq for one in reader.frames()] == [1, 2]
        listener.wait(lambda it: [one for one in it.incidents if "rebuilt from the flight log" in one.text])
        journal.check()
        assert journal.state().state == "ok"


def test_a_quiet_page_is_full_whatever_chatter_lies_between(tmp_path: Path) -> None:
    listener = Listener()
    with closing(open_journal(tmp_path, listener)) as journal:
        for number in range(1, 401):
            label = "card" if number % 40 == 0 else CHATTER[number % len(CHATTER)]
            journal.frame(draft(b"PONG\r\n", label=label, number=number, flaw="cut short" if number == 79 else ""))
        listener.wait(lambda it: len(it.frames) == 400)
        with closing(journal.reader()) as reader:
            cards = [40, 79, 80, *range(120, 401, 40)]
            assert seqs([*reader.frames(quiet=True)]) == cards, "what is flawed is no chatter"
            assert seqs([*reader.frames(quiet=True, limit=3)]) == cards[-3:]
            assert seqs([*reader.frames(quiet=True, before=120, limit=2)]) == [79, 80]
            assert seqs([*reader.frames(quiet=True, after=40, limit=3)]) == [79, 80, 120]
            assert seqs([*reader.frames(quiet=True, flawed=True)]) == [79]
            assert len(reader.frames(limit=1000)) == 400
