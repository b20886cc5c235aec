"""An OTIMCON RFID station: introduces itself when the link opens, is kept awake, and tells who punched when."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta

from console.codecs.otimcon import CONTROL_MODES, FINISH, START, Decoder, card_full, encode
from console.codecs.otimcon_records import (
    CardError,
    CardFull,
    Control,
    Mode,
    NoRtc,
    Pong,
    Punch,
    Readout,
    ReadoutEnd,
    Record,
    Starting,
    Time,
    UnknownArgument,
    Version,
)
from console.codecs.piece import Piece
from console.devices.driver import CommandError, DeviceSettings, Driver, Outlet, Reply
from console.model import SECOND, Basis, CommandInfo, Fact, Heard, Kind, Order, Origin, Reading

BOOT = 2.5
"""Seconds that a board needs to start after a reset; what it gets meanwhile is lost (section 3)."""
ANSWER = 2.0
"""Seconds to wait for an answer. A card that is just being served takes most of a second."""
RETOUCH = 30 * SECOND
"""The same card at the same control again within this time: printed, but nothing is written to the card (section 4)."""
DAY = 86_400
WAKE_GAP, WAKE_FOR = 0.04, 3.0
"""A sleeping station listens for some 30 ms at a time, and misses what is sent meanwhile (section 7)."""

NAMED_CONTROLS = {"251": "Start", "252": "Finish"}
"""Controls that the firmware names (section 2)."""

_LABELS = {
    "Prompt": "prompt",
    "Blank": "blank",
    "CardSeen": "card",
    "ReadoutLine": "readout line",
    "ReadoutEnd": "readout end",
    "PrintLine": "ticket",
    "Pong": "PONG",
    "BackupBegin": "backup",
    "BackupLine": "backup line",
    "BackupEnd": "backup end",
    "BackupReset": "backup reset",
    "CardError": "card error",
    "CardFull": "card full",
    "Warned": "warning",
    "UnknownArgument": "unknown argument",
    "NoRtc": "no clock",
    "DebugText": "debug",
}
"""Where it is not simply the record's name in lower case."""

_SHOWN = ("version", "mode", "control", "clock", "ping")
"""The order of `facts`."""


class OtimconSettings(DeviceSettings, frozen=True, kw_only=True):
    """Settings of a station. `baud`: 38400 for 0.2 and 0.22, 9600 up to 0.16 and for 0.21, 19200 for 0.17 to 0.19."""

    baud: Literal[4800, 9600, 19200, 38400, 57600, 115200] = 38400
    keep_awake: Annotated[float, Meta(ge=0, le=60)] = 4
    """Seconds between PINGs; 0: none. A low-power build falls asleep 13 s after the last one."""


class Otimcon(Driver[OtimconSettings]):
    """One station. One command at a time: its receive ring holds 63 bytes, emptied only every 28 ms (section 1)."""

    settings_type = OtimconSettings
    shown = "OTIMCON"
    hangup = False
    commands: ClassVar[tuple[CommandInfo, ...]] = (CommandInfo(words="PING", help="ask whether the station is awake"),)

    def __init__(self, settings: OtimconSettings, outlet: Outlet, changed: Callable[[], None] = lambda: None) -> None:
        super().__init__(settings, outlet, changed)
        self._decoder = Decoder()
        self._asking = asyncio.Lock()
        self._question = ""
        self._answer: asyncio.Future[Record] | None = None
        self._alive = asyncio.Event()
        """Something was understood since this was last cleared."""
        self._restarted = asyncio.Event()

    # --- what comes in ------------------------------------------------------------------------------------------

    def opened(self) -> None:
        """Forget half lines, and what the station said before it may have been reset."""
        self._decoder = Decoder()
        self._restarted.clear()
        self.facts.clear()

    def receive(self, data: bytes, wall: int) -> list[Heard]:
        """Cut and decode a chunk that arrived at `wall`."""
        return [self._heard(piece, wall) for piece in self._decoder.receive(data)]

    def lost(self) -> list[Heard]:
        """Hand out the half line that was still open."""
        return [self._heard(piece, time.time_ns()) for piece in self._decoder.flush()]

    def _heard(self, piece: Piece[Record], wall: int) -> Heard:
        record = piece.record
        if record is None:
            return Heard(raw=piece.raw, label="garbage", flaw=piece.flaw)
        self._learn(record, wall)
        facts, flaw = _facts(record) if not piece.flaw else ((), "")
        return Heard(
            raw=piece.raw,
            label=_label(record),
            facts=facts,
            flaw=piece.flaw or flaw,
            note="" if flaw else _note(record),
        )

    def _learn(self, record: Record, wall: int) -> None:
        self._alive.set()
        match record:
            case Version(number):
                self._say(version=number)
            case Mode(mode, pos):
                self._say(mode=f"{mode}{' POS' * pos}{' (ERASES CARDS)' * (mode == 'CLEAR')}")
                if mode not in CONTROL_MODES:
                    self._say(control="")
            case Control(number):
                self._say(control=_control(number))
            case Time(epoch, shown):
                self._say(clock=shown if epoch is None else f"{shown}, {_difference(epoch, wall)}")
            case NoRtc():
                self._say(clock="none: the station has halted")
            case Starting():
                self._restarted.set()
        if self._answer is not None and not self._answer.done() and _is_answer(self._question, record):
            self._answer.set_result(record)

    def _say(self, **facts: str) -> None:
        """Bring `facts` up to date; an empty value takes one away."""
        known = {**self.facts, **facts}
        self.facts.clear()
        self.facts.update({word: known[word] for word in _SHOWN if known.get(word)})
        self.changed()

    # --- what goes out ------------------------------------------------------------------------------------------

    async def ask(self, words: str, timeout: float, by: str) -> Record:
        """Send one command and wait for its answer; others wait their turn.

        Raises TimeoutError without an answer, ConnectionError without a link.
        """
        async with self._asking:
            self._question = words
            self._answer = asyncio.get_running_loop().create_future()
            try:
                self.outlet.send(encode(words), by=by, label=words)
                async with asyncio.timeout(timeout):  # not wait_for: before 3.12 it may swallow a cancellation
                    return await self._answer
            finally:
                self._answer = None

    async def command(self, order: Order) -> Reply:
        """Send a command. Only PING is offered."""
        words, by = order.words, order.by
        if words.split() != ["PING"]:
            raise CommandError(f"{self.settings.name}: {words!r} is not offered; offered is PING")
        try:
            answer, ms = await self._ping(by)
        except TimeoutError:
            raise CommandError(
                f"{self.settings.name}: no answer to PING within {ANSWER:g} s; is it on, awake, and at "
                f"{self.settings.baud} baud?"
            ) from None
        how = "PONG" if isinstance(answer, Pong) else "awake, but too old to know PING (0.19 or older),"
        return Reply(ok=True, text=f"{how} after {ms} ms", data={"ms": ms})

    async def _ping(self, by: str) -> tuple[Record, int]:
        """The answer, and the round trip in ms."""
        asked = time.monotonic_ns()
        answer = await self.ask("PING", ANSWER, by)
        ms = (time.monotonic_ns() - asked) // 1_000_000
        self._say(ping=f"answered in {ms} ms")
        return answer, ms

    async def attend(self) -> None:
        """Wait for the board to start, ask who it is, and keep it awake; from the top after every reset."""
        try:
            async with asyncio.timeout(BOOT):
                await self._restarted.wait()
        except TimeoutError:
            await self._wake()
        while True:
            self._restarted.clear()
            await self._watch(introduced=await self._introduce())

    async def _watch(self, *, introduced: bool) -> None:
        """Keep the station awake until it is reset, or answers again after having said nothing at first."""
        misses = 0
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self.settings.keep_awake or None):
                    await self._restarted.wait()
            if self._restarted.is_set():
                return
            try:
                await self._ping("keep-awake")
                misses = 0
            except TimeoutError:
                misses += 1
                self._say(ping="no answer: asleep, off, or another baud rate?")
                if misses & (misses - 1) == 0:  # 1, 2, 4, 8 ...: a dead station shall not fill the journal
                    await self._wake()
            if not introduced and not misses:
                return

    async def _introduce(self) -> bool:
        """Ask for version, mode, control and time; True when all were answered."""
        for words in ("GET VERSION", "GET MODE", "GET CTRL", "GET TIME"):
            if not (await self._answers(words) or await self._answers(words)):
                return False
        return True

    async def _answers(self, words: str) -> bool:
        try:
            await self.ask(words, ANSWER, "keep-awake")
        except TimeoutError:
            return False
        return True

    async def _wake(self) -> None:
        """Send line feeds until the station says something, then let its answers to the rest of them pass."""
        self._alive.clear()
        deadline = time.monotonic() + WAKE_FOR
        gap = 10 * WAKE_GAP  # an awake station answers the first one: no need for more
        async with self._asking:
            while not self._alive.is_set() and time.monotonic() < deadline:
                self.outlet.send(b"\n", by="keep-awake", label="wake")
                try:
                    async with asyncio.timeout(gap):
                        await self._alive.wait()
                except TimeoutError:
                    gap = WAKE_GAP
            await asyncio.sleep(2 * WAKE_GAP)

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
        """What a frame means, field by field. What rests on the frame before it (whose readout it is) is missing."""
        decoder = Decoder()
        pieces = decoder.receive(raw) + decoder.flush()
        full = card_full(raw)
        if full is not None:
            pieces = [Piece(raw, full)]
        meaning: dict[str, str] = {}
        for piece in pieces:
            if piece.record is None:
                meaning["flaw"] = piece.flaw
                continue
            meaning["what"] = " ".join((type(piece.record).__doc__ or "").split()).replace("`", "")
            meaning |= {field: _words(field, value) for field, value in msgspec.structs.asdict(piece.record).items()}
        return meaning


def _is_answer(words: str, record: Record) -> bool:
    """Whether `record` answers the question `words`. There are no request numbers, only kinds of lines."""
    match words:
        case "PING":  # unknown up to 0.19, and proof of life all the same
            return isinstance(record, Pong) or record == UnknownArgument("PING")
        case "GET CTRL":  # outside the control modes, 0.2 and later say which mode it is instead
            return isinstance(record, Control | Mode)
        case _:
            return _label(record) == words.removeprefix("GET ").lower()


def _label(record: Record) -> str:
    name = type(record).__name__
    return _LABELS.get(name, name.lower())


def _facts(record: Record) -> tuple[tuple[Fact, ...], str]:
    """What a good record means for timing, and the flaw that keeps it from meaning anything."""
    match record:
        case Punch(control, uid, epoch):
            if not _is_time(epoch):
                return (), f"{epoch} is no time: look at the station's clock"
            return (_reading(uid, control, epoch, Origin.LIVE),), ""
        # CONTROL_WITH_READOUT ends a readout with % even when the card could not be read (section 4), and so do the
        # readouts of 0.14 to 0.19 (section 8): they prove nothing, so nothing of them is passed on.
        case Readout(str(uid), pairs, complete=True, after_punch=False):
            return tuple(
                _reading(uid, control, epoch, Origin.READOUT)
                for control, epoch in pairs
                if 1 <= control <= 254 and _is_time(epoch)
            ), ""
        case _:
            return (), ""


def _is_time(epoch: int) -> bool:
    """False for what erased or unset memory reads as (-1, 4294967295, 0), and for what overflowed the 32-bit print."""
    return 0 < epoch < 2**31


def _reading(uid: str, control: int, epoch: int, origin: Origin) -> Reading:
    ns = epoch * SECOND
    return Reading(
        kind=Kind.PUNCH,
        identity=f"punch/{uid}/{control}/{epoch}",
        time=str(epoch),
        ns=ns,
        basis=Basis.EPOCH,
        day=epoch // DAY,
        tag=uid,
        channel=str(control),
        origin=origin,
        shared=True,
        series=f"{uid}/{control}",
        position=ns,
        window=RETOUCH,
    )


def _note(record: Record) -> str:
    match record:
        case Punch(0 | 255):
            return "the station has no control number: give it one with SET CTRL"
        case Mode("CLEAR"):
            return "station is in mode CLEAR: every card it sees is ERASED"
        case CardFull(control, uid):
            return f"card {uid} is full: its punch at control {control} is not on it"
        case CardError("card full"):
            return "card full"
        case CardError(text):
            return f"{text}: clear it at a CLEAR station first"
        case NoRtc():
            return "the station has no clock chip and has halted"
        case ReadoutEnd(_, lines):
            return f"readout of {lines} punches not passed on: firmware up to 0.19 ends one the same way after an error"
        case _:
            return ""


def _control(number: int) -> str:
    return {START: f"START ({START})", FINISH: f"FINISH ({FINISH})"}.get(number, str(number))


def _difference(epoch: int, wall: int) -> str:
    """How far a station's clock is off, which knows whole seconds and no time zone.

    The zone it was set in is inferred: zones lie whole quarters of an hour from UTC, so the rest is the clock's error.
    """
    seconds = round(epoch + 0.5 - wall / SECOND)
    quarters = round(seconds / 900)
    if abs(quarters) > 14 * 4:
        days = abs(seconds) / DAY
        return f"{days:.1f} days {'ahead' if seconds > 0 else 'behind'}"
    rest = seconds - 900 * quarters
    hours, minutes = divmod(abs(quarters) * 15, 60)
    zone = "UTC" if not quarters else f"UTC{'+' if quarters > 0 else '-'}{hours:02}:{minutes:02}"
    return f"{rest:+} s as {zone}" if abs(rest) > 1 else f"right to 1 s as {zone}"


def _words(field: str, value: object) -> str:
    """A record's field as the detail view shows it."""
    match value:
        case bool():
            return "yes" if value else "no"
        case int() if field == "epoch":
            return f"{value} = {_date(value)} on the station's clock"
        case tuple():
            return "; ".join(f"{_control(control)} at {_date(epoch)}" for control, epoch in value) or "none"
        case int() if field == "control":
            return _control(value)
        case None:
            return "not said here"
        case _:
            return str(value)


def _date(epoch: int) -> str:
    """Wall-clock digits; never converted, because a station knows no zone."""
    if not _is_time(epoch):
        return "no time"
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%d %H:%M:%S")
