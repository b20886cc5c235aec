"""The engine: wires journal, devices, exports and the control socket, starts them and stops them.

It owns the ports and the race; consoles only look at it. Everything here runs in one event loop, but for the journal's
writer thread, which hands over what it has made durable.
"""

import asyncio
import contextlib
import fcntl
import logging
import os
import time
from collections import deque
from collections.abc import Iterator
from datetime import tzinfo
from importlib.metadata import version
from pathlib import Path
from typing import Any

from msgspec import structs

from console import config, places
from console.clock import StepWatch, read_clock
from console.config import Settings, SettingsError
from console.control import messages as m
from console.control.server import Server
from console.devices import driver_class
from console.devices.driver import CommandError, DeviceSettings
from console.devices.manager import Manager
from console.exports import export_class
from console.exports.export import Export, ExportSettings
from console.journal.journal import Committed, Journal
from console.journal.reader import Reader
from console.model import (
    Act,
    ClockState,
    Cursor,
    DeviceState,
    Draft,
    EngineState,
    Gun,
    Incident,
    Kind,
    Level,
    Origin,
    Passing,
    Phase,
    Resolved,
    Status,
    Trouble,
)
from console.timing.bind import START_LINE, Binder, Points, find_zone
from console.timing.holes import in_words

log = logging.getLogger("racedeck")

RECENT = 50
"""Incidents that the state shows."""

CLOCK_EVERY = 1.0
"""Seconds between two looks at the engine's own clock."""


class EngineError(Exception):
    """The engine cannot start; says why and what to do."""


class RunsAlreadyError(EngineError):
    """An engine of this event runs already."""


class Engine:
    """One event's engine. `run()` serves until `stop()` is called."""

    def __init__(self, config_file: Path, state_directory: Path) -> None:
        self.config_file = config_file
        self.state_directory = state_directory
        self.settings: Settings
        self.journal: Journal
        self.binder: Binder
        self.manager: Manager
        self.server: Server
        self.reader: Reader
        self.exports: dict[str, tuple[Export[Any], asyncio.Task[None]]] = {}
        self.started = time.time_ns()
        self.clock: ClockState = read_clock()
        self.guns: list[Gun] = []
        self.incidents: deque[Incident] = deque(maxlen=RECENT)
        self.alarms: list[Incident] = []
        self._acknowledged = 0
        """Alarms up to this incident are acknowledged."""
        self._journal_was = "ok"
        self._types: dict[str, str] = {}
        self._unmapped: set[tuple[str, str]] = set()
        self._stopping = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._page = asyncio.Lock()

    # --- life ---

    async def run(self, ready: asyncio.Event | None = None) -> None:
        """Start everything, serve, stop everything. Raises EngineError or SettingsError where it cannot start."""
        self.settings = config.load(self.config_file)
        directory = places.event_directory(self.state_directory, self.settings.event.name)
        with _only_engine_of(directory):
            path = places.socket_path(self.state_directory, self.settings.event.name)
            self.server = Server(path, self)
            self._open_journal(directory)
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
        """Take in what the journal holds of guns, acknowledgements and alarms: at the start, and after a rebuild."""
        acts = self.reader.acts(limit=100_000)
        self.guns = []
        self._take_guns([*self.journal.guns(), *filter(None, map(gun_of_act, acts))])
        self._acknowledged = max(
            (int(act.body.get("upto") or 0) for act in acts if act.word == "acknowledge"), default=0
        )
        self.incidents.clear()
        self.alarms.clear()
        for incident in self.reader.incidents(limit=1000):
            self._take_incident(incident)

    async def _serve(self, ready: asyncio.Event | None) -> None:
        self.manager = Manager(self)
        try:
            await self.server.open()
        except OSError as error:
            raise EngineError(f"cannot make the control socket {self.server.path}: {error.strerror or error}") from None
        tasks = [asyncio.create_task(self.server.run()), asyncio.create_task(self._watch_clock())]
        try:
            await self._apply(self.settings)
            log.info("engine of %s at work, pid %d, socket %s", self.settings.event.name, os.getpid(), self.server.path)
            if ready:
                ready.set()
            await self._stopping.wait()
        finally:
            log.info("stopping")
            await self.manager.stop()
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

    async def _watch_clock(self) -> None:
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

    # --- settings ---

    async def _apply(self, settings: Settings) -> None:
        """Make devices and exports what `settings` say; only what differs is touched."""
        self.settings = settings
        fresh = binder_of(settings)
        self.binder.zone, self.binder.points = fresh.zone, fresh.points
        self._types = {device.name: device.type for device in settings.devices}
        self._unmapped.clear()
        wanted = {one.name: one for one in settings.exports}
        for name, (export, _) in list(self.exports.items()):
            if wanted.get(name) != export.settings:
                await self._end_export(name)
        for name, one in wanted.items():
            if name not in self.exports:
                self._begin_export(one)
        await self.manager.apply(list(settings.devices))
        self.server.changed()

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
        _, task = self.exports.pop(name)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def _reload(self, who: str) -> str:
        settings = config.load(self.config_file)
        if settings.event.name != self.settings.event.name:
            raise SettingsError(
                [f"{self.config_file.name}: [event]: name cannot change while the engine runs: `racedeck stop` first"]
            )
        before, after = _by_name(self.settings), _by_name(settings)
        changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
        await self._apply(settings)
        text = "settings read again: " + (f"{', '.join(changed)} changed" if changed else "nothing differs")
        self.trouble(Level.NOTE, "engine", f"{text} ({who})")
        return text

    # --- what devices and exports ask of the engine (ManagerDesk, Desk) ---

    @property
    def zone(self) -> tzinfo:
        """The event's zone."""
        return self.binder.zone

    @property
    def feed(self) -> Any:
        """Committed passings."""
        return self.journal.feed

    def wall(self) -> int:
        """This machine's clock, ns since the epoch."""
        return time.time_ns()

    def mono(self) -> int:
        """This machine's monotonic clock, ns."""
        return time.monotonic_ns()

    def frame(self, draft: Draft) -> None:
        """Journal a frame."""
        self.journal.frame(draft)

    def trouble(self, level: Level, source: str, text: str) -> None:
        """Journal an incident."""
        log.log(logging.INFO if level is Level.NOTE else logging.WARNING, "%s: %s", source, text)
        self.journal.trouble(Trouble(level, source, text))

    def changed(self) -> None:
        """The state is no longer what was shown last."""
        self.server.changed()

    def resolve(self, passing: Passing) -> Resolved:
        """Bind a passing as things are known now."""
        return self.binder.resolve(passing)

    def save(self, cursor: Cursor) -> None:
        """Journal a cursor."""
        self.journal.cursor(cursor)

    def cursors(self, export: str) -> list[Cursor]:
        """The cursors of an export."""
        return self.journal.cursors(export)

    # --- what the journal has made durable ---

    def _committed(self, batch: Committed) -> None:
        guns = [gun for one in batch.passings if (gun := gun_of(one))]
        if guns:
            self._take_guns(guns)
        for act in batch.acts:
            if gun := gun_of_act(act):
                self._take_guns([gun])
                guns.append(gun)
            if act.word == "acknowledge":
                self._acknowledged = max(self._acknowledged, int(act.body.get("upto") or 0))
                self.alarms = [one for one in self.alarms if one.seq > self._acknowledged]
        for incident in batch.incidents:
            self._take_incident(incident)
        if batch.passings:
            self.journal.feed.publish(batch.passings)
            for passing in batch.passings:
                self._say_unmapped(passing)
        if guns:
            self._rebind()
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

    def _take_guns(self, guns: list[Gun]) -> None:
        self.guns = sorted([*self.guns, *guns], key=lambda gun: gun.wall)
        self.binder.add_guns(guns)

    def _take_incident(self, incident: Incident) -> None:
        if self.incidents and incident.seq <= self.incidents[-1].seq:
            return  # read from the journal already
        self.incidents.append(incident)
        if incident.level is Level.ALARM and incident.seq > self._acknowledged:
            self.alarms.append(incident)

    def _say_unmapped(self, passing: Passing) -> None:
        """A channel without a timing point is said once: its passings go out without one."""
        if passing.channel is None or passing.kind is Kind.RESULT:
            return
        points = self.binder.points.get(passing.device)
        key = passing.device, passing.channel
        if points and key not in self._unmapped and points.point(passing.channel) is None:
            self._unmapped.add(key)
            hint = f'add it to points in [[device]] "{passing.device}" and `racedeck reload`'
            self.trouble(Level.WARNING, passing.device, f"channel {passing.channel} has no timing point: {hint}")

    # --- what consoles ask of the engine (Office) ---

    def state(self) -> EngineState:
        """The whole picture, now."""
        exports = tuple(export.state() for export, _ in self.exports.values())
        return EngineState(
            version=version("racedeck"),
            event=self.settings.event.name,
            timezone=self.settings.event.timezone,
            phase=self.journal.event.phase,
            now=self.wall(),
            started=self.started,
            pid=os.getpid(),
            clock=self.clock,
            guns=tuple(self.guns[-20:]),
            devices=tuple(self._device_states()),
            exports=exports,
            journal=self.journal.state(),
            incidents=tuple(self.incidents),
            alarms=tuple(self.alarms[:RECENT]),
            consoles=len(self.server.clients),
            held=sum(export.held for export in exports),
        )

    def _device_states(self) -> Iterator[DeviceState]:
        counts = self.journal.counts()
        for state in self.manager.states():
            holes = self.journal.timing(state.name).holes.values()
            found = counts.get(state.name)
            yield structs.replace(
                state,
                holes=tuple(in_words(hole) for series in holes for hole in series),
                frames=found.frames if found else 0,
                passings=found.passings if found else 0,
                repeats=found.repeats if found else 0,
                flaws=found.flaws if found else 0,
                nameless=found.nameless if found else 0,
            )

    async def answer(self, call: m.Call, who: str) -> m.Result:
        """Do what `call` says for `who`. Never raises."""
        try:
            return await self._answer(call, who)
        except SettingsError as error:
            return m.Failed(reason=str(error))
        except (CommandError, ConnectionError, LookupError, ValueError) as error:
            return m.Failed(reason=str(error.args[0]) if error.args else repr(error))
        except Exception as error:  # a fault of ours must not take the race down with it
            log.exception("call %r of %s failed", call, who)
            return m.Failed(reason=f"the engine failed to do it ({error!r}); see engine.log")

    async def _answer(self, call: m.Call, who: str) -> m.Result:
        match call:
            case m.GetState():
                return m.State(state=self.state())
            case m.GetFrames() | m.GetPassings() | m.GetIncidents() | m.GetDetail():
                # One page at a time, in a thread: a page from a slow disk delays no device.
                async with self._page:
                    return await asyncio.to_thread(self._read, call)
            case m.Command():
                reply = await self.manager.command(call.device, call.words, who)
                return m.Done(text=reply.text, ok=reply.ok, data=reply.data)
            case m.SetPhase():
                return m.Done(text=await self._set_phase(call.phase, who))
            case m.SetGun():
                return m.Done(text=await self._set_gun(call, who))
            case m.Acknowledge():
                await self._act("acknowledge", {"upto": call.upto}, who)
                return m.Done(text=f"alarms acknowledged up to incident {call.upto}")
            case m.Held():
                return m.Done(text=self._held(call, who))
            case m.Reload():
                return m.Done(text=await self._reload(who))
            case m.Stop():
                if call.event != self.settings.event.name:
                    raise ValueError(f"this is the engine of {self.settings.event.name!r}, not of {call.event!r}")
                log.info("asked to stop by %s", who)
                self._loop.call_later(0.1, self.stop)
                return m.Done(text=f"the engine of {call.event} stops")

    def _read(self, call: m.GetFrames | m.GetPassings | m.GetIncidents | m.GetDetail) -> m.Result:
        match call:
            case m.GetFrames():
                rows = self.reader.frames(
                    after=call.after,
                    before=call.before,
                    limit=min(call.limit, m.PAGE),
                    device=call.device,
                    direction=call.direction,
                    flawed=call.flawed,
                    text=call.text,
                )
                return m.Frames(rows=rows)
            case m.GetPassings():
                passings = self.reader.passings(
                    after=call.after,
                    before=call.before,
                    limit=min(call.limit, m.PAGE),
                    device=call.device,
                    kind=Kind(call.kind) if call.kind else None,
                    text=call.text,
                )
                return m.Passings(rows=[self.resolve(one) for one in passings])
            case m.GetIncidents():
                limit = min(call.limit, m.PAGE)
                return m.Incidents(rows=self.reader.incidents(after=call.after, before=call.before, limit=limit))
            case m.GetDetail():
                return self._detail(call.frame)

    def _detail(self, seq: int) -> m.Result:
        frame = self.reader.frame(seq)
        if frame is None:
            raise LookupError(f"there is no frame {seq}")
        kind = self._types.get(frame.device)
        passings = self.reader.passings_of(seq)
        return m.Detail(
            frame=frame,
            fields=driver_class(kind).explain(frame.raw) if kind else {},
            passings=[self.resolve(one) for one in passings],
            deliveries=[
                m.Delivery(passing=one.seq, export=name, peer=peer, word=word)
                for one in passings
                for name, (export, _) in self.exports.items()
                for peer, word in export.fate(one)
            ],
        )

    async def _act(self, word: str, body: dict[str, Any], who: str) -> Act:
        return await asyncio.wrap_future(self.journal.act(word, body, who))

    async def _set_phase(self, phase: Phase, who: str) -> str:
        before = self.journal.event.phase
        await self._act("phase", {"phase": phase.value}, who)
        text = f"phase {phase.value}, was {before.value}"
        if before is Phase.TEST and phase is not Phase.TEST:
            text += "; what came during TEST is kept, marked and not exported"
        self.trouble(Level.NOTE, "engine", f"{text} ({who})")
        return text

    async def _set_gun(self, call: m.SetGun, who: str) -> str:
        known = [device.name for device in self.settings.devices]
        if call.device and call.device not in known:
            raise LookupError(f"no device {call.device!r}; there are {', '.join(known) or 'none'}")
        for name in [call.device] if call.device else known:
            generation = self.journal.timing(name).generation
            await self._act("gun", {"device": name, "wall": call.wall, "ns": 0, "generation": generation}, who)
        text = f"gun set for {call.device or 'all devices'}"
        self.trouble(Level.NOTE, call.device or "engine", f"{text} ({who})")
        return text

    def _held(self, call: m.Held, who: str) -> str:
        if call.export not in self.exports:
            raise LookupError(f"no export {call.export!r}; there are {', '.join(self.exports) or 'none'}")
        export, _ = self.exports[call.export]
        act = {"release": export.release, "skip": export.skip}.get(call.action)
        if act is None:
            raise ValueError(f"held passings can be released or skipped, not {call.action!r}")
        count = act(list(call.passings), call.peer)
        text = f"{count} held passings {'released' if call.action == 'release' else 'skipped'}"
        self.trouble(Level.NOTE, call.export, f"{text} ({who})")
        return text


def gun_of(passing: Passing) -> Gun | None:
    """The gun that a live START line fired; None: `passing` is something else."""
    if passing.kind is not Kind.GUN or passing.origin is not Origin.LIVE or passing.status is not Status.LIVE:
        return None
    return Gun(
        device=passing.device,
        generation=passing.generation,
        ns=passing.ns or 0,
        wall=passing.wall,
        source=START_LINE,
    )


def gun_of_act(act: Act) -> Gun | None:
    """The gun that an operator gave; None: `act` is something else."""
    if act.word != "gun":
        return None
    body = act.body
    return Gun(
        device=str(body["device"]),
        generation=int(body["generation"] or 1),
        ns=int(body["ns"] or 0),
        wall=int(body["wall"] or 0),
        source=act.by,
    )


def _by_name(settings: Settings) -> dict[str, DeviceSettings | ExportSettings]:
    devices = {f"device {one.name}": one for one in settings.devices}
    return devices | {f"export {one.name}": one for one in settings.exports}


def binder_of(settings: Settings) -> Binder:
    """A binder with the zone and the timing points of `settings`, and no guns yet."""
    binder = Binder(find_zone(settings.event.timezone))
    binder.points = {
        device.name: Points(device.points, device.point, driver_class(device.type).default_point)
        for device in settings.devices
    }
    return binder


@contextlib.contextmanager
def _only_engine_of(directory: Path) -> Iterator[None]:
    """Hold the lock that makes one engine per event; the kernel lets it go when we die, however we die."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        handle = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise EngineError(f"cannot write the event's directory {directory}: {error.strerror}") from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pid = os.pread(handle, 20, 0).decode("ascii", "replace").strip() or "?"
            raise RunsAlreadyError(
                f"an engine of this event already runs (pid {pid}); `racedeck` attaches to it"
            ) from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)
