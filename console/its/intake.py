"""What crosses the wire of a connection, on its way to the journal; and what the server must still remember."""

import re
from collections.abc import Iterable
from typing import Protocol

from console.codecs.thcom_link import LOGIN_NUMBERS, Decoder, Extended
from console.devices.hush import Hush
from console.its.masking import Mask
from console.model import SECOND, Direction, Draft, Frame, Level, Trouble

DEVICE = "its"
"""Under this name the journal has what the server itself says, and what we send."""

MOST_UNSAFE = 2000
"""Frames that may wait for the disk before no more are read."""

_LOGIN = re.compile(rb"(?<=\x04)(UN|PW) [^\r\n]*")


class Host(Protocol):
    """What the engine does for a connection."""

    def frame(self, draft: Draft) -> bool:
        """Journal a frame."""

    def keeps_up(self) -> bool:
        """Whether the journal writes what it is given."""

    def trouble(self, level: Level, source: str, text: str) -> None:
        """Journal an incident."""

    def wall(self) -> int:
        """Now, ns since the epoch."""

    def mono(self) -> int:
        """Now, ns on the monotonic clock."""

    def changed(self) -> None:
        """A state is no longer what it was."""


class Intake:
    """Journals frames with data, and whatever is no good frame. Acknowledgements and heartbeats are only counted.

    User and password are journaled as `*`, with the checksum that would tell of them.
    """

    def __init__(self, host: Host, serial: str, by: str) -> None:
        self._host = host
        self._serial = serial
        self._by = by
        self._unsafe: dict[bytes, int | None] = {}
        """As journaled -> the number to acknowledge it by; None: it needs none."""
        self._count = 0
        """Frames journaled here that are not safe."""
        self._hush = Hush()
        self._mask = Mask()

    def begin(self) -> None:
        """A connection is about to be made; the server sends again what was not acknowledged on the last one."""
        self._unsafe.clear()
        self._count = 0
        self._mask = Mask()

    def sent(self, data: bytes) -> int:
        """Everything that was written; returns how many frames with data are in it, those of a login not counted."""
        count = 0
        for piece in Decoder().receive(data):
            if isinstance(piece.record, Extended):
                count += piece.record.number not in LOGIN_NUMBERS.values()
                shown = _LOGIN.sub(rb"\1 *", piece.raw)
                self._journal(Direction.TX, shown, piece.record.data[:3].strip(), masked=shown != piece.raw)
        return count

    def came(self, raw: bytes, label: str, *, number: int | None = None, flaw: str = "") -> None:
        """Something came that is no passing's."""
        shown, masked = self._mask.mask(_LOGIN.sub(rb"\1 *", raw))
        self._unsafe[shown] = number
        self._count += self._journal(Direction.RX, shown, label, flaw, masked=masked)

    def came_to(self, raw: bytes, number: int) -> None:
        """A frame came that somebody else journals."""
        self._unsafe[raw] = number

    def holds(self, raw: bytes) -> bool:
        """Whether this frame, which came before, is not safe yet."""
        return raw in self._unsafe

    # --- what is safe ---

    @property
    def full(self) -> bool:
        """Nothing more is to be read for now."""
        return self._count > MOST_UNSAFE

    def safe(self, frames: Iterable[Frame]) -> list[int]:
        """These are on disk; what is to be acknowledged for that."""
        numbers = []
        for frame in frames:
            numbers.append(self._unsafe.pop(frame.raw, None))
            self._count -= self._count > 0 and frame.device == DEVICE and frame.by == self._by
        return [number for number in numbers if number is not None]

    def failing(self) -> list[int]:
        """The disk fails: memory is what there is, and the server need not wait for it; what is to be acknowledged."""
        numbers = [number for number in self._unsafe.values() if number is not None]
        self._unsafe.clear()
        self._count = 0
        return numbers

    # --- words ---

    def unsaid(self) -> None:
        """Count out the incidents that were not told one by one."""
        for kind, count in self._hush.ended(self._host.mono() / SECOND):
            self._host.trouble(Level.WARNING, DEVICE, f"{self._serial}: {kind}: {count} more in the last minute")

    def _journal(self, direction: Direction, raw: bytes, label: str, flaw: str = "", *, masked: bool) -> bool:
        kind = re.sub(r"\d+", "n", flaw.partition(":")[0])
        told = bool(flaw) and self._hush.says(kind, self._host.mono() / SECOND)
        return self._host.frame(
            Draft(
                device=DEVICE,
                direction=direction,
                wall=self._host.wall(),
                mono=self._host.mono(),
                raw=raw,
                label=label,
                flaw=flaw,
                masked=masked,
                by=self._by,
                troubles=(Trouble(Level.WARNING, DEVICE, f"{self._serial}: {flaw}"),) if told else (),
            )
        )
