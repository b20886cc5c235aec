import asyncio
import os
from argparse import ArgumentParser
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from console.codecs.otimcon import Decoder
from console.codecs.otimcon_records import BackupLine, Punch, Readout
from console.exit import Failure
from console.simulators import otimcon, otimcon_board
from console.simulators.otimcon_card import EMPTY, SLOTS, Card, field_of
from console.simulators.otimcon_firmware import Station
from console.simulators.port import Port, PtyPort

UID = bytes.fromhex("04A1B2C3")
NOON = 1795175400


class Tape(Port):
    """A port that keeps what is written."""

    def __init__(self) -> None:
        self.where = "tape"
        self.written = b""
        self.incoming: asyncio.Queue[bytes] = asyncio.Queue()

    async def read(self) -> bytes:
        return await self.incoming.get()

    def write(self, data: bytes) -> None:
        self.written += data

    async def close(self) -> None:
        self.incoming.put_nowait(b"")

    def printed(self) -> str:
        data, self.written = self.written, b""
        return data.decode("latin-1")


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Bench:
    """A station whose time stands still."""

    def __init__(self, mode: str = "CONTROL", control: int = 31, version: str = "0.22") -> None:
        self.tape = Tape()
        self.clock = Clock()
        self.station = Station(
            self.tape, version=version, mode=mode, control=control, clock=1795170000, monotonic=self.clock
        )

    def touch(self, card: Card, hold: float = 0.0, taken_away: int | None = None, after: float = 0.0) -> str:
        self.clock.now += after
        self.station.touch(card, hold, taken_away)
        return self.tape.printed()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otimcon_board, "LOOP", 0.001)


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.001)


@asynccontextmanager
async def running(station: Station) -> AsyncIterator[None]:
    task = asyncio.create_task(station.run())
    try:
        yield
    finally:
        await station.port.close()
        await task


def a_card(*punches: tuple[int, int], uid: bytes = UID) -> Card:
    card = Card(uid=uid)
    for location, (control, epoch) in enumerate(punches):
        card.put(location, control, epoch)
    return card


# --- commands ---------------------------------------------------------------------------------------------------------

TALK = [
    ("PING", "\r\nPONG\r\n>"),
    ("BLEEP", ""),
    ("GET VERSION", "\r\nVersion:0.22\r\n>"),
    ("SET TIME 20261120101530", "\r\nTime:1795169730,2026/11/20 10:15:30\r\n>"),
    ("GET CTRL", "\r\nControl:31\r\n>"),
    ("SET CTRL START", "\r\nControl:START - 251\r\n>"),
    ("SET CTRL 252", "\r\nControl:FINISH - 252\r\n>"),
    ("SET CTRL 12abc", "\r\nControl:12\r\n>"),
    ("SET CTRL start", "\r\nUnknown Argument 'start'\r\n>"),
    ("SET CTRL 255", "\r\nUnknown Argument '255'\r\n>"),
    ("SET CTRL", "\r\nUnknown Argument ''\r\n>"),
    ("  SET   MODE  READOUT  now", "\r\nMode:READOUT\r\n>"),
    ("SET CTRL 33", "WARNING: Not in control mode.\r\n\r\nMode:READOUT\r\n>>"),
    ("SET MODE CONTROL" + " " * 60 + "X", "\r\nMode:CONTROL\r\n>"),
    ("GET CTRL", "\r\nControl:33\r\n>"),
    ("SET\tMODE CONTROL", "\r\nUnknown Argument 'SETMODE'\r\n>"),
    ("SET MODE PRINT", "\r\nMode:PRINT \r\n>"),
    ("SET MODE PRINT POS", "\r\nMode:PRINT POS\r\n>"),
    ("SET MODE CRAZY", "\r\nUnknown Argument 'CRAZY'\r\n>"),
    ("SET RESET_BACKUPXYZ", "\r\nBackup pointer resetted to 0!\r\n>"),
    ("GET VOLTAGE", "\r\nVoltage:0.00\r\n>"),
    ("WRITE INFO Bo", "WARNING: Not in WRITER mode, so nothing will be done...\r\n"),
    ("SET MODE WRITER", "\r\nMode:WRITER\r\n>"),
    ("WRITE INFO Bo", "Waiting for card to write info...\r\n"),
    (
        "WRITE CONTROL 252 20261120130000",
        "Waiting for card to write control252 with time 20261120130000 [timestamp: 1795179600]...\r\n",
    ),
    ("WRITE CONTROL START 20261120130000", "ERROR: Problem with the id of the control...\r\n"),
    ("WRITE CONTROL 12", "ERROR: Problem with the time...\r\n"),
    ("WRITE CONTROL", "ERROR: Problem with the time...\r\n"),
    ("WRITE CTRL 12 20261120130000", ""),
    ("WRITE", ""),
    ("? XYZ", "\r\nUnknown Argument 'XYZ'\r\n>>"),
    ("FOO BAR", "\r\nUnknown Argument 'FOO'\r\n>"),
    ("ping", "\r\nUnknown Argument 'ping'\r\n>"),
    ("", "\r\nUnknown Argument ''\r\n>"),
    ("SET", "\r\nUnknown Argument ''\r\n>"),
]


async def test_every_documented_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otimcon_board, "RING", 1000)
    tape = Tape()
    async with running(Station(tape, clock=1795170000, baud=1_000_000)):
        for words, answer in TALK:
            tape.incoming.put_nowait(words.encode() + b"\r\nPING\n")
            await until(lambda: tape.written.endswith(b"\r\nPONG\r\n>"))
            assert tape.printed() == answer + "\r\nPONG\r\n>", words


UNKNOWN = "\r\nUnknown Argument '{}'\r\n>"
VERSION_TALK = {
    "0.14": [
        ("GET VERSION", "\r\nVersion:\r\n0.14\r\n>"),
        ("SET TIME 20160807090503", "\r\nTime:1470560703,2016/8/7 9:5:3\r\n>"),
        ("GET VOLTAGE", "Voltage:\r\n0.00\r\n>"),
        ("GET BACKUP", UNKNOWN[:-1].format("BACKUP")),
        ("SET RESET_BACKUP", UNKNOWN[:-1].format("RESET_BACKUP")),
        ("PING", UNKNOWN[:-1].format("PING")),
    ],
    "0.16": [("SET RESET_BACKUP", "\r\nBackup pointer resetted to 0!\r\n>"), ("WRITE", UNKNOWN[:-1].format("WRITE"))],
    "0.17": [("PING", UNKNOWN.format("PING")), ("SET MODE CRAZY_READOUT", UNKNOWN.format("CRAZY_READOUT"))],
    "0.19": [
        ("SET MODE CRAZY_READOUT", "\r\nMode:READOUT\r\n>"),
        ("SET MODE WRITER", UNKNOWN.format("WRITER")),
        ("SET CTRL 251", "\r\nControl:251\r\n>"),
        ("SET CTRL START", UNKNOWN.format("START")),
    ],
    "0.2": [
        ("PING", "\r\nPONG\r\n>"),
        ("BLEEP", UNKNOWN.format("BLEEP")),
        ("SET MODE READOUT", "\r\nMode:READOUT\r\n>"),
        ("GET CTRL", "WARNING: Not in control mode.\r\n\r\nMode:READOUT\r\n>>"),
    ],
    "0.21": [("GET VERSION", "\r\nVersion:\r\n0.21\r\n>"), ("BLEEP", UNKNOWN.format("BLEEP"))],
}


@pytest.mark.parametrize("version", VERSION_TALK)
async def test_what_versions_answer(version: str) -> None:
    tape = Tape()
    async with running(Station(tape, version=version, clock=1795170000, baud=1_000_000, low_power=False)):
        for words, answer in VERSION_TALK[version]:
            tape.incoming.put_nowait(words.encode() + b"\n")
            await until(lambda: tape.written)
            assert tape.printed() == answer


def test_what_versions_make_of_cards() -> None:
    card = a_card((252, NOON - 60), (251, NOON), (31, NOON + 5), (252, NOON + 3600))
    lines = (
        "252,1795179000,2026/11/20 12:50:00#\r\n31,1795175405,2026/11/20 11:50:05#\r\n"
        "251,1795175400,2026/11/20 11:50:00#\r\n"
    )
    old = Bench("READOUT", version="0.19")
    assert old.touch(card) == f"Card: 04 A1 B2 C3\r\n{lines}%\r\n>\r\n"
    old.station._set_mode("CRAZY_READOUT")
    assert old.touch(card, after=5).endswith("252,1795175340,2026/11/20 11:49:00#\r\n%\r\n>\r\n")
    assert old.touch(Card(uid=UID, prepared=False)).endswith("prepared\r\n%\r\n>\r\n")
    old.station.mode = "CONTROL"
    assert old.touch(Card(uid=UID), hold=0.5).count("^31") == 9, "a card that is held is served again and again"
    assert Bench(version="0.2").touch(Card(uid=UID)).startswith("card selected\r\n^31")


def test_the_backup_of_0_16_holds_512() -> None:
    bench = Bench(version="0.16")
    for card in field_of(65, seed=1):
        bench.touch(card, after=2)
    assert bench.station.backup[64 * 8 + 4 : 65 * 8] == field_of(65, seed=1)[64].uid


async def test_short_time_takes_stale_digits() -> None:
    tape = Tape()
    async with running(Station(tape, baud=1_000_000)):
        tape.incoming.put_nowait(b"SET TIME 20261120101530\nSET TIME 20261120\n")
        await until(lambda: tape.written.count(b">") == 2)
    assert tape.printed().split("\r\n")[3].endswith(",2026/11/21 08:15:30")


async def test_pipelined_commands_are_mangled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otimcon_board, "LOOP", 0.05)
    tape = Tape()
    station = Station(tape)
    async with running(station):
        tape.incoming.put_nowait(b"GET MODE\n" * 20)
        await until(lambda: station.lost)
    assert tape.written.count(b"Mode:CONTROL") < 20


async def test_a_reset_deafens_and_forgets() -> None:
    tape = Tape()
    station = Station(tape, mode="FROZEN_CONTROL")
    station.pointer = 48
    async with running(station):
        boot = asyncio.create_task(station.reset(boot=0.05))
        await asyncio.sleep(0)
        tape.incoming.put_nowait(b"PING\n")
        await boot
        assert tape.printed() == "Starting...\r\n>"
    assert station.mode == "READOUT"
    assert station.lost == 5
    station.mode = "CONTROL"
    station.touch(Card(uid=UID))
    assert station.backup[486 * 8 : 487 * 8][4:] == UID


async def test_a_low_power_build_sleeps_through_commands() -> None:
    tape = Tape()
    clock = Clock()
    station = Station(tape, low_power=True, monotonic=clock)
    async with running(station):

        async def said(data: bytes, at: float) -> int:
            clock.now, before = 1000 + at, station.lost
            tape.incoming.put_nowait(data)
            await asyncio.sleep(0.01)  # the station takes it at a time that stands still
            clock.now += 0.1
            await until(lambda: not station._coming and not station._ring)
            return station.lost - before

        assert await said(b"\n", 1) == 0
        assert await said(b"\n", 1 + otimcon_board.AWAKE + 0.3) == 1
        station.touch(Card(uid=UID))
        assert await said(b"\n", 20) == 0


# --- cards ------------------------------------------------------------------------------------------------------------


def test_control() -> None:
    bench, card = Bench(), Card(uid=UID)
    assert bench.touch(card) == "^31, 04 A1 B2 C3,1795170000$\r\n>\r\n"
    assert card.slots[:2] == [(31, 1795170000), EMPTY]
    assert bench.touch(card, after=1.0) == ""
    assert bench.touch(card, after=5) == "^31, 04 A1 B2 C3,1795170006$\r\n>\r\n"
    assert card.slots[1] == EMPTY
    assert bench.touch(card, after=25) == "^31, 04 A1 B2 C3,1795170031$\r\n>\r\n"
    assert card.slots[:2] == [(31, 1795170000), (31, 1795170031)]


def test_a_held_card_is_one_line() -> None:
    bench, card = Bench(), Card(uid=UID)
    assert bench.touch(card, hold=10).count("^") == 1
    assert bench.touch(card, after=10.9) == ""


def test_clock_set_back_writes_nothing() -> None:
    bench, card = Bench(), a_card((31, 1795170100))
    assert bench.touch(card) == "^31, 04 A1 B2 C3,1795170000$\r\n>\r\n"
    assert card.slots[1] == EMPTY


def test_frozen_time() -> None:
    bench = Bench()
    bench.station._set_mode("FROZEN_CONTROL")
    bench.clock.now += 100
    assert bench.touch(Card(uid=UID)) == "^31, 04 A1 B2 C3,1795170000$\r\n>\r\n"


def test_control_with_readout() -> None:
    bench = Bench("CONTROL_WITH_READOUT", 7)
    card = a_card((251, 1795169700), (31, 1795169900))
    assert bench.touch(card) == ("^7, 04 A1 B2 C3,1795170000$\r\n251,1795169700,31,1795169900,7,1795170000,%\r\n>\r\n")
    assert bench.touch(card, taken_away=0, after=60) == "^7, 04 A1 B2 C3,1795170060$\r\n%\r\n>\r\n"


def test_readout() -> None:
    bench = Bench("READOUT")
    card = a_card(*((number, 1795170000 + number) for number in range(1, 5)))
    card.slots[1] = EMPTY
    listed = "1,1795170001,255,-1,3,1795170003,4,1795170004,"
    assert bench.touch(card) == f"Card: 04 A1 B2 C3\r\n{listed}%\r\n>\r\n"
    assert bench.touch(Card(uid=b"\x00\x01\x02\x0f")) == "Card: 00 01 02 0F\r\n%\r\n>\r\n"
    cut_off = "Card: 04 A1 B2 C3\r\n1,1795170001,255,-1,3,1795170003,>\r\n"
    assert bench.touch(card, taken_away=2, after=5) == cut_off
    bench.station.mode = "FULL_READOUT"
    assert bench.touch(card, after=5) == f"Card: 04 A1 B2 C3\r\n{listed}{'255,-1,' * (SLOTS - 4)}%\r\n>\r\n"
    card.corrupt.add(0)
    bench.station.mode = "READOUT"
    assert bench.touch(card, after=5) == "Card: 04 A1 B2 C3\r\n4,1795170004,%\r\n>\r\n"


def test_clear() -> None:
    bench, card = Bench("CLEAR"), a_card((31, 1795169900))
    assert bench.touch(card, hold=0.3) == ""
    assert card.last == 0
    assert card.slots[0] == EMPTY
    assert bench.touch(card, hold=1.5, after=5) == "Cleared card: 04 A1 B2 C3$\r\n>\r\n"
    assert bench.touch(card, after=5) == "Cleared card: 04 A1 B2 C3$\r\n>\r\n"


def test_print() -> None:
    bench = Bench("PRINT")
    card = a_card((252, NOON - 60), (251, NOON), (31, NOON - 5), (252, NOON + 3600))
    card.name = b"Bo".ljust(30, b"\0")
    ticket = (
        "Card: 04 A1 B2 C3\r\nBo" + "\0" * 28 + "\r\n------------------------------\r\n\r\nDate 2026/11/20\r\n"
        "1   S  11:50:00  00:00:00  00:00:00  \r\n2  31  11:49:55  23:59:55  23:59:55  \r\n"
        "3   F  12:50:00  01:00:05  01:00:00  \r\n\r\nTOTAL TIME:  01:00:00\r\n\r\n"
        "Timing by OTIMCON\r\n\r\n\r\n\r\n\r\n"
    )
    assert bench.touch(card) == ticket
    bench.station._escpos = True
    pos = ticket.replace("TOTAL TIME:  01:00:00", "\x1b!\x80TOTAL TIME:  01:00:00\x1b!\0")
    assert bench.touch(card, after=5) == f"\x1b@\x1b!\0{pos}\x1dV\0"
    bench.station._escpos = False
    assert bench.touch(Card(uid=UID), after=5).endswith("--\r\n\r\nEmpty card\r\n\r\nTiming by OTIMCON\r\n")


def test_unprepared_and_unreadable_cards() -> None:
    bench, raw = Bench(), Card(uid=UID, prepared=False)
    assert bench.touch(raw, hold=1).count("Error: Card not prepared\r\n") == 18
    bench.station.mode = "READOUT"
    assert bench.touch(raw) == "Card: 04 A1 B2 C3\r\nError: Card not prepared\r\n>\r\n"
    bench.station.mode = "CONTROL"
    assert bench.touch(Card(uid=UID, readable=False)) == ""


def test_full_cards() -> None:
    bench, card = Bench(), a_card(*((1, 1795000000 + 100 * number) for number in range(125)))
    assert bench.touch(card) == ""
    card = a_card(*((1, 1795000000 + 100 * number) for number in range(124)))
    card.stuck = {124, 125}
    assert bench.touch(card) == "Error: card full - \r\n31, 04 A1 B2 C3" * 2


def test_a_stuck_slot_becomes_a_hole() -> None:
    bench, card = Bench(), a_card((1, 1795000000))
    card.stuck = {1}
    assert bench.touch(card) == "^31, 04 A1 B2 C3,1795170000$\r\n>\r\n"
    assert card.slots[:3] == [(1, 1795000000), EMPTY, (31, 1795170000)]


async def test_writer() -> None:
    tape = Tape()
    card = Card(uid=UID)
    station = Station(tape, mode="WRITER", baud=1_000_000)

    async def told(words: str) -> None:
        tape.incoming.put_nowait(words.encode() + b"\n")
        await until(lambda: tape.written)
        assert tape.printed().startswith("Waiting")

    async with running(station):
        await told("WRITE INFO ABC DEFGHIJ")
        await told("WRITE INFO Bo")
        station.touch(card, hold=0)
        assert tape.printed() == "WRITING INFO TO CARD: OK\r\n"
        assert card.name == b"Bo  DEFGHIJ ".ljust(30, b"\0")
        await told("WRITE CONTROL 260 20261120130000")
        station.touch(Card(uid=bytes(4), prepared=False), hold=0)
        assert tape.printed() == "WRITING CONTROL TO CARD: Error: Card not prepared\r\nFAIL\r\n"
        station.touch(Card(uid=b"\1\2\4\1"), hold=0)
        assert tape.printed() == "WRITING CONTROL TO CARD: OK\r\n"
    station.touch(card, hold=0)
    assert tape.printed() == ""


def test_backup_holds_64_and_wraps() -> None:
    bench = Bench()
    cards = field_of(65, seed=1)
    for card in cards:
        bench.touch(card, after=2)
    bench.station._get_backup()
    bench.station._flush()
    lines = [piece.record for piece in Decoder().receive(bench.tape.written) if isinstance(piece.record, BackupLine)]
    assert len(lines) == 512
    assert [line.uid for line in lines[:2]] == [cards[64].uid.hex().upper(), cards[1].uid.hex().upper()]
    assert {(line.uid, line.epoch, line.shown) for line in lines[64:]} == {("FFFFFFFF", -1, "2106/02/06 06:28:15")}


def test_the_clock_drifts() -> None:
    clock = Clock()
    station = Station(Tape(), clock=1795170000, drift=1000, monotonic=clock)
    clock.now += 10_000
    assert station.clock() == 1795170000 + 10_010


# --- over a pty -------------------------------------------------------------------------------------------------------


async def test_over_a_pty() -> None:
    station = Station(PtyPort.open(), clock=1795170000)
    host = os.open(station.port.where, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    heard = b""
    try:
        async with running(station):
            os.write(host, b"PING\n")
            station.touch(Card(uid=UID))
            async with asyncio.timeout(20):
                while not heard.endswith(b"PONG\r\n>"):
                    with suppress(BlockingIOError):
                        heard += os.read(host, 4096)
                    await asyncio.sleep(0.001)
    finally:
        os.close(host)
    assert heard == b"^31, 04 A1 B2 C3,1795170000$\r\n>\r\n\r\nPONG\r\n>"


async def test_the_command_runs_a_race(capsys: pytest.CaptureFixture[str]) -> None:
    parser = ArgumentParser()
    otimcon.arguments(parser)
    task = asyncio.create_task(otimcon.main(parser.parse_args(["--rate", "100", "--mode", "CONTROL_WITH_READOUT"])))
    where = ""

    def reached() -> str:
        nonlocal where
        where += capsys.readouterr().out.strip()
        return where

    await until(reached)
    async with asyncio.timeout(20):
        host = os.open(where, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        decoder = Decoder()
        records: list[object] = []
        while sum(isinstance(record, Readout) for record in records) < 5:
            with suppress(BlockingIOError):
                pieces = decoder.receive(os.read(host, 4096))
                assert not [piece for piece in pieces if piece.flaw]
                records += [piece.record for piece in pieces]
            await asyncio.sleep(0.001)
    task.cancel()
    await asyncio.wait([task])
    os.close(host)
    assert sum(isinstance(record, Punch) for record in records) >= 5


@pytest.mark.parametrize(
    "wrong",
    [
        ["--control", "255"],
        ["--rate", "-1"],
        ["--runners", "0"],
        ["--baud", "0"],
        ["--mode", "PRINT", "--version", "0.19"],
    ],
)
async def test_wrong_options_are_named(wrong: list[str]) -> None:
    parser = ArgumentParser()
    otimcon.arguments(parser)
    with pytest.raises(Failure, match=wrong[0]):
        await otimcon.main(parser.parse_args(wrong))
