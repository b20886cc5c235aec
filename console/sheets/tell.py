"""Sheet `tell`: what went out to software, has since been cancelled or changed, and stays there: tell scoring.

A format that restates says a change itself, so that only the last that went out about a passing counts. To any other
format a new bib is another read: every read that is no longer true stays with scoring until somebody takes it out.

It is told from the rows that say otherwise of earlier ones, which are few; passings that nothing was said of later are
not looked at.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

from msgspec import Struct

from console.model import UNDO_NS, Passing, Sheet, Status
from console.sheets import Sources
from console.sheets.cells import MOST, clock, older, printed, who
from console.sheets.deliveries import Deliveries
from console.timing.edits import known_bib, standing

COLUMNS = ("EXPORT", "PEER", " #", "DEVICE", "WENT OUT", "AT", "HOLDS NOW", "WHY", "SINCE", " FRAME")

_CHANGES = (Status.CORRECTION, Status.CANCELLED, Status.EDITED)
_ASIDE = (Status.REPEAT, Status.OFFERED)
OUT = ("sent", "tcp")


class Told(Struct, frozen=True):
    """What a peer was told, and what holds instead."""

    export: str
    peer: str
    row: Passing
    """What went out."""
    place: Passing
    """The passing that it is, or is about."""
    now: str
    why: str
    since: int
    """When it came to be untrue, wall ns."""


class Truth(Struct, frozen=True):
    """What all rows about a passing say together."""

    place: Passing
    rows: tuple[Passing, ...]
    """The passing itself, and what was said of it later, oldest first."""
    changed: Passing
    """The newest that says otherwise."""
    cancelled: bool
    bib: str | None
    tagged: str | None
    timed: Passing | None
    """The device's last correction; None: every row's own time holds."""

    def holds(self, row: Passing) -> bool:
        """Whether what `row` says is still true."""
        if row.status is Status.CANCELLED or self.cancelled:
            return row.status is Status.CANCELLED and self.cancelled
        claims_nobody = not (row.bib or row.tag) and row.status not in _CHANGES
        who_holds = claims_nobody or self._name(row.bib, row.tag) == self.name
        return who_holds and self._time(row) == self._time(self.timed or row)

    @property
    def name(self) -> str | None:
        """Whose passing it is, as far as that is known."""
        return self._name(self.bib, self.place.tag)

    def _name(self, bib: str | None, tag: str | None) -> str | None:
        return bib or self.tagged or tag

    @staticmethod
    def _time(row: Passing) -> tuple[int | None, str]:
        return row.ns, "" if row.ns is not None else printed(row)

    @property
    def words(self) -> str:
        """What holds now."""
        if self.cancelled:
            return "cancelled"
        return f"{self.name or '----'} {printed(self.timed or self.place)}"

    @property
    def why(self) -> str:
        """Who says so."""
        last = self.changed
        if self.cancelled:
            return "cancelled by the device"
        if last.status is not Status.EDITED:
            return "corrected by the device"
        return f"{'taken back' if 'undoes' in last.extra else 'edited'} by {last.extra.get('by')}"


def told(deliveries: Deliveries, sources: Sources, of: str = "") -> Iterator[Told]:
    """All there is to tell scoring, in the order of the passings. Takes a running engine."""
    fates = deliveries.fates
    assert fates
    chosen = {(export, peer.address) for export, peer in deliveries.peers(of)}
    for truth in _truths(sources):
        if all(map(truth.holds, truth.rows)) or _may_be_taken_back(truth.changed, sources.now):
            continue
        out: dict[tuple[str, str], dict[int, str]] = defaultdict(dict)
        for row in truth.rows:
            for export, peer, fate in fates(row):
                if (export, peer) in chosen:
                    out[export, peer][row.seq] = fate.partition(":")[0]
        for (export, peer), words in out.items():
            for row in _untrue(truth, words, restates=export in deliveries.restating):
                yield Told(export, peer, row, truth.place, truth.words, truth.why, _since(truth.changed))


def _untrue(truth: Truth, words: dict[int, str], *, restates: bool) -> Iterable[Passing]:
    """What this peer was told and is not true."""
    went = [row for row in truth.rows if words.get(row.seq) in OUT]
    if restates:
        if "waiting" in words.values():
            return ()  # it is on its way
        went = went[-1:]
    once = {(row.bib, row.tag, row.ns, row.status is Status.CANCELLED): row for row in reversed(went)}
    return [row for row in reversed(once.values()) if not truth.holds(row)]


def _may_be_taken_back(change: Passing, now: int) -> bool:
    return change.status is Status.EDITED and now - _since(change) < UNDO_NS


def _since(change: Passing) -> int:
    at = change.extra.get("at")
    return at if change.status is Status.EDITED and isinstance(at, int) else change.wall


def _truths(sources: Sources) -> Iterator[Truth]:
    """Of every passing of which something else was said later, in their order."""
    changes = sources.reader.changes("")
    places = _places(changes, sources.reader.these)
    rows: dict[int, list[Passing]] = defaultdict(list)
    stands_for = {seq: seq for seq in places}
    for row in sources.reader.about(places):
        if row.of in stands_for:
            about = stands_for[row.seq] = stands_for[row.of]
            if row.status not in _ASIDE:
                rows[about].append(row)
    for seq, place in sorted(places.items()):
        if said := [row for row in rows[seq] if row.status in _CHANGES]:
            yield _truth(place, rows[seq], said, sources)


def _truth(place: Passing, rows: list[Passing], said: list[Passing], sources: Sources) -> Truth:
    device = [row for row in said if row.status is not Status.EDITED]
    cancelled = bool(device) and device[-1].status is Status.CANCELLED
    corrections = [row for row in device if row.status is Status.CORRECTION]
    by_hand = [row for row in said if row.status is Status.EDITED]
    # Against an operator's word that stands, nothing that a device says of the bib holds.
    newest = by_hand[-1] if by_hand and standing(rows) and not cancelled else said[-1]
    return Truth(
        place=place,
        rows=(place, *rows),
        changed=device[-1] if cancelled else newest,
        cancelled=cancelled,
        bib=known_bib(place, rows),
        tagged=sources.resolve(place).tagged,
        timed=corrections[-1] if corrections else None,
    )


def _places(changes: list[Passing], these: Callable[[Iterable[int]], list[Passing]]) -> dict[int, Passing]:
    """The passings that these rows are about, over rows about rows."""
    known = {row.seq: row for row in changes}
    ask = {row.of for row in changes if row.of is not None and row.of not in known}
    places: dict[int, Passing] = {}
    while ask:
        found = these(ask)
        ask = set()
        for one in found:
            if one.of is None or one.status is Status.LIVE:
                places[one.seq] = one
            elif one.of not in places:
                ask.add(one.of)
    return places


def tell(sources: Sources) -> Sheet:
    """By passing: what went out to whom, and what holds now."""
    deliveries = sources.deliveries
    if deliveries is None or deliveries.fates is None:
        raise LookupError("what went out takes a running engine")
    found = list(told(deliveries, sources, sources.device))
    shown = found[-MOST:][::-1]
    note = "scoring has each of these until somebody changes it there" if found else "nothing: all that went out holds"
    return Sheet(
        title=f"tell {sources.device}".strip() + " scoring" * (not sources.device),
        columns=COLUMNS,
        rows=[_row(one, sources) for one in shown],
        links={number: str(one.row.frame) for number, one in enumerate(shown)},
        note="; ".join(filter(None, (older(len(shown), len(found)), note))),
    )


def _row(one: Told, sources: Sources) -> tuple[str, ...]:
    row = one.row
    return (
        one.export,
        one.peer,
        str(one.place.seq),
        row.device,
        who(row),
        printed(row),
        one.now,
        one.why,
        clock(one.since, sources),
        str(row.frame),
    )
