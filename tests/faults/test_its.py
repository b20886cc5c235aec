"""The guide's own example, by real processes: two timers, a PC and a relay; and what may go wrong at its door."""

import asyncio
import csv
import random
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from console.codecs import gsm_log, thcom
from console.control.client import Client
from console.model import SECOND, EngineState, ItsLink
from console.relay.club import Club
from console.relay.database import Database
from console.simulators.cp545 import Cp545
from console.simulators.port import Port, PtyPort, TcpPort
from console.simulators.software import Software
from tests.faults.rig import (
    PATIENCE,
    Engine,
    Row,
    Sender,
    at_work,
    cp545_line,
    ending,
    engine,
    free_port,
    incidents,
    plugged,
    racedeck,
    until,
    until_open,
    until_state,
    until_true,
)
from tests.relay.desk import ARROWS, EVENT, FINISH, GREETING, M1, M2, PASSWORD, PC, START, USER, connected, desk
from tests.relay.test_processes import Server, serving

PARIS = ZoneInfo("Europe/Paris")

NET = thcom.result_line("IR", 1, 1, 11_620_000_000)
"""As a CP545 prints it: the guide's TM550 has zeros where it has blanks."""

HUTS = {START: "1084", FINISH: "1086"}
"""The computers to which the timers are wired: each is material of its own."""


def its(port: int, software_id: str, more: str = "") -> str:
    """The `[its]` section of a computer."""
    head = f'[its]\nsoftware_id = "{software_id}"\nserver = "127.0.0.1"\nserver_port = {port}\nuser = "{USER}"\n'
    return head + more


def software_port(port: int) -> str:
    """What timing software connects to."""
    return f'[[export]]\nname = "software"\ntype = "thcom-server"\nlisten = "127.0.0.1:{port}"\n'


def timer(port: Port, name: str, *, serial: bool = True) -> str:
    """A device on a cable, or on the network."""
    where = f'port = "{port.where}"\nbaud = 9600' if serial else f'address = "{port.where}"'
    return f'[[device]]\nname = "{name}"\ntype = "thcom"\n{where}\n'


def secret(directory: Path, password: str = PASSWORD) -> Path:
    """An engine's directory, with the password of the TIMER ID in it."""
    directory.mkdir(exist_ok=True)
    path = directory / "secrets.toml"
    path.write_text(f'[its]\npassword = "{password}"\n')
    path.chmod(0o600)
    return directory


def links(state: EngineState) -> tuple[ItsLink, ...]:
    """The computer's own connection first."""
    assert state.its
    return state.its.links


def is_linked(state: EngineState) -> bool:
    """Whether every connection to the server is there."""
    return bool(links(state)) and all(one.state == "linked" for one in links(state))


class Overheard(Port):
    """A serial line whose instrument has remembered what it was told."""

    def __init__(self, port: Port) -> None:
        self.where = port.where
        self.heard = b""
        self._port = port

    async def read(self) -> bytes:
        data = await self._port.read()
        self.heard += data
        return data

    def write(self, data: bytes) -> None:
        self._port.write(data)

    async def close(self) -> None:
        await self._port.close()

    @property
    def lines(self) -> list[str]:
        """What it was told, but for the commands of our own."""
        told = self.heard.decode("ascii").split("\r\n")[:-1]
        return [line.partition("\t")[0] for line in told if line and not line.startswith("#")]


class Station:
    """A CP545 on a cable, and the computer that links it up: what a docking does."""

    def __init__(self, directory: Path, port: int, serial: str) -> None:
        self.line = Overheard(PtyPort.open())
        self.timer = Cp545(int(serial))
        self.timer.device.zone = PARIS
        self.timer.attach(self.line)
        sends = f'[[its.send]]\ndevice = "cp545"\nserial = "{serial}"\n[[its.write]]\ndevice = "cp545"\n'
        settings = timer(self.line, "cp545") + its(port, HUTS[serial], sends)
        self.engine = Engine(secret(directory), settings)


@asynccontextmanager
async def station(directory: Path, port: int, serial: str) -> AsyncIterator[Station]:
    """A station that is linked."""
    one = Station(directory, port, serial)
    try:
        async with ending(one.engine):
            client = await one.engine.start()
            try:
                await until_open(client)
                await until_state(client, is_linked, f"{serial} is linked")
                yield one
            finally:
                client.close()
    finally:
        await one.timer.close()


def wire_the_huts(directory: Path) -> None:
    """The computers at the timers are material, too, and hear of the other end."""
    database = Database(directory / "relay" / "relay.db")
    club = Club(database)
    for serial in HUTS.values():
        club.add_material(serial, "pc", "Computer", "", USER)
    club.set_configuration("two timers", [*ARROWS, (START, HUTS[FINISH]), (FINISH, HUTS[START])])
    database.close()


async def data_list(server: Server) -> list[Row]:
    """The frames that were passed on between material of the guide."""
    where = ["--state-dir", str(server.directory), "--config", str(server.directory / "racedeck.toml")]
    ran = await racedeck("relay", "data", "--json", "--limit", "0", *where)
    assert ran.status == 0, ran.err
    serials = {START, FINISH, PC}
    rows = [row for row in ran.rows if row["from"] and row["to"]]
    return [row for row in rows if row["from"]["serial"] in serials and row["to"]["serial"] in serials]


def at(text: str) -> int:
    """A moment of the guide's day, ns since the epoch."""
    moment = datetime.fromisoformat(f"2024-11-28T{text}").replace(tzinfo=PARIS)
    return int(moment.timestamp()) * SECOND + moment.microsecond * 1000


async def test_the_example_of_the_guide(tmp_path: Path) -> None:
    software_at = free_port()
    software = Software(f"127.0.0.1:{software_at}", retry=0.05)
    (home := tmp_path / "relay").mkdir()
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serving(home))
        wire_the_huts(home)
        pc, client = await stack.enter_async_context(
            engine(secret(tmp_path / "pc"), software_port(software_at) + its(server.port, PC))
        )
        start = await stack.enter_async_context(station(tmp_path / "start", server.port, START))
        finish = await stack.enter_async_context(station(tmp_path / "finish", server.port, FINISH))
        await until_state(client, is_linked)
        await stack.enter_async_context(at_work(software))
        await until_state(client, lambda state: state.its and state.its.instances == {software_at: 1})

        start.timer.impulse("M1", 1, at("13:50:12.366"))
        await until(lambda: software.lines == [M1], "the software is told of the start")
        await until(lambda: finish.line.lines == [M1], "the finish's timer is told of the start")
        finish.timer.impulse("M2", 1, at("13:50:23.986"))
        finish.timer.result("IR", 1, 1, 11_620_000_000)
        await until(lambda: software.lines == [M1, M2, NET], "the software is told of the finish")
        await until(lambda: start.line.lines == [M2, NET], "the start's timer is told of the finish")
        assert finish.line.lines == [M1]

        state = await until_state(client, lambda state: state.journal.passings == 3)
        told = [(one["device"], one["channel"], one["kind"]) for one in await pc.dump("passings")]
        assert told == [("its-0084", "M1", "impulse"), ("its-0086", "M2", "impulse"), ("its-0086", None, "result")]
        assert state.its
        heard = {one.address: (one.device, one.frames) for one in state.its.material if one.role == "source"}
        assert heard == {"10084": ("its-0084", 1), "10086": ("its-0086", 2)}
        assert [one.text for one in links(state)[0].printed] == [line.removeprefix("#PL ") for line in GREETING[1:]]
        for one in (start.engine, finish.engine):
            own = await one.attach()
            count = 1 if one is start.engine else 2
            sent = await until_state(own, lambda state: links(state)[1].acked == count)  # noqa: B023
            assert links(sent)[1].waiting == 0
            own.close()

        rows: list[Row] = []
        expected = [
            *((START, to, M1) for to in (FINISH, PC)),
            *((FINISH, to, M2) for to in (START, PC)),
            *((FINISH, to, NET) for to in (START, PC)),
        ]
        async with asyncio.timeout(PATIENCE):
            while len([row for row in rows if row["state"] == "acknowledged"]) < len(expected):
                rows = await data_list(server)
        assert [(row["from"]["serial"], row["to"]["serial"], row["message"]) for row in rows] == expected

        log = pc.files / "GSM_Interface_Log.csv"
        await until(lambda: log.read_text().count("\n") == 9, log.read_text())
        _looks_as_in_the_guide(log, software_at)


def _looks_as_in_the_guide(path: Path, port: int) -> None:
    """Row by row as its FRAMES table; the software comes after the greeting here, and checksums are the documented."""
    header, *rows = csv.reader(path.read_text().splitlines(), delimiter=gsm_log.SEPARATOR)
    assert header == ["ID Frame", "Date", "Hour", "Model", "Serial number", "Message", "Port"]
    for _, date, hour, *_ in rows:
        assert re.fullmatch(r"\d\d/\d\d/\d{4} \d\d:\d\d:\d\d", f"{date} {hour}")
    shown = [(number, model, serial, message, local) for number, _, _, model, serial, message, local in rows]
    assert shown[:4] == [(f"{190 + n}", "PC", "0000", line, "") for n, line in enumerate(GREETING)]
    assert shown[4] == ("---", "----", "----", "Instance Connected.", str(port))
    frames = [(serial, message[:-4], local) for _, model, serial, message, local in shown[5:] if model == "CP545"]
    assert frames == [(START, M1, "7000"), (FINISH, M2, "7000"), (FINISH, NET, "7000")]
    assert len(shown) == 8


# --- what may go wrong at the door ---


async def refused(client: Client, word: str) -> ItsLink:
    """Wait until the server has sent us away with `word`."""

    def said(state: EngineState) -> bool:
        link = links(state)[0]
        return link.state == "refused" and word in [one.text for one in link.printed]

    return links(await until_state(client, said, word))[0]


async def test_who_is_refused_is_told_why_and_nothing_else_stops(tmp_path: Path) -> None:
    """Wrong password, unknown serial, an event that is over, garbage, a second client with our serial."""
    chance, local, software_at = random.Random(7), TcpPort.listen(), free_port()
    device, software = Sender(local, cp545_line), Software(f"127.0.0.1:{software_at}", retry=0.05)
    rest = software_port(software_at) + timer(local, "local", serial=False)
    async with desk(tmp_path) as server, plugged(local), at_work(device, software):
        wrong = rest + its(server.port, PC)
        async with engine(secret(tmp_path / "pc", "secret02"), wrong) as (one, client):
            await until_open(client)
            await until_state(client, lambda state: len(state.exports[0].peers) == 1)
            async with at_work(device.chatter(chance, most=3, pause=0.02)):
                link = await refused(client, "WRONG USER OR PASSWORD")
                said = "refused (#GC 0), the server says WRONG USER OR PASSWORD: check user and password"
                assert link.reason.startswith(said)
                assert link.retry_at is None or link.retry_at > link.since

                secret(tmp_path / "pc")
                one.write(rest + its(server.port, "1999"))
                await client.reload()
                link = await refused(client, "1999 NOT IN MATERIAL")
                assert "add 1999 to the server's material list" in link.reason

                server.club.set_event(EVENT, "2020-01-01", "2020-01-02", "Europe/Paris", "two timers")
                one.write(rest + its(server.port, PC))
                await client.reload()
                link = await refused(client, "EVENT IS OVER")
                assert "the date of the event has passed" in link.reason

                server.club.set_event(EVENT, "2020-01-01", "2099-12-31", "Europe/Paris", "two timers")
                await client.connect_its()
                linked = links(await until_state(client, is_linked))[0]
                await garbage(server.port, chance, 1000)
                await until(lambda: server.relay.turned_away >= 1000)
                async with connected(server.port, START) as (start,):
                    start.say(M1)
                    await until(lambda: start.acknowledged == [M1])
                    await until(lambda: M1 in software.lines)
                assert links(await client.refresh())[0].since == linked.since, "the same connection"

                async with connected(server.port, PC):
                    link = await refused(client, f"{PC} USED ELSEWHERE")
                    assert f"another device or program has logged in as {PC}" in link.reason
            await until(lambda: len(software.lines) == device.number + 1)
            sent = [cp545_line(number).decode().strip() for number in range(1, device.number + 1)]
            assert [text for text in software.lines if text != M1] == sent
            assert software.connections == 1

            async def reasons_told() -> list[str]:
                told = [one for one in await incidents(client) if one.source == "its"]
                return [one.text for one in told if "refused (#GC 0)" in one.text]

            async def three() -> bool:
                return len(await reasons_told()) >= 3

            await until_true(three, "each refusal is said")
            reasons = await reasons_told()
            why = [text.partition(" says ")[2].partition(":")[0] for text in reasons[:3]]
            assert why == ["WRONG USER OR PASSWORD", "1999 NOT IN MATERIAL", "EVENT IS OVER"], "each said once"
            everything = await incidents(client)
            assert all(PASSWORD not in one.text and "secret02" not in one.text for one in everything)
            assert [(row.message, row.state) for row in server.rows() if row.destination == PC] == [
                (M1, "acknowledged")
            ]


async def garbage(port: int, chance: random.Random, count: int) -> None:
    """So many connections that say anything but a login."""

    async def one() -> None:
        with suppress(ConnectionError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(chance.randbytes(chance.randint(0, 2000)))
            await writer.drain()
            if chance.random() < 0.5:
                writer.write_eof()
                await reader.read()
            writer.transport.abort()

    for _ in range(count // 50):
        await asyncio.gather(*(one() for _ in range(50)))
