"""Sheet `chutes`: how many finishers each timer event and chute has, and who of them is still unnamed."""

from msgspec import Struct

from console.model import Kind, Phase, Sheet, Status
from console.sheets import Sources

COLUMNS = ("RUN", "EVENT", "CHUTE", " PLACES", " WITHOUT BIB", "FIRST", "LAST")


class Count(Struct):
    """What has come of one chute in one timer event."""

    places: int = 0
    nameless: int = 0
    first: str = ""
    last: str = ""


def make(sources: Sources) -> Sheet:
    """One row for each run, timer event and chute that anybody finished in, in the order in which they began."""
    counts: dict[tuple[str, str, str, str], Count] = {}
    for passing in sources.passings(kinds=(Kind.PLACE, Kind.SELECT), statuses=(Status.LIVE,)):
        run = f"{passing.generation} TEST" if passing.phase is Phase.TEST else str(passing.generation)
        key = (passing.device, run, passing.event or "-", passing.channel or "-")
        count = counts.setdefault(key, Count(first=passing.time or "?"))
        count.places += 1
        count.nameless += not sources.resolve(passing).bib
        count.last = passing.time or "?"
    everywhere = not sources.device
    return Sheet(
        title=f"chutes {sources.device}".strip(),
        columns=("DEVICE", *COLUMNS) if everywhere else COLUMNS,
        rows=[
            (*key[not everywhere :], str(one.places), str(one.nameless), one.first.strip(), one.last.strip())
            for key, one in counts.items()
        ],
        marks={row: "warn" for row, one in enumerate(counts.values()) if one.nameless},
    )
