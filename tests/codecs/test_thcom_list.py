"""Start lists as operators keep them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.codecs.thcom_list import Entry, ListError, entries


@pytest.mark.parametrize(
    "text",
    [
        "1\n22\n333\n",
        "bib\n1\n22\n333",
        "Bib;Name\r\n1;BAUER, Eva\r\n22;LEE Ann\r\n333;\r\n",
        "name,BIB\nEva,1\nAnn,22\nTom,333\n",
        "Startnummer\tName\n001\tEva\n022\tAnn\n333\tTom",
        '"1","BAUER\nEva"\n"22",Ann\n333,Tom\n',
        "\n\n1\n\n22\n , \n333\n",
    ],
)
def test_a_list(text: str) -> None:
    assert [entry.bib for entry in entries(text)] == [1, 22, 333]


def test_lines_are_those_of_the_file() -> None:
    assert entries("bib\n\n7\n\n9\n") == [Entry(3, 7), Entry(5, 9)]


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "there is no bib in it"),
        ("bib\n", "there is no bib in it"),
        ("1\n0\n", "line 2: '0' is no bib from 1 to 9999"),
        ("1\n10000\n", "line 2: '10000' is no bib"),
        ("1\n12a\n", "line 2: '12a' is no bib"),
        ("12a\n1\n", "line 1: '12a' is no bib"),  # not a head: it has digits
        ("1\n-2\n", "line 2: '-2' is no bib"),
        ("1\n٣\n", "line 2: '٣' is no bib"),
        ("name,bib\nEva,\n", "line 2: no bib"),
        ("1\n2\n1\n", "line 3: bib 1 is in line 1 already"),
        ("1\n007\n7\n", "line 3: bib 7 is in line 2 already"),
        ("a\n" + "0\n" * 20, "and 15 lines more"),
    ],
)
def test_mistakes_are_named_by_their_lines(text: str, wrong: str) -> None:
    with pytest.raises(ListError, match=wrong.replace("(", r"\(")):
        entries(text)


@given(st.text(max_size=300))
def test_any_text(text: str) -> None:
    try:
        found = entries(text)
    except ListError:
        return
    assert all(1 <= entry.bib <= 9999 for entry in found)
    assert len({entry.bib for entry in found}) == len(found) > 0
