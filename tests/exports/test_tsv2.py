"""TsV2 over loopback sockets, as listener and as client, with the strict reader at the other end."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from console.config import SettingsError
from console.exports import export_class
from console.exports.tsv2 import TsV2, TsV2Settings
from console.model import Kind
from console.simulators.consumer import Consumer
from console.simulators.scoring_tsv2 import ScoringTsv2
from console.timing.tags import TagTable
from tests.exports.desk import Client, MemoryDesk, running, until
from tests.exports.settings import loaded


def make(desk: MemoryDesk, **settings: Any) -> TsV2:
    if "connect" not in settings:
        settings.setdefault("listen", "127.0.0.1:0")
    return TsV2(TsV2Settings(name="scoring", type="tsv2", **settings), desk, desk.now)


@asynccontextmanager
async def at_work(consumer: Consumer) -> AsyncIterator[None]:
    task = asyncio.create_task(consumer.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def test_the_registry_finds_it() -> None:
    assert export_class("tsv2") is TsV2


async def test_a_read_byte_by_byte() -> None:
    desk = MemoryDesk()
    desk.zone = ZoneInfo("Europe/Paris")
    async with running(make(desk, moment_suffix="", keys={"Chip": "Tag", "Antenna": ""})) as where:
        client = await Client.connect(where)
        await until(lambda: desk.saved)
        desk.add(bib=None, tag="E2A7", device="Reader-01", extra={"rssi": -51.5, "epc": "e280"})
        assert await client.message() == (
            b'[{"Tag":"E2A7","Moment":"2026-04-22T12:29:02.1234567","UtcMoment":"2026-04-22T10:29:02.1234567Z",'
            b'"TimingPoint":"Finish","Type":2,"Source":"Reader-01","Rssi":-51.5,"Epc":"E280"}]\r'
        )
        await client.close()


async def test_who_passed_is_text() -> None:
    desk = MemoryDesk()
    desk.tags = TagTable(bibs={"84A1B2C3": "1204"})
    export = make(desk)
    async with running(export) as where:
        client = await Client.connect(where)
        await until(lambda: desk.saved)
        desk.add(kind=Kind.GUN, bib=None, read_type=0)
        desk.add(bib="A7")
        desk.add(kind=Kind.PUNCH, bib=None, tag="84A1B2C3")
        desk.add(kind=Kind.PUNCH, bib=None, tag="FFFFFFFF")
        desk.add(kind=Kind.PLACE, bib=None)
        desk.add(read_type=1)
        found: list[str] = []
        while len(found) < 4:
            found += [read["Chip"] for read in json.loads(await client.message())]
        assert found == ["0", "A7", "1204", "FFFFFFFF"]
        await until(lambda: export.state().held == 1)
        state = export.state()
        assert (state.journaled, state.sent, state.unmapped, state.waiting) == (5, 4, 0, 0)
        await client.close()


async def test_it_connects_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.exports.dialling.backoff", lambda: iter(lambda: 0.01, None))
    desk = MemoryDesk()
    scoring = ScoringTsv2("127.0.0.1:0", listens=True)
    async with at_work(scoring):
        await scoring.until(lambda: scoring.listening)
        export = make(desk, connect=f"127.0.0.1:{scoring.port}")
        async with running(export):
            desk.add(500)
            await scoring.until(lambda: len(scoring.reads) == 500)
            scoring.closes = 0.2
            for _ in range(10):
                desk.add(50)
                await asyncio.sleep(0.01)
            scoring.closes = 0.0
            await scoring.until(lambda: len({read.chip for read in scoring.reads}) == 1000)
            await until(lambda: export.state().tcp == 1000)
            state = export.state()
            assert (state.state, state.sent, state.waiting) == ("up", 1000, 0)
            assert [peer.address for peer in state.peers] == [f"127.0.0.1:{scoring.port}"]
    assert scoring.connections > 1
    assert set(scoring.flaws) <= {"cut short"}
    # Whatever came twice came in order again: a new read never comes before an older one that was not there yet.
    seen: set[int] = set()
    for read in scoring.reads:
        number = int(read.chip)
        assert number in seen or number == len(seen) + 1
        seen.add(number)


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ('keys = { Cip = "Tag" }', "keys: there is no 'Cip'; there are Chip, Moment, UtcMoment"),
        ('keys = { Chip = "Source" }', "keys: 'Source' would be the name of 2 keys"),
        ("keys = { Chip = 1 }", "keys must be a table of a text in quotes each"),
        ("batch_interval = 99", "batch_interval must be a number from 0"),
        ('connect = "127.0.0.1:1"', "either listen"),
    ],
)
def test_settings_that_make_no_sense(keys: str, problem: str) -> None:
    with pytest.raises(SettingsError) as error:
        loaded(f'type = "tsv2"\nlisten = "127.0.0.1:0"\n{keys}')
    (said,) = error.value.problems
    assert said.startswith('racedeck.toml: export "one": ')
    assert problem in said


def test_the_zone_of_its_times_is_said() -> None:
    desk = MemoryDesk()
    desk.zone = ZoneInfo("Europe/Paris")
    z = "Moment is local time (Europe/Paris), and not UTC as the Z behind it suggests; UtcMoment is UTC"
    assert make(desk).note == z
    assert make(desk, moment_suffix="").note == "Moment is local time (Europe/Paris); UtcMoment is UTC"
    assert make(desk, keys={"Moment": "", "UtcMoment": "At"}).note == "At is UTC"
