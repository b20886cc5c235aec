"""What the engine does for its devices and exports: clocks, journal, pages of rows, numbers, names of places."""

import asyncio
import concurrent.futures
import contextlib
import logging
import time
from collections.abc import Iterable, Sequence
from datetime import tzinfo
from pathlib import Path

from console import places
from console.config import Settings
from console.control.server import Server
from console.devices import driver_class
from console.exports.export import Feed
from console.exports.records import Newest
from console.journal.journal import Journal, JournalFullError
from console.journal.reader import Reader
from console.model import (
    Act,
    Cursor,
    Draft,
    Frame,
    Highest,
    Incident,
    Kind,
    Level,
    Passing,
    Resolved,
    Retold,
    Scalar,
    Status,
    Trouble,
)
from console.timing.bind import Binder, Points
from console.timing.retold import Retellings

log = logging.getLogger("racedeck")

READ_AGAIN = 0.5
"""Seconds until a database that could not be read is read again."""

NOTED_WITHIN = 2.0
"""Seconds in which acts that are on their way to the disk are waited for before acts are read."""


class Desk:
    """The engine, as the devices (`ManagerDesk`) and the exports (`exports.export.Desk`) see it."""

    state_directory: Path
    settings: Settings
    journal: Journal
    reader: Reader
    binder: Binder
    server: Server

    def __init__(self) -> None:
        self.retellings = Retellings()
        self._cursors: dict[tuple[str, str], Cursor] = {}
        """The newest of this run, by export and peer."""
        self._noting: set[concurrent.futures.Future[Act]] = set()
        self._commit = asyncio.Event()
        """Set, and replaced, with each commit."""

    @property
    def zone(self) -> tzinfo:
        """The event's zone."""
        return self.binder.zone

    @property
    def event_name(self) -> str:
        """The event's name."""
        return self.settings.event.name

    def points(self, devices: Sequence[str]) -> list[str]:
        """The timing points that the settings give these devices."""
        chosen = [one for one in self.settings.devices if not devices or one.name in devices]
        return list(dict.fromkeys(point for one in chosen for point in (*one.points.values(), one.point) if point))

    def mapping(self) -> dict[str, dict[str, str]]:
        """Device -> channel -> timing point, by the settings."""
        return {one.name: ({"": one.point} if one.point else {}) | one.points for one in self.settings.devices}

    def point_under(self, mapping: dict[str, dict[str, str]], passing: Passing) -> str | None:
        """The timing point of a passing by such a mapping."""
        by_channel = mapping.get(passing.device, {})
        kind = next((one.type for one in self.settings.devices if one.name == passing.device), None)
        if kind is None:
            return by_channel.get(passing.channel or "") or by_channel.get("")
        return Points(by_channel, by_channel.get("", ""), driver_class(kind).default_point).point(passing.channel)

    def password(self, export: str) -> str:
        """The password of an export."""
        password = self.settings.passwords.get(export)
        return password.reveal() if password else ""

    @property
    def feed(self) -> Feed:
        """Committed passings."""
        return self.journal.feed

    async def page(
        self,
        *,
        after: int | None = None,
        before: int | None = None,
        limit: int = 500,
        kinds: Sequence[Kind] = (),
        statuses: Sequence[Status] = (),
    ) -> list[Passing]:
        """A page of committed passings, for an export that looks back; read in a thread."""
        return await asyncio.to_thread(
            self.reader.passings, after=after, before=before, limit=limit, kinds=kinds, statuses=statuses
        )

    @property
    def directory(self) -> Path:
        """Where the event's files are."""
        return places.event_directory(self.state_directory, self.settings.event.name)

    def newest(self) -> Newest:
        """How far the journal has come, as far as exports are told of it."""
        state = self.journal.state()
        return Newest(
            frames=state.frames, passings=self.journal.feed.newest, incidents=state.incidents, acts=state.acts
        )

    async def beyond(self, known: Newest) -> None:
        """Wait until the journal has come further."""
        while self.newest() == known:
            await self._commit.wait()

    async def frames(self, after: int, limit: int) -> list[Frame]:
        """Frames beyond `after`; read in a thread."""
        return await asyncio.to_thread(self.reader.frames, after=after, limit=limit)

    async def incidents_after(self, after: int, limit: int) -> list[Incident]:
        """Incidents beyond `after`; read in a thread."""
        return await asyncio.to_thread(self.reader.incidents, after=after, limit=limit)

    async def acts(self, after: int, limit: int) -> list[Act]:
        """Acts beyond `after`; read in a thread."""
        return await asyncio.to_thread(self.reader.acts, after=after, limit=limit)

    def wall(self) -> int:
        """This machine's clock, ns since the epoch."""
        return time.time_ns()

    def mono(self) -> int:
        """This machine's monotonic clock, ns."""
        return time.monotonic_ns()

    def frame(self, draft: Draft) -> bool:
        """Journal a frame; False: there was no room for it."""
        return self.journal.frame(draft)

    def keeps_up(self) -> bool:
        """Whether the journal writes what it is given."""
        return self.journal.keeps_up()

    def trouble(self, level: Level, source: str, text: str) -> None:
        """Journal an incident."""
        log.log(logging.INFO if level is Level.NOTE else logging.WARNING, "%s: %s", source, text)
        self.journal.trouble(Trouble(level, source, text))

    def note(self, word: str, body: dict[str, Scalar], by: str) -> None:
        """Journal an act of a device."""
        self._act(word, body, by)

    async def write_ahead(self, word: str, body: dict[str, Scalar], by: str) -> None:
        """Journal an act of an export; returned when it is durable."""
        await asyncio.wrap_future(self._act(word, body, by))

    def _act(self, word: str, body: dict[str, Scalar], by: str) -> concurrent.futures.Future[Act]:
        act = self.journal.act(word, body, by)
        self._noting.add(act)
        act.add_done_callback(self._noting.discard)
        return act

    async def notes(self, word: str) -> list[Act]:
        """Every act of that word, oldest first."""
        if self._noting:
            await asyncio.wait([asyncio.ensure_future(_ended(act)) for act in list(self._noting)], timeout=NOTED_WITHIN)
        acts = await asyncio.to_thread(self.reader.acts, after=0, limit=1_000_000)
        return [act for act in acts if act.word == word]

    def retold(self, device: str) -> Retold | None:
        """The newest retransmit or download of a device."""
        return self.retellings.of(device, self.wall())

    async def offered(self, device: str) -> int:
        """How many passings of a device wait to be taken over; those that came during TEST do not."""
        return sum(one.heard_in_test is None for one in await asyncio.to_thread(self.reader.offered, device))

    async def began(self) -> int:
        """When the event's first frame came (wall ns); now, where none has."""
        first = await asyncio.to_thread(self.reader.frames, after=0, limit=1)
        return first[0].wall if first else self.wall()

    def changed(self) -> None:
        """The state is no longer what was shown last."""
        self.server.changed()

    def resolve(self, passing: Passing) -> Resolved:
        """Bind a passing as things are known now."""
        return self.binder.resolve(passing)

    def save(self, cursor: Cursor) -> None:
        """Journal a cursor."""
        self._cursors[cursor.export, cursor.peer] = cursor
        self.journal.cursor(cursor)

    def cursors(self, export: str) -> list[Cursor]:
        """The cursors of an export, also those that are still on their way to the disk: a reload starts it anew."""
        journaled = {cursor.peer: cursor for cursor in self.journal.cursors(export)}
        return list((journaled | {peer: one for (name, peer), one in self._cursors.items() if name == export}).values())

    async def number(self, export: str, connection: str, location: str, passings: Iterable[int]) -> dict[int, int]:
        """Have lines numbered; returned when that is durable."""
        return await asyncio.wrap_future(self.journal.number(export, connection, location, passings))

    async def numbers(
        self, export: str, connection: str, location: str, first: int, limit: int = 500
    ) -> list[tuple[int, int]]:
        """A page of numbers and what they were given to; waits for a database that cannot be read now."""
        series = export, connection, location
        while True:
            found = await asyncio.to_thread(self.reader.numbers, series, first, limit)
            if found is not None:
                return found
            await asyncio.sleep(READ_AGAIN)

    def highest(self, export: str, connection: str) -> dict[str, Highest]:
        """How far the numbers of each location have come."""
        return self.journal.highest(export, connection)

    async def connection_id(self, export: str) -> str:
        """Under which id an export numbers its lines; made where there is none. A journal that is being opened does not
        tell of one that it has: it is waited for."""
        while True:
            if self.journal.keeps_up():
                return self.journal.connection_id(export) or await self.renumber(export, "engine")
            await asyncio.sleep(READ_AGAIN)

    async def renumber(self, export: str, by: str) -> str:
        """Begin an export's numbers anew, under the new connection id that is returned."""
        act = await asyncio.wrap_future(self.journal.renumber(export, by))
        return str(act.body["id"])


async def _ended(act: concurrent.futures.Future[Act]) -> None:
    """Wait for the end of an act, whatever it is."""
    with contextlib.suppress(ValueError, JournalFullError):
        await asyncio.wrap_future(act)
