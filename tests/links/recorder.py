"""A receiver that remembers, for the tests of links and of what stands on them."""

import asyncio
from collections.abc import Callable


async def until(condition: Callable[[], object]) -> None:
    """Wait for `condition`; the test's own time limit ends what never comes."""
    while not condition():
        await asyncio.sleep(0.002)


class Recorder:
    def __init__(self) -> None:
        self.data = b""
        self.losses: list[str] = []

    def received(self, data: bytes) -> None:
        assert not self.losses, "bytes after the end"
        self.data += data

    def lost(self, reason: str) -> None:
        self.losses.append(reason)

    async def hears(self, data: bytes) -> None:
        await until(lambda: len(self.data) >= len(data))
        assert self.data == data

    async def loses(self) -> str:
        await until(lambda: self.losses)
        assert len(self.losses) == 1
        return self.losses[0]
