"""The Exports tab: what was handed to whom, and how far that is known."""

from console.model import ExportState, PeerState
from screens import words
from screens.paint import Line
from screens.picture import Picture
from screens.tables import DELIVERY, delivery, export_role
from screens.view import COMMON_HINTS, Hints, Text

NAMES = 21
"""Width of the columns in front of the delivery columns."""


class Exports(Text):
    """Every export, and below it every peer."""

    name = "Exports"

    def hints(self) -> Hints:
        """The keys that matter here."""
        return ("Up/Down", "scroll"), (":release", "send held"), (":skip", "drop held"), *COMMON_HINTS

    def content(self, width: int, picture: Picture) -> list[Line]:
        """The table, and what its words mean."""
        out: list[Line] = [[(f"{'EXPORT':<12}{'STATE':<9}{DELIVERY}", "dim")]]
        for export in picture.state.exports:
            out += _export(export, width, picture)
        if not picture.state.exports:
            out.append([("no exports in the settings: nothing is passed on", "warn")])
        return [
            *out,
            [],
            [("TCP = taken by the peer's system, not proof that the program read it.", "dim")],
            [("ACKED - = this protocol does not acknowledge. Counts are passings.", "dim")],
            [("HELD lacks something (a bib, UTC), or waits for you:  :release or :skip EXPORT.", "dim")],
        ]


def _export(export: ExportState, width: int, picture: Picture) -> list[Line]:
    head: Line = [
        (words.fit(export.name, 11) + " ", "head"),
        (words.fit(export.state.upper(), 9), export_role(export.state)),
        *delivery(export, picture),
    ]
    where, reason = (
        f"  {export.type}  {export.where}",
        [f"  {line}" for line in words.wrapped(export.reason, width - 2)],
    )
    if len(reason) == 1 and len(where) + len(reason[0]) <= width:
        where += reason.pop()
    out = [head, [(words.fit(where, width), "dim")], *([(line, export_role(export.state))] for line in reason)]
    for peer in export.peers:
        out += _peer(peer, width, picture)
    return out


def _peer(peer: PeerState, width: int, picture: Picture) -> list[Line]:
    out: list[Line] = [
        [
            (f"  {words.fit(peer.address, 13)} ", ""),
            ("up   " if peer.connected else "gone ", "good" if peer.connected else "warn"),
            *delivery(peer, picture),
        ]
    ]
    since = f"{'here' if peer.connected else 'gone'} since {words.clock(peer.since, picture.zone)}"
    remarks = "; ".join(part for part in (since, peer.reason, peer.note) if part)
    if peer.reason or peer.note or width >= 100:
        out += [[(f"    {text}", "dim")] for text in words.wrapped(remarks, width - 4)]
    return out
