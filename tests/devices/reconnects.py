"""Many reconnects of one device, for the test of it and for the benchmark."""

import asyncio
import os
import tempfile
from itertools import repeat
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

from msgspec import structs

from console.devices import DRIVERS
from console.devices.manager import Manager
from console.simulators.port import PtyPort, TcpPort
from tests.devices.scripted import MemoryDesk, ScriptedSettings
from tests.links.recorder import until

WARM_UP = 10
"""Cycles before the first count: by then the loop and the allocator have what they keep."""


class Held(NamedTuple):
    descriptors: int
    tasks: int


def held() -> Held:
    return Held(len(os.listdir("/dev/fd")), len(asyncio.all_tasks()))


async def reconnects(cycles: int, over: str) -> tuple[Held, Held]:
    """Connect, hear one line and lose the link, `cycles` times `over` `pty` or `tcp`; what was held before and after.

    Raises AssertionError where a line is missing.
    """
    desk = MemoryDesk()
    manager = Manager(desk)
    with (
        tempfile.TemporaryDirectory() as folder,
        patch.dict(DRIVERS, {"scripted": "tests.devices.scripted:Scripted"}),
        patch("console.devices.runner.backoff", lambda: repeat(0.0)),
    ):
        link = Path(folder) / "tty"
        port = PtyPort.open(link) if over == "pty" else TcpPort.listen()
        device = ScriptedSettings(name="d", type="scripted", greeting="hello\n")
        device = structs.replace(device, **{"port" if over == "pty" else "address": port.where})
        try:
            await manager.apply([device])
            before = held()
            for number in range(WARM_UP + cycles):
                assert await port.read() == b"hello\n"
                if number == WARM_UP:
                    before = held()
                port.write(b"%d\n" % number)
                heard = 2 * (number + 1)  # the greeting is a frame too
                await until(lambda heard=heard: len(desk.frames) >= heard)  # type: ignore[misc]
                await port.drop(away=0)
            assert await port.read() == b"hello\n"
            after = held()
        finally:
            await manager.stop()
            await port.close()
    assert desk.raw("d") == b"".join(b"%d\n" % number for number in range(WARM_UP + cycles))
    return before, after
