import asyncio
import time

import pytest

from tests import virtual


def test_an_hour_passes_at_once_and_timers_come_in_order() -> None:
    async def hour() -> list[str]:
        told: list[str] = []

        async def later(name: str, seconds: float) -> None:
            await asyncio.sleep(seconds)
            told.append(f"{name} {asyncio.get_running_loop().time():.1f}")

        await asyncio.gather(later("long", 3600), later("short", 0.5), later("middle", 1800))
        return told

    assert virtual.run(hour()) == ["short 0.5", "middle 1800.0", "long 3600.0"]


def test_timeouts_are_timers_too() -> None:
    async def nothing_comes() -> int:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(300):
                await asyncio.Event().wait()
        return virtual.now_ns()

    assert virtual.run(nothing_comes()) == 300_000_000_000


def test_a_thread_wakes_a_loop_that_waits_for_nothing_else() -> None:
    async def thread() -> int:
        await asyncio.to_thread(time.sleep, 0)
        return virtual.now_ns()

    assert virtual.run(thread()) == 0
