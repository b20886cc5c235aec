"""The day's reconciliation: figures from the rows themselves, and each with the rows behind it."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from msgspec import structs

from console.exports.export import ExportSettings
from console.journal.recovery import DATABASE
from console.model import Cursor, Direction, ExportState, Level, Origin, Passing, PeerState, Scalar, Sheet, Trouble
from console.sheets import make
from console.sheets.deliveries import as_saved, of_exports
from console.sheets.report import mismatch
from tests.journal.event import draft, place, start
from tests.sheets.event import NOON, Event, event
from tests.sheets.exports import Told, sources
from tests.sheets.test_tell import time


@pytest.fixture
def day(tmp_path: Path) -> Iterator[Event]:
    """A chute and a timer: places 1, 2 and 5, 2 told again, a bib by hand; a bib and a time that the timer corrects, a
    time that it cancels, two that its download offers, one of which is taken over; garbage, and what we said."""
    with event(tmp_path) as made:
        for one in (start(), place(1), place(2), place(2), place(5), draft(b"\xff\0", flaw="garbage")):
            made.journal.frame(structs.replace(one, wall=NOON))
        made.journal.frame(structs.replace(draft(b"#PAUSE\r\n"), direction=Direction.TX))
        made.act("bib", {"passing": 2, "bib": "77"}, "anna")
        made.hear([time(number, str(number)) for number in (1, 2, 3)], "timer")
        made.hear([time(1, "9", change="bib"), time(2, "2", seconds=4, origin=Origin.RECALL)], "timer")
        made.hear([time(3, "3", change="cancelled")], "timer")
        made.hear([time(number, str(number), origin=Origin.RECALL) for number in (4, 5)], "timer")
        offered = made.reader.passings(limit=1)[0].seq
        made.act("take over", {"passing": offered, "device": "timer"}, "anna")
        made.journal.trouble(Trouble(Level.WARNING, "timer", "its clock was set"))
        made.act("heard", {}, "test")
        yield made


def of(sheet: Sheet, name: str, peer: str = "") -> dict[str, str]:
    return {row[2]: row[3] for row in sheet.rows if row[:2] == (name, peer)}


def test_figures_of_a_device_are_those_of_its_rows(day: Event) -> None:
    sheet = make("report", sources(day, devices=("timer", "chute", "spare")))
    assert of(sheet, "chute") == {
        "frames": "6", "sent-frames": "1", "flaws": "1", "passings": "4", "repeats": "1", "corrections": "0",
        "cancelled": "0", "joined": "0", "edited": "1", "offered": "0", "recovered": "0", "holes": "2",
        "nameless": "2", "incidents": "1",
    }  # fmt: skip
    timer = of(sheet, "timer")
    assert {key: count for key, count in timer.items() if count != "0"} == {
        "frames": "8", "passings": "4", "corrections": "2", "cancelled": "1", "offered": "1", "recovered": "1",
        "incidents": timer["incidents"],
    }  # fmt: skip
    assert set(of(sheet, "spare").values()) == {"0"}, "it is in the settings, and has never said anything"
    assert list(dict.fromkeys(row[0] for row in sheet.rows)) == ["timer", "chute", "spare"]
    assert "0003-0004" in next(row[4] for row in sheet.rows if row[2] == "holes" and row[0] == "chute")
    assert make("report", sources(day, of="chute")).rows == [row for row in sheet.rows if row[0] == "chute"]


def test_every_figure_leads_to_as_many_rows(day: Event) -> None:
    scoring = Told()
    fates = (
        "tcp",
        "sent",
        "waiting",
        "held: no bib yet",
        "held: no UTC yet",
        "unmapped: 2^31",
        "skipped",
        "tcp",
        "tcp",
    )
    scoring.fates = dict(enumerate(fates, 1))
    sheet = make("report", sources(day, scoring, devices=("chute", "timer")))
    looked = 0
    for number, (name, _, figure, count, _) in enumerate(sheet.rows):
        if figure in ("acked", "resent"):
            continue
        behind, _, about = sheet.links[number].partition(" ")
        table = make(behind, sources(day, scoring, of=about))
        if figure == "holes":
            assert [row[-1] for row in table.rows].count("HOLE") == (1 if name == "chute" else 0)
            continue
        assert len(table.rows) == int(count), sheet.rows[number]
        for frame in table.links.values():
            assert day.reader.frame(int(frame)), "and from there to the bytes"
        looked += 1
    assert looked == 2 * 13 + 8
    held = make("held", sources(day, scoring, of="scoring 10.0.0.5"))
    assert [(row[2], row[8]) for row in held.rows] == [("5", "no UTC yet"), ("4", "no bib yet")]
    assert "nothing is held" in make("held", sources(day, Told())).note


def test_a_peer_adds_up_in_words(day: Event) -> None:
    scoring = Told()
    scoring.fates = {1: "tcp", 2: "sent", 3: "waiting", 4: "held: no bib yet", 5: "unmapped: 2^31", 6: "skipped"}
    scoring.more = {"reasons": {"no bib yet": 1}, "resent": 3}
    sheet = make("report", sources(day, scoring))
    assert of(sheet, "scoring", "10.0.0.5") == {
        "journaled": "6", "sent": "2", "tcp": "1", "acked": "-", "waiting": "1", "held": "1", "unmapped": "1",
        "skipped": "1", "resent": "3", "tell": "0",
    }  # fmt: skip
    notes = {row[2]: row[4] for row in sheet.rows if row[0] == "scoring"}
    assert notes["journaled"] == "= 2 sent + 1 waiting + 1 held + 1 unmapped + 1 skipped"
    assert notes["held"] == "1 no bib yet"
    assert "bad" not in sheet.marks.values()
    assert sheet.note == "tcp: taken by the peer's TCP, which is no proof that its program has read it"


def test_unknown_is_not_zero(day: Event) -> None:
    scoring = Told()
    scoring.more = {"tcp": None, "acked": 0, "oldest": None}
    figures = of(make("report", sources(day, scoring)), "scoring", "10.0.0.5")
    assert (figures["tcp"], figures["acked"], figures["waiting"]) == ("?", "0", "0")


def test_what_is_to_be_told_is_counted(day: Event) -> None:
    scoring = Told()
    scoring.fates = dict.fromkeys(range(1, 20), "tcp")
    sheet = make("report", sources(day, scoring))
    told = make("tell", sources(day, scoring))
    assert of(sheet, "scoring", "10.0.0.5")["tell"] == str(len(told.rows)) == "3"
    assert "tell scoring: 3 that went out hold no more" in sheet.note


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"journaled": 7}, "2 sent + 1 waiting + 1 held + 1 unmapped + 1 skipped = 6"),
        ({"tcp": 3}, "journaled >= sent >= tcp does not hold"),
        ({"acked": 3}, "journaled >= sent >= tcp does not hold"),
        ({"waiting": -1, "journaled": 4}, "a negative count"),
        ({"reasons": {"no bib": 2}}, "2 reasons for 1 held"),
    ],
)
def test_a_fault_of_ours_is_seen(day: Event, wrong: dict[str, object], said: str) -> None:
    scoring = Told()
    scoring.fates = {1: "tcp", 2: "sent", 3: "waiting", 4: "held: no bib yet", 5: "unmapped: 2^31", 6: "skipped"}
    scoring.more = wrong
    sheet = make("report", sources(day, scoring))
    (number,) = [number for number, mark in sheet.marks.items() if mark == "bad"]
    assert sheet.rows[number][2] == "journaled"
    assert sheet.rows[number][4].startswith("DOES NOT ADD UP: ")
    assert said in sheet.rows[number][4]
    assert sheet.note.startswith("1 figures do not add up: a fault of RaceDeck")


def test_rows_that_are_not_what_was_counted_are_seen(tmp_path: Path, day: Event) -> None:
    with closing(sqlite3.connect(tmp_path / DATABASE)) as connection:
        connection.execute("UPDATE passings SET status = 'repeat' WHERE seq = 2")
        connection.commit()
    sheet = make("report", sources(day))
    (number,) = [number for number, mark in sheet.marks.items() if mark == "bad"]
    assert sheet.rows[number][:3] == ("chute", "", "frames")
    assert sheet.rows[number][4] == "DOES NOT ADD UP: 7 frames, 4 passings, 1 repeats were counted as they were written"


def test_nobody_has_come_yet(day: Event) -> None:
    class Lonely(Told):
        def state(self) -> ExportState:
            return structs.replace(super().state(), peers=(), journaled=12)

    sheet = make("report", sources(day, Lonely()))
    assert sheet.rows[-1] == ("scoring", "-", "journaled", "12", "nobody has come yet")


def test_without_an_engine_it_is_what_was_saved(day: Event) -> None:
    counts = {"journaled": 9, "sent": 5, "tcp": 5, "unmapped": 1, "skipped": 1, "resent": 4}
    cursor = Cursor(export="scoring", peer="10.0.0.5", start=0, sent=8, tcp=6, held=(3,), counts=counts)
    names = [ExportSettings(name=name, type="tsv1") for name in ("scoring", "other")]
    saved = structs.replace(sources(day, devices=("chute",)), deliveries=as_saved(names, [cursor], 12))
    sheet = make("report", saved)
    assert of(sheet, "scoring", "10.0.0.5") == {
        "journaled": "9", "sent": "5", "tcp": "5", "acked": "-", "waiting": "1", "held": "1", "unmapped": "1",
        "skipped": "1", "resent": "4", "tell": "?",
    }  # fmt: skip
    notes = [row[4] for row in sheet.rows if row[:3] == ("scoring", "10.0.0.5", "sent")]
    assert notes == ["no engine runs: as it was saved last; passings beyond #8 are not in it"]
    assert of(sheet, "other", "-") == {"journaled": "?"}
    with pytest.raises(LookupError, match="takes a running engine"):
        make("waiting", saved)


def test_what_is_no_longer_in_the_settings_stays_in_it(day: Event) -> None:
    counts = {"journaled": 9, "sent": 5, "tcp": 5}
    removed = Cursor(export="gone", peer="10.0.0.5", start=0, sent=9, tcp=6, counts=counts)
    file = Cursor(export="book", peer="/book.csv", start=0, sent=9, tcp=9, counts={"journaled": 9, "taken": 7})
    scoring = Told()
    told = of_exports({"scoring": scoring}, [removed, file, Cursor(export="scoring", peer="p", start=0, sent=1, tcp=1)])
    sheet = make("report", structs.replace(sources(day), deliveries=told))
    assert of(sheet, "gone", "10.0.0.5")["tcp"] == "5"
    assert of(sheet, "book", "/book.csv")["tcp"] == "-", "a file is no peer on a network"
    assert of(sheet, "book", "/book.csv")["waiting"] == "2"
    notes = {row[4] for row in sheet.rows if row[:3] == ("gone", "10.0.0.5", "sent")}
    assert notes == {"no longer in the settings, or it has failed: as it was saved last"}
    assert ("scoring", "p") not in {row[:2] for row in sheet.rows}
    saved = as_saved([ExportSettings(name="scoring", type="tsv1")], [removed], 9)
    sheet = make("report", structs.replace(sources(day), deliveries=saved))
    notes = {row[4] for row in sheet.rows if row[:3] == ("gone", "10.0.0.5", "sent")}
    assert notes == {"no longer in the settings: as it was saved last"}


def test_targets_of_before_are_told_with_their_rows(day: Event) -> None:
    class Moved(Told):
        def state(self) -> ExportState:
            state = super().state()
            return structs.replace(state, former=tuple(structs.replace(one, address="old") for one in state.peers))

        def fate(self, passing: Passing) -> list[tuple[str, str]]:
            found = super().fate(passing)
            return [*found, *(("old", word) for _, word in found)]

    scoring = Moved()
    scoring.fates = {1: "tcp", 2: "sent"}
    sheet = make("report", sources(day, scoring))
    assert of(sheet, "scoring", "old")["sent"] == "2"
    assert len(make("sent", sources(day, scoring, of="scoring old")).rows) == 2


def test_more_rows_than_are_shown(day: Event, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.sheets.delivered.MOST", 2)
    monkeypatch.setattr("console.sheets.counted.MOST", 2)
    scoring = Told()
    scoring.fates = dict.fromkeys(range(1, 6), "tcp")
    sheet = make("sent", sources(day, scoring))
    assert ([row[2] for row in sheet.rows], sheet.note) == (["5", "4"], "the newest 2 of 5")
    sheet = make("passings", sources(day, of="chute"))
    assert (len(sheet.rows), sheet.note) == (2, "the newest 2 only; all: `racedeck dump passings`")


def test_what_is_not_found_is_said(day: Event) -> None:
    scoring = Told()
    scoring.fates = {1: "unmapped: 2^31"}
    scoring.more = {"unmapped": 3}
    sheet = make("unmapped", sources(day, scoring))
    assert len(sheet.rows) == 1
    assert sheet.note.startswith("the newest 1 of 3; the others are not among the newest 200,000 passings")


def test_a_journal_that_cannot_be_read_is_no_zero(tmp_path: Path, day: Event) -> None:
    told = sources(day)
    day.journal.close()
    (tmp_path / DATABASE).write_bytes(b"gone" * 4096)
    with pytest.raises(LookupError, match="cannot be read just now"):
        make("report", told)


def test_reasons_may_be_unknown() -> None:
    assert mismatch(PeerState(address="a", connected=True, since=0, journaled=2, held=2)) == ""


def test_what_was_sent_again_is_told_order_by_order(day: Event) -> None:
    body: dict[str, Scalar] = {"export": "scoring", "do": "resend", "first": 1, "last": 9, "point": "", "bib": ""}
    day.act("export", {**body, "id": 1, "peer": ""}, "anna")
    day.act("export", {"export": "scoring", "do": "resent", "id": 1, "peer": "", "last": 9, "sent": 7}, "anna")
    day.act("export", {**body, "id": 2, "peer": "10.0.0.6", "bib": "12"}, "bert")
    day.act("export", {"export": "scoring", "do": "pause"}, "bert")
    day.act("export", {**body, "export": "other", "id": 3, "peer": ""}, "bert")
    sheet = make("resent", sources(day, Told(), of="scoring"))
    assert [(*row[:2], *row[3:]) for row in sheet.rows] == [
        ("scoring", "10.0.0.6", "bert", "1", "9", "-", "12", "?", "?"),
        ("scoring", "all", "anna", "1", "9", "-", "-", "7", "9"),
    ]
    assert len(make("resent", sources(day, Told(), of="scoring 10.0.0.5")).rows) == 1
    assert len(make("resent", sources(day, Told())).rows) == 3
