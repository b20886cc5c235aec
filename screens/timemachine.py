"""The tab of a TIME MACHINE or Chronomix 737: whether it flows, its race clock, the finish order (or the laps), and
what goes over its wire, as the timer's own Transmit Status shows it."""

import re

from console.control.client import Client
from console.model import DeviceState, Flow, Gun, Kind, LinkState, Outcome, Resolved, Retold, Status
from screens import progress, words
from screens.device import TALL, Device
from screens.finish import FinishOrder
from screens.listing import Listing
from screens.paint import Line
from screens.picture import Picture
from screens.retransmit import Retransmit
from screens.sheet import SheetView
from screens.transmit import Transmit
from screens.view import Hints, Pane

TIMED = (Kind.PLACE, Kind.SELECT, Kind.LAP)

START_RETRANSMIT = "retransmit: start it with the timer's own keys; live lines wait until its end"
"""No document gives a command for it (timemachine.md, section 3)."""

NOT_SAFE = "NOT A SAFE STORE: what a paused timer holds back is in its memory alone"

WIRE = 6
"""Lines of the wire, title included, that are on the screen beside the finish order."""

LEAST, LEAST_WIRE = 5, 3
"""Lines that the finish order and the wire need to be of use."""

_WRONG = re.compile(r", |: ")
"""In the fact `line`, what is wrong with the setting follows."""

_SHOWN = ("model", "line", "state", "clock", "event", "lines", "handshake", "XOFF timeout")
"""Facts that have a place of their own in the head."""


class TimeMachine(Device):
    """One timer."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.finish = FinishOrder(name)
        self.places = self.passings = Listing(self.finish)
        self.frames = Listing(Transmit(name))
        self.panes = [self.places, self.frames]
        self.told: Listing[Resolved] | None = None
        """The lines of the newest retransmit, in the place of what was timed while they are in front."""
        self._told_since = 0
        self.laps = SheetView(name, "laps")
        self.laps_only = False
        """What it timed last was a lap: the lap table takes the place of the finish order."""
        self._seen = 0
        self._keys: Hints = ()
        self._tall = False

    # --- rows ---

    @property
    def pane(self) -> Pane | None:
        """The pane that keys go to; None: the lap table, which only scrolls."""
        return None if self.laps_only and super().pane is self.places else super().pane

    def scroll(self, rows: int) -> None:
        """Up and down the lap table."""
        self.laps.scroll(rows)

    async def pull(self, client: Client, picture: Picture) -> bool:
        """Fetch what is on the screen, once it is known what the timer times."""
        changed = False
        newest = picture.state.journal.passings
        if newest != self._seen:
            timed = await client.passings(device=self.name, kinds=TIMED, statuses=(Status.LIVE,), limit=1)
            self._seen = newest
            laps_only = any(row.passing.kind is Kind.LAP for row in timed)
            changed, self.laps_only = laps_only != self.laps_only, laps_only
        upper = self._told_in_front or (self.laps if self.laps_only else self.places)
        return any([changed, await upper.pull(client, picture), await self.frames.pull(client, picture)])

    @property
    def _told_in_front(self) -> Listing[Resolved] | None:
        return self.told if self.pane is self.told else None

    def show_told(self) -> bool:
        """Bring the lines of the newest retransmit to the front, or take them away again. False: there was none."""
        if self.told is None:
            return False
        self.front = 0 if self.pane is self.told else self.panes.index(self.told)
        return True

    def _follow_retransmits(self, retold: Retold | None) -> None:
        """A list for the newest one."""
        if retold is not None and retold.since != self._told_since:
            self._told_since = retold.since
            self.told = Listing(Retransmit(self.name, retold))
            self.panes = [self.places, self.frames, self.told]

    # --- the screen ---

    def hints(self) -> Hints:
        """The keys that matter here."""
        nexts = (("n", "next hole"),) if self.listing is self.places else ()
        return ("Tab", "pane"), ("b", "bib"), *nexts, *self._keys, ("=", "retransmit"), ("?", "help"), ("q", "leave")

    def head(self, device: DeviceState, width: int, height: int, picture: Picture) -> list[Line]:
        """The line and whether it flows; the race clock; what is to be known of a pause; what there is to filter by."""
        self._tall = height >= TALL
        self._follow_retransmits(device.retold)
        self._keys = tuple((one.key, one.words) for one in device.commands if one.key)[:4]
        out = packed(link(device, picture), width)
        out += [[(line, words.role(device))] for line in words.wrapped(device.reason, width)[:3]]
        out += mismatch(device, width)
        others = [(words.plural(device.repeats, "repeat"), "dim")]
        others += [(f"{name} {value}", "dim") for name, value in device.facts.items() if name not in _SHOWN]
        others.append((device.where, "dim"))
        out += packed([*race(device, picture), *(others if self._tall else [])], width)
        if device.flow:
            out += since(device.flow, width, picture)
        if (areas := self.finish.filters()) and not self.laps_only:
            out.append([(words.fit(areas, width), "dim")])
        return out

    def body(self, width: int, room: int, picture: Picture) -> list[Line]:
        """What was timed, above the wire; of the wire as much as leaves room for what was timed."""
        wire = min(max(WIRE, room // 3), room - LEAST)
        if wire < LEAST_WIRE:
            wire = 0 if self.listing is not self.frames else room
        timed = self._timed(width, room - wire, picture) if wire < room else []
        timed += [[] for _ in range(room - wire - len(timed))]
        lines = self.frames.lines(width, wire + 1, picture, active=self.listing is self.frames) if wire else []
        return timed + lines[:1] + lines[2:]  # its title says what its columns are

    def _timed(self, width: int, room: int, picture: Picture) -> list[Line]:
        if told := self._told_in_front:
            return told.lines(width, room, picture)
        if self.laps_only:
            return self.laps.lines(width, room, picture)
        return self.places.lines(width, room, picture, active=self.listing is self.places)

    def _menu(self, device: DeviceState, width: int, room: int, picture: Picture) -> list[Line]:
        """Where there is room, or somebody wants it: the few keys are in the footer too."""
        self._auto_folded = room < TALL
        folded = self._auto_folded if self.folded is None else self.folded
        return [] if folded else super()._menu(device, width, room, picture)

    def foot(self, device: DeviceState, width: int, picture: Picture) -> list[Line]:
        """Holes and the way to fill them, the retransmit, and what came of the last command."""
        out = holes(device, width)
        if device.retold:
            out += retransmit(device.retold, width)
        elif not device.holes and "737" not in device.facts.get("model", ""):
            out.append([(words.fit(START_RETRANSMIT, width), "dim")])
        out += progress.job(device.job, width, picture) if device.job else []
        result = progress.outcome(device.outcome, width, picture) if device.outcome else []
        failed = device.outcome is not None and device.outcome.ok is False
        return out + (result if self._tall or failed else result[:1])

    def tells(self, device: DeviceState, last: Outcome, width: int, picture: Picture) -> bool:
        """See Device; a low screen has a line for it."""
        return (
            super().tells(device, last, width, picture)
            if self._tall
            else len(progress.outcome(last, width, picture)) == 1
        )


def packed(runs: list[tuple[str, str]], width: int) -> list[Line]:
    """Runs of text, as many a line as fit, two blanks between them."""
    out: list[Line] = []
    used = width
    for text, ink in runs:
        text = words.clean(text)
        text = words.fit(text, width) if len(text) > width else text
        if used + 2 + len(text) > width:
            out.append([])
            used = -2
        out[-1] += [("  ", ""), (text, ink)] if out[-1] else [(text, ink)]
        used += 2 + len(text)
    return out


def link(device: DeviceState, picture: Picture) -> list[tuple[str, str]]:
    """The timer, its line, whether it flows, when it was heard, the control lines."""
    facts = device.facts
    name = facts.get("model", "TIME MACHINE").upper()
    runs = [(f"{name} {_WRONG.split(facts.get('line', ''))[0]}".rstrip(), "head"), flowing(device, picture)]
    runs += [(f"heard {words.since(device.heard, picture.now)}", ""), *control_lines(facts.get("lines", ""))]
    if timeout := facts.get("XOFF timeout"):
        runs.append((f"XOFF timeout {timeout}", ""))
    return runs


def control_lines(told: str) -> list[tuple[str, str]]:
    """`CTS high`, each by itself; a port that has none says so."""
    names, levels = told.split()[::2], told.split()[1::2]
    if not told or told == "not available":
        return [("CTS DSR n/a", "dim")] if told else []
    ours = ("RTS", "DTR")
    return [
        (f"{name} {level}", "bad" if level == "low" and name != "CD" else "")
        for name, level in zip(names, levels, strict=False)
        if name not in ours or level == "low"  # ours are high unless somebody dropped one
    ]


def flowing(device: DeviceState, picture: Picture) -> tuple[str, str]:
    """`FLOWING`, `PAUSED 0:07, timer resumes by itself in 0:23`, or why there is nothing that could flow."""
    now, flow = picture.now, device.flow
    state = device.facts.get("state", "FLOWING")
    if device.state in (LinkState.DOWN, LinkState.CLOSED, LinkState.CONNECTING):
        return words.link(device, now), words.role(device)
    if flow is None or flow.paused_at is None:
        silent = f"{words.link(device, now)}, " if device.state is not LinkState.UP else ""
        return silent + state, "good" if state == "FLOWING" and not silent else "warn"
    text = f"PAUSED {words.since(flow.paused_at, now)}" + state.partition("PAUSED")[2]
    text += f" by {flow.by}" if flow.by else ""
    by_itself = None if flow.resumes_at is None else words.age(flow.resumes_at - now)
    return text + (f", timer resumes by itself in {by_itself}" if by_itself else ", until XON"), "bad"


def mismatch(device: DeviceState, width: int) -> list[Line]:
    """That the port is read with another speed or word than the timer sends with: nothing else matters then. And what
    a control line says of a timer that is not heard."""
    line, *wrong = _WRONG.split(device.facts.get("line", ""), maxsplit=1)
    told = (
        [f"!! WRONG LINE SETTING: {line} here, {wrong[0].removeprefix('but ')}; {mend(line, wrong[0])}"]
        if wrong
        else []
    )
    told += [f"!! {device.facts['handshake']}"] if "handshake" in device.facts else []
    return [[(part, "bad")] for text in told for part in words.wrapped(text, width)[:3]]


def mend(line: str, wrong: str) -> str:
    """Which setting to change, where the bytes tell."""
    if word := re.search(r"set to ([78])([NEO])", wrong):
        parity = {"N": "none", "E": "even", "O": "odd"}[word[2]]
        here = f'set data_bits = {word[1]} and parity = "{parity}" in the settings'
        return f"{here}, or {line.rpartition(' ')[2]} in the timer's RS232 menu"
    return "compare baud and word with the timer's RS232 menu"


def race(device: DeviceState, picture: Picture) -> list[tuple[str, str]]:
    """What the race clock shows, counted here; the gun; the timer's event."""
    gun = gun_of(device.name, picture)
    facts = device.facts
    runs: list[tuple[str, str]] = []
    if facts.get("clock", "").startswith("time of day"):
        runs.append(("times are the time of day", ""))
    elif gun is None:
        runs.append(("race clock ?  no gun yet: START on the timer, or :gun", "warn"))
    else:
        runs.append((f"race clock {words.span(picture.now - gun.wall + gun.ns)}", ""))
    if gun is not None:
        start = words.clock(gun.wall - gun.ns, picture.zone, 2)
        runs.append((f"gun {start} {'from ' if gun.source == 'START line' else ''}{gun.source}", ""))
    runs.append((f"TM event {facts.get('event') or '?'}", ""))
    if device.flaws:
        runs.append((words.plural(device.flaws, "flaw"), "warn"))
    return runs


def gun_of(device: str, picture: Picture) -> Gun | None:
    """The gun of the newest run: its first START line, or the operator's word, which replaces it."""
    found: Gun | None = None
    for gun in picture.state.guns:
        newer = found is None or gun.generation > found.generation
        if gun.device == device and (newer or gun.source != "START line"):
            found = gun
    return found


def since(flow: Flow, width: int, picture: Picture) -> list[Line]:
    """What has come since the pause began or ended, what was measured of it, and what a pause is not."""
    paused = flow.paused_at is not None
    if not (paused or flow.note):
        return []
    runs = [(f"{words.plural(flow.lines, 'line')} since {'XOFF' if paused else 'XON'}", "")]
    if flow.ends_at is not None:
        runs.append((f"we send XON in {words.age(flow.ends_at - picture.now)}", ""))
    out = packed([*runs, *([(flow.note, "dim")] if flow.note else [])], width)
    return [*out, [(words.fit(NOT_SAFE, width), "warn")]] if paused else out


def holes(device: DeviceState, width: int) -> list[Line]:
    """Missing places, and what it takes to fetch them."""
    if not device.holes:
        return []
    many = f"{' ...' if len(device.holes) > 6 else ''}"
    refill = device.refill or "a retransmit brings it, live lines wait meanwhile"
    start = "; start it on the timer" if refill.startswith("a retransmit") else ""
    text = f"HOLE {', '.join(device.holes[:6])}{many}: {refill}{start}"
    return [[(line, "bad")] for line in words.wrapped(text, width)[:2]]


def retransmit(found: Retold, width: int) -> list[Line]:
    """What the retransmit under way, or the last one, has told."""
    of = f" of event {found.event}" if found.event else ""
    differ = f"{found.differ} differ{'s' if found.differ == 1 else ''}"
    text = f"retransmit{of}: {words.plural(found.lines, 'line')}, {found.new} new, {differ}"
    text += "" if found.ended else " ... live lines wait"
    key = "   = shows them" if found.lines else ""
    ink = "warn" if found.new or found.differ or not found.ended else ""
    return [[(words.fit(text, min(len(words.clean(text)), width - len(key))), ink), (key, "key")]]
