"""An export without a peer on a socket: a file or a printer takes rows of the journal, one after the other."""

import asyncio
import heapq
from abc import abstractmethod
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from console.exports import filters, steering
from console.exports.chosen import Chosen
from console.exports.export import Export, ExportSettings
from console.exports.figures import FORMER, SLOW_AFTER, figures
from console.exports.filters import Filters
from console.exports.records import Newest, Records, Row
from console.exports.steering import Steering
from console.model import SECOND, Cursor, ExportState, Frame, Level, Passing, PeerState

BATCH = 500
"""Rows read at once."""

PAUSE = 0.2
"""Seconds between two batches, unless more is waiting than one takes: what comes meanwhile goes together."""

RETRY_EVERY = 5.0
"""Seconds between two attempts to write where that failed."""

AGAIN = 0.5
"""Seconds before rows are asked for again that the disk did not give although they are there."""

HANGS = 10.0
"""Seconds without an answer after which that becomes an incident."""


class SinkError(Exception):
    """It takes nothing now; in words that say what to check."""


class StartOverError(Exception):
    """Look again where we are, and go on."""


S = TypeVar("S", bound=ExportSettings)


class Sink(Export[S]):
    """Rows go out in the order of the journal: those of `counted`, and between them, by their time, those of `aside`.

    The cursor says how far they are known to have been taken. Nothing is held: what is not known yet, later rows say.
    """

    counted: str = "passings"
    aside: str = ""
    acknowledges: bool = True
    """What was taken is known to be safe there."""

    def __init__(self, settings: S, desk: Records, now: Callable[[], int]) -> None:
        super().__init__(settings, desk, now)
        self.records = desk
        self.place = 0
        """Every counted row up to this one was dealt with."""
        self.aside_place = 0
        self.marks: dict[str, int] = {}
        """What a type must know after a restart, beside how far it is."""
        self._chosen = Chosen(settings, desk.resolve)
        self._steering = Steering(settings.name, desk, now, {}, lambda account: [], lambda account: None)
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
        self._down = ""
        self._since = 0
        self._busy_since: float | None = None

    # --- what a type says ---

    @property
    @abstractmethod
    def target(self) -> str:
        """What takes the rows, in a word or two; the address under which the cursor is kept."""

    @abstractmethod
    async def open(self) -> None:
        """Make ready, at the start and after a failure; may find out that more was taken than the cursor knows, or
        less, and `go_to` there. Raises SinkError."""

    @abstractmethod
    async def put(self, rows: Sequence[Row]) -> None:
        """Have these rows taken, in order, saying each time how far that is (`took`). Raises SinkError and
        StartOverError."""

    async def close(self) -> None:
        """Let go of it."""

    def why_not(self, passing: Passing) -> str:
        """Why `passing` is not for this export; empty: it is."""
        return self._chosen.why_not(passing)

    def meant(self, row: Row) -> bool:
        """Whether a row is for this export."""
        return not self.why_not(row) if isinstance(row, Passing) else True

    async def allowed(self) -> None:
        """Wait while it is paused."""
        await self._steering.go.wait()

    # --- life ---

    async def run(self) -> None:
        """Serve until cancelled."""
        await self._load()
        self._steering.load(await self.desk.notes(steering.ACT))
        upto = {one.peer: one.sent for one in self._others} | {self.target: self.place}
        self._filters.load(await self.desk.notes(filters.ACT), upto)
        tally = asyncio.create_task(self._tally())
        try:
            while True:
                try:
                    await self._answered(self.open())
                    await self._serve()
                except StartOverError:
                    await asyncio.sleep(PAUSE)
                except SinkError as error:
                    await self.close()
                    self._fails(str(error))
                    await asyncio.sleep(RETRY_EVERY)
        finally:
            tally.cancel()
            await asyncio.gather(tally, return_exceptions=True)
            await self.close()
            self.save()

    async def _load(self) -> None:
        self._others = [one for one in self.desk.cursors(self.settings.name) if one.peer != self.target]
        cursor = self.begun()
        if cursor:
            self._start, self.place = cursor.start, cursor.sent
            self.marks = dict(cursor.counts)
            self._taken, self.aside_place = self.marks.pop("taken", 0), self.marks.pop("aside", 0)
            self.marks.pop("journaled", 0)
        elif self.settings.newcomers == "live":
            newest = self.records.newest()
            self._start = self.place = getattr(newest, self.counted)
            self.aside_place = getattr(newest, self.aside) if self.aside else 0
        self._seen, self._concerned, self._since = self.place, self._taken, self.now()
        self.save()

    async def _serve(self) -> None:
        while True:
            known = self.records.newest()
            rows = await self._next()
            if not rows:
                self._works()
                await self._more_than(known)
                continue
            self._pending = [row for row in rows if self.meant(row)]
            if self._pending:
                await self.allowed()
                await self._answered(self.put(self._pending))
            self._reach(rows)
            self._pending = []
            await asyncio.sleep(PAUSE if len(rows) < BATCH else 0)

    async def _more_than(self, known: Newest) -> None:
        """Wait for rows; those that the disk did not give are asked for again."""
        behind = getattr(known, self.counted) > self.place
        if behind or (self.aside and getattr(known, self.aside) > self.aside_place):
            await asyncio.sleep(AGAIN)
        else:
            await self.records.beyond(known)

    async def _answered(self, work: Coroutine[Any, Any, None]) -> None:
        """Have the file or the printer do this, and say so where it takes too long."""
        loop = asyncio.get_running_loop()
        self._busy_since = loop.time()
        hangs = loop.call_later(HANGS, self._hangs)
        try:
            await work
        finally:
            hangs.cancel()
            self._busy_since = None

    def _hangs(self) -> None:
        self.trouble(Level.ALARM, f"{self.target} has not answered for {HANGS:.0f} s; it is waited for")
        self.desk.changed()

    async def _next(self) -> list[Row]:
        counted = await self.read(self.counted, self.place, BATCH)
        if not self.aside:
            return counted
        aside = await self.read(self.aside, self.aside_place, BATCH)
        if len(counted) == BATCH:
            aside = [row for row in aside if row.wall <= counted[-1].wall]
        return list(heapq.merge(counted, aside, key=lambda row: row.wall))

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

    # --- how far it is ---

    def took(self, rows: Sequence[Row]) -> None:
        """These rows were taken."""
        counted = self._reach(rows)
        self._taken += counted
        self._pending = self._pending[len(rows) :]
        self._oldest = rows[-1].wall
        self._works()
        self.save()
        self.desk.changed()

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

    def _counts(self, row: Row) -> bool:
        return isinstance(row, Passing if self.counted == "passings" else Frame)

    async def go_to(self, place: int) -> None:
        """It turned out that everything up to `place`, and nothing beyond it, was taken."""
        low, high = sorted((self.place, place))
        between = await self._count(low, high)
        self._taken += between if place > self.place else -between
        self.place = place
        self._start = min(self._start, place)
        if place > self._seen:
            self._seen, self._concerned = place, self._concerned + between
        self.save()

    async def _count(self, after: int, upto: int) -> int:
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
                if concerned and self._journaled == self._taken:
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
        told = {"journaled": self._journaled, "taken": self._taken}
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

    def former(self, cursor: Cursor) -> PeerState:
        """What a file or a printer took that the settings name no more."""
        counts = cursor.counts
        journaled, taken, skipped = (counts.get(name, 0) for name in ("journaled", "taken", "skipped"))
        return PeerState(
            address=cursor.peer,
            connected=False,
            since=self._since,
            reason=FORMER,
            journaled=journaled,
            sent=taken,
            tcp=None,
            acked=taken if self.acknowledges else None,
            waiting=journaled - taken - skipped,
            skipped=skipped,
        )

    def cursor(self) -> Cursor | None:
        """How far it is by the journal, which is safe; None: that knows nothing."""
        return next((one for one in self.desk.cursors(self.settings.name) if one.peer == self.target), None)

    def begun(self) -> Cursor | None:
        """Where it goes on at the start; None: nobody has begun it."""
        return self.cursor()

    @property
    def _journaled(self) -> int:
        return max(self._concerned, self._taken)

    @property
    def _waiting(self) -> int:
        return self._journaled - self._taken

    # --- what the operator sees ---

    def trouble(self, level: Level, text: str) -> None:
        """Journal an incident."""
        self.desk.trouble(level, self.settings.name, text)

    def _works(self) -> None:
        if self._down:
            self.trouble(Level.NOTE, f"{self.target} takes rows again")
            self._down, self._since = "", self.now()
            self.desk.changed()

    def _fails(self, reason: str) -> None:
        if not self._down:
            self.trouble(Level.ALARM, f"{reason}; nothing is lost, it is tried again every {RETRY_EVERY:.0f} s")
            self._since = self.now()
        self._down = reason
        self.desk.changed()

    def state(self) -> ExportState:
        """The export as the operator sees it, now."""
        waiting = self._waiting
        oldest = (self._pending[0].wall if self._pending else self._oldest) if waiting else None
        peer = PeerState(
            address=self.target,
            connected=not self._down,
            since=self._since,
            reason=self._down,
            journaled=self._journaled,
            sent=self._taken,
            tcp=None,
            acked=self._taken if self.acknowledges else None,
            waiting=waiting,
            oldest=oldest,
            note="counted in frames" if self.counted == "frames" else "",
        )
        word, reason = self._word(oldest)
        paused = self._steering.paused
        return ExportState(
            name=self.settings.name,
            type=self.settings.type,
            where=self.target,
            state=word,
            reason=reason,
            paused_at=paused.since if paused else None,
            peers=(peer,),
            former=tuple(map(self.former, self._others)),
            **figures([peer], self._journaled),
        )

    def _word(self, oldest: int | None) -> tuple[str, str]:
        if paused := self._steering.paused:
            return "paused", f"by {paused.by}" + (f"; {self._down}" if self._down else "")
        if self._down:
            return "down", self._down
        busy = asyncio.get_running_loop().time() - self._busy_since if self._busy_since is not None else 0.0
        if busy > HANGS:
            return "stuck", f"no answer for {busy:.0f} s"
        if busy > SLOW_AFTER or (oldest is not None and self.now() - oldest > SLOW_AFTER * SECOND):
            return "slow", f"{self._waiting} waiting"
        return "up", ""

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
        return [*former, (self.target, "sent" if number <= self.place else "waiting")]

    def _then(self, target: str, number: int) -> "Sink[S]":
        """The export as it was when this number had its turn."""
        then = self._filters.then(target, number)
        return then if isinstance(then, Sink) else self

    def pause(self, by: str) -> None:
        """Pass nothing on, until `resume`."""
        self._steering.pause(by)

    def resume(self, by: str) -> None:
        """Go on where it was paused."""
        self._steering.resume(by)

    def release(self, held: list[int], peer: str | None = None) -> int:
        """Nothing is held."""
        return 0

    def skip(self, held: list[int], peer: str | None = None) -> int:
        """Nothing is held."""
        return 0
