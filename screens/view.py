"""What every view is: it fills the body of the screen with lines, and owns the panes that keys go to."""

from abc import ABC, abstractmethod
from typing import Any, TypeAlias

from console.control.client import Client
from screens import words
from screens.listing import Listing
from screens.paint import Line
from screens.picture import Picture
from screens.tables import Table

Pane: TypeAlias = Listing[Any] | Table
Hints: TypeAlias = tuple[tuple[str, str], ...]

COMMON_HINTS: Hints = (("a", "ack"), (":", "command"), ("?", "help"), ("q", "leave"))


class View(ABC):
    """One screenful under the tabs."""

    name: str

    def __init__(self) -> None:
        self.panes: list[Pane] = []
        self.front = 0

    @property
    def pane(self) -> Pane | None:
        """The pane that keys go to."""
        return self.panes[self.front % len(self.panes)] if self.panes else None

    @property
    def listing(self) -> Listing[Any] | None:
        """The pane that keys go to, if it is a long list."""
        return self.pane if isinstance(self.pane, Listing) else None

    def shown(self) -> list[Listing[Any]]:
        """The long lists that are on the screen and want rows."""
        return [pane for pane in self.panes if isinstance(pane, Listing)]

    async def pull(self, client: Client, picture: Picture) -> bool:
        """Fetch what the lists on the screen show. True: something looks different now."""
        changed = False
        for listing in self.shown():
            changed = await listing.pull(client, picture) or changed
        return changed

    @abstractmethod
    def lines(self, width: int, height: int, picture: Picture) -> list[Line]:
        """Everything, in at most `height` lines."""

    def hints(self) -> Hints:
        """The keys that matter here, for the footer."""
        return COMMON_HINTS

    def list_hints(self) -> Hints:
        """The keys that matter in a long list."""
        following = self.listing is None or self.listing.following
        return ("Space", "freeze") if following else ("End", "follow"), ("Enter", "detail"), ("n", "next problem")

    def scroll(self, rows: int) -> None:  # noqa: B027 - a view with panes moves in these
        """Move by rows where there is no pane."""


class Text(View):
    """Lines to read: scrolls, and that is all."""

    def __init__(self) -> None:
        super().__init__()
        self._top = 0
        self._most = 0

    @abstractmethod
    def content(self, width: int, picture: Picture) -> list[Line]:
        """All of it."""

    def lines(self, width: int, height: int, picture: Picture) -> list[Line]:
        """What fits, and how much more there is."""
        everything = self.content(width, picture)
        if len(everything) <= height:
            self._top = self._most = 0
            return everything
        self._most = len(everything) - height + 1
        self._top = max(0, min(self._top, self._most))
        left = self._most - self._top
        more = f"-- {words.plural(left, 'more line')} below --" if left else "-- end --"
        return [*everything[self._top : self._top + height - 1], [(more, "dim")]]

    def hints(self) -> Hints:
        """The keys that matter here."""
        return ("Up/Down", "scroll"), ("Esc", "back"), *COMMON_HINTS[1:]

    def scroll(self, rows: int) -> None:
        """Up and down."""
        self._top = max(0, min(self._top + rows, self._most))
