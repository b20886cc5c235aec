"""`racedeck relay`: a server of our own for the link to ITS ONLINE TIMING, and what is set up for it."""

import argparse
import asyncio
import getpass
import logging
import signal
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from console import places
from console.exit import Exit, Failure

if TYPE_CHECKING:
    from console.relay.club import Club
    from console.relay.data import Data
    from console.relay.database import Database
    from console.relay.settings import RelaySettings

SETTINGS = "relay.toml"


# --- the server ---


def serve(args: argparse.Namespace) -> int:
    """Run it in the foreground, until it is interrupted."""
    from console.engine.lock import EngineError, RunsAlreadyError, only_engine_of
    from console.links.link import LinkError
    from console.relay.database import Database

    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr, force=True
    )
    settings, directory = settings_of(args), directory_of(args)
    try:
        with only_engine_of(directory):
            database = Database(file_of(args))
            try:
                asyncio.run(_serve(settings, database))
            finally:
                database.close()
    except RunsAlreadyError:
        raise Failure(Exit.ENGINE, f"a relay already runs with {directory}") from None
    except (EngineError, LinkError) as error:
        raise Failure(Exit.ENGINE, str(error).replace("event's directory", "directory")) from None
    except (sqlite3.Error, OSError) as error:
        raise Failure(Exit.ENGINE, f"{file_of(args)}: {error}") from None
    return Exit.OK


async def _serve(settings: "RelaySettings", database: "Database") -> None:
    from console.relay.server import Relay

    relay = Relay(settings, database)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, relay.stop)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a lost terminal is no reason to lose a race
    await relay.run(lambda: logging.getLogger("racedeck.relay").info("the relay listens on %s", relay.where))


# --- setting up ---


def add_id(args: argparse.Namespace) -> int:
    """A user with a password, which is never an argument."""
    from console.relay.club import SHORT

    password = _ask_password()
    with _club(args) as club:
        new = club.add_id(args.user, password)
    _say(f"{args.user} added" if new else f"{args.user} has a new password")
    if max(len(args.user), len(password)) > SHORT:
        _say(f"note: it has more than {SHORT} characters, and THCOM08 gives a user and a password no more")
    return Exit.OK


def remove_id(args: argparse.Namespace) -> int:
    """A user less; his material is disconnected."""
    with _club(args) as club:
        serials = club.remove_id(args.user)
    _say(f"{args.user} removed{': cannot connect now: ' + ', '.join(serials) if serials else ''}")
    return Exit.OK


def add_material(args: argparse.Namespace) -> int:
    """A timer or a PC."""
    model = args.model or {"timer": "TM550", "pc": "Computer"}[args.type]
    with _club(args) as club:
        words = {"colour": args.colour, "phone": args.phone}
        new = club.add_material(args.serial, args.type, model, args.label, args.user, **words)
    _say(f"{args.serial} {'added' if new else 'changed'}: {model}, logs in as {args.user}")
    return Exit.OK


def remove_material(args: argparse.Namespace) -> int:
    """A timer or PC less; if it is connected, not any more."""
    with _club(args) as club:
        club.remove_material(args.serial)
    _say(f"{args.serial} removed")
    return Exit.OK


def configuration(args: argparse.Namespace) -> int:
    """Who sends to whom."""
    if len(args.sender) != len(args.receiver):
        raise Failure(Exit.USAGE, "each --from needs its --to: --from 0084 --to 0086 1007 --from 0086 --to 0084 1007")
    pairs = zip(args.sender, args.receiver, strict=True)
    arrows = [(sender, receiver) for senders, receivers in pairs for sender in senders for receiver in receivers]
    with _club(args) as club:
        club.set_configuration(args.name, arrows)
        said = arrows_said(club.configurations()[args.name])
    _say(f"configuration {args.name}: {said}")
    return Exit.OK


def event(args: argparse.Namespace) -> int:
    """From when to when, and with which configuration."""
    with _club(args) as club:
        new = club.set_event(args.name, args.start, args.end, args.zone, args.configuration)
        active = club.active()
    _say(f"event {args.name} {'added' if new else 'changed'}: {args.start} to {args.end}, {args.configuration}")
    if active is None or active.name != args.name:
        _say("it is not active: `racedeck relay activate` makes it so")
    return Exit.OK


def activate(args: argparse.Namespace) -> int:
    """This event counts, and no other."""
    with _club(args) as club:
        names = [event.name for event in club.events()]
        name = args.event or (names[0] if len(names) == 1 else "")
        if not name:
            raise Failure(Exit.USAGE, f"which event? there is {', '.join(names) or 'none'}")
        club.activate(name)
    _say(f"{name} is active")
    return Exit.OK


def arrows_said(arrows: list[tuple[str, str]]) -> str:
    """Arrows in a line: each sender and its receivers."""
    senders: dict[str, list[str]] = {}
    for sender, receiver in arrows:
        senders.setdefault(sender, []).append(receiver)
    return "; ".join(f"{sender} -> {', '.join(receivers)}" for sender, receivers in senders.items()) or "no arrows"


# --- the queue ---


def skip(args: argparse.Namespace) -> int:
    """What waits for a material is not sent; or what it has itself is to be thrown away."""
    with opened(args) as (club, data):
        if args.own:
            club.empty(args.serial, wanted=True)
            _say(f"{args.serial} is told at its next login to empty its own buffer (#GC 2)")
            return Exit.OK
        _known(club, args.serial)
        count = data.skip(args.serial, time.time_ns(), getpass.getuser())
    _say(f"{count} skipped; `racedeck relay resend {args.serial}` brings them back")
    return Exit.OK


def resend(args: argparse.Namespace) -> int:
    """Queue again what was skipped."""
    with opened(args) as (club, data):
        if args.own:
            club.empty(args.serial, wanted=False)
            _say(f"{args.serial} may keep its own buffer")
            return Exit.OK
        _known(club, args.serial)
        count = data.resend(args.serial, args.begin, args.end, getpass.getuser())
    _say(f"{count} queued again for {args.serial}")
    return Exit.OK if count else Exit.FAILED


def _known(club: "Club", serial: str) -> None:
    if serial not in club.materials():
        raise Failure(Exit.FAILED, f"{serial} is not in the material list; `racedeck relay status` shows it")


# --- where things are ---


def settings_of(args: argparse.Namespace) -> "RelaySettings":
    """`relay.toml`, beside the engine's settings."""
    from msgspec import structs

    from console.relay.settings import load

    try:
        settings = load(places.config_file(args.config).with_name(SETTINGS))
    except ValueError as error:
        raise Failure(Exit.SETTINGS, str(error)) from None
    return structs.replace(settings, listen=args.listen) if getattr(args, "listen", None) else settings


def directory_of(args: argparse.Namespace) -> Path:
    """Where its state is."""
    return places.state_directory(args.state_dir) / "relay"


def file_of(args: argparse.Namespace) -> Path:
    """Its database."""
    from console.relay.database import NAME

    return directory_of(args) / NAME


@contextmanager
def opened(args: argparse.Namespace) -> "Iterator[tuple[Club, Data]]":
    """What is set up, and the DATA list, while a server may be at work with both."""
    from console.relay.club import Club, ClubError
    from console.relay.data import Data
    from console.relay.database import Database

    try:
        database = Database(file_of(args))
        try:
            yield Club(database), Data(database)
        finally:
            database.close()
    except ClubError as error:
        raise Failure(Exit.FAILED, str(error)) from None
    except (sqlite3.Error, OSError) as error:
        if isinstance(error, BrokenPipeError):
            raise
        raise Failure(Exit.FAILED, f"{file_of(args)}: {error}") from None


@contextmanager
def _club(args: argparse.Namespace) -> "Iterator[Club]":
    with opened(args) as (club, _):
        yield club


def _ask_password() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != password:
        raise Failure(Exit.FAILED, "these were two different passwords; nothing is changed")
    return password


def _say(text: str) -> None:
    print(text, file=sys.stderr)
