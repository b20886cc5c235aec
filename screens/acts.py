"""What the operator does to the engine: the keys and the command line that act, and what is said of what came of it.
What is drawn and when is the Deck's."""

import asyncio
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from types import MappingProxyType
from typing import Any

from console.control.client import Client, Done, EngineGoneError, RefusedError
from console.model import DeviceState, EngineState
from screens import commands, words
from screens.attachment import Attachment
from screens.bibs import Bibs
from screens.detail import Answer
from screens.device import Device
from screens.dispatch import Dispatch
from screens.its_setup import ItsSetup
from screens.keys import Keys
from screens.offered import Offered, show, take_over
from screens.orders import Orders
from screens.picture import Picture
from screens.prompt import Options, Prompt
from screens.sheet import SHEETS, SheetView
from screens.view import View

MESSAGE = 4
"""Lines of a message at most; more than that is opened to be read."""


class Acts(Keys):
    """What the operator does to the engine."""

    def __init__(
        self,
        socket: Path,
        *,
        observe: bool,
        ascii: bool,  # noqa: A002 - the name of the switch
        start: Callable[[], None] | None,
        clock: Callable[[], int],
    ) -> None:
        super().__init__()
        self.parting = ""
        """What to print when the console has closed."""
        self.presses = 0
        self._ascii = ascii
        self._start = start
        self._clock = clock
        self._engine = Attachment(socket, observe=observe, clock=clock, changed=self._changed)
        self._history: list[str] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.orders, self.bibs, self.dispatch = Orders(self), Bibs(self), Dispatch(self)
        self.its = ItsSetup(self)

    # --- the engine ---

    @abstractmethod
    def _changed(self) -> None:
        """The engine's state has, or it is gone or back."""

    @property
    def state(self) -> EngineState | None:
        """The engine as it was heard last; None before it was first heard."""
        return self._engine.state

    @property
    def client(self) -> Client:
        """The engine. Raises EngineGoneError where there is none."""
        return self._engine.client

    @property
    def picture(self) -> Picture:
        """The moment to draw. Raises EngineGoneError before the engine was first heard."""
        return self._engine.picture(ascii=self._ascii)

    @property
    def observes(self) -> bool:
        """This console may only look."""
        return self._engine.observe

    @property
    @abstractmethod
    def asking(self) -> bool:
        """A question is open."""

    @abstractmethod
    def unsay(self, text: str) -> None:
        """Take a message back, if it is still there."""

    @abstractmethod
    def set_theme(self, name: str) -> None:
        """Another palette."""

    def _run(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        # A part that fails takes the console with it: half a console would go on showing what is no longer so.
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self.parting = f"this is a fault in RaceDeck's console, please report it: {error!r}. The engine runs on."
            self.exit(return_code=1)

    # --- what came of it ---

    def do(self, work: Awaitable[Done | str]) -> None:
        """Do something beside, and say what came of it."""
        self._run(self._do(work))

    async def _do(self, work: Awaitable[Done | str]) -> None:
        try:
            done = await work
        except (RefusedError, EngineGoneError, commands.CommandError) as error:
            self._tell(str(error), "bad")
        else:
            if isinstance(done, Done):
                self._tell(done.text, {True: "good", False: "bad", None: "warn"}[done.ok])
            elif done:
                self.say(done)
        self.acted()

    def _tell(self, text: str, ink: str) -> None:
        """Say what came of a command, and give it room where it needs some."""
        self.say(text, ink)
        if sum(max(1, len(words.wrapped(line, self.size.width))) for line in text.splitlines()) > MESSAGE:
            self.say(text.splitlines()[0], ink)
            self.open(Answer(text, ink))

    def open(self, view: View) -> None:
        """Show something on top of the tab."""
        self.stack.over.append(view)
        self.acted()

    # --- looking around ---

    def action_problem(self, step: int) -> None:
        """The next or previous problem."""
        listing = self.stack.view.listing

        async def seek() -> str:
            return await listing.seek_problem(self.client, step) if listing else ""

        self.do(seek())

    def action_command(self, text: str = "", options: Options = MappingProxyType({})) -> None:
        """The command line."""
        picture = self.picture if self.state else None

        def complete(text: str) -> tuple[str, Options]:
            return commands.complete(picture, text)

        prompt = Prompt(":", self._command, text=text, complete=complete, history=self._history)
        prompt.options = options
        self.ask(prompt)

    def _command(self, text: str) -> None:
        if text.strip():
            note = f":{text} ..."
            self.say(note, "dim")
            self.do(self._run_command(text, note))

    async def _run_command(self, text: str, note: str) -> Done | str:
        try:
            return await commands.run(self, text)
        finally:
            self.unsay(note)

    # --- bibs, sheets, what was told again ---

    def action_bib(self, typed: str = "") -> None:
        """Give a passing its bib."""
        self.bibs.open(typed)
        self.acted()

    def action_undo(self) -> None:
        """Take back the newest bib."""
        self.bibs.undo()
        self.acted()

    def action_fold(self) -> None:
        """Fold the menu of a device, or unfold it."""
        if isinstance(self.stack.view, Device):
            self.stack.view.fold()
            self.acted()

    def _device(self) -> DeviceState | None:
        """The device that is on the screen; without one the operator is told where there is one."""
        view = self.stack.view
        name = view.device if isinstance(view, Offered) else self.stack.tab.name
        device = self.picture.device(name) if self.state else None
        if device is None:
            self.say("that is a key of a device's tab", "warn")
        return device

    def action_sheet(self) -> None:
        """Open a table of the device."""
        if device := self._device():
            known = SHEETS.get(device.type, {})
            if len(known) == 1:
                self.open(SheetView(device.name, *known))
            elif known:
                self.action_command(f"sheet {device.name} ", known)
            else:
                self.say(f"there are no tables of {device.name}", "warn")
        self.acted()

    def action_told(self) -> None:
        """What a retransmit or a download told."""
        view = self.stack.view
        if (device := self._device()) and not (isinstance(view, Device) and view.show_told()):
            show(self, device)
        self.acted()

    def action_take_over(self) -> None:
        """Have what was told afterwards count."""
        if device := self._device():
            take_over(self, device.name)
        self.acted()

    def action_acknowledge(self) -> None:
        """Acknowledge all alarms."""
        self.do(self.acknowledge())

    async def acknowledge(self) -> str:
        """Acknowledge all alarms; what to tell the operator."""
        alarms = self.picture.state.alarms
        if not alarms:
            return "no alarm to acknowledge"
        return (await self.client.acknowledge(alarms[-1].seq)).text

    # --- the end ---

    async def start_engine(self) -> str:
        """Start an engine where none runs; what to tell the operator."""
        if self._engine.here:
            return "the engine runs"
        if self._start is None:
            raise commands.CommandError("this console cannot start an engine; leave it and type racedeck")
        await asyncio.to_thread(self._start)
        return "an engine was started"

    def action_leave(self) -> None:
        """Leave; the engine runs on."""
        self.leave()

    def leave(self) -> None:
        """Close the console; the engine runs on."""
        if self.state is None:
            self.parting = f"no engine answered at {self._engine.path}"
            self.exit(return_code=1)
            return
        name = words.clean(self.state.event)
        self.parting = (
            f"The engine of {name} runs on; racedeck comes back to it."
            if self._engine.here
            else f"The engine of {name} was not there when the console closed; racedeck starts it."
        )
        self.exit()

    def action_stop(self) -> None:
        """Stop the engine, after a question."""
        self.ask_stop()

    def ask_stop(self) -> None:
        """Ask for the event's name, then stop the engine."""
        if self.state:
            name = words.clean(self.state.event)
            self.ask(Prompt(f"STOPS ALL DEVICES AND EXPORTS. Type the event's name ({name}): ", self._stop))

    def _stop(self, typed: str) -> None:
        if typed.strip():
            self.do(self._stop_engine(typed.strip()))
        else:
            self.say("not stopped")

    async def _stop_engine(self, typed: str) -> str:
        done = await self.client.stop(typed)
        self.parting = done.text
        self.exit()
        return ""

    def action_hint_leave(self) -> None:
        """Ctrl+C does nothing but say what does."""
        self.say("q leaves (the engine runs on), Q stops the engine")
        self.acted()
