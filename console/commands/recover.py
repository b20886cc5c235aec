"""`racedeck recover`: rebuild an event on a spare machine from its flight log alone."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from console import places
from console.commands.attach import Where
from console.exit import Exit, Failure

if TYPE_CHECKING:
    from console.journal.recovery import Recovered


def recover(args: argparse.Namespace) -> int:
    """Rebuild the settings' event from a flight log."""
    from console.config import load
    from console.journal.recovery import RecoveryError
    from console.journal.recovery import recover as rebuild

    where = Where(args.config, args.state_dir)
    directory = places.event_directory(where.state, load(where.config).event.name)
    if (directory / "journal.sqlite").exists():
        raise Failure(Exit.FAILED, f"{directory} already holds a journal; move it aside, or give another --state-dir")
    try:
        found = rebuild(Path(args.flight_log), directory)
    except RecoveryError as error:
        raise Failure(Exit.FAILED, str(error)) from None
    except OSError as error:
        raise Failure(Exit.FAILED, f"{error.filename or args.flight_log}: {error.strerror or error}") from None
    for line in _words(found):
        print(line, file=sys.stderr)
    return Exit.OK


def _words(found: "Recovered") -> list[str]:
    """What was recovered, and what was not."""
    from console.journal.rebuild import missing_in_words

    lines = [
        f"event {found.event} rebuilt: {found.frames} frames, {found.passings} passings, "
        f"{found.incidents} incidents, {found.acts} acts, {found.numbers} rows of numbers, {found.cursors} cursors"
    ]
    if found.bad_lines:
        lines.append(f"{found.bad_lines} lines of the log were damaged or cut short")
    if found.missing:
        lines.append(f"not in the log: {missing_in_words(found.missing)}")
    return lines
