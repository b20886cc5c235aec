"""Rows of the journal for a command: from the running engine, else from the files of the event themselves."""

import asyncio
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from console import places
from console.commands.attach import Where, connect
from console.control.client import Client, EngineGoneError
from console.exit import Exit, Failure
from console.model import EngineState, Frame, Incident, Kind, Resolved, Sheet
from console.timing.bind import Binder, find_zone
from console.timing.guns import gun_of, gun_of_act

if TYPE_CHECKING:
    from console.config import Settings
    from console.journal.reader import Reader

Page: TypeAlias = Sequence[Frame] | Sequence[Resolved] | Sequence[Incident]


class Rows(ABC):
    """Pages of `frames`, `passings` or `incidents`, oldest first: beyond `after`, before `before`, or the newest."""

    zone: tzinfo

    @abstractmethod
    async def frames(self, after: int | None, limit: int, device: str) -> list[Frame]:
        """Frames beyond `after`; None: the newest."""

    @abstractmethod
    async def passings(self, after: int | None, limit: int, device: str) -> list[Resolved]:
        """Passings beyond `after`; None: the newest."""

    @abstractmethod
    async def incidents(self, after: int | None, limit: int) -> list[Incident]:
        """Incidents beyond `after`; None: the newest."""

    @abstractmethod
    async def sheet(self, device: str, name: str) -> Sheet:
        """A table about a device, or (`device` empty) about the event. Raises RefusedError or LookupError."""

    @abstractmethod
    async def wait(self) -> None:
        """Wait until there may be new rows. Raises Failure where the engine has gone."""

    @abstractmethod
    def close(self) -> None:
        """Let go."""


class LiveRows(Rows):
    """Rows of a running engine."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.zone = find_zone(client.state.timezone)
        self._news = asyncio.Event()
        client.on_state = self._pushed

    def _pushed(self, state: EngineState) -> None:
        self._news.set()

    async def frames(self, after: int | None, limit: int, device: str) -> list[Frame]:
        """Frames beyond `after`; None: the newest."""
        return await self.client.frames(after=after, limit=limit, device=device)

    async def passings(self, after: int | None, limit: int, device: str) -> list[Resolved]:
        """Passings beyond `after`; None: the newest."""
        return await self.client.passings(after=after, limit=limit, device=device)

    async def incidents(self, after: int | None, limit: int) -> list[Incident]:
        """Incidents beyond `after`; None: the newest."""
        return await self.client.incidents(after=after, limit=limit)

    async def sheet(self, device: str, name: str) -> Sheet:
        """A table that the engine makes, or the device's driver keeps."""
        return await self.client.sheet(device, name)

    async def wait(self) -> None:
        """Wait for the engine's next push."""
        gone = asyncio.create_task(self.client.gone.wait())
        news = asyncio.create_task(self._news.wait())
        await asyncio.wait({gone, news}, return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        news.cancel()
        if self.client.gone.is_set():
            raise Failure(Exit.NO_ENGINE, "the engine has gone away")
        self._news.clear()

    def close(self) -> None:
        """Detach."""
        self.client.close()


class StoredRows(Rows):
    """Rows of an event whose engine does not run, read from its journal."""

    def __init__(self, reader: "Reader", settings: "Settings", binder: Binder) -> None:
        self._reader = reader
        self._settings = settings
        self._binder = binder
        self.zone = binder.zone

    async def frames(self, after: int | None, limit: int, device: str) -> list[Frame]:
        """Frames beyond `after`; None: the newest."""
        return self._reader.frames(after=after, limit=limit, device=device)

    async def passings(self, after: int | None, limit: int, device: str) -> list[Resolved]:
        """Passings beyond `after`; None: the newest."""
        passings = self._reader.passings(after=after, limit=limit, device=device)
        return self._binder.resolve_all(passings, self._reader.about)

    async def incidents(self, after: int | None, limit: int) -> list[Incident]:
        """Incidents beyond `after`; None: the newest."""
        return self._reader.incidents(after=after, limit=limit)

    async def sheet(self, device: str, name: str) -> Sheet:
        """A table made from the journal; what a driver keeps is not there without an engine."""
        from console.sheets import Sources, make
        from console.sheets.deliveries import as_saved

        reader, settings = self._reader, self._settings
        _, newest, *_ = reader.newest()
        sources = Sources(
            device=device,
            reader=reader,
            resolve=self._binder.resolve,
            zone=self.zone,
            now=time.time_ns(),
            devices=tuple(one.name for one in settings.devices),
            deliveries=as_saved(settings.exports, reader.cursors(), newest),
        )
        return make(name, sources)

    async def wait(self) -> None:
        """Nothing will come: no engine runs."""
        raise Failure(Exit.NO_ENGINE, "no engine runs: nothing new will come")

    def close(self) -> None:
        """Close the journal."""
        self._reader.close()


async def open_rows(where: Where, *, must_run: bool = False) -> Rows:
    """Rows of the running engine, else (unless it `must_run`) of the event's files. Raises Failure without either."""
    try:
        return LiveRows(await Client.connect(where.socket(), observe=True))
    except EngineGoneError:
        return LiveRows(await connect(where, observe=True)) if must_run else _stored(where)


def _stored(where: Where) -> Rows:
    from console.config import load
    from console.engine.engine import binder_of
    from console.engine.tagfile import load as load_tags
    from console.journal.reader import Reader

    settings = load(where.config)
    directory = places.event_directory(where.state, settings.event.name)
    if not (directory / "journal.sqlite").exists():
        raise Failure(Exit.NO_ENGINE, f"no engine runs, and {settings.event.name} has no journal yet in {directory}")
    reader = Reader(directory)
    binder = binder_of(settings)
    if settings.event.tags:
        try:
            binder.tags, _ = load_tags(Path(settings.event.tags))
        except ValueError as error:
            print(f"{settings.event.tags}: {error}: bibs and names of tags are not shown", file=sys.stderr)
    for passing in reader.passings(after=0, limit=100_000, kinds=[Kind.GUN]):
        if gun := gun_of(passing):
            binder.add_guns([gun])
    for act in reader.acts(after=0, limit=100_000):
        if gun := gun_of_act(act):
            binder.add_guns([gun])
    binder.add_edits(reader.edits())
    return StoredRows(reader, settings, binder)
