"""What exports have in common that say of each passing who it was, where and when: TsV1, TsV2, template."""

from abc import abstractmethod
from typing import ClassVar, TypeVar

from msgspec import structs

from console.exports.delivery import Hold, Unmapped
from console.exports.export import ExportSettings
from console.exports.sockets import SocketExport
from console.model import Kind, Passing, Resolved, Status

MANY = 16
"""Clients at once; none of these formats limits them."""

NO_BIB = Hold("no bib yet")

S = TypeVar("S", bound=ExportSettings)


class ReadsExport(SocketExport[S]):
    """Every peer gets every read; one that comes back gets the last minute again, because a duplicate is safer than a
    miss.

    Who passed is the bib, else what the tag table says of the tag, else the tag. A place or an impulse without either
    is held until a bib is known; the line that brings it is sent in its stead. What has no UTC yet is held and goes out
    by itself. A bib that an operator gives goes out, when its undo time is over, in the stead of what waits or is held,
    or as a new read where something went out before: the wrong read stays with scoring. What a device corrects or
    cancels after it went out is not forwarded: these formats have no word for it, and scoring must be told.
    """

    kinds: ClassVar = frozenset((Kind.GUN, Kind.IMPULSE, Kind.PASSING, Kind.PUNCH, Kind.SELECT, Kind.PLACE, Kind.LAP))
    needs_names: ClassVar = True
    repeats: ClassVar = True
    overlap: ClassVar = 60.0

    @abstractmethod
    def read(self, known: Resolved, bib: str | None, tag: str | None) -> bytes | Hold | Unmapped:
        """One read of whom `bib`, else `tag`, says; a gun has neither."""

    def clients(self) -> int:
        """Any number that is no attack."""
        return MANY

    def unwanted(self, passing: Passing) -> str:
        """By kind; halves and laps that tell nothing about who passed."""
        if passing.kind not in self._wanted:
            return f"kind {passing.kind} not chosen"
        if passing.change == "cancelled":
            return "cancelled"
        if passing.extra.get("ideal"):
            return "an ideal start: nobody passed then"
        if passing.kind is Kind.LAP and not passing.bib and passing.status is not Status.EDITED:
            return "a lap of nobody"
        if passing.status is Status.JOINED and not passing.bib:
            return "the other half of this place says it all"
        return ""

    def render(self, passing: Passing, *, forced: bool = False) -> bytes | Hold | Unmapped:
        """One read. Nothing can be forced: what is held lacks something that the format needs."""
        known = self.desk.resolve(passing)
        if passing.kind is Kind.GUN or self._takes_away(passing):
            return self.read(known, None, None)
        # What later rows say of it goes out with those rows, each in its time.
        return self.read(known, passing.bib or known.tagged, passing.tag)

    @staticmethod
    def _takes_away(passing: Passing) -> bool:
        """An operator said that it was nobody; or took back a word, and nothing else tells who it was."""
        return passing.status is Status.EDITED and not passing.bib and not (passing.tag and "undoes" in passing.extra)

    def fate(self, passing: Passing) -> list[tuple[str, str]]:
        """What became of `passing`, peer by peer."""
        if passing.status not in (Status.CORRECTION, Status.CANCELLED) or self._says(passing):
            return super().fate(passing)
        if self.why_not(structs.replace(passing, status=Status.LIVE, change="")):
            return super().fate(passing)
        what = "cancelled" if passing.change == "cancelled" else "changed"
        told = f"tell scoring: #{passing.of} was {what} after it went out, for which this format has no word"
        accounts = [one for one in list(self._accounts.values()) if self._edits.went_out(one, passing)]
        return [(one.address, told) for one in accounts] or super().fate(passing)


def nobody(passing: Passing, bib: str | None, tag: str | None) -> bool:
    """Somebody passed, and nothing says who."""
    return not bib and not tag and passing.kind is not Kind.GUN


def antenna(passing: Passing) -> int:
    """The channel, where it is a number; else 0."""
    channel = passing.channel or ""
    return int(channel) if channel.isascii() and channel.isdigit() else 0
