"""The finish order of a timer that counts places: who came when, what is missing, what the exports made of it."""

from bisect import insort
from collections.abc import Iterable
from typing import TypeAlias

from console.control.client import Client, RefusedError
from console.model import SECOND, Kind, Origin, Phase, Resolved, Status
from screens import words
from screens.paint import Line
from screens.picture import Picture
from screens.sources import Passings, cut, last_of
from screens.window import PAGE

KINDS = (Kind.PLACE, Kind.SELECT)

Key: TypeAlias = tuple[int, str, int]
"""A place: run of the timer's numbering, timer event, place."""

MOST = 6
"""Events and chutes that are named."""

_HALVES = {Kind.PLACE: "primary", Kind.SELECT: "select"}
_OUT = 8


class FinishOrder(Passings):
    """Places as they came."""

    title = "FINISH ORDER"
    noun = "place"
    renewed = SECOND

    def __init__(self, device: str) -> None:
        super().__init__(device)
        self.areas: list[tuple[str, str]] = []
        """Timer events and chutes there are."""
        self._asked = False
        self._event = self._chute = ""
        self._otherwise: dict[Key, str] = {}
        """The time that a retransmit told last, of places that it told otherwise."""
        self._corrected_upto = 0
        self._holes: dict[tuple[str, int | None], str] = {}
        """Event (empty: there is but one) and last missing place -> the hole, in words."""
        self._places: set[Key] = set()
        self._disordered: set[int] = set()
        self._note_width = 0

    # --- rows ---

    async def page(self, client: Client, after: int | None, before: int | None, limit: int) -> list[Resolved]:
        """A page. Events and chutes are filtered here, so it may take several of the engine's."""
        if not self._asked:
            await self._ask_areas(client)
            self._asked = True
        await self._ask_corrections(client)
        rows: list[Resolved] = []
        while True:
            page = await client.passings(
                after=after,
                before=before,
                limit=limit,
                device=self.device,
                kinds=KINDS,
                statuses=(Status.LIVE,),
                text=self.text or self._event,
                outs=True,
            )
            self._remember((row.passing.event or "-", row.passing.channel or "-") for row in page)
            found = [row for row in page if self._wanted(row)]
            rows = rows + found if after is not None else found + rows
            if len(page) < limit or len(rows) >= limit:
                return rows[:limit] if after is not None else rows[-limit:]
            if after is not None:
                after = page[-1].passing.seq
            else:
                before = page[0].passing.seq

    async def _ask_areas(self, client: Client) -> None:
        """Those of which no row is looked at, too."""
        try:
            sheet = await client.sheet(self.of, "chutes")
        except RefusedError:
            return  # an engine without that sheet: those that are looked at are known all the same
        at = [name.strip() for name in sheet.columns]
        self._remember((row[at.index("EVENT")], row[at.index("CHUTE")]) for row in sheet.rows)

    async def _ask_corrections(self, client: Client) -> None:
        """Times that were told otherwise since they were asked for last: a place that counts keeps its own."""
        while True:
            page = await client.passings(
                after=self._corrected_upto, limit=PAGE, device=self.of, kinds=KINDS, statuses=(Status.CORRECTION,)
            )
            self._otherwise |= {key: row.passing.time for row in page if (key := _key(row)) and row.passing.time}
            if page:
                self._corrected_upto = page[-1].passing.seq
            if len(page) < PAGE:
                return

    def _remember(self, areas: Iterable[tuple[str, str]]) -> None:
        for area in set(areas) - set(self.areas):
            insort(self.areas, area)

    def _wanted(self, row: Resolved) -> bool:
        return all(
            not wanted or (is_there or "").lstrip("0") == wanted.lstrip("0")
            for wanted, is_there in ((self._event, row.passing.event), (self._chute, row.passing.channel))
        )

    def filter(self, text: str) -> None:
        """Another filter: text, `event:002`, `chute:11`."""
        event = chute = ""
        rest = []
        for word in text.split():
            name, colon, value = word.partition(":")
            if colon and name in ("event", "chute"):
                if not value.isdecimal():
                    raise ValueError(f"{name}: takes a number (got {words.clean(value)!r})")
                event, chute = (value, chute) if name == "event" else (event, value)
            elif word in ("!", "<", ">") or word.startswith("@"):
                raise ValueError(f"{word} filters the Log tab; here text, event:NUMBER and chute:NUMBER do")
            else:
                rest.append(word)
        self._event, self._chute, self.text = event, chute, " ".join(rest)

    def filters(self) -> str:
        """Which timer events and chutes there are, and how to see one alone; empty where there is no choice."""
        said = []
        for name, at in (("event", 0), ("chute", 1)):
            there = sorted({area[at] for area in self.areas if area[at] != "-"})
            if len(there) > 1:
                more = " ..." if len(there) > MOST else ""
                said.append(f"{name}s {' '.join(there[:MOST])}{more}  / {name}:{there[0]}")
        return "   ".join(said)

    # --- what is wrong ---

    def survey(self, rows: list[Resolved], picture: Picture) -> str:
        """Look for places that are missing or out of order, as far as rows are here."""
        device = picture.device(self.of)
        self._holes = {last_of(hole): hole for hole in (device.holes if device else ())}
        self._places, self._disordered = _look_over(rows)
        return super().survey(rows, picture)

    def missing(self, row: Resolved, picture: Picture) -> list[str]:
        """Holes in front of a place."""
        return self._hole(row, self._places)

    def _hole(self, row: Resolved, places: set[Key]) -> list[str]:
        """The engine names the event of a hole where several have some; else a hole of the row's own event is one where
        the place before is not known."""
        key = _key(row)
        if key is None or (*key[:2], key[2] - 1) in places:
            return []
        found = (self._holes.get((event, key[2] - 1)) for event in (key[1], ""))
        return [hole for hole in found if hole][:1]

    def missing_line(self, missing: str, row: Resolved) -> Line:
        """A hole, in the columns of the places."""
        return [(f" {missing:<{self._before_note - 1}}", "bad"), ("HOLE", "bad")]

    def problems(self, rows: list[Resolved]) -> list[Resolved]:
        """Holes, places out of order, places without a bib or with two times, and what an export holds."""
        places, disordered = _look_over(rows)
        return [
            row
            for row in rows
            if _nameless(row)
            or row.passing.seq in disordered
            or self._hole(row, places | self._places)
            or row.out == "HELD"
            or self._other_time(row)
        ]

    def _other_time(self, row: Resolved) -> str:
        """The time that the timer told of this place since, where that is another one."""
        key = _key(row)
        time = self._otherwise.get(key, "") if key else ""
        return time.strip() if time != row.passing.time else ""

    # --- columns ---

    def heading(self, rows: list[Resolved], width: int, picture: Picture) -> Line:
        """The columns. The timer's event is one of them as soon as there are two, or room."""
        self._time_width = max([11, *(len((row.passing.time or "?").strip()) for row in rows)])
        self._with_event = width >= 100 or len({event for event, _ in self.areas}) > 1
        self._with_day, self._with_name = width >= 100, width >= 120
        head = "PLACE CHUTE LANE  " if not self._with_event else "PLACE EVENT CHUTE LANE  "
        head += f"{'RACE TIME':<{self._time_width}}  "
        head += f"{'TIME OF DAY':<{self._time_width}}  " if self._with_day else ""
        head += f"{'BIB':<6} " + (f"{'NAME':<20} " if self._with_name else "")
        self._from_width = 7 if self._with_event and not self._with_day else 14
        head += f"{'FROM':<{self._from_width}} {'OUT':<{_OUT}} "
        self._before_note = len(head)
        return [(head + "NOTE", "")]

    def line(self, row: Resolved, width: int, picture: Picture) -> Line:
        """One place."""
        passing, place = row.passing, row.passing.extra.get("place")
        chute, lane = passing.channel or "-", passing.extra.get("place_in_lane", "-")
        start = f" {place:04d} " if isinstance(place, int) else "    - "
        start += f"{passing.event or '-':<5} " if self._with_event else ""
        day = words.clock(row.utc, picture.zone, words.digits_of(passing.time))
        line: Line = [
            (f"{start}{words.fit(chute, 5, right=False)} {words.fit(str(lane), 4, right=True)}  ", ""),
            (words.fit((passing.time or "?").strip(), self._time_width) + "  ", ""),
        ]
        if self._with_day:
            line.append((words.fit(day, self._time_width) + "  ", "dim"))
        line.append((words.fit(row.bib or "----", 6) + " ", "" if row.bib else "bad"))
        if self._with_name:
            line.append((words.fit(row.name or "", 20) + " ", ""))
        told = from_(row) if self._from_width == 14 else from_(row).replace("primary+select", "both")
        line.append((words.fit(told, self._from_width) + " ", "dim"))
        line.append((words.fit(row.out, _OUT) + " ", _out_ink(row.out)))
        note, ink = self.note(row)
        return cut([*line, (note, ink)], width)

    def note(self, row: Resolved) -> tuple[str, str]:
        """What is special about a place, the worst first, and its ink."""
        said: list[tuple[str, str]] = []
        if row.passing.seq in self._disordered and row.passing.origin is Origin.LIVE:
            said.append(("OUT OF ORDER", "bad"))
        if time := self._other_time(row):
            said.append((f"ALSO {time}", "bad"))
        if _nameless(row):  # which its column shows already
            said.append(("NO BIB", "bad"))
        if row.edited:
            said.append((f"edited{_was(row)}" if _was(row) else f"edited {row.edited}", "warn"))
        elif _was(row):
            said.append((_was(row).removeprefix(", "), "warn"))
        if row.passing.origin is not Origin.LIVE:
            said.append((row.passing.origin.value, "dim"))
        if row.bib and row.name == "":
            said.append(("not in list", "warn"))
        if row.passing.phase is not Phase.RACE:
            said.append((row.passing.phase.value, "dim"))
        return ", ".join(text for text, _ in said), said[0][1] if said else ""


def from_(row: Resolved) -> str:
    """Which lines told of the place: `primary`, `select`, `primary+select`."""
    halves = row.halves or (row.passing.kind,)
    return "+".join(word for kind, word in _HALVES.items() if kind in halves)


def _was(row: Resolved) -> str:
    """`, was 1178`, where the bib is no longer the one that the line brought."""
    own = row.passing.bib
    return f", was {own}" if own and own != row.bib else ""


def _nameless(row: Resolved) -> bool:
    return not row.bib and row.passing.phase is Phase.RACE


def _look_over(rows: list[Resolved]) -> tuple[set[Key], set[int]]:
    """The places there are, and the passings whose place is below one that came before."""
    places: set[Key] = set()
    disordered: set[int] = set()
    highest: dict[tuple[int, str], int] = {}
    for row in rows:
        if key := _key(row):
            run, place = key[:2], key[2]
            places.add(key)
            if place < highest.get(run, 0):
                disordered.add(row.passing.seq)
            highest[run] = max(place, highest.get(run, 0))
    return places, disordered


def _key(row: Resolved) -> Key | None:
    passing, place = row.passing, row.passing.extra.get("place")
    return (passing.generation, passing.event or "", place) if isinstance(place, int) else None


def _out_ink(out: str) -> str:
    return {"HELD": "bad", "waiting": "warn", "unmapped": "warn"}.get(out, "")
