"""TsV1, for scoring software: reads as JSON arrays over TCP (tsv.md, section 2.1)."""

from collections.abc import Callable
from typing import Annotated, ClassVar

from msgspec import Meta

from console.codecs import tsv1
from console.exports.delivery import Hold, Unmapped, no_utc
from console.exports.export import Desk, ExportSettings
from console.exports.sockets import SocketExport
from console.model import Kind, Passing, Status

MANY = 16
"""Clients at once; the format does not limit them."""

NO_BIB = Hold("no bib yet")


class TsV1Settings(ExportSettings, frozen=True, kw_only=True):
    """Settings of a TsV1 export."""

    skip_first_seen: bool = True
    batch_interval: Annotated[float, Meta(ge=0, le=60)] = 0.0
    """Seconds between two messages, at least; 1.5 for software that fails on two messages in a second. 0: at once."""


class TsV1(SocketExport[TsV1Settings]):
    """Every client gets every read; a client that comes back gets the last minute again, because a duplicate is safer
    than a miss.

    The chip is the bib, else the tag, if that is a number that fits; the hexadecimal UID of an OTIMCON card is taken as
    one number, and half of them do not fit. What does not fit is counted as unmapped, said, and never altered to fit. A
    place or an impulse without a bib is held until a bib is known; the line that brings it is sent in its stead. What
    has no UTC yet is held and goes out by itself. A bib that an operator gives goes out, when its undo time is over, in
    the stead of what waits or is held, or as a new read where something went out before: the wrong read stays with
    scoring. A device's corrections and cancellations of what was sent are not forwarded: the format has no word for
    them.
    """

    settings_type = TsV1Settings
    kinds: ClassVar = frozenset((Kind.GUN, Kind.IMPULSE, Kind.PASSING, Kind.PUNCH, Kind.SELECT, Kind.PLACE, Kind.LAP))
    needs_names: ClassVar = True
    repeats: ClassVar = True
    overlap: ClassVar = 60.0
    enclosure = (tsv1.OPENING, tsv1.JOINER, tsv1.CLOSING)

    def __init__(self, settings: TsV1Settings, desk: Desk, now: Callable[[], int]) -> None:
        super().__init__(settings, desk, now)
        self.interval = settings.batch_interval

    def clients(self) -> int:
        """Any number that is no attack."""
        return MANY

    def unwanted(self, passing: Passing) -> str:
        """By kind; halves and laps that tell nothing about who passed."""
        if passing.kind not in self._wanted:
            return f"kind {passing.kind} not chosen"
        if passing.change == "cancelled":
            return "cancelled"
        if passing.extra.get("ideal"):
            return "an ideal start: nobody passed then"
        if passing.kind is Kind.LAP and not passing.bib and passing.status is not Status.EDITED:
            return "a lap of nobody"
        if passing.status is Status.JOINED and not passing.bib:
            return "the other half of this place says it all"
        return ""

    def render(self, passing: Passing, *, forced: bool = False) -> bytes | Hold | Unmapped:
        """One read. Nothing can be forced: what is held lacks something that the format needs."""
        known = self.desk.resolve(passing)
        if passing.kind is Kind.GUN:
            chip: int | None = tsv1.GUN_CHIP
        elif not passing.bib and not passing.tag:
            return NO_BIB
        else:
            # What later rows say of it goes out with those rows, each in its time.
            chip = tsv1.chip(passing.bib, passing.tag, base=16 if passing.kind is Kind.PUNCH else 10)
        if chip is None:
            who = f"bib {passing.bib!r}" if passing.bib else f"tag {passing.tag!r}"
            return Unmapped(f"{who} is not a number from 1 to {tsv1.LARGEST_CHIP}, which TsV1 needs")
        if known.utc is None:
            return no_utc(passing)
        channel = passing.channel or ""
        return tsv1.encode(
            tsv1.Read(
                chip=chip,
                moment=tsv1.moment(known.utc, self.desk.zone),
                timing_point=known.point or "",
                type=passing.read_type,
                antenna=int(channel) if channel.isascii() and channel.isdigit() else 0,
                source=passing.device,
            )
        )
