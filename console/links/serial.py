"""Serial ports: the one module that knows pyserial and pyserial-asyncio."""

import asyncio
import errno
import fcntl
import grp
import os
import select
import termios
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from threading import Thread
from typing import NamedTuple

import serial
from serial.tools.list_ports import comports
from serial_asyncio import SerialTransport

from console.links.holder import holder
from console.links.link import Endpoint, Link, LinkError, Receiver
from console.links.transport import TransportLink

OPEN_TIMEOUT = 5.0
"""Seconds for opening a port: a Bluetooth port connects meanwhile, a broken adapter may hang for ever."""

LOOK_EVERY = 0.25
"""Seconds between two looks at whether the port's node has come back."""

PARITIES = {"none": serial.PARITY_NONE, "even": serial.PARITY_EVEN, "odd": serial.PARITY_ODD}


class SerialPort(Endpoint):
    """A serial port by its path, opened for us alone, with RTS and DTR asserted.

    `hangup`: DTR drops when the port is closed, so that a TIME MACHINE pauses; without, it stays, so that an OTIMCON
    station does not take each opening for a reset.
    """

    def __init__(
        self,
        path: str,
        baud: int = 9600,
        data_bits: int = 8,
        parity: str = "none",
        stop_bits: int = 1,
        *,
        hangup: bool = True,
        timeout: float = OPEN_TIMEOUT,
    ) -> None:
        self.where = path
        self._baud = baud
        self._data_bits = data_bits
        self._parity = parity
        self._stop_bits = stop_bits
        self._hangup = hangup
        self._timeout = timeout
        self._opening: Future[_Opened] | None = None
        self._seen: tuple[int, ...] | None = None

    async def open(self, receiver: Receiver) -> Link:
        """See Endpoint. The port's input is emptied: what came before is not ours."""
        self._seen = self._look()
        opened = await self._in_thread()
        try:
            return _SerialLink(receiver, self.where, opened)
        except (OSError, termios.error, ValueError) as error:
            opened.port.close()
            raise LinkError(self._why_not(error)) from error

    async def appeared(self) -> None:
        """See Endpoint. What counts is another node under the path, or other rights on it (udev sets them late)."""
        while (now := self._look()) is None or now == self._seen:
            self._seen = now
            await asyncio.sleep(LOOK_EVERY)
        self._seen = now

    def _look(self) -> tuple[int, ...] | None:
        """What distinguishes the node under the path from a later one there; None: there is none."""
        try:
            node = os.stat(self.where)
        except OSError:
            return None
        return node.st_dev, node.st_ino, node.st_rdev, node.st_ctime_ns

    async def _in_thread(self) -> "_Opened":
        """Open in a thread of its own, and a daemon at that: a node that hangs holds up neither engine nor its end."""
        if self._opening is not None and not self._opening.done():
            raise LinkError(f"{self.where}: opening it still hangs: unplug the adapter and plug it in again")
        opening = self._opening = Future[_Opened]()
        opening.set_running_or_notify_cancel()
        Thread(target=_fulfil, args=(opening, self._open), name=f"open {self.where}", daemon=True).start()
        try:
            async with asyncio.timeout(self._timeout):
                return await asyncio.wrap_future(opening)
        except TimeoutError:
            opening.add_done_callback(_close_unwanted)
            raise LinkError(f"{self.where}: opening it hangs: unplug the adapter and plug it in again") from None
        except asyncio.CancelledError:
            opening.add_done_callback(_close_unwanted)
            raise

    def _open(self) -> "_Opened":
        """Open and configure the port; blocks. Raises LinkError.

        A pseudo terminal has 8 data bits and no parity. Asked for others it may refuse (termios.error, EINVAL), or
        agree and not do it: so what it does is read back.
        """
        plain = self._data_bits == 8 and self._parity == "none"
        try:
            try:
                port = self._configured(self._data_bits, self._parity)
                if plain or port.keeps_its_word():
                    return _Opened(port)
                port.close()
            except termios.error as error:
                if plain or error.args[0] != errno.EINVAL:
                    raise
            port = self._configured(8, "none")
        except (OSError, termios.error, ValueError) as error:
            raise LinkError(self._why_not(error)) from error
        if self._data_bits < 8:
            note = f"{self._data_bits} data bits not supported by this port: read as 8N1, bit 7 masked in software"
            return _Opened(port, note, masks=True)
        return _Opened(port, f"{self._parity} parity not supported by this port: read as 8N1")

    def _configured(self, data_bits: int, parity: str) -> "_Port":
        port = _Port(
            self.where,
            self._baud,
            data_bits,
            PARITIES[parity],
            self._stop_bits,
            timeout=0,
            write_timeout=0,
            exclusive=True,
        )
        try:
            port.claim(hangup=self._hangup)
        except BaseException:
            port.close()
            raise
        return port

    def _why_not(self, error: Exception) -> str:
        """Why the port cannot be opened, and what to check."""
        number = error.errno if isinstance(error, OSError) else None
        if isinstance(error, termios.error):
            number = error.args[0]
        match number:
            case errno.ENOENT:
                return f"{self.where}: does not exist: check cable and adapter; `racedeck ports` lists what is there"
            case errno.EBUSY | errno.EAGAIN:
                return f"{self.where}: in use by {holder(self.where) or 'another program'}: close that first"
            case errno.EACCES | errno.EPERM:
                group = self._group()
                return f"{self.where}: permission denied: `sudo usermod -aG {group} $USER`, then log in again"
            case errno.ENXIO | errno.ENODEV | errno.EIO:
                return f"{self.where}: no device behind this port: check cable and adapter"
            case errno.EISDIR:
                return f"{self.where}: is a folder, not a serial port; `racedeck ports` lists what is there"
            case errno.EINVAL:
                return f"{self.where}: the port refuses its settings: check baud, data_bits, parity and stop_bits"
        if isinstance(error, serial.SerialException) and "Inappropriate ioctl" in str(error):
            return f"{self.where}: is not a serial port; `racedeck ports` lists what is there"
        return f"{self.where}: cannot be opened: {os.strerror(number) if number else error}"

    def _group(self) -> str:
        """The group that may open the port: `dialout` on Debian, `uucp` elsewhere."""
        with suppress(OSError, KeyError):
            owner = os.stat(self.where).st_gid
            if owner:
                return grp.getgrgid(owner).gr_name
        return "dialout"


class _Opened(NamedTuple):
    port: "_Port"
    note: str = ""
    masks: bool = False


def _fulfil(promise: "Future[_Opened]", work: Callable[[], _Opened]) -> None:
    try:
        opened = work()
    except BaseException as error:  # noqa: BLE001 - raised again where the promise is awaited
        promise.set_exception(error)
    else:
        promise.set_result(opened)


def _close_unwanted(promise: "Future[_Opened]") -> None:
    """Nobody waits any more for a port that is open at last."""
    if promise.exception() is None:
        promise.result().port.close()


class _Port(serial.Serial):
    """Pyserial's port for an event loop, which calls only when there is something to do.

    Pyserial's own `read` breaks on descriptors above 1023, its `write` spins where a port takes nothing, and its
    `flush` waits for a stalled port: each would stop the whole engine.
    """

    broken: Callable[[OSError], object]
    """Told that a write failed. Raising it would have pyserial-asyncio print a traceback."""

    def claim(self, *, hangup: bool) -> None:
        """Keep other programs out, and say what becomes of DTR at the end."""
        settings = termios.tcgetattr(self.fileno())
        settings[2] = settings[2] | termios.HUPCL if hangup else settings[2] & ~termios.HUPCL
        termios.tcsetattr(self.fileno(), termios.TCSANOW, settings)
        # The lock that pyserial takes (flock) keeps out only those who ask for it; TIOCEXCL keeps out all but root.
        # Not on a pty: there it would outlive a killed engine while the other side holds the node.
        if self.has_lines():
            fcntl.ioctl(self.fileno(), termios.TIOCEXCL)

    def keeps_its_word(self) -> bool:
        """Whether data bits and parity are as they were asked for."""
        control = termios.tcgetattr(self.fileno())[2]
        size = {7: termios.CS7, 8: termios.CS8}.get(self.bytesize)
        flags = termios.PARENB | termios.PARODD
        parity = {serial.PARITY_NONE: 0, serial.PARITY_EVEN: termios.PARENB, serial.PARITY_ODD: flags}[self.parity]
        return (control & termios.CSIZE, control & flags) == (size, parity)

    def has_lines(self) -> bool:
        """Whether there are modem lines: a pty has none (ENOTTY)."""
        try:
            return self.cts is not None
        except OSError:
            return False

    def read(self, size: int = 1) -> bytes:
        try:
            data = os.read(self.fileno(), size)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise serial.SerialException(error.errno, str(error)) from error
        if not data:
            # Nothing to read (VMIN is 0), or hung up: then the port says again that there is something.
            state = select.poll()
            state.register(self.fileno(), select.POLLIN)
            if state.poll(0):
                raise serial.SerialException(errno.EIO, "hung up")
        return data

    def write(self, data: bytes) -> int:  # type: ignore[override] # pyserial's takes any buffer
        try:
            return os.write(self.fileno(), data)
        except BlockingIOError:
            raise
        except OSError as error:
            self.broken(error)
            return len(data)

    def flush(self) -> None:
        """Drop what was not sent yet, where pyserial would wait for it."""
        termios.tcflush(self.fileno(), termios.TCOFLUSH)

    def close(self) -> None:
        if self.is_open:
            with suppress(OSError):
                fcntl.ioctl(self.fileno(), termios.TIOCNXCL)
        super().close()


class _SerialLink(TransportLink):
    def __init__(self, receiver: Receiver, where: str, opened: _Opened) -> None:
        super().__init__(receiver)
        self.note = opened.note
        self.masks = opened.masks
        self._where = where
        self._port = opened.port
        loop = asyncio.get_running_loop()
        self._port.broken = lambda error: loop.call_soon(self._broken, error)
        self._transport = SerialTransport(loop, self, opened.port)

    def abort(self) -> None:
        self._receiver = None
        transport = self._transport
        if transport is None or (transport.is_closing() and not self.pending()):
            return  # ending already; a second abort() would close the port twice
        assert isinstance(transport, SerialTransport)
        transport.flush()
        transport.abort()

    def lines(self) -> dict[str, bool | None]:
        if self._transport is None or not self._port.is_open or not self._port.has_lines():
            return dict.fromkeys(("CTS", "DSR", "CD", "RTS", "DTR"))
        port = self._port
        return {"CTS": port.cts, "DSR": port.dsr, "CD": port.cd, "RTS": port.rts, "DTR": port.dtr}

    def set_line(self, name: str, up: bool) -> None:
        if name not in ("RTS", "DTR") or self.lines()[name] is None:
            raise ConnectionError(f"{self._where}: {name} is not available on this port")
        try:
            setattr(self._port, name.lower(), up)
        except OSError as error:
            raise ConnectionError(f"{self._where}: {name} cannot be set: {error.strerror or error}") from error

    def _broken(self, error: OSError) -> None:
        """A write failed; where the port is gone, its reading end may have told already."""
        self._lose(self._why(error))
        self.abort()

    def _why(self, exc: Exception | None) -> str:
        if exc is not None and os.path.exists(self._where):
            return f"{self._where}: hung up: check cable and adapter"
        return f"{self._where}: the port is gone: check cable and adapter"


class KnownPort(NamedTuple):
    """A serial port as the system describes it."""

    path: str
    description: str
    manufacturer: str


def known_ports() -> list[KnownPort]:
    """The serial ports the system knows, in order of path; none is opened."""
    found = sorted(comports(), key=lambda port: port.device)
    return [
        KnownPort(port.device, "" if port.description == "n/a" else port.description, port.manufacturer or "")
        for port in found
    ]
