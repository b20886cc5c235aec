"""Committed passings for the exports: the newest from memory, older ones from disk without holding up the loop."""

import asyncio
from bisect import bisect_right
from collections.abc import Callable

from console.journal.reader import Reader
from console.model import Passing

KEPT = 5000
"""Passings kept in memory at least, once there are so many."""

AGAIN = 0.5
"""Seconds before the disk is asked again when it did not give what is known to be there."""


class Feed:
    """The `Feed` of `console.exports.export`. Used in the event loop only."""

    def __init__(self, newest: int, reader: Callable[[], Reader]) -> None:
        self._newest = newest
        self._recent: list[Passing] = []
        self._make_reader = reader
        self._reader: Reader | None = None
        self._disk: asyncio.Lock | None = None
        self._arrival: asyncio.Event | None = None

    @property
    def newest(self) -> int:
        """The highest committed passing; 0: none."""
        return self._newest

    def publish(self, passings: list[Passing]) -> None:
        """Passings that have become durable, in order."""
        if not passings:
            return
        self._recent += passings
        if len(self._recent) > 2 * KEPT:
            del self._recent[:-KEPT]
        self._newest = passings[-1].seq
        if self._arrival:
            self._arrival.set()
            self._arrival = None

    async def after(self, seq: int, limit: int = 500) -> list[Passing]:
        """At most `limit` passings beyond `seq`, in order; empty where there are none yet."""
        if seq >= self._newest:
            return []
        recent = self._recent
        if recent and recent[0].seq <= seq + 1:
            at = bisect_right(recent, seq, key=lambda passing: passing.seq)
            return recent[at : at + limit]
        return await self._from_disk(seq, limit)

    async def beyond(self, seq: int) -> None:
        """Wait until there is a passing beyond `seq`."""
        while self._newest <= seq:
            if self._arrival is None:
                self._arrival = asyncio.Event()
            await self._arrival.wait()

    def close(self) -> None:
        """Close the connection to the disk; any thread may."""
        if self._reader:
            self._reader.close()

    async def _from_disk(self, seq: int, limit: int) -> list[Passing]:
        if self._disk is None:
            self._disk = asyncio.Lock()
        async with self._disk:
            if self._reader is None:
                self._reader = self._make_reader()
            found = await asyncio.to_thread(self._reader.passings, after=seq, limit=limit)
        # What is not published yet is not for the exports, even if the disk has it.
        passings = [passing for passing in found if passing.seq <= self._newest]
        if not passings:
            await asyncio.sleep(AGAIN)
        return passings
