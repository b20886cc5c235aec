import asyncio
import base64
import json
from argparse import ArgumentParser
from collections.abc import AsyncIterator, Callable
from itertools import count
from pathlib import Path

import pytest

from console.codecs.timemachine import (
    XOFF,
    XON,
    Clock,
    ClockDecoder,
    Decoder,
    Event,
    Lap,
    Place,
    Record,
    RetransmitBegin,
    RetransmitEnd,
    Start,
)
from console.codecs.timemachine_word import guess_word_setting
from console.exit import Failure
from console.model import SECOND
from console.simulators.port import Faults, MisbehavingPort, PtyPort
from console.simulators.timemachine import (
    WORDS,
    ExternalClock,
    TimeMachine,
    arguments,
    as_read_with_8_bits,
    main,
    run_race,
)
from tests.simulators.host import Host


async def lines(host: Host, count: int) -> list[Record]:
    """The next `count` lines, all good."""
    got = await host.until(lambda data: data.count(b"\n") >= count)
    pieces = Decoder().receive(got)
    assert [piece.flaw for piece in pieces] == [""] * count
    return [piece.record for piece in pieces if piece.record]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(15):
        while not condition():
            await asyncio.sleep(0.001)


class Line:
    """A timer, a pty, a host. The race clock stands still unless told."""

    def __init__(self, xoff_timeout: float = 0) -> None:
        self.ns = 0
        self.port = PtyPort.open()
        self.machine = TimeMachine(self.port, xoff_timeout=xoff_timeout, clock=lambda: self.ns)
        self.host = Host(self.port.where)
        self.running = asyncio.create_task(self.machine.run())

    async def close(self) -> None:
        await self.port.close()
        await self.running
        self.host.close()

    async def pause(self) -> None:
        """Send XOFF, and wait until the timer has obeyed."""
        self.host.send(XOFF)
        await until(lambda: self.machine.paused)


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    line = Line()
    yield line
    await line.close()


def place(number: int, ns: int, bib: str | None = None, lane: int | None = None, chute: int = 11) -> Place:
    minutes, rest = divmod(ns // 10_000_000, 6000)
    text = f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 100:02d}.{rest % 100:02d}"
    return Place(bib is not None, chute, lane or number, number, text, ns, bib or "")


async def test_the_bytes_of_a_race(line: Line) -> None:
    line.machine.start()
    line.ns = 942_079_999_999
    line.machine.primary()
    line.ns = 944_900_000_000
    line.machine.select("123")
    assert await line.host.until(lambda data: data.count(b"\n") == 4) == (
        b"\x19XC 00:00:00.00 \r\n"
        b"\x00EVENT 001\r\n"
        b"\x1711 001 0001 00:15:42.07 \r\n"
        b"\x1411 002 0002 00:15:44.90   00123\r\n"
    )


async def test_places_count_per_event_and_lanes_per_chute(line: Line) -> None:
    line.machine.primary(11, SECOND)
    line.machine.primary(12, 2 * SECOND)
    line.machine.primary(11, 3 * SECOND)
    line.machine.event(2)
    line.machine.primary(11, 4 * SECOND)
    line.machine.event(1)
    line.machine.primary(12, 5 * SECOND)
    assert await lines(line.host, 7) == [
        place(1, SECOND, lane=1),
        place(2, 2 * SECOND, lane=1, chute=12),
        place(3, 3 * SECOND, lane=2),
        Event("002"),
        place(1, 4 * SECOND),
        Event("001"),
        place(4, 5 * SECOND, lane=2, chute=12),
    ]


async def test_laps_have_splits_and_go_from_30_to_0(line: Line) -> None:
    line.machine.start("LT", preset=SECOND)
    for number in range(1, 33):
        line.machine.lap(8, number * 90 * SECOND)
    line.machine.lap(3, 100 * 60 * SECOND + SECOND)
    start, _, *laps = await lines(line.host, 35)
    assert start == Start("LT", "00:00:01.00", SECOND)
    assert laps[0] == Lap(8, 1, "00:01:30.00", 90 * SECOND, "01:30.00")
    assert [lap.lap for lap in laps[:-1] if isinstance(lap, Lap)] == [*range(1, 31), 0, 1]
    assert laps[-1] == Lap(3, 1, "01:40:01.00", 6001 * SECOND, "00:01.00")


async def test_a_start_clears_the_memory(line: Line) -> None:
    line.machine.primary(ns=SECOND)
    line.machine.start()
    line.machine.primary(ns=2 * SECOND)
    await line.machine.quiet()
    line.machine.retransmit()
    *_, again, end = await lines(line.host, 8)
    assert (again, end) == (place(1, 2 * SECOND), RetransmitEnd())


async def test_xoff_holds_lines_back_and_xon_lets_them_go(line: Line) -> None:
    await line.pause()
    assert not line.machine.heard_xon.is_set()
    for second in range(1, 101):
        line.machine.primary(ns=second * SECOND)
    line.host.send(b"noise" + XOFF)
    line.machine.event(9)
    line.host.send(XON)
    *places, event = await lines(line.host, 101)
    assert places == [place(second, second * SECOND) for second in range(1, 101)]
    assert event == Event("009")
    assert line.machine.heard_xon.is_set()


async def test_while_paused_nothing_is_sent(line: Line) -> None:
    await line.pause()
    line.machine.primary(ns=SECOND)
    for _ in range(50):
        await asyncio.sleep(0)
        assert line.host.waiting() == b""
    line.host.send(XON)
    await line.machine.quiet()
    assert await lines(line.host, 1) == [place(1, SECOND)]


async def test_after_its_xoff_timeout_it_goes_on_by_itself() -> None:
    line = Line(xoff_timeout=0.05)
    await line.pause()
    line.machine.primary(ns=SECOND)
    assert await lines(line.host, 1) == [place(1, SECOND)]
    assert not line.machine.paused
    await line.close()


async def test_a_retransmit_is_bracketed_and_live_lines_wait(line: Line) -> None:
    line.machine.primary(ns=SECOND)
    line.machine.event(2)
    line.machine.select("7", ns=2 * SECOND)
    await line.pause()
    await lines(line.host, 3)
    line.machine.primary(ns=3 * SECOND)
    line.machine.retransmit(1)
    line.machine.retransmit()
    line.machine.retransmit(77)
    line.host.send(XON)
    first, second, third = place(1, SECOND), place(1, 2 * SECOND, "7"), place(2, 3 * SECOND)
    assert await lines(line.host, 15) == [
        *(RetransmitBegin(), Event("001"), first, RetransmitEnd()),
        *(RetransmitBegin(), Event("001"), first, Event("002"), second, third, RetransmitEnd()),
        *(RetransmitBegin(), Event("077"), RetransmitEnd()),
        third,
    ]


@pytest.mark.parametrize("word", WORDS)
async def test_a_word_setting_is_what_a_host_at_8n1_reads(word: str) -> None:
    port = PtyPort.open()
    host = Host(port.where)
    machine = TimeMachine(port, word=word)
    running = asyncio.create_task(machine.run())
    machine.select("123", ns=SECOND)
    await machine.quiet()
    machine.retransmit()
    await machine.quiet()
    length = 34 + 22 + 12 + 34 + 20
    got = await host.until(lambda data: len(data) == length)
    pieces = Decoder(mask=True).receive(got)
    assert pieces[0].record == place(1, SECOND, "123")
    assert len(pieces) == 5
    assert guess_word_setting(got) == (None if word == "8N2" else word)
    await port.close()
    await running
    host.close()


def test_parity_bits_match_the_fact_sheets() -> None:
    vectors = json.loads((Path(__file__).parents[1] / "vectors" / "timemachine.json").read_text())
    raw = {one["name"]: bytes.fromhex(one["hex"]) for one in vectors}
    assert as_read_with_8_bits(raw["select_padded"], "7E2") == raw["bad_7E2_read_as_8N1_select"]
    assert as_read_with_8_bits(raw["retransmit_end"], "7E2") == raw["bad_7E2_read_as_8N1_eor"]
    assert as_read_with_8_bits(raw["event_1"], "7O2") == raw["bad_7O2_read_as_8N1_event"]
    assert as_read_with_8_bits(raw["primary_first"], "7N2") == raw["bad_7N2_read_as_8N1"]


@pytest.mark.parametrize("ascii_digits", [True, False])
async def test_the_external_clock_tells_set_and_each_second(ascii_digits: bool) -> None:
    port, clock_port = PtyPort.open(), PtyPort.open()
    host = Host(clock_port.where)
    ticks = count(0, 7_000_000)  # a clock that goes 7 ms forward each time it is looked at
    machine = TimeMachine(port, clock=lambda: next(ticks))
    running = asyncio.create_task(ExternalClock(machine, clock_port, ascii_digits=ascii_digits).run())
    decoder = ClockDecoder()
    first = await host.until(lambda data: data.endswith(b"\n"))
    assert decoder.receive(first)[0].record == Clock("set", "00:00:00", 0)
    machine.start(preset=3599 * SECOND + 980_000_000)
    second = await host.until(lambda data: data.endswith(b"\n"))
    assert decoder.receive(second)[0].record == Clock("up", "01:00:00", 3600 * SECOND)
    running.cancel()
    await asyncio.wait([running])
    await port.close()
    await clock_port.close()
    host.close()


async def test_a_seeded_race_is_the_same_each_time_and_counts_every_finisher(line: Line) -> None:
    for _ in range(2):
        await run_race(line.machine, rate=1e6, finishers=40, seed=5, retransmit_after=30)
    said = await lines(line.host, 2 * (2 + 40 + 3 + 30))
    first, second = said[: len(said) // 2], said[len(said) // 2 :]
    assert first == second  # the clock stands still
    assert isinstance(first[0], Start)
    begin, end = first.index(RetransmitBegin()), first.index(RetransmitEnd())
    live = [one for one in first[:begin] + first[end:] if isinstance(one, Place)]
    assert [one.place for one in live] == list(range(1, 41))
    assert {one.select for one in live} == {True, False}
    assert all(bool(one.bib) == one.select for one in live)
    assert first[begin + 2 : end] == live[:30]


async def test_a_bad_cable_costs_lines_but_no_step() -> None:
    port = PtyPort.open()
    host = Host(port.where)
    machine = TimeMachine(MisbehavingPort(port, Faults(cut=0.2, garbage=0.1, seed=4)))
    running = asyncio.create_task(machine.run())
    for second in range(1, 201):
        machine.primary(ns=second * SECOND)
    await machine.quiet()
    machine.port = port  # mended
    machine.event(99)
    got = await host.until(lambda data: data.endswith(b"\x00EVENT 099\r\n"))
    pieces = Decoder().receive(got)
    good = [piece.record.place for piece in pieces if isinstance(piece.record, Place)]
    assert 120 < len(good) < 180
    assert good == sorted(set(good))
    assert pieces[-1].record == Event("099")
    await port.close()
    await running
    host.close()


async def start_main(link: Path, *options: str) -> asyncio.Task[None]:
    parser = ArgumentParser()
    arguments(parser)
    args = parser.parse_args(["--link", str(link), *options])
    task = asyncio.create_task(main(args))
    await until(lambda: link.is_symlink() or task.done())
    return task


async def stop(task: asyncio.Task[None], host: Host) -> None:
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    host.close()


async def test_the_command_says_where_and_starts_with_the_hosts_xon(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    link = tmp_path / "chute"
    task = await start_main(link, "--rate", "1000", "--finishers", "3", "--clock")
    host = Host(str(link))
    host.send(XON)
    start, event, *places = await lines(host, 5)
    assert isinstance(start, Start)
    assert event == Event("001")
    assert [said.place for said in places if isinstance(said, Place)] == [1, 2, 3]
    where, clock = capsys.readouterr().out.splitlines()
    assert where == str(link)
    clock_host = Host(clock)
    assert ClockDecoder().receive(await clock_host.until(lambda data: data.endswith(b"\n")))[0].record
    await stop(task, host)
    clock_host.close()
    assert not link.is_symlink()


async def test_the_command_replays(tmp_path: Path) -> None:
    session = tmp_path / "session.json"
    raw = b"\x1711 001 0001 00:00:01.00 \r\n"
    frame = {"device": "chute", "direction": "rx", "wall": "2026-05-01T10:00:00Z"}
    session.write_text(json.dumps({**frame, "raw": base64.b64encode(raw).decode()}))
    task = await start_main(tmp_path / "chute", "--at-once", "--replay", str(session))
    host = Host(str(tmp_path / "chute"))
    assert await lines(host, 1) == [place(1, SECOND)]
    await stop(task, host)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--rate", "0"], "must be above 0"),
        (["--listen", "nowhere"], "expected HOST:PORT"),
        (["--at-once", "--replay", "/nonexistent"], "/nonexistent"),
    ],
)
async def test_what_it_cannot_do_it_says(tmp_path: Path, options: list[str], reason: str) -> None:
    with pytest.raises(Failure, match=reason):
        await (await start_main(tmp_path / "chute", *options))
