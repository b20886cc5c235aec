"""The tag table: who wears which transponder, and what they are called.

A CSV file with the columns `tag`, `bib`, `name`, separated by commas, semicolons or tabs. A heading is optional; with
one the columns may stand in any order, with others between them. A row without a tag names a bib; several tags may
belong to one bib. A row that makes no sense costs itself alone.
"""

import codecs
import csv
import re
from io import StringIO

from msgspec import Struct, field

from console.timing.edits import LONGEST

COLUMNS = ("tag", "bib", "name")

_ROUNDED = re.compile(r"\d[.,]\d+E\+\d+", re.IGNORECASE)
"""What a spreadsheet makes of a long number, or of a card's UID such as 4711E205."""


class TagTable(Struct, frozen=True):
    """What is known of tags and bibs. An empty one: there is no table."""

    bibs: dict[str, str] = field(default_factory=dict)
    """Tag, as `plain_tag` writes it -> bib, as the file writes it."""
    names: dict[str, str] = field(default_factory=dict)
    """Every bib of the file, as `plain_bib` writes it -> name, or nothing."""

    def __bool__(self) -> bool:
        return bool(self.names)

    def bib(self, tag: str | None) -> str | None:
        """The bib of who wears `tag`; None: the table does not say."""
        return self.bibs.get(plain_tag(tag)) if tag else None

    def name(self, bib: str | None) -> str | None:
        """The name behind a bib; nothing, where the table has the bib without one; None: it has not."""
        return self.names.get(plain_bib(bib)) if bib else None

    def __str__(self) -> str:
        named = sum(map(bool, self.names.values()))
        return f"{len(self.bibs)} tags, {len(self.names)} bibs, {named} names"


def parse(data: bytes) -> tuple[TagTable, list[str]]:
    """The table in a file's bytes, and what is wrong with it, by line. Raises ValueError where they hold none."""
    text, problems = _decoded(data)
    if not text.strip():
        raise ValueError("it is empty")
    table = TagTable()
    delimiter = _delimiter(text)
    columns: dict[str, int] = {}
    # Line by line: a quote that is not closed must not swallow the rows that follow.
    for number, line in enumerate(StringIO(text, newline=None), 1):
        try:
            row = next(csv.reader([line], delimiter=delimiter, strict=True), [])
        except csv.Error as error:
            problems.append(f"line {number}: not CSV ({error}): mind the quotes")
            continue
        cells = [" ".join(cell.split()) for cell in row]
        if not any(cells):
            continue
        if not all(map(str.isprintable, cells)):
            problems.append(f"line {number}: characters that cannot be printed")
            continue
        if not columns:
            columns = _columns(cells, number)
            if columns:
                continue
            columns = {name: place for place, name in enumerate(COLUMNS)}
        if problem := _take(table, cells, columns):
            problems.append(f"line {number}: {problem}")
    if not table:
        raise ValueError("no row of it can be used" + "".join(f"; {problem}" for problem in problems[:1]))
    return table, problems


def plain_tag(tag: str) -> str:
    """A tag as it is compared: capitals, without blanks, colons and dashes, a number without leading zeros."""
    return plain_bib("".join(re.split(r"[\s:-]+", tag.upper())))


def plain_bib(bib: str) -> str:
    """A bib as it is compared: a number without leading zeros."""
    return bib.lstrip("0") or "0" if bib.isdecimal() else bib


def _decoded(data: bytes) -> tuple[str, list[str]]:
    """The text. Spreadsheets save what they call CSV in the machine's old encoding, and "Unicode text" as UTF-16: tags
    and bibs are the same in all of them, so an umlaut is no reason to be without."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace"), []
    try:
        return data.decode("utf-8-sig"), []
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        problem = f"line {line}: not UTF-8: read as Windows-1252, names may be wrong; save the file as CSV UTF-8"
        return data.decode("cp1252", "replace"), [problem]


def _delimiter(text: str) -> str:
    first = text.lstrip().splitlines()[0]
    return max(",;\t", key=first.count)


def _columns(cells: list[str], line: int) -> dict[str, int]:
    """Where the columns are, if this row is a heading; a row without any figure is meant as one."""
    named = [cell.lower() for cell in cells]
    found = {name: named.index(name) for name in COLUMNS if name in named}
    if "bib" in found and len(found) > 1:
        return found
    if found or not any(letter.isdecimal() for letter in "".join(cells)):
        raise ValueError(f"line {line}: the heading must name bib, and tag or name (got {', '.join(cells)[:60]!r})")
    return {}


def _take(table: TagTable, cells: list[str], columns: dict[str, int]) -> str:
    """Add a row; what is wrong with it, in words."""
    tag, bib, name = (cells[columns[one]] if columns.get(one, len(cells)) < len(cells) else "" for one in COLUMNS)
    if not bib:
        return f"tag {tag[:40]} has no bib" if tag else "no bib"
    if len(bib) > LONGEST:
        return f"{bib[:40]!r} is no bib: {LONGEST} characters at most"
    if not tag and not name:
        return f"bib {bib} has neither tag nor name"
    if _ROUNDED.fullmatch(tag):
        return f"tag {tag} was rounded by a spreadsheet: have it keep the column as text"
    key, number = plain_tag(tag), plain_bib(bib)
    if tag and not (key.isascii() and key.isalnum()):
        return f"{tag[:40]!r} is no tag: only letters and digits are"
    if tag and (known := table.bibs.get(key, bib)) != bib and plain_bib(known) != number:
        return f"tag {tag} belongs to bib {known} already, not to {bib} too: the first counts"
    if name and (called := table.names.get(number) or name) != name:
        return f"bib {bib} is called {called} already, not {name[:40]} too: the first counts"
    if tag:
        table.bibs.setdefault(key, bib)
    table.names[number] = name or table.names.get(number, "")
    return ""
