"""What every driver is: it makes a device's bytes mean something, and offers its commands.

A driver belongs to one device and knows no transport. The manager feeds it bytes and journals what it hands back
before anything else happens; what it wants to say goes through its `Outlet`, which journals and writes.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import tzinfo
from typing import ClassVar, Generic, Literal, Protocol, TypeVar

from msgspec import Struct

from console.model import (
    Act,
    CommandError,
    CommandInfo,
    Flow,
    Heard,
    Job,
    Level,
    Order,
    Retold,
    Risk,
    Scalar,
    Sheet,
    find,
)


class Outlet(Protocol):
    """What is done for a driver: its bytes are journaled as frames sent (secrets masked), then written to the link."""

    def send(self, raw: bytes, *, by: str = "", label: str = "", mask: bytes = b"") -> None:
        """Write `raw`. `by` names who asked; every occurrence of `mask` is journaled as `*`.

        Raises ConnectionError where the link is not open.
        """

    def lines(self) -> dict[str, bool | None]:
        """The control lines as they are now: CTS, DSR, CD, and ours, RTS and DTR; None: not available. Empty: a link
        without any."""

    def set_line(self, name: str, up: bool, *, by: str = "") -> None:
        """Raise or drop `RTS` or `DTR`; journaled as a frame without bytes. Raises ConnectionError where there is no
        link, or no such line on it."""

    def note(self, word: str, body: dict[str, Scalar], *, by: str) -> None:
        """Journal an act about the device (it gets its name): a station set up, a card written."""

    async def notes(self, word: str) -> list[Act]:
        """Every act of that word, about any device, oldest first."""

    def retold(self) -> Retold | None:
        """What the journal made of the retransmit or download under way, or the last one; None: there was none."""

    async def offered(self) -> int:
        """How many passings of the device a download told that never came, not even in TEST, nor were taken over."""

    async def began(self) -> int:
        """When the event's first frame came, wall ns; now, where none has."""

    def trouble(self, level: Level, text: str) -> None:
        """Journal an incident of the device."""

    def wall(self) -> int:
        """This machine's clock, ns since the epoch."""

    @property
    def zone(self) -> tzinfo:
        """The event's zone."""


class DeviceSettings(Struct, frozen=True, kw_only=True):
    """What every device's settings have; a driver's own settings derive from it. See `console.config` for the rules."""

    name: str
    type: str
    port: str = ""
    """A serial port's path; or `address`."""
    address: str = ""
    """`host:port` of a device, or of a serial bridge in front of it."""
    baud: int = 9600
    data_bits: Literal[7, 8] = 8
    parity: Literal["none", "even", "odd"] = "none"
    stop_bits: Literal[1, 2] = 1
    points: dict[str, str] = {}
    """Channel -> timing point."""
    point: str = ""
    """Timing point of every channel that `points` does not name."""
    silent_after: float | None = None
    """Seconds without a byte after which the device is `silent`; 0: never; None: the driver knows."""


class Reply(Struct, frozen=True, kw_only=True):
    """What came of a command."""

    ok: bool | None
    """None: sent, no answer defined."""
    text: str
    data: dict[str, Scalar] = {}


__all__ = ["CommandError", "DeviceSettings", "Driver", "Outlet", "Reply"]

S = TypeVar("S", bound=DeviceSettings)


class Driver(ABC, Generic[S]):
    """One device. The manager calls it from the event loop only; nothing here blocks.

    Life of a link: `opened()`, then `receive()` for every chunk while `attend()` runs as a task, then `lost()`.
    """

    settings_type: ClassVar[type[DeviceSettings]]
    commands: ClassVar[tuple[CommandInfo, ...]] = ()
    shown: ClassVar[str]
    """The device's name for people: `TIME MACHINE`."""
    hangup: ClassVar[bool] = True
    """False: a serial port must not drop DTR when it closes, because that resets the device."""

    def __init__(self, settings: S, outlet: Outlet, changed: Callable[[], None] = lambda: None) -> None:
        self.settings = settings
        self.outlet = outlet
        self.changed = changed
        """To be called when `facts` change without a frame having come."""
        self.facts: dict[str, str] = {}
        """What the device last said of itself, in the order in which the device's tab shows it."""
        self.flow: Flow | None = None
        """None: the device cannot be paused. Call `changed()` with every change of this and of `job`."""
        self.job: Job | None = None
        """The command under way that takes long."""

    def opened(self) -> None:
        """The link has opened: forget half lines; send what must come first."""

    @abstractmethod
    def receive(self, data: bytes, wall: int) -> list[Heard]:
        """Cut and decode a chunk that arrived at `wall` (ns since the epoch)."""

    @abstractmethod
    def lost(self) -> list[Heard]:
        """The link is gone: hand out the half line that was still open, and forget it."""

    async def attend(self) -> None:
        """Whatever must be said from time to time while the link is open; cancelled when it is lost."""
        await asyncio.Event().wait()

    def silence(self) -> float | None:
        """Seconds without a byte after which the device is `silent`; None: silence is normal."""
        return self.settings.silent_after or None

    async def command(self, order: Order) -> Reply:
        """Carry out `order`, and wait for the device's answer. A loss of the link cancels it, and so does `STOP` one
        that is `long`.

        Raises CommandError where it is unknown, malformed, or not answered in time; ConnectionError without a link.
        """
        raise CommandError(f"{self.settings.type}: no command {order.words!r}; this device takes none")

    def risk(self, words: str) -> Risk:
        """What this command may do. Raises CommandError where it is unknown or malformed."""
        info, _ = find(self.commands, words)
        return Risk(changes=info.changes, destroys=info.destroys, sets_clock=info.sets_clock)

    def check_file(self, words: str, text: str) -> None:
        """Raise CommandError where `text`, the file that goes with this command, cannot be what it wants."""

    def unplugging(self) -> bool:
        """Whether one device after the other is plugged in here, so that a link which ends is no alarm."""
        return False

    def left(self, console: int) -> None:
        """An attached console has gone away; what it asked for and still holds the device up must end."""

    def stop(self, by: str) -> list[str]:
        """`STOP`, or a race begins: end what goes on beyond the command that began it, and survives the loss of the
        link; what it was."""
        return []

    def lines_changed(self, lines: dict[str, bool | None]) -> None:
        """A control line is no longer what it was; `lines` as `Outlet.lines`."""

    def sheet(self, name: str) -> Sheet:
        """A table that the driver keeps in memory. Raises LookupError where it has none of that name."""
        raise LookupError(f"{self.settings.name} keeps no sheet {name!r}")

    def refill(self) -> str:
        """How missing places can be had again, and what that costs, in words; empty: nothing is to be said of it."""
        return ""

    @classmethod
    def default_point(cls, channel: str | None) -> str | None:
        """The timing point of a channel that the settings do not map; None: there is no telling, and it is said."""
        return None

    @classmethod
    @abstractmethod
    def explain(cls, raw: bytes) -> dict[str, str]:
        """What a frame of this device means, field by field, for the detail view. Never raises."""
