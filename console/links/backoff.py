"""How long to wait before the next attempt to connect."""

import random
from collections.abc import Iterator

LEAST = 0.5
"""Shortest delay, seconds."""
MOST = 10.0
"""Longest delay, seconds."""


def backoff(source: random.Random | None = None) -> Iterator[float]:
    """Delays in seconds, without end, from LEAST to MOST: each is drawn from the upper half of a range that doubles.

    The first is random too, so that the devices behind one switch do not all knock at once when it comes back.
    """
    draw = source or random.Random()
    most = 2 * LEAST
    while True:
        yield draw.uniform(most / 2, most)
        most = min(2 * most, MOST)
