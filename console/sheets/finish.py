"""Sheet `finish`: the finish order by places, each with what is known of it by now, and the places that are missing."""

from collections import defaultdict
from collections.abc import Iterator

from msgspec import Struct

from console.model import Kind, Origin, Passing, Phase, Sheet, Status
from console.sheets import PAGE, Sources
from console.timing.edits import known_bib
from console.timing.holes import in_words

COLUMNS = ("RUN", "EVENT", "PLACE", "CHUTE", " LANE", "TIME", "BIB", "FROM", "NOTE")

_LINES = {Kind.PLACE: "primary", Kind.SELECT: "select"}


class Finisher(Struct, frozen=True):
    """A place that counts, and what its lines and the operators say of it."""

    passing: Passing
    bib: str | None
    edited: str
    """The operator who gave `bib`."""
    lines: str
    """`primary`, `select`, `primary+select`."""

    @property
    def run(self) -> str:
        """The run of the timer's numbering, and whether it was a test."""
        return f"{self.passing.generation}{' TEST' if self.passing.phase is Phase.TEST else ''}"

    @property
    def nameless(self) -> bool:
        """Nobody knows whose place it was."""
        return not self.bib


def finishers(sources: Sources) -> Iterator[Finisher]:
    """All places that count, in the order in which they came."""
    page: list[Passing] = []
    for passing in sources.passings(kinds=tuple(_LINES), statuses=(Status.LIVE,)):
        page.append(passing)
        if len(page) == PAGE:
            yield from _known(page, sources)
            page = []
    yield from _known(page, sources)


def _known(places: list[Passing], sources: Sources) -> Iterator[Finisher]:
    """What all rows about these places say."""
    stands_for = {one.seq: one.seq for one in places}
    about: dict[int, list[Passing]] = defaultdict(list)
    for row in sources.reader.about(stands_for):
        if row.of in stands_for:
            place = stands_for[row.seq] = stands_for[row.of]
            about[place].append(row)
    for one in places:
        rows, edited = about[one.seq], sources.resolve(one).edited
        kinds = {one.kind, *(row.kind for row in rows if row.status is Status.JOINED)}
        lines = "+".join(word for kind, word in _LINES.items() if kind in kinds)
        yield Finisher(one, known_bib(one, rows), edited, lines)


def make(sources: Sources) -> Sheet:
    """By device, run, timer event and place; the holes between the places where they are."""
    order: dict[tuple[str, int, str], list[Finisher]] = defaultdict(list)
    for one in finishers(sources):
        order[one.passing.device, one.passing.generation, one.passing.event or "-"].append(one)
    rows: list[tuple[str, ...]] = []
    marks: dict[int, str] = {}
    missing = nameless = 0
    for (device, _, event), found in sorted(order.items()):
        front = (device,) if not sources.device else ()
        last = 0
        for one in sorted(found, key=lambda one: (_place(one.passing), one.passing.seq)):
            place = _place(one.passing)
            if last and place > last + 1:
                marks[len(rows)] = "bad"
                rows.append((*front, one.run, event, in_words((last + 1, place - 1)), "", "", "", "", "", "HOLE"))
                missing += place - last - 1
            if one.nameless:
                marks[len(rows)] = "warn"
                nameless += 1
            rows.append((*front, *_row(one, event)))
            last = place
    return Sheet(
        title=f"finish {sources.device}".strip(),
        columns=COLUMNS if sources.device else ("DEVICE", *COLUMNS),
        rows=rows,
        marks=marks,
        note=f"{missing} places missing between others, {nameless} without a bib" if missing or nameless else "",
    )


def _row(one: Finisher, event: str) -> tuple[str, ...]:
    passing = one.passing
    return (
        one.run,
        event,
        f"{_place(passing):04d}",
        passing.channel or "-",
        str(passing.extra.get("place_in_lane", "-")),
        (passing.time or "?").strip(),
        one.bib or "----",
        one.lines,
        _note(one),
    )


def _note(one: Finisher) -> str:
    own = one.passing.bib
    was = f", was {own}" if own and own != one.bib else ""
    said = ["NO BIB"] if one.nameless else []
    said += [f"edited {one.edited}{was}"] if one.edited else [f"corrected{was}"] if was else []
    said += [one.passing.origin.value] if one.passing.origin is not Origin.LIVE else []
    return ", ".join(said)


def _place(passing: Passing) -> int:
    place = passing.extra.get("place")
    return place if isinstance(place, int) else 0
