"""The demo as a script runs it: what it prints at its end, and that nothing of it is left."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import pytest

from console.exit import Exit
from tests.faults.rig import until

FIGURES = {"journaled", "sent", "tcp", "waiting", "held"}


async def test_the_demo_ends_and_leaves_nothing_running(tmp_path: Path) -> None:
    demo, children = await _demo(tmp_path, "--json", "--for", "4")
    out, err = await demo.communicate()
    assert demo.returncode == Exit.OK, err
    row = json.loads(out)
    assert set(row) == {"devices", "exports", "incidents"}
    assert len(row["devices"]) >= 4
    assert len(row["exports"]) >= 2
    assert all(set(one) == {"frames", "passings"} for one in row["devices"].values())
    assert all(one["frames"] for one in row["devices"].values())
    assert all(set(one) == FIGURES for one in row["exports"].values())
    await _nothing_is_left(tmp_path, children)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
async def test_a_demo_that_is_told_to_end_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    demo, children = await _demo(tmp_path, "--json")
    demo.send_signal(number)
    _, err = await demo.communicate()
    assert (demo.returncode, err) == (Exit.OK, b"")
    await _nothing_is_left(tmp_path, children)


async def test_a_demo_that_prints_ends_without_a_traceback(tmp_path: Path) -> None:
    demo, children = await _demo(tmp_path)
    assert demo.stdout
    await demo.stdout.readline()
    demo.send_signal(signal.SIGINT)
    _, err = await demo.communicate()
    assert demo.returncode == Exit.OK
    assert err.startswith(b"attach a console from another terminal:")
    assert len(err.splitlines()) == 2, err.decode()
    await _nothing_is_left(tmp_path, children)


async def _demo(directory: Path, *more: str) -> tuple[Process, set[int]]:
    """A demo without a screen, and its parts, as soon as they are there."""
    command = [sys.executable, "-m", "console.cli", "demo", "--headless", *more]
    demo = await asyncio.create_subprocess_exec(
        *command, stdout=PIPE, stderr=PIPE, env=os.environ | {"TMPDIR": str(directory)}
    )
    children: set[int] = set()

    def started() -> bool:
        for task in Path(f"/proc/{demo.pid}/task").glob("*/children"):
            children.update(int(child) for child in task.read_text().split())
        return len(children) >= 2

    await until(started, "devices and engine")
    return demo, children


async def _nothing_is_left(directory: Path, children: set[int]) -> None:
    await until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children), "every part of it has ended")
    assert not [*directory.glob("racedeck-demo-*"), *directory.rglob("*.sock")], "nor a file"
