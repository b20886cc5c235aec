"""A pseudo-terminal and the program that opens it."""

import asyncio
import fcntl
import os
import termios
import tty
from collections.abc import Callable
from pathlib import Path

import pytest

from console.links.pty import Pty


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
    pty.close()
    assert not link.is_symlink()


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


async def test_a_program_that_lets_nobody_else_look_is_served_all_the_same(tmp_path: Path) -> None:
    link = tmp_path / "port"
    pty = Pty(link)
    serving, program = await served(pty, link)
    fcntl.ioctl(program, termios.TIOCEXCL)
    tty.setraw(program)
    stream = os.urandom(20_000)
    serving.transport.write(stream)
    got = b""
    while len(got) < len(stream):
        got += read(program)
        await asyncio.sleep(0)
    assert got == stream
    os.close(program)
    await until(lambda: serving.gone)
    pty.close()


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
