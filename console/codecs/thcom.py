"""THCOM08 basic frames: TAG Heuer and ITS timers on a serial line and on TCP port 7000 (thcom.md, sections 1 and 2).

A frame is `data [TAB [CS16]] CR LF`. `Decoder` cuts a stream into frames and reads them; the
functions below it write them.
"""

import re

from console.codecs.piece import Piece
from console.codecs.thcom_records import Command, KeepAlive, MessageError, Record, Unknown, parse
from console.model import SECOND

LIMIT = 1024
"""Bytes after which a line without an end is garbage. The longest message has about 40."""

KEEP_ALIVE = b"\r\n"
"""What an idle device sends on TCP every few seconds (inferred from three clients; thcom.md, section 1.2)."""

EPOCH_DAY = 10_957
"""2000-01-01, where THCOM08 counts its days from, in days since 1970-01-01."""

_CR, _LF = 0x0D, 0x0A
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_HEX = frozenset(b"0123456789ABCDEFabcdef")


def cs16(data: bytes | str) -> str:
    """Checksum of a basic frame's data as it is printed: the sum of the bytes without a leading `#` (section 1.3)."""
    raw = _bytes(data)
    return f"{sum(raw.removeprefix(b'#')) & 0xFFFF:04X}"


def basic(data: bytes | str, checksum: bool) -> bytes:
    """A whole frame: with `checksum` as on a serial line, without as on TCP."""
    raw = _bytes(data)
    return raw + (b"\t" + cs16(raw).encode() if checksum else b"") + b"\r\n"


class Decoder:
    """Cuts a stream into basic frames and reads them.

    Frames end at LF. A line that begins with LF ends at CR instead: Pocket Pros have been seen to send that order
    (section 5, vector 30). Memory is bounded by LIMIT, work is linear, and frames
    do not depend on how the stream was cut into chunks.
    """

    def __init__(self, serial: bool) -> None:
        self._serial = serial
        self._buffer = bytearray()
        self._scanned = 0
        """How far the buffer is known to hold no end of the open frame."""
        self._overlong = False
        self.checksums = False
        """The other side has sent a good CS16."""

    def receive(self, data: bytes) -> list[Piece[Record]]:
        """All frames that `data` completes."""
        self._buffer += data
        pieces = []
        start = 0
        while end := self._end(start):
            pieces.append(self._piece(bytes(self._buffer[start:end])))
            start = self._scanned = end
        del self._buffer[:start]
        self._scanned -= start
        return pieces

    def flush(self) -> list[Piece[Record]]:
        """What is left when the link is gone: usually half a line."""
        raw = bytes(self._buffer)
        self._buffer.clear()
        self._scanned = 0
        # A CR says that only the LF is missing.
        whole = raw.endswith(b"\r") or not raw.strip(b"\r\n")
        pieces = [self._piece(raw) if whole or self._overlong else Piece[Record](raw, None, "cut short")] if raw else []
        self._overlong = False
        return pieces

    def _end(self, start: int) -> int:
        """Where the frame that begins at `start` ends; 0: not yet."""
        buffer, limit = self._buffer, start + LIMIT
        opened_by_lf = buffer[start : start + 1] == b"\n" and not self._overlong
        first = max(start + opened_by_lf, self._scanned)
        found = buffer.find(_LF, first, limit)
        if opened_by_lf:
            if found == start + 1:  # an empty line of a sender that ends lines with LF only
                return found
            carriage = buffer.find(_CR, first, limit if found < 0 else found)
            found = found if carriage < 0 else carriage
        if found >= 0:
            return found + 1
        self._scanned = min(len(buffer), limit)
        return limit if len(buffer) >= limit else 0

    def _piece(self, raw: bytes) -> Piece[Record]:
        overlong = len(raw) == LIMIT and raw[-1] != _LF
        if overlong or self._overlong:
            self._overlong = overlong
            return Piece(raw, None, f"garbage: no line end within {LIMIT} bytes")
        content = raw.strip(b"\r\n")
        data, tab, printed = content.partition(b"\t")
        flaw = self._check(data, tab, printed)
        if _CONTROL.search(data):
            return Piece(raw, None, flaw or "garbage: control characters")
        try:
            record = parse(data.decode("latin-1"))
        except MessageError as error:
            return Piece(raw, None, flaw or f"malformed {data[:2].decode('latin-1')}: {error}")
        if isinstance(record, Unknown):
            if not data.isascii():
                return Piece(raw, None, flaw or "garbage: not ASCII")
            if not self._serial and len(raw) <= 5:
                record = KeepAlive()
        return Piece(raw, record, flaw)

    def _check(self, data: bytes, tab: bytes, printed: bytes) -> str:
        """What is wrong with a frame's checksum; empty: nothing, or it has none."""
        if not printed:
            # Serial frames always carry the TAB (section 1.1): where checksums were seen, this line lost its end.
            lost = self._serial and self.checksums and data and not tab and not data.startswith(b"#")
            return "checksum missing, although this device sends them" if lost else ""
        computed = cs16(data)
        if len(printed) != 4 or not _HEX.issuperset(printed):
            return f"checksum: got {printed[:8].decode('latin-1')!r}, computed {computed}"
        got = printed.decode().upper()
        if got != computed:
            return f"checksum: got {got}, computed {computed}"
        self.checksums = True
        return ""


# --- writing -------------------------------------------------------------------------------------------------


def print_time(ns: int) -> str:
    """A time in its 14 columns, leading units blanked as CP540 and CP545 do; raises ValueError beyond 99 hours."""
    if not 0 <= ns < 360_000 * SECOND:
        raise ValueError(f"{ns} ns does not fit HH:MM:SS")
    seconds, rest = divmod(ns, SECOND)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    decimals = f"{rest // 10_000:05}"
    if hours:
        text = f"{hours}:{minutes:02}:{seconds:02}.{decimals}"
    elif minutes:
        text = f"{minutes}:{seconds:02}.{decimals}"
    else:
        text = f"{seconds}.{decimals}"
    return text.rjust(14)


def time_line(tag: str, bib: int | str | None, sequence: int, channel: str, ns: int, day: int) -> str:
    """The data of a time (`TN` and its like): 36 columns (section 2.2). `day` counts from 2000-01-01, 0: no date.

    Raises ValueError for a field that its columns cannot hold.
    """
    fields = (_field(bib, 4), _field(sequence, 4), _field(channel, 2), print_time(ns), _field(day, 5))
    return " ".join((tag, *fields))


def result_line(tag: str, number: int | None, bib: int | str | None, ns: int) -> str:
    """The data of RR, GR and DR (`number` is the rank, or the winner), or of IR (the intermediate): 30 columns."""
    head = f"{_field(number, 1)}   " if tag == "IR" else _field(number, 4)
    return f"{tag} {head} {_field(bib, 4)}    {print_time(ns)}"


def speed_line(number: int, bib: int | str | None, speed: float, unit: str) -> str:
    """The data of VE."""
    return f"VE {_field(number, 1)} {_field(bib, 4)} {_field(f'{speed:.3f}', 7)} {unit[:7]}"


def run_line(tag: str, run: int, name: str = "", added: int = 0, total: bool = False) -> str:
    """The data of OP and DS, which name the run, or of CL and DE, which do not."""
    if tag in ("CL", "DE"):
        return f"{tag} {run:02}"
    return f"{tag} {run:02} {'T' if total else ' '}{added:02} {name[:19]:<19}"


def serial_line(serial: int, kind: str, version: str) -> str:
    """The data of SN."""
    return f"SN {serial:05} {kind:<5} {version}"


def command(record: Command) -> str:
    """The data of a command, as a host sends it."""
    return f"#{record.name} {record.text}".rstrip()


def _field(value: int | str | None, width: int) -> str:
    text = "" if value is None else str(value)
    if len(text) > width:
        raise ValueError(f"{text!r} does not fit the {width} columns that THCOM08 has for it")
    return text.rjust(width)


def _bytes(data: bytes | str) -> bytes:
    return data.encode("latin-1", "replace") if isinstance(data, str) else data
