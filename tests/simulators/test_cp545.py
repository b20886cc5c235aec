"""The simulated CP545 over real sockets and a real pty, heard by the real driver."""

import asyncio
import base64
import json
import os
import socket
import struct
from argparse import ArgumentParser
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC
from pathlib import Path

import pytest

from console.codecs import thcom
from console.codecs.thcom_records import Command, RunClose, RunOpen, Time
from console.devices.thcom import Thcom, ThcomSettings
from console.exit import Failure
from console.model import Heard, Kind, Order, Origin, Reading
from console.simulators import cp545
from console.simulators.cp545 import Cp545, run_race
from console.simulators.cp545_device import Device
from console.simulators.gsm_docking import Docking
from console.simulators.port import Faults, PtyPort
from tests.devices.outlet import Nowhere

WALL = 1_700_000_000 * 10**9  # 2023-11-14 22:13:20 UTC, day 8718
IMPULSE = b"TN    7    1 M1 22:13:20.00000  8718"


def utc(timer: Cp545) -> Cp545:
    timer.device.zone = UTC
    timer.device.now = lambda: WALL
    return timer


@asynccontextmanager
async def served(timer: Cp545, kept: Sequence[int] = ()) -> AsyncIterator[Cp545]:
    await timer.listen(port=0, kept=kept)
    try:
        yield utc(timer)
    finally:
        await timer.close()


class Client:
    """A raw TCP client."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def ask(self, command: bytes, answers: int) -> list[bytes]:
        self.writer.write(command + b"\r\n")
        return [await self.line() for _ in range(answers)]

    async def line(self) -> bytes:
        return (await self.reader.readuntil(b"\r\n"))[:-2]

    async def close(self) -> None:
        self.writer.close()
        with suppress(OSError):
            await self.writer.wait_closed()

    async def lose(self) -> None:
        """Break off with a RST."""
        opened = self.writer.get_extra_info("socket")
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()
        with suppress(OSError):
            await self.writer.wait_closed()


@asynccontextmanager
async def client(where: str) -> AsyncIterator[Client]:
    host, port = where.split(":")
    one = Client(*await asyncio.open_connection(host, int(port)))
    try:
        yield one
    finally:
        await one.close()


# --- TCP --------------------------------------------------------------------------------------------------


async def test_everybody_gets_an_impulse() -> None:
    async with served(Cp545()) as timer, client(timer.where[0]) as one, client(timer.where[0]) as other:
        assert await one.ask(b"#SN", 2) == [b"AK C", b"SN 04811 CP545 VB10"]
        assert await other.ask(b"#ID", 2) == [b"AK C", b"ID 04811"]
        timer.impulse("M1", 7, WALL)
        assert [await one.line(), await other.line()] == [IMPULSE, IMPULSE]


async def test_a_fifth_client_is_turned_away() -> None:
    async with served(Cp545(), kept=[0]) as timer:
        crowd = [client(timer.where[0]) for _ in range(4)]
        for entered in crowd:
            one = await entered.__aenter__()
            await one.ask(b"#ID", 2)
        for where in timer.where:
            async with client(where) as fifth:
                assert await fifth.reader.read() == b""
        for entered in crowd:
            await entered.__aexit__(None, None, None)


async def test_an_idle_device_sends_empty_lines() -> None:
    async with served(Cp545(idle=0.01)) as timer, client(timer.where[0]) as one:
        assert [await one.line(), await one.line()] == [b"", b""]


async def test_port_7000_forgets_what_a_lost_client_had_not_got() -> None:
    async with served(Cp545()) as timer:
        async with client(timer.where[0]) as one:
            await one.ask(b"#ID", 2)
            await one.lose()
            await timer.until(lambda: timer.clients == 0)
        timer.impulse("1", 1)
        async with client(timer.where[0]) as one:
            assert await one.ask(b"#ID", 2) == [b"AK C", b"ID 04811"]


async def test_port_13500_keeps_it_and_forgets_after_a_goodbye() -> None:
    async with served(Cp545(), kept=[0]) as timer:
        where = timer.where[1]
        timer.impulse("1", 1)
        async with client(where) as one:
            assert await one.ask(b"#ID", 2) == [b"AK C", b"ID 04811"]
            await one.lose()
            await timer.until(lambda: timer.clients == 0)
        timer.impulse("M1", 7, WALL)
        async with client(where) as one:
            assert await one.line() == IMPULSE
            async with client(where) as second:
                assert await second.reader.read() == b"", "one client each"
        await timer.until(lambda: timer.clients == 0)
        timer.impulse("1", 3)
        async with client(where) as one:
            assert await one.ask(b"#ID", 2) == [b"AK C", b"ID 04811"]


async def test_it_can_lose_its_links() -> None:
    async with served(Cp545(), kept=[0]) as timer:
        async with client(timer.where[1]) as one:
            await one.ask(b"#ID", 2)
            await timer.drop()
            with suppress(ConnectionResetError):
                assert await one.reader.read() == b""
        await timer.until(lambda: timer.clients == 0)
        timer.impulse("M1", 7, WALL)
        async with client(timer.where[1]) as one:
            assert await one.line() == IMPULSE


async def test_garbage_from_a_client_does_no_harm() -> None:
    async with served(Cp545()) as timer, client(timer.where[0]) as one:
        one.writer.write(os.urandom(5000).replace(b"#", b"") + b"\0" * 5000 + b"\r\n")
        assert await one.ask(b"#ID", 2) == [b"AK C", b"ID 04811"]


async def test_a_stuck_client_delays_nobody() -> None:
    async with served(Cp545()) as timer, client(timer.where[0]) as stuck, client(timer.where[0]) as one:
        await stuck.ask(b"#ID", 2)
        await one.ask(b"#ID", 2)
        for _ in range(3000):
            timer.impulse("1")
        timer.impulse("M1", 7, WALL)
        line = b""
        while line != IMPULSE:
            line = await one.line()


# --- its answers ------------------------------------------------------------------------------------------


def ask(device: Device, command: str) -> tuple[list[str], list[str]]:
    replies, events = device.answer(Command(command[1:3], command[3:].strip()))
    return list(replies), list(events)


@pytest.fixture
def device() -> Device:
    device = Device()
    device.zone = UTC
    device.now = lambda: WALL
    return device


@pytest.mark.parametrize(
    ("command", "replies"),
    [
        ("#ID", ["AK C", "ID 04811"]),
        ("#SN", ["AK C", "SN 04811 CP545 VB10"]),
        ("#!T", ["AK C", "!T 22:13:21 14/11/23"]),
        ("#PL Hello", ["AK C"]),
        (f"#PL {'x' * 25}", ["AK F"]),
        ("#SLR", ["AK C"]),
        ("#SLA 0012", ["AK C"]),
        ("#SLX", ["AK F"]),
        ("#RP 025", ["AK C", "&P 025 00 069"]),
        ("#RP 999", ["AK F"]),
        ("#RP 034", ["AK R"]),
        ("#WC 012 01 0001", ["AK F"]),
        ("#WC 007 06 12:00 24/12/23", ["AK F"]),
        ("#RP", ["AK F"]),
        ("#RT 0001 05", ["AK F"]),
        ("#DL 09", ["AK F"]),
        ("#WP 001 9", ["AK F"]),
        ("#WC 001", ["AK F"]),
        ("#WC 013 05 0072 99999", ["AK F"]),
        ("#WC 018", ["AK R"]),
        ("#TN 0016 0072 05 12:13:56.7800 12345", ["AK F"]),
        ("#MC", ["AK R"]),
        ("#UN", ["AK R"]),
    ],
)
def test_an_answer(device: Device, command: str, replies: list[str]) -> None:
    assert ask(device, command) == (replies, [])


def test_manual_input_re_identification_and_recall(device: Device) -> None:
    assert ask(device, "#WC 008 01") == (["AK C"], ["TN         1 M1 22:13:20.00000  8718"])
    assert ask(device, "#WC 013 M1 0001 0016") == (["AK C"], ["T*   16    1 M1 22:13:20.00000  8718"])
    assert ask(device, "#RT 0001 M1") == (["AK C", "A*   16    1 M1 22:13:20.00000  8718"], [])
    assert ask(device, "#WC 015 M1 0001 0016 0017") == (["AK C"], ["T=   17    1 M1 22:13:20.00000  8718"])
    assert ask(device, "#WC 013 M1 0001 C") == (["AK C"], ["TC   16    1 M1 22:13:20.00000  8718"])
    assert ask(device, "#WC 013 M1 0001 0000") == (["AK C"], ["T-         1 M1 22:13:20.00000  8718"])
    assert ask(device, "#WC 014 04 0009 10:00:00.00000 8718") == (["AK C"], ["T+    9    1  4 10:00:00.00000  8718"])


def test_a_run_can_be_downloaded(device: Device) -> None:
    live = [
        *device.open_run("START - FINISH"),
        *device.impulse("M1", 1),
        *device.impulse("M4", 1, WALL + 2_477_000_000),
        *device.result("RR", 0, 1, 2_477_000_000),
    ]
    assert ask(device, "#WC 001") == (["AK C"], ["CL 01"])
    assert live == [
        "OP 01  00 START - FINISH     ",
        "TN    1    1 M1 22:13:20.00000  8718",
        "TN    1    1 M4 22:13:22.47700  8718",
        "RR    0    1           2.47700",
    ]
    replies, _ = ask(device, "#DL 01")
    assert replies == [
        "AK C",
        "ID 04811",
        "DS 01  00 START - FINISH     ",
        "AN    1    1 M1 22:13:20.00000  8718",
        "AN    1    1 M4 22:13:22.47700  8718",
        "RR    0    1           2.47700",
        "DE 01",
    ]
    driver = Thcom(ThcomSettings(name="a", type="thcom", address="x:1"), Wire())
    heard = [driver.receive(thcom.basic(line, False), 0)[0] for line in (*live, *replies)]
    facts = [fact for one in heard for fact in one.facts if isinstance(fact, Reading)]
    assert [fact.identity for fact in facts[:3]] == [fact.identity for fact in facts[3:]]
    assert {fact.origin for fact in facts[3:]} == {Origin.RECALL}
    assert ask(device, "#WC 005 12345") == (["AK C"], [])
    assert ask(device, "#DL 01") == (["AK F"], [])


def test_the_clock_is_set_as_clients_set_it(device: Device) -> None:
    assert ask(device, "#WC 007 02 12:00 24/12/23") == (["AK C"], [])
    assert ask(device, "#WC 008 01") == (["AK C"], [])
    assert ask(device, "#!T") == (["AK C", "!T 12:00:01 24/12/23"], [])


def test_the_synchro_is_told_as_a_cp540_tells_it(device: Device) -> None:
    ask(device, "#WC 007 02 12:00 24/12/23")
    assert ask(device, "#WC 007 02 25:00 24/12/23") == (["AK F"], []), "it stays ready for the first"
    assert ask(device, "#WC 008 01") == (["AK C"], [])
    assert ask(device, "#RP 010") == (["AK C", "&P 010 02 02 12:00 24/12/23 00"], [])
    device.tells_synchro_time = False
    assert ask(device, "#!T") == ([], [])


def test_a_docking_on_its_cable(device: Device) -> None:
    device.docking = Docking()
    assert ask(device, "#SN") == (["AK C", "SN 04811 CP545 VB10 00540 VA02"], [])
    assert ask(device, "#RP 034") == (["AK C", "&P 034 1F 3"], [])
    assert ask(device, "#RP 030 4") == (["AK C", "&P 030 4 online.itschrono.com"], [])


def test_a_start_list_may_reject_a_bib(device: Device) -> None:
    device.unlisted = {"0013"}
    assert [ask(device, f"#SLA {bib:04}")[0] for bib in (12, 13)] == [["AK C"], ["AK F"]]
    assert list(device.start_list) == ["0012"]


def test_precision_cuts_decimals(device: Device) -> None:
    assert ask(device, "#WP 001 2") == (["AK C"], [])
    assert device.impulse("1", None, WALL + 123_456_789) == ["TN         1  1 22:13:20.12000  8718"]


# --- heard by the driver ----------------------------------------------------------------------------------


class Wire(Nowhere):
    """An outlet with a function to write to."""

    def __init__(self, write: Callable[[bytes], object] = lambda raw: None) -> None:
        super().__init__()
        self.write = write

    def send(self, raw: bytes, *, by: str = "", label: str = "", mask: bytes = b"") -> None:
        self.write(raw)


async def test_the_driver_hears_a_race_over_tcp_and_asks() -> None:
    timer = Cp545()
    heard: list[Heard] = []
    over = asyncio.Event()
    async with served(timer) as timer, client(timer.where[0]) as one:
        driver = Thcom(ThcomSettings(name="a", type="thcom", address="x:1"), Wire(one.writer.write))

        async def listen() -> None:
            while data := await one.reader.read(4096):
                heard.extend(driver.receive(data, 0))
                if heard[-1].label == "CL":
                    over.set()

        listening = asyncio.create_task(listen())
        assert (await driver.command(Order(words="PING", by="test"))).text == "CP545 04811 VB10"
        await run_race(timer, rate=1000, starters=20, course=0.02, seed=1)
        await over.wait()
        listening.cancel()
        await asyncio.wait([listening])
    assert [one.flaw for one in heard if one.flaw] == []
    readings = [fact for one in heard for fact in one.facts if isinstance(fact, Reading)]
    impulses = [one for one in readings if one.kind is Kind.IMPULSE]
    assert len(impulses) == 40
    assert len({one.identity for one in readings}) == len(readings)
    for result in readings:
        if result.extra["record"] == "RR":
            start, finish = (one.ns for one in impulses if one.bib == result.bib)
            assert start is not None
            assert finish is not None
            assert finish - start == result.ns


async def test_a_serial_line_has_checksums(tmp_path: Path) -> None:
    port = PtyPort.open(tmp_path / "cp545")
    timer = utc(Cp545())
    timer.attach(port)
    fd = os.open(timer.where[0], os.O_RDWR | os.O_NOCTTY)
    try:
        driver = Thcom(ThcomSettings(name="a", type="thcom", port="x"), Wire(lambda raw: os.write(fd, raw)))
        loop = asyncio.get_running_loop()
        heard: list[Heard] = []
        enough = asyncio.Event()

        def readable() -> None:
            heard.extend(driver.receive(os.read(fd, 4096), 0))
            if heard and heard[-1].label == "TN":
                enough.set()

        os.set_blocking(fd, False)
        loop.add_reader(fd, readable)
        assert (await driver.command(Order(words="#SN", by="test"))).ok
        os.write(fd, b"#SN\tFFFF\r\n")
        os.write(fd, b"#WC 008 01\t01D3\r\n")
        await enough.wait()
        loop.remove_reader(fd)
        assert [one.raw for one in heard[2:]] == [
            b"AK F\t00F2\r\n",
            b"AK C\t00EF\r\n",
            thcom.basic("TN         1 M1 22:13:20.00000  8718", checksum=True),
        ]
    finally:
        os.close(fd)
        await timer.close()


# --- misbehaving, replaying -------------------------------------------------------------------------------


async def test_cut_lines_and_garbage_are_seen_as_such() -> None:
    async with served(Cp545(faults=Faults(cut=0.2, garbage=0.2, seed=3))) as timer, client(timer.where[0]) as one:
        await timer.until(lambda: timer.clients == 1)
        for bib in range(200):
            timer.impulse("1", bib)
        decoder = thcom.Decoder(serial=False)
        good: list[Time] = []
        flaws = 0
        while not good or good[-1].sequence < 190:
            for piece in decoder.receive(await one.reader.read(4096)):
                if isinstance(piece.record, Time) and not piece.flaw:
                    good.append(piece.record)
                flaws += bool(piece.flaw)
        assert flaws > 10
        assert len(good) > 80


async def test_a_dropping_device_is_found_again() -> None:
    async with served(Cp545(faults=Faults(drop=1.0))) as timer:
        for _ in range(2):
            async with client(timer.where[0]) as one:
                await timer.until(lambda: timer.clients == 1)
                timer.impulse("1")
                with suppress(ConnectionResetError):
                    assert not (await one.reader.read()).endswith(b"\n")
            await timer.until(lambda: timer.clients == 0)


async def test_a_recorded_session_is_played_again(tmp_path: Path) -> None:
    session = tmp_path / "session.json"
    frames = [thcom.basic(f"TN    7 {n:4} M1 22:13:20.00000  8718", checksum=False) for n in range(3)]
    with session.open("w", encoding="utf-8") as file:
        for n, raw in enumerate(frames):
            frame = {
                "seq": n + 1,
                "device": "start",
                "direction": "rx",
                "wall": f"2024-03-04T18:01:3{n}+00:00",
                "raw": base64.b64encode(raw).decode(),
            }
            file.write(json.dumps(frame) + "\n")
    async with served(Cp545()) as timer, client(timer.where[0]) as one:
        await timer.until(lambda: timer.clients == 1)
        assert await timer.replay(session, speed=1000) == 3
        assert [await one.line() + b"\r\n" for _ in frames] == frames


# --- the command ------------------------------------------------------------------------------------------


async def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    parser = ArgumentParser()
    cp545.arguments(parser)
    args = parser.parse_args(["--address=127.0.0.1:0", "--starters=1", "--course=0.01", "--rate=100", "--kept", "0"])
    task = asyncio.create_task(cp545.main(args))
    out = ""
    while "CL 01" not in out:
        await asyncio.sleep(0.005)
        out += capsys.readouterr().out
    task.cancel()
    await asyncio.wait([task])
    first, *lines = out.splitlines()
    assert len(first.split()) == 2
    records = [piece.record for piece in thcom.Decoder(False).receive("".join(f"{x}\r\n" for x in lines).encode())]
    assert isinstance(records[0], RunOpen)
    assert isinstance(records[-1], RunClose)
    assert sum(isinstance(record, Time) for record in records) == 2


@pytest.mark.parametrize("words", ["--rate 0", "--address nowhere", "--serial-number 70000", "--replay /nowhere"])
async def test_a_command_that_cannot_be_done_says_why(words: str) -> None:
    parser = ArgumentParser()
    cp545.arguments(parser)
    args = parser.parse_args(["--address", "127.0.0.1:0", *words.split()])
    with pytest.raises(Failure):
        await cp545.main(args)
