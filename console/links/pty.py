"""A pseudo-terminal that another program opens as if it were a serial port.

How much the program has read is asked of the kernel, which says it truly on Linux only, and there only under the
conditions that are named below (its drivers/tty: pty.c, tty_buffer.c, n_tty.c; measured on 6.18). For macOS all of this
comes from reading its kernel's sources (XNU: tty.c, tty_ptmx.c, sys_generic.c) and was never tried there: it is served,
and nothing is claimed of what was read.
"""

import asyncio
import fcntl
import os
import select
import struct
import sys
import tempfile
import termios
import tty
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

LOOK_EVERY, SELDOM = 0.004, 0.064
"""Seconds between two looks at what the program has read, while something is unread: at first and whenever it has read,
and when it has not done so for long."""

OPEN_EVERY = 0.1
"""Seconds between two looks whether a program has opened it."""

PIECE = 1024
"""Bytes that the kernel gets at once, and only when the program has read all that it got before.

Linux hands what was written to the reader's side later, by a worker, and counts only what has arrived there; but it
hands over all of so small a piece at once. So what is counted after any byte of it has arrived is exact.
"""

LINUX = sys.platform.startswith("linux")


class Pty:
    """One pseudo-terminal for one visit of one program, with a symbolic link that gives it a lasting name.

    For the next visit there must be another one: what the program left unread would still be in it. The link never
    outlives it, but where this process is killed: the kernel soon gives the number of a closed one to another.
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
        self._transport: PtyTransport | None = None

    async def opened(self) -> None:
        """Wait until a program has opened it, and for a moment more: many throw away what came before they had set
        their port up."""
        looks = 0
        while looks < 2:  # the kernel tells nobody of an opening
            await asyncio.sleep(OPEN_EVERY)
            looks = 0 if _hung_up(self._master) else looks + 1

    def connect(self, protocol: asyncio.Protocol) -> None:
        """Have `protocol` serve the program, until it closes the terminal."""
        self._transport = PtyTransport(self._master, self.name, protocol, self._hang_up)
        protocol.connection_made(self._transport)

    @property
    def exact(self) -> bool:
        """What the transport says of this visit is the truth. It is not where the program lets nobody look (TIOCEXCL),
        has the kernel edit or swallow bytes (lines, signals, XON/XOFF, no CR), or this is not Linux: then what the
        kernel has got may be taken to be read."""
        return LINUX and (self._transport is None or self._transport.exact)

    def close(self) -> None:
        """Remove the link. A visit goes on until its protocol ends it."""
        self._unlink()
        if self._transport is None:
            os.close(self._master)

    def _hang_up(self) -> None:
        self._unlink()
        os.close(self._master)

    def _unlink(self) -> None:
        with suppress(OSError):
            if self._link.readlink() == Path(self.name):
                self._link.unlink()


class PtyTransport(asyncio.Transport):
    """What asyncio's transports are to a socket, for the master of a pty.

    Its write buffer is all that the program has not read, whether we still have it or the kernel; what the program has
    thrown away (tcflush) counts as read.
    """

    def __init__(self, master: int, slave: str, protocol: asyncio.Protocol, hang_up: Callable[[], None]) -> None:
        super().__init__()
        self.exact = True
        self._master = master
        self._slave = slave
        self._protocol = protocol
        self._hang_up = hang_up
        self._loop = asyncio.get_running_loop()
        self._ours = bytearray()
        self._unread = 0
        """Bytes in the kernel that the program has not been seen to read."""
        self._high = 65_536
        self._paused = False
        self._closing = False
        self._timer: asyncio.TimerHandle | None = None
        self._delay = LOOK_EVERY
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
        """Bytes that the program has not been seen to read. Right after the end, too."""
        return len(self._ours) + self._unread

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Have the program read `data`."""
        if self._closing:
            return
        self._ours += data
        self._pump()
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
        if not self._closing:
            self._see()
            self._end()

    def close(self) -> None:
        """Hang up: what is unread is lost."""
        self.abort()

    # --- the master ---

    def _readable(self) -> None:
        try:
            data = os.read(self._master, 65_536)
        except BlockingIOError:
            return
        except OSError:  # nobody has it open any more
            self._look()
            return
        self._protocol.data_received(data)

    def _pump(self) -> None:
        """Give the kernel the next piece, if it is the time for one; and look again, while anything is unread."""
        if self._ours and not self._unread:
            try:
                self._unread = os.write(self._master, self._ours[:PIECE])
                self._delay = LOOK_EVERY
            except BlockingIOError:
                pass
            except OSError:  # nobody has it open any more
                self._end()
                return
            del self._ours[: self._unread]
        if self._timer is None and self.get_write_buffer_size():
            self._timer = self._loop.call_later(self._delay, self._look)

    def _look(self) -> None:
        """See what the program has read, and go on."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        before = self._unread
        if not self._see():
            self._end()
            return
        self._delay = LOOK_EVERY if self._unread < before else min(2 * self._delay, SELDOM)
        self._pump()
        if self._paused and self.get_write_buffer_size() <= self._high // 4:
            self._paused = False
            self._protocol.resume_writing()

    def _see(self) -> bool:
        """See what the program has read, and whether it is still there."""
        unread, looked = self._unread, True
        if unread:
            try:
                waiting, exact = _waiting(self._slave)
            except (OSError, termios.error):  # the program lets nobody else look
                waiting, exact, looked = 0, False, False
            if exact or not waiting:
                unread = min(waiting, unread)
            self.exact = self.exact and exact
        there = not _hung_up(self._master)
        if there or (looked and LINUX):  # elsewhere a hangup discards what was not read, and it is counted no more
            self._unread = unread
        return there

    def _end(self) -> None:
        if self._closing:
            return
        self._closing = True
        if self._timer:
            self._timer.cancel()
        self._loop.remove_reader(self._master)
        self._loop.call_soon(self._lost)

    def _lost(self) -> None:
        self._protocol.connection_lost(None)
        self._hang_up()


def _waiting(slave: str) -> tuple[int, bool]:
    """Bytes that wait for whoever reads the terminal `slave`, and whether as many of those written are unread. Raises
    OSError and termios.error."""
    terminal = os.open(slave, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        # Asked whether there is anything to read, Linux finds nothing only after it has waited for its worker.
        poll = select.poll()
        poll.register(terminal, select.POLLIN)
        poll.poll(0)
        count = int(struct.unpack("i", fcntl.ioctl(terminal, termios.FIONREAD, bytes(4)))[0])
        swallows, _, _, edits, *_ = termios.tcgetattr(terminal)
    finally:
        os.close(terminal)
    cooked = swallows & (termios.IGNCR | termios.IXON) or edits & (termios.ICANON | termios.ISIG)
    return count, LINUX and not cooked


def _hung_up(master: int) -> bool:
    """Nobody has the other side open."""
    poll = select.poll()
    poll.register(master, select.POLLHUP)  # macOS does not say it unasked
    return any(event & select.POLLHUP for _, event in poll.poll(0))


def point(link: Path, target: str) -> None:
    """Make `link` point at `target` in one step."""
    if link.exists() and not link.is_symlink():
        raise FileExistsError(f"{link} exists and is no symbolic link: name another path")
    with tempfile.TemporaryDirectory(dir=link.parent, prefix=".pty-") as folder:
        fresh = Path(folder) / "link"
        fresh.symlink_to(target)
        fresh.replace(link)


def clear(link: Path) -> None:
    """Remove the symbolic link `link` of a pty that is no more, where there is one."""
    with suppress(OSError):
        if link.is_symlink():
            link.unlink()
