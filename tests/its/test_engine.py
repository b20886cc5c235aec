"""A real engine between a server, timers on cables and timing software."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from console.control.client import Client
from console.model import Direction, EngineState, ItsLink, ItsWriter, Passing, Status
from console.simulators.port import TcpPort
from console.simulators.software import Software
from tests.faults.rig import (
    Engine,
    all_frames,
    at_work,
    engine,
    export,
    free_port,
    incidents,
    plugged,
    until,
    until_state,
    until_true,
)
from tests.its.server import Server, serving

START = "TN    1    1 M1 13:50:12.36600  9098"
FINISH = "TN    1    1 M2 13:50:23.98600  9098"
NET = "IR 1       1    00:00:11.62000"


def settings(server: Server, more: str = "", port: int = 0) -> str:
    text = f"""
[its]
software_id = "1007"
server = "127.0.0.1"
server_port = {server.port}
user = "timer01"
{more}
"""
    if port:
        text += f'\n[[export]]\nname = "software"\ntype = "thcom-server"\nlisten = "127.0.0.1:{port}"\n'
    return text


NAMED = """
[[its.material]]
serial = "0084"
name = "start"
model = "TM550"
colour = "Blue"
points = { M1 = "Start" }
"""

FINISH_TIMER = """
[[its.send]]
device = "finish"
serial = "0086"

[[its.write]]
device = "finish"

[[device]]
name = "finish"
type = "thcom"
address = "%s"
points = { M2 = "Finish" }
"""


@asynccontextmanager
async def linked(directory: Path, text: str, links: int = 1) -> AsyncIterator[tuple[Engine, Client]]:
    secrets = directory / "secrets.toml"
    secrets.write_text('[its]\npassword = "secret01"\n')
    secrets.chmod(0o600)
    async with engine(directory, text) as (one, client):
        await until_state(client, lambda state: are_linked(state, links), "linked")
        yield one, client


def are_linked(state: EngineState, links: int = 1) -> bool:
    found = state.its.links if state.its else ()
    return len(found) == links and all(link.state == "linked" for link in found)


def link(state: EngineState, serial: str) -> ItsLink:
    assert state.its
    return next(one for one in state.its.links if one.serial == serial)


class Cable:
    """What a timer on a cable is told."""

    def __init__(self, port: TcpPort) -> None:
        self.port = port
        self.got = b""

    async def run(self) -> None:
        while data := await self.port.read():
            self.got += data


async def passings(client: Client) -> list[Passing]:
    return [row.passing for row in await client.passings(after=0, limit=1000)]


async def written(client: Client, count: int) -> bool:
    """Whether so many messages are journaled as written into the timer."""
    return sum(frame.device == "finish" and frame.by == "its" for frame in await all_frames(client)) == count


async def test_a_start_far_away_and_a_finish_on_a_cable(tmp_path: Path) -> None:
    port, number = TcpPort.listen(), free_port()
    async with serving() as server, plugged(port):
        text = settings(server, NAMED + FINISH_TIMER % port.where, number)
        software, cable = Software(f"127.0.0.1:{number}", retry=0.05), Cable(port)
        async with linked(tmp_path, text, links=2) as (one, client), at_work(software, cable.run()):
            await until_state(client, lambda state: state.its and state.its.instances == {number: 1})
            for serial in ("1007", "0086"):
                server.at(serial).say("10084", START, number=0)
            await until(lambda: START in software.lines, "software gets the start")
            await until(lambda: START.encode() + b"\r\n" in cable.got, "the finish timer gets it")
            port.write(FINISH.encode() + b"\r\n" + NET.encode() + b"\r\n")
            await until(lambda: len(server.received) == 2, "the server gets the finish")
            assert server.received[0] == ("10086", FINISH)
            assert [line[:2] for line in software.lines] == ["TN", "TN", "IR"]
            server.at("1007").say("10086", FINISH)  # by the arrows, this computer is told, too
            state = await until_state(client, lambda state: export(state, "its").acked == 2)
            await until_state(client, lambda state: state.its and any(one.echoes for one in state.its.material))
            found = await passings(client)
            assert [(row.device, row.kind.value, row.status) for row in found] == [
                ("start", "impulse", Status.LIVE),
                ("finish", "impulse", Status.LIVE),
                ("finish", "result", Status.LIVE),
            ]
            await until_true(lambda: written(client, 1), "it is journaled as sent")
            assert not any(b"secret01" in frame.raw for frame in await all_frames(client))
            start = next(one for one in state.devices if one.name == "start")
            assert (start.state.value, start.facts["model"]) == ("up", "TM550")
            log = one.files / "GSM_Interface_Log.csv"
            await until(lambda: "M1 13:50:12.36600" in log.read_text() and ";0086;" in log.read_text())
            rows = log.read_text().splitlines()
            assert rows[1].startswith("190;")
            assert any(row.startswith("000;") and row.endswith(";7000") for row in rows)
            assert any(row.endswith(f";Instance Connected.;{number}") for row in rows)
            assert sum("0086" in row for row in rows) == 1  # what came for the timer on the cable is not in it
            assert (await one.racedeck("doctor")).err == ""
        assert "secret01" not in one.log


def writer(state: EngineState) -> ItsWriter:
    assert state.its
    (one,) = state.its.writers
    return one


async def test_what_came_for_an_unplugged_timer_outlives_the_engine(tmp_path: Path) -> None:
    where = free_port()
    text = FINISH_TIMER % f"127.0.0.1:{where}"
    async with serving() as server, linked(tmp_path, settings(server, "stale_after = 3600" + text), 2) as (one, client):
        server.at("0086").say("10084", START)
        await until_state(client, lambda state: writer(state).waiting == 1)
        await until(lambda: server.at("0086").session.waiting == 0, "the server may forget it")
        client.close()
        await one.kill()
        one.write(settings(server, "stale_after = 0.001" + text))
        client = await one.start()
        state = await until_state(client, lambda state: writer(state).held == 1)
        assert export(state, "its-to-finish").held == 1
        port = TcpPort.listen(port=where)
        cable = Cable(port)
        async with plugged(port), at_work(cable.run()):
            await until_state(client, lambda state: all(one.state.value in ("open", "up") for one in state.devices))
            server.at("0086").say("10084", NET)
            await until(lambda: NET.encode() in cable.got, "what is not stale")
            assert START.encode() not in cable.got, "nothing stale is written blindly"
            ran = await one.racedeck("held", "its-to-finish")
            assert "held for wired timers, which are told frames: 1; what lacks nothing: `racedeck held" in ran.out
            assert "no peer 'nobody'" in (await one.racedeck("held", "its-to-finish", "skip", "--peer", "nobody")).err
            ran = await one.racedeck("held", "its-to-finish", "release")
            assert (ran.status, ran.err) == (0, "held, and released now: 1\n")
            await until(lambda: START.encode() + b"\r\n" in cable.got, "what was released")
            await until_state(client, lambda state: writer(state).written == 2)
            await until_true(lambda: written(client, 2), "both are journaled as sent")
            ran = await one.racedeck("held", "its-to-finish", "release")
            assert (ran.status, "nothing is held for its-to-finish" in ran.err) == (6, True)
        client.close()


async def test_unknown_sources_appear_by_themselves_and_outlive_the_engine(tmp_path: Path) -> None:
    async with serving() as server, linked(tmp_path, settings(server)) as (one, client):
        assert [device.name for device in client.state.devices] == []
        server.at("1007").say("10099", START)
        state = await until_state(client, lambda state: state.journal.passings == 1)
        assert [(device.name, device.type, device.state.value) for device in state.devices] == [
            ("its-0099", "its", "up")
        ]
        client.close()
        await one.kill()
        client = await one.start()
        state = await until_state(client, are_linked)
        assert [device.name for device in state.devices] == ["its-0099"]
        assert state.its
        (heard,) = [one.heard for one in state.its.material if one.address == "10099"]
        assert heard, "before the kill"
        server.at("1007").say("10099", START)  # never acknowledged before the kill, as far as the server knows
        server.at("1007").say("10099", NET)
        await until_state(client, lambda state: state.journal.passings == 3)
        found = await passings(client)
        assert [row.status for row in found] == [Status.LIVE, Status.REPEAT, Status.LIVE]
        client.close()


async def test_a_link_that_was_cut_comes_back_and_repeats_nothing(tmp_path: Path) -> None:
    number = free_port()
    async with serving() as server:
        software = Software(f"127.0.0.1:{number}", retry=0.05)
        async with linked(tmp_path, settings(server, NAMED, number)) as (_, client), at_work(software):
            await until_state(client, lambda state: state.its and state.its.instances == {number: 1})
            for data in (START, NET):
                server.at("1007").say("10084", data)
            await until(lambda: len(software.lines) == 2)
            before = len(server.visitors)
            server.cut()
            await until_state(client, lambda state: link(state, "1007").state == "down")
            await until_state(client, are_linked)
            await until(lambda: len(server.visitors) > before)
            for data in (
                START,
                NET,
                START.replace("1    1", "2    2"),
            ):  # what it has no proof of, and more
                server.at("1007").say("10084", data)
            await until(lambda: len(software.lines) == 3)
            found = await passings(client)
            assert [row.status for row in found] == [
                Status.LIVE, Status.LIVE, Status.REPEAT, Status.REPEAT, Status.LIVE,
            ]  # fmt: skip
            frames = await all_frames(client)
            assert "Connection server close" in [frame.label for frame in frames]
            assert [frame.device for frame in frames if frame.direction is Direction.RX and b"TN" in frame.raw] == [
                "start"
            ] * 3


@pytest.mark.parametrize("greeting", ["#GC 0", ""])
async def test_a_server_that_will_not_have_us_disturbs_nothing_else(tmp_path: Path, greeting: str) -> None:
    port, number = TcpPort.listen(), free_port()
    server = Server()
    server.greeting = [greeting] if greeting else []
    if not greeting:
        server.on_login = lambda visitor: visitor.write(b"HTTP/1.1 400 Bad Request\r\n" * 2000)
    (tmp_path / "secrets.toml").write_text('[its]\npassword = "secret01"\n')
    (tmp_path / "secrets.toml").chmod(0o600)
    async with serving(server), plugged(port):
        text = settings(server, FINISH_TIMER % port.where, number)
        software = Software(f"127.0.0.1:{number}", retry=0.05)
        async with engine(tmp_path, text) as (_, client), at_work(software):
            await until_state(client, lambda state: state.its and state.its.instances == {number: 1})
            word = "refused" if greeting else "logging in"
            await until_state(client, lambda state: state.its and {one.state for one in state.its.links} == {word})
            port.write(FINISH.encode() + b"\r\n")
            await until(lambda: software.lines == [FINISH])
            state = await until_state(client, lambda state: export(state, "its").waiting == 1)
            assert export(state, "its").state == "down"
            word = "check user and password" if greeting else "garbage"

            async def said() -> bool:
                told = [one.text for one in await incidents(client) if one.source == "its"]
                return sum(word in text for text in told) == 2

            await until_true(said, "once for each login")


async def test_settings_are_mended_while_it_runs(tmp_path: Path) -> None:
    async with serving() as server, linked(tmp_path, settings(server)) as (one, client):
        server.at("1007").say("10084", START)
        await until_state(client, lambda state: state.journal.passings == 1)
        visitors = len(server.visitors)
        one.write(settings(server, NAMED))
        assert "changed" in (await client.reload()).text
        server.at("1007").say("10084", START.replace("1    1", "2    2"))
        await until_state(client, lambda state: state.journal.passings == 2)
        found = await passings(client)
        assert [row.device for row in found] == ["its-0084", "start"]
        assert len(server.visitors) == visitors  # a name is no reason to part
        one.write("")
        await client.reload()
        state = await until_state(client, lambda state: state.its is None)
        assert state.exports == ()
