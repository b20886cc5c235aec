"""From lines of words to the terminal: the one widget, which repaints only what differs.

A view hands out `Line`s: runs of text with the name of an ink. Nothing here interprets markup, and every run passes
through `words.clean` on its way, so what a device sent cannot reach the terminal as control.
"""

from collections.abc import Callable
from typing import TypeAlias

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from screens.words import clean
from themes import Palette

Line: TypeAlias = list[tuple[str, str]]
"""Runs of text, each with the ink it is written in (a key of `Palette.inks`; `""` is plain)."""


def plain(line: Line) -> str:
    """The words of a line."""
    return "".join(text for text, _ in line)


class Inks:
    """Turns lines into strips in the colours of a palette."""

    def __init__(self, palette: Palette) -> None:
        self._styles = {ink: Style.parse(style) for ink, style in palette.inks.items()}

    def strip(self, line: Line, width: int, base: str = "") -> Strip:
        """`line` as a strip of exactly `width` cells on the ground of the ink `base`."""
        styles, ground = self._styles, self._styles[base]
        segments = [Segment(clean(text), ground + styles[ink] if ink else ground) for text, ink in line if text]
        return Strip(segments).adjust_cell_length(width, ground).simplify()


class Painted(Widget):
    """A rectangle of lines. `paint` draws it anew and tells the terminal only of what has changed."""

    def __init__(self, draw: Callable[[int, int], list[Line]], inks: Callable[[], Inks], base: str, name: str) -> None:
        super().__init__(id=name)
        self._draw = draw
        self._inks = inks
        self._base = base
        self._strips: list[Strip] = []
        self._known: tuple[Inks, int, int] | None = None

    def paint(self) -> None:
        """Draw; at most one `refresh()`, and none where nothing has changed."""
        width, height = self.size
        if not width or not height:
            return
        inks = self._inks()
        lines = self._draw(width, height)[:height]
        strips = [inks.strip(line, width, self._base) for line in lines]
        strips += [inks.strip([], width, self._base)] * (height - len(strips))
        before, self._strips = self._strips, strips
        if self._known != (inks, width, height):
            self._known = (inks, width, height)
            self.refresh()
        elif changed := [Region(0, y, width, 1) for y in range(height) if before[y] != strips[y]]:
            self.refresh(*changed)

    def on_resize(self) -> None:
        """A new size shows something else."""
        self.paint()

    def render_line(self, y: int) -> Strip:
        """One line, as drawn last."""
        return self._strips[y] if y < len(self._strips) else Strip.blank(self.size.width)

    @property
    def text(self) -> list[str]:
        """What it shows, without ink."""
        return [strip.text for strip in self._strips]
