"""What went out, holds no more, and stays with scoring."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from console.model import SECOND, Basis, Heard, Kind, Origin, Passing, Reading
from console.sheets import make
from tests.sheets.event import Event, event
from tests.sheets.exports import Restating, Told, sources


def time(number: int, bib: str | None, *, seconds: int = 0, change: str = "", origin: Origin = Origin.LIVE) -> Heard:
    """Time `number` of a timer, as it came, or as the timer corrects it."""
    ns = (36_000 + number + seconds) * SECOND
    fact = Reading(
        kind=Kind.IMPULSE,
        identity=f"1/{number}",
        time=f"10:00:{number + seconds:02d}.00",
        ns=ns,
        basis=Basis.DAY,
        channel="M1",
        bib=bib,
        value=f"{bib}|{ns}",
        change=change,
        origin=origin,
    )
    return Heard(raw=f"TN {bib} {number}\r\n".encode(), label="TN", facts=(fact,))


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Event]:
    """Times 1 to 3 of bibs 11 to 13, which came as passings 1 to 3 of frames 1 to 3."""
    with event(tmp_path) as made:
        made.hear([time(number, str(10 + number)) for number in (1, 2, 3)], "start")
        yield made


def out(export: Told, *seqs: int) -> Told:
    export.fates |= dict.fromkeys(seqs, "tcp")
    return export


def rows(event: Event, *exports: Told, later: float = 60) -> list[tuple[str, ...]]:
    """Of every row: passing, what went out and at what time, what holds now, why; newest first."""
    return [(*row[2:3], *row[4:8]) for row in make("tell", sources(event, *exports, later=later)).rows]


def test_nothing_is_to_be_told_of_what_holds(told: Event) -> None:
    sheet = make("tell", sources(told, out(Told(), 1, 2, 3)))
    assert (sheet.rows, sheet.note) == ([], "nothing: all that went out holds")


def test_a_bib_by_hand_leaves_the_wrong_read_with_scoring(told: Event) -> None:
    told.act("bib", {"passing": 2, "bib": "21"}, "anna")
    scoring = out(Told(), 1, 2, 3, 4)
    assert rows(told, scoring) == [("2", "12", "10:00:02.00", "21 10:00:02.00", "edited by anna")]
    assert rows(told, scoring, later=1) == [], "she may still take it back"
    sheet = make("tell", sources(told, scoring))
    assert sheet.links == {0: "2"}
    assert sheet.rows[0][:2] == ("scoring", "10.0.0.5")
    assert rows(told, out(Told(), 1, 3, 4)) == [], "the wrong one never went out"


def test_every_read_that_was_wrong_is_told_once(told: Event) -> None:
    for bib in ("21", "22"):
        told.act("bib", {"passing": 2, "bib": bib}, "anna")
    assert [row[1] for row in rows(told, out(Told(), 2, 4, 5))] == ["21", "12"]
    told.act("bib", {"passing": 2, "bib": "12"}, "bert")
    assert [row[1:] for row in rows(told, out(Told(), 2, 4, 5, 6))] == [
        ("22", "10:00:02.00", "12 10:00:02.00", "edited by bert"),
        ("21", "10:00:02.00", "12 10:00:02.00", "edited by bert"),
    ]


def test_what_was_taken_back_too_late_is_told(told: Event) -> None:
    told.act("bib", {"passing": 2, "bib": "21"}, "anna")
    told.act("undo", {}, "anna")
    assert rows(told, out(Told(), 1, 2, 3)) == [], "it was taken back in time"
    assert rows(told, out(Told(), 2, 4)) == [("2", "21", "10:00:02.00", "12 10:00:02.00", "taken back by anna")]


def test_a_format_that_restates_need_not_be_told_what_it_said(told: Event) -> None:
    told.act("bib", {"passing": 2, "bib": "21"}, "anna")
    software = Restating("software")
    assert rows(told, out(software, 2, 4)) == []
    software.fates[4] = "waiting"
    assert rows(told, software) == [], "it is on its way"
    software.fates[4] = "held: late"
    assert rows(told, software) == [("2", "12", "10:00:02.00", "21 10:00:02.00", "edited by anna")]


def test_cancelled_by_the_device(told: Event) -> None:
    told.hear([time(2, "12", change="cancelled")], "start")
    wanted = [("2", "12", "10:00:02.00", "cancelled", "cancelled by the device")]
    assert rows(told, out(Told(), 1, 2, 3)) == wanted
    assert rows(told, out(Restating(), 2)) == wanted
    assert rows(told, out(Restating(), 2, 4)) == [], "it was told"


def test_corrected_by_the_device(told: Event) -> None:
    told.hear([time(2, "12", seconds=5, origin=Origin.RECALL)], "start")
    wanted = [("2", "12", "10:00:02.00", "12 10:00:07.00", "corrected by the device")]
    assert rows(told, out(Told(), 1, 2, 3)) == wanted
    assert rows(told, out(Told(), 1, 2, 3, 4)) == wanted, "the wrong read stays"
    assert rows(told, out(Restating(), 2, 4)) == []
    told.hear([time(3, "31", change="bib")], "start")
    assert rows(told, out(Told(), 3)) == [("3", "13", "10:00:03.00", "31 10:00:03.00", "corrected by the device")]


def test_a_correction_of_a_correction_is_about_the_first(told: Event) -> None:
    told.hear([time(2, "21", change="bib"), time(2, "22", change="bib")], "start")
    told.act("bib", {"passing": 5, "bib": "33"}, "anna")
    assert rows(told, out(Told(), 2)) == [("2", "12", "10:00:02.00", "33 10:00:02.00", "edited by anna")]
    assert rows(told, out(Restating(), 2, 4, 5)) == [("2", "22", "10:00:02.00", "33 10:00:02.00", "edited by anna")]


def test_one_export_or_one_peer_is_asked_for(told: Event) -> None:
    told.act("bib", {"passing": 1, "bib": "77"}, "anna")
    exports = [out(Told("a"), 1), out(Told("b", "10.0.0.6"), 1)]
    assert len(make("tell", sources(told, *exports)).rows) == 2
    for of in ("b", "b 10.0.0.6"):
        assert [row[:2] for row in make("tell", sources(told, *exports, of=of)).rows] == [("b", "10.0.0.6")]
    with pytest.raises(LookupError, match="no export 'c'; there are a, b"):
        make("tell", sources(told, *exports, of="c"))
    with pytest.raises(LookupError, match="b has no peer '10\\.0\\.0\\.5'"):
        make("tell", sources(told, *exports, of="b 10.0.0.5"))


def test_passings_nothing_was_said_of_are_not_asked_about(told: Event) -> None:
    told.act("bib", {"passing": 2, "bib": "21"}, "anna")
    asked: list[int] = []

    class Asked(Told):
        def fate(self, passing: Passing) -> list[tuple[str, str]]:
            asked.append(passing.seq)
            return super().fate(passing)

    rows(told, out(Asked(), 1, 2, 3))
    assert asked == [2, 4]


def test_without_an_engine_nobody_knows(told: Event) -> None:
    with pytest.raises(LookupError, match="takes a running engine"):
        make("tell", told.sources(""))
