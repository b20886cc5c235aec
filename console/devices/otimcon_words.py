"""What a station's lines mean for timing and for people: labels, readings, notes, and words for the detail view."""

from datetime import UTC, datetime, tzinfo

import msgspec

from console.codecs.otimcon import FINISH, START, Decoder, card_full
from console.codecs.otimcon_records import (
    CardError,
    CardFull,
    Mode,
    NoRtc,
    Punch,
    Readout,
    ReadoutEnd,
    Record,
)
from console.codecs.piece import Piece
from console.model import SECOND, Basis, Fact, Kind, Origin, Reading

RETOUCH = 30 * SECOND
"""The same card at the same control again within this time: printed, but nothing is written to the card (section 4)."""
DAY = 86_400

_LABELS = {
    "Prompt": "prompt",
    "Blank": "blank",
    "CardSeen": "card",
    "ReadoutLine": "readout line",
    "ReadoutEnd": "readout end",
    "PrintLine": "ticket",
    "Pong": "PONG",
    "BackupBegin": "backup",
    "BackupLine": "backup line",
    "BackupEnd": "backup end",
    "BackupReset": "backup reset",
    "CardError": "card error",
    "CardFull": "card full",
    "Warned": "warning",
    "UnknownArgument": "unknown argument",
    "NoRtc": "no clock",
    "DebugText": "debug",
}
"""Where it is not simply the record's name in lower case."""


def label(record: Record) -> str:
    """One or two words for the log."""
    name = type(record).__name__
    return _LABELS.get(name, name.lower())


def facts(record: Record) -> tuple[tuple[Fact, ...], str]:
    """What a good record means for timing, and the flaw that keeps it from meaning anything."""
    match record:
        case Punch(control, uid, epoch):
            if not is_time(epoch):
                return (), f"{epoch} is no time: look at the station's clock"
            return (reading(uid, control, epoch, Origin.LIVE),), ""
        # CONTROL_WITH_READOUT ends a readout with % even when the card could not be read (section 4), and so do the
        # readouts of 0.14 to 0.19 (section 8): they prove nothing, so nothing of them is passed on.
        case Readout(str(uid), pairs, complete=True, after_punch=False):
            return tuple(
                reading(uid, control, epoch, Origin.READOUT)
                for control, epoch in pairs
                if 1 <= control <= 254 and is_time(epoch)
            ), ""
        case _:
            return (), ""


def is_time(epoch: int) -> bool:
    """False for what erased or unset memory reads as (-1, 4294967295, 0), and for what overflowed the 32-bit print."""
    return 0 < epoch < 2**31


def reading(uid: str, control: int, epoch: int, origin: Origin) -> Reading:
    """A punch. `join` is by what a backup, which keeps four bytes of the uid and no control, finds it (section 5)."""
    ns = epoch * SECOND
    return Reading(
        kind=Kind.PUNCH,
        identity=f"punch/{uid}/{control}/{epoch}",
        time=str(epoch),
        ns=ns,
        basis=Basis.EPOCH,
        day=epoch // DAY,
        tag=uid,
        channel=str(control),
        origin=origin,
        shared=True,
        series=f"{uid}/{control}",
        position=ns,
        window=RETOUCH,
        join=f"punch/{uid[:8]}/{epoch}",
    )


def note(record: Record) -> str:
    """What the operator must know although the line is good."""
    match record:
        case Punch(0 | 255):
            return "the station has no control number: give it one with SET CTRL"
        case Mode("CLEAR"):
            return "station is in mode CLEAR: every card it sees is ERASED"
        case CardFull(control, uid):
            return f"card {uid} is full: its punch at control {control} is not on it"
        case CardError("card full"):
            return "card full"
        case CardError(text):
            return f"{text}: clear it at a CLEAR station first"
        case NoRtc():
            return "the station has no clock chip and has halted"
        case ReadoutEnd(_, lines):
            return f"readout of {lines} punches not passed on: firmware up to 0.19 ends one the same way after an error"
        case _:
            return ""


def difference(epoch: int, wall: int, zone: tzinfo) -> str:
    """How far a station's clock, which knows whole seconds and no zone, is off the time in `zone` at `wall`.

    Another zone that it may have been set in is inferred: zones lie whole quarters of an hour apart.
    """
    offset = datetime.fromtimestamp(wall // SECOND, zone).utcoffset()
    assert offset is not None
    seconds = round(epoch + 0.5 - wall / SECOND - offset.total_seconds())
    if abs(seconds) <= 1:
        return "right to 1 s"
    quarters = round(seconds / 900)
    rest = seconds - 900 * quarters
    if not quarters:
        return f"{seconds:+} s"
    if abs(quarters) <= 4 * 26 and abs(rest) <= 60:
        hours, minutes = divmod(abs(quarters) * 15, 60)
        sign = "-" if quarters < 0 else "+"
        return f"{rest:+} s, and {sign}{hours}:{minutes:02} h: set in another zone?"
    if abs(seconds) < DAY:
        return f"{seconds:+} s"
    return f"{abs(seconds) / DAY:.1f} days {'ahead' if seconds > 0 else 'behind'}"


def control_name(number: int) -> str:
    """As the firmware names it."""
    named = {START: f"START ({START})", FINISH: f"FINISH ({FINISH})", 255: "none (255)"}
    return named.get(number, str(number))


def _words(field: str, value: object) -> str:
    """A record's field as the detail view shows it."""
    match value:
        case bool():
            return "yes" if value else "no"
        case int() if field == "epoch":
            return f"{value} = {date(value)} on the station's clock"
        case tuple():
            return "; ".join(f"{control_name(control)} at {date(epoch)}" for control, epoch in value) or "none"
        case int() if field == "control":
            return control_name(value)
        case None:
            return "not said here"
        case _:
            return str(value)


def date(epoch: int) -> str:
    """Wall-clock digits; never converted, because a station knows no zone."""
    if not is_time(epoch):
        return "no time"
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%d %H:%M:%S")


def explain(raw: bytes) -> dict[str, str]:
    """What a frame means, field by field. What rests on the frame before it (whose readout it is) is missing."""
    decoder = Decoder()
    pieces = decoder.receive(raw) + decoder.flush()
    full = card_full(raw)
    if full is not None:
        pieces = [Piece(raw, full)]
    meaning: dict[str, str] = {}
    for piece in pieces:
        if piece.record is None:
            meaning["flaw"] = piece.flaw
            continue
        meaning["what"] = " ".join((type(piece.record).__doc__ or "").split()).replace("`", "")
        meaning |= {field: _words(field, value) for field, value in msgspec.structs.asdict(piece.record).items()}
    return meaning
