"""`?`: the keys that work here, the commands, and what this device understands."""

from console.model import CommandInfo
from screens import words
from screens.commands import COMMANDS
from screens.menu import RESERVED
from screens.paint import Line
from screens.picture import Picture
from screens.progress import STOP
from screens.sources import FILTER_HELP
from screens.view import Text

KEYS = (
    ("everywhere", (
        ("[  ]", "previous, next tab"),
        ("g", "jump: a letter for every tab and pane"),
        ("Tab", "next pane"),
        ("d  x  l", "devices, exports, log"),
        ("a", "acknowledge the alarms (they stay until you do)"),
        (":", "command line; Tab completes, and says what each word does"),
        ("u", "take back the newest bib you gave"),
        ("Esc", "one step back; never leaves"),
        ("q", "leave the console; the engine runs on"),
        ("Q", "stop the engine (asks for the event's name)"),
    )),
    ("in a list", (
        ("Space", "freeze the view and follow again; recording never stops"),
        ("End  G", "follow the newest"),
        ("Home", "to the first row"),
        ("Up Down PgUp PgDn", "look back; that stops following"),
        ("n  N", "next, previous problem"),
        ("Enter", "detail of the frame: bytes, meaning, where it went"),
        ("/", f"filter: {FILTER_HELP}"),
    )),
    ("in a list of passings", (
        ("b  or a digit", "give the passing its bib: the one under the cursor, else the first without; Enter goes on"),
    )),
    ("on a device's tab", (
        ("letters", "its commands, as its menu lists them: lower case asks the device, a capital changes it"),
        (".", "fold the menu of commands, or unfold it"),
        (STOP, "stop the command that takes long"),
        ("-  =", "what a retransmit or a download told, as a list; n walks what is not a repeat"),
        ("+", "take over what was told afterwards only: from then on it counts, marked recovered"),
        ("#", "tables: laps, backup, cards ..., where the device has some"),
    )),
    ("on the Exports tab", (
        ("Enter", "its figures, why passings are held, the last lines sent and received, its settings"),
        ("p", "pause the export, or let it go on"),
        ("r", "send again: from a passing or a time, at a point, of a bib; to the peer under the cursor, or to all"),
        ("s", "skip to now: what waits is never sent (asks first)"),
        ("h  k", "send what is held, where that can be; or drop it (asks first)"),
        ("n  e  D", "a new export; edit its settings; remove it (asks first)"),
        ("N", "number its lines from 1 again: scoring software has lost what it had (ctp01; asks first)"),
        ("F", "forget the client under the cursor: it came once, and stays away (asks first)"),
        ("t  R", "tell scoring: what went out and has changed since; the day's report"),
    )),
    ("on the Log tab", (("i", "incidents instead of frames, and back"),)),
    ("on the ITS tab (:its)", (
        ("e", "edit the configuration; nothing is changed before it is saved"),
        ("R  S  C", "reset what was typed, save it, connection: connect anew"),
        ("Tab", "FRAMES, or the MATERIAL LIST"),
        ("?", "what is not confirmed about the server, why it refuses, other ways"),
    )),
)  # fmt: skip
"""What the keys do, by where they do it."""

WORDS = (
    ("UP", "connected, and valid frames are heard"),
    ("OPEN unheard", "connected, nothing valid heard yet"),
    ("SILENT 42s", "connected, but it should have said something"),
    ("DOWN retry 4s", "no connection; tried again in 4 s"),
    ("NTP ok", "this machine's clock is set by the network; NO NTP: nobody sets it"),
    ("SAVED", "frames safe on disk"),
    ("WAIT", "passings not yet taken by scoring, and the age of the oldest"),
    ("HELD", "must not be sent yet: no bib, or too late; :release or :skip"),
    ("edited anna", "its bib was given by anna; exports wait ten seconds for u"),
    ("offered", "told afterwards only (a download, a backup): does not count until + takes it over"),
    ("recovered", "taken over: it counts"),
    ("HOLE", "a place number the device skipped: a line was lost on the way"),
)


class Help(Text):
    """Everything the operator may press or type, for the view it was called from."""

    name = "help"

    def __init__(self, device: str = "") -> None:
        super().__init__()
        self._device = device

    def content(self, width: int, picture: Picture) -> list[Line]:
        """All of the help."""
        out: list[Line] = []
        device = picture.device(self._device)
        if device is not None and device.commands:
            out.append([(picture.rule(f"COMMANDS OF {device.name}", width), "head")])
            for command in device.commands:
                key = command.key if command.key not in RESERVED else ""
                out += _entry(f"{key:>2}  {command.usage:<24} ", told(command), width)
            out.append([(f"    or  :send {words.clean(device.name)} WORDS  from any tab", "dim")])
        for where, keys in KEYS:
            out.append([(picture.rule(f"KEYS {where}", width), "head")])
            for key, what in keys:
                out += _entry(f"{key:>18}  ", what, width)
        out.append([(picture.rule("COMMANDS", width), "head")])
        for known in COMMANDS:
            out += _entry(f"{':' + known.usage:<32} ", known.help, width)
        out.append([(picture.rule("WORDS", width), "head")])
        for word, what in WORDS:
            out += _entry(f"{word:>18}  ", what, width)
        return out


def told(command: CommandInfo) -> str:
    """What a command does, and what is to be known before it is sent."""
    said = [command.help]
    if command.destroys:
        said.append(f"DANGER: {command.destroys}")
    if command.changes:
        said.append("in a race the device's name must be typed")
    if not command.answered:
        said.append("no answer is defined")
    if command.long:
        said.append(f"takes long; {STOP} stops it")
    return "; ".join(part.rstrip(".") for part in said if part)


def _entry(name: str, text: str, width: int) -> list[Line]:
    """What is explained, and beside it the explanation, in as many lines as it takes."""
    first, *rest = words.wrapped(text, max(20, width - len(name))) or [""]
    return [[(name, "key"), (first, "")], *([(" " * len(name) + more, "")] for more in rest)]
