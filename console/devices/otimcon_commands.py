"""The commands of a station: their table, what is checked before a line is sent, and what a line may do.

The firmware checks next to nothing (otimcon.md, section 2), so everything is checked here.
"""

import re
from collections.abc import Sequence
from datetime import datetime

from console.codecs.otimcon import LINE_BUFFER
from console.model import Argument, CommandError, CommandInfo, Risk

TEXT = 28
"""Characters of a name that the firmware writes; its README says 30."""
MODES = ("CONTROL", "CONTROL_WITH_READOUT", "READOUT", "CLEAR", "PRINT", "WRITER", "FULL_READOUT", "FROZEN_CONTROL")
_OLD_MODES = frozenset({"CONTROL", "CONTROL_WITH_READOUT", "READOUT", "CLEAR"})
CRAZY = "CRAZY_READOUT"
"""READOUT of the whole card, in 0.18 and 0.19 only."""
NUMBERS = {"START": 251, "FINISH": 252}
CLEARS = "CLEAR ERASES EVERY CARD THAT TOUCHES THIS STATION"

_TIME = "YYYYMMDDhhmmss"
_CONTROL = Argument(name="control", help="1 to 250, START or FINISH")
_WRITE_CONTROL = (_CONTROL, Argument(name=_TIME, help="the time that the card gets"))

PING = CommandInfo(words="PING", help="ask whether the station is awake", key="p")
BLEEP = CommandInfo(
    words="BLEEP", help="let it beep, to find it among others; it does not answer", key="e", answered=False
)
GET_TIME = CommandInfo(words="GET TIME", help="read its clock, which shows whole seconds", key="t")
GET_CTRL = CommandInfo(words="GET CTRL", help="read its control number", key="c")
GET_MODE = CommandInfo(words="GET MODE", help="read its mode", key="m")
GET_VERSION = CommandInfo(words="GET VERSION", help="read the version of its firmware", key="v")
GET_VOLTAGE = CommandInfo(words="GET VOLTAGE", help="read what it calls its voltage: no battery level", key="o")
HELP = CommandInfo(
    words="?",
    arguments=(Argument(name="word", choices=("SET", "GET", "WRITE"), optional=True),),
    help="the station's own help",
    key="h",
)
SET_TIME = CommandInfo(
    words="SET TIME",
    arguments=(Argument(name=_TIME, help="empty: this machine's time, to the second", optional=True),),
    help="set its clock to this machine's time in the event's zone, and read it back",
    key="T",
    changes=True,
    sets_clock=True,
)
SET_CTRL = CommandInfo(words="SET CTRL", arguments=(_CONTROL,), help="give it a control number", key="C", changes=True)
SET_MODE = CommandInfo(
    words="SET MODE",
    arguments=(
        Argument(name="mode", choices=(*MODES, CRAZY)),
        Argument(name="POS", choices=("POS",), help="a receipt printer", optional=True, only_after=("PRINT",)),
    ),
    help="what it does with cards; CLEAR erases them",
    key="M",
    changes=True,
)
RESET_BACKUP = CommandInfo(
    words="SET RESET_BACKUP",
    help="begin its backup memory at the first line again; a new board needs it",
    key="R",
    changes=True,
    destroys="new punches overwrite the old ones in its backup",
)
WRITE_INFO = CommandInfo(
    words="WRITE INFO",
    arguments=(Argument(name="text", help=f"ASCII, at most {TEXT} characters", rest=True),),
    help="write a name to the next card",
    key="I",
    changes=True,
    long=True,
)
WRITE_CONTROL = CommandInfo(
    words="WRITE CONTROL",
    arguments=_WRITE_CONTROL,
    help="write a punch to the next card",
    key="W",
    changes=True,
    long=True,
)
WRITE_CTRL = CommandInfo(
    words="WRITE CTRL",
    arguments=_WRITE_CONTROL,
    help="what the README calls WRITE CONTROL; sent as that",
    changes=True,
    long=True,
)
RAW = CommandInfo(
    words="RAW",
    arguments=(Argument(name="line", help=f"ASCII, at most {LINE_BUFFER} characters", rest=True),),
    help="send one line as it is, and show what comes back",
)
KEEP_AWAKE = CommandInfo(
    words="KEEP AWAKE",
    arguments=(Argument(name="seconds", help="between PINGs, 1 to 60; 0: none"),),
    help="ping it so often, until the engine is restarted",
    key="w",
)


def since(version: str, first: str) -> bool:
    """Whether `version` is `first` or later; one that is not known is taken for new."""
    return not version or _decimal(version) >= _decimal(first)


def _decimal(version: str) -> float:
    found = re.match(r"\d+(?:\.\d+)?", version)
    return float(found[0]) if found else 0.0


def line_of(info: CommandInfo, values: Sequence[str], version: str) -> str:
    """The line to send; of `SET TIME` without an argument only the words.

    Raises CommandError for what the station would take wrongly, or what its version (empty: not known) does not know.
    """
    try:
        line = _line(info, values, version)
    except ValueError as error:
        raise CommandError(f"{info.words}: {error}") from None
    lacks = _lacks(line.split(), version)
    if lacks:
        raise CommandError(f"{info.words}: not sent, because this station has firmware {version}: {lacks}")
    return line


def _line(info: CommandInfo, values: Sequence[str], version: str) -> str:
    match info.words, list(values):
        case "SET CTRL", [word]:
            number = control(word)
            named = word.upper() in NUMBERS and since(version, "0.2")
            return f"SET CTRL {word.upper() if named else number}"
        case "SET MODE", [mode, _] if mode != "PRINT":
            raise ValueError(f"POS goes with PRINT only, not with {mode}")
        case "SET TIME", [digits]:
            moment(digits)
        case "WRITE INFO", [given]:
            return f"WRITE INFO {text(given)}"
        case "WRITE CONTROL" | "WRITE CTRL", [word, digits]:
            moment(digits)
            return f"WRITE CONTROL {control(word)} {digits}"
        case "RAW", [line]:
            return raw(line)
    return " ".join([info.words, *values])


def control(word: str) -> int:
    """A control number. The firmware reads `12abc` as 12, and to WRITE 260 is 4. Raises ValueError."""
    if word.upper() in NUMBERS:
        return NUMBERS[word.upper()]
    if not re.fullmatch(r"[0-9]{1,3}", word) or not 1 <= int(word) <= 254:
        raise ValueError(f"control {word!r} must be 1 to 250, START or FINISH (253 and 254 work too)")
    return int(word)


def moment(digits: str) -> datetime:
    """A real date and time, which the firmware takes by the positions of its digits, whatever they are.

    Raises ValueError also before 2000, where the clock chip's years begin, and from 2038 on, where cards end.
    """
    try:
        found = datetime.strptime(digits, "%Y%m%d%H%M%S") if re.fullmatch(r"[0-9]{14}", digits) else None  # noqa: DTZ007
    except ValueError:
        found = None
    if found is None or not 2000 <= found.year < 2038:
        raise ValueError(f"time {digits!r} must be 14 digits, {_TIME}, of a real date from 2000 to 2037")
    return found


def text(given: str) -> str:
    """A name as the station writes it, with single blanks. Raises ValueError."""
    name = re.sub(" +", " ", given).strip()
    if not (name.isascii() and name.isprintable()):
        raise ValueError(f"{given!r} is not ASCII: the station would drop its other letters")
    if not name:
        raise ValueError("there is no text: 30 empty bytes would be written")
    if len(name) > TEXT:
        raise ValueError(f"{name!r} has {len(name)} characters; a card takes {TEXT}")
    return name


def raw(line: str) -> str:
    """A line as it is. Raises ValueError for what the station would drop: all but 48 printable ASCII characters."""
    if not (line.isascii() and line.isprintable() and line.strip()):
        raise ValueError(f"{line!r}: a station takes printable ASCII characters only, and at least one")
    if len(line) > LINE_BUFFER:
        raise ValueError(f"{len(line)} characters; a station runs the first {LINE_BUFFER} and drops the rest")
    return line


def _lacks(words: list[str], version: str) -> str:
    """What in `words` the firmware does not know, in words (section 8); empty: nothing."""
    match words:
        case ["BLEEP"] if not since(version, "0.22"):
            return "BLEEP came with 0.22"
        case ["WRITE", *_] if not since(version, "0.2"):
            return "WRITE came with 0.2"
        case ["?", "WRITE"] if not since(version, "0.2"):
            return "WRITE came with 0.2"
        case ["SET", "RESET_BACKUP"] if not since(version, "0.16"):
            return "it has no backup; that came with 0.16"
        case ["SET", "MODE", mode, *_] if mode == CRAZY and not _crazy(version):
            return f"{CRAZY} was in 0.18 and 0.19 only; FULL_READOUT came after it"
        case ["SET", "MODE", mode, *_] if mode not in _OLD_MODES and mode != CRAZY and not since(version, "0.2"):
            return f"{mode} came with 0.2"
    return ""


def _crazy(version: str) -> bool:
    return not version or version in ("0.18", "0.19")


def as_read(line: str) -> list[str]:
    """The words of a line as the firmware reads them: separated by blanks only, command words cut to 12 characters, and
    nothing but the argument of a command compared whole."""
    words = line.encode("ascii", "ignore").decode()[:LINE_BUFFER].split(" ")
    words = [word for word in words if word]
    return [*(word[:12] for word in words[:2]), *words[2:]]


def risk(line: str, mode: str) -> Risk:
    """What a line may do to a station in `mode` (empty: not known), as the firmware would read it."""
    match as_read(line):
        case ["SET", "MODE", "CLEAR", *_]:
            return Risk(changes=True, destroys=CLEARS)
        case ["SET", "MODE", wanted, *_]:
            return Risk(changes=True, destroys=_change_of_mode(mode, wanted))
        case ["SET", "RESET_BACKUP", *_]:
            return Risk(changes=True, destroys=RESET_BACKUP.destroys)
        case ["SET" | "WRITE", *_]:
            return Risk(changes=True)
        case _:
            return Risk()


def _change_of_mode(mode: str, wanted: str) -> str:
    if mode == wanted == "FROZEN_CONTROL":
        return "its time is frozen anew, at now"
    if mode == wanted:
        return ""
    change = f"its mode changes from {mode} to {wanted}" if mode else f"its mode changes to {wanted}"
    return f"{change}, and its time is frozen at now" if wanted == "FROZEN_CONTROL" else change
