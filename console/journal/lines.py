"""One row of the journal as one line of the flight log, and back. Pure.

    2026-11-20T10:41:47.830123456Z F 000004187 chute rx m=123456789 "\\x1711 411 0411 ... \\r\\n" PRIMARY crc=1A2B3C4D

Time (UTC), kind, number, whose it is, content, CRC-32 of all before ` crc=`. A row's CRC in the database is the CRC of
its line, so the two copies of a row are equal exactly when the two numbers are. Whatever is not printable ASCII is
escaped: neither a terminal nor a pager ever acts on what a device sent.

Kinds: `F` frame, `P` passing, `I` incident, `A` act, `N` numbers of lines, `S` timing state of a device
(number: the frame that changed it), `C` cursor, `H` heads (the highest numbers given so far), `L` a session's first
line.
"""

import calendar
import re
import time
import zlib
from functools import lru_cache
from typing import TypeAlias

import msgspec
from msgspec import Struct, structs

from console.model import SECOND, Act, Cursor, Direction, Frame, Incident, Judged, Level, Numbered, TimingState

FORMAT = "racedeck-flight-1"


class LineError(ValueError):
    """A line of the flight log that is damaged, cut short, or none of ours."""


class Heads(Struct, frozen=True, kw_only=True):
    """The highest number of each kind given so far."""

    frames: int = 0
    passings: int = 0
    incidents: int = 0
    acts: int = 0
    numbers: int = 0
    cursors: int = 0


class Kept(Struct, frozen=True):
    """What timing remembers of a device since `frame`."""

    frame: int
    wall: int
    device: str
    state: TimingState


class Saved(Struct, frozen=True):
    """A cursor; `number` counts every cursor saved in this event, so that the newer of two is known."""

    number: int
    wall: int
    cursor: Cursor


class Opened(Struct, frozen=True):
    """The first line of a session."""

    wall: int
    event: str


Entry: TypeAlias = Frame | Judged | Incident | Act | Numbered | Kept | Saved | Heads | Opened

_to_json = msgspec.json.Encoder().encode
_judged = msgspec.json.Decoder(Judged).decode
_state = msgspec.json.Decoder(TimingState).decode
_cursor = msgspec.json.Decoder(Cursor).decode
_heads = msgspec.json.Decoder(Heads).decode
_body = msgspec.json.Decoder(dict[str, str | int | float | bool | None]).decode
_passings = msgspec.json.Decoder(tuple[int, ...]).decode
_string = msgspec.json.Decoder(str).decode

_BARE = re.compile(r"[A-Za-z0-9_.,:/@+#%&*=-]+")
_UNPRINTABLE = re.compile(r"[^ -~]")

_W = rb'([^\s"]+|"[^"\\]*(?:\\.[^"\\]*)*")'
_Q = rb'("[^"\\]*(?:\\.[^"\\]*)*")'
_LINE = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.(\d{9})Z ([FPIANSCHL]) (\d{9,}) (.*)", re.DOTALL)
_FRAME = re.compile(rb"%b (rx|tx) m=(-?\d+) %b %b(?: flaw=%b)?(?: by=%b)?( masked)?" % (_W, _Q, _W, _Q, _Q), re.DOTALL)
_INCIDENT = re.compile(rb"%b (\w+) %b(?: f=(\d+))?" % (_W, _Q))
_ACT = re.compile(rb"%b %b (\{.*\})" % (_W, _W))
_NUMBERED = re.compile(rb"%b %b %b (\d+) (\[[-\d,]+\])( late)?" % (_W, _W, _W))
_OWNED = re.compile(rb"%b (\{.*\})" % _W)
_CURSOR = re.compile(rb"%b %b (\{.*\})" % (_W, _W))
_OPENED = re.compile(rb"%b event=%b" % (_W, _Q))


# --- out ---


def frame_line(frame: Frame) -> bytes:
    """The line of a frame, CRC not yet added."""
    raw = frame.raw.decode("latin-1").encode("unicode_escape").replace(b'"', b'\\"').decode("ascii")
    text = (
        f"{iso(frame.wall)} F {frame.seq:09d} {word(frame.device)} {frame.direction.value} m={frame.mono}"
        f' "{raw}" {word(frame.label)}'
    )
    if frame.flaw:
        text += f" flaw={quoted(frame.flaw)}"
    if frame.by:
        text += f" by={quoted(frame.by)}"
    if frame.masked:
        text += " masked"
    return text.encode("ascii")


def passing_line(judged: Judged, body: bytes) -> bytes:
    """The line of a passing; `body` is that, with its keys, as JSON."""
    passing = judged.passing
    return b"%b P %09d %b %b" % (iso(passing.wall).encode(), passing.seq, word(passing.device).encode(), body)


def incident_line(incident: Incident) -> bytes:
    """The line of an incident."""
    text = f"{iso(incident.wall)} I {incident.seq:09d} {word(incident.source)} {incident.level.value}"
    text += f" {quoted(incident.text)}"
    if incident.frame is not None:
        text += f" f={incident.frame}"
    return text.encode("ascii")


def act_line(act: Act) -> bytes:
    """The line of an operator's act."""
    head = f"{iso(act.wall)} A {act.seq:09d} {word(act.by)} {word(act.word)} "
    return head.encode("ascii") + to_json(act.body)


def numbered_line(numbered: Numbered, passings: bytes) -> bytes:
    """The line of numbers given; `passings` are those as JSON."""
    head = f"{iso(numbered.wall)} N {numbered.seq:09d} {word(numbered.export)} {word(numbered.connection)}"
    head += f" {word(numbered.location)} {numbered.first} "
    return head.encode("ascii") + passings + b" late" * numbered.late


def kept_line(kept: Kept, body: bytes) -> bytes:
    """The line of a device's timing state; `body` is that as JSON."""
    return f"{iso(kept.wall)} S {kept.frame:09d} {word(kept.device)} ".encode("ascii") + body


def cursor_json(cursor: Cursor) -> bytes:
    """A cursor as JSON. Long lists of passings are mostly runs: of 5, 6, 7, 8 it has `5,-8`."""
    return to_json(structs.replace(cursor, held=_in_runs(cursor.held), settled=_in_runs(cursor.settled)))


def saved_line(saved: Saved, body: bytes) -> bytes:
    """The line of a cursor; `body` is that as JSON."""
    cursor = saved.cursor
    head = f"{iso(saved.wall)} C {saved.number:09d} {word(cursor.export)} {word(cursor.peer)} "
    return head.encode("ascii") + body


def heads_line(heads: Heads, wall: int) -> bytes:
    """A line that tells the highest numbers, so that the end of a log is enough to know them."""
    return f"{iso(wall)} H {heads.frames:09d} heads ".encode("ascii") + to_json(heads)


def opened_line(opened: Opened) -> bytes:
    """The first line of a session."""
    return f"{iso(opened.wall)} L 000000000 {FORMAT} event={quoted(opened.event)}".encode("ascii")


def crc_of(line: bytes) -> int:
    """The CRC-32 that a line (and its row) carries."""
    return zlib.crc32(line)


def seal(line: bytes, crc: int) -> bytes:
    """A line with its CRC and line end."""
    return b"%b crc=%08X\n" % (line, crc)


# --- back ---


def unseal(line: bytes) -> tuple[bytes, int]:
    """A sealed line without its CRC, and that; raises LineError where it does not hold."""
    content, mark, tail = line.rstrip(b"\n").rpartition(b" crc=")
    if not mark or len(tail) != 8:
        raise LineError("cut short")
    try:
        crc = int(tail, 16)
    except ValueError:
        raise LineError("no CRC") from None
    if zlib.crc32(content) != crc:
        raise LineError(f"CRC {crc:08X} does not hold")
    return content, crc


def label_of(content: bytes) -> tuple[bytes, int]:
    """Kind and number of an unsealed line, without reading the rest; raises LineError."""
    try:
        number, _, _ = content[33:].partition(b" ")
        return content[31:32], int(number)
    except ValueError:
        raise LineError("no number") from None


def read_line(content: bytes) -> Entry:
    """What an unsealed line says; raises LineError."""
    found = _LINE.fullmatch(content)
    if not found:
        raise LineError("not a line of a flight log")
    second, ns, kind, number, rest = found.groups()
    try:
        return _read(kind, int(number), _seconds(second) * SECOND + int(ns), rest)
    except LineError:
        raise
    except (ValueError, KeyError, msgspec.MsgspecError) as error:
        raise LineError(str(error)) from None


def _read(kind: bytes, number: int, wall: int, rest: bytes) -> Entry:
    match kind:
        case b"F":
            device, direction, mono, raw, label, flaw, by, masked = _groups(_FRAME, rest)
            return Frame(
                seq=number,
                device=_word(device),
                direction=Direction(direction.decode()),
                wall=wall,
                mono=int(mono),
                raw=raw[1:-1].decode("unicode_escape").encode("latin-1"),
                label=_word(label),
                flaw=_string(flaw) if flaw else "",
                masked=bool(masked),
                by=_string(by) if by else "",
            )
        case b"P":
            _, body = _groups(_OWNED, rest)
            return _judged(body)
        case b"I":
            source, level, text, frame = _groups(_INCIDENT, rest)
            return Incident(
                seq=number,
                wall=wall,
                level=Level(level.decode()),
                source=_word(source),
                text=_string(text),
                frame=int(frame) if frame else None,
            )
        case b"A":
            by, act, body = _groups(_ACT, rest)
            return Act(seq=number, wall=wall, word=_word(act), body=_body(body), by=_word(by))
        case b"N":
            export, connection, location, first, passings, late = _groups(_NUMBERED, rest)
            return Numbered(
                seq=number,
                wall=wall,
                export=_word(export),
                connection=_word(connection),
                location=_word(location),
                first=int(first),
                passings=_passings(passings),
                late=bool(late),
            )
        case b"S":
            device, body = _groups(_OWNED, rest)
            return Kept(number, wall, _word(device), _state(body))
        case b"C":
            _, _, body = _groups(_CURSOR, rest)
            return Saved(number, wall, read_cursor(body))
        case b"H":
            return _heads(_groups(_OWNED, rest)[1])
        case _:
            form, event = _groups(_OPENED, rest)
            if form != FORMAT.encode():
                raise LineError(f"a flight log of format {form.decode('ascii', 'replace')}, not {FORMAT}")
            return Opened(wall, _string(event))


def read_judged(body: bytes | str) -> Judged:
    """A passing and its keys from their JSON; raises msgspec.MsgspecError."""
    return _judged(body)


def read_state(body: bytes | str) -> TimingState:
    """A timing state from its JSON; raises msgspec.MsgspecError."""
    return _state(body)


def read_cursor(body: bytes | str) -> Cursor:
    """A cursor from its JSON; raises msgspec.MsgspecError."""
    cursor = _cursor(body)
    return structs.replace(cursor, held=_out_of_runs(cursor.held), settled=_out_of_runs(cursor.settled))


def read_passings(passings: bytes | str) -> tuple[int, ...]:
    """What numbers were given to, from its JSON; raises msgspec.MsgspecError."""
    return _passings(passings)


def read_body(body: bytes | str) -> dict[str, str | int | float | bool | None]:
    """An act's body from its JSON; raises msgspec.MsgspecError."""
    return _body(body)


# --- parts ---


def _in_runs(passings: tuple[int, ...]) -> tuple[int, ...]:
    """Passings, whose numbers are above zero, with one below zero for the last of each run: -8 stands for all behind
    the one before it, up to 8."""
    found: list[int] = []
    for passing in passings:
        if not found or abs(found[-1]) != passing - 1:
            found.append(passing)
        elif found[-1] < 0:
            found[-1] = -passing
        else:
            found.append(-passing)
    return tuple(found)


def _out_of_runs(runs: tuple[int, ...]) -> tuple[int, ...]:
    found: list[int] = []
    for number in runs:
        if number < 0 and found:
            found.extend(range(found[-1] + 1, 1 - number))
        else:
            found.append(number)
    return tuple(found)


def iso(wall: int) -> str:
    """Wall ns as UTC with nine decimals."""
    seconds, ns = divmod(wall, SECOND)
    return f"{_second(seconds)}.{ns:09d}Z"


@lru_cache(1024)
def word(text: str) -> str:
    """A plain word as it is, anything else quoted."""
    return text if _BARE.fullmatch(text) else quoted(text)


def quoted(text: str) -> str:
    """`text` as an ASCII JSON string."""
    return to_json(text).decode("ascii")


def to_json(value: object) -> bytes:
    """ASCII JSON without a character that a terminal acts on."""
    encoded = _to_json(value)
    if encoded.isascii() and b"\x7f" not in encoded:
        return encoded
    return _UNPRINTABLE.sub(_escaped, encoded.decode()).encode("ascii")


def _escaped(found: re.Match[str]) -> str:
    units = found.group().encode("utf-16-be")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def _word(text: bytes) -> str:
    return _string(text) if text.startswith(b'"') else text.decode("ascii")


def _groups(pattern: re.Pattern[bytes], rest: bytes) -> tuple[bytes, ...]:
    found = pattern.fullmatch(rest)
    if not found:
        raise LineError("not as such a line is written")
    return found.groups()


@lru_cache(64)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


@lru_cache(64)
def _seconds(text: bytes) -> int:
    return calendar.timegm(time.strptime(text.decode("ascii"), "%Y-%m-%dT%H:%M:%S"))
