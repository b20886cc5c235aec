"""An event with a journal, for the sheets that read more of it than passings."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path

from console.journal.journal import Journal
from console.model import SECOND, Direction, Draft, Heard, Passing, Resolved, Scalar
from console.sheets import Sources

NOON = 1_795_176_000 * SECOND
"""2026-11-20 12:00:00 UTC."""


class Event:
    """What is put in can be read at once."""

    def __init__(self, directory: Path) -> None:
        self.journal = Journal.open(directory, committed=lambda _: None)
        self.reader = self.journal.reader()
        self.frames = 0

    def act(self, word: str, body: dict[str, Scalar], by: str = "ann") -> None:
        self.journal.act(word, body, by).result(10)

    def hear(self, heard: list[Heard], device: str = "ctl") -> None:
        """Frames of a device, a second after each other."""
        for one in heard:
            self.frames += 1
            wall = NOON + self.frames * SECOND
            self.journal.frame(
                Draft(
                    device=device,
                    direction=Direction.RX,
                    wall=wall,
                    mono=wall,
                    raw=one.raw,
                    label=one.label,
                    flaw=one.flaw,
                    facts=one.facts,
                )
            )
        self.journal.act("heard", {}, "test").result(10)

    def sources(self, device: str = "ctl") -> Sources:
        return Sources(device=device, reader=self.reader, resolve=_named, zone=UTC)


def _named(passing: Passing) -> Resolved:
    names = {"04A1B2C3": "BAUER Eva"}
    return Resolved(passing=passing, utc=None, point=None, bib=None, name=names.get(passing.tag or ""))


@contextmanager
def event(directory: Path) -> Iterator[Event]:
    """An event for as long as the block lasts."""
    made = Event(directory)
    try:
        yield made
    finally:
        made.reader.close()
        made.journal.close()
