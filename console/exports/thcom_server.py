"""What timing software connects to as to a CP545: THCOM08 basic frames over TCP (thcom.md, sections 1.2 and 4)."""

import re
from collections.abc import Callable
from typing import Annotated, ClassVar

from msgspec import Meta, field

from console.codecs import thcom
from console.codecs.thcom_records import Command
from console.exports.delivery import Hold, Unmapped, no_utc
from console.exports.export import ExportSettings
from console.exports.listening import ListeningExport
from console.exports.peer import Peer
from console.model import SECOND, Kind, Origin, Passing, Status
from console.timing.bind import DAY, utc_to_local

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
    clients: Annotated[int, Meta(ge=1, le=64)] = 4
    """Clients at once; a CP545 takes 4."""

    def __post_init__(self) -> None:
        """Raise ValueError for a channel that THCOM08 does not have."""
        for device, channel in self.channels.items():
            if not re.fullmatch(r"[1-9][0-9]?|M[1-9]", channel):
                raise ValueError(f"channels: {device} = {channel!r}: expected a channel from 1 to 99, or M1 to M9")


class ThcomServer(ListeningExport[ThcomServerSettings]):
    """Times and results of THCOM08 devices as they came, and impulses of other devices where `channels` says so.

    Ski software gives a late impulse to whoever is on course. So nothing is sent twice to a connected client or
    an address, and impulses that are not fresh (arrived more than `stale_after` ago, or told in a retransmit, a recall
    or a readout) are held until the operator releases them, to clients that are then connected, or skips them.
    Corrections and cancellations are not forwarded yet.
    """

    settings_type = ThcomServerSettings
    kinds: ClassVar = frozenset((Kind.IMPULSE, Kind.RESULT, *IMPULSES))
    repeats: ClassVar = False
    idle: ClassVar = thcom.KEEP_ALIVE
    idle_after: ClassVar = IDLE_AFTER

    def clients(self) -> int:
        """As many as the settings say."""
        return self.settings.clients

    def unwanted(self, passing: Passing) -> str:
        """By kind; a second half of a place that was an impulse already."""
        if passing.kind not in self._wanted:
            return f"kind {passing.kind} not chosen"
        if passing.kind in IMPULSES and passing.device not in self.settings.channels:
            return "no channel for this device in `channels`"
        if passing.status is Status.JOINED and not (passing.bib and Kind.PLACE not in self._wanted):
            return "the other half of this place says it all"
        if passing.change == "cancelled":
            return "cancelled"
        return ""

    def render(self, passing: Passing, *, forced: bool = False) -> bytes | Hold | Unmapped:
        """One line."""
        try:
            data = self._data(passing)
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
        if passing.origin is not Origin.LIVE:
            return f"late: from a {passing.origin}"
        if passing.change:
            return "late: corrects a time that never came"
        if self.now() - passing.wall > self.settings.stale_after * SECOND:
            return f"stale: older than {self.settings.stale_after:g} s"
        return ""

    def _data(self, passing: Passing) -> str | None:
        """The data of a line; None: the time of day is not known yet."""
        extra = passing.extra
        match passing.kind:
            case Kind.IMPULSE:
                day = passing.day - thcom.EPOCH_DAY if passing.day is not None else 0
                # What was recalled (A*) or came from another device's run (!*) goes out as a time.
                tag = "T" + str(extra.get("record", "TN"))[1:]
                return thcom.time_line(
                    tag, passing.bib, _int(extra["sequence"]), passing.channel or "", _ns(passing), day
                )
            case Kind.RESULT:
                return _result(passing)
        utc = self.desk.resolve(passing).utc
        if utc is None:
            return None
        day, ns = divmod(utc_to_local(utc, self.desk.zone), DAY)
        channel = self.settings.channels[passing.device]
        bib = self.desk.resolve(passing).bib or ""
        # A THCOM08 bib is a number of 4 digits; a time is still a time without one.
        bib = bib.lstrip("0") if bib.isascii() and bib.isdigit() and len(bib.lstrip("0")) <= 4 else ""
        return thcom.time_line("TN", bib or None, passing.seq % 10_000, channel, ns, day - thcom.EPOCH_DAY)

    # --- what clients say ---

    def conversation(self, peer: Peer) -> Callable[[bytes], None]:
        """Answer commands; take times of other devices, and anything else, without a word."""
        decoder = thcom.Decoder(serial=False)

        def received(data: bytes) -> None:
            for piece in decoder.receive(data):
                if piece.raw.lstrip(b"\r\n").startswith(b"#"):
                    for answer in self._answers(piece.record, bool(piece.flaw)):
                        peer.write(thcom.basic(answer, self.settings.checksum))

        return received

    def _answers(self, record: object, flawed: bool) -> list[str]:
        """AK, then what was asked (section 2.3). Which commands timing software needs is inferred (section 4)."""
        serial = self.settings.serial_number
        match record:
            case _ if flawed:
                return ["AK F"]
            case Command(name="SN"):
                return ["AK C", thcom.serial_line(serial, "CP545", VERSION)]
            case Command(name="ID"):
                return ["AK C", f"ID {serial:05}"]
        return ["AK R"]


def _result(passing: Passing) -> str:
    """A run, total or intermediate time, a difference or a speed, as the device printed it."""
    extra = passing.extra
    match str(extra["record"]):
        case "VE":
            unit = str(extra.get("unit", ""))
            return thcom.speed_line(_int(extra["number"]), passing.bib or "0", float(extra["speed"] or 0), unit)
        case "IR":
            return thcom.result_line("IR", _int(extra.get("intermediate", 0)), passing.bib or "0", _ns(passing))
        case "DR":
            return thcom.result_line("DR", _int(extra.get("winner", 0)), passing.bib or "0", _ns(passing))
        case tag:
            return thcom.result_line(tag, _int(extra.get("rank", 0)), passing.bib or "0", _ns(passing))


def _ns(passing: Passing) -> int:
    if passing.ns is None:
        raise ValueError("it has no time")
    return passing.ns


def _int(value: object) -> int:
    if not isinstance(value, int):
        raise ValueError(f"expected a number, got {value!r}")  # noqa: TRY004 - one error for what cannot be said
    return value
