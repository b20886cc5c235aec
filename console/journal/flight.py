"""The flight log: an append-only text file, written after each commit; the second copy of every row.

Nothing in it is ever changed: a damaged line stays, and a good copy is appended. Of several lines with one number the
newest valid one holds.
"""

import mmap
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct, field, structs

from console.journal.lines import (
    Entry,
    Heads,
    Kept,
    LineError,
    Opened,
    Saved,
    crc_of,
    heads_line,
    label_of,
    opened_line,
    read_line,
    seal,
    unseal,
)
from console.model import Act, Frame, Incident, Judged, Numbered

HEADS_EVERY = 32 * 1024
"""Bytes after which the highest numbers are written again, so that opening reads no more than about this much."""

BLOCK = 256 * 1024


class FlightLog:
    """The log open for appending. Methods raise OSError; after one, close it and open anew."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._closing = threading.Lock()
        self._since_heads = 0
        self.synced_size = -1
        self._handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            self.size = os.fstat(self._handle).st_size
            if not self.size:
                sync(path.parent)
            if self.size and os.pread(self._handle, 1, self.size - 1) != b"\n":
                self._write(b"\n")  # what was cut short stays a line of its own
        except OSError:
            self.close()
            raise

    def begin(self, event: str, wall: int, heads: Heads) -> None:
        """Begin a session."""
        line = opened_line(Opened(wall, event))
        self._write(seal(line, crc_of(line)))
        self.mark(heads, wall)

    def append(self, lines: list[bytes], heads: Heads, wall: int) -> None:
        """Append sealed lines; `heads` are the highest numbers once they are there."""
        data = b"".join(lines)
        self._write(data)
        self._since_heads += len(data)
        if self._since_heads >= HEADS_EVERY:
            self.mark(heads, wall)

    def mark(self, heads: Heads, wall: int) -> None:
        """Write down the highest numbers."""
        line = heads_line(heads, wall)
        self._write(seal(line, crc_of(line)))
        self._since_heads = 0

    def sync(self) -> None:
        """Have everything written so far on disk. May be called from another thread."""
        with self._closing:
            size = self.size
            if self._handle >= 0:
                os.fsync(self._handle)
            self.synced_size = size

    def close(self) -> None:
        """Close the file; nothing is synced."""
        with self._closing:
            if self._handle >= 0:
                os.close(self._handle)
                self._handle = -1

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            written = os.write(self._handle, rest)
            self.size += written
            rest = rest[written:]


def sync(path: Path) -> None:
    """Have a file, or the names in a directory, on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


# --- reading; none of it needs the log open ---


class Tail(Struct):
    """The end of a log: the highest numbers, and what it holds beyond those that were known."""

    heads: Heads
    beyond: list[Entry] = field(default_factory=list)


def read_tail(path: Path, known: Heads | None) -> Tail:
    """Read backwards until a line says that all before it is within `known` (None: until one says anything)."""
    highest = dict.fromkeys(Heads.__struct_fields__, 0)
    entries: list[Entry] = []
    for line in _backwards(path):
        try:
            entry = read_line(unseal(line)[0])
        except LineError:
            continue
        if isinstance(entry, Heads):
            told = structs.asdict(entry)
            highest = {name: max(number, told[name]) for name, number in highest.items()}
            if known is None or all(number <= getattr(known, name) for name, number in told.items()):
                break
        elif numbered := number_of(entry):
            name, number = numbered
            highest[name] = max(highest[name], number)
            entries.append(entry)
    beyond = [entry for entry in reversed(entries) if _is_beyond(entry, known or Heads())]
    return Tail(Heads(**highest), beyond)


def number_of(entry: Entry) -> tuple[str, int] | None:
    """Under which of the heads an entry counts, and its number; None: under none."""
    match entry:
        case Frame():
            return "frames", entry.seq
        case Judged():
            return "passings", entry.passing.seq
        case Incident():
            return "incidents", entry.seq
        case Act():
            return "acts", entry.seq
        case Numbered():
            return "numbers", entry.seq
        case Saved():
            return "cursors", entry.number
        case Kept():
            return "frames", entry.frame
        case _:
            return None


def find(path: Path, kind: str, number: int) -> Entry | None:
    """The newest valid line of that kind and number."""
    wanted = f" {kind} {number:09d} ".encode("ascii")
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as log:
            at = log.rfind(wanted)
            while at >= 0:
                first, last = log.rfind(b"\n", 0, at) + 1, log.find(b"\n", at)
                try:
                    content, _ = unseal(log[first : last if last >= 0 else len(log)])
                    if label_of(content) == (kind.encode(), number):
                        return read_line(content)
                except LineError:
                    pass
                at = log.rfind(wanted, 0, at)
    except (OSError, ValueError):  # ValueError: an empty file cannot be mapped
        pass
    return None


def scan(path: Path) -> Iterator[list[bytes]]:
    """All lines from the beginning, in blocks; the last one may be cut short."""
    rest = b""
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            *lines, rest = (rest + block).split(b"\n") if b"\n" in block else (rest + block,)
            if lines:
                yield lines
    if rest:
        yield [rest]


def _backwards(path: Path) -> Iterator[bytes]:
    """All lines from the end."""
    with path.open("rb") as file:
        at = file.seek(0, os.SEEK_END)
        rest: list[bytes] = []
        while at > 0:
            size = min(at, BLOCK // 4)
            at -= size
            file.seek(at)
            first, *lines = file.read(size).split(b"\n")
            if lines:
                rest.append(lines.pop())
                yield b"".join(reversed(rest))
                yield from reversed(lines)
                rest = []
            rest.append(first)
        yield b"".join(reversed(rest))


def _is_beyond(entry: Entry, known: Heads) -> bool:
    numbered = number_of(entry)
    return numbered is not None and numbered[1] > getattr(known, numbered[0])
