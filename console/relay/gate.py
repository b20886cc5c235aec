"""How often somebody may try a wrong password. Pure: times are seconds on any clock that does not step."""

from collections import deque
from typing import Literal

WHILE = 60.0
"""Seconds in which wrong logins are counted, and after which they are forgotten."""

KNOWN = 1000
"""Pairs of address and serial that are remembered as having logged in."""


class Gate:
    """Counts wrong logins, by address and in all.

    A serial that has logged in from an address before has its own count there: neither the wrong password of another
    timer behind the same router nor an attack from elsewhere keeps it out.
    """

    def __init__(self, each: int, in_all: int) -> None:
        self._each = each
        self._in_all = in_all
        self._known: dict[tuple[str, str], None] = {}
        self._wrong: dict[tuple[str, ...], deque[float]] = {}
        self._strangers: deque[float] = deque()
        self._said: dict[tuple[str, ...], float] = {}

    def ask(self, address: str, serial: str, now: float) -> Literal["open", "shut", "still shut"]:
        """Whether a login may be tried now; `still shut` once `shut` has been said within `WHILE`."""
        self._forget(now)
        key = self._key(address, serial)
        if len(self._wrong.get(key, ())) < self._each:
            if len(key) > 1 or len(self._strangers) < self._in_all:
                return "open"
            key = ()  # one word for all strangers, however many addresses they have
        if key in self._said:
            return "still shut"
        self._said[key] = now
        return "shut"

    def wrong(self, address: str, serial: str, now: float) -> None:
        """It was the wrong user or password."""
        key = self._key(address, serial)
        self._wrong.setdefault(key, deque()).append(now)
        if len(key) == 1:
            self._strangers.append(now)

    def right(self, address: str, serial: str) -> None:
        """It was right."""
        self._known.pop((address, serial), None)
        self._known[address, serial] = None
        if len(self._known) > KNOWN:
            del self._known[next(iter(self._known))]

    def _key(self, address: str, serial: str) -> tuple[str, ...]:
        return (address, serial) if (address, serial) in self._known else (address,)

    def _forget(self, now: float) -> None:
        for key, times in list(self._wrong.items()):
            while times and now - times[0] >= WHILE:
                times.popleft()
            if not times:
                del self._wrong[key]
        while self._strangers and now - self._strangers[0] >= WHILE:
            self._strangers.popleft()
        self._said = {key: when for key, when in self._said.items() if now - when < WHILE}
