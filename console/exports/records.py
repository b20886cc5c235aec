"""Everything that the journal holds, for an export of more than passings."""

from pathlib import Path
from typing import Protocol, TypeAlias

from msgspec import Struct

from console.exports.export import Desk
from console.model import Act, Frame, Incident, Passing

Row: TypeAlias = Passing | Frame | Incident | Act


class Newest(Struct, frozen=True, kw_only=True):
    """The highest numbers that are safe in the journal; 0: none."""

    frames: int
    passings: int
    incidents: int
    acts: int


class Records(Desk, Protocol):
    """What the engine does for an export of more than passings."""

    @property
    def directory(self) -> Path:
        """Where the event's files are."""

    def newest(self) -> Newest:
        """How far the journal has come."""

    async def beyond(self, known: Newest) -> None:
        """Wait until the journal has come further than `known`."""

    async def frames(self, after: int, limit: int) -> list[Frame]:
        """At most `limit` frames beyond `after`, in order."""

    async def incidents_after(self, after: int, limit: int) -> list[Incident]:
        """The same of incidents."""

    async def acts(self, after: int, limit: int) -> list[Act]:
        """The same of acts."""
