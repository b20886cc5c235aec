"""Cells that more than one sheet has."""

from datetime import datetime

from console.model import SECOND, Passing
from console.sheets import Sources

UNKNOWN, ABSENT = "?", "-"
"""What is not known, and what there is none of: neither is 0."""

MOST = 1000
"""Rows behind a figure that are shown: the newest."""


def age(ns: int) -> str:
    """`0:42`, `2:11:05`."""
    minutes, seconds = divmod(max(ns, 0) // SECOND, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def clock(wall: int, sources: Sources) -> str:
    """Date and time of day in the event's zone."""
    return f"{datetime.fromtimestamp(wall // SECOND, sources.zone):%Y-%m-%d %H:%M:%S}"


def printed(passing: Passing) -> str:
    """The time as the device printed it."""
    return (passing.time or "?").strip()


def who(passing: Passing) -> str:
    """Bib, else tag, as the row itself has it."""
    return passing.bib or passing.tag or "-"


def older(shown: int, count: int) -> str:
    """What is not shown of `count`, in words; empty: all is."""
    return f"the newest {shown} of {count}" if count > shown else ""
