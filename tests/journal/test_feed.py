import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from console.journal import feed as module
from console.journal.journal import Journal
from console.model import Passing
from tests.journal.event import Listener, open_journal, place


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    """Passings 1 to 50 are in it from before; nothing is published yet."""
    listener = Listener()
    journal = open_journal(tmp_path / "event", listener)
    for number in range(1, 51):
        journal.frame(place(number))
    listener.wait(lambda it: len(it.passings) == 50)
    journal.close()
    journal = open_journal(tmp_path / "event", listener)
    yield journal
    journal.close()


async def more(journal: Journal, first: int, last: int) -> list[Passing]:
    """Journal places and wait until they are safe; what the engine would publish."""
    before = journal.state().passings
    for number in range(first, last + 1):
        journal.frame(place(number))
    while journal.state().passings < before + last - first + 1:
        await asyncio.sleep(0.001)
    return await asyncio.to_thread(journal.reader().passings, after=before, limit=10_000)


async def test_from_disk_then_from_memory(journal: Journal) -> None:
    feed = journal.feed
    assert feed.newest == 50
    assert [one.seq for one in await feed.after(0, limit=20)] == list(range(1, 21))
    assert await feed.after(50) == []
    feed.publish(await more(journal, 51, 60))
    assert feed.newest == 60
    assert [one.seq for one in await feed.after(45)] == list(range(46, 61)), "disk, across the seam"
    assert [one.seq for one in await feed.after(50)] == list(range(51, 61))
    assert [one.seq for one in await feed.after(55, limit=2)] == [56, 57]


async def test_the_disk_does_not_run_ahead_of_what_is_published(journal: Journal) -> None:
    feed = journal.feed
    waiting = await more(journal, 51, 60)
    assert [one.seq for one in await feed.after(45)] == list(range(46, 51))
    feed.publish(waiting)
    assert [one.seq for one in await feed.after(50)] == list(range(51, 61))


async def test_all_who_wait_are_woken(journal: Journal) -> None:
    feed = journal.feed
    await feed.beyond(49)
    waiting = [asyncio.create_task(feed.beyond(50)) for _ in range(3)]
    late = asyncio.create_task(feed.beyond(60))
    await asyncio.sleep(0)
    assert not any(task.done() for task in waiting)
    feed.publish(await more(journal, 51, 52))
    await asyncio.wait_for(asyncio.gather(*waiting), 5)
    assert not late.done()
    late.cancel()
    feed.publish([])


async def test_memory_is_bounded(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT", 10)
    feed = journal.feed
    for first in range(51, 151, 5):
        feed.publish(await more(journal, first, first + 4))
    assert len(feed._recent) <= 20
    passings: list[int] = []
    while feed.newest > (passings[-1] if passings else 0):
        passings += [one.seq for one in await feed.after(passings[-1] if passings else 0, limit=7)]
    assert passings == list(range(1, 151))


async def test_a_disk_that_gives_nothing_does_not_make_pumps_spin(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AGAIN", 0.001)
    monkeypatch.setattr(journal.feed, "_make_reader", lambda: _Nothing())
    rested = 0
    sleep = asyncio.sleep

    async def resting(seconds: float) -> None:
        nonlocal rested
        rested += 1
        await sleep(seconds)

    monkeypatch.setattr(module.asyncio, "sleep", resting)  # type: ignore[attr-defined]
    assert await journal.feed.after(0) == []
    assert rested == 1


class _Nothing:
    def close(self) -> None:
        pass

    def passings(self, **_: int) -> list[Passing]:
        return []
