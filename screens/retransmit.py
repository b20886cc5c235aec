"""What a retransmit told, line by line: what was new, what was known already, what differs and from what."""

from console.control.client import Client
from console.model import EngineState, Kind, Origin, Passing, Resolved, Retold, Status
from screens import words
from screens.paint import Line
from screens.picture import Picture
from screens.sources import Passings, cut

WORDS = {
    "new": (Status.LIVE, Status.JOINED),
    "differs": (Status.CORRECTION, Status.CANCELLED),
    "repeat": (Status.REPEAT,),
}
"""What the list can be narrowed to."""


class Retransmit(Passings):
    """The times of one retransmit of a timer."""

    title = "RETRANSMIT"
    noun = "line of it"

    def __init__(self, device: str, retold: Retold) -> None:
        super().__init__(device)
        self._first = retold.first
        self._statuses: tuple[Status, ...] = ()
        self._originals: dict[int, Passing] = {}
        """What the lines that differ differ from."""
        self._wide = False

    async def page(self, client: Client, after: int | None, before: int | None, limit: int) -> list[Resolved]:
        """A page; of what differs, the original too."""
        rows = await client.passings(
            after=None if after is None else max(after, self._first - 1),
            before=before,
            limit=limit,
            device=self.of,
            statuses=self._statuses,
            origins=(Origin.RETRANSMIT,),
            text=self.text,
        )
        rows = [row for row in rows if row.passing.seq >= self._first]
        for row in rows:
            of = row.passing.of
            if row.passing.status in WORDS["differs"] and of is not None and of not in self._originals:
                for original in await client.passings(after=of - 1, limit=1):
                    self._originals[of] = original.passing
        return rows

    def filter(self, text: str) -> None:
        """Another filter: text, `new`, `differs`, `repeat`."""
        statuses: tuple[Status, ...] = ()
        rest = []
        for word in text.split():
            if word.lower() in WORDS:
                statuses += WORDS[word.lower()]
            else:
                rest.append(word)
        self._statuses, self.text = statuses, " ".join(rest)

    def newest(self, state: EngineState) -> int:
        """The highest number; none before its first line."""
        newest = state.journal.passings
        return newest if newest >= self._first else 0

    def problems(self, rows: list[Resolved]) -> list[Resolved]:
        """What is not just the same again."""
        return [row for row in rows if row.passing.status is not Status.REPEAT]

    def fresh(self, count: int, *, filtered: bool) -> str:
        """What comes meanwhile is hardly ever part of it."""
        return ""

    def survey(self, rows: list[Resolved], picture: Picture) -> str:
        """What the title says."""
        return f"/ {' '.join(WORDS)}"

    def missing(self, row: Resolved, picture: Picture) -> list[str]:
        """Holes are shown in the finish order."""
        return []

    def heading(self, rows: list[Resolved], width: int, picture: Picture) -> Line:
        """The columns."""
        self._wide = width >= 100
        return [(f"{'#':>6} EVENT {'LINE':<15} {'TIME':<11} {'BIB':<8} KNOWN BEFORE?", "")]

    def line(self, row: Resolved, width: int, picture: Picture) -> Line:
        """One line."""
        one = row.passing
        text, ink = self.verdict(one)
        faint = "dim" if one.status is Status.REPEAT else ""
        line: Line = [
            (f"{one.seq:>6} {words.fit(one.event or '-', 5)} {words.fit(what(one), 15)} ", faint),
            (f"{words.fit((one.time or '?').strip(), 11)} {words.fit(told(one), 8)} ", faint),
            (text, ink),
        ]
        return cut(line, width)

    def verdict(self, one: Passing) -> tuple[str, str]:
        """`NEW`, `repeat of #12`, `DIFFERS, was 01:11:55.02`, and its ink."""
        match one.status:
            case Status.REPEAT:
                return f"repeat of #{one.of}", "dim"
            case Status.JOINED:
                return f"NEW {one.kind.value} line of #{one.of}", "good"
            case Status.CORRECTION | Status.CANCELLED:
                original = self._originals.get(one.of or 0)
                whose = f" from #{one.of}" if self._wide or original is None else ""
                return f"DIFFERS{whose}" + (f", was {_was(one, original)}" if original else ""), "bad"
        return "NEW", "good"


def what(one: Passing) -> str:
    """`primary 11 0410`, `select 11 0410`, `lap lane 1 lap 2`."""
    extra = one.extra
    if one.kind is Kind.LAP:
        return f"lane {extra.get('lane', '-')} lap {extra.get('lap', '-')}"
    word = {Kind.PLACE: "primary", Kind.SELECT: "select"}.get(one.kind, one.kind.value)
    return f"{word} {one.channel or '-'} {extra.get('place', 0):>04}"


def told(one: Passing) -> str:
    """The bib of a place, the split of a lap."""
    if one.kind is Kind.LAP:
        return str(one.extra.get("split", ""))
    return one.bib or ("----" if one.kind in (Kind.PLACE, Kind.SELECT) else "")


def _was(one: Passing, original: Passing) -> str:
    """Those parts of the original that are no longer so."""
    parts = [(one.time, original.time), (told(one), told(original))]
    return " ".join((was or "?").strip() for now, was in parts if now != was) or "otherwise"
