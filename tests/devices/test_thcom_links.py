"""THCOM08 devices commanded through the manager, over real ptys and sockets, against the simulators."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest

from console.codecs import thcom
from console.devices import comparison, driver_class, runner
from console.devices.manager import Manager
from console.model import DeviceState, Direction, Kind, Level, LinkState, Order, Origin, Reading
from console.simulators.cp545 import Cp545, run_race
from console.simulators.gsm_docking import Docking, serve
from console.simulators.port import Port, PtyPort, TcpPort
from tests.devices.scripted import MemoryDesk
from tests.links.recorder import until

SECRET = "top-secret/7"


class Bench:
    """A manager with one device."""

    def __init__(self) -> None:
        self.desk = MemoryDesk()
        self.manager = Manager(self.desk)

    @property
    def state(self) -> DeviceState:
        (state,) = self.manager.states()
        return state

    async def connect(self, kind: str, where: str) -> None:
        place = {"port": where} if where.startswith("/") else {"address": where}
        await self.manager.apply([driver_class(kind).settings_type(name="d", type=kind, **place)])  # type: ignore[arg-type]
        await until(lambda: self.state.state in (LinkState.OPEN, LinkState.UP))

    async def ask(self, words: str, text: str = "") -> Any:
        return await self.manager.command("d", Order(words=words, by="anna", text=text))

    def sent(self) -> list[bytes]:
        return [one.raw for one in self.desk.frames if one.direction is Direction.TX]

    def impulses(self, origin: Origin) -> set[str]:
        """Identities of the times that came so."""
        facts = [fact for one in self.desk.frames for fact in one.facts if isinstance(fact, Reading)]
        return {one.identity for one in facts if one.kind is Kind.IMPULSE and one.origin is origin}


@pytest.fixture
async def bench(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    monkeypatch.setattr(runner, "backoff", lambda: repeat(0.01))
    monkeypatch.setattr(comparison, "COMMIT_WITHIN", 0.05)  # there is no journal that would take downloads in
    made = Bench()
    yield made
    await made.manager.stop()


@asynccontextmanager
async def timer(link: str, directory: Path) -> AsyncIterator[Cp545]:
    made = Cp545()
    made.device.zone = UTC
    if link == "tcp":
        await made.listen(port=0)
    else:
        made.attach(PtyPort.open(directory / "cp545"))
    try:
        yield made
    finally:
        await made.close()


@pytest.mark.parametrize("link", ["pty", "tcp"])
async def test_a_timer_is_commanded(bench: Bench, link: str, tmp_path: Path) -> None:
    async with timer(link, tmp_path) as cp545:
        await bench.connect("thcom", cp545.where[0])
        reply = await bench.ask("#SN")
        assert reply.text == "CP545 04811 VB10"
        assert bench.sent()[0] == (b"#SN\t00A1\r\n" if link == "pty" else b"#SN\r\n")
        assert next(one.by for one in bench.desk.frames if one.label == "#SN") == "anna"
        await until(lambda: bench.state.facts.get("memory"))
        assert bench.state.facts["power"] == "6.9 V"

        listed = await bench.ask("START LIST list.csv", "".join(f"{bib}\n" for bib in range(1, 31)))
        assert (listed.ok, len(cp545.device.start_list)) == (True, 30)
        await run_race(cp545, rate=1000, starters=10, course=0.02, seed=1)
        await until(lambda: bench.state.facts["run"] == "01 (closed)")
        told = await bench.ask("DOWNLOAD RUN 1")
        assert told.data["times"] == 20
        live, again = bench.impulses(Origin.LIVE), bench.impulses(Origin.RECALL)
        assert live == again
        assert len(live) == 20
        outcome = bench.state.outcome
        assert outcome is not None
        assert (outcome.words, outcome.by, outcome.ok) == ("DOWNLOAD RUN 1", "anna", True)
        assert [one.flaw for one in bench.desk.frames if one.flaw] == []


@pytest.mark.parametrize("link", ["pty", "tcp"])
async def test_the_link_is_lost_in_the_middle_of_a_download(bench: Bench, link: str, tmp_path: Path) -> None:
    async with timer(link, tmp_path) as cp545:
        cp545.device.open_run()
        for bib in range(1, 6):
            cp545.device.impulse("1", bib)
        answer = cp545.device._download
        cp545.device._download = lambda run: answer(run)[:5]  # type: ignore[method-assign]
        await bench.connect("thcom", cp545.where[0])
        asking = asyncio.create_task(bench.ask("DOWNLOAD RUN 1"))
        await until(lambda: bench.state.job and bench.state.job.done == 3)
        await cp545.drop()
        with pytest.raises(ConnectionError, match="DOWNLOAD RUN 1: the link was lost"):
            await asking
        assert "download of run 01 is INCOMPLETE: 3 records (3 times, 0 results)" in bench.desk.told(Level.WARNING)
        assert bench.state.job is None
        cp545.device._download = answer  # type: ignore[method-assign]
        await until(lambda: bench.state.state is LinkState.UP)
        assert (await bench.ask("DOWNLOAD RUN 1")).data["times"] == 5


async def test_a_job_is_stopped(bench: Bench, tmp_path: Path) -> None:
    async with timer("pty", tmp_path) as cp545:
        await bench.connect("thcom", cp545.where[0])
        setting = asyncio.create_task(bench.ask("SET CLOCK"))
        await until(lambda: bench.state.job and bench.state.job.text.startswith("008 at"))
        assert (await bench.ask("STOP")).text == "stopped: SET CLOCK"
        with suppress(ConnectionError):
            await setting
        assert b"#WC 008" not in b"".join(bench.sent())
        assert (await bench.ask("#ID")).ok


@pytest.mark.parametrize("link", ["pty", "tcp"])
async def test_a_password_is_in_nothing_that_is_kept(bench: Bench, link: str, tmp_path: Path) -> None:
    port: Port = PtyPort.open(tmp_path / "gsm") if link == "pty" else TcpPort.listen()
    docking = Docking()
    serving = asyncio.create_task(serve(docking, port))
    try:
        await bench.connect("gsm-docking", port.where)
        for words in ("SET PASSWORD AP1 pw", "SET PASSWORD SERVER2 pw"):
            assert (await bench.ask(words, SECRET + "\n")).ok
            assert bench.state.outcome is not None
            assert bench.state.outcome.words == words
            assert SECRET not in str(bench.state)
        assert (await bench.ask("SET SERVER1-PORT 3001")).text == "SERVER1-PORT is 3001, read back"
        assert (docking.settings["3"], docking.settings["g"], docking.settings["5"]) == (SECRET, SECRET, "3001")
        assert [one.masked for one in bench.desk.frames if one.raw.startswith(b"#WP 030 3")] == [True]
        kept = b"".join(one.raw for one in bench.desk.frames)
        assert SECRET.encode() not in kept
        assert thcom.cs16(f"#WP 030 3 {SECRET}").encode() not in kept
        assert SECRET not in str((bench.desk.troubles, bench.desk.acts))
    finally:
        await bench.manager.stop()
        await port.close()
        serving.cancel()
        await asyncio.wait([serving])
