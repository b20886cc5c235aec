"""Through a real engine: a timer corrects what software has, and software asks for what it missed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from console.codecs import thcom
from console.engine import desk as desk_module
from console.engine.engine import Engine
from console.exports.tsv1 import TsV1
from console.model import Highest
from console.simulators.port import TcpPort
from console.simulators.software import Software
from console.timing.bind import DAY
from tests.faults.rig import at_work, engine, export, free_port, plugged, until, until_open, until_state

NOON = DAY // 2


def line(tag: str, bib: int | None, number: int) -> bytes:
    return thcom.basic(thcom.time_line(tag, bib, number, "1", NOON + number, 9098), checksum=False)


async def test_a_run_of_a_timer_is_asked_of_its_server(tmp_path: Path) -> None:
    port, number = TcpPort.listen(), free_port()
    settings = f"""
[[device]]
name = "start"
type = "thcom"
address = "{port.where}"
points = {{ 1 = "Start" }}

[[export]]
name = "software"
type = "thcom-server"
listen = "127.0.0.1:{number}"
"""
    software = Software(f"127.0.0.1:{number}", retry=0.05)
    async with plugged(port), engine(tmp_path, settings) as (one, client):
        await until_open(client)
        for frame in (b"OP 01  00 START\r\n", line("TN", 1, 1), line("TN", 2, 2), line("TC", 2, 2), line("TN", 3, 3)):
            port.write(frame)
        port.write(thcom.basic("RR    1    1           2.47700", checksum=False))
        await until_state(client, lambda state: state.journal.passings == 5)
        software.greeting = b"#DL 01\r\n"
        async with at_work(software):
            await until(lambda: "DE 01" in software.lines)
            assert [text[:12].rstrip() for text in software.lines] == [
                "AK C", "DS 01  00", "AN    1    1", "AC    2    2", "AN    3    3", "RR    1    1", "DE 01",
            ]  # fmt: skip
            assert export(await client.refresh(), "software").journaled == 0
            software.lines.clear()
            await client.set_bib(1, "11")
            await client.undo()
            await client.set_bib(4, "33")
            await until_state(client, lambda state: export(state, "software").held == 1)
            port.write(line("T*", 9, 1))
            await until(lambda: any(text.startswith("T*    9    1") for text in software.lines))
            await one.kill()  # in the middle of an undo time
            software.greeting = b"#RT 0001 01\r\n"
            software.lines.clear()
            with closing(await one.start()):
                answer = "A*    9    1"
                await until(lambda: any(text.startswith(answer) for text in software.lines))
                at = next(place for place, text in enumerate(software.lines) if text.startswith(answer))
                assert software.lines[at - 1] == "AK C"  # what the kill had in doubt may come again around the answer


@asynccontextmanager
async def in_this_process(directory: Path) -> AsyncIterator[Engine]:
    """An engine without devices, to be asked as its exports ask it."""
    file = directory / "racedeck.toml"
    file.write_text('[event]\nname = "spring"\ntimezone = "UTC"\n')
    one, ready = Engine(file, directory), asyncio.Event()
    task = asyncio.create_task(one.run(ready))
    await ready.wait()
    try:
        yield one
    finally:
        one.stop()
        await task


async def test_numbers_and_connection_id_outlive_the_engine(tmp_path: Path) -> None:
    async with in_this_process(tmp_path) as desk:
        connection = await desk.connection_id("ctp")
        assert await desk.connection_id("ctp") == connection
        assert await desk.number("ctp", connection, "Finish", [0, 3, 5]) == {0: 1, 3: 2, 5: 3}
    async with in_this_process(tmp_path) as desk:
        assert await desk.connection_id("ctp") == connection
        assert desk.highest("ctp", connection) == {"Finish": Highest(number=3, passing=5)}
        assert await desk.number("ctp", connection, "Finish", [5, 8]) == {5: 3, 8: 4}
        assert await desk.numbers("ctp", connection, "Finish", 2) == [(2, 3), (3, 5), (4, 8)]
        made = await desk.renumber("ctp", "anna")
        assert made == await desk.connection_id("ctp") != connection
        assert await desk.number("ctp", made, "Finish", [5]) == {5: 1}


async def test_a_page_of_numbers_waits_for_a_database_that_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk_module, "READ_AGAIN", 0)
    async with in_this_process(tmp_path) as desk:
        await desk.number("ctp", "c0ffee", "Finish", [3])
        read, asked = desk.reader.numbers, 0

        def unreadable_twice(series: tuple[str, str, str], first: int, limit: int) -> list[tuple[int, int]] | None:
            nonlocal asked
            asked += 1
            return read(series, first, limit) if asked > 2 else None

        monkeypatch.setattr(desk.reader, "numbers", unreadable_twice)
        assert await desk.numbers("ctp", "c0ffee", "Finish", 1) == [(1, 3)]


SCORING = """
[event]
name = "spring"
timezone = "UTC"

[[export]]
name = "scoring"
type = "tsv1"
listen = "127.0.0.1:0"
batch_interval = {}
"""


async def test_reloads_at_once_never_run_an_export_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of one name would both go on from one cursor."""
    running = most = begun = 0
    run, end = TsV1.run, TsV1.end

    async def counted(self: TsV1) -> None:
        nonlocal running, most, begun
        running, begun = running + 1, begun + 1
        most = max(most, running)
        try:
            await run(self)
        finally:
            running -= 1

    async def slowly(self: TsV1) -> None:
        for _ in range(20):
            await asyncio.sleep(0)
        await end(self)

    monkeypatch.setattr(TsV1, "run", counted)
    monkeypatch.setattr(TsV1, "end", slowly)
    async with in_this_process(tmp_path) as one:
        for interval in range(3):
            one.config_file.write_text(SCORING.format(interval))
            await asyncio.gather(*(one.reload(who) for who in ("anna", "bert", "cleo")))
        await until(lambda: begun == 3)
    assert (most, running) == (1, 0)
