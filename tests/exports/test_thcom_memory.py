"""Asking RaceDeck instead of the timer: `#RT` and `#DL`, over loopback sockets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.codecs import thcom
from console.exports.thcom_server import ThcomServer
from console.model import SECOND, Basis, Kind, Origin, Passing, Phase, Status
from tests.exports.desk import Client, MemoryDesk, deaf, edit, running, undo, until
from tests.exports.test_thcom_server import corrected, impulse, make

CLOCK = 64_893_153_000_000
"""18:01:33.153"""


@asynccontextmanager
async def asked(desk: MemoryDesk, **settings: Any) -> AsyncIterator[tuple[ThcomServer, Client]]:
    """A server with a client that came when everything in `desk` had happened."""
    export = make(desk, **settings)
    async with running(export) as where:
        client = await Client.connect(where)
        await until(lambda: desk.saved)
        yield export, client
        await client.close()


async def ask(client: Client, command: str, lines: int) -> list[str]:
    client.writer.write(thcom.basic(command, checksum=False))
    return [(await client.line()).decode() for _ in range(lines)]


async def download(client: Client, run: str) -> list[str]:
    lines = await ask(client, f"#DL {run}", 1)
    while not lines[-1].startswith(("DE", "AK F")):
        lines.append((await client.line()).decode())
    return lines


def time(desk: MemoryDesk, number: int, run: str = "01", at: int = 0, **changes: Any) -> Passing:
    """Time `number` of run `run`, `at` seconds after 18:01:33."""
    return impulse(desk, number, **({"event": run, "ns": CLOCK + at * SECOND, "bib": str(number)} | changes))


def result(desk: MemoryDesk, bib: str, run: str = "01", **changes: Any) -> Passing:
    told: dict[str, Any] = {"ns": 4_948_000_000, "basis": Basis.SPAN, "extra": {"record": "RR", "rank": 2}}
    return desk.add(device="start", kind=Kind.RESULT, channel=None, bib=bib, event=run, **(told | changes))[0]


async def test_a_time_by_its_number() -> None:
    desk = MemoryDesk()
    time(desk, 4)
    time(desk, 4, channel="5", bib=None)
    async with asked(desk) as (export, client):
        line = "AN    4    4 M1 18:01:33.15300  8829"
        assert await ask(client, "#RT 0004 M1", 2) == ["AK C", line]
        assert await ask(client, "#RT 4 M1", 2) == ["AK C", line]
        assert await ask(client, "#RT 0004 05", 2) == ["AK C", "AN         4  5 18:01:33.15300  8829"]
        for nonsense in ("#RT 0005 M1", "#RT 0004 M2", "#RT", "#RT 4", "#RT x 05", "#RT 00004 05", "#RT 4 5 6"):
            assert await ask(client, nonsense, 1) == ["AK F"]
        state = export.state()
        assert (state.journaled, state.sent, state.waiting) == (0, 0, 0)  # it came before this client


async def test_the_latest_time_of_a_number() -> None:
    desk = MemoryDesk()
    time(desk, 4)
    time(desk, 4, at=60, generation=2)
    time(desk, 4, at=90, generation=1, origin=Origin.RECOVERED)  # taken over late, and of the race before
    time(desk, 4, at=120, status=Status.OFFERED, origin=Origin.RECALL)
    time(desk, 4, at=150, phase=Phase.TEST)
    time(desk, 4, at=180, device="other")
    time(desk, 4, at=0, bib="9", extra={"record": "T=", "sequence": 4})
    time(desk, 7, origin=Origin.RECOVERED)
    async with asked(desk, devices=("start",)) as (_, client):
        assert await ask(client, "#RT 4 M1", 2) == ["AK C", "AN    4    4 M1 18:02:33.15300  8829"]
        assert await ask(client, "#RT 7 M1", 2) == ["AK C", "AN    7    7 M1 18:01:33.15300  8829"]


async def test_a_time_in_the_state_that_corrections_brought_about() -> None:
    desk = MemoryDesk()
    star = corrected(desk, time(desk, 1), "T*", "11")
    corrected(desk, star, "T-", None, extra={"record": "T-", "sequence": 1, "was": "11"})
    corrected(desk, time(desk, 2), "TC", "2", extra={"record": "TC", "sequence": 2})
    edit(desk, time(desk, 3), "33")
    undo(desk, edit(desk, time(desk, 4), "44"), "4")
    edit(desk, time(desk, 5), "55", ago=0)
    undo(desk, edit(desk, time(desk, 6), "66", ago=3), "6", ago=0)
    edit(desk, time(desk, 7), "A7")
    edit(desk, time(desk, 8), None)
    again = corrected(desk, time(desk, 9), "T*", "10")
    corrected(desk, again, "T*", "90")
    shown = ["A-   11    1", "AC    2    2", "A*   33    3", "A*    4    4", "AN    5    5", "A*    6    6"]
    shown += ["AN    7    7", "A-         8", "A*   90    9"]
    async with asked(desk) as (_, client):
        for number, line in enumerate(shown, 1):
            answer = await ask(client, f"#RT {number} M1", 2)
            assert answer[1][:12] == line
        lines = await download(client, "01")
        assert [line[:12] for line in lines[2:-1]] == shown


async def test_other_devices_have_numbers_where_they_have_a_channel() -> None:
    desk = MemoryDesk()
    (place,) = desk.add(device="chute", kind=Kind.PLACE, bib=None)
    edit(desk, place, "77")
    async with asked(desk, channels={"chute": "4"}) as (_, client):
        assert await ask(client, "#RT 0001 04", 2) == ["AK C", "A*   77    1  4 10:29:02.12345  9608"]
        assert await ask(client, "#RT 0002 04", 1) == ["AK F"]


async def test_a_run() -> None:
    desk = MemoryDesk()
    time(desk, 1, run="02")
    time(desk, 2)
    corrected(desk, time(desk, 3, at=2), "TC", "3", extra={"record": "TC", "sequence": 3})
    result(desk, "2")
    result(desk, "2", ns=296_088_000_000, extra={"record": "IR", "intermediate": 2})
    time(desk, 4, at=5, status=Status.OFFERED, origin=Origin.RECALL)
    time(desk, 4, at=6, status=Status.REPEAT, of=1)
    time(desk, 5, at=8)
    result(desk, "5", status=Status.REPEAT, of=1)
    time(desk, 1, run="03", channel="7")
    time(desk, 9, at=7, origin=Origin.RECOVERED, channel="5")
    time(desk, 10, at=20, origin=Origin.RECOVERED)
    async with asked(desk) as (_, client):
        assert await download(client, "01") == [
            "AK C",
            "DS 01  00                    ",
            "AN    2    2 M1 18:01:33.15300  8829",
            "AC    3    3 M1 18:01:35.15300  8829",
            "RR    2    2           4.94800",
            "IR 2       2        4:56.08800",
            "AN    9    9  5 18:01:40.15300  8829",
            "AN    5    5 M1 18:01:41.15300  8829",
            "AN   10   10 M1 18:01:53.15300  8829",
            "DE 01",
        ]
        assert [line[:12] for line in await download(client, "3")][2:-1] == ["AN    1    1"]
        for nonsense in ("#DL 04", "#DL", "#DL x", "#DL 001", "#DL 01 02"):
            assert await ask(client, nonsense, 1) == ["AK F"]


async def test_the_latest_run_of_a_number() -> None:
    desk = MemoryDesk()
    for number in (1, 2, 3):
        time(desk, number)
    time(desk, 4, run="02")
    time(desk, 5, at=50)
    async with asked(desk) as (_, client):
        assert len(await download(client, "01")) == 4
        # The timer's memory was cleared, and its numbers begin again.
        time(desk, 1, at=100)
        time(desk, 2, at=110)
        await client.line()
        await client.line()
        lines = await download(client, "01")
        assert [line[12:27] for line in lines[2:-1]] == [" M1 18:03:13.15", " M1 18:03:23.15"]
        time(desk, 1, at=200, generation=2)
        await client.line()
        lines = await download(client, "01")
        assert [line[12:27] for line in lines[2:-1]] == [" M1 18:04:53.15"]


async def test_with_several_timers_the_chosen_one_answers() -> None:
    desk = MemoryDesk()
    time(desk, 1)
    time(desk, 2, device="finish", channel="4")
    time(desk, 3)
    async with asked(desk, devices=("finish",)) as (_, client):
        assert [line[:12] for line in await download(client, "01")][2:-1] == ["AN    2    2"]
    async with asked(desk) as (_, client):
        assert len(await download(client, "01")) == 6


async def test_commands_are_answered_in_order_and_only_to_whoever_asked() -> None:
    desk = MemoryDesk()
    for number in range(1, 1201):
        time(desk, number)
    async with asked(desk) as (export, client):
        other = await Client.connect(export.state().where)
        await until(lambda: "2 connections" in export.state().peers[0].note)
        client.writer.write(b"#DL 01\r\n#SN\r\n#XX\r\n#RT 1200 M1\r\n#ID\t0000\r\n")
        assert await client.line() == b"AK C"
        live = time(desk, 1201)
        lines = [(await client.line()).decode() for _ in range(1202 + 7)]
        assert sum(line.startswith("TN 1201 1201") for line in lines) == 1
        lines = [line for line in lines if not line.startswith("TN")]
        assert all(len(line) == 36 for line in lines[1:1201])
        assert [line[:2] for line in lines[1201:]] == ["DE", "AK", "SN", "AK", "AK", "AN", "AK"]
        assert await other.line() == b"TN 1201 1201 M1 18:01:33.15300  8829"
        await until(lambda: export.state().tcp == 1)
        assert (export.state().journaled, export.state().sent, export.state().waiting) == (1, 1, 0)
        assert export.fate(live) == [("127.0.0.1", "tcp")]
        await other.close()


async def test_who_does_not_read_is_not_read_ahead_for_and_delays_nobody() -> None:
    desk = MemoryDesk()
    for number in range(1, 9001):
        time(desk, number)
    async with asked(desk) as (export, client):
        pages = desk.pages
        with deaf(export.state().where, "127.0.0.3") as sock:
            sock.sendall(b"#DL 01\r\n")
            await until(lambda: desk.pages > pages + 19)
            while pages != desk.pages:  # until it stands still
                pages = desk.pages
                await asyncio.sleep(0.05)
            peers = [peer for peer in export._pumps if peer.address == "127.0.0.3"]
            assert peers[0].written < 9000 * 38 - 65_536
            time(desk, 1, run="02")
            assert (await client.line()).startswith(b"TN    1    1")
            assert len(await download(client, "01")) == 9003
        await until(lambda: not any(peer.address == "127.0.0.3" for peer in export._pumps))
        assert len(export._talks) == 1


async def test_a_disk_that_does_not_give_the_run_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.exports.thcom_memory.AGAIN", 0.0)
    desk = MemoryDesk()
    for number in range(1, 901):
        time(desk, number)
    async with asked(desk) as (_, client):
        page = desk.page

        async def unreadable(**asked: Any) -> list[Passing]:
            return [] if asked.get("after", 0) and asked["after"] >= 500 else await page(**asked)

        monkeypatch.setattr(desk, "page", unreadable)
        client.writer.write(b"#DL 01\r\n#ID\r\n")
        lines = [(await client.line()).decode() for _ in range(504)]
        assert lines[-2:] == ["AK C", "ID 01007"]  # no DE: it is not the whole run
        assert "cut short" in desk.troubles[-1][2]


ASKED = st.sampled_from(
    [b"#RT 4 M1\r\n", b"#DL 01\r\n", b"#DL 7\n", b"#SN\r\n", b"#RT", b"#DL ", b"\r\n", b"#", b"\t", b"99"]
)


@given(st.lists(st.binary(max_size=20) | ASKED, max_size=12))
def test_any_bytes_get_whole_answers_one_for_each_command(chunks: list[bytes]) -> None:
    written: list[bytes] = []

    class FakePeer:
        address = "127.0.0.1"

        async def writable(self) -> None:
            await asyncio.sleep(0)

        def write(self, data: bytes) -> None:
            written.append(data)

    async def talk() -> None:
        desk = MemoryDesk()
        time(desk, 4)
        export = make(desk)
        peer: Any = FakePeer()
        received = export.conversation(peer)
        for chunk in chunks:
            received(chunk)
            await asyncio.sleep(0)
        await until(lambda: export._talks[peer]._task is None)

    asyncio.run(talk())
    lines = b"".join(written).split(b"\r\n")
    assert lines.pop() == b""
    assert all(line[:2] in (b"AK", b"SN", b"ID", b"AN", b"DS", b"DE") for line in lines)
    pieces = thcom.Decoder(serial=False).receive(b"".join(chunks))
    asked = sum(piece.raw.lstrip(b"\r\n").startswith(b"#") for piece in pieces)
    assert sum(line[:2] == b"AK" for line in lines) == asked
