import asyncio
import errno
import fcntl
import os
import struct
import sys
import termios
import threading
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.links import serial
from console.links.link import LinkError
from console.links.serial import SerialPort, known_ports
from tests.links.recorder import Recorder, until


class Pty:
    """A pty; we are the instrument, on its master side."""

    def __init__(self) -> None:
        self.master, self.slave = os.openpty()
        tty.setraw(self.slave)
        os.set_blocking(self.master, False)
        self.path = os.ttyname(self.slave)

    def write(self, data: bytes) -> None:
        assert os.write(self.master, data) == len(data)

    async def read(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            try:
                data += os.read(self.master, count)
            except BlockingIOError:
                await asyncio.sleep(0.002)
        return data

    def unplug(self) -> None:
        for descriptor in (self.master, self.slave):
            os.close(descriptor)
        self.master = self.slave = -1


@pytest.fixture
def pty() -> Iterator[Pty]:
    made = Pty()
    yield made
    if made.master >= 0:
        made.unplug()


def descriptors() -> set[str]:
    return set(os.listdir("/dev/fd"))


async def test_bytes_go_both_ways(pty: Pty) -> None:
    here = Recorder()
    link = await SerialPort(pty.path).open(here)
    every = bytes(range(256))
    pty.write(every)
    await here.hears(every)
    link.write(every)
    assert await pty.read(256) == every
    await until(lambda: link.pending() == 0)
    assert (link.note, link.masks) == ("", False)
    assert link.lines() == {"CTS": None, "DSR": None, "CD": None, "RTS": None, "DTR": None}
    link.abort()
    await link.closed()


async def test_the_half_line_before_an_unplug_is_heard(pty: Pty) -> None:
    here = Recorder()
    link = await SerialPort(pty.path).open(here)
    pty.write(b"\x1711 001 0001 00:15")
    await here.hears(b"\x1711 001 0001 00:15")
    pty.unplug()
    assert await here.loses() == f"{pty.path}: the port is gone: check cable and adapter"
    await link.closed()
    with pytest.raises(ConnectionError):
        link.write(b"\x11")
    assert set(link.lines().values()) == {None}
    link.abort()


async def test_abort_frees_the_port_and_says_nothing(pty: Pty) -> None:
    here, before = Recorder(), descriptors()
    for _ in range(20):
        link = await SerialPort(pty.path).open(here)
        link.abort()
        link.abort()
        await link.closed()
    assert here.losses == []
    assert descriptors() == before


async def test_a_stalled_port_is_closed_without_waiting(pty: Pty) -> None:
    link = await SerialPort(pty.path).open(Recorder())
    termios.tcflow(pty.slave, termios.TCOOFF)  # as if the device had sent XOFF
    link.write(bytes(100_000))
    await asyncio.sleep(0)
    assert link.pending() == 100_000
    link.abort()
    await link.closed()
    assert link.pending() == 0


@pytest.mark.parametrize("stalled", [False, True])
async def test_an_unplug_while_writing_is_one_loss(pty: Pty, stalled: bool, caplog: pytest.LogCaptureFixture) -> None:
    here, before = Recorder(), descriptors()
    link = await SerialPort(pty.path).open(here)
    if stalled:
        link.write(bytes(100_000))
        await until(lambda: 0 < link.pending() < 100_000)
    pty.unplug()
    if not stalled:
        link.write(b"into the void")
    await here.loses()
    await link.closed()
    await asyncio.sleep(0)
    assert len(here.losses) == 1
    assert caplog.records == []
    assert len(descriptors()) == len(before) - 2


async def test_a_failed_write_is_a_loss(pty: Pty, monkeypatch: pytest.MonkeyPatch) -> None:
    here = Recorder()
    link = await SerialPort(pty.path).open(here)

    def fail(*_: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("console.links.serial.os.write", fail)
        link.write(b"x")
        assert "hung up" in await here.loses()
    await link.closed()
    assert len(here.losses) == 1


@pytest.mark.parametrize("refuses", [True, False])
@pytest.mark.parametrize("parity", ["none", "even", "odd"])
async def test_seven_bits_on_a_pty_are_read_as_eight_and_masked(
    pty: Pty, parity: str, refuses: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if refuses:  # as some C libraries do, where this one may agree and not do it
        setting = termios.tcsetattr

        def refuse(fd: int, when: int, attributes: list[object]) -> None:
            control = attributes[2]
            assert isinstance(control, int)
            if control & termios.CSIZE != termios.CS8 or control & termios.PARENB:
                raise termios.error(errno.EINVAL, "Invalid argument")
            setting(fd, when, attributes)  # type: ignore[arg-type]

        monkeypatch.setattr(termios, "tcsetattr", refuse)
    here = Recorder()
    link = await SerialPort(pty.path, 1200, 7, parity, 2).open(here)
    assert link.note == "7 data bits not supported by this port: read as 8N1, bit 7 masked in software"
    assert link.masks
    pty.write(b"\x14\xb1\xb1\xa0\x8d\n")
    await here.hears(b"\x14\xb1\xb1\xa0\x8d\n")  # as they crossed the wire
    link.abort()
    await link.closed()


async def test_parity_on_a_pty_is_said_to_be_none(pty: Pty) -> None:
    link = await SerialPort(pty.path, parity="even").open(Recorder())
    assert (link.note, link.masks) == ("even parity not supported by this port: read as 8N1", False)
    link.abort()
    await link.closed()


async def test_a_busy_port_names_who_has_it(pty: Pty) -> None:
    link = await SerialPort(pty.path).open(Recorder())
    with pytest.raises(LinkError, match=rf"{pty.path}: in use by .*: close that first"):
        await SerialPort(pty.path).open(Recorder())
    link.abort()
    await link.closed()
    link = await SerialPort(pty.path).open(Recorder())
    link.abort()
    await link.closed()


@pytest.mark.parametrize("hangup", [True, False])
async def test_hangup_says_whether_dtr_drops_at_the_end(pty: Pty, hangup: bool) -> None:
    link = await SerialPort(pty.path, hangup=hangup).open(Recorder())
    assert bool(termios.tcgetattr(pty.slave)[2] & termios.HUPCL) == hangup
    link.abort()
    await link.closed()
    assert bool(termios.tcgetattr(pty.slave)[2] & termios.HUPCL) == hangup


async def test_a_port_with_lines_keeps_other_programs_out(pty: Pty, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pty has no modem lines: here is one that says it had."""
    asked: list[int] = []
    ioctl = fcntl.ioctl

    def lines(fd: int, request: int, argument: bytes = b"") -> object:
        asked.append(request)
        if request == termios.TIOCMGET:
            return (termios.TIOCM_CTS | termios.TIOCM_CAR).to_bytes(4, sys.byteorder)
        return ioctl(fd, request, argument) if request in {termios.TIOCEXCL, termios.TIOCNXCL} else b"\0\0\0\0"

    monkeypatch.setattr(fcntl, "ioctl", lines)
    link = await SerialPort(pty.path).open(Recorder())
    assert link.lines() == {"CTS": True, "DSR": False, "CD": True, "RTS": True, "DTR": True}
    assert termios.TIOCEXCL in asked
    link.abort()
    await link.closed()
    assert asked[-1] == termios.TIOCNXCL


@pytest.mark.parametrize(("name", "bit"), [("RTS", termios.TIOCM_RTS), ("DTR", termios.TIOCM_DTR)])
async def test_a_line_is_dropped_and_raised(pty: Pty, name: str, bit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a pty that says it had lines; the port holds both high from the opening on."""
    held: set[int] = set()
    ioctl = fcntl.ioctl

    def lines(fd: int, request: int, argument: bytes = b"") -> object:
        if request in (termios.TIOCMBIS, termios.TIOCMBIC):
            change = held.add if request == termios.TIOCMBIS else held.discard
            change(struct.unpack("I", argument)[0])
            return b""
        if request == termios.TIOCMGET:
            return bytes(4)
        return ioctl(fd, request, argument)

    monkeypatch.setattr(fcntl, "ioctl", lines)
    link = await SerialPort(pty.path).open(Recorder())
    assert held == {termios.TIOCM_RTS, termios.TIOCM_DTR}
    link.set_line(name, False)
    assert held == {termios.TIOCM_RTS, termios.TIOCM_DTR} - {bit}
    assert link.lines()[name] is False
    link.set_line(name, True)
    assert held == {termios.TIOCM_RTS, termios.TIOCM_DTR}
    with pytest.raises(ConnectionError, match="CTS is not available on this port"):
        link.set_line("CTS", True)
    link.abort()
    await link.closed()


async def test_a_line_that_cannot_be_set_is_said(pty: Pty, monkeypatch: pytest.MonkeyPatch) -> None:
    ioctl, broken = fcntl.ioctl, False

    def lines(fd: int, request: int, argument: bytes = b"") -> object:
        if request == termios.TIOCMGET:
            return bytes(4)
        if request in (termios.TIOCMBIS, termios.TIOCMBIC):
            if broken:
                raise OSError(errno.EIO, "Input/output error")
            return b""
        return ioctl(fd, request, argument)

    monkeypatch.setattr(fcntl, "ioctl", lines)
    link = await SerialPort(pty.path).open(Recorder())
    broken = True
    with pytest.raises(ConnectionError, match="RTS cannot be set: Input/output error"):
        link.set_line("RTS", False)
    link.abort()
    await link.closed()


async def test_a_pty_has_no_line_to_set(pty: Pty) -> None:
    link = await SerialPort(pty.path).open(Recorder())
    for name in ("RTS", "DTR"):
        with pytest.raises(ConnectionError, match=f"{name} is not available on this port"):
            link.set_line(name, False)
    link.abort()
    await link.closed()
    with pytest.raises(ConnectionError, match="not available"):
        link.set_line("RTS", True)


async def test_a_port_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(LinkError, match="ttyUSB9: does not exist: check cable and adapter; `racedeck ports`"):
        await SerialPort(str(tmp_path / "ttyUSB9")).open(Recorder())


async def test_what_is_no_serial_port(tmp_path: Path) -> None:
    before = descriptors()
    (tmp_path / "notes").write_text("a file")
    with pytest.raises(LinkError, match="notes: is not a serial port"):
        await SerialPort(str(tmp_path / "notes")).open(Recorder())
    with pytest.raises(LinkError, match="is a folder"):
        await SerialPort(str(tmp_path)).open(Recorder())
    assert descriptors() == before


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EACCES, r"permission denied: `sudo usermod -aG \w+ \$USER`, then log in again"),
        (errno.EBUSY, "in use by another program: close that first"),
        (errno.ENXIO, "no device behind this port"),
        (errno.EMFILE, "cannot be opened: Too many open files"),
    ],
)
async def test_what_the_system_refuses_is_said_in_words(
    number: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr("serial.serialposix.os.open", refuse)
        patch.setattr(serial, "holder", lambda _: "")
        with pytest.raises(LinkError, match=words):
            await SerialPort(str(tmp_path / "tty")).open(Recorder())


async def test_a_node_that_hangs_is_given_up_and_closed_when_it_opens_at_last(
    pty: Pty, monkeypatch: pytest.MonkeyPatch
) -> None:
    release, opened = threading.Event(), SerialPort._open
    before = descriptors()

    def hang(self: SerialPort) -> object:
        release.wait()
        return opened(self)

    monkeypatch.setattr(SerialPort, "_open", hang)
    endpoint = SerialPort(pty.path, timeout=0.01)
    with pytest.raises(LinkError, match="opening it hangs: unplug the adapter"):
        await endpoint.open(Recorder())
    with pytest.raises(LinkError, match="opening it still hangs"):
        await endpoint.open(Recorder())
    cancelled = asyncio.create_task(SerialPort(pty.path).open(Recorder()))
    await asyncio.sleep(0)
    cancelled.cancel()
    await until(cancelled.done)
    release.set()
    await until(lambda: not [thread for thread in threading.enumerate() if thread.name == f"open {pty.path}"])
    assert descriptors() == before
    monkeypatch.undo()
    link = await SerialPort(pty.path).open(Recorder())
    link.abort()
    await link.closed()


async def test_a_port_that_comes_back_under_its_name_is_noticed(tmp_path: Path, pty: Pty) -> None:
    name = tmp_path / "usb-FTDI"
    endpoint, here = SerialPort(str(name)), Recorder()
    with pytest.raises(LinkError, match="does not exist"):
        await endpoint.open(here)
    waiting = asyncio.create_task(endpoint.appeared())
    await asyncio.sleep(0)
    assert not waiting.done()
    name.symlink_to(pty.path)
    await waiting
    link = await endpoint.open(here)

    waiting = asyncio.create_task(endpoint.appeared())
    await asyncio.sleep(0)
    assert not waiting.done()  # still the one we know
    other = Pty()
    try:
        pty.unplug()
        await here.loses()
        await link.closed()
        name.unlink()
        name.symlink_to(other.path)
        await waiting
        link = await endpoint.open(Recorder())
        link.abort()
        await link.closed()
    finally:
        other.unplug()


async def test_new_rights_on_a_port_are_worth_a_try(tmp_path: Path) -> None:
    node = tmp_path / "tty"
    node.touch()
    endpoint = SerialPort(str(node))
    with pytest.raises(LinkError):
        await endpoint.open(Recorder())
    waiting = asyncio.create_task(endpoint.appeared())
    await asyncio.sleep(0)
    node.chmod(0o600)
    await waiting


def test_known_ports_are_listed_without_opening_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise AssertionError("opened")

    monkeypatch.setattr("serial.serialposix.os.open", refuse)
    assert known_ports() == sorted(known_ports())
