"""Ways from a device on a pseudo-terminal to a TCP client: through RaceDeck, and through what it is measured by."""

import os
import socket
import subprocess
import sys
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from console.codecs import thcom
from tests.bench.lab import Engine, Lab, dial, ending, engine, free_port, until

DAY = 9_455
"""2025-11-20, in days since 2000-01-01."""

CYCLE = 8_640_000_000
"""Steps of the clock, 10 microseconds each, in a day."""


def line(number: int, channel: str = "1", bib: int | None = None) -> bytes:
    """What a timer on a serial port sends for its impulse `number`; no two are the same impulse."""
    at = (number % CYCLE) * 10_000
    return thcom.basic(thcom.time_line("TN", bib, number % 10_000, channel, at, DAY), checksum=True)


class Pty:
    """A pseudo-terminal: devices write at its near end, programs open its far end by `path`."""

    def __init__(self) -> None:
        self.near, self._far = os.openpty()
        tty.setraw(self._far)  # and kept open: a program that opens and closes it leaves no hang-up behind
        self.path = os.ttyname(self._far)

    def write(self, data: bytes) -> None:
        """Write all of it; waits while the other end does not read."""
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self.near, rest) :]

    def close(self) -> None:
        """Hang up."""
        os.close(self.near)
        os.close(self._far)


class Way:
    """A device's pty, and a client connected to what comes out at the other end."""

    def __init__(self, name: str, pty: Pty, port: int) -> None:
        self.name = name
        self.pty = pty
        self.socket = dial(port)
        self._rest = b""

    def lines(self) -> list[bytes]:
        """The next lines that arrive, without the empty ones that keep a connection alive."""
        data = self.socket.recv(1 << 18)
        if not data:
            raise ConnectionError(f"{self.name} has closed the connection")
        *whole, self._rest = (self._rest + data).split(b"\n")
        return [one for one in whole if len(one) > 1]

    def arrived(self) -> None:
        """Wait until the way is open from end to end, whatever is lost before."""
        self.socket.settimeout(0.2)
        number = CYCLE // 2
        while True:
            number += 1
            self.pty.write(line(number))
            try:
                if any(sequence_of(one) == number % 10_000 for one in self.lines()):
                    break
            except TimeoutError:
                continue
        self.socket.settimeout(30)


def sequence_of(text: bytes) -> int:
    """The sequence number in a THCOM08 time line."""
    return int(text[8:12])


@contextmanager
def through_racedeck(lab: Lab) -> Iterator[tuple[Way, Engine]]:
    """Journaled first, then handed on by `thcom-server`."""
    pty, port = Pty(), free_port()
    with engine(lab.directory(), device("timer", pty) + server(port)) as running:
        until(lambda: listening(port), "port of the export")
        with closing(Way("racedeck", pty, port)) as way:
            yield way, running


@contextmanager
def through_socat(lab: Lab) -> Iterator[Way]:
    """Copied, nothing else."""
    del lab
    pty, port = Pty(), free_port()
    command = ["socat", f"{pty.path},raw,echo=0", f"TCP-LISTEN:{port},bind=127.0.0.1,nodelay"]
    with ending(subprocess.Popen(command, stderr=subprocess.DEVNULL)), closing(Way("socat", pty, port)) as way:
        yield way


@contextmanager
def through_durable(lab: Lab) -> Iterator[Way]:
    """Copied, after one fdatasync."""
    pty, port = Pty(), free_port()
    command = [sys.executable, "-m", "tests.bench.durable", pty.path, str(port), str(lab.directory() / "kept")]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    with ending(process), closing(Way("copying with fdatasync", pty, port)) as way:
        yield way


@contextmanager
def through_ser2net(lab: Lab, *, tuned: bool) -> Iterator[Way]:
    """As it comes, or `tuned`: told not to wait for more bytes before it sends what it has."""
    pty, port = Pty(), free_port()
    settings = lab.directory() / "ser2net.yaml"
    settings.write_text(
        "connection: &bench\n"
        f"  accepter: tcp{'(nodelay)' if tuned else ''},127.0.0.1,{port}\n"
        f"  connector: serialdev,{pty.path},57600n81,local\n" + ("  options:\n    chardelay: false\n" if tuned else "")
    )
    command = ["/usr/sbin/ser2net", "-n", "-u", "-c", str(settings)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with ending(process), closing(Way("ser2net tuned" if tuned else "ser2net", pty, port)) as way:
        yield way


@contextmanager
def closing(way: Way) -> Iterator[Way]:
    """A way that is open from end to end."""
    try:
        way.arrived()
        yield way
    finally:
        way.socket.close()
        way.pty.close()


def device(name: str, pty: Pty) -> str:
    """Settings of a THCOM08 timer."""
    return f'[[device]]\nname = "{name}"\ntype = "thcom"\nport = "{pty.path}"\nbaud = 57600\n\n'


def server(port: int, name: str = "software", more: str = "") -> str:
    """Settings of what timing software connects to."""
    return f'[[export]]\nname = "{name}"\ntype = "thcom-server"\nlisten = "127.0.0.1:{port}"\n{more}\n'


def listening(port: int) -> bool:
    """Whether somebody listens there, without connecting to him."""
    wanted = f":{port:04X} 00000000:0000 0A"
    return wanted in Path("/proc/net/tcp").read_text()


def discard(one: socket.socket) -> None:
    """Read what is there, and forget it."""
    one.setblocking(False)
    try:
        while one.recv(1 << 18):
            pass
    except BlockingIOError:
        pass
    finally:
        one.setblocking(True)
