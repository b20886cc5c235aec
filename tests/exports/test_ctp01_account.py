"""Numbers and marks of a CTP01 export: whatever happens, nothing is counted twice and nothing is lost."""

import asyncio
import sys
import threading

from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import structs

from console.exports.ctp01_account import Flown, NumberedAccount, What
from console.exports.ctp01_log import ANNOUNCEMENT, LOST, Log, Logs
from console.exports.delivery import Flight
from console.model import Cursor
from tests.exports.desk import MemoryDesk, passing

PLACES = ("Start", "Finish")


def account(cursor: Cursor | None = None) -> NumberedAccount:
    return NumberedAccount(cursor or Cursor(export="x", peer="p", start=0, sent=0, tcp=0), tallied=0)


@given(st.lists(st.integers(0, 40), unique=True), st.integers(0, 3))
def test_a_log_finds_what_it_was_given(passings: list[int], lost: int) -> None:
    log = Log("Finish", {})
    for number, seq in enumerate(passings, 1 + lost):
        log.put(number, seq)
    assert log.newest == (len(passings) + lost if passings else 0)
    assert [log.number(seq) for seq in passings] == list(range(1 + lost, 1 + lost + len(passings)))
    assert [log.passing(number) for number in range(1, log.newest + 1)] == (
        [LOST] * lost if passings else []
    ) + passings
    assert all(log.number(seq) is None for seq in set(range(1, 41)) - set(passings))
    lines = list(log.lines(1))
    assert [line.order for line in lines] == sorted(line.order for line in lines)
    assert [line.number for line in lines] == list(range(1, log.newest + 1))


def test_a_number_is_found_in_a_thread_while_locations_come() -> None:
    """The report asks what became of passings while others get their numbers."""
    logs, done, wrong = Logs(MemoryDesk(), "x", "c0ffee"), threading.Event(), list[Exception]()

    def ask() -> None:
        try:
            while not done.is_set():
                logs.find(0)
        except RuntimeError as error:
            wrong.append(error)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    thread = threading.Thread(target=ask)
    thread.start()
    try:
        for number in range(1000):
            logs.at(f"point {number}").put(1, number + 1)
    finally:
        done.set()
        thread.join()
        sys.setswitchinterval(before)
    assert not wrong


def test_laps_are_those_of_the_number() -> None:
    log = Log("Finish", {})
    for number, seq in enumerate((1, 2, 3, ANNOUNCEMENT, 4), 1):
        log.put(number, seq)
    for one in (passing(1, bib="5"), passing(2, bib="6"), passing(3, bib="5"), None, passing(4, bib=None, tag="5")):
        log.count(one)
    assert [log.lap(number) for number in range(1, 6)] == [1, 1, 2, 0, 3]


def test_each_location_counts_its_own_laps() -> None:
    logs = Logs(MemoryDesk(), "x", "c0ffee")
    for bib in ("5", "6", "5"):
        logs.at("Start").count(passing(1, bib=bib))
    for bib in ("7", "6", "6"):
        logs.at("Finish").count(passing(1, bib=bib))
    assert [logs.at("Start").lap(number) for number in (1, 2, 3)] == [1, 1, 2]
    assert [logs.at("Finish").lap(number) for number in (1, 2, 3)] == [1, 1, 2]


@given(st.lists(st.sampled_from(PLACES), max_size=60), st.integers(1, 9))
def test_lines_of_several_locations_go_out_as_they_are_in_the_journal(where: list[str], most: int) -> None:
    async def go() -> None:
        logs = Logs(MemoryDesk(), "x", "id")
        for seq, location in enumerate(where, 1):
            logs.at(location).put(logs.at(location).newest + 1, seq)
        places = dict.fromkeys(PLACES, 1)
        got: list[int] = []
        while lines := logs.next(places, most):
            assert len(lines) <= most
            got += [line.passing for line in lines]
            places |= {line.location: line.number + 1 for line in lines}
        assert got == list(range(1, len(where) + 1))

    asyncio.run(go())


STEPS = st.one_of(
    st.tuples(st.just("number"), st.sampled_from(PLACES)),
    st.tuples(st.just("write"), st.sampled_from(PLACES)),
    st.tuples(st.just("rewind"), st.sampled_from(PLACES)),
    st.tuples(st.just("land"), st.integers(0, 300)),
    st.tuples(st.just("known"), st.sampled_from(PLACES)),
    st.tuples(st.just("announce"), st.sampled_from(PLACES)),
    st.tuples(st.just("skip"), st.integers(0, 80)),
    st.tuples(st.sampled_from(("lose", "kill")), st.none()),
)


OVER_AN_ANNOUNCEMENT: list[tuple[str, str | int | None]] = [
    ("number", "Finish"),
    ("write", "Finish"),
    ("announce", "Finish"),
    ("skip", 1),
    ("lose", None),
    ("skip", 1),
]


@given(st.lists(STEPS, max_size=80))
@example(OVER_AN_ANNOUNCEMENT)
def test_the_account_always_adds_up(steps: list[tuple[str, str | int | None]]) -> None:
    one, flight, end, seq = account(), Flight(0), 0, 0
    newest = dict.fromkeys(PLACES, 0)
    next_line = dict.fromkeys(PLACES, 1)
    logs = {place: Log(place, {}) for place in PLACES}
    written: set[tuple[str, int]] = set()

    def what_is(location: str, number: int) -> What:
        other = one.left_out(location, number) or logs[location].passing(number) == ANNOUNCEMENT
        return What.OTHER if other else What.READ

    for step, what in steps:
        location = what if isinstance(what, str) else ""
        match step:
            case "number":
                seq += 1
                newest[location] += 1
                logs[location].put(newest[location], seq)
                one.meet(passing(seq))
                one.came(location, newest[location], seq)
                one.numbered(seq)
                one.reach(seq)
            case "write" if next_line[location] <= newest[location]:
                end += 10
                number = next_line[location]
                left_out = one.left_out(location, number)
                if not left_out:
                    written.add((location, number))
                flown = Flown(
                    end=end, seq=0, wall=1, released=False, again=number <= one.at(location).sent.number,
                    location=location, number=number, what=what_is(location, number),
                )  # fmt: skip
                flight.written.append(flown)
                one.wrote(flown)
                next_line[location] += 1
            case "rewind":
                next_line[location] = 1
            case "land":
                for flown_one in flight.land(int(what or 0)):
                    one.took(flown_one)
            case "known" if one.at(location).sent.number < newest[location]:
                number = one.at(location).sent.number + 1
                if one.at(location).tcp.number == number - 1 and next_line[location] == number:
                    one.known(location, number, what_is(location, number))
                    next_line[location] = number + 1
            case "lose" | "kill":
                one.lost(flight, [], repeats=True)
                if step == "kill":
                    again = account(one.cursor())
                    assert structs.asdict(again.cursor()) == structs.asdict(one.cursor())
                    for place, top in newest.items():
                        again.at(place).newest = top
                    one = again
                flight, end = Flight(0), 0
                next_line = {place: one.at(place).tcp.number + 1 for place in PLACES}
            case "announce":
                newest[location] += 1
                logs[location].put(newest[location], ANNOUNCEMENT)
                one.at(location).newest = newest[location]
            case "skip":
                ends = {place: log.upto(int(what or 0)) for place, log in logs.items()}
                told = [
                    number
                    for place, end_there in ends.items()
                    for number in range(one.at(place).sent.number + 1, end_there + 1)
                    if what_is(place, number) is What.READ
                ]
                assert sum(one.pass_over(log, ends[place]) for place, log in logs.items()) == len(told)
                assert not any(
                    what_is(place, number) is What.READ
                    for place, end_there in ends.items()
                    for number in range(one.at(place).sent.number + 1, end_there + 1)
                )
                next_line = {place: max(number, ends[place] + 1) for place, number in next_line.items()}
        assert one.journaled == one.counts["sent"] + one.waiting + one.counts["skipped"] == seq
        assert one.journaled >= one.counts["sent"] >= one.counts["tcp"] >= 0
        assert one.counts["sent"] == sum(place.sent.reads for place in one.places.values())
        assert one.counts["tcp"] == sum(place.tcp.reads for place in one.places.values())
        assert one.waiting == one.lines_waiting >= 0


def test_guns_nobody_asked_for_are_no_passings_of_this_server() -> None:
    one = account()
    one.meet(passing(1))
    one.came("Start", 1, 1)
    one.numbered(1)
    assert (one.journaled, one.waiting, one.oldest) == (1, 1, 1)
    flown = Flown(
        end=0, seq=1, wall=1, released=False, location="Start", number=1, what=What.UNASKED
    )  # fmt: skip
    one.wrote(flown)
    one.took(flown)
    assert (one.journaled, one.waiting, one.oldest) == (0, 0, None)
    assert (account(one.cursor()).journaled, account(one.cursor()).waiting) == (0, 0)
