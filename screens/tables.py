"""Small tables: devices and exports. All rows are in the engine's state, so nothing is fetched."""

from collections.abc import Callable

from console.model import DeviceState
from screens import words
from screens.paint import Line, plain
from screens.picture import Picture

Cell = tuple[str, str]


class Table:
    """A heading and rows, with a cursor; scrolls when there are more rows than lines."""

    def __init__(
        self,
        name: str,
        rows: Callable[[Picture], list[str]],
        heading: Callable[[int], str],
        line: Callable[[str, int, Picture], Line],
    ) -> None:
        self.name = name
        self._rows = rows
        self._heading = heading
        self._line = line
        self._cursor = 0

    def move(self, rows: int, picture: Picture) -> None:
        """Move the cursor."""
        self._cursor = max(0, min(len(self._rows(picture)) - 1, self._cursor + rows))

    def current(self, picture: Picture) -> str | None:
        """The name in the row under the cursor."""
        names = self._rows(picture)
        return names[min(self._cursor, len(names) - 1)] if names else None

    def height(self, picture: Picture, most: int) -> int:
        """Lines it wants, heading included."""
        return min(most, 1 + max(1, len(self._rows(picture))))

    def lines(self, width: int, height: int, picture: Picture, *, active: bool) -> list[Line]:
        """The table in at most `height` lines."""
        names = self._rows(picture)
        heading = self._heading(width)
        if active:
            heading = heading.replace(" ", ">", 1)
        out: list[Line] = [[(words.fit(heading, width), "dim")]]
        room = height - 1
        if not names:
            return [*out, [(words.fit(f"no {self.name} in the settings", width), "dim")]]
        crowded = len(names) > room
        visible = room - 1 if crowded else room
        first = max(0, min(self._cursor - visible + 1, len(names) - visible)) if active else 0
        if crowded and not active:  # Nobody scrolls here: what needs a look comes first.
            names = sorted(names, key=lambda name: _is_up(name, picture))
        shown = names[first : first + visible]
        for number, name in enumerate(shown, first):
            line = self._line(name, width, picture)
            out.append([(words.fit(plain(line), width), "cursor")] if active and number == self._cursor else line)
        if crowded:
            out.append([(words.fit(_rest([name for name in names if name not in shown], picture), width), "warn")])
        return out


def _is_up(name: str, picture: Picture) -> bool:
    one = picture.device(name) or picture.export(name)
    return one is not None and one.state == "up"


def _rest(names: list[str], picture: Picture) -> str:
    """What is not shown, and whether that matters."""
    down = sum(not _is_up(name, picture) for name in names)
    return f"+{len(names)} more" + (f", {down} not up" if down else ", all up")


def devices() -> Table:
    """The devices, as the Race tab shows them."""
    return Table("devices", lambda picture: [d.name for d in picture.state.devices], _device_heading, _device_line)


def exports() -> Table:
    """The exports, as the Race tab shows them."""
    return Table("exports", lambda picture: [e.name for e in picture.state.exports], _export_heading, _export_line)


# Width of a device row at 80 columns: 42; of an export row: 36. Wider screens show more columns.


def _name_width(width: int) -> int:
    return 8 if width < 50 else 14


def _device_heading(width: int) -> str:
    head = f"{'DEVICE':<{_name_width(width)}}{'STATE':<15}{'HEARD':>5}{'COUNT':>6} {'CLOCK':<7}"
    return head + f"{'HOLES':>6}{'FLAWS':>7}" if width >= 62 else head


def _device_line(name: str, width: int, picture: Picture) -> Line:
    device = picture.device(name)
    assert device is not None
    line: Line = [
        (words.brief(name, _name_width(width) - 1) + " ", ""),
        (words.fit(words.link(device, picture.now), 15), words.role(device)),
        (f"{words.since(device.heard, picture.now):>5}", ""),
        (f"{device.passings:>6} ", ""),
        (f"{_clock(device, picture):<7}", ""),
    ]
    if width >= 62:
        line.append((f"{len(device.holes):>6}", "bad" if device.holes else ""))
        line.append((f"{device.flaws:>7}", "warn" if device.flaws else ""))
    return line


def _clock(device: DeviceState, picture: Picture) -> str:
    if device.drift is None and any(gun.device == device.name for gun in picture.state.guns):
        return "gun set"
    return words.drift(device.drift)


def _export_heading(width: int) -> str:
    head = f"{'EXPORT':<8} {'STATE':<9}{'SENT':>6}{'WAIT':>5}{'OLDEST':>7}"
    return head + f"{'HELD':>6}" if width >= 42 else head


def _export_line(name: str, width: int, picture: Picture) -> Line:
    export = picture.export(name)
    assert export is not None
    line: Line = [
        (words.brief(name, 8) + " ", ""),
        (words.fit(export.state.upper(), 9), export_role(export.state)),
        (f"{export.sent:>6}", ""),
        (f"{export.waiting:>5}", "warn" if export.waiting else ""),
        (f"{words.since(export.oldest, picture.now) if export.waiting else '-':>7}", ""),
    ]
    if width >= 42:
        line.append((f"{export.held:>6}", "bad" if export.held else ""))
    return line


def export_role(state: str) -> str:
    """The ink of an export's state; the words say it first."""
    return {"up": "good", "no client": "warn", "slow": "warn", "paused": "warn"}.get(state, "bad")
