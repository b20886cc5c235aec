"""The shared vocabulary: what travels between codecs, timing, journal, exports and the control socket.

Every type is a frozen msgspec Struct. Times are integers of nanoseconds: `wall` since the Unix epoch (UTC),
`mono` on this machine's monotonic clock, `ns` since the zero of a device's own time basis.
"""

from enum import StrEnum
from typing import TypeAlias

from msgspec import Struct, field

SECOND = 1_000_000_000
"""Nanoseconds in a second."""

Scalar: TypeAlias = str | int | float | bool | None


class Direction(StrEnum):
    """Which way a frame crossed the wire, seen from this machine."""

    RX = "rx"
    TX = "tx"


class Kind(StrEnum):
    """What a passing is."""

    GUN = "gun"
    IMPULSE = "impulse"
    """A time on a channel."""
    PASSING = "passing"
    """A chip read."""
    PLACE = "place"
    """Time and place, no identity."""
    SELECT = "select"
    """Time and bib."""
    LAP = "lap"
    PUNCH = "punch"
    RESULT = "result"
    """Run, net or intermediate time, difference or speed."""


class Basis(StrEnum):
    """What the zero of a device's printed time is."""

    DAY = "time of day"
    EPOCH = "epoch as wall clock"
    """Seconds since 1970 of the wall-clock digits, taken as UTC (otimcon.md, section 6)."""
    RACE = "race clock"
    SPAN = "span"
    """A duration (a lap split, a run time): never a moment."""
    NONE = "none"


class Origin(StrEnum):
    """By which way a device came to tell us."""

    LIVE = "live"
    RETRANSMIT = "retransmit"
    RECALL = "recall"
    """An answer to a question or a download (THCOM A* and !* records)."""
    READOUT = "readout"
    """Read from a card's memory."""


class Status(StrEnum):
    """What the journal already knew of a passing when it came."""

    LIVE = "live"
    """New: counts once."""
    REPEAT = "repeat"
    """The same again (`of` names the first): kept, marked, not counted twice."""
    CORRECTION = "correction"
    """Another value for a known identity (`of`), from a retransmit or the device's own correction."""
    CANCELLED = "cancelled"
    """The device withdraws the passing `of`."""
    JOINED = "joined"
    """The other half (PRIMARY or SELECT) of the place `of`: one finisher, two lines."""


class Phase(StrEnum):
    """Phase of the event. Passings of TEST are kept and marked, and not exported."""

    TEST = "TEST"
    RACE = "RACE"
    CLOSED = "CLOSED"


class Level(StrEnum):
    """How loud an incident is."""

    NOTE = "note"
    WARNING = "warning"
    ALARM = "alarm"


# --- what a driver understood of one frame ---


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


# --- on the way to the journal ---


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


# --- what the journal holds ---


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
    """The passing (`seq`) that this one repeats, corrects, cancels or joins."""
    change: str = ""
    extra: dict[str, Scalar] = field(default_factory=dict)

    @property
    def names(self) -> bool:
        """It brings the bib that the passing `of` came without: the SELECT line of a place, a bib given later."""
        given = self.status is Status.CORRECTION and self.change == "bib" and self.extra.get("was") is None
        return bool(self.bib) and (self.status is Status.JOINED or given)


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
    """Something an operator did: a phase, a gun."""

    seq: int
    wall: int
    word: str
    """`phase`, `gun`."""
    body: dict[str, Scalar]
    by: str


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
    name: str | None = None


# --- states, as the screens and `status --json` show them ---


class LinkState(StrEnum):
    """State of a link. `open`: connected, but nothing valid heard yet."""

    CLOSED = "closed"
    CONNECTING = "connecting"
    OPEN = "open"
    UP = "up"
    SILENT = "silent"
    DOWN = "down"


class DeviceState(Struct, frozen=True, kw_only=True):
    """One device, as the operator sees it."""

    name: str
    type: str
    where: str
    """The port or address."""
    state: LinkState
    since: int
    """Wall ns of the last change of `state`."""
    reason: str = ""
    """Why it is down or silent, in words that say what to check."""
    retry_at: int | None = None
    """Wall ns of the next attempt while down."""
    heard: int | None = None
    """Wall ns of the last frame; None: never."""
    frames: int = 0
    passings: int = 0
    """Counted once each: repeats, corrections and joined halves are not in it."""
    repeats: int = 0
    flaws: int = 0
    nameless: int = 0
    """Places of the race that no bib is known for."""
    drift: int | None = None
    """Device clock minus engine clock in ns at the last live frame; None: unknown."""
    holes: tuple[str, ...] = ()
    """Missing places in words (`0410`, `0412-0415`)."""
    facts: dict[str, str] = field(default_factory=dict)
    """What the device last said of itself: version, mode, control, gun, word setting."""
    commands: tuple["CommandInfo", ...] = ()


class CommandInfo(Struct, frozen=True, kw_only=True):
    """A command a driver offers, with its words as the device's manual writes them."""

    words: str
    arguments: tuple[str, ...] = ()
    help: str = ""


class PeerState(Struct, frozen=True, kw_only=True):
    """Delivery to one peer. `journaled >= sent >= tcp`; counts are passings."""

    address: str
    connected: bool
    since: int
    reason: str = ""
    journaled: int = 0
    sent: int = 0
    tcp: int | None = 0
    """None: this system does not tell what a peer has taken."""
    acked: int | None = None
    """None: the protocol does not acknowledge."""
    waiting: int = 0
    oldest: int | None = None
    """Wall ns of the arrival of the oldest waiting passing."""
    held: int = 0
    unmapped: int = 0
    note: str = ""


class ExportState(Struct, frozen=True, kw_only=True):
    """One export. Its figures are those of the peer that is furthest behind."""

    name: str
    type: str
    where: str
    state: str
    """`up`, `no client`, `slow`, `stuck`, `down`."""
    reason: str = ""
    journaled: int = 0
    """Passings of the event that this export passes on."""
    sent: int = 0
    tcp: int | None = 0
    acked: int | None = None
    waiting: int = 0
    oldest: int | None = None
    held: int = 0
    held_newest: dict[int, str] = field(default_factory=dict)
    """The passings held last, at most 50 for each peer, and why."""
    unmapped: int = 0
    peers: tuple[PeerState, ...] = ()


class JournalState(Struct, frozen=True, kw_only=True):
    """The journal as the strip shows it."""

    state: str
    """`ok`, `slow`, `failing`."""
    reason: str = ""
    path: str = ""
    frames: int = 0
    """Highest frame number that is safe on disk."""
    passings: int = 0
    """Highest passing number."""
    incidents: int = 0
    acts: int = 0
    unsafe: int = 0
    """Frames in memory that are not safe yet."""
    dropped: int = 0
    """Frames lost because the disk failed for longer than memory could hold."""
    commit: int = 0
    """Duration of the last commit, ns."""
    check: str = ""
    """What the background check found, in words."""


class ClockState(Struct, frozen=True, kw_only=True):
    """The engine's own clock."""

    source: str
    """`NTP`, `free`, `?`."""
    synced: bool | None
    """None: unknown."""
    offset: int | None = None


class EngineState(Struct, frozen=True, kw_only=True):
    """One whole picture of the engine; small, so it is pushed whole."""

    version: str
    event: str
    timezone: str
    phase: Phase
    now: int
    started: int
    pid: int
    clock: ClockState
    guns: tuple[Gun, ...]
    """Newest last."""
    devices: tuple[DeviceState, ...]
    exports: tuple[ExportState, ...]
    journal: JournalState
    incidents: tuple[Incident, ...] = ()
    """The newest, oldest first: at most 50."""
    alarms: tuple[Incident, ...] = ()
    """Not acknowledged yet, oldest first."""
    consoles: int = 0
    held: int = 0
