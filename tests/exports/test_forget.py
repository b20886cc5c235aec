"""Clients that came once and never return: forgotten, they are waited for no more, and what they were sent stays."""

import json
from pathlib import Path
from typing import Any

import pytest

from console.exports.csv_file import CsvFile, CsvSettings
from console.exports.ctp01 import Ctp01
from console.exports.ctp01_settings import Ctp01Settings
from console.exports.thcom_server import ThcomServer, ThcomServerSettings
from console.exports.tsv1 import TsV1, TsV1Settings
from console.model import Cursor, ExportState, Kind, PeerState, Selection
from console.sheets.report import mismatch
from tests.exports.desk import Client, MemoryDesk, running, until
from tests.exports.sinks import RecordsDesk
from tests.exports.test_thcom_server import impulse

SCANNER = "127.0.0.2"


def make(desk: MemoryDesk, **settings: Any) -> TsV1:
    return TsV1(TsV1Settings(name="scoring", type="tsv1", listen="127.0.0.1:0", **settings), desk, desk.now)


async def joined(desk: MemoryDesk, where: str, source: str, called: str = "") -> Client:
    client = await Client.connect(where, source)
    await until(lambda: (called or source) in desk.saved)
    return client


async def chips(client: Client, count: int) -> list[int]:
    """The chips of the next `count` reads."""
    found: list[int] = []
    while len(found) < count:
        found += [read["Chip"] for read in json.loads(await client.message())]
    assert len(found) == count
    return found


def figures(state: ExportState | PeerState) -> tuple[int, int, int | None, int, int, int]:
    if isinstance(state, PeerState):
        assert not mismatch(state)
    return state.journaled, state.sent, state.tcp, state.waiting, state.held, state.skipped


def peer(export: TsV1 | ThcomServer, address: str) -> PeerState:
    return next(one for one in export.state().peers if one.address == address)


async def test_a_scanner_is_waited_for_no_more() -> None:
    desk = MemoryDesk()
    export = make(desk)
    async with running(export) as where:
        scoring = await joined(desk, where, "127.0.0.1")
        scanner = await joined(desk, where, SCANNER)
        (taken,) = desk.add()
        (held,) = desk.add(kind=Kind.PLACE, bib=None)
        assert await chips(scanner, 1) == await chips(scoring, 1) == [taken.seq]
        await until(lambda: all(one.tcp == 1 and one.held == 1 for one in export.state().peers))
        with pytest.raises(ValueError, match=r"127\.0\.0\.2 is connected to scoring"):
            await export.forget(SCANNER, "anna")
        await scanner.close()
        assert [one.seq for one in desk.add(2)] == await chips(scoring, 2)
        await until(lambda: not peer(export, SCANNER).connected)
        assert [one.seq for one in desk.add(3)] == await chips(scoring, 3)
        await until(lambda: peer(export, "127.0.0.1").tcp == 6)
        await until(lambda: export.state().waiting >= 3)
        assert "is not connected" in export.state().reason

        assert export.forgettable(SCANNER) == "what happens from then on"
        await export.forget(SCANNER, "anna")
        state = export.state()
        assert [one.address for one in state.peers] == ["127.0.0.1"]
        assert (figures(state), state.state, state.reason) == ((7, 6, 6, 0, 1, 0), "up", "")
        assert list(state.held_newest) == [held.seq]
        (gone,) = state.former
        assert gone.reason.startswith("forgotten by anna; what came beyond #")
        assert (gone.address, gone.sent, gone.tcp, gone.waiting, gone.held) == (SCANNER, 1, 1, 0, 0)
        assert figures(gone)[0] == 1 + gone.skipped, "what waited for it, and was held, is skipped"
        fates = [dict(export.fate(one))[SCANNER].partition(":")[0] for one in (taken, held)]
        assert fates == ["tcp", "skipped"]
        assert export.holds()[SCANNER] == {}
        (act,) = [one for one in desk.noted if one.body.get("do") == "forget"]
        assert (act.word, act.body, act.by) == (
            "export",
            {"export": "scoring", "do": "forget", "peer": SCANNER},
            "anna",
        )
        assert [one.seq for one in desk.add()] == await chips(scoring, 1), "nobody else was cut off"
        await until(lambda: export.state().tcp == 7)
        assert export.state().former == state.former
        await scoring.close()

    again = make(desk)
    async with running(again) as where:
        assert [one.address for one in again.state().peers] == ["127.0.0.1"]
        (still,) = again.state().former
        assert (figures(still), still.reason) == (figures(gone), gone.reason)
        assert [dict(again.fate(one))[SCANNER].partition(":")[0] for one in (taken, held)] == fates
        await back_as_a_newcomer(desk, again, where)


async def back_as_a_newcomer(desk: MemoryDesk, export: TsV1, where: str) -> None:
    """The scanner comes again: what came before is not for it, and its first account stays what it was."""
    before = export.state().former
    name = f"{SCANNER}#2"
    back = await joined(desk, where, SCANNER, name)
    (new,) = desk.add()
    assert await chips(back, 1) == [new.seq]
    await until(lambda: peer(export, name).tcp == 1)
    assert figures(peer(export, name)) == (1, 1, 1, 0, 0, 0)
    assert export.state().former == before
    assert dict(export.fate(desk.feed.passings[0]))[name] == "came before this client"
    assert SCANNER not in dict(export.fate(new))
    assert await export.resend(Selection(first=new.seq, last=new.seq), "anna", name) == "1 sent again"
    assert await chips(back, 1) == [new.seq]
    await back.close()
    desk.add(2)
    await until(lambda: not peer(export, name).connected)
    await export.forget(name, "bert")
    assert [one.address for one in export.state().former] == [SCANNER, name]
    third = await joined(desk, where, SCANNER, f"{SCANNER}#3")
    await third.close()


async def test_all_for_newcomers_is_all_for_one_that_was_forgotten() -> None:
    desk = MemoryDesk()
    export = make(desk, newcomers="all")
    desk.add(3)
    async with running(export) as where:
        scanner = await joined(desk, where, SCANNER)
        assert await chips(scanner, 3) == [1, 2, 3]
        await scanner.close()
        desk.add()
        await until(lambda: not export.state().peers[0].connected)
        assert export.forgettable(SCANNER) == "everything from the beginning, also what it had"
        await export.forget(SCANNER, "anna")
        await until(lambda: export.state().journaled == 4, "those of an export that nobody has come to")
        back = await joined(desk, where, SCANNER, f"{SCANNER}#2")
        assert await chips(back, 4) == [1, 2, 3, 4]
        await until(lambda: export.state().tcp == 4)
        assert figures(export.state()) == (4, 4, 4, 0, 0, 0)
        await back.close()


async def test_the_last_one_leaves_the_figures_of_all_there_is() -> None:
    """Those of passings, too, that were counted before this run of the engine."""
    desk = MemoryDesk()
    desk.add(5)
    desk.saved[SCANNER] = Cursor(
        export="scoring", peer=SCANNER, start=0, sent=5, tcp=5, counts={"journaled": 5, "tcp": 5}
    )
    desk.add(2)
    export = make(desk)
    async with running(export):
        await until(lambda: export.state().waiting == 2)
        await export.forget(SCANNER, "anna")
        await until(lambda: export.state().journaled == 7)
        assert (export.state().peers, export.state().waiting, export.state().state) == ((), 0, "no client")
    desk.add()
    async with running(other := make(desk)):
        await until(lambda: other.state().journaled == 8)
        assert [figures(one) for one in other.state().former] == [(5, 5, 5, 0, 0, 0)]


async def test_timing_software_gets_no_impulse_twice() -> None:
    """Whatever `newcomers` says: another START at an old time would be given to whoever is on course."""
    desk = MemoryDesk()
    settings = ThcomServerSettings(
        name="software",
        type="thcom-server",
        listen="127.0.0.1:0",
        newcomers="all",
        sources={SCANNER: ("start",)},
    )
    export = ThcomServer(settings, desk, desk.now)
    async with running(export) as where:
        client = await joined(desk, where, SCANNER)
        impulse(desk, sequence=1)
        assert b"   1" in await client.line()
        await until(lambda: export.state().tcp == 1)
        await client.close()
        await until(lambda: not export.state().peers[0].connected)
        assert export.forgettable(SCANNER) == "what happens from then on"
        await export.forget(SCANNER, "anna")
        back = await joined(desk, where, SCANNER, f"{SCANNER}#2")
        impulse(desk, sequence=2, device="finish")
        impulse(desk, sequence=3)
        assert (await back.line()).startswith(b"TN    4    3"), "of the device that its address gets, and no other"
        await until(lambda: export.state().tcp == 1)
        assert figures(peer(export, f"{SCANNER}#2")) == (1, 1, 1, 0, 0, 0)
        await back.close()


async def test_who_is_of_the_settings_is_not_forgotten(tmp_path: Path) -> None:
    desk = MemoryDesk()
    target = "127.0.0.1:9"
    connects = TsV1(TsV1Settings(name="scoring", type="tsv1", connect=target), desk, desk.now)
    numbered = Ctp01(Ctp01Settings(name="scoring", type="ctp01", connect=target), desk, desk.now)
    file = CsvFile(CsvSettings(name="book", type="csv", path=str(tmp_path / "a.csv")), RecordsDesk(tmp_path), desk.now)
    for export in (connects, numbered):
        with pytest.raises(ValueError, match=r"the settings of scoring name 127\.0\.0\.1:9, and it is served whenever"):
            await export.forget(target, "anna")
    with pytest.raises(ValueError, match=r"book cannot forget a\.csv: csv has no clients that come and go"):
        await file.forget("a.csv", "anna")
    assert not desk.noted


async def test_a_disk_that_hangs_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.exports.steering.WRITTEN_WITHIN", 0.01)
    desk = MemoryDesk()
    export = make(desk)
    desk.saved[SCANNER] = Cursor(export="scoring", peer=SCANNER, start=0, sent=0, tcp=0)
    async with running(export):
        desk.disk.clear()
        with pytest.raises(
            ValueError, match=r"127\.0\.0\.2 is forgotten until the engine ends: the disk has not taken"
        ):
            await export.forget(SCANNER, "anna")
        assert [one.address for one in export.state().former] == [SCANNER]
        desk.disk.set()
