"""One frame: its bytes, what they mean, and where they went."""

from console.control.client import Client, Detail, EngineGoneError, RefusedError
from console.model import Direction, Incident, Resolved
from screens import words
from screens.paint import Line, plain
from screens.picture import LEVELS, Picture
from screens.sources import status
from screens.view import Hints, Text

SHOWN = 4096
"""Bytes of a frame that are dumped; the rest is said."""


class FrameDetail(Text):
    """The detail of frame `seq`."""

    def __init__(self, seq: int) -> None:
        super().__init__()
        self.name = f"frame {seq}"
        self.seq = seq
        self._detail: Detail | None = None
        self._trouble = ""
        self._asked = 0

    def step(self, by: int, newest: int) -> None:
        """To the frame before or after."""
        self.seq = max(1, min(newest, self.seq + by))
        self.scroll(-1_000_000)

    async def pull(self, client: Client, picture: Picture) -> bool:
        """Ask for the detail."""
        # Deliveries go on while it is open, so it is asked again once a second.
        fresh = self._detail is None or self._detail.frame.seq != self.seq
        if not fresh and picture.now < self._asked:
            return False
        self._asked = picture.now + 1_000_000_000
        before = (self._detail, self._trouble)
        try:
            self._detail, self._trouble = await client.detail(self.seq), ""
        except RefusedError as error:
            self._trouble = str(error)
        except EngineGoneError:
            return False
        return before != (self._detail, self._trouble)

    def hints(self) -> Hints:
        """The keys that matter here."""
        return ("Left/Right", "frame before/after"), ("Up/Down", "scroll"), ("Esc", "back"), ("?", "help")

    def content(self, width: int, picture: Picture) -> list[Line]:
        """All that is known of it."""
        if self._trouble:
            return [[(f"frame {self.seq}: {self._trouble}", "bad")]]
        if self._detail is None:
            return [[(f"frame {self.seq} ...", "dim")]]
        detail, frame = self._detail, self._detail.frame
        ours = frame.direction is Direction.TX
        way = f"sent by us ({frame.by or 'the engine'})" if ours else "from the device"
        out: list[Line] = [
            [(picture.rule(f"FRAME {frame.seq}  {frame.device}  {way}  {frame.label}", width), "head")],
            [
                (f"{'sent' if ours else 'arrived'} {words.clock(frame.wall, picture.zone, 6)} ", ""),
                (f"({picture.state.timezone})  ", ""),
                (words.plural(len(frame.raw), "byte"), ""),
                ("  a secret in it is masked" if frame.masked else "", "warn"),
            ],
        ]
        if frame.flaw:
            out.append([(f"NOT GOOD: {frame.flaw}", "bad")])
        out += _dump(frame.raw, width)
        out += [[], [(picture.rule("WHAT IT MEANS", width), "rule")], *_fields(detail.fields, width)]
        if detail.passings:
            out += [[], [(picture.rule("PASSINGS", width), "rule")]]
            out += [line for row in detail.passings for line in _passing(row, picture)]
        if ours:
            return out
        out += [[], [(picture.rule("WHERE IT WENT", width), "rule")]]
        for delivery in detail.deliveries:
            to: Line = [(f"#{delivery.passing:<8} {delivery.export:<12} {delivery.peer or '-':<16} ", "")]
            if len(plain(to)) + len(delivery.word) <= width:
                out.append([*to, (delivery.word, "key")])
            else:
                out += [to, [(f"    {delivery.word}", "key")]]
        if not detail.deliveries:
            out.append([("nowhere: no export passes it on", "dim")])
        return out


class IncidentDetail(Text):
    """All the words of an incident, which a row may have cut off."""

    def __init__(self, incident: Incident) -> None:
        super().__init__()
        self.name = f"incident {incident.seq}"
        self.incident = incident

    def hints(self) -> Hints:
        """The keys that matter here."""
        frame = (("Enter", "its frame"),) if self.incident.frame is not None else ()
        return *frame, *super().hints()

    def content(self, width: int, picture: Picture) -> list[Line]:
        """When, how bad, from whom, and what."""
        incident = self.incident
        word, ink = LEVELS[incident.level]
        out: list[Line] = [
            [(picture.rule(f"INCIDENT {incident.seq}  {words.clean(incident.source)}", width), "head")],
            [(f"{words.clock(incident.wall, picture.zone)}  ", ""), (word, ink)],
            [],
        ]
        return out + [[(text, "")] for text in words.wrapped(incident.text, width)]


class Answer(Text):
    """What the engine said to a command, where it takes more than the one line there is for it."""

    name = "answer"

    def __init__(self, text: str, ink: str) -> None:
        super().__init__()
        self._text, self._ink = text, ink

    def content(self, width: int, picture: Picture) -> list[Line]:
        """All of it."""
        lines = [part for line in self._text.splitlines() for part in words.wrapped(line, width)]
        return [[(picture.rule("ANSWER", width), "head")], *([(line, self._ink)] for line in lines)]


def _dump(raw: bytes, width: int) -> list[Line]:
    out: list[Line] = []
    per = 16 if width < 100 else 24
    for offset in range(0, min(len(raw), SHOWN), per):
        part = raw[offset : offset + per]
        out.append(
            [(f"{offset:04x}  ", "dim"), (f"{part.hex(' '):<{per * 3}}", ""), (" " + words.ascii_column(part), "key")]
        )
    if len(raw) > SHOWN:
        out.append([(f"... and {len(raw) - SHOWN} bytes more (racedeck dump frames has them all)", "dim")])
    return out or [[("no bytes", "dim")]]


def _fields(fields: dict[str, str], width: int) -> list[Line]:
    if not fields:
        return [[("nothing this device is known to say", "dim")]]
    size = min(20, max(len(name) for name in fields))
    room = width - size - 2
    return [[(f"{words.fit(name, size)}  ", "dim"), (words.clean(value)[:room], "")] for name, value in fields.items()]


def _passing(row: Resolved, picture: Picture) -> list[Line]:
    passing = row.passing
    day, race = picture.times(row)
    word, ink = status(row)
    who = row.bib or passing.tag or "nobody known"
    first: Line = [
        (f"#{passing.seq}  {passing.kind.value}  {who}  {row.name or ''}  at {row.point or '?'}  ", ""),
        (word, ink),
    ]
    second: Line = [
        (f"    {passing.basis.value} {passing.time or '?'}; time of day {day}, race time {race}", "dim"),
    ]
    third: Line = [
        (f"    event {passing.event or '-'}, run {passing.generation}, phase {passing.phase.value}", "dim"),
    ]
    out = [first, second, third]
    if passing.extra:
        out.append([("    " + "  ".join(f"{name} {value}" for name, value in passing.extra.items()), "dim")])
    return out
