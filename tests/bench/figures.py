"""What a run has measured, and the table it is told in."""

from collections.abc import Sequence

from msgspec import Struct


class Figure(Struct, frozen=True, kw_only=True):
    """One line of the table."""

    bench: str
    what: str
    value: float
    unit: str
    goal: str = ""
    met: bool | None = None
    """None: there is no goal."""


def table(figures: Sequence[Figure]) -> str:
    """All figures; those without a goal are there to understand the others by."""
    rows = [("", "what", "measured", "goal", "")]
    rows += [
        (
            one.bench,
            one.what,
            f"{shown(one.value)} {one.unit}",
            one.goal,
            {True: "met", False: "MISSED", None: ""}[one.met],
        )
        for one in figures
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = []
    before = ""
    for number, (bench, what, value, goal, met) in enumerate(rows):
        name = bench if bench != before else ""
        before = bench
        cells = (name.ljust(widths[0]), what.ljust(widths[1]), value.rjust(widths[2]), goal.rjust(widths[3]), met)
        lines.append("  ".join(cells).rstrip())
        if not number:
            lines.append("  ".join("-" * width for width in widths))
    return "\n".join(lines)


def shown(value: float) -> str:
    """About three digits, which is as much as a benchmark knows."""
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.3f}"
