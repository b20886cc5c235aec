"""What every export is, and the settings all exports share."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from datetime import tzinfo
from typing import ClassVar, Generic, Literal, Protocol, TypeVar

from msgspec import Struct

from console.model import Act, Cursor, ExportState, Highest, Kind, Level, Passing, Resolved, Scalar, Selection, Status


class ExportSettings(Struct, frozen=True, kw_only=True):
    """What every export's settings have; a type's own settings derive from it."""

    ways: ClassVar[tuple[str, ...]] = ("listen",)
    """How the type reaches its peers: it may `listen`, or `connect`, or both may be chosen from; empty: neither."""

    choosing: ClassVar[tuple[str, ...]] = ("devices", "kinds", "points", "events", "skip_first_seen")
    """Keys that say which passings are passed on, and to whom."""

    takes_password: ClassVar[bool] = False
    """Secrets may give a password for it."""

    numbers_lines: ClassVar[bool] = False
    """Its lines have numbers, which can begin at 1 again."""

    name: str
    type: str
    listen: str = ""
    """`host:port` to listen on."""
    connect: str = ""
    """`host:port` of the program to connect to."""
    networks: tuple[str, ...] = ()
    """Only clients from these networks (`192.168.1.0/24`) are let in; empty: any that reaches the address."""
    devices: tuple[str, ...] = ()
    """Only passings of these devices; empty: of all."""
    kinds: tuple[str, ...] = ()
    """Only passings of these kinds; empty: those the format is made for."""
    points: tuple[str, ...] = ()
    """Only passings at these timing points; empty: at all, and at none."""
    events: tuple[str, ...] = ()
    """Only passings of these events (TIME MACHINE) or runs (THCOM08); empty: of all."""
    skip_first_seen: bool = False
    """Leave out reads of type 1: they come before the runner is at the line. Types for scoring have it on."""
    newcomers: Literal["live", "all"] = "live"
    """What a client gets whose address is not known yet: what happens from now on, or everything."""

    def named(self) -> Iterable[tuple[str, str]]:
        """Each key that names devices, with a device that it names."""
        return [("devices", device) for device in self.devices]

    @property
    def elsewhere(self) -> bool:
        """It reaches its peer in another way than those, and needs no address."""
        return False


class Feed(Protocol):
    """Committed passings, in order; from memory while they are new, else from disk."""

    @property
    def newest(self) -> int:
        """The highest committed passing; 0: none."""

    async def after(self, seq: int, limit: int = 500) -> list[Passing]:
        """At most `limit` passings beyond `seq`, in order; empty where there are none yet."""

    async def beyond(self, seq: int) -> None:
        """Wait until there is a passing beyond `seq`."""


class Talk(Struct, frozen=True, kw_only=True):
    """The last lines of a conversation, oldest first, each of at most 120 bytes."""

    sent: tuple[bytes, ...] = ()
    received: tuple[bytes, ...] = ()


class Desk(Protocol):
    """What the engine does for an export."""

    @property
    def feed(self) -> Feed:
        """What exports read."""

    @property
    def zone(self) -> tzinfo:
        """The event's zone."""

    @property
    def event_name(self) -> str:
        """The event's name."""

    def points(self, devices: Sequence[str]) -> list[str]:
        """The timing points that the settings give these devices (none given: all), in their order."""

    def mapping(self) -> dict[str, dict[str, str]]:
        """Device -> channel -> timing point, as the settings have it; under an empty channel, what holds for others."""

    def point_under(self, mapping: dict[str, dict[str, str]], passing: Passing) -> str | None:
        """The timing point of `passing` by such a mapping, an earlier one for instance."""

    def password(self, export: str) -> str:
        """The password of an export, from the secrets; empty: there is none. Never to be shown."""

    async def page(
        self,
        *,
        after: int | None = None,
        before: int | None = None,
        limit: int = 500,
        kinds: Sequence[Kind] = (),
        statuses: Sequence[Status] = (),
    ) -> list[Passing]:
        """A page of committed passings, ascending: the first beyond `after`, or the last before `before`, or the
        newest; of these kinds and statuses (none given: any)."""

    def resolve(self, passing: Passing) -> Resolved:
        """Bind timing point, UTC and bib as they are known now."""

    def save(self, cursor: Cursor) -> None:
        """Journal a cursor; never waits for the disk."""

    def cursors(self, export: str) -> list[Cursor]:
        """The cursors of an export as they were journaled last."""

    def trouble(self, level: Level, source: str, text: str) -> None:
        """Journal an incident."""

    def changed(self) -> None:
        """An `ExportState` is no longer what it was; cheap, may be called for every passing."""

    def note(self, word: str, body: dict[str, Scalar], by: str) -> None:
        """Journal an act; never waits for the disk."""

    async def write_ahead(self, word: str, body: dict[str, Scalar], by: str) -> None:
        """Journal an act before it is carried out: returned when it is safe on the disk, however long that takes.
        Raises JournalFullError."""

    async def notes(self, word: str) -> list[Act]:
        """Every act of that word, oldest first."""

    async def number(self, export: str, connection: str, location: str, passings: Iterable[int]) -> dict[int, int]:
        """Give lines their numbers, in this order; what has one in this location under this connection id keeps it. See
        `Numbered.passings` for what may be numbered. Returned when durable; raises JournalFullError."""

    async def numbers(
        self, export: str, connection: str, location: str, first: int, limit: int = 500
    ) -> list[tuple[int, int]]:
        """(number, passing) from the number `first` on, ascending; fewer than `limit`: there are no more. A gap is what
        the journal has lost in both of its copies, and has said so."""

    def highest(self, export: str, connection: str) -> dict[str, Highest]:
        """Location -> how far its numbers have come; to be asked once the connection id is known."""

    async def connection_id(self, export: str) -> str:
        """Under which id the export's lines are numbered; one is made where there is none. Raises JournalFullError."""

    async def renumber(self, export: str, by: str) -> str:
        """Begin the export's numbers at 1 again, under the new connection id that is returned; those under the old one
        stay what they are. Raises JournalFullError."""


S = TypeVar("S", bound=ExportSettings)


class Export(ABC, Generic[S]):
    """One configured consumer of passings."""

    settings_type: ClassVar[type[ExportSettings]]
    restates: ClassVar[bool] = False
    """The format can say that what went out is to have another bib, or is cancelled."""

    def __init__(self, settings: S, desk: Desk, now: Callable[[], int]) -> None:
        self.settings = settings
        self.desk = desk
        self.now = now
        """Wall clock in ns; a test may hold it still."""

    @abstractmethod
    async def run(self) -> None:
        """Serve until cancelled. A port that is taken is a state with a reason and a retry, not an exception."""

    @property
    def note(self) -> str:
        """What an operator is to know of the format, by these settings; empty: nothing."""
        return ""

    @abstractmethod
    def state(self) -> ExportState:
        """The export as the operator sees it, now."""

    def rebind(self) -> None:
        """A gun, a point or a tag has become known: look at held passings again."""

    @abstractmethod
    def fate(self, passing: Passing) -> list[tuple[str, str]]:
        """What became of `passing`: (peer, `sent` | `tcp` | `waiting` | `held` | why it is not passed on)."""

    def holds(self) -> dict[str, dict[int, str]]:
        """Peer -> the passings held for it, and why."""
        return {}

    @abstractmethod
    def release(self, held: list[int], peer: str | None = None) -> int:
        """Send these held passings (none given: all) after all, to one peer or to all that hold them; how many."""

    @abstractmethod
    def skip(self, held: list[int], peer: str | None = None) -> int:
        """Never send these held passings (none given: all); how many."""

    # --- what an operator does; `by` is who. Each raises ValueError, in words, where it cannot be done ---

    def pause(self, by: str) -> None:
        """Pass nothing on, until `resume`; over restarts."""
        del by
        raise ValueError(f"{self.settings.name} cannot be paused: {self.settings.type} writes as it comes")

    def resume(self, by: str) -> None:
        """Go on where it was paused."""
        del by
        raise ValueError(f"{self.settings.name} is not paused")

    def waiting(self, peer: str | None = None) -> int:
        """Passings that wait, for one peer or for all together: what `skip_waiting` would skip."""
        del peer
        return 0

    def skip_waiting(self, by: str, peer: str | None = None) -> int:
        """Never send what waits now, and is not held; how many."""
        del by, peer
        return 0

    @property
    def counted_to(self) -> int:
        """How far (passings) it has counted what waits."""
        return 0

    async def skip_until(self, upto: int, by: str, peer: str | None = None) -> int:
        """Never send what waited when `counted_to` was `upto`, and is not held; how many."""
        del upto, by, peer
        return 0

    def forgettable(self, peer: str) -> str:
        """What a client at the address of `peer` gets, in words, that comes after this one was forgotten."""
        raise ValueError(
            f"{self.settings.name} cannot forget {peer}: {self.settings.type} has no clients that come and go"
        )

    async def forget(self, peer: str, by: str) -> None:
        """Wait for this peer no more, over restarts: it is in no figure of the export, and whoever comes from its
        address is a newcomer. What waits, or is held, is skipped. Returned when that is safe in the journal."""
        del by
        self.forgettable(peer)

    async def resend(self, chosen: Selection, by: str, peer: str | None = None) -> str:
        """Send passings once more, to one peer or to all; what became of them, in words."""
        del chosen, by, peer
        raise ValueError(f"{self.settings.name} sends nothing again: {self.settings.type} has no peer that could ask")

    def talk(self, peer: str) -> Talk:
        """What was last sent to a peer, and received from it. Raises LookupError where there is no such peer."""
        raise LookupError(f"{self.settings.name} talks to nobody, and not to {peer!r}")
