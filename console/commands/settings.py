"""`racedeck config`: check, show or find the settings."""

import argparse
import sys
from pathlib import Path

import msgspec

from console.commands import show
from console.commands.attach import Where
from console.exit import Exit


def config(args: argparse.Namespace) -> int:
    """Check, show or find the settings."""
    where = Where(args.config, args.state_dir)
    if args.what == "path":
        show.out(str(where.config))
        return Exit.OK
    from console.config import load

    settings = load(where.config)
    if args.what == "show":
        show.out(msgspec.json.format(msgspec.json.encode(settings)).decode())
        return Exit.OK
    count = f"{len(settings.devices)} devices, {len(settings.exports)} exports"
    print(f"{where.config}: good: event {settings.event.name}, {count}", file=sys.stderr)
    return _check_tags(Path(settings.event.tags)) if settings.event.tags else Exit.OK


def _check_tags(path: Path) -> Exit:
    """Say of the tag table what is in it, and what is wrong with it."""
    from console.engine.tagfile import load

    try:
        table, problems = load(path)
    except ValueError as error:
        print(f"{path}: {error}", file=sys.stderr)
        return Exit.TROUBLE
    for problem in problems:
        print(f"{path.name}: {problem}", file=sys.stderr)
    print(f"{path}: {'' if problems else 'good: '}{table}", file=sys.stderr)
    return Exit.TROUBLE if problems else Exit.OK
