"""The file of the tag table: read, watched, read again when it has changed. Until then the last good table holds."""

import asyncio
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from console.model import Level
from console.timing.tags import TagTable, parse

LARGEST = 16 * 1024 * 1024
"""Bytes of a file that is read: some 400,000 rows."""

LOOK_EVERY = 1.0
"""Seconds between two looks at the file."""

SETTLED = 2
"""Looks at which the file must have been the same, before it is read: it is written while we look."""

OPEN_ENDED = 6
"""The same where its last line has no end: that may be half a bib, or a row for which somebody did not press Enter."""

SHOWN = 3
"""Problems that an incident names."""

Stamp: TypeAlias = tuple[int, int, int] | None
"""Inode, size and time of the last change; None: there is no file."""


def load(path: Path) -> tuple[TagTable, list[str]]:
    """The table in a file, and what is wrong with it, by line. Raises ValueError, in words, where there is none."""
    return parse(_read(path))


def _read(path: Path) -> bytes:
    try:
        with open(path, "rb", opener=_open) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ValueError("it is not a file")
            data = file.read(LARGEST + 1)
    except FileNotFoundError:
        raise ValueError("there is no such file") from None
    except OSError as error:
        raise ValueError(f"it cannot be read: {error.strerror}") from None
    if len(data) > LARGEST:
        raise ValueError(f"it is larger than {LARGEST // 2**20} MB: that is no tag table")
    return data


def _open(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a pipe must not hold us up


def _stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _whole(path: Path) -> bool:
    """Whether its last line has an end."""
    with suppress(ValueError):
        return _read(path).rstrip(b"\0").endswith((b"\n", b"\r"))
    return False


class TagFile:
    """The tag table of an event, as it is now. Files are touched in threads only: they may be on a slow stick."""

    def __init__(self, say: Callable[[Level, str], None]) -> None:
        self.table = TagTable()
        self._say = say
        self._path: Path | None = None
        self._known: Stamp = None
        """The file that was read, or found to be of no use."""
        self._seen: Stamp = None
        self._looks = 0
        """How often the file was seen to be `_seen`, one after the other."""
        self._said: tuple[Level, str] | None = None
        self._reading = asyncio.Lock()

    async def open(self, path: Path | None) -> bool:
        """Read this file now, whatever is known of it; None: there is to be no table. True: the table is another."""
        async with self._reading:
            before = self.table
            if path != self._path:
                self._path, self.table, self._said = path, TagTable(), None
            if path:
                self._known = await asyncio.to_thread(_stamp, path)
                await self._take(path)
            return self.table != before

    async def watch(self, changed: Callable[[], None]) -> None:
        """Look at the file now and then, for ever; `changed` is called when the table is another."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            if await self.look():
                changed()

    async def look(self) -> bool:
        """Look at the file, and read it when it has changed and is changing no more. True: the table is another."""
        async with self._reading:
            if self._path is None:
                return False
            stamp = await asyncio.to_thread(_stamp, self._path)
            self._looks = self._looks + 1 if stamp == self._seen else 1
            self._seen = stamp
            if stamp == self._known or self._looks < SETTLED:
                return False
            if stamp and self._looks < OPEN_ENDED and not await asyncio.to_thread(_whole, self._path):
                return False
            self._known = stamp
            return await self._take(self._path)

    async def _take(self, path: Path) -> bool:
        """Take the file in. True: the table is another."""
        try:
            table, problems = await asyncio.to_thread(load, path)
        except ValueError as error:
            rest = (
                f"; what was read before holds ({self.table})" if self.table else ": no tag has a bib until it is good"
            )
            self._tell(Level.WARNING, f"{path.name}: {error}{rest}")
            return False
        changed = table != self.table
        self.table = table
        text = f"{path.name} read: {table}"
        if problems:
            more = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
            text += f"; wrong: {'; '.join(problems[:SHOWN])}{more} (`racedeck config check` names them all)"
        self._tell(Level.WARNING if problems else Level.NOTE, text, again=changed)
        return changed

    def _tell(self, level: Level, text: str, *, again: bool = False) -> None:
        """Say what was not said last."""
        if again or (level, text) != self._said:
            self._said = level, text
            self._say(level, text)
