"""What the journal makes of a download: how much of it was known, and how much had never arrived."""

import asyncio

from msgspec import structs

from console.devices.driver import Outlet
from console.model import Retold

COMMIT_WITHIN = 10.0
"""Seconds for the journal to take in what was downloaded; longer only where the disk fails."""


async def compared(outlet: Outlet, before: Retold | None, told: int) -> Retold | None:
    """The journal's count of the `told` readings that came since `before` (`Outlet.retold()` at the beginning).

    None: it has not taken them all yet.
    """
    if not told:
        return Retold(since=outlet.wall(), first=0, last=0)
    try:
        async with asyncio.timeout(COMMIT_WITHIN):
            while True:
                retold = _since(before, outlet.retold())
                if retold and retold.lines >= told:
                    return retold
                await asyncio.sleep(0.02)
    except TimeoutError:
        return None


def _since(before: Retold | None, now: Retold | None) -> Retold | None:
    """What was told again since `before`: a download soon after another one counts on."""
    if now is None or before is None or now.since != before.since:
        return now
    return structs.replace(
        now,
        lines=now.lines - before.lines,
        new=now.new - before.new,
        repeats=now.repeats - before.repeats,
        differ=now.differ - before.differ,
        test=now.test - before.test,
    )


async def still_offered(outlet: Outlet, made: Retold | None) -> str:
    """What is known only because an earlier download has told it, and counts for nobody yet; empty: nothing is."""
    earlier = await outlet.offered() - made.new if made else 0
    return f" or offered before; {earlier} OF THOSE NOT TAKEN OVER YET (sheet offered)" if earlier > 0 else ""


def of_test(count: int, device: str) -> str:
    """What became of those that came during TEST."""
    return f"{count} of them came during TEST: not taken over with the others (racedeck take-over {device} --test)"


def how_to_take_over(device: str) -> str:
    """What the operator can do about those that never arrived."""
    return f"- shows them, + takes them over (racedeck take-over {device})"
