"""An OTIMCON RFID station: introduces itself when the link opens, is kept awake, and tells who punched when."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from console.codecs.otimcon import CONTROL_MODES, Decoder
from console.codecs.otimcon_records import Control, Mode, NoRtc, Pong, Record, Time, Version
from console.codecs.piece import Piece
from console.devices import otimcon_words as words_of
from console.devices.driver import CommandError, DeviceSettings, Driver, Outlet, Reply
from console.devices.otimcon_cards import Cards
from console.devices.otimcon_station import ANSWER, OURS, Station
from console.devices.otimcon_workflow import Workflow
from console.model import SECOND, CommandInfo, Heard, Order, Risk, Sheet, find

BOOT = 2.5
"""Seconds that a board needs to start after a reset; what it gets meanwhile is lost (section 3)."""

WORKFLOWS: tuple[type[Workflow], ...] = (Cards,)
"""What a station offers beyond single commands."""

NAMED_CONTROLS = {"251": "Start", "252": "Finish"}
"""Controls that the firmware names (section 2)."""

_SHOWN = ("version", "mode", "control", "awake", "clock", "ping")
"""The order of `facts`."""


class OtimconSettings(DeviceSettings, frozen=True, kw_only=True):
    """Settings of a station. `baud`: 38400 for 0.2 and 0.22, 9600 up to 0.16 and for 0.21, 19200 for 0.17 to 0.19."""

    baud: Literal[4800, 9600, 19200, 38400, 57600, 115200] = 38400
    keep_awake: Annotated[float, Meta(ge=0, le=60)] = 4
    """Seconds between PINGs; 0: none. A low-power build falls asleep 13 s after the last one."""


class Otimcon(Driver[OtimconSettings]):
    """One station. It decodes and learns; whoever wants to ask or tell it something talks to its `station`."""

    settings_type = OtimconSettings
    shown = "OTIMCON"
    hangup = False
    commands: ClassVar[tuple[CommandInfo, ...]] = (
        CommandInfo(words="PING", help="ask whether the station is awake"),
        *(command for workflow in WORKFLOWS for command in workflow.commands),
    )

    def __init__(self, settings: OtimconSettings, outlet: Outlet, changed: Callable[[], None] = lambda: None) -> None:
        super().__init__(settings, outlet, changed)
        self.station = Station(outlet, self._state_changed)
        self._decoder = Decoder()
        self.workflows = tuple(workflow(self, self.station) for workflow in WORKFLOWS)

    # --- what comes in ------------------------------------------------------------------------------------------

    def opened(self) -> None:
        """Forget half lines, and what the station said before it may have been reset."""
        self._decoder = Decoder()
        self.station.opened()
        self.facts.clear()
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
        return heard

    def _heard(self, piece: Piece[Record], wall: int) -> Heard:
        record = piece.record
        if record is None:
            for workflow in self.workflows:
                workflow.heard(piece)
            return Heard(raw=piece.raw, label="garbage", flaw=piece.flaw)
        self._learn(record, wall)
        self.station.heard(record)
        facts, flaw = words_of.facts(record) if not piece.flaw else ((), "")
        for workflow in self.workflows:
            facts += workflow.heard(piece)
        return Heard(
            raw=piece.raw,
            label=words_of.label(record),
            facts=facts,
            flaw=piece.flaw or flaw,
            note="" if flaw else words_of.note(record),
        )

    def _learn(self, record: Record, wall: int) -> None:
        match record:
            case Version(number):
                self._say(version=number)
            case Mode(mode, pos):
                self._say(mode=f"{mode}{' POS' * pos}{' (ERASES CARDS)' * (mode == 'CLEAR')}")
                if mode not in CONTROL_MODES:
                    self._say(control="")
            case Control(number):
                self._say(control=words_of.control_name(number))
            case Time(epoch, shown):
                self._say(clock=shown if epoch is None else f"{shown}, {_difference(epoch, wall)}")
            case NoRtc():
                self._say(clock="none: the station has halted")

    def _say(self, **facts: str) -> None:
        """Bring `facts` up to date; an empty value takes one away."""
        known = {**self.facts, "awake": self.station.state, **facts}
        self.facts.clear()
        self.facts.update({word: known[word] for word in _SHOWN if known.get(word)})
        self.changed()

    def _state_changed(self) -> None:
        self._say()

    # --- what goes out ------------------------------------------------------------------------------------------

    async def command(self, order: Order) -> Reply:
        """See Driver."""
        info, values = find(self.commands, order.words)
        try:
            for workflow in self.workflows:
                if info in workflow.commands:
                    return await workflow.run(info, values, order)
            answer, ms = await self._ping(order.by)
        except TimeoutError:
            raise CommandError(
                f"{self.settings.name}: no answer to {info.words} within {ANSWER:g} s; is it on, awake, and at "
                f"{self.settings.baud} baud?"
            ) from None
        how = "PONG" if isinstance(answer, Pong) else "awake, but too old to know PING (0.19 or older),"
        return Reply(ok=True, text=f"{how} after {ms} ms", data={"ms": ms})

    def risk(self, words: str) -> Risk:
        """See Driver."""
        info, values = find(self.commands, words)
        for workflow in self.workflows:
            if info in workflow.commands:
                return workflow.risk(info, values)
        return super().risk(words)

    def stop(self, by: str) -> list[str]:
        """See Driver."""
        return [stopped for workflow in self.workflows if (stopped := workflow.stop(by))]

    def sheet(self, name: str) -> Sheet:
        """See Driver."""
        for workflow in self.workflows:
            if sheet := workflow.sheet(name):
                return sheet
        return super().sheet(name)

    async def _ping(self, by: str) -> tuple[Record, int]:
        """The answer, and the round trip in ms."""
        async with self.station.turn(by, ready=by != OURS) as turn:
            asked = time.monotonic_ns()
            answer = await turn.ping()
        ms = (time.monotonic_ns() - asked) // 1_000_000
        self._say(ping=f"answered in {ms} ms")
        return answer, ms

    async def attend(self) -> None:
        """Wait for the board to start, ask who it is, and keep it awake; from the top after every reset."""
        restarted = self.station.restarted
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
        misses = 0
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self.settings.keep_awake or None):
                    await self.station.restarted.wait()
            if self.station.restarted.is_set():
                return
            try:
                await self._ping(OURS)
                misses = 0
            except TimeoutError:
                self.station.missed()
                misses += 1
                self._say(ping="no answer: asleep, off, or another baud rate?")
                if misses & (misses - 1) == 0:  # 1, 2, 4, 8 ...: a dead station shall not fill the journal
                    with suppress(TimeoutError):
                        async with self.station.turn(OURS):  # which wakes it
                            misses = 0
            if not introduced and not misses:
                return

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
        return max(10.0, 3 * self.settings.keep_awake) if self.settings.keep_awake else None

    @classmethod
    def default_point(cls, channel: str | None) -> str | None:
        """A control is a timing point of its own."""
        return channel and NAMED_CONTROLS.get(channel, f"Ctl {channel}")

    @classmethod
    def explain(cls, raw: bytes) -> dict[str, str]:
        """See Driver."""
        return words_of.explain(raw)


def _difference(epoch: int, wall: int) -> str:
    """How far a station's clock is off, which knows whole seconds and no time zone.

    The zone it was set in is inferred: zones lie whole quarters of an hour from UTC, so the rest is the clock's error.
    """
    seconds = round(epoch + 0.5 - wall / SECOND)
    quarters = round(seconds / 900)
    if abs(quarters) > 14 * 4:
        days = abs(seconds) / words_of.DAY
        return f"{days:.1f} days {'ahead' if seconds > 0 else 'behind'}"
    rest = seconds - 900 * quarters
    hours, minutes = divmod(abs(quarters) * 15, 60)
    zone = "UTC" if not quarters else f"UTC{'+' if quarters > 0 else '-'}{hours:02}:{minutes:02}"
    return f"{rest:+} s as {zone}" if abs(rest) > 1 else f"right to 1 s as {zone}"
