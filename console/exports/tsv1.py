"""TsV1, for scoring software: reads as JSON arrays over TCP (tsv.md, section 2.1)."""

from collections.abc import Callable
from typing import Annotated

from msgspec import Meta

from console.codecs import tsv1
from console.exports.delivery import Hold, Unmapped, no_utc
from console.exports.export import Desk, ExportSettings
from console.exports.reads import NO_BIB, ReadsExport, antenna, nobody
from console.model import Kind, Resolved, Status


class TsV1Settings(ExportSettings, frozen=True, kw_only=True):
    """Settings of a TsV1 export."""

    skip_first_seen: bool = True
    batch_interval: Annotated[float, Meta(ge=0, le=60)] = 0.0
    """Seconds between two messages, at least; 1.5 for software that fails on two messages in a second. 0: at once."""


class TsV1(ReadsExport[TsV1Settings]):
    """See ReadsExport. The chip is a number: the bib, else the tag, whichever is one that fits; the hexadecimal UID of
    an OTIMCON card is taken as one number, and half of them do not fit. What does not fit is counted as unmapped, said,
    and never altered to fit; a tag table gives it a number.
    """

    settings_type = TsV1Settings
    enclosure = (tsv1.OPENING, tsv1.JOINER, tsv1.CLOSING)

    def __init__(self, settings: TsV1Settings, desk: Desk, now: Callable[[], int]) -> None:
        super().__init__(settings, desk, now)
        self.interval = settings.batch_interval

    @property
    def note(self) -> str:
        """What zone the times are in, against what they look like."""
        return (
            f"Moment is local time ({self.desk.zone}), and not UTC as the Z behind it suggests: TsV1 has always been so"
        )

    def read(self, known: Resolved, bib: str | None, tag: str | None) -> bytes | Hold | Unmapped:
        """One read."""
        passing = known.passing
        if nobody(passing, bib, tag):
            return NO_BIB
        if passing.status is Status.EDITED and passing.bib:
            tag = None  # the operator's word, or nothing
        chip = tsv1.chip(bib, tag, base=16 if passing.kind is Kind.PUNCH else 10)
        if passing.kind is Kind.GUN:
            chip = tsv1.GUN_CHIP
        if chip is None:
            who = f"bib {bib!r}" if bib else f"tag {tag!r}"
            return Unmapped(f"{who} is not a number from 1 to {tsv1.LARGEST_CHIP}, which TsV1 needs")
        if known.utc is None:
            return no_utc(passing)
        return tsv1.encode(
            tsv1.Read(
                chip=chip,
                moment=tsv1.moment(known.utc, self.desk.zone),
                timing_point=known.point or "",
                type=passing.read_type,
                antenna=antenna(passing),
                source=passing.device,
            )
        )
