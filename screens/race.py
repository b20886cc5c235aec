"""The Race tab: are the devices there, does scoring get everything, who came in."""

from itertools import zip_longest

from screens.listing import Listing
from screens.paint import Line
from screens.picture import Picture
from screens.sources import Passings, incident_line
from screens.tables import devices, exports
from screens.view import COMMON_HINTS, Hints, View
from screens.words import fit

TALL = 30
"""Lines of the body from which on the newest incidents have their own place."""


class Race(View):
    """Devices and exports side by side, and below them the passings."""

    name = "Race"

    def __init__(self) -> None:
        super().__init__()
        self.devices, self.exports = devices(), exports()
        self.passings = Listing(Passings())
        self.panes = [self.passings, self.devices, self.exports]

    def hints(self) -> Hints:
        """The keys that matter here."""
        first, _, problem = self.list_hints()
        return ("b", "bib"), first, problem, ("/", "filter"), *COMMON_HINTS

    def lines(self, width: int, height: int, picture: Picture) -> list[Line]:
        """Two tables, the passings, and on a tall screen the newest incidents."""
        most = max(3, height // 3)
        top = max(self.devices.height(picture, most), self.exports.height(picture, most))
        left = 42 if width < 100 else width * 55 // 100
        pane = self.pane
        rows = zip_longest(
            self.devices.lines(left, top, picture, active=pane is self.devices),
            self.exports.lines(width - left - 2, top, picture, active=pane is self.exports),
            fillvalue=None,
        )
        out: list[Line] = []
        for device, export in rows:
            blank: Line = [(" " * left, "")]
            out.append([*_padded(device or blank, left), (picture.bar + " ", "dim"), *(export or [])])
        incidents = picture.state.incidents[-6:] if height >= TALL else ()
        foot: list[Line] = []
        if incidents:
            foot = [[(picture.rule(" INCIDENTS", width, "i on the Log tab shows all"), "rule")]]
            foot += [incident_line(incident, width, picture) for incident in incidents]
        out += self.passings.lines(width, height - len(out) - len(foot), picture, active=pane is self.passings)
        out += [[] for _ in range(height - len(out) - len(foot))]
        return out + foot


def _padded(line: Line, width: int) -> Line:
    used = sum(len(text) for text, _ in line)
    return [*line, (fit("", width - used), "")]
