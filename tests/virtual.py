"""An event loop whose time is not ours: where nothing is to be done before the next timer, that timer is due at once.

For what takes minutes. It must be pure asyncio: bytes on their way through the kernel or work in a thread are no
timers, and time would run past them.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Selector(selectors.DefaultSelector):
    """Never waits for a timer: it lets the time pass instead."""

    def __init__(self) -> None:
        super().__init__()
        self.passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            return super().select(None)
        ready = super().select(0)
        if not ready:
            self.passed += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop that begins at 0 s."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.passed


def run(test: Coroutine[Any, Any, T]) -> T:
    """Run `test` in a virtual loop."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(test)


def now_ns() -> int:
    """The time of the running loop, ns."""
    return round(asyncio.get_running_loop().time() * 1_000_000_000)
