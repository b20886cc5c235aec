"""States of the engine and its parts, as the screens and `status --json` show them."""

from enum import StrEnum

from msgspec import Struct, field

from console.model.orders import CommandInfo, Job, Outcome
from console.model.rows import Gun, Incident
from console.model.words import Phase


class LinkState(StrEnum):
    """State of a link. `open`: connected, but nothing valid heard yet."""

    CLOSED = "closed"
    CONNECTING = "connecting"
    OPEN = "open"
    UP = "up"
    SILENT = "silent"
    DOWN = "down"


class Flow(Struct, frozen=True, kw_only=True):
    """Whether a timer that can be paused is. Times are wall ns, for the console counts them itself."""

    paused_at: int | None = None
    """None: it flows."""
    by: str = ""
    """Who paused it."""
    resumes_at: int | None = None
    """When the timer goes on by itself, unless it is told again to wait; None: never."""
    ends_at: int | None = None
    """When the pause ends at the latest, because we say so."""
    lines: int = 0
    """Lines received since the pause began, or since the last one ended."""
    heard: int | None = None
    """When the last of them came."""
    note: str = ""
    """What was measured: how long the line in transit and the first line after XON took."""


class Retold(Struct, frozen=True, kw_only=True):
    """A retransmit or a download, counted while it comes; see `GetPassings` for the lines themselves."""

    since: int
    """Wall ns at which it began."""
    first: int
    """Its passings have numbers from this one on."""
    last: int
    event: str = ""
    lines: int = 0
    new: int = 0
    repeats: int = 0
    differ: int = 0
    test: int = 0
    """Those that came during TEST, and not since; in none of the other counts."""
    ended: bool = False


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
    """Missing places in words (`0410`, `0412-0415`; `0410 of event 002` where more than one event lacks some)."""
    refill: str = ""
    """How they can be had again, and what that costs: `a retransmit of event 1 takes about 70 s, ...`."""
    facts: dict[str, str] = field(default_factory=dict)
    """What the device last said of itself: version, mode, control, gun, word setting."""
    commands: tuple[CommandInfo, ...] = ()
    flow: Flow | None = None
    """None: the device cannot be paused."""
    retold: Retold | None = None
    """The retransmit or download under way, or the last one."""
    job: Job | None = None
    """A command under way that takes long."""
    outcome: Outcome | None = None
    """What came of the last command."""


class PeerState(Struct, frozen=True, kw_only=True):
    """Delivery to one peer. `journaled >= sent >= tcp`; counts are passings."""

    address: str
    sink: bool = False
    """A file or a printer: no TCP takes what it gets, and it says nothing."""
    connected: bool
    since: int
    reason: str = ""
    journaled: int = 0
    sent: int = 0
    tcp: int | None = 0
    """None: this system does not tell what a peer has taken, or it is a sink."""
    acked: int | None = None
    """None: the protocol does not acknowledge."""
    waiting: int = 0
    oldest: int | None = None
    """Wall ns of the arrival of the oldest waiting passing."""
    held: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    """Why they are held -> how many."""
    unmapped: int = 0
    skipped: int = 0
    """Never sent, because the operator said so. `journaled = sent + waiting + held + unmapped + skipped`."""
    resent: int = 0
    """Lines that went out again because the operator asked for it, and were taken by its TCP; in no other figure."""
    note: str = ""


class ExportState(Struct, frozen=True, kw_only=True):
    """One export. Its figures are those of the peer that is furthest behind."""

    name: str
    type: str
    where: str
    state: str
    """`up`, `no client`, `slow`, `stuck`, `silent`, `down`, `paused`."""
    reason: str = ""
    note: str = ""
    """What is to be known of its format, whatever its state."""
    paused_at: int | None = None
    """When the operator whom `reason` names stopped it (wall ns); None: it is not paused."""
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
    skipped: int = 0
    resent: int = 0
    peers: tuple[PeerState, ...] = ()
    former: tuple[PeerState, ...] = ()
    """Those that the settings name no more, or that were forgotten, with what they were sent; in no figure of the
    export."""


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


class ItsPrinted(Struct, frozen=True, kw_only=True):
    """A line that the server had us print (`#PL`)."""

    wall: int
    text: str


class ItsStep(Struct, frozen=True, kw_only=True):
    """What a connection came to, and when: `connecting`, `logging in`, `accepted (#GC 1)`, `linked`."""

    wall: int
    word: str


class ItsLink(Struct, frozen=True, kw_only=True):
    """One connection to the ITS ONLINE TIMING server. Times are wall ns; frames are those with data."""

    serial: str
    """Under which it logs in: the Software ID Number, or the serial of a device that is linked up."""
    role: str
    """`software`, or the name of that device."""
    state: str
    """`not connected`, `connecting`, `logging in`, `linked`, `refused`, `down`."""
    since: int
    reason: str = ""
    """Why it is not linked, in words that say what to check."""
    retry_at: int | None = None
    """When it is tried again."""
    steps: tuple[ItsStep, ...] = ()
    """How the last attempt has gone so far, oldest first."""
    heard: int | None = None
    """When the last byte came."""
    beat: int | None = None
    """When the last heartbeat came; a server that has other things to say sends none."""
    received: int = 0
    again: int = 0
    """Of those that came, repeats under the same number."""
    odd: int = 0
    """What came and was no good frame, or had a wrong checksum."""
    sent: int = 0
    acked: int = 0
    waiting: int = 0
    """Sent, or about to be, and not acknowledged."""
    printed: tuple[ItsPrinted, ...] = ()
    """The newest, at most 10, oldest first."""


class ItsMaterial(Struct, frozen=True, kw_only=True):
    """A timer or computer that is configured, or was heard."""

    address: str
    """`TDDDD`: type code and serial number."""
    device: str
    """Its name here; of one that is linked up from here, that of our device."""
    role: str
    """`source`: it sends, through the server; `linked up`: it is on a cable here; `software`: this computer."""
    named: bool
    """The settings name it; else it has appeared by itself."""
    model: str = ""
    label: str = ""
    colour: str = ""
    timekeeping: str = ""
    phone: str = ""
    software_port: int = 7000
    heard: int | None = None
    """Arrival of its last frame, in this run of the engine; None: never."""
    frames: int = 0
    """In the journal."""
    echoes: int = 0
    """Of one that is linked up: its own frames that the server sent back to us; they count for nothing."""


class ItsWriter(Struct, frozen=True, kw_only=True):
    """A wired timer that is told what the server sends."""

    device: str
    export: str = ""
    """By which it is told; `release` and `skip` go by it."""
    written: int = 0
    waiting: int = 0
    """Until it is connected."""
    held: int = 0
    """Gone stale meanwhile: the operator's to release or skip."""
    last: int | None = None
    """When the last was written, wall ns."""


class ItsState(Struct, frozen=True, kw_only=True):
    """The link to ITS ONLINE TIMING."""

    software_id: str
    server: str
    """`host:port`."""
    user: str
    password: bool
    """The secrets have one."""
    log_file: str
    links: tuple[ItsLink, ...]
    """The software's first, then one for each device that is linked up."""
    material: tuple[ItsMaterial, ...] = ()
    writers: tuple[ItsWriter, ...] = ()
    instances: dict[int, int] = field(default_factory=dict)
    """Local port -> timing software connected to it."""
    checksums: str = "lenient"
    unconfirmed: tuple[str, ...] = ()
    """What is inferred about the server, in words, for the panel."""


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
    its: ItsState | None = None
    """None: the settings have no [its]."""
