"""The RS232 port of the TIME MACHINE, and of the Chronomix 737, whose PRIMARY and SELECT lines are the same.

The timer takes no commands but XON and XOFF: a retransmit is started on its own keys (timemachine.md, section 3).
"""

from collections.abc import Callable
from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from console.codecs import timemachine as codec
from console.codecs.piece import Piece
from console.codecs.timemachine_word import WordWatch, guess_word_setting, settings_for
from console.devices.driver import CommandError, DeviceSettings, Driver, Outlet, Reply
from console.devices.timemachine_flow import FlowControl
from console.devices.timemachine_lines import Told, explained, lap_reading, line_seconds, only_record, place_reading
from console.model import (
    SECOND,
    Argument,
    Basis,
    CommandInfo,
    EventIs,
    Fact,
    Flow,
    Heard,
    Order,
    RetransmitBegin,
    RetransmitEnd,
    Start,
    find,
)

LIMIT = 60
"""Seconds after which a pause ends, unless the operator says another limit."""

LONGEST_LIMIT = 3600

NO_STORE = "A paused timer is not a safe store: nothing says how many lines it can keep waiting"

INFERRED = "(XOFF is documented for the TIME MACHINE; that a 737 obeys it is inferred.)"

LOW_MEANS = "the timer holds its lines if the cable brings this one, and its menu enables the handshake line"

_LEVELS = Argument(name="level", choices=("high", "low"), help="low holds the timer, high lets it send")


class TimeMachineSettings(DeviceSettings, frozen=True, kw_only=True):
    """As set in the timer's RS232 menu."""

    model: Literal["timemachine", "737"] = "timemachine"
    """The Chronomix 737 is known to send PRIMARY and SELECT lines, and nothing is known of others (section 2.19)."""
    baud: Literal[1200, 2400, 4800, 9600] = 9600
    data_bits: Literal[7, 8] = 8
    stop_bits: Literal[1, 2] = 2
    xoff_timeout: Annotated[int, Meta(ge=0, le=99)] = 0
    """Seconds after which a paused timer goes on by itself; 0: off."""
    clock: Literal["race", "day"] = "race"
    """Whether its times count from the start or are the time of day: the lines do not tell (section 2.4)."""


CUT_END = b"\x04END"
"""How a line begins that says END OF RETRANSMIT."""


class TimeMachine(Driver[TimeMachineSettings]):
    """One timer. At 7 data bits, bit 7 is masked: a pty or a bridge may hand the parity bit through."""

    settings_type: ClassVar = TimeMachineSettings
    shown: ClassVar = "TIME MACHINE"
    commands: ClassVar[tuple[CommandInfo, ...]] = (
        CommandInfo(
            words="PAUSE",
            arguments=(
                Argument(name="limit", help=f"seconds, 1 to {LONGEST_LIMIT}", default=str(LIMIT), optional=True),
            ),
            key="p",
            help="XOFF: the timer keeps its lines, XON follows at the limit; a paused timer is not a safe store",
            answered=False,
        ),
        CommandInfo(words="RESUME", key="r", help="XON: the timer goes on", answered=False),
        CommandInfo(
            words="RTS", arguments=(_LEVELS,), key="h", help="raise or drop the handshake line RTS", answered=False
        ),
        CommandInfo(
            words="DTR", arguments=(_LEVELS,), key="t", help="raise or drop the handshake line DTR", answered=False
        ),
    )

    def __init__(
        self, settings: TimeMachineSettings, outlet: Outlet, changed: Callable[[], None] = lambda: None
    ) -> None:
        super().__init__(settings, outlet, changed)
        self._told: dict[str, Told] = {}
        """What came of each event since the start."""
        self._control = FlowControl(
            outlet, self._flowed, timeout=settings.xoff_timeout, line_time=line_seconds(codec.LONGEST, settings)
        )
        self._last = 0
        """Wall ns of the last bytes, or of the opening."""
        self._forget()
        self.flow = self._control.flow

    def opened(self) -> None:
        """Say XON: whoever was here before may have left the timer paused."""
        self._forget()
        self._last = self.outlet.wall()
        self.facts = {"model": "Chronomix 737"} if self.settings.model == "737" else {}
        if self.settings.xoff_timeout:
            self.facts["XOFF timeout"] = f"{self.settings.xoff_timeout} s"
        self._control.opened()
        self.lines_changed(self.outlet.lines())

    def _forget(self) -> None:
        """A link begins: nothing is known."""
        masked = self.settings.data_bits == 7
        self._decoder = codec.Decoder(mask=masked)
        self._watch = WordWatch(masked)
        self._wrong = ""
        """What the settings were found to be wrong in: a word setting, or `unreadable`."""
        self._event = self._event_before = ""
        self._retransmit = False
        self._began = 0
        """Wall ns of the START OF RETRANSMIT."""
        self._flows = False
        """A line has come, or a pause has ended."""

    def receive(self, data: bytes, wall: int) -> list[Heard]:
        """Every line that `data` completes."""
        self._last = wall
        heard = [self._heard(piece, wall) for piece in self._decoder.receive(data)]
        if self._is_garbage(self._decoder.open_line):
            heard += [self._heard(piece, wall) for piece in self._decoder.flush()]
        return heard

    def lost(self) -> list[Heard]:
        """The line that was still open."""
        heard = [self._heard(piece, self._last) for piece in self._decoder.flush()]
        self._control.lost()
        self.facts["state"] = "no link"
        return heard

    async def attend(self) -> None:
        """Hold a pause up against the timer's own timeout, and end it."""
        await self._control.keep()

    def silence(self) -> float | None:
        """A timer that has to wait is silent, and that counts from XON on."""
        normal = super().silence()
        if normal is None or self._control.held:
            return None
        return normal + (self._control.idle_since(self._last) - self._last) / SECOND

    async def command(self, order: Order) -> Reply:
        """Pause, go on, raise or drop a line. The timer answers none of it."""
        info, arguments = find(self.commands, order.words)
        match info.words:
            case "PAUSE":
                return Reply(ok=None, text=self._pause(order, arguments))
            case "RESUME":
                told = self._control.resume(order.by)
                low = f"; but {' and '.join(self._control.low)} low may still hold it" if self._control.low else ""
                return Reply(ok=None, text=f"XON sent: {told}{low}")
            case line:
                self._control.set_line(line, arguments[0] == "high", order.by, order.console)
                means = f": {LOW_MEANS}; `{line} high` ends it" if arguments[0] == "low" else ""
                return Reply(ok=None, text=f"{line} is {arguments[0]}{means}")

    def left(self, console: int) -> None:
        """What that console paused, or held by a line, goes on."""
        self._control.left(console)

    def lines_changed(self, lines: dict[str, bool | None]) -> None:
        """A line of the timer's that is low may explain a silence; one that a cable does not bring is always low."""
        low = [name for name in ("CTS", "DSR") if lines.get(name) is False]
        self.facts.pop("handshake", None)
        if low:
            self.facts["handshake"] = f"{' and '.join(low)} low: is the timer on, and its cable in?"

    def refill(self) -> str:
        """What it costs to fill a hole of the event in force."""
        if self.settings.model == "737":
            return "no retransmit of a 737 is known of: take the place from its own record"
        event = self._event_before if self._retransmit else self._event
        told = self._told.get(event)
        seconds = told.retransmit_seconds(self.settings) if told else None
        cost = f"takes about {_about(seconds)}" if seconds else "brings it"
        of = f" of event {event.lstrip('0') or '0'}" if event else ""
        return f"a retransmit{of} {cost}, live lines wait meanwhile: after the rush"

    @classmethod
    def explain(cls, raw: bytes) -> dict[str, str]:
        """The fields of a line, also of one whose bit 7 is a parity bit; what is wrong with any other."""
        if raw in (codec.XON, codec.XOFF):
            return {"line": "XON: go on" if raw == codec.XON else "XOFF: pause"}
        plain, masked = (only_record(codec.Decoder(mask), raw) for mask in (False, True))
        fields = explained(raw, plain or masked)
        if not plain and (word := guess_word_setting(raw)):
            fields["bit 7"] = f"parity: the timer is set to {word}"
        return fields

    # --- lines ---

    def _heard(self, piece: Piece[codec.Record], wall: int) -> Heard:
        record, raw = piece.record, piece.raw
        self._follow_timing()
        if record is None:
            flaw = self._flaw(piece)
            label = "garbage" if self._wrong else _label(raw, self.settings.data_bits == 7)
            # No other line begins like this: what is left of an END line is enough to know that live lines follow.
            ends = self._retransmit and not self._wrong and raw[:4] == CUT_END
            if ends:
                self._end_retransmit()
            heard = Heard(raw=raw, label=label, flaw=flaw, facts=(RetransmitEnd(),) if ends else ())
        else:
            self._watch.read()
            self._wrong, self._flows = "", True
            self.facts.pop("handshake", None)
            heard = self._read(record, raw)
        if record is not None or raw[-1] & 0x7F == codec.LF:
            self._control.line_came(wall)
            self.flow = self._control.flow
        self._show()
        return heard

    def _read(self, record: codec.Record, raw: bytes) -> Heard:
        """A line without flaw."""
        label = _label(raw, self.settings.data_bits == 7)
        if self.settings.model == "737" and not isinstance(record, codec.Place):
            here = f'for a TIME MACHINE, take model = "737" out of [[device]] "{self.settings.name}"'
            return Heard(raw=raw, label=label, flaw=f"not a line of the 737: {label}; {here}")
        fact = self._fact(record)
        self._remember(fact)
        if isinstance(record, codec.Place | codec.Lap):
            told = self._told.setdefault(self._event, Told())
            told.add(len(raw), record.place if isinstance(record, codec.Place) else 0, again=self._retransmit)
        return Heard(raw=raw, label=label, facts=(fact,))

    def _fact(self, record: codec.Record) -> Fact:
        basis = Basis.DAY if self.settings.clock == "day" else Basis.RACE
        match record:
            case codec.Start(mode, time, ns):
                return Start(time=time, ns=ns, basis=basis, mode=mode)
            case codec.Event(event):
                return EventIs(event)
            case codec.Place():
                return place_reading(record, basis)
            case codec.Lap():
                return lap_reading(record, basis)
            case codec.RetransmitBegin():
                return RetransmitBegin()
            case codec.RetransmitEnd():
                return RetransmitEnd()

    def _remember(self, fact: Fact) -> None:
        """Keep what the device's tab shows. After a retransmit the event before it is in force again (section 2.8)."""
        match fact:
            case Start(time=time, mode=mode):
                kind = "time of day" if self.settings.clock == "day" else "race clock"
                self.facts["clock"] = f"{kind}, START {mode} {time}"
                self._told.clear()
                self._end_retransmit()  # a START is never told again: if one was under way, it was cut off
            case EventIs(event):
                self._event = event
            case RetransmitBegin():
                if not self._retransmit:
                    self._event_before, self._began = self._event, self._last
                self._retransmit = True
            case RetransmitEnd():
                self._end_retransmit()
        if self._event:
            self.facts["event"] = self._event

    def _follow_timing(self) -> None:
        """A retransmit is over when timing holds it for cut off, too: without its END line, nobody else tells."""
        told = self.outlet.retold() if self._retransmit else None
        if told is not None and told.ended and told.since >= self._began:
            self._end_retransmit()

    def _end_retransmit(self) -> None:
        if self._retransmit:
            self._event, self._retransmit = self._event_before, False

    # --- the word setting ---

    def _is_garbage(self, open_line: bytes) -> bool:
        """Whether a line that has not ended can be given up, because the settings are found to be wrong."""
        if self._wrong or not open_line:
            return False
        too_long = len(open_line) > codec.LONGEST and bool(self._watch.unreadable(open_line))
        return too_long or self._watch.word(open_line) is not None

    def _flaw(self, piece: Piece[codec.Record]) -> str:
        """What is wrong with a frame; at length only with the first of those that the settings are to blame for."""
        if self._decoder.hint(piece.raw):
            return piece.flaw
        self._watch.failed(piece.raw)
        word, unreadable = self._watch.word(), self._watch.unreadable()
        was, self._wrong = self._wrong, word or self._wrong or ("unreadable" if unreadable else "")
        if not self._wrong:
            return piece.flaw
        where = f'[[device]] "{self.settings.name}"'
        if word:
            told = f"wrong word setting: the timer sends {word}"
            here = f"set {settings_for(word)} in {where}, or {self._word()} in the timer's RS232 menu"
            return told if was == word else f"{told}: {here}"
        if self._wrong != "unreadable":
            return "wrong word setting: not readable"
        here = f"compare baud = {self.settings.baud} and {self._word()} of {where} with the timer's RS232 menu"
        return "unreadable: no valid line" if was else f"unreadable: {unreadable}; {here}"

    def _word(self) -> str:
        """The word setting of the timer that would fit ours: it always sends two stop bits."""
        return f"{self.settings.data_bits}{self.settings.parity[:1].upper()}2"

    # --- what is shown ---

    def _flowed(self, flow: Flow) -> None:
        self._flows = self._flows or (self.flow is not None and self.flow.paused_at is not None)
        self.flow = flow
        self._show()
        self.changed()

    def _show(self) -> None:
        own = self.settings
        self.facts["line"] = f"{own.baud} {own.data_bits}{own.parity[:1].upper()}{own.stop_bits}"
        if self._wrong == "unreadable":
            self.facts["line"] += f": {self._watch.unreadable()}"
        elif self._wrong:
            self.facts["line"] += f", but the timer is set to {self._wrong}"
        flows = "RETRANSMIT" if self._retransmit else "FLOWING" if self._flows else "XON sent"
        self.facts["state"] = self._control.words or flows

    def _pause(self, order: Order, arguments: list[str]) -> str:
        limit = _limit(arguments[0]) if arguments else LIMIT
        self._control.pause(limit, order.by, order.console)
        told = f"XOFF sent, XON follows in {limit} s at the latest. {NO_STORE}."
        return f"{told} {INFERRED}" if self.settings.model == "737" else told


def _limit(text: str) -> int:
    if text.isascii() and text.isdecimal() and len(text) < 6 and 1 <= int(text) <= LONGEST_LIMIT:
        return int(text)
    raise CommandError(f"PAUSE [limit]: limit must be seconds, a whole number from 1 to {LONGEST_LIMIT} (got {text!r})")


def _label(raw: bytes, mask: bool) -> str:
    code = raw[0] & 0x7F if mask else raw[0]
    return codec.NAMES.get(code, "garbage") if len(raw) > 1 else "garbage"


def _about(seconds: float) -> str:
    """A duration as a guess is told: `4 s`, `70 s`, `6 min`."""
    if seconds < 20:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds, -1):.0f} s" if seconds < 180 else f"{round(seconds / 60)} min"
