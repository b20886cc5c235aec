"""CTP01: what its lines say, both ways (ctp01.md, sections 1.3 to 1.7): ASCII, `~` between the fields, CR LF.

Where the vendor's documents are silent or contradict each other, the sheet says what was inferred, and so does the
place here.
"""

import hashlib
import hmac
from collections.abc import Iterable
from datetime import datetime, tzinfo
from enum import StrEnum
from functools import lru_cache

from msgspec import Struct

from console.model import SECOND

PORT = 61611
"""Where scoring software listens, unless told otherwise (section 1.1)."""

LARGEST_SEQUENCE = 999_999
"""Of one location; what comes behind it is open (section 2)."""

LONGEST_LOCATION = 16
LONGEST_TAG = 8
"""Of the layouts' fixed columns; longer tags are taken by the servers that were read (section 1.6)."""

FORBIDDEN = frozenset(",;~|\t\0\r\n")
"""Not in a location's name: they are separators of one layout or another."""

GUN, NEW_LOCATION = "guntime", "newlocation"
"""Words in the place of a tag."""

MILLISECOND = SECOND // 1000
HUNDREDTH = SECOND // 100


class TimeFormat(StrEnum):
    """How a read's time is written (section 1.7)."""

    NORMAL = "normal"
    """`HH:MM:SS.hh`, without a date."""
    ISO = "iso"
    UNIX = "unix"
    """Seconds since 1970, of true UTC (inferred)."""
    MSECS = "msecs"
    """Milliseconds since midnight (inferred)."""


class Authentication(StrEnum):
    """What `authorize` carries (section 1.3)."""

    NONE = "none"
    PLAINTEXT = "plaintext"
    HMAC_SHA1 = "hmac-sha1"
    HMAC_MD5 = "hmac-md5"
    SEED_SHA1 = "seed-sha1"
    SEED_MD5 = "seed-md5"


class Layout(Struct, frozen=True):
    """A variable-width layout `CT01_ss` of read lines: separator and line end (section 1.6)."""

    code: str
    separator: str
    end: bytes


_SEPARATORS = {"1": ",", "2": ";", "3": "~", "4": "|", "5": "\t"}
"""0 and 6 exist with fixed width only."""

DEFAULT_LAYOUT = Layout("CT01_33", "~", b"\r\n")


def layout(code: str) -> Layout:
    """The layout a server asks for. Raises ValueError, saying why, for one that does not exist or is of fixed width."""
    name, _, nibbles = code.strip().upper().partition("_")
    if name != "CT01" or len(nibbles) != 2 or any(one not in "0123456789ABCDEF" for one in nibbles):
        raise ValueError(f"{code!r} is no layout of the kind CT01_33")
    ends = int(nibbles[1], 16)
    if ends & 8:
        raise ValueError(f"layout {code} is of fixed width, which is not spoken here")
    if nibbles[0] not in _SEPARATORS or not ends:
        raise ValueError(f"layout {code} has no separator or no line end")
    end = b"\r" * bool(ends & 1) + b"\n" * bool(ends & 2) + b"\0" * bool(ends & 4)
    return Layout(f"CT01_{nibbles}", _SEPARATORS[nibbles[0]], end)


class Read(Struct, frozen=True, kw_only=True):
    """One read line, before layout and time format are known."""

    sequence: int
    """Counts in its location, from 1."""
    location: str
    tag: str
    """The bib, where it is known; `guntime`, `newlocation`."""
    utc: int
    """ns since the epoch."""
    lap: int = 1
    """How often this tag was read here; 0 on gun and newlocation lines."""
    reader: str = "000000"
    """6 hexadecimal digits that name the reader, always the same (section 1.6)."""
    gator: int = 0
    """Antenna or mat segment, two digits at most."""


def encode(read: Read, form: Layout, time: TimeFormat, zone: tzinfo) -> bytes:
    """A read as one whole line. `zone`: the event's, or UTC where the operator chose that.

    Raises ValueError where the layout has no room for the number.
    """
    if not 1 <= read.sequence <= LARGEST_SEQUENCE:
        raise ValueError(f"{read.location}: number {read.sequence} does not fit the format, which ends at 999999")
    fields = (
        form.code,
        str(read.sequence),
        read.location,
        plain(read.tag).replace(form.separator, " "),
        time_of(read.utc, time, zone),
        str(min(read.lap, 999)),
        read.reader,
        str(min(read.gator, 99)),
    )
    return form.separator.join(fields).encode("ascii", "replace") + form.end


def time_of(utc: int, form: TimeFormat, zone: tzinfo) -> str:
    """A time in the format a server asked for, cut and not rounded: none moves into the next second."""
    seconds, rest = divmod(utc, SECOND)
    if form is TimeFormat.UNIX:
        return f"{seconds}.{rest // HUNDREDTH:02}"
    local = _local(seconds, zone)
    if form is TimeFormat.MSECS:
        since_midnight = (local.hour * 60 + local.minute) * 60 + local.second
        return str(since_midnight * 1000 + rest // MILLISECOND)
    clock = f"{local.hour:02}:{local.minute:02}:{local.second:02}.{rest // HUNDREDTH:02}"
    return f"{local.year:04}-{local.month:02}-{local.day:02}T{clock}" if form is TimeFormat.ISO else clock


@lru_cache(maxsize=256)
def _local(seconds: int, zone: tzinfo) -> datetime:
    """Many pass in one second."""
    return datetime.fromtimestamp(seconds, zone)


def line(*fields: str) -> bytes:
    """A command or an answer. What is not ASCII, or would part the line, becomes `?` or a blank."""
    return "~".join(plain(field) for field in fields).encode("ascii", "replace") + b"\r\n"


def plain(text: str) -> str:
    """`text` without what parts fields and lines."""
    return "".join(" " if one in "~\r\n\0\t" or ord(one) < 32 else one for one in text)


def sayable(text: str) -> bool:
    """Whether a line says it as it is (see `line`)."""
    return line(text) == text.encode() + b"\r\n"


def location_name(point: str) -> tuple[str, str]:
    """A timing point as CTP01 can name it, and what was wrong with its own name; empty: nothing.

    Scoring software matches names exactly, so what was changed must be said (section 1.6).
    """
    name = "".join("_" if one in FORBIDDEN or not " " <= one <= "~" else one for one in point).strip()
    flaw = ""
    if name != point.strip():
        flaw = f"timing point {point!r} goes out as {name!r}: CTP01 has no such characters"
    if len(name) > LONGEST_LOCATION:
        flaw = f"timing point {point!r} goes out as {name[:LONGEST_LOCATION]!r}: CTP01 has 16 characters"
        name = name[:LONGEST_LOCATION].rstrip()
    return name, flaw


def authorization(scheme: Authentication, seed: str, password: str) -> str:
    """What follows the user in `authorize` (section 1.3): hexadecimal digits in lower case, but for plaintext."""
    key, message = password.encode(), seed.encode()
    match scheme:
        case Authentication.PLAINTEXT:
            return password
        case Authentication.HMAC_SHA1 | Authentication.HMAC_MD5:
            return hmac.new(key, message, scheme.value.removeprefix("hmac-")).hexdigest()
        case Authentication.SEED_SHA1:
            return hashlib.sha1(message + key, usedforsecurity=False).hexdigest()
        case Authentication.SEED_MD5:
            return hashlib.md5(message + key, usedforsecurity=False).hexdigest()
        case Authentication.NONE:
            return ""


class Options(Struct, frozen=True, kw_only=True):
    """What a server wants (section 1.2), with the defaults of the protocol."""

    single: bool = False
    """One location on this connection."""
    guntimes: bool = False
    newlocations: bool = False
    authentication: Authentication = Authentication.NONE
    seed: str = ""
    push: bool = False
    """The default is pull: a server that asks for nothing wants to ask."""
    layout: Layout = DEFAULT_LAYOUT
    acks: bool = False
    """`start` and `stop` are answered."""
    time: TimeFormat = TimeFormat.NORMAL
    holds_newlocations: bool = False
    """Say nothing of new locations before `getconnectionid` was answered."""

    @property
    def guns(self) -> bool:
        """Gun times go out. That `guntimes` affects push alone is the vendor's word; that gun times are among what a
        server fetches is inferred from its example (section 1.8)."""
        return self.guntimes or not self.push


def in_words(options: Options, zone: tzinfo) -> str:
    """The options as the operator sees them, and in which zone the times are: wrong ones are what users meet most."""
    times = f"times {options.time}" + ("" if options.time is TimeFormat.UNIX else f" in {zone}")
    words = ["push" if options.push else "pull", times, options.layout.code]
    words += [name for name, on in (("guns", options.guns), ("acks", options.acks)) if on]
    words += [f"authentication {options.authentication}"] if options.authentication is not Authentication.NONE else []
    words += ["single location"] if options.single else []
    return ", ".join(words)


def connection_id(random: Iterable[int]) -> str:
    """A connection's name: 40 hexadecimal digits, as in the vendor's example. `random`: 20 bytes."""
    return bytes(random).hex()
