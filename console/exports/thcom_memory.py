"""What timers have told, as their own memory would answer: a time by its number, a run from end to end (`#RT`, `#DL`;
thcom.md, section 2.3). Read from the journal, in the state that corrections have brought about."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable

from msgspec import Struct, field

from console.codecs import thcom
from console.exports.edits import Edits
from console.exports.export import Desk
from console.model import Kind, Origin, Passing, Status

PAGE = 500
"""Passings read, and lines handed on, at once."""

RETRIES = 20
"""Times that the disk is asked again, every AGAIN seconds, for what is known to be there."""

AGAIN = 0.1

LAST_NUMBER = 9999
"""After which a channel counts from the beginning."""

CORRECTS = (Status.CORRECTION, Status.CANCELLED, Status.EDITED)


class UnreadableError(Exception):
    """The journal did not give what is in it."""


class Found(Struct):
    """Where the latest run of a number is in the journal, of one device."""

    generation: int = 0
    first: int = 0
    last: int = 0
    counted: set[str] = field(default_factory=set)
    """Channels whose number 1 was met: what is older belongs to an earlier run of that number."""
    complete: bool = False
    recovered: list[Passing] = field(default_factory=list)

    def holds(self, passing: Passing) -> bool:
        """Whether this passing is in the run."""
        return self.first <= passing.seq <= self.last and passing.generation == self.generation

    def met(self, passing: Passing, run: str) -> None:
        """Take in a passing; they come newest first."""
        if self.complete:
            return
        inside = passing.event == run and self.generation in (0, passing.generation)
        if passing.origin is Origin.RECOVERED:  # it stands in the journal later than it happened
            if inside:
                self.recovered.append(passing)
            return
        channel, number = passing.channel or "", passing.extra.get("sequence")
        older = channel in self.counted and number != LAST_NUMBER and passing.kind is Kind.IMPULSE
        if not inside or older:
            self.complete = bool(self.first)
            return
        self.generation, self.first, self.last = passing.generation, passing.seq, self.last or passing.seq
        if number == 1 and _original(passing):
            self.counted.add(channel)


class Memory:
    """The answers of an export's timers. `line` gives the data of a row, `why_not` what is not for this export."""

    def __init__(
        self,
        desk: Desk,
        edits: Edits,
        channels: dict[str, str],
        why_not: Callable[[Passing], str],
        line: Callable[[Passing, str], str | None],
    ) -> None:
        self._desk = desk
        self._edits = edits
        self._channels = channels
        self._why_not = why_not
        self._line = line

    async def time(self, number: int, channel: str) -> str | None:
        """The line of the latest time of this number on this channel; None: there is none."""
        mapped = [device for device, its in self._channels.items() if its == channel]
        corrections: dict[int, Passing] = {}
        best: Passing | None = None
        async for passing in self._back(() if mapped else (Kind.IMPULSE,)):
            if self._corrects(corrections, passing) or not self._counts(passing):
                continue
            if passing.kind is Kind.IMPULSE:
                same = passing.channel == channel and passing.extra.get("sequence") == number and _original(passing)
            else:
                same = passing.device in mapped and passing.seq % 10_000 == number
            if not same:
                continue
            best = max(best or passing, passing, key=_age)
            if passing.origin is not Origin.RECOVERED:
                break
        return self._said(best, corrections) if best else None

    async def run(self, run: str) -> AsyncIterator[list[str]]:
        """The run's lines, a page at a time; nothing at all where there is no such run. Raises UnreadableError."""
        corrections: dict[int, Passing] = {}
        found: dict[str, Found] = {}
        async for passing in self._back((Kind.IMPULSE, Kind.RESULT)):
            if not self._corrects(corrections, passing) and self._counts(passing):
                found.setdefault(passing.device, Found()).met(passing, run)
                if all(one.complete for one in found.values()):
                    break
        parts = {device: one for device, one in found.items() if one.first}
        if not parts:
            return
        late = [one for part in parts.values() for one in part.recovered if one.generation == part.generation]
        late.sort(key=_moment, reverse=True)
        yield [thcom.run_line("DS", int(run))]
        async for page in self._between(parts.values()):
            lines: list[str | None] = []
            for passing in page:
                if not self._counts(passing) or passing.device not in parts or not parts[passing.device].holds(passing):
                    continue
                if passing.event != run or passing.origin is Origin.RECOVERED:
                    continue
                while late and passing.kind is Kind.IMPULSE and _moment(late[-1]) < _moment(passing):
                    lines.append(self._said(late.pop(), corrections))
                lines.append(self._said(passing, corrections))
            yield [line for line in lines if line]
        rest = [self._said(passing, corrections) for passing in reversed(late)]
        yield [*filter(None, rest), thcom.run_line("DE", int(run))]

    # --- parts ---

    async def _back(self, kinds: tuple[Kind, ...]) -> AsyncIterator[Passing]:
        """All passings of these kinds, newest first."""
        before = self._desk.feed.newest + 1
        while page := await self._desk.page(before=before, limit=PAGE, kinds=kinds):
            for passing in reversed(page):
                yield passing
            before = page[0].seq

    async def _between(self, parts: Iterable[Found]) -> AsyncIterator[list[Passing]]:
        """Pages that together hold these parts of the journal."""
        parts = list(parts)
        at, last, tries = min(one.first for one in parts) - 1, max(one.last for one in parts), 0
        while at < last:
            page = await self._desk.page(after=at, limit=PAGE, kinds=(Kind.IMPULSE, Kind.RESULT))
            if page:
                at, tries = page[-1].seq, 0
                yield page
            elif (tries := tries + 1) > RETRIES:
                raise UnreadableError(f"the journal does not give passings {at + 1} to {last}")
            else:
                await asyncio.sleep(AGAIN)

    def _counts(self, passing: Passing) -> bool:
        return passing.status is Status.LIVE and not self._why_not(passing)

    def _corrects(self, corrections: dict[int, Passing], passing: Passing) -> bool:
        """Whether this row, met newest first, is about another one; then it is remembered, if it is in force."""
        if passing.status not in CORRECTS or passing.of is None:
            return False
        newest = corrections.pop(passing.seq, passing)
        pending = self._edits.pending(passing.seq) and "undoes" not in passing.extra
        outdone = passing.status is Status.CORRECTION and "edited" in passing.extra
        if newest is not passing or not (pending or outdone or self._why_not(passing)):
            known = corrections.get(passing.of, newest)
            corrections[passing.of] = max(known, newest, key=lambda one: one.seq)
        return True

    def _said(self, passing: Passing, corrections: dict[int, Passing]) -> str | None:
        """The line of a passing as it stands now. What THCOM08 cannot say of it is left out, or all of it."""
        for one in (corrections.get(passing.seq), passing):
            try:
                if one is not None and (line := self._line(one, "A")):
                    return line
            except (ValueError, KeyError):
                continue
        return None


def _original(passing: Passing) -> bool:
    """No duplicate and no ideal start: those have the number of another time."""
    return str(passing.extra.get("record", "TN"))[1:] not in ("=", "I")


def _age(passing: Passing) -> tuple[int, int, int]:
    return passing.generation, passing.day or 0, passing.seq


def _moment(passing: Passing) -> tuple[int, int]:
    return passing.day or 0, passing.ns or 0
