"""What the server sends is written into a wired timer, once and in order."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from console.codecs.thcom_link import Extended
from console.its import downlink as module
from console.its.downlink import Downlink
from console.model import Level
from tests.exports.desk import until

TN = "TN    1    1 M1 13:50:12.36600  9098"


class Timer:
    def __init__(self) -> None:
        self.there = True
        self.got: list[bytes] = []
        self.troubles: list[tuple[Level, str]] = []

    def write(self, device: str, raw: bytes) -> None:
        assert device == "finish"
        if not self.there:
            raise ConnectionError("finish is not connected (cable): nothing was sent")
        self.got.append(raw)

    def trouble(self, level: Level, source: str, text: str) -> None:
        assert source == "finish"
        self.troubles.append((level, text))


@asynccontextmanager
async def at_work(timer: Timer, checksum: bool = False) -> AsyncIterator[Downlink]:
    one = Downlink("finish", timer.write, checksum, timer.trouble, lambda: 7)
    task = asyncio.create_task(one.run())
    try:
        yield one
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def frame(data: str, protocol: str = "1") -> Extended:
    return Extended(
        number=0, protocol=protocol, source="10084", destination="10086", parameter="", data=data, check="right"
    )


async def test_times_and_results_are_basic_frames() -> None:
    timer = Timer()
    async with at_work(timer, checksum=True) as one:
        one.take(frame(TN))
        one.take(frame("IR 1       1    00:00:11.62000"))
        await until(lambda: len(timer.got) == 2)
        assert timer.got == [TN.encode() + b"\t06A9\r\n", b"IR 1       1    00:00:11.62000\t0539\r\n"]
        assert (one.state().written, one.state().waiting, one.state().last) == (2, 0, 7)


async def test_nobody_far_away_commands_a_timer() -> None:
    timer = Timer()
    async with at_work(timer) as one:
        for data in ("#WC 005", "#PL hello", "AK C", "SN 00084 CP545 VB10", "PW secret", "UN x", "ID 00084"):
            one.take(frame(data))
        one.take(frame(TN, protocol="3"))
        one.take(frame(TN))
        await until(lambda: timer.got)
        assert timer.got == [TN.encode() + b"\r\n"]


async def test_what_comes_again_is_written_once() -> None:
    timer = Timer()
    async with at_work(timer) as one:
        one.take(frame(TN))
        one.take(frame(TN))
        one.take(frame(TN.replace("TN", "T*")))
        await until(lambda: len(timer.got) == 2)
        assert [raw[:2] for raw in timer.got] == [b"TN", b"T*"]


async def test_it_waits_for_a_timer_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AGAIN_EVERY", 0.01)
    monkeypatch.setattr(module, "MOST", 3)
    timer = Timer()
    timer.there = False
    async with at_work(timer) as one:
        for number in range(5):
            one.take(frame(f"TN {number}"))
        await until(lambda: timer.troubles)
        assert one.state().waiting == 3
        timer.there = True
        await until(lambda: len(timer.troubles) == 2)
        assert timer.got == [b"TN 2\r\n", b"TN 3\r\n", b"TN 4\r\n"]
        assert timer.troubles[0][0] is Level.WARNING
        assert "waits until it is connected" in timer.troubles[0][1]
        assert timer.troubles[1][1].endswith("the 2 oldest were given up")
