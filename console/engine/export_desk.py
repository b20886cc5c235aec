"""Exports that operators add, change and remove while the engine runs: in the settings first, and then at once."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from console.control import messages as m
from console.exports import EXPORTS
from console.exports.options import FIXED, options, typed
from console.journal.journal import JournalFullError
from console.model import ExportState, Level, Phase

if TYPE_CHECKING:
    from console.config import Settings
    from console.engine.engine import Engine
    from console.engine.rewrite import SettingsFile
    from console.exports.export import ExportSettings


class ExportDesk:
    """Changes the exports of one engine. Raises LookupError, ValueError or SettingsError where it will not."""

    def __init__(self, engine: "Engine") -> None:
        self._engine = engine

    def options(self, call: m.GetOptions) -> m.Options:
        """What can be set."""
        settings = self._settings(call.export) if call.export else None
        kind = settings.type if settings else call.kind
        rows = options(kind, settings) if kind else []
        return m.Options(kind=kind, kinds=list(EXPORTS), rows=rows)

    async def add(self, call: m.AddExport, who: str) -> m.Result:
        """One more."""
        values = typed(call.values.get("type", ""), call.values)
        await self._rewrite(lambda file: file.add(call.name, values), who)
        state = self._state(call.name)
        return m.Done(text=f"export {call.name} added: {state.type} {state.where}", data={"export": call.name})

    async def edit(self, call: m.EditExport, who: str) -> m.Result:
        """Other values for some keys."""
        settings = self._settings(call.name)
        if fixed := next((key for key in call.values if key in FIXED), ""):
            raise ValueError(
                f"the {fixed} of an export cannot change, for what it delivered is accounted under it: add another "
                "export, and remove this one"
            )
        if not call.values:
            raise ValueError("nothing to change: give KEY=VALUE; an empty value brings the default back")
        values = typed(settings.type, call.values)
        left = self._left_behind(settings, call.values)
        asks = self._asks(call.name, call.yes, left or "They may connect again at once.")
        if not asks and left and call.yes != call.name:
            asks = m.Asks(question=left, name=call.name, typed=False)
        if asks:  # but not about what cannot be
            await asyncio.to_thread(lambda: self._file(tries=True).change(call.name, values))
            return asks
        await self._rewrite(lambda file: file.change(call.name, values), who)
        now = {option.key: option for option in options(settings.type, self._settings(call.name))}
        told = ", ".join(f"{key} {now[key].value or '(none)'}" for key in call.values)
        return m.Done(text=f"export {call.name}: {told}")

    async def remove(self, call: m.RemoveExport, who: str) -> m.Result:
        """One less; always after a question."""
        self._settings(call.name)
        state = self._state(call.name)
        left = f"{state.waiting} waiting and {state.held} held passings stay unsent."
        if asks := self._asks(call.name, call.yes, left):
            return asks
        if call.yes != call.name:
            return m.Asks(question=f"Remove the export {call.name}? {left}", name=call.name, typed=False)
        await self._rewrite(lambda file: file.remove(call.name), who)
        text = f"export {call.name} removed; its account stays in the journal: added again, it goes on from there"
        return m.Done(text=text)

    async def renumber(self, call: m.RenumberExport, who: str) -> m.Result:
        """Its lines are numbered from 1 again, for software that has lost what it had; always after a question."""
        settings, name = self._settings(call.name), call.name
        if not settings.numbers_lines:
            raise ValueError(f"{settings.type} numbers no lines: `racedeck resend {name}` sends passings again")
        count = self._state(name).journaled
        if call.yes != name:
            wrong = f"{call.yes!r} is not its name. " if call.yes else ""
            question = (
                f"{wrong}Number the lines of {name} from 1 again? Only where {settings.connect} has lost what it had: "
                "under a new connection id it takes them for those of another timer, and what it still has would be "
                f"there twice. Passings that go out again: {count:,}."
            )
            return m.Asks(question=question, name=name, typed=True)
        try:
            connection = await self._engine.renumber(name, who)
        except JournalFullError as error:
            raise ValueError(f"the numbers stay as they are: {error}; ask again when the disk is well") from None
        await self._engine.restart_export(name)
        text = (
            f"lines are numbered from 1 again, under connection id {connection}; passings that go out again: {count:,}"
        )
        self._engine.trouble(Level.WARNING, name, f"{text} ({who})")
        return m.Done(text=f"{name}: {text}")

    def _left_behind(self, settings: "ExportSettings", values: dict[str, str]) -> str:
        """What is to be said before an export turns to another program that gets only what happens from then on."""
        state = self._state(settings.name)
        moves = settings.connect and values.get("connect", settings.connect) != settings.connect
        if not moves or settings.newcomers == "all" or not (state.waiting or state.held):
            return ""
        return (
            f"{state.waiting} waiting and {state.held} held passings stay unsent: they are for {settings.connect}. "
            f"A program at another address gets what happens from now on; `racedeck resend {settings.name}` sends it "
            "what came before, once it is connected."
        )

    def _asks(self, name: str, yes: str, what: str) -> m.Asks | None:
        """The question before clients are dropped in a race."""
        programs = self._settings(name).ways  # a file and a printer are none, and are there again at once
        clients = sum(peer.connected for peer in self._state(name).peers) if programs else 0
        if yes == name or not clients or self._engine.journal.event.phase is not Phase.RACE:
            return None
        wrong = f"{yes!r} is not its name. " if yes else ""
        cut_off = "1 program" if clients == 1 else f"{clients} programs"
        question = f"{wrong}A race is running, and this cuts off {cut_off} connected to {name}. {what}"
        return m.Asks(question=question, name=name, typed=True)

    async def _rewrite(self, change: "Callable[[SettingsFile], Settings]", who: str) -> None:
        await self._engine.rewrite(lambda: change(self._file()), who)

    def _file(self, *, tries: bool = False) -> "SettingsFile":
        from console.engine.rewrite import (
            SettingsFile,
        )  # tomlkit takes its time to import, and most races never need it

        return SettingsFile(self._engine.config_file, self._engine.as_read, tries=tries)

    def _settings(self, name: str) -> "ExportSettings":
        found = next((one for one in self._engine.settings.exports if one.name == name), None)
        if found is None:
            names = [one.name for one in self._engine.settings.exports]
            raise LookupError(f"no export {name!r}; there are {', '.join(names) or 'none'}")
        return found

    def _state(self, name: str) -> ExportState:
        """How it stands; one that has failed is restarted by what follows."""
        running: Any = self._engine.exports.get(name)
        if running is None:
            settings = self._settings(name)
            return ExportState(name=name, type=settings.type, where=settings.listen or settings.connect, state="down")
        state: ExportState = running[0].state()
        return state
