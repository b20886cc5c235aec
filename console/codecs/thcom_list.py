"""A start list as operators keep it: a CSV file of bibs."""

import csv
import io

from msgspec import Struct

BIBS = range(1, 10_000)
"""What fits the four columns of `#SLA` (thcom.md, section 2.3); 0 is nobody."""

SHOWN = 5
"""Mistakes that are told one by one."""


class Entry(Struct, frozen=True):
    """One starter."""

    line: int
    """In the file, from 1."""
    bib: int


class ListError(ValueError):
    """A list that cannot be sent as it is; says which lines, and why."""


def entries(text: str) -> list[Entry]:
    """The bibs of a CSV file, in its order: the column `bib`, else the first one. A head line may be missing.

    Cells are parted by commas, semicolons or tabs. Raises ListError with the mistakes, line by line.
    """
    rows = _rows(text)
    column = 0
    if rows and (heads := [cell.strip().lower() for cell in rows[0][1]]):
        if "bib" in heads:
            column = heads.index("bib")
        if "bib" in heads or not any(character.isdigit() for character in heads[0]):
            rows = rows[1:]
    found: dict[int, int] = {}
    wrong = []
    for line, cells in rows:
        cell = cells[column].strip() if column < len(cells) else ""
        bib = int(cell) if cell.isascii() and cell.isdecimal() and len(cell) <= 9 else 0
        if bib not in BIBS:
            wrong.append(f"line {line}: {cell[:20]!r} is no bib from 1 to 9999" if cell else f"line {line}: no bib")
        elif bib in found:
            wrong.append(f"line {line}: bib {bib} is in line {found[bib]} already")
        else:
            found[bib] = line
    if len(wrong) > SHOWN:
        wrong[SHOWN:] = [f"and {len(wrong) - SHOWN} lines more"]
    if wrong or not found:
        raise ListError("; ".join(wrong) or "there is no bib in it")
    return [Entry(line, bib) for bib, line in found.items()]


def _rows(text: str) -> list[tuple[int, list[str]]]:
    """Line number and cells of every line that is not empty."""
    first = text.lstrip().partition("\n")[0]
    reader = csv.reader(io.StringIO(text), delimiter=max(",;\t", key=first.count))
    try:
        return [(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except csv.Error as error:
        raise ListError(f"line {reader.line_num}: {error}") from None
