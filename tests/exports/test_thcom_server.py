"""The CP545 that timing software sees, over loopback sockets."""

import asyncio
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.codecs import thcom
from console.exports import export_class
from console.exports.delivery import Account, Dropped, Hold
from console.exports.thcom_server import ThcomServer, ThcomServerSettings
from console.model import SECOND, Basis, Cursor, Kind, Origin, Passing, Status
from tests.exports.desk import Client, MemoryDesk, deaf, edit, running, undo, until

TIME: dict[str, Any] = {
    "device": "start",
    "kind": Kind.IMPULSE,
    "bib": "4",
    "channel": "M1",
    "time": "18:01:33.15300",
    "ns": 64_893_153_000_000,
    "basis": Basis.DAY,
    "day": 8829 + 10_957,
}
LINE = b"TN    4    4 M1 18:01:33.15300  8829"


def make(desk: MemoryDesk, **settings: Any) -> ThcomServer:
    settings.setdefault("listen", "127.0.0.1:0")
    return ThcomServer(ThcomServerSettings(name="software", type="thcom-server", **settings), desk, desk.now)


def impulse(desk: MemoryDesk, sequence: int = 4, **changes: Any) -> Passing:
    return desk.add(**(TIME | {"extra": {"record": "TN", "sequence": sequence}} | changes))[0]


def test_the_registry_finds_it() -> None:
    assert export_class("thcom-server") is ThcomServer


async def test_times_and_results_as_the_device_said_them() -> None:
    desk = MemoryDesk()
    async with running(make(desk)) as where:
        client = await Client.connect(where)
        await until(lambda: desk.saved)
        impulse(desk)
        assert await client.message(b"\n") == LINE + b"\r\n"
        result: dict[str, Any] = {"device": "start", "kind": Kind.RESULT, "channel": None, "basis": Basis.SPAN}
        desk.add(**result, bib="4", ns=4_948_000_000, extra={"record": "RR", "rank": 2})
        assert await client.line() == b"RR    2    4           4.94800"
        desk.add(**result, bib="1", ns=2_477_000_000, extra={"record": "RR"})
        assert await client.line() == b"RR    0    1           2.47700"
        desk.add(**result, bib="2", ns=296_088_000_000, extra={"record": "IR", "intermediate": 2})
        assert await client.line() == b"IR 2       2        4:56.08800"
        desk.add(**result, bib="4", ns=None, extra={"record": "VE", "number": 1, "speed": 292.472, "unit": "km/h"})
        assert await client.line() == b"VE 1    4 292.472 km/h"
        desk.add(**result, bib=None, ns=None, extra={"record": "VE", "number": 1, "speed": 366.551, "unit": "km/h"})
        assert await client.line() == b"VE 1    0 366.551 km/h"
        await client.close()


async def test_checksums_as_an_option() -> None:
    desk = MemoryDesk()
    async with running(make(desk, checksum=True)) as where:
        client = await Client.connect(where)
        await until(lambda: desk.saved)
        impulse(desk, sequence=2, bib="2", ns=70_258_412_000_000, day=6994 + 10_957)
        assert await client.line() == b"TN    2    2 M1 19:30:58.41200  6994\t06B3"
        await client.close()


async def test_commands_are_answered() -> None:
    desk = MemoryDesk()
    async with running(make(desk)) as where:
        client = await Client.connect(where)
        await until(lambda: desk.saved)
        for asked, answers in (
            (b"#SN\r\n", [b"AK C", b"SN 01007 CP545 VB10"]),
            (b"#ID\n", [b"AK C", b"ID 01007"]),
            (b"#WC 008 01\t01D3\r\n", [b"AK R"]),
            (b"#WC 008 01\t01D4\r\n", [b"AK F"]),
            (b"#SN\t\r\n", [b"AK C", b"SN 01007 CP545 VB10"]),
            (b"\r\nhello\r\nTN    1    1  1 11:11:11.11100  6994\r\n#ID\r\n", [b"AK C", b"ID 01007"]),
        ):
            client.writer.write(asked)
            for answer in answers:
                assert await client.line() == answer
        await client.close()


async def test_an_idle_line_says_that_it_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ThcomServer, "idle_after", 0.05)
    desk = MemoryDesk()
    async with running(make(desk)) as where:
        client = await Client.connect(where)
        assert await client.message(b"\n") == b"\r\n"
        assert await client.message(b"\n") == b"\r\n"
        await client.close()


async def test_garbage_from_a_client_is_harmless() -> None:
    desk = MemoryDesk()
    async with running(make(desk)) as where:
        client = await Client.connect(where)
        await until(lambda: desk.saved)
        client.writer.write(b"#" + b"x" * 50_000 + bytes(range(256)) * 8 + b"\r\n")
        impulse(desk)
        while await client.line() != LINE:
            pass
        client.writer.write(b"#ID\r\n")
        while await client.line() != b"ID 01007":
            pass
        await client.close()


@given(st.lists(st.binary(max_size=60) | st.sampled_from([b"#SN\r\n", b"#", b"\r", b"\n", b"\t"]), max_size=20))
def test_any_bytes_in_any_chunks_get_whole_answers(chunks: list[bytes]) -> None:
    written: list[bytes] = []

    class FakePeer:
        address = "127.0.0.1"

        def write(self, data: bytes) -> None:
            written.append(data)

    desk = MemoryDesk()
    received = make(desk).conversation(FakePeer())  # type: ignore[arg-type]
    for chunk in chunks:
        received(chunk)
    assert all(line.endswith(b"\r\n") and line[:2] in (b"AK", b"SN", b"ID") for line in written)


async def test_what_came_while_nobody_was_there_is_held() -> None:
    desk = MemoryDesk()
    export = make(desk)
    async with running(export) as where:
        client = await Client.connect(where)
        await until(lambda: desk.saved)
        impulse(desk, 1)
        assert (await client.line()).startswith(b"TN    4    1")
        await until(lambda: export.state().tcp == 1)
        client.writer.transport.abort()
        await until(lambda: export.state().state == "no client")
        late = impulse(desk, 2)
        desk.clock += 8 * SECOND
        impulse(desk, 3)
        assert export.release([late.seq]) == 0  # not held yet, and nobody there
        await until(lambda: export.state().waiting == 2)
        desk.clock += 3 * SECOND
        again = await Client.connect(where)
        assert (await again.line()).startswith(b"TN    4    3")
        await until(lambda: export.state().held == 1)
        assert export.fate(late) == [("127.0.0.1", "held: stale: older than 10 s")]
        assert export.state().held_newest == {late.seq: "stale: older than 10 s"}
        assert export.release([late.seq], "127.0.0.9") == 0
        assert export.release([late.seq], "127.0.0.1") == 1
        assert (await again.line()).startswith(b"TN    4    2")
        await until(lambda: export.state().tcp == 3)
        state = export.state()
        assert (state.journaled, state.sent, state.held, state.waiting) == (3, 3, 0, 0)
        assert desk.saved["127.0.0.1"].held in ((), (late.seq,))
        await again.close()


async def test_only_what_happens_now_goes_out_unasked() -> None:
    desk = MemoryDesk()
    export = make(desk)
    async with running(export) as where:
        client = await Client.connect(where)
        await until(lambda: desk.saved)
        recalled = impulse(desk, 1, origin=Origin.RECALL, extra={"record": "AN", "sequence": 1})
        impulse(desk, 2, origin=Origin.RETRANSMIT)
        impulse(desk, 3, change="bib", extra={"record": "T*", "sequence": 3})
        impulse(desk, 4, change="cancelled", extra={"record": "TC", "sequence": 4})
        impulse(desk, 5, status=Status.REPEAT, of=1)
        impulse(desk, 6, status=Status.CANCELLED, of=1)
        impulse(desk, 7, extra={"record": "T+", "sequence": 7})
        assert (await client.line()).startswith(b"T+    4    7")
        await until(lambda: export.state().held == 3)
        assert export.skip([2, 3, 99]) == 2
        assert export.release([recalled.seq]) == 1
        assert (await client.line()).startswith(b"TN    4    1")
        export.rebind()
        await until(lambda: export.state().tcp == 2)
        state = export.state()
        assert (state.journaled, state.sent, state.held, state.waiting) == (4, 2, 0, 0)
        await client.close()


def corrected(desk: MemoryDesk, of: Passing, tag: str, bib: str | None, **changes: Any) -> Passing:
    """The timer's own correction of an impulse."""
    change = {"*": "bib", "-": "unassigned", "C": "cancelled"}[tag[1]]
    status = Status.CANCELLED if change == "cancelled" else Status.CORRECTION
    extra = {**of.extra, "record": tag} | ({"was": of.bib} if change == "bib" else {})
    return impulse(
        desk, bib=bib, status=status, change=change, **({"of": of.seq, "ns": of.ns, "extra": extra} | changes)
    )


async def test_corrections_made_on_the_timer_follow_their_impulse() -> None:
    desk = MemoryDesk()
    export = make(desk)
    async with running(export) as where:
        client = await Client.connect(where)
        await until(lambda: desk.saved)
        time = impulse(desk)
        fresh = impulse(desk, 5, bib=None)
        assert await client.line() == LINE
        assert await client.line() == b"TN         5 M1 18:01:33.15300  8829"
        desk.clock += 3600 * SECOND  # however late it is: it gives nobody a time
        first = corrected(desk, time, "T*", "7", wall=0)
        corrected(desk, first, "T-", None, extra={"record": "T-", "sequence": 4, "was": "7"})
        corrected(desk, fresh, "T*", "9")
        corrected(desk, time, "TC", "7")
        assert await client.line() == b"T*    7    4 M1 18:01:33.15300  8829"
        assert await client.line() == b"T-    7    4 M1 18:01:33.15300  8829"
        assert await client.line() == b"T*    9    5 M1 18:01:33.15300  8829"
        assert await client.line() == b"TC    7    4 M1 18:01:33.15300  8829"
        await until(lambda: export.state().tcp == 6)
        assert (export.state().held, export.state().journaled) == (0, 6)
        await client.close()


async def test_a_correction_right_behind_its_impulse_stays_behind_it() -> None:
    desk = MemoryDesk()
    export = make(desk, newcomers="all")
    time = impulse(desk)
    corrected(desk, time, "T*", "7")
    async with running(export) as where:
        client = await Client.connect(where)
        assert await client.line() == LINE
        assert (await client.line()).startswith(b"T*    7    4")
        await client.close()


async def test_a_correction_is_held_released_and_skipped_with_its_impulse() -> None:
    desk = MemoryDesk()
    export = make(desk)
    async with running(export) as where:
        client = await Client.connect(where)
        await until(lambda: desk.saved)
        late = impulse(desk, 1, wall=0)
        skipped = impulse(desk, 2, wall=0)
        star = corrected(desk, late, "T*", "7")
        again = corrected(desk, star, "T*", "8")
        gone = corrected(desk, skipped, "TC", "4")
        await until(lambda: export.state().held == 5)
        assert export.fate(star) == [("127.0.0.1", f"held: goes with #{late.seq}, of which it speaks")]
        assert export.release([star.seq]) == 0
        assert export.skip([skipped.seq]) == 2
        assert export.release([late.seq]) == 1
        for line in (b"TN    4    1", b"T*    7    1", b"T*    8    1"):
            assert (await client.line()).startswith(line)
        last = corrected(desk, skipped, "T*", "5")
        (other,) = [impulse(desk, 3)]
        assert (await client.line()).startswith(b"TN    4    3")
        await until(lambda: export.state().tcp == 4)
        state = export.state()
        assert (state.journaled, state.sent, state.held, state.waiting) == (6, 4, 0, 0)
        assert export.fate(gone) == export.fate(last) == [("127.0.0.1", "skipped")]
        assert export.fate(again) == export.fate(other) == [("127.0.0.1", "tcp")]
        await client.close()


async def test_held_corrections_go_with_their_impulse_after_a_restart_too() -> None:
    desk = MemoryDesk()
    export = make(desk)
    async with running(export) as where:
        client = await Client.connect(where)
        await until(lambda: desk.saved)
        late = impulse(desk, 1, wall=0)
        corrected(desk, late, "T*", "7")
        await until(lambda: export.state().held == 2)
        await client.close()
    export = make(desk)
    async with running(export) as where:
        client = await Client.connect(where)
        await until(lambda: "goes with #1" in export.state().held_newest.get(2, ""))
        assert export.release([]) == 1
        for line in (b"TN    4    1", b"T*    7    1"):
            assert (await client.line()).startswith(line)
        await until(lambda: export.state().tcp == 2)
        await client.close()


async def test_a_correction_of_what_came_before_a_client_goes_out_while_it_is_fresh() -> None:
    desk = MemoryDesk()
    time = impulse(desk)
    export = make(desk)
    async with running(export) as where:
        client = await Client.connect(where)
        await until(lambda: desk.saved)
        corrected(desk, time, "T*", "6", wall=0)
        corrected(desk, time, "T*", "7")
        assert (await client.line()).startswith(b"T*    7    4")
        await until(lambda: export.state().held == 1)
        assert "stale" in export.state().peers[0].note
        await client.close()


async def test_an_operators_bib_goes_out_as_a_correction() -> None:
    desk = MemoryDesk()
    export = make(desk, channels={"chute": "4"})
    async with running(export) as where:
        client = await Client.connect(where)
        await until(lambda: desk.saved)
        time = impulse(desk)
        assert await client.line() == LINE
        row = edit(desk, time, "0012", ago=9.8)
        await until(lambda: export.state().held == 1)
        assert await client.line() == b"T*   12    4 M1 18:01:33.15300  8829"
        undo(desk, row, "4")
        assert await client.line() == b"T*    4    4 M1 18:01:33.15300  8829"
        edit(desk, time, None)
        assert await client.line() == b"T-         4 M1 18:01:33.15300  8829"
        edit(desk, time, "A1")
        await until(lambda: export.state().unmapped == 1)
        quick = edit(desk, time, "13", ago=9.8)
        undo(desk, quick, None, ago=9.7)
        (place,) = desk.add(device="chute", kind=Kind.PLACE, bib=None)
        assert (await client.line()).startswith(f"TN      {place.seq:4}  4".encode())
        edit(desk, place, "77")
        assert (await client.line()).startswith(f"T*   77 {place.seq:4}  4".encode())
        await until(lambda: export.state().held == 0)
        await until(lambda: export.state().tcp == export.state().sent)
        assert export.state().waiting == 0
        await client.close()


async def test_an_operators_bib_of_a_held_impulse_goes_with_it() -> None:
    desk = MemoryDesk()
    export = make(desk)
    async with running(export) as where:
        client = await Client.connect(where)
        await until(lambda: desk.saved)
        late = impulse(desk, 1, wall=0)
        row = edit(desk, late, "12", ago=9.8)
        await until(lambda: export.fate(row) == [("127.0.0.1", f"held: goes with #{late.seq}, of which it speaks")])
        assert export.release([late.seq]) == 1
        for line in (b"TN    4    1", b"T*   12    1"):
            assert (await client.line()).startswith(line)
        await client.close()


async def test_the_device_does_not_override_the_operator() -> None:
    desk = MemoryDesk()
    export = make(desk)
    async with running(export) as where:
        client = await Client.connect(where)
        await until(lambda: desk.saved)
        time = impulse(desk)
        row = edit(desk, time, "12")
        star = corrected(desk, time, "T*", "5", extra={**time.extra, "record": "T*", "edited": "anna"})
        corrected(desk, star, "TC", "5")
        for line in (b"TN    4    4", b"T*   12    4", b"TC    5    4"):
            assert (await client.line()).startswith(line)
        assert export.fate(star) == [("127.0.0.1", "skipped")]
        assert export.fate(row) in ([("127.0.0.1", "sent")], [("127.0.0.1", "tcp")])
        await client.close()


async def test_a_bib_for_what_the_timer_cancels_meanwhile_does_not_go_out() -> None:
    desk = MemoryDesk()
    export = make(desk)
    async with running(export) as where:
        client = await Client.connect(where)
        await until(lambda: desk.saved)
        time = impulse(desk)
        edit(desk, time, "12", ago=9.7)
        corrected(desk, time, "TC", "4")
        edit(desk, impulse(desk, 5), "13", ago=9.5)
        for line in (b"TN    4    4", b"TC    4    4", b"TN    4    5", b"T*   13    5"):
            assert (await client.line()).startswith(line)
        await until(lambda: export.state().tcp == 4)
        assert (export.state().held, export.state().journaled) == (0, 4)
        await client.close()


async def test_what_was_recovered_is_an_old_impulse() -> None:
    desk = MemoryDesk()
    export = make(desk)
    async with running(export) as where:
        client = await Client.connect(where)
        await until(lambda: desk.saved)
        offered = impulse(desk, 1, origin=Origin.RECALL, status=Status.OFFERED)
        impulse(desk, 1, origin=Origin.RECOVERED, of=offered.seq)
        await until(lambda: export.state().held == 1)
        assert export.state().held_newest == {2: "late: recovered afterwards"}
        assert export.release([2]) == 1
        assert (await client.line()).startswith(b"TN    4    1")
        await client.close()


async def test_nothing_is_sent_twice_to_an_address() -> None:
    desk = MemoryDesk()
    export = make(desk)
    async with running(export) as where:
        for sequence in range(1, 6):
            client = await Client.connect(where)
            await until(lambda: export.state().peers and export.state().peers[0].connected)
            impulse(desk, sequence)
            assert (await client.line()).startswith(f"TN    4    {sequence}".encode())
            await until(lambda: export.state().tcp == desk.feed.newest)
            client.writer.transport.abort()
            await until(lambda: export.state().state == "no client")


async def test_a_restart_holds_what_was_held() -> None:
    desk = MemoryDesk()
    async with running(make(desk)) as where:
        client = await Client.connect(where)
        await until(lambda: desk.saved)
        impulse(desk, 1, origin=Origin.RECALL)
        impulse(desk, 2)
        assert (await client.line()).startswith(b"TN    4    2")
        await client.close()
    assert desk.saved["127.0.0.1"].held == (1,)
    desk.clock -= 3600 * SECOND  # a clock that is set back makes nothing fresh again
    export = make(desk)
    async with running(export) as where:
        again = await Client.connect(where)
        await until(lambda: export.state().peers[0].connected)
        impulse(desk, 3)
        assert (await again.line()).startswith(b"TN    4    3")
        assert export.state().held == 1
        assert export.release([1]) == 1
        assert (await again.line()).startswith(b"TN    4    1")
        await again.close()


async def test_what_a_stuck_client_did_not_take_goes_stale() -> None:
    desk = MemoryDesk()
    export = make(desk)
    async with running(export) as where:
        sock = deaf(where)
        await until(lambda: desk.saved)
        for sequence in range(9000):
            impulse(desk, sequence)
        await until(lambda: 0 < export.state().sent < 9000 and export.state().waiting)
        sock.close()
        await until(lambda: export.state().state == "no client")
        taken = export.state().tcp
        assert taken is not None
        assert export.state().sent == taken
        await until(lambda: export.state().waiting == 9000 - taken)
        desk.clock += 60 * SECOND
        client = await Client.connect(where)
        await until(lambda: export.state().held == 9000 - taken)
        impulse(desk, 9001)
        assert (await client.line()).startswith(b"TN    4 9001")
        await until(lambda: export.state().tcp == taken + 1)
        assert (export.state().journaled, export.state().waiting) == (9001, 0)
        await client.close()


async def test_other_devices_have_impulses_where_they_have_a_channel() -> None:
    desk = MemoryDesk()
    desk.zone = ZoneInfo("Europe/Paris")
    export = make(desk, channels={"chute": "4"})
    async with running(export) as where:
        client = await Client.connect(where)
        await until(lambda: desk.saved)
        desk.add(device="other")
        (place,) = desk.add(device="chute", kind=Kind.PLACE, bib=None)
        assert await client.line() == b"TN         2  4 12:29:02.12345  9608"
        desk.add(device="chute", kind=Kind.SELECT, bib="77", status=Status.JOINED, of=place.seq)
        desk.add(device="chute", bib="0123")
        assert await client.line() == b"TN  123    4  4 12:29:02.12345  9608"
        desk.add(device="chute", bib="12345")
        assert await client.line() == b"TN         5  4 12:29:02.12345  9608"
        assert export.state().journaled == 3
        await client.close()


async def test_a_race_clock_without_a_gun_waits_and_is_stale_when_it_comes() -> None:
    desk = MemoryDesk()
    desk.no_utc = {1, 2}
    export = make(desk, channels={"chute": "4"})
    async with running(export) as where:
        client = await Client.connect(where)
        await until(lambda: desk.saved)
        desk.add(device="chute")
        await until(lambda: export.state().held == 1)
        assert export.release([1]) == 0
        desk.clock += 20 * SECOND
        desk.add(device="chute")
        desk.no_utc.clear()
        export.rebind()
        assert (await client.line()).startswith(b"TN    2    2  4")
        await until(lambda: "older than 10 s" in export.state().peers[0].note)
        await client.close()


async def test_a_cp545_takes_four_clients() -> None:
    desk = MemoryDesk()
    export = make(desk)
    async with running(export) as where:
        clients = [await Client.connect(where) for _ in range(4)]
        await until(lambda: "4 connections" in export.state().peers[0].note)
        fifth = await Client.connect(where)
        assert await asyncio.wait_for(fifth.reader.read(), 10) == b""
        assert any("refused" in text for _, _, text in desk.troubles)
        impulse(desk)
        for client in clients:
            assert await client.line() == LINE
            await client.close()
        await fifth.close()


async def test_a_difference_between_nobody_in_particular() -> None:
    """The device does not know who was on course."""
    desk = MemoryDesk()
    async with running(make(desk)) as where:
        client = await Client.connect(where)
        await until(lambda: desk.saved)
        for record in ("DR", "IR"):
            desk.add(kind=Kind.RESULT, bib=None, time="0.01000", ns=SECOND // 100, extra={"record": record})
        assert await client.line() == b"DR    0    0           0.01000"
        assert await client.line() == b"IR 0       0           0.01000"
        await client.close()


async def test_what_does_not_fit_the_columns_is_unmapped() -> None:
    desk = MemoryDesk()
    export = make(desk)
    async with running(export) as where:
        client = await Client.connect(where)
        await until(lambda: desk.saved)
        impulse(desk, bib="12345")
        impulse(desk, extra={"record": "TN"})
        impulse(desk, ns=None)
        impulse(desk)
        assert await client.line() == LINE
        assert export.state().unmapped == 3
        await client.close()


@pytest.mark.parametrize("channel", ["0", "100", "M0", "M10", "", "x"])
def test_a_channel_that_does_not_exist_is_a_mistake_in_the_settings(channel: str) -> None:
    table = {"name": "a", "type": "thcom-server", "listen": "127.0.0.1:7000", "channels": {"chute": channel}}
    with pytest.raises(msgspec.ValidationError, match="chute"):
        msgspec.convert(table, ThcomServerSettings)


def test_what_is_sent_can_be_read_back() -> None:
    desk = MemoryDesk()
    export = make(desk)
    line = export.render(impulse(desk))
    assert isinstance(line, bytes)
    (piece,) = thcom.Decoder(serial=False).receive(line)
    assert not piece.flaw


@given(
    st.lists(st.tuples(st.sampled_from(["hold", "skip", "release", "refuse"]), st.integers(1, 9), st.integers(0, 3)))
)
def test_what_goes_with_another_is_found_by_it(steps: list[tuple[str, int, int]]) -> None:
    """And without looking through all that is held, which may be much after an outage."""
    account = Account(Cursor(export="software", peer="127.0.0.1", start=0, sent=0, tcp=0), tallied=0)
    for what, seq, after in steps:
        match what:
            case "hold":
                account.hold(seq, Hold("goes with another", after=after))
            case "skip":
                account.skip(seq)
            case "release":
                account.release(seq)
            case "refuse":
                account.refuse(seq, Hold("goes with another", after=after) if after else Dropped("said by another"))
        found = {(after, one) for after, some in account.followers.items() for one in some}
        assert found == {(hold.after, one) for one, hold in account.held.items() if hold.after}
        assert all(account.followers.values())
