"""One connection of one device, and what the engine does for it."""

import asyncio
from collections.abc import Callable
from datetime import tzinfo
from typing import Protocol

from console.links.link import Link
from console.model import Act, Draft, Level, Retold, Scalar


class ManagerDesk(Protocol):
    """What the engine does for the devices."""

    @property
    def zone(self) -> tzinfo:
        """The event's zone."""

    def frame(self, draft: Draft) -> bool:
        """Journal a frame; never blocks. False: there was no room for it, and it is lost."""

    def keeps_up(self) -> bool:
        """Whether the journal writes what it is given: a device that is too fast for it can be made to wait."""

    def trouble(self, level: Level, source: str, text: str) -> None:
        """Journal an incident."""

    def note(self, word: str, body: dict[str, Scalar], by: str) -> None:
        """Journal an act."""

    async def notes(self, word: str) -> list[Act]:
        """Every act of that word, oldest first."""

    def retold(self, device: str) -> Retold | None:
        """See Outlet."""

    async def offered(self, device: str) -> int:
        """See Outlet."""

    async def began(self) -> int:
        """See Outlet."""

    def changed(self) -> None:
        """Some device's state is no longer what it was."""

    def wall(self) -> int:
        """Now, ns since the epoch."""

    def mono(self) -> int:
        """Now, ns on the monotonic clock."""


class Session:
    """The life of one link, from before it opens to its end; the Receiver of that link and of no other.

    What comes before the driver is ready is stamped at once, and kept until `begin()`.
    """

    def __init__(self, desk: ManagerDesk, received: Callable[["Session", bytes, int, int], None]) -> None:
        self.link: Link | None = None
        self.opened_at = 0
        """Monotonic ns."""
        self.last_byte = 0
        """Monotonic ns of the last chunk, or of the opening."""
        self.valid = False
        """A frame without flaw has come."""
        self.steady = False
        """The link has held."""
        self.waits = False
        """The device has to wait until the journal has caught up."""
        self.patience: float | None = None
        """How long silence was taken for normal when that was looked at last, seconds."""
        self.facts: dict[str, str] = {}
        """What the operator should know of the link."""
        self.lines: dict[str, bool | None] = {}
        """The control lines, as they were looked at last; None: not available."""
        self.looked = 0
        """Monotonic ns of that."""
        self._desk = desk
        self._received = received
        self._early: list[tuple[bytes, int, int]] | None = []
        self._ended: asyncio.Future[str | Exception] = asyncio.get_running_loop().create_future()

    @property
    def failed(self) -> bool:
        """The driver has failed."""
        return self._ended.done() and isinstance(self._ended.result(), Exception)

    def opened(self, link: Link) -> None:
        """The link is open; the driver may send."""
        self.link = link
        self.opened_at = self.last_byte = self._desk.mono()
        if link.note:
            self.facts["port"] = link.note
        self.look_at_lines()

    def look_at_lines(self) -> dict[str, bool]:
        """See how the control lines are now; those that have changed since."""
        assert self.link is not None
        lines, before = self.link.lines(), self.lines
        self.lines, self.looked = lines, self._desk.mono()
        if lines:
            told = [f"{line} {'high' if up else 'low'}" for line, up in lines.items() if up is not None]
            self.facts["lines"] = " ".join(told) or "not available"
        return {line: up for line, up in lines.items() if up is not None and before.get(line) not in (None, up)}

    def begin(self) -> None:
        """The driver is ready."""
        early, self._early = self._early or [], None
        for data, wall, mono in early:
            self._received(self, data, wall, mono)

    async def end(self) -> str:
        """Wait for the end of the link, and tell its reason; raises what the driver failed with."""
        end = await self._ended
        if isinstance(end, Exception):
            raise end
        return end

    def fail(self, error: Exception) -> None:
        """The driver has failed: the link is of no use to it."""
        if not self._ended.done():
            self._ended.set_result(error)

    def received(self, data: bytes) -> None:
        """See Receiver."""
        wall, mono = self._desk.wall(), self._desk.mono()
        if self._early is not None:
            self._early.append((data, wall, mono))
        else:
            self._received(self, data, wall, mono)

    def lost(self, reason: str) -> None:
        """See Receiver."""
        if not self._ended.done():
            self._ended.set_result(reason)
