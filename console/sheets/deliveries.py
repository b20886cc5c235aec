"""What exports say of themselves, for sheets: a picture of one moment, and what became of any passing."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from console.model import Cursor, ExportState, Passing, PeerState

if TYPE_CHECKING:
    from console.exports.export import Export, ExportSettings


STOPPED = "no engine runs"
REMOVED = "no longer in the settings"
NOT_AT_WORK = "no longer in the settings, or it has failed"
"""Why an export is not asked what became of its passings, but what was saved of it."""


class Deliveries(Struct, frozen=True):
    """Of all exports of the event."""

    exports: tuple[ExportState, ...]
    held: dict[tuple[str, str], dict[int, str]]
    """(export, peer) -> the passings held for it, and why."""
    restating: frozenset[str]
    """Exports whose format can say that what went out is to have another bib, or is cancelled."""
    fates: Callable[[Passing], list[tuple[str, str, str]]] | None
    """What became of a passing: (export, peer, fate); None: no engine runs, nobody knows."""

    def peers(self, of: str) -> list[tuple[str, PeerState]]:
        """(export, peer) of `of`: an export, an export and one of its peers behind a blank, or (empty) all.

        Raises LookupError where there is no such export or peer.
        """
        name, _, address = of.partition(" ")
        names = [one.name for one in self.exports]
        if name and name not in names:
            raise LookupError(f"no export {name!r}; there are {', '.join(names) or 'none'}")
        chosen = [
            (one.name, peer) for one in self.exports if name in ("", one.name) for peer in (*one.peers, *one.former)
        ]
        if address:
            known = [peer.address for _, peer in chosen]
            chosen = [(export, peer) for export, peer in chosen if peer.address == address]
            if not chosen:
                raise LookupError(f"{name} has no peer {address!r}; there are {', '.join(known) or 'none'}")
        return chosen


def of_exports(exports: "Mapping[str, Export[Any]]", saved: Sequence[Cursor] = ()) -> Deliveries:
    """Of exports at work, and what was `saved` of others. Must be called where they work; what it gives may be asked
    anywhere."""

    def fates(passing: Passing) -> list[tuple[str, str, str]]:
        return [(name, peer, fate) for name, export in exports.items() for peer, fate in export.fate(passing)]

    return Deliveries(
        (*(export.state() for export in exports.values()), *_gone(exports, saved, NOT_AT_WORK, 0)),
        {(name, peer): held for name, export in exports.items() for peer, held in export.holds().items()},
        frozenset(name for name, export in exports.items() if export.restates),
        fates,
    )


def as_saved(settings: "Iterable[ExportSettings]", cursors: Iterable[Cursor], newest: int) -> Deliveries:
    """What was saved of exports whose engine does not run; `newest` is the highest passing of the event."""
    saved = list(cursors)
    stopped = [_stopped(one, [_saved(cursor, STOPPED, newest) for cursor in _of(one.name, saved)]) for one in settings]
    gone = _gone([one.name for one in stopped], saved, REMOVED, newest)
    return Deliveries((*stopped, *gone), {}, frozenset(), None)


def _of(name: str, cursors: Iterable[Cursor]) -> list[Cursor]:
    return [cursor for cursor in cursors if cursor.export == name]


def _gone(known: Iterable[str], saved: Sequence[Cursor], why: str, newest: int) -> Iterator[ExportState]:
    """Exports that are not among those known: what they delivered stays in the day's reconciliation."""
    names = {*known}
    for name in dict.fromkeys(cursor.export for cursor in saved if cursor.export not in names):
        peers = tuple(_saved(cursor, why, newest) for cursor in _of(name, saved))
        yield ExportState(name=name, type="", where="", state="stopped", former=peers)


def _stopped(settings: "ExportSettings", peers: Iterable[PeerState]) -> ExportState:
    where = settings.listen or settings.connect
    return ExportState(name=settings.name, type=settings.type, where=where, state="stopped", peers=tuple(peers))


def _saved(cursor: Cursor, why: str, newest: int) -> PeerState:
    """What was on its way when the export ended was not seen to be taken: it waits."""
    counts = cursor.counts
    sink = "taken" in counts
    sent = counts.get("taken" if sink else "tcp", 0)
    unmapped, skipped = counts.get("unmapped", 0), counts.get("skipped", 0)
    journaled, held = counts.get("journaled", 0), len(cursor.held)
    behind = f"; passings beyond #{cursor.sent} are not in it" if newest > cursor.sent else ""
    return PeerState(
        address=cursor.peer,
        sink=sink,
        connected=False,
        since=0,
        reason=f"{why}: as it was saved last{behind}",
        journaled=journaled,
        sent=sent,
        tcp=None if sink else sent,
        waiting=journaled - sent - held - unmapped - skipped,
        held=held,
        unmapped=unmapped,
        skipped=skipped,
        resent=counts.get("resent", 0),
    )
