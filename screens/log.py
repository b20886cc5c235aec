"""The Log tab: everything that crossed a wire, or everything the operator should know."""

from typing import Any

from screens.listing import Listing
from screens.paint import Line
from screens.picture import Picture
from screens.sources import Frames, Incidents
from screens.view import COMMON_HINTS, Hints, View


class Log(View):
    """One long list: frames, and at the press of `i` incidents."""

    name = "Log"

    def __init__(self) -> None:
        super().__init__()
        self.frames = Listing(Frames())
        self.incidents = Listing(Incidents())
        self.panes = [self.frames, self.incidents]

    def hints(self) -> Hints:
        """The keys that matter here."""
        other = "incidents" if self.pane is self.frames else "frames"
        first, *_ = self.list_hints()
        find = ("/", "filter") if self.pane is self.frames else ("Enter", "detail")
        return first, ("i", other), ("n", "next problem"), find, *COMMON_HINTS

    def shown(self) -> list[Listing[Any]]:
        """Only the list in front."""
        return [self.listing] if self.listing else []

    def lines(self, width: int, height: int, picture: Picture) -> list[Line]:
        """The list in front."""
        listing = self.listing
        return listing.lines(width, height, picture) if listing else []
