"""An OTIMCON RFID station: introduces itself when the link opens, is kept awake, and tells who punched when."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from console.codecs.otimcon import CONTROL_MODES, Decoder
from console.codecs.otimcon_records import Control, Mode, NoRtc, Record, Starting, Time, Version, Warned
from console.codecs.piece import Piece
from console.devices import otimcon_words as words_of
from console.devices.driver import CommandError, DeviceSettings, Driver, Outlet, Reply
from console.devices.otimcon_backup import Backup
from console.devices.otimcon_cards import Cards
from console.devices.otimcon_commander import Commander
from console.devices.otimcon_replies import clock
from console.devices.otimcon_setup import Setup
from console.devices.otimcon_station import ANSWER, OURS, Station
from console.devices.otimcon_tickets import Tickets
from console.devices.otimcon_workflow import Workflow
from console.devices.otimcon_write import Write
from console.model import SECOND, CommandInfo, Heard, Order, Risk, Sheet, find

BOOT = 2.5
"""Seconds that a board needs to start after a reset; what it gets meanwhile is lost (section 3)."""

WORKFLOWS: tuple[type[Workflow], ...] = (Commander, Write, Cards, Setup, Backup, Tickets)
"""What a station offers; its tab shows the commands in this order."""

NAMED_CONTROLS = {"251": "Start", "252": "Finish"}
"""Controls that the firmware names (section 2)."""

KEEP_AWAKE = 4.0
"""Seconds between PINGs unless the settings say otherwise: a low-power build falls asleep 13 s after the last one."""

BAUDS = "38400 for 0.2 and 0.22, 19200 for 0.17 to 0.19, 9600 for older ones and 0.21"

_SHOWN = ("version", "mode", "control", "awake", "keep-awake", "pending", "clock", "ping")
"""The order of `facts`; others come after them."""


class OtimconSettings(DeviceSettings, frozen=True, kw_only=True):
    """Settings of a station. `baud`: 38400 for 0.2 and 0.22, 9600 up to 0.16 and for 0.21, 19200 for 0.17 to 0.19."""

    baud: Literal[4800, 9600, 19200, 38400, 57600, 115200] = 38400
    keep_awake: Annotated[float, Meta(ge=0, le=60)] | None = None
    """Seconds between PINGs; 0: none. None: 4, and none on battery."""
    battery: bool = False
    """It runs on a battery, which PINGs would empty: a low-power build sleeps between the cards."""
    printer: str = ""
    """A command that gets each ticket of mode PRINT on its stdin: `lp -d ticket`."""


class Otimcon(Driver[OtimconSettings]):
    """One station. It decodes and learns; whoever wants to ask or tell it something talks to its `station`."""

    settings_type = OtimconSettings
    shown = "OTIMCON"
    hangup = False
    commands: ClassVar[tuple[CommandInfo, ...]] = tuple(
        command for workflow in WORKFLOWS for command in workflow.commands
    )

    def __init__(self, settings: OtimconSettings, outlet: Outlet, changed: Callable[[], None] = lambda: None) -> None:
        super().__init__(settings, outlet, changed)
        usual = 0.0 if settings.battery else KEEP_AWAKE
        pings = usual if settings.keep_awake is None else settings.keep_awake
        self.station = Station(outlet, self._state_changed, keep_awake=pings)
        self._decoder = Decoder()
        self.workflows = tuple(workflow(self, self.station) for workflow in WORKFLOWS)
        self._control = ""
        """Its number; a station keeps it in every mode, and tells it in some."""
        self._missed = 0
        """PINGs without an answer, in a row."""
        self._stirred = asyncio.Event()
        """The next PING may be due at another time."""

    # --- what comes in ------------------------------------------------------------------------------------------

    def opened(self) -> None:
        """Forget half lines, and what the station said before it may have been reset."""
        self._decoder, self._control = Decoder(), ""
        self.facts.clear()
        self.station.opened()
        for workflow in self.workflows:
            workflow.opened()

    def receive(self, data: bytes, wall: int) -> list[Heard]:
        """Cut and decode a chunk that arrived at `wall`."""
        return [self._heard(piece, wall) for piece in self._decoder.receive(data)]

    def lost(self) -> list[Heard]:
        """Hand out the half line that was still open."""
        heard = [self._heard(piece, time.time_ns()) for piece in self._decoder.flush()]
        self.station.lost()
        for workflow in self.workflows:
            workflow.lost()
        self._say(ping="")
        return heard

    def _heard(self, piece: Piece[Record], wall: int) -> Heard:
        record = piece.record
        if record is None:
            self.station.garbled += 1
            for workflow in self.workflows:
                workflow.heard(piece)
            return Heard(raw=piece.raw, label="garbage", flaw=piece.flaw)
        before = self.station.state, self.station.pending
        self.station.heard(record)
        self._learn(record, wall)
        if isinstance(record, Starting) or before != (self.station.state, self.station.pending):
            self._state_changed()
        facts, flaw = words_of.facts(record) if not piece.flaw else ((), "")
        for workflow in self.workflows:
            facts += workflow.heard(piece)
        return Heard(
            raw=piece.raw,
            label=words_of.label(record),
            facts=facts,
            flaw=piece.flaw or flaw,
            note="" if flaw else words_of.note(record),
            clock=seconds * SECOND if isinstance(record, Time) and (seconds := clock(record)) is not None else None,
        )

    def _learn(self, record: Record, wall: int) -> None:
        match record:
            case Version(number):
                self._say(version=number)
            case Mode(mode, pos):
                shown = f"{mode}{' POS' * pos}{' (ERASES CARDS)' * (mode == 'CLEAR')}"
                self._say(mode=shown, control=self._control if mode in CONTROL_MODES else "")
            case Control(number):
                self._control = words_of.control_name(number)
                self._say(control=self._control)
            case Warned():  # SET CTRL in another mode is obeyed, and answered without the number
                self._control = ""
            case Time(epoch, shown):
                self._say(
                    clock=shown
                    if epoch is None
                    else f"{shown}, {words_of.difference(epoch, wall, self.outlet.zone)}, in whole seconds"
                )
            case NoRtc():
                self._say(clock="none: the station has halted")

    def _say(self, **facts: str) -> None:
        """Bring `facts` up to date; an empty value takes one away."""
        pending = f"{self.station.pending}: waiting for its card" if self.station.pending else ""
        pings = f"PING every {self.station.keep_awake:g} s" if self.station.keep_awake else "off"
        now = {"awake": self.station.state, "keep-awake": pings, "pending": pending}
        known = {**dict.fromkeys(_SHOWN, ""), **self.facts, **now, **facts}
        self.facts.clear()
        self.facts.update({word: text for word, text in known.items() if text})
        self.changed()

    def _state_changed(self) -> None:
        self._stirred.set()
        self._say()

    # --- what goes out ------------------------------------------------------------------------------------------

    async def command(self, order: Order) -> Reply:
        """See Driver."""
        info, values = find(self.commands, order.words)
        garbled = self.station.garbled
        try:
            return await self._workflow(info).run(info, values, order)
        except TimeoutError:
            raise CommandError(f"{self.settings.name}: no answer to {info.words}: {self._why(garbled)}") from None

    def _workflow(self, info: CommandInfo) -> Workflow:
        return next(workflow for workflow in self.workflows if info in workflow.commands)

    def _why(self, garbled: int) -> str:
        """Why there may be no answer; `garbled`: how much had made no sense before it was asked."""
        baud = self.settings.baud
        if self.station.garbled > garbled:
            return f"what came makes no sense; is {baud} baud right? It is {BAUDS}"
        return f"it was waited for {ANSWER:g} s, and woken in vain; is it on, its cable whole, and {baud} baud right?"

    def risk(self, words: str) -> Risk:
        """See Driver."""
        info, values = find(self.commands, words)
        return self._workflow(info).risk(info, values)

    def check_file(self, words: str, text: str) -> None:
        """See Driver."""
        info, values = find(self.commands, words)
        self._workflow(info).check_file(info, values, text)

    def stop(self, by: str) -> list[str]:
        """See Driver."""
        return [stopped for workflow in self.workflows if (stopped := workflow.stop(by))]

    def unplugging(self) -> bool:
        """See Driver."""
        return any(workflow.unplugging() for workflow in self.workflows)

    def sheet(self, name: str) -> Sheet:
        """See Driver."""
        for workflow in self.workflows:
            if sheet := workflow.sheet(name):
                return sheet
        return super().sheet(name)

    async def attend(self) -> None:
        """Wait for the board to start, ask who it is, and keep it awake; from the top after every reset."""
        restarted = self.station.restarted
        async with self.station.turn(OURS, ready=False):  # what a starting board gets is lost
            with suppress(TimeoutError):
                async with asyncio.timeout(BOOT):
                    await restarted.wait()
        while True:
            restarted.clear()
            introduced = await self._introduce()
            async with asyncio.TaskGroup() as group:
                going = [group.create_task(workflow.attend()) for workflow in self.workflows if introduced]
                await self._watch(introduced=introduced)
                for task in going:
                    task.cancel()

    async def _watch(self, *, introduced: bool) -> None:
        """Keep the station awake until it is reset, or answers again after having said nothing at first."""
        while not self.station.restarted.is_set():
            if not introduced and self.station.state == "AWAKE":
                return
            if await self._due():
                await self._ping()

    async def _due(self) -> bool:
        """Wait for the next PING's time; False where something else comes first that may matter."""
        self._stirred.clear()
        wait = self.station.keep_awake or self.station.awake_for() or None  # falling asleep is to be shown
        if self.station.restarted.is_set():
            return False
        try:
            async with asyncio.timeout(wait):
                await self._stirred.wait()
        except TimeoutError:
            self._say()
            return self.station.keep_awake > 0
        return False

    async def _ping(self) -> None:
        """PING; wake the station where that is not answered, though ever more seldom: a dead one shall not fill the
        journal."""
        try:
            async with self.station.turn(OURS, ready=False) as turn:
                await turn.ping()
        except TimeoutError:
            self._missed += 1
            self.station.missed()
            self._say(ping="no answer: asleep, off, or another baud rate?")
            if self._missed & (self._missed - 1) == 0:  # 1, 2, 4, 8 ...
                with suppress(TimeoutError):
                    async with self.station.turn(OURS):  # which wakes it
                        self._missed = 0
        else:
            self._missed = 0
            self._say(ping=f"answered in {turn.took * 1000:.0f} ms")

    async def _introduce(self) -> bool:
        """Ask for version, mode, control and time; True when all were answered."""
        with suppress(TimeoutError):
            for words in ("GET VERSION", "GET MODE", "GET CTRL", "GET TIME"):
                await self.station.ask(words, OURS)
            return True
        return False

    def silence(self) -> float | None:
        """Three missed PINGs; without PINGs a station is silent for as long as nobody comes."""
        if self.settings.silent_after is not None:
            return self.settings.silent_after or None
        return max(10.0, 3 * self.station.keep_awake) if self.station.keep_awake else None

    @classmethod
    def default_point(cls, channel: str | None) -> str | None:
        """A control is a timing point of its own."""
        return channel and NAMED_CONTROLS.get(channel, f"Ctl {channel}")

    @classmethod
    def explain(cls, raw: bytes) -> dict[str, str]:
        """See Driver. What we send is one of its commands, which no line of a station looks like."""
        sent = raw.decode("ascii", "replace").strip()
        fitting = [one for one in cls.commands if f"{sent} ".startswith(f"{one.words} ")]
        if fitting:
            one = max(fitting, key=lambda one: len(one.words))
            return {"command": sent, "what": one.help}
        return words_of.explain(raw)
