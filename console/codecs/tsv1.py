"""Timing&Sense TsV1: JSON arrays of reads, each ended by a carriage return (tsv.md, section 2.1).

`[{"Chip":123456,"Moment":"2026-04-22T10:15:42.1234567Z","TimingPoint":"Finish","Type":2,"Antenna":2,"Source":"a"}]`
"""

from datetime import datetime, tzinfo

import msgspec
from msgspec import Struct

from console.model import SECOND

OPENING, JOINER, CLOSING = b"[", b",", b"]\r"
"""Around and between the reads of one message."""

LARGEST_CHIP = 2**31 - 1
"""The format's own limit is not documented; a larger number has jammed a consumer for good (section 2.1)."""

GUN_CHIP = 0
"""What a gun read carries as its chip: not documented, inferred."""


class Read(Struct, frozen=True, rename="pascal"):
    """One read, its keys in the order of the vendor's example."""

    chip: int
    moment: str
    timing_point: str
    type: int
    """0 gun or wave, 1 first seen, 2 best seen."""
    antenna: int
    source: str


def encode(read: Read) -> bytes:
    """One read, as it stands in a message."""
    return msgspec.json.encode(read)


def message(reads: list[bytes]) -> bytes:
    """Encoded reads as one message."""
    return OPENING + JOINER.join(reads) + CLOSING


def moment(utc: int, zone: tzinfo) -> str:
    """`utc` (ns) as the format wants it: local time of `zone`, 7 decimals, and a `Z` that means nothing.

    Never fewer decimals: a consumer takes the first 26 characters and dies of shorter ones (section 2.1).
    """
    seconds, rest = divmod(utc, SECOND)
    local = datetime.fromtimestamp(seconds, zone).replace(tzinfo=None)
    return f"{local.isoformat()}.{rest // 100:07d}Z"


def chip(bib: str | None, tag: str | None, base: int = 10) -> int | None:
    """The number of who passed: the bib, else the tag, whichever is a number that fits; None: neither is.

    Tags of `base` 16 are card UIDs: an OTIMCON's 4 bytes are taken as one unsigned number, first byte highest, as they
    are printed (our choice: the format knows numbers only). Half of them exceed `LARGEST_CHIP` and do not fit.
    0 is the gun's, and never anybody's.
    """
    for text, digits in ((bib, 10), (tag, base)):
        if text and text.isascii() and text.isalnum():
            try:
                number = int(text, digits)
            except ValueError:
                continue
            if GUN_CHIP < number <= LARGEST_CHIP:
                return number
    return None
