"""Starting, stopping and finding engines: two at once, stale sockets, lost terminals, starts that fail."""

import asyncio
import os
import pty
import signal
import socket
import sqlite3
import stat
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from console.commands.attach import Where, start_engine
from console.exit import Exit, Failure
from tests.faults.rig import EVENT, PATIENCE, Engine, ending, engine, racedeck, until, until_state


async def test_of_two_engines_the_second_says_so(tmp_path: Path) -> None:
    async with engine(tmp_path, "") as (first, client):
        second = await first.racedeck("engine")
        assert second.status == Exit.ENGINE
        assert f"already runs (pid {first.pid})" in second.err
        assert (await client.refresh()).pid == first.pid, "the first is none the worse"
        assert (await first.racedeck("status")).status == Exit.OK


async def test_two_engines_started_at_the_same_moment(tmp_path: Path) -> None:
    """Whoever types `racedeck` twice at once gets one engine, and two that are attached to it."""
    one = Engine(tmp_path, "")
    async with detached(one):
        # Without a terminal on stdout, an attach that has found or started its engine says so and ends.
        both = await asyncio.gather(one.racedeck("attach"), one.racedeck("attach"))
        for ran in both:
            assert ran.status == Exit.USAGE, ran.err
            assert "the engine runs" in ran.err


async def test_the_socket_of_a_killed_engine_is_no_obstacle(tmp_path: Path) -> None:
    async with engine(tmp_path, "") as (one, _):
        await one.kill()
        assert one.socket.exists()
        for command in ("status", "stop", "reload"):
            gone = await one.racedeck(command)
            assert gone.status == Exit.NO_ENGINE
            assert "no engine runs" in gone.err
        client = await one.start()
        assert client.state.event == EVENT
        client.close()


async def test_a_socket_deleted_under_a_running_engine_comes_back(tmp_path: Path) -> None:
    async with engine(tmp_path, "") as (one, client):
        one.socket.unlink()
        await until(one.socket.exists)
        again = await one.attach()
        assert again.state.pid == client.state.pid
        again.close()
        assert stat.S_IMODE(one.socket.stat().st_mode) == 0o600


@pytest.mark.parametrize("emptied", [False, True])
async def test_a_state_directory_that_is_away_for_a_while(tmp_path: Path, emptied: bool) -> None:
    """A folder that was moved, a stick that was pulled: the engine can be reached again when it is back."""
    async with engine(tmp_path, "") as (one, client):
        aside = one.state.rename(tmp_path / "aside")
        await until(lambda: "is gone, and cannot be made again" in one.log)
        if emptied:
            (aside / one.socket.name).unlink()
        aside.rename(one.state)
        await until(one.socket.exists)
        again = await one.attach()
        assert again.state.pid == client.state.pid
        again.close()


async def test_sigterm_stops_it_in_good_order(tmp_path: Path) -> None:
    async with engine(tmp_path, "") as (one, _):
        assert await one.stop() == Exit.OK
        assert not one.socket.exists()
        wal = one.files / "journal.sqlite-wal"
        assert not wal.exists() or wal.stat().st_size == 0, "the journal is whole in one file"
        with closing(sqlite3.connect(one.files / "journal.sqlite")) as journal:
            assert journal.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def test_a_hangup_does_not_end_it(tmp_path: Path) -> None:
    async with engine(tmp_path, "") as (one, client):
        os.kill(one.pid, signal.SIGHUP)
        for _ in range(3):
            assert (await client.refresh()).pid == one.pid


async def test_stop_waits_for_its_end(tmp_path: Path) -> None:
    async with engine(tmp_path, "") as (one, client):
        ran = await one.racedeck("stop")
        assert ran.status == Exit.OK
        assert f"the engine of {EVENT} stops" in ran.err
        assert await one.ended() == Exit.OK
        await until(client.gone.is_set)


async def test_systemd_is_told(tmp_path: Path) -> None:
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(path))
        systemd.setblocking(False)
        one = Engine(tmp_path, "")
        async with ending(one):
            client = await one.start(NOTIFY_SOCKET=str(path))
            assert await _told(systemd) == b"READY=1"
            client.close()
            assert await one.stop() == Exit.OK
            assert await _told(systemd) == b"STOPPING=1"


async def test_systemd_that_does_not_listen_is_no_reason_to_end(tmp_path: Path) -> None:
    one = Engine(tmp_path, "")
    async with ending(one):
        client = await one.start(NOTIFY_SOCKET=str(tmp_path / "nobody"))
        await until(lambda: "systemd could not be told READY=1" in one.log)
        client.close()


async def _told(systemd: socket.socket) -> bytes:
    async with asyncio.timeout(PATIENCE):
        return await asyncio.get_running_loop().sock_recv(systemd, 100)


async def test_the_unit_runs_this_very_engine(tmp_path: Path) -> None:
    one = Engine(tmp_path, "")
    unit = (await one.racedeck("engine", "--print-unit")).out
    assert "Type=notify" in unit
    command = next(line for line in unit.splitlines() if line.startswith("ExecStart="))
    assert f"{sys.executable} -m console.cli engine" in command
    assert str(one.config) in command
    assert str(one.state) in command


# --- detached ---


@asynccontextmanager
async def detached(one: Engine) -> AsyncIterator[None]:
    """An engine that is not our child; whatever happens, it has ended afterwards."""
    try:
        yield
    finally:
        ran = await one.racedeck("stop")
        assert ran.status in (Exit.OK, Exit.NO_ENGINE), ran.err
    log = one.state / "engine.log"
    assert not log.exists() or "Traceback" not in log.read_text()


async def test_it_outlives_the_terminal_that_started_it(tmp_path: Path) -> None:
    """`racedeck` on a pseudo-terminal that is hung up with its whole session, as at the end of an SSH session."""
    one = Engine(tmp_path, "")
    faults = set(_faults())
    async with detached(one):
        child, terminal = pty.fork()
        if child == 0:
            os.execv(sys.executable, [sys.executable, "-m", "console.cli", *one.where])
        try:
            loop, screen = asyncio.get_running_loop(), bytearray()
            loop.add_reader(terminal, lambda: screen.extend(os.read(terminal, 65_536)))
            client = await one.attach()
            await until(lambda: b"RACE" in screen, "the screen is drawn")
            await until_state(client, lambda state: state.consoles == 2)
            loop.remove_reader(terminal)
        finally:
            os.close(terminal)  # the kernel hangs up on the session
        async with asyncio.timeout(PATIENCE):
            await asyncio.to_thread(os.waitpid, child, 0)
        state = await until_state(client, lambda state: state.consoles == 1)
        assert os.getsid(state.pid) == state.pid, "a session of its own"
        client.close()
    assert set(_faults()) == faults, "a lost terminal is no fault of the console"


def _faults() -> Iterator[Path]:
    """Where `racedeck` leaves what it did not foresee."""
    return Path(tempfile.gettempdir()).glob("racedeck-fault-*")


async def test_it_outlives_a_starter_that_is_gone_before_it_is_ready(tmp_path: Path) -> None:
    """The SSH session may break in the second in which the engine starts: then nobody hears that it is ready."""
    one = Engine(tmp_path, "")
    async with detached(one):
        gone, theirs = os.pipe()
        os.close(gone)
        started = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "console.cli", "engine", *one.where, "--ready-fd", str(theirs), pass_fds=[theirs]
        )
        os.close(theirs)
        client = await one.attach()
        for _ in range(3):
            assert (await client.refresh()).pid == started.pid
        client.close()
        assert (await one.racedeck("stop")).status == Exit.OK
        assert await started.wait() == Exit.OK


@pytest.mark.parametrize("wrong", ["settings", "state", "events", "port of nobody"])
async def test_a_start_that_fails_says_why(tmp_path: Path, wrong: str) -> None:
    one = Engine(tmp_path, "")
    match wrong:
        case "settings":
            one.write('[[device]]\nname = "chute"\ntype = "timemachin"\nport = "/dev/null"\n')
            expected, words = Exit.SETTINGS, "did you mean 'timemachine'?"
        case "state":
            one.state.write_text("not a directory")
            expected, words = Exit.ENGINE, f"{one.state}"
        case "events":
            one.state.mkdir()
            (one.state / "events").write_text("not a directory")
            expected, words = Exit.ENGINE, f"{one.files}"
        case _:
            one.config.unlink()
            expected, words = Exit.SETTINGS, f"{one.config}: there are no settings here"
    for command in ("attach", "engine"):
        ran = await one.racedeck(command)
        assert ran.status == expected, ran.err
        assert words in ran.err
        assert len(ran.err.splitlines()) <= 2, ran.err


def test_start_engine_gives_the_engines_own_words(tmp_path: Path) -> None:
    """The settings were good when `racedeck` looked, and are not when the engine does."""
    one = Engine(tmp_path, "")
    one.config.write_text("[event]\nname = 3\n")
    with pytest.raises(Failure, match="name must be a text in quotes") as failure:
        start_engine(Where(str(one.config), str(one.state)))
    assert failure.value.status == Exit.SETTINGS


async def test_no_engine_no_answer(tmp_path: Path) -> None:
    one = Engine(tmp_path, "")
    for words in (["status"], ["stop"], ["reload"], ["phase", "test"], ["gun"], ["send", "a", "PING"], ["tail", "-f"]):
        ran = await one.racedeck(*words)
        assert ran.status == Exit.NO_ENGINE, (words, ran)
        assert "no engine runs" in ran.err
    observer = await one.racedeck("attach", "--observe")
    assert observer.status == Exit.NO_ENGINE
    usage = await racedeck("nonsense")
    assert usage.status == Exit.USAGE


async def test_a_path_too_long_for_a_socket(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 60) / ("y" * 60)
    deep.mkdir(parents=True)
    async with engine(deep, "") as (one, _):
        assert one.socket.parent != one.state
        assert (await one.racedeck("status")).status == Exit.OK
        assert await one.stop() == Exit.OK
        assert not one.socket.exists()


async def test_it_ends_with_its_parent_where_it_is_to(tmp_path: Path) -> None:
    async with engine(tmp_path, "") as (one, _):
        assert one.process
        assert one.process.stdin
        one.process.stdin.close()
        assert await one.ended() == Exit.OK
