"""Scoring software that reads TsV1: JSON arrays of reads, each array ended by CR (tsv.md, section 2.1)."""

import re
from abc import abstractmethod
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Generic, TypeVar

import msgspec
from msgspec import Struct

from console.exit import Exit, Failure
from console.simulators.consumer import Consumer
from console.simulators.software import consumer_arguments, show

R = TypeVar("R", bound=Struct)

LONGEST = 4_194_304
"""Bytes of an array after which it is given up."""

HIGHEST_CHIP = 2**31 - 1
"""A consumer in the wild jams for good on more."""


MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z")
"""A consumer in the wild dies of less than 6 decimals; the vendor writes 7."""


class Read(Struct, frozen=True, rename="pascal", omit_defaults=True):
    """One read. The 2016 form has no antenna and no source."""

    chip: int
    moment: str
    """Local time of the sender, despite the `Z`."""
    timing_point: str
    type: int
    """0 gun or wave, 1 first seen, 2 best seen."""
    antenna: int | None = None
    source: str | None = None


class Arrays(Consumer, Generic[R]):
    """Reads arrays of `read_type`, and says of every read whether a strict consumer would have taken it."""

    read_type: type[R]

    def __init__(
        self,
        address: str,
        *,
        listens: bool = False,
        retry: float = 0.5,
        pace: float = 0.0,
        buffer: int = 0,
        log: Path | None = None,
    ) -> None:
        super().__init__(address, listens=listens, retry=retry, pace=pace, buffer=buffer, log=log)
        self.reads: list[R] = []
        """What it got, newest last."""
        self.arrays = 0
        self._rest = bytearray()
        self._decoder = msgspec.json.Decoder(list[self.read_type])  # type: ignore[name-defined]

    @abstractmethod
    def wrong(self, read: R) -> str:
        """Why a strict consumer stumbles over a read; empty: it does not."""

    def take(self, data: bytes) -> None:
        """Read arrays."""
        start = len(self._rest)
        self._rest += data
        begin = 0
        while (end := self._rest.find(b"\r", max(begin, start))) >= 0:
            self._array(bytes(self._rest[begin:end]))
            begin = end + 1
        del self._rest[:begin]
        if len(self._rest) > LONGEST:
            self.flaw(f"no CR within {LONGEST} bytes")
            self._rest.clear()

    @property
    def halfway(self) -> bool:
        """Half an array has come."""
        return bool(self._rest)

    def lost(self) -> None:
        """Forget half an array."""
        if self._rest:
            self.flaw("cut short")
            self._rest.clear()

    def _array(self, text: bytes) -> None:
        try:
            if text[:1] + text[-1:] != b"[]":
                self.flaw(f"not only an array between two CR: {text[:200]!r}")
                return
            reads = self._decoder.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            self.flaw(f"not an array of reads: {error}: {text[:200]!r}")
            return
        self.arrays += 1
        for read in reads:
            if wrong := self.wrong(read):
                self.flaw(wrong)
                continue
            self.reads.append(read)
            self.note(as_json(read))


class Scoring(Arrays[Read]):
    """Reads TsV1, as strictly as the known consumer."""

    read_type = Read

    def wrong(self, read: Read) -> str:
        """By the limits of the known consumer."""
        if not 0 <= read.chip <= HIGHEST_CHIP:
            return f"chip {read.chip} is more than {HIGHEST_CHIP}"
        if not MOMENT.fullmatch(read.moment):
            return f"moment {read.moment!r} has not 7 decimals and a Z"
        if read.type not in (0, 1, 2):
            return f"type {read.type} is none"
        return ""


def as_json(read: Struct) -> str:
    """A read as one line."""
    return msgspec.json.encode(read).decode()


def arguments(parser: ArgumentParser) -> None:
    """The options of `racedeck simulate scoring-tsv1`."""
    consumer_arguments(parser)


async def main(args: Namespace) -> None:
    """Be scoring software until cancelled: print the reads that come, one JSON object per line. Raises Failure."""
    try:
        scoring = Scoring(args.address, pace=args.pace, log=args.log)
    except (OSError, ValueError) as error:
        raise Failure(Exit.FAILED, f"simulate scoring-tsv1: {error}") from None
    await show(scoring, scoring.reads, args, as_json)
