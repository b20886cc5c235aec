"""TsV1 over loopback sockets."""

import asyncio
import json
import socket
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from console.exports import export_class
from console.exports.tsv1 import TsV1, TsV1Settings
from console.model import SECOND, Basis, Kind, Level, Origin, Passing, Phase, Status
from console.timing.tags import TagTable
from tests.exports.desk import NOON, Client, MemoryDesk, deaf, edit, running, undo, until


def make(desk: MemoryDesk, **settings: Any) -> TsV1:
    settings.setdefault("listen", "127.0.0.1:0")
    return TsV1(TsV1Settings(name="scoring", type="tsv1", **settings), desk, desk.now)


async def chips(client: Client, count: int) -> list[int]:
    """The chips of the next `count` reads."""
    found: list[int] = []
    while len(found) < count:
        found += [read["Chip"] for read in json.loads(await client.message())]
    assert len(found) == count
    return found


def test_the_registry_finds_it() -> None:
    assert export_class("tsv1") is TsV1


async def test_a_read_byte_by_byte() -> None:
    desk = MemoryDesk()
    desk.zone = ZoneInfo("Europe/Paris")
    async with running(make(desk)) as where:
        client = await Client.connect(where)
        await until(lambda: "127.0.0.1" in desk.saved)
        desk.add(bib="123456", device="Reader-01")
        assert await client.message() == (
            b'[{"Chip":123456,"Moment":"2026-04-22T12:29:02.1234567Z","TimingPoint":"Finish",'
            b'"Type":2,"Antenna":2,"Source":"Reader-01"}]\r'
        )
        await client.close()


async def test_what_is_not_for_it() -> None:
    desk = MemoryDesk()
    export = make(desk)
    async with running(export) as where:
        client = await Client.connect(where)
        await until(lambda: desk.saved)
        desk.add(phase=Phase.TEST)
        desk.add(status=Status.REPEAT, of=1)
        desk.add(status=Status.CORRECTION, of=1)
        desk.add(status=Status.CANCELLED, of=1)
        desk.add(read_type=1)
        desk.add(kind=Kind.RESULT)
        desk.add(kind=Kind.LAP, bib=None)
        desk.add(kind=Kind.IMPULSE, extra={"record": "TI", "ideal": True})
        (wanted,) = desk.add()
        assert await chips(client, 1) == [wanted.seq]
        (peer,) = export.state().peers
        assert (peer.journaled, peer.sent) == (1, 1)
        assert export.fate(desk.feed.passings[0]) == [("", "phase TEST")]
        await client.close()


async def test_guns_and_first_seen() -> None:
    desk = MemoryDesk()
    async with running(make(desk, skip_first_seen=False)) as where:
        client = await Client.connect(where)
        await until(lambda: desk.saved)
        desk.add(kind=Kind.GUN, bib=None, channel=None, read_type=0)
        (gun,) = json.loads(await client.message())
        assert (gun["Chip"], gun["Type"], gun["Antenna"]) == (0, 0, 0)
        desk.add(read_type=1)
        (first,) = json.loads(await client.message())
        assert first["Type"] == 1
        await client.close()


async def test_a_known_address_resumes_and_a_newcomer_starts_now() -> None:
    desk = MemoryDesk()
    desk.add(3)
    export = make(desk)
    async with running(export) as where:
        client = await Client.connect(where)
        await until(lambda: desk.saved)
        desk.add(2)
        assert await chips(client, 2) == [4, 5]
        await until(lambda: export.state().tcp == 2)
        await client.close()
        await until(lambda: desk.saved["127.0.0.1"].tcp == 5)
        desk.clock += 300 * SECOND
        desk.add(3)
        # A client that has closed is only found out when something is written to it.
        await until(lambda: not export.state().peers[0].connected)
        await until(lambda: export.state().waiting == 3)
        assert export.state().oldest == desk.clock
        again = await Client.connect(where)
        assert await chips(again, 5) == [4, 5, 6, 7, 8]  # the minute before the last one it took, and what is new
        late = await Client.connect(where, "127.0.0.2")
        await until(lambda: "127.0.0.2" in desk.saved)
        desk.add()
        assert await chips(late, 1) == [9]
        assert await chips(again, 1) == [9]
        await until(lambda: all(peer.tcp == peer.journaled for peer in export.state().peers))
        assert {peer.address: peer.journaled for peer in export.state().peers} == {"127.0.0.1": 6, "127.0.0.2": 1}
        await again.close()
        await late.close()


async def test_the_overlap_is_a_minute() -> None:
    desk = MemoryDesk()
    async with running(make(desk)) as where:
        client = await Client.connect(where)
        await until(lambda: desk.saved)
        for _ in range(5):
            desk.clock += 25 * SECOND
            desk.add()
        assert await chips(client, 5) == [1, 2, 3, 4, 5]
        await client.close()
    async with running(make(desk)) as where:
        client = await Client.connect(where)
        assert await chips(client, 3) == [3, 4, 5]
        await client.close()


async def test_newcomers_may_get_everything() -> None:
    desk = MemoryDesk()
    desk.add(1200)
    export = make(desk, newcomers="all")
    async with running(export) as where:
        client = await Client.connect(where)
        assert await chips(client, 1200) == list(range(1, 1201))
        await until(lambda: export.state().tcp == 1200)
        state = export.state()
        assert (state.journaled, state.sent, state.waiting, state.held) == (1200, 1200, 0, 0)
        assert (state.state, state.oldest) == ("up", None)
        await client.close()


async def test_a_restart_resumes() -> None:
    desk = MemoryDesk()
    async with running(make(desk)) as where:
        client = await Client.connect(where)
        await until(lambda: desk.saved)
        desk.add(2)
        assert await chips(client, 2) == [1, 2]
        await client.close()
    assert desk.saved["127.0.0.1"].tcp == 2
    desk.clock += 100 * SECOND
    desk.add(4)
    export = make(desk)
    async with running(export) as where:
        await until(lambda: export.state().waiting == 4)
        client = await Client.connect(where)
        assert (await chips(client, 6))[-4:] == [3, 4, 5, 6]
        await until(lambda: export.state().tcp == 6)
        assert export.state().journaled == 6
        await client.close()


async def test_a_crash_skips_nothing() -> None:
    desk = MemoryDesk()
    export = make(desk)
    async with running(export) as where:
        client = await Client.connect(where)
        await until(lambda: desk.saved)
        checkpoint = dict(desk.saved)
        desk.add(5)
        assert await chips(client, 5) == [1, 2, 3, 4, 5]
        await client.close()
    desk.saved = checkpoint  # as if the engine had been killed before it could save anything
    async with running(make(desk)) as where:
        client = await Client.connect(where)
        assert await chips(client, 5) == [1, 2, 3, 4, 5]
        await client.close()


async def test_places_wait_for_a_bib() -> None:
    desk = MemoryDesk()
    export = make(desk)
    async with running(export) as where:
        client = await Client.connect(where)
        await until(lambda: desk.saved)
        (place,) = desk.add(kind=Kind.PLACE, bib=None)
        (lone,) = desk.add(kind=Kind.PLACE, bib=None)
        await until(lambda: export.state().held == 2)
        assert export.fate(place) == [("127.0.0.1", "held: no bib yet")]
        assert export.release([place.seq]) == 0
        desk.add(kind=Kind.SELECT, bib="77", status=Status.JOINED, of=place.seq)
        desk.add(kind=Kind.PLACE, bib=None, status=Status.JOINED, of=3)
        assert await chips(client, 1) == [77]
        await until(lambda: export.state().tcp == 1)
        state = export.state()
        assert (state.journaled, state.sent, state.held, state.waiting) == (2, 1, 1, 0)
        desk.add(kind=Kind.SELECT, bib="78", status=Status.JOINED, of=lone.seq)
        assert await chips(client, 1) == [78]
        await until(lambda: export.state().tcp == 2)
        assert (export.state().held, export.state().journaled) == (0, 2)
        await client.close()


async def test_an_impulse_waits_for_the_bib_that_a_correction_brings() -> None:
    desk = MemoryDesk()
    export = make(desk)
    async with running(export) as where:
        client = await Client.connect(where)
        await until(lambda: desk.saved)
        (impulse,) = desk.add(kind=Kind.IMPULSE, bib=None)
        await until(lambda: export.state().held == 1)
        given: dict[str, Any] = {"status": Status.CORRECTION, "change": "bib", "kind": Kind.IMPULSE}
        desk.add(bib="12", of=impulse.seq, extra={"was": None}, **given)
        assert await chips(client, 1) == [12]
        desk.add(bib="13", of=impulse.seq, extra={"was": "12"}, **given)
        (last,) = desk.add()
        assert await chips(client, 1) == [last.seq]
        await until(lambda: export.state().tcp == 2)
        assert (export.state().held, export.state().journaled) == (0, 2)
        await client.close()


async def test_without_utc_it_waits_for_the_gun() -> None:
    desk = MemoryDesk()
    desk.no_utc = {1, 2, 3}
    export = make(desk)
    async with running(export) as where:
        client = await Client.connect(where)
        await until(lambda: desk.saved)
        desk.add(4)
        assert await chips(client, 1) == [4]
        await until(lambda: export.state().held == 3)
        assert "no UTC yet" in export.state().peers[0].note
        assert export.skip([2]) == 1
        desk.no_utc.clear()
        export.rebind()
        assert await chips(client, 2) == [1, 3]
        await until(lambda: export.state().tcp == 3)
        state = export.state()
        assert (state.journaled, state.sent, state.held, state.waiting) == (4, 3, 0, 0)
        await client.close()


async def test_what_no_gun_can_help_does_not_ask_for_one() -> None:
    desk = MemoryDesk()
    desk.no_utc = {1}
    export = make(desk)
    async with running(export) as where:
        client = await Client.connect(where)
        await until(lambda: desk.saved)
        desk.add(basis=Basis.DAY, origin=Origin.RETRANSMIT)
        await until(lambda: export.state().held == 1)
        assert "has no date" in export.state().peers[0].note
        await client.close()


async def test_held_survives_a_restart() -> None:
    desk = MemoryDesk()
    desk.no_utc = {1}
    export = make(desk)
    async with running(export) as where:
        client = await Client.connect(where)
        await until(lambda: desk.saved)
        desk.add(2)
        assert await chips(client, 1) == [2]
        await client.close()
    assert desk.saved["127.0.0.1"].held == (1,)
    desk.no_utc.clear()
    async with running(make(desk)) as where:
        client = await Client.connect(where)
        assert sorted(await chips(client, 1) + await chips(client, 1)) == [1, 2]
        await client.close()


async def test_a_field_of_tags_that_do_not_fit_is_no_flood_of_incidents() -> None:
    desk = MemoryDesk()
    export = make(desk)
    async with running(export) as where:
        client = await Client.connect(where)
        await until(lambda: desk.saved)
        for number in range(50):
            desk.add(kind=Kind.PUNCH, bib=None, tag=f"FFFFFF{number:02d}")
        await until(lambda: export.state().unmapped == 50)
        said = [text for _, _, text in desk.troubles if "fit" in text or "not a number" in text]
        assert len(said) == 4
        assert said[-1].endswith("UNMAPPED counts them")
        await client.close()


async def test_unmapped_is_counted_said_and_never_cut() -> None:
    desk = MemoryDesk()
    export = make(desk)
    async with running(export) as where:
        client = await Client.connect(where)
        await until(lambda: desk.saved)
        desk.add(kind=Kind.PUNCH, bib=None, tag="84A1B2C3")
        desk.add(kind=Kind.PUNCH, bib=None, tag="04A1B2C3", channel="31")
        assert await chips(client, 1) == [0x04A1B2C3]
        await until(lambda: export.state().tcp == 1)
        state = export.state()
        assert (state.journaled, state.sent, state.unmapped, state.waiting) == (2, 1, 1, 0)
        assert any("84A1B2C3" in text for _, _, text in desk.troubles)
        assert "unmapped" in export.fate(desk.feed.passings[0])[0][1]
        await client.close()


async def test_the_tag_table_says_whose_a_tag_is() -> None:
    desk = MemoryDesk()
    export = make(desk)
    async with running(export) as where:
        client = await Client.connect(where)
        await until(lambda: desk.saved)
        desk.add(kind=Kind.PUNCH, bib=None, tag="84A1B2C3")
        await until(lambda: export.state().unmapped == 1)
        desk.tags = TagTable(bibs={"84A1B2C3": "1204", "04A1B2C4": "A7"})
        desk.add(kind=Kind.PUNCH, bib=None, tag="84A1B2C3")
        desk.add(kind=Kind.PUNCH, bib=None, tag="04A1B2C3")
        desk.add(kind=Kind.PUNCH, bib=None, tag="04A1B2C4")
        # What the table does not map goes out as before; a bib that is no number is none for this format.
        assert await chips(client, 3) == [1204, 0x04A1B2C3, 0x04A1B2C4]
        await until(lambda: export.state().tcp == 3)
        await client.close()


async def test_what_an_operator_says_is_said_or_unmapped() -> None:
    desk = MemoryDesk()
    desk.tags = TagTable(bibs={"04A1B2C3": "5"})
    export = make(desk)
    async with running(export) as where:
        client = await Client.connect(where)
        await until(lambda: desk.saved)
        (punch,) = desk.add(kind=Kind.PUNCH, bib=None, tag="04A1B2C3")
        assert await chips(client, 1) == [5]
        edit(desk, punch, "A7")
        await until(lambda: export.state().unmapped == 1)
        right = edit(desk, punch, "7")
        assert await chips(client, 1) == [7]
        undo(desk, right, None)
        assert await chips(client, 1) == [5]
        taken = edit(desk, punch, None)
        await until(lambda: export.state().unmapped == 2)
        ((_, fate),) = export.fate(taken)
        assert fate.startswith("unmapped: #1: the runner was taken back after it went out")
        assert fate.endswith("tell scoring")
        await client.close()


async def test_what_a_device_corrects_after_it_went_out_is_to_be_told() -> None:
    desk = MemoryDesk()
    export = make(desk)
    async with running(export) as where:
        client = await Client.connect(where)
        await until(lambda: desk.saved)
        (impulse,) = desk.add(kind=Kind.IMPULSE, bib="12")
        assert await chips(client, 1) == [12]
        what: dict[str, Any] = {"kind": Kind.IMPULSE, "of": impulse.seq}
        (changed,) = desk.add(**what, status=Status.CORRECTION, change="bib", bib="13", extra={"was": "12"})
        (taken,) = desk.add(**what, status=Status.CORRECTION, change="unassigned", bib=None, extra={"was": "13"})
        (gone,) = desk.add(**what, status=Status.CANCELLED, change="cancelled")
        (other,) = desk.add(kind=Kind.RESULT, of=9, status=Status.CORRECTION, change="bib", extra={"was": "12"})
        for row in (changed, taken, gone):
            ((peer, fate),) = export.fate(row)
            assert peer == "127.0.0.1"
            assert fate.startswith(f"tell scoring: #{impulse.seq} was ")
        assert "cancelled" in export.fate(gone)[0][1]
        assert export.fate(other) == [("", "correction: this format forwards none")]
        late = await Client.connect(where, "127.0.0.2")
        await until(lambda: "127.0.0.2" in desk.saved)
        assert [peer for peer, _ in export.fate(changed)] == ["127.0.0.1"]  # the other one never got it
        await late.close()
        await client.close()


async def test_a_client_that_closes_its_sending_half_is_still_there() -> None:
    desk = MemoryDesk()
    export = make(desk)
    async with running(export) as where:
        client = await Client.connect(where)
        await until(lambda: desk.saved)
        client.writer.write_eof()
        await until(lambda: "sending half closed" in export.state().peers[0].note)
        desk.add(2)
        assert await chips(client, 2) == [1, 2]
        await until(lambda: export.state().tcp == 2)
        assert export.state().peers[0].connected
        await client.close()


async def test_garbage_and_floods_from_a_client_are_harmless() -> None:
    desk = MemoryDesk()
    async with running(make(desk)) as where:
        client = await Client.connect(where)
        await until(lambda: desk.saved)
        client.writer.write(bytes(range(256)) * 2000)
        desk.add()
        assert await chips(client, 1) == [1]
        client.writer.transport.abort()


async def test_a_stuck_client_delays_nobody_and_costs_bounded_memory() -> None:
    desk = MemoryDesk()
    export = make(desk)
    async with running(export) as where:
        sock = deaf(where, "127.0.0.3")
        client = await Client.connect(where)
        await until(lambda: len(desk.saved) == 2)
        total = 10_000
        for _ in range(total // 500):
            desk.add(500)
            await chips(client, 500)
        states = {peer.address: peer for peer in export.state().peers}
        stuck = states["127.0.0.3"]
        assert stuck.connected
        assert stuck.tcp is not None
        assert stuck.tcp <= stuck.sent < 4000  # 64 KiB of ours, and the kernel's buffers at both ends
        assert stuck.waiting == total - stuck.sent
        assert states["127.0.0.1"].sent == total
        taken = stuck.tcp
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        sock.close()  # resets the connection
        await until(lambda: not {peer.address: peer for peer in export.state().peers}["127.0.0.3"].connected)
        lost = {peer.address: peer for peer in export.state().peers}["127.0.0.3"]
        assert lost.sent == lost.tcp
        assert lost.tcp >= taken
        assert lost.waiting == total - lost.sent
        assert any("has not taken" in text for level, _, text in desk.troubles if level is Level.WARNING)
        await client.close()


async def test_two_clients_at_one_address_are_both_served() -> None:
    desk = MemoryDesk()
    export = make(desk)
    async with running(export) as where:
        one = await Client.connect(where)
        two = await Client.connect(where)
        await until(lambda: "2 connections" in export.state().peers[0].note)
        desk.add(3)
        assert await chips(one, 3) == await chips(two, 3) == [1, 2, 3]
        await until(lambda: export.state().tcp == 3)
        await one.close()
        desk.add()
        assert await chips(two, 1) == [4]
        await until(lambda: export.state().tcp == 4)
        assert (export.state().journaled, export.state().sent) == (4, 4)
        await two.close()


async def test_a_port_that_is_taken_is_a_state() -> None:
    desk = MemoryDesk()
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        export = make(desk, listen=f"127.0.0.1:{port}")
        task = asyncio.create_task(export.run())
        await until(lambda: desk.troubles)
        assert export.state().state == "down"
        assert "another program has this port" in export.state().reason
        assert len(desk.troubles) == 1
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_it_comes_up_when_the_port_is_free_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.exports.sockets.RETRY_EVERY", 0.01)
    desk = MemoryDesk()
    with socket.create_server(("127.0.0.1", 0)) as other:
        export = make(desk, listen=f"127.0.0.1:{other.getsockname()[1]}")
        task = asyncio.create_task(export.run())
        await until(lambda: desk.troubles)
    await until(lambda: export.state().state == "no client")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_networks_limit_who_is_let_in() -> None:
    desk = MemoryDesk()
    export = make(desk, networks=("127.0.0.2/32",))
    async with running(export) as where:
        outsider = await Client.connect(where)
        assert await outsider.reader.read() == b""
        assert export.state().peers == ()
        assert any("refused" in text for _, _, text in desk.troubles)
        insider = await Client.connect(where, "127.0.0.2")
        await until(lambda: desk.saved)
        desk.add()
        assert await chips(insider, 1) == [1]
        await insider.close()
        await outsider.close()


async def test_the_batch_interval_keeps_messages_apart() -> None:
    desk = MemoryDesk()
    async with running(make(desk, batch_interval=0.1)) as where:
        client = await Client.connect(where)
        await until(lambda: desk.saved)
        loop = asyncio.get_running_loop()
        seen: list[int] = []
        moments: list[float] = []

        async def listen() -> None:
            while len(seen) < 30:
                reads = json.loads(await client.message())
                moments.append(loop.time())
                seen.extend(read["Chip"] for read in reads)

        task = asyncio.create_task(listen())
        for _ in range(30):
            desk.add()
            await asyncio.sleep(0.01)
        await task
        assert seen == list(range(1, 31))
        assert len(moments) < 10
        await client.close()


async def test_a_strict_consumer_can_read_every_message() -> None:
    """It takes the first 26 characters of Moment, and a 32-bit chip (tsv.md, section 2.1)."""
    desk = MemoryDesk()
    async with running(make(desk)) as where:
        client = await Client.connect(where)
        await until(lambda: desk.saved)
        desk.add(ns=NOON - NOON % SECOND)
        desk.add(bib="2147483647")
        desk.add(bib="2147483648")
        desk.add()
        reads: list[dict[str, Any]] = []
        while len(reads) < 3:
            reads += json.loads(await client.message())
        assert [read["Chip"] for read in reads] == [1, 2147483647, 4]
        for read in reads:
            assert len(read["Moment"]) == 28
            assert read["Moment"][:26].rpartition(".")[2].isdigit()
        await client.close()


async def test_a_stuck_client_is_said_and_in_the_end_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.exports.health.STUCK_AFTER", 0.3)
    monkeypatch.setattr("console.exports.health.PATIENCE", 0.8)
    desk = MemoryDesk()
    export = make(desk)
    async with running(export) as where:
        with deaf(where):
            await until(lambda: desk.saved)
            for _ in range(10):
                desk.add(500)
            await until(lambda: export.state().state == "stuck")
            assert "does not read" in export.state().reason
            await until(lambda: export.state().state == "no client")
            assert any("does not read" in text for level, _, text in desk.troubles if level is Level.WARNING)
            assert export.state().waiting == 5000
            assert "127.0.0.1 is not connected, 5000 waiting" in export.state().reason


async def test_waiting_for_more_than_five_seconds_is_slow() -> None:
    desk = MemoryDesk()
    export = make(desk)
    async with running(export) as where:
        with deaf(where):
            await until(lambda: desk.saved)
            desk.add(5000)
            await until(lambda: export.state().waiting)
            assert export.state().state == "up"
            desk.clock += 6 * SECOND
            assert export.state().state == "slow"


async def test_what_becomes_known_while_a_client_is_away_goes_out_when_it_is_back() -> None:
    desk = MemoryDesk()
    desk.no_utc = {1}
    export = make(desk)
    async with running(export) as where:
        client = await Client.connect(where)
        await until(lambda: desk.saved)
        desk.add(2)
        assert await chips(client, 1) == [2]
        await client.close()
        desk.add()
        await until(lambda: export.state().state == "no client")
        desk.no_utc.clear()
        export.rebind()
        await until(lambda: export.state().held == 0)
        assert (export.state().waiting, desk.saved["127.0.0.1"].held) == (2, (1,))
        again = await Client.connect(where)
        assert sorted(await chips(again, 1) + await chips(again, 2)) == [1, 2, 3]
        await until(lambda: export.state().tcp == 3)
        assert (export.state().waiting, export.state().journaled) == (0, 3)
        await again.close()


async def test_a_passing_that_we_fail_to_encode_costs_only_itself() -> None:
    desk = MemoryDesk()
    export = make(desk)
    async with running(export) as where:
        client = await Client.connect(where)
        await until(lambda: desk.saved)
        desk.add(2, kind=Kind.PASSING, bib=5)  # no text: a fault of ours, of any kind
        desk.add()
        assert await chips(client, 1) == [3]
        assert (export.state().unmapped, export.state().waiting) == (2, 0)
        assert any("passing 2 could not be encoded" in text for _, _, text in desk.troubles)
        await client.close()


async def test_a_pump_that_fails_costs_a_connection_and_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = MemoryDesk()
    export = make(desk)
    async with running(export) as where:
        client = await Client.connect(where)
        await until(lambda: desk.saved)
        with monkeypatch.context() as patch:
            patch.setattr("console.exports.pump.Pump._serve", lambda self, batch: 1 / 0)
            desk.add()
            assert await client.reader.read() == b""
        assert any("failed" in text for level, _, text in desk.troubles if level is Level.ALARM)
        again = await Client.connect(where)
        assert await chips(again, 1) == [1]
        await client.close()
        await again.close()


async def test_a_disk_that_does_not_give_what_is_there_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = MemoryDesk()
    async with running(make(desk)) as where:
        client = await Client.connect(where)
        await until(lambda: desk.saved)
        asked = 0

        async def nothing(seq: int, limit: int = 500) -> list[Passing]:
            nonlocal asked
            asked += 1
            return []

        with monkeypatch.context() as patch:
            patch.setattr(desk.feed, "after", nothing)
            desk.add()
            await until(lambda: asked >= 2)
        assert await chips(client, 1) == [1]
        await client.close()


async def test_what_a_gun_lets_go_is_one_message() -> None:
    """At one message in 60 s, live reads would wait for hours behind messages of one read each."""
    desk = MemoryDesk()
    export = make(desk, batch_interval=60.0)
    async with running(export) as where:
        client = await Client.connect(where)
        await until(lambda: desk.saved)
        desk.no_utc.update(range(1, 41))
        desk.add(40)
        await until(lambda: export.state().held == 40)
        desk.no_utc.clear()
        export.rebind()
        await until(lambda: export.state().held == 0)
        reads = json.loads(await client.message())
        assert [read["Chip"] for read in reads] == list(range(1, 41))
        await client.close()


async def test_the_zone_of_its_times_is_said() -> None:
    desk = MemoryDesk()
    desk.zone = ZoneInfo("Europe/Paris")
    said = "Moment is local time (Europe/Paris), and not UTC as the Z behind it suggests: TsV1 has always been so"
    assert make(desk).state().note == said
