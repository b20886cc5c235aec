"""From a device's own time to UTC, as far as it is known."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from console.model import SECOND, Basis, Gun, Kind, Origin, Passing, Phase, Status
from console.timing.bind import DAY, Binder, Points, find_zone, local_to_utc, nearest_day, utc_to_local
from console.timing.guns import START_LINE
from console.timing.tags import parse

PARIS = ZoneInfo("Europe/Paris")


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND


def clock(hours: int, minutes: int = 0, seconds: int = 0) -> int:
    return ((hours * 60 + minutes) * 60 + seconds) * SECOND


def passing(basis: Basis, ns: int | None, **more: object) -> Passing:
    defaults: dict[str, object] = {
        "seq": 1,
        "frame": 1,
        "index": 0,
        "device": "chute",
        "kind": Kind.PLACE,
        "wall": at("2026-06-01T10:00:00"),
        "time": "",
        "day": None,
        "tag": None,
        "bib": None,
        "channel": "11",
        "event": None,
        "generation": 1,
        "phase": Phase.RACE,
        "read_type": 2,
        "origin": Origin.LIVE,
        "status": Status.LIVE,
        "of": None,
    }
    return Passing(basis=basis, ns=ns, **(defaults | more))  # type: ignore[arg-type]


class TestTimeOfDay:
    def test_with_a_date_is_that_moment_in_the_event_s_zone(self) -> None:
        day = at("2024-11-28T00:00:00") // DAY
        found = Binder(PARIS).utc(passing(Basis.DAY, clock(13, 50, 12), day=day))
        assert found == at("2024-11-28T12:50:12")

    @pytest.mark.parametrize(
        ("arrived", "shown", "meant"),
        [
            ("2026-06-01T22:00:05", clock(23, 59, 59), "2026-06-01T21:59:59"),
            ("2026-06-01T21:59:59", clock(0, 0, 1), "2026-06-01T22:00:01"),
            ("2026-06-01T10:00:00", clock(12, 0, 0), "2026-06-01T10:00:00"),
        ],
    )
    def test_without_a_date_is_the_day_nearest_to_its_arrival(self, arrived: str, shown: int, meant: str) -> None:
        assert nearest_day(shown, at(arrived), PARIS) == at(meant)

    def test_without_a_date_and_not_live_is_unknown(self) -> None:
        assert Binder(PARIS).utc(passing(Basis.DAY, clock(12), origin=Origin.RECALL)) is None

    def test_told_again_has_the_date_of_the_start_line(self) -> None:
        binder = Binder(PARIS)
        start = Gun(device="chute", generation=1, ns=clock(23), wall=at("2026-06-01T21:00:02"), source=START_LINE)
        binder.add_guns([start])
        again = {"origin": Origin.RETRANSMIT, "wall": at("2026-06-03T10:00:00")}
        assert binder.utc(passing(Basis.DAY, clock(25, 30), **again)) == at("2026-06-01T23:30:00")
        assert binder.utc(passing(Basis.DAY, clock(22), **again)) is None, "before the start: of which day?"
        binder.add_guns([structs.replace(start, source="anna")])
        assert binder.utc(passing(Basis.DAY, clock(23, 30), **again)) is None


class TestRaceClock:
    def test_without_a_gun_is_unknown(self) -> None:
        assert Binder(PARIS).utc(passing(Basis.RACE, clock(1))) is None

    def test_counts_from_the_first_start_line_of_its_generation(self) -> None:
        binder = Binder(PARIS)
        for wall, generation, ns in ((100, 1, 0), (700, 1, 600), (9000, 2, 0)):
            gun = Gun(device="chute", generation=generation, ns=ns * SECOND, wall=wall * SECOND, source=START_LINE)
            binder.add_guns([gun])
        assert binder.utc(passing(Basis.RACE, 10 * SECOND)) == 110 * SECOND
        assert binder.utc(passing(Basis.RACE, 10 * SECOND, generation=2)) == 9010 * SECOND
        assert binder.utc(passing(Basis.RACE, 10 * SECOND, generation=0)) is None

    def test_goes_on_counting_where_test_was_left_in_mid_race(self) -> None:
        binder = Binder(PARIS)
        binder.add_guns([Gun(device="chute", generation=1, ns=0, wall=100 * SECOND, source=START_LINE)])
        assert binder.utc(passing(Basis.RACE, 10 * SECOND, generation=2)) == 110 * SECOND
        binder.add_guns([Gun(device="chute", generation=2, ns=0, wall=500 * SECOND, source=START_LINE)])
        assert binder.utc(passing(Basis.RACE, 10 * SECOND, generation=2)) == 510 * SECOND

    def test_the_operator_s_word_replaces_the_start_line(self) -> None:
        binder = Binder(PARIS)
        binder.add_guns([Gun(device="chute", generation=1, ns=0, wall=100 * SECOND, source=START_LINE)])
        binder.add_guns([Gun(device="chute", generation=1, ns=0, wall=90 * SECOND, source="anna")])
        binder.add_guns([Gun(device="chute", generation=1, ns=0, wall=100 * SECOND, source=START_LINE)])
        assert binder.utc(passing(Basis.RACE, 10 * SECOND)) == 100 * SECOND

    def test_a_clock_preset_to_more_than_zero_is_counted_from_there(self) -> None:
        binder = Binder(PARIS)
        binder.add_guns(
            [Gun(device="chute", generation=1, ns=clock(9), wall=at("2026-06-01T07:00:00"), source=START_LINE)]
        )
        assert binder.utc(passing(Basis.RACE, clock(9, 30))) == at("2026-06-01T07:30:00")


def test_an_epoch_is_wall_clock_digits_in_the_event_s_zone() -> None:
    assert Binder(PARIS).utc(passing(Basis.EPOCH, at("2026-06-01T12:00:00"))) == at("2026-06-01T10:00:00")


class TestSummerTime:
    """In Paris, 2026-10-25 03:00 (01:00 UTC) is 02:00 again, and 2026-03-29 02:00 (01:00 UTC) is 03:00 at once."""

    @pytest.mark.parametrize(
        ("arrived", "shown"),
        [
            ("2026-10-25T00:30:01", clock(2, 30)),
            ("2026-10-25T01:30:01", clock(2, 30)),  # set back, by GPS for instance
            ("2026-10-25T01:30:01", clock(3, 30)),  # not set back
            ("2026-10-25T02:30:01", clock(4, 30)),
            ("2026-10-25T02:30:01", clock(3, 30)),
            ("2026-03-29T01:30:01", clock(2, 30)),  # not set forward
            ("2026-03-29T01:30:01", clock(3, 30)),
            ("2026-03-29T02:30:01", clock(3, 30)),
        ],
    )
    def test_a_live_frame_tells_by_which_its_device_goes(self, arrived: str, shown: int) -> None:
        wall = at(arrived)
        day = wall // DAY
        meant = wall - SECOND
        binder = Binder(PARIS)
        assert binder.utc(passing(Basis.DAY, shown, wall=wall)) == meant
        assert binder.utc(passing(Basis.DAY, shown, wall=wall, day=day)) == meant
        assert binder.utc(passing(Basis.EPOCH, day * DAY + shown, wall=wall)) == meant

    def test_without_an_arrival_the_first_of_two_is_meant(self) -> None:
        day = at("2026-10-25T00:00:00") // DAY
        read = passing(Basis.DAY, clock(2, 30), day=day, wall=at("2026-10-25T12:00:00"), origin=Origin.RECALL)
        assert Binder(PARIS).utc(read) == at("2026-10-25T00:30:00")

    def test_on_any_other_day_a_clock_that_is_wrong_stays_wrong(self) -> None:
        wrong = passing(Basis.EPOCH, at("2026-06-01T11:00:00"))
        assert Binder(PARIS).utc(wrong) == at("2026-06-01T09:00:00")


def test_a_span_is_no_moment() -> None:
    assert Binder(PARIS).utc(passing(Basis.SPAN, clock(0, 1))) is None


@given(st.integers(0, 4_000_000_000), st.sampled_from(["Europe/Paris", "America/St_Johns", "UTC", "Asia/Kathmandu"]))
def test_utc_survives_the_way_through_local_digits_but_for_the_hour_lived_twice(second: int, name: str) -> None:
    zone = find_zone(name)
    utc = second * SECOND + 7
    there_and_back = local_to_utc(utc_to_local(utc, zone), zone)
    assert there_and_back == utc or datetime.fromtimestamp(second, zone).fold == 1


def test_points_go_by_channel_then_device_then_type() -> None:
    points = Points({"1": "Start"}, "", lambda channel: f"Ctl {channel}" if channel else None)
    assert [points.point(channel) for channel in ("1", "31", None)] == ["Start", "Ctl 31", None]
    assert Points({"1": "Start"}, "Finish").point("4") == "Finish"


def test_a_zone_that_does_not_exist_is_named() -> None:
    for name in ("Europe/Pariss", "../etc/passwd", "", "/etc/localtime"):
        with pytest.raises(ValueError, match="no time zone"):
            find_zone(name)


class TestTagTable:
    """Whose it was: what an operator said, else the device, else the tag table."""

    def binder(self, text: str = "A1,1204,Ann\nA2,7\n,933,Bea\n") -> Binder:
        binder = Binder(PARIS)
        binder.tags, _ = parse(text.encode())
        return binder

    @pytest.mark.parametrize(
        ("tag", "bib", "expected"),
        [
            ("A1", None, ("1204", "Ann")),
            ("a1", None, ("1204", "Ann")),
            ("A2", None, ("7", None)),
            ("A1", "933", ("933", "Bea")),
            (None, "0933", ("0933", "Bea")),
            (None, "7", ("7", None)),
            ("A3", None, (None, "")),
            (None, "55", ("55", "")),
            (None, None, (None, None)),
        ],
    )
    def test_bib_and_name(self, tag: str | None, bib: str | None, expected: tuple[str | None, str | None]) -> None:
        punch = passing(Basis.EPOCH, 0, tag=tag, bib=bib)
        found = self.binder().resolve(punch)
        assert (found.bib, found.name) == expected
        assert found.tagged == {"A1": "1204", "a1": "1204", "A2": "7"}.get(tag or "")
        assert self.binder().resolve_all([punch], lambda numbers: []) == [found]

    def test_without_a_table_nobody_is_missing_in_it(self) -> None:
        found = Binder(PARIS).resolve(passing(Basis.EPOCH, 0, tag="A1", bib="7"))
        assert (found.bib, found.name, found.tagged) == ("7", None, None)

    def test_an_operator_s_word_holds_against_it(self) -> None:
        binder, punch = self.binder(), passing(Basis.EPOCH, 0, tag="A1")
        given = edited(punch, 2, "933")
        binder.add_edits([given])
        found = binder.resolve(punch)
        assert (found.bib, found.name, found.tagged) == ("933", "Bea", "1204")
        undone = edited(punch, 3, None, undoes=2)
        binder.add_edits([undone])
        for row in (punch, given, undone):
            assert binder.resolve(row).bib == "1204"
        binder.add_edits([edited(punch, 4, None)])
        found = binder.resolve(punch)
        assert (found.bib, found.name) == (None, None), "it is known to be nobody's"

    def test_another_table_holds_from_now_on(self) -> None:
        binder, punch = self.binder(), passing(Basis.EPOCH, 0, tag="A3")
        assert binder.resolve(punch).bib is None
        binder.tags, _ = parse(b"A3,3,Cleo\n")
        assert (binder.resolve(punch).bib, binder.resolve(punch).name) == ("3", "Cleo")


def edited(of: Passing, seq: int, bib: str | None, **extra: int) -> Passing:
    more = {"was": None, "by": "anna", "at": 0, **extra}
    return structs.replace(of, seq=seq, status=Status.EDITED, of=of.seq, bib=bib, change="bib", extra=more)
