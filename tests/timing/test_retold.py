"""A retransmit or a download, counted while it comes."""

from msgspec import structs

from console.model import SECOND, EventIs, Fact, Origin, Phase, Retold, RetransmitBegin, RetransmitEnd
from console.timing.retold import QUIET, Retellings
from tests.timing.memory import Timing
from tests.timing.test_judge import impulse, place


class Heard(Timing):
    """What is heard is counted as the engine counts it."""

    def __init__(self) -> None:
        super().__init__()
        self.retellings = Retellings()

    def tell(self, *facts: Fact, after: float = 1.0) -> Retold | None:
        for passing in self.hear(*facts, after=after):
            self.retellings.take(passing)
        self.retellings.follow("chute", self.states["chute"])
        return self.retellings.of("chute", self.wall)


def test_a_retransmit_is_counted_until_its_end() -> None:
    timing = Heard()
    for number in (1, 2):
        assert timing.tell(place(number, number * 10)) is None
    timing.tell(place(4, 40, "44"))
    timing.tell(RetransmitBegin())
    since = timing.wall + SECOND // 10
    for fact in (place(1, 10), place(2, 21), place(3, 30), place(4, 40), place(4, 40, "44")):
        told = timing.tell(fact, after=0.1)
    under_way = Retold(since=since, first=4, last=8, lines=5, new=2, repeats=2, differ=1)
    assert told == under_way, "the other half of a place that was told is new, too"
    assert timing.tell(RetransmitEnd()) == structs.replace(under_way, ended=True)
    assert timing.tell(place(5, 50)) == structs.replace(under_way, ended=True)


def test_the_next_one_is_counted_anew() -> None:
    timing = Heard()
    timing.tell(place(1, 10))
    timing.tell(RetransmitBegin(), EventIs("001"), place(1, 10), RetransmitEnd())
    timing.tell(RetransmitBegin())
    told = timing.tell(EventIs("002"), place(1, 12))
    assert told
    assert (told.lines, told.first, told.event, told.ended) == (1, 3, "002", False)


def test_one_that_is_cut_off_has_ended() -> None:
    timing = Heard()
    timing.tell(RetransmitBegin())
    timing.tell(place(1, 10))
    told = timing.tell(place(2, 150), after=130)
    assert told
    assert (told.lines, told.ended) == (1, True)


def test_a_download_ends_in_silence() -> None:
    timing = Heard()
    timing.tell(impulse("12"))
    timing.tell(impulse("12", origin=Origin.RECALL))
    told = timing.tell(impulse("13", sequence=2, origin=Origin.RECALL), after=5)
    assert told
    assert (told.lines, told.new, told.repeats, told.ended) == (2, 1, 1, False)
    ended = timing.retellings.of("chute", timing.wall + QUIET)
    assert ended == structs.replace(told, ended=True)
    again = timing.tell(impulse("13", sequence=2, origin=Origin.RECALL), after=QUIET / SECOND)
    assert again
    assert (again.lines, again.repeats) == (1, 1)


def test_what_test_has_heard_is_counted_by_itself() -> None:
    timing = Heard()
    timing.phase(Phase.TEST)
    timing.tell(impulse("12"))
    timing.phase(Phase.RACE)
    for _ in range(2):
        timing.tell(impulse("12", origin=Origin.RECALL))
    told = timing.tell(impulse("13", sequence=2, origin=Origin.RECALL))
    assert told
    assert (told.lines, told.new, told.repeats, told.test) == (3, 1, 0, 2)


def test_a_backup_is_not_a_download_that_goes_on() -> None:
    timing = Heard()
    timing.tell(impulse("12", origin=Origin.RECALL))
    told = timing.tell(impulse("13", sequence=2, origin=Origin.BACKUP))
    assert told
    assert told.lines == 1


def test_what_an_operator_does_to_it_is_not_told_again() -> None:
    timing = Heard()
    timing.tell(impulse("12", origin=Origin.RECALL))
    row = timing.take_over(1)
    assert not timing.retellings.take(row)
    timing.tell(RetransmitBegin(), place(1, 10))
    assert not timing.retellings.take(timing.bib(3, "7"))
