"""`racedeck simulate otimcon`: a station, and runners who punch there."""

import asyncio
import random
import sys
from argparse import ArgumentParser, ArgumentTypeError, BooleanOptionalAction, Namespace
from datetime import datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from console.exit import Exit, Failure
from console.simulators.otimcon_card import NOBODY, field_of
from console.simulators.otimcon_firmware import Station
from console.simulators.otimcon_versions import MODES, VERSIONS, Firmware
from console.simulators.port import (
    add_fault_arguments,
    add_port_arguments,
    port_from,
)
from console.simulators.replay import RecordingError, replay

RETOUCHES = 0.05
"""Share of the runners who hold their card there again, because they did not hear the bleep."""


def wall_clock(zone: tzinfo | None) -> float:
    """Seconds since 1970 of the wall-clock digits in `zone` (None: this machine's)."""
    now = datetime.now().astimezone(zone)
    offset = now.utcoffset()
    return now.timestamp() + (offset.total_seconds() if offset else 0.0)


async def run_race(station: Station, *, rate: float = 0.5, runners: int = 200, seed: int = 0) -> None:
    """Runners punch, `rate` a second on average, round after round until cancelled."""
    chance = random.Random(seed)
    cards = field_of(runners, seed)
    while True:
        chance.shuffle(cards)
        for card in cards:
            await asyncio.sleep(min(chance.expovariate(rate), 10 / rate))
            if NOBODY > card.last >= 100:
                card.erase()
            station.touch(card, hold=0.3)
            if chance.random() < RETOUCHES:
                await asyncio.sleep(1.5)
                station.touch(card, hold=0.3)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ArgumentTypeError(f"{name!r} is no time zone; say it like Europe/Paris") from None


def arguments(parser: ArgumentParser) -> None:
    """The options of `racedeck simulate otimcon`."""
    parser.add_argument("--version", choices=VERSIONS, default="0.22", help="of the firmware (default: 0.22)")
    parser.add_argument("--mode", choices=MODES, default="CONTROL")
    parser.add_argument("--control", type=int, default=31, metavar="N", help="1 to 254; 251 is START, 252 FINISH")
    parser.add_argument("--baud", type=int, help="speed of the line (default: as that version is built)")
    parser.add_argument("--rate", type=float, default=0.5, help="punches a second; 0: nobody comes (default: 0.5)")
    parser.add_argument("--runners", type=int, default=200, help="cards in the race (default: 200)")
    parser.add_argument("--timezone", type=_zone, help="zone its clock was set in (default: this machine's)")
    parser.add_argument("--ahead", type=float, default=0.0, metavar="S", help="seconds its clock is ahead")
    parser.add_argument("--drift", type=float, default=0.0, metavar="PPM", help="how much too fast its clock runs")
    naps = "fall asleep 14 s after a card or an answer (default: 0.18 and 0.19 do)"
    parser.add_argument("--low-power", action=BooleanOptionalAction, help=naps)
    add_port_arguments(parser)
    add_fault_arguments(parser)


async def main(args: Namespace) -> None:
    """Be a station until cancelled; prints first where it is to be reached. Raises Failure."""
    firmware = Firmware(args.version)
    baud = firmware.baud if args.baud is None else args.baud
    for wrong, why in (
        (args.mode not in firmware.modes, f"--mode {args.mode}: {args.version} knows {', '.join(firmware.modes)}"),
        (not 1 <= args.control <= 254, f"--control {args.control}: must be from 1 to 254"),
        (baud < 300, f"--baud {args.baud}: must be at least 300"),
        (not 0 <= args.rate <= 100, f"--rate {args.rate}: must be from 0 to 100"),
        (args.runners < 1, f"--runners {args.runners}: must be at least 1"),
    ):
        if wrong:
            raise Failure(Exit.USAGE, why)
    try:
        port = port_from(args, baud=baud)
    except (OSError, ValueError) as error:
        raise Failure(Exit.FAILED, f"simulate otimcon: {error}") from None
    print(port.where, flush=True)
    try:
        if args.replay:
            count = await replay(port, args.replay, args.speed)
            print(f"OTIMCON: replayed {count} frames of {args.replay}", file=sys.stderr)
            return
        station = Station(
            port,
            version=args.version,
            mode=args.mode,
            control=args.control,
            baud=baud,
            clock=wall_clock(args.timezone) + args.ahead,
            drift=args.drift,
            low_power=args.low_power,
        )
        await station.reset(boot=0)
        print(f"OTIMCON: control {args.control}, mode {args.mode}, {args.rate:g} punches a second", file=sys.stderr)
        race = run_race(station, rate=args.rate, runners=args.runners, seed=args.seed) if args.rate else None
        async with asyncio.TaskGroup() as tasks:
            runners = tasks.create_task(race) if race else None
            await station.run()
            if runners:
                runners.cancel()
    except (OSError, RecordingError) as error:
        raise Failure(Exit.FAILED, f"simulate otimcon: {error}") from None
    finally:
        await port.close()
