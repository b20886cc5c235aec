"""Two ways to a printer: a command that takes lines on its stdin, or a device file that takes them itself."""

import asyncio
import errno
import fcntl
import os
import shlex
import signal
import time
from abc import ABC, abstractmethod
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress

from console.codecs.tape import ascii_only

JOB_WITHIN = 30.0
"""Seconds after which a command that has not ended is ended."""

STUCK_AFTER = 5.0
"""Seconds after which a printer that takes nothing is said to be out of paper, or off."""

ASK_EVERY = 0.1
"""Seconds between two attempts to write to a printer that takes nothing."""

_LPGETSTATUS, _OUT_OF_PAPER, _SELECTED, _NO_ERROR = 0x060B, 0x20, 0x10, 0x08
"""Of Linux's <linux/lp.h>: what a parallel or USB printer says of itself."""


class PrinterError(Exception):
    """It prints nothing now; in words that say what to check."""


class Printer(ABC):
    """Takes lines, and says when they are printed, as far as it can know."""

    @abstractmethod
    async def print(self, lines: list[str]) -> None:
        """Print lines; returns when they were taken. Raises PrinterError: none of them, or some, were."""

    def close(self) -> None:
        """Let go of it."""
        return


class Command(Printer):
    """Runs the command once for each few lines: what it accepted with exit status 0 is done."""

    def __init__(self, command: str) -> None:
        self._words = shlex.split(command)

    async def print(self, lines: list[str]) -> None:
        """One job."""
        name = self._words[0]
        try:
            job = await asyncio.create_subprocess_exec(
                *self._words, stdin=PIPE, stdout=DEVNULL, stderr=PIPE, start_new_session=True
            )
        except OSError as error:
            raise PrinterError(f"{name}: {error.strerror or error}: is it installed?") from None
        try:
            async with asyncio.timeout(JOB_WITHIN):
                _, said = await job.communicate("".join(f"{line}\n" for line in lines).encode())
        except TimeoutError:
            raise PrinterError(
                f"{name} did not end within {JOB_WITHIN:.0f} s: look at the printer and its queue"
            ) from None
        finally:
            await _end(job)
        if job.returncode:
            last = (said.decode("utf-8", "replace").strip().splitlines() or ["it did not say why"])[-1]
            raise PrinterError(f"{name} failed with status {job.returncode}: {last[:200]}")


async def _end(job: Process) -> None:
    """Whatever happens, nothing is left running."""
    if job.returncode is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(job.pid, signal.SIGKILL)
        await job.wait()


class Device(Printer):
    """Writes to a device file, line by line. What the kernel has taken is on its way to the paper; no more is known."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._fd = -1
        self._half = False
        """The paper has the beginning of a line."""

    async def print(self, lines: list[str]) -> None:
        """One line after the other."""
        try:
            if self._fd < 0:
                # A device that is not there must not become a file.
                flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC | os.O_APPEND
                self._fd = os.open(self._path, flags)
            if self._half:
                await self._write(b"\r\n")
                self._half = False
            for line in lines:
                await self._write(ascii_only(line).encode() + b"\r\n")
        except OSError as error:
            self.close()
            raise PrinterError(f"{self._path}: {error.strerror or error}{_advice(error)}") from None

    async def _write(self, data: bytes) -> None:
        since = time.monotonic()
        rest = data
        while rest:
            try:
                written = os.write(self._fd, rest)
            except BlockingIOError:
                written = 0
            rest = rest[written:]
            self._half = bool(rest) and len(rest) < len(data)
            if written:
                since = time.monotonic()
            elif time.monotonic() - since > STUCK_AFTER:
                raise PrinterError(f"{self._path} takes nothing: {self._says() or 'is there paper, and is it on?'}")
            if rest:
                await asyncio.sleep(ASK_EVERY)

    def _says(self) -> str:
        """What a printer says of itself; empty: nothing, or all is well."""
        answer = bytearray(4)
        try:
            fcntl.ioctl(self._fd, _LPGETSTATUS, answer)
        except OSError:
            return ""
        status = int.from_bytes(answer, "little")
        if status & _OUT_OF_PAPER:
            return "it is out of paper"
        if not status & _SELECTED:
            return "it is off line"
        return "" if status & _NO_ERROR else "it reports an error"

    def close(self) -> None:
        """Close it."""
        if self._fd >= 0:
            with suppress(OSError):
                os.close(self._fd)
        self._fd = -1


def _advice(error: OSError) -> str:
    match error.errno:
        case errno.ENOENT | errno.ENXIO | errno.ENODEV | errno.EIO | errno.EPIPE:
            return ": is the printer plugged in and on?"
        case errno.EACCES:
            return ": this engine may not use it; on Debian, users of the group `lp` may"
        case errno.EBUSY:
            return ": another program has it"
    return ""
