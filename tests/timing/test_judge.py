"""Identity, repeats, corrections, generations, retransmits, re-touches and holes."""

from msgspec import structs

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
from console.timing.judge import generation_now
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
        bib=bib or None,
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

    def test_going_back_on_a_correction_is_one_too(self) -> None:
        timing = Timing()
        timing.hear(place(1, 10, "12"))
        for bib in ("21", "12"):
            timing.hear(RetransmitBegin())
            (row,) = timing.hear(place(1, 10, bib))
            timing.hear(RetransmitEnd())
        assert (row.status, row.of, row.bib, row.change) == (Status.CORRECTION, 2, "12", "bib")
        timing.hear(RetransmitBegin())
        assert timing.hear(place(1, 10, "12"))[0].status is Status.REPEAT

    def test_a_bib_that_a_select_line_came_without_names_it(self) -> None:
        timing = Timing()
        (select,) = timing.hear(place(1, 10, ""))
        timing.hear(RetransmitBegin())
        (named,) = timing.hear(place(1, 10, "12"))
        assert (named.status, named.of, named.names) == (Status.CORRECTION, select.seq, True)

    def test_the_bib_of_a_joined_line_names_the_place(self) -> None:
        timing = Timing()
        (primary,) = timing.hear(place(1, 10))
        timing.hear(place(1, 10, ""))
        timing.hear(RetransmitBegin())
        (named,) = timing.hear(place(1, 10, "12"))
        assert (named.status, named.of, named.names) == (Status.CORRECTION, primary.seq, True)

    def test_of_an_earlier_race_repeats_that_race(self) -> None:
        """The timer's memory holds the events of the first race still when the second one runs."""
        timing = Timing()
        timing.hear(start())
        timing.hear(EventIs("001"))
        timing.hear(place(1, 900), after=900)
        timing.hear(place(2, 901, "12"))
        timing.hear(start(), after=600)
        timing.hear(EventIs("002"))
        timing.hear(place(1, 300), after=300)
        for fact in (RetransmitBegin(), EventIs("001"), place(1, 900), place(2, 901, "12"), place(2, 901)):
            timing.hear(fact, after=0.1)
        for fact in (EventIs("002"), place(1, 300), place(2, 250)):
            timing.hear(fact, after=0.1)
        told = [row.passing for row in timing.index.rows][-5:]
        assert [one.status for one in told] == [
            Status.REPEAT,
            Status.REPEAT,
            Status.JOINED,
            Status.REPEAT,
            Status.LIVE,
        ]
        assert [(one.generation, one.event) for one in told[:2]] == [(1, "001")] * 2
        (wave,) = timing.hear(RetransmitEnd(), start(310), after=8)
        assert wave.generation == 2, "the times of the first race do not set the clock"

    def test_does_not_take_another_finisher_for_one_of_an_earlier_race(self) -> None:
        timing = Timing()
        for _ in range(2):
            timing.hear(start(), after=100)
            timing.hear(EventIs("001"))
        timing.states["chute"] = structs.replace(timing.states["chute"], generation=1)
        timing.hear(place(1, 900))
        timing.states["chute"] = structs.replace(timing.states["chute"], generation=2)
        timing.hear(RetransmitBegin())
        (missed,) = timing.hear(place(1, 901))
        (half,) = timing.hear(place(1, 901, "12"))
        assert (missed.status, half.status, half.of) == (Status.LIVE, Status.JOINED, missed.seq)

    def test_tells_the_event_of_what_came_before_any_event_line(self) -> None:
        """The engine was started in the middle of the race."""
        timing = Timing()
        timing.hear(place(5, 10))
        timing.hear(place(6, 11, "12"))
        for fact in (
            RetransmitBegin(),
            EventIs("001"),
            place(4, 9),
            place(5, 10),
            place(5, 10, "7"),
            place(6, 11, "12"),
        ):
            timing.hear(fact)
        assert timing.statuses()[2:] == [Status.LIVE, Status.REPEAT, Status.JOINED, Status.REPEAT]

    def test_of_what_was_timed_in_test_counts_in_the_race(self) -> None:
        timing = Timing()
        timing.hear(place(1, 10))
        timing.phase(Phase.TEST)
        timing.hear(place(2, 11))
        timing.hear(RetransmitBegin())
        timing.hear(place(1, 10))
        timing.phase(Phase.RACE)
        timing.hear(place(1, 10))
        timing.hear(place(2, 11))
        assert timing.statuses() == [Status.LIVE, Status.LIVE, Status.REPEAT, Status.REPEAT, Status.LIVE]
        assert timing.index.rows[-1].passing.phase is Phase.RACE


class TestRetransmitCutOff:
    """The timer was switched off in the middle of a retransmit, or its END line was lost."""

    def cut(self, timing: Timing) -> None:
        timing.hear(start())
        timing.hear(EventIs("002"))
        timing.hear(place(1, 900), after=900)
        for fact in (RetransmitBegin(), EventIs("001"), place(1, 500)):
            timing.hear(fact, after=0.3)

    def test_the_next_race_is_a_race(self) -> None:
        timing = Timing()
        self.cut(timing)
        (gun,) = timing.hear(start(), after=60)
        assert (gun.origin, gun.status, gun.generation, gun.event) == (Origin.LIVE, Status.LIVE, 2, "002")
        (first,) = timing.hear(place(1, 800), after=800)
        assert (first.origin, first.status) == (Origin.LIVE, Status.LIVE)

    def test_a_finisher_of_now_is_live_and_of_the_event_before_it(self) -> None:
        timing = Timing()
        self.cut(timing)
        (now,) = timing.hear(place(2, 931), after=30)
        assert (now.origin, now.event, now.status) == (Origin.LIVE, "002", Status.LIVE)
        assert "cut off" in timing.alarms()[-1]

    def test_an_event_line_after_the_pause_counts(self) -> None:
        timing = Timing()
        self.cut(timing)
        timing.hear(EventIs("003"), after=30)
        assert timing.hear(place(1, 931), after=0.1)[0].event == "003"

    def test_a_pause_alone_does_not_end_it(self) -> None:
        """The timer was paused; what it goes on with is still of the past."""
        timing = Timing()
        self.cut(timing)
        timing.hear(EventIs("001"), after=30)
        (more,) = timing.hear(place(2, 501), after=0.1)
        assert more.origin is Origin.RETRANSMIT
        timing.hear(RetransmitEnd(), after=0.1)
        assert timing.hear(place(2, 934))[0].event == "002"

    def test_a_finisher_within_the_stream_does_not_end_it(self) -> None:
        timing = Timing()
        self.cut(timing)
        assert timing.hear(place(2, 900.9), after=0.1)[0].origin is Origin.RETRANSMIT

    def test_without_a_gun_a_long_pause_does(self) -> None:
        timing = Timing()
        timing.hear(RetransmitBegin())
        assert timing.hear(place(1, 10), after=100)[0].origin is Origin.RETRANSMIT
        assert timing.hear(place(2, 130), after=130)[0].origin is Origin.LIVE


class TestUnbracketed:
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

    def test_an_operator_s_gun_is_of_the_run_that_the_next_frame_belongs_to(self) -> None:
        timing = Timing()
        timing.phase(Phase.TEST)
        timing.hear(place(1, 10))
        state = timing.states["chute"]
        assert generation_now(state, timing.event) == 1
        timing.phase(Phase.RACE)
        assert generation_now(state, timing.event) == timing.hear(place(1, 10))[0].generation == 2


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

    def test_leaving_test_while_the_timer_counts_on_leaves_no_hole(self) -> None:
        timing = Timing()
        timing.phase(Phase.TEST)
        for number in (1, 2, 3):
            timing.hear(place(number, number))
        timing.phase(Phase.RACE)
        for number in (4, 5, 7):
            timing.hear(place(number, number))
        assert timing.alarms() == ["place 0006 missing before place 0007 on 11 7.00"]

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

    def test_a_card_tells_the_first_touch_that_the_line_lost(self) -> None:
        timing = Timing()
        (again,) = timing.hear(punch(1010), device="ctl-31")
        for _ in range(2):
            timing.hear(punch(1000, origin=Origin.READOUT), device="finish")
        assert timing.statuses() == [Status.LIVE, Status.CORRECTION, Status.REPEAT]
        assert timing.index.rows[1].passing.of == again.seq
        assert timing.hear(punch(1000), device="ctl-31")[0].status is Status.REPEAT

    def test_a_card_read_after_a_test_tells_what_was_punched_before_it(self) -> None:
        timing = Timing()
        timing.hear(punch(1000))
        timing.phase(Phase.TEST)
        timing.hear(punch(2000))
        timing.phase(Phase.RACE)
        timing.hear(*(punch(seconds, origin=Origin.READOUT) for seconds in (1000, 2000)), device="finish")
        assert timing.statuses()[2:] == [Status.REPEAT, Status.LIVE]


class TestOwnCorrections:
    def test_a_replay_of_both_repeats_both(self) -> None:
        """A buffered port of a CP545 says all of it again after a lost connection."""
        timing = Timing()
        for _ in range(2):
            timing.hear(impulse(""))
            timing.hear(impulse("12", change="bib"))
        assert timing.statuses() == [Status.LIVE, Status.CORRECTION, Status.REPEAT, Status.REPEAT]
        assert [row.passing.of for row in timing.index.rows] == [None, 1, 1, 2]

    def test_the_original_after_its_correction_says_nothing_new(self) -> None:
        timing = Timing()
        timing.hear(impulse("12", change="bib"))
        for origin in (Origin.RECALL, Origin.LIVE):
            (original,) = timing.hear(impulse("7", origin=origin))
            assert (original.status, original.of) == (Status.REPEAT, 1)
        assert timing.alarms() == []

    def test_a_cancellation_of_the_unknown_counts_nobody(self) -> None:
        timing = Timing()
        (gone,) = timing.hear(impulse("12", change="cancelled"))
        (late,) = timing.hear(impulse("12", origin=Origin.RECALL))
        assert (gone.status, gone.of) == (Status.CANCELLED, None)
        assert (late.status, late.of) == (Status.REPEAT, gone.seq)

    def test_a_cancelled_time_may_come_back(self) -> None:
        timing = Timing()
        timing.hear(impulse("12"))
        timing.hear(impulse("12", change="cancelled"))
        (back,) = timing.hear(impulse("12", change="bib"))
        assert (back.status, back.of) == (Status.CORRECTION, 2)

    def test_the_same_bib_again_corrects_nothing(self) -> None:
        timing = Timing()
        timing.hear(impulse("12"))
        assert timing.hear(impulse("12", change="bib"))[0].status is Status.REPEAT

    def test_of_a_time_from_before_the_phase_changed(self) -> None:
        timing = Timing()
        timing.hear(impulse("12"))
        timing.phase(Phase.TEST)
        timing.phase(Phase.RACE)
        (changed,) = timing.hear(impulse("13", change="bib"))
        (recalled,) = timing.hear(impulse("12", origin=Origin.RECALL))
        assert (changed.status, changed.of, recalled.status) == (Status.CORRECTION, 1, Status.REPEAT)

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

    def test_a_recall_of_a_known_time_is_a_repeat_of_an_unknown_one_is_offered(self) -> None:
        timing = Timing()
        timing.hear(impulse("12"))
        assert timing.hear(impulse("12", origin=Origin.RECALL))[0].status is Status.REPEAT
        (new,) = timing.hear(impulse("13", sequence=2, origin=Origin.RECALL))
        assert (new.status, new.origin) == (Status.OFFERED, Origin.RECALL)
