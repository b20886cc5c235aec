"""The TIME MACHINE: RS232 and External Clock port. The Chronomix 737 has the same PRIMARY and SELECT lines.

The timer takes no commands but XON and XOFF: a retransmit is started on its own keys (timemachine.md, section 3).
"""

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from console.codecs import timemachine as codec
from console.codecs.piece import Piece
from console.devices.driver import DeviceSettings, Driver
from console.model import Basis, EventIs, Fact, Heard, Kind, Reading, RetransmitBegin, RetransmitEnd, Start

CLOCK_TICK = 3.0
"""Seconds without a line after which a running external clock, which speaks each second, is silent."""


class TimeMachineSettings(DeviceSettings, frozen=True, kw_only=True):
    """As set in the timer's RS232 menu."""

    baud: Literal[1200, 2400, 4800, 9600] = 9600
    data_bits: Literal[7, 8] = 8
    stop_bits: Literal[1, 2] = 2
    xoff_timeout: Annotated[int, Meta(ge=0, le=99)] = 0
    """Seconds after which a paused timer goes on by itself; 0: off."""
    clock: Literal["race", "day"] = "race"
    """Whether its times count from the start or are the time of day: the lines do not tell (section 2.4)."""


class ExternalClockSettings(DeviceSettings, frozen=True, kw_only=True):
    """Of the External Clock port, whose speed the manual does not give."""

    data_bits: Literal[8] = 8
    stop_bits: Literal[1, 2] = 2


class TimeMachine(Driver[TimeMachineSettings]):
    """The RS232 port. At 7 data bits, bit 7 is masked: a pty or a bridge may hand the parity bit through."""

    settings_type: ClassVar = TimeMachineSettings
    shown: ClassVar = "TIME MACHINE"

    def opened(self) -> None:
        """Say XON: whoever was here before may have left the timer paused."""
        self._decoder = codec.Decoder(mask=self.settings.data_bits == 7)
        self._event = self._event_before = ""
        self._retransmit = False
        self.facts = {"line": self._line(), "state": "XON sent"}
        self.outlet.send(codec.XON, label="XON")

    def receive(self, data: bytes, wall: int) -> list[Heard]:
        """Every line that `data` completes."""
        del wall  # the lines tell their own time
        return [self._heard(piece) for piece in self._decoder.receive(data)]

    def lost(self) -> list[Heard]:
        """The line that was still open."""
        self.facts["state"] = "no link"
        return [self._heard(piece) for piece in self._decoder.flush()]

    @classmethod
    def explain(cls, raw: bytes) -> dict[str, str]:
        """The fields of a line, also of one whose bit 7 is a parity bit; what is wrong with any other."""
        if raw in (codec.XON, codec.XOFF):
            return {"line": "XON: go on" if raw == codec.XON else "XOFF: pause"}
        plain, masked = (_only_record(codec.Decoder(mask), raw) for mask in (False, True))
        fields = _explain(raw, plain or masked)
        if not plain and (word := codec.guess_word_setting(raw)):
            fields["bit 7"] = f"parity: the timer is set to {word}"
        return fields

    def _heard(self, piece: Piece[codec.Record]) -> Heard:
        if piece.record is None:
            if self.settings.data_bits == 8 and (word := codec.guess_word_setting(piece.raw)):
                self.facts["line"] = f"{self._line()}, but the timer is set to {word}"
            return Heard(raw=piece.raw, label=_label(piece.raw, self.settings.data_bits == 7), flaw=piece.flaw)
        fact = self._fact(piece.record)
        self._remember(fact)
        return Heard(raw=piece.raw, label=_label(piece.raw, self.settings.data_bits == 7), facts=(fact,))

    def _fact(self, record: codec.Record) -> Fact:
        basis = Basis.DAY if self.settings.clock == "day" else Basis.RACE
        match record:
            case codec.Start(mode, time, ns):
                return Start(time=time, ns=ns, basis=basis, mode=mode)
            case codec.Event(event):
                return EventIs(event)
            case codec.Place():
                return _place(record, basis)
            case codec.Lap(lane, lap, total, ns, split):
                return Reading(
                    kind=Kind.LAP,
                    identity=f"lap/{lane}/{lap}/{total}",
                    value=f"{total} {split}",
                    by_event=True,
                    time=total,
                    ns=ns,
                    basis=basis,
                    channel=str(lane),
                    extra={"lane": lane, "lap": lap, "split": split},
                )
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
                self._end_retransmit()  # a START is never told again: if one was under way, it was cut off
            case EventIs(event):
                self._event = event
            case RetransmitBegin():
                self._event_before = self._event_before if self._retransmit else self._event
                self._retransmit = True
            case RetransmitEnd():
                self._end_retransmit()
        self.facts["line"] = self._line()
        self.facts["state"] = "RETRANSMIT" if self._retransmit else "FLOWING"
        if self._event:
            self.facts["event"] = self._event

    def _end_retransmit(self) -> None:
        if self._retransmit:
            self._event, self._retransmit = self._event_before, False

    def _line(self) -> str:
        own = self.settings
        return f"{own.baud} {own.data_bits}{own.parity[:1].upper()}{own.stop_bits}"


class ExternalClock(Driver[ExternalClockSettings]):
    """The External Clock port: what the clock shows. It times nobody."""

    settings_type: ClassVar = ExternalClockSettings
    shown: ClassVar = "TIME MACHINE clock"

    def opened(self) -> None:
        """Nothing is known yet."""
        self._decoder = codec.ClockDecoder()
        self._running = False
        self.facts = {}

    def receive(self, data: bytes, wall: int) -> list[Heard]:
        """Every line that `data` completes."""
        del wall
        return [self._heard(piece) for piece in self._decoder.receive(data)]

    def lost(self) -> list[Heard]:
        """The line that was still open."""
        return [self._heard(piece) for piece in self._decoder.flush()]

    def silence(self) -> float | None:
        """A clock that is set but does not run has nothing to say; a running one speaks each second."""
        if self.settings.silent_after is None:
            return CLOCK_TICK if self._running else None
        return super().silence()

    @classmethod
    def explain(cls, raw: bytes) -> dict[str, str]:
        """State and time."""
        return _explain(raw, _only_record(codec.ClockDecoder(), raw))

    def _heard(self, piece: Piece[codec.Clock]) -> Heard:
        if piece.record is None:
            return Heard(raw=piece.raw, label="garbage", flaw=piece.flaw)
        state = piece.record.state
        self._running = state != "set"
        self.facts = {"clock": piece.record.time, "state": state if state == "set" else f"counting {state}"}
        return Heard(raw=piece.raw, label="CLOCK")


def _place(place: codec.Place, basis: Basis) -> Reading:
    """A finisher: PRIMARY and SELECT lines of the same place join, and share one count of places."""
    where = f"place/{place.chute}/{place.place_in_lane}/{place.place}"
    return Reading(
        kind=Kind.SELECT if place.select else Kind.PLACE,
        identity=f"{where}/{'select' if place.select else 'primary'}",
        value=f"{place.time} {place.bib}" if place.select else place.time,
        by_event=True,
        time=place.time,
        ns=place.ns,
        basis=basis,
        bib=place.bib or None,
        channel=str(place.chute),
        series="place",
        position=place.place,
        join=where,
        extra={"chute": place.chute, "place_in_lane": place.place_in_lane, "place": place.place},
    )


def _label(raw: bytes, mask: bool) -> str:
    code = raw[0] & 0x7F if mask else raw[0]
    return codec.NAMES.get(code, "garbage") if len(raw) > 1 else "garbage"


def _only_record(decoder: codec.Decoder | codec.ClockDecoder, raw: bytes) -> codec.Record | codec.Clock | None:
    """What `raw` says where it is one good line."""
    pieces = [*decoder.receive(raw), *decoder.flush()]
    return pieces[0].record if len(pieces) == 1 else None


def _explain(raw: bytes, record: codec.Record | codec.Clock | None) -> dict[str, str]:
    match record:
        case codec.Start(mode, time):
            return {"line": "START", "mode": {"XC": "cross-country", "LT": "lap timing"}[mode], "clock at start": time}
        case codec.Event(event):
            return {"line": "EVENT", "event": event}
        case codec.Place():
            fields = {
                "line": "SELECT TIME" if record.select else "PRIMARY TIME",
                "chute": str(record.chute),
                "place in lane": str(record.place_in_lane),
                "place": str(record.place),
                "time": record.time,
            }
            return fields | ({"race number": record.bib or "none"} if record.select else {})
        case codec.Lap(lane, lap, total, _, split):
            return {"line": "LAP TIME", "lane": str(lane), "lap": str(lap), "total": total, "split": split}
        case codec.RetransmitBegin():
            return {"line": "START OF RETRANSMIT", "meaning": "what follows is not live"}
        case codec.RetransmitEnd():
            return {"line": "END OF RETRANSMIT", "meaning": "live again"}
        case codec.Clock(state, time):
            return {"line": "EXTERNAL CLOCK", "state": state, "time": time}
        case None:
            return {"line": f"{codec.NAMES.get(raw[0], 'none') if raw else 'none'}, not readable"}
