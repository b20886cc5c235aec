"""What a download or a backup tells and no line did: offered, and counted only once it is taken over."""

import pytest
from msgspec import structs

from console.model import SECOND, Basis, Kind, Origin, Phase, Reading, Status
from console.timing.offers import come
from tests.timing.memory import Timing
from tests.timing.test_judge import impulse, place, punch

UID = "04A1B2C3D4E5F6"


def touch(seconds: int, origin: Origin = Origin.LIVE, control: int = 31) -> Reading:
    """A punch as OTIMCON tells it: with what it has in common with its line in a backup."""
    return structs.replace(punch(seconds, UID, control, origin), join=f"punch/{UID[:8]}/{seconds}")


def backed_up(seconds: int) -> Reading:
    """A line of a station's backup: four bytes of the uid, and no control."""
    return Reading(
        kind=Kind.PUNCH,
        identity=f"backup/{UID[:8]}/{seconds}",
        time=str(seconds),
        ns=seconds * SECOND,
        basis=Basis.EPOCH,
        tag=UID[:8],
        shared=True,
        origin=Origin.BACKUP,
        join=f"punch/{UID[:8]}/{seconds}",
    )


def offered_place(number: int) -> Reading:
    return structs.replace(place(number, 10.0 * number), origin=Origin.RECALL, join="")


class TestDownloads:
    def test_what_never_came_is_offered_once(self) -> None:
        timing = Timing()
        for _ in range(2):
            timing.hear(impulse("12", origin=Origin.RECALL))
        assert timing.statuses() == [Status.OFFERED, Status.REPEAT]
        assert timing.index.rows[1].passing.of == 1

    def test_it_is_known_to_no_line(self) -> None:
        """The line itself comes late: a buffered port of a CP545 after a lost connection."""
        timing = Timing()
        for _ in range(2):
            timing.hear(impulse("12", origin=Origin.RECALL))
        (live,) = timing.hear(impulse("12"))
        assert (live.status, live.of) == (Status.LIVE, None)
        (again,) = timing.hear(impulse("12", origin=Origin.RECALL))
        assert (again.status, again.of) == (Status.REPEAT, live.seq)
        assert timing.alarms() == []

    def test_another_value_of_what_is_offered_is_offered_too(self) -> None:
        timing = Timing()
        timing.hear(impulse("12", origin=Origin.RECALL))
        timing.hear(impulse("13", origin=Origin.RECALL))
        assert timing.statuses() == [Status.OFFERED, Status.OFFERED]
        assert timing.alarms() == []

    def test_a_run_that_was_timed_in_test_is_offered_and_said_to_be_of_test(self) -> None:
        timing = Timing()
        timing.phase(Phase.TEST)
        timing.hear(impulse("12"))
        timing.phase(Phase.RACE)
        timing.hear(impulse("12", origin=Origin.RECALL))
        timing.hear(impulse("13", sequence=2, origin=Origin.RECALL))
        assert [(one.passing.status, one.passing.heard_in_test) for one in timing.index.rows[1:]] == [
            (Status.OFFERED, 1),
            (Status.OFFERED, None),
        ]
        row = timing.take_over(2)
        assert (row.status, row.phase) == (Status.LIVE, Phase.RACE)
        (again,) = timing.hear(impulse("12", origin=Origin.RECALL))
        assert (again.status, again.of, again.heard_in_test) == (Status.REPEAT, row.seq, None)

    def test_a_correction_of_a_known_time_stays_one(self) -> None:
        timing = Timing()
        timing.hear(impulse("12"))
        (changed,) = timing.hear(impulse("13", change="bib", origin=Origin.RECALL))
        assert (changed.status, changed.of) == (Status.CORRECTION, 1)

    def test_a_cancellation_stays_one(self) -> None:
        timing = Timing()
        timing.hear(impulse("12", change="cancelled", origin=Origin.RECALL))
        timing.hear(impulse("13", sequence=2, origin=Origin.RECALL))
        (gone,) = timing.hear(impulse("13", sequence=2, change="cancelled", origin=Origin.RECALL))
        assert timing.statuses() == [Status.CANCELLED, Status.OFFERED, Status.CANCELLED]
        assert gone.of == 2
        assert come(timing.index.rows[1], timing.index), "what the device has cancelled is not offered any more"

    def test_it_fills_nobody_s_hole(self) -> None:
        timing = Timing()
        timing.hear(place(1, 10))
        for _ in range(2):
            timing.hear(offered_place(7))
        timing.hear(place(3, 30))
        assert timing.states["chute"].holes == {"chute|1||place": [(2, 2)]}


class TestBackups:
    def test_a_line_of_it_is_the_punch_that_came(self) -> None:
        timing = Timing()
        (live,) = timing.hear(touch(1000), device="control")
        timing.hear(touch(1000, Origin.READOUT), device="finish")
        (told,) = timing.hear(backed_up(1000), device="control")
        assert (told.status, told.of) == (Status.REPEAT, live.seq)

    def test_even_of_the_round_before(self) -> None:
        timing = Timing()
        (live,) = timing.hear(touch(1000), device="control")
        timing.phase(Phase.TEST)
        timing.phase(Phase.RACE)
        assert timing.hear(backed_up(1000), device="control")[0].of == live.seq

    def test_what_a_test_has_heard_is_not_the_race_s(self) -> None:
        timing = Timing()
        timing.phase(Phase.TEST)
        timing.hear(touch(1000), device="control")
        timing.phase(Phase.RACE)
        (told,) = timing.hear(backed_up(1000), device="control")
        assert (told.status, told.heard_in_test) == (Status.OFFERED, 1)
        (again,) = timing.hear(backed_up(1000), device="control")
        assert (again.status, again.of, again.heard_in_test) == (Status.REPEAT, told.seq, 1)
        (other,) = timing.hear(backed_up(1010), device="control")
        assert (other.status, other.heard_in_test) == (Status.OFFERED, None)

    def test_what_never_came_is_offered_once_and_known_to_no_line(self) -> None:
        timing = Timing()
        for _ in range(2):
            timing.hear(backed_up(1000), device="control")
        (live,) = timing.hear(touch(1000), device="control")
        assert timing.statuses() == [Status.OFFERED, Status.REPEAT, Status.LIVE]
        assert [one.passing.seq for one in come(timing.index.rows[0], timing.index)] == [live.seq]

    def test_another_download_of_it_offers_nothing_twice(self) -> None:
        """Its identity is another one: the station has got another control number meanwhile."""
        timing = Timing()
        timing.hear(backed_up(1000), device="control")
        renamed = structs.replace(backed_up(1000), identity=f"backup/45/{UID[:8]}/1000", channel="45")
        (told,) = timing.hear(renamed, device="control")
        assert (told.status, told.of) == (Status.REPEAT, 1)

    def test_no_two_punches_are_joined(self) -> None:
        """One card cannot be at two controls in one second; two that begin alike can."""
        timing = Timing()
        for control in (31, 45):
            for origin in (Origin.LIVE, Origin.READOUT):
                timing.hear(touch(1000, origin, control), device=f"ctl-{control}")
        assert timing.statuses() == [Status.LIVE, Status.REPEAT] * 2

    def test_it_holds_the_first_touch(self) -> None:
        timing = Timing()
        (again,) = timing.hear(touch(1010), device="control")
        first = structs.replace(touch(1000, Origin.BACKUP), identity="backup/1")
        (told,) = timing.hear(first, device="control")
        assert (told.status, told.of) == (Status.CORRECTION, again.seq)
        assert "in the backup is before #1" in timing.alarms()[0]


class TestTakingOver:
    def test_it_counts_from_then_on(self) -> None:
        timing = Timing()
        (offered,) = timing.hear(impulse("12", origin=Origin.RECALL))
        row = timing.take_over(1)
        assert (row.status, row.origin, row.of) == (Status.LIVE, Origin.RECOVERED, 1)
        assert (row.frame, row.index, row.bib, row.wall) == (offered.frame, 1, "12", offered.wall)
        assert (row.extra["offered"], row.extra["by"], row.extra["at"]) == (1, "anna", timing.wall)
        (late,) = timing.hear(impulse("12"))
        (again,) = timing.hear(impulse("12", origin=Origin.RECALL))
        assert [(one.status, one.of) for one in (late, again)] == [(Status.REPEAT, row.seq)] * 2
        assert timing.bib(row.seq, "13").of == row.seq

    def test_it_is_a_repeat_where_the_line_has_come(self) -> None:
        timing = Timing()
        timing.hear(impulse("12", origin=Origin.RECALL))
        timing.hear(impulse("12"))
        row = timing.take_over(1)
        assert (row.status, row.origin, row.of) == (Status.REPEAT, Origin.RECOVERED, 2)

    def test_it_is_a_repeat_of_the_punch_whose_uid_begins_so(self) -> None:
        timing = Timing()
        timing.hear(backed_up(1000), device="control")
        timing.hear(backed_up(2000), device="control")
        timing.hear(touch(1000), device="control")
        assert timing.take_over(1, "control").of == 3
        assert timing.take_over(2, "control").status is Status.LIVE
        assert timing.hear(backed_up(2000), device="control")[0].status is Status.REPEAT

    def test_it_fills_no_hole_of_a_card_s_times(self) -> None:
        timing = Timing()
        timing.hear(touch(1000, Origin.BACKUP), device="control")
        row = timing.take_over(1, "control")
        (again,) = timing.hear(touch(1010), device="control")
        assert (again.status, again.of) == (Status.REPEAT, row.seq)

    def test_the_device_s_own_correction_of_it_corrects_it(self) -> None:
        timing = Timing()
        timing.hear(impulse("12", origin=Origin.RECALL))
        timing.hear(impulse("13", change="bib", origin=Origin.RECALL))
        timing.take_over(1)
        row = timing.take_over(2)
        assert (row.status, row.of, row.extra["was"]) == (Status.CORRECTION, 3, "12")
        assert timing.known_bib(3) == "13"

    def test_it_belongs_to_the_phase_in_which_it_is_taken_over(self) -> None:
        timing = Timing()
        timing.phase(Phase.TEST)
        timing.hear(impulse("12", origin=Origin.RECALL))
        timing.phase(Phase.RACE)
        assert timing.take_over(1).phase is Phase.RACE

    def test_what_is_not_offered_is_refused(self) -> None:
        timing = Timing()
        timing.hear(impulse("12"))
        timing.hear(impulse("13", sequence=2, origin=Origin.RECALL))
        timing.take_over(2)
        for seq, device, words in (
            (9, "chute", "there is no passing #9"),
            (1, "chute", "#1 is not offered, it is live"),
            (2, "start", "#2 is of chute, not of start"),
            (2, "chute", "#2 was taken over already, as #3"),
        ):
            with pytest.raises(ValueError, match=words):
                timing.take_over(seq, device)
