"""Rows of the journal appended to a CSV file as they come: passings, frames, or the GSM Interface's log."""

import asyncio
import csv
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import date, datetime
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from console.codecs import columns, gsm_log
from console.exports.append import FAREWELL, AppendFile, FileError, TouchedError, apart
from console.exports.export import ExportSettings
from console.exports.records import Records, Row
from console.exports.sink import Sink, SinkError, StartOverError
from console.model import SECOND, Direction, Frame, Incident, Level, Passing, Selection

SEPARATORS = {"passings": ",", "frames": ",", "gsm-interface": gsm_log.SEPARATOR}

JOURNALED = 0.02
"""Seconds between two looks whether a cursor is in the journal."""


class CsvSettings(ExportSettings, frozen=True, kw_only=True):
    """Settings of a csv export."""

    ways: ClassVar = ()

    format: Literal["passings", "frames", "gsm-interface"] = "passings"
    """The columns of `racedeck dump passings` or `dump frames`, or the GSM Interface's log of THCOM08 frames."""
    path: str = ""
    """The file, best with `{event}` in its path, and with `{date}` if each day is to have its own; one that does not
    begin with `/` is in the event's directory. Empty: `NAME.csv` there."""
    separator: Literal["", ",", ";", "\t"] = ""
    """What stands between cells; empty: a comma, and a semicolon in the GSM Interface's log."""
    software_port: Annotated[int, Meta(ge=1, le=65_535)] = 7000
    """What the GSM Interface's log says under `Port`."""
    newcomers: Literal["live", "all"] = "all"
    """What a file begins with that is not known yet: everything, or what happens from now on."""

    def __post_init__(self) -> None:
        """Raise ValueError for a path that cannot be filled in, and for what does not go together."""
        try:
            filled = self.path.format(event="event", date=date.min)
        except (KeyError, IndexError, ValueError, AttributeError):
            raise ValueError(f"path: only {{event}} and {{date}} may be in braces (got {self.path!r})") from None
        if "\0" in filled or filled.endswith("/"):
            raise ValueError(f"path must be that of a file (got {self.path!r})")
        if self.format != "passings" and (self.kinds or self.points or self.events or self.skip_first_seen):
            raise ValueError("kinds, points, events and skip_first_seen choose passings; frames go by devices alone")


class CsvFile(Sink[CsvSettings]):
    """Each row is in the file once, in order, whatever is killed or cut off when.

    The numbers in the file tell what it holds; the cursor is only asked where there is no file. The GSM Interface's log
    has no numbers for what is no frame: there the cursor says how long the file was when all in it was known, and what
    is beyond that is cut off and written again.
    """

    settings_type = CsvSettings

    def __init__(self, settings: CsvSettings, desk: Records, now: Callable[[], int]) -> None:
        super().__init__(settings, desk, now)
        if settings.format != "passings":
            self.counted = "frames"
        self._numbered = settings.format != "gsm-interface"
        if not self._numbered:
            self.aside = "incidents"
        self._template = settings.path or f"{settings.name}.csv"
        self._separator = settings.separator or SEPARATORS[settings.format]
        self._log = gsm_log.GsmLog(desk.zone, settings.software_port, self._separator)
        self._file: AppendFile | None = None
        self._day = 0
        """Of the file."""
        self._last = 0
        """The number of the last row in the file."""

    @property
    def target(self) -> str:
        """What is written where; `{date}` stays open."""
        what = "" if self.settings.format == "passings" else f"{self.settings.format} in "
        return what + self._whole(self._template.replace("{event}", self.desk.event_name))

    # --- which rows ---

    def meant(self, row: Row) -> bool:
        """Frames of the devices that are chosen; the GSM Interface's log has what timers say, in THCOM08."""
        if isinstance(row, Frame):
            chosen = not self.settings.devices or row.device in self.settings.devices
            return chosen and (self._numbered or (row.direction is Direction.RX and bool(gsm_log.read(row.raw))))
        return super().meant(row)

    # --- life ---

    async def open(self) -> None:
        """Open the file that the last row is in, and see what it holds."""
        await self.close()
        row = await self._row(self.place)
        await self._into(self._day_of(row.wall if row else self.now()))
        assert self._file
        if self._file.begun and self._taken:
            self.trouble(Level.WARNING, f"{self._file.path} was not there any more: begun anew with what follows")
        if self._numbered and self._last and self._last != self.place:
            await self.go_to(self._last)

    async def put(self, rows: Sequence[Row]) -> None:
        """Append rows to the file of their day."""
        for day, group in groupby(rows, key=lambda row: self._day_of(row.wall)):
            if self._file is None or day != self._day:
                await self._into(day)
            same = list(group)
            await self._append([row for row in same if not self._numbered or row.seq > self._last])
            self.marks = self._known()
            self.took(same)

    async def _append(self, rows: Sequence[Row]) -> None:
        assert self._file
        lines = "".join(map(self._line, rows)).encode()
        if not lines:
            return
        try:
            await apart(partial(self._file.append, lines))
        except TouchedError as touched:
            await self.close()
            self.marks = {}
            self.trouble(Level.WARNING, f"{touched}: what follows goes to the file that is there now, or to a new one")
            raise StartOverError from None
        except FileError as error:
            raise SinkError(str(error)) from None
        if self._numbered:
            self._last = rows[-1].seq

    async def close(self) -> None:
        """Close the file."""
        if self._file:
            file, self._file = self._file, None
            with suppress(TimeoutError):
                async with asyncio.timeout(FAREWELL):
                    await apart(file.close)

    # --- what an operator does ---

    async def resend(self, chosen: Selection, by: str, peer: str | None = None) -> str:
        """Each row is in the file once. Raises ValueError."""
        del chosen, by, peer
        name = self.settings.name
        anew = f"`racedeck export set {name} path=ANOTHER newcomers=all` writes them all to another file, and "
        rest = f"{anew if self.settings.type == 'csv' else ''}`racedeck dump` prints them"
        raise ValueError(f"{name} is a file that holds each row once: {rest}")

    def waiting(self, peer: str | None = None) -> int:
        """What waits here is not to be skipped. Raises ValueError."""
        del peer
        raise ValueError(
            f"{self.settings.name} is a file that holds every row: nothing is skipped; pause it, or remove it"
        )

    # --- the file ---

    async def _into(self, day: int) -> None:
        """Open the file of that day, and learn what it holds."""
        await self.close()
        path = self._path(day)
        known = self.marks.get("bytes") if self.marks.get("day") == day else None
        file = AppendFile(Path(path), self._line_of(self._columns).encode())
        try:
            await apart(partial(file.open, known=known))
        except FileError as error:
            raise SinkError(str(error)) from None
        except asyncio.CancelledError:
            file.close()
            raise
        self._file, self._day = file, day
        if file.cut:
            what = (
                "of a row that was not finished" if known is None else "behind the last row that is known to be whole"
            )
            self.trouble(Level.NOTE, f"{path}: {file.cut} bytes {what} were cut off")
        if known is not None and file.size < known and not file.begun:
            self.trouble(Level.WARNING, f"{path} is shorter than it was: somebody has cut it")
        if self._numbered:
            self._last = await self._number(file.last, path)
        elif file.size != known:
            await self._remember_size()

    def _known(self) -> dict[str, int]:
        """What the cursor must say of a file whose rows have no numbers."""
        return {} if self._numbered or not self._file else {"bytes": self._file.size, "day": self._day}

    async def _remember_size(self) -> None:
        """Have the size in the journal before anything is appended, lest a kill leaves rows that nobody knows of."""
        self.marks = self._known()
        self.save()
        while True:
            cursor = self.cursor()
            if cursor and self.marks.items() <= cursor.counts.items():
                return
            await asyncio.sleep(JOURNALED)

    async def _number(self, line: bytes, path: str) -> int:
        """The number of the file's last row; 0: it has none. Raises SinkError where it is no row of this event."""
        if not line:
            return 0
        try:
            cells = next(csv.reader([line.decode("utf-8", "replace")], delimiter=self._separator), [""])
        except csv.Error:
            cells = [""]
        arrived = self._columns.index("arrived" if self.counted == "passings" else "wall")
        number = int(cells[0]) if cells[0].isascii() and cells[0].isdigit() and len(cells[0]) < 19 else 0
        row = await self._row(number)
        if row is None or len(cells) <= arrived or cells[arrived] != columns.iso(row.wall):
            why = "so it is another event's, or somebody has changed it: move it away, or have {event} in `path`"
            raise SinkError(f"the last row of {path} is not in this event's journal, {why}")
        return number

    async def _row(self, number: int) -> Row | None:
        rows = await self.read_one(number) if number else []
        return rows[0] if rows and rows[0].seq == number else None

    async def read_one(self, number: int) -> Sequence[Row]:
        """The row of that number, if there is one."""
        if self.counted == "frames":
            return await self.records.frames(number - 1, 1)
        return await self.desk.page(after=number - 1, limit=1)

    # --- paths ---

    def _day_of(self, wall: int) -> int:
        """The day of the file that a row belongs to; of all, where the path has no `{date}`."""
        if "{date" not in self._template:
            return 1
        return datetime.fromtimestamp(wall // SECOND, self.desk.zone).date().toordinal()

    def _path(self, day: int) -> str:
        return self._whole(self._template.format(event=self.desk.event_name, date=date.fromordinal(day)))

    def _whole(self, path: str) -> str:
        return str(self.records.directory / Path(path).expanduser())

    # --- lines ---

    @property
    def _columns(self) -> tuple[str, ...]:
        match self.settings.format:
            case "passings":
                return columns.PASSING_COLUMNS
            case "frames":
                return columns.FRAME_COLUMNS
        return gsm_log.COLUMNS

    def _line_of(self, cells: Iterable[object]) -> str:
        return columns.csv_line(cells, self._separator)

    def _line(self, row: Row) -> str:
        if isinstance(row, Passing):
            return self._line_of(columns.passing_cells(self.desk.resolve(row)))
        if isinstance(row, Incident):
            return self._log.event(row)
        assert isinstance(row, Frame)
        return self._line_of(columns.frame_cells(row)) if self._numbered else self._log.frame(row)
