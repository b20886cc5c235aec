"""Targets that the settings name no more: what they were sent stays in the reconciliation."""

from pathlib import Path

import pytest

from console.exports.csv_file import CsvFile, CsvSettings
from console.model import Kind, PeerState
from console.sheets.report import mismatch
from tests.exports.desk import MemoryDesk, until
from tests.exports.sinks import RecordsDesk
from tests.exports.test_csv_file import at_work as written
from tests.exports.test_dialling import Program, at_work, make


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.links.backoff.LEAST", 0.01)
    monkeypatch.setattr("console.links.backoff.MOST", 0.02)
    monkeypatch.setattr("console.exports.sink.PAUSE", 0.0)


def figures(peer: PeerState) -> tuple[int, int, int | None, int, int]:
    assert not mismatch(peer)
    return peer.journaled, peer.sent, peer.tcp, peer.waiting, peer.held


async def test_a_program_that_was_replaced() -> None:
    desk = MemoryDesk()
    old, new = Program(), Program()
    before, after = await old.listen(), await new.listen()
    export = make(desk, before)
    async with at_work(export):
        await until(lambda: old.open)
        (taken,) = desk.add()
        (held,) = desk.add(kind=Kind.PLACE, bib=None)
        await until(lambda: export.state().tcp == 1 and export.state().held == 1)
        await old.end()
        await until(lambda: not export.state().peers[0].connected)
        (waits,) = desk.add()
        await until(lambda: export.state().waiting == 1)
    other = make(desk, after)
    async with at_work(other):
        await until(lambda: new.open)
        (late,) = desk.add()
        await until(lambda: other.state().tcp == 1)
        state = other.state()
        assert [(peer.address, figures(peer)) for peer in state.peers] == [(after, (1, 1, 1, 0, 0))]
        (gone,) = state.former
        assert gone.address == before
        assert gone.reason == (
            f"no longer configured: the settings name another; what came beyond #{held.seq} is not in it"
        )
        # What nobody was there to be given was not met, and so is in no figure of a program that is gone.
        assert figures(gone) == (2, 1, 1, 0, 1)
        assert (state.journaled, state.waiting, state.held) == (1, 0, 0), "its figures are of the program of now"
        words = {one.seq: dict(other.fate(one)).get(before, "").partition(":")[0] for one in desk.feed.passings}
        assert words == {taken.seq: "tcp", held.seq: "held", waits.seq: "", late.seq: ""}
        assert list(other.holds()[before]) == [held.seq]
    await new.end()
    await old.listen(int(before.rpartition(":")[2]))
    back = make(desk, before)
    async with at_work(back):
        await until(lambda: back.state().tcp == 3)
        assert [(peer.address, peer.sent) for peer in back.state().former] == [(after, 1)]
    await old.end()


async def test_a_file_under_another_name(tmp_path: Path) -> None:
    desk = RecordsDesk(tmp_path)

    def file(path: str) -> CsvFile:
        return CsvFile(CsvSettings(name="book", type="csv", path=path, newcomers="live"), desk, desk.now)

    async with written(file("a.csv")) as export:
        await until((tmp_path / "a.csv").exists)
        desk.add(2)
        await until(lambda: export.state().acked == 2)
    async with written(file("b.csv")) as export:
        await until(lambda: export.state().former)
        desk.add(1)
        await until(lambda: export.state().acked == 1)
        (gone,) = export.state().former
        assert (gone.address, gone.journaled, gone.sent, gone.tcp, gone.acked) == (
            str(tmp_path / "a.csv"),
            2,
            2,
            None,
            2,
        )
        assert export.fate(desk.feed.passings[0]) == [
            (str(tmp_path / "a.csv"), "sent"),
            (str(tmp_path / "b.csv"), "came before this export"),
        ]
        assert export.fate(desk.feed.passings[2]) == [(str(tmp_path / "b.csv"), "sent")]
