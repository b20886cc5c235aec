"""Whether a port is read with the speed and word that the timer sends: the bytes tell (timemachine.md, section 4)."""

import re
from typing import Literal, TypeAlias

Word: TypeAlias = Literal["7N2", "7E2", "7O2"]

ENOUGH = 12
"""Bytes from which a parity is read: one line at least, and right by chance once in two thousand times."""

UNREADABLE = 2 * 34
"""Bytes without a valid line that are no accident: the rest of a line, and a whole one of the longest."""

_KEPT = 48
_LOW7 = bytes(byte & 0x7F for byte in range(256))
_LIKE_LINES = re.compile(rb"[\x00\x01\x04\x14\x16\x17\x19\r\n 0-9A-Za-z:.]*\Z")


class WordWatch:
    """Looks at what could not be read. With `masked`, bit 7 was left out of account, and tells nothing."""

    def __init__(self, masked: bool = False) -> None:
        self.unread = 0
        """Bytes since the last valid line."""
        self._masked = masked
        self._tail = b""

    def read(self) -> None:
        """A valid line has come: all is well."""
        self.unread, self._tail = 0, b""

    def failed(self, raw: bytes) -> None:
        """`raw` was no valid line."""
        self.unread += len(raw)
        self._tail = (self._tail + raw)[-_KEPT:]

    def word(self, more: bytes = b"") -> Word | None:
        """What the timer is set to, where that can be told, given that `more` has come and is no line yet."""
        return None if self._masked else guess_word_setting((self._tail + more)[-_KEPT:])

    def unreadable(self, more: bytes = b"") -> str:
        """`132 bytes, no valid line: F8 80 E0 ...` where that is no accident any more."""
        count = self.unread + len(more)
        if count <= UNREADABLE:
            return ""
        return f"{count} bytes, no valid line: {(self._tail + more)[-16:].hex(' ').upper()}"


def guess_word_setting(raw: bytes) -> Word | None:
    """The timer's word setting, from the end of what it sends as a host without parity and with 8 bits reads it.

    None where the bytes fit none, or all: then bit 7 is never set and nothing is wrong with it. (8 bits with parity
    read wrongly in a way that only the hardware sees.)
    """
    like = _LIKE_LINES.search(raw.translate(_LOW7))
    raw = raw[like.start() :] if like else b""
    if len(raw) < ENOUGH or not any(byte & 0x80 for byte in raw):
        return None
    if all(byte & 0x80 for byte in raw):
        return "7N2"
    ones = {byte.bit_count() & 1 for byte in raw}
    return None if len(ones) == 2 else "7O2" if 1 in ones else "7E2"


def settings_for(word: Word) -> str:
    """What to write into the settings to read it."""
    return f'data_bits = 7, parity = "{ {"N": "none", "E": "even", "O": "odd"}[word[1]] }"'
