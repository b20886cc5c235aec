"""10,000 impulses for timing software through cuts, stalls and kills: what does not come is held."""

import asyncio
import os
import random
import signal
from functools import partial
from pathlib import Path

from console.control.client import Client
from console.model import EngineState
from console.simulators.port import TcpPort
from tests.faults.rig import (
    Engine,
    Sender,
    Visits,
    at_work,
    cp545_line,
    ending,
    export,
    free_port,
    plugged,
    until,
    until_open,
    until_state,
    until_true,
)

MANY = 10_000

LIVES = 4
"""Of the engine; all but the last end by kill -9."""

STALE = 1.0
"""Seconds after which an impulse that was not sent is held."""

LINES = {"a": partial(cp545_line, channel="1"), "b": partial(cp545_line, channel="2")}


async def test_ten_thousand_impulses_come_or_are_held(tmp_path: Path) -> None:
    chance, number = random.Random(11), free_port()
    ports = {name: TcpPort.listen() for name in LINES}
    senders = {name: Sender(port, LINES[name]) for name, port in ports.items()}
    engine = Engine(tmp_path, _settings(ports, number))
    software = Visits(f"127.0.0.1:{number}")
    async with plugged(*ports.values()), ending(engine), at_work(*senders.values()):
        client = await engine.start()
        await until_open(client)
        await asyncio.gather(*(one.flood(MANY // 50) for one in senders.values()))
        await until_state(client, lambda state: state.journal.passings == MANY // 25)
        await asyncio.sleep(STALE)
        async with at_work(software):
            async with at_work(*(one.chatter(chance, most=30) for one in senders.values())):
                for life in range(1, LIVES + 1):
                    enough = MANY * life // LIVES
                    async with at_work(_misuse(engine, software, number, chance)):
                        await until_state(client, lambda state: state.journal.passings >= enough)  # noqa: B023
                    software.pace = 0.0
                    software.read_on()
                    if life < LIVES:
                        await engine.kill()
                        client.close()
                        client = await engine.start()
            await until_open(client)
            for one in senders.values():
                one.send(5)
            for name, one in senders.items():
                await until_true(partial(_journaled, client, name, one.number), "the last line is journaled")
            await until_state(client, lambda state: export(state, "software").peers[0].connected, "it is back")
            state = await until_state(client, _drained, "everything is handed over, or held")
            await _all_read(software, number)
            held, came, visits = export(state, "software").held, list(software.lines), list(map(list, software.visits))
            assert (await client.held("software", "release")).ok
            state = await until_state(client, lambda state: _drained(state) and not export(state, "software").held)
            passings = await engine.dump("passings")
            order = {LINES[row["device"]](int(row["bib"])).decode().strip(): row["seq"] for row in passings}
            await until(lambda: order.keys() <= set(software.lines), "what was released comes")
        client.close()
        assert await engine.stop() == 0

    assert export(state, "software").journaled == len(passings) >= MANY
    missing = order.keys() - set(came)
    assert MANY // 25 <= len(missing) <= held, "what did not come was held; with it what came just before a kill"
    assert set(software.lines) == order.keys()
    assert not [flaw for flaw in software.flaws if "cut" not in flaw]
    seen: set[str] = set()
    repeating = 0
    for visit in visits:
        numbers = [order[line] for line in visit]
        assert numbers == sorted(set(numbers)), "in order, none twice on one connection"
        repeating += not seen.isdisjoint(visit)
        seen.update(visit)
    assert repeating < LIVES, "only what came just before a kill comes again"
    assert software.connections > LIVES


async def _journaled(client: Client, device: str, number: int) -> bool:
    newest = await client.passings(device=device, limit=1)
    return bool(newest) and int(newest[0].bib or 0) == number


def _drained(state: EngineState) -> bool:
    """All that is in the journal was handed over, or is held."""
    one = export(state, "software")
    done = one.journaled == state.journal.passings and one.waiting == 0
    return done and one.journaled == one.sent + one.held == (one.tcp or 0) + one.held


async def _misuse(engine: Engine, software: Visits, port: int, chance: random.Random) -> None:
    """Fall silent, be slow, and lose the link."""
    while True:
        await asyncio.sleep(chance.uniform(0.05, 0.2))
        match chance.randrange(4):
            case 0 | 3:
                await _cut(engine, software, port)
            case 1:
                software.stop_reading()
                await asyncio.sleep(chance.uniform(0.05, 0.2))
                software.read_on()
            case 2:
                software.pace = 0.01
                await asyncio.sleep(chance.uniform(0.05, 0.2))
                software.pace = 0.0


async def _cut(engine: Engine, software: Visits, port: int) -> None:
    """Break off when all that the client's TCP has taken was read: what it took and lost was sent, for all we know."""
    visit = None
    os.kill(engine.pid, signal.SIGSTOP)
    try:
        await until(lambda: _stopped(engine.pid), "the engine has stopped")
        await _all_read(software, port)
        visit = software.connections
        software.drop()
    finally:
        if visit is not None:  # its socket is closed in the loop's next round, before which nothing more may be sent
            await until(lambda: not software.connected or software.connections > visit, "its socket is closed")
        os.kill(engine.pid, signal.SIGCONT)


async def _all_read(software: Visits, port: int) -> None:
    """Wait until the client has read what its TCP has taken."""
    await until(lambda: not _underway(port), "all that is on its way is read")
    before = -1
    while before < (before := len(software.lines)):
        await asyncio.sleep(0.02)


def _stopped(pid: int) -> bool:
    """Whether every thread has come to a halt: one in the middle of a system call ends that first."""
    states = [stat.read_text().rpartition(")")[2].split()[0] for stat in Path(f"/proc/{pid}/task").glob("*/stat")]
    return set(states) == {"T"}


def _underway(port: int) -> bool:
    """Whether the kernel holds bytes of a connection to `port` that its receiver has not read."""
    for row in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        local, remote, state, queues = row.split()[1:5]
        listens = state == "0A"  # its queue is of clients that wait to be accepted
        if f":{port:04X}" in (local[8:], remote[8:]) and queues != "00000000:00000000" and not listens:
            return True
    return False


def _settings(ports: dict[str, TcpPort], number: int) -> str:
    devices = "".join(
        f'[[device]]\nname = "{name}"\ntype = "thcom"\naddress = "{port.where}"\n' for name, port in ports.items()
    )
    return (
        f'{devices}[[export]]\nname = "software"\ntype = "thcom-server"\nlisten = "127.0.0.1:{number}"\n'
        'newcomers = "all"\n'
        f"stale_after = {STALE}\n"
    )
