"""The relay as a process: its commands, its end, and kill -9 in the middle."""

import asyncio
import os
import random
import re
import signal
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from console.exit import Exit
from console.relay.data import Data
from console.relay.database import Database
from tests.faults.rig import racedeck
from tests.relay.desk import FINISH, M1, PC, START, USER, Timer, connected, impulse, part, set_up, until


class Server:
    """`racedeck relay serve`, that may be killed and started again on its port."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.log = directory / "log"
        self.log.touch()
        self.port = 0
        self.process: Process | None = None

    async def start(self) -> None:
        before = self.log.stat().st_size
        where = ["--state-dir", str(self.directory), "--config", str(self.directory / "racedeck.toml")]
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "console.cli", "relay", "serve", "--listen", f"127.0.0.1:{self.port}", *where),
                stdin=DEVNULL,
                stdout=DEVNULL,
                stderr=log,
            )
        found = None
        while not found:
            assert self.process.returncode is None, self.log.read_text()
            found = re.search(r"listens on 127\.0\.0\.1:(\d+)", self.log.read_text()[before:])
            await asyncio.sleep(0.01)
        self.port = int(found[1])

    async def end(self, number: int) -> int:
        assert self.process
        self.process.send_signal(number)
        return await self.process.wait()


@asynccontextmanager
async def serving(directory: Path) -> AsyncIterator[Server]:
    database = Database(directory / "relay" / "relay.db")
    set_up(database)
    database.close()
    server = Server(directory)
    await server.start()
    try:
        yield server
    finally:
        assert server.process
        if server.process.returncode is None:
            await server.end(signal.SIGKILL)
    assert "Traceback" not in server.log.read_text()


async def acknowledged(timer: Timer, count: int) -> None:
    await until(lambda: len(timer.acknowledged) >= count)


async def has_all(timer: Timer, wanted: list[str]) -> None:
    await until(lambda: set(timer.heard) == set(wanted), f"{timer.serial} has all")


async def test_kill_9_in_the_middle(tmp_path: Path) -> None:
    """Every frame that was acknowledged arrives, and so does every other: at both receivers, in order."""
    chance = random.Random(3)
    async with serving(tmp_path) as server:
        timers = start, finish, pc = [Timer(serial) for serial in (START, FINISH, PC)]
        wanted = [impulse(number) for number in range(600)]
        fed = iter(wanted)
        for _ in range(6):
            for timer in timers:
                await timer.join(server.port)
            for data in (next(fed) for _ in range(100)):
                start.say(data)
            most = len(start.acknowledged) + chance.randint(5, 90)
            await acknowledged(start, most)
            assert await server.end(signal.SIGKILL) == -signal.SIGKILL
            await until(lambda: all(timer.gone.is_set() for timer in timers))
            await server.start()
        for timer in timers:
            await timer.join(server.port)
        await until(lambda: not start.outbox)
        for receiver in (finish, pc):
            await has_all(receiver, wanted)
            assert list(dict.fromkeys(receiver.heard)) == wanted
        await part(timers)
        assert await server.end(signal.SIGTERM) == 0
        assert "is gone" in server.log.read_text()
    database = Database(tmp_path / "relay" / "relay.db")
    rows = [row for row in Data(database).rows(0) if row.origin and row.destination == PC]
    assert [row.message for row in rows if row.state == "acknowledged"] == wanted
    database.close()


async def test_one_per_database_and_a_port_of_its_own(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        where = ["--state-dir", str(tmp_path), "--config", str(tmp_path / "racedeck.toml")]
        ran = await racedeck("relay", "serve", *where)
        assert ran.status == Exit.ENGINE
        assert "a relay already runs with" in ran.err
        other = ["--state-dir", str(tmp_path / "other"), "--config", str(tmp_path / "racedeck.toml")]
        ran = await racedeck("relay", "serve", "--listen", f"127.0.0.1:{server.port}", *other)
        assert ran.status == Exit.ENGINE
        assert "another program has this port" in ran.err


async def test_the_commands(tmp_path: Path) -> None:
    """The guide's example, set up from nothing while the server runs."""
    where = ["--state-dir", str(tmp_path), "--config", str(tmp_path / "racedeck.toml")]

    async def relay(*words: str, stdin: bytes = b"", status: int = 0) -> str:
        ran = await racedeck("relay", *words, *where, stdin=stdin)
        assert ran.status == status, ran
        return ran.out + ran.err

    Database(tmp_path / "relay" / "relay.db").close()
    server = Server(tmp_path)
    await server.start()
    try:
        assert "nobody can connect" in await relay("status")
        await relay("id", "add", USER, stdin=b"secret01\n")
        for serial in (START, FINISH):
            await relay(
                "material", "add", serial, "--type", "timer", "--model", "TM550", "--color", "Blue", "--user", USER
            )
        await relay("material", "add", PC, "--type", "pc", "--user", USER)
        assert "each --from needs its --to" in await relay(
            "configuration", "two", "--from", START, "--from", FINISH, "--to", PC, status=Exit.USAGE
        )
        said = await relay("configuration", "two", "--from", START, "--to", FINISH, PC, "--from", FINISH, "--to", PC)
        assert "0084 -> 0086, 1007; 0086 -> 1007" in said
        event = ["--start", "2020-01-01", "--end", "2099-01-01", "--zone", "Europe/Paris", "--configuration", "two"]
        await relay("event", "Test serveur", *event)
        assert "Test serveur is active" in await relay("activate")
        async with connected(server.port, START) as (start,):
            start.say(M1)
            await until(lambda: start.acknowledged == [M1])
            said = await relay("status")
            assert "COLOR" in said
            assert "PHONE" not in said, "nobody has one"
            assert re.search(rf"0084 +TM550 +Blue .* 127\.0\.0\.1:{start.writer.get_extra_info('sockname')[1]}", said)
            assert f"the relay runs  127.0.0.1:{server.port}" in said
            assert "1 skipped" in await relay("skip", PC)
            async with connected(server.port, PC) as (pc,):
                assert "1 queued again" in await relay("resend", PC)
                await until(lambda: pc.heard == [M1])
        assert "#GC 2" in await relay("skip", PC, "--own")
        assert "may keep" in await relay("resend", PC, "--own")
        ran = await racedeck("relay", "data", "--json", "--serial", PC, *where)
        row = ran.rows[0]
        assert row["from"] == {"model": "TM550", "serial": START}
        assert row["to"] == {"model": "Computer", "serial": PC}
        assert (row["message"], row["state"], row["times"]) == (M1, "acknowledged", 1)
        assert "TM550 0084,Computer 1007,TN    1    1 M1 13:50:12.36600  9098,acknowledged" in await relay(
            "data", "--csv", "--limit", "0"
        )
        assert "DATA LIST, times in Europe/Paris" in await relay("data")
        assert "cannot connect now: 0084, 0086, 1007" in await relay("id", "remove", USER)
        assert "is not in the material list" in await relay("skip", "0099", status=Exit.FAILED)
    finally:
        with suppress(ProcessLookupError):
            assert await server.end(signal.SIGTERM) == 0
    assert "does not run" in await relay("status", status=Exit.NO_ENGINE)
    secret = b"".join(file.read_bytes() for file in (tmp_path / "relay").iterdir()) + server.log.read_bytes()
    assert b"secret01" not in secret
    assert os.stat(tmp_path / "relay").st_mode & 0o077 == 0
