"""What the server sends, written into wired timers: the finish gets the start's impulses, as a docking does it.

An export of frames, with a cursor over the journal: nothing is lost while the timer is unplugged or the engine is down.
What has gone stale meanwhile is held for the operator: a timer gives a late impulse to whoever is on course.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import ClassVar, Protocol

from console.codecs.gsm_log import is_passed_on, read
from console.codecs.thcom_link import Extended
from console.codecs.thcom_session import WINDOW
from console.devices.driver import CommandError
from console.exports.export import Export, ExportSettings
from console.exports.figures import figures
from console.exports.records import Newest, Records
from console.its.intake import DEVICE
from console.its.log import extended
from console.model import SECOND, Cursor, Direction, ExportState, Frame, ItsWriter, Level, Passing, PeerState

BATCH = 500
"""Frames read at once."""

PACE = 0.01
"""Seconds between two messages at least: a server that floods us must not flood the timer."""

AGAIN_EVERY = 1.0
"""Seconds between two attempts to write to it."""

RECENT = 10 * WINDOW
"""Messages of which it is remembered that they were written: what comes again after the loss of a connection is among
the last of them."""

LOOK_BACK = 1000
"""Frames in which those messages are looked for at a start."""

RESULTS = ("RR", "GR", "IR", "DR", "VE")
"""Nobody is given one of these for being on course: they never go stale."""


class DownlinkSettings(ExportSettings, frozen=True, kw_only=True):
    """Made from `[[its.write]]`."""

    ways: ClassVar = ()

    device: str = ""
    """The wired timer."""
    address: str = ""
    """`TDDDD` under which it is linked up itself: its own frames are not for it. Empty: it is not."""
    connection: str = ""
    """Whose frames are for it, as the journal names the connection: a timer that is linked up has one of its own."""
    software: str = ""
    """The connection of this computer, on which everything of a source comes."""
    stale_after: float = 10.0
    """Seconds after which a time that was not written is held for the operator."""

    @property
    def elsewhere(self) -> bool:
        """The timer is a device of ours."""
        return True


class Link(Protocol):
    """What the link to the server does for it."""

    def write(self, device: str, data: str) -> None:
        """Have a wired timer told. Raises ConnectionError, and CommandError where there is no such device."""

    def why_not(self, device: str) -> str:
        """Why a wired timer cannot be told anything now; empty: it can."""

    def is_source(self, device: str) -> bool:
        """Whether what this device says comes from the server."""


class LinkRecords(Records, Protocol):
    """What the engine does for it."""

    @property
    def its(self) -> Link:
        """The link."""


class Downlink(Export[DownlinkSettings]):
    """Writes to one timer, in the order of the journal, each message once. The cursor counts in frames."""

    settings_type = DownlinkSettings

    def __init__(self, settings: DownlinkSettings, desk: LinkRecords, now: Callable[[], int]) -> None:
        super().__init__(settings, desk, now)
        self._records = desk
        self._born = desk.newest().frames
        """Frames up to this one were there before the export."""
        self._start = self._place = 0
        """Frames up to these were never meant for it; were dealt with."""
        self._held: dict[int, None] = {}
        self._released: deque[int] = deque()
        self._waiting: dict[tuple[str, str], Frame] = {}
        """Source and data -> the frame, of those that were read."""
        self._recent: dict[tuple[str, str], None] = {}
        self._skipped: dict[int, None] = {}
        self._written = 0
        self._last: int | None = None
        self._since = now()
        self._away = False
        """It could not be told something, and has been told nothing since."""
        self._stir = asyncio.Event()

    # --- what is for it ---

    def message(self, frame: Frame) -> Extended | None:
        """What of a frame is for the timer; None: nothing."""
        if frame.direction is not Direction.RX or frame.flaw:
            return None
        came_by = frame.by if frame.device == DEVICE else self.settings.software
        record = extended(frame.raw) if came_by == self.settings.connection else None
        if record is None or record.protocol != "1" or record.source == self.settings.address:
            return None
        return record if _is_for_timers(record.data) else None

    def _remember(self, contents: tuple[str, str]) -> None:
        self._recent[contents] = None
        if len(self._recent) > RECENT:
            del self._recent[next(iter(self._recent))]

    def _is_stale(self, frame: Frame, data: str) -> bool:
        return self.now() - frame.wall > self.settings.stale_after * SECOND and not data.startswith(RESULTS)

    # --- life ---

    async def run(self) -> None:
        """Write until cancelled."""
        await self._load()
        try:
            while True:
                known = self._records.newest()
                self._stir.clear()
                await self._tell_released()
                frames = await self._records.frames(self._place, BATCH)
                if await self._tell(frames):
                    await asyncio.sleep(AGAIN_EVERY)
                elif not frames:
                    await self._news(known)
        finally:
            self._save()

    async def _load(self) -> None:
        name, device = self.settings.name, self.settings.device
        cursor = next((one for one in self.desk.cursors(name) if one.peer == device), None)
        if cursor is None:
            self._start = self._place = self._born
        else:
            self._start, self._place, self._held = cursor.start, cursor.sent, dict.fromkeys(cursor.held)
            self._written, self._skipped = cursor.counts.get("sent", 0), dict.fromkeys(cursor.settled)
        for frame in await self._records.frames(max(0, self._place - LOOK_BACK), LOOK_BACK):
            if frame.seq <= self._place and (record := self.message(frame)):
                self._remember((record.source, record.data))
        self._save()

    async def _news(self, known: Newest) -> None:
        """Wait until the journal has come further, or an operator has released something."""
        waits = [asyncio.create_task(self._records.beyond(known)), asyncio.create_task(self._stir.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waits:
                one.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    async def _tell(self, frames: list[Frame]) -> bool:
        """Write what is for the timer; True: some must wait, for it is not there."""
        self._waiting.clear()
        for frame in frames:
            record = self.message(frame)
            if record and (contents := (record.source, record.data)) not in self._recent:
                self._waiting.setdefault(contents, frame)
        while self._waiting:
            contents, frame = next(iter(self._waiting.items()))
            if self._is_stale(frame, contents[1]):
                self._held[frame.seq] = None
            elif self._write(contents[1]):
                await asyncio.sleep(PACE)
            else:
                return True
            self._remember(contents)
            del self._waiting[contents]
            self._place = frame.seq
            self._save()
        self._place = frames[-1].seq if frames else self._place
        return False

    async def _tell_released(self) -> None:
        """What was held goes first."""
        while self._released:
            seq = self._released[0]
            for frame in await self._records.frames(seq - 1, 1):
                record = self.message(frame) if frame.seq == seq else None
                if record and not self._write(record.data):
                    self._held.update(dict.fromkeys(self._released))
                    self._released.clear()
                    return
            self._released.popleft()
            self._save()
            await asyncio.sleep(PACE)

    def _write(self, data: str) -> bool:
        """False: the timer is not there."""
        try:
            self._records.its.write(self.settings.device, data)
        except (ConnectionError, CommandError):
            if not self._away:
                text = "it is not connected: what the server sends for it waits, and is held once it is stale"
                self.desk.trouble(Level.WARNING, self.settings.device, text)
                self._away, self._since = True, self.now()
            self.desk.changed()
            return False
        self._written += 1
        self._last = self.now()
        if self._away:
            self._away, self._since = False, self.now()
            held = f"; held, as it went stale: {len(self._held)}" if self._held else ""
            self.desk.trouble(Level.NOTE, self.settings.device, f"it is told again what the server sends{held}")
        self.desk.changed()
        return True

    def _save(self) -> None:
        counts = {"journaled": self._journaled, "sent": self._written, "skipped": len(self._skipped)}
        self.desk.save(
            Cursor(
                export=self.settings.name,
                peer=self.settings.device,
                start=self._start,
                sent=self._place,
                tcp=self._place,
                held=tuple(sorted({*self._held, *self._released})),
                settled=tuple(self._skipped),
                counts={name: count for name, count in counts.items() if count},
            )
        )

    @property
    def _journaled(self) -> int:
        return self._written + len(self._skipped) + len(self._held) + len(self._released) + len(self._waiting)

    # --- what the operator sees and does ---

    def writer(self) -> ItsWriter:
        """As the ITS tab shows it."""
        return ItsWriter(
            device=self.settings.device,
            export=self.settings.name,
            written=self._written,
            waiting=len(self._waiting) + len(self._released),
            held=len(self._held),
            last=self._last,
        )

    def state(self) -> ExportState:
        """The export as the operator sees it, now."""
        down = self._records.its.why_not(self.settings.device)
        peer = PeerState(
            address=self.settings.device,
            connected=not down,
            since=self._since,
            reason=down,
            journaled=self._journaled,
            sent=self._written,
            tcp=None,
            waiting=len(self._waiting) + len(self._released),
            oldest=next((frame.wall for frame in self._waiting.values()), None),
            held=len(self._held),
            reasons={f"stale: older than {self.settings.stale_after:g} s": len(self._held)} if self._held else {},
            skipped=len(self._skipped),
            note="counted in frames",
        )
        return ExportState(
            name=self.settings.name,
            type=self.settings.type,
            where=self.settings.device,
            state="down" if down else "up",
            reason=down,
            peers=(peer,),
            **figures([peer], self._journaled),
        )

    def fate(self, passing: Passing) -> list[tuple[str, str]]:
        """What became of the frame that told a passing."""
        device, frame = self.settings.device, passing.frame
        if self.settings.connection != self.settings.software or not self._records.its.is_source(passing.device):
            return [("", f"{device} is told what the server sends for it")]
        if frame <= self._start:
            return [(device, "came before this export")]
        if frame in self._held or frame in self._skipped:
            return [(device, "held" if frame in self._held else "skipped")]
        return [(device, "waiting" if frame > self._place or frame in self._released else "sent")]

    def release(self, held: list[int], peer: str | None = None) -> int:
        """Write these held frames (none given: all) after all."""
        chosen = self._chosen(held, peer)
        self._released.extend(chosen)
        self._stir.set()
        return len(chosen)

    def skip(self, held: list[int], peer: str | None = None) -> int:
        """Never write these held frames (none given: all)."""
        chosen = self._chosen(held, peer)
        self._skipped.update(dict.fromkeys(chosen))
        self._save()
        return len(chosen)

    def _chosen(self, held: list[int], peer: str | None) -> list[int]:
        chosen = [seq for seq in self._held if not held or seq in held] if peer in (None, self.settings.device) else []
        for seq in chosen:
            del self._held[seq]
        self.desk.changed()
        return chosen


def _is_for_timers(data: str) -> bool:
    """Times, results and speeds, but no answers (`A*`): nobody far away commands a timer here, or sets its clock
    (`!T`)."""
    found = read(data.encode("ascii"))
    return found is not None and is_passed_on(found[0]) and not data.startswith("A")
