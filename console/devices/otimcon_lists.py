"""Lists of what is written to cards, checked whole before the first card comes (otimcon.md, section 2)."""

import csv
import hashlib
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import PurePath

from msgspec import Struct

from console.codecs.otimcon import FINISH, START
from console.devices.driver import CommandError

NAME = 28
"""Characters of a name that the firmware writes; its README says 30."""
TOLD = 5
"""Faults that are told of one file."""
_NAMED = {"START": START, "FINISH": FINISH}


class Row(Struct, frozen=True):
    """What one card gets."""

    line: int
    """Of the file, from 1."""
    words: str
    """What is sent: `WRITE INFO BAUER Eva`."""
    shown: str


def names(text: str, file: str) -> list[Row]:
    """Rows `name[,...]`. Raises CommandError with the lines that cannot be written."""
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


def moment(digits: str) -> datetime:
    """A real date and time of 14 digits, as the station takes them without looking. Raises ValueError."""
    expected = "14 digits, YYYYMMDDhhmmss, of a real date from 2000 to 2099"
    try:
        found = datetime.strptime(digits, "%Y%m%d%H%M%S") if re.fullmatch(r"[0-9]{14}", digits) else None  # noqa: DTZ007
    except ValueError:
        found = None
    if found is None or not 2000 <= found.year <= 2099:
        raise ValueError(f"time {digits!r} must be {expected}")
    return found


def _rows(text: str, file: str, header: str, read: Callable[[list[str]], tuple[str, str]]) -> list[Row]:
    name = PurePath(file).name
    rows: list[Row] = []
    faults: list[str] = []
    reader = csv.reader(text.splitlines(), delimiter=_delimiter(text))
    try:
        for number, cells in enumerate(reader):
            if not any(cell.strip() for cell in cells) or (number == 0 and cells[0].strip().lower() == header):
                continue
            try:
                words, shown = read(cells)
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
    name = " ".join(cells[0].split())
    if not name:
        raise ValueError("there is no name in its first column")
    if not (name.isascii() and name.isprintable()):
        raise ValueError(f"{name!r} is not ASCII: the station would drop its other letters")
    if len(name) > NAME:
        raise ValueError(f"{name!r} has {len(name)} characters; a card takes {NAME}")
    return f"WRITE INFO {name}", name


def _two(cells: list[str]) -> tuple[str, str]:
    control_, time, *_ = *(cell.strip() for cell in cells), ""
    return control_, time


def _control(number: str, time: str) -> tuple[str, str]:
    given = _NAMED.get(number.upper(), number)
    known = {str(one): one for one in range(1, 255)}
    control_ = known.get(str(given))
    if control_ is None:
        raise ValueError(f"control {number!r} must be 1 to 250, START or FINISH (253 and 254 are taken too)")
    at = moment(time)
    return f"WRITE CONTROL {control_} {time}", f"control {number.upper()} at {at:%Y-%m-%d %H:%M:%S}"
