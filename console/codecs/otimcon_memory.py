"""The backup memory of an OTIMCON station, 4 KiB that GET BACKUP prints in 512 lines: which of it are punches.

Its lines are not simply its records (otimcon.md, section 5). The write pointer wraps after 64 records since 0.17, and
after a reset it goes on somewhere else, so order and gaps mean nothing. On a board whose pointer was never set the
records lie off by 7 bytes, and all lines are garbage; they are found all the same, from the bytes. How such a record
turns round within its page of 32 bytes is inferred from the memory chip.
"""

from msgspec import Struct

from console.codecs.otimcon_records import BackupLine

LINES = 512
RECORD, PAGE = 8, 32
"""Bytes: time (32 bits, little endian), the first four bytes of the uid; the chip wraps a write within its page."""
OLDEST = 1_420_070_400
"""2015-01-01: no station is older."""
DAY = 86_400
_NOBODY = (b"\xff\xff\xff\xff", b"\0\0\0\0")


class Stored(Struct, frozen=True):
    """A punch in the memory. `uid`: only the first four bytes; which control it was, the memory does not tell."""

    uid: str
    epoch: int
    line: int
    """The line of the answer that it begins in, from 0."""
    turned: bool = False
    """Off by 7 bytes."""


class Memory:
    """Takes the lines of one GET BACKUP, in order."""

    def __init__(self, first: int, last: int) -> None:
        """The span, on the station's clock, in which the punches lie that matter; `last` is about now. A time more than
        a day after it is none. Outside the span nothing is looked for that is off by 7 bytes: bytes that look like some
        time are common, those that look like one of today are not."""
        self.lines = 0
        self.used = 0
        """Lines that are not as erased memory reads."""
        self._first, self._last = first, last
        self._bytes = bytearray()
        self._whole = True
        """No line was lost, so that every byte is where we think."""
        self._straight: set[int] = set()
        """Lines that are records of the span as they stand."""

    def lose(self) -> None:
        """A line came damaged."""
        self._whole = False

    def take(self, line: BackupLine) -> list[Stored]:
        """The punches that are complete with this line."""
        here, self.lines = self.lines, self.lines + 1
        if here >= LINES:
            return []
        raw = (line.epoch & 0xFFFF_FFFF).to_bytes(4, "little") + bytes.fromhex(line.uid)[:4]
        self._bytes += raw
        self.used += raw != b"\xff" * RECORD
        found = self._record(raw, here)
        if found and self._matters(found):
            self._straight.add(here)
        turned = self._turned(here) if self._whole else []
        return [found, *turned] if found else turned

    def _turned(self, here: int) -> list[Stored]:
        """Records off by 7 bytes that end in line `here`: one in each but the first line of a page, two in the last."""
        in_page = here % (PAGE // RECORD)
        page = here * RECORD // PAGE * PAGE
        begins = [here * RECORD - 1] if in_page else []
        if in_page == PAGE // RECORD - 1:
            begins.append(page + PAGE - 1)
        found = []
        for begin in begins:
            at = [page + (begin + index) % PAGE for index in range(RECORD)]
            if self._straight.isdisjoint(byte // RECORD for byte in at):
                raw = bytes(self._bytes[byte] for byte in at)
                found.append(self._record(raw, begin // RECORD, turned=True))
        return [one for one in found if one and self._matters(one)]

    def _matters(self, one: Stored) -> bool:
        return self._first <= one.epoch <= self._last

    def _record(self, raw: bytes, line: int, *, turned: bool = False) -> Stored | None:
        epoch, uid = int.from_bytes(raw[:4], "little"), raw[4:]
        if uid in _NOBODY or not OLDEST <= epoch <= self._last + DAY:
            return None
        return Stored(uid.hex().upper(), epoch, line, turned)
