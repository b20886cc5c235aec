"""Consoles and clients that are killed, frozen, deaf or half gone: devices, exports and others go on untouched."""

import asyncio
import os
import pty
import signal
import socket
import sys
from asyncio.subprocess import PIPE
from contextlib import closing, suppress
from pathlib import Path

from console.control import messages as m
from console.control.messages import packed
from console.model import EngineState
from console.simulators.port import TcpPort
from console.simulators.scoring import Scoring
from console.simulators.software import Software
from tests.exports.desk import deaf
from tests.faults.rig import (
    Engine,
    Sender,
    at_work,
    cp545_line,
    engine,
    export,
    free_port,
    plugged,
    until,
    until_open,
    until_state,
    until_true,
)

MANY = 3000
"""Lines while consoles misbehave."""

MORE = 8000
"""Lines beyond what all buffers between the engine and a deaf client hold."""


def settings(device: TcpPort, software: int, scoring: int) -> str:
    return f"""
[[device]]
name = "start"
type = "thcom"
address = "{device.where}"
points = {{ 1 = "Start" }}

[[export]]
name = "software"
type = "thcom-server"
listen = "127.0.0.1:{software}"

[[export]]
name = "scoring"
type = "tsv1"
listen = "127.0.0.1:{scoring}"
"""


async def test_consoles_that_are_frozen_killed_or_deaf(tmp_path: Path) -> None:
    port, ports = TcpPort.listen(), (free_port(), free_port())
    device = Sender(port, cp545_line)
    software, scoring = Software(f"127.0.0.1:{ports[0]}"), Scoring(f"127.0.0.1:{ports[1]}")
    async with (
        plugged(port),
        engine(tmp_path, settings(port, *ports)) as (one, client),
        at_work(device, software, scoring),
    ):
        await until_open(client)
        await software.until(lambda: software.connected)
        await scoring.until(lambda: scoring.connected)
        await until_state(client, lambda state: all(len(each.peers) == 1 for each in state.exports))
        frozen, killed = await _follower(one), await _follower(one)
        unread, terminal = _console(one)
        with closing(_deaf_console(one)):
            try:
                await until_state(client, lambda state: state.consoles == 5, "all five are attached")
                frozen.send_signal(signal.SIGSTOP)
                killed.kill()
                await killed.wait()
                await device.flood(MANY)
                await software.until(lambda: len(software.lines) == MANY)
                await scoring.until(lambda: len(scoring.reads) == MANY)
                assert software.lines == [cp545_line(number).decode().strip() for number in range(1, MANY + 1)]
                state = await until_state(client, lambda state: all(each.tcp == MANY for each in state.exports))
                assert state.journal.passings == state.devices[0].passings == MANY
                assert state.consoles == 4, "only the killed one is gone"
            finally:
                for process in (frozen, killed):
                    if process.returncode is None:
                        process.kill()
                    await process.wait()
                os.kill(unread, signal.SIGKILL)
                os.close(terminal)
                await asyncio.to_thread(os.waitpid, unread, 0)
        await until_state(client, lambda state: state.consoles == 1)
        assert await one.stop() == 0


async def _follower(one: Engine) -> asyncio.subprocess.Process:
    """`racedeck tail --follow`, whose output nobody reads."""
    command = [sys.executable, "-m", "console.cli", "tail", *one.where, "--frames", "--follow"]
    return await asyncio.create_subprocess_exec(*command, stdout=PIPE)


def _console(one: Engine) -> tuple[int, int]:
    """The whole console, on a terminal that nobody reads: its pid, and the terminal."""
    child, terminal = pty.fork()
    if child == 0:
        os.execve(
            sys.executable, [sys.executable, "-m", "console.cli", *one.where], os.environ | {"TERM": "xterm-256color"}
        )
    return child, terminal


def _deaf_console(one: Engine) -> socket.socket:
    """Asks for everything, again and again, and reads nothing."""
    console = socket.socket(socket.AF_UNIX)
    console.connect(str(one.socket))
    console.setblocking(False)
    console.send(packed(m.Hello(protocol=m.PROTOCOL, who="deaf")))
    with suppress(BlockingIOError):
        for number in range(2000):
            console.send(packed(m.Request(id=number, call=m.GetFrames(limit=1000))))
    return console


async def test_clients_that_are_deaf_or_half_gone(tmp_path: Path) -> None:
    port, ports = TcpPort.listen(), (free_port(), free_port())
    device = Sender(port, cp545_line)
    where = f"127.0.0.1:{ports[0]}"
    half, whole = Software(where), Software(where)
    async with plugged(port), engine(tmp_path, settings(port, *ports)) as (one, client), at_work(device, half, whole):
        await until_open(client)
        await until(lambda: half.connected and whole.connected)
        half.half_close()
        with closing(deaf(where, "127.0.0.2")):

            def all_there(state: EngineState) -> bool:
                return {peer.address for peer in export(state, "software").peers} == {"127.0.0.1", "127.0.0.2"}

            await until_state(client, all_there)
            await device.flood(MORE)
            expected = [cp545_line(number).decode().strip() for number in range(1, MORE + 1)]
            await half.until(lambda: len(half.lines) == MORE)
            await whole.until(lambda: len(whole.lines) == MORE)
            assert half.lines == whole.lines == expected
            assert (half.connections, whole.connections) == (1, 1)

            async def is_told() -> bool:
                peers = {peer.address: peer for peer in export(await client.refresh(), "software").peers}
                good, bad = peers["127.0.0.1"], peers["127.0.0.2"]
                assert bad.connected
                assert bad.journaled >= bad.sent >= (bad.tcp or 0)
                return good.tcp == MORE and 0 < (bad.tcp or 0) <= bad.sent < MORE and bad.waiting == MORE - bad.sent

            await until_true(is_told, "the deaf one's queue is shown, and only its own")
        status = await one.racedeck("status", "--json")
        figures = status.row["exports"]["software"]
        assert figures["journaled"] == MORE
        assert figures["journaled"] >= figures["sent"] >= figures["tcp"]


async def test_what_a_client_missed_for_too_long_is_held(tmp_path: Path) -> None:
    """An impulse that has gone stale is not given to ski software, but to the operator, and is counted."""
    port, ports = TcpPort.listen(), (free_port(), free_port())
    device = Sender(port, cp545_line)
    where = f"127.0.0.1:{ports[0]}"
    impatient = settings(port, *ports).replace('"thcom-server"', '"thcom-server"\nstale_after = 0.5')
    first, second = Software(where), Software(where)
    async with plugged(port), engine(tmp_path, impatient) as (one, client), at_work(device):
        await until_open(client)
        async with at_work(first):
            await until_state(client, lambda state: any(peer.connected for peer in export(state, "software").peers))
        await until_state(client, lambda state: not any(peer.connected for peer in export(state, "software").peers))
        device.send(7)
        state = await until_state(client, lambda state: export(state, "software").waiting == 7)
        oldest = export(state, "software").oldest
        assert oldest
        await until_state(client, lambda state: state.now - oldest > 10**9)
        await one.kill()
        again = await one.start()
        async with at_work(second):
            state = await until_state(again, lambda state: export(state, "software").held == 7)
            assert export(state, "software").sent == 0
            assert second.lines == []
            assert (await again.held("software", "release", tuple(range(1, 5)))).text == "held, and released now: 4"
            await second.until(lambda: len(second.lines) == 4)
            assert (await again.held("software", "skip")).text == "held, and skipped now: 3"
            state = await until_state(again, lambda state: export(state, "software").tcp == 4)
            assert export(state, "software").held == 0
            assert second.lines == [cp545_line(number).decode().strip() for number in range(1, 5)]
        again.close()
