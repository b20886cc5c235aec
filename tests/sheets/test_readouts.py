from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.devices.otimcon import Otimcon, OtimconSettings
from console.model import Direction, Frame, Heard, Sheet
from console.sheets import make
from console.sheets.readouts import readouts, since_start
from tests.devices.outlet import Nowhere
from tests.sheets.event import event

NOON = 1_795_176_000


def heard(*chunks: bytes) -> list[Heard]:
    """What a driver makes of them; the link is lost after each."""
    driver = Otimcon(OtimconSettings(name="ctl", type="otimcon"), Nowhere())
    return [frame for chunk in chunks for frame in (*driver.receive(chunk, 0), *driver.lost())]


def read(path: Path, *chunks: bytes) -> Sheet:
    with event(path) as desk:
        desk.hear(heard(*chunks))
        return make("readouts", desk.sources())


def line(*pairs: tuple[int, int], end: str = "%") -> bytes:
    return "".join(f"{control},{NOON + at}," for control, at in pairs).encode() + end.encode() + b"\r\n>\r\n"


CARD = b"Card: 04 A1 B2 C3\r\n"


def test_a_card_with_its_splits_from_the_last_start_on(tmp_path: Path) -> None:
    sheet = read(tmp_path, CARD + line((251, -9000), (252, -8000), (251, 0), (31, 65), (252, 43_300)))
    assert sheet.rows == [
        (
            "12:00:02",
            "04A1B2C3",
            "BAUER Eva",
            "START",
            "2026-11-20 12:00:00",
            "0:00:00",
            "0:00:00",
            "2 earlier left out",
        ),
        ("", "", "", "31", "12:01:05", "0:01:05", "0:01:05", ""),
        ("", "", "", "FINISH", "2026-11-21 00:01:40", "12:00:35", "12:01:40", ""),
    ]
    assert sheet.marks == {}


def test_a_card_taken_away_is_to_be_read_again_until_it_was(tmp_path: Path) -> None:
    torn = CARD + f"251,{NOON},31,{NOON + 5},>\r\n".encode()
    other = b"Card: 04 FF 11 22\r\n" + f"251,{NOON},>\r\n".encode()
    sheet = read(tmp_path, torn + other)
    assert [row[1] for row in sheet.rows] == ["04FF1122", "04A1B2C3", ""]
    assert sheet.rows[1][-1] == "TAKEN AWAY TOO EARLY: read it again"
    assert sheet.marks == {0: "bad", 1: "bad"}
    assert sheet.note == "READ AGAIN: 04FF1122, 04A1B2C3"
    with event(tmp_path) as desk:
        desk.hear(heard(CARD + line((251, 0))))
        sheet = make("readouts", desk.sources())
    assert (sheet.rows[0][1], sheet.rows[0][-1]) == ("04A1B2C3", "")
    assert sheet.note == "READ AGAIN: 04FF1122"
    with event(tmp_path) as desk:
        desk.hear(heard(torn))
        assert make("readouts", desk.sources()).note == "READ AGAIN: 04A1B2C3, 04FF1122"


@pytest.mark.parametrize(
    ("printed", "rows", "note"),
    [
        (CARD + b"%\r\n>\r\n", ["-"], "empty"),
        (b"^7, 04 A1 B2 C3,1795176000$\r\n" + line((7, 0)), ["7"], "read at a control: may lack punches"),
        (
            CARD + b"252,1795176060,2026/11/20 12:01:00#\r\n251,1795176000,2026/11/20 12:00:00#\r\n%\r\n>",
            ["START", "FINISH"],
            "old firmware: may lack punches",
        ),
        (CARD + line((31, 60), (32, 0)), ["31", "32"], ""),
        (CARD + b"Error: Card not prepared\r\n>\r\n", [], ""),
    ],
)
def test_what_stations_and_modes_print(tmp_path: Path, printed: bytes, rows: list[str], note: str) -> None:
    sheet = read(tmp_path, printed)
    assert [row[3] for row in sheet.rows] == rows
    assert (sheet.rows[0][-1] if rows else "") == note
    if rows == ["31", "32"]:
        assert sheet.rows[1][5] == "-0:01:00"  # a clock was off


def test_a_line_that_a_lost_link_cut_off_spoils_no_other(tmp_path: Path) -> None:
    sheet = read(tmp_path, CARD + f"251,{NOON},31,17".encode(), CARD + line((251, 0)))
    assert [row[1] for row in sheet.rows] == ["04A1B2C3"]


def test_two_devices_do_not_mix(tmp_path: Path) -> None:
    with event(tmp_path) as desk:
        desk.hear(heard(CARD)[:1], "one")
        desk.hear(heard(b"Card: 04 FF 11 22\r\n" + line((251, 0))), "two")
        desk.hear(heard(CARD + line((31, 0)))[1:], "one")
        sheet = make("readouts", desk.sources(""))
    assert [(row[1], row[3]) for row in sheet.rows] == [("04A1B2C3", "31"), ("04FF1122", "START")]


@given(st.lists(st.tuples(st.integers(1, 254), st.integers(0, 9)), max_size=9))
def test_from_the_last_start_on(pairs: list[tuple[int, int]]) -> None:
    kept = since_start(pairs)
    assert pairs[len(pairs) - len(kept) :] == kept
    assert 251 not in [control for control, _ in kept[1:]]


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from([CARD, line((251, 0)), b"%\r\n", b">"]) | st.binary()))
)
def test_any_frames_are_taken(raws: list[tuple[str, bytes]]) -> None:
    frames = [
        Frame(seq=seq, device=device, direction=Direction.RX, wall=0, mono=0, raw=raw)
        for seq, (device, raw) in enumerate(raws)
    ]
    for card in readouts(sorted(frames, key=lambda frame: frame.device)):
        assert card.uid
        assert since_start(card.pairs) is not None
