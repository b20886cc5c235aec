"""Sheet `chutes`: how many finishers each timer event and chute has, and how many of them are still unnamed."""

from msgspec import Struct

from console.model import Sheet
from console.sheets import Sources
from console.sheets.finish import finishers

COLUMNS = ("RUN", "EVENT", "CHUTE", " PLACES", " WITHOUT BIB", "FIRST", "LAST")


class Count(Struct):
    """What has come of one chute in one timer event."""

    first: str
    last: str = ""
    places: int = 0
    nameless: int = 0


def make(sources: Sources) -> Sheet:
    """One row for each run, timer event and chute that anybody finished in, in the order in which they began."""
    counts: dict[tuple[str, str, str, str], Count] = {}
    for one in finishers(sources):
        time = (one.passing.time or "?").strip()
        key = (one.passing.device, one.run, one.passing.event or "-", one.passing.channel or "-")
        count = counts.setdefault(key, Count(time))
        count.last = time
        count.places += 1
        count.nameless += one.nameless
    everywhere = not sources.device
    return Sheet(
        title=f"chutes {sources.device}".strip(),
        columns=("DEVICE", *COLUMNS) if everywhere else COLUMNS,
        rows=[
            (*key[not everywhere :], str(one.places), str(one.nameless), one.first, one.last)
            for key, one in counts.items()
        ],
        marks={row: "warn" for row, one in enumerate(counts.values()) if one.nameless},
    )
