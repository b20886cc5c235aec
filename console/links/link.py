"""What every transport is, seen by those who use it."""

from abc import ABC, abstractmethod
from typing import Protocol


class LinkError(Exception):
    """A link that could not be opened. Its text says what was wrong, where, and what to check."""


class Receiver(Protocol):
    """Who hears a link. Called from the event loop; must not raise."""

    def received(self, data: bytes) -> None:
        """Some bytes came, cut anywhere. They may come before `Endpoint.open()` has returned."""

    def lost(self, reason: str) -> None:
        """The link ended by itself; said once, after the last bytes, and never after `Link.abort()`."""


class Link(ABC):
    """An open transport."""

    note: str = ""
    """What the operator should know of it: `7 data bits not supported by this port: ...`."""
    masks: bool = False
    """Bit 7 of every byte means nothing here: whoever decodes must mask it. `received()` gets the original bytes."""

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Hand `data` over; never blocks. Raises ConnectionError once the link is gone."""

    @abstractmethod
    def pending(self) -> int:
        """Bytes written that the kernel has not taken yet."""

    @abstractmethod
    def pause(self) -> None:
        """Read no more for now: what comes waits in the system's buffers, and behind them at the device."""

    @abstractmethod
    def resume(self) -> None:
        """Read again."""

    @abstractmethod
    def abort(self) -> None:
        """End at once: what is pending is lost, and the receiver hears nothing more. Aborting twice is harmless."""

    @abstractmethod
    async def closed(self) -> None:
        """Wait, after an `abort()` or a loss, until the port is free for the next."""

    def lines(self) -> dict[str, bool | None]:
        """State of the modem lines CTS, DSR, CD, RTS and DTR; None: not available. Empty where a link can have none."""
        return {}

    def set_line(self, name: str, up: bool) -> None:
        """Raise or drop `RTS` or `DTR`. Raises ConnectionError where the link has no such line."""
        raise ConnectionError(f"there is no line {name} on this link")


class Endpoint(ABC):
    """Where a link can be opened, again and again, one at a time."""

    where: str
    """The port's path, or `host:port`."""

    @abstractmethod
    async def open(self, receiver: Receiver) -> Link:
        """Open a link; raises LinkError."""

    @abstractmethod
    async def appeared(self) -> None:
        """Return when it is worth trying again at once, because something changed since the last `open()`."""
