"""The CTP01 server: a good client is taken without a word, a bad one is told what was wrong."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from console.simulators.scoring_ctp01 import ScoringCtp01

GOOD = "CT01_33~{}~finish~1001~10:15:42.12~1~0F2A38~2"


class Client:
    """A client that says what a test has it say."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.heard: list[str] = []

    def say(self, *lines: str) -> None:
        self.writer.write("".join(f"{line}\r\n" for line in lines).encode())

    async def until(self, start: str) -> str:
        while True:
            line = (await self.reader.readline()).decode().rstrip("\r\n")
            self.heard.append(line)
            if line.startswith(start):
                return line

    async def introduce(self, connection: str = "c0ffee", *locations: str) -> None:
        self.say("SimpleClient~1~CTP01")
        await self.until("getlocations")
        names = "~".join(locations or ("finish",))
        self.say(f"ack~getconnectionid~{connection}", "ack~geteventinfo~a~1~b", f"ack~getlocations~{names}")


@asynccontextmanager
async def serving(**how: Any) -> AsyncIterator[ScoringCtp01]:
    server = ScoringCtp01("127.0.0.1:0", **how)
    task = asyncio.create_task(server.run())
    await server.until(lambda: server.listening)
    try:
        yield server
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def client_of(server: ScoringCtp01) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()


async def test_a_session_and_its_resumption() -> None:
    async with serving(options={"stream-mode": "push", "pushmode-ack": "true"}) as server:
        async with client_of(server) as client:
            await client.introduce()
            assert await client.until("start") == "start"
            client.say("ack~start", GOOD.format(1), GOOD.format(2))
            await server.until(lambda: len(server.reads) == 2)
        async with client_of(server) as client:
            await client.introduce()
            assert await client.until("start") == "start~finish~3"
        async with client_of(server) as client:
            await client.introduce("another")
            assert await client.until("start") == "start"
        assert not server.flaws


async def test_pull() -> None:
    async with serving(options={"stream-mode": "pull"}, poll=0.01) as server, client_of(server) as client:
        await client.introduce()
        assert await client.until("getdata") == "getdata~50"
        client.say("ack~getdata~0")
        await client.until("getdata")
        client.say("ack~getdata~1", GOOD.format(1))
        await client.until("getdata")
        assert [got.sequence for got in server.reads] == [1]
        assert not server.flaws


async def test_a_wrong_password_and_the_right_one() -> None:
    options = {"stream-mode": "push", "authentication": "plaintext"}
    async with serving(options=options, user="ann", password="secret") as server:
        for password, answer in (("wrong", "err~authorize"), ("secret", "ack~authorize")):
            async with client_of(server) as client:
                client.say("SimpleClient~1~CTP01")
                await client.until("authentication-seed")
                client.say(f"authorize~ann~{password}")
                await client.until(answer)


@pytest.mark.parametrize("how", [{"silent": True}, {"names": ("Other",)}])
async def test_no_answer(how: dict[str, Any]) -> None:
    async with serving(ping=0.01, **how) as server, client_of(server) as client:
        client.say("SimpleClient~1~CTP01")
        await client.until("ping")
        assert set(client.heard) == {"ping"}


@pytest.mark.parametrize(
    ("line", "flaw"),
    [
        (GOOD.format(1).replace("10:15", "9:15"), "time"),
        (GOOD.format(1).replace(".12", ".123"), "time"),
        (GOOD.format(0), "sequence number '0'"),
        (GOOD.format(1_000_000), "sequence number"),
        (GOOD.format(1).replace("finish", "a" * 17), "location"),
        (GOOD.format(1).replace("0F2A38", "0F2A3"), "reader"),
        (GOOD.format(1).replace("~2", "~200"), "gator"),
        (GOOD.format(1).replace("CT01_33", "CT01_13"), "layout"),
        (GOOD.format(1).replace("1001", "guntime").replace("~1~0F", "~0~0F"), "a gun time nobody asked for"),
        (GOOD.format(1) + "~more", "9 fields, not 8"),
        (GOOD.format(1).replace("finish", "30k"), "before it was started"),
        ("ack~ping", "unasked"),
    ],
)
async def test_deviations_are_told(line: str, flaw: str) -> None:
    async with serving() as server, client_of(server) as client:
        await client.introduce()
        await client.until("start")
        client.say(line)
        await server.until(lambda: bool(server.flaws))
        assert flaw in server.flaws[0]


async def test_half_a_line_left_lying() -> None:
    async with serving() as server, client_of(server) as client:
        await client.introduce()
        await client.until("start")
        client.writer.write(GOOD.format(1).encode()[:20])
        await server.until(lambda: bool(server.flaws))
        assert "half a line" in server.flaws[0]


async def test_the_same_number_with_another_time() -> None:
    async with serving() as server, client_of(server) as client:
        await client.introduce()
        await client.until("start")
        client.say(GOOD.format(1), GOOD.format(1), GOOD.format(1).replace("1001", "1002"))
        await server.until(lambda: len(server.reads) == 3)
        assert server.repeats == 2
        assert "came again as something else" in server.flaws[0]


def test_it_ends_without_a_traceback_while_it_reads_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def go() -> None:
        server = ScoringCtp01("127.0.0.1:0")
        server.stop_reading()
        serving = asyncio.create_task(server.run())
        async with asyncio.timeout(30):
            await server.until(lambda: server.listening)
            _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            await server.until(lambda: server.connections == 1)
        writer.close()
        serving.cancel()

    asyncio.run(go())
    assert not [record for record in caplog.records if record.name == "asyncio"]
