"""`racedeck phase`, `gun`, `bib`, `undo`, `take-over`, `send`: what an operator does, from the command line."""

import argparse
import re
import sys
from datetime import datetime, timedelta, tzinfo

from console.codecs.columns import plain
from console.commands import show
from console.commands.attach import with_client
from console.control.client import AskedError, Client, Done, RefusedError
from console.exit import Exit, Failure
from console.model import SECOND, CommandInfo, Phase
from console.timing.bind import find_zone, local_to_utc, nearest_day


def phase(args: argparse.Namespace) -> int:
    """Set the phase of the event."""
    print(with_client(args, lambda client: client.phase(Phase(args.phase.upper()))).text, file=sys.stderr)
    return Exit.OK


def gun(args: argparse.Namespace) -> int:
    """Say when the race clock showed zero."""

    async def fire(client: Client) -> Done:
        zone = find_zone(client.state.timezone)
        return await client.gun(gun_time(args.time, client.state.now, zone), args.device)

    print(with_client(args, fire).text, file=sys.stderr)
    return Exit.OK


def gun_time(given: str, now: int, zone: tzinfo) -> int:
    """When the gun fired, ns since the epoch: `now`, `09:30:00.25` (the nearest one), or a date and time.

    Raises Failure where `given` is none of these.
    """
    if given == "now":
        return now
    if found := re.fullmatch(r"(\d{1,2}):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?", given):
        hours, minutes, seconds = (int(part or 0) for part in found.groups()[:3])
        if hours < 24 and minutes < 60 and seconds < 60:
            ns = ((hours * 60 + minutes) * 60 + seconds) * SECOND + int((found[4] or "0").ljust(9, "0"))
            return nearest_day(ns, now, zone)
    try:
        moment = datetime.fromisoformat(given)
    except ValueError:
        expected = "now, HH:MM:SS[.f], or YYYY-MM-DDTHH:MM:SS[.f]"
        raise Failure(Exit.USAGE, f"the time {given!r} is not understood: give {expected}") from None
    if moment.tzinfo is not None:
        return int(moment.timestamp() * 1000) * (SECOND // 1000)
    digits = (moment - datetime(1970, 1, 1)) // timedelta(microseconds=1) * 1000  # noqa: DTZ001 - digits, no zone yet
    return local_to_utc(digits, zone)


def bib(args: argparse.Namespace) -> int:
    """Say whose passing it was."""
    given = args.bib or ""
    if not args.none and not given.strip():
        raise Failure(Exit.USAGE, "an empty bib: to say that it is nobody's, give --none")
    print(with_client(args, lambda client: client.set_bib(args.passing, given)).text, file=sys.stderr)
    return Exit.OK


def undo(args: argparse.Namespace) -> int:
    """Take back the newest bib that this operator gave."""
    print(with_client(args, lambda client: client.undo()).text, file=sys.stderr)
    return Exit.OK


def take_over(args: argparse.Namespace) -> int:
    """Have offered passings count."""
    numbers = tuple(args.passings)
    if args.test and numbers:
        raise Failure(Exit.USAGE, "--test takes all that came during TEST: give it without numbers")
    print(
        with_client(args, lambda client: client.take_over(args.device, numbers, test=args.test)).text, file=sys.stderr
    )
    return Exit.OK


def send(args: argparse.Namespace) -> int:
    """Send a command to a device, in the words of its manual; without words, list those it takes."""
    if not args.words:
        return _commands(args)
    words = " ".join(args.words)

    async def order(client: Client) -> Done:
        return await client.command(args.device, words, yes=args.yes)

    try:
        done = with_client(args, order)
    except AskedError as error:
        agree = f"to send it all the same, add --yes {error.name}"
        raise Failure(Exit.REFUSED, f"{error}\nNothing was sent; {agree}") from None
    except RefusedError as error:  # by the device, not by the engine
        raise Failure(Exit.FAILED, str(error)) from None
    if args.json:
        show.out(show.json_line({"ok": done.ok, "text": done.text, **done.data}))
    else:
        show.out(plain(done.text))
    return Exit.FAILED if done.ok is False else Exit.OK


def _commands(args: argparse.Namespace) -> int:
    """What a device takes, with the help that its tab and the command line of the console show."""

    async def look(client: Client) -> tuple[CommandInfo, ...]:
        devices = {one.name: one.commands for one in client.state.devices}
        if args.device not in devices:
            raise Failure(Exit.FAILED, f"no device {args.device!r}; there is {', '.join(devices)}")
        return devices[args.device]

    found = with_client(args, look)
    for one in found:
        row = {"command": one.words, "arguments": [arg.name for arg in one.arguments], "help": one.help}
        risks = " (changes it)" * one.changes
        show.out(show.json_line(row) if args.json else f"{plain(one.usage)}\n    {plain(one.help)}{risks}")
    if not found:
        print(f"{args.device} takes no commands", file=sys.stderr)
    return Exit.OK
