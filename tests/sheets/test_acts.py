"""Sheets of what stations were made to do: stations, cards, tickets."""

from pathlib import Path

from console.model import Scalar
from console.sheets import PAGE, make
from tests.sheets.event import event


def station(control: int | None, **more: Scalar) -> dict[str, Scalar]:
    usual: dict[str, Scalar] = {"device": "ctl", "version": "0.22", "mode": "CONTROL", "off_before": -270, "off": 0}
    return {**usual, "control": control, "backup_reset": True, **more}


def test_stations_in_the_order_in_which_they_were_set(tmp_path: Path) -> None:
    with event(tmp_path) as desk:
        desk.act("station", station(31))
        desk.act("phase", {"phase": "RACE"})
        desk.act("station", station(251, backup_reset=False))
        desk.act("station", station(251))
        desk.act("station", station(None, off_before=None, off=None, mode="READOUT"))
        desk.act("station", station(31), by="bob")
        desk.act("station", station(32, device="other"))
        sheet = make("stations", desk.sources())
        assert [row[:6] for row in sheet.rows] == [
            ("31", "0.22", "CONTROL", "-270", "+0", "reset"),
            ("START", "0.22", "CONTROL", "-270", "+0", "-"),
            ("START", "0.22", "CONTROL", "-270", "+0", "reset"),
            ("-", "0.22", "READOUT", "-", "-", "reset"),
            ("31", "0.22", "CONTROL", "-270", "+0", "reset"),
        ]
        assert sheet.rows[4][7:] == ("bob", "ctl")
        assert sheet.marks == {0: "warn"}
        assert "its number was given again later" in sheet.note
        assert len(make("stations", desk.sources("")).rows) == 6
        assert make("stations", desk.sources("nobody")).rows == []


def test_cards_with_what_came_of_them(tmp_path: Path) -> None:
    body: dict[str, Scalar] = {"device": "ctl", "list": "ab12", "run": 1, "row": 1, "what": "INFO Bo"}
    with event(tmp_path) as desk:
        desk.act("card", {**body, "result": "FAIL Card not prepared", "ok": False})
        for _ in range(PAGE):
            desk.journal.act("card", {**body, "result": "OK", "ok": True}, "ann")
        desk.act("card", {**body, "list": "", "result": "OK", "ok": True})
        sheet = make("cards", desk.sources())
    assert len(sheet.rows) == PAGE + 2
    assert sheet.rows[0][:3] == ("1", "INFO Bo", "FAIL Card not prepared")
    assert (sheet.rows[1][5:7], sheet.rows[-1][5]) == (("ab12", "1"), "each")
    assert sheet.marks == {0: "warn"}
    assert sheet.note.startswith(f"{PAGE + 1} written, 1 failed")


def test_tickets_read_as_on_paper_newest_first(tmp_path: Path) -> None:
    with event(tmp_path) as desk:
        desk.act("ticket", {"device": "ctl", "card": "04A1", "text": "BAUER Eva\nTOTAL 1\n", "complete": True})
        desk.act("ticket", {"device": "ctl", "card": "04FF", "text": "LEE Ann", "complete": False})
        sheet = make("tickets", desk.sources())
    assert [row[1:] for row in sheet.rows] == [
        ("04FF", "CUT SHORT: touch the card again"),
        ("", "LEE Ann"),
        ("04A1", "BAUER Eva"),
        ("", "TOTAL 1"),
    ]
    assert sheet.marks == {0: "bad"}
