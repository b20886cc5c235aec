"""What a download or a backup brought that never came live."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from console.journal.journal import Journal
from console.model import SECOND, Basis, Kind, Origin, Reading
from console.sheets import Sources, make
from console.timing.bind import Binder
from tests.journal.event import Listener, draft, open_journal

PARIS = ZoneInfo("Europe/Paris")


def impulse(number: int, origin: Origin = Origin.RECALL, *, blank: bool = False) -> Reading:
    """A time of a CP545; `blank`: without bib and day."""
    return Reading(
        kind=Kind.IMPULSE,
        identity=f"1/{number}",
        time="10:00:00.25",
        ns=(36_000 + number) * SECOND + SECOND // 4,
        basis=Basis.DAY,
        channel="M1",
        day=None if blank else 20_605,
        bib=None if blank else str(number),
        origin=origin,
    )


def punch(epoch: int) -> Reading:
    return Reading(
        kind=Kind.PUNCH,
        identity=f"backup/04A1B2C3/{epoch}",
        time=str(epoch),
        ns=epoch * SECOND,
        basis=Basis.EPOCH,
        tag="04A1B2C3",
        shared=True,
        origin=Origin.BACKUP,
    )


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """An event in which impulse 1 came live, and a download and a backup tell more."""
    listener = Listener()
    with closing(open_journal(tmp_path / "event", listener)) as journal:
        told = [impulse(1, Origin.LIVE), impulse(1), impulse(2), impulse(3, blank=True)]
        for reading in told:
            journal.frame(draft(b"AN\r\n", reading, device="start"))
        journal.frame(draft(b"04A1B2C3\r\n", punch(1_780_315_200), device="control"))
        listener.wait(lambda it: len(it.frames) == 5)
        yield journal


def sources(journal: Journal, device: str) -> Sources:
    return Sources(device=device, reader=journal.reader(), resolve=Binder(PARIS).resolve, zone=PARIS)


def test_of_one_device(journal: Journal) -> None:
    with closing((source := sources(journal, "start")).reader):
        sheet = make("offered", source)
    assert sheet.title == "offered start"
    assert sheet.columns == (" #", "TIME", "CHANNEL", "TAG/BIB", " FRAME", "FROM", "CAME")
    assert sheet.rows == [
        ("3", "2026-06-01 10:00:02.25", "M1", "2", "3", "download", "never"),
        ("4", "10:00:00.25", "M1", "-", "4", "download", "never"),
    ]
    assert "`racedeck take-over start`" in sheet.note


def test_of_the_event(journal: Journal) -> None:
    with closing((source := sources(journal, "")).reader):
        sheet = make("offered", source)
    assert sheet.columns[0] == "DEVICE"
    assert sheet.rows[-1] == ("control", "5", "2026-06-01 12:00:00", "-", "04A1B2C3", "5", "backup", "never")


def test_what_was_taken_over_is_offered_no_more(journal: Journal) -> None:
    for seq in (3, 4):
        journal.act("take over", {"passing": seq, "device": "start"}, "anna").result(5)
    with closing((source := sources(journal, "start")).reader):
        sheet = make("offered", source)
    assert (sheet.rows, sheet.note) == ([], "nothing is offered: all that downloads and backups told is known")


def test_what_came_during_test_is_said_so(tmp_path: Path) -> None:
    listener = Listener()
    with closing(open_journal(tmp_path / "event", listener)) as journal:
        for phase, told in (("TEST", [impulse(1, Origin.LIVE)]), ("RACE", [impulse(1), impulse(2)])):
            journal.act("phase", {"phase": phase}, "anna").result(5)
            for reading in told:
                journal.frame(draft(b"AN\r\n", reading, device="start"))
        listener.wait(lambda it: len(it.frames) == 3)
        with closing((source := sources(journal, "start")).reader):
            sheet = make("offered", source)
    assert [row[-1] for row in sheet.rows] == ["in TEST #1", "never"]
    assert sheet.marks == {0: "dim"}
    assert "the 1 that came during TEST only by `racedeck take-over start --test`" in sheet.note
