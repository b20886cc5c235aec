"""Reading the feed, a batch at a time."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable

from console.exports.export import Feed
from console.model import Passing

BATCH = 500
"""Passings read from the feed at once."""

AGAIN = 0.1
"""Seconds before a feed is asked again that did not give what it says it has."""


async def read_on(feed: Feed, seq: int) -> list[Passing]:
    """The next passings beyond `seq`; empty where there are none. Waits for a disk that does not give what is there."""
    while True:
        batch = await feed.after(seq, BATCH)
        if batch or feed.newest <= seq:
            return batch
        await asyncio.sleep(AGAIN)


async def read(feed: Feed, seqs: Iterable[int]) -> AsyncIterator[Passing]:
    """These passings, in order, a batch at a time."""
    wanted = deque(sorted(seqs))
    while wanted:
        batch = await read_on(feed, wanted[0] - 1)
        if not batch:
            return
        for passing in batch:
            while wanted and wanted[0] < passing.seq:
                wanted.popleft()
            if wanted and wanted[0] == passing.seq:
                wanted.popleft()
                yield passing


async def since(feed: Feed, wall: int) -> int:
    """The number of the first passing that arrived at `wall` (ns) or later; that of the next one where none did.

    They arrive in order, but for a clock that was set back: then it is one of the places where that time was passed.
    """
    low, high = 1, feed.newest + 1
    while low < high:
        middle = (low + high) // 2
        found = await feed.after(middle - 1, 1)
        if not found or found[0].wall >= wall:
            high = middle
        else:
            low = found[0].seq + 1
    return low
