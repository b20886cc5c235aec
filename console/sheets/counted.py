"""The rows behind the report's figures of a device: the newest, newest first, each linked to its frame."""

from collections.abc import Iterable
from functools import partial
from itertools import islice

from console.model import Direction, Frame, Incident, Passing, Phase, Sheet, Status
from console.sheets import Sources
from console.sheets.cells import MOST, clock, printed, who
from console.sheets.finish import finishers

_FRAMES = (" FRAME", "DEVICE", "ARRIVED", "LABEL", "FLAW", "BYTES")
_PASSINGS = (" #", "DEVICE", "ARRIVED", "KIND", "TIME", "TAG/BIB", "OF", "CHANGE", " FRAME")


def _of_frames(name: str, direction: Direction | None, flawed: bool, sources: Sources) -> Sheet:
    """Frames of one way, or flawed ones of both."""
    found = sources.reader.frames(limit=MOST + 1, device=sources.device, direction=direction, flawed=flawed)[::-1]
    rows = found[:MOST]
    return Sheet(
        title=f"{name} {sources.device}".strip(),
        columns=_FRAMES,
        rows=[_frame(one, sources) for one in rows],
        links={number: str(one.seq) for number, one in enumerate(rows)},
        note=f"the newest {MOST} only; all: `racedeck dump frames`" if len(found) > MOST else "",
    )


def _frame(frame: Frame, sources: Sources) -> tuple[str, ...]:
    shown = repr(frame.raw)[2:-1]
    return str(frame.seq), frame.device, clock(frame.wall, sources), frame.label, frame.flaw, shown


frames = partial(_of_frames, "frames", Direction.RX, False)
sent_frames = partial(_of_frames, "sent-frames", Direction.TX, False)
flaws = partial(_of_frames, "flaws", None, True)


def _of_passings(name: str, found: Iterable[Passing], sources: Sources) -> Sheet:
    """Passings, newest first: as many as are shown, and one that tells that there are more."""
    told = list(islice(found, MOST + 1))
    rows = told[:MOST]
    return Sheet(
        title=f"{name} {sources.device}".strip(),
        columns=_PASSINGS,
        rows=[_passing(one, sources) for one in rows],
        links={number: str(one.frame) for number, one in enumerate(rows)},
        note=f"the newest {MOST} only; all: `racedeck dump passings`" if len(told) > MOST else "",
    )


def _passing(passing: Passing, sources: Sources) -> tuple[str, ...]:
    return (
        str(passing.seq),
        passing.device,
        clock(passing.wall, sources),
        passing.kind.value,
        printed(passing),
        who(passing),
        "-" if passing.of is None else f"#{passing.of}",
        _change(passing),
        str(passing.frame),
    )


def _change(passing: Passing) -> str:
    """What the row says otherwise of the passing it is about, and who says so."""
    by, was = passing.extra.get("by"), passing.extra.get("was")
    if "undoes" in passing.extra:
        return f"taken back by {by}, was {was or '----'}"
    if passing.status is Status.EDITED:
        return f"by {by}, was {was or '----'}"
    return passing.change


def _of_status(name: str, status: Status, sources: Sources) -> Sheet:
    return _of_passings(
        name, reversed(sources.reader.passings(limit=MOST + 1, device=sources.device, statuses=(status,))), sources
    )


def _of_changes(name: str, status: Status, sources: Sources) -> Sheet:
    """Of a status that few have, which are found without reading all others."""
    told = sources.reader.changes(sources.device)
    return _of_passings(name, (one for one in reversed(told) if one.status is status), sources)


passings = partial(_of_status, "passings", Status.LIVE)
repeats = partial(_of_status, "repeats", Status.REPEAT)
joined = partial(_of_status, "joined", Status.JOINED)
corrections = partial(_of_changes, "corrections", Status.CORRECTION)
cancelled = partial(_of_changes, "cancelled", Status.CANCELLED)
edited = partial(_of_changes, "edited", Status.EDITED)


def recovered(sources: Sources) -> Sheet:
    """What an operator took over of what a download or a backup told."""
    return _of_passings("recovered", reversed(sources.reader.taken_over(sources.device)), sources)


def nameless(sources: Sources) -> Sheet:
    """Places of the race that nobody is known to have taken."""
    places = [one.passing for one in finishers(sources) if one.nameless and one.passing.phase is Phase.RACE]
    return _of_passings("nameless", reversed(places), sources)


def incidents(sources: Sources) -> Sheet:
    """What was said of the device."""
    rows = list(islice(_incidents(sources), MOST))
    return Sheet(
        title=f"incidents {sources.device}".strip(),
        columns=("TIME", "LEVEL", "SOURCE", "TEXT"),
        rows=[(clock(one.wall, sources), one.level.value, one.source, one.text) for one in rows],
        links={number: str(one.frame) for number, one in enumerate(rows) if one.frame},
        note=f"the newest {MOST} only; all: `racedeck tail --incidents --since 0`" if len(rows) == MOST else "",
    )


def _incidents(sources: Sources) -> Iterable[Incident]:
    before = None
    while page := sources.reader.incidents(before=before, limit=MOST):
        yield from (one for one in reversed(page) if sources.device in ("", one.source))
        before = page[0].seq
