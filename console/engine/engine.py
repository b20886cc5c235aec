"""The engine: wires journal, devices, exports and the control socket, starts them and stops them.

It owns the ports and the race; consoles only look at it. Everything here runs in one event loop, but for the journal's
writer thread, which hands over what it has made durable.
"""

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from console import config, places
from console.config import Settings, SettingsError
from console.control.server import Server
from console.devices import driver_class
from console.devices.manager import Manager
from console.engine.clock import StepWatch, read_clock
from console.engine.desk import Desk
from console.engine.doubts import Doubts
from console.engine.incidents import Incidents
from console.engine.lock import EngineError, only_engine_of
from console.engine.office import Office
from console.engine.tagfile import TagFile
from console.exports import export_class
from console.exports.export import Export, ExportSettings
from console.its.its import Its
from console.journal.journal import Committed, Journal
from console.model import (
    SECOND,
    Act,
    ClockState,
    Gun,
    Level,
    Status,
)
from console.timing.bind import Binder, Points, find_zone
from console.timing.guns import gun_of, gun_of_act
from console.timing.retold import QUIET

log = logging.getLogger("racedeck")

CLOCK_EVERY = 1.0
"""Seconds between two looks at the engine's own clock."""


class Engine(Desk):
    """One event's engine. `run()` serves until `stop()` is called."""

    def __init__(self, config_file: Path, state_directory: Path) -> None:
        super().__init__()
        self.config_file = config_file
        self.state_directory = state_directory
        self.manager: Manager
        self.exports: dict[str, tuple[Export[Any], asyncio.Task[None]]] = {}
        self.started = time.time_ns()
        self.clock: ClockState = read_clock()
        self.guns: list[Gun] = []
        self.incidents = Incidents()
        self.its = Its(self)
        self._told_over: asyncio.TimerHandle | None = None
        self._journal_was = "ok"
        self._doubts: Doubts
        self._tags = TagFile(lambda level, text: self.trouble(level, "engine", text))
        self._stopping = asyncio.Event()
        self.changing = asyncio.Lock()
        """Held by whoever changes the settings, their file, or what is at work by them: one after the other."""
        self._loop = asyncio.get_running_loop()

    # --- life ---

    async def run(self, ready: asyncio.Event | None = None) -> None:
        """Start everything, serve, stop everything. Raises EngineError or SettingsError where it cannot start."""
        self.settings = self.as_read = config.load(self.config_file)
        directory = places.event_directory(self.state_directory, self.settings.event.name)
        with only_engine_of(directory):
            path = places.socket_path(self.state_directory, self.settings.event.name)
            self._open_journal(directory)
            self.server = Server(path, Office(self, self.journal.reader()))
            try:
                await self._serve(ready)
            finally:
                self.journal.close()

    def stop(self) -> None:
        """Have `run()` come to its end; safe from a signal handler of the loop."""
        self._stopping.set()

    def _open_journal(self, directory: Path) -> None:
        mirror = self.settings.event.mirror
        self.binder = binder_of(self.settings)
        self._doubts = Doubts(self.binder, self.trouble)
        self.journal = Journal.open(
            directory,
            committed=lambda batch: self._soon(self._committed, batch),
            changed=lambda: self._soon(self._journal_changed),
            mirror=Path(mirror) if mirror else None,
        )
        self.reader = self.journal.reader()
        self._journal_was = self.journal.state().state
        self._recall()

    def _recall(self) -> None:
        """Take in what the journal holds of guns, bibs, acknowledgements and alarms: at the start, after a rebuild."""
        acts = self.reader.acts(limit=100_000)
        self.guns = []
        self._take_guns([*self.journal.guns(), *filter(None, map(gun_of_act, acts))])
        self.binder.add_edits(self.reader.edits())
        self.incidents.forget()
        for act in acts:
            self._take_acknowledgement(act)
        for incident in self.reader.incidents(limit=1000):
            self.incidents.take(incident)

    async def _serve(self, ready: asyncio.Event | None) -> None:
        self.manager = Manager(self, self.its.endpoint_for)
        await self._read_tags(self.settings)
        try:
            await self.server.open()
        except OSError as error:
            raise EngineError(f"cannot make the control socket {self.server.path}: {error.strerror or error}") from None
        work = (self.server.run(), self._watch(), self._tags.watch(self._tags_changed))
        tasks = [asyncio.create_task(one) for one in work]
        try:
            await self._apply(self.settings)
            log.info("engine of %s at work, pid %d, socket %s", self.settings.event.name, os.getpid(), self.server.path)
            if ready:
                ready.set()
            await self._stopping.wait()
        finally:
            log.info("stopping")
            if self._told_over:
                self._told_over.cancel()
            await self.manager.stop()
            async with self.changing:
                for name in list(self.exports):
                    await self._end_export(name)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.server.close()

    def _soon(self, what: Any, *args: Any) -> None:
        """Called from the journal's thread: do it in the loop, unless that has ended."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(what, *args)

    async def _watch(self) -> None:
        steps = StepWatch()
        while True:
            await asyncio.sleep(CLOCK_EVERY)
            if step := steps.step():
                self.trouble(Level.ALARM, "clock", f"this machine's clock was set by {step / 1e9:+.3f} s")
            clock = read_clock()
            if clock.synced != self.clock.synced and clock.synced is not None:
                word = "synchronised" if clock.synced else "no longer synchronised"
                self.trouble(Level.NOTE if clock.synced else Level.WARNING, "clock", f"this machine's clock is {word}")
            self.clock = clock
            if not self.keeps_up():
                self.manager.let_go_on()

    # --- settings ---

    async def _apply(self, settings: Settings) -> None:
        """Make devices and exports what `settings` say; only what differs is touched."""
        self.as_read = settings
        settings = self.its.complete(settings)
        mapped = [(one.name, one.type, one.points, one.point) for one in settings.devices]
        mended = mapped != [(one.name, one.type, one.points, one.point) for one in self.settings.devices]
        before, self.settings = self.settings.passwords, settings
        fresh = binder_of(settings)
        self.binder.zone, self.binder.points = fresh.zone, fresh.points
        self._doubts.look_anew()
        await self.its.apply(settings)
        wanted = {one.name: one for one in settings.exports}
        for name, (export, _) in list(self.exports.items()):
            other = wanted.get(name) != export.settings or before.get(name) != settings.passwords.get(name)
            if other or (mended and export.settings.points):
                await self._end_export(name)
        for name, one in wanted.items():
            if name not in self.exports:
                self._begin_export(one)
        self.exports = {name: self.exports[name] for name in wanted if name in self.exports}  # in the settings' order
        if mended:
            self._rebind()
        await self.manager.apply(list(self.settings.devices))  # another source may have appeared meanwhile
        self.server.changed()

    async def another_source(self) -> None:
        """The link to ITS ONLINE TIMING has heard a source that no setting names: a device like any other."""
        self.settings = self.its.complete(self.settings)
        self.binder.points = binder_of(self.settings).points
        await self.manager.apply(list(self.settings.devices))

    def changed(self) -> None:
        """The state is no longer what was shown last."""
        self.its.look()
        super().changed()

    async def _read_tags(self, settings: Settings) -> bool:
        """Read the tag table now. True: it is another."""
        tags = settings.event.tags
        changed = await self._tags.open(Path(tags) if tags else None)
        if changed:
            self._tags_changed()
        return changed

    def _begin_export(self, settings: ExportSettings) -> None:
        export = export_class(settings.type)(settings, self, self.wall)
        task = asyncio.create_task(export.run(), name=f"export {settings.name}")
        task.add_done_callback(lambda task: self._export_ended(settings.name, task))
        self.exports[settings.name] = export, task

    def _export_ended(self, name: str, task: asyncio.Task[None]) -> None:
        if task.cancelled() or (error := task.exception()) is None:
            return
        log.error("export %s failed", name, exc_info=error)
        self.trouble(Level.ALARM, name, f"the export failed ({error}); see engine.log; `racedeck reload` restarts it")
        self.exports.pop(name, None)

    async def _end_export(self, name: str) -> None:
        _, task = self.exports.pop(name, (None, None))
        if task is None:  # it has failed meanwhile
            return
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def restart_export(self, name: str) -> None:
        """End an export, and begin it with the settings that it has."""
        async with self.changing:
            await self._end_export(name)
            for one in self.settings.exports:
                if one.name == name:
                    self._begin_export(one)
            names = [one.name for one in self.settings.exports]
            self.exports = {name: self.exports[name] for name in names if name in self.exports}
        self.server.changed()

    async def reload(self, who: str) -> str:
        """Read the settings again; what has changed, in words. Raises SettingsError, and then nothing has.

        One after the other: an export that is being ended must not be begun by another reload.
        """
        async with self.changing:
            return await self._reload(who)

    async def rewrite(self, change: Callable[[], object], who: str) -> str:
        """Have `change` write the settings, in a thread, and read them again; no reload comes in between. Raises as
        `reload`, and what `change` does."""
        async with self.changing:
            await asyncio.to_thread(change)
            return await self._reload(who)

    async def _reload(self, who: str) -> str:
        settings = config.load(self.config_file)
        if settings.event.name != self.settings.event.name:
            raise SettingsError(
                [f"{self.config_file.name}: [event]: name cannot change while the engine runs: `racedeck stop` first"]
            )
        if self._stopping.is_set():
            raise SettingsError(["the engine is stopping: the settings are read when it starts again"])
        before, after = _by_name(self.as_read), _by_name(settings)
        changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
        if await self._read_tags(settings):
            changed.append("tag table")
        await self._apply(settings)
        text = "settings read again: " + (f"{', '.join(changed)} changed" if changed else "nothing differs")
        self.trouble(Level.NOTE, "engine", f"{text} ({who})")
        return text

    # --- what the journal has made durable ---

    def _committed(self, batch: Committed) -> None:
        guns = [gun for one in batch.passings if (gun := gun_of(one))]
        if guns:
            self._take_guns(guns)
        for act in batch.acts:
            if gun := gun_of_act(act):
                self._take_guns([gun])
                self._doubts.look_anew(guns_only=True)
                guns.append(gun)
            self._take_acknowledgement(act)
        for incident in batch.incidents:
            self.incidents.take(incident)
        edits = [one for one in batch.passings if one.status is Status.EDITED]
        self.binder.add_edits(edits)
        if batch.passings:
            self.journal.feed.publish(batch.passings)
        if guns or edits:
            self._rebind()
        self._commit.set()
        self._commit = asyncio.Event()
        self._loop.call_soon(self._afterwards, batch)  # behind the exports, which have just been woken

    def _afterwards(self, batch: Committed) -> None:
        """What nobody waits for."""
        self.manager.safe(batch.frames)
        self.its.safe(batch.frames)
        self._retell(batch)
        for passing in batch.passings:
            self._doubts.look(passing)
        self.server.changed()

    def _journal_changed(self) -> None:
        """The journal's state has changed. While a database is rebuilt its rows are not there: ask again afterwards."""
        word = self.journal.state().state
        if word == "ok" != self._journal_was:
            self._recall()
            self._rebind()
        self._journal_was = word
        self.server.changed()

    def _rebind(self) -> None:
        for export, _ in self.exports.values():
            export.rebind()

    def _tags_changed(self) -> None:
        self.binder.tags = self._tags.table
        self._rebind()
        self.server.changed()

    def _take_guns(self, guns: list[Gun]) -> None:
        self.guns = sorted([*self.guns, *guns], key=lambda gun: gun.wall)
        self.binder.add_guns(guns)

    def _take_acknowledgement(self, act: Act) -> None:
        if act.word == "acknowledge":
            self.incidents.acknowledge(int(act.body.get("upto") or 0))

    def _retell(self, batch: Committed) -> None:
        """Count what was told again; a download that falls silent is over, which nothing but time tells."""
        told = [one for one in batch.passings if self.retellings.take(one)]
        for name, state in batch.timing.items():
            self.retellings.follow(name, state)
        if told:
            if self._told_over:
                self._told_over.cancel()
            self._told_over = self._loop.call_later(QUIET / SECOND + 0.1, self.server.changed)


def _by_name(settings: Settings) -> dict[str, Any]:
    devices = {f"device {one.name}": one for one in settings.devices}
    link: dict[str, Any] = {"its": settings.its} if settings.its else {}
    passwords = {f"password of {name}": one for name, one in settings.passwords.items()}
    return devices | {f"export {one.name}": one for one in settings.exports} | link | passwords


def binder_of(settings: Settings) -> Binder:
    """A binder with the zone and the timing points of `settings`, and no guns yet."""
    binder = Binder(find_zone(settings.event.timezone))
    binder.points = {
        device.name: Points(device.points, device.point, driver_class(device.type).default_point)
        for device in settings.devices
    }
    return binder
