"""`racedeck demo`: a small simulated race through the real engine, in a directory that is gone afterwards.

Three processes, as at a race: the devices and the scoring software (`racedeck simulate race`), the engine, and this
one, the console. The other two end when this one does, however it ends: their stdin closes.
"""

import argparse
import asyncio
import contextlib
import json
import os
import shlex
import signal
import sys
import tempfile
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

from console import places
from console.commands import show
from console.control.client import Client, EngineGoneError
from console.exit import Exit, Failure
from console.model import EngineState, ExportState
from console.timing.bind import find_zone

EVENT = "demo-10k"

READY_WITHIN = 20.0
"""Seconds that a part may take to start."""

DRAINED_WITHIN = 5.0
"""Seconds that exports may take, after the race, to hand over what is left."""

HEADLESS_FOR = 30.0
"""Seconds that a race nobody watches takes, unless told otherwise."""

SUMMARY_EVERY = 5.0
"""Seconds between two summaries of a headless race."""


def demo(args: argparse.Namespace) -> int:
    """Hold a race and show it."""
    headless = args.headless or args.json or not show.on_terminal()
    with tempfile.TemporaryDirectory(prefix="racedeck-demo-") as scratch:
        directory = Path(scratch)
        with contextlib.suppress(KeyboardInterrupt, asyncio.CancelledError):
            asyncio.run(_until_ended(_headless(args, directory) if headless else _watched(args, directory)))
    return Exit.OK


async def _until_ended(race: Coroutine[Any, Any, None]) -> None:
    """Hold the race. SIGTERM, and the loss of the terminal, end it as an interrupt does: everything is cleared away."""
    task = asyncio.ensure_future(race)
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    await task


# --- with a screen ---


async def _watched(args: argparse.Namespace, directory: Path) -> None:
    async with _race(args.seed, directory) as race:
        print(f"attach a second console from another terminal:\n  {race.attach}", file=sys.stderr)
        # The screens run their own event loop, in the main thread of a process that has nothing else to do.
        # What becomes of this engine is said below, not by the console, which knows only of engines that run on.
        screens = await asyncio.create_subprocess_exec(*_racedeck("attach", directory), "--no-farewell", *_look(args))
        watched = asyncio.create_task(screens.wait())
        try:
            await asyncio.wait({watched}, timeout=args.seconds)
        finally:
            if not watched.done():
                screens.terminate()
            await watched
        try:
            state = await race.end()
        except EngineGoneError:  # stopped from the console, with Q
            state = race.client.state
    print(f"the demo is over: {_totals(state)}; nothing is left running", file=sys.stderr)


def _look(args: argparse.Namespace) -> list[str]:
    """The options about looks, handed on."""
    look = [f"--{name}" for name in ("slow", "ascii") if getattr(args, name)]
    look += ["--no-bell"] if args.no_bell else []
    for name in ("theme", "fps"):
        if (value := getattr(args, name)) is not None:
            look += [f"--{name}", str(value)]
    return look


# --- without ---


async def _headless(args: argparse.Namespace, directory: Path) -> None:
    async with _race(args.seed, directory) as race:
        if args.json:
            show.out(show.json_line(show.summary_row(await _held(args, race))))
            return
        print(f"attach a console from another terminal:\n  {race.attach}", file=sys.stderr)
        printing = [asyncio.create_task(work(race.client)) for work in (_print_passings, _print_summaries)]
        holding = asyncio.create_task(_held(args, race))
        try:
            ended, _ = await asyncio.wait({holding, *printing}, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()  # where nobody reads what is printed, this ends the race
            _print_summary(await holding)
        finally:
            for task in (holding, *printing):
                task.cancel()
            await asyncio.gather(holding, *printing, return_exceptions=True)


async def _held(args: argparse.Namespace, race: "_Demo") -> EngineState:
    """Let the race go on for its time, and say how it stands at its end."""
    try:
        async with asyncio.timeout(args.seconds or HEADLESS_FOR):
            await race.client.gone.wait()
    except TimeoutError:
        return await race.end()
    raise Failure(Exit.FAILED, f"the engine has gone away; its log:\n{_talk(race.directory / 'engine.log')}")


async def _print_passings(client: Client) -> None:
    zone = find_zone(client.state.timezone)
    show.out(show.PASSING_HEAD)
    newest = 0
    while True:
        for one in await client.passings(after=newest):
            newest = one.passing.seq
            show.out(show.passing_line(one, zone))
        await asyncio.sleep(0.2)


async def _print_summaries(client: Client) -> None:
    while True:
        await asyncio.sleep(SUMMARY_EVERY)
        _print_summary(client.state)


def _print_summary(state: EngineState) -> None:
    devices = "  ".join(f"{one.name} {one.state.upper()} {one.passings}" for one in state.devices)
    show.out(f"-- passings by device: {devices}")
    for one in state.exports:
        held = f", {one.held} held" if one.held else ""
        unmapped = f", {one.unmapped} unmapped" if one.unmapped else ""
        figures = (
            f"{one.journaled} passings, {one.sent} sent, {show.known(one.tcp)} taken by its TCP, {one.waiting} waiting"
        )
        show.out(f"-- export {one.name} {one.state}: {figures}{held}{unmapped}")


def _totals(state: EngineState) -> str:
    return f"{state.journal.frames} frames, {state.journal.passings} passings kept"


def _owes(one: ExportState) -> bool:
    """Whether an export has something still to hand over, as far as it can tell."""
    return one.waiting > 0 or (one.tcp is not None and one.tcp < one.sent)


# --- the race ---


class _Demo:
    """The running parts."""

    def __init__(self, directory: Path, devices: Process, client: Client) -> None:
        self.directory = directory
        self.devices = devices
        self.client = client
        self.attach = shlex.join(_racedeck("attach", directory))

    async def end(self) -> EngineState:
        """End the race, let the exports hand over what is left, and say how it stands then."""
        _tell(self.devices, "stop")
        until = time.monotonic() + DRAINED_WITHIN
        while time.monotonic() < until:
            before = self.client.state.journal.frames
            state = await self.client.refresh()
            if state.journal.frames == before and not any(map(_owes, state.exports)):
                return state
            await asyncio.sleep(0.1)
        return self.client.state


@contextlib.asynccontextmanager
async def _race(seed: int, directory: Path) -> AsyncIterator[_Demo]:
    """Start devices, engine and scoring software; stop them all at the end."""
    zone = _zone_name()
    race = [*_module(), "simulate", "race", "--seed", str(seed), "--timezone", zone]
    async with contextlib.AsyncExitStack() as stack:
        devices = await _started(stack, race, directory / "devices.log", stdout=PIPE)
        where = json.loads(await _line_of(devices, directory / "devices.log"))["devices"]
        (directory / "racedeck.toml").write_text(_settings(where, zone))
        await _started(stack, [*_racedeck("engine", directory), "--with-parent"], directory / "engine.log")
        client = await _attached(directory)
        stack.callback(client.close)
        await _until_up(client)
        listen = {one.name: one.where for one in client.state.exports}
        _tell(devices, json.dumps({"software": listen["software"], "scoring": listen["scoring"]}))
        yield _Demo(directory, devices, client)


async def _started(stack: contextlib.AsyncExitStack, command: list[str], log: Path, stdout: int = DEVNULL) -> Process:
    """Start a part of the race; at the end its stdin closes, and it goes by itself."""
    with log.open("wb") as talk:
        process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=stdout, stderr=talk)

    async def end() -> None:
        assert process.stdin
        process.stdin.close()
        try:
            async with asyncio.timeout(READY_WITHIN):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    stack.push_async_callback(end)
    return process


async def _line_of(process: Process, log: Path) -> bytes:
    assert process.stdout
    async with asyncio.timeout(READY_WITHIN):
        line = await process.stdout.readline()
    if not line:
        raise Failure(Exit.FAILED, f"the simulated race did not start:\n{_talk(log)}")
    return line


def _tell(process: Process, line: str) -> None:
    assert process.stdin
    process.stdin.write(f"{line}\n".encode())


async def _attached(directory: Path) -> Client:
    """Attach to the engine, as soon as it is there."""
    socket = places.socket_path(directory, EVENT)
    until = time.monotonic() + READY_WITHIN
    while time.monotonic() < until:
        with contextlib.suppress(EngineGoneError):
            return await Client.connect(socket)
        await asyncio.sleep(0.05)
    raise Failure(Exit.ENGINE, f"the engine did not start:\n{_talk(directory / 'engine.log')}")


async def _until_up(client: Client) -> None:
    """Wait until every device is open and every export listens, so that the race is seen from its first frame."""
    until = time.monotonic() + READY_WITHIN
    while time.monotonic() < until:
        state = await client.refresh()
        open_ = all(one.state in ("open", "up") for one in state.devices)
        if open_ and all(not one.where.endswith(":0") and one.state != "down" for one in state.exports):
            return
        await asyncio.sleep(0.05)
    raise Failure(Exit.FAILED, "the simulated devices did not come up")


def _settings(where: dict[str, str], zone: str) -> str:
    return f"""\
# The settings of the demo. A real racedeck.toml looks just like this.
[event]
name = "{EVENT}"
timezone = "{zone}"

[[device]]
name = "chute"
type = "timemachine"
port = "{where["chute"]}"
baud = 9600
point = "Finish"

[[device]]
name = "start"
type = "thcom"
address = "{where["start"]}"
points = {{ 1 = "Start", 4 = "Hill" }}

[[device]]
name = "ctl-31"
type = "otimcon"
port = "{where["ctl-31"]}"

[[device]]
name = "ctl-45"
type = "otimcon"
port = "{where["ctl-45"]}"

[[export]]
name = "software"
type = "thcom-server"
listen = "127.0.0.1:0"

[[export]]
name = "scoring"
type = "tsv1"
listen = "127.0.0.1:0"
"""


def _talk(log: Path) -> str:
    """The last that a part said."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-10:])


def _module() -> list[str]:
    return [sys.executable, "-m", "console.cli"]


def _racedeck(command: str, directory: Path) -> list[str]:
    config = str(directory / "racedeck.toml")
    return [*_module(), command, "--config", config, "--state-dir", str(directory)]


def _zone_name() -> str:
    """The IANA name of this machine's zone; UTC where it does not tell."""
    name = os.environ.get("TZ") or os.path.realpath("/etc/localtime").partition("/zoneinfo/")[2]
    try:
        find_zone(name)
    except ValueError:
        return "UTC"
    return name
