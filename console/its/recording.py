"""A recording of the server link: one JSON object per line, for a first real session to be looked at, kept and sent.

Each stream is kept as the pieces that the codec cuts it into; their bytes, in order, are the stream, but for masked
passwords. So a later codec, which may know better, can be fed with the recording of an earlier one.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct

from console.codecs.columns import iso, plain
from console.codecs.piece import Piece
from console.codecs.thcom_link import Acknowledged, Check, Decoder, Extended, Heartbeat, Record
from console.its.masking import Mask

LONGEST = 65_536
"""Bytes of a row at most; a piece of a stream has no more than 512, and each has four at most when it is escaped."""

Side: TypeAlias = Literal["client", "server"]


class RecordingError(ValueError):
    """A file that is no recording; says where."""


class Opening(Struct, frozen=True, kw_only=True, tag="recording", tag_field="row"):
    """The first row of what one tap recorded; a file may hold several, one behind the other."""

    wall: int
    """Ns since the epoch."""
    mono: int
    """Ns on the monotonic clock, which does not step."""
    time: str
    """`wall` for people."""
    listen: str
    forward: str
    format: int = 1


class Event(Struct, frozen=True, kw_only=True, tag="event", tag_field="row"):
    """A connection began, ended, or something went wrong with it."""

    wall: int
    mono: int
    time: str
    connection: int
    text: str


class Said(Struct, frozen=True, kw_only=True, tag="said", tag_field="row"):
    """A piece of a stream, when its last byte came."""

    wall: int
    mono: int
    time: str
    connection: int
    by: Side
    raw: str
    """Its bytes; what does not print is escaped, as in `\\x02`. `*` stands for what is masked."""
    masked: bool = False
    words: str = ""
    """What it says, if the documents are right."""
    check: Check | None = None
    """Of a frame, before it was masked."""
    flaw: str = ""

    @property
    def bytes(self) -> bytes:
        """`raw`. Raises ValueError where no bytes are written so."""
        return self.raw.encode("ascii").decode("unicode_escape").encode("latin-1")


Row: TypeAlias = Opening | Event | Said

encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Row).decode


class Stream:
    """What one side of one connection says, as rows."""

    def __init__(self, connection: int, by: Side) -> None:
        self._connection = connection
        self._by: Side = by
        self._decoder = Decoder()
        self._mask = Mask()

    def receive(self, data: bytes, wall: int, mono: int) -> list[Said]:
        """The rows that `data` completes."""
        return [self._said(piece, wall, mono) for piece in self._decoder.receive(data)]

    def end(self, wall: int, mono: int) -> list[Said]:
        """What was left open when the stream ended."""
        return [self._said(piece, wall, mono) for piece in self._decoder.flush()]

    def _said(self, piece: Piece[Record], wall: int, mono: int) -> Said:
        raw, masked = self._mask.mask(piece.raw)
        flaw = piece.flaw
        if masked and flaw.startswith("checksum"):
            flaw = "checksum: wrong"  # and which would be right tells of the password
        return Said(
            wall=wall,
            mono=mono,
            time=str(iso(wall)),
            connection=self._connection,
            by=self._by,
            raw=raw.decode("latin-1").encode("unicode_escape").decode("ascii"),
            masked=masked,
            words=in_words(decoded(raw).record),
            check=piece.record.check if isinstance(piece.record, Extended) else None,
            flaw=flaw,
        )


def decoded(raw: bytes) -> Piece[Record]:
    """One piece, read again."""
    decoder = Decoder()
    pieces = [*decoder.receive(raw), *decoder.flush()]
    return pieces[0] if len(pieces) == 1 else Piece(raw, None, "several pieces")


def in_words(record: Record | None) -> str:
    """What a piece says; empty where it says nothing that is known."""
    match record:
        case Extended() as frame:
            way = f"{frame.source} > {frame.destination}"
            more = f" parameter {frame.parameter!r}" if frame.parameter else ""
            other = f" protocol {frame.protocol}" if frame.protocol != "1" else ""
            return plain(f"frame {frame.number:03}  {way}{other}{more}  {frame.data}")
        case Acknowledged(number):
            return f"has frame {number:03}"
        case Heartbeat():
            return "heartbeat"
    return ""


def in_line(row: Row) -> str:
    """A row for people."""
    when = row.time[11:23]
    match row:
        case Opening():
            return f"{when}  recording {row.listen} > {row.forward}"
        case Event():
            return f"{when}  {row.connection:>3} -- {row.text}"
        case Said():
            arrow = ">" if row.by == "client" else "<"
            said = row.words or row.raw
            check = f"  checksum {row.check}" if row.check else ""
            flaw = f"  !! {row.flaw}" if row.flaw else ""
            return f"{when}  {row.connection:>3} {arrow}  {said}{check}{flaw}"


def read(path: Path) -> Iterator[Row]:
    """The rows of a recording, in order. A last line that was cut off with the tap is left out.

    Raises RecordingError, and OSError where the file cannot be read.
    """
    with path.open("rb") as file:
        empty = True
        for number, line in enumerate(iter(lambda: file.readline(LONGEST), b""), 1):
            try:
                row = _decode(line)
                if isinstance(row, Said):
                    _ = row.bytes
            except ValueError as error:
                if not line.endswith(b"\n") and number > 1 and len(line) < LONGEST:
                    return
                raise RecordingError(
                    f"{path}: line {number} is none that `racedeck its tap` writes: {plain(str(error))}"
                ) from None
            if empty and not isinstance(row, Opening):
                raise RecordingError(f"{path}: line {number} is no beginning of a recording; take the whole file")
            empty = False
            yield row
        if empty:
            raise RecordingError(f"{path}: nothing is recorded in it")
