"""The External Clock port of the TIME MACHINE: a device of its own, that shows a clock and times nobody."""

from typing import ClassVar, Literal

from console.codecs import timemachine as codec
from console.codecs.piece import Piece
from console.codecs.timemachine_word import WordWatch
from console.devices.driver import DeviceSettings, Driver
from console.devices.timemachine_lines import explained, only_record
from console.model import Heard

TICK = 3.0
"""Seconds without a line after which a running clock, which speaks each second, is silent."""


class ExternalClockSettings(DeviceSettings, frozen=True, kw_only=True):
    """Of the External Clock port, whose speed the manual does not give. Its codes need all 8 bits."""

    data_bits: Literal[8] = 8
    stop_bits: Literal[1, 2] = 2
    strip: bool = False
    """Show the clock in the console's strip."""


class ExternalClock(Driver[ExternalClockSettings]):
    """What the timer's Time Clock shows: set, counting up or counting down."""

    settings_type: ClassVar = ExternalClockSettings
    shown: ClassVar = "TIME MACHINE clock"

    def opened(self) -> None:
        """Nothing is known yet."""
        self._decoder = codec.ClockDecoder()
        self._watch = WordWatch()
        self._running = False
        self.facts = {}

    def receive(self, data: bytes, wall: int) -> list[Heard]:
        """Every line that `data` completes."""
        del wall
        return [self._heard(piece) for piece in self._decoder.receive(data)]

    def lost(self) -> list[Heard]:
        """The line that was still open. What the clock shows now is not known any more."""
        heard = [self._heard(piece) for piece in self._decoder.flush()]
        self._running = False
        self.facts = {}
        return heard

    def silence(self) -> float | None:
        """A clock that is set but does not run has nothing to say; a running one speaks each second."""
        if self.settings.silent_after is None:
            return TICK if self._running else None
        return super().silence()

    @classmethod
    def explain(cls, raw: bytes) -> dict[str, str]:
        """State and time."""
        return explained(raw, only_record(codec.ClockDecoder(), raw))

    def _heard(self, piece: Piece[codec.Clock]) -> Heard:
        if piece.record is None:
            return Heard(raw=piece.raw, label="garbage", flaw=self._flaw(piece))
        self._watch.read()
        state, time = piece.record.state, piece.record.time
        self._running = state != "set"
        self.facts = {"clock": time, "state": f"counting {state}" if self._running else state}
        if self.settings.strip:
            self.facts["strip"] = time
        return Heard(raw=piece.raw, label="CLOCK")

    def _flaw(self, piece: Piece[codec.Clock]) -> str:
        if self._decoder.hint(piece.raw):
            return piece.flaw
        self._watch.failed(piece.raw)
        unreadable = self._watch.unreadable()
        if not unreadable:
            return piece.flaw
        own = f'baud = {self.settings.baud} in [[device]] "{self.settings.name}"'
        return f"unreadable: {unreadable}; {own} may be wrong: the manual does not tell the speed of this port"
