"""The simulated timing and scoring software, against real listeners."""

import asyncio
from argparse import ArgumentParser
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from console.exit import Failure
from console.simulators import scoring, scoring_tsv2, software
from console.simulators.consumer import Consumer
from console.simulators.cp545 import Cp545
from console.simulators.scoring import Read, Scoring
from console.simulators.scoring_tsv2 import ScoringTsv2
from console.simulators.software import Software


@asynccontextmanager
async def running(consumer: Consumer) -> AsyncIterator[None]:
    task = asyncio.create_task(consumer.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


class Server:
    """A listener that a test speaks through."""

    def __init__(self) -> None:
        self.visits: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
        self.where = ""

    @asynccontextmanager
    async def up(self) -> AsyncIterator["Server"]:
        writers: list[asyncio.StreamWriter] = []

        async def visit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writers.append(writer)
            await self.visits.put((reader, writer))

        server = await asyncio.start_server(visit, "127.0.0.1", 0)
        self.where = ":".join(map(str, server.sockets[0].getsockname()))
        try:
            yield self
        finally:
            for writer in writers:
                writer.transport.abort()
            server.close()
            await server.wait_closed()


# --- timing software --------------------------------------------------------------------------------------


async def test_software_reads_a_timer_and_comes_back(tmp_path: Path) -> None:
    timer = Cp545(idle=0.05)
    await timer.listen(port=0)
    program = Software(timer.where[0], greet=True, retry=0.01, log=tmp_path / "log")
    try:
        async with running(program):
            await program.until(lambda: len(program.lines) == 2)
            timer.impulse("1", 7)
            await program.until(lambda: len(program.lines) == 3)
            await timer.drop()
            await program.until(lambda: program.connections == 2 and len(program.lines) == 5)
            timer.impulse("1", 8)
            await program.until(lambda: len(program.lines) == 6)
            await program.until(lambda: program.keep_alives > 0)
    finally:
        await timer.close()
    assert program.lines[:2] == ["AK C", "SN 04811 CP545 VB10"]
    assert [line[:15] for line in (program.lines[2], program.lines[5])] == ["TN    7    1  1", "TN    8    2  1"]
    assert (tmp_path / "log").read_text(encoding="utf-8").splitlines() == program.lines
    assert list(program.flaws) == []


async def test_software_says_what_it_cannot_use() -> None:
    async with Server().up() as server:
        program = Software(server.where)
        async with running(program):
            _, writer = await server.visits.get()
            writer.write(b"\0\r\nTN    1\r\nAK C\t0000\r\nAK C\t00EF\r\nhalf")
            await program.until(lambda: program.lines == ["AK C"])
            writer.close()
            await program.until(lambda: len(program.flaws) == 4)


async def test_software_that_stops_reading_takes_no_more() -> None:
    async with Server().up() as server:
        program = Software(server.where, buffer=4096)
        async with running(program):
            _, writer = await server.visits.get()
            program.stop_reading()
            writer.transport.set_write_buffer_limits(65_536)
            line, sent = b"ID 00001\r\n" * 1000, 0
            while writer.transport.get_write_buffer_size() < 200_000:
                writer.write(line)
                sent += 1000
                await asyncio.sleep(0)
            taken = len(program.lines)
            assert taken < sent
            program.read_on()
            await program.until(lambda: len(program.lines) == sent)


async def test_software_that_closes_only_its_sending_half() -> None:
    async with Server().up() as server:
        program = Software(server.where)
        async with running(program):
            reader, writer = await server.visits.get()
            await program.until(lambda: program.connected)
            program.half_close()
            assert await reader.read() == b""
            writer.write(b"ID 00001\r\n")
            await program.until(lambda: program.lines == ["ID 00001"])


async def test_software_that_breaks_off() -> None:
    async with Server().up() as server:
        program = Software(server.where, retry=0.01)
        async with running(program):
            reader, _ = await server.visits.get()
            await program.until(lambda: program.connected)
            program.drop()
            with pytest.raises(ConnectionResetError):
                await reader.read()
            await program.until(lambda: program.connections == 2)


async def test_software_waits_for_a_server() -> None:
    async with Server().up() as server:
        where = server.where
    said: list[str] = []
    program = Software(where, retry=0.001)
    heard = asyncio.Event()

    def talk(text: str) -> None:
        said.append(text)
        heard.set()

    program.talk = talk
    async with running(program):
        await heard.wait()
    assert len(said) == 1
    assert "trying again" in said[0]


# --- scoring software -------------------------------------------------------------------------------------

READ = (
    b'{"Chip":123456,"Moment":"2026-04-22T10:15:42.1234567Z","TimingPoint":"Finish","Type":2,'
    b'"Antenna":2,"Source":"Reader-01"}'
)
READ2 = (
    b'{"Chip":"E2A7","Moment":"2026-04-22T10:15:42.1234567Z","UtcMoment":"2026-04-22T08:15:42.1234567Z",'
    b'"TimingPoint":"Finish","Type":2,"Rssi":-51.5}'
)


async def test_scoring_reads_arrays() -> None:
    async with Server().up() as server:
        program = Scoring(server.where)
        async with running(program):
            _, writer = await server.visits.get()
            for byte in b"[" + READ + b"," + READ + b"]\r[]\r[" + READ + b"]\r":
                writer.write(bytes([byte]))
                await asyncio.sleep(0)
            await program.until(lambda: program.arrays == 3)
    assert (
        program.reads
        == [
            Read(
                chip=123456,
                moment="2026-04-22T10:15:42.1234567Z",
                timing_point="Finish",
                type=2,
                antenna=2,
                source="Reader-01",
            )
        ]
        * 3
    )
    assert list(program.flaws) == []


@pytest.mark.parametrize(
    ("array", "flaw"),
    [
        (b"[" + READ.replace(b"123456,", b"2147483648,") + b"]\r", "chip 2147483648 is more than"),
        (b"[" + READ.replace(b"1234567Z", b"123Z") + b"]\r", "has not 7 decimals"),
        (b"[" + READ.replace(b'"Type":2', b'"Type":3') + b"]\r", "type 3"),
        (b"[" + READ.replace(b"123456,", b'"A2",') + b"]\r", "not an array of reads"),
        (b"[\xff\xfe]\r", "not an array of reads"),
        (READ + b"\r", "not only an array"),
        (b"[]\r\n[]\r", "not only an array"),
    ],
)
async def test_scoring_is_strict(array: bytes, flaw: str) -> None:
    async with Server().up() as server:
        program = Scoring(server.where)
        async with running(program):
            _, writer = await server.visits.get()
            writer.write(array)
            await program.until(lambda: bool(program.flaws))
    assert flaw in program.flaws[0]
    assert program.reads == []


async def test_scoring_complains_of_half_an_array_that_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.simulators.consumer.HALF", 0.01)
    async with Server().up() as server:
        program = Scoring(server.where)
        async with running(program):
            _, writer = await server.visits.get()
            writer.write(b"[" + READ)
            await program.until(lambda: bool(program.flaws))
            writer.write(b"]\r")
            await program.until(lambda: len(program.reads) == 1)
    assert "half of it has come" in program.flaws[0]


async def test_scoring_that_closes_at_random_comes_back() -> None:
    async with Server().up() as server:
        program = Scoring(server.where, retry=0.001)
        program.closes = 0.5
        async with running(program):
            while program.connections < 5:
                _, writer = await server.visits.get()
                with suppress(ConnectionError):
                    while not writer.is_closing():
                        writer.write(b"[" + READ + b"]\r")
                        await writer.drain()
                        await asyncio.sleep(0)
    assert list(program.flaws) == []
    assert program.reads


async def test_scoring_forgets_half_an_array() -> None:
    async with Server().up() as server:
        program = Scoring(server.where, retry=0.01)
        async with running(program):
            _, writer = await server.visits.get()
            writer.write(b"[" + READ)
            await writer.drain()
            writer.close()
            _, writer = await server.visits.get()
            writer.write(b"[" + READ + b"]\r")
            await program.until(lambda: len(program.reads) == 1)
    assert list(program.flaws) == ["cut short"]


# --- the commands -----------------------------------------------------------------------------------------


async def test_the_commands_print_what_comes(capsys: pytest.CaptureFixture[str]) -> None:
    for module, sent, shown in (
        (software, b"\r\nID 00001\r\n", "ID 00001"),
        (scoring, b"[" + READ + b"]\r", READ.decode()),
        (scoring_tsv2, b"[" + READ2 + b"]\r", READ2.decode()),
    ):
        parser = ArgumentParser()
        module.arguments(parser)
        async with Server().up() as server:
            args = parser.parse_args([server.where, "--half-close", "--close", "0"])
            task = asyncio.create_task(module.main(args))
            reader, writer = await server.visits.get()
            assert await reader.read() == b""
            writer.write(sent)
            out = ""
            while not out.endswith("\n"):
                await asyncio.sleep(0.001)
                out += capsys.readouterr().out
            task.cancel()
            await asyncio.wait([task])
        assert out == f"{shown}\n"


async def test_a_bad_address_is_said() -> None:
    for module in (software, scoring, scoring_tsv2):
        parser = ArgumentParser()
        module.arguments(parser)
        with pytest.raises(Failure, match="expected host:port"):
            await module.main(parser.parse_args(["nowhere"]))


# --- what listens -----------------------------------------------------------------------------------------


async def test_scoring_that_listens_reads_tsv2_and_complains() -> None:
    scoring = ScoringTsv2("127.0.0.1:0", listens=True)
    async with running(scoring):
        await scoring.until(lambda: scoring.listening)
        for _ in range(2):  # and again when it is gone
            _, writer = await asyncio.open_connection("127.0.0.1", scoring.port)
            writer.write(b"[" + READ2 + b"," + READ2.replace(b"08:15:42.1234567Z", b"08:15:42Z") + b"]\r")
            writer.close()
        await scoring.until(lambda: len(scoring.reads) == 2 and len(scoring.flaws) == 2)
    assert [read.chip for read in scoring.reads] == ["E2A7", "E2A7"]
    assert all("UTC moment" in flaw for flaw in scoring.flaws)
