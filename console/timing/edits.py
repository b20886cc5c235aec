"""An operator's bib: a row about a passing, which itself never changes; and what bib of a passing is known by all rows.

Such a row is EDITED, `of` the first line of its place, with change `bib`. What it says of where and when is that of
the line the operator pointed at, arrival (`wall`) included: it is bound to the same UTC. `extra` has besides

    was     the bib known until then, or None
    by      the operator
    at      when it was given, wall ns
    undoes  the number of the EDITED row that it takes back, if it does
"""

from collections.abc import Iterable, Sequence

from msgspec import Struct, structs

from console.model import Judged, Kind, Passing, Scalar, Status
from console.timing.index import Index

LONGEST = 16
"""Characters of a bib at most."""


class Asking(Struct, frozen=True, kw_only=True):
    """An act that becomes a row: who, when (wall ns), and the number the row gets."""

    by: str
    at: int
    number: int


# --- what rows say together ---


def standing(rows: Iterable[Passing]) -> Passing | None:
    """The newest EDITED row among those of one place (oldest first) that was not taken back."""
    given: dict[Scalar, Passing] = {}
    for row in rows:
        if row.status is not Status.EDITED:
            continue
        if "undoes" in row.extra:
            given.pop(row.extra["undoes"], None)
        else:
            given[row.seq] = row
    return next(reversed(given.values()), None)


def known_bib(place: Passing, rows: Sequence[Passing]) -> str | None:
    """The bib of `place` by all rows about it, oldest first: what an operator gave, else the device's last correction,
    else what the other line of the place brought, else its own."""
    if edit := standing(rows):
        return edit.bib
    for row in reversed(rows):
        if row.status is Status.CORRECTION and row.change in ("bib", "unassigned"):
            return row.bib
    brought = (row.bib for row in rows if row.status is Status.JOINED and row.bib)
    return next(brought, place.bib)


def place_of(one: Judged, index: Index) -> Judged:
    """The counted passing that `one` stands for: the first line of its place."""
    while one.passing.status is not Status.LIVE and one.passing.of is not None:
        first = index.passing(one.passing.of)
        if first is None:
            break
        one = first
    return one


def rows_about(place: Passing, index: Index) -> list[Passing]:
    """Every row about `place`, and about those rows, oldest first."""
    found: list[Passing] = []
    ask = [place.seq]
    while ask:
        rows = [one.passing for one in index.about(ask.pop())]
        found += rows
        ask += [row.seq for row in rows if row.status is not Status.EDITED]
    return sorted(found, key=lambda row: row.seq)


# --- acts; each raises ValueError with what is wrong, and what to do ---


def set_bib(seq: int, bib: str | None, asking: Asking, index: Index) -> Judged:
    """Say whose passing `seq` was; None: nobody's that we know."""
    bib = _checked(bib)
    pointed = index.passing(seq)
    if pointed is None:
        raise ValueError(f"there is no passing #{seq}")
    place = place_of(pointed, index).passing
    _refuse(pointed.passing, place)
    rows = rows_about(place, index)
    changes = [row.status for row in rows if row.status in (Status.CORRECTION, Status.CANCELLED)]
    if changes and changes[-1] is Status.CANCELLED:
        raise ValueError(f"#{seq} was cancelled by the device: there is nobody to give a bib to")
    was = known_bib(place, rows)
    if bib == was:
        raise ValueError(f"#{seq} is {bib} already" if bib else f"#{seq} has no bib, as it is")
    return _row(pointed.passing, place.seq, bib, {"was": was}, asking, index)


def undo(asking: Asking, index: Index) -> Judged:
    """Take back the newest bib that this operator gave and that was not taken back yet."""
    edits = [one.passing for one in index.edits()]
    undone = {row.extra["undoes"] for row in edits if "undoes" in row.extra}
    given = [row for row in edits if "undoes" not in row.extra and row.seq not in undone]
    mine = [row for row in given if row.extra["by"] == asking.by]
    if not mine:
        raise ValueError(f"nothing to undo: no bib given by {asking.by} is left to take back")
    edit = mine[-1]
    place = index.passing(edit.of or 0)
    if place is None:
        raise ValueError(f"the passing #{edit.of} cannot be read: give it its bib with `racedeck bib`")
    rows = rows_about(place.passing, index)
    stands = standing(rows)
    if stands and stands.seq != edit.seq:
        bib = f"the bib {stands.bib}" if stands.bib else "no bib"
        raise ValueError(
            f"{stands.extra['by']} has given #{edit.of} {bib} since then: nothing was undone; "
            f"to change it, give it a bib (racedeck bib {edit.of} BIB)"
        )
    before = known_bib(place.passing, [row for row in rows if row.seq != edit.seq])
    return _row(edit, place.passing.seq, before, {"was": edit.bib, "undoes": edit.seq}, asking, index)


# --- parts ---


def _checked(bib: str | None) -> str | None:
    bib = (bib or "").strip()
    if not bib.isprintable():
        raise ValueError(f"the bib {bib!r} has characters that cannot be printed")
    if len(bib) > LONGEST:
        raise ValueError(f"the bib {bib!r} is too long: {LONGEST} characters at most")
    return bib or None


def _refuse(pointed: Passing, place: Passing) -> None:
    """Raise where this line is none to give a bib to."""
    match pointed.status:
        case Status.REPEAT | Status.EDITED:
            word = "a repeat" if pointed.status is Status.REPEAT else "a bib given by hand"
            raise ValueError(f"#{pointed.seq} is {word} of #{place.seq}: give the bib to #{place.seq}")
        case Status.CANCELLED:
            raise ValueError(f"#{pointed.seq} is a cancellation by the device: there is nobody to give a bib to")
        case Status.OFFERED:
            take = f"racedeck take-over {pointed.device} {pointed.seq}"
            raise ValueError(f"#{pointed.seq} is offered and does not count yet: take it over first ({take})")
        case _ if pointed.kind is Kind.GUN:
            raise ValueError(f"#{pointed.seq} is a gun: it has no bib")


def _row(like: Passing, place: int, bib: str | None, extra: dict[str, Scalar], asking: Asking, index: Index) -> Judged:
    kept = {key: value for key, value in like.extra.items() if key not in ("was", "by", "at", "undoes", "edited")}
    row = structs.replace(
        like,
        seq=asking.number,
        index=index.next_index(like.frame),
        bib=bib,
        status=Status.EDITED,
        of=place,
        change="bib",
        extra={**kept, **extra, "by": asking.by, "at": asking.at},
    )
    return Judged(passing=row, identity=f"edit/{place}", value=bib or "")
