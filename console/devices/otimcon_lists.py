"""Lists of what is written to cards, checked whole before the first card comes (otimcon.md, section 2)."""

import csv
import hashlib
from collections.abc import Callable, Sequence
from pathlib import PurePath

from msgspec import Struct

from console.devices import otimcon_commands as table
from console.devices.driver import CommandError

TOLD = 5
"""Faults that are told of one file."""


class Row(Struct, frozen=True):
    """What one card gets."""

    line: int
    """Of the file, from 1."""
    words: str
    """What is sent: `WRITE INFO BAUER Eva`."""
    shown: str


def names(text: str, file: str) -> list[Row]:
    """Rows `name[,...]`; under a heading `name`, that column. Raises CommandError with the lines that cannot be
    written."""
    return _rows(text, file, "name", _name)


def controls(text: str, file: str) -> list[Row]:
    """Rows `control,YYYYMMDDhhmmss`. Raises CommandError with the lines that cannot be written."""
    return _rows(text, file, "control", lambda cells: _control(*_two(cells)))


def control(number: str, time: str) -> Row:
    """A control and a time for every card. Raises CommandError."""
    try:
        words, shown = _control(number, time)
    except ValueError as error:
        raise CommandError(f"WRITE CONTROL EACH: {error}") from None
    return Row(1, words, shown)


def key(rows: Sequence[Row]) -> str:
    """Names the contents of a list, so that the same list, read again, goes on where it stopped."""
    return hashlib.sha256("\n".join(row.words for row in rows).encode()).hexdigest()[:12]


def _rows(text: str, file: str, header: str, read: Callable[[list[str]], tuple[str, str]]) -> list[Row]:
    name = PurePath(file).name
    rows: list[Row] = []
    faults: list[str] = []
    reader = csv.reader(text.splitlines(), delimiter=_delimiter(text))
    column = 0
    try:
        for number, cells in enumerate(reader):
            if not any(cell.strip() for cell in cells):
                continue
            titles = [cell.strip().lower() for cell in cells] if number == 0 else []
            if header in titles:
                column = titles.index(header)
                continue
            try:
                words, shown = read(cells[column:] or [""])
                rows.append(Row(reader.line_num, words, shown))
            except ValueError as error:
                faults.append(f"{name} line {reader.line_num}: {error}")
    except csv.Error as error:
        faults.append(f"{name} line {reader.line_num}: {error}")
    if faults:
        more = f"; and {len(faults) - TOLD} more" if len(faults) > TOLD else ""
        raise CommandError("; ".join(faults[:TOLD]) + more + ". Nothing was written")
    if not rows:
        raise CommandError(f"{name} is empty: one row for each card is expected")
    return rows


def _delimiter(text: str) -> str:
    """Spreadsheets write commas, semicolons or tabs, as their country has it."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    return max(",;\t", key=first.count)


def _name(cells: list[str]) -> tuple[str, str]:
    words = " ".join(cells[0].split())
    if not words:
        raise ValueError("there is no name in its column")
    if words.isdecimal() and any(cell.strip() and not cell.strip().isdecimal() for cell in cells[1:]):
        raise ValueError(f"{words!r} is a number, and what may be the name comes after it: head the column `name`")
    name = table.text(words)
    return f"WRITE INFO {name}", name


def _two(cells: list[str]) -> tuple[str, str]:
    control_, time, *_ = *(cell.strip() for cell in cells), ""
    return control_, time


def _control(number: str, time: str) -> tuple[str, str]:
    at = table.moment(time)
    return f"WRITE CONTROL {table.control(number)} {time}", f"control {number.upper()} at {at:%Y-%m-%d %H:%M:%S}"
