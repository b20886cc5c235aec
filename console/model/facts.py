"""What a driver understood of a frame, on its way to the journal."""

from typing import TypeAlias

from msgspec import Struct, field

from console.model.words import Basis, Direction, Kind, Level, Origin

Scalar: TypeAlias = str | int | float | bool | None


class Reading(Struct, frozen=True, kw_only=True):
    """One timing fact as a driver understood it, before its identity is judged against the journal.

    `identity` names what must be equal for two readings to be the same passing; `value` what must be equal
    too for the second to be a mere repeat. Timing puts device, generation and (where `by_event`) the timer event in
    front of both `identity` and `series`, unless `shared`: then every device of the event is one source (a punch read
    from a card at the finish is the punch the far control told live).
    """

    kind: Kind
    identity: str
    time: str | None = None
    """The device's own time, exactly as printed."""
    ns: int | None = None
    """`time` in ns since the zero of `basis`."""
    basis: Basis = Basis.NONE
    day: int | None = None
    """Days since 1970-01-01 where the device tells the date, else None."""
    tag: str | None = None
    bib: str | None = None
    channel: str | None = None
    read_type: int = 2
    """0 gun or wave, 1 first seen, 2 best seen."""
    event: str | None = None
    """The timer's event or run, where the frame itself tells it; else timing fills in the one in force."""
    origin: Origin = Origin.LIVE
    change: str = ""
    """The device's own correction of an earlier record: `bib`, `unassigned`, `cancelled`, `value`."""
    value: str = ""
    by_event: bool = False
    shared: bool = False
    series: str = ""
    """What `position` counts in: the uid at a control, the places of an event."""
    position: int | None = None
    """In ns where `window` is set, else a place number that should be gapless from 1."""
    window: int = 0
    """ns within which another reading of the same series is a repeat of the first (an OTIMCON re-touch)."""
    join: str = ""
    """What PRIMARY and SELECT lines of one place have in common."""
    extra: dict[str, Scalar] = field(default_factory=dict)
    """What the kind adds: place, lane, lap, split, sequence, speed, unit ..."""


class Start(Struct, frozen=True, kw_only=True):
    """The device's clock was started (a START line), showing `ns`."""

    time: str
    ns: int
    basis: Basis
    mode: str = ""


class EventIs(Struct, frozen=True):
    """What follows belongs to this event of the timer; empty: to none."""

    event: str


class RetransmitBegin(Struct, frozen=True):
    """What follows, up to the end, is not live."""


class RetransmitEnd(Struct, frozen=True):
    """Live again."""


Fact: TypeAlias = Reading | Start | EventIs | RetransmitBegin | RetransmitEnd


class Heard(Struct, frozen=True, kw_only=True):
    """One frame a driver cut from the stream, with what it means."""

    raw: bytes
    """The bytes exactly as they crossed the wire, line end included."""
    label: str
    """One or two words for the log: `PRIMARY`, `TN`, `PONG`, `prompt`, `garbage`."""
    facts: tuple[Fact, ...] = ()
    flaw: str = ""
    """Why the frame is not good (`cut short`, `checksum: got 06B4, computed 06B3`); empty when it is."""
    note: str = ""
    """Something to tell the operator although the frame is good; becomes an incident."""
    clock: int | None = None
    """What the device's clock showed, where the frame is the answer to that question: ns as in `Basis.EPOCH`."""


class Trouble(Struct, frozen=True):
    """An incident about to be journaled."""

    level: Level
    source: str
    text: str


class Draft(Struct, frozen=True, kw_only=True):
    """A frame about to be journaled, with the facts a driver found in it and the incidents it caused."""

    device: str
    direction: Direction
    wall: int
    mono: int
    raw: bytes
    label: str = ""
    flaw: str = ""
    masked: bool = False
    by: str = ""
    facts: tuple[Fact, ...] = ()
    troubles: tuple[Trouble, ...] = ()
