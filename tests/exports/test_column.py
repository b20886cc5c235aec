"""A packed column is the list that it stands for."""

import random
import sys
import threading
from bisect import bisect_left, bisect_right

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.exports.column import PAGE, Column


def column(values: list[int]) -> Column:
    made = Column()
    for value in values:
        made.append(value)
    return made


@pytest.mark.parametrize("count", [0, 1, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE, 3 * PAGE + 7])
def test_it_gives_what_it_was_given(count: int) -> None:
    chance = random.Random(count)
    values = [chance.choice((0, 1, 65535, 2**31 - 1)) for _ in range(count)]
    packed = column(values)
    assert len(packed) == count
    assert [packed[at] for at in range(count)] == values
    for beyond in (-1, count):
        with pytest.raises(IndexError):
            packed[beyond]


@given(st.integers(0, 2**32), st.integers(0, 3 * PAGE), st.sampled_from([0, 1, 300]))
def test_it_is_searched_as_a_list_is(seed: int, count: int, step: int) -> None:
    chance, value, values = random.Random(seed), 0, list[int]()
    for _ in range(count):
        value += chance.randint(0, step)
        values.append(value)
    packed = column(values)
    for wanted in (0, 1, value, value + 1, *(chance.choice(values) for _ in range(20 if values else 0))):
        assert packed.below(wanted) == bisect_left(values, wanted)
        assert packed.upto(wanted) == bisect_right(values, wanted)


def test_it_is_read_in_a_thread_while_it_grows() -> None:
    packed, done, wrong = Column(), threading.Event(), list[object]()

    def ask() -> None:
        while not done.is_set():
            if length := len(packed):
                if packed[length - 1] != length - 1:
                    wrong.append(length)
                if packed.below(length - 1) != length - 1:
                    wrong.append(-length)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    thread = threading.Thread(target=ask)
    thread.start()
    try:
        for number in range(6 * PAGE):
            packed.append(number)
    finally:
        done.set()
        thread.join()
        sys.setswitchinterval(before)
    assert not wrong


def test_a_million_lines_take_little() -> None:
    chance, packed, value = random.Random(1), Column(), 0
    for _ in range(100 * PAGE):
        value += 1 + (chance.random() < 0.5)
        packed.append(value)
    assert sum(map(len, packed._packed)) < len(packed)
