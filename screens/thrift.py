"""To the terminal in few bytes: only the cells that differ, and lines that move up are moved by the terminal itself.

Textual sends whole lines from the left, every run of text with all of its colours: 36 KiB/s for a log that follows ten
frames a second. Keeping account of what the terminal shows costs a millisecond and saves nine tenths of that, which
decides over a mobile link. Works on anything that knows a VT100's scrolling region.
"""

from collections.abc import Iterable
from typing import TypeAlias

from rich.color import ColorSystem
from rich.console import Console
from rich.style import Style
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.strip import Strip

Cell: TypeAlias = tuple[str, Style | None]
"""A character and its style; the right half of a wide character is empty text."""

Row: TypeAlias = list[Cell]

NEAR = 5
"""So many equal cells between two that differ are sent along: cheaper than moving the cursor."""

WORTH = 3
"""So many lines must move together before the terminal is asked to scroll."""

BLANK: Cell = (" ", Style.null())


class Terminal:
    """What the terminal shows, as far as we told it."""

    def __init__(self) -> None:
        self._rows: dict[int, Row] = {}
        self._codes: dict[Style | None, tuple[str, str, str]] = {}
        self._system: ColorSystem | None = None

    def update(self, update: CompositorUpdate) -> CompositorUpdate:
        """`update`, such that it sends only what differs; as it is, where it is of an unknown kind."""
        if isinstance(update, LayoutUpdate):
            self._rows.clear()  # After a resize or a pause nobody knows what the terminal shows.
            start = update.region.y
            return _Sparing(self, {y: cells(strips) for y, strips in enumerate(update.strips, start)})
        if isinstance(update, ChopsUpdate):
            rows = {y: list(update.chops[y].values()) for y, _, _ in update.spans}
            whole = {y: [strip for strip in strips if strip is not None] for y, strips in rows.items()}
            if all(len(whole[y]) == len(rows[y]) for y in rows):
                return _Sparing(self, {y: cells(strips) for y, strips in whole.items()})
            self._rows.clear()
        return update

    def show(self, rows: dict[int, Row], system: ColorSystem) -> str:
        """The bytes that make the terminal show `rows`, and the note that it does."""
        if system is not self._system:
            self._system = system
            self._codes.clear()
        out = self._scroll(rows)
        pen = ("", "", "")
        for y, row in sorted(rows.items()):
            for start, end in _differing(self._rows.get(y), row):
                out.append(f"\x1b[{y + 1};{start + 1}H")
                for character, style in row[start:end]:
                    codes = self._code(style)
                    if codes != pen:
                        out.append(_change(pen, codes))
                        pen = codes
                    out.append(character)
            self._rows[y] = row
        if any(pen):
            out.append("\x1b[0m")
        return "".join(out)

    def _scroll(self, rows: dict[int, Row]) -> list[str]:
        """Where lines only move up, have the terminal move them."""
        best, first, by = 0, 0, 0
        for step in range(1, 11):
            run = 0
            for y in sorted(rows):
                moved = self._rows.get(y + step) == rows[y] != self._rows.get(y)
                run = run + 1 if moved else 0
                if run > best:
                    best, first, by = run, y - run + 1, step
        last = first + best - 1 + by
        if best < WORTH or not all(y in self._rows for y in range(first, last + 1)):
            return []
        width = len(self._rows[first])
        for y in range(first, last + 1):
            self._rows[y] = self._rows[y + by] if y + by <= last else [BLANK] * width
        return [f"\x1b[0m\x1b[{first + 1};{last + 1}r\x1b[{by}S\x1b[r"]

    def _code(self, style: Style | None) -> tuple[str, str, str]:
        """Attributes, foreground and background of a style, as SGR parameters."""
        known = self._codes.get(style)
        if known is None:
            known = self._codes[style] = _codes(style, self._system or ColorSystem.TRUECOLOR)
        return known


class _Sparing(CompositorUpdate):
    """An update that sends only what differs."""

    def __init__(self, terminal: Terminal, rows: dict[int, Row]) -> None:
        self._terminal = terminal
        self._rows = rows

    def render_segments(self, console: Console) -> str:
        return self._terminal.show(self._rows, console._color_system or ColorSystem.TRUECOLOR)


def cells(strips: Iterable[Strip]) -> Row:
    """A line of strips, cell by cell."""
    row: Row = []
    for strip in strips:
        for text, style, _ in strip:
            if text.isascii():
                row += [(character, style) for character in text]
            else:
                row += _wide(text, style)
    return row


def _wide(text: str, style: Style | None) -> Row:
    from rich.cells import cell_len

    row: Row = []
    for character in text:
        width = cell_len(character)
        if width == 0 and row:
            row[-1] = (row[-1][0] + character, style)
        else:
            row += [(character, style), ("", style)][:width]
    return row


def _differing(old: Row | None, new: Row) -> list[tuple[int, int]]:
    """The stretches of `new` to send."""
    if old == new:
        return []
    if old is None or len(old) != len(new) or any(not text for text, _ in old + new):
        return [(0, len(new))]  # Terminals disagree on wide characters: such a line is always sent whole.
    out: list[tuple[int, int]] = []
    for at, (before, after) in enumerate(zip(old, new, strict=True)):
        if before == after:
            continue
        if out and at - out[-1][1] <= NEAR:
            out[-1] = (out[-1][0], at + 1)
        else:
            out.append((at, at + 1))
    return out


def _codes(style: Style | None, system: ColorSystem) -> tuple[str, str, str]:
    if style is None:
        return "", "", ""
    bits = ((style.bold, "1"), (style.dim, "2"), (style.italic, "3"), (style.underline, "4"), (style.reverse, "7"))
    attributes = ";".join(code for on, code in bits if on)
    ground = style.bgcolor.downgrade(system).get_ansi_codes(foreground=False) if style.bgcolor else ()
    text = style.color.downgrade(system).get_ansi_codes() if style.color else ()
    return attributes, _explicit(text, "39"), _explicit(ground, "49")


def _explicit(codes: Iterable[str], default: str) -> str:
    joined = ";".join(codes)
    return "" if joined == default else joined


def _change(pen: tuple[str, str, str], codes: tuple[str, str, str]) -> str:
    """From one pen to another; only what differs, where nothing has to be taken back."""
    if pen[0] == codes[0] and all(new or not old for old, new in zip(pen, codes, strict=True)):
        wanted = [new for old, new in zip(pen, codes, strict=True) if new != old]
    else:
        wanted = ["0", *(code for code in codes if code)]
    return f"\x1b[{';'.join(wanted)}m"
