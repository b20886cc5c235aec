"""A long column of numbers in little memory: what grows by one with every line of an event."""

import zlib
from array import array
from bisect import bisect_left, bisect_right
from itertools import accumulate, pairwise

PAGE = 1024
"""Numbers packed together."""


class Column:
    """Whole numbers from 0 to 2**31 - 1, appended one by one. Full pages are packed, by how much each number differs
    from the one before: half a byte each, for numbers that climb as passings do. One page at a time is open.

    May be read in any thread while one thread appends.
    """

    def __init__(self) -> None:
        self._packed: list[bytes] = []
        self._newest = array("i")
        """The page that is not full; it takes the place of the one before only when that is in `_packed`."""
        self._firsts = array("i")
        """The first number of each page."""
        self._open = (-1, array("i"))
        """A packed page that was asked for, and its number: often the next question is about it, too."""
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def append(self, value: int) -> None:
        """One more."""
        if len(self._newest) == PAGE:
            self._packed.append(_pack(self._newest))
            self._newest = array("i")
        self._newest.append(value)
        if len(self._newest) == 1:
            self._firsts.append(value)
        self._length += 1

    def __getitem__(self, at: int) -> int:
        """The number at this place, from 0 on; raises IndexError beyond the last one."""
        if not 0 <= at < self._length:
            raise IndexError(at)
        number, row = divmod(at, PAGE)
        return self._page(number)[row]

    def below(self, value: int) -> int:
        """How many are below `value`, where they ascend."""
        number = max(bisect_left(self._firsts, value) - 1, 0)
        return number * PAGE + bisect_left(self._page(number), value)

    def upto(self, value: int) -> int:
        """How many are not above `value`, where they ascend."""
        number = max(bisect_right(self._firsts, value) - 1, 0)
        return number * PAGE + bisect_right(self._page(number), value)

    def _page(self, number: int) -> "array[int]":
        newest = self._newest  # to be read first: it is packed before another one takes its place
        if number >= len(self._packed):
            return newest
        opened, page = self._open
        if opened != number:
            page = _unpack(self._packed[number])
            self._open = number, page
        return page


def _pack(page: "array[int]") -> bytes:
    steps = array("i", (after - before for before, after in pairwise((0, *page))))
    return zlib.compress(steps.tobytes(), 1)


def _unpack(packed: bytes) -> "array[int]":
    return array("i", accumulate(array("i", zlib.decompress(packed))))
