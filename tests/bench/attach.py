"""A million-frame event: how long until the engine answers, a console is painted, a command has answered."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from console.control.client import Client
from tests.bench.lab import Engine, Lab, engine, racedeck
from tests.bench.million import long_event
from tests.bench.terminal import console


def run(lab: Lab) -> None:
    """Each the median of several."""
    directory, count = long_event(lab)
    times = lab.some(5, 2)
    lab.tell("engine start, empty event", median(started(lab.directory()) for _ in range(times)), "s")
    lab.tell(f"engine start, {count:,} frames", median(started(directory) for _ in range(times)), "s")
    with engine(directory, "") as running:
        pages = [newest_page(running) for _ in range(4 * times)]
        lab.tell("attach and newest page", median(pages), "s", at_most=0.3)
        paints = [first_paint(running) for _ in range(times)]
        bare = median(timed(lambda: done([sys.executable, "-c", "pass"])) for _ in range(times))
        lab.tell("first paint", median(paints), "s", at_most=0.3)
        lab.tell("first paint against a bare interpreter", median(paints) / bare, "x")
        status = median(timed(lambda: done(racedeck("status", *running.places))) for _ in range(times))
        lab.tell("racedeck status", status, "s")
    lab.tell("bare interpreter", bare, "s")
    for what in ("console.cli", "console.control.client", "console.engine.engine", "textual.app", "screens.deck"):
        seconds = median(timed(lambda what=what: done([sys.executable, "-c", f"import {what}"])) for _ in range(times))  # type: ignore[misc]
        lab.tell(f"import {what}", seconds - bare, "s")


def started(directory: Path) -> float:
    """Seconds from starting an engine to its first answer."""
    began = time.monotonic()
    with engine(directory, ""):
        return time.monotonic() - began


def newest_page(running: Engine) -> float:
    """Seconds to attach and to have the newest screen of frames and of passings."""

    async def attach() -> None:
        client = await Client.connect(running.socket, observe=True)
        frames, passings = await client.frames(limit=48), await client.passings(limit=48)
        client.close()
        if frames[-1].seq != client.state.journal.frames or not passings:
            raise RuntimeError("that was not the newest page")

    return timed(lambda: asyncio.run(attach()))


def first_paint(running: Engine) -> float:
    """Seconds from starting a console to a screen with the strip and the newest passing."""
    newest = running.state().journal.passings
    with console(running) as terminal:
        terminal.sees(b"SAVED")
        return terminal.sees(f"{newest}  ".encode()) - terminal.began


def timed(work: Callable[[], object]) -> float:
    """Seconds it takes."""
    began = time.monotonic()
    work()
    return time.monotonic() - began


def done(command: list[str]) -> None:
    """Run a command to its end."""
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
