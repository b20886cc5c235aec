"""Identity, repeats, corrections, generations, retransmits, re-touches and holes."""

from console.model import (
    SECOND,
    Basis,
    EventIs,
    Fact,
    Kind,
    Origin,
    Phase,
    Reading,
    RetransmitBegin,
    RetransmitEnd,
    Start,
    Status,
)
from tests.timing.memory import Timing

MINUTE = 60 * SECOND


def place(number: int, seconds: float, bib: str | None = None, chute: int = 11) -> Reading:
    """A PRIMARY line, or with a bib a SELECT line, as the driver reads it."""
    kind, word = (Kind.PLACE, "primary") if bib is None else (Kind.SELECT, "select")
    spot = f"place/{chute}/{number}/{number}"
    return Reading(
        kind=kind,
        identity=f"{spot}/{word}",
        time=f"{seconds:.2f}",
        ns=int(seconds * SECOND),
        basis=Basis.RACE,
        bib=bib,
        channel=str(chute),
        value=f"{seconds:.2f}/{bib or ''}",
        by_event=True,
        series="place",
        position=number,
        join=spot,
    )


def start(seconds: float = 0) -> Start:
    return Start(time=f"{seconds:.2f}", ns=int(seconds * SECOND), basis=Basis.RACE, mode="XC")


def punch(seconds: int, uid: str = "04A1", control: int = 31, origin: Origin = Origin.LIVE) -> Reading:
    return Reading(
        kind=Kind.PUNCH,
        identity=f"punch/{uid}/{control}/{seconds}",
        time=str(seconds),
        ns=seconds * SECOND,
        basis=Basis.EPOCH,
        tag=uid,
        channel=str(control),
        shared=True,
        series=f"{uid}/{control}",
        position=seconds * SECOND,
        window=30 * SECOND,
        origin=origin,
    )


def impulse(value: str, change: str = "", sequence: int = 1, origin: Origin = Origin.LIVE) -> Reading:
    return Reading(
        kind=Kind.IMPULSE,
        identity=f"M1/{sequence}/10:00:00/9098",
        bib=value or None,
        channel="M1",
        value=value,
        change=change,
        origin=origin,
    )


class TestRetransmit:
    def test_counts_no_finisher_twice(self) -> None:
        timing = Timing()
        timing.hear(start())
        timing.hear(EventIs("001"))
        timing.hear(place(1, 942.07))
        timing.hear(RetransmitBegin())
        timing.hear(EventIs("001"))
        timing.hear(place(1, 942.07))
        timing.hear(place(2, 944.90, "123"))
        timing.hear(RetransmitEnd())
        timing.hear(place(3, 950.0))
        assert timing.statuses() == [Status.LIVE, Status.LIVE, Status.REPEAT, Status.LIVE, Status.LIVE]
        assert [row.passing.origin for row in timing.index.rows][2:4] == [Origin.RETRANSMIT, Origin.RETRANSMIT]
        assert timing.alarms() == []

    def test_restores_the_event_in_force_before_it(self) -> None:
        timing = Timing()
        timing.hear(EventIs("002"))
        timing.hear(RetransmitBegin())
        timing.hear(EventIs("001"))
        timing.hear(place(1, 10))
        timing.hear(RetransmitEnd())
        (after,) = timing.hear(place(1, 20))
        assert (after.event, after.status) == ("002", Status.LIVE)

    def test_a_new_event_line_after_it_wins(self) -> None:
        timing = Timing()
        timing.hear(EventIs("002"))
        timing.hear(RetransmitBegin())
        timing.hear(RetransmitEnd())
        timing.hear(EventIs("003"))
        assert timing.hear(place(1, 20))[0].event == "003"

    def test_begun_twice_still_restores_the_first_event(self) -> None:
        timing = Timing()
        timing.hear(EventIs("002"))
        for event in ("001", "003"):
            timing.hear(RetransmitBegin())
            timing.hear(EventIs(event))
        timing.hear(RetransmitEnd())
        assert timing.hear(place(1, 20))[0].event == "002"

    def test_another_value_inside_it_is_a_correction(self) -> None:
        timing = Timing()
        (first,) = timing.hear(place(1, 10))
        timing.hear(RetransmitBegin())
        (second,) = timing.hear(place(1, 11))
        assert (second.status, second.of) == (Status.CORRECTION, first.seq)
        (again,) = timing.hear(place(1, 11))
        assert (again.status, again.of) == (Status.REPEAT, second.seq)

    def test_without_brackets_is_still_deduplicated(self) -> None:
        timing = Timing()
        timing.hear(place(1, 10))
        assert timing.hear(place(1, 10))[0].status is Status.REPEAT


def test_another_value_outside_a_retransmit_is_a_new_passing_and_an_alarm() -> None:
    timing = Timing()
    timing.hear(place(1, 10))
    (second,) = timing.hear(place(1, 11))
    assert second.status is Status.LIVE
    assert "collides with #1" in timing.alarms()[0]


class TestGenerations:
    def test_the_second_race_of_the_day_is_no_correction_of_the_first(self) -> None:
        timing = Timing()
        race: list[Fact] = [start(), EventIs("001"), place(1, 900), place(2, 901)]
        for fact in race + race:
            timing.hear(fact)
        assert timing.statuses().count(Status.LIVE) == 6
        assert [row.passing.generation for row in timing.index.rows] == [1, 1, 1, 2, 2, 2]

    def test_a_false_start_without_finishers_is_seen_by_the_clock(self) -> None:
        timing = Timing()
        timing.hear(start())
        (second,) = timing.hear(start(), after=300)
        assert (second.generation, second.status) == (2, Status.LIVE)

    def test_a_wave_start_on_the_running_clock_stays_in_its_generation(self) -> None:
        timing = Timing()
        timing.hear(start())
        (wave,) = timing.hear(start(600), after=600)
        assert wave.generation == 1

    def test_a_start_line_inside_a_retransmit_opens_none(self) -> None:
        timing = Timing()
        timing.hear(start())
        timing.hear(place(1, 900), after=900)
        timing.hear(RetransmitBegin())
        (again,) = timing.hear(start())
        assert (again.generation, again.status) == (1, Status.REPEAT)

    def test_leaving_test_opens_one_for_every_device(self) -> None:
        timing = Timing()
        timing.phase(Phase.TEST)
        (rehearsed,) = timing.hear(place(1, 10))
        card = timing.hear(punch(1000), device="ctl-31")[0]
        timing.phase(Phase.RACE)
        (real,) = timing.hear(place(1, 10))
        (touched,) = timing.hear(punch(1000), device="ctl-31")
        assert rehearsed.phase is card.phase is Phase.TEST
        assert (real.status, real.generation, touched.status) == (Status.LIVE, 2, Status.LIVE)

    def test_two_devices_share_no_identity(self) -> None:
        timing = Timing()
        timing.hear(place(1, 10), device="chute")
        assert timing.hear(place(1, 10), device="other")[0].status is Status.LIVE


class TestPlaces:
    def test_primary_and_select_of_one_place_are_one_finisher(self) -> None:
        timing = Timing()
        (primary,) = timing.hear(place(1, 10))
        (select,) = timing.hear(place(1, 10.2, "77"))
        assert (select.status, select.of, select.bib) == (Status.JOINED, primary.seq, "77")

    def test_a_retransmit_of_both_lines_repeats_both(self) -> None:
        timing = Timing()
        lines = [place(1, 10), place(1, 10, "77")]
        for line in lines + lines:
            timing.hear(line)
        assert timing.statuses() == [Status.LIVE, Status.JOINED, Status.REPEAT, Status.REPEAT]

    def test_a_missing_place_is_said_and_its_filling_too(self) -> None:
        timing = Timing()
        for number in (1, 2, 6):
            timing.hear(place(number, number))
        holes = list(timing.states["chute"].holes.values())
        assert holes == [[(3, 5)]]
        assert timing.alarms() == ["place 0003-0005 missing before place 0006 on 11 6.00"]
        timing.hear(place(4, 4))
        assert list(timing.states["chute"].holes.values()) == [[(3, 3), (5, 5)]]

    def test_places_count_anew_in_each_event(self) -> None:
        timing = Timing()
        for event in ("001", "002"):
            timing.hear(EventIs(event))
            assert timing.hear(place(1, 10))[0].status is Status.LIVE
        assert timing.alarms() == []


class TestPunches:
    def test_a_touch_within_the_window_repeats_the_first(self) -> None:
        timing = Timing()
        (first,) = timing.hear(punch(1000))
        for seconds in (1001, 1029, 1030, 990):
            (again,) = timing.hear(punch(seconds))
            assert (again.status, again.of) == (Status.REPEAT, first.seq)
        assert timing.hear(punch(1031))[0].status is Status.LIVE

    def test_a_step_further_back_in_time_is_a_new_passing_and_said(self) -> None:
        timing = Timing()
        timing.hear(punch(1000))
        (back,) = timing.hear(punch(900))
        assert back.status is Status.LIVE
        assert "clock set back?" in timing.alarms()[0]

    def test_a_card_read_elsewhere_tells_the_same_punch_whoever_came_first(self) -> None:
        timing = Timing()
        (live,) = timing.hear(punch(1000), device="ctl-31")
        (read,) = timing.hear(punch(1000, origin=Origin.READOUT), device="finish")
        assert (read.status, read.of) == (Status.REPEAT, live.seq)
        timing.hear(punch(2000, control=45, origin=Origin.READOUT), device="finish")
        assert timing.hear(punch(2000, control=45), device="ctl-45")[0].status is Status.REPEAT

    def test_a_readout_in_any_order_raises_no_alarm(self) -> None:
        timing = Timing()
        timing.hear(*(punch(seconds, origin=Origin.READOUT) for seconds in (3000, 2000, 1000)), device="finish")
        assert timing.statuses() == [Status.LIVE] * 3
        assert timing.alarms() == []


class TestOwnCorrections:
    def test_a_new_bib_corrects(self) -> None:
        timing = Timing()
        (first,) = timing.hear(impulse(""))
        (second,) = timing.hear(impulse("12", change="bib"))
        assert (second.status, second.of, second.extra["was"]) == (Status.CORRECTION, first.seq, None)
        assert second.names
        (third,) = timing.hear(impulse("13", change="bib"))
        assert (third.of, third.extra["was"], third.names) == (second.seq, "12", False)

    def test_a_cancellation_cancels_once(self) -> None:
        timing = Timing()
        timing.hear(impulse("12"))
        assert timing.hear(impulse("12", change="cancelled"))[0].status is Status.CANCELLED
        assert timing.hear(impulse("12", change="cancelled"))[0].status is Status.REPEAT

    def test_a_recall_of_a_known_time_is_a_repeat_of_an_unknown_one_is_new(self) -> None:
        timing = Timing()
        timing.hear(impulse("12"))
        assert timing.hear(impulse("12", origin=Origin.RECALL))[0].status is Status.REPEAT
        (new,) = timing.hear(impulse("13", sequence=2, origin=Origin.RECALL))
        assert (new.status, new.origin) == (Status.LIVE, Origin.RECALL)
