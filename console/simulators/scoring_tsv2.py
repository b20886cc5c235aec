"""Scoring software that reads TsV2: as TsV1, with text for a chip, and UTC (tsv.md, section 2.2)."""

import re
from argparse import ArgumentParser, Namespace

from msgspec import Struct

from console.exit import Exit, Failure
from console.simulators.scoring import Arrays, as_json
from console.simulators.software import consumer_arguments, show

LOCAL = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z?")
UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z")
EPC = re.compile(r"([0-9A-F]{2})+")


class Read(Struct, frozen=True, rename="pascal", omit_defaults=True):
    """One read, under the keys that the product uses by default. Only `UtcMoment` is documented."""

    chip: str
    moment: str
    utc_moment: str
    timing_point: str
    type: int
    antenna: int | None = None
    source: str | None = None
    rssi: float | None = None
    epc: str | None = None


class ScoringTsv2(Arrays[Read]):
    """Reads TsV2 strictly."""

    read_type = Read

    def wrong(self, read: Read) -> str:
        """By what the guide says."""
        checks = (
            (bool(read.chip), "no chip"),
            (bool(LOCAL.fullmatch(read.moment)), f"moment {read.moment!r}"),
            (bool(UTC.fullmatch(read.utc_moment)), f"UTC moment {read.utc_moment!r}"),
            (read.type in (0, 1, 2), f"type {read.type} is none"),
            (read.epc is None or bool(EPC.fullmatch(read.epc)), f"EPC {read.epc!r}"),
        )
        return "; ".join(why for good, why in checks if not good)


def arguments(parser: ArgumentParser) -> None:
    """The options of `racedeck simulate scoring-tsv2`."""
    consumer_arguments(parser)
    parser.add_argument("--listen", action="store_true", help="listen there for our client, rather than connect")


async def main(args: Namespace) -> None:
    """Be scoring software until cancelled: print the reads that come, one JSON object per line. Raises Failure."""
    try:
        scoring = ScoringTsv2(args.address, listens=args.listen, pace=args.pace, log=args.log)
        await show(scoring, scoring.reads, args, as_json)
    except (OSError, ValueError) as error:
        raise Failure(Exit.FAILED, f"simulate scoring-tsv2: {error}") from None
