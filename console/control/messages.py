"""What crosses the control socket: msgpack frames, each behind its length as four bytes, big-endian.

A client says Hello and is told Welcome (or Refused). From then on it sends a Request and gets the Answer with the same
number; in between the engine pushes its whole state, at most ten times a second and only when something changed.
"""

from typing import TypeAlias

import msgspec
from msgspec import Struct

from console.model import (
    Direction,
    EngineState,
    Frame,
    Incident,
    Kind,
    Option,
    Origin,
    Phase,
    Resolved,
    Scalar,
    Selection,
    Sheet,
    Status,
)

PROTOCOL = 2
"""Version of this conversation; both sides must speak the same."""

LONGEST = 16 * 1024 * 1024
"""Bytes of one message at most: a page of rows is far below it."""

PAGE = 1000
"""Rows a page holds at most."""


# --- the beginning ---


class Hello(Struct, frozen=True, kw_only=True, tag="hello"):
    """Who attaches, and whether only to look."""

    protocol: int
    who: str
    observe: bool = False
    stays: bool = False
    """A console: what it had a device wait for ends with it. Not a command that asks and goes."""


class Welcome(Struct, frozen=True, kw_only=True, tag="welcome"):
    """The engine's answer to Hello."""

    protocol: int
    state: EngineState


class Refused(Struct, frozen=True, kw_only=True, tag="refused"):
    """Why the engine will not talk; the connection ends."""

    reason: str


# --- calls ---


class GetState(Struct, frozen=True, kw_only=True, tag="state"):
    """Answered with State."""


class GetFrames(Struct, frozen=True, kw_only=True, tag="frames"):
    """A page of frames, oldest first: beyond `after`, or just before `before`, or the newest. Answered with Frames."""

    after: int | None = None
    before: int | None = None
    limit: int = 200
    device: str = ""
    devices: tuple[str, ...] = ()
    """Where `device` is empty: only of these; none given: of all."""
    direction: Direction | None = None
    flawed: bool = False
    text: str = ""
    quiet: bool = False
    """Without what keep-awake says and hears (`CHATTER`), unless it is flawed."""


class GetPassings(Struct, frozen=True, kw_only=True, tag="passings"):
    """A page of passings, as GetFrames. Answered with Passings."""

    after: int | None = None
    before: int | None = None
    limit: int = 200
    device: str = ""
    kinds: tuple[Kind, ...] = ()
    statuses: tuple[Status, ...] = ()
    origins: tuple[Origin, ...] = ()
    text: str = ""
    outs: bool = False
    """Tell what became of each at the exports (`Resolved.out`)."""


class GetIncidents(Struct, frozen=True, kw_only=True, tag="incidents"):
    """A page of incidents, as GetFrames. Answered with Incidents."""

    after: int | None = None
    before: int | None = None
    limit: int = 200


class GetDetail(Struct, frozen=True, kw_only=True, tag="detail"):
    """Everything about one frame. Answered with Detail."""

    frame: int


class GetSheet(Struct, frozen=True, kw_only=True, tag="sheet"):
    """A table about a device, or (device empty) about the event. Answered with Table."""

    device: str
    name: str


class Command(Struct, frozen=True, kw_only=True, tag="command"):
    """Send a command to a device, in the words of its manual. Answered with Done, or with Asks."""

    device: str
    words: str
    yes: str = ""
    """The device's name: the operator has been asked."""
    text: str = ""
    """The contents of the file that the words name."""

    def __repr__(self) -> str:
        """Without the file, which may hold a password."""
        return f"Command(device={self.device!r}, words={self.words!r}, yes={self.yes!r})"


class SetBib(Struct, frozen=True, kw_only=True, tag="bib"):
    """Say whose passing it was; empty `bib`: nobody's that we know. Answered with Done."""

    passing: int
    bib: str


class Undo(Struct, frozen=True, kw_only=True, tag="undo"):
    """Take the newest bib back that this operator gave. Answered with Done."""


class TakeOver(Struct, frozen=True, kw_only=True, tag="take over"):
    """Have offered passings of a device count. Answered with Done."""

    device: str
    passings: tuple[int, ...] = ()
    """Which; empty: all that never came, or (`test`) all that came during TEST alone."""
    test: bool = False


class SetPhase(Struct, frozen=True, kw_only=True, tag="phase"):
    """Answered with Done."""

    phase: Phase


class SetGun(Struct, frozen=True, kw_only=True, tag="gun"):
    """The race clock of `device` (empty: of every device with one) showed zero at `wall`. Answered with Done."""

    wall: int
    device: str = ""


class Acknowledge(Struct, frozen=True, kw_only=True, tag="acknowledge"):
    """Acknowledge every alarm up to incident `upto`. Answered with Done."""

    upto: int


class Held(Struct, frozen=True, kw_only=True, tag="held"):
    """Release or skip held passings of an export; empty `passings`: all of them. Answered with Done."""

    export: str
    action: str
    """`release` or `skip`."""
    passings: tuple[int, ...] = ()
    peer: str | None = None


class GetOptions(Struct, frozen=True, kw_only=True, tag="options"):
    """What can be set of `export`, or of one to come of the type `kind`; of neither: which types there are. Answered
    with Options."""

    export: str = ""
    kind: str = ""


class AddExport(Struct, frozen=True, kw_only=True, tag="add export"):
    """One more export, into the settings and to work. Answered with Done."""

    name: str
    values: dict[str, str]
    """Key -> value as it was typed; `type` is needed."""


class EditExport(Struct, frozen=True, kw_only=True, tag="edit export"):
    """Other settings for an export, which starts anew with them. Answered with Done, or with Asks."""

    name: str
    values: dict[str, str]
    """An empty value: the default."""
    yes: str = ""
    """The export's name: the operator has been asked."""


class RemoveExport(Struct, frozen=True, kw_only=True, tag="remove export"):
    """One export less. Answered with Done, or with Asks."""

    name: str
    yes: str = ""


class RenumberExport(Struct, frozen=True, kw_only=True, tag="renumber export"):
    """Number the lines of an export from 1 again, under a new connection id. Answered with Done, or with Asks."""

    name: str
    yes: str = ""


class Steer(Struct, frozen=True, kw_only=True, tag="steer"):
    """Pause or resume an export, skip what waits, or forget a client that never comes back. Answered with Done; `skip`
    and `forget` with Asks, until there is a `yes`."""

    export: str
    action: str
    """`pause`, `resume`, `skip` or `forget`."""
    peer: str | None = None
    """Whom to forget; or: skip only what waits for this one."""
    yes: str = ""
    """The export's name: the operator has been asked. `skip` asks for the name with how far it had counted
    (`name@4187`): what came since is not skipped."""


class Resend(Struct, frozen=True, kw_only=True, tag="resend"):
    """Send passings again, to one peer or to all that are connected. Answered with Done, which says what became of
    them; a long one goes on behind the answer."""

    export: str
    what: Selection
    frame: int | None = None
    """Begin with the first passing of this frame, or of the next one that has any."""
    peer: str | None = None


class GetPeer(Struct, frozen=True, kw_only=True, tag="peer"):
    """The last lines sent to a peer of an export, and received from it. Answered with Conversation."""

    export: str
    peer: str


class SaveIts(Struct, frozen=True, kw_only=True, tag="save its"):
    """The configuration of the link to ITS ONLINE TIMING, into the settings, and its password into the secrets; the
    link starts anew with it. Answered with Done, or with Asks."""

    values: dict[str, str]
    """Keys of `[its]` -> values as they were typed; those that are not given stay."""
    password: str = ""
    """Empty: the one that there is stays."""
    yes: str = ""
    """The server: the operator has been asked."""

    def __repr__(self) -> str:
        """Without the password."""
        return f"SaveIts(values={self.values!r}, yes={self.yes!r})"


class ConnectIts(Struct, frozen=True, kw_only=True, tag="connect its"):
    """Connect to ITS ONLINE TIMING anew, now. Answered with Done, or with Asks."""

    yes: str = ""
    """The server: the operator has been asked."""


class Reload(Struct, frozen=True, kw_only=True, tag="reload"):
    """Read the settings again. Answered with Done, or with an error that names file and key."""


class Stop(Struct, frozen=True, kw_only=True, tag="stop"):
    """Stop the engine. `event` must be the event's name: a second thought. Answered with Done."""

    event: str


Call: TypeAlias = (
    GetState
    | GetFrames
    | GetPassings
    | GetIncidents
    | GetDetail
    | GetSheet
    | Command
    | SetBib
    | Undo
    | TakeOver
    | SetPhase
    | SetGun
    | Acknowledge
    | Held
    | Steer
    | Resend
    | GetPeer
    | GetOptions
    | AddExport
    | EditExport
    | RemoveExport
    | RenumberExport
    | SaveIts
    | ConnectIts
    | Reload
    | Stop
)

CHANGES = (
    Command,
    SetBib,
    Undo,
    TakeOver,
    SetPhase,
    SetGun,
    Acknowledge,
    Held,
    Steer,
    Resend,
    AddExport,
    EditExport,
    RemoveExport,
    RenumberExport,
    SaveIts,
    ConnectIts,
    Reload,
    Stop,
)
"""What an observer may not call."""


class Request(Struct, frozen=True, kw_only=True, tag="request"):
    """A call, under a number of the client's choice."""

    id: int
    call: Call


# --- answers ---


class State(Struct, frozen=True, kw_only=True, tag="is"):
    """The whole picture."""

    state: EngineState


class Frames(Struct, frozen=True, kw_only=True, tag="frames"):
    """Rows, oldest first."""

    rows: list[Frame]


class Passings(Struct, frozen=True, kw_only=True, tag="passings"):
    """Rows, oldest first, bound as they are known now."""

    rows: list[Resolved]


class Incidents(Struct, frozen=True, kw_only=True, tag="incidents"):
    """Rows, oldest first."""

    rows: list[Incident]


class Delivery(Struct, frozen=True, kw_only=True):
    """What became of one passing at one export."""

    passing: int
    export: str
    peer: str
    word: str
    """`sent`, `tcp`, `waiting`, `held`, or why it is not passed on."""


class Detail(Struct, frozen=True, kw_only=True, tag="detail"):
    """One frame, what it means, and where it went."""

    frame: Frame
    fields: dict[str, str]
    passings: list[Resolved]
    deliveries: list[Delivery]


class Options(Struct, frozen=True, kw_only=True, tag="options"):
    """What can be set of an export."""

    kind: str
    """Its type."""
    kinds: list[str]
    """All types of exports there are."""
    rows: list[Option]


class Conversation(Struct, frozen=True, kw_only=True, tag="conversation"):
    """Lines, oldest first, each of at most 120 bytes, as they crossed the wire."""

    sent: tuple[bytes, ...]
    received: tuple[bytes, ...]


class Done(Struct, frozen=True, kw_only=True, tag="done"):
    """It was done. `ok` None: sent, no answer defined."""

    text: str
    ok: bool | None = True
    data: dict[str, Scalar] = {}


class Table(Struct, frozen=True, kw_only=True, tag="table"):
    """A table, ready to read."""

    sheet: Sheet


class Asks(Struct, frozen=True, kw_only=True, tag="asks"):
    """It was not done: the operator must agree first, and then say it again with `yes`."""

    question: str
    """What the danger is, in words."""
    name: str
    """What `yes` must be."""
    typed: bool
    """The operator must type the name; else a plain yes will do."""


class Failed(Struct, frozen=True, kw_only=True, tag="failed"):
    """It was not done, and why."""

    reason: str


Result: TypeAlias = (
    State | Frames | Passings | Incidents | Detail | Table | Conversation | Options | Done | Asks | Failed
)


class Answer(Struct, frozen=True, kw_only=True, tag="answer"):
    """The answer to the request of the same number."""

    id: int
    result: Result


class Pushed(Struct, frozen=True, kw_only=True, tag="pushed"):
    """The engine's state has changed."""

    state: EngineState


FromClient: TypeAlias = Hello | Request
FromEngine: TypeAlias = Welcome | Refused | Answer | Pushed

_encode = msgspec.msgpack.Encoder().encode
decode_client = msgspec.msgpack.Decoder(FromClient).decode
decode_engine = msgspec.msgpack.Decoder(FromEngine).decode


def packed(message: FromClient | FromEngine) -> bytes:
    """A message as it goes over the socket."""
    body = _encode(message)
    return len(body).to_bytes(4, "big") + body


class Unpacker:
    """Cuts a stream into message bodies."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The bodies that are whole now. Raises ValueError where a length is impossible."""
        buffer = self._buffer
        buffer += data
        bodies, at = [], 0
        while len(buffer) - at >= 4:
            length = int.from_bytes(buffer[at : at + 4], "big")
            if length > LONGEST:
                raise ValueError(f"a message of {length} bytes: this is not a RaceDeck control socket")
            if len(buffer) - at - 4 < length:
                break
            bodies.append(bytes(buffer[at + 4 : at + 4 + length]))
            at += 4 + length
        del buffer[:at]
        return bodies
