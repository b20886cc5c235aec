"""The tag table: what is read, and what is said of what is not."""

import csv
import re
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.timing.tags import TagTable, parse, plain_bib, plain_tag

GOOD = "tag,bib,name\n04 a1 b2 c3,1204,BAUER Eva\n0004711,0412,NOVAK Petra\n,0933,BERG Tom\n04-A1-B2-FF,1204,\nA9,77\n"


def read(text: str) -> tuple[TagTable, list[str]]:
    return parse(text.encode())


def test_tags_have_bibs_and_bibs_have_names() -> None:
    table, problems = read(GOOD)
    assert problems == []
    assert [table.bib(tag) for tag in ("04:A1:B2:C3", "04a1b2ff", "4711", "FF", "", None)] == [
        *("1204", "1204", "0412"),
        *(None, None, None),
    ]
    assert [table.name(bib) for bib in ("1204", "933", "00933", "412")] == [
        *("BAUER Eva", "BERG Tom", "BERG Tom", "NOVAK Petra"),
    ]
    assert table.name("77") == "", "in the table, without a name"
    assert table.name("9330") is None
    assert table.name(None) is None
    assert str(table) == "4 tags, 4 bibs, 3 names"
    assert table
    assert not TagTable()


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffbib;name;tag\r\n1204;BAUER Eva;A1\r\n",
        "A1\t1204\tBAUER Eva",
        "A1,1204,BAUER Eva\n\n,,\n \n",
        "tag,bib,name\rA1,1204,BAUER Eva\r",
        "A1,1204,BAUER\xa0 Eva ",
        'Name, Bib ,TAG,club\n"BAUER Eva",1204,a1,"SC, Bern"\n',
    ],
)
def test_columns_and_separators(text: str) -> None:
    assert read(text) == (TagTable({"A1": "1204"}, {"1204": "BAUER Eva"}), [])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_encodings_of_spreadsheets(encoding: str) -> None:
    table, problems = parse("tag;bib;name\r\nA1;1;Ann\r\nA2;2;MÜLLER Zoë\r\n".encode(encoding))
    assert table.bib("A2") == "2"
    assert table.name("2") == "MÜLLER Zoë"
    assert ["line 3: not UTF-8" in problem for problem in problems] == [True] * (encoding == "cp1252")


def test_bad_rows_cost_themselves_alone() -> None:
    rows = "tag,bib,name\nA1,1,Ann\nA1,2,Bea\nA2,1,Cleo\nA3,,Dora\n,7,\nA4,12345678901234567,Eva\n"
    rows += 'A5,"5,Fay\n4.71E+205,6,\nÄ!,8,\n,,Gil\nA9,9,"Ina\nA6,6,\x1b[31m\n'
    table, problems = read(rows + "A5,5,Fay\nA1,01,\n")
    assert [problem.partition(":")[0] for problem in problems] == [f"line {line}" for line in range(3, 14)]
    expected = [
        *("belongs to bib 1 already, not to 2 too", "bib 1 is called Ann already", "A3 has no bib", "neither tag nor"),
        *(
            "16 characters at most",
            "mind the quotes",
            "rounded by a spreadsheet",
            "is no tag",
            "no bib",
            "mind the quotes",
        ),
        "characters that cannot be printed",
    ]
    for words, problem in zip(expected, problems, strict=True):
        assert words in problem
    assert table == TagTable({"A1": "1", "A5": "5"}, {"1": "Ann", "5": "Fay"})


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "it is empty"),
        (b" \r\n\n", "it is empty"),
        (b"\xef\xbb\xbf", "it is empty"),
        (b"tag,bib,name\n", "no row of it can be used"),
        (b"tag,bib,name\nA1,,\n", "no row of it can be used; line 2: tag A1 has no bib"),
        (b"\nchip,startnummer\nA1,1\n", "line 2: the heading must name bib, and tag or name (got 'chip, startnummer')"),
        (b"bib,chip\n1,A1\n", "line 1: the heading must name bib"),
        (b"\x7fELF\x01\x02\x00\x00\x00" * 9, "no row of it can be used; line 1: characters that cannot be printed"),
    ],
)
def test_what_is_no_table(data: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        parse(data)


def test_every_problem_is_named() -> None:
    _, problems = read("tag,bib\nA1,1\n" + "A,\n" * 1000)
    assert problems[-1] == "line 1002: tag A has no bib"
    assert len(problems) == 1000


@given(st.one_of(st.binary(), st.text().map(str.encode), st.text(st.sampled_from('a1,;\t"\n\r')).map(str.encode)))
def test_any_bytes(data: bytes) -> None:
    try:
        table, problems = parse(data)
    except ValueError:
        return
    assert table
    assert all(problems)
    assert all(plain_tag(tag) == tag and table.bib(tag) for tag in table.bibs)
    assert all(plain_bib(bib) == bib for bib in table.names)


CELL = st.text(st.sampled_from("aZé ;,\"-'"), min_size=1, max_size=10).map(lambda text: " ".join(text.split()))


@given(st.dictionaries(st.integers(1, 10**9), CELL, min_size=1, max_size=20))
def test_what_was_written_is_read(names: dict[int, str]) -> None:
    file = StringIO()
    writer = csv.writer(file)
    writer.writerow(["tag", "bib", "name"])
    writer.writerows([f"T{number}", str(number), name] for number, name in names.items())
    table, problems = read(file.getvalue())
    assert problems == []
    assert {int(table.bib(f"T{number}") or 0): table.name(str(number)) for number in names} == names
