"""What THCOM08 messages say: the records, and `parse`, which reads the data of one basic frame.

Source of every layout: thcom.md, section 2. The manufacturer warns that fields may be appended to any message, so
records are read by prefix and word, and what follows the last known field is ignored.
"""

import re
from collections.abc import Callable
from typing import TypeAlias

from msgspec import Struct

from console.model import SECOND

STATES = {
    "N": "original",
    "-": "identification removed",
    "*": "new bib",
    "+": "inserted by hand",
    "=": "duplicate",
    "C": "cancelled",
    "I": "ideal start",
}
"""Second letter of a time's tag -> what it says of the record (thcom.md, section 2.2)."""

SOURCES = {"T": "live", "A": "answer to a recall or download", "!": "run of another device"}
"""First letter of a time's tag -> by which way it came."""

RESULTS = {"RR": "run time", "GR": "total time", "IR": "intermediate time", "DR": "difference"}


class MessageError(ValueError):
    """A message with a known tag whose fields cannot be read; says which."""


class KeepAlive(Struct, frozen=True):
    """An empty line: the device is idle and alive (inferred from three clients; thcom.md, section 1.2)."""


class Time(Struct, frozen=True, kw_only=True):
    """A time on a channel: `TN T- T* T+ T= TC TI`, and the same after `A` (recalled) and `!` (another device's)."""

    tag: str
    bib: str | None
    """Without leading zeros; None when blank."""
    sequence: int
    """Number of the time on its channel, 0..9999."""
    channel: str
    """`1`..`99`, or `M1`.. for a manual key."""
    time: str
    """As printed, without the blanks before it."""
    ns: int
    """`time` in ns; leading units that a device blanks are zero."""
    day: int | None
    """Days since 2000-01-01; 0: the device has no date; None: not printed."""


class Result(Struct, frozen=True, kw_only=True):
    """A run (RR), total (GR) or intermediate time (IR), or a difference (DR)."""

    tag: str
    number: int | None
    """RR, GR: rank. IR: number of the intermediate. DR: bib of the winner."""
    bib: str | None
    """DR: bib of the loser."""
    time: str
    ns: int


class Speed(Struct, frozen=True, kw_only=True):
    """A speed (VE)."""

    number: int
    bib: str | None
    speed: str
    """As printed."""
    unit: str


class Run(Struct, frozen=True, kw_only=True):
    """The head of a run, as OP and DS give it."""

    run: str
    name: str = ""
    added: str = "00"
    """The run whose times are added; `00`: none."""
    total: bool = False
    """The added run is a sum itself."""


class RunOpen(Run, frozen=True):
    """A run was opened (OP)."""


class DownloadStart(Run, frozen=True):
    """A download of a run begins (DS)."""


class RunClose(Struct, frozen=True):
    """A run was closed (CL)."""

    run: str


class DownloadEnd(Struct, frozen=True):
    """A download of a run ends (DE)."""

    run: str


class Ident(Struct, frozen=True):
    """Serial number (ID)."""

    serial: str


class Serial(Struct, frozen=True, kw_only=True):
    """Serial number, type and version (SN), with those of a docking station where there is one."""

    serial: str
    type: str
    version: str = ""
    docking_serial: str = ""
    docking_version: str = ""


class Ack(Struct, frozen=True):
    """Answer to a `#` command (AK)."""

    code: str
    """`C` accepted, `F` rejected, `R` not supported."""


class Parameter(Struct, frozen=True):
    """Value of a parameter (&P)."""

    number: str
    value: str


class DeviceEvent(Struct, frozen=True):
    """A key, beep or display event (&S &C &N &D &E)."""

    tag: str
    text: str


class Synchro(Struct, frozen=True, kw_only=True):
    """Time to synchronise to (`!T`, or `TS` from an HL975)."""

    tag: str
    time: str
    ns: int
    date: str
    """DD/MM/YY, as printed."""


class Login(Struct, frozen=True):
    """User name (UN) or password (PW) of the server link. `text` is a secret: never show it."""

    tag: str
    text: str

    def __repr__(self) -> str:
        """Without the secret."""
        return f"Login(tag={self.tag!r})"


class Command(Struct, frozen=True):
    """A command of a host: `#`, two characters, arguments."""

    name: str
    text: str = ""
    """The arguments as they came, outer blanks removed."""


class Unknown(Struct, frozen=True):
    """Readable text that this specification does not know."""

    text: str


Record: TypeAlias = (
    KeepAlive
    | Time
    | Result
    | Speed
    | RunOpen
    | RunClose
    | DownloadStart
    | DownloadEnd
    | Ident
    | Serial
    | Ack
    | Parameter
    | DeviceEvent
    | Synchro
    | Login
    | Command
    | Unknown
)

_TIME = re.compile(r"(?:(?:(\d{1,2}):)?([0-5]?\d):)?([0-5]?\d)(?:\.(\d{1,9}))?", re.ASCII)
_CHANNEL = re.compile(r"M?\d{1,2}", re.ASCII)
_NUMBER = re.compile(r"\d{1,6}", re.ASCII)
_RUN_HEAD = re.compile(r"(\d{1,2}) ([T ])(\d\d)(?: (.*))?", re.ASCII)
_DATE = re.compile(r"\d\d/\d\d/\d\d", re.ASCII)


def time_ns(text: str) -> int:
    """A printed time (`19:30:58.41200`, `1:59.48100`, `2.47700`) in ns; raises MessageError."""
    found = _TIME.fullmatch(text)
    if not found:
        raise MessageError(f"no time: {text!r}")
    hours, minutes, seconds, decimals = (part or "0" for part in found.groups())
    return (int(hours) * 3600 + int(minutes) * 60 + int(seconds)) * SECOND + int(decimals.ljust(9, "0"))


def parse(data: str) -> Record:
    """Read the data of one frame: no line end, no TAB, no checksum.

    Raises MessageError where the tag is known and a field is not what it should be.
    """
    if not data.strip():
        return KeepAlive()
    if data[0] == "#":
        return Command(data[1:3], data[3:].strip())
    tag, text = data[:2], data[2:]
    if tag[0] in SOURCES and tag[1:] in STATES and text.startswith(" "):
        return _time(tag, data)
    reader = _READERS.get(tag)
    return reader(tag, text) if reader and text.startswith(" ") else Unknown(data)


def _time(tag: str, data: str) -> Time:
    words = data[2:].split()
    at = _time_at(words)
    if at is None:  # whole seconds of the first minute: only the columns tell
        at = len(data[2:16].split())
    if at not in (2, 3) or at >= len(words):
        raise MessageError("not bib, sequence, channel, time, day")
    bib = _bib(words[0]) if at == 3 else None
    channel = words[at - 1]
    if not _CHANNEL.fullmatch(channel):
        raise MessageError(f"no channel: {channel!r}")
    manual = channel.startswith("M")
    return Time(
        tag=tag,
        bib=bib,
        sequence=_number(words[at - 2], "sequence number"),
        channel=f"{'M' if manual else ''}{int(channel.lstrip('M'))}",
        time=words[at],
        ns=time_ns(words[at]),
        day=_number(words[at + 1], "day") if at + 1 < len(words) else None,
    )


def _result(tag: str, text: str) -> Result:
    words = text.split()
    at = _time_at(words)
    if at is None:  # whole seconds of the first minute, both numbers there
        at = 2
    if at > 2 or at >= len(words):
        raise MessageError("not number, bib, time")
    # Pocket Pros space differently (thcom.md, section 2.2), so columns are asked only where one of the two is missing.
    numbers = words[:at]
    if at == 1 and not text[1:5].strip():
        numbers.insert(0, "")
    number, bib = [*numbers, "", ""][:2]
    return Result(
        tag=tag,
        number=_number(number, "number") if number else None,
        bib=_bib(bib) if bib else None,
        time=words[at],
        ns=time_ns(words[at]),
    )


def _speed(_: str, text: str) -> Speed:
    words = text.split()
    at = next((index for index, word in enumerate(words) if "." in word), 2)
    if at not in (1, 2) or at >= len(words) or not re.fullmatch(r"\d+(\.\d*)?", words[at], re.ASCII):
        raise MessageError("not number, bib, speed, unit")
    bib = _bib(words[1]) if at == 2 else None
    number = _number(words[0], "number")
    return Speed(number=number, bib=bib, speed=words[at], unit=" ".join(words[at + 1 :])[:7])


def _run_head(tag: str, text: str) -> Record:
    found = _RUN_HEAD.fullmatch(text[1:])
    if not found:
        raise MessageError("not run, added run, name")
    run, total, added, name = found.groups()
    head = RunOpen if tag == "OP" else DownloadStart
    return head(run=run.zfill(2), total=total == "T", added=added, name=(name or "").rstrip())


def _run_end(tag: str, text: str) -> Record:
    run = f"{_number(_words(text, 1)[0], 'run'):02}"
    return RunClose(run) if tag == "CL" else DownloadEnd(run)


def _ident(_: str, text: str) -> Ident:
    serial = _words(text, 1)[0]
    _number(serial, "serial number")
    return Ident(serial)


def _serial(_: str, text: str) -> Serial:
    words = _words(text, 2)
    _number(words[0], "serial number")
    serial, kind, version, docking_serial, docking_version = (words + [""] * 3)[:5]
    return Serial(
        serial=serial,
        type=kind,
        version=version,
        docking_serial=docking_serial,
        docking_version=docking_version,
    )


def _ack(_: str, text: str) -> Ack:
    code = _words(text, 1)[0]
    if code not in ("C", "F", "R"):
        raise MessageError(f"no answer: {code!r}")
    return Ack(code)


def _parameter(_: str, text: str) -> Parameter:
    number = _words(text, 1)[0]
    _number(number, "parameter")
    return Parameter(number.zfill(3), text.strip()[len(number) :].strip())


def _synchro(tag: str, text: str) -> Synchro:
    time, date = _words(text, 2)[:2]
    if not _DATE.fullmatch(date):
        raise MessageError(f"no date: {date!r}")
    return Synchro(tag=tag, time=time, ns=time_ns(time), date=date)


def _event(tag: str, text: str) -> DeviceEvent:
    return DeviceEvent(tag, text[1:])


def _login(tag: str, text: str) -> Login:
    return Login(tag, text[1:])


_READERS: dict[str, Callable[[str, str], Record]] = {
    **dict.fromkeys(RESULTS, _result),
    "VE": _speed,
    **dict.fromkeys(("OP", "DS"), _run_head),
    **dict.fromkeys(("CL", "DE"), _run_end),
    "ID": _ident,
    "SN": _serial,
    "AK": _ack,
    "&P": _parameter,
    **dict.fromkeys(("!T", "TS"), _synchro),
    **dict.fromkeys(("&S", "&C", "&N", "&D", "&E"), _event),
    **dict.fromkeys(("UN", "PW"), _login),
}


def _time_at(words: list[str]) -> int | None:
    """Where the first word is that can only be a time."""
    for index, word in enumerate(words):
        if ":" in word or "." in word:
            return index
    return None


def _words(text: str, count: int) -> list[str]:
    words = text.split()
    if len(words) < count:
        raise MessageError("a field is missing")
    return words


def _number(text: str, what: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise MessageError(f"no {what}: {text!r}")
    return int(text)


def _bib(text: str) -> str:
    return str(_number(text, "bib"))


_LABELS: dict[type, str] = {
    KeepAlive: "keep-alive",
    Speed: "VE",
    RunOpen: "OP",
    RunClose: "CL",
    DownloadStart: "DS",
    DownloadEnd: "DE",
    Ident: "ID",
    Serial: "SN",
    Ack: "AK",
    Parameter: "&P",
    Unknown: "unknown",
}


def tag_of(record: Record) -> str:
    """The tag of a message as it is on the wire, or a word where it has none."""
    if isinstance(record, Command):
        return f"#{record.name}"
    if isinstance(record, (Time, Result, DeviceEvent, Synchro, Login)):
        return record.tag
    return _LABELS[type(record)]
