import asyncio

from hypothesis import given
from hypothesis import strategies as st

from screens.window import PAGE, ROOM, Window


class Numbers:
    """A long list with gaps, that counts what is asked of it."""

    def __init__(self, keep: int = 1) -> None:
        self.highest = 0
        self.keep = keep
        self.asked = 0

    async def __call__(self, *, after: int | None = None, before: int | None = None, limit: int) -> list[int]:
        self.asked += 1
        await asyncio.sleep(0)
        if after is not None:
            numbers = range(after + 1, self.highest + 1)
            return [number for number in numbers if number % self.keep == 0][:limit]
        top = self.highest if before is None else min(self.highest, before - 1)
        found = [number for number in range(max(1, top - limit * self.keep), top + 1) if number % self.keep == 0]
        return found[-limit:]


def window(numbers: Numbers) -> Window[int]:
    return Window(numbers, lambda number: number)


async def test_following_a_flood_costs_one_page_a_tick_and_little_memory() -> None:
    numbers = Numbers()
    rows = window(numbers)
    for tick in range(1, 101):
        numbers.highest = tick * 1000
        assert await rows.newest(numbers.highest, 20)
        assert rows.rows[-20:] == list(range(numbers.highest - 19, numbers.highest + 1))
    assert numbers.asked == 100
    assert len(rows.rows) <= 80


async def test_nothing_new_asks_nothing() -> None:
    numbers = Numbers()
    numbers.highest = 50
    rows = window(numbers)
    await rows.newest(50, 20)
    asked = numbers.asked
    assert not await rows.newest(50, 20)
    assert numbers.asked == asked


async def test_a_filter_that_nothing_matches_is_asked_only_for_what_is_new() -> None:
    numbers = Numbers(keep=1000)
    numbers.highest = 990
    rows = window(numbers)
    assert not await rows.newest(990, 20)
    for _ in range(5):
        assert not await rows.newest(990, 20)
    assert numbers.asked == 1
    assert rows.begins
    numbers.highest = 1001
    assert await rows.newest(1001, 20)
    assert rows.rows == [1000]
    assert numbers.asked == 2


async def test_both_ends_of_a_million_are_one_jump_away() -> None:
    numbers = Numbers()
    numbers.highest = 1_000_000
    rows = window(numbers)
    await rows.newest(numbers.highest, 20)
    await rows.around(1)
    assert rows.rows[0] == 1
    assert rows.begins
    await rows.newest(numbers.highest, 20)
    assert rows.rows[-1] == 1_000_000
    assert numbers.asked <= 4


async def test_looking_back_keeps_a_stretch_without_a_gap_and_bounded() -> None:
    numbers = Numbers()
    numbers.highest = 30_000
    rows = window(numbers)
    await rows.newest(numbers.highest, 20)
    while not rows.begins:
        await rows.earlier()
        assert rows.rows == list(range(rows.rows[0], rows.rows[0] + len(rows.rows)))
        assert len(rows.rows) <= ROOM
    while await rows.later(numbers.highest):
        assert rows.rows == list(range(rows.rows[0], rows.rows[0] + len(rows.rows)))
        assert len(rows.rows) <= ROOM
    assert rows.rows[-1] == numbers.highest


@given(st.lists(st.integers(1, 3 * PAGE), max_size=12), st.integers(1, 7))
def test_followed_in_whatever_steps_nothing_is_missing_at_the_end(steps: list[int], keep: int) -> None:
    async def follow() -> None:
        numbers = Numbers(keep)
        rows = window(numbers)
        for step in steps:
            numbers.highest += step
            await rows.newest(numbers.highest, 10)
            whole = [number for number in range(1, numbers.highest + 1) if number % keep == 0]
            assert rows.rows == whole[len(whole) - len(rows.rows) :]
            assert len(rows.rows) >= min(len(whole), 10)

    asyncio.run(follow())


async def test_an_answer_that_comes_too_late_changes_nothing() -> None:
    numbers = Numbers()
    numbers.highest = 100
    rows = window(numbers)
    await rows.newest(100, 20)
    numbers.highest = 200
    late = asyncio.ensure_future(rows.newest(200, 20))
    await asyncio.sleep(0)
    rows.hold()
    assert not await late
    assert rows.rows[-1] == 100


async def test_renewed_rows_replace_the_old_ones() -> None:
    names = {1: "a", 2: "b", 3: "c"}

    async def fetch(*, after: int | None = None, before: int | None = None, limit: int) -> list[tuple[int, str]]:
        return [(number, name) for number, name in names.items() if number > (after or 0)][:limit]

    rows: Window[tuple[int, str]] = Window(fetch, lambda row: row[0])
    await rows.newest(3, 10)
    assert not await rows.renew(1, 3)
    names[2] = "B"
    assert await rows.renew(2, 3)
    assert rows.rows == [(1, "a"), (2, "B"), (3, "c")]
