"""The console in a process of its own, on a pty."""

import asyncio
import fcntl
import os
import pty
import signal
import struct
import sys
import termios
from codecs import getincrementaldecoder
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from console.model import Level
from tests.screens.conftest import engine_at
from tests.screens.fake_engine import FakeEngine, incident
from tests.screens.vt import Screen

ROOT = Path(__file__).parents[2]


class Terminal:
    """A console on a pty, and what the pty shows."""

    def __init__(self, master: int, process: asyncio.subprocess.Process, size: tuple[int, int]) -> None:
        self.master, self.process = master, process
        self.screen = Screen(*size)
        self._decode = getincrementaldecoder("utf-8")().decode
        asyncio.get_running_loop().add_reader(master, self._read)

    def _read(self) -> None:
        try:
            data = os.read(self.master, 65536)
        except OSError:
            data = b""
        if not data:
            asyncio.get_running_loop().remove_reader(self.master)
        self.screen.feed(self._decode(data))

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    async def until(self, condition: Callable[[], bool]) -> None:
        try:
            async with asyncio.timeout(20):
                while not condition():
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise AssertionError(f"never came true on\n{self.screen.text}") from None

    async def sees(self, text: str) -> None:
        await self.until(lambda: text in self.screen.text)


@asynccontextmanager
async def console(
    socket: Path, options: str = "", size: tuple[int, int] = (80, 24), **env: str
) -> AsyncIterator[Terminal]:
    """A console as `racedeck` starts it."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
    code = "import sys; from pathlib import Path; from screens.app import run; "
    code += f"sys.exit(run(Path({str(socket)!r}), {options}))"
    clean = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "SSH_CONNECTION")}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        code,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        cwd=ROOT,
        env=clean | {"TERM": "xterm-256color", "COLORTERM": "truecolor"} | env,
        start_new_session=True,
    )
    os.close(slave)
    terminal = Terminal(master, process, size)
    try:
        yield terminal
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        asyncio.get_running_loop().remove_reader(master)
        os.close(master)


async def test_what_the_terminal_shows_is_what_was_painted(socket: Path) -> None:
    engine = FakeEngine()
    async with engine_at(socket, engine) as server, console(socket) as terminal:
        await terminal.sees("SAVED 4212")
        terminal.type("l")
        await terminal.sees(" 4212  10:41:57.300")
        for _ in range(15):
            engine.frames += 1
            server.changed()
            await terminal.sees(f" {engine.frames}  ")
        rows = [int(row[:7]) for row in terminal.screen.lines[4:22]]
        assert rows == list(range(engine.frames - 17, engine.frames + 1))
        terminal.type("[")
        await terminal.sees("PASSINGS")
        terminal.type("]")
        await terminal.sees("FRAMES")
        assert terminal.screen.lines[2].startswith("── >FRAMES  following  chatter hidden (/ chatter shows it) ──")
        terminal.type("q")
        assert await terminal.process.wait() == 0
        await terminal.sees("engine of spring-10k runs on")
        assert "\x1b[?1049l" in terminal.screen.modes


async def test_the_demo_speaks_for_its_engine_itself(socket: Path) -> None:
    async with engine_at(socket, FakeEngine()), console(socket, "farewell=False") as terminal:
        await terminal.sees("SAVED 4212")
        terminal.type("q")
        assert await terminal.process.wait() == 0
        assert "runs on" not in terminal.screen.text


async def test_no_color_sends_no_colour(socket: Path) -> None:
    async with engine_at(socket, FakeEngine()), console(socket, NO_COLOR="1") as terminal:
        await terminal.sees("SAVED 4212")
        await terminal.sees("HELD no bib")
        terminal.type("?")
        await terminal.sees("KEYS everywhere")
        assert terminal.screen.colours == set()


@pytest.mark.parametrize("theme", ["dark", "light", "sun", "mono"])
async def test_every_theme_shows_the_same_words(socket: Path, theme: str) -> None:
    async with engine_at(socket, FakeEngine()), console(socket, f"theme={theme!r}") as terminal:
        await terminal.sees("HELD no bib")
        for word in ("DOWN retry", "OPEN unheard", "NO CLIENT", "DEV 2/4", "!start DOWN", "[Race]"):
            assert word in terminal.screen.text
        assert bool(terminal.screen.colours) == (theme != "mono")


async def test_an_unknown_theme_is_an_error_before_the_screen_is_touched(socket: Path) -> None:
    async with console(socket, "theme='pink'") as terminal:
        assert await terminal.process.wait() == 2
        await terminal.sees("no theme 'pink'; known: dark, light, sun, mono")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
async def test_a_console_that_is_ended_leaves_the_terminal_as_it_was(socket: Path, number: signal.Signals) -> None:
    async with engine_at(socket, FakeEngine()), console(socket) as terminal:
        await terminal.sees("SAVED 4212")
        terminal.process.send_signal(number)
        assert await terminal.process.wait() == 0
        await terminal.until(lambda: "\x1b[?1049l" in terminal.screen.modes)


async def test_a_new_alarm_rings(socket: Path) -> None:
    engine = FakeEngine()
    async with engine_at(socket, engine) as server, console(socket, "bell=True") as terminal:
        await terminal.sees("SAVED 4212")
        assert "bell" not in terminal.screen.modes
        engine.alarms.append(incident(4, 4200, Level.ALARM, "chute", "SILENT"))
        server.changed()
        await terminal.until(lambda: "bell" in terminal.screen.modes)
