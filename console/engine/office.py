"""What consoles ask of the engine: its state, pages of rows, and what an operator does."""

import asyncio
import logging
import os
from collections.abc import Iterator
from datetime import datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from msgspec import structs

from console.config import SettingsError
from console.control import messages as m
from console.devices import driver_class
from console.devices.driver import CommandError
from console.devices.guard import question
from console.engine.dispatch import Dispatch
from console.engine.export_desk import ExportDesk
from console.engine.its_desk import ItsDesk
from console.exports.fates import out
from console.model import (
    SECOND,
    UNDO_NS,
    Act,
    DeviceState,
    EngineState,
    Gun,
    Kind,
    Level,
    Order,
    Phase,
    Resolved,
    Sheet,
    Status,
)
from console.sheets import ABOUT_EXPORTS, SHEETS, Sources, make
from console.sheets.deliveries import of_exports
from console.timing.holes import Range, in_words
from console.timing.judge import generation_now

if TYPE_CHECKING:
    from console.engine.engine import Engine
    from console.journal.reader import Reader

NOBODY = "----"
"""Where there is no bib."""

TIMER = "timemachine"
"""Type of the devices whose rows are of the event that the device said last: after a restart only the journal knows."""

MOST_ALARMS = 50
"""Alarms that the state shows, oldest first."""

log = logging.getLogger("racedeck")


class Office:
    """Answers for one engine. Rows are read by a connection of its own, in a thread."""

    def __init__(self, engine: "Engine", reader: "Reader") -> None:
        self._engine = engine
        self._reader = reader
        self._page = asyncio.Lock()
        self._table = asyncio.Lock()
        self._dispatch = Dispatch(lambda: {name: one for name, (one, _) in engine.exports.items()}, engine.trouble)
        self._version = version("racedeck")
        self._exports = ExportDesk(engine)
        self._its = ItsDesk(engine)

    def state(self) -> EngineState:
        """The whole picture, now."""
        exports = tuple(export.state() for export, _ in self._engine.exports.values())
        return EngineState(
            version=self._version,
            event=self._engine.settings.event.name,
            timezone=self._engine.settings.event.timezone,
            phase=self._engine.journal.event.phase,
            now=self._engine.wall(),
            started=self._engine.started,
            pid=os.getpid(),
            clock=self._engine.clock,
            guns=tuple(self._engine.guns[-20:]),
            devices=tuple(self._device_states()),
            exports=exports,
            journal=self._engine.journal.state(),
            incidents=tuple(self._engine.incidents.recent),
            alarms=tuple(self._engine.incidents.alarms[:MOST_ALARMS]),
            consoles=len(self._engine.server.clients),
            held=sum(export.held for export in exports),
            its=self._engine.its.state(),
        )

    def _device_states(self) -> Iterator[DeviceState]:
        counts = self._engine.journal.counts()
        for state in self._engine.manager.states():
            timing = self._engine.journal.timing(state.name)
            facts = {**state.facts, "event": timing.event} if timing.event and state.type == TIMER else state.facts
            found = counts.get(state.name)
            yield structs.replace(
                state,
                facts=facts,
                holes=holes_in_words(timing.holes),
                frames=found.frames if found else 0,
                passings=found.passings if found else 0,
                repeats=found.repeats if found else 0,
                flaws=found.flaws if found else 0,
                nameless=found.nameless if found else 0,
                retold=self._engine.retellings.of(state.name, self._engine.wall()),
            )

    def left(self, console: int) -> None:
        """A console has gone away: what it had devices wait for ends."""
        self._engine.manager.left(console)

    async def answer(self, call: m.Call, who: str, console: int = 0) -> m.Result:
        """Do what `call` says for `who`, who sits at console number `console` (0: at none that stays). Never raises."""
        try:
            return await self._answer(call, who, console)
        except SettingsError as error:
            return m.Failed(reason=str(error))
        except (CommandError, ConnectionError, LookupError, ValueError) as error:
            return m.Failed(reason=str(error.args[0]) if error.args else repr(error))
        except Exception as error:  # a fault of ours must not take the race down with it
            log.exception("%s of %s failed", type(call).__name__, who)  # not the call itself: it may hold a password
            return m.Failed(reason=f"the engine failed to do it ({error!r}); see engine.log")

    async def _answer(self, call: m.Call, who: str, console: int) -> m.Result:
        match call:
            case m.GetState():
                return m.State(state=self.state())
            case m.GetFrames() | m.GetPassings() | m.GetIncidents() | m.GetDetail():
                # One page at a time, in a thread: a page from a slow disk delays no device.
                async with self._page:
                    return await asyncio.to_thread(self._read, call)
            case m.GetSheet():
                return m.Table(sheet=await self._sheet(call.device, call.name))
            case m.SetBib():
                return await self._edit("bib", {"passing": call.passing, "bib": call.bib or None}, who)
            case m.Undo():
                return await self._edit("undo", {}, who)
            case m.TakeOver():
                return await self._take_over(call, who)
            case m.Command():
                return await self._command(call, who, console)
            case m.SetPhase():
                return m.Done(text=await self._set_phase(call.phase, who))
            case m.SetGun():
                return m.Done(text=await self._set_gun(call, who))
            case m.Acknowledge():
                await self._act("acknowledge", {"upto": call.upto}, who)
                return m.Done(text=f"alarms acknowledged up to incident {call.upto}")
            case m.Held():
                return self._dispatch.held(call, who)
            case m.Steer():
                return await self._dispatch.steer(call, who)
            case m.Resend():
                return await self._dispatch.resend(await self._from_frame(call), who)
            case m.GetPeer():
                return self._dispatch.talk(call)
            case m.GetOptions():
                return self._exports.options(call)
            case m.AddExport():
                return await self._exports.add(call, who)
            case m.EditExport():
                return await self._exports.edit(call, who)
            case m.SaveIts():
                return await self._its.save(call, who)
            case m.ConnectIts():
                return await self._its.connect(call, who)
            case m.RemoveExport():
                return await self._exports.remove(call, who)
            case m.RenumberExport():
                return await self._exports.renumber(call, who)
            case m.Reload():
                return m.Done(text=await self._engine.reload(who))
            case m.Stop():
                event = self._engine.settings.event.name
                if call.event != event:
                    raise ValueError(f"this is the engine of {event!r}, not of {call.event!r}")
                log.info("asked to stop by %s", who)
                asyncio.get_running_loop().call_later(0.1, self._engine.stop)
                return m.Done(text=f"the engine of {call.event} stops")

    async def _sheet(self, device: str, name: str) -> Sheet:
        """A table made from the journal, else one that the device's driver keeps."""
        if name not in SHEETS:
            return self._engine.manager.sheet(device, name)
        if device and name not in ABOUT_EXPORTS:
            self._known_device(device)
        engine = self._engine
        saved = await asyncio.to_thread(self._reader.cursors)
        sources = Sources(
            device=device,
            reader=self._reader,
            resolve=engine.resolve,
            zone=engine.zone,
            now=engine.wall(),
            devices=tuple(one.name for one in engine.settings.devices),
            deliveries=of_exports({name: export for name, (export, _) in engine.exports.items()}, saved),
        )
        async with self._table:  # one at a time; pages do not wait for it
            return await asyncio.to_thread(make, name, sources)

    async def _command(self, call: m.Command, who: str, console: int) -> m.Result:
        """Have a device carry out a command, once the operator has agreed to what it may do."""
        engine = self._engine
        risk = engine.manager.risk(call.device, call.words, call.text)
        asked = question(call.words, call.device, risk, engine.journal.event.phase, engine.clock)
        if asked and call.yes != call.device:
            wrong = f"{call.yes!r} is not its name. " if call.yes else ""
            return m.Asks(question=wrong + asked.text, name=call.device, typed=asked.typed)
        order = Order(words=call.words, by=who, console=console, text=call.text)
        reply = await engine.manager.command(call.device, order)
        return m.Done(text=reply.text, ok=reply.ok, data=reply.data)

    def _read(self, call: m.GetFrames | m.GetPassings | m.GetIncidents | m.GetDetail) -> m.Result:
        match call:
            case m.GetFrames():
                rows = self._reader.frames(
                    after=call.after,
                    before=call.before,
                    limit=min(call.limit, m.PAGE),
                    device=call.device,
                    devices=call.devices,
                    direction=call.direction,
                    flawed=call.flawed,
                    text=call.text,
                    quiet=call.quiet,
                )
                return m.Frames(rows=rows)
            case m.GetPassings():
                passings = self._reader.passings(
                    after=call.after,
                    before=call.before,
                    limit=min(call.limit, m.PAGE),
                    device=call.device,
                    kinds=call.kinds,
                    statuses=call.statuses,
                    origins=call.origins,
                    text=call.text,
                )
                halves = bool(call.kinds) and {*call.kinds} <= {Kind.PLACE, Kind.SELECT}
                found = self._engine.binder.resolve_all(passings, self._reader.about, halves=halves)
                return m.Passings(rows=[self._with_out(row) for row in found] if call.outs else found)
            case m.GetIncidents():
                limit = min(call.limit, m.PAGE)
                return m.Incidents(rows=self._reader.incidents(after=call.after, before=call.before, limit=limit))
            case m.GetDetail():
                return self._detail(call.frame)

    def _with_out(self, row: Resolved) -> Resolved:
        """What became of it at the exports."""
        exports = [export for export, _ in self._engine.exports.values()]
        return structs.replace(row, out=out(fate for export in exports for fate in export.fate(row.passing)))

    def _detail(self, seq: int) -> m.Result:
        frame = self._reader.frame(seq)
        if frame is None:
            raise LookupError(f"there is no frame {seq}")
        kinds = {device.name: device.type for device in self._engine.settings.devices}
        passings = self._reader.passings_of(seq)
        return m.Detail(
            frame=frame,
            fields=driver_class(kinds[frame.device]).explain(frame.raw) if frame.device in kinds else {},
            passings=self._engine.binder.resolve_all(passings, self._reader.about),
            deliveries=[
                m.Delivery(passing=one.seq, export=name, peer=peer, word=word)
                for one in passings
                for name, (export, _) in self._engine.exports.items()
                for peer, word in export.fate(one)
            ],
        )

    async def _act(self, word: str, body: dict[str, Any], who: str) -> Act:
        return await asyncio.wrap_future(self._engine.journal.act(word, body, who))

    async def _edit(self, word: str, body: dict[str, Any], who: str) -> m.Result:
        """Give a bib, or take one back."""
        act = await self._act(word, body, who)
        edit = await asyncio.to_thread(self._reader.passing, int(act.body["row"] or 0))
        if edit is None:
            raise LookupError(f"it is journaled as passing #{act.body['row']}, which cannot be read just now")
        text = f"#{edit.of} {edit.extra['was'] or NOBODY} -> {edit.bib or NOBODY}"
        out = f"; goes out in {UNDO_NS // SECOND} s"
        if undoes := edit.extra.get("undoes"):
            text = f"undone: {text}"
            given = await asyncio.to_thread(self._reader.passing, int(undoes))
            if given and int(given.extra["at"] or 0) > act.wall - UNDO_NS:
                out = "; it had not gone out"
        if not self._engine.exports or edit.phase is Phase.TEST:
            out = ""
        return m.Done(text=text + out, data={"passing": edit.of, "edit": edit.seq})

    async def _take_over(self, call: m.TakeOver, who: str) -> m.Result:
        """Have what a download or a backup offered count, all of it in one go."""
        device = call.device
        self._known_device(device)
        numbers, left = call.passings, 0
        if not numbers:
            async with self._page:
                offered = await asyncio.to_thread(self._reader.offered, device)
            numbers = tuple(one.seq for one in offered if (one.heard_in_test is not None) is call.test)
            left = 0 if call.test else len(offered) - len(numbers)
        of_test = f"{left} that came during TEST: to have them count too, racedeck take-over {device} --test"
        if not numbers and left:
            raise ValueError(f"nothing of {device} is offered but {of_test}")
        if not numbers:
            what = "that came during TEST " if call.test else ""
            raise ValueError(
                f"nothing of {device} {what}is offered: all that its downloads told is known, or none was made"
            )
        acts = (self._act("take over", {"passing": number, "device": device}, who) for number in numbers)
        done = await asyncio.gather(*acts, return_exceptions=True)
        wrong = [one for one in done if isinstance(one, BaseException)]
        if len(wrong) == len(done):
            raise wrong[0]
        taken = sum(one.body["status"] == Status.LIVE for one in done if isinstance(one, Act))
        came = len(done) - len(wrong) - taken
        text = f"{taken} taken over"
        if came:
            text += f", {came} had come meanwhile"
        if left:
            text += f"; left out: {of_test}"
        for error in wrong:
            text += f"; {error}"
        self._engine.trouble(Level.NOTE, device, f"{text} ({who})")
        return m.Done(text=text, data={"taken": taken, "came": came})

    def _known_device(self, name: str) -> None:
        known = [device.name for device in self._engine.settings.devices]
        if name not in known:
            raise LookupError(f"no device {name!r}; there are {', '.join(known) or 'none'}")

    async def _set_phase(self, phase: Phase, who: str) -> str:
        before = self._engine.journal.event.phase
        await self._act("phase", {"phase": phase.value}, who)
        text = f"phase {phase.value}, was {before.value}"
        if before is Phase.TEST and phase is not Phase.TEST:
            text += "; what came during TEST is kept, marked and not exported"
        if phase is Phase.RACE and before is not phase:
            self._engine.manager.race_begins()
        self._engine.trouble(Level.NOTE, "engine", f"{text} ({who})")
        return text

    async def _set_gun(self, call: m.SetGun, who: str) -> str:
        if call.device:
            self._known_device(call.device)
        known = [device.name for device in self._engine.settings.devices]
        replaced: list[Gun] = []
        for name in [call.device] if call.device else known:
            generation = generation_now(self._engine.journal.timing(name), self._engine.journal.event)
            if gun := self._engine.binder.gun(name, generation):
                replaced.append(gun)
            await self._act("gun", {"device": name, "wall": call.wall, "ns": 0, "generation": generation}, who)
        text = f"gun set for {call.device or 'all devices'}"
        for gun in replaced:  # an operator who means the next race, which has not started yet, can see it here
            zero = datetime.fromtimestamp((gun.wall - gun.ns) / SECOND, self._engine.zone)
            text += f"; it replaces {zero:%H:%M:%S} ({gun.source}) of {gun.device}, run {gun.generation}"
        self._engine.trouble(Level.NOTE, call.device or "engine", f"{text} ({who})")
        return text

    async def _from_frame(self, call: m.Resend) -> m.Resend:
        """The call with its frame told as a passing."""
        if call.frame is None:
            return call
        first = await asyncio.to_thread(self._reader.first_from, call.frame)
        if first is None:
            raise ValueError(f"frame {call.frame} and what follows it hold no passing")
        return structs.replace(call, frame=None, what=structs.replace(call.what, first=first))


def holes_in_words(holes: dict[str, list[Range]]) -> tuple[str, ...]:
    """Missing places; with the timer's event, where they are missing in more than one: `0002 of event 002`."""
    there = [(_event_of(series), hole) for series, ranges in holes.items() for hole in ranges]
    several = len({event for event, _ in there}) > 1
    return tuple(in_words(hole) + (f" of event {event}" if several and event else "") for event, hole in there)


def _event_of(series: str) -> str:
    """The timer's event whose places are counted, in `device|run|event|place`; empty: there are none."""
    parts = series.split("|")
    return parts[2] if len(parts) == 4 else ""
