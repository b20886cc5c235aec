"""A text file that only grows, and that others may touch. Everything here waits for the disk: see `apart`."""

import asyncio
import errno
import fcntl
import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")

FAREWELL = 2.0
"""Seconds for which work that the disk holds up is waited for when it is not wanted any more."""

BLOCK = 65_536
"""Bytes read at once on the way back to the beginning of the last line."""

NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)
"""What file systems answer that know no locks."""


class FileError(Exception):
    """The file cannot be used; in words that say what to do."""


class TouchedError(Exception):
    """Somebody else has touched the file; in words."""


class AppendFile:
    """Lines go to its end, and are on the disk when `append` returns. Nobody else may append meanwhile (flock)."""

    def __init__(self, path: Path, header: bytes) -> None:
        self.path = path
        self._header = header
        self._fd = -1
        self._state = threading.Lock()
        self._busy = self._abandoned = False
        self.size = 0
        """Bytes that are ours and safe."""
        self.cut = 0
        """Bytes at the end that were cut off when it was opened: half a line, or what was beyond `known`."""
        self.begun = False
        """It was not there, or empty, when it was opened."""
        self.last = b""
        """The last line when it was opened; empty: there is none below the header."""

    def open(self, *, known: int | None = None) -> None:
        """Open it, or begin it with the header.

        Half a line at its end is what a power cut left, and is cut off; so is what is beyond `known` bytes, where
        that is given. Raises FileError.
        """
        good = False
        try:
            with self._working():
                self._open()
                self._mend(known)
                good = True
        finally:
            if not good:
                self.close()

    def _open(self) -> None:
        self.path.parent.mkdir(exist_ok=True)
        # Non-blocking: a path that is a pipe must not hang us before we can see that.
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC
        self._fd = os.open(self.path, flags, 0o644)
        if not stat.S_ISREG(os.fstat(self._fd).st_mode):
            raise FileError(f"{self.path} is no file that lines can be appended to")
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            why = f"{self.path} is written by another export or program: give this one a path of its own"
            raise FileError(why) from None
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise

    def _mend(self, known: int | None) -> None:
        size = os.fstat(self._fd).st_size
        if not self._header.startswith(os.pread(self._fd, len(self._header), 0)):
            raise FileError(f"{self.path} begins with other columns, so it is not ours: move it away, or change `path`")
        if known is not None and size > known:
            os.ftruncate(self._fd, known)
            self.cut, size = size - known, known
        end = self._whole_lines(size)
        if end < size:
            os.ftruncate(self._fd, end)
            self.cut += size - end
        self.size = end
        if not end:
            self._put(self._header)
            self.size, self.begun = len(self._header), True
            _sync_directory(self.path.parent)
        elif self.cut:
            os.fsync(self._fd)
        self.last = self._last_line(self.size) if self.size > len(self._header) else b""

    def append(self, lines: bytes) -> None:
        """Put whole lines at the end, safely, or not at all. Raises TouchedError, and FileError after which it must be
        opened anew."""
        with self._working():
            self._check()
            self._put(lines)
            self.size += len(lines)
            if not os.fstat(self._fd).st_nlink:
                raise TouchedError(f"{self.path} was removed by somebody")

    def close(self) -> None:
        """Close it, which unlocks it; where a thread is at work on it, as soon as that has ended."""
        with self._state:
            self._abandoned = self._busy
            if not self._busy and self._fd >= 0:
                fd, self._fd = self._fd, -1
                with suppress(OSError):
                    os.close(fd)

    @contextmanager
    def _working(self) -> Iterator[None]:
        """Nobody closes it meanwhile: its number may be another file's then."""
        self._busy = True
        try:
            yield
        except OSError as error:
            raise FileError(f"{self.path}: {error.strerror or error}{_advice(error)}") from None
        finally:
            with self._state:
                self._busy = False
            if self._abandoned:
                self.close()

    def _check(self) -> None:
        """It is still the file at this path, and as we left it."""
        ours = os.fstat(self._fd)
        try:
            there = os.stat(self.path)
        except FileNotFoundError:
            word = "renamed" if ours.st_nlink else "removed"
            raise TouchedError(f"{self.path} was {word} by somebody") from None
        if (ours.st_dev, ours.st_ino) != (there.st_dev, there.st_ino):
            raise TouchedError(f"{self.path} was replaced by somebody")
        if ours.st_size != self.size:
            raise TouchedError(f"{self.path} was written to by somebody")

    def _put(self, data: bytes) -> None:
        """Have all of `data` on the disk, or nothing of it."""
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._fd, rest) :]
            os.fsync(self._fd)
        except OSError:
            with suppress(OSError):  # else half a line is cut off when it is opened again
                os.ftruncate(self._fd, self.size)
            raise

    def _whole_lines(self, size: int) -> int:
        """Bytes up to the last line end."""
        end = size
        while end:
            start = max(0, end - BLOCK)
            found = os.pread(self._fd, end - start, start).rfind(b"\n")
            if found >= 0:
                return start + found + 1
            end = start
        return 0

    def _last_line(self, size: int) -> bytes:
        start = self._whole_lines(size - 1)
        return os.pread(self._fd, size - start, start)


def _sync_directory(directory: Path) -> None:
    """Make safe that a new file is there at all."""
    fd = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _advice(error: OSError) -> str:
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return ": make room on that disk"
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return ": this engine may not write there"
        case errno.ENOENT | errno.ENODEV | errno.EIO:
            return ": is that disk plugged in and mounted?"
    return ""


class _Work(Generic[T]):
    """Work in a thread: its result, or what it raised."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._result: list[T] = []
        self._error: BaseException | None = None
        self._loop = asyncio.get_running_loop()
        self.done = asyncio.Event()
        threading.Thread(target=self._run, daemon=True, name="export to disk").start()

    def _run(self) -> None:
        try:
            self._result.append(self._work())
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            self._error = error
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self.done.set)

    def result(self) -> T:
        if self._error:
            raise self._error
        return self._result[0]


async def apart(work: Callable[[], T]) -> T:
    """Do `work` in a thread of its own, which may hang without delaying anybody, not even the end of the engine."""
    doing = _Work(work)
    try:
        await doing.done.wait()
    except asyncio.CancelledError:
        with suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL):
                await doing.done.wait()
        raise
    return doing.result()
