"""What timing software connects to as to a CP545: THCOM08 basic frames over TCP (thcom.md, sections 1.2 and 4).

It answers what software asks a timer for what it missed, too, from the journal.
"""

import re
from collections.abc import Callable, Iterable
from functools import partial
from ipaddress import ip_address
from typing import Annotated, ClassVar

from msgspec import Meta, field

from console.codecs import thcom
from console.exports.delivery import Account, Dropped, Hold, Unmapped, Verdict, no_utc
from console.exports.export import Desk, ExportSettings
from console.exports.peer import Peer
from console.exports.sockets import SocketExport
from console.exports.thcom_lines import impulse_data, printed_bib, result_data, state_of, time_data
from console.exports.thcom_memory import Memory
from console.exports.thcom_talk import Talk
from console.model import SECOND, Kind, Level, Origin, Passing, Status

IDLE_AFTER = 5.0
"""Seconds of silence after which an empty line is sent (inferred from clients; section 1.2)."""

VERSION = "VB10"
"""What `#SN` answers for a software version: that of a CP545 seen in the field."""

IMPULSES = frozenset((Kind.PLACE, Kind.SELECT, Kind.PUNCH, Kind.PASSING))
"""Kinds that become impulses of a device that has an entry in `channels`."""


class ThcomServerSettings(ExportSettings, frozen=True, kw_only=True):
    """Settings of a THCOM08 server."""

    channels: dict[str, str] = field(default_factory=dict)
    """Device -> channel (`1`..`99`, `M1`..`M9`) on which its places, selects, punches and chip reads are impulses."""
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
        yield from (("channels", device) for device in self.channels)
        yield from (("sources", device) for devices in self.sources.values() for device in devices)

    def __post_init__(self) -> None:
        """Raise ValueError for a channel that THCOM08 does not have."""
        for device, channel in self.channels.items():
            if not re.fullmatch(r"[1-9][0-9]?|M[1-9]", channel):
                raise ValueError(f"channels: {device} = {channel!r}: expected a channel from 1 to 99, or M1 to M9")
        for address, devices in self.sources.items():
            try:
                ip_address(address)
            except ValueError:
                raise ValueError(f"sources: {address!r} is no address of a client, as 192.168.1.5 is") from None
            if not devices:
                raise ValueError(f"sources: {address} = []: name the devices that it gets")


class ThcomServer(SocketExport[ThcomServerSettings]):
    """Times and results of THCOM08 devices as they came, and impulses of other devices where `channels` says so.

    Ski software gives a late impulse to whoever is on course. So nothing is sent twice to a connected client or
    an address, and impulses that are not fresh (arrived more than `stale_after` ago, or told in a retransmit, a recall
    or a readout) are held until the operator releases them, to clients that are then connected, or skips them.
    Corrections, cancellations and bibs given by hand are said of what a client got.
    """

    settings_type = ThcomServerSettings
    kinds: ClassVar = frozenset((Kind.IMPULSE, Kind.RESULT, *IMPULSES))
    restates: ClassVar = True
    repeats: ClassVar = False
    idle: ClassVar = thcom.KEEP_ALIVE
    idle_after: ClassVar = IDLE_AFTER

    def __init__(self, settings: ThcomServerSettings, desk: Desk, now: Callable[[], int]) -> None:
        super().__init__(settings, desk, now)
        self._talks: dict[Peer, Talk] = {}

    def sources(self, address: str) -> frozenset[str]:
        """Those that the settings name for this client."""
        return frozenset(self.settings.sources.get(address, ()))

    def clients(self) -> int:
        """As many as the settings say."""
        return self.settings.clients

    def unwanted(self, passing: Passing) -> str:
        """By kind; a second half of a place that was an impulse already; what THCOM08 has no word for."""
        if passing.kind not in self._wanted:
            return f"kind {passing.kind} not chosen"
        if passing.kind in IMPULSES and passing.device not in self.settings.channels:
            return "no channel for this device in `channels`"
        if passing.status is Status.JOINED and not (passing.bib and Kind.PLACE not in self._wanted):
            return "the other half of this place says it all"
        if passing.change == "cancelled" and passing.of is None:
            return "cancels a time that never came"
        if passing.status is Status.EDITED and passing.kind is Kind.RESULT:
            return "a bib given to a result: only times can be given another"
        return ""

    def say(self, account: Account, passing: Passing, *, forced: bool) -> Verdict:
        """A correction goes the way of the impulse that it speaks of, however old it is; it gives nobody a time."""
        if passing.status not in (Status.CORRECTION, Status.CANCELLED, Status.EDITED) or passing.of is None:
            return self.render(passing, forced=forced)
        impulse = self._edits.base(passing)
        if account.said(impulse):
            told = passing.origin is Origin.LIVE or passing.status is Status.EDITED
            return self.render(passing, forced=forced or told)
        if impulse in account.skipped:
            return Dropped(f"#{impulse}, of which it speaks, was skipped")
        if impulse in account.held or impulse in account.released:
            return Hold(f"goes with #{impulse}, of which it speaks", after=impulse)
        if account.settled(impulse):
            return Unmapped(f"#{impulse}, of which it speaks, could not be said")
        # It came before this client, which a timer would tell of its correction, too.
        return self.render(passing, forced=forced or passing.status is Status.EDITED)

    def render(self, passing: Passing, *, forced: bool = False) -> bytes | Hold | Unmapped:
        """One line."""
        try:
            data = self.data(passing)
        except (ValueError, KeyError) as error:
            return Unmapped(f"THCOM08 cannot say it: {error}")
        if data is None:
            return no_utc(passing)
        if not forced and (reason := self._late(passing)):
            return Hold(reason, releasable=True)
        return thcom.basic(data, self.settings.checksum)

    def _late(self, passing: Passing) -> str:
        """Why software must not get this unasked: it would take it for what happens now. Empty: it may."""
        if passing.kind is Kind.RESULT and passing.bib:
            return ""
        if passing.origin is Origin.RECOVERED:
            return "late: recovered afterwards"
        if passing.origin is not Origin.LIVE:
            return f"late: from a {passing.origin}"
        if passing.change and passing.status is Status.LIVE:
            return "late: corrects a time that never came"
        if self.now() - passing.wall > self.settings.stale_after * SECOND:
            return f"stale: older than {self.settings.stale_after:g} s"
        return ""

    def data(self, passing: Passing, source: str = "T") -> str | None:
        """The data of a line; None: the time of day is not known yet. Raises ValueError or KeyError where there is no
        such line. What was recalled (A*) or came from another device's run (!*) goes out as a time."""
        match passing.kind:
            case Kind.IMPULSE:
                return time_data(passing, source, state_of(passing), printed_bib(passing))
            case Kind.RESULT:
                return result_data(passing)
        known, channel = self.desk.resolve(passing), self.settings.channels[passing.device]
        return impulse_data(known, self._edits.base(passing), channel, self.desk.zone, source)

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
