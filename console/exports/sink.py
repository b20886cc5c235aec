"""An export without a peer on a socket: a file or a printer takes rows of the journal, one after the other."""

import asyncio
import heapq
from abc import abstractmethod
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from console.exports import filters, steering
from console.exports.export import ExportSettings
from console.exports.figures import SLOW_AFTER, figures
from console.exports.records import Newest, Records, Row
from console.exports.tallying import AGAIN, BATCH, TallyingExport
from console.model import SECOND, ExportState, Level, PeerState

PAUSE = 0.2
"""Seconds between two batches, unless more is waiting than one takes: what comes meanwhile goes together."""

RETRY_EVERY = 5.0
"""Seconds between two attempts to write where that failed."""

HANGS = 10.0
"""Seconds without an answer after which that becomes an incident."""


class SinkError(Exception):
    """It takes nothing now; in words that say what to check."""


class StartOverError(Exception):
    """Look again where we are, and go on."""


S = TypeVar("S", bound=ExportSettings)


class Sink(TallyingExport[S]):
    """Rows of `counted`, and between them, by their time, those of `aside`, are put where they go, as they come."""

    def __init__(self, settings: S, desk: Records, now: Callable[[], int]) -> None:
        super().__init__(settings, desk, now)
        self.stir = asyncio.Event()
        """To be set when there may be something to do."""
        self._down = ""
        self._busy_since: float | None = None

    # --- what a type says ---

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

    def allowed(self) -> None:
        """Raise StartOverError where it is paused."""
        if self._steering.paused:
            raise StartOverError

    async def besides(self) -> bool:
        """Do what else there is to do now, between the rows; whether there was anything. Raises as `put` does."""
        return False

    # --- life ---

    async def run(self) -> None:
        """Serve until cancelled."""
        self._steering.load(await self.desk.notes(steering.ACT))
        await self._load()
        upto = {one.peer: one.sent for one in self._others} | {self.target: self.place}
        self._filters.load(await self.desk.notes(filters.ACT), upto)
        tally = asyncio.create_task(self._tally())
        try:
            while True:
                try:
                    await self._steering.go.wait()
                    await self.answered(self.open())
                    await self._serve()
                except StartOverError:
                    await self.close()
                    self._forget_pending()
                    await asyncio.sleep(PAUSE)
                except SinkError as error:
                    await self.close()
                    self._fails(str(error))
                    await asyncio.sleep(RETRY_EVERY)
        finally:
            tally.cancel()
            await asyncio.gather(tally, return_exceptions=True)
            await self._steering.close()
            await self.close()
            self.save()

    async def _serve(self) -> None:
        while True:
            self.allowed()
            known = self.records.newest()
            self.stir.clear()
            rows = await self._next()
            self._pending = [row for row in rows if self.meant(row) and not self.leapt(row)]
            if self._pending:
                await self.answered(self.put(self._pending))
            self._reach(rows)
            self._pending = []
            if await self.besides() or len(rows) == BATCH:
                await asyncio.sleep(0)
            elif rows:
                await asyncio.sleep(PAUSE)
            else:
                self._works()
                await self._woken(known)

    async def _woken(self, known: Newest) -> None:
        """Wait for rows, or until there is something else to do."""
        waits = [asyncio.create_task(self._more_than(known)), asyncio.create_task(self.stir.wait())]
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for one in done:
                one.result()
        finally:
            for one in waits:
                one.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    async def _more_than(self, known: Newest) -> None:
        """Wait for rows; those that the disk did not give are asked for again."""
        behind = getattr(known, self.counted) > self.place
        if behind or (self.aside and getattr(known, self.aside) > self.aside_place):
            await asyncio.sleep(AGAIN)
        else:
            await self.records.beyond(known)

    async def answered(self, work: Coroutine[Any, Any, object]) -> None:
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
        self.trouble(Level.ALARM, f"{self.where} has not answered for {HANGS:.0f} s; it is waited for")
        self.desk.changed()

    async def _next(self) -> list[Row]:
        counted = await self.read(self.counted, self.place, BATCH)
        if not self.aside:
            return counted
        aside = await self.read(self.aside, self.aside_place, BATCH)
        if len(counted) == BATCH:
            aside = [row for row in aside if row.wall <= counted[-1].wall]
        return list(heapq.merge(counted, aside, key=lambda row: row.wall))

    def took(self, rows: Sequence[Row]) -> None:
        """These rows were taken."""
        counted = self._reach(rows)
        self._taken += counted
        self._pending = self._pending[len(rows) :]
        self._oldest = rows[-1].wall
        self.went_well()

    def went_well(self) -> None:
        """Something was taken."""
        self._works()
        self.save()
        self.desk.changed()

    # --- what the operator sees ---

    def trouble(self, level: Level, text: str) -> None:
        """Journal an incident."""
        self.desk.trouble(level, self.settings.name, text)

    def _works(self) -> None:
        if self._down:
            self.trouble(Level.NOTE, f"{self.where} takes rows again")
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
            sink=True,
            connected=not self._down,
            since=self._since,
            reason=self._down,
            journaled=self._journaled,
            sent=self._taken,
            tcp=None,
            acked=self._taken if self.acknowledges else None,
            waiting=waiting,
            oldest=oldest,
            skipped=self.skipped,
            resent=self.resent,
            note="counted in frames" if self.counted == "frames" else "",
        )
        word, reason = self._word(oldest)
        paused = self._steering.paused
        return ExportState(
            name=self.settings.name,
            type=self.settings.type,
            where=self.where,
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

    def pause(self, by: str) -> None:
        """Pass nothing on, until `resume`; the file is closed, so that its disk may be taken away."""
        self._steering.pause(by)
        self.stir.set()

    def resume(self, by: str) -> None:
        """Go on where it was paused."""
        self._steering.resume(by)

    def release(self, held: list[int], peer: str | None = None) -> int:
        """Nothing is held."""
        return 0

    def skip(self, held: list[int], peer: str | None = None) -> int:
        """Nothing is held."""
        return 0
