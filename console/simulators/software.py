"""Timing software that connects to port 7000, as it would to a CP545."""

import asyncio
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from console.codecs import thcom
from console.codecs.thcom_records import KeepAlive
from console.exit import Exit, Failure
from console.simulators.consumer import Consumer

T = TypeVar("T")


class Software(Consumer):
    """Reads THCOM08 lines. `greet`: asks for the serial number first, as some programs do."""

    def __init__(
        self,
        address: str,
        *,
        greet: bool = False,
        retry: float = 0.5,
        pace: float = 0.0,
        buffer: int = 0,
        log: Path | None = None,
    ) -> None:
        super().__init__(address, retry=retry, pace=pace, buffer=buffer, log=log)
        self.greeting = thcom.basic("#SN", checksum=False) if greet else b""
        self.lines: list[str] = []
        """What it got, line ends and checksums left out, newest last; keep-alives are only counted."""
        self.keep_alives = 0
        self._decoder = thcom.Decoder(serial=False)

    def take(self, data: bytes) -> None:
        """Read lines."""
        for piece in self._decoder.receive(data):
            if isinstance(piece.record, KeepAlive):
                self.keep_alives += 1
                continue
            line = piece.raw.strip(b"\r\n").partition(b"\t")[0].decode("ascii", "backslashreplace")
            if piece.flaw:
                self.flaw(f"{piece.flaw}: {line}")
            else:
                self.got(line)

    def got(self, line: str) -> None:
        """A good line has come."""
        self.lines.append(line)
        self.note(line)

    def lost(self) -> None:
        """Forget half a line."""
        for piece in self._decoder.flush():
            if piece.flaw:
                self.flaw(piece.flaw)


def consumer_arguments(parser: ArgumentParser) -> None:
    """The options of every simulated consumer."""
    parser.add_argument("address", metavar="HOST:PORT", help="where our export listens")
    parser.add_argument("--log", type=Path, metavar="FILE", help="append what comes to FILE")
    parser.add_argument("--pace", type=float, default=0.0, metavar="S", help="be slow: sleep S seconds after each read")
    parser.add_argument("--stop-reading", type=int, metavar="N", help="take nothing more after N, but stay connected")
    parser.add_argument(
        "--close", type=float, default=0.0, metavar="P", help="break off after a read with a chance of P (0 to 1)"
    )
    parser.add_argument("--half-close", action="store_true", help="close the sending half once connected")


def arguments(parser: ArgumentParser) -> None:
    """The options of `racedeck simulate software`."""
    consumer_arguments(parser)
    parser.add_argument("--greet", action="store_true", help="ask for the serial number first (#SN)")


async def main(args: Namespace) -> None:
    """Be timing software until cancelled: print what comes. Raises Failure."""
    try:
        software = Software(args.address, greet=args.greet, pace=args.pace, log=args.log)
    except (OSError, ValueError) as error:
        raise Failure(Exit.FAILED, f"simulate software: {error}") from None
    await show(software, software.lines, args)


async def show(consumer: Consumer, got: list[T], args: Namespace, words: Callable[[T], str] = str) -> None:
    """Run `consumer`, print what appears in `got`, and misbehave as asked; until cancelled. Raises OSError where it
    cannot listen.
    """
    consumer.closes = args.close
    consumer.talk = lambda text: print(f"{args.address}: {text}", file=sys.stderr)
    printing = asyncio.create_task(_print(consumer, got, args, words))
    try:
        await consumer.run()
    finally:
        printing.cancel()
        await asyncio.wait([printing])


async def _print(consumer: Consumer, got: list[T], args: Namespace, words: Callable[[T], str]) -> None:
    shown = 0
    while True:
        await consumer.until(lambda: bool(got) or (args.half_close and consumer.connected and not consumer.half_closed))
        if args.half_close and consumer.connected and not consumer.half_closed:
            consumer.half_close()
        for one in got:
            print(words(one), flush=True)
        shown += len(got)
        got.clear()
        if args.stop_reading is not None and shown >= args.stop_reading:
            consumer.stop_reading()
