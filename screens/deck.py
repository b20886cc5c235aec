"""The console: five painted rectangles, one tick that draws what has changed, and what the operator does to the engine.

A view never waits for the engine: drawing uses the newest state and the rows that are here, and what is missing is
fetched beside it. The cost is per repaint, whatever comes in.
"""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

from textual._compositor import CompositorUpdate
from textual.app import ComposeResult
from textual.events import Event, Key, Paste
from textual.screen import Screen
from textual.theme import BUILTIN_THEMES, Theme

from console.control.client import Client, Done, EngineGoneError, RefusedError
from console.model import SECOND, EngineState
from screens import commands, strip, words
from screens.attachment import Attachment
from screens.detail import Answer
from screens.keys import Keys
from screens.paint import Inks, Line, Painted
from screens.picture import Picture
from screens.prompt import Prompt
from screens.thrift import Terminal
from themes import PALETTES, STYLESHEET, Palette

BLURRED = 1.0
"""Seconds between two ticks while nobody looks."""

PATIENCE = 0.05
"""Seconds that drawing waits for rows."""


class Stage(Screen[None], inherit_bindings=False):
    """The only screen."""

    def on_paste(self, event: Paste) -> None:
        """Pasted text."""
        if isinstance(self.app, Deck):
            self.app.paste(event.text)
            event.stop()


class Deck(Keys):
    """The console on one event. `rate` is ticks a second, at most; `clock` gives monotonic ns."""

    CSS_PATH = STYLESHEET
    ENABLE_COMMAND_PALETTE = False
    TITLE = "RaceDeck"

    def __init__(
        self,
        socket: Path,
        *,
        observe: bool = False,
        rate: int = 10,
        ascii: bool = False,  # noqa: A002 - the name of the switch
        theme: str = "dark",
        bell: bool = True,
        start: Callable[[], None] | None = None,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        super().__init__()
        self.parting = ""
        """What to print when the console has closed."""
        self._rectangles = [
            Painted(draw, lambda: self._inks, base, name)
            for name, draw, base in (
                ("strip", self._draw_strip, "bar"),
                ("tabs", self._draw_tabs, ""),
                ("body", self._draw_body, ""),
                ("message", self._draw_message, ""),
                ("footer", self._draw_footer, "bar"),
            )
        ]
        self._terminal = Terminal()
        self._interval = 1 / rate
        self._ascii = ascii
        self._ring = bell
        self._start = start
        self._clock = clock
        self._engine = Attachment(socket, observe=observe, clock=clock, changed=self._changed)
        self._alarm: int | None = None
        """The newest alarm that was rung for."""
        self._prompt: Prompt | None = None
        self._history: list[str] = []
        self._said: tuple[str, str] = ("", "")
        self._soon = asyncio.Event()
        """Something changed: draw at the next tick."""
        self._now = asyncio.Event()
        """The operator did something: do not wait for the tick."""
        self._tasks: set[asyncio.Task[None]] = set()
        for palette in PALETTES.values():
            self.register_theme(_textual_theme(palette))
        self._use(PALETTES[theme])

    def get_default_screen(self) -> Screen[None]:
        """The only screen."""
        return Stage(id="stage")

    def compose(self) -> ComposeResult:
        """Strip, tabs, body, message, footer."""
        yield from self._rectangles

    async def on_event(self, event: Event) -> None:
        """While a question is open, every key is an answer to it, but those that are never part of one.

        Asked here, where keys come in one after the other: a slow line delivers `:` and what follows it in one packet,
        and by the time a widget were asked about the letters, bindings would be behind.
        """
        if isinstance(event, Key) and not event.is_forwarded and self._answers(event):
            return
        await super().on_event(event)

    def _answers(self, event: Key) -> bool:
        return not event.key.startswith("ctrl+") and self.answer(event.key, event.character)

    def on_mount(self) -> None:
        """Attach, and start to tick. Whoever ends the console finds the terminal as it was."""
        self._run(self._engine.run())
        self._run(self._tick())
        if not self.is_headless:
            for number in (signal.SIGTERM, signal.SIGHUP):
                asyncio.get_running_loop().add_signal_handler(number, self.leave)

    def on_unmount(self) -> None:
        """Let go of the engine, which runs on."""
        for task in self._tasks:
            task.cancel()

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

    # --- the engine ---

    def _changed(self) -> None:
        """The engine's state has, or it is gone or back."""
        state = self._engine.state
        if state is not None:
            self.stack.take(state)
            newest = max((alarm.seq for alarm in state.alarms), default=0)
            if self._alarm is None:
                self._now.set()  # the first picture does not wait for a tick
            elif newest > self._alarm and self._ring:
                self.bell()
            self._alarm = max(newest, self._alarm or 0)
        self._soon.set()

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

    # --- the tick ---

    async def _tick(self) -> None:
        """Draw when something has changed, at most at the rate agreed; else once a second, for the clock."""
        pull: asyncio.Task[None] | None = None
        while True:
            if pull is None or pull.done() or (self._now.is_set() and pull.cancel()):
                pull = self._run(self._pull())
            self._soon.clear()
            self._now.clear()
            # Rows are usually here in a millisecond. Where they are not, the clock and the alarms do not wait for them.
            await asyncio.wait({pull}, timeout=PATIENCE)
            self.draw()
            if not pull.done():
                pull.add_done_callback(lambda _: self._soon.set())
            pause = self._interval if self.app_focus else BLURRED
            if not await _happens(self._now, pause):
                await _happens(self._soon, max(0.0, self._until_second() - pause))

    def _until_second(self) -> float:
        moment = self.picture.now if self.state else self._clock()
        return 1.005 - moment % SECOND / SECOND

    async def _pull(self) -> None:
        try:
            await self.stack.view.pull(self.client, self.picture)
        except EngineGoneError:
            return
        except RefusedError as error:
            self.say(str(error), "bad")

    def draw(self) -> None:
        """Paint what has changed."""
        for rectangle in self._rectangles:
            rectangle.paint()

    def acted(self) -> None:
        """The operator did something: show it at once, and fetch what it needs."""
        self._now.set()
        self._soon.set()
        self.draw()

    def _display(self, screen: Screen[Any], renderable: Any) -> None:
        # The one hook into Textual's inside: what it is about to send goes through our account of the terminal.
        if isinstance(renderable, CompositorUpdate):
            renderable = self._terminal.update(renderable)
        super()._display(screen, renderable)

    # --- the lines ---

    def _draw_strip(self, width: int, height: int) -> list[Line]:
        if self.state is None:
            return [[(f"RaceDeck  no engine has answered yet at {self._engine.path}", "")]]
        return [strip.strip(self.picture, width)]

    def _draw_tabs(self, width: int, height: int) -> list[Line]:
        names = [view.name for view in self.stack.tabs]
        right = strip.company(self.state, observe=self._engine.observe) if self.state else ""
        return [strip.tabs(names, self.stack.front, width, right, letters=self.jumping)]

    def _draw_body(self, width: int, height: int) -> list[Line]:
        if self.state is None:
            return [[], [(f"  {self._engine.refused or 'Waiting for the engine; trying twice a second.'}", "warn")]]
        picture, view = self.picture, self.stack.view
        if picture.gone is None:
            return view.lines(width, height, picture)
        why = self._engine.refused or (":start starts it." if self._start else "")
        stale: list[Line] = [[(text, "dim") for text, _ in line] for line in view.lines(width, height - 1, picture)]
        return [strip.gone(picture, width, why), *stale]

    def _draw_message(self, width: int, height: int) -> list[Line]:
        if self._prompt:
            return [self._prompt.line(width)]
        text, ink = self._said
        if text:
            return [[(words.fit(text, width), ink)]]
        return [strip.last_incident(self.picture, width)] if self.state else []

    def _draw_footer(self, width: int, height: int) -> list[Line]:
        answers = (("Enter", "do it"), ("Esc", "back"))
        return [strip.footer(answers if self._prompt else self.stack.view.hints(), width)]

    def say(self, text: str, ink: str = "") -> None:
        """A message to the operator; it stays until the next key."""
        self._said = (text, ink)
        self._soon.set()

    # --- questions ---

    def ask(self, prompt: Prompt) -> None:
        """Open a question."""
        self._prompt = prompt
        self.acted()

    def answer(self, key: str, character: str | None) -> bool:
        """Give a key press to the open question, if there is one."""
        self._said = ("", "")
        prompt = self._prompt
        if prompt is None:
            return False
        prompt.key(key, character)
        self._settle(prompt)
        return True

    def paste(self, text: str) -> None:
        """Paste into the open question."""
        if self._prompt:
            self._prompt.insert(text)
            self._settle(self._prompt)

    def _settle(self, prompt: Prompt) -> None:
        if not prompt.open and self._prompt is prompt:
            self._prompt, self.jumping = None, False
        self.acted()

    # --- what is done to the engine ---

    async def _do(self, work: Awaitable[Done | str]) -> None:
        """Do something and say what came of it."""
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
        first, *more = text.splitlines() or [""]
        self.say(first, ink)
        if more or len(first) > self.size.width:
            self.stack.over.append(Answer(text, ink))

    def action_problem(self, step: int) -> None:
        """The next or previous problem."""
        listing = self.stack.view.listing

        async def seek() -> str:
            return await listing.seek_problem(self.client, step) if listing else ""

        self._run(self._do(seek()))

    def action_command(self) -> None:
        """The command line."""
        picture = self.picture if self.state else None

        def complete(text: str) -> tuple[str, list[str]]:
            return commands.complete(picture, text)

        self.ask(Prompt(":", self._command, complete=complete, history=self._history))

    def _command(self, text: str) -> None:
        if text.strip():
            self.say(f":{text} ...", "dim")
            self._run(self._do(commands.run(self, text)))

    def action_acknowledge(self) -> None:
        """Acknowledge all alarms."""
        self._run(self._do(self.acknowledge()))

    async def acknowledge(self) -> str:
        """Acknowledge all alarms; what to tell the operator."""
        alarms = self.picture.state.alarms
        if not alarms:
            return "no alarm to acknowledge"
        return (await self.client.acknowledge(alarms[-1].seq)).text

    def set_theme(self, name: str) -> None:
        """Another palette."""
        self._use(PALETTES[name])
        self.acted()

    def _use(self, palette: Palette) -> None:
        self._inks = Inks(palette)
        self.theme = _theme_name(palette)

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
            self._run(self._do(self._stop_engine(typed.strip())))
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


def _theme_name(palette: Palette) -> str:
    return f"racedeck-{palette.name}"


def _textual_theme(palette: Palette) -> Theme:
    return Theme(
        name=_theme_name(palette),
        primary=palette.foreground,
        foreground=palette.foreground,
        background=palette.background,
        surface=palette.background,
        panel=palette.background,
        dark=palette.dark,
        ansi=palette.ansi,
        # Textual's own styles name further colours where a theme leaves the terminal's alone.
        variables=BUILTIN_THEMES["ansi-dark"].variables if palette.ansi else {},
    )


async def _happens(event: asyncio.Event, seconds: float) -> bool:
    """Wait for `event`, at most so long."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
