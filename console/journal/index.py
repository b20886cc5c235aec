"""Looking passings up: in the database, and among those of the transaction that is being put together."""

from collections.abc import Callable

from console.journal.rows import Row, RowError, Tally, read_passing_row
from console.journal.store import Store
from console.model import Judged, Status

_COLUMNS = "SELECT * FROM passings"


class PassingIndex:
    """The `console.timing.index.Index` of one transaction."""

    def __init__(
        self, store: Store, tally: Callable[[str], Tally | None], mend: Callable[[int], Judged | None]
    ) -> None:
        self._query = store.query
        self._tally = tally
        self._mend = mend
        self._identities: dict[str, list[Judged]] = {}
        self._series: dict[str, list[Judged]] = {}
        self._joins: dict[str, list[Judged]] = {}
        self._numbers: dict[int, Judged] = {}
        self._about: dict[int, list[Judged]] = {}
        self._edits: list[Judged] = []
        self._next: dict[int, int] = {}

    def add(self, judged: Judged) -> None:
        """A passing of this transaction, from now on found like any other."""
        self._identities.setdefault(judged.identity, []).append(judged)
        if judged.series and judged.position is not None:
            self._series.setdefault(judged.series, []).append(judged)
        if judged.join:
            self._joins.setdefault(judged.join, []).append(judged)
        passing = judged.passing
        self._numbers[passing.seq] = judged
        self._next[passing.frame] = passing.index + 1
        if passing.of is not None:
            self._about.setdefault(passing.of, []).append(judged)
        if passing.status is Status.EDITED:
            self._edits.append(judged)

    def same(self, identity: str) -> list[Judged]:
        """Every passing of this identity, oldest first."""
        rows = self._query(f"{_COLUMNS} WHERE identity = ? ORDER BY seq", identity)
        return self._read(rows) + self._identities.get(identity, [])

    def near(self, series: str, position: int, window: int) -> Judged | None:
        """The counted (LIVE) passing of `series` nearest to `position`, at most `window` away."""
        rows = self._query(
            f"{_COLUMNS} WHERE series = ? AND position BETWEEN ? AND ? AND status = 'live'"
            " ORDER BY abs(position - ?), seq LIMIT 1",
            series,
            position - window,
            position + window,
            position,
        )
        found = self._read(rows) + [
            one
            for one in self._series.get(series, ())
            if one.passing.status is Status.LIVE and abs(_position(one) - position) <= window
        ]
        return min(found, key=lambda one: abs(_position(one) - position), default=None)

    def highest(self, series: str) -> int | None:
        """The highest position of `series`, offered ones left out; None: nothing yet."""
        sql = "SELECT position FROM passings WHERE series = ? AND status != 'offered' ORDER BY position DESC LIMIT 1"
        positions = [stored for (stored,) in self._query(sql, series) if stored is not None]
        positions += [
            _position(one) for one in self._series.get(series, ()) if one.passing.status is not Status.OFFERED
        ]
        return max(positions, default=None)

    def joined(self, join: str) -> list[Judged]:
        """Every passing of this `join`, oldest first."""
        found = self._read(self._query(f"{_COLUMNS} WHERE join_key = ? ORDER BY seq", join))
        return found + self._joins.get(join, [])

    def newest_ns(self, device: str, generation: int) -> int | None:
        """The latest device time (`ns`) among the device's passings of a generation (its newest)."""
        tally = self._tally(device)
        return tally.newest if tally and tally.generation == generation else None

    def passing(self, seq: int) -> Judged | None:
        """The passing of this number."""
        found = self._read(self._query(f"{_COLUMNS} WHERE seq = ?", seq))
        return found[0] if found else self._numbers.get(seq)

    def about(self, seq: int) -> list[Judged]:
        """Every passing whose `of` is this number, oldest first."""
        return self._read(self._query(f"{_COLUMNS} WHERE about = ? ORDER BY seq", seq)) + self._about.get(seq, [])

    def edits(self) -> list[Judged]:
        """Every EDITED row of the event, oldest first."""
        return self._read(self._query(f"{_COLUMNS} WHERE status = 'edited' ORDER BY seq")) + self._edits

    def next_index(self, frame: int) -> int:
        """The next free `index` among the passings of a frame."""
        sql = "SELECT max(json_extract(body, '$.passing.index')) FROM passings WHERE frame = ? AND json_valid(body)"
        ((stored,),) = self._query(sql, frame)
        return max(-1 if stored is None else stored + 1, self._next.get(frame, 0))

    def _read(self, rows: list[Row]) -> list[Judged]:
        found = []
        for row in rows:
            try:
                found.append(read_passing_row(row))
            except RowError:
                if mended := self._mend(row[0]):
                    found.append(mended)
        return found


def _position(judged: Judged) -> int:
    return judged.position if judged.position is not None else 0
