"""The tag table: what is read, and what is said of what is not."""

import csv
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.timing.tags import MOST_PROBLEMS, Runner, TagTable, normal, parse

GOOD = "tag,bib,name\n04 a1 b2 c3,1204,BAUER Eva\n0004711,0412,NOVAK Petra\n,0933,BERG Tom\n04A1B2FF,1204,\n"


def test_a_table() -> None:
    table, problems = parse(GOOD)
    assert problems == []
    assert table.by_tag("04:A1:B2:C3") == Runner("1204", "BAUER Eva")
    assert table.by_tag("04A1B2FF") == Runner("1204", "BAUER Eva")
    assert table.by_tag("4711") == Runner("0412", "NOVAK Petra")
    assert table.by_tag("FF") is None
    assert table.by_tag(None) is None
    assert (table.name("933"), table.name("0933"), table.name("9330"), table.name(None)) == (
        "BERG Tom",
        "BERG Tom",
        None,
        None,
    )


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffbib;name;tag\r\n1204;BAUER Eva;A1\r\n",
        "A1\t1204\tBAUER Eva",
        "A1,1204,BAUER Eva\n\n\n",
        'name,bib,tag,club\n"BAUER Eva",1204,a1,"SC, Bern"',
    ],
)
def test_columns_and_separators(text: str) -> None:
    assert parse(text) == (TagTable({"A1": Runner("1204", "BAUER Eva")}, {"1204": "BAUER Eva"}), [])


def test_bad_rows_cost_themselves_alone() -> None:
    rows = "tag,bib,name\nA1,1,Ann\nA1,2,Bea\nA2,1,Cleo\nA3,,Dora\n,7,\nA4,12345678901234567,Eva\nA5,5,Fay\n"
    table, problems = parse(rows)
    assert [problem.partition(":")[0] for problem in problems] == [f"line {line}" for line in (3, 4, 5, 6, 7)]
    assert "belongs to bib 1 already, not to 2 too" in problems[0]
    assert "bib 1 is called Ann already" in problems[1]
    assert "no bib" in problems[2]
    assert "neither tag nor name" in problems[3]
    assert "at most 16" in problems[4]
    assert table.tags == {"A1": Runner("1", "Ann"), "A5": Runner("5", "Fay")}


def test_an_open_quote_is_said_and_what_was_read_stays() -> None:
    table, problems = parse('tag,bib\nA1,1\nA2,"2\nA3,3\n')
    assert table.tags == {"A1": Runner("1")}
    assert "not read" in problems[0]


def test_problems_are_counted_when_they_are_many() -> None:
    _, problems = parse("tag,bib\n" + "A,\n" * 1000)
    assert len(problems) == MOST_PROBLEMS + 1
    assert problems[-1] == "and 900 more"


@given(st.text())
def test_any_text(text: str) -> None:
    table, problems = parse(text)
    assert all(normal(tag) == tag for tag in table.tags)
    assert all(problems)


CELL = st.text(st.sampled_from("aZé ;,\"-'"), min_size=1, max_size=10).map(str.strip)


@given(st.dictionaries(st.integers(1, 10**9), CELL, max_size=20))
def test_what_was_written_is_read(names: dict[int, str]) -> None:
    file = StringIO()
    writer = csv.writer(file)
    writer.writerow(["tag", "bib", "name"])
    writer.writerows([f"T{number}", str(number), name] for number, name in names.items())
    table, problems = parse(file.getvalue())
    assert problems == []
    assert {int(runner.bib): runner.name for runner in table.tags.values()} == names
