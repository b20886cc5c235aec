"""Timing&Sense TsV2: as TsV1, with text for a tag, UTC, signal strength and the whole EPC (tsv.md, section 2.2).

Documented are the framing's family, alphanumeric tags, both times, RSSI, EPC, and one key: `UtcMoment`. Every other key
is inferred from TsV1, and therefore a setting.
"""

from collections.abc import Mapping
from datetime import UTC, tzinfo

import msgspec
from msgspec import Struct

from console.codecs.tsv1 import moment

KEYS = ("Chip", "Moment", "UtcMoment", "TimingPoint", "Type", "Antenna", "Source", "Rssi", "Epc")
"""What a read's fields are called, unless the settings say otherwise. Only `UtcMoment` is public."""


class Read(Struct, frozen=True, kw_only=True):
    """One read."""

    tag: str
    """The bib, where it is known."""
    utc: int
    """ns since the epoch."""
    point: str
    type: int
    """0 gun or wave, 1 first seen, 2 best seen."""
    antenna: int
    source: str
    rssi: float | None = None
    """dBm; None: not known, and left out."""
    epc: str | None = None
    """Hexadecimal; None: not known, and left out."""


def encode(read: Read, zone: tzinfo, *, suffix: str, keys: Mapping[str, str]) -> bytes:
    """One read, as it stands in a message. `suffix` follows the local time (`Z` in TsV1, where it means nothing);
    `keys`: other names for those of KEYS, empty: leave the field out.
    """
    fields: dict[str, object] = {
        "Chip": read.tag,
        "Moment": moment(read.utc, zone).removesuffix("Z") + suffix,
        "UtcMoment": moment(read.utc, UTC),
        "TimingPoint": read.point,
        "Type": read.type,
        "Antenna": read.antenna,
        "Source": read.source,
        "Rssi": read.rssi,
        "Epc": read.epc.upper() if read.epc else None,
    }
    named = {keys.get(key, key): value for key, value in fields.items() if value is not None}
    named.pop("", None)
    return msgspec.json.encode(named)
