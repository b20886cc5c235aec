"""A stretch of consecutive rows of something long (frames, passings, incidents), fetched by page as it is looked at.

Memory and work do not grow with the journal: whatever its length, this holds a few hundred rows, and following a busy
event fetches what fits on the screen, not what came.
"""

from bisect import bisect_left
from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeVar

Row = TypeVar("Row")

PAGE = 200
"""Rows of one request while looking back."""

ROOM = 2000
"""Rows kept while looking back."""


class Fetch(Protocol[Row]):
    """Rows in ascending order: beyond `after`, just before `before`, or the newest."""

    def __call__(self, *, after: int | None = None, before: int | None = None, limit: int) -> Awaitable[list[Row]]:
        """Ask for them."""


class Window(Generic[Row]):
    """All rows there are between `rows[0]` and `covered`; numbers may have gaps (a filter, a repaired journal)."""

    def __init__(self, fetch: Fetch[Row], seq: Callable[[Row], int]) -> None:
        self._fetch = fetch
        self._seq = seq
        self._epoch = 0
        self.rows: list[Row] = []
        self.covered = 0
        """No row up to this number is missing at the end of `rows`."""
        self.begins = False
        """`rows` starts with the first row there is."""

    def forget(self) -> None:
        """Start anew (another filter); answers still on their way are dropped."""
        self.hold()
        self.rows, self.covered, self.begins = [], 0, False

    def hold(self) -> None:
        """Keep what is here; an answer that is still on its way changes nothing."""
        self._epoch += 1

    def index(self, seq: int) -> int:
        """Where the first row not before `seq` is."""
        return bisect_left(self.rows, seq, key=self._seq)

    async def newest(self, upto: int, height: int) -> bool:
        """Follow: bring in what came up to number `upto`, at most twice a screen of it. True: something changed."""
        known = self.rows or self.begins  # be it that there was nothing
        if known and upto <= self.covered:
            return False
        if not self.rows and upto == 0:
            self.begins = True
            return False
        limit = 2 * height
        if known and upto - self.covered <= limit:
            fresh = await self._ask(after=self.covered, limit=limit)
            kept = self.rows
        else:
            fresh, kept = await self._ask(limit=limit), []
        if fresh is None:
            return False
        if not kept:
            self.begins = len(fresh) < limit
        changed = bool(fresh) or (not kept and bool(self.rows))
        self.rows = kept + fresh
        if len(self.rows) > 2 * limit:
            del self.rows[:-limit]
            self.begins = False
        self.covered = max([upto, *map(self._seq, fresh[-1:])])
        return changed

    async def around(self, seq: int) -> bool:
        """Jump: the rows on both sides of number `seq`."""
        epoch = self._epoch
        later = await self._ask(after=seq - 1, limit=PAGE)
        earlier = await self._ask(before=seq, limit=PAGE) if seq > 1 and epoch == self._epoch else []
        if later is None or earlier is None:
            return False
        self.rows = earlier + later
        self.begins = len(earlier) < PAGE
        self.covered = self._seq(self.rows[-1]) if self.rows else 0
        return True

    async def earlier(self) -> bool:
        """One more page in front."""
        if self.begins or not self.rows:
            return False
        page = await self._ask(before=self._seq(self.rows[0]), limit=PAGE)
        if page is None:
            return False
        self.begins = len(page) < PAGE
        self.rows[:0] = page
        if len(self.rows) > ROOM:
            del self.rows[ROOM:]
            self.covered = self._seq(self.rows[-1])
        return bool(page)

    async def later(self, upto: int) -> bool:
        """One more page at the end, if rows up to number `upto` exist."""
        if upto <= self.covered:
            return False
        page = await self._ask(after=self.covered, limit=PAGE)
        if page is None:
            return False
        self.rows += page
        self.covered = self._seq(page[-1]) if len(page) == PAGE else max([upto, *map(self._seq, page[-1:])])
        if len(self.rows) > ROOM:
            del self.rows[: len(self.rows) - ROOM]
            self.begins = False
        return bool(page)

    async def renew(self, first: int, last: int) -> bool:
        """Fetch the rows `first` to `last` again: what is known of them may have changed."""
        page = await self._ask(after=first - 1, limit=max(1, min(self.index(last + 1) - self.index(first), PAGE)))
        page = [row for row in page or () if self._seq(row) <= last]
        if not page:
            return False
        start, end = self.index(first), self.index(self._seq(page[-1]) + 1)
        if self.rows[start:end] == page:
            return False
        self.rows[start:end] = page
        return True

    async def _ask(self, *, after: int | None = None, before: int | None = None, limit: int) -> list[Row] | None:
        epoch = self._epoch
        rows = await self._fetch(after=after, before=before, limit=limit)
        return rows if epoch == self._epoch else None
