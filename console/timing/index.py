"""What timing asks of the journal: everything so far, the transaction under way included."""

from typing import Protocol

from console.model import Judged


class Index(Protocol):
    """Passings by their keys, by their numbers, and by what they are about."""

    def same(self, identity: str) -> list[Judged]:
        """Every passing of this identity, oldest first."""

    def near(self, series: str, position: int, window: int) -> Judged | None:
        """The counted (LIVE) passing of `series` nearest to `position`, at most `window` away."""

    def highest(self, series: str) -> int | None:
        """The highest position of `series`, offered ones left out; None: nothing yet."""

    def joined(self, join: str) -> list[Judged]:
        """Every passing of this `join`, oldest first."""

    def newest_ns(self, device: str, generation: int) -> int | None:
        """The latest device time (`ns`) among the device's passings of a generation."""

    def passing(self, seq: int) -> Judged | None:
        """The passing of this number."""

    def about(self, seq: int) -> list[Judged]:
        """Every passing whose `of` is this number, oldest first."""

    def edits(self) -> list[Judged]:
        """Every EDITED row of the event, oldest first."""

    def next_index(self, frame: int) -> int:
        """The next free `index` among the passings of a frame."""
