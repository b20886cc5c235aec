"""Rows of the journal as columns, and as lines of CSV."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.codecs.columns import (
    FRAME_COLUMNS,
    PASSING_COLUMNS,
    csv_line,
    frame_cells,
    frame_row,
    passing_cells,
    passing_row,
)
from console.model import Direction, Frame, Resolved
from tests.exports.desk import NOON, passing


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)"])
def test_a_cell_is_no_formula(cell: str) -> None:
    assert csv_line([cell, 5, None]) == f"'{cell},5,\r\n"


@given(st.lists(st.text(max_size=30), min_size=1, max_size=5), st.sampled_from([",", ";", "\t"]))
def test_whatever_the_cells_hold_it_is_one_line(cells: list[str], separator: str) -> None:
    line = csv_line(cells, separator)
    assert line.endswith("\r\n")
    assert line[:-2].isprintable() or separator == "\t"
    (read,) = csv.reader(io.StringIO(line, newline=""), delimiter=separator)
    assert len(read) == len(cells)
    assert not any(cell[:1] in ("=", "+", "-", "@") for cell in read if cell)


def test_cells_stand_under_their_columns() -> None:
    resolved = Resolved(passing=passing(7, extra={"lane": 2, "place": 12}), utc=NOON, point="Finish", bib="7")
    row, cells = passing_row(resolved), dict(zip(PASSING_COLUMNS, passing_cells(resolved), strict=True))
    assert cells.pop("extra") == "lane=2; place=12"
    assert cells == {key: row[key] for key in cells}
    frame = Frame(seq=1, device="chute", direction=Direction.RX, wall=NOON, mono=5, raw=b"\x17\r\n")
    assert dict(zip(FRAME_COLUMNS, frame_cells(frame), strict=True)) == frame_row(frame)
