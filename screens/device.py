"""The tab of one device: the link, what it last said of itself, its passings, its wire. The same for every type."""

from typing import Any

from console.model import DeviceState
from screens import words
from screens.listing import Listing
from screens.paint import Line
from screens.picture import Picture
from screens.sources import Frames, Passings
from screens.view import COMMON_HINTS, Hints, View

FILL_HOLES = {"timemachine": "start RETRANSMIT on the timer; live lines wait meanwhile"}
"""How the operator gets missing places out of a device, by its type."""


class Device(View):
    """One device."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.passings = Listing(Passings(name))
        self.frames = Listing(Frames(name, "WIRE"))
        self.panes = [self.passings, self.frames]

    def hints(self) -> Hints:
        """The keys that matter here."""
        return ("Tab", "pane"), *self.list_hints(), *COMMON_HINTS

    def lines(self, width: int, height: int, picture: Picture) -> list[Line]:
        """The link, the passings, the wire, the commands."""
        device = picture.device(self.name)
        if device is None:
            return [[(f"{self.name} is no longer in the settings", "warn")]]
        head = [*_link(device, width, picture), *_facts(device, width)]
        foot = [*_holes(device, width), *_commands(device, width, 3 if height < 30 else 8)]
        room = height - len(head) - len(foot)
        front = self.listing
        first = max(5, room * 3 // 5)
        parts: list[tuple[Listing[Any], int]] = [(self.passings, first), (self.frames, room - first)]
        body = [line for part, size in parts for line in _filled(part, width, size, picture, active=part is front)]
        return head + body[: max(0, room)] + foot


def _filled(listing: Listing[Any], width: int, height: int, picture: Picture, *, active: bool) -> list[Line]:
    lines = listing.lines(width, height, picture, active=active)
    return lines + [[] for _ in range(height - len(lines))]


def _link(device: DeviceState, width: int, picture: Picture) -> list[Line]:
    now = picture.now
    first: Line = [
        (f"{words.clean(device.type.upper())}  ", "head"),
        (words.link(device, now), words.role(device)),
        (f" since {words.clock(device.since, picture.zone)}  heard {words.since(device.heard, now)}", ""),
        (f"  {words.clean(device.where)}", "dim"),
    ]
    counts: Line = [
        (f"{words.plural(device.frames, 'frame')}  {words.plural(device.passings, 'passing')}  ", ""),
        (f"{words.plural(device.repeats, 'repeat')}  ", ""),
        (words.plural(device.flaws, "flaw") + "  ", "warn" if device.flaws else ""),
        (words.plural(len(device.holes), "hole") + "  ", "bad" if device.holes else ""),
        (f"drift {words.drift(device.drift)}", ""),
    ]
    out = [first, counts]
    return out + [[(text, words.role(device))] for text in words.wrapped(device.reason, width)[:3]]


def _facts(device: DeviceState, width: int) -> list[Line]:
    """What the device last said of itself, as many facts a line as fit."""
    out: list[Line] = []
    used = width
    for name, value in device.facts.items():
        name, value = words.clean(name), words.fit(value, min(len(words.clean(value)), width - len(name) - 3))
        size = len(name) + len(value) + 3
        if used + size > width:
            out.append([])
            used = 0
        out[-1] += [(f"{name} ", "dim"), (f"{value}  ", "")]
        used += size
    return out[:4]


def _holes(device: DeviceState, width: int) -> list[Line]:
    if not device.holes:
        return []
    how = FILL_HOLES.get(device.type, "ask the device for them again")
    text = f"HOLE {', '.join(device.holes[:6])}{' ...' if len(device.holes) > 6 else ''}: {how}"
    return [[(words.fit(text, width), "bad")]]


def _commands(device: DeviceState, width: int, most: int) -> list[Line]:
    """What can be sent, in the words of the device's manual."""
    if not device.commands:
        return []
    out: list[Line] = [
        [(words.fit(f"send with  :send {device.name} WORDS   (? says what each does)", width), "dim")],
        [],
    ]
    used = 0
    for command in device.commands:
        text = command.usage + "   "
        if used and used + len(text) > width:
            out.append([])
            used = 0
        out[-1].append((text, ""))
        used += len(text)
    if len(out) > most:
        out = [*out[: most - 1], [*out[most - 1][:-1], ("... (?)", "dim")]]
    return out
