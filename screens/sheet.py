"""A table about a device or the event, read whole: laps, readouts, what a download brought, stations set up."""

import time

from console.control.client import Client, EngineGoneError, RefusedError
from console.model import SECOND, Sheet
from screens import words
from screens.paint import Line
from screens.picture import Picture
from screens.view import COMMON_HINTS, Hints, Text

_EXPORTS = {
    "report": "the day's reconciliation; Enter shows the rows behind a figure",
    "tell": "tell scoring: what went out and has changed since",
}
_FINISH = {"finish": "the finish order by places", "chutes": "finishers per timer event and chute"}
_OFFERED = {"offered": "what never arrived live, and was not taken over yet"}
_STATIONS = {
    "readouts": "punches and splits of every card read out",
    "tickets": "what PRINT stations printed",
    "cards": "cards written down a list, with what came of each",
    "stations": "stations set up, and what they were given",
}

SHEETS: dict[str, dict[str, str]] = {
    "": _EXPORTS | _FINISH | _OFFERED | _STATIONS,
    "timemachine": {"laps": "laps and splits, lane by lane"} | _FINISH | _OFFERED,
    "otimcon": {"backup": "every punch of the last download"} | _OFFERED | _STATIONS,
    "thcom": _OFFERED,
    "gsm-docking": {"settings": "what is known of its settings; passwords cannot be read"},
}
"""Device type (empty: the event) -> the sheets there are, each with what it shows."""

WIDEST = 30
"""Columns of the terminal that a column of the table takes at most, but for the last one."""

GAP = 2

SPARE = 10
"""A table is made for a tenth of the time at most."""

MARK = 2
"""Columns in front of rows that Enter opens, for the cursor."""


class SheetView(Text):
    """The sheet `sheet` of `device`; of the event, where that is empty."""

    def __init__(self, device: str, sheet: str) -> None:
        super().__init__()
        self.device = device
        self.name = f"{device} {sheet}".strip()
        self._sheet = sheet
        self._table: Sheet | None = None
        self._trouble = ""
        self._cursor = 0
        """The row that Enter opens; in a table with nothing behind its rows there is none."""
        self._asked_at = 0
        self._seen: object = None
        """What the journal and the device were like when it was asked for."""

    async def pull(self, client: Client, picture: Picture) -> bool:
        """Ask for it, at most once a second, and only when something has come that may be in it. One that takes long to
        make is asked for more rarely: others wait for the engine, too."""
        device = picture.device(self.device)
        journal = picture.state.journal
        seen = (
            id(client),
            (journal.frames, journal.passings, journal.incidents),
            (device.job, device.outcome) if device else picture.state.exports,
        )
        if seen == self._seen or picture.now < self._asked_at:
            return False
        before, began = (self._table, self._trouble), time.monotonic_ns()
        try:
            self._table, self._trouble = await client.sheet(self.device, self._sheet), ""
        except RefusedError as error:
            self._trouble = str(error)
        except EngineGoneError:
            return False
        took = time.monotonic_ns() - began
        self._seen, self._asked_at = seen, picture.now + max(SECOND, SPARE * took)
        return before != (self._table, self._trouble)

    @property
    def behind(self) -> str:
        """What Enter opens: the number of a frame, or the name of a sheet and whom it is about; empty: nothing."""
        return self._table.links.get(self._cursor, "") if self._table else ""

    def hints(self) -> Hints:
        """The keys that matter here."""
        enter = (("Enter", "what is behind it"),) if self._table and self._table.links else ()
        return *enter, ("Up/Down", "scroll"), ("Home/End", "first/last"), ("Esc", "back"), *COMMON_HINTS[1:]

    def scroll(self, rows: int) -> None:
        """Up and down; by the cursor, where there is one."""
        if self._table and self._table.links:
            self._cursor = max(0, min(self._cursor + rows, len(self._table.rows) - 1))
        else:
            super().scroll(rows)

    def lines(self, width: int, height: int, picture: Picture) -> list[Line]:
        """Title and columns, which stay, the rows, and at the bottom what to do about them."""
        table = self._table
        if self._trouble or table is None:
            ink = "bad" if self._trouble else "dim"
            return [[(line, ink)] for line in words.wrapped(self._trouble or f"{self.name} ...", width)]
        mark = MARK if table.links else 0
        widths = _widths(table, width - mark)
        count = words.plural(len(table.rows), "row")
        head: list[Line] = [
            [(picture.rule(words.clean(table.title), width, count), "head")],
            [(" " * mark + _row(table.columns, table.columns, widths), "dim")],
        ]
        note: list[Line] = [[(line, "warn")] for line in words.wrapped(table.note, width)]
        room = max(1, height - len(head) - len(note))
        if table.links:
            self._cursor = max(0, min(self._cursor, len(table.rows) - 1))
            self._top = max(self._cursor - max(0, room - 2), min(self._top, self._cursor))
        body = super().lines(width, room, picture)
        return [*head, *body, *([] for _ in range(room - len(body))), *note]

    def content(self, width: int, picture: Picture) -> list[Line]:
        """The rows."""
        table = self._table
        if table is None or not table.rows:
            return [[("nothing yet", "dim")]]
        if not table.links:
            widths = _widths(table, width)
            return [[(_row(row, table.columns, widths), table.marks.get(at, ""))] for at, row in enumerate(table.rows)]
        widths = _widths(table, width - MARK)
        return [
            [("> " + _row(row, table.columns, widths), "cursor")]
            if at == self._cursor
            else [("  " + _row(row, table.columns, widths), table.marks.get(at, ""))]
            for at, row in enumerate(table.rows)
        ]


def _widths(table: Sheet, width: int) -> list[int]:
    """How wide each column is; where the screen is too narrow the widest give way, and cells are marked as cut."""
    columns = [[heading.strip(), *(row[at] for row in table.rows)] for at, heading in enumerate(table.columns)]
    widths = [max(len(words.clean(cell)) for cell in column) for column in columns]
    widths = [min(size, WIDEST) for size in widths[:-1]] + widths[-1:]
    while sum(widths) + GAP * (len(widths) - 1) > width and max(widths, default=0) > 4:
        widths[widths.index(max(widths))] -= 1
    return widths


def _row(cells: tuple[str, ...], columns: tuple[str, ...], widths: list[int]) -> str:
    fitted = [
        words.fit(cell.strip(), size, right=heading.startswith(" "))
        for cell, heading, size in zip(cells, columns, widths, strict=False)
    ]
    return (" " * GAP).join(fitted).rstrip()
