"""A desk and a feed in memory, and clients on loopback sockets."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, tzinfo
from typing import Any

from msgspec import structs

from console.exports.export import Export
from console.model import (
    SECOND,
    Act,
    Basis,
    Cursor,
    Highest,
    Kind,
    Level,
    Origin,
    Passing,
    Phase,
    Resolved,
    Scalar,
    Status,
)
from console.timing.tags import TagTable

NOON = 1_776_853_742_123_456_700
"""2026-04-22 10:29:02.1234567 UTC."""


class MemoryFeed:
    """Passings in a list; `publish` wakes whoever waits."""

    def __init__(self) -> None:
        self.passings: list[Passing] = []
        self._waiters: list[asyncio.Future[None]] = []

    @property
    def newest(self) -> int:
        return len(self.passings)

    async def after(self, seq: int, limit: int = 500) -> list[Passing]:
        return self.passings[seq : seq + limit]

    async def beyond(self, seq: int) -> None:
        while self.newest <= seq:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter

    def publish(self, *passings: Passing) -> None:
        self.passings += passings
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()


class MemoryDesk:
    """Remembers what exports tell it."""

    def __init__(self) -> None:
        self.feed = MemoryFeed()
        self.zone: tzinfo = UTC
        self.clock = NOON
        self.saved: dict[str, Cursor] = {}
        self.saves = 0
        self.troubles: list[tuple[Level, str, str]] = []
        self.no_utc: set[int] = set()
        self.event_name = "spring-10k"
        self.named_points = ["Finish"]
        self.point_of: dict[str | None, str | None] = {}
        """Channel -> timing point, where that is not Finish."""
        self.secret = ""
        self.tags = TagTable()
        self.changes = 0
        self.pages = 0
        self.noted: list[Act] = []
        self.disk = asyncio.Event()
        """Not set: it hangs."""
        self.disk.set()
        self.numbered: dict[tuple[str, str, str], dict[int, int]] = {}
        self.connections: dict[str, str] = {}
        self.renumbered = 0

    def now(self) -> int:
        return self.clock

    def points(self, devices: Sequence[str]) -> list[str]:
        del devices
        return self.named_points

    def mapping(self) -> dict[str, dict[str, str]]:
        return {"mat": {channel or "": point or "" for channel, point in self.point_of.items()}}

    def point_under(self, mapping: dict[str, dict[str, str]], passing: Passing) -> str | None:
        return mapping["mat"].get(passing.channel or "", "Finish")

    def password(self, export: str) -> str:
        del export
        return self.secret

    def resolve(self, passing: Passing) -> Resolved:
        utc = None if passing.seq in self.no_utc else passing.ns
        tagged = self.tags.bib(passing.tag)
        bib = passing.bib or tagged
        name = self.tags.name(bib)
        return Resolved(
            passing=passing,
            utc=utc,
            point=self.point_of.get(passing.channel, "Finish"),
            bib=bib,
            name=name,
            tagged=tagged,
        )

    async def page(
        self,
        *,
        after: int | None = None,
        before: int | None = None,
        limit: int = 500,
        kinds: Sequence[Kind] = (),
        statuses: Sequence[Status] = (),
    ) -> list[Passing]:
        self.pages += 1
        found = [
            one
            for one in self.feed.passings
            if (after is None or one.seq > after)
            and (before is None or one.seq < before)
            and (not kinds or one.kind in kinds)
            and (not statuses or one.status in statuses)
        ]
        return found[:limit] if after is not None else found[-limit:]

    def save(self, cursor: Cursor) -> None:
        self.saved[cursor.peer] = cursor
        self.saves += 1

    def cursors(self, export: str) -> list[Cursor]:
        return [cursor for cursor in self.saved.values() if cursor.export == export]

    def trouble(self, level: Level, source: str, text: str) -> None:
        self.troubles.append((level, source, text))

    def changed(self) -> None:
        self.changes += 1

    def note(self, word: str, body: dict[str, Scalar], by: str) -> None:
        self.noted.append(Act(seq=len(self.noted) + 1, wall=self.clock, word=word, body=body, by=by))

    async def write_ahead(self, word: str, body: dict[str, Scalar], by: str) -> None:
        await self.disk.wait()
        self.note(word, body, by)

    async def notes(self, word: str) -> list[Act]:
        return [act for act in self.noted if act.word == word]

    async def number(self, export: str, connection: str, location: str, passings: Iterable[int]) -> dict[int, int]:
        given = self.numbered.setdefault((export, connection, location), {})
        return {one: given.setdefault(one, len(given) + 1) for one in passings}

    async def numbers(
        self, export: str, connection: str, location: str, first: int, limit: int = 500
    ) -> list[tuple[int, int]]:
        given = self.numbered.get((export, connection, location), {})
        return [(number, one) for one, number in given.items() if first <= number < first + limit]

    def highest(self, export: str, connection: str) -> dict[str, Highest]:
        return {
            series[2]: Highest(number=len(given), passing=max(given))
            for series, given in self.numbered.items()
            if series[:2] == (export, connection) and given
        }

    async def connection_id(self, export: str) -> str:
        return self.connections.get(export) or await self.renumber(export, "engine")

    async def renumber(self, export: str, by: str) -> str:
        self.renumbered += 1
        self.connections[export] = f"{self.renumbered:040x}"
        return self.connections[export]

    def add(self, count: int = 1, **changes: Any) -> list[Passing]:
        """Publish passings that arrive now; returns them."""
        first = self.feed.newest + 1
        new = [passing(first + index, **({"wall": self.clock} | changes)) for index in range(count)]
        self.feed.publish(*new)
        return new


def passing(seq: int, **changes: Any) -> Passing:
    """A chip read of bib `seq`, unless told otherwise. Its `ns` is its UTC."""
    base = Passing(
        seq=seq,
        frame=seq,
        index=0,
        device="mat",
        kind=Kind.PASSING,
        wall=NOON,
        time="12:00:00",
        ns=NOON,
        basis=Basis.EPOCH,
        day=None,
        tag=None,
        bib=str(seq),
        channel="2",
        event=None,
        generation=1,
        phase=Phase.RACE,
        read_type=2,
        origin=Origin.LIVE,
        status=Status.LIVE,
        of=None,
    )
    return structs.replace(base, **changes)


def edit(desk: MemoryDesk, of: Passing, bib: str | None, ago: float = 20.0, **extra: Any) -> Passing:
    """An operator gave `of` a bib `ago` seconds ago."""
    extra = {**of.extra, "was": of.bib, "by": "anna", "at": desk.clock - int(ago * SECOND), **extra}
    about = of.seq if of.status is Status.LIVE else of.of
    row = structs.replace(
        of, seq=desk.feed.newest + 1, bib=bib, status=Status.EDITED, of=about, change="bib", extra=extra
    )
    desk.feed.publish(row)
    return row


def undo(desk: MemoryDesk, of: Passing, back_to: str | None, ago: float = 20.0) -> Passing:
    """`of`, an EDITED row, was taken back."""
    return edit(desk, of, back_to, ago, undoes=of.seq)


async def until(condition: Callable[[], object], what: str = "") -> None:
    """Wait for `condition`; TimeoutError after 10 s."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)
    del what


@asynccontextmanager
async def running(export: Export[Any]) -> AsyncIterator[str]:
    """The export at work; gives where it listens."""
    task = asyncio.create_task(export.run())
    try:
        await until(lambda: task.done() or export.state().state != "down")
        if task.done():
            task.result()
        yield export.state().where
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class Client:
    """A program at the other end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, where: str, source: str = "127.0.0.1") -> "Client":
        host, _, port = where.rpartition(":")
        return cls(*await asyncio.open_connection(host, int(port), local_addr=(source, 0)))

    async def message(self, end: bytes = b"\r") -> bytes:
        async with asyncio.timeout(10):
            return await self.reader.readuntil(end)

    async def line(self) -> bytes:
        """The next line that is not an empty one."""
        while not (line := (await self.message(b"\n")).strip(b"\r\n")):
            pass
        return line

    async def close(self) -> None:
        """Close it as a program does that ends in good order."""
        self.writer.close()
        await asyncio.gather(self.writer.wait_closed(), return_exceptions=True)


def deaf(where: str, source: str = "127.0.0.1") -> socket.socket:
    """A client that never reads, with a small receive buffer."""
    host, _, port = where.rpartition(":")
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.bind((source, 0))
    sock.connect((host, int(port)))
    return sock
