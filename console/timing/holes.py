"""Missing places as ranges (first, last), in order: a finish joined at place 4,000 costs one range, not 3,999 rows."""

from console.model import Level

Range = tuple[int, int]


def place_came(holes: list[Range], highest: int | None, place: int, what: str) -> tuple[list[Range], Level, str]:
    """The holes once `place` has come, where `highest` was the last until now, and what is to be said of it (empty:
    nothing): a place beyond the next opens a hole, one inside a hole fills it. `what` came, in words."""
    last = highest or 0
    if place > last + 1:
        gap = (last + 1, place - 1)
        return open_gap(holes, gap), Level.WARNING, f"place {in_words(gap)} missing before {what}"
    filled = narrow(holes, place)
    if filled == holes:
        return holes, Level.NOTE, ""
    return filled, Level.NOTE, f"place {place:04d} has come: hole filled"


def open_gap(holes: list[Range], gap: Range) -> list[Range]:
    """`holes` and a new gap behind them."""
    return [*holes, gap]


def narrow(holes: list[Range], place: int) -> list[Range]:
    """`holes` without `place`; unchanged where it was not missing."""
    left: list[Range] = []
    for first, last in holes:
        if not first <= place <= last:
            left.append((first, last))
            continue
        if first < place:
            left.append((first, place - 1))
        if place < last:
            left.append((place + 1, last))
    return left


def in_words(hole: Range) -> str:
    """`0410`, or `0412-0415`."""
    first, last = hole
    return f"{first:04d}" if first == last else f"{first:04d}-{last:04d}"


def missing(holes: list[Range]) -> int:
    """How many places are missing."""
    return sum(last - first + 1 for first, last in holes)
