"""What timing software connects to as to a CP545: THCOM08 basic frames over TCP (thcom.md, sections 1.2 and 4).

It answers what software asks a timer for what it missed, too, from the journal.
"""

from collections.abc import Callable, Iterable
from functools import partial
from ipaddress import ip_address
from typing import Annotated, ClassVar

from msgspec import Meta, field

from console.codecs import thcom
from console.exports.export import Desk
from console.exports.peer import Peer
from console.exports.sockets import SocketExport
from console.exports.steering import address_of
from console.exports.thcom_format import ImpulseSettings, ThcomFormat
from console.exports.thcom_memory import Memory
from console.exports.thcom_talk import Talk
from console.model import Level

IDLE_AFTER = 5.0
"""Seconds of silence after which an empty line is sent (inferred from clients; section 1.2)."""

VERSION = "VB10"
"""What `#SN` answers for a software version: that of a CP545 seen in the field."""


class ThcomServerSettings(ImpulseSettings, frozen=True, kw_only=True):
    """Settings of a THCOM08 server."""

    choosing: ClassVar = (*ImpulseSettings.choosing, "sources")

    checksum: bool = False
    """End lines with TAB and CS16, as on a serial line."""
    serial_number: Annotated[int, Meta(ge=0, le=65_535)] = 1007
    """What `#SN` and `#ID` answer."""
    sources: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Client address -> the devices that it gets; a client that is not named gets all of them."""
    clients: Annotated[int, Meta(ge=1, le=64)] = 4
    """Clients at once; a CP545 takes 4."""

    def named(self) -> Iterable[tuple[str, str]]:
        """See ExportSettings."""
        yield from super().named()
        yield from (("sources", device) for devices in self.sources.values() for device in devices)

    def __post_init__(self) -> None:
        """Raise ValueError for a channel that THCOM08 does not have, and for what is no client."""
        self.check_channels()
        for address, devices in self.sources.items():
            try:
                ip_address(address)
            except ValueError:
                raise ValueError(f"sources: {address!r} is no address of a client, as 192.168.1.5 is") from None
            if not devices:
                raise ValueError(f"sources: {address} = []: name the devices that it gets")


class ThcomServer(ThcomFormat[ThcomServerSettings], SocketExport[ThcomServerSettings]):
    """Times and results of THCOM08 devices as they came, and impulses of other devices where `channels` says so.

    Ski software gives a late impulse to whoever is on course. So nothing is sent twice to a connected client or
    an address, and impulses that are not fresh (arrived more than `stale_after` ago, or told in a retransmit, a recall
    or a readout) are held until the operator releases them, to clients that are then connected, or skips them.
    Corrections, cancellations and bibs given by hand are said of what a client got.
    """

    settings_type = ThcomServerSettings
    repeats: ClassVar = False
    idle: ClassVar = thcom.KEEP_ALIVE
    idle_after: ClassVar = IDLE_AFTER

    def __init__(self, settings: ThcomServerSettings, desk: Desk, now: Callable[[], int]) -> None:
        super().__init__(settings, desk, now)
        self._talks: dict[Peer, Talk] = {}

    def line(self, data: str) -> bytes:
        """A basic frame."""
        return thcom.basic(data, self.settings.checksum)

    def sources(self, address: str) -> frozenset[str]:
        """Those that the settings name for this client."""
        return frozenset(self.settings.sources.get(address_of(address), ()))

    def clients(self) -> int:
        """As many as the settings say."""
        return self.settings.clients

    # --- what clients say ---

    def conversation(self, peer: Peer) -> Callable[[bytes], None]:
        """Answer commands; take times of other devices, and anything else, without a word."""
        why_not = partial(self.not_for, peer.address)
        memory = Memory(self.desk, self._edits, self.settings.channels, why_not, self.data)
        talk = Talk(peer, memory, self._known, self.settings.checksum, lambda text: self._trouble(Level.WARNING, text))
        self._talks[peer] = talk
        return talk.received

    def lost(self, peer: Peer, reason: str) -> None:
        """A client is gone, and asks no more."""
        if talk := self._talks.pop(peer, None):
            talk.end()
        super().lost(peer, reason)

    def _known(self, command: str) -> list[str] | None:
        """What follows AK (section 2.3). Which commands timing software needs is inferred (section 4)."""
        serial = self.settings.serial_number
        match command:
            case "SN":
                return [thcom.serial_line(serial, "CP545", VERSION)]
            case "ID":
                return [f"ID {serial:05}"]
        return None
