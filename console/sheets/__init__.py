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
    from console.sheets.deliveries import Deliveries

PAGE = 1000
"""Rows read at once."""

_OF_EXPORTS = ("journaled", "sent", "tcp", "waiting", "held", "unmapped", "skipped", "resent", "tell")
_OF_DEVICES = (
    *("frames", "sent-frames", "flaws", "passings", "repeats", "corrections", "cancelled", "joined", "edited"),
    *("recovered", "nameless", "incidents"),
)

SHEETS: dict[str, str] = {
    "report": "console.sheets.report",
    **{name: f"console.sheets.delivered:{name}" for name in _OF_EXPORTS},
    **{name: f"console.sheets.counted:{name.replace('-', '_')}" for name in _OF_DEVICES},
    "cards": "console.sheets.cards",
    "chutes": "console.sheets.chutes",
    "finish": "console.sheets.finish",
    "laps": "console.sheets.laps",
    "offered": "console.sheets.offered",
    "readouts": "console.sheets.readouts",
    "stations": "console.sheets.stations",
    "tickets": "console.sheets.tickets",
}
"""Name of a sheet -> the module that makes it, with a function `make(sources) -> Sheet`, or the one named behind the
colon. The first are the report, and what is behind its figures."""

ABOUT_EXPORTS = frozenset(_OF_EXPORTS)
"""Sheets about an export, or one of its peers, or all."""


class Sources(Struct, frozen=True, kw_only=True):
    """What a sheet is made from."""

    device: str
    """The device it is about; empty: the event. Of a sheet in `ABOUT_EXPORTS`, see `Deliveries.peers`."""
    reader: "Reader"
    resolve: Callable[[Passing], Resolved]
    zone: tzinfo
    now: int = 0
    """Wall ns."""
    devices: tuple[str, ...] = ()
    """All there are in the settings."""
    deliveries: "Deliveries | None" = None
    """None: nothing is known of any export."""

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
    module, _, function = SHEETS[name].partition(":")
    sheet: Sheet = getattr(import_module(module), function or "make")(sources)
    return sheet
