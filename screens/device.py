"""The tab of one device: the link, what it last said of itself, its commands, its passings, its wire, and what came of
the last command. The same for every type; a type that needs more derives from it."""

from typing import Any

from console.model import DeviceState, Outcome
from screens import menu, progress, words
from screens.listing import Listing
from screens.paint import Line
from screens.picture import Picture
from screens.sources import Frames, Passings
from screens.view import Hints, View

FILL_HOLES = {"timemachine": "start RETRANSMIT on the timer; live lines wait meanwhile"}
"""How the operator gets missing places out of a device, by its type."""

UNTIMED = ("gsm-docking", "timemachine-clock")
"""Types that time nobody: their tab has no list of passings, and more of what they say of themselves."""

TALL = 30
"""Lines of the body from which on there is room for everything."""

BOTH = 13
"""Lines that two lists need; in less only the one in front is shown."""

ROOMY = 20
"""Lines left beside head and foot from which on the menu says what each command does."""

LEAST = 6
"""Lines that a list needs at least."""


class Device(View):
    """One device."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.passings = Listing(Passings(name))
        self.frames = Listing(Frames(name, "WIRE"))
        self.panes = [self.frames, self.passings]
        self.folded: bool | None = None
        """The menu of commands is folded; None: where it leaves too little room for what comes in."""

    def hints(self) -> Hints:
        """The keys that matter here."""
        first, _, problem = self.list_hints()
        timed: Hints = () if self._untimed else (("Tab", "pane"), ("b", "bib"))
        own = *timed, (".", "menu"), ("#", "tables")
        return *own, first, problem, (":", "command"), ("?", "help")

    def fold(self) -> None:
        """Fold the menu, or unfold it."""
        self.folded = not self.folded if self.folded is not None else not self._auto_folded

    _auto_folded = _unfolded = _untimed = False

    def show_told(self) -> bool:
        """Show here what was told again, or hide it. False: this tab has no place for it."""
        return False

    def lines(self, width: int, height: int, picture: Picture) -> list[Line]:
        """The link, the commands, the lists, what goes on and what came of it."""
        device = picture.device(self.name)
        if device is None:
            return [[(f"{self.name} is no longer in the settings", "warn")]]
        if device.type in UNTIMED:
            self._untimed, self.panes = True, [self.frames]
        head, foot = self.head(device, width, height, picture), self.foot(device, width, picture)
        head += self._menu(device, width, height - len(head) - len(foot), picture)
        room = max(0, height - len(head) - len(foot))
        return (head + _padded(self.body(width, room, picture), room) + foot)[:height]

    def head(self, device: DeviceState, width: int, height: int, picture: Picture) -> list[Line]:
        """What stands at the top."""
        return [*_link(device, width, picture), *facts(device, width, 4 if height >= TALL or self._untimed else 2)]

    def body(self, width: int, room: int, picture: Picture) -> list[Line]:
        """What comes in, in at most `room` lines: both lists, or the one in front where there is no room for two."""
        front = self.listing
        if self._untimed:
            return self.frames.lines(width, room, picture)
        if self._unfolded and room < BOTH and front is not None:
            return front.lines(width, room, picture)
        first = min(room, max(LEAST, room * 3 // 5))
        parts: list[tuple[Listing[Any], int]] = [(self.passings, first), (self.frames, room - first)]
        return [
            line
            for part, size in parts
            for line in _padded(part.lines(width, size, picture, active=part is front), size)
        ]

    def foot(self, device: DeviceState, width: int, picture: Picture) -> list[Line]:
        """What goes on and what came of it."""
        return [*_holes(device, width), *progress.lines(device, width, picture)]

    def tells(self, device: DeviceState, last: Outcome, width: int, picture: Picture) -> bool:
        """Whether the foot says all that came of that command."""
        return progress.answers_to(device.job, last) or progress.whole(last, width)

    def _menu(self, device: DeviceState, width: int, room: int, picture: Picture) -> list[Line]:
        whole = menu.lines(device.commands, width, picture, high=room >= ROOMY)
        if not device.commands:
            return []
        self._auto_folded = len(whole) + LEAST > room
        self._unfolded = False
        if not whole:
            text = f"{words.plural(len(device.commands), 'command')}:  :send {device.name} WORDS, or ? for all of them"
            return [[(words.fit(text, width), "dim")]]
        cut = 2 * (room - LEAST) < len(whole)
        if cut or (self._auto_folded if self.folded is None else self.folded):
            text = f".  {words.plural(len(device.commands), 'command')}   ? says what each does"
            return [[(picture.rule(text, width), "rule")]]
        self._unfolded = True
        fitting = whole[: room - LEAST]
        if len(fitting) < len(whole):
            fitting[-1] = [("... ? shows all", "dim")]
        return fitting


def _padded(lines: list[Line], height: int) -> list[Line]:
    return lines[:height] + [[] for _ in range(height - len(lines))]


def _link(device: DeviceState, width: int, picture: Picture) -> list[Line]:
    now = picture.now
    first: Line = [
        (f"{words.clean(device.type.upper())}  ", "head"),
        (words.link(device, now), words.role(device)),
        (f" since {words.clock(device.since, picture.zone)}  heard {words.since(device.heard, now)}", ""),
        (f"  {words.clean(device.where)}", "dim"),
    ]
    flaws = (words.plural(device.flaws, "flaw") + "  ", "warn" if device.flaws else "")
    counts: Line = [(words.plural(device.frames, "frame") + "  ", "")]
    if device.type in UNTIMED:
        counts.append(flaws)
    else:
        counts += [
            (f"{words.plural(device.passings, 'passing')}  {words.plural(device.repeats, 'repeat')}  ", ""),
            flaws,
            (words.plural(len(device.holes), "hole") + "  ", "bad" if device.holes else ""),
            (f"drift {words.drift(device.drift)}", ""),
        ]
    out = [first, counts]
    return out + [[(text, words.role(device))] for text in words.wrapped(device.reason, width)[:3]]


def facts(device: DeviceState, width: int, most: int) -> list[Line]:
    """What the device last said of itself, as many facts a line as fit, in at most so many lines."""
    out: list[Line] = []
    used = width
    for name, value in device.facts.items():
        if name == "strip":
            continue  # shown there
        name, value = words.clean(name), words.clean(value)
        if len(name) + len(value) + 3 > width:
            first, *rest = words.wrapped(f"{name} {value}", width)
            out += [[(f"{name} ", "dim"), (first[len(name) + 1 :], "")], *([(line, "")] for line in rest)]
            used = width
            continue
        size = len(name) + len(value) + 3
        if used + size > width:
            out.append([])
            used = 0
        out[-1] += [(f"{name} ", "dim"), (f"{value}  ", "")]
        used += size
    return out[:most]


def _holes(device: DeviceState, width: int) -> list[Line]:
    if not device.holes:
        return []
    how = FILL_HOLES.get(device.type, "ask the device for them again")
    text = f"HOLE {', '.join(device.holes[:6])}{' ...' if len(device.holes) > 6 else ''}: {how}"
    return [[(words.fit(text, width), "bad")]]
