"""A pseudo-terminal and the program that opens it."""

import asyncio
import errno
import fcntl
import os
import random
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from console.links import pty as module
from console.links.pty import Pty, clear

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells what was read")


class Serving(asyncio.Protocol):
    def __init__(self) -> None:
        self.heard = b""
        self.paused = False
        self.gone = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.heard += data

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone = True


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.002)


async def served(pty: Pty, link: Path) -> tuple[Serving, int]:
    """A program that has opened the terminal."""
    program = os.open(link, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    await pty.opened()
    serving = Serving()
    pty.connect(serving)
    return serving, program


def read(program: int, count: int = 65_536) -> bytes:
    try:
        return os.read(program, count)
    except BlockingIOError:
        return b""


async def test_bytes_go_both_ways_as_they_are(tmp_path: Path) -> None:
    link = tmp_path / "port"
    pty = Pty(link)
    waiting = asyncio.create_task(pty.opened())
    await asyncio.sleep(0.02)
    assert not waiting.done()
    serving, program = await served(pty, link)
    await waiting
    everything = bytes(range(256)) * 3
    serving.transport.write(everything)
    got = b""
    while len(got) < len(everything):
        got += read(program)
        await asyncio.sleep(0)
    assert got == everything
    os.write(program, b"#SN\r\n")
    await until(lambda: serving.heard == b"#SN\r\n")
    await until(lambda: serving.transport.get_write_buffer_size() == 0)
    os.close(program)
    await until(lambda: serving.gone)
    assert not link.is_symlink()
    pty.close()


async def test_what_is_not_read_is_known(tmp_path: Path) -> None:
    link = tmp_path / "port"
    pty = Pty(link)
    serving, program = await served(pty, link)
    serving.transport.set_write_buffer_limits(high=10_000)
    stream = os.urandom(30_000)
    serving.transport.write(stream)
    assert serving.paused
    got = b""
    while len(got) < 12_345:
        got += read(program, 12_345 - len(got))
        await asyncio.sleep(0)
    await until(lambda: serving.transport.get_write_buffer_size() == 30_000 - 12_345)
    os.close(program)
    await until(lambda: serving.gone)
    assert serving.transport.get_write_buffer_size() == 30_000 - 12_345
    assert got == stream[:12_345]
    pty.close()
    again = Pty(link)
    other, program = await served(again, link)
    other.transport.write(stream[12_345:])
    while len(got) < 30_000:
        got += read(program)
        await asyncio.sleep(0)
    assert got == stream, "the next visit begins with nothing of the last one"
    await until(lambda: other.transport.get_write_buffer_size() == 0)
    other.transport.abort()
    await until(lambda: other.gone)
    os.close(program)
    again.close()


@contextmanager
def busy() -> Iterator[None]:
    """All CPUs have something else to do meanwhile."""
    loop = ["timeout", "60", "sh", "-c", "while :; do :; done"]
    others = [subprocess.Popen(loop) for _ in range(2 * (os.cpu_count() or 1))]
    try:
        yield
    finally:
        for one in others:
            one.terminate()
            one.wait()


@linux
@pytest.mark.parametrize("reads", [0, 700, 5000])
async def test_never_does_it_say_less_than_is_unread(
    reads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looks come right behind the writes, when nothing has got through the kernel yet."""
    monkeypatch.setattr(module, "LOOK_EVERY", 0.0)
    monkeypatch.setattr(module, "SELDOM", 0.0)
    monkeypatch.setattr(module, "OPEN_EVERY", 0.001)
    chance, link = random.Random(reads), tmp_path / "port"
    stream = os.urandom(60_000)
    got = b""
    with busy():
        for _ in range(12):
            pty = Pty(link)
            serving, program = await served(pty, link)
            written = len(got)
            for _ in range(chance.randrange(50, 400)):
                if not chance.randrange(3):
                    piece = stream[written : written + chance.randrange(1, 3000)]
                    serving.transport.write(piece)
                    written += len(piece)
                if reads and not chance.randrange(3):
                    got += read(program, min(chance.randrange(1, reads), written - len(got)))
                assert serving.transport.get_write_buffer_size() >= written - len(got)
                await asyncio.sleep(0)
            os.close(program)
            await until(lambda: serving.gone)  # noqa: B023
            assert pty.exact
            assert serving.transport.get_write_buffer_size() == written - len(got), "the next visit goes on from there"
    assert got == stream[: len(got)], "each byte once"
    assert bool(got) == bool(reads)


@linux
async def test_what_a_short_visit_has_read_is_known(tmp_path: Path) -> None:
    """As of `head -1`: it is gone before anybody has looked."""
    link = tmp_path / "port"
    pty = Pty(link)
    serving, program = await served(pty, link)
    serving.transport.write(b"one\ntwo\n")
    got = b""
    while len(got) < 4:
        got += read(program, 4 - len(got))
    os.close(program)
    await until(lambda: serving.gone)
    assert (got, serving.transport.get_write_buffer_size()) == (b"one\n", 4)
    pty.close()


async def test_a_program_that_lets_nobody_else_look_is_served_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = tmp_path / "port"
    pty = Pty(link)
    serving, program = await served(pty, link)
    fcntl.ioctl(program, termios.TIOCEXCL)  # which keeps out everybody but root
    as_it_is = os.open

    def refused(path: str, *how: Any) -> int:
        if path == pty.name:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        return as_it_is(path, *how)

    monkeypatch.setattr(os, "open", refused)
    stream = os.urandom(20_000)
    serving.transport.write(stream)
    got = b""
    while len(got) < len(stream):
        got += read(program)
        await asyncio.sleep(0)
    assert got == stream
    await until(lambda: serving.transport.get_write_buffer_size() == 0)
    assert not pty.exact
    serving.transport.write(b"unread")
    os.close(program)
    await until(lambda: serving.gone)
    assert serving.transport.get_write_buffer_size() == 6, "of what nobody has looked at, the worst is true"
    pty.close()


async def test_of_edited_lines_nothing_is_claimed_but_that_they_were_read(tmp_path: Path) -> None:
    link = tmp_path / "port"
    pty = Pty(link)
    serving, program = await served(pty, link)
    mode = termios.tcgetattr(program)
    mode[0] |= termios.IGNCR
    mode[3] |= termios.ICANON
    termios.tcsetattr(program, termios.TCSANOW, mode)
    serving.transport.write(b"one\r\ntwo\r\n")
    await until(lambda: not pty.exact)
    assert serving.transport.get_write_buffer_size() == 10, "the kernel counts 8"
    assert read(program) == b"one\n"
    await until(lambda: read(program) == b"two\n")
    await until(lambda: serving.transport.get_write_buffer_size() == 0)
    os.close(program)
    await until(lambda: serving.gone)
    pty.close()


async def test_a_program_may_set_its_port_up_before_anything_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "OPEN_EVERY", 0.0)
    hung_up = iter([True, False, True, True, False, False, True])
    monkeypatch.setattr(module, "_hung_up", lambda master: next(hung_up))
    pty = Pty(tmp_path / "port")
    await pty.opened()
    assert next(hung_up), "it was open twice in a row"
    pty.close()


async def test_the_link_never_outlives_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = tmp_path / "port"
    stale: list[bool] = []
    as_it_is = os.close

    def watched(descriptor: int) -> None:
        as_it_is(descriptor)
        stale.append(link.is_symlink() and not link.exists())

    monkeypatch.setattr(os, "close", watched)
    Pty(link).close()
    for who in ("program", "we"):
        pty = Pty(link)
        serving, program = await served(pty, link)
        if who == "program":
            os.close(program)
        else:
            serving.transport.abort()
        await until(lambda: serving.gone)  # noqa: B023
        assert not link.is_symlink()
        pty.close()
    os.close(program)
    assert stale
    assert not any(stale)


def test_what_a_killed_engine_left_behind_is_cleared(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/dev/pts/9999")
    (tmp_path / "file").write_text("mine")
    for name in ("link", "file", "nothing"):
        clear(tmp_path / name)
    assert os.listdir(tmp_path) == ["file"]


async def test_the_name_may_be_taken(tmp_path: Path) -> None:
    (tmp_path / "port").write_text("mine")
    with pytest.raises(FileExistsError, match="no symbolic link"):
        Pty(tmp_path / "port")
    with pytest.raises(FileNotFoundError):
        Pty(tmp_path / "nowhere" / "port")
    first, second = Pty(tmp_path / "link"), Pty(tmp_path / "link")
    first.close()
    assert (tmp_path / "link").readlink() == Path(second.name), "only its own"
    second.close()
    assert not (tmp_path / "link").is_symlink()
