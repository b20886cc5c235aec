"""What exports say of themselves, for sheets: a picture of one moment, and what became of any passing."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from console.model import Cursor, ExportState, Passing, PeerState

if TYPE_CHECKING:
    from console.exports.export import Export, ExportSettings


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
        chosen = [(one.name, peer) for one in self.exports if name in ("", one.name) for peer in one.peers]
        if address:
            known = [peer.address for _, peer in chosen]
            chosen = [(export, peer) for export, peer in chosen if peer.address == address]
            if not chosen:
                raise LookupError(f"{name} has no peer {address!r}; there are {', '.join(known) or 'none'}")
        return chosen


def of_exports(exports: "Mapping[str, Export[Any]]") -> Deliveries:
    """Of exports at work. Must be called where they work; what it gives may be asked anywhere."""

    def fates(passing: Passing) -> list[tuple[str, str, str]]:
        return [(name, peer, fate) for name, export in exports.items() for peer, fate in export.fate(passing)]

    return Deliveries(
        tuple(export.state() for export in exports.values()),
        {(name, peer): held for name, export in exports.items() for peer, held in export.holds().items()},
        frozenset(name for name, export in exports.items() if export.restates),
        fates,
    )


def as_saved(settings: "Iterable[ExportSettings]", cursors: Iterable[Cursor], newest: int) -> Deliveries:
    """What was saved of exports whose engine does not run; `newest` is the highest passing of the event."""
    of: dict[str, list[Cursor]] = defaultdict(list)
    for cursor in cursors:
        of[cursor.export].append(cursor)
    return Deliveries(
        tuple(_stopped(one, [_saved(cursor, newest) for cursor in of[one.name]]) for one in settings),
        {},
        frozenset(),
        None,
    )


def _stopped(settings: "ExportSettings", peers: Iterable[PeerState]) -> ExportState:
    where = settings.listen or settings.connect
    return ExportState(name=settings.name, type=settings.type, where=where, state="stopped", peers=tuple(peers))


def _saved(cursor: Cursor, newest: int) -> PeerState:
    """What was on its way when the engine ended was not seen to be taken: it waits."""
    counts = cursor.counts
    sent, unmapped, skipped = (counts.get(name, 0) for name in ("tcp", "unmapped", "skipped"))
    journaled, held = counts.get("journaled", 0), len(cursor.held)
    behind = f"; passings beyond #{cursor.sent} are not in it" if newest > cursor.sent else ""
    return PeerState(
        address=cursor.peer,
        connected=False,
        since=0,
        reason=f"no engine runs: as it was saved last{behind}",
        journaled=journaled,
        sent=sent,
        tcp=sent,
        waiting=journaled - sent - held - unmapped - skipped,
        held=held,
        unmapped=unmapped,
        skipped=skipped,
    )
