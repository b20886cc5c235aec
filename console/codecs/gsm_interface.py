"""What the GSM Interface program writes to timing software on its local port 7000 (thcom.md, section 4).

Not documented, and inferred: basic frames of THCOM08, of all timers mixed. A checksum behind them may be CS16, or that
of the server link (CKA CKB), which cannot be checked here, for it is over a header that is gone; in the program's own
log it stands right behind the data, without a TAB. So a checksum is taken off, whatever it is, and judges nothing.
"""

import re
from typing import Literal, TypeAlias

from console.codecs import thcom
from console.codecs.piece import Piece
from console.codecs.thcom_records import Record

Checksum: TypeAlias = Literal["", "CS16, right", "not CS16, not checked"]

_GLUED = re.compile(rb"([TA!][N\-*+=CI] .{33}|(?:RR|GR|IR|DR) .*\.\d{5})([0-9A-F]{4})")
"""A time, which has 36 columns, or a result, whose time ends with five decimals; and four digits right behind it."""


def without_checksum(raw: bytes) -> tuple[bytes, bytes, Checksum]:
    """A frame without its checksum; the checksum as it was printed; which one that is."""
    end = raw[len(raw.rstrip(b"\r\n")) :]
    if not end:  # half a line, or garbage
        return raw, b"", ""
    content = raw.strip(b"\r\n")
    data, tab, printed = content.partition(b"\t")
    if not tab and (glued := _GLUED.fullmatch(data)):
        data, printed = glued.groups()
    if not printed:
        return data + end, b"", ""
    right = printed.decode("latin-1").upper() == thcom.cs16(data)
    return data + end, printed, "CS16, right" if right else "not CS16, not checked"


class Decoder(thcom.Decoder):
    """As that of basic frames on TCP, but for checksums."""

    def __init__(self) -> None:
        super().__init__(serial=False)
        self.seen: Checksum = ""
        """The checksum that came last; empty: none has."""

    def _piece(self, raw: bytes) -> Piece[Record]:
        bare, _, checksum = without_checksum(raw)
        piece = super()._piece(bare)
        if checksum and not piece.flaw:
            self.seen = checksum
        return Piece(raw, piece.record, piece.flaw)
