"""From the journal to numbered lines: each passing that can be said gets its number once, whoever is connected."""

import asyncio
from collections.abc import Iterable
from typing import Protocol

from console.exports.ctp01_account import NumberedAccount
from console.exports.ctp01_log import Logs
from console.exports.delivery import Account, Unmapped, Verdict
from console.exports.export import Feed
from console.exports.reading import read, read_on
from console.model import Passing


class Numbering(Protocol):
    """What the intake needs to know of the export."""

    def not_for(self, address: str, passing: Passing) -> str:
        """Why `passing` is not for this address; empty: it is."""

    def verdict(self, account: Account, passing: Passing, *, forced: bool = False) -> Verdict:
        """What is to be done with `passing`; where it can be said, the name of its location."""

    def replaces(self, account: Account, passing: Passing) -> Iterable[int]:
        """`passing` is about to be numbered: the held ones in whose stead that is."""

    def unmapped(self, why: Unmapped) -> None:
        """A passing turned out not to fit the format."""

    def kept(self, account: Account) -> None:
        """An account is no longer what was saved of it."""

    def lines(self) -> None:
        """There are new lines."""


class Intake:
    """Follows the feed. What is held gets its number when nothing holds it any more: numbers rise as lines go out."""

    def __init__(self, form: Numbering, feed: Feed, account: NumberedAccount, logs: Logs) -> None:
        self.stir = asyncio.Event()
        """To be set when there may be something to do."""
        self._moved = asyncio.Event()
        self.releases = list(account.released)
        """Held passings whose turn it is."""
        self._form = form
        self._feed = feed
        self._account = account
        self._logs = logs
        self._ready: dict[str, list[Passing]] = {}
        """By location: what gets its number next."""
        self._found = max((logs.at(location).highest for location in logs.locations), default=0)
        """No passing beyond this one had a number when we began."""
        for seq in list(account.held):
            if logs.find(seq):  # it had just got it when the engine ended
                account.release(seq)
                account.numbered(seq)

    async def run(self) -> None:
        """Follow the feed until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow())
            tasks.create_task(self._work())

    async def _follow(self) -> None:
        newest = 0
        while True:
            await self._feed.beyond(newest)
            newest = self._feed.newest
            self.stir.set()

    async def passed(self, seq: int) -> None:
        """Wait until every passing up to this one has its number, where it gets one now."""
        while self._account.sent < seq:
            self._moved.clear()
            await self._moved.wait()

    async def _work(self) -> None:
        while True:
            self.stir.clear()
            releases, self.releases = self.releases, []
            if freed := [passing async for passing in read(self._feed, releases)]:
                await self._take(freed)
            batch = await read_on(self._feed, self._account.sent)
            if batch:
                await self._take(batch)
                self._account.reach(batch[-1].seq)
                self._account.empty(batch[-1].seq)
                self._moved.set()
                self._form.kept(self._account)
            else:
                await self.stir.wait()

    async def _take(self, passings: list[Passing]) -> None:
        """Number what can be said, and count it."""
        for passing in passings:
            if location := self._location(passing):
                self._ready.setdefault(location, []).append(passing)
        ready, numbers = dict(self._ready), {}
        for location, some in ready.items():
            numbers[location] = await self._logs.number(location, [passing.seq for passing in some])
            del self._ready[location]
        account = self._account
        for location, some in ready.items():
            for passing in some:
                account.came(location, numbers[location][passing.seq], passing.wall)
                account.numbered(passing.seq)
        account.underway.clear()
        if ready:
            self._form.kept(account)
            self._form.lines()

    def newest(self, location: str) -> int:
        """The highest number of a location, with those that are about to be given."""
        return self._logs.at(location).newest + len(self._ready.get(location, ()))

    def _location(self, passing: Passing) -> str:
        """Where the passing is to get a number; empty: not now. It is counted in either case."""
        account, seq = self._account, passing.seq
        forced = seq in account.released
        if not forced:
            if self._form.not_for(account.address, passing):
                return ""
            first = account.meet(passing)
            if not first and account.settled(seq):
                return ""
        found = self._logs.find(seq) if seq <= self._found else None
        verdict = found[0].encode() if found else self._form.verdict(account, passing, forced=forced)
        if isinstance(verdict, bytes):
            account.underway.add(seq)
            for one in list(self._form.replaces(account, passing)):
                account.join(one)
            return verdict.decode()
        account.refuse(seq, verdict)
        if isinstance(verdict, Unmapped):
            self._form.unmapped(verdict)
        return ""
