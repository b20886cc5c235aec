"""A pseudo-terminal that another program opens as if it were a serial port."""

import asyncio
import fcntl
import os
import select
import struct
import tempfile
import termios
import tty
from contextlib import suppress
from pathlib import Path
from typing import Any

LOOK_EVERY = 0.02
"""Seconds between two looks at what the program has read, while something is unread."""

OPEN_EVERY = 0.1
"""Seconds between two looks whether a program has opened it."""

ROOM = 2048
"""Bytes that may be unread in the kernel: less than it takes, so that all of it is counted."""


class Pty:
    """One pseudo-terminal for one visit of one program, with a symbolic link that gives it a lasting name.

    For the next visit there must be another one: what the program left unread would still be in it.
    """

    def __init__(self, link: Path) -> None:
        """Raises OSError, FileExistsError where something else than a symbolic link has that name."""
        self._link = link
        self._master, slave = os.openpty()
        try:
            tty.setraw(slave)
            self.name = os.ttyname(slave)
            point(link, self.name)
        except BaseException:
            os.close(self._master)
            raise
        finally:
            os.close(slave)
        os.set_blocking(self._master, False)
        self._taken_over = False

    async def opened(self) -> None:
        """Wait until a program has opened it."""
        while _hung_up(self._master):  # noqa: ASYNC110 - the kernel tells nobody of an opening
            await asyncio.sleep(OPEN_EVERY)

    def connect(self, protocol: asyncio.Protocol) -> None:
        """Have `protocol` serve the program, until it closes the terminal."""
        self._taken_over = True
        transport = PtyTransport(self._master, self.name, protocol)
        protocol.connection_made(transport)

    def close(self) -> None:
        """Remove the link. A visit goes on until its protocol ends it."""
        with suppress(OSError):
            if self._link.readlink() == Path(self.name):
                self._link.unlink()
        if not self._taken_over:
            os.close(self._master)


class PtyTransport(asyncio.Transport):
    """What asyncio's transports are to a socket, for the master of a pty.

    Its write buffer is all that the program has not read, whether we still have it or the kernel.
    """

    def __init__(self, master: int, slave: str, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self._master = master
        self._slave = slave
        self._protocol = protocol
        self._loop = asyncio.get_running_loop()
        self._ours = bytearray()
        self._unread = 0
        """Bytes in the kernel, at most."""
        self._fresh = 0
        """Bytes written since the last look: they may still be on their way within the kernel."""
        self._high = 65_536
        self._paused = False
        self._closing = False
        self._timer: asyncio.TimerHandle | None = None
        self._loop.add_reader(master, self._readable)

    # --- asyncio.Transport, as far as it is needed ---

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """It has no socket and no address."""
        del name
        return default

    def is_closing(self) -> bool:
        """It is being closed, or closed."""
        return self._closing

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Bytes beyond which the protocol is asked to wait; it may go on at a quarter of them."""
        del low
        self._high = self._high if high is None else high

    def get_write_buffer_size(self) -> int:
        """Bytes that the program has not been seen to read."""
        return len(self._ours) + self._unread

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Have the program read `data`."""
        if self._closing:
            return
        self._ours += data
        self._pump()
        if self._timer is None:
            self._timer = self._loop.call_later(LOOK_EVERY, self._look)
        if not self._paused and self.get_write_buffer_size() > self._high:
            self._paused = True
            self._protocol.pause_writing()

    def pause_reading(self) -> None:
        """Do not hear what the program sends."""
        self._loop.remove_reader(self._master)

    def resume_reading(self) -> None:
        """Hear it again."""
        if not self._closing:
            self._loop.add_reader(self._master, self._readable)

    def abort(self) -> None:
        """Hang up."""
        self._end(None)

    def close(self) -> None:
        """Hang up: what is unread is lost."""
        self._end(None)

    # --- the master ---

    def _readable(self) -> None:
        try:
            data = os.read(self._master, 65_536)
        except BlockingIOError:
            return
        except OSError:  # nobody has it open any more
            self._end(None)
            return
        self._protocol.data_received(data)

    def _pump(self) -> None:
        room = ROOM - self._unread
        if room <= 0 or not self._ours:
            return
        try:
            count = os.write(self._master, self._ours[:room])
        except BlockingIOError:
            return
        except OSError as error:
            self._end(error)
            return
        del self._ours[:count]
        self._unread += count
        self._fresh += count

    def _look(self) -> None:
        """See what the program has read, and whether it is still there."""
        self._timer = None
        unread = self._in_kernel()
        if _hung_up(self._master):  # then what it left unread may be gone from the count
            self._end(None)
            return
        self._unread = min(self._unread, unread + self._fresh)
        self._fresh = 0
        self._pump()
        if self._closing:
            return
        if self.get_write_buffer_size():
            self._timer = self._loop.call_later(LOOK_EVERY, self._look)
        if self._paused and self.get_write_buffer_size() <= self._high // 4:
            self._paused = False
            self._protocol.resume_writing()

    def _in_kernel(self) -> int:
        """Bytes that wait for the program, by the kernel's count; 0 where the program lets nobody else look."""
        try:
            slave = os.open(self._slave, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError:
            return 0
        try:
            return int(struct.unpack("i", fcntl.ioctl(slave, termios.FIONREAD, bytes(4)))[0])
        finally:
            os.close(slave)

    def _end(self, error: Exception | None) -> None:
        if self._closing:
            return
        self._closing = True
        if self._timer:
            self._timer.cancel()
        self._loop.remove_reader(self._master)
        self._loop.call_soon(self._lost, error)

    def _lost(self, error: Exception | None) -> None:
        self._protocol.connection_lost(error)
        os.close(self._master)


def _hung_up(master: int) -> bool:
    """Nobody has the other side open."""
    poll = select.poll()
    poll.register(master, 0)
    return any(event & select.POLLHUP for _, event in poll.poll(0))


def point(link: Path, target: str) -> None:
    """Make `link` point at `target` in one step."""
    if link.exists() and not link.is_symlink():
        raise FileExistsError(f"{link} exists and is no symbolic link: name another path")
    with tempfile.TemporaryDirectory(dir=link.parent, prefix=".pty-") as folder:
        fresh = Path(folder) / "link"
        fresh.symlink_to(target)
        fresh.replace(link)
