"""Sending again what an operator asks for: which passings, and how far it has come."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct, structs

from console.exports.export import Feed
from console.exports.reading import read_on, since
from console.model import Passing, Resolved, Selection

WORDS = {
    "held": "held",
    "waiting": "still waiting for their turn",
    "unmapped": "cannot be said in this format",
    "replaced": "replaced by a later word",
    "other": "not for this export",
}
"""What is told of those that were not sent again, in this order."""


class Wanted(Struct, frozen=True, kw_only=True):
    """Passings from `first` to `last`, or those of them at one point, or of one bib."""

    first: int
    last: int
    point: str = ""
    bib: str = ""

    def takes(self, known: Resolved) -> bool:
        """Whether this one of the range is wanted."""
        if self.bib and self.bib not in (known.bib, known.passing.bib):
            return False
        return not self.point or known.point == self.point

    def up_to(self, last: int) -> "Wanted":
        """As far as it has come."""
        return structs.replace(self, last=min(last, self.last))


async def wanted(chosen: Selection, feed: Feed) -> Wanted:
    """A selection in numbers. Raises ValueError, in words, where there is nothing in it."""
    first, last = max(chosen.first or 1, 1), min(chosen.last or feed.newest, feed.newest)
    if chosen.since is not None:
        first = max(first, await since(feed, chosen.since))
    if chosen.until is not None:
        last = min(last, await since(feed, chosen.until + 1) - 1)
    backwards = chosen.first is not None and chosen.last is not None and chosen.first > chosen.last
    if backwards or (chosen.since is not None and chosen.until is not None and chosen.since > chosen.until):
        raise ValueError("there is nothing to send again: the last one comes before the first")
    if first > last:
        raise ValueError(f"there is no such passing: the newest is #{feed.newest}")
    return Wanted(first=first, last=last, point=chosen.point, bib=chosen.bib)


class Again:
    """What is sent again on one connection, as far as it has come."""

    def __init__(self, what: Wanted) -> None:
        self.what = what
        self.at = what.first - 1
        """Every passing up to this one was dealt with."""
        self.counts: Counter[str] = Counter()
        """`sent`, or a word of WORDS -> passings."""
        self.ended = ""
        """Why it came to an end before its time."""
        self.over = asyncio.Event()

    async def read(self, feed: Feed) -> list[Passing]:
        """The next ones; empty: that was all."""
        if self.at >= self.what.last:
            return []
        return [one for one in await read_on(feed, self.at) if one.seq <= self.what.last]

    def end(self, why: str = "") -> None:
        """No more is sent: all of it was, or why not. The first word counts."""
        if not self.over.is_set():
            self.ended = why
            self.over.set()


class Sender(Protocol):
    """What sends things again: a connection, or a printer."""

    again: Again | None
    stir: asyncio.Event
    """To be set when there is something to do."""

    @property
    def target(self) -> str:
        """Under which address it is accounted."""


def in_words(all_of_it: list[Again]) -> str:
    """`212 sent again, 3 held, 1 not for this export`: over all connections."""
    counts = sum((one.counts for one in all_of_it), Counter[str]())
    if not counts.total() and all(one.over.is_set() and not one.ended for one in all_of_it):
        return "0 sent again: there is no such passing"
    return ", ".join(
        [f"{counts['sent']:,} sent again", *(f"{counts[key]:,} {word}" for key, word in WORDS.items() if counts[key])]
    )


def as_range(what: Wanted) -> str:
    """What was asked for, in words."""
    text = f"#{what.first}" if what.first == what.last else f"#{what.first} to #{what.last}"
    if what.point:
        text += f" at {what.point}"
    return text + (f" of bib {what.bib}" if what.bib else "")


def of_body(body: Mapping[str, object]) -> Wanted:
    """What an act in the journal asked for."""
    return Wanted(
        first=int(str(body["first"])),
        last=int(str(body["last"])),
        point=str(body.get("point") or ""),
        bib=str(body.get("bib") or ""),
    )


def as_body(what: Wanted) -> dict[str, int | str]:
    """The same, for the journal."""
    return structs.asdict(what)
