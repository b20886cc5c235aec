"""What the journal holds of each device, counted from the rows themselves, all at one moment.

Frames and passings are counted in the index of their devices, statuses other than live in one that ordinary passings
are not in. No row of either is read: a million of both take less than a tenth of a second.
"""

from collections import Counter

from msgspec import Struct, field

from console.journal.rows import RowError, Tally, read_kept_row, read_tally_row
from console.journal.store import Store
from console.model import Status


class Figures(Struct, kw_only=True):
    """Counts of one device."""

    frames: int = 0
    """Whichever way they went."""
    sent: int = 0
    """Frames that we sent."""
    rows: Counter[str] = field(default_factory=Counter)
    """Passings by status; LIVE are those that count, once each."""
    recovered: int = 0
    """Of the live ones, those that an operator took over."""
    incidents: int = 0
    holes: tuple[tuple[int, int], ...] | None = ()
    """Missing places, (first, last); None: what timing remembers cannot be read."""
    tally: Tally | None = None
    """What was counted as the rows were written; None: it cannot be read, or nothing was."""

    @property
    def differs(self) -> bool:
        """Whether rows are there, or are not, that were not, or were, counted when they were written: a fault of
        ours."""
        tally = self.tally or Tally()
        rows = self.rows[Status.LIVE], self.rows[Status.REPEAT]
        return (self.frames, *rows) != (tally.frames, tally.passings, tally.repeats)


def figures(store: Store) -> dict[str, Figures]:
    """Device -> what the journal holds of it. Raises sqlite3.Error where it cannot be read."""
    store.query("BEGIN")  # all that follows sees the same commit
    try:
        return _figures(store)
    finally:
        if store.connection.in_transaction:
            store.query("ROLLBACK")


def _figures(store: Store) -> dict[str, Figures]:
    found: dict[str, Figures] = {}

    def of(device: str) -> Figures:
        return found.setdefault(device, Figures())

    for device, count in store.query("SELECT device, count(*) FROM frames GROUP BY device"):
        of(device).frames = count
    sent = "SELECT device, count(*) FROM frames INDEXED BY frames_sent WHERE direction = 'tx' GROUP BY device"
    for device, count in store.query(sent):
        of(device).sent = count
    for device, count in store.query("SELECT device, count(*) FROM passings GROUP BY device"):
        of(device).rows[Status.LIVE] = count
    for status, device, count in store.query(
        "SELECT status, device, count(*) FROM passings INDEXED BY passings_by_status"
        " WHERE status != 'live' OR about IS NOT NULL GROUP BY status, device"
    ):
        if status == Status.LIVE:
            of(device).recovered = count
        else:
            of(device).rows[status] = count
            of(device).rows[Status.LIVE] -= count
    for source, count in store.query("SELECT source, count(*) FROM incidents GROUP BY source"):
        of(source).incidents = count
    for row in store.query("SELECT * FROM counts"):
        try:
            device, tally = read_tally_row(row)
            of(device).tally = tally
        except RowError:
            continue
    for row in store.query("SELECT * FROM states"):
        try:
            of(row[0]).holes = tuple(hole for holes in read_kept_row(row).state.holes.values() for hole in holes)
        except RowError:
            of(row[0]).holes = None
    return found
