"""Acts that become rows: a bib given and taken back, what was offered and is taken over; in both copies of an event."""

import shutil
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.journal import recovery
from console.journal.journal import Journal
from console.journal.lines import Kept
from console.journal.rebuild import Newest
from console.journal.recovery import glimpse, recover
from console.model import (
    SECOND,
    Act,
    Basis,
    Draft,
    Kind,
    Origin,
    Passing,
    Phase,
    Reading,
    Status,
    TimingState,
)
from console.timing.bind import Binder, find_zone
from tests.journal.event import Listener, contents, draft, open_journal, place, punch
from tests.journal.test_journal import half


def offered(number: int, origin: Origin = Origin.RECALL, *, places: bool = False) -> Draft:
    """An impulse (or a place) that a download tells."""
    fact = Reading(
        kind=Kind.PLACE if places else Kind.IMPULSE,
        identity=f"1/{number}",
        time=f"10:00:{number:02d}",
        ns=(36000 + number) * SECOND,
        basis=Basis.DAY,
        value=str(number),
        channel="1",
        series="places" if places else "",
        position=number if places else None,
        origin=origin,
    )
    return draft(f"AN {number}\r\n".encode(), fact, device="start", label="AN")


def bib(journal: Journal, passing: int, to: str | None, by: str = "anna") -> Act:
    return journal.act("bib", {"passing": passing, "bib": to}, by).result(5)


def undo(journal: Journal, by: str = "anna") -> Act:
    return journal.act("undo", {}, by).result(5)


def take(journal: Journal, passing: int, device: str = "start") -> "Future[Act]":
    return journal.act("take over", {"passing": passing, "device": device}, "anna")


def heard(journal: Journal, listener: Listener, *drafts: Draft) -> list[Passing]:
    """Journal these; their passings, once safe."""
    before = len(listener.passings)
    frames = len(listener.frames) + len(drafts)
    for one in drafts:
        journal.frame(one)
    listener.wait(lambda it: len(it.frames) == frames)
    return listener.passings[before:]


def row_of(journal: Journal, act: Act) -> Passing:
    """The row that an act became."""
    with closing(journal.reader()) as reader:
        row = reader.passing(int(act.body["row"] or 0))
    assert row
    return row


def test_a_bib_is_a_row_in_the_transaction_of_its_act(tmp_path: Path) -> None:
    listener = Listener()
    with closing(open_journal(tmp_path / "event", listener)) as journal:
        heard(journal, listener, place(1), place(2))
        act = bib(journal, 1, " 1204 ")
        row = row_of(journal, act)
        assert act.body == {"passing": 1, "bib": " 1204 ", "row": 3, "status": "edited"}
        assert (row.seq, row.frame, row.index, row.of, row.bib) == (3, 1, 1, 1, "1204")
        assert row.extra == {"place": 1, "was": None, "by": "anna", "at": act.wall}
        listener.wait(lambda it: row in it.passings)
        assert row_of(journal, undo(journal)).extra["undoes"] == 3
        with closing(journal.reader()) as reader:
            assert [one.seq for one in reader.edits()] == [3, 4]
            assert [one.seq for one in reader.passings_of(1)] == [1, 3, 4]
        assert "all good" in journal.check()


def test_what_cannot_be_done_is_no_act(tmp_path: Path) -> None:
    listener = Listener()
    with closing(open_journal(tmp_path / "event", listener)) as journal:
        heard(journal, listener, place(1))
        for passing, to in ((7, "1"), (0, "1"), (1, "\udc80"), (1, "\x07"), (1, "x" * 17), (1, None)):
            with pytest.raises(ValueError, match=r"no passing|printed|too long|no bib"):
                bib(journal, passing, to)
        with pytest.raises(ValueError, match="nothing to undo"):
            undo(journal)
        with pytest.raises(ValueError, match="not offered"):
            take(journal, 1, "chute").result(5)
        with closing(journal.reader()) as reader:
            assert reader.newest() == (1, 1, 0, 0)


def test_what_is_journaled_in_one_transaction_can_be_edited_in_it(tmp_path: Path) -> None:
    listener = Listener()
    with closing(open_journal(tmp_path / "event", listener)) as journal:
        for number in range(1, 51):  # the writer takes what has queued up: some of these are one transaction
            journal.frame(half(place(number)))
            given_ = journal.act("bib", {"passing": 2 * number - 1, "bib": str(number)}, "anna")
        given_.result(5)
        with closing(journal.reader()) as reader:
            assert [one.bib for one in reader.edits()] == [str(number) for number in range(1, 51)]
        assert journal.counts()["chute"].nameless == 0


def test_named_and_unnamed_places_are_counted(tmp_path: Path) -> None:
    listener = Listener()
    with closing(open_journal(tmp_path / "event", listener)) as journal:

        def nameless() -> int:
            assert "all good" in journal.check(), "counting the rows again gives the same"
            return journal.counts()["chute"].nameless

        heard(journal, listener, half(place(1)), half(place(2)), half(place(2), bib="7"))
        assert nameless() == 1
        bib(journal, 1, "8")
        bib(journal, 2, None)
        assert nameless() == 1
        heard(journal, listener, half(place(1), bib="9"))
        assert nameless() == 1, "the SELECT line names a place that has a name already"
        undo(journal)
        undo(journal)
        assert nameless() == 0
        bib(journal, 1, None)
        assert nameless() == 1


def test_offered_ones_are_taken_over_together(tmp_path: Path) -> None:
    listener = Listener()
    with closing(open_journal(tmp_path / "event", listener)) as journal, closing(journal.reader()) as reader:
        heard(journal, listener, *(offered(number) for number in (1, 2, 3, 1)))
        heard(journal, listener, offered(2, Origin.LIVE))
        assert journal.counts()["start"].passings == 1
        assert [one.seq for one in reader.offered("start")] == [1, 3]
        assert reader.offered("chute") == []
        assert [one.seq for one in reader.offered("")] == [1, 3]
        done = [one.result(5) for one in [take(journal, seq) for seq in (1, 2, 3)]]
        assert [one.body["status"] for one in done] == ["live", "repeat", "live"]
        assert journal.counts()["start"].passings == 3
        assert reader.offered("start") == []
        heard(journal, listener, offered(3))
        assert listener.passings[-1].status is Status.REPEAT
        assert "all good" in journal.check()


def test_what_is_taken_over_fills_a_hole_and_opens_one(tmp_path: Path) -> None:
    listener = Listener()
    with closing(open_journal(tmp_path / "event", listener)) as journal:
        live = [offered(number, Origin.LIVE, places=True) for number in (1, 4)]
        heard(journal, listener, *live, *(offered(number, places=True) for number in (2, 6)))
        assert journal.timing("start").holes == {"start|1|places": [(2, 3)]}
        for seq in (3, 4):
            take(journal, seq).result(5)
        holes = {"start|1|places": [(3, 3), (5, 5)]}
        assert journal.timing("start").holes == holes
        told = [one.text for one in journal.reader().incidents()]
        assert told[-2:] == ["place 0002 has come: hole filled", "place 0005 missing before #6"]
    with closing(open_journal(tmp_path / "event")) as journal:
        assert journal.timing("start").holes == holes
    shutil.copy(tmp_path / "event" / "flight.log", tmp_path / "flight.log")
    recover(tmp_path / "flight.log", tmp_path / "spare")
    with closing(open_journal(tmp_path / "spare")) as journal:
        assert journal.timing("start").holes == holes, "no frame came between: the later line of two holds"


def test_of_two_states_since_one_frame_the_later_holds() -> None:
    newest = Newest()
    first, second = (Kept(5, 5, "start", TimingState(event=event)) for event in ("1", "2"))
    for one in (first, second, Kept(4, 4, "start", TimingState())):
        newest.take(one)
    assert list(newest.entries.values()) == [second]


class Event:
    """A closed event with acts in it, and everything it held."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        listener = Listener()
        with closing(open_journal(directory, listener)) as journal:
            heard(journal, listener, half(place(1)), half(place(2)), half(place(2), bib="7"), punch("4711", 100))
            heard(journal, listener, offered(1), offered(2))
            bib(journal, 1, "8")
            bib(journal, 2, "9", by="ben")
            take(journal, 5).result(5)
            bib(journal, 3, "M12", by="anna")
            undo(journal)
            self.contents, self.rest = contents(journal), known(journal)


def known(journal: Journal) -> Any:
    with closing(journal.reader()) as reader:
        return journal.counts(), reader.edits(), reader.offered(""), reader.about([1, 2]), journal.state().passings


@pytest.fixture(scope="module")
def event(tmp_path_factory: pytest.TempPathFactory) -> Event:
    return Event(tmp_path_factory.mktemp("event") / "spring-10k")


@pytest.fixture
def copy(event: Event, tmp_path: Path) -> Iterator[Path]:
    """A copy to spoil; afterwards it is the same event."""
    directory = shutil.copytree(event.directory, tmp_path / "spring-10k")
    yield directory
    with closing(open_journal(directory)) as journal:
        assert "in neither" not in journal.check()  # it waits for a rebuild
        found = contents(journal)
        found["incidents"] = found["incidents"][: len(event.contents["incidents"])]
        assert found == event.contents
        assert known(journal) == event.rest


def test_a_lost_database_is_rebuilt_with_them(copy: Path) -> None:
    for file in copy.glob("journal.sqlite*"):
        file.unlink()


def test_a_lost_log_is_written_again_with_them(copy: Path) -> None:
    (copy / "flight.log").unlink()


def test_a_damaged_edit_is_mended(copy: Path) -> None:
    path = copy / "journal.sqlite"
    data = path.read_bytes()
    assert b'"bib":"M12"' in data
    path.write_bytes(data.replace(b'"bib":"M12"', b'"bib":"M13"'))
    with closing(open_journal(copy)) as journal:
        with closing(journal.reader()) as reader:
            assert [one.bib for one in reader.edits()][2] == "M12", "as the flight log has it, at once"
        assert "mended from the flight log" in journal.check()


def test_recovered_on_a_spare_machine_it_is_the_same(event: Event, tmp_path: Path) -> None:
    recover(event.directory / "flight.log", tmp_path / "spare")
    with closing(open_journal(tmp_path / "spare")) as journal:
        assert contents(journal) == event.contents
        assert known(journal) == event.rest
        undo(journal, "ben")


def test_while_a_database_is_rebuilt_numbers_go_on_behind_them(event: Event) -> None:
    assert glimpse(event.directory / recovery.FLIGHT).heads.passings == event.rest[-1]


def test_what_a_place_is_known_by_is_found_by_number(event: Event) -> None:
    with closing(open_journal(event.directory)) as journal, closing(journal.reader()) as reader:
        found = reader.about([1, 2])
        binder = Binder(find_zone("UTC"))
        binder.add_edits(reader.edits())
        page = reader.passings(kinds=[Kind.PLACE, Kind.SELECT])
        bibs = [one.bib for one in binder.resolve_all(page, reader.about, halves=True)]
    assert [one.of for one in found] == [2, 1, 2, 2, 2]
    assert bibs == ["8", "9", "9", "8", "9", "9", "9"], "an EDITED row tells what holds now"


def test_pages_of_what_is_rare(event: Event) -> None:
    with closing(open_journal(event.directory)) as journal, closing(journal.reader()) as reader:
        edits = [one.seq for one in reader.edits()]
        assert [one.seq for one in reader.passings(statuses=[Status.EDITED])] == edits
        assert [one.seq for one in reader.passings(statuses=[Status.EDITED], after=edits[0], limit=2)] == edits[1:3]
        assert [one.seq for one in reader.passings(statuses=[Status.EDITED], before=edits[-1], limit=1)] == edits[-2:-1]
        assert [one.seq for one in reader.passings(statuses=[Status.OFFERED], device="start")] == [5, 6]
        assert reader.passings(statuses=[Status.OFFERED], device="chute") == []


STEP = st.tuples(
    st.sampled_from(["bib", "bib", "undo", "select", "again"]),
    st.integers(1, 3),
    st.sampled_from([None, "1", "2"]),
    st.sampled_from(["anna", "ben"]),
)


@settings(max_examples=15)
@given(st.lists(STEP, max_size=15))
def test_counts_are_those_of_the_rows_whatever_was_done(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, str | None, str]]
) -> None:
    listener = Listener()
    with closing(open_journal(tmp_path_factory.mktemp("event") / "event", listener)) as journal:
        heard(journal, listener, *(half(place(number)) for number in (1, 2, 3)))
        for word, number, to, by in steps:
            if word in ("select", "again"):
                heard(journal, listener, half(place(number), bib="7" if word == "select" else None))
                continue
            act = journal.act(word, {"passing": number, "bib": to} if word == "bib" else {}, by)
            assert act.exception(5) is None or isinstance(act.exception(5), ValueError)
        with closing(journal.reader()) as reader:
            binder = Binder(find_zone("UTC"))
            binder.add_edits(reader.edits())
            page = binder.resolve_all([one for seq in (1, 2, 3) if (one := reader.passing(seq))], reader.about)
        assert journal.counts()["chute"].nameless == sum(not one.bib for one in page)
        assert "all good" in journal.check()


def test_an_offered_row_outlives_a_phase(tmp_path: Path) -> None:
    listener = Listener()
    with closing(open_journal(tmp_path / "event", listener)) as journal:
        journal.act("phase", {"phase": "TEST"}, "anna").result(5)
        heard(journal, listener, offered(1))
        journal.act("phase", {"phase": "RACE"}, "anna").result(5)
        row = row_of(journal, take(journal, 1).result(5))
        assert (row.phase, row.generation, row.origin) == (Phase.RACE, 1, Origin.RECOVERED)
