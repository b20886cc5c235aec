"""Tables made from the journal, ready to read: one module each, pure but for the rows it asks for.

They run in a thread, with a reader of their own, so a long one delays no device.
"""

from collections.abc import Callable, Iterator
from datetime import tzinfo
from importlib import import_module
from typing import TYPE_CHECKING

from msgspec import Struct

from console.model import Kind, Origin, Passing, Resolved, Sheet, Status

if TYPE_CHECKING:
    from console.journal.reader import Reader

PAGE = 1000
"""Rows read at once."""

SHEETS: dict[str, str] = {
    "cards": "console.sheets.cards",
    "chutes": "console.sheets.chutes",
    "finish": "console.sheets.finish",
    "laps": "console.sheets.laps",
    "offered": "console.sheets.offered",
    "readouts": "console.sheets.readouts",
    "stations": "console.sheets.stations",
    "tickets": "console.sheets.tickets",
}
"""Name of a sheet -> the module that makes it, with a function `make(sources) -> Sheet`."""


class Sources(Struct, frozen=True, kw_only=True):
    """What a sheet is made from."""

    device: str
    """The device it is about; empty: the event."""
    reader: "Reader"
    resolve: Callable[[Passing], Resolved]
    zone: tzinfo

    def passings(
        self, *, kinds: tuple[Kind, ...] = (), statuses: tuple[Status, ...] = (), origins: tuple[Origin, ...] = ()
    ) -> Iterator[Passing]:
        """All passings of the device (or of the event) of these kinds, statuses and origins, oldest first."""
        after = 0
        while page := self.reader.passings(
            after=after, limit=PAGE, device=self.device, kinds=kinds, statuses=statuses, origins=origins
        ):
            yield from page
            after = page[-1].seq


def make(name: str, sources: Sources) -> Sheet:
    """The sheet `name`. Raises LookupError where there is none."""
    if name not in SHEETS:
        raise LookupError(f"no sheet {name!r}; there is {', '.join(SHEETS) or 'none'}")
    sheet: Sheet = import_module(SHEETS[name]).make(sources)
    return sheet
