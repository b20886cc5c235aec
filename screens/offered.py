"""What a retransmit or a download told: what was new, what was a repeat and what differs, as a list to walk."""

from console.control.client import Client, Done
from console.model import DeviceState, EngineState, Origin, Resolved, Retold, Status
from screens import progress, words
from screens.confirm import confirm
from screens.desk import OBSERVES, Desk
from screens.listing import Listing
from screens.paint import Line
from screens.picture import Picture
from screens.sources import Passings
from screens.view import COMMON_HINTS, Hints, View

TOLD = (Origin.RETRANSMIT, Origin.RECALL, Origin.READOUT, Origin.BACKUP, Origin.RECOVERED)
"""How a device tells what it did not tell live."""


class Told(Passings):
    """The passings of one retransmit or download of a device."""

    title = "TOLD AGAIN"

    def __init__(self, device: str, retold: Retold) -> None:
        super().__init__(device)
        self._first = retold.first
        self._taken: set[int | None] = set()
        """Those that were taken over since."""

    async def page(self, client: Client, after: int | None, before: int | None, limit: int) -> list[Resolved]:
        """A page."""
        if after is not None:
            after = max(after, self._first - 1)
        rows = await client.passings(
            after=after, before=before, limit=limit, device=self.of, origins=TOLD, text=self.text
        )
        return [row for row in rows if row.passing.seq >= self._first]

    def newest(self, state: EngineState) -> int:
        """The highest number, unless nothing has come since it began."""
        return state.journal.passings if state.journal.passings >= self._first else 0

    def problems(self, rows: list[Resolved]) -> list[Resolved]:
        """What is not just the same again."""
        return [row for row in rows if row.passing.status is not Status.REPEAT]

    def fresh(self, count: int, *, filtered: bool) -> str:
        """What comes meanwhile is hardly ever part of it."""
        return ""

    def survey(self, rows: list[Resolved], picture: Picture) -> str:
        """Its counts stand above it."""
        super().survey(rows, picture)
        self._taken = {row.passing.of for row in rows if row.passing.origin is Origin.RECOVERED}
        return ""

    def _status(self, row: Resolved, picture: Picture) -> tuple[str, str]:
        return ("taken over", "good") if row.passing.seq in self._taken else super()._status(row, picture)

    def missing(self, row: Resolved, picture: Picture) -> list[str]:
        """Holes are shown where the race is."""
        return []


class Offered(View):
    """The list, and above it what there is to do."""

    def __init__(self, device: str, retold: Retold) -> None:
        super().__init__()
        self.device = device
        self.name = f"{device} told again"
        self.panes = [Listing(Told(device, retold))]

    def hints(self) -> Hints:
        """The keys that matter here."""
        return ("n", "next not a repeat"), ("+", "take over"), ("Enter", "detail"), ("Esc", "back"), *COMMON_HINTS[1:]

    def lines(self, width: int, height: int, picture: Picture) -> list[Line]:
        """The count, then the list."""
        device, listing = picture.device(self.device), self.listing
        head: list[Line] = progress.retold(device.retold, width) if device and device.retold else []
        head += [
            [(line, "dim")] for line in words.wrapped("offered = never arrived live; corr = differs; n walks", width)
        ]
        return head + (listing.lines(width, height - len(head), picture) if listing else [])


def show(desk: Desk, device: DeviceState) -> None:
    """Open the list of what `device` told again."""
    if device.retold is None:
        desk.say(f"{device.name} has told nothing again since the engine started", "warn")
    else:
        desk.open(Offered(device.name, device.retold))


def take_over(desk: Desk, device: str, passings: tuple[int, ...] = (), *, test: bool = False) -> None:
    """Have what `device` offers count, after a question: `passings`; without, all that never came, or (`test`) all that
    came during TEST alone."""
    if desk.observes:
        desk.say(OBSERVES, "bad")
        return
    desk.do(_ask(desk, device, passings, test))


async def _ask(desk: Desk, device: str, passings: tuple[int, ...], test: bool) -> Done | str:
    """Ask, with what there is and from when to when: what was punched before the race is offered like any other."""
    sheet = await desk.client.sheet(device, "offered")
    number, time, came = (
        next(at for at, name in enumerate(sheet.columns) if name.strip() == one) for one in ("#", "TIME", "CAME")
    )
    rows = [
        row
        for row in sheet.rows
        if (int(row[number]) in passings if passings else row[came].startswith("in TEST") is test)
    ]
    of_test = len(sheet.rows) - len(rows) if not (passings or test) else 0
    left = f"{of_test} came during TEST: :take-over {device} test" if of_test else ""
    if not rows:
        but = f", but {left}" if left else ""
        return Done(text=f"nothing {'of that ' * bool(passings or test)}is offered of {device}{but}", ok=None)
    if desk.asking:
        return Done(text="not taken over: it asks first; give it again", ok=None)
    dated = sorted({row[time] for row in rows if " " in row[time]})  # results, and races without a gun, have none
    when = f", {' to '.join(dict.fromkeys((dated[0], dated[-1])))}" if dated else ""
    question = (
        f"TAKE OVER {words.plural(len(rows), 'passing')} of {device}{when}: from then on they count, "
        f"marked recovered, and go out to scoring.{f' Left out: {left}.' if left else ''}"
    )
    confirm(desk, question, "", lambda: desk.do(_take(desk, device, passings, test)))
    return ""


async def _take(desk: Desk, device: str, passings: tuple[int, ...], test: bool) -> Done:
    return await desk.client.take_over(device, passings, test=test)
