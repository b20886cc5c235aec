"""`racedeck recover`: rebuild an event on a spare machine from its flight log alone."""

import argparse
import sys
from pathlib import Path

from console import places
from console.commands.attach import Where
from console.exit import Exit, Failure


def recover(args: argparse.Namespace) -> int:
    """Rebuild the settings' event from a flight log."""
    from console.config import load
    from console.journal.recovery import recover as rebuild

    where = Where(args.config, args.state_dir)
    directory = places.event_directory(where.state, load(where.config).event.name)
    if (directory / "journal.sqlite").exists():
        raise Failure(Exit.FAILED, f"{directory} already holds a journal; move it aside, or give another --state-dir")
    try:
        found = rebuild(Path(args.flight_log), directory)
    except OSError as error:
        raise Failure(Exit.FAILED, f"{args.flight_log}: {error.strerror or error}") from None
    print(f"{directory}: {found}", file=sys.stderr)
    return Exit.OK
