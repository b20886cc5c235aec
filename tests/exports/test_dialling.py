"""An export that connects: real programs on loopback that refuse, hang up, never read or say nothing."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import pytest

from console.exports.tsv1 import TsV1, TsV1Settings
from console.links.tcp import Address, look_up
from console.model import Level
from tests.exports.desk import MemoryDesk, until


class Dialled(TsV1):
    """Reads, said to a program that we connect to."""

    answers_within: ClassVar = 0.0


class Asking(TsV1):
    """The same, to a program that ought to answer."""

    answers_within: ClassVar = 0.05


def make(desk: MemoryDesk, connect: str, kind: type[TsV1] = Dialled, **settings: Any) -> TsV1:
    return kind(TsV1Settings(name="scoring", type="tsv1", connect=connect, **settings), desk, desk.now)


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.links.backoff.LEAST", 0.01)
    monkeypatch.setattr("console.links.backoff.MOST", 0.02)


@asynccontextmanager
async def at_work(export: TsV1) -> AsyncIterator[None]:
    task = asyncio.create_task(export.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class Program:
    """A program that listens; what it does with a connection is its `manner`."""

    def __init__(self, manner: str = "reads") -> None:
        self.manner = manner
        self.chips: list[int] = []
        self.connections = 0
        self.open = 0
        self.most = 0
        self._writers: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server

    async def listen(self, port: int = 0) -> str:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        self.most = max(self.most, self.open)
        self._writers.append(writer)
        try:
            if self.manner == "hangs up":
                return
            if self.manner == "hangs up on the first line":
                await reader.readuntil(b"\r")
                return
            while True:
                self.chips += [read["Chip"] for read in json.loads(await reader.readuntil(b"\r"))]
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open -= 1
            writer.close()

    def hang_up(self) -> None:
        """Close every connection, and take new ones."""
        for writer in self._writers:
            writer.close()

    async def end(self) -> None:
        self._server.close()
        for writer in self._writers:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for writer in self._writers), return_exceptions=True)


def warnings(desk: MemoryDesk) -> list[str]:
    return [text for level, _, text in desk.troubles if level is Level.WARNING]


async def test_it_connects_and_delivers_what_came_before() -> None:
    desk, program = MemoryDesk(), Program()
    where = await program.listen()
    await program.end()
    export = make(desk, where)
    async with at_work(export):
        await until(lambda: where in desk.saved)
        desk.add(3)  # while nobody is there
        await until(lambda: export.state().waiting == 3)
        await program.listen(int(where.rpartition(":")[2]))
        await until(lambda: export.state().tcp == 3)
        assert program.chips == [1, 2, 3]
        (peer,) = export.state().peers
        assert (peer.address, peer.connected) == (where, True)
        assert (export.state().state, export.state().where) == ("up", where)
    await program.end()


async def test_what_comes_while_it_reads_what_it_must_know_is_for_the_target() -> None:
    desk, program = MemoryDesk(), Program()
    desk.add(2)  # before there was the export
    export = make(desk, await program.listen())
    desk.add(3)
    async with at_work(export):
        await until(lambda: export.state().tcp == 3)
        assert program.chips == [3, 4, 5]
        assert (export.state().journaled, export.state().waiting) == (3, 0)
    await program.end()


async def test_refused_is_said_once_and_what_to_check() -> None:
    desk, program = MemoryDesk(), Program()
    where = await program.listen()
    await program.end()
    export = make(desk, where)
    async with at_work(export):
        await until(lambda: desk.changes > 20)  # one for each attempt
        assert export.state().state == "down"
        assert "refuses: check that the program is running there" in export.state().reason
        assert len(warnings(desk)) == 1


async def test_a_name_that_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = MemoryDesk()
    export = make(desk, "no-such-host.invalid:61611")

    async def unknown(*_: object) -> list[Address]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr("console.exports.dialling.look_up", unknown)
    async with at_work(export):
        await until(lambda: warnings(desk))
        assert "the name 'no-such-host.invalid' is not known" in export.state().reason


async def test_a_name_server_that_does_not_answer_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.exports.dialling.CONNECT_WITHIN", 0.02)
    desk, program, asked, answer = MemoryDesk(), Program(), 0, asyncio.Event()
    where = await program.listen()

    async def slow(host: str, port: int) -> list[Address]:
        nonlocal asked
        asked += 1
        await answer.wait()
        return await look_up("127.0.0.1", port)

    monkeypatch.setattr("console.exports.dialling.look_up", slow)
    export = make(desk, where.replace("127.0.0.1", "raceday"))
    async with at_work(export):
        await until(lambda: desk.changes > 3)
        assert "the name 'raceday' cannot be looked up just now" in export.state().reason
        assert asked == 1
        answer.set()
        await until(lambda: export.state().state == "up")
    await program.end()


async def test_no_answer_is_the_firewall(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.exports.dialling.CONNECT_WITHIN", 0.05)
    desk = MemoryDesk()
    full = socket.socket()  # its queue is full, so that the next one gets no answer
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    where = f"127.0.0.1:{full.getsockname()[1]}"
    waiting = [socket.socket() for _ in range(4)]
    for one in waiting:
        one.setblocking(False)
        one.connect_ex(full.getsockname())
    export = make(desk, where)
    async with at_work(export):
        await until(lambda: "does not answer: check the address, the cable, and the firewall" in export.state().reason)
    for one in (*waiting, full):
        one.close()


async def test_turned_away_at_once() -> None:
    desk, program = MemoryDesk(), Program("hangs up")
    where = await program.listen()
    async with at_work(make(desk, where)):
        await until(lambda: program.connections > 5)
        assert ["closes the connection as soon as it is made" in text for text in warnings(desk)] == [True]
    assert program.most == 1
    await program.end()


async def test_turned_away_after_the_first_line() -> None:
    desk, program = MemoryDesk(), Program("hangs up on the first line")
    where = await program.listen()
    export = make(desk, where)
    async with at_work(export):
        await until(lambda: program.open == 1)
        desk.add()
        await until(lambda: warnings(desk))
        (said,) = warnings(desk)
        assert "closes the connection after our first lines, without a word" in said
        assert "closes the connection after our first lines" in export.state().peers[0].reason
    await program.end()


async def test_one_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    desk, program = MemoryDesk(), Program()
    where = await program.listen()
    export = make(desk, where, Asking)
    async with at_work(export):
        await until(lambda: export.state().state == "silent")
        assert "took the connection and says nothing" in export.state().reason
        await until(lambda: len(warnings(desk)) == 1)
        program._writers[0].write(b"hello\r\n")
        await until(lambda: export.state().state == "up")
    await program.end()


async def test_it_comes_back_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.exports.dialling.STEADY", 0.02)
    desk, program = MemoryDesk(), Program()
    where = await program.listen()
    port = int(where.rpartition(":")[2])
    export = make(desk, where)
    async with at_work(export):
        await until(lambda: program.open == 1)
        desk.add(2)
        await until(lambda: export.state().tcp == 2)
        await program.end()  # the program is ended while nothing is under way
        await until(lambda: export.state().state == "down")
        assert warnings(desk)
        desk.add(2)
        await program.listen(port)
        await until(lambda: export.state().tcp == 4)
        assert set(program.chips) == {1, 2, 3, 4}
        await until(lambda: (Level.NOTE, "scoring", f"connected to {where}") in desk.troubles)
    assert program.most == 1
    await program.end()


async def test_one_that_never_reads_is_dropped_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.exports.health.STUCK_AFTER", 0.1)
    monkeypatch.setattr("console.exports.health.PATIENCE", 0.3)
    desk = MemoryDesk()
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.bind(("127.0.0.1", 0))
    deaf.listen(8)
    export = make(desk, f"127.0.0.1:{deaf.getsockname()[1]}")
    async with at_work(export):
        await until(lambda: export.state().peers and export.state().peers[0].connected)
        desk.add(20_000)
        await until(lambda: export.state().state == "stuck" and export.state().journaled == 20_000)
        assert export.state().waiting > 10_000  # never read ahead of what it takes
        await until(lambda: any("took nothing for" in text for text in warnings(desk)))
        await until(lambda: export.state().peers[0].connected)
        state = export.state()
        assert state.journaled == 20_000 >= state.sent >= (state.tcp or 0)
    deaf.close()


async def test_what_it_sends_unasked_is_read_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.exports.peer.ALLOWANCE", 1000)
    desk, program = MemoryDesk(), Program()
    where = await program.listen()
    export = make(desk, where)
    async with at_work(export):
        await until(lambda: program.open == 1)
        writer = program._writers[0]
        writer.write(bytes(20_000_000))
        desk.add(3)
        await until(lambda: program.chips == [1, 2, 3])
        assert writer.transport.get_write_buffer_size() > 0
        writer.transport.abort()
    await program.end()


async def test_clients_of_the_time_when_it_listened_are_not_its_target() -> None:
    desk, program = MemoryDesk(), Program()
    where = await program.listen()
    async with at_work(make(desk, where)):
        await until(lambda: program.open == 1)
    await program.end()
    listening = TsV1(TsV1Settings(name="scoring", type="tsv1", listen="127.0.0.1:0"), desk, desk.now)
    async with at_work(listening):
        await until(lambda: listening.state().state != "down")
        assert listening.state().peers == ()
    other = make(desk, "127.0.0.1:1")
    async with at_work(other):
        await until(lambda: other.state().peers)
        assert [peer.address for peer in other.state().peers] == ["127.0.0.1:1"]


async def test_one_that_comes_and_goes_is_said_at_growing_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.exports.dialling.STEADY", 0.02)
    desk, program = MemoryDesk(), Program()
    where = await program.listen()
    export = make(desk, where)
    dialler = export._dialler
    assert dialler

    async def breaks_off() -> None:
        before = program.connections
        await until(lambda: program.open)
        program.hang_up()
        await until(lambda: program.connections > before)

    def back() -> int:
        return [text for _, _, text in desk.troubles].count(f"connected to {where}")

    async with at_work(export):
        for times, after in ((1, 0.08), (2, 0.32)):
            await breaks_off()
            await until(lambda times=times: back() == times)  # type: ignore[misc]
            assert dialler._steady_after == after
            assert len(warnings(desk)) == times, "and what is wrong once for each time that it was well"
        monkeypatch.setattr("console.exports.dialling.MOST_STEADY", 0.05)
        await breaks_off()  # which it did after more than that: it has just been said that it is back
        assert dialler._steady_after == 0.02, "one that has lasted begins anew"
    await program.end()
