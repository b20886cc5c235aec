"""Numbers of lines that exports write: given once, and found again whenever they are asked for."""

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from msgspec import Struct

from console.journal.flight import find
from console.journal.lines import Entry
from console.journal.rows import Row, RowError, read_numbered_row
from console.journal.store import Store
from console.model import Act, Highest, Numbered, Scalar

Series: TypeAlias = tuple[str, str, str]
"""Export, connection id, location: each series is numbered from 1."""

RUN = 500
"""Numbers in one row at most."""

CONNECTION = "connection id"
"""The act by which the lines of an export are numbered from 1, under a new connection id."""

LOWEST = -(2**63)
"""Below whatever can be numbered."""

_OF = "export = ? AND connection = ? AND location = ?"


def connection_of(act: Act) -> dict[str, str]:
    """{export: its new connection id}, where the act gives it one."""
    export, made = act.body.get("export"), act.body.get("id")
    return {export: made} if act.word == CONNECTION and isinstance(export, str) and isinstance(made, str) else {}


def new_connection(export: Scalar) -> dict[str, Scalar]:
    """The body of the act that gives an export a new connection id; 40 hex digits, as receivers know them from the
    protocol's examples."""
    if not (export and isinstance(export, str)):
        raise ValueError("which export's lines are to be numbered anew?")
    return {"export": export, "id": secrets.token_hex(20)}


class Given(Struct):
    """What numbers a question is answered with, and the rows this takes."""

    numbers: dict[int, int]
    """What was asked for -> its number, in the order of asking."""
    rows: list[Numbered]


class Numbering:
    """The numbers of one transaction: what is on disk, and what was given in the transaction itself."""

    def __init__(
        self, store: Store, known: dict[Series, Highest], mend: Callable[[str, int], Entry | None], seq: int
    ) -> None:
        self._store, self._known, self._mend = store, known, mend
        self.seq = seq
        """The newest row."""
        self.highest: dict[Series, Highest] = {}
        """The series that have gone on in this transaction."""
        self._given: dict[Series, dict[int, int]] = {}
        self._read: dict[int, dict[int, int]] = {}

    def give(self, series: Series, passings: tuple[int, ...], wall: int) -> Given:
        """Numbers for `passings`: those they have, else the next ones. Changes nothing: `take` does."""
        highest = self.highest.get(series) or self._known.get(series)
        numbers = {passing: self._number_of(series, passing, highest) for passing in passings}
        fresh = [passing for passing, number in numbers.items() if number is None]
        rows: list[Numbered] = []
        for run, late in _runs(fresh, highest):
            row = Numbered(
                seq=self.seq + 1 + len(rows),
                wall=wall,
                export=series[0],
                connection=series[1],
                location=series[2],
                first=(rows[-1].last if rows else highest.number if highest else 0) + 1,
                passings=tuple(run),
                late=late,
            )
            rows.append(row)
        new = {passing: number for row in rows for passing, number in _pairs(row).items()}
        told = {passing: new[passing] if number is None else number for passing, number in numbers.items()}
        return Given(told, rows)

    def take(self, row: Numbered) -> None:
        """The row is written with this transaction."""
        self.seq = row.seq
        self._given.setdefault(row.series, {}).update(_pairs(row))
        self.highest[row.series] = _further(
            self.highest.get(row.series) or self._known.get(row.series), row.last, max(row.passings)
        )

    def _number_of(self, series: Series, passing: int, highest: Highest | None) -> int | None:
        if highest is None or passing > highest.passing:
            return None
        if number := self._given.get(series, {}).get(passing):
            return number
        rows = self._store.query(f"SELECT seq FROM numbers WHERE {_OF} AND late = ?", *series, passing)
        # Of the rows in order, those below this one end before it and those above begin behind it.
        rows += self._store.query(
            f"SELECT seq FROM numbers WHERE {_OF} AND high >= ? ORDER BY high LIMIT 1", *series, passing
        )
        return next((number for (seq,) in rows if (number := self._pairs_of(seq).get(passing))), None)

    def _pairs_of(self, seq: int) -> dict[int, int]:
        """What is in a row. Bad in both copies: nothing; what it numbered would be numbered again, not left out."""
        if seq not in self._read:
            row = numbered(seq, self._store.row("N", seq), self._mend)
            self._read[seq] = _pairs(row) if row else {}
        return self._read[seq]


def numbered(seq: int, row: Row | None, mend: Callable[[str, int], Entry | None]) -> Numbered | None:
    """What a row says, or, where that is damaged, what `mend` gives for it."""
    try:
        if row:
            return read_numbered_row(row)
    except RowError:
        pass
    entry = mend("N", seq)
    return entry if isinstance(entry, Numbered) else None


def rows_from(store: Store, series: Series, number: int, limit: int) -> list[tuple[int, int]]:
    """(seq, last number) of the rows of a series that hold `number` or come behind it, in order; from the index alone,
    which holds its own copy of both."""
    return store.query(
        f"SELECT seq, last FROM numbers WHERE {_OF} AND last >= ? ORDER BY last LIMIT {limit}", *series, number
    )


def all_highest(store: Store, flight: Path) -> dict[Series, Highest]:
    """How far every series has come: what its newest rows say, and where one is bad in both copies, the index."""
    found: dict[Series, Highest] = {}
    for column in ("last", "high"):
        sql = f"SELECT export, connection, location, seq, max({column}) FROM numbers WHERE {column} IS NOT NULL"
        for *names, seq, top in store.query(f"{sql} GROUP BY export, connection, location"):
            row = numbered(seq, store.row("N", seq), lambda kind, seq: find(flight, kind, seq))
            if row:
                series, number, passing = row.series, row.last, max(row.passings)
            else:
                series = (names[0], names[1], names[2])
                number, passing = (top, LOWEST) if column == "last" else (0, top)
            found[series] = _further(found.get(series), number, passing)
    return found


def _runs(fresh: list[int], highest: Highest | None) -> list[tuple[list[int], bool]]:
    """What is to be numbered as rows take it: ascending beyond all there is, and each late one for itself."""
    runs: list[tuple[list[int], bool]] = []
    top = highest.passing if highest else None
    for passing in fresh:
        late = top is not None and passing <= top
        if not late:
            top = passing
        if runs and not late and not runs[-1][1] and len(runs[-1][0]) < RUN:
            runs[-1][0].append(passing)
        else:
            runs.append(([passing], late))
    return runs


def _pairs(row: Numbered) -> dict[int, int]:
    return {passing: row.first + at for at, passing in enumerate(row.passings)}


def _further(highest: Highest | None, number: int, passing: int) -> Highest:
    if highest:
        number, passing = max(number, highest.number), max(passing, highest.passing)
    return Highest(number=number, passing=passing)
