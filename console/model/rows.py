"""What the journal holds."""

from msgspec import Struct, field

from console.model.facts import Scalar
from console.model.words import Basis, Direction, Kind, Level, Origin, Phase, Status


class Frame(Struct, frozen=True, kw_only=True):
    """One line or record exactly as it crossed a wire. `seq` counts from 1 and never repeats."""

    seq: int
    device: str
    direction: Direction
    wall: int
    mono: int
    raw: bytes
    label: str = ""
    flaw: str = ""
    masked: bool = False
    """A secret in `raw` was replaced by `*`."""
    by: str = ""
    """Who asked for it, for frames we sent."""


class Passing(Struct, frozen=True, kw_only=True):
    """What a frame means for timing. (`frame`, `index`) is its identity in the journal; it never changes."""

    seq: int
    frame: int
    index: int
    device: str
    kind: Kind
    wall: int
    """Arrival of its frame, ns since the Unix epoch."""
    time: str | None
    ns: int | None
    basis: Basis
    day: int | None
    tag: str | None
    bib: str | None
    channel: str | None
    event: str | None
    generation: int
    phase: Phase
    read_type: int
    origin: Origin
    status: Status
    of: int | None
    """The passing (`seq`) that this one repeats, corrects, cancels, joins, edits or (taken over) stands for."""
    change: str = ""
    extra: dict[str, Scalar] = field(default_factory=dict)

    @property
    def heard_in_test(self) -> Scalar:
        """The number of the passing by which it had come during TEST, where a download told it again after that; None:
        it is no such passing."""
        return self.extra.get("heard_in_test")

    @property
    def names(self) -> bool:
        """It brings the bib that the passing `of` came without: the SELECT line of a place, a bib given later by the
        device or by the operator."""
        later = self.status in (Status.CORRECTION, Status.EDITED) and self.change == "bib"
        given = later and self.extra.get("was") is None
        # `edited`: an operator had said whose it is before this line came, and that holds
        return bool(self.bib) and (self.status is Status.JOINED or given) and "edited" not in self.extra

    @property
    def unnames(self) -> bool:
        """It takes the bib away that the passing `of` had: an operator's word, or the undoing of one."""
        return self.status is Status.EDITED and not self.bib and self.extra.get("was") is not None


class Judged(Struct, frozen=True, kw_only=True):
    """A passing with the keys by which later ones are compared with it. Keys are whole: device, generation and all."""

    passing: Passing
    identity: str
    value: str
    series: str = ""
    position: int | None = None
    join: str = ""


class TimingState(Struct, frozen=True, kw_only=True):
    """What timing must remember of one device from frame to frame; journaled with the frame that changed it."""

    generation: int = 1
    """Counts the runs of the device's numbering, from 1."""
    round: int = 0
    """`EventState.round` at its last frame."""
    event: str | None = None
    event_before: str | None = None
    """The event in force when the retransmit under way began."""
    event_after: str | None = None
    """What the last EVENT line said after a pause in the retransmit: in force if that turns out to be cut off."""
    retransmit: bool = False
    told_again: int | None = None
    """Arrival (wall ns) of the last line of the retransmit under way, to half a second."""
    gun_ns: int | None = None
    """What the clock showed at its last live START line, and ..."""
    gun_wall: int | None = None
    """... when that arrived."""
    holes: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    """Series -> ranges (first, last) of missing places."""


class EventState(Struct, frozen=True, kw_only=True):
    """Phase of the event, and how often it has left TEST."""

    phase: Phase = Phase.RACE
    round: int = 0


class Incident(Struct, frozen=True, kw_only=True):
    """Something the operator should know."""

    seq: int
    wall: int
    level: Level
    source: str
    """A device's or export's name, or `journal`, `engine`, `clock`."""
    text: str
    frame: int | None = None


class Gun(Struct, frozen=True, kw_only=True):
    """The race clock of `device` in `generation` showed `ns` at the moment `wall` (UTC)."""

    device: str
    generation: int
    ns: int
    wall: int
    source: str
    """`START line` or the operator who gave it."""


class Act(Struct, frozen=True, kw_only=True):
    """Something an operator did, or had a device do: a phase, a gun, a bib, a station set up, a card written."""

    seq: int
    wall: int
    word: str
    """`phase`, `gun`, `acknowledge`, `bib`, `take over`, `station`, `card` ..."""
    body: dict[str, Scalar]
    by: str


class Numbered(Struct, frozen=True, kw_only=True):
    """Consecutive numbers given to lines of one series: the lines that `export` writes for `location` under one
    `connection` id. What has a number keeps it for good, and no number is given twice."""

    seq: int
    wall: int
    export: str
    connection: str
    location: str
    first: int
    """The number of the first of `passings`; the others follow without a gap. A series begins at 1."""
    passings: tuple[int, ...]
    """What the lines tell of: passings (`seq`), ascending; 0 is the line that announces the location itself, and below
    zero is an act (minus its `seq`), as a gun that an operator gave."""
    late: bool = False
    """It is below one that had a number before: held, or without a place in this series until now. Such are numbered
    one by one, so that the others stay in order and any of them is found quickly."""

    @property
    def last(self) -> int:
        """The number of the last of `passings`."""
        return self.first + len(self.passings) - 1

    @property
    def series(self) -> tuple[str, str, str]:
        """Export, connection id and location."""
        return self.export, self.connection, self.location


class Highest(Struct, frozen=True, kw_only=True):
    """How far a series of numbers has come."""

    number: int
    passing: int
    """The highest that has a number; what is below it need not have one."""


class Cursor(Struct, frozen=True, kw_only=True):
    """How far one peer of one export has been served. Numbers are passings (`seq`)."""

    export: str
    peer: str
    """The client's address without its port."""
    start: int
    """Passings up to this one were never meant for this peer."""
    sent: int
    """Every passing up to this one is in `counts`: it was written, or is held, or does not concern the peer."""
    tcp: int
    """Every passing up to this one was taken by the peer's TCP, or needed not to be."""
    held: tuple[int, ...] = ()
    """Passings up to `sent` that were not written and wait for the operator or for an identity."""
    settled: tuple[int, ...] = ()
    """Passings beyond `tcp` that are not to be written: skipped or unmapped."""
    counts: dict[str, int] = field(default_factory=dict)
    """Running totals: `journaled`, `sent`, `tcp`, `unmapped`, `skipped`."""


class Resolved(Struct, frozen=True, kw_only=True):
    """A passing with what is known of it now: timing point, UTC, name. Binding is late, so it can be mended."""

    passing: Passing
    utc: int | None
    point: str | None
    bib: str | None
    """Its own, or what a later row about it gave it: the SELECT line of the place, the device, the operator. Else what
    the tag table says of its tag."""
    name: str | None = None
    """What the tag table calls who has the bib; empty: there is a table, and neither bib nor tag is in it."""
    tagged: str | None = None
    """The bib of its tag by the tag table: its own, where the device knows only tags, before anybody says otherwise."""
    edited: str = ""
    """The operator who gave `bib`."""
    halves: tuple[Kind, ...] = ()
    """Which lines told of this place; filled in for pages of finishers."""
    out: str = ""
    """What became of it at the exports, in a word or two; filled in where a page asks for it."""
