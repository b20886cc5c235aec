"""What a station's answer to a command means, once it is compared with what was asked (otimcon.md, section 2)."""

import calendar
import re
from collections.abc import Sequence
from datetime import tzinfo

from console.codecs.otimcon import CONTROL_MODES
from console.codecs.otimcon_records import (
    BackupBegin,
    BackupEnd,
    BackupReset,
    Control,
    Help,
    Mode,
    Pong,
    Record,
    Refused,
    Time,
    UnknownArgument,
    Version,
    Voltage,
    Waiting,
    Warned,
)
from console.devices.driver import Reply
from console.devices.otimcon_commands import CLEARS, CRAZY, NUMBERS, moment
from console.devices.otimcon_words import control_name, difference
from console.model import Scalar

EXACT = 2
"""Seconds by which a clock may have gone on until it was read back."""


def reply(line: str, answer: Sequence[Record], version: str, wall: int, zone: tzinfo) -> Reply:
    """What came of `line`, whose answer came at `wall` (ns); for all but RAW lines."""
    record = answer[-1]
    warnings = [each.text for each in answer if isinstance(each, Warned)]
    match line.split(), record:
        case _, UnknownArgument(word) if line != "PING":
            return _no(f"{said(record)}: {_whose(version)} does not know {word or 'an empty word'}")
        case _, Refused():
            return _no(f"{said(record)}: nothing was written")
        case ["WRITE", *_], Warned():
            return _no(f"{said(record)} It must be in mode WRITER")
        case ["SET", "TIME", digits], Time():
            return _set_time(digits, record)
        case ["GET", "TIME"], Time(epoch, shown) if (seconds := clock(record)) is not None:
            return Reply(
                ok=True,
                text=f"{shown}, {difference(seconds, wall, zone)}; it shows whole seconds",
                data={"time": shown, "epoch": epoch},
            )
        case ["SET", "CTRL", word], _:
            return _set_control(NUMBERS.get(word) or int(word), record, warnings)
        case ["GET", "CTRL"], Control(0 | 255):
            return Reply(
                ok=True, text="it has no control number yet: give it one with SET CTRL", data={"control": None}
            )
        case ["GET", "CTRL"], Control(number):
            return Reply(ok=True, text=f"control {control_name(number)}", data={"control": number})
        case ["GET", "CTRL"], Mode(mode):
            return _no(f"it is in mode {mode}, and tells its control number only in a control mode", mode=mode)
        case ["SET", "MODE", wanted, *pos], Mode(mode, is_pos):
            right = mode == ("READOUT" if wanted == CRAZY else wanted) and is_pos == bool(pos)
            return _mode(record) if right else _no(f"it answered {said(record)}: its mode is not {wanted}", mode=mode)
        case ["GET", "MODE"], Mode():
            return _mode(record)
        case ["GET", "VERSION"], Version(number):
            return Reply(ok=True, text=f"firmware {number}", data={"version": number})
        case ["GET", "VOLTAGE"], Voltage(volts):
            return Reply(ok=True, text=f"{volts:.2f}, no battery level: the firmware divides wrongly")
        case ["SET", "RESET_BACKUP"], BackupReset():
            if warnings:
                return _no(f"it answered {'; '.join(warnings)}")
            return Reply(
                ok=True, text="its backup begins at the first line again; the old lines stay until overwritten"
            )
        case ["?", *_], Help():
            return Reply(ok=True, text="; ".join(said(each) for each in answer))
        case ["WRITE", "INFO", *_], Waiting("INFO"):
            return Reply(ok=True, text="waiting for its card")
        case ["WRITE", "CONTROL", number, digits], Waiting("CONTROL"):
            return _will_write(int(number), digits, record)
        case _:
            return _no(f"it answered {'; '.join(said(each) for each in answer)}, which is no answer to {line}")


def clock(shown: Time) -> int | None:
    """Seconds since 1970 of a station's wall clock; by its printed digits where no epoch comes with them."""
    digits = [int(each) for each in re.findall(r"\d+", shown.shown)]
    try:
        return calendar.timegm((*digits, 0, 0, 0)) if shown.epoch is None else shown.epoch
    except (ValueError, OverflowError, TypeError):
        return None


def seconds_of(digits: str) -> int:
    """Seconds since 1970 of YYYYMMDDhhmmss as a station counts them: without any zone."""
    return calendar.timegm(moment(digits).timetuple())


def said(record: Record) -> str:
    """About the line that the station printed."""
    match record:
        case UnknownArgument(word):
            return f"Unknown Argument {word!r}"
        case Warned(text):
            return f"WARNING: {text.rstrip('.')}."
        case Refused(text):
            return f"ERROR: {text}"
        case Pong():
            return "PONG"
        case Version(number):
            return f"Version:{number}"
        case Time(epoch, shown):
            return f"Time:{shown}" if epoch is None else f"Time:{epoch},{shown}"
        case Control(number):
            return f"Control:{number}"
        case Mode(mode, pos):
            return f"Mode:{mode}{' POS' * pos}"
        case Voltage(volts):
            return f"Voltage:{volts:.2f}"
        case BackupBegin():
            return "Backup:"
        case BackupEnd():
            return "$"
        case BackupReset():
            return "Backup pointer resetted to 0!"
        case Help(text):
            return " ".join(text.split())
        case Waiting("CONTROL", control, time):
            return f"Waiting for card to write control {control} with time {time}"
        case Waiting():
            return "Waiting for card to write info"
        case _:
            return type(record).__name__


def refused(record: Record) -> bool:
    """Whether the station says that it did not do it."""
    return isinstance(record, UnknownArgument | Refused | Warned)


def _no(text: str, **data: str) -> Reply:
    return Reply(ok=False, text=text, data={**data})


def _whose(version: str) -> str:
    return f"firmware {version}" if version else "its firmware"


def _mode(record: Mode) -> Reply:
    text = f"mode {record.mode}{' POS' * record.pos}"
    if record.mode == "CLEAR":
        text = f"{text}: {CLEARS}"
    if record.mode == "FROZEN_CONTROL":
        text = f"{text}: every punch gets the same time; a reset makes it READOUT"
    return Reply(ok=True, text=text, data={"mode": record.mode})


def _set_time(digits: str, record: Time) -> Reply:
    seconds = clock(record)
    off = None if seconds is None else seconds - seconds_of(digits)
    if off is None or not 0 <= off <= EXACT:
        return _no(f"its clock was NOT set right: {digits} was sent, and it shows {record.shown}; send it again")
    return Reply(
        ok=True,
        text=f"clock set: it shows {record.shown}, {off} s after what was sent; it shows whole seconds",
        data={"time": record.shown, "difference": off},
    )


def _set_control(wanted: int, record: Record, warnings: list[str]) -> Reply:
    readme = "; the README allows up to 250" if wanted > 252 else ""
    match record:
        case Control(number) if number == wanted:
            return Reply(ok=True, text=f"control {control_name(number)}{readme}", data={"control": number})
        case Control(number):
            return _no(f"its control number is {control_name(number)}, not {control_name(wanted)}: send it again")
        case Mode(mode) if warnings and mode not in CONTROL_MODES:
            why = f"though it answers WARNING: {'; '.join(warnings)} In mode {mode} it does not tell its number"
            data: dict[str, Scalar] = {"control": wanted, "mode": mode}
            return Reply(ok=True, text=f"control {control_name(wanted)} is stored, {why}{readme}", data=data)
        case _:
            return _no(f"it answered {said(record)}, which is no answer to SET CTRL")


def _will_write(control: int, digits: str, record: Waiting) -> Reply:
    right = (record.control, record.time, record.epoch) == (control, digits, seconds_of(digits))
    if not right:
        return _no(f"it answered {said(record)}: that is not what was sent, and the next card would get it")
    return Reply(ok=True, text="waiting for its card")
