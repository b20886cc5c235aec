"""`racedeck simulate` and `replay`: stand-ins for devices and peers."""

import argparse
import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import Coroutine
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from console.commands import show
from console.exit import Exit, Failure
from console.simulators import SIMULATORS

if TYPE_CHECKING:
    from console.simulators.port import Port

READ_WITHIN = 5.0
"""Seconds in which what was played last must have been read."""


def simulate(args: argparse.Namespace) -> int:
    """Run one simulator until it is interrupted."""
    module = import_module(SIMULATORS[args.simulator])
    try:
        with contextlib.suppress(asyncio.CancelledError, KeyboardInterrupt):
            asyncio.run(_until_terminated(module.main(args)))
    except OSError as error:
        raise Failure(Exit.FAILED, f"simulate {args.simulator}: {error.strerror or error}") from None
    return Exit.OK


async def _until_terminated(simulator: Coroutine[Any, Any, None]) -> None:
    """Run a simulator; SIGTERM and the loss of the terminal end it as an interrupt does: it clears its links away."""
    task = asyncio.ensure_future(simulator)
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    await task


def replay(args: argparse.Namespace) -> int:
    """Play every device of a recording back, each on a port of its own."""
    path = Path(args.file)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_replay(path, args.speed, tcp=args.tcp))
    return Exit.OK


async def _replay(path: Path, speed: float, *, tcp: bool) -> None:
    from console.simulators.port import PtyPort, TcpPort
    from console.simulators.replay import RecordingError
    from console.simulators.replay import replay as play

    names = _devices(path)
    if not names:
        raise Failure(Exit.FAILED, f"{path}: no device says anything in it")
    ports: dict[str, Port] = {}
    for name in names:
        ports[name] = TcpPort.listen() if tcp else PtyPort.open()
        show.out(f"{name} {ports[name].where}")
    print("open these ports, then press Enter here", file=sys.stderr)
    listening = [asyncio.create_task(_listen(port)) for port in ports.values()]
    try:
        await asyncio.to_thread(sys.stdin.readline)
        await asyncio.gather(*(play(port, path, speed, device=name) for name, port in ports.items()))
        async with asyncio.timeout(READ_WITHIN):
            await asyncio.gather(*(port.taken() for port in ports.values()))
    except RecordingError as error:
        raise Failure(Exit.FAILED, str(error)) from None
    except TimeoutError:
        raise Failure(Exit.FAILED, "somebody has not read everything: is every port open?") from None
    finally:
        for port in ports.values():
            await port.close()
        await asyncio.gather(*listening)


async def _listen(port: "Port") -> None:
    """Hear what the host says, and do nothing about it."""
    while await port.read():
        pass


def _devices(path: Path) -> list[str]:
    """Devices that sent something in the recording, in the order of their first frame."""
    names: dict[str, None] = {}
    number = 0
    try:
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                number += 1
                row = json.loads(line)
                if row["direction"] == "rx":
                    names[row["device"]] = None
    except OSError as error:
        raise Failure(Exit.FAILED, f"{path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        hint = "record it with `racedeck dump frames --format json`"
        raise Failure(Exit.FAILED, f"{path}: line {number} is not a recorded frame; {hint}") from None
    return list(names)
