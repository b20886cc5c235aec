"""`racedeck engine`, `stop`, `reload`: the engine's life."""

import argparse
import asyncio
import contextlib
import logging
import logging.handlers
import os
import shlex
import signal
import socket
import sys
from typing import TYPE_CHECKING

from console.commands import show
from console.commands.attach import READY, RUNS_ALREADY, Where, connect
from console.control.client import EngineGoneError
from console.exit import Exit, Failure

if TYPE_CHECKING:
    from console.engine.engine import Engine

STOP_WITHIN = 30.0
"""Seconds an engine may take to stop."""


def engine(args: argparse.Namespace) -> int:
    """Run in the foreground, for systemd and for the detached start."""
    where = Where(args.config, args.state_dir)
    if args.print_unit:
        show.write(unit(where))
        return Exit.OK
    _log_to_stderr()
    from console.config import SettingsError
    from console.engine.lock import EngineError, RunsAlreadyError

    try:
        asyncio.run(_run(where, args.ready_fd, args.with_parent))
    except (EngineError, SettingsError, PermissionError) as error:
        _say(args.ready_fd, RUNS_ALREADY if isinstance(error, RunsAlreadyError) else str(error))
        raise Failure(Exit.SETTINGS if isinstance(error, SettingsError) else Exit.ENGINE, str(error)) from None
    return Exit.OK


async def _run(where: Where, ready_fd: int | None, with_parent: bool) -> None:
    from console.engine.engine import Engine

    engine = Engine(where.config, where.state)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, engine.stop)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a lost terminal is no reason to lose a race
    if with_parent:
        loop.add_reader(0, _stop_without_parent, engine)
    ready = asyncio.Event()
    running = asyncio.create_task(engine.run(ready))
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if not running.done():
        _say(ready_fd, READY)
        _notify("READY=1")
    try:
        await running
    finally:
        _notify("STOPPING=1")


def _stop_without_parent(engine: "Engine") -> None:
    """Stdin has something to read, or has ended: then whoever started us is gone."""
    if not os.read(0, 1024):
        asyncio.get_running_loop().remove_reader(0)
        engine.stop()


def _say(handle: int | None, word: str) -> None:
    """Tell who started us how it went, once; whose terminal is lost meanwhile does not hear it."""
    if handle is not None:
        with contextlib.suppress(BrokenPipeError):
            os.write(handle, word.encode())
        os.close(handle)


def _notify(word: str) -> None:
    """Tell systemd, where it has asked to be told (sd_notify(3))."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.sendto(word.encode(), address)
    except OSError as error:
        logging.getLogger("racedeck").warning("systemd could not be told %s: %s", word, error)


def _log_to_stderr() -> None:
    """Talk goes to stderr: the journal of systemd, or engine.log of a detached engine."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr, force=True
    )


def unit(where: Where) -> str:
    """A systemd unit that runs this engine."""
    command = shlex.join(
        [
            sys.executable,
            "-m",
            "console.cli",
            "engine",
            "--config",
            str(where.config),
            "--state-dir",
            str(where.state),
        ]
    )
    command = command.replace("%", "%%").replace("$", "$$")  # both mean something to systemd
    return f"""\
[Unit]
Description=RaceDeck engine
After=network.target time-sync.target

[Service]
Type=notify
ExecStart={command}
# Not always: `racedeck stop` is meant.
Restart=on-failure
RestartSec=1
TimeoutStopSec=40

[Install]
WantedBy=default.target
"""


def stop(args: argparse.Namespace) -> int:
    """Stop the engine, and wait until it has gone."""
    return asyncio.run(_stop(Where(args.config, args.state_dir)))


async def _stop(where: Where) -> int:
    client = await connect(where)
    pid = client.state.pid
    done = await client.stop(client.state.event)
    print(done.text, file=sys.stderr)
    try:
        async with asyncio.timeout(STOP_WITHIN):
            await client.gone.wait()
            await _ended(pid)
    except TimeoutError:
        raise Failure(Exit.FAILED, f"the engine (pid {pid}) has not stopped within {STOP_WITHIN:.0f} s") from None
    finally:
        client.close()
    return Exit.OK


async def _ended(pid: int) -> None:
    while True:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        if _is_zombie(pid):
            return
        await asyncio.sleep(0.05)


def _is_zombie(pid: int) -> bool:
    """Whether `pid` has ended, and only its parent has not looked yet."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            return stat.read().rpartition(b")")[2].split()[:1] == [b"Z"]
    except OSError:
        return False


def reload(args: argparse.Namespace) -> int:
    """Have the engine read its settings again."""
    return asyncio.run(_reload(Where(args.config, args.state_dir)))


async def _reload(where: Where) -> int:
    client = await connect(where)
    try:
        print((await client.reload()).text, file=sys.stderr)
    except EngineGoneError as error:
        raise Failure(Exit.NO_ENGINE, str(error)) from None
    finally:
        client.close()
    return Exit.OK
