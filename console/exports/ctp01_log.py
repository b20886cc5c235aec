"""The lines of a CTP01 export: which passing has which number at which location. About a byte of memory per line."""

import asyncio
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from heapq import merge
from itertools import islice
from typing import NamedTuple

from console.exports.column import Column
from console.exports.export import Desk
from console.exports.reading import BATCH, read
from console.journal.journal import JournalFullError
from console.model import Passing

ANNOUNCEMENT = 0
"""In the place of a passing: the line that announces the location."""

LOST = -1
"""In the place of a passing: the journal has lost what had this number, in both of its copies, and has said so."""

AGAIN = 1.0
"""Seconds before a journal that is full is asked again."""

PAGE = 5000
"""Numbers read at once."""

MOST_LAPS = 999
"""The format counts no further (ctp01.md, section 1.6)."""


class Line(NamedTuple):
    """One line, before it is written."""

    order: int
    """In the journal: lines of all locations go out by it, so that each part of the journal is read once."""
    location: str
    number: int
    passing: int
    """`Passing.seq`, or what else has the number."""


class Log:
    """The numbered lines of one location. `people`: bib or tag -> its place in counts, at all locations alike."""

    def __init__(self, location: str, people: dict[str, int]) -> None:
        self.location = location
        self._people = people
        self._order = Column()
        """By number: the passing; of one that was numbered late, the highest before it. So it ascends."""
        self._highest = 0
        self._late: dict[int, int] = {}
        """Number -> what has it, where that is not the passing in `_order`."""
        self._late_numbers: dict[int, int] = {}
        self._laps = Column()
        """By number, as far as they are counted."""
        self._reads = array("H")
        """By the place of a bib or tag: how often it was read here, as far as that is counted."""

    @property
    def newest(self) -> int:
        """The highest number; 0: none."""
        return len(self._order)

    @property
    def highest(self) -> int:
        """The highest passing that has a number."""
        return self._highest

    @property
    def counted(self) -> int:
        """The number up to which laps are counted."""
        return len(self._laps)

    def put(self, number: int, passing: int) -> None:
        """The next number, or one that is known. A number that was left out has been lost."""
        while self.newest < number - 1:
            self._append(LOST)
        if number > self.newest:
            self._append(passing)

    def _append(self, passing: int) -> None:
        number = self.newest + 1
        if passing > self._highest:
            self._order.append(passing)
            self._highest = passing
            return
        self._order.append(self._highest)
        self._late[number] = passing
        if passing != LOST:
            self._late_numbers[passing] = number

    def passing(self, number: int) -> int:
        """What has this number."""
        return self._late[number] if number in self._late else self._order[number - 1]

    def number(self, passing: int) -> int | None:
        """The number of a passing; None: it has none here."""
        if passing in self._late_numbers:
            return self._late_numbers[passing]
        at = self._order.below(passing)
        return at + 1 if at < self.newest and self._order[at] == passing and at + 1 not in self._late else None

    def upto(self, passing: int) -> int:
        """The highest number that was given to this passing, or before it; 0: none."""
        return self._order.upto(passing)

    def passings(self, first: int, last: int) -> int:
        """How many of these numbers are not the announcement of the location."""
        announced = sum(passing == ANNOUNCEMENT and first <= number <= last for number, passing in self._late.items())
        return last - first + 1 - announced

    def lines(self, first: int, last: int | None = None) -> Iterator[Line]:
        """From one number to another, or to the newest."""
        for number in range(first, (self.newest if last is None else last) + 1):
            order = self._order[number - 1]
            yield Line(order, self.location, number, self._late.get(number, order))

    def count(self, passing: Passing | None) -> None:
        """Count the next line's lap; None: it tells of no read.

        By what the device or the operator said, and not by the tag table, which may be another one when the line is
        sent again: a line must stay what it was.
        """
        who = passing and (passing.bib or passing.tag)
        if not who:
            self._laps.append(0)
            return
        at = self._people.setdefault(who, len(self._people))
        self._reads.extend([0] * (at + 1 - len(self._reads)))
        self._reads[at] = laps = min(self._reads[at] + 1, MOST_LAPS)
        self._laps.append(laps)

    def lap(self, number: int) -> int:
        """How often the bib or tag of this line had been read here; raises IndexError beyond `counted`."""
        return self._laps[number - 1]


class Logs:
    """The lines of every location under one connection id."""

    def __init__(self, desk: Desk, export: str, connection: str) -> None:
        self._desk = desk
        self._export = export
        self.connection = connection
        self._logs: dict[str, Log] = {}
        self._people: dict[str, int] = {}
        self._one = asyncio.Lock()
        """Numbers come into a log in their order."""

    async def load(self) -> None:
        """Everything that has a number."""
        for location in self._desk.highest(self._export, self.connection):
            log = self.at(location)
            page = [(0, 0)] * PAGE
            while len(page) == PAGE:
                page = await self._desk.numbers(self._export, self.connection, location, log.newest + 1, PAGE)
                for number, passing in page:
                    log.put(number, passing)

    @property
    def locations(self) -> list[str]:
        """Those with lines, in the order in which they had their first ones."""
        return [location for location, log in self._logs.items() if log.newest]

    def at(self, location: str) -> Log:
        """The log of a location, be it empty."""
        if location not in self._logs:
            self._logs[location] = Log(location, self._people)
        return self._logs[location]

    def find(self, passing: int) -> tuple[str, int] | None:
        """Location and number of a passing. May be asked in any thread."""
        for location, log in self._logs.copy().items():
            if number := log.number(passing):
                return location, number
        return None

    async def number(self, location: str, passings: Sequence[int]) -> dict[int, int]:
        """Give lines their numbers, durably, in this order. Waits for a journal that is full."""
        async with self._one:
            while True:
                with suppress(JournalFullError):
                    numbers = await self._desk.number(self._export, self.connection, location, passings)
                    break
                await asyncio.sleep(AGAIN)
            log = self.at(location)
            for passing, number in sorted(numbers.items(), key=lambda pair: pair[1]):
                log.put(number, passing)
            return numbers

    def next(self, places: Mapping[str, int], most: int) -> list[Line]:
        """The next lines of these locations, each from its number on: of each in the order of its numbers, and all
        together as they are in the journal."""
        return list(islice(merge(*(self.at(location).lines(first) for location, first in places.items())), most))

    async def passings(self, lines: Iterable[Line]) -> dict[int, Passing]:
        """What the lines tell of, by `seq`; without what cannot be read any more, which the journal says. Their laps
        are counted then."""
        lines = list(lines)
        found = await self._read(lines)
        for line in lines:
            log = self.at(line.location)
            if line.number > log.counted + 1:
                await self._count(log, line.number - 1)
            if line.number > log.counted:
                log.count(found.get(line.passing))
        return found

    async def arrival(self, location: str, number: int) -> int | None:
        """When what has this number arrived, wall ns; None: that cannot be read."""
        found = await self._read(self.at(location).lines(number, number))
        return next((passing.wall for passing in found.values()), None)

    async def _count(self, log: Log, last: int) -> None:
        """Laps of what was sent before the restart, and is not sent again now."""
        while log.counted < last:
            lines = list(log.lines(log.counted + 1, min(log.counted + BATCH, last)))
            found = await self._read(lines)
            for line in lines:
                log.count(found.get(line.passing))

    async def _read(self, lines: Iterable[Line]) -> dict[int, Passing]:
        wanted = {line.passing for line in lines if line.passing > 0}
        return {passing.seq: passing async for passing in read(self._desk.feed, wanted)}
