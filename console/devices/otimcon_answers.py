"""Whether a line that a station prints answers one that was sent to it (otimcon.md, sections 1 and 2)."""

from console.codecs.otimcon_records import (
    BackupBegin,
    BackupReset,
    Blank,
    CardError,
    CardFull,
    CardSeen,
    Cleared,
    Control,
    DebugText,
    Heading,
    Mode,
    Pong,
    PrintLine,
    Prompt,
    Punch,
    Readout,
    ReadoutEnd,
    ReadoutLine,
    Record,
    Refused,
    Starting,
    Time,
    UnknownArgument,
    Version,
    Voltage,
    Waiting,
    Warned,
    Written,
)

APART = (
    Blank,
    CardError,
    CardFull,
    CardSeen,
    Cleared,
    DebugText,
    Heading,
    PrintLine,
    Prompt,
    Punch,
    Readout,
    ReadoutEnd,
    ReadoutLine,
    Starting,
    Written,
)
"""What belongs to no answer: cards come at any time, and so do the prompts of answers before."""


def answers(words: str, record: Record) -> bool:
    """Whether `record` ends the answer to `words`. There are no request numbers, only kinds of lines."""
    if isinstance(record, UnknownArgument):
        return (
            not words.startswith("PING") or record.word == "PING"
        )  # unknown up to 0.19, and proof of life all the same
    match words.split()[:2]:
        case ["PING", *_]:
            return isinstance(record, Pong)
        case ["GET" | "SET", "CTRL"]:  # outside the control modes, 0.2 and later say which mode it is instead
            return isinstance(record, Control | Mode)
        case ["GET" | "SET", "MODE"]:
            return isinstance(record, Mode)
        case ["GET" | "SET", "TIME"]:
            return isinstance(record, Time)
        case ["GET", "VERSION"]:
            return isinstance(record, Version)
        case ["GET", "VOLTAGE"]:
            return isinstance(record, Voltage)
        case ["GET", "BACKUP"]:
            return isinstance(record, BackupBegin | Warned)
        case ["SET", "RESET_BACKUP"]:
            return isinstance(record, BackupReset | Warned)
        case ["WRITE", *_]:
            return isinstance(record, Waiting | Warned | Refused)
        case _:
            return False


def mangled(words: str, answer: list[Record]) -> bool:
    """Whether the station read something else than `words`, because it slept through half of it."""
    return isinstance(answer[-1], UnknownArgument) and answer[-1].word not in words.split()
