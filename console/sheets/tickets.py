"""Sheet `tickets`: what OTIMCON stations in mode PRINT printed, the newest ticket first, as it reads on paper."""

from console.model import Act, Sheet
from console.sheets import Sources
from console.sheets.acts import acts, at, said

COLUMNS = ("AT", "CARD", "TICKET")
MOST = 50
"""Tickets that are shown."""


def make(sources: Sources) -> Sheet:
    """A row for each line of a ticket; when and whose it is stands in its first."""
    printed = list(acts(sources, "ticket"))
    rows: list[tuple[str, ...]] = []
    marks: dict[int, str] = {}
    for act in reversed(printed[-MOST:]):
        if not act.body.get("complete"):
            marks[len(rows)] = "bad"
        rows += _lines(act, sources)
    return Sheet(
        title=f"tickets {sources.device}".strip(),
        columns=COLUMNS,
        rows=rows,
        marks=marks,
        note=f"{len(printed)} ticket{'s' * (len(printed) != 1)}"
        + (f", the newest {MOST} are shown" if len(printed) > MOST else ""),
    )


def _lines(act: Act, sources: Sources) -> list[tuple[str, ...]]:
    lines = [line for line in said(act, "text").split("\n") if line.strip()]
    if not act.body.get("complete"):
        lines.insert(0, "CUT SHORT: touch the card again")
    first, *others = lines or ["(nothing)"]
    return [(at(act, sources), said(act, "card"), first), *(("", "", line) for line in others)]
