"""Clients that break off, once and again and again."""

import asyncio

import pytest

from console.exports.breaks import Breaks
from console.exports.tsv1 import TsV1, TsV1Settings
from console.model import SECOND, Level
from tests.exports.desk import MemoryDesk, deaf, running, until


class Told:
    """A clock, and what was said."""

    def __init__(self) -> None:
        self.clock = 0
        self.said: list[str] = []
        self.breaks = Breaks(self.say, "passings", lambda: self.clock)

    def say(self, level: Level, text: str) -> None:
        assert level is Level.WARNING
        self.said.append(text)

    def breaks_off(self, seconds: int, missing: int = 1) -> None:
        """Every 2 s, for so long."""
        for _ in range(seconds // 2):
            self.clock += 2 * SECOND
            self.breaks.look()
            self.breaks.broke("10.0.0.5", missing, "the client closed it")

    def rests(self, seconds: int) -> None:
        for _ in range(seconds):
            self.clock += SECOND
            self.breaks.look()


def test_the_first_is_said_at_once_and_the_others_are_counted() -> None:
    told = Told()
    told.breaks_off(70)
    assert told.said == [
        "10.0.0.5 is gone and has not taken 1 passing: the client closed it",
        "10.0.0.5 broke off 29 times more within 60 s with 29 passings not taken; the last time: the client closed it",
    ]
    told.breaks_off(10 * 3600)
    assert 10 < len(told.said) < 16, "a day is not a list of them"
    assert "within 60 min" in told.said[-1]


def test_one_that_holds_begins_anew() -> None:
    told = Told()
    told.breaks_off(2)
    told.rests(61)
    told.breaks_off(2, missing=0)
    assert told.said[1:] == ["10.0.0.5 was dropped: the client closed it"]
    told.breaks_off(2, missing=0)
    told.rests(61)
    assert told.said[2:] == ["10.0.0.5 broke off once more within 60 s; the last time: the client closed it"]
    told.rests(240)
    told.breaks_off(2)
    assert told.said[3:] == ["10.0.0.5 is gone and has not taken 1 passing: the client closed it"]


def test_what_was_only_counted_is_said_at_the_end() -> None:
    told = Told()
    told.breaks_off(6)
    told.breaks.broke("10.0.0.6", 1200, "the cable")
    told.breaks.close()
    assert told.said[1:] == [
        "10.0.0.6 is gone and has not taken 1,200 passings: the cable",
        "10.0.0.5 broke off 2 times more within 4 s with 2 passings not taken; the last time: the client closed it",
    ]


async def test_an_export_says_it_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.exports.serving.WATCH_EVERY", 0.01)
    desk = MemoryDesk()
    export = TsV1(TsV1Settings(name="scoring", type="tsv1", listen="127.0.0.1:0"), desk, desk.now)
    async with running(export) as where:
        for _ in range(4):
            client = deaf(where)
            await until(lambda: export.state().peers and export.state().peers[0].connected)
            desk.add(2000)
            await until(lambda: (export.state().peers[0].sent or 0) > (export.state().peers[0].tcp or 0))
            client.close()
            await until(lambda: not export.state().peers[0].connected)
        texts = [text for level, _, text in desk.troubles if level is Level.WARNING]
        assert len(texts) == 1
        assert texts[0].startswith("127.0.0.1 is gone and has not taken ")
        desk.clock += 60 * SECOND
        await until(lambda: len([1 for level, _, _ in desk.troubles if level is Level.WARNING]) > 1)
        await asyncio.sleep(0)
    texts = [text for level, _, text in desk.troubles if level is Level.WARNING]
    assert texts[1].startswith("127.0.0.1 broke off 3 times more within 60 s with ")
