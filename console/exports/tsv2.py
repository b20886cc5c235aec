"""TsV2, for scoring software: as TsV1, with text for a chip, and UTC (tsv.md, section 2.2)."""

from collections.abc import Callable
from typing import ClassVar

from msgspec import field

from console.codecs import tsv1, tsv2
from console.exports.delivery import Hold, Unmapped, no_utc
from console.exports.export import Desk
from console.exports.reads import NO_BIB, ReadsExport, antenna, nobody
from console.exports.tsv1 import TsV1Settings
from console.model import Resolved

GUN_CHIP = str(tsv1.GUN_CHIP)


class TsV2Settings(TsV1Settings, frozen=True, kw_only=True):
    """Settings of a TsV2 export. Raises ValueError, in words, for keys that make no sense."""

    ways: ClassVar = ("listen", "connect")

    keys: dict[str, str] = field(default_factory=dict)
    """Our name of a key -> the one that the software expects; empty: leave it out."""
    moment_suffix: str = "Z"
    """What follows the local time in `Moment`."""

    def __post_init__(self) -> None:
        for key in self.keys:
            if key not in tsv2.KEYS:
                raise ValueError(f"keys: there is no {key!r}; there are {', '.join(tsv2.KEYS)}")
        names = [name for key in tsv2.KEYS if (name := self.keys.get(key, key))]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"keys: {name!r} would be the name of {names.count(name)} keys")


class TsV2(ReadsExport[TsV2Settings]):
    """See ReadsExport. A chip is any text: nothing is unmapped. Signal strength and EPC are said where a device tells
    them, which none does yet."""

    settings_type = TsV2Settings
    enclosure = (tsv1.OPENING, tsv1.JOINER, tsv1.CLOSING)

    def __init__(self, settings: TsV2Settings, desk: Desk, now: Callable[[], int]) -> None:
        super().__init__(settings, desk, now)
        self.interval = settings.batch_interval

    @property
    def note(self) -> str:
        """What zone the times are in, against what they look like."""
        moment, utc = (self.settings.keys.get(key, key) for key in ("Moment", "UtcMoment"))
        behind = ", and not UTC as the Z behind it suggests" if self.settings.moment_suffix == "Z" else ""
        told = [f"{moment} is local time ({self.desk.zone}){behind}"] if moment else []
        return "; ".join([*told, *([f"{utc} is UTC"] if utc else [])])

    def read(self, known: Resolved, bib: str | None, tag: str | None) -> bytes | Hold | Unmapped:
        """One read."""
        passing = known.passing
        if nobody(passing, bib, tag):
            return NO_BIB
        if known.utc is None:
            return no_utc(passing)
        rssi, epc = passing.extra.get("rssi"), passing.extra.get("epc")
        read = tsv2.Read(
            tag=bib or tag or GUN_CHIP,
            utc=known.utc,
            point=known.point or "",
            type=passing.read_type,
            antenna=antenna(passing),
            source=passing.device,
            rssi=rssi if isinstance(rssi, int | float) else None,
            epc=epc if isinstance(epc, str) else None,
        )
        return tsv2.encode(read, self.desk.zone, suffix=self.settings.moment_suffix, keys=self.settings.keys)
