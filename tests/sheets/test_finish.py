"""The finish order by places."""

from console.model import Origin, Phase, Status
from console.sheets import PAGE, make
from tests.sheets.passings import edit, place, sources

HERE = 2
"""Column of the place, where the sheet is that of one device."""


def test_places_with_all_that_is_known_of_them() -> None:
    rows = [
        place(1, 408, "01:11:52.31", "1178"),
        place(2, 409, "01:11:55.02"),
        place(3, 411, "01:11:55.48"),
        place(4, 411, "01:11:55.48", "933", status=Status.JOINED, of=3),
        edit(5, 1, "1187", was="1178"),
        place(6, 414, "01:12:14.12", "771"),
    ]
    sheet = make("finish", sources(rows))
    assert sheet.rows == [
        ("1", "001", "0408", "11", "408", "01:11:52.31", "1187", "select", "edited anna, was 1178"),
        ("1", "001", "0409", "11", "409", "01:11:55.02", "----", "primary", "NO BIB"),
        ("1", "001", "0410", "", "", "", "", "", "HOLE"),
        ("1", "001", "0411", "11", "411", "01:11:55.48", "933", "primary+select", ""),
        ("1", "001", "0412-0413", "", "", "", "", "", "HOLE"),
        ("1", "001", "0414", "11", "414", "01:12:14.12", "771", "select", ""),
    ]
    assert sheet.marks == {1: "warn", 2: "bad", 4: "bad"}
    assert sheet.note == "3 places missing between others, 1 without a bib"


def test_what_came_late_stands_where_it_belongs() -> None:
    rows = [place(1, 1, bib="1"), place(2, 3, bib="3"), place(3, 2, bib="2", origin=Origin.RETRANSMIT)]
    sheet = make("finish", sources(rows))
    assert [row[HERE] for row in sheet.rows] == ["0001", "0002", "0003"]
    assert [row[-1] for row in sheet.rows] == ["", "retransmit", ""]
    assert sheet.note == ""


def test_a_device_s_own_correction_is_the_bib() -> None:
    rows = [place(1, 1, bib="12"), place(2, 1, bib="21", status=Status.CORRECTION, of=1, change="bib")]
    sheet = make("finish", sources(rows))
    assert [(row[6], row[-1]) for row in sheet.rows] == [("21", "corrected, was 12")]


def test_events_and_runs_count_their_places_apart() -> None:
    rows = [
        place(1, 1, bib="1", generation=1, phase=Phase.TEST),
        place(2, 1, bib="1", generation=2),
        place(3, 1, bib="2", generation=2, event="002"),
        place(4, 2, bib="3", generation=2),
    ]
    sheet = make("finish", sources(rows))
    assert [row[:3] for row in sheet.rows] == [
        ("1 TEST", "001", "0001"),
        ("2", "001", "0001"),
        ("2", "001", "0002"),
        ("2", "002", "0001"),
    ]
    everywhere = make("finish", sources(rows, device=""))
    assert all(len(row) == len(everywhere.columns) for row in everywhere.rows)


def test_more_than_a_page_of_finishers() -> None:
    rows = [place(number, number, bib=str(number)) for number in range(1, PAGE + 20)]
    rows.append(edit(PAGE + 30, 5, "X5", was="5"))
    sheet = make("finish", sources(rows))
    assert [row[6] for row in sheet.rows[3:6]] == ["4", "X5", "6"]
    assert len(sheet.rows) == PAGE + 19
