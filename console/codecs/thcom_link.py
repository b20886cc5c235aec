"""THCOM08 Extended frames: what docking, GSM Interface and server say to each other (thcom.md, sections 1.4 and 3).

A frame is `STX number protocol source destination [parameter] EOT data TAB CKA CKB CR LF`, an acknowledgement
`ENQ number CR LF`, a heartbeat a single 01. Documented for the devices of 2012; that today's ITS ONLINE TIMING server
speaks it unchanged is inferred. What is inferred about that server stands in `Dialect`, and nowhere else.
"""

import re
from typing import Literal, TypeAlias

from msgspec import Struct

from console.codecs.piece import Piece

HEARTBEAT = b"\x01"
STX, SEP, SAK, TAB = 0x02, 0x04, 0x05, 0x09

LIMIT = 512
"""Bytes of a frame at most. The longest documented message has 60."""

LAST_NUMBER = 212
"""Frame numbers go from 0 to here and begin again, as a CP540's do."""

LOGIN_NUMBERS = {"SN": 253, "UN": 254, "PW": 255}
"""Frame numbers that are kept for the three frames of a login."""

BROADCAST = "00000"

_HEADER = re.compile(rb"(\d{3})(\d)([0-9A-Z]\d{4})([0-9A-Z]\d{4})([ -~]*)")
_ADDRESS = re.compile(r"[0-9A-Z]\d{4}")
_ENDS = re.compile(rb"[\x00\x01\x02\x03\x05-\x08\x0b\x0c\x0e-\x1f]|\n")
"""What ends an open frame: LF, or a byte that is never in one, for which the frame was cut short."""

Check: TypeAlias = Literal["right", "missing", "wrong"]


class Dialect(Struct, frozen=True, kw_only=True):
    """What is inferred about the ITS ONLINE TIMING server (thcom.md, section 3): a first real session will tell."""

    device_type: str = "1"
    """T of a timer's address `TDDDD`. 1 is the CP540; the codes of CP545, TM550 and Pocket Pro are not documented."""
    computer_type: str = "P"
    """T of a computer's address."""
    server: str = "P0000"
    """The server's own address: the guide's log shows it as PC 0000."""
    checksums: Literal["required", "lenient", "ignored"] = "lenient"
    """What a frame with a missing or wrong checksum is worth: nothing; taken, and said; taken. The three checksums of
    the guide's log do not agree with the documented algorithm (section 1.5), so lenient is the default."""


class Extended(Struct, frozen=True, kw_only=True):
    """A frame with data."""

    number: int
    """0 to 255, valid on one connection and one way only."""
    protocol: str
    """1 THCOM08, 2 transponder, 3 display."""
    source: str
    """`TDDDD`: type and four digits."""
    destination: str
    parameter: str
    data: str
    """A message as in basic frames, `#` included."""
    check: Check


class Acknowledged(Struct, frozen=True):
    """The other side has frame `number`."""

    number: int


class Heartbeat(Struct, frozen=True):
    """Idle, but alive."""


Record: TypeAlias = Extended | Acknowledged | Heartbeat


def fletcher(data: bytes) -> str:
    """CKA and CKB over the bytes strictly between STX and TAB, as they are printed (section 1.4)."""
    first = second = 0
    for byte in data:
        first = (first + byte) & 0xFF
        second = (second + first) & 0xFF
    return f"{first:02X}{second:02X}"


def extended(number: int, source: str, destination: str, data: str, *, protocol: str = "1") -> bytes:
    """A whole frame. Raises ValueError where a part does not fit it."""
    if not 0 <= number <= 255:
        raise ValueError(f"frame number {number} is none of 0 to 255")
    for address in (source, destination):
        if not _ADDRESS.fullmatch(address):
            raise ValueError(f"address {address!r} is not a letter or digit and four digits")
    if not data.isascii() or not data.isprintable():
        raise ValueError(f"data {data!r} has characters that no frame can hold")
    body = f"{number:03}{protocol}{source}{destination}".encode() + bytes((SEP,)) + data.encode()
    return bytes((STX,)) + body + bytes((TAB,)) + fletcher(body).encode() + b"\r\n"


def acknowledgement(number: int) -> bytes:
    """What says that frame `number` has arrived."""
    return bytes((SAK,)) + f"{number:03}\r\n".encode()


class Decoder:
    """Cuts a stream into frames, acknowledgements and heartbeats. Memory is bounded, and after garbage it is back in
    step with the next STX, ENQ, 01 or line end.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._scanned = 0

    def receive(self, data: bytes) -> list[Piece[Record]]:
        """All pieces that `data` completes; their `raw`, in order, is the stream."""
        self._buffer += data
        pieces, start = [], 0
        while end := self._end(start):
            pieces.append(_piece(bytes(self._buffer[start:end])))
            start = self._scanned = end
        del self._buffer[:start]
        self._scanned -= start
        return pieces

    def flush(self) -> list[Piece[Record]]:
        """What is left when the link is gone."""
        raw = bytes(self._buffer)
        self._buffer.clear()
        self._scanned = 0
        return [Piece(raw, None, "cut short")] if raw else []

    def _end(self, start: int) -> int:
        """Where the piece that begins at `start` ends; 0: not yet."""
        buffer = self._buffer
        if start >= len(buffer):
            return 0
        if buffer[start] in (HEARTBEAT[0], 0x0A):
            return start + 1
        found = _ENDS.search(buffer, max(start + 1, self._scanned), start + LIMIT)
        if found:
            return found.end() if found[0] == b"\n" or found[0][0] not in (0x01, STX, SAK) else found.start()
        self._scanned = min(len(buffer), start + LIMIT)
        return start + LIMIT if len(buffer) - start >= LIMIT else 0


def _piece(raw: bytes) -> Piece[Record]:
    if raw == HEARTBEAT:
        return Piece(raw, Heartbeat())
    if raw[0] == SAK:
        number = raw[1:].rstrip(b"\r\n")
        if raw.endswith(b"\n") and len(number) == 3 and number.isdigit():
            return Piece(raw, Acknowledged(int(number)))
        return Piece(raw, None, "malformed acknowledgement" if raw.endswith(b"\n") else "cut short")
    if raw[0] != STX:
        return Piece(raw, None, "garbage")
    if not raw.endswith(b"\n"):
        return Piece(raw, None, "cut short" if len(raw) < LIMIT else f"garbage: no line end within {LIMIT} bytes")
    return _frame(raw)


def _frame(raw: bytes) -> Piece[Record]:
    body, _, printed = raw[1:].rstrip(b"\r\n").partition(b"\t")
    head, separator, data = body.partition(bytes((SEP,)))
    found = _HEADER.fullmatch(head)
    if not (separator and found):
        return Piece(raw, None, "malformed header")
    if not data.isascii() or not data.decode("ascii").isprintable():
        return Piece(raw, None, "garbage: control characters, or not ASCII")
    computed = fletcher(body)
    check: Check = "right" if printed.decode("ascii", "replace").upper() == computed else "wrong"
    if not printed:
        check = "missing"
    number, protocol, source, destination, parameter = (part.decode("ascii") for part in found.groups())
    record = Extended(
        number=int(number),
        protocol=protocol,
        source=source,
        destination=destination,
        parameter=parameter,
        data=data.decode("ascii"),
        check=check,
    )
    if int(number) > 255:
        return Piece(raw, None, f"frame number {number} is none of 0 to 255")
    shown = printed.decode("ascii", "backslashreplace")
    return Piece(raw, record, f"checksum: got {shown}, computed {computed}" if check == "wrong" else "")
