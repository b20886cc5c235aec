"""The keys: what each is called (so that it can be remapped), and how it moves the operator around.

On the tab of a device its own commands have keys too, on the Exports tab what is done to exports (`dispatch`), which go
before these; those in `menu.RESERVED` never give way.
Left free for what comes: e, h, m, r. Never bound: Ctrl+A, B, H, I, J, M, S, T, Z, `Ctrl+[` and
`Ctrl+]`, which terminals, multiplexers and job control keep for themselves; Ctrl+Q only as another name of `q`.
"""

from abc import abstractmethod
from typing import Any, ClassVar

from textual.app import App
from textual.binding import Binding, BindingType

from console.model import EngineState
from screens.delivery import Delivery
from screens.detail import FrameDetail, IncidentDetail
from screens.device import Device
from screens.exports import Exports, Row
from screens.help import Help
from screens.listing import Listing
from screens.picture import Picture
from screens.prompt import Prompt
from screens.sheet import SheetView
from screens.sources import FILTER_HELP
from screens.stack import Stack
from screens.strip import LETTERS
from screens.tables import Table

FAR = 1_000_000
"""More lines than any text has."""


class Keys(App[int], inherit_bindings=False):
    """Moving around: tabs, panes, rows. What touches the engine is in the Deck."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(key, action, id=name, priority=True)
        for key, action, name in (
            ("[", "tab(-1)", "tab.previous"),
            ("]", "tab(1)", "tab.next"),
            ("tab", "pane(1)", "pane.next"),
            ("shift+tab", "pane(-1)", "pane.previous"),
            ("g", "jump", "jump"),
            ("d", "devices", "devices"),
            ("x", "exports", "exports"),
            ("l", "log", "log"),
            ("i", "incidents", "incidents"),
            ("?", "help", "help"),
            ("/", "filter", "filter"),
            (":", "command", "command"),
            ("a", "acknowledge", "alarm.acknowledge"),
            ("space", "freeze", "freeze"),
            ("end,G", "follow", "follow"),
            ("home", "home", "home"),
            ("up", "move(-1)", "up"),
            ("down", "move(1)", "down"),
            ("pageup", "page(-1)", "page.up"),
            ("pagedown", "page(1)", "page.down"),
            ("left", "sideways(-1)", "left"),
            ("right", "sideways(1)", "right"),
            ("n", "problem(1)", "problem.next"),
            ("N", "problem(-1)", "problem.previous"),
            ("enter", "detail", "detail"),
            ("b", "bib", "bib"),
            *((digit, f"bib({digit!r})", f"bib.{digit}") for digit in "0123456789"),
            ("u", "undo", "undo"),
            (".", "fold", "menu"),
            ("#", "sheet", "sheet"),
            ("-,=", "told", "told"),
            ("+", "take_over", "take.over"),
            ("escape", "back", "back"),
            ("q", "leave", "leave"),
            ("ctrl+q", "leave", "leave.alias"),
            ("Q", "stop", "stop"),
            ("ctrl+c", "hint_leave", "hint.leave"),
        )
    ]
    """All with priority, so that the app acts on a key before it looks at the next: typing may come in bursts."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = Stack()
        self.jumping = False
        """Letters are over the tabs."""

    @property
    @abstractmethod
    def state(self) -> EngineState | None:
        """The engine as it was heard last; None before it was first heard."""

    @property
    @abstractmethod
    def picture(self) -> Picture:
        """The moment. Raises EngineGoneError before the engine was first heard."""

    @abstractmethod
    def acted(self) -> None:
        """The operator did something: show it at once, and fetch what it needs."""

    @abstractmethod
    def say(self, text: str, ink: str = "") -> None:
        """A message to the operator."""

    @abstractmethod
    def ask(self, prompt: Prompt) -> None:
        """Open a question."""

    @property
    def _listing(self) -> Listing[Any] | None:
        return self.stack.view.listing

    # --- tabs and panes ---

    def action_tab(self, step: int) -> None:
        """Previous or next tab."""
        self.stack.show(self.stack.front + step)
        self.acted()

    def action_pane(self, step: int) -> None:
        """Previous or next pane."""
        self.stack.view.front += step
        self.acted()

    def action_devices(self) -> None:
        """The table of devices."""
        race = self.stack.race
        race.front = race.panes.index(race.devices)
        self.stack.show(race)
        self.acted()

    def action_exports(self) -> None:
        """The exports."""
        self.stack.show(self.stack.exports)
        self.acted()

    def action_log(self) -> None:
        """The frames."""
        self.stack.log.front = 0
        self.stack.show(self.stack.log)
        self.acted()

    def action_incidents(self) -> None:
        """Incidents instead of frames, and back."""
        log = self.stack.log
        log.front = 1 - log.front % 2 if self.stack.view is log else 1
        self.stack.show(log)
        self.acted()

    def action_jump(self) -> None:
        """Letters over tabs and panes."""
        tabs, panes = self.stack.tabs, self.stack.view.panes
        names = [pane.name if isinstance(pane, Table) else pane.source.title.lower() for pane in panes]
        here = "".join(f"  {letter}:{name}" for letter, name in zip(LETTERS[len(tabs) :], names, strict=False))
        self.jumping = True
        self.ask(Prompt(f"jump to a tab by its letter{here}  ", self._jump, single=True))

    def _jump(self, letter: str) -> None:
        number, tabs, view = LETTERS.find(letter), len(self.stack.tabs), self.stack.view
        if 0 <= number < tabs:
            self.stack.show(number)
        elif tabs <= number < tabs + len(view.panes):
            view.front = number - tabs
        else:
            self.say(f"nothing has the letter {letter!r}", "warn")

    def action_help(self) -> None:
        """Keys, commands and words, unless they are shown."""
        view = self.stack.view
        if not isinstance(view, Help):
            self.stack.over.append(Help(view.name if isinstance(view, Device) else ""))
        self.acted()

    async def action_back(self) -> None:
        """One step back: what is on top, the filter, the pane."""
        if not self.stack.back():
            if self._listing and self._listing.filter:
                self._listing.set_filter("")
            elif self.stack.view is not self.stack.log:
                self.stack.view.front = 0
        self.acted()

    def action_detail(self) -> None:
        """Open what is under the cursor."""
        view, pane = self.stack.view, self.stack.view.pane
        if isinstance(view, IncidentDetail) and view.incident.frame is not None:
            self.stack.over.append(FrameDetail(view.incident.frame))
        elif isinstance(pane, Listing):
            self._open_row(pane)
        elif isinstance(pane, Table) and self.state and (name := pane.current(self.picture)):
            if pane is self.stack.race.devices:
                self.stack.show_device(name)
            elif pane is self.stack.its.material:
                if device := self.stack.its.material.device(name, self.picture):
                    self.stack.show_device(device)
            else:
                self.stack.exports.go(Row(name))
                self.stack.show(self.stack.exports)
        elif isinstance(view, Exports) and self.state and (row := view.current(self.picture)):
            self.stack.over.append(Delivery(row))
        elif isinstance(view, SheetView) and view.behind:
            name, _, about = view.behind.partition(" ")
            self.stack.over.append(FrameDetail(int(name)) if name.isdecimal() else SheetView(about, name))
        self.acted()

    def _open_row(self, listing: Listing[Any]) -> None:
        row = listing.current
        if row is None:
            return
        listing.freeze()
        frame = listing.source.frame(row)
        self.stack.over.append(IncidentDetail(row) if frame is None else FrameDetail(frame))

    # --- rows ---

    def action_move(self, rows: int) -> None:
        """Up and down."""
        pane = self.stack.view.pane
        if isinstance(pane, Listing):
            pane.move(rows)
        elif pane is None:
            self.stack.view.scroll(rows)
        elif self.state:
            pane.move(rows, self.picture)
        self.acted()

    def action_page(self, pages: int) -> None:
        """By screens."""
        if self._listing:
            self._listing.page_move(pages)
            self.acted()
        else:
            self.action_move(10 * pages)

    def action_home(self) -> None:
        """To the first row."""
        if self._listing:
            self._listing.home()
            self.acted()
        else:
            self.action_move(-FAR)

    def action_follow(self) -> None:
        """To the newest row, and follow."""
        if self._listing:
            self._listing.follow()
            self.acted()
        else:
            self.action_move(FAR)

    def action_freeze(self) -> None:
        """Freeze the list, or follow again."""
        if listing := self._listing:
            if listing.following:
                listing.freeze()
            else:
                listing.follow()
            self.acted()

    def action_sideways(self, step: int) -> None:
        """The frame before or after the one that is open."""
        view = self.stack.view
        if isinstance(view, FrameDetail) and self.state:
            view.step(step, self.state.journal.frames)
            self.acted()

    def action_filter(self) -> None:
        """Filter the list."""
        if listing := self._listing:
            prompt = Prompt("/", lambda text: self._filter(listing, text), text=listing.filter)
            prompt.options = {FILTER_HELP: ""}
            self.ask(prompt)

    def _filter(self, listing: Listing[Any], text: str) -> None:
        try:
            listing.set_filter(text)
        except ValueError as error:
            self.say(str(error), "bad")
