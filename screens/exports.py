"""The Exports tab: what was handed to whom, how far that is known, and what can be done about it."""

from typing import NamedTuple

from console.model import SECOND, ExportState, PeerState
from screens import words
from screens.paint import Line, plain
from screens.picture import Picture
from screens.tables import export_role
from screens.view import Hints, View

WIDE = 110
"""Columns from which on every figure has its own."""

NAME, STATE = 22, 10
"""Columns of name and state."""

REMINDED = 300 * SECOND
"""How long after a client has connected the operator is reminded of what cannot be seen from here."""

REMINDER = (
    "IMPULSES COUNT IN THE TIMING SOFTWARE ONLY IF IT HAS A SESSION OR A RUN STARTED. That cannot be seen from here: "
    "look at its screen."
)
"""The sentence that the ITS guide sets in capitals."""

LEGEND = (
    "TCP: taken by the peer's system; no proof that its program read it.",
    "WAIT: goes out by itself.   -: there is none.   ?: not known.",
    "HELD: lacks a bib or UTC, or waits for you; h sends it, k drops it.",
    "UNMAP: its format cannot say it, so it never goes out; Enter says more.",
)


class Row(NamedTuple):
    """What a line is about: an export (peer empty), or one of its peers."""

    export: str
    peer: str = ""


class Exports(View):
    """Every export, and below it every peer; the cursor says what a key is about."""

    name = "Exports"

    def __init__(self) -> None:
        super().__init__()
        self._cursor = Row("")
        self._step = 0
        """Rows to move by, at the next drawing, which knows what rows there are."""

    def hints(self) -> Hints:
        """The keys that matter here."""
        return (
            ("Enter", "more"),
            ("p", "pause"),
            ("r", "resend"),
            ("s", "skip"),
            ("h k", "held"),
            ("n e D", "edit"),
            ("t R", "tell"),
            ("?", "help"),
        )

    def scroll(self, rows: int) -> None:
        """Up and down."""
        self._step += rows

    def go(self, row: Row) -> None:
        """Put the cursor on a row."""
        self._cursor, self._step = row, 0

    def current(self, picture: Picture) -> Row | None:
        """What the cursor is on; None: there is nothing."""
        rows = _rows(picture)
        if not rows:
            return None
        at = rows.index(self._cursor) if self._cursor in rows else _near(rows, self._cursor)
        self._cursor = rows[max(0, min(len(rows) - 1, at + self._step))]
        self._step = 0
        return self._cursor

    def lines(self, width: int, height: int, picture: Picture) -> list[Line]:
        """The table with what is to be known of the row under the cursor, and what its words mean."""
        current = self.current(picture)
        if current is None:
            return [[("no exports in the settings: nothing is passed on.  n adds one", "warn")]]
        out: list[Line] = []
        for row in _rows(picture):
            line = row_line(row, width, picture)
            out.append([(words.fit(">" + plain(line)[1:], width), "cursor")] if row == current else line)
            if row == current:
                below = remarks(row, width, picture)
                shown = len(out) + len(below)
            elif _reminds(row, picture):
                below = _reminder(width)
            else:
                below = []
            out += below
        room = height - 1
        legend: list[Line] = [[(words.fit(line, width), "dim")] for line in LEGEND]
        if len(out) + 1 + len(legend) <= room:
            out += [[] for _ in range(room - len(out) - len(legend))] + legend
        elif len(out) > room:
            first = max(0, min(shown - room + 1, len(out) - room + 1))
            left = len(out) - first - (room - 1)
            more = f"-- {words.plural(left, 'more line')} below --" if left else "-- end --"
            out = [*out[first : first + room - 1], [(more, "dim")]]
        return [[(heading(width), "dim")], *out]


def _rows(picture: Picture) -> list[Row]:
    return [
        row
        for export in picture.state.exports
        for row in (Row(export.name), *(Row(export.name, peer.address) for peer in export.peers))
    ]


def _near(rows: list[Row], lost: Row) -> int:
    """A peer that is no longer there leaves the cursor at its export."""
    return next((at for at, row in enumerate(rows) if row.export == lost.export), 0)


def heading(width: int) -> str:
    """The names of the columns."""
    more = f"{'ACKED':>7}{'SKIPPED':>9}{'RESENT':>8}" if width >= WIDE else ""
    journaled = f"{'JOURNALED':>10}" if width >= WIDE else ""
    left = f"{'EXPORT / PEER':<{NAME}}{'STATE':<{STATE}}{journaled}"
    return f"{left}{'SENT':>9}{'TCP':>9}{'WAIT':>8}{'OLDEST':>8}{'HELD':>7}{'UNMAP':>6}{more}"


def row_line(row: Row, width: int, picture: Picture) -> Line:
    """One row of the table."""
    export, peer = find(row, picture)
    of = peer or export
    word, ink = ("connected", "good") if peer and peer.connected else ("gone", "warn")
    if peer is None:
        word, ink = export.state.upper(), export_role(export.state)
    sink = any(one.sink for one in ((peer,) if peer else export.peers))
    name = words.brief(row.peer, NAME - 4) if peer else words.brief(row.export, NAME - 2)
    line: Line = [((f"   {name} " if peer else f" {name} "), "" if peer else "head"), (words.fit(word, STATE), ink)]
    if peer is None and not export.peers and export.state != "up":  # nobody has an account yet
        journaled = f"{export.journaled:>10}" if width >= WIDE else ""
        return [*line, (f"{journaled}{'-':>9}{'-':>9}{'-':>8}{'-':>8}{'-':>7}{'-':>6}", "")]
    if width >= WIDE:
        line.append((f"{of.journaled:>10}", ""))
    line += [
        (f"{of.sent:>9}{'-' if sink else taken(of.tcp):>9}", ""),
        (f"{of.waiting:>8}", "warn" if of.waiting else ""),
        (f"{words.since(of.oldest, picture.now) if of.waiting else '-':>8}", ""),
        (f"{of.held:>7}", "bad" if of.held else ""),
        (f"{of.unmapped:>6}", "warn" if of.unmapped else ""),
    ]
    if width >= WIDE:
        line.append((f"{words.count(of.acked):>7}", ""))
        line.append((f"{of.skipped:>9}{of.resent:>8}", ""))
    return line


def taken(tcp: int | None) -> str:
    """What the peer's TCP has taken; this system may not be able to tell."""
    return "?" if tcp is None else str(tcp)


def find(row: Row, picture: Picture) -> tuple[ExportState, PeerState | None]:
    """The export and the peer of a row that is there."""
    export = picture.export(row.export)
    assert export is not None
    return export, next((peer for peer in export.peers if peer.address == row.peer), None)


def remarks(row: Row, width: int, picture: Picture) -> list[Line]:
    """What is to be known of a row: where it is, why it is not well and what to check, why passings are held."""
    export, peer = find(row, picture)
    zone = picture.zone
    if peer is None:
        first = f"{export.type}  {export.where}"
        if export.paused_at is not None:
            first += (
                f"  paused since {words.clock(export.paused_at, zone)}, {words.since(export.paused_at, picture.now)}"
            )
        reason, ink = export.reason, export_role(export.state)
    else:
        first = f"{'here' if peer.connected else 'gone'} since {words.clock(peer.since, zone)}"
        why = peer.reason or (export.reason if len(export.peers) == 1 else "")
        reason = "; ".join(part for part in (why, peer.note) if part)
        ink = export_role(export.state) if why else "warn" if not peer.connected else ""
    out: list[Line] = []
    told = words.wrapped(reason, width - 5)
    if len(told) == 1 and len(first) + len(told[0]) + 7 <= width:
        out.append([(f"     {first}  ", "dim"), (told[0], ink)])
    else:
        out += [[(words.fit(f"     {first}", width), "dim")], *([(f"     {line}", ink)] for line in told)]
    if peer is None and export.note:
        out += [[(f"     {line}", "dim")] for line in words.wrapped(export.note, width - 5)]
    if export.type == "thcom-server" and any(one.connected for one in export.peers):
        out += _reminder(width)
    return out


def _reminds(row: Row, picture: Picture) -> bool:
    """A program has just connected that must have a session started to count what it gets."""
    export, peer = find(row, picture)
    if export.type != "thcom-server" or peer is not None:
        return False
    return any(one.connected and picture.now - one.since < REMINDED for one in export.peers)


def _reminder(width: int) -> list[Line]:
    return [[(f"     {line}", "warn")] for line in words.wrapped(REMINDER, width - 5)]
