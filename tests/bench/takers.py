"""What takes a backlog: a program that connects, one that is called, a CTP01 server, a file; each only counts."""

import socket
import threading
from abc import abstractmethod
from contextlib import suppress
from pathlib import Path

from tests.bench.lab import dial

ELSEWHERE = "127.0.0.2"
"""From where a client of the backlog connects: an address of its own has an account of its own."""

PULLED = 5000
"""Reads that the CTP01 server asks for at once: as many as it gets."""


class Taker:
    """Counts what has come."""

    mark = b"\n"
    """One in each line or read."""

    def __init__(self) -> None:
        self.count = 0

    @property
    @abstractmethod
    def settings(self) -> str:
        """Where the export finds it, or is found."""

    def begin(self) -> None:
        """Take what there is."""
        threading.Thread(target=self._take, daemon=True).start()

    def _take(self) -> None:
        """Count, until it is over."""

    def look(self) -> int:
        """How many have come."""
        return self.count

    def end(self) -> None:
        """Leave."""


class Client(Taker):
    """Connects to a port of the export."""

    def __init__(self, port: int, mark: bytes = b"\n") -> None:
        super().__init__()
        self.mark = mark
        self._port = port
        self._socket: socket.socket | None = None

    @property
    def settings(self) -> str:
        return f'listen = "127.0.0.1:{self._port}"\n'

    def begin(self) -> None:
        self._socket = dial(self._port, ELSEWHERE)
        super().begin()

    def _take(self) -> None:
        assert self._socket
        with suppress(OSError):
            while data := self._socket.recv(1 << 18):
                self.count += data.count(self.mark)

    def end(self) -> None:
        if self._socket:
            self._socket.close()


class Called(Taker):
    """Is called by the export, and answers as soon as it begins."""

    def __init__(self, mark: bytes = b"\n") -> None:
        super().__init__()
        self.mark = mark
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.listen(0)
        self._open: socket.socket | None = None

    @property
    def settings(self) -> str:
        return f'connect = "127.0.0.1:{self._listener.getsockname()[1]}"\n'

    def _take(self) -> None:
        with suppress(OSError):
            self._open, _ = self._listener.accept()
            self.talk(self._open)

    def talk(self, to: socket.socket) -> None:
        """Count, until it is over."""
        while data := to.recv(1 << 18):
            self.count += data.count(self.mark)

    def end(self) -> None:
        self._listener.close()
        if self._open:
            self._open.close()


class Ctp01Server(Called):
    """Has everything sent (`push`), or fetches it (`pull`), and reads no more of it than it must."""

    def __init__(self, mode: str) -> None:
        super().__init__()
        self.pull = mode == "pull"

    def talk(self, to: socket.socket) -> None:
        """Greet as a server does, and begin."""
        stream = to.makefile("rb", 1 << 18)
        stream.readline()
        to.sendall(f"bench~1~1\r\nstream-mode={'pull' if self.pull else 'push'}\r\n".encode())
        for question in (b"getconnectionid", b"getlocations"):
            to.sendall(question + b"\r\n")
            stream.readline()
        if not self.pull:
            to.sendall(b"start\r\n")
            super().talk(to)
        while True:
            to.sendall(f"getdata~{PULLED}\r\n".encode())
            answer = stream.readline().split(b"~")
            if len(answer) != 3:
                return
            for _ in range(int(answer[2])):
                stream.readline()
            self.count += int(answer[2])


class File(Taker):
    """A file that grows."""

    def __init__(self, path: Path, form: str) -> None:
        super().__init__()
        self._path, self._form = path, form
        self._at = 0

    @property
    def settings(self) -> str:
        return f'format = "{self._form}"\npath = "{self._path}"\n'

    def begin(self) -> None:
        """It is written unasked."""

    def look(self) -> int:
        """Count the lines that are new; the first is the heading."""
        if self._path.exists():
            with self._path.open("rb") as file:
                file.seek(self._at)
                while data := file.read(1 << 20):
                    self._at += len(data)
                    self.count += data.count(self.mark)
        return self.count - 1
