"""Reaching an engine: find it, start one where none runs, attach."""

import argparse
import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from console import places
from console.control.client import Client, EngineGoneError
from console.exit import Exit, Failure

T = TypeVar("T")

READY_WITHIN = 20.0
"""Seconds a starting engine has to say that it is ready, or why not."""

READY, RUNS_ALREADY = "ready", "runs already"
"""What a starting engine says through its pipe where there is an engine then; anything else is why there is none."""

ENDED_WITHIN = 5.0
"""Seconds in which an engine that has said why it cannot start has ended."""


class Where:
    """Settings file and state directory of this call, from `--config` and `--state-dir` or their defaults."""

    def __init__(self, config: str | None, state: str | None) -> None:
        self.config = places.config_file(config)
        self.state = places.state_directory(state)

    def socket(self) -> Path:
        """The control socket: that of the settings' event; with unreadable settings, the only one there is.

        Raises Failure where neither tells.
        """
        from console.config import SettingsError, load

        try:
            return places.socket_path(self.state, load(self.config).event.name)
        except PermissionError as error:
            raise Failure(Exit.SETTINGS, str(error)) from None
        except SettingsError as error:
            # A slip of the pen in the settings must not lock the operator out of a running engine.
            sockets = places.running_sockets(self.state)
            if len(sockets) == 1:
                return sockets[0]
            raise Failure(Exit.SETTINGS, str(error)) from None


async def connect(where: Where, *, observe: bool = False) -> Client:
    """Attach to the running engine. Raises Failure where there is none."""
    try:
        return await Client.connect(where.socket(), observe=observe)
    except EngineGoneError:
        raise Failure(Exit.NO_ENGINE, f"no engine runs for {where.config}; `racedeck` starts one") from None


def with_client(args: argparse.Namespace, act: Callable[[Client], Awaitable[T]]) -> T:
    """Attach, act, detach."""

    async def run() -> T:
        client = await connect(Where(args.config, args.state_dir))
        try:
            return await act(client)
        finally:
            client.close()

    return asyncio.run(run())


def start_engine(where: Where) -> None:
    """Start an engine that outlives this terminal, or find that somebody else has just done so.

    The engine becomes the leader of a session of its own, as a tmux server does, so that neither a hangup nor the end
    of the terminal reaches it; it says through a pipe that it is ready, or why it is not. Raises Failure with the
    engine's own words, and its status, where it cannot start.
    """
    ours, theirs = os.pipe()
    command = [sys.executable, "-m", "console.cli", "engine", "--config", str(where.config)]
    command += ["--state-dir", str(where.state), "--ready-fd", str(theirs)]
    try:
        where.state.mkdir(parents=True, exist_ok=True)
        log = open(where.state / "engine.log", "ab")  # noqa: SIM115 - closed below, on every way out
    except OSError as error:
        os.close(ours)
        os.close(theirs)
        raise Failure(Exit.ENGINE, f"cannot write the state directory {where.state}: {error.strerror}") from None
    with log, os.fdopen(ours, "rb") as answer:
        engine = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=[theirs],
            cwd="/",
        )
        os.close(theirs)
        word = _read_within(answer.fileno(), READY_WITHIN)
    if word not in (READY, RUNS_ALREADY):
        reason = word or f"the engine did not start; see {where.state / 'engine.log'}"
        raise Failure(Exit.SETTINGS if _status(engine) == Exit.SETTINGS else Exit.ENGINE, reason)


def _status(engine: "subprocess.Popen[bytes]") -> int | None:
    """How an engine that does not start has ended; None: it has not."""
    try:
        return engine.wait(ENDED_WITHIN)
    except subprocess.TimeoutExpired:
        return None


def _read_within(handle: int, seconds: float) -> str:
    """Everything that comes through the pipe until it closes, or for `seconds`."""
    import select
    import time

    said = b""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0 and said != READY.encode():
        if not select.select([handle], [], [], left)[0]:
            break
        chunk = os.read(handle, 4096)
        if not chunk:
            break
        said += chunk
    return said.decode("utf-8", "replace").strip()
