"""What waits for the writer: bounded in memory, filled from any thread, never blocking who fills it."""

import threading
import time
from collections import deque
from collections.abc import Callable

from msgspec import Struct, field

from console.journal.batch import Item, ToNumber
from console.model import Cursor, Draft

LIMIT = 64 * 1024 * 1024
"""Bytes (estimated) that may wait while the disk fails."""

BATCH = 1000
"""Items in one transaction at most, so that a backlog on a slow disk drains in steps one can watch."""

CURSOR_DELAY = 0.25
"""Seconds a cursor may wait for a frame to go with. A late cursor costs no more than repeats after a crash."""

Task = Callable[[], None]


class Taken(Struct):
    """What the writer took: it stays counted as waiting until `Inbox.done`."""

    items: list[Item] = field(default_factory=list)
    cursors: list[Cursor] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    bytes: int = 0
    frames: int = 0


class Inbox:
    """One queue of items in their order, the newest of each cursor, and tasks for the writer's thread."""

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self.bytes = 0
        """Estimated size of all that is not safe yet."""
        self.frames = 0
        """Frames that are not safe yet."""
        self.dropped = 0
        """Frames for which there was no room."""
        self.closed = False
        self._items: deque[tuple[Item, int]] = deque()
        self._cursors: dict[tuple[str, str], Cursor] = {}
        self._cursors_since = 0.0
        self._tasks: list[Task] = []
        self._change = threading.Condition()

    def put(self, item: Item) -> bool:
        """Queue an item; False: no room, and a frame is counted as dropped."""
        size = _size(item)
        with self._change:
            if self.bytes + size > self.limit or self.closed:
                self.dropped += isinstance(item, Draft)
                return False
            self.bytes += size
            self.frames += isinstance(item, Draft)
            self._items.append((item, size))
            self._change.notify()
        return True

    def cursor(self, cursor: Cursor) -> None:
        """Keep a cursor, in place of an older one."""
        with self._change:
            if not self._cursors:
                self._cursors_since = time.monotonic()
                self._change.notify()
            self._cursors[cursor.export, cursor.peer] = cursor

    def task(self, task: Task) -> None:
        """Have `task` done in the writer's thread, between two transactions."""
        with self._change:
            self._tasks.append(task)
            self._change.notify()

    def take(self, timeout: float | None = None) -> Taken:
        """Wait for something to do (or `timeout` seconds, or the end) and take it."""
        until = None if timeout is None else time.monotonic() + timeout
        with self._change:
            while not (self._items or self._tasks or self.closed):
                now = time.monotonic()
                ends = [until] if until is not None else []
                if self._cursors:
                    ends.append(self._cursors_since + CURSOR_DELAY)
                if ends and min(ends) <= now:
                    break
                self._change.wait(min(ends) - now if ends else None)
            return self._take()

    def done(self, taken: Taken) -> None:
        """What was taken is safe."""
        with self._change:
            self.bytes -= taken.bytes
            self.frames -= taken.frames

    def pause(self, seconds: float) -> None:
        """Sleep, but wake up when the end comes (and shorter after it)."""
        with self._change:
            if self.closed:
                self._change.wait(seconds / 10)
            else:
                self._change.wait_for(lambda: self.closed, seconds)

    def close(self) -> None:
        """Take no more items."""
        with self._change:
            self.closed = True
            self._change.notify()

    @property
    def empty(self) -> bool:
        """Whether nothing waits."""
        return not (self._items or self._cursors or self._tasks)

    def _take(self) -> Taken:
        taken = Taken()
        while self._items and len(taken.items) < BATCH:
            item, size = self._items.popleft()
            taken.items.append(item)
            taken.bytes += size
            taken.frames += isinstance(item, Draft)
        taken.cursors = list(self._cursors.values())
        self._cursors.clear()
        taken.tasks, self._tasks = self._tasks, []
        return taken


def _size(item: Item) -> int:
    """What an item costs in memory, roughly."""
    if isinstance(item, Draft):
        return 700 + len(item.raw) + 1000 * len(item.facts)
    if isinstance(item, ToNumber):
        return 1000 + 50 * len(item.passings)
    return 1000
