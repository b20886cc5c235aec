"""How many finishers each event and chute has."""

from console.model import Kind, Status
from console.sheets import make
from tests.sheets.passings import passing, sources


def test_places_are_counted_by_event_and_chute() -> None:
    rows = [
        passing(1, Kind.PLACE, channel="11", time="00:15:42.07"),
        passing(2, Kind.SELECT, channel="11", time="00:15:44.90", bib="123"),
        passing(3, Kind.SELECT, channel="11", time="00:15:42.07", bib="9", status=Status.JOINED, of=1),
        passing(4, Kind.PLACE, channel="12", time="00:16:00.00", event="002"),
        passing(5, Kind.LAP, channel="1", time="00:16:00.00"),
    ]
    sheet = make("chutes", sources(rows, bibs={1: "9"}))
    assert [heading.strip() for heading in sheet.columns] == [
        "RUN", "EVENT", "CHUTE", "PLACES", "WITHOUT BIB", "FIRST", "LAST",
    ]  # fmt: skip
    assert sheet.rows == [
        ("1", "001", "11", "2", "0", "00:15:42.07", "00:15:44.90"),
        ("1", "002", "12", "1", "1", "00:16:00.00", "00:16:00.00"),
    ]
    assert sheet.marks == {1: "warn"}


def test_devices_are_told_apart_where_all_are_meant() -> None:
    rows = [passing(1, Kind.PLACE, channel="11"), passing(2, Kind.PLACE, channel="11", device="mat")]
    sheet = make("chutes", sources(rows, device=""))
    assert [row[0] for row in sheet.rows] == ["chute", "mat"]
    assert all(len(row) == len(sheet.columns) for row in sheet.rows)
