"""The DATA list: what came, to whom it goes, and what became of it. It is the queue of every receiver, too.

States of a row:

- `waiting`: kept, and not acknowledged by the receiver;
- `acknowledged`: the receiver has it;
- `skipped`: an operator has taken it out of the queue (`relay skip`); `relay resend` brings it back;
- `refused`: it goes nowhere, or somebody may not connect; the reason says why;
- `ended`: a greeting whose connection ended before it was acknowledged;
- `said`: something about a connection.
"""

from collections.abc import Iterable

from msgspec import Struct

from console.codecs.thcom_link import Extended
from console.codecs.thcom_session import WINDOW
from console.model import SECOND
from console.relay.database import Database
from console.relay.routing import Route

DOUBT = 30 * SECOND
"""Of what came in this time (ns) before the last frame of a sender, it may not know that we have it: an acknowledgement
was lost, or was not on the sender's disk when it was killed."""

MOST_DOUBTFUL = 1000
"""Frames of a sender that are looked at for that."""

AT_ONCE = 5000
"""Rows that are pruned in one go: whoever says something meanwhile waits for that."""

SAME = 600 * SECOND
"""Within this time (ns) the same refusal is counted in one row: a device tries again and again."""

COLUMNS = "id, at, origin, destination, message, state, changed, reason, times"

_INSERT = (
    "INSERT INTO data(frame, at, via, origin, number, protocol, given, destination, message, state, changed, reason)"
    " VALUES (?,?,?,?,?,?,?,?,?,?,?,?)"
)


class Row(Struct, frozen=True):
    """A row as it is shown."""

    id: int
    at: int
    """When it came, or was said (ns)."""
    origin: str
    """Address (`TDDDD`) of the originator; empty: the relay itself."""
    destination: str
    """A serial; empty: nobody."""
    message: str
    """As it was sent, its tag included: without it a result looks like an impulse."""
    state: str
    changed: int | None
    """When it took its state (ns); None: it has never had another."""
    reason: str
    times: int


class Queued(Struct, frozen=True):
    """A row that is to be sent."""

    id: int
    origin: str
    number: int
    protocol: str
    message: str


class Content(Struct, frozen=True):
    """What makes two frames of a connection the same."""

    origin: str
    given: str
    message: str


class Data:
    """Reads and writes the list. Every method may raise sqlite3.Error; those that write want a transaction around."""

    def __init__(self, database: Database) -> None:
        self._query = database.query
        self._change = database.change

    # --- frames ---

    def frame(self, frame: Extended, via: str, routes: Iterable[Route], at: int) -> None:
        """A frame that came over the connection of `via`: a row for each of its ways."""
        ((number,),) = self._query("SELECT ifnull(max(frame), 0) + 1 FROM data")
        checksum = "" if frame.check == "right" else f"checksum {frame.check}"
        for way in routes:
            state, reason = ("refused", way.refused) if way.refused or not way.destination else ("waiting", checksum)
            self._change(
                _INSERT, number, at, via, frame.source, frame.number, frame.protocol, frame.destination,
                way.destination, frame.data, state, None if state == "waiting" else at, reason,
            )  # fmt: skip

    def again(self, number: int) -> None:
        """Frame `number` of the list has come again: it is counted, and not passed on."""
        self._change(
            "UPDATE data SET times = times + 1, reason = iif(reason = '', 'came again after a reconnect', reason)"
            " WHERE frame = ?",
            number,
        )  # fmt: skip

    def doubtful(self, via: str) -> dict[Content, int]:
        """Frames that may come again when `via` is back, and their numbers in the list: the last ones, as many as can
        be under way, and those that came shortly before."""
        rows = self._query(
            "SELECT origin, given, message, frame, at FROM data WHERE via = ? AND frame > 0"
            " GROUP BY frame ORDER BY frame DESC LIMIT ?",
            via, MOST_DOUBTFUL,
        )  # fmt: skip
        since = rows[0][4] - DOUBT if rows else 0
        return {Content(*row[:3]): row[3] for place, row in enumerate(rows) if place < WINDOW or row[4] >= since}

    def waiting(self, serial: str, limit: int) -> list[Queued]:
        """What is to go to `serial` first."""
        rows = self._query(
            "SELECT id, origin, number, protocol, message FROM data WHERE destination = ? AND state = 'waiting'"
            " AND frame > 0 ORDER BY id LIMIT ?",
            serial, limit,
        )  # fmt: skip
        return [Queued(*row) for row in rows]

    def acknowledged(self, ids: Iterable[int], at: int) -> None:
        """The receiver has these: also what was skipped when it was under way already."""
        for one in ids:
            self._change("UPDATE data SET state = 'acknowledged', changed = ? WHERE id = ?", at, one)
            # #GC 2 has done its work
            self._change(
                "UPDATE materials SET empty = 0 WHERE serial ="
                " (SELECT destination FROM data WHERE id = ? AND frame = 0 AND message = '#GC 2')",
                one,
            )

    # --- connections ---

    def greet(self, serial: str, messages: Iterable[str], at: int) -> list[tuple[int, str]]:
        """The greeting of a new connection: row and message. What an older one has not acknowledged has ended."""
        self.parted(serial, at)
        for message in messages:
            self._change(_INSERT, 0, at, "", "", 0, "1", "", serial, message, "waiting", None, "")
        found = "SELECT id, message FROM data WHERE destination = ? AND state = 'waiting' AND frame = 0 ORDER BY id"
        return [(one, message) for one, message in self._query(found, serial)]

    def parted(self, serial: str, at: int) -> None:
        """A connection has ended."""
        self._change(
            "UPDATE data SET state = 'ended', changed = ?, reason = 'the connection ended first'"
            " WHERE destination = ? AND state = 'waiting' AND frame = 0",
            at, serial,
        )  # fmt: skip

    def say(self, origin: str, message: str, reason: str, at: int, state: str = "said") -> None:
        """Something about a connection; said again within `SAME`, it is counted."""
        again = self._change(
            "UPDATE data SET times = times + 1, changed = ? WHERE id = (SELECT max(id) FROM data WHERE destination = ''"
            " AND state = ? AND frame = 0 AND origin = ? AND message = ? AND reason = ? AND at > ?)",
            at, state, origin, message, reason, at - SAME,
        )  # fmt: skip
        if not again:
            self._change(_INSERT, 0, at, "", origin, 0, "1", "", "", message, state, None, reason)

    # --- the operator's hand ---

    def skip(self, serial: str, at: int, by: str) -> int:
        """Take what waits for `serial` out of its queue; how many."""
        return self._change(
            "UPDATE data SET state = 'skipped', changed = ?, reason = ? WHERE destination = ? AND state = 'waiting'"
            " AND frame > 0",
            at, f"skipped by {by}", serial,
        )  # fmt: skip

    def resend(self, serial: str, first: int, last: int | None, by: str) -> int:
        """Queue again what was skipped, of the rows from `first` to `last`; how many."""
        return self._change(
            "UPDATE data SET state = 'waiting', changed = NULL, reason = ? WHERE destination = ? AND state = 'skipped'"
            " AND id >= ? AND (? IS NULL OR id <= ?)",
            f"skipped, then sent again by {by}", serial, first, last, last,
        )  # fmt: skip

    # --- how much is kept ---

    def prune(self, keep: int) -> int:
        """Forget rows beyond the newest `keep`, `AT_ONCE` at most; how many. What waits stays, and so does the last
        frame of each material."""
        return self._change(
            "DELETE FROM data WHERE id IN (SELECT id FROM data WHERE id <= (SELECT max(id) FROM data) - ?"
            " AND state != 'waiting' AND frame NOT IN"
            " (SELECT ifnull((SELECT max(frame) FROM data WHERE via = serial AND frame > 0), -1) FROM materials)"
            " ORDER BY id LIMIT ?)",
            keep, AT_ONCE,
        )  # fmt: skip

    # --- looking ---

    def rows(self, limit: int, serial: str = "") -> list[Row]:
        """The newest rows (0: all), the oldest first; `serial`: only from it or to it."""
        found = self._query(
            f"SELECT {COLUMNS} FROM data WHERE ? = '' OR destination = ? OR substr(origin, 2) = ?"
            " ORDER BY id DESC LIMIT ?",
            serial, serial, serial, limit or -1,
        )  # fmt: skip
        return [Row(*row) for row in reversed(found)]

    def figures(self, serial: str) -> tuple[int, int | None, int, int | None]:
        """Of one material: how many wait for it, since when the oldest; how many were skipped; when its last came."""
        waits = "SELECT count(*), min(at) FROM data WHERE destination = ? AND state = 'waiting' AND frame > 0"
        ((waiting, oldest),) = self._query(waits, serial)
        skips = "SELECT count(*) FROM data WHERE destination = ? AND state = 'skipped'"
        ((skipped,),) = self._query(skips, serial)
        ((came,),) = self._query("SELECT max(at) FROM data WHERE via = ? AND frame > 0", serial)
        return waiting, oldest, skipped, came

    def server(self) -> str:
        """Where the server listens, or has listened last; empty: it never ran."""
        return next((address for (address,) in self._query("SELECT address FROM server")), "")

    def connections(self) -> dict[str, tuple[str, int]]:
        """Serial -> from where it is connected, and since when; only true while a server runs."""
        rows = self._query("SELECT serial, address, since FROM connections")
        return {serial: (address, since) for serial, address, since in rows}
