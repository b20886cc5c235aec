"""A bib given by hand, taken back, and what it does to what is known."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.model import Origin, Passing, RetransmitBegin, Status
from console.timing.bind import Binder, find_zone
from tests.timing.memory import Timing
from tests.timing.test_judge import impulse, place, start

ZONE = find_zone("Europe/Paris")


def edited(timing: Timing) -> Binder:
    """A binder that knows what operators have said."""
    binder = Binder(ZONE)
    binder.add_edits(row.passing for row in timing.index.edits())
    return binder


class TestSetting:
    def test_a_row_about_the_line_that_was_pointed_at(self) -> None:
        timing = Timing()
        (first,) = timing.hear(place(1, 10))
        row = timing.bib(first.seq, "1204")
        assert (row.status, row.of, row.change, row.bib) == (Status.EDITED, first.seq, "bib", "1204")
        assert (row.frame, row.index, row.seq) == (first.frame, 1, 2)
        same = ("device", "kind", "time", "ns", "basis", "channel", "event", "generation", "phase", "wall", "read_type")
        assert [getattr(row, name) for name in same] == [getattr(first, name) for name in same]
        assert row.extra == {"was": None, "by": "anna", "at": timing.wall}
        assert row.names
        assert not row.unnames

    def test_joined_halves_are_one_place(self) -> None:
        timing = Timing()
        (primary,) = timing.hear(place(1, 10))
        (select,) = timing.hear(place(1, 10, "7"))
        row = timing.bib(select.seq, "8")
        assert (row.of, row.extra["was"], row.frame, row.kind) == (primary.seq, "7", select.frame, select.kind)
        assert not row.names
        assert timing.bib(primary.seq, "9").extra["was"] == "8"

    def test_the_device_s_own_correction_was_known(self) -> None:
        timing = Timing()
        (first,) = timing.hear(impulse("7"))
        (second,) = timing.hear(impulse("8", change="bib"))
        timing.hear(impulse("9", change="bib"))
        row = timing.bib(second.seq, "10")
        assert (row.of, row.extra["was"]) == (first.seq, "9")

    def test_a_bib_can_be_taken_away(self) -> None:
        timing = Timing()
        timing.hear(place(1, 10, "7"))
        row = timing.bib(1, None)
        assert (row.bib, row.extra["was"]) == (None, "7")
        assert row.unnames
        assert not row.names
        assert timing.known_bib(1) is None

    def test_letters_and_blanks_around(self) -> None:
        timing = Timing()
        timing.hear(place(1, 10))
        assert timing.bib(1, "  M12b ").bib == "M12b"

    @pytest.mark.parametrize(
        ("bib", "words"),
        [("1" * 17, "16 characters at most"), ("12\x1b[2J", "cannot be printed"), ("a\tb", "cannot be printed")],
    )
    def test_what_is_no_bib_is_refused(self, bib: str, words: str) -> None:
        timing = Timing()
        timing.hear(place(1, 10))
        with pytest.raises(ValueError, match=words):
            timing.bib(1, bib)

    def test_what_cannot_be_given_a_bib_says_what_to_use(self) -> None:
        timing = Timing()
        timing.hear(start())
        timing.hear(place(1, 10))
        timing.hear(place(1, 10))
        timing.bib(2, "7")
        timing.hear(impulse("12", sequence=2))
        timing.hear(impulse("12", sequence=2, change="cancelled"))
        timing.hear(impulse("13", sequence=3, origin=Origin.RECALL))
        for seq, words in (
            (99, "there is no passing #99"),
            (1, "#1 is a gun"),
            (3, "#3 is a repeat of #2: give the bib to #2"),
            (4, "by hand of #2: give the bib to #2"),
            (5, "#5 was cancelled"),
            (6, "#6 is a cancellation"),
            (7, "take it over first .racedeck take-over chute 7"),
        ):
            with pytest.raises(ValueError, match=words):
                timing.bib(seq, "8")
        with pytest.raises(ValueError, match="#2 is 7 already"):
            timing.bib(2, "7")

    def test_a_cancelled_time_that_came_back_can_be_given_one(self) -> None:
        timing = Timing()
        for change in ("", "cancelled", "bib"):
            timing.hear(impulse("12", change=change))
        assert timing.bib(1, "13").of == 1


class TestLinesAfterAnEdit:
    def test_an_operator_s_word_holds_against_a_select_line_that_comes_late(self) -> None:
        timing = Timing()
        timing.hear(place(1, 10))
        timing.bib(1, "8")
        (select,) = timing.hear(place(1, 10, "7"))
        assert (select.status, select.extra["edited"], select.names) == (Status.JOINED, "anna", False)
        assert timing.known_bib(1) == "8"
        assert edited(timing).resolve(select).bib == "8"

    def test_once_taken_back_the_line_holds(self) -> None:
        timing = Timing()
        timing.hear(place(1, 10))
        timing.bib(1, "8")
        timing.hear(place(1, 10, "7"))
        row = timing.undo()
        assert (row.bib, row.extra["was"], row.names) == ("7", "8", False)

    def test_a_select_line_after_the_undoing_names_the_place(self) -> None:
        timing = Timing()
        timing.hear(place(1, 10))
        timing.bib(1, "8")
        assert timing.undo().unnames
        (select,) = timing.hear(place(1, 10, "7"))
        assert select.names
        assert timing.known_bib(1) == "7"

    def test_a_correction_told_again_does_not_hold_either(self) -> None:
        timing = Timing()
        timing.hear(place(1, 10, ""))
        timing.bib(1, "8")
        timing.hear(RetransmitBegin())
        (named,) = timing.hear(place(1, 10, "7"))
        assert (named.status, named.names) == (Status.CORRECTION, False)
        assert timing.known_bib(1) == "8"


class TestUndo:
    def test_takes_back_the_newest_of_one_s_own(self) -> None:
        timing = Timing()
        timing.hear(place(1, 10, "1"))
        timing.hear(place(2, 11, "2"))
        timing.bib(1, "11")
        timing.bib(2, "22", by="ben")
        timing.bib(1, "12")
        for bib, was in (("11", "12"), ("1", "11")):
            row = timing.undo()
            assert (row.of, row.bib, row.extra["was"]) == (1, bib, was)
        with pytest.raises(ValueError, match="no bib given by anna is left"):
            timing.undo()
        assert timing.undo("ben").extra["undoes"] == 4

    def test_does_not_undo_what_another_has_said_since(self) -> None:
        timing = Timing()
        timing.hear(place(1, 10))
        timing.bib(1, "11")
        timing.bib(1, "12", by="ben")
        with pytest.raises(ValueError, match="ben has given #1 the bib 12 since then: nothing was undone"):
            timing.undo()
        timing.undo("ben")
        assert timing.undo().bib is None


class TestBinding:
    def test_knows_the_operator_s_word_wherever_the_place_is_told(self) -> None:
        timing = Timing()
        (primary,) = timing.hear(place(1, 10))
        (select,) = timing.hear(place(1, 10, "7"))
        row = timing.bib(1, "8", by="ben")
        binder = edited(timing)
        assert {(one.bib, one.edited) for one in map(binder.resolve, (primary, select, row))} == {("8", "ben")}

    def test_an_older_word_is_not_told_after_a_newer_one(self) -> None:
        timing = Timing()
        timing.hear(place(1, 10, "7"))
        rows = [timing.bib(1, "8"), timing.bib(1, "9")]
        assert [edited(timing).resolve(row).bib for row in rows] == ["9", "9"]
        rows += [timing.undo(), timing.undo()]
        assert [edited(timing).resolve(row).bib for row in rows] == ["7"] * 4

    def test_what_is_known_already_does_no_harm(self) -> None:
        timing = Timing()
        (first,) = timing.hear(place(1, 10))
        rows = [timing.bib(1, "8"), timing.undo(), timing.bib(1, "9")]
        binder = Binder(ZONE)
        for some in (rows[2:], rows, rows[:1]):
            binder.add_edits(some)
        assert binder.resolve(first).bib == "9"

    def test_a_page_knows_what_other_lines_brought(self) -> None:
        timing = Timing()
        told = [place(1, 10), place(1, 10, "7"), place(2, 11, "8"), place(2, 11), place(3, 12)]
        rows = [row for line in told for row in timing.hear(line)]
        rows += timing.hear(impulse("1"))
        rows += timing.hear(impulse("2", change="bib"))
        page = edited(timing).resolve_all(rows, lambda seqs: about(timing, seqs), halves=True)
        assert [one.bib for one in page] == ["7", "7", "8", None, None, "2", "2"]
        halves = [" ".join(one.halves) for one in page if one.passing.status is Status.LIVE]
        assert halves == ["place select", "place select", "place", ""]


def about(timing: Timing, seqs: object) -> list[Passing]:
    """As the journal's reader does it."""
    found: set[int] = set()
    ask = list(seqs)  # type: ignore[call-overload]
    while ask:
        rows = timing.index.about(ask.pop())
        found |= {row.passing.seq for row in rows}
        ask += [row.passing.seq for row in rows if row.passing.status is not Status.EDITED]
    return [row.passing for row in timing.index.rows if row.passing.seq in found]


BIBS = st.sampled_from([None, "1", "2", "3"])
STEPS = st.one_of(
    st.tuples(st.just("bib"), st.sampled_from([1, 2]), BIBS, st.sampled_from(["anna", "ben"])),
    st.tuples(st.just("undo"), st.just(0), st.none(), st.sampled_from(["anna", "ben"])),
)


@given(st.lists(STEPS, max_size=25))
def test_any_edits_and_undoings_give_what_replaying_them_says(steps: list[tuple[str, int, str | None, str]]) -> None:
    timing = Timing()
    timing.hear(place(1, 10))
    timing.hear(place(2, 11, "1"))
    own = {1: None, 2: "1"}
    given: dict[int, list[tuple[int, str | None, str]]] = {1: [], 2: []}  # place -> (order, bib, by)
    nameless = 1
    for order, (word, number, bib, by) in enumerate(steps):
        row = None
        with suppress(ValueError):
            row = timing.bib(number, bib, by) if word == "bib" else timing.undo(by)
        if row:
            nameless += row.unnames - row.names
        if word == "bib":
            now = given[number][-1][1] if given[number] else own[number]
            assert (row is None) == (bib == now)
            if row:
                given[number].append((order, bib, by))
            continue
        mine = [(one[0], number) for number, stack in given.items() for one in stack if one[2] == by]
        on = max(mine)[1] if mine else 0
        undoable = bool(mine) and given[on][-1][2] == by
        assert (row is not None) == undoable
        if row:
            given[on].pop()
            assert row.of == on
    binder = edited(timing)
    expected = {number: stack[-1][1] if stack else own[number] for number, stack in given.items()}
    for row_ in timing.index.rows:
        passing = row_.passing
        place_ = passing.of or passing.seq
        assert binder.resolve(passing).bib == expected[place_]
        assert timing.known_bib(place_) == expected[place_]
    assert nameless == sum(not bib for bib in expected.values())
