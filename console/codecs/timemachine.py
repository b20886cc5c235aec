"""What the TIME MACHINE by Electro-Numerics sends; the Chronomix 737's PRIMARY and SELECT lines are the same.

A line is a code byte below 20H, fixed columns, CR LF (timemachine.md, section 1). `Decoder` reads the RS232 port,
`ClockDecoder` the External Clock port; `encode` writes every line, for simulators and tests.
"""

import re
from abc import ABC, abstractmethod
from typing import ClassVar, Generic, TypeAlias, TypeVar

from msgspec import Struct

from console.codecs.piece import Piece
from console.model import SECOND

LONGEST = 34
"""Bytes of the longest line, SELECT."""

LIMIT = 256
"""Bytes after which a line without an end is garbage."""

XOFF, XON = b"\x13", b"\x11"
"""The only bytes the timer listens to: pause, and go on (section 3)."""

_CENTISECOND = SECOND // 100
LF = 0x0A
_LOW7 = bytes(byte & 0x7F for byte in range(256))


class Start(Struct, frozen=True):
    """The clock was started, showing `time`: 0, or what it was set to before."""

    mode: str
    """`XC` cross-country, `LT` lap timing."""
    time: str
    ns: int


class Event(Struct, frozen=True):
    """The lines that follow belong to this event."""

    event: str
    """Three digits."""


class Place(Struct, frozen=True):
    """A PRIMARY TIME line, or with `select` a SELECT TIME line."""

    select: bool
    chute: int
    place_in_lane: int
    place: int
    """Overall, within the event."""
    time: str
    ns: int
    bib: str = ""
    """The race number of a SELECT line without leading zeros; may have letters (section 2.12). Empty: none."""


class Lap(Struct, frozen=True):
    """A LAP TIME line."""

    lane: int
    lap: int
    """Goes from 30 to 0."""
    total: str
    ns: int
    """Of `total`."""
    split: str
    """MM:SS.hh. Laps of an hour have no column for it (section 2.15): the difference of totals is the truth."""


class RetransmitBegin(Struct, frozen=True):
    """Nothing from here to the end is live."""


class RetransmitEnd(Struct, frozen=True):
    """Live data goes on where it was held back."""


class Clock(Struct, frozen=True):
    """A line of the External Clock port."""

    state: str
    """`set`, or counting `up` or `down`."""
    time: str
    """HH:MM:SS; the line gives it backwards."""
    ns: int


Record: TypeAlias = Start | Event | Place | Lap | RetransmitBegin | RetransmitEnd
R = TypeVar("R")

NAMES = {
    0x19: "START",
    0x00: "EVENT",
    0x17: "PRIMARY",
    0x14: "SELECT",
    0x16: "LAP",
    0x01: "RETRANSMIT",
    0x04: "END RETRANSMIT",
}
"""Code byte -> what its line is called."""

CLOCK_STATES = {0x80: "set", 0x82: "up", 0x84: "down"}
"""Code byte of the External Clock port -> state of the Time Clock."""

# Numbers may be padded with blanks instead of zeros (section 2.16). A fifth digit of the place, which the product page
# promises and the table has no column for, is expected in the blank before it (section 2.13, inferred).
_TIME = rb"(?P<time>[ \d]{2}[ :][ \d]\d:[0-5]\d\.\d\d)"
_PLACE = rb"(?P<chute>[ \d]\d) (?P<lane>[ \d]{2}\d)(?P<place>[ \d]{4}\d) " + _TIME + rb" "
_LINES = {
    0x19: re.compile(rb"\x19(?P<mode>XC|LT) " + _TIME + rb" \r\n"),
    0x00: re.compile(rb"\x00EVENT (?P<event>[ \d]{2}\d)\r\n"),
    0x17: re.compile(rb"\x17" + _PLACE + rb"\r\n"),
    0x14: re.compile(rb"\x14" + _PLACE + rb"  (?P<bib> *[0-9A-Za-z]* *)\r\n"),
    0x16: re.compile(
        rb"\x16(?P<lane>[ \d]\d)   (?P<lap>[ \d]\d) " + _TIME + rb"  (?P<split>[ \d]\d:[0-5]\d\.\d\d)\r\n"
    ),
    0x01: re.compile(rb"\x01START OF RETRANSMIT\r\n"),
    0x04: re.compile(rb"\x04END OF RETRANSMIT\r\n"),
}
_LENGTHS = {0x19: 18, 0x00: 12, 0x17: 27, 0x14: 34, 0x16: 32, 0x01: 22, 0x04: 20}
_CLOCK_LINE = re.compile(rb"[\x80\x82\x84](?:[0-9]{6}|[\x00-\x09]{6})\r\n")


class _Reader(ABC, Generic[R]):
    """Cuts a stream into lines, whatever it consists of.

    A line ends at LF. A code byte in the middle of one says that it was cut short, and begins the next.
    """

    codes: ClassVar[bytes]

    def __init__(self, mask: bool = False) -> None:
        self._mask = mask
        self._open = bytearray()
        """The line that has not ended yet: at most LIMIT bytes, as they came."""
        self._boundary = re.compile(b"[\n" + re.escape(self.codes) + b"]")
        self._first = True

    @property
    def open_line(self) -> bytes:
        """What has come of the line that has not ended yet."""
        return bytes(self._open)

    def receive(self, data: bytes) -> list[Piece[R]]:
        """All lines that `data` completes."""
        view = self._view(data)
        pieces: list[Piece[R]] = []
        start = 0
        for found in self._boundary.finditer(view):
            at = found.start()
            if view[at] == LF:
                self._grow(data[start : at + 1], pieces)
                self._end(pieces)
                start = at + 1
            else:
                self._grow(data[start:at], pieces)
                # Codes right after each other stay together a while: a line break reads as NUL, and may last.
                if self._view(self._open).strip(self.codes) or len(self._open) > LIMIT // 4:
                    self._end(pieces)
                start = at
        self._grow(data[start:], pieces)
        return pieces

    def flush(self) -> list[Piece[R]]:
        """The line that was open when the link was lost; the next one may begin anywhere."""
        pieces: list[Piece[R]] = []
        self._end(pieces)
        self._first = True
        return pieces

    def _view(self, raw: bytes | bytearray) -> bytes | bytearray:
        return raw.translate(_LOW7) if self._mask else raw

    def _grow(self, part: bytes, pieces: list[Piece[R]]) -> None:
        """Add to the open line; hand it out in slices where it gets too long to be one."""
        start = 0
        while len(self._open) + len(part) - start > LIMIT:
            room = LIMIT - len(self._open)
            self._open += part[start : start + room]
            start += room
            self._hand_out(len(self._open), f"no line end within {LIMIT} bytes", pieces)
        self._open += part[start:]

    def _end(self, pieces: list[Piece[R]]) -> None:
        """Read the open line. Codes that its own code follows at once are no lines."""
        view = bytes(self._view(self._open))
        leading = len(view) - len(view.lstrip(self.codes))
        extra = leading if leading == len(view) else leading - 1
        if extra > 0:
            break_ = not view[:extra].strip(b"\x00")
            self._hand_out(extra, "line break (NUL)" if break_ else "cut short", pieces)
            view = view[extra:]
        if not view:
            return
        record = self.parse(view)
        if record is None:
            self._hand_out(len(view), self.what_is_wrong(view), pieces)
            return
        pieces.append(Piece(bytes(self._open), record))
        self._open.clear()
        self._first = False

    def _hand_out(self, count: int, flaw: str, pieces: list[Piece[R]]) -> None:
        """The first `count` bytes of the open line, which are no good line."""
        raw = bytes(self._open[:count])
        del self._open[:count]
        if self._first and self._view(raw)[0] not in self.codes:
            flaw = "joined in the middle of a line"
        self._first = False
        if hint := self.hint(raw):
            flaw = f"{flaw}; {hint}"
        pieces.append(Piece(raw, flaw=flaw))

    @abstractmethod
    def parse(self, line: bytes) -> R | None:
        """What a whole line says; None where it is not one."""

    @abstractmethod
    def what_is_wrong(self, line: bytes) -> str:
        """Why `parse` does not read it."""

    @abstractmethod
    def hint(self, raw: bytes) -> str:
        """What a bad line, as it came, says of the cable."""


class Decoder(_Reader[Record]):
    """Reads the RS232 port. With `mask`, bit 7 of every byte is taken for a parity bit and left out of account."""

    codes = bytes(NAMES)

    def parse(self, line: bytes) -> Record | None:
        """What a whole line says; None where it is not one."""
        pattern = _LINES.get(line[0])
        found = pattern.fullmatch(line) if pattern and len(line) == _LENGTHS[line[0]] else None
        return _record(line[0], found.groupdict()) if found else None

    def what_is_wrong(self, line: bytes) -> str:
        """Why `parse` does not read it."""
        name = NAMES.get(line[0])
        if name is None:
            return "no line of a TIME MACHINE"
        if line[-1] != LF:
            return "cut short"
        if not line.endswith(b"\r\n"):
            return f"{name} line without CR"
        if len(line) != _LENGTHS[line[0]]:
            return f"{name} line of {len(line)} bytes instead of {_LENGTHS[line[0]]}"
        return f"{name} line with wrong columns"

    def hint(self, raw: bytes) -> str:
        """What a bad line, as it came, says of the cable."""
        if _CLOCK_LINE.fullmatch(raw):
            return "this comes from the External Clock port: move the cable to RS232"
        return ""


class ClockDecoder(_Reader[Clock]):
    """Reads the External Clock port. Its codes need all 8 bits.

    The manual does not say whether the digits are ASCII or plain values (section 2.3): both are read.
    """

    codes = bytes(CLOCK_STATES)

    def __init__(self) -> None:
        super().__init__()

    def parse(self, line: bytes) -> Clock | None:
        """What a whole line says; None where it is not one."""
        if not _CLOCK_LINE.fullmatch(line):
            return None
        digits = "".join(str(byte & 0x0F) for byte in reversed(line[1:7]))
        hours, minutes, seconds = int(digits[:2]), int(digits[2:4]), int(digits[4:])
        if minutes > 59 or seconds > 59:
            return None
        ns = (hours * 3600 + minutes * 60 + seconds) * SECOND
        return Clock(CLOCK_STATES[line[0]], f"{digits[:2]}:{digits[2:4]}:{digits[4:]}", ns)

    def what_is_wrong(self, line: bytes) -> str:
        """Why `parse` does not read it."""
        if line[0] not in self.codes:
            return "no external clock line"
        return "cut short" if line[-1] != LF else "malformed external clock line"

    def hint(self, raw: bytes) -> str:
        """What a bad line, as it came, says of the cable."""
        if (pattern := _LINES.get(raw[0])) and pattern.fullmatch(raw):
            return "this comes from the RS232 port: move the cable to External Clock"
        return ""


def _record(code: int, fields: dict[str, bytes]) -> Record | None:
    """The record of a line whose columns are right; None where a number in them is not one."""
    text = {name: value.decode("ascii").strip() for name, value in fields.items()}
    numbers = (text[name] for name in ("chute", "lane", "place", "lap", "event") if name in text)
    ns = clock_ns(text.get("time", "0:00.00"))
    if ns is None or not all(number.isdecimal() for number in numbers):
        return None
    match code:
        case 0x19:
            return Start(text["mode"], text["time"], ns)
        case 0x00:
            return Event(text["event"].zfill(3))
        case 0x16:
            return Lap(int(text["lane"]), int(text["lap"]), text["time"], ns, text["split"])
        case 0x01:
            return RetransmitBegin()
        case 0x04:
            return RetransmitEnd()
    # A number of zeros only is taken for none entered (inferred: no field of zeros has been seen).
    bib = text.get("bib", "").lstrip("0")
    chute, lane, place = int(text["chute"]), int(text["lane"]), int(text["place"])
    return Place(code == 0x14, chute, lane, place, text["time"], ns, bib)


def clock_ns(text: str) -> int | None:
    """A printed time `[[HH:]MM:]SS.hh` in ns; None where it is not one."""
    found = re.fullmatch(r"(?:(\d{1,2}):)?([0-5]?\d):([0-5]\d)\.(\d\d)", text)
    if not found:
        return None
    hours, minutes, seconds, hundredths = (int(part or 0) for part in found.groups())
    return (((hours * 60 + minutes) * 60 + seconds) * 100 + hundredths) * _CENTISECOND


def clock_text(ns: int) -> str:
    """HH:MM:SS.hh of a time below 100 hours, hundredths cut off as a running clock shows them."""
    seconds, hundredths = divmod(ns // _CENTISECOND, 100)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{hundredths:02d}"


def encode(record: Record) -> bytes:
    """The line of a record, padded with zeros as the manual's columns suggest."""
    match record:
        case Start():
            return b"\x19%b %b \r\n" % (record.mode.encode(), _right(record.time, 11))
        case Event():
            return b"\x00EVENT %b\r\n" % record.event.zfill(3).encode()
        case Place():
            # The fifth digit of a place takes the blank's column, see _PLACE.
            line = f"{record.chute:02d} {record.place_in_lane:03d}{f'{record.place:04d}':>5} ".encode()
            line += _right(record.time, 11) + b" "
            if not record.select:
                return b"\x17%b\r\n" % line
            bib = record.bib.zfill(5) if record.bib.isdecimal() else f"{record.bib:>5}"
            return b"\x14%b  %b\r\n" % (line, bib.encode())
        case Lap():
            line = f"{record.lane:02d}   {record.lap:02d} ".encode()
            return b"\x16%b%b  %b\r\n" % (line, _right(record.total, 11), _right(record.split, 8))
        case RetransmitBegin():
            return b"\x01START OF RETRANSMIT\r\n"
        case RetransmitEnd():
            return b"\x04END OF RETRANSMIT\r\n"


def encode_clock(clock: Clock, ascii_digits: bool = True) -> bytes:
    """A line of the External Clock port."""
    code = next(code for code, state in CLOCK_STATES.items() if state == clock.state)
    digits = clock.time.replace(":", "")[::-1].encode()
    return bytes((code,)) + (digits if ascii_digits else bytes(digit & 0x0F for digit in digits)) + b"\r\n"


def _right(text: str, width: int) -> bytes:
    return text.rjust(width).encode()
