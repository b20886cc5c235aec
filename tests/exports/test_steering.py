"""What operators do with an export at work: pause it, skip what waits, have passings sent again; over restarts, too."""

import asyncio
import json
from typing import Any

import pytest
from msgspec import structs

from console.codecs import thcom
from console.exports.resend import Wanted
from console.exports.thcom_server import ThcomServer, ThcomServerSettings
from console.exports.tsv1 import TsV1, TsV1Settings
from console.model import SECOND, Act, Cursor, Kind, Level, Passing, Phase, Resolved, Scalar, Selection
from tests.exports.desk import NOON, Client, MemoryDesk, deaf, edit, passing, running, until


def make(desk: MemoryDesk, **settings: Any) -> TsV1:
    return TsV1(TsV1Settings(name="scoring", type="tsv1", listen="127.0.0.1:0", **settings), desk, desk.now)


async def chips(client: Client, count: int) -> list[int]:
    """The chips of the next `count` reads."""
    found: list[int] = []
    while len(found) < count:
        found += [read["Chip"] for read in json.loads(await client.message())]
    assert len(found) == count
    return found


async def joined(desk: MemoryDesk, where: str, source: str = "127.0.0.1") -> Client:
    client = await Client.connect(where, source)
    await until(lambda: source in desk.saved)
    return client


def said(desk: MemoryDesk, text: str) -> list[Level]:
    return [level for level, _, one in desk.troubles if text in one]


def orders(desk: MemoryDesk) -> list[Act]:
    """What was journaled of operators."""
    return [act for act in desk.noted if act.word == "export"]


# --- pause ---


async def test_a_pause_stops_everything_but_the_counting() -> None:
    desk = MemoryDesk()
    export = make(desk)
    async with running(export) as where:
        client = await joined(desk, where)
        desk.add(2)
        assert await chips(client, 2) == [1, 2]
        export.pause("anna")
        desk.add(3)
        await until(lambda: export.state().waiting == 3)
        state = export.state()
        assert (state.state, state.reason, state.paused_at, state.sent) == ("paused", "by anna", desk.clock, 2)
        with pytest.raises(ValueError, match="paused already, by anna"):
            export.pause("bert")
        with pytest.raises(ValueError, match="resume it first"):
            await export.resend(Selection(), "bert")
        export.resume("bert")
        assert await chips(client, 3) == [3, 4, 5]
        assert export.state().state == "up"
        with pytest.raises(ValueError, match="not paused"):
            export.resume("bert")
        await client.close()
    assert [(act.body["do"], act.by) for act in orders(desk)] == [("pause", "anna"), ("resume", "bert")]


async def test_a_pause_lasts_over_a_restart() -> None:
    desk = MemoryDesk()
    first = make(desk)
    async with running(first) as where:
        client = await joined(desk, where)
        first.pause("anna")
        await client.close()
    desk.note("export", {"export": "another", "do": "resume"}, "bert")
    export = make(desk)
    async with running(export) as where:
        assert export.state().state == "paused"
        client = await Client.connect(where)
        desk.add(3)
        await until(lambda: export.state().waiting == 3)
        assert export.state().sent == 0
        export.resume("bert")
        assert await chips(client, 3) == [1, 2, 3]
        await client.close()


async def test_a_pause_in_the_middle_of_a_backlog() -> None:
    desk = MemoryDesk()
    desk.add(20_000)
    export = make(desk, newcomers="all")
    async with running(export) as where:
        client = await joined(desk, where)
        await until(lambda: export.state().sent > 0)
        export.pause("anna")
        await asyncio.sleep(0)
        stopped = export.state().sent
        for _ in range(20):  # turns of the loop in which it could write
            await asyncio.sleep(0.001)
        assert export.state().sent == stopped < 20_000
        export.resume("anna")
        assert await chips(client, 20_000) == list(range(1, 20_001))
        await client.close()


async def test_an_impulse_that_went_stale_in_a_pause_is_held() -> None:
    desk = MemoryDesk()
    settings = ThcomServerSettings(name="s", type="thcom-server", listen="127.0.0.1:0", channels={"mat": "4"})
    export = ThcomServer(settings, desk, desk.now)
    async with running(export) as where:
        client = await joined(desk, where)
        export.pause("anna")
        desk.add()
        desk.clock += 20 * SECOND
        export.resume("anna")
        await until(lambda: export.state().held == 1)
        await client.close()


# --- skip ---


async def test_what_waits_is_skipped_and_never_called_sent() -> None:
    desk = MemoryDesk()
    export = make(desk)
    async with running(export) as where:
        client = await joined(desk, where)
        desk.add(2)
        assert await chips(client, 2) == [1, 2]
        await until(lambda: export.state().tcp == 2)
        export.pause("anna")
        (held,) = desk.add(kind=Kind.PLACE, bib=None)
        desk.add(phase=Phase.TEST)
        desk.add(3)
        await until(lambda: export.waiting() == 4)  # nothing was looked at yet, so that nothing is held
        assert export.skip_waiting("anna") == 4
        assert export.waiting() == 0
        export.resume("anna")
        desk.add()
        assert await chips(client, 1) == [8]
        await until(lambda: export.state().tcp == 3)
        state = export.state()
        assert (state.journaled, state.sent, state.tcp, state.skipped, state.waiting) == (7, 3, 3, 4, 0)
        fates = [export.fate(one)[0][1].partition(":")[0] for one in desk.feed.passings]
        assert fates == ["tcp", "tcp", "skipped", "phase TEST", "skipped", "skipped", "skipped", "tcp"]
        await client.close()
    again = make(desk)
    async with running(again) as where:
        assert again.fate(held)[0][1].startswith("skipped")
        state = again.state()
        assert (state.journaled, state.tcp, state.skipped, state.waiting) == (7, 3, 4, 0)


async def test_what_is_on_its_way_when_the_rest_is_skipped() -> None:
    desk = MemoryDesk()
    export = make(desk)
    async with running(export) as where:
        client = deaf(where)
        await until(lambda: desk.saved)
        desk.add(20_000)
        await until(lambda: export.state().sent > 100)
        await until(lambda: not export._new.is_set() and export.state().journaled == 20_000)
        waiting = export.waiting()
        assert export.skip_waiting("anna") == waiting > 0
        state = export.state()
        assert state.sent + state.skipped == 20_000
        assert state.sent > (state.tcp or 0)
        client.close()  # with what it had not read
        await until(lambda: not export.state().peers[0].connected)
        state = export.state()
        assert state.journaled == 20_000 == state.sent + state.skipped
        assert (state.sent, state.waiting) == (state.tcp, 0)
        sent = state.sent
        desk.add()
        again = await Client.connect(where)
        assert await chips(again, sent + 1) == [
            *range(1, sent + 1),
            20_001,
        ]  # the last minute, but for what was skipped
        await again.close()


async def test_what_has_come_since_it_was_asked_is_not_skipped() -> None:
    desk = MemoryDesk()
    export = make(desk)
    async with running(export) as where:
        client = await joined(desk, where)
        export.pause("anna")
        desk.add(3)
        await until(lambda: export.waiting() == 3)
        asked = export.counted_to
        desk.add(phase=Phase.TEST)
        late, _ = desk.add(2)
        await until(lambda: export.waiting() == 5)
        assert await export.skip_until(asked, "anna") == 3
        assert await export.skip_until(asked, "anna") == 0, "given twice"
        state = export.state().peers[0]
        assert (state.journaled, state.skipped, state.waiting, state.oldest) == (5, 3, 2, late.wall)
        assert [export.fate(one)[0][1].partition(":")[0] for one in desk.feed.passings] == [
            *["skipped"] * 3,
            "phase TEST",
            *["waiting"] * 2,
        ]
        export.resume("anna")
        assert await chips(client, 2) == [5, 6]
        await until(lambda: export.state().tcp == 2)
        assert (export.waiting(), export.state().skipped) == (0, 3)
        await client.close()
    again = make(desk)
    async with running(again):
        state = again.state().peers[0]
        assert (state.journaled, state.tcp, state.skipped, state.waiting) == (5, 2, 3, 0)


async def test_what_was_lost_behind_it_is_not_skipped() -> None:
    desk = MemoryDesk()
    desk.add(5)
    # All of it was written, and the connection was lost before anything was taken.
    desk.save(Cursor(export="scoring", peer="127.0.0.1", start=0, sent=5, tcp=0, counts={"journaled": 5}))
    export = make(desk)
    async with running(export) as where:
        await until(lambda: export.waiting() == 5)
        desk.add()
        await until(lambda: export.waiting() == 6)
        assert await export.skip_until(3, "anna") == 3
        state = export.state().peers[0]
        assert (state.journaled, state.skipped, state.waiting) == (6, 3, 3)
        assert state.oldest == desk.feed.passings[3].wall
        client = await Client.connect(where)
        assert await chips(client, 3) == [4, 5, 6]
        await until(lambda: export.state().tcp == 3)
        assert export.waiting() == 0
        await client.close()


async def test_nothing_waits_for_one_that_is_up_to_date() -> None:
    desk = MemoryDesk()
    export = make(desk)
    async with running(export) as where:
        one, other = await joined(desk, where), await joined(desk, where, "127.0.0.2")
        await other.close()
        desk.add(2)
        assert await chips(one, 2) == [1, 2]
        await until(lambda: not export._pumps_of(export._accounts["127.0.0.2"]))
        await until(lambda: export.waiting("127.0.0.2") == 2)
        assert export.skip_waiting("anna", "127.0.0.1") == 0
        assert export.skip_waiting("anna", "127.0.0.2") == 2
        assert {peer.address: peer.skipped for peer in export.state().peers} == {"127.0.0.1": 0, "127.0.0.2": 2}
        await one.close()


# --- send again ---


async def test_a_range_goes_again_and_moves_nothing() -> None:
    desk = MemoryDesk()
    export = make(desk)
    async with running(export) as where:
        client = await joined(desk, where)
        desk.add(6)
        await chips(client, 6)
        await until(lambda: export.state().tcp == 6)
        cursor = desk.saved["127.0.0.1"]
        assert await export.resend(Selection(first=2, last=4), "anna") == "3 sent again"
        assert await chips(client, 3) == [2, 3, 4]
        await until(lambda: export.state().resent == 3)
        state = export.state()
        assert (state.journaled, state.sent, state.tcp, state.waiting) == (6, 6, 6, 0)
        assert desk.saved["127.0.0.1"].tcp == cursor.tcp
        desk.add()
        assert await chips(client, 1) == [7]
        assert said(desk, "#2 to #4: 3 sent again to all (anna)") == [Level.NOTE]
        await client.close()


async def test_by_time_by_point_by_bib() -> None:
    desk = MemoryDesk()
    export = make(desk)
    async with running(export) as where:
        client = await joined(desk, where)
        for _ in range(5):
            desk.clock += SECOND
            desk.add()
        await chips(client, 5)
        assert (
            await export.resend(Selection(since=NOON + 2 * SECOND, until=NOON + 3 * SECOND), "anna") == "2 sent again"
        )
        assert await chips(client, 2) == [2, 3]
        assert await export.resend(Selection(since=NOON + 4 * SECOND + 1), "anna") == "1 sent again"
        assert await chips(client, 1) == [5]
        assert await export.resend(Selection(bib="4"), "anna") == "1 sent again"
        assert await chips(client, 1) == [4]
        assert await export.resend(Selection(point="Start"), "anna") == ("0 sent again: there is no such passing")
        assert await export.resend(Selection(point="Finish", last=2), "anna") == "2 sent again"
        assert await chips(client, 2) == [1, 2]
        with pytest.raises(ValueError, match="the newest is #5"):
            await export.resend(Selection(since=NOON + 9 * SECOND), "anna")
        for backwards in (Selection(first=4, last=2), Selection(since=NOON + 4 * SECOND, until=NOON + 2 * SECOND)):
            with pytest.raises(ValueError, match="the last one comes before the first"):
                await export.resend(backwards, "anna")
        await client.close()


async def test_what_cannot_go_again_is_said() -> None:
    desk = MemoryDesk()
    export = make(desk)
    async with running(export) as where:
        client = await joined(desk, where)
        (sent,) = desk.add()
        desk.add(kind=Kind.PLACE, bib=None)
        desk.add(bib="nobody")
        desk.add(phase=Phase.TEST)
        edit(desk, sent, "77")
        assert await chips(client, 2) == [1, 77]
        await until(lambda: export.state().held == 1)
        text = await export.resend(Selection(), "anna")
        assert text == (
            "1 sent again, 1 held, 1 cannot be said in this format, 1 replaced by a later word, 1 not for this export"
        )
        assert await chips(client, 1) == [77]
        await client.close()


async def test_to_one_peer_what_came_before_it() -> None:
    desk = MemoryDesk()
    (old, *_) = desk.add(3)
    desk.save(desk_cursor := _cursor("127.0.0.9"))
    export = make(desk)
    async with running(export) as where:
        one, other = await joined(desk, where), await joined(desk, where, "127.0.0.2")
        assert await export.resend(Selection(), "anna", "127.0.0.2") == "3 sent again"
        assert await chips(other, 3) == [1, 2, 3]
        fates = dict(export.fate(old))
        assert fates["127.0.0.2"] == "sent: again"
        assert fates["127.0.0.1"] == "came before this client"
        with pytest.raises(ValueError, match=r"127\.0\.0\.9 is not connected"):
            await export.resend(Selection(), "anna", desk_cursor.peer)
        desk.add()
        assert await chips(one, 1) == [4]  # and nothing before it
        figures = {peer.address: (peer.journaled, peer.sent, peer.resent) for peer in export.state().peers}
        assert figures["127.0.0.1"] == (1, 1, 0)
        await until(lambda: [peer.resent for peer in export.state().peers if peer.address == "127.0.0.2"] == [3])
        await one.close()
        await other.close()


async def test_to_all_is_to_those_that_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody who comes later is said to have got it, nor one that was away; nor after a restart."""
    desk = MemoryDesk()
    desk.save(_cursor("127.0.0.9"))
    (old, *_) = desk.add(3)
    export = make(desk)
    async with running(export) as where:
        one = await joined(desk, where)
        assert await export.resend(Selection(), "anna") == "3 sent again"
        assert await chips(one, 3) == [1, 2, 3]
        late = await joined(desk, where, "127.0.0.2")
        wanted = {"127.0.0.9": "tcp", "127.0.0.1": "sent: again", "127.0.0.2": "came before this client"}
        assert dict(export.fate(old)) == wanted
        await one.close()
        await late.close()
    async with running(again := make(desk)):
        assert dict(again.fate(old)) == wanted
    # An older version told to whom it was asked for, and not to whom it went.
    monkeypatch.setattr(desk, "noted", [structs.replace(act, body=_without_to(act.body)) for act in desk.noted])
    async with running(older := make(desk)):
        assert dict(older.fate(old))["127.0.0.1"] == "sent: again"


def _without_to(body: dict[str, Scalar]) -> dict[str, Scalar]:
    return {key: value for key, value in body.items() if key != "to"}


def _cursor(peer: str) -> Cursor:
    return Cursor(export="scoring", peer=peer, start=0, sent=3, tcp=3)


async def test_a_long_one_goes_between_what_is_new_and_reads_no_more_than_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("console.exports.steering.REPLY_WITHIN", 0.05)
    desk = MemoryDesk()
    export = make(desk)
    async with running(export) as where:
        client = await joined(desk, where)
        desk.add(30_000)
        await chips(client, 30_000)
        text = await export.resend(Selection(), "anna")
        assert "it goes on" in text
        (pump,) = [pump for pump, _ in export._pumps.values()]
        assert pump.again
        assert pump.again.counts["sent"] < 30_000  # it waits for the client
        with pytest.raises(ValueError, match="sending something again already"):
            await export.resend(Selection(first=1, last=1), "bert")
        desk.add()
        await until(lambda: pump.flight.position == 30_001)
        found = await chips(client, 30_001)
        assert sorted(found) == list(range(1, 30_002))
        assert found.index(30_001) < 30_000  # what is new did not wait for the end
        await until(lambda: said(desk, "#1 to #30000: 30,000 sent again"))
        await client.close()


async def test_a_client_that_goes_away_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.exports.steering.REPLY_WITHIN", 0.01)
    desk = MemoryDesk()
    export = make(desk)
    async with running(export) as where:
        client = await joined(desk, where)
        desk.add(30_000)
        await chips(client, 30_000)
        await until(lambda: export.state().tcp == 30_000)
        assert "it goes on" in await export.resend(Selection(), "anna")
        client.writer.transport.abort()
        await until(lambda: said(desk, "ended early"))
        assert said(desk, "127.0.0.1 is gone") == [Level.WARNING]
        state = export.state()
        assert (state.journaled, state.sent, state.tcp) == (30_000, 30_000, 30_000)


async def test_a_pause_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.exports.steering.REPLY_WITHIN", 0.01)
    desk = MemoryDesk()
    export = make(desk)
    async with running(export) as where:
        client = await joined(desk, where)
        desk.add(30_000)
        await chips(client, 30_000)
        assert "it goes on" in await export.resend(Selection(), "anna")
        export.pause("bert")
        await until(lambda: said(desk, "bert paused the export"))
        export.resume("bert")
        desk.add()
        found: list[int] = []
        while 30_001 not in found:
            found += [read["Chip"] for read in json.loads(await client.message())]
        assert len(found) < 30_000
        await client.close()


async def test_a_kill_in_the_middle_is_said_once_and_nothing_is_resumed() -> None:
    desk = MemoryDesk()
    body: dict[str, Scalar] = {
        "export": "scoring",
        "do": "resend",
        "id": 5,
        "peer": "",
        "first": 1,
        "last": 9,
        "point": "",
        "bib": "",
    }
    desk.note("export", body, "anna")
    for _ in range(2):
        async with running(make(desk)):
            pass
        assert said(desk, "sending #1 to #9 again was cut short by the restart") == [Level.WARNING]


async def test_software_that_lost_it_gets_an_old_impulse_again() -> None:
    desk = MemoryDesk()
    settings = ThcomServerSettings(name="s", type="thcom-server", listen="127.0.0.1:0", channels={"mat": "4"})
    export = ThcomServer(settings, desk, desk.now)
    async with running(export) as where:
        client = await joined(desk, where)
        desk.add(bib="5")
        line = await client.line()
        assert line.startswith(b"TN    5")
        desk.clock += 600 * SECOND
        assert await export.resend(Selection(first=1), "anna") == "1 sent again"
        assert await client.line() == line
        await client.close()


async def test_each_client_gets_its_devices() -> None:
    desk = MemoryDesk()
    channels = {"start": "1", "finish": "4"}
    settings = ThcomServerSettings(
        name="s", type="thcom-server", listen="127.0.0.1:0", channels=channels, sources={"127.0.0.2": ("start",)}
    )
    export = ThcomServer(settings, desk, desk.now)
    async with running(export) as where:
        all_of_it, starts = await joined(desk, where), await joined(desk, where, "127.0.0.2")
        (finished,) = desk.add(device="finish", bib="7")
        desk.add(device="start", bib="8")
        assert (await starts.line()).startswith(b"TN    8")
        assert [(await all_of_it.line())[:6] for _ in range(2)] == [b"TN    ", b"TN    "]
        assert dict(export.fate(finished))["127.0.0.2"] == "device not chosen for this client"
        assert {peer.address: peer.journaled for peer in export.state().peers} == {"127.0.0.1": 2, "127.0.0.2": 1}
        starts.writer.write(thcom.basic("#RT 0001 04", checksum=False))
        assert await starts.line() == b"AK F"  # nor is it told when it asks
        await all_of_it.close()
        await starts.close()


# --- what operators see ---


async def test_one_that_falls_behind_is_said_once() -> None:
    desk = MemoryDesk()
    export = make(desk)
    async with running(export) as where:
        client = await joined(desk, where)
        desk.add(3)
        await chips(client, 3)
        (account,) = export._accounts.values()
        account.tally(desk.add(2), 5)  # they wait: no other turn of the loop has come
        desk.clock += 31 * SECOND
        for _ in range(2):
            export._behind.look(account, there=True)
        assert said(desk, "127.0.0.1 has fallen behind: 2 wait, the oldest for 31 s") == [Level.WARNING]
        await chips(client, 2)
        await until(lambda: account.oldest is None)
        for _ in range(2):
            export._behind.look(account, there=True)
        assert said(desk, "127.0.0.1 has caught up") == [Level.NOTE]
        await client.close()


async def test_the_last_lines_of_a_conversation() -> None:
    desk = MemoryDesk()
    export = make(desk)
    async with running(export) as where:
        client = await joined(desk, where)
        for _ in range(30):
            desk.add(device="m" * 100)
            await client.message()
        client.writer.write(b"hello\r\n\x1b[2Jwhat\n")
        await until(lambda: export.talk("127.0.0.1").received)
        talk = export.talk("127.0.0.1")
        assert talk.received == (b"hello\r\n", b"\x1b[2Jwhat\n")
        assert 1 < len(talk.sent) <= 20
        assert all(line.startswith(b'[{"Chip":') and line.endswith(b"}]\r") for line in talk.sent), "whole"
        with pytest.raises(LookupError, match=r"no peer '127\.0\.0\.5'; it has 127\.0\.0\.1"):
            export.talk("127.0.0.5")
        await client.close()


async def test_other_settings_count_anew_what_still_waits() -> None:
    desk = MemoryDesk()
    export = make(desk)
    async with running(export) as where:
        client = deaf(where)
        await until(lambda: desk.saved)
        desk.add(10_000, device="mat")
        desk.add(10_000, device="chute")
        await until(lambda: export.state().sent > 100)
        await until(lambda: export.state().journaled == 20_000)
    client.close()
    other = make(desk, devices=("chute",))
    async with running(other) as where:
        await until(lambda: other._tallied == 20_000)
        state = other.state()
        assert state.journaled == (state.tcp or 0) + 10_000
        assert state.waiting == 10_000
        again = await Client.connect(where)
        found: list[int] = []
        while 20_000 not in found:
            found += [read["Chip"] for read in json.loads(await again.message())]
        assert {*range(10_001, 20_001)} == {*found}
        await until(lambda: other.state().tcp == other.state().journaled)
        await again.close()


def test_a_selection_of_a_bib_that_was_given_later() -> None:
    what = Wanted(first=1, last=9, bib="77")
    assert what.takes(Resolved(passing=passing(1), utc=None, point=None, bib="77"))
    assert what.takes(Resolved(passing=passing(1, bib="77"), utc=None, point=None, bib="78"))
    assert not what.takes(Resolved(passing=passing(1), utc=None, point=None, bib=None))


async def test_a_pause_while_passings_are_looked_for_holds_for_them_too(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = MemoryDesk()
    export = make(desk)
    async with running(export) as where:
        client = await joined(desk, where)
        desk.add(2)
        assert await chips(client, 2) == [1, 2]
        after, looking, found = desk.feed.after, asyncio.Event(), asyncio.Event()

        async def slowly(seq: int, limit: int = 500) -> list[Passing]:
            if limit == 1:  # a time is looked for
                looking.set()
                await found.wait()
            return await after(seq, limit)

        monkeypatch.setattr(desk.feed, "after", slowly)
        asked = asyncio.create_task(export.resend(Selection(since=NOON - SECOND), "bert"))
        await looking.wait()
        export.pause("anna")
        found.set()
        with pytest.raises(ValueError, match="resume it first"):
            await asked
        assert not any(act.body.get("do") == "resend" for act in orders(desk))
        await client.close()


async def test_nothing_is_sent_again_before_the_journal_has_it() -> None:
    desk = MemoryDesk()
    export = make(desk)
    async with running(export) as where:
        client = await joined(desk, where)
        desk.add(2)
        assert await chips(client, 2) == [1, 2]
        await until(lambda: export.state().tcp == 2)
        desk.disk.clear()
        asked = asyncio.create_task(export.resend(Selection(), "anna"))
        await until(lambda: export._steering._beginning)
        with pytest.raises(ValueError, match="sending something again already"):
            await export.resend(Selection(), "bert")
        desk.add()
        assert await chips(client, 1) == [3], "and nothing again before it"
        desk.disk.set()
        assert await asked == "2 sent again"
        assert await chips(client, 2) == [1, 2]
        await client.close()
    assert [act.body["do"] for act in orders(desk)] == ["resend", "resent"]


async def test_a_disk_that_hangs_is_told_of_and_nothing_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.exports.steering.WRITTEN_WITHIN", 0.05)
    desk = MemoryDesk()
    export = make(desk)
    async with running(export) as where:
        client = await joined(desk, where)
        desk.add(2)
        assert await chips(client, 2) == [1, 2]
        desk.disk.clear()
        with pytest.raises(ValueError, match="nothing is sent again: the disk has not taken for 0 s"):
            await export.resend(Selection(), "anna")
        desk.disk.set()
        desk.add()
        assert await chips(client, 1) == [3]
        assert await export.resend(Selection(first=3), "anna") == "1 sent again"
        await client.close()
    first = orders(desk)[0]
    assert (first.body["do"], first.body["last"], first.body["sent"]) == ("resent", 0, 0)
    again = make(desk)
    async with running(again):
        assert again.fate(desk.feed.passings[0]) == [("127.0.0.1", "tcp")]
    assert not said(desk, "was cut short by the restart")


async def test_a_pause_or_a_client_that_goes_while_the_disk_takes_its_time() -> None:
    desk = MemoryDesk()
    export = make(desk)
    async with running(export) as where:
        client = await joined(desk, where)
        desk.add(2)
        assert await chips(client, 2) == [1, 2]
        desk.disk.clear()
        asked = asyncio.create_task(export.resend(Selection(), "anna"))
        await until(lambda: export._steering._beginning)
        export.pause("bert")
        desk.disk.set()
        with pytest.raises(ValueError, match="resume it first"):
            await asked
        export.resume("bert")
        desk.disk.clear()
        asked = asyncio.create_task(export.resend(Selection(), "anna"))
        await until(lambda: export._steering._beginning)
        await client.close()
        desk.add()  # which shows that nobody takes it
        await until(lambda: not export.state().peers[0].connected)
        desk.disk.set()
        with pytest.raises(ValueError, match="nobody is connected"):
            await asked
    ended = [act.body for act in orders(desk) if act.body["do"] == "resent"]
    assert [(body["last"], body["sent"]) for body in ended] == [(0, 0), (0, 0)]


async def test_what_was_sent_again_is_counted_over_a_kill() -> None:
    desk = MemoryDesk()
    export = make(desk)
    async with running(export) as where:
        client = await joined(desk, where)
        desk.add(2)
        assert await chips(client, 2) == [1, 2]
        await until(lambda: export.state().tcp == 2)
        await export.resend(Selection(), "anna")
        await until(lambda: desk.saved["127.0.0.1"].counts.get("resent") == 2)
        await client.close()
