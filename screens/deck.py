"""The console: five painted rectangles, the keys, and one tick that draws what has changed.

A view never waits for the engine: drawing uses the newest state and the rows that are here, and what is missing is
fetched beside it. The cost is per repaint, whatever comes in.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.events import Key, Paste
from textual.screen import Screen
from textual.theme import Theme

from console.control.client import Client, Done, EngineGoneError, RefusedError
from console.model import SECOND, EngineState
from screens import commands, strip, words
from screens.attachment import Attachment
from screens.detail import FrameDetail
from screens.device import Device
from screens.exports import Exports
from screens.help import Help
from screens.listing import Listing
from screens.log import Log
from screens.paint import Inks, Line, Painted
from screens.picture import LEVELS, Picture
from screens.prompt import Prompt
from screens.race import Race
from screens.sources import FILTER_HELP
from screens.tables import Table
from screens.view import View
from themes import PALETTES, STYLESHEET, Palette

BLURRED = 1.0
"""Seconds between two ticks while nobody looks."""

SAID_FOR = 10 * SECOND
"""How long a message stays."""


class Stage(Screen[None], inherit_bindings=False):
    """The only screen. While a question is open, every key is an answer to it."""

    def on_key(self, event: Key) -> None:
        """A key."""
        deck = self.app
        if isinstance(deck, Deck) and deck.answer(event.key, event.character):
            event.stop()
            event.prevent_default()

    def on_paste(self, event: Paste) -> None:
        """Pasted text."""
        if isinstance(self.app, Deck):
            self.app.paste(event.text)


class Deck(App[int], inherit_bindings=False):
    """The console on one event."""

    CSS_PATH = STYLESHEET
    ENABLE_COMMAND_PALETTE = False
    TITLE = "RaceDeck"
    # Left free for what comes: digits, b, e, h, m, r, u. Never bound: the keys that ux.md, rule 6, lists.
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("[", "tab(-1)", id="tab.previous"),
        Binding("]", "tab(1)", id="tab.next"),
        Binding("tab", "pane(1)", id="pane.next"),
        Binding("shift+tab", "pane(-1)", id="pane.previous"),
        Binding("g", "jump", id="jump"),
        Binding("d", "devices", id="devices"),
        Binding("x", "exports", id="exports"),
        Binding("l", "log", id="log"),
        Binding("i", "incidents", id="incidents"),
        Binding("?", "help", id="help"),
        Binding("/", "filter", id="filter"),
        Binding(":", "command", id="command"),
        Binding("a", "acknowledge", id="alarm.acknowledge"),
        Binding("space", "freeze", id="freeze"),
        Binding("end,G", "follow", id="follow"),
        Binding("home", "home", id="home"),
        Binding("up", "move(-1)", id="up"),
        Binding("down", "move(1)", id="down"),
        Binding("pageup", "page(-1)", id="page.up"),
        Binding("pagedown", "page(1)", id="page.down"),
        Binding("left", "sideways(-1)", id="left"),
        Binding("right", "sideways(1)", id="right"),
        Binding("n", "problem(1)", id="problem.next"),
        Binding("N", "problem(-1)", id="problem.previous"),
        Binding("enter", "detail", id="detail"),
        Binding("escape", "back", id="back"),
        Binding("q", "leave", id="leave"),
        Binding("ctrl+q", "leave", id="leave.alias", priority=True),
        Binding("Q", "stop", id="stop"),
        Binding("ctrl+c", "hint_leave", id="hint.leave", priority=True),
    ]

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
        self._palette: Palette = PALETTES.get(theme, PALETTES["dark"])
        self._inks = Inks(self._palette)
        self._observe = observe
        self._interval = 1 / rate
        self._ascii = ascii
        self._bell = bell
        self._start = start
        self._clock = clock
        self._engine = Attachment(socket, observe=observe, on_state=self._on_state)
        self._state: EngineState | None = None
        self._state_at = 0
        self._gone_at: int | None = None
        self._alarm: int | None = None
        """The newest alarm that was rung for."""
        self.race, self.log_tab, self.exports_tab = Race(), Log(), Exports()
        self._devices: dict[str, Device] = {}
        self._tab = 0
        self._over: list[View] = []
        """Views opened on top of the tab; Esc closes the last."""
        self._prompt: Prompt | None = None
        self._history: list[str] = []
        self._jumping = False
        self._said: tuple[str, str] = ("", "")
        self._said_at = 0
        self._soon = asyncio.Event()
        """Something changed: draw at the next tick."""
        self._now = asyncio.Event()
        """The operator did something: do not wait for the tick."""
        self._tasks: set[asyncio.Task[None]] = set()
        for palette in PALETTES.values():
            self.register_theme(_textual_theme(palette))
        self.theme = _textual_theme(self._palette).name

    def get_default_screen(self) -> Screen[None]:
        """The only screen."""
        return Stage(id="stage")

    def compose(self) -> ComposeResult:
        """Strip, tabs, body, message, footer."""
        yield from self._rectangles

    def on_mount(self) -> None:
        """Attach, and start to tick."""
        self._run(self._engine.run(self._on_tie))
        self._run(self._tick())

    def on_unmount(self) -> None:
        """Let go of the engine, which runs on."""
        for task in self._tasks:
            task.cancel()
        if self._engine.client:
            self._engine.client.close()

    def _run(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- what the engine tells ---

    def _on_state(self, state: EngineState) -> None:
        self._state, self._state_at, self._gone_at = state, self._clock(), None
        newest = max((alarm.seq for alarm in state.alarms), default=0)
        if self._alarm is not None and newest > self._alarm and self._bell:
            self.bell()
        self._alarm = max(newest, self._alarm or 0)
        names = [device.name for device in state.devices]
        if names != list(self._devices):
            front = self.view_names[self._tab]
            self._devices = {name: self._devices.get(name) or Device(name) for name in names}
            self._tab = self.view_names.index(front) if front in self.view_names else 0
        self._soon.set()

    def _on_tie(self) -> None:
        if self._engine.client is None and self._gone_at is None:
            self._gone_at = self._clock()
        self._now.set()
        self._soon.set()

    @property
    def client(self) -> Client:
        """The engine. Raises EngineGoneError where there is none."""
        if self._engine.client is None:
            raise EngineGoneError("the engine is away; nothing was done")
        return self._engine.client

    @property
    def picture(self) -> Picture:
        """The moment to draw. Raises EngineGoneError before the engine was first heard."""
        if self._state is None:
            raise EngineGoneError("no engine has answered yet")
        clock = self._clock()
        if self._gone_at is not None:
            moment = self._state.now + self._gone_at - self._state_at
            return Picture(self._state, moment, gone=clock - self._gone_at, ascii=self._ascii)
        return Picture(self._state, self._state.now + clock - self._state_at, ascii=self._ascii)

    # --- the tick ---

    async def _tick(self) -> None:
        """Draw when something has changed, at most at the rate agreed; else once a second, for the clock."""
        while True:
            self._soon.clear()
            self._now.clear()
            await self._pull()
            self.draw()
            pause = self._interval if self.app_focus else BLURRED
            await _wait(self._now, pause)
            if not self._now.is_set():
                await _wait(self._soon, max(0.0, self._until_second() - pause))

    def _until_second(self) -> float:
        moment = self.picture.now if self._state else self._clock()
        return 1.005 - moment % SECOND / SECOND

    async def _pull(self) -> None:
        if self._engine.client is None or self._state is None:
            return
        try:
            await self.view.pull(self._engine.client, self.picture)
        except EngineGoneError:
            return
        except RefusedError as error:
            self.say(str(error), "bad")

    def draw(self) -> None:
        """Paint what has changed."""
        for rectangle in self._rectangles:
            rectangle.paint()

    def _acted(self) -> None:
        """The operator did something: show it at once, and fetch what it needs."""
        self._now.set()
        self._soon.set()
        self.draw()

    # --- the lines ---

    @property
    def view_names(self) -> list[str]:
        """The tabs, from left to right."""
        return [view.name for view in self.tabs]

    @property
    def tabs(self) -> list[View]:
        """The views behind the tabs."""
        return [self.race, self.log_tab, *self._devices.values(), self.exports_tab]

    @property
    def view(self) -> View:
        """What fills the body."""
        return self._over[-1] if self._over else self.tabs[self._tab]

    def _draw_strip(self, width: int, height: int) -> list[Line]:
        if self._state is None:
            return [[(f"RaceDeck  no engine has answered yet at {self._engine.path}", "")]]
        return [strip.strip(self.picture, width)]

    def _draw_tabs(self, width: int, height: int) -> list[Line]:
        picture = self.picture if self._state else None
        note = "LOOKING ONLY" if self._observe else ""
        return [strip.tabs(self.view_names, self._tab, picture, width, letters=self._jumping, note=note)]

    def _draw_body(self, width: int, height: int) -> list[Line]:
        if self._state is None:
            return [[], [(f"  {self._engine.refused or 'Waiting for the engine; trying twice a second.'}", "warn")]]
        picture = self.picture
        if picture.gone is None:
            return self.view.lines(width, height, picture)
        since = words.clock(picture.now, picture.zone)
        text = f" ENGINE GONE {words.age(picture.gone)}, trying again.  What you see is of {since}."
        text += f"  {self._engine.refused}" if self._engine.refused else "  :start starts it." if self._start else ""
        stale = [[(text, "dim") for text, _ in line] for line in self.view.lines(width, height - 1, picture)]
        return [[(words.fit(text, width), "alarm")], *stale]

    def _draw_message(self, width: int, height: int) -> list[Line]:
        if self._prompt:
            return [self._prompt.line(width)]
        text, ink = self._said
        if text:
            return [[(words.fit(text, width), ink)]]
        if self._state is None or not self._state.incidents:
            return []
        incident = self._state.incidents[-1]
        word, ink = LEVELS[incident.level]
        start = f"{words.clock(incident.wall, self.picture.zone)} {word} {incident.source}: "
        return [[(start, ink), (words.fit(incident.text, width - len(start)), "dim")]]

    def _draw_footer(self, width: int, height: int) -> list[Line]:
        if self._prompt:
            return [strip.footer((("Enter", "do it"), ("Esc", "back")), width)]
        return [strip.footer(self.view.hints(), width)]

    def say(self, text: str, ink: str = "") -> None:
        """A message to the operator, until the next key or for ten seconds."""
        self._said, self._said_at = (text, ink), self._clock()
        self._soon.set()

    # --- questions ---

    def answer(self, key: str, character: str | None) -> bool:
        """Give a key press to the open question, if there is one."""
        self._said = ("", "")
        prompt = self._prompt
        if prompt is None or key in ("ctrl+c", "ctrl+q"):
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
            self._prompt, self._jumping = None, False
        self._acted()

    def _ask(self, prompt: Prompt) -> None:
        self._prompt = prompt
        self._acted()

    async def _do(self, work: Awaitable[Done | str]) -> None:
        """Do something at the engine and say what came of it."""
        try:
            done = await work
        except (RefusedError, EngineGoneError, commands.CommandError) as error:
            self.say(str(error), "bad")
        else:
            if isinstance(done, Done):
                self.say(done.text, {True: "good", False: "bad", None: "warn"}[done.ok])
            elif done:
                self.say(done)
        self._acted()

    # --- keys: where to look ---

    def show_tab(self, number: int) -> None:
        """Bring a tab to the front."""
        self._over.clear()
        self._tab = number % len(self.tabs)
        self._acted()

    def action_tab(self, step: int) -> None:
        """Previous or next tab."""
        self.show_tab(self._tab + step)

    def action_pane(self, step: int) -> None:
        """Previous or next pane."""
        self.view.front += step
        self._acted()

    def action_devices(self) -> None:
        """The table of devices."""
        self.race.front = self.race.panes.index(self.race.devices)
        self.show_tab(0)

    def action_exports(self) -> None:
        """The exports."""
        self.show_tab(len(self.tabs) - 1)

    def action_log(self) -> None:
        """The log."""
        self.log_tab.front = 0
        self.show_tab(1)

    def action_incidents(self) -> None:
        """Incidents instead of frames, and back."""
        self.log_tab.front = 1 - self.log_tab.front % 2 if self.view is self.log_tab else 1
        self.show_tab(1)

    def action_jump(self) -> None:
        """Letters over tabs and panes."""
        tabs = len(self.tabs)
        panes = [pane.name if isinstance(pane, Table) else pane.source.title.lower() for pane in self.view.panes]
        letters = strip.LETTERS[tabs : tabs + len(panes)]
        here = "".join(f"  {letter}:{name}" for letter, name in zip(letters, panes, strict=False))
        self._jumping = True
        self._ask(Prompt(f"jump to a tab by its letter{here}  ", self._jump, single=True))

    def _jump(self, letter: str) -> None:
        number = strip.LETTERS.find(letter)
        if 0 <= number < len(self.tabs):
            self.show_tab(number)
        elif 0 <= number - len(self.tabs) < len(self.view.panes):
            self.view.front = number - len(self.tabs)
        else:
            self.say(f"nothing has the letter {letter!r}", "warn")

    def action_help(self) -> None:
        """Keys, commands and words."""
        self.show_help()

    def show_help(self) -> None:
        """Open the help, unless it is open."""
        if not isinstance(self.view, Help):
            self._over.append(Help(self.view.name if isinstance(self.view, Device) else ""))
        self._acted()

    async def action_back(self) -> None:
        """One step back: what is on top, the filter, the pane."""
        listing = self.view.listing
        if self._over:
            self._over.pop()
        elif listing and listing.filter:
            listing.set_filter("")
        elif self.view is not self.log_tab:
            self.view.front = 0
        self._acted()

    def action_detail(self) -> None:
        """Open what is under the cursor."""
        pane = self.view.pane
        if isinstance(pane, Listing):
            row = pane.current
            frame = pane.source.frame(row) if row is not None else None
            if frame is not None:
                pane.freeze()
                self._over.append(FrameDetail(frame))
            elif row is not None:
                self.say(f"this {pane.source.noun} has no frame behind it")
        elif isinstance(pane, Table) and self._state and (name := pane.current(self.picture)):
            self.show_tab(self.view_names.index(name, 2) if pane is self.race.devices else len(self.tabs) - 1)
        self._acted()

    # --- keys: in a list ---

    def action_move(self, rows: int) -> None:
        """Up and down."""
        pane = self.view.pane
        if isinstance(pane, Listing):
            pane.move(rows)
        elif isinstance(pane, Table) and self._state:
            pane.move(rows, self.picture)
        else:
            self.view.scroll(rows)
        self._acted()

    def action_page(self, pages: int) -> None:
        """By screens."""
        if self.view.listing:
            self.view.listing.page_move(pages)
            self._acted()
        else:
            self.action_move(10 * pages)

    def action_home(self) -> None:
        """To the first."""
        if self.view.listing:
            self.view.listing.home()
            self._acted()
        else:
            self.action_move(-1_000_000)

    def action_follow(self) -> None:
        """To the newest, and follow."""
        if self.view.listing:
            self.view.listing.follow()
            self._acted()
        else:
            self.action_move(1_000_000)

    def action_freeze(self) -> None:
        """Freeze the list, or follow again."""
        if listing := self.view.listing:
            if listing.following:
                listing.freeze()
            else:
                listing.follow()
            self._acted()

    def action_sideways(self, step: int) -> None:
        """The frame before or after the one that is open."""
        if isinstance(self.view, FrameDetail) and self._state:
            self.view.step(step, self._state.journal.frames)
            self._acted()

    def action_problem(self, step: int) -> None:
        """The next or previous problem."""
        if listing := self.view.listing:
            self._run(self._do(self._seek(listing, step)))

    async def _seek(self, listing: Listing[Any], step: int) -> str:
        return await listing.seek_problem(self.client, step)

    def action_filter(self) -> None:
        """Filter the list."""
        if listing := self.view.listing:
            self._ask(Prompt("/", lambda text: self._filter(listing, text), text=listing.filter))
            self.say(FILTER_HELP, "dim")

    def _filter(self, listing: Listing[Any], text: str) -> None:
        try:
            listing.set_filter(text)
        except ValueError as error:
            self.say(str(error), "bad")

    # --- keys: what to do ---

    def action_command(self) -> None:
        """The command line."""
        picture = self.picture if self._state else None

        def complete(text: str) -> tuple[str, list[str]]:
            return commands.complete(picture, text)

        self._ask(Prompt(":", self._command, complete=complete, history=self._history))

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
        self._palette = PALETTES[name]
        self._inks = Inks(self._palette)
        self.theme = _textual_theme(self._palette).name
        self._acted()

    async def start_engine(self) -> str:
        """Start an engine where none runs; what to tell the operator."""
        if self._engine.client:
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
        if self._state is None:
            self.parting = f"no engine answered at {self._engine.path}"
            self.exit(return_code=1)
            return
        name = words.clean(self._state.event)
        self.parting = f"The engine of {name} runs on; racedeck comes back to it."
        if self._engine.client is None:
            self.parting = f"The engine of {name} was not there when the console closed; racedeck starts it."
        self.exit()

    def action_stop(self) -> None:
        """Stop the engine, after a question."""
        self.ask_stop()

    def ask_stop(self) -> None:
        """Ask for the event's name, then stop the engine."""
        if self._state is None:
            return
        name = words.clean(self._state.event)
        self._ask(Prompt(f"STOPS ALL DEVICES AND EXPORTS. Type the event's name ({name}): ", self._stop))

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
        self._acted()


def _textual_theme(palette: Palette) -> Theme:
    return Theme(
        name=f"racedeck-{palette.name}",
        primary=palette.foreground,
        foreground=palette.foreground,
        background=palette.background,
        surface=palette.background,
        panel=palette.background,
        dark=palette.dark,
        ansi=palette.ansi,
    )


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
