"""Sheet `laps`: the lap table of a TIME MACHINE, lane by lane, with what its lines cannot say.

The lap counter has two digits' room and goes from 30 to 0; a split has no column for hours (timemachine.md, sections 1
and 2.15). So laps are counted on here, and splits are taken from the totals too.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from console.model import SECOND, Kind, Passing, Phase, Sheet, Status
from console.sheets import Sources

TURN = 31
"""Lap numbers there are: after 30 comes 0."""

COLUMNS = ("RUN", "EVENT", " LANE", " LAP", " PRINTED", " TOTAL", " SPLIT", " BY TOTALS", "NOTE")

_HUNDREDTH = SECOND // 100
_HOURLESS = (3600 * SECOND, 6000 * SECOND)
"""Where a split without hours may begin anew: at 60 or at 100 minutes; the manual does not say (2.15)."""


class Lap(Struct, frozen=True):
    """A lap as it was, beside what was printed of it."""

    passing: Passing
    number: int
    """Counted on over the turns of the printed number."""
    split: int | None
    """ns, from the totals; None: the lap before is missing."""
    note: str = ""

    @property
    def differs(self) -> bool:
        """Its printed split cannot be right, even without its hours."""
        return self.note.startswith("split differs")


def make(sources: Sources) -> Sheet:
    """All laps that count, by run, timer event, lane and total."""
    lanes: dict[tuple[str, int, str, int], list[Passing]] = defaultdict(list)
    for passing in sources.passings(kinds=(Kind.LAP,), statuses=(Status.LIVE,)):
        lane = _number(passing.extra.get("lane"))
        lanes[passing.device, passing.generation, passing.event or "", lane].append(passing)
    table = [lap for _, passings in sorted(lanes.items()) for lap in laps(passings)]
    everywhere = not sources.device
    differ = sum(lap.differs for lap in table)
    return Sheet(
        title=f"laps {sources.device}".strip(),
        columns=("DEVICE", *COLUMNS) if everywhere else COLUMNS,
        rows=[_row(lap, everywhere) for lap in table],
        marks={number: "bad" if lap.differs else "warn" for number, lap in enumerate(table) if lap.note},
        note=f"{differ} of {len(table)} splits differ from their totals" if differ else "",
    )


def laps(passings: Iterable[Passing]) -> Iterator[Lap]:
    """The laps of one lane of one timer event, in the order of their totals."""
    before: Lap | None = None
    for passing in sorted(passings, key=lambda one: (one.ns or 0, one.seq)):
        before = _lap(passing, before)
        yield before


def _lap(passing: Passing, before: Lap | None) -> Lap:
    printed = _number(passing.extra.get("lap"))
    if before is None:
        number = printed or TURN  # laps are counted from 1, so the first 0 is the thirty-first
        split = passing.ns if number == 1 else None
    else:
        ahead = (printed - before.number) % TURN
        number = before.number + ahead
        split = _between(before.passing, passing) if ahead == 1 else None
    return Lap(passing, number, split, _note(passing, number, split, before))


def _note(passing: Passing, number: int, split: int | None, before: Lap | None) -> str:
    last = before.number if before else 0
    if number == last:
        return f"lap {number} a second time"
    if number > last + 1:
        return f"MISSING lap {last + 1}" + (f"-{number - 1}" if number > last + 2 else "")
    printed = _split(passing)
    if split is None or printed is None or printed == split:
        return ""
    if any(split >= turn and printed == split % turn for turn in _HOURLESS):
        return "split without its hours"
    return f"split differs by {abs(split - printed) / SECOND:.2f} s"


def _between(before: Passing, passing: Passing) -> int | None:
    return None if before.ns is None or passing.ns is None else passing.ns - before.ns


def _split(passing: Passing) -> int | None:
    """The printed split (MM:SS.hh) in ns."""
    minutes, _, seconds = str(passing.extra.get("split") or "").partition(":")
    whole, _, hundredths = seconds.partition(".")
    digits = (minutes.strip(), whole, hundredths)
    if not all(part.isdecimal() for part in digits):
        return None
    return (int(minutes) * 60 + int(whole)) * SECOND + int(hundredths) * _HUNDREDTH


def _row(lap: Lap, everywhere: bool) -> tuple[str, ...]:
    one = lap.passing
    cells: Sequence[str] = (
        f"{one.generation} TEST" if one.phase is Phase.TEST else str(one.generation),
        one.event or "-",
        str(one.extra.get("lane", "-")),
        str(lap.number),
        str(one.extra.get("lap", "-")),
        (one.time or "?").strip(),
        str(one.extra.get("split") or "?").strip(),
        "-" if lap.split is None else _clock(lap.split),
        lap.note,
    )
    return (one.device, *cells) if everywhere else tuple(cells)


def _clock(ns: int) -> str:
    """A duration as the splits are printed, with hours where it has some: `01:29.99`, `1:02:03.04`."""
    hundredths = ns // _HUNDREDTH
    minutes, rest = divmod(hundredths, 6000)
    seconds = f"{rest // 100:02d}.{rest % 100:02d}"
    return f"{minutes:02d}:{seconds}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02d}:{seconds}"


def _number(value: object) -> int:
    return int(value) if isinstance(value, int) else 0
