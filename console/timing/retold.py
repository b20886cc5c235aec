"""What a retransmit or a download has brought, counted while it comes. Pure: fed with what was committed.

A retransmit of a TIME MACHINE is over when its END line has come, or when timing holds it for cut off. Downloads and
backups have no such mark in the journal: one is over when nothing of it has come for a while.
"""

from msgspec import structs

from console.model import SECOND, Origin, Passing, Retold, Status, TimingState

QUIET = 10 * SECOND
"""Without a line for so long (ns), a download is over. Inferred: lines follow each other at once, but a card that is
being served holds an OTIMCON station up for most of a second, and a GSM link for several."""

DOWNLOADS = (Origin.RECALL, Origin.BACKUP)


class Retellings:
    """The newest retelling of each device."""

    def __init__(self) -> None:
        self._newest: dict[str, Retold] = {}
        self._origin: dict[str, Origin] = {}
        self._heard: dict[str, int] = {}

    def take(self, passing: Passing) -> bool:
        """Count a committed passing; False: it was not told again."""
        if passing.origin is not Origin.RETRANSMIT and passing.origin not in DOWNLOADS:
            return False
        if passing.status is Status.EDITED:
            return False  # an operator's word about one that was
        name = passing.device
        one = self.of(name, passing.wall)
        if one is None or one.ended or self._origin[name] is not passing.origin:
            one = Retold(since=passing.wall, first=passing.seq, last=passing.seq)
            self._origin[name] = passing.origin
        self._heard[name] = passing.wall
        test = passing.heard_in_test is not None
        self._newest[name] = structs.replace(
            one,
            last=passing.seq,
            event=passing.event or one.event,
            lines=one.lines + 1,
            new=one.new + (passing.status in (Status.LIVE, Status.OFFERED, Status.JOINED) and not test),
            repeats=one.repeats + (passing.status is Status.REPEAT and not test),
            differ=one.differ + (passing.status in (Status.CORRECTION, Status.CANCELLED) and not test),
            test=one.test + test,
        )
        return True

    def follow(self, name: str, state: TimingState) -> None:
        """What timing remembers of a device, after those passings."""
        one = self._newest.get(name)
        if one and self._origin[name] is Origin.RETRANSMIT and not state.retransmit:
            self._newest[name] = structs.replace(one, ended=True)

    def of(self, name: str, now: int) -> Retold | None:
        """The retelling of a device that is under way at `now` (wall ns), or its last one; None: there was none."""
        one = self._newest.get(name)
        if one and self._origin[name] in DOWNLOADS and now - self._heard[name] >= QUIET:
            return structs.replace(one, ended=True)
        return one
