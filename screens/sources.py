"""What the lists list: frames, passings and incidents, with their columns and filters."""

from collections.abc import Callable

from console.control.client import Client
from console.model import Direction, EngineState, Frame, Incident, Kind, Level, Origin, Phase, Resolved, Scalar, Status
from screens import words
from screens.listing import Source
from screens.paint import Line
from screens.picture import LEVELS, Picture

FILTER_HELP = "text, @DEVICE, ! only flawed, < from the device, > to the device, chatter PINGs too"

CHATTER = "chatter"
"""The filter word that shows what keep-awake says and hears, too."""

CHATTY = "otimcon"
"""The type of the devices that are kept awake."""


class Frames(Source[Frame]):
    """The journal, frame by frame, as it crossed the wires."""

    title = "FRAMES"
    noun = "frame"

    def __init__(self, device: str = "", title: str = "FRAMES") -> None:
        self.title = title
        self.of = device
        self.device, self.text, self.flawed = device, "", False
        self.direction: Direction | None = None
        self.quiet = True

    def left_out(self, picture: Picture) -> str:
        """Chatter, where there can be some, unless it was asked for."""
        devices = [device for device in picture.state.devices if self.device in ("", device.name)]
        hidden = self.quiet and not self.flawed and any(device.type == CHATTY for device in devices)
        return f"  chatter hidden (/ {CHATTER} shows it)" if hidden else ""

    async def page(self, client: Client, after: int | None, before: int | None, limit: int) -> list[Frame]:
        """A page."""
        return await self._frames(client, after, before, limit, self.flawed)

    async def seek(self, client: Client, at: int, step: int) -> tuple[Frame | None, int | None]:
        """The next flawed frame; the engine finds it, however far it is."""
        found = await (self._frames(client, at, None, 1, True) if step > 0 else self._frames(client, None, at, 1, True))
        return (found[0] if found else None), None

    async def _frames(
        self, client: Client, after: int | None, before: int | None, limit: int, flawed: bool
    ) -> list[Frame]:
        return await client.frames(
            after=after,
            before=before,
            limit=limit,
            device=self.device,
            direction=self.direction,
            flawed=flawed,
            text=self.text,
            quiet=self.quiet,
        )

    def filter(self, text: str) -> None:
        """Another filter."""
        self.device, self.flawed, self.direction = self.of, False, None
        rest, chatter = [], False
        for word in text.split():
            if word.startswith("@"):
                self.device = word[1:]
            elif word == "!":
                self.flawed = True
            elif word in "<>":
                self.direction = Direction.RX if word == "<" else Direction.TX
            elif word.lower() == CHATTER:
                chatter = True
            else:
                rest.append(word)
        self.text = " ".join(rest)
        self.quiet = not chatter and not self.text  # who looks for PONG by name is to find it

    def seq(self, row: Frame) -> int:
        """Its number."""
        return row.seq

    def newest(self, state: EngineState) -> int:
        """The highest number."""
        return state.journal.frames

    def frame(self, row: Frame) -> int | None:
        """Its frame."""
        return row.seq

    def problems(self, rows: list[Frame]) -> list[Frame]:
        """Those to look at."""
        return [row for row in rows if row.flaw]

    def survey(self, rows: list[Frame], picture: Picture) -> str:
        """What the title counts."""
        return f"{picture.state.journal.frames} SAVED" if not self.of else ""

    def heading(self, rows: list[Frame], width: int, picture: Picture) -> Line:
        """The columns."""
        device = "" if self.of else f"{'DEVICE':<{_names(width)}} "
        return [(f"{'#':>7}  {'TIME':<12} {device}  {'WHAT':<{_names(width)}} BYTES   < device  > us", "")]

    def line(self, row: Frame, width: int, picture: Picture) -> Line:
        """One row."""
        line: Line = [
            (f"{row.seq:>7}  ", "dim"),
            (words.clock(row.wall, picture.zone, 3) + " ", ""),
        ]
        if not self.of:
            line.append((words.brief(row.device, _names(width)) + " ", ""))
        line.append(("< " if row.direction is Direction.RX else "> ", "key"))
        line.append((words.fit(row.label, _names(width)) + " ", ""))
        if row.flaw:
            line.append((f"! {words.clean(row.flaw)}: ", "bad"))
        line.append((words.escaped(row.raw[:400]), ""))
        if row.masked:
            line.append(("  (secret masked)", "dim"))
        if row.by:
            line.append((f"  {words.clean(row.by)}", "dim"))
        return cut(line, width)


class Passings(Source[Resolved]):
    """What the frames mean for timing."""

    title = "PASSINGS"
    noun = "passing"
    mutable = True

    def __init__(self, device: str = "") -> None:
        self.of = device
        self.device, self.text = device, ""
        self._columns: list[tuple[str, int, Callable[[Resolved, Picture], tuple[str, str]]]] = []
        self._time_width = self._name_width = 0
        self._unknown: set[int] = set()

    async def page(self, client: Client, after: int | None, before: int | None, limit: int) -> list[Resolved]:
        """A page."""
        return await client.passings(after=after, before=before, limit=limit, device=self.device, text=self.text)

    def filter(self, text: str) -> None:
        """Another filter."""
        self.device = self.of
        rest = []
        for word in text.split():
            if word.startswith("@"):
                self.device = word[1:]
            elif word in ("!", "<", ">"):
                raise ValueError(f"{word} filters frames (the Log tab); passings know text and @DEVICE")
            else:
                rest.append(word)
        self.text = " ".join(rest)

    def seq(self, row: Resolved) -> int:
        """Its number."""
        return row.passing.seq

    def newest(self, state: EngineState) -> int:
        """The highest number."""
        return state.journal.passings

    def frame(self, row: Resolved) -> int | None:
        """Its frame."""
        return row.passing.frame

    def problems(self, rows: list[Resolved]) -> list[Resolved]:
        """Those to look at."""
        changed = (Status.CORRECTION, Status.CANCELLED, Status.OFFERED)
        unknown = {row.passing.seq for row in without_bib(rows)}
        return [row for row in rows if row.passing.seq in unknown or row.passing.status in changed]

    def changes(self, row: Resolved) -> int | None:
        """The older passing it changes."""
        return None if row.passing.status in (Status.LIVE, Status.REPEAT) else row.passing.of

    def survey(self, rows: list[Resolved], picture: Picture) -> str:
        """What the title counts."""
        self._unknown = {row.passing.seq for row in without_bib(rows)}
        devices = [device for device in picture.state.devices if self.of in ("", device.name)]
        nameless = sum(device.nameless for device in devices)
        holes = sum(len(device.holes) for device in devices)
        return f"{nameless} WITHOUT BIB  {words.plural(holes, 'HOLE')}"

    def missing(self, row: Resolved, picture: Picture) -> list[str]:
        """Holes in the places, where they belong."""
        place = _place(row.passing.extra)
        device = picture.device(row.passing.device)
        if place is None or device is None or row.passing.status is not Status.LIVE:
            return []
        here = (("", place - 1), (row.passing.event or "", place - 1))
        return [hole for hole in device.holes if last_of(hole) in here]

    def missing_line(self, missing: str, row: Resolved) -> Line:
        """A hole."""
        start = " " * (8 + 2 * (self._time_width + 2)) + words.fit(row.point or row.passing.device, 9)
        return [(f"{start}place {missing:<{5 + self._name_width}}HOLE", "bad")]

    def heading(self, rows: list[Resolved], width: int, picture: Picture) -> Line:
        """The columns are as wide as the longest time on the screen: times are never cut, names are."""
        self._time_width = max([11, *(len(time) for row in rows for time in picture.times(row))])
        spare = width - (8 + 2 * (self._time_width + 2) + 9 + 10 + 12)
        extra: list[tuple[str, int, Callable[[Resolved, Picture], tuple[str, str]]]] = []
        for column in (("DEVICE", 9, _device), ("KIND", 8, _kind), ("ARRIVED", 13, _arrived), ("EVENT", 6, _event)):
            if spare - column[1] >= 22:
                extra.append(column)
                spare -= column[1] + 1
        self._name_width = max(0, min(spare, 24) - 1)
        self._columns = [
            ("POINT", 8, _point),
            ("BIB/TAG", 9, self._who),
            ("NAME", self._name_width, _name),
            ("STATUS", 12, self._status),
            *extra,
        ]
        head = f"{'#':>6}  {'TIME OF DAY':<{self._time_width}}  {'RACE TIME':<{self._time_width}}  "
        return [(head + "".join(words.fit(name, size) + " " for name, size, _ in self._columns), "")]

    def line(self, row: Resolved, width: int, picture: Picture) -> Line:
        """One row."""
        day, race = picture.times(row)
        faint = "dim" if row.passing.status in (Status.REPEAT, Status.EDITED) else ""
        line: Line = [(f"{row.passing.seq:>6}  {day:<{self._time_width}}  {race:<{self._time_width}}  ", faint)]
        for _, size, value in self._columns:
            text, ink = value(row, picture)
            line.append((words.fit(text, size) + " ", faint or ink))
        text, ink = line.pop()
        return cut([*line, (text.rstrip(), ink)], width)

    def _who(self, row: Resolved, picture: Picture) -> tuple[str, str]:
        if row.bib:
            return row.bib, ""
        if tag := row.passing.tag:
            return (tag if len(tag) <= 9 else "~" + tag[-8:]), ""  # The end of a chip's number tells chips apart.
        if row.passing.kind is Kind.GUN:
            return "GUN", "key"
        return ("----", "bad") if row.passing.seq in self._unknown else ("-", "dim")

    def _status(self, row: Resolved, picture: Picture) -> tuple[str, str]:
        why = picture.held.get(row.passing.seq)
        if why and not (row.edited and why.startswith(("edited", "no bib"))):
            return f"HELD {why.partition(':')[0].removesuffix(' yet')}", "bad"
        return ("NO BIB", "bad") if row.passing.seq in self._unknown else status(row)


class Incidents(Source[Incident]):
    """What the operator should know."""

    title = "INCIDENTS"
    noun = "incident"

    async def page(self, client: Client, after: int | None, before: int | None, limit: int) -> list[Incident]:
        """A page."""
        return await client.incidents(after=after, before=before, limit=limit)

    def seq(self, row: Incident) -> int:
        """Its number."""
        return row.seq

    def newest(self, state: EngineState) -> int:
        """The highest number."""
        return state.journal.incidents

    def problems(self, rows: list[Incident]) -> list[Incident]:
        """Those to look at."""
        return [row for row in rows if row.level is Level.ALARM]

    def heading(self, rows: list[Incident], width: int, picture: Picture) -> Line:
        """The columns."""
        return [(f"{'#':>6}  {'TIME':<8}  {'LEVEL':<8} {'SOURCE':<10} WHAT", "")]

    def line(self, row: Incident, width: int, picture: Picture) -> Line:
        """One row."""
        return incident_line(row, width, picture)


def incident_line(row: Incident, width: int, picture: Picture) -> Line:
    """One incident."""
    word, ink = LEVELS[row.level]
    start = f"{row.seq:>6}  {words.clock(row.wall, picture.zone)}  "
    return cut([(start, ""), (f"{word:<8} ", ink), (words.brief(row.source, 10) + " ", ""), (row.text, "")], width)


def cut(line: Line, width: int) -> Line:
    """`line` in at most `width` cells, with `~` where something was cut off."""
    for number, (text, ink) in enumerate(line):
        text = words.clean(text)
        if len(text) > width:
            return [*line[:number], (words.fit(text, width), ink)]
        width -= len(text)
    return line


def _names(width: int) -> int:
    """Width of the names in the log."""
    return 8 if width < 100 else 10


def _place(extra: dict[str, Scalar]) -> int | None:
    place = extra.get("place")
    return int(place) if isinstance(place, int) or (isinstance(place, str) and place.isdecimal()) else None


def last_of(hole: str) -> tuple[str, int | None]:
    """The timer's event (empty: not told) and the last place of a hole in words: `0412-0415 of event 002`."""
    places, _, event = hole.partition(" of event ")
    last = places.rpartition("-")[2]
    return event, int(last) if last.isdecimal() else None


# --- columns of a passing ---


def without_bib(rows: list[Resolved]) -> list[Resolved]:
    """Places of the race taken by nobody we know; the other half of a place may have told."""
    known = {row.passing.of for row in rows if row.passing.status is Status.JOINED and row.bib}
    return [
        row
        for row in rows
        if row.passing.kind is Kind.PLACE
        and not row.bib
        and row.passing.status is Status.LIVE
        and row.passing.phase is Phase.RACE
        and row.passing.seq not in known
    ]


def status(row: Resolved) -> tuple[str, str]:
    """What the journal knows of a passing, and its ink."""
    passing = row.passing
    match passing.status:
        case Status.REPEAT:
            return "repeat", "dim"
        case Status.CANCELLED:
            return f"cancels #{passing.of}" if passing.of else "cancelled", "warn"
        case Status.CORRECTION:
            return f"corr #{passing.of}", "warn"
        case Status.EDITED:
            return f"{'undo' if 'undoes' in passing.extra else 'bib'} of #{passing.of}", "dim"
        case Status.OFFERED:
            return ("offered", "warn") if passing.heard_in_test is None else ("in TEST", "dim")
    if passing.phase is not Phase.RACE:
        return passing.phase.value.lower(), "dim"
    if row.edited:
        return f"edited {row.edited}", "key"
    if passing.status is Status.JOINED:
        return f"joins #{passing.of}", ""
    return passing.origin.value, "key" if passing.origin is Origin.RECOVERED else ""


def _device(row: Resolved, picture: Picture) -> tuple[str, str]:
    return row.passing.device, "dim"


def _kind(row: Resolved, picture: Picture) -> tuple[str, str]:
    return row.passing.kind.value, "dim"


def _arrived(row: Resolved, picture: Picture) -> tuple[str, str]:
    return words.clock(row.passing.wall, picture.zone, 3), "dim"


def _event(row: Resolved, picture: Picture) -> tuple[str, str]:
    return row.passing.event or "-", "dim"


def _point(row: Resolved, picture: Picture) -> tuple[str, str]:
    if row.passing.kind is Kind.GUN:
        return "GUN", "key"
    return row.point or row.passing.channel or row.passing.kind.value, "" if row.point else "dim"


def _name(row: Resolved, picture: Picture) -> tuple[str, str]:
    return ("not in list", "warn") if row.name == "" else (row.name or "", "")
