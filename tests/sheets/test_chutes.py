"""How many finishers each event and chute has."""

from console.model import Status
from console.sheets import make
from tests.sheets.passings import edit, lap, place, sources


def test_places_are_counted_by_event_and_chute() -> None:
    rows = [
        place(1, 1, "00:15:42.07"),
        place(2, 2, "00:15:44.90", "123"),
        place(3, 1, "00:15:42.07", "9", status=Status.JOINED, of=1),
        place(4, 1, "00:16:00.00", event="002", channel="12"),
        lap(5, 1, 1, "00:16:00.00", "16:00.00"),
    ]
    sheet = make("chutes", sources(rows))
    assert [heading.strip() for heading in sheet.columns] == [
        "RUN", "EVENT", "CHUTE", "PLACES", "WITHOUT BIB", "FIRST", "LAST",
    ]  # fmt: skip
    assert sheet.rows == [
        ("1", "001", "11", "2", "0", "00:15:42.07", "00:15:44.90"),
        ("1", "002", "12", "1", "1", "00:16:00.00", "00:16:00.00"),
    ]
    assert sheet.marks == {1: "warn"}


def test_a_bib_given_by_hand_names_and_one_taken_away_does_not() -> None:
    rows = [place(1, 1), place(2, 2, bib="7"), edit(3, 1, "1204"), edit(4, 2, None, was="7")]
    assert [row[3:5] for row in make("chutes", sources(rows)).rows] == [("2", "1")]


def test_devices_are_told_apart_where_all_are_meant() -> None:
    rows = [place(1, 1), place(2, 1, device="mat")]
    sheet = make("chutes", sources(rows, device=""))
    assert [row[0] for row in sheet.rows] == ["chute", "mat"]
    assert all(len(row) == len(sheet.columns) for row in sheet.rows)
