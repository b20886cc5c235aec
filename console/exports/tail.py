"""The last lines of a conversation, for whoever looks why it stalls."""

import re

from console.exports.export import Talk

KEPT = 4096
"""Bytes kept of each side."""

LINES = 20

WIDTH = 400
"""Bytes of a line that are shown: the whole of what a format says of a passing, with its end."""

_END = re.compile(rb"(?<=\n)|(?<=\r)(?!\n)")


class Tail:
    """Keeps the end of what two sides said."""

    def __init__(self) -> None:
        self._sent = b""
        self._received = b""

    def sent(self, data: bytes) -> None:
        """We said this."""
        self._sent = (self._sent + data[-KEPT:])[-KEPT:]

    def received(self, data: bytes) -> None:
        """We heard this."""
        self._received = (self._received + data[-KEPT:])[-KEPT:]

    def talk(self) -> Talk:
        """The lines, as far as they are kept."""
        return Talk(sent=_lines(self._sent), received=_lines(self._received))


def _lines(data: bytes) -> tuple[bytes, ...]:
    lines = [line for line in _END.split(data) if line.strip(b"\r\n")]
    if len(data) == KEPT and len(lines) > 1:
        del lines[0]  # it was cut
    return tuple(line[:WIDTH] for line in lines[-LINES:])
