"""10,000 passings to a CTP01 server through cuts, stalls and kills: it gets what the journal has, once, in order."""

import asyncio
import random
from functools import partial
from pathlib import Path

import pytest

from console.control.client import Client
from console.exit import Exit
from console.model import EngineState
from console.simulators.port import TcpPort
from console.simulators.scoring_ctp01 import ScoringCtp01
from tests.faults.rig import (
    Engine,
    Row,
    Sender,
    at_work,
    cp545_line,
    ending,
    export,
    free_port,
    plugged,
    until_state,
)

PASSINGS = 10_000
"""Of two devices, in the end; what is on a line when the engine is killed was never in the journal."""

LIVES = 4
"""Of the engine; all but the last end by kill -9."""

POINTS = {"start": "Start", "finish": "Finish"}


def settings(devices: dict[str, TcpPort], server: int) -> str:
    """Two timers, each at its point, and the export."""
    return "".join(
        f"""
[[device]]
name = "{name}"
type = "thcom"
address = "{port.where}"
point = "{POINTS[name]}"
"""
        for name, port in devices.items()
    ) + (
        f"""
[[export]]
name = "scoring"
type = "ctp01"
connect = "127.0.0.1:{server}"
user = "race"
"""
    )


@pytest.mark.parametrize(("mode", "scheme"), [("push", "hmac-sha1"), ("pull", "seed-md5")])
async def test_everything_once_and_in_order(tmp_path: Path, mode: str, scheme: str) -> None:
    chance, number = random.Random(mode), free_port()
    devices = {name: TcpPort.listen() for name in POINTS}
    senders = [Sender(port, partial(cp545_line, channel="1")) for port in devices.values()]
    engine = Engine(tmp_path, settings(devices, number))
    (tmp_path / "secrets.toml").write_text('[export.scoring]\npassword = "hunter2"\n')
    (tmp_path / "secrets.toml").chmod(0o600)
    server = ScoringCtp01(
        f"127.0.0.1:{number}",
        options={"stream-mode": mode, "time-format": "iso", "authentication": scheme, "pushmode-ack": "true"},
        user="race",
        password="hunter2",
        close_chance=0.02,
        most=100,
        poll=0.01,
        ping=0.3,
        seed=3,
    )
    async with plugged(*devices.values()), ending(engine), at_work(server.run(), *senders):
        for life in range(LIVES):
            client = await engine.start()
            try:
                await until_open_devices(client)
                more = (PASSINGS - client.state.journal.passings) // (LIVES - life) // 4 + 1
                for _ in range(2):
                    await asyncio.gather(*(one.flood(more) for one in senders))
                    server.stop_reading()
                    await asyncio.sleep(chance.random() * 0.1)
                    server.read_on()
                    if chance.random() < 0.5:
                        await server.until(lambda: server.connections > life)  # noqa: B023 - it is awaited here
                        server.drop()
                if life < LIVES - 1:
                    had = len(server.known)
                    await server.until(lambda: len(server.known) > had)  # noqa: B023 - it is awaited here
                    await engine.kill()
                    continue
                server.close_chance = 0.0
                await until_state(client, lambda state: done(state, server), "all has arrived")
            finally:
                client.close()
        passings = await engine.dump("passings")
        assert len(passings) >= PASSINGS
        assert server.connections > LIVES
        assert_same(passings, server)
        assert not server.flaws, list(server.flaws)[:5]
        assert server.repeats == 0
        assert "hunter2" not in engine.log
        for file in engine.files.iterdir():
            assert b"hunter2" not in file.read_bytes(), file


async def test_a_password_that_is_mended(tmp_path: Path) -> None:
    """And a timing point: what was held for it goes out."""
    number, devices = free_port(), {"start": TcpPort.listen()}
    sender = Sender(devices["start"], partial(cp545_line, channel="1"))
    engine = Engine(tmp_path, settings(devices, number).replace('point = "Start"', ""))
    secrets = tmp_path / "secrets.toml"
    secrets.touch(0o600)
    secrets.write_text('[export.scoring]\npassword = "hunter3"\n')
    options = {"stream-mode": "push", "authentication": "plaintext"}
    server = ScoringCtp01(f"127.0.0.1:{number}", options=options, user="race", password="hunter2")
    async with plugged(*devices.values()), ending(engine), at_work(server.run(), sender):
        client = await engine.start()
        await until_open_devices(client)
        sender.send(3)
        refused = "refuses user 'race'"
        await until_state(client, lambda state: refused in export(state, "scoring").reason, "it is refused")
        await until_state(client, lambda state: export(state, "scoring").held == 3, "they have no timing point")
        secrets.write_text('[export.scoring]\npassword = "hunter2"\n')
        engine.write(settings(devices, number))
        assert (await engine.racedeck("reload")).status == 0
        await until_state(client, lambda state: done(state, server) and len(server.known) == 3, "all is mended")
        client.close()
    assert not server.flaws
    assert "hunter" not in engine.log


async def test_numbers_begin_anew_when_the_operator_says_so(tmp_path: Path) -> None:
    """The server has lost what it had: everything goes out again, as lines of another timer; also after a restart."""
    number, devices = free_port(), {"start": TcpPort.listen()}
    sender = Sender(devices["start"], partial(cp545_line, channel="1"))
    engine = Engine(tmp_path, settings(devices, number))
    server = ScoringCtp01(f"127.0.0.1:{number}", options={"stream-mode": "push"})
    async with plugged(*devices.values()), ending(engine), at_work(server.run(), sender):
        client = await engine.start()
        await until_open_devices(client)
        sender.send(5)
        await until_state(client, lambda state: export(state, "scoring").tcp == 5, "all have come")
        before = list(server.known)

        asked = await engine.racedeck("export", "renumber", "scoring")
        assert asked.status == Exit.REFUSED
        assert "Passings that go out again: 5." in asked.err
        assert "--yes scoring" in asked.err
        wrong = await engine.racedeck("export", "renumber", "scoring", "--yes", "other")
        assert (wrong.status, server.connections) == (Exit.REFUSED, 1)

        ran = await engine.racedeck("export", "renumber", "scoring", "--yes", "scoring")
        assert ran.status == Exit.OK, ran.err
        await server.until(lambda: len(server.reads) == 10)
        assert [(got.sequence, got.tag) for got in server.reads[5:]] == [
            (got.sequence, got.tag) for got in server.reads[:5]
        ]
        assert len(set(server.known)) == 10
        (connection,) = {one[0] for one in set(server.known) - set(before)}
        assert connection in ran.err
        await until_state(client, done_again, "its account begins anew, too")
        sender.send(1)
        await server.until(lambda: server.reads[-1].sequence == 6)
        await until_state(client, lambda state: export(state, "scoring").tcp == 6)
        client.close()
        await engine.stop()

        client = await engine.start()
        await until_open_devices(client)
        sender.send(1)
        await server.until(lambda: server.reads[-1].sequence == 7)
        assert server.reads[-1].connection == connection
        assert not server.repeats
        client.close()
    assert not server.flaws


def done_again(state: EngineState) -> bool:
    """Five that went out, and nobody counts them twice."""
    one = export(state, "scoring")
    return (one.journaled, one.sent, one.tcp, one.waiting) == (5, 5, 5, 0)


async def until_open_devices(client: Client) -> None:
    """Wait until the timers are connected; the export connects when it can."""
    await until_state(client, lambda state: all(one.state in ("open", "up") for one in state.devices))


def done(state: EngineState, server: ScoringCtp01) -> bool:
    """Everything that was journaled was taken, and has come."""
    one = export(state, "scoring")
    return one.waiting == 0 and one.journaled == one.tcp == len(server.known)


def assert_same(passings: list[Row], server: ScoringCtp01) -> None:
    """The set of identities is the journal's; numbers ascend without a gap; order is that of the journal."""
    for device, location in POINTS.items():
        journal = [str(row["bib"]) for row in passings if row["device"] == device and row["status"] == "live"]
        numbers = {got.sequence: got.tag for got in server.known.values() if got.location == location}
        assert sorted(numbers) == list(range(1, len(journal) + 1))
        assert [numbers[one] for one in sorted(numbers)] == journal
        came = [got.sequence for got in server.reads if got.location == location]
        assert came == sorted(came)
    assert len({got.connection for got in server.known.values()}) == 1
