"""`racedeck`: attach a console, starting an engine if none runs."""

import argparse
import asyncio
import time
from functools import partial
from pathlib import Path

from console.commands import show
from console.commands.attach import READY_WITHIN, Where, start_engine
from console.control.client import Client, EngineGoneError, RefusedError
from console.exit import Exit, Failure


def attach(args: argparse.Namespace) -> int:
    """Attach, starting an engine if none runs."""
    where = Where(args.config, args.state_dir)
    socket = where.socket()
    if not asyncio.run(_answers(socket)):
        if args.observe:
            raise Failure(Exit.NO_ENGINE, f"no engine runs for {where.config}; an observer does not start one")
        start_engine(where)
        if not asyncio.run(_answers(socket, READY_WITHIN)):
            raise Failure(Exit.ENGINE, f"an engine runs, but does not answer at {socket}: see engine.log beside it")
    if not show.on_terminal():
        instead = "see `racedeck status` and `racedeck tail` (the engine runs)"
        raise Failure(Exit.USAGE, f"stdin, stdout or stderr is no terminal; {instead}")
    from screens.app import run

    return run(
        socket,
        observe=args.observe,
        slow=args.slow,
        fps=args.fps,
        ascii=args.ascii,
        theme=args.theme or "",
        bell=not args.no_bell,
        start=None if args.observe else partial(_start_again, where),
        farewell=not args.no_farewell,
    )


def _start_again(where: Where) -> None:
    """Start an engine for a console that is open already. Raises RefusedError with why it did not start."""
    try:
        start_engine(where)
    except Failure as failure:
        raise RefusedError(failure.reason) from None


async def _answers(socket: Path, within: float = 0.0) -> bool:
    """Whether an engine answers, now or `within` so many seconds."""
    until = time.monotonic() + within
    while True:
        try:
            client = await Client.connect(socket, observe=True)
        except EngineGoneError:
            if time.monotonic() >= until:
                return False
            await asyncio.sleep(0.05)
        else:
            client.close()
            return True
