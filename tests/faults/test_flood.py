"""A device that never pauses: it has to wait for the disk, and loses nothing."""

import asyncio
from pathlib import Path

import pytest

from console.model import DeviceState
from console.simulators.port import OUTBOX, Port, PtyPort, TcpPort
from tests.faults.rig import cp545_line, engine, plugged, until_open, until_state

LINES = 60_000
"""More than the journal's memory holds (64 MiB are about 38,000 such frames)."""


def told(device: DeviceState) -> int:
    """What it has told us, apart from what we said to it."""
    return device.passings + device.repeats


@pytest.mark.parametrize("link", ["pty", "tcp"])
async def test_nothing_of_a_flood_is_lost(tmp_path: Path, link: str) -> None:
    port: Port = PtyPort.open(tmp_path / "port") if link == "pty" else TcpPort.listen()
    where = f'port = "{port.where}"' if link == "pty" else f'address = "{port.where}"'
    settings = f'[[device]]\nname = "start"\ntype = "thcom"\npoint = "Start"\n{where}\n'
    async with plugged(port), engine(tmp_path, settings) as (_, client):
        await until_open(client)
        flood = b"".join(cp545_line(number % 9999 + 1) for number in range(LINES))
        for at in range(0, len(flood), OUTBOX):
            port.write(flood[at : at + OUTBOX])
            await port.drain()
            await asyncio.sleep(0)
        state = await until_state(client, lambda it: told(it.devices[0]) >= LINES or it.journal.dropped)
        assert (told(state.devices[0]), state.journal.dropped) == (LINES, 0)
