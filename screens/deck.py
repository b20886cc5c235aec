"""The console: five painted rectangles, one tick that draws what has changed, and the question that is open.

A view never waits for the engine: drawing uses the newest state and the rows that are here, and what is missing is
fetched beside it. The cost is per repaint, whatever comes in.
"""

import asyncio
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from textual._compositor import CompositorUpdate
from textual.app import ComposeResult
from textual.events import Event, Key, Paste
from textual.screen import Screen
from textual.theme import BUILTIN_THEMES, Theme

from console.control.client import EngineGoneError, RefusedError
from console.model import SECOND
from screens import strip, words
from screens.acts import MESSAGE, Acts
from screens.device import Device
from screens.paint import Inks, Line, Painted
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


class Deck(Acts):
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
        super().__init__(socket, observe=observe, ascii=ascii, start=start, clock=clock)
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
        self._ring = bell
        self._alarm: int | None = None
        """The newest alarm that was rung for."""
        self._prompt: Prompt | None = None
        self._said: tuple[str, str] = ("", "")
        self._soon = asyncio.Event()
        """Something changed: draw at the next tick."""
        self._now = asyncio.Event()
        """The operator did something: do not wait for the tick."""
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
        if isinstance(event, Key) and not event.is_forwarded:
            await self.orders.settled()
            if not self.screen_stack or self._answers(event):  # or the console has closed meanwhile
                return
        await super().on_event(event)

    def _answers(self, event: Key) -> bool:
        self.presses += 1
        if event.key.startswith("ctrl+"):
            return False
        return self.answer(event.key, event.character) or self._orders(event.character)

    def _orders(self, character: str | None) -> bool:
        """A key of the device whose tab is on the screen, of the exports, or of the ITS tab."""
        view = self.stack.view
        if character is None or not self.state:
            return False
        device = self.picture.device(view.name) if isinstance(view, Device) else None
        if device:
            taken = self.orders.pressed(device, character)
        else:
            taken = self.dispatch.pressed(view, character) or self.its.pressed(view, character)
        if taken:
            self.acted()
        return taken

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
        foot = self._notices(width)[:height]
        body = self._draw_view(width, height - len(foot)) if len(foot) < height else []
        return [*body, *([] for _ in range(height - len(foot) - len(body))), *foot]

    def _notices(self, width: int) -> list[Line]:
        """What needs more room than the line for messages has."""
        out = self.bibs.notice(width, self.picture) if self.state else []
        said = self._message(width)
        return [*out, *said, *self._prompt.above(width)] if self._prompt else [*out, *said[:-1]]

    def _message(self, width: int) -> list[Line]:
        text, ink = self._said
        lines = [part for line in text.splitlines() for part in words.wrapped(line, width)]
        return [[(line, ink)] for line in lines[:MESSAGE]]

    def _draw_view(self, width: int, height: int) -> list[Line]:
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
        if said := self._message(width):
            return said[-1:]
        return [strip.last_incident(self.picture, width)] if self.state else []

    def _draw_footer(self, width: int, height: int) -> list[Line]:
        return [strip.footer(self._prompt.answers if self._prompt else self.stack.view.hints(), width)]

    def say(self, text: str, ink: str = "") -> None:
        """A message to the operator; it stays until the next key, or the answer to the question that is open."""
        self._said = (text, ink)
        self._soon.set()

    def unsay(self, text: str) -> None:
        """Take a message back, if it is still there."""
        if self._said[0] == text:
            self.say("")

    # --- questions ---

    def ask(self, prompt: Prompt) -> None:
        """Open a question."""
        self._prompt, self._said = prompt, ("", "")
        self.acted()

    @property
    def asking(self) -> bool:
        """A question is open."""
        return self._prompt is not None and self._prompt.open

    def answer(self, key: str, character: str | None) -> bool:
        """Give a key press to the open question, if there is one."""
        prompt = self._prompt
        if prompt is None or key in ("enter", "escape"):
            self._said = ("", "")
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

    def set_theme(self, name: str) -> None:
        """Another palette."""
        self._use(PALETTES[name])
        self.acted()

    def _use(self, palette: Palette) -> None:
        self._inks = Inks(palette)
        self.theme = _theme_name(palette)


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
