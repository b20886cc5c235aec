import csv
import io
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.codecs.otimcon import LINE_BUFFER, encode
from console.devices.driver import CommandError
from console.devices.otimcon_lists import control, controls, key, names


def test_names_are_read_from_what_spreadsheets_write() -> None:
    for text in (
        "name,bib\nBAUER Eva,1204\n\n  NOVAK   Petra ,7\n",
        "NAME;bib\r\nBAUER Eva;1204\r\n\r\nNOVAK Petra\r\n",
    ):
        assert [(row.line, row.words) for row in names(text, "names.csv")] == [
            (2, "WRITE INFO BAUER Eva"),
            (4, "WRITE INFO NOVAK Petra"),
        ]
    assert names('"LEE, Ann",1\n', "n.csv")[0].shown == "LEE, Ann"


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ("Ann\nÜnal\n", "names.csv line 2: 'Ünal' is not ASCII"),
        ("A" * 29, "has 29 characters; a card takes 28"),
        (",1204\n", "no name in its column"),
        ("a\x07b\n", "is not ASCII"),
        ("", "names.csv is empty"),
        ("name\n", "names.csv is empty"),
        (
            "ä\n" * 9,
            "line 5: 'ä' is not ASCII: the station would drop its other letters; and 4 more. Nothing was written",
        ),
    ],
)
def test_names_that_cannot_be_written_are_told_by_line(rows: str, why: str) -> None:
    with pytest.raises(CommandError) as told:
        names(rows, "/home/ann/names.csv")
    assert why in str(told.value)


def test_a_heading_says_which_column_has_the_names() -> None:
    rows = names("bib;name;club\n1;BAUER Eva;SC\n2\n".replace("2\n", "2;NOVAK Petra;\n"), "n.csv")
    assert [row.words for row in rows] == ["WRITE INFO BAUER Eva", "WRITE INFO NOVAK Petra"]
    assert controls("bib,control,time\n7,31,20261120101500\n", "c.csv")[0].words == "WRITE CONTROL 31 20261120101500"
    with pytest.raises(CommandError, match="line 2: there is no name in its column"):
        names("bib,name\n1\n", "n.csv")


def test_numbers_in_front_of_names_are_not_written_for_them() -> None:
    with pytest.raises(CommandError, match="line 1: '1' is a number, and what may be the name comes after it"):
        names("1;BAUER Eva\n2;NOVAK Petra\n", "n.csv")
    assert [row.shown for row in names("1204\n1205,7\n", "n.csv")] == ["1204", "1205"], "bibs may be what is wanted"


def test_controls_are_read_by_number_or_name() -> None:
    rows = controls("control,time\nSTART,20261120100000\n31;,\n".replace("31;,", "31,20261120101500"), "c.csv")
    assert [row.words for row in rows] == ["WRITE CONTROL 251 20261120100000", "WRITE CONTROL 31 20261120101500"]
    assert rows[0].shown == "control START at 2026-11-20 10:00:00"
    assert control("finish", "20261120130000").words == "WRITE CONTROL 252 20261120130000"


@pytest.mark.parametrize(
    ("number", "time"),
    [
        ("0", "20261120130000"),
        ("255", "20261120130000"),
        ("260", "20261120130000"),  # the firmware makes 4 of it
        ("12a", "20261120130000"),
        ("31", "20261120"),  # the firmware adds whatever is in its buffer
        ("31", "20261320130000"),
        ("31", "20260229130000"),
        ("31", "20261120130061"),
        ("31", "19991120130000"),
        ("31", "2026112013000 "),
        ("31", "２０２６１１２０１３００００"),  # noqa: RUF001
    ],
)
def test_what_the_firmware_does_not_check_is_checked_here(number: str, time: str) -> None:
    with pytest.raises(CommandError, match="WRITE CONTROL EACH"):
        control(number, time)
    with pytest.raises(CommandError, match=r"c\.csv line 1"):
        controls(f"{number},{time}\n", "c.csv")


def test_the_same_contents_are_the_same_list() -> None:
    assert key(names("Ann,1\nBo,2\n", "a.csv")) == key(names("name;bib\nAnn;9\n Bo \n", "b.csv"))
    assert key(names("Ann\nBo\n", "a")) != key(names("Bo\nAnn\n", "a"))


@given(st.text())
def test_any_text_is_a_list_or_is_refused_in_words(text: str) -> None:
    for read in (names, controls):
        with suppress(CommandError):
            assert all(len(encode(row.words)) <= LINE_BUFFER + 1 for row in read(text, "list.csv"))


@given(st.lists(st.text("abc XYZ,;\"'-", min_size=1, max_size=28).filter(str.strip), min_size=1, max_size=40))
def test_every_name_that_a_card_takes_comes_through(wanted: list[str]) -> None:
    file = io.StringIO()
    csv.writer(file).writerows([name, "x,y,z,u,v,w,;"] for name in wanted)
    expected = [" ".join(name.split()) for name in wanted]
    assert [row.shown for row in names(file.getvalue(), "n.csv")] == expected
