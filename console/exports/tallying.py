"""What a file or a printer has taken of the rows of the journal, what waits for it, and what was skipped."""

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar, TypeVar

from console.exports.chosen import Chosen
from console.exports.export import Export, ExportSettings
from console.exports.figures import FORMER
from console.exports.filters import Filters
from console.exports.records import Records, Row
from console.exports.steering import Steering
from console.model import Cursor, Frame, Passing, PeerState

BATCH = 500
"""Rows read at once."""

AGAIN = 0.5
"""Seconds before rows are asked for again that the disk did not give although they are there."""

S = TypeVar("S", bound=ExportSettings)


class TallyingExport(Export[S]):
    """Rows go out in the order of the journal, so that a number says how far that is; the cursor has it.

    Nothing is held: what is not known yet, later rows say.
    """

    counted: str = "passings"
    aside: str = ""
    acknowledges: bool = True
    """What was taken is known to be safe there."""
    restates: ClassVar = True

    def __init__(self, settings: S, desk: Records, now: Callable[[], int]) -> None:
        super().__init__(settings, desk, now)
        self.records = desk
        self._born = desk.newest()
        """What was there before the export."""
        self.place = 0
        """Every counted row up to this one was dealt with."""
        self.aside_place = 0
        self.marks: dict[str, int] = {}
        """What a type must know after a restart, beside how far it is."""
        self._chosen = Chosen(settings, desk.resolve)
        self._steering = Steering(settings.name, desk, now, lambda account: [], lambda account: None)
        self.leaps: list[tuple[int, int]] = []
        """Ranges that the operator skipped as they waited."""
        self.skipped = 0
        """Counted rows in them."""
        self.resent = 0
        """Counted rows that were taken once more, because the operator asked for it."""
        self._filters = Filters(self, desk)
        self._others: list[Cursor] = []
        """Of files or printers that the settings name no more."""
        self._start = 0
        self._taken = 0
        """Counted rows for us up to `place`."""
        self._seen = 0
        self._concerned = 0
        """Counted rows for us up to `_seen`."""
        self._pending: list[Row] = []
        self._oldest: int | None = None
        """Arrival of the oldest that waits, where that is not one of `_pending`."""
        self._since = 0

    @property
    @abstractmethod
    def target(self) -> str:
        """What takes the rows, in a word or two; the address under which the cursor is kept."""

    @property
    def where(self) -> str:
        """Where they go, for the operator."""
        return self.target

    def why_not(self, passing: Passing) -> str:
        """Why `passing` is not for this export; empty: it is."""
        return self._chosen.why_not(passing)

    def meant(self, row: Row) -> bool:
        """Whether a row is for this export."""
        return not self.why_not(row) if isinstance(row, Passing) else True

    async def read(self, what: str, after: int, limit: int) -> list[Row]:
        """Rows of one kind."""
        match what:
            case "frames":
                return list(await self.records.frames(after, limit))
            case "incidents":
                return list(await self.records.incidents_after(after, limit))
            case "acts":
                return list(await self.records.acts(after, limit))
        return list(await self.desk.feed.after(after, limit))

    # --- the beginning ---

    async def _load(self) -> None:
        self._others = [one for one in self.desk.cursors(self.settings.name) if one.peer != self.target]
        cursor = self.cursor()
        if cursor:
            self._start, self.place = cursor.start, cursor.sent
            self.marks = dict(cursor.counts)
            self._taken, self.aside_place = self.marks.pop("taken", 0), self.marks.pop("aside", 0)
            self.resent = self.marks.pop("resent", 0)
            self.marks = {name: count for name, count in self.marks.items() if name not in ("journaled", "skipped")}
        elif self.settings.newcomers == "live":
            self._start = self.place = getattr(self._born, self.counted)
            self.aside_place = getattr(self._born, self.aside) if self.aside else 0
        passed = self._recall_leaps()
        self._seen, self._concerned, self._since = self.place, self._taken + passed, self.now()
        self.save()

    def _recall_leaps(self) -> int:
        """Take in what was skipped; how many of these are behind us."""
        passed = 0
        for leap in sorted(self._steering.leaps, key=lambda leap: leap.first):
            if leap.peer == self.target and leap.first > self._start:
                self.leaps.append((leap.first, leap.last))
                self.skipped += leap.count
                if leap.first <= self.place + 1:
                    self.place = max(self.place, leap.last)
                    passed += leap.count
        return passed

    def cursor(self) -> Cursor | None:
        """How far it is by the journal, which is safe; None: that knows nothing."""
        return next((one for one in self.desk.cursors(self.settings.name) if one.peer == self.target), None)

    # --- how far it is ---

    def _reach(self, rows: Sequence[Row]) -> int:
        """Everything up to these rows is dealt with; returns how many of them count."""
        counted = 0
        for row in rows:
            if self._counts(row):
                counted += 1
                self.place = max(self.place, row.seq)
            else:
                self.aside_place = max(self.aside_place, row.seq)
        return counted

    def leapt(self, row: Row) -> bool:
        """Whether the operator skipped this row as it waited."""
        return self._counts(row) and any(first <= row.seq <= last for first, last in self.leaps)

    def _forget_pending(self) -> None:
        if self._pending:
            self._oldest = self._pending[0].wall
        self._pending = []

    def _counts(self, row: Row) -> bool:
        return isinstance(row, Passing if self.counted == "passings" else Frame)

    async def go_to(self, place: int) -> None:
        """It turned out that everything up to `place`, and nothing beyond it, was taken."""
        low, high = sorted((self.place, place))
        between = await self.count(low, high)
        self._taken += between if place > self.place else -between
        self.place = place
        self._start = min(self._start, place)
        if place > self._seen:
            self._seen, self._concerned = place, self._concerned + between
        self.save()

    async def count(self, after: int, upto: int) -> int:
        """Counted rows for us beyond `after` and up to `upto`."""
        count = 0
        while after < upto and (rows := await self.read(self.counted, after, BATCH)):
            count += sum([row.seq <= upto and self.meant(row) for row in rows])
            after = rows[-1].seq
        return count

    async def _tally(self) -> None:
        """Count what is for us while nothing can be written."""
        while True:
            known = self.records.newest()
            rows = await self.read(self.counted, self._seen, BATCH)
            if rows:
                fresh = [row for row in rows if row.seq > self._seen]
                concerned = [row for row in fresh if self.meant(row)]
                if concerned and not self._waiting:
                    self._oldest = concerned[0].wall
                self._concerned += len(concerned)
                self._seen = max(self._seen, rows[-1].seq)
                self.desk.changed()
                await asyncio.sleep(0)
            elif getattr(known, self.counted) > self._seen:
                await asyncio.sleep(AGAIN)
            else:
                await self.records.beyond(known)

    def save(self) -> None:
        """Journal how far it is."""
        told = {"journaled": self._journaled, "taken": self._taken, "skipped": self.skipped, "resent": self.resent}
        counts = self.marks | told | {"aside": self.aside_place}
        self.desk.save(
            Cursor(
                export=self.settings.name,
                peer=self.target,
                start=self._start,
                sent=self.place,
                tcp=self.place,
                counts={name: count for name, count in counts.items() if count},
            )
        )

    @property
    def _journaled(self) -> int:
        return max(self._concerned, self._taken + self.skipped)

    @property
    def _waiting(self) -> int:
        return self._journaled - self._taken - self.skipped

    # --- what became of it ---

    def former(self, cursor: Cursor) -> PeerState:
        """What a file or a printer took that the settings name no more."""
        counts = cursor.counts
        journaled, taken, skipped = (counts.get(name, 0) for name in ("journaled", "taken", "skipped"))
        return PeerState(
            address=cursor.peer,
            sink=True,
            connected=False,
            since=self._since,
            reason=FORMER,
            journaled=journaled,
            sent=taken,
            tcp=None,
            acked=taken if self.acknowledges else None,
            waiting=journaled - taken - skipped,
            skipped=skipped,
            resent=counts.get("resent", 0),
        )

    def fate(self, passing: Passing) -> list[tuple[str, str]]:
        """What became of `passing`."""
        number = passing.seq if self.counted == "passings" else passing.frame
        former = [
            (one.peer, "sent")
            for one in self._others
            if one.start < number <= one.sent and not self._then(one.peer, number).why_not(passing)
        ]
        if why := self._then(self.target, number).why_not(passing):
            return [*former, ("", why)]
        if number <= self._start:
            return [*former, (self.target, "came before this export")]
        if any(first <= number <= last for first, last in self.leaps):
            return [*former, (self.target, "skipped: it waited when all that did was skipped")]
        return [*former, (self.target, "sent" if number <= self.place else "waiting")]

    def _then(self, target: str, number: int) -> "TallyingExport[S]":
        """The export as it was when this number had its turn."""
        then = self._filters.then(target, number)
        return then if isinstance(then, TallyingExport) else self
