"""A long list on the screen: newest at the bottom, following until somebody looks back.

Drawing costs what is visible, however long the list is and however fast it grows.
"""

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

from console.control.client import Client
from console.model import SECOND, EngineState
from screens import words
from screens.paint import Line, plain
from screens.picture import Picture
from screens.window import PAGE, Window

Row = TypeVar("Row")

SEARCHED = 100
"""Pages of rows that `n` and `N` look through before they give up."""


class Source(ABC, Generic[Row]):
    """What a listing lists."""

    title: str
    noun: str

    @abstractmethod
    async def page(self, client: Client, after: int | None, before: int | None, limit: int) -> list[Row]:
        """A page of rows, filtered."""

    @abstractmethod
    def seq(self, row: Row) -> int:
        """The row's number."""

    @abstractmethod
    def newest(self, state: EngineState) -> int:
        """The highest number there is."""

    @abstractmethod
    def heading(self, rows: list[Row], width: int, picture: Picture) -> Line:
        """The names of the columns; called before `line` with all rows that will be drawn."""

    @abstractmethod
    def line(self, row: Row, width: int, picture: Picture) -> Line:
        """One row."""

    @abstractmethod
    def problems(self, rows: list[Row]) -> list[Row]:
        """Those of `rows` that the operator should look at."""

    async def seek(self, client: Client, at: int, step: int) -> tuple[Row | None, int | None]:
        """The next (1) or previous (-1) problem after row `at`, and where the search was given up."""
        for _ in range(SEARCHED):
            page = await (self.page(client, at, None, PAGE) if step > 0 else self.page(client, None, at, PAGE))
            if found := self.problems(page):
                return found[0 if step > 0 else -1], None
            if len(page) < PAGE:
                return None, None
            at = self.seq(page[-1] if step > 0 else page[0])
        return None, at

    def frame(self, row: Row) -> int | None:
        """The frame whose detail is that of the row; None: the row has one of its own."""
        return None

    def missing(self, row: Row, picture: Picture) -> list[str]:
        """What is missing in front of a row, in words."""
        return []

    def missing_line(self, missing: str, row: Row) -> Line:
        """One of them as a line."""
        return [(missing, "bad")]

    def survey(self, rows: list[Row], picture: Picture) -> str:
        """Look over all loaded rows before some are drawn; what the title says at its right end."""
        return ""

    def filter(self, text: str) -> None:
        """Keep only rows that match `text`; empty: all. Raises ValueError with what is known."""
        raise ValueError(f"{self.title} cannot be filtered")

    mutable = False
    """What is known of a row may change."""

    of = ""
    """The only device whose rows it lists; empty: those of all."""

    def fresh(self, count: int, *, filtered: bool) -> str:
        """What came since the list was frozen. Newcomers are not looked at until they are followed again: only their
        number is known, and that of all devices."""
        return f"+{count} {'unfiltered' if filtered else 'of all devices' if self.of else 'new'}"

    def left_out(self, picture: Picture) -> str:
        """What the list does not show and how to see it, for its title."""
        return ""

    renewed = 5 * SECOND
    """How old it may be on the screen."""

    def changes(self, row: Row) -> int | None:
        """The number of an older row that `row` changes, if any."""
        return None


class Listing(Generic[Row]):
    """One list: what is loaded of it, where it is looked at, and whether it follows."""

    def __init__(self, source: Source[Row]) -> None:
        self.source = source
        self.filter = ""
        self.following = True
        self.frozen_at = 0
        """Newest number when it stopped following."""
        self.marked: int | None = None
        """Number of the row that an open question is about."""
        self._client: Client | None = None
        self._window: Window[Row] = Window(self._page, source.seq)
        self._top = self._cursor = 0
        """Numbers (not places) of the topmost row and of the one under the cursor."""
        self._jump: int | None = None
        self._height = 20
        self._renew_at = 0

    # --- what the operator does ---

    @property
    def rows(self) -> list[Row]:
        """What is loaded."""
        return self._window.rows

    @property
    def loaded(self) -> bool:
        """Something has come from the engine, be it that there is nothing."""
        return bool(self.rows) or self._window.begins

    @property
    def current(self) -> Row | None:
        """The row under the cursor: the newest while following."""
        if not self.rows:
            return None
        return self.rows[-1] if self.following else self.rows[min(self._place(), len(self.rows) - 1)]

    def set_filter(self, text: str) -> None:
        """Filter anew and follow. Raises ValueError."""
        self.source.filter(text)
        self.filter = text.strip()
        self._window.forget()
        self.follow()

    def freeze(self) -> None:
        """Stop following: what is on the screen stays."""
        if self.following:
            self.following = False
            self._window.hold()
            self.frozen_at = self._window.covered
            shown = self.rows[-self._height :]
            self._top = self.source.seq(shown[0]) if shown else 0
            self._cursor = self.source.seq(shown[-1]) if shown else 0

    def follow(self) -> None:
        """Show the newest, and what comes."""
        self.following, self._jump = True, None

    def move(self, rows: int) -> None:
        """Move the cursor; this stops following."""
        if self.following and rows > 0:
            return
        self.freeze()
        self._jump = None
        if self.rows:
            place = max(0, min(len(self.rows) - 1, self._place() + rows))
            self._cursor = self.source.seq(self.rows[place])

    def page_move(self, pages: int) -> None:
        """Move by screens."""
        self.move(pages * max(1, self._height - 1))

    def home(self) -> None:
        """To the first row there is."""
        self.goto(1)

    def goto(self, seq: int) -> None:
        """Put the cursor on row `seq`, wherever it is, once it has been fetched."""
        self.freeze()
        self._jump = seq

    @property
    def visible(self) -> list[Row]:
        """The rows on the screen."""
        return self.rows[self._start() :][: self._height]

    def outdated(self) -> None:
        """What is known of the rows has changed: look again at once."""
        self._renew_at = 0

    def _place(self) -> int:
        return self._window.index(self._cursor)

    # --- what the engine knows ---

    async def pull(self, client: Client, picture: Picture) -> bool:
        """Fetch what is looked at and not yet here. True: the list looks different now."""
        window, upto = self._window, self.source.newest(picture.state)
        if client is not self._client and upto < window.covered:
            window.forget()  # Another engine, with less in its journal. (A page may well be ahead of the state.)
        self._client = client
        if self.following:
            changed = await window.newest(upto, self._height)
        elif self._jump is not None:
            jump = self._jump
            if changed := await window.around(jump):
                self._jump = None
                self._cursor = jump
                self._top = max(0, jump - self._height // 2)
        else:
            changed = False
            if self._place() < 2 * self._height:
                changed = await window.earlier()
            if self._place() > len(self.rows) - 2 * self._height:
                changed = await window.later(upto) or changed
        return await self._renew(picture, changed) or changed

    async def _renew(self, picture: Picture, changed: bool) -> bool:
        """What is known of a passing may change: look again at what is visible, now and then or when told to."""
        if not self.source.mutable or not self.rows:
            return False
        shown = self.visible or self.rows[-1:]
        first, last = self.source.seq(shown[0]), self.source.seq(shown[-1])
        told = changed and any(
            (older := self.source.changes(row)) is not None and older >= first for row in self.rows[-2 * self._height :]
        )
        if not told and picture.now < self._renew_at:
            return False
        self._renew_at = picture.now + self.source.renewed
        return await self._window.renew(first, last)

    def _start(self) -> int:
        return max(0, len(self.rows) - self._height) if self.following else self._window.index(self._top)

    async def seek_problem(self, client: Client, step: int) -> str:
        """Put the cursor on the next (1) or previous (-1) problem; from the newest row, which none is behind, on the
        last one there is. What to tell the operator, empty if found."""
        row = self.current
        at = self.source.seq(row) if row is not None else 0
        if last := self.following and row is not None:
            at, step = at + 1, -1
        found, looked = await self.source.seek(client, at, step)
        if found is not None:
            self.goto(self.source.seq(found))
            return ""
        if looked is not None:
            return f"no problem up to #{looked}; / narrows the list"
        if last:
            return "no problem"
        return "no later problem; N goes back" if step > 0 else "no earlier problem; n goes on"

    async def _page(self, *, after: int | None = None, before: int | None = None, limit: int) -> list[Row]:
        if self._client is None:
            return []
        return await self.source.page(self._client, after, before, limit)

    # --- the screen ---

    def lines(self, width: int, height: int, picture: Picture, *, active: bool = True) -> list[Line]:
        """Title, columns and rows, in at most `height` lines."""
        self._height = max(1, height - 2)
        title = self._title(width, picture, active=active)  # first: it looks all rows over
        items = self._items(picture)
        marked = self._window.index(self.marked) if self.marked is not None else -1
        if marked < 0 and active and not self.following:
            marked = self._place()
        head = self.source.heading([self.rows[place] for place, missing in items if not missing], width, picture)
        out = [title, [(plain(head), "dim")]]
        for place, missing in items:
            row = self.rows[place]
            line = self.source.missing_line(missing, row) if missing else self.source.line(row, width, picture)
            out.append([(words.fit(plain(line), width), "cursor")] if place == marked and not missing else line)
        if not items:
            out.append([(self._why_empty(picture), "dim")])
        return out[:height]

    def _items(self, picture: Picture) -> list[tuple[int, str]]:
        """What is visible: places in `rows`, each alone or with what is missing in front of it."""
        room, rows = self._height, self.rows
        if not rows:
            return []
        if self.following:
            return self._between(max(0, len(rows) - room), len(rows), picture)[-room:]
        place = min(self._place(), len(rows) - 1)
        top = max(min(self._window.index(self._top), place), place - room + 1)
        items = self._between(top, min(len(rows), top + room), picture)
        at = items.index((place, ""))
        items = items[max(0, at - room + 1) :][:room]
        self._cursor = self.source.seq(rows[place])
        self._top = self.source.seq(rows[items[0][0]])
        return items

    def _between(self, start: int, end: int, picture: Picture) -> list[tuple[int, str]]:
        items: list[tuple[int, str]] = []
        for place in range(start, end):
            items += [(place, missing) for missing in self.source.missing(self.rows[place], picture)]
            items.append((place, ""))
        return items

    def _title(self, width: int, picture: Picture, *, active: bool) -> Line:
        newest = self.source.newest(picture.state)
        if self.following:
            state = "following"
        else:
            state = f"FROZEN {self.source.fresh(max(0, newest - self.frozen_at), filtered=bool(self.filter))}".rstrip()
        title = f"{'>' if active else ' '}{self.source.title}  {state}"
        if self.filter:
            title += f"  / {words.clean(self.filter)}"
        title += self.source.left_out(picture)
        counters = self.source.survey(self.rows, picture)
        ink = "warn" if not self.following else "head" if active else "rule"
        return [(picture.rule(title, width, counters), ink)]

    def _why_empty(self, picture: Picture) -> str:
        if not self.loaded:
            return "..."
        return f"no {self.source.noun} matches; Esc shows all" if self.filter else f"no {self.source.noun} yet"
