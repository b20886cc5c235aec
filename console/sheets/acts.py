"""Acts for sheets: what an operator did, or had a device do."""

from collections.abc import Iterator
from datetime import datetime

from console.model import SECOND, Act
from console.sheets import PAGE, Sources


def acts(sources: Sources, word: str) -> Iterator[Act]:
    """Every act of that word about the device (or, without one, about any), oldest first."""
    after = 0
    while page := sources.reader.acts(after=after, limit=PAGE):
        yield from (
            act for act in page if act.word == word and sources.device in ("", str(act.body.get("device") or ""))
        )
        after = page[-1].seq


def said(act: Act, field: str) -> str:
    """One field of its body, as a cell."""
    value = act.body.get(field)
    return "-" if value is None else str(value)


def at(act: Act, sources: Sources) -> str:
    """When it was, in the event's zone."""
    return f"{datetime.fromtimestamp(act.wall // SECOND, sources.zone):%Y-%m-%d %H:%M:%S}"
