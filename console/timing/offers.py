"""What a download or a backup told and no line did: offered, and counted only once the operator takes it over. Pure.

What was told live, but during TEST, is offered as well, for the race may have been timed in TEST; its `extra` has
`heard_in_test` (the number of that passing), and it is never among what is taken over unasked.

An OFFERED row has the keys that its line would have had, but is known to nobody: the line itself, should it still
come, is new. What was taken over is a row of its own, of the offered one's frame, with origin RECOVERED; its `extra`
has `offered` (the offered row's number), `by` and `at` (wall ns). It belongs to the phase in which it was taken over.
"""

from collections.abc import Iterable

from msgspec import structs

from console.model import Judged, Kind, Origin, Phase, Scalar, Status
from console.timing.edits import Asking, place_of
from console.timing.index import Index

TOLD_AFTERWARDS = (Origin.RECALL, Origin.BACKUP)
"""What is offered where nothing else told it."""


def counted(rows: Iterable[Judged]) -> list[Judged]:
    """Those of `rows` (all of one identity, or one join) that are known: no offered ones, and no repeats of these."""
    rows = list(rows)
    offered = {one.passing.seq for one in rows if one.passing.status is Status.OFFERED}
    return [
        one
        for one in rows
        if one.passing.seq not in offered and not (one.passing.status is Status.REPEAT and one.passing.of in offered)
    ]


def come(offered: Judged, index: Index) -> list[Judged]:
    """The rows by which an offered passing has come since, or was taken over."""
    found = counted(index.same(offered.identity))
    if offered.join and offered.passing.kind is Kind.PUNCH:
        known = {one.passing.seq for one in found}
        found += [one for one in counted(index.joined(offered.join)) if one.passing.seq not in known]
    return found


def take_over(seq: int, device: str, phase: Phase, asking: Asking, index: Index) -> Judged:
    """The row by which offered passing `seq` counts: LIVE; or REPEAT, where it has come meanwhile.

    Raises ValueError where there is nothing to take over.
    """
    offered = index.passing(seq)
    if offered is None:
        raise ValueError(f"there is no passing #{seq}")
    passing = offered.passing
    if passing.device != device:
        raise ValueError(f"#{seq} is of {passing.device}, not of {device}")
    if passing.status is not Status.OFFERED:
        raise ValueError(f"#{seq} is not offered, it is {passing.status}")
    known = come(offered, index)
    for one in known:
        if one.passing.extra.get("offered") == seq:
            raise ValueError(f"#{seq} was taken over already, as #{one.passing.seq}")
    extra: dict[str, Scalar] = {**passing.extra, "offered": seq, "by": asking.by, "at": asking.at}
    status, of = Status.LIVE, seq
    if known:
        latest = [one for one in known if one.passing.status is not Status.REPEAT][-1:] or known[-1:]
        status, of = Status.REPEAT, place_of(known[0], index).passing.seq
        if passing.change and latest[0].passing.origin is Origin.RECOVERED and latest[0].value != offered.value:
            # The device's own correction of what was taken over before it.
            status, of, extra["was"] = Status.CORRECTION, latest[0].passing.seq, latest[0].passing.bib
    row = structs.replace(
        passing,
        seq=asking.number,
        index=index.next_index(passing.frame),
        origin=Origin.RECOVERED,
        status=status,
        of=of,
        phase=phase,
        extra=extra,
    )
    return structs.replace(offered, passing=row)


def is_place(one: Judged) -> bool:
    """Whether its position is a place number, which fills a hole; that of a punch is a time."""
    return bool(one.series) and one.position is not None and one.passing.kind is not Kind.PUNCH
