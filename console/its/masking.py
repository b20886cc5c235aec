"""Keeps passwords out of recordings of the server link, wherever its bytes were cut.

The documents give one place to passwords: `PW` in frame 255 of a login (thcom.md, section 3), and four fields of the
docking's settings (section 2.3, parameter 030). A recording is made because the documents may be wrong: so whatever
follows a word like it is masked up to the end of its line, and whatever frame 255 holds. With it goes the checksum,
which would tell of it.
"""

import re

from console.codecs.thcom_link import HEARTBEAT, SAK, STX

_BEFORE = re.compile(
    rb"\x02255[ -~]*\x04(?:PW )?"
    rb"|(?<![A-Z])(?:PW|PWD|PASS|PASSWD|PASSWORD)(?![A-Z])[^ -~\r\n]*[ :=]?"
    rb"|#(?:WP +030|GP) +[38CG] ",
    re.IGNORECASE,
)


class Mask:
    """Masks the pieces of one stream, in order."""

    def __init__(self) -> None:
        self._open = False
        """The end of a masked line has not come yet."""

    def mask(self, raw: bytes) -> tuple[bytes, bool]:
        """The piece as it may be kept, and whether something is masked in it."""
        if self._open and raw != HEARTBEAT and raw[0] not in (STX, SAK):
            self._open = not raw.endswith(b"\n")
            return b"*" + _line_end(raw), True
        if raw[0] == STX:
            self._open = False
        found = _BEFORE.search(raw)
        end = _line_end(raw)
        if not found or found.end() >= len(raw) - len(end):
            # Nothing behind the word yet: the line may go on in the next piece.
            self._open = self._open or bool(found and not end)
            return raw, False
        self._open = not raw.endswith(b"\n")
        checksum = b"\t*" if b"\t" in raw[found.end() :] else b""
        return raw[: found.end()] + b"*" + checksum + end, True


def _line_end(raw: bytes) -> bytes:
    return raw[len(raw.rstrip(b"\r\n")) :]
