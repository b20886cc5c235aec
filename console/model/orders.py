"""Commands: what can be asked of a device, what was asked, and what came of it."""

from collections.abc import Sequence
from difflib import get_close_matches

from msgspec import Struct


class Argument(Struct, frozen=True, kw_only=True):
    """One argument of a command, as a form asks for it."""

    name: str
    """`YYYYMMDDhhmmss`, `bib`."""
    help: str = ""
    choices: tuple[str, ...] = ()
    """The only values there are; empty: any."""
    default: str = ""
    """What a form proposes."""
    optional: bool = False
    only_after: tuple[str, ...] = ()
    """A form asks for it only behind one of these values of the argument before it; empty: always."""
    rest: bool = False
    """It takes the rest of the line, spaces and all. Only the last argument can."""
    file: bool = False
    """A file that the console reads and sends along (`Order.text`); the device sees its rows. Only the last can be."""


class CommandInfo(Struct, frozen=True, kw_only=True):
    """A command a driver offers, with its words as the device's manual writes them."""

    words: str
    arguments: tuple[Argument, ...] = ()
    help: str = ""
    key: str = ""
    """On the device's tab: a lower-case letter asks the device, a capital changes it."""
    changes: bool = False
    """It changes clock, inputs, run, mode or memory, or fires an impulse: in RACE the device's name must be typed."""
    destroys: str = ""
    """What is lost by it, in words: it asks first, in any phase."""
    sets_clock: bool = False
    """The device gets this machine's time, which must be right."""
    answered: bool = True
    """False: no answer is defined; the best there is is that it was sent."""
    long: bool = False
    """It takes long and tells its progress; `STOP` ends it."""

    @property
    def usage(self) -> str:
        """The words with their arguments: `SET CTRL control`, `#PL text`, `[limit]` where optional."""
        named = (f"[{one.name}]" if one.optional else one.name for one in self.arguments)
        return " ".join((self.words, *named))


class Risk(Struct, frozen=True, kw_only=True):
    """What a command, with these arguments, may do; see CommandInfo."""

    changes: bool = False
    destroys: str = ""
    sets_clock: bool = False
    does: str = ""
    """What it does, or does away with, where its words do not tell: `#WC 013`, of which nobody knows the numbers."""


class Order(Struct, frozen=True, kw_only=True):
    """A command as it was given."""

    words: str
    by: str
    """Who asked."""
    console: int = 0
    """The attached console that asked; 0: nobody who stays."""
    text: str = ""
    """The contents of the file that the words name."""

    def __repr__(self) -> str:
        """Without the file, which may hold a password."""
        return f"Order(words={self.words!r}, by={self.by!r}, console={self.console!r})"


class Job(Struct, frozen=True, kw_only=True):
    """A command under way that takes long."""

    words: str
    by: str
    since: int
    """Wall ns."""
    done: int = 0
    total: int | None = None
    """None: not known."""
    text: str = ""
    """What it is at: `next card: 1204 BAUER Eva`."""


class Outcome(Struct, frozen=True, kw_only=True):
    """What came of a command."""

    words: str
    by: str
    wall: int
    ok: bool | None
    """None: sent, no answer defined."""
    text: str


class Sheet(Struct, frozen=True, kw_only=True):
    """A table about a device or the event, ready to read: laps, readouts, what a download brought, stations set."""

    title: str
    columns: tuple[str, ...]
    """Headings; one that begins with a blank is of numbers, and aligned to the right."""
    rows: list[tuple[str, ...]]
    marks: dict[int, str] = {}
    """Row -> `warn`, `bad` or `dim`."""
    links: dict[int, str] = {}
    """Row -> what is behind it: the number of a frame, or a sheet's name with, behind a blank, whom that is about."""
    note: str = ""
    """What to do about it."""


class CommandError(Exception):
    """A command that was not sent, or not answered; says why and what to do."""


def find(commands: Sequence[CommandInfo], text: str) -> tuple[CommandInfo, list[str]]:
    """The command that `text` begins with, in capitals or not, and its arguments; the longest one that fits.

    Raises CommandError where there is none, an argument is lacking, is one too many or is none of its choices.
    """
    words = text.split()
    fitting = [one for one in commands if _begins(words, one.words.split())]
    if not fitting:
        raise CommandError(_unknown(commands, text))
    info = max(fitting, key=lambda one: len(one.words.split()))
    return info, _arguments(info, text)


def _begins(words: list[str], wanted: list[str]) -> bool:
    return [word.upper() for word in words[: len(wanted)]] == [word.upper() for word in wanted]


def _arguments(info: CommandInfo, text: str) -> list[str]:
    rest = text.split(maxsplit=len(info.words.split()))[len(info.words.split()) :]
    given = rest[0] if rest else ""
    wanted = info.arguments
    takes_rest = bool(wanted) and (wanted[-1].rest or wanted[-1].file)
    values = given.split(maxsplit=len(wanted) - 1) if takes_rest else given.split()
    if takes_rest and values and len(values) == len(wanted):
        values[-1] = values[-1].rstrip("\n")
    needed = [one for one in wanted if not one.optional]
    if len(values) < len(needed):
        lacking = needed[len(values)]
        raise CommandError(f"{info.usage}: {lacking.name} is missing{_hint(lacking)}")
    if len(values) > len(wanted):
        raise CommandError(f"{info.usage}: {values[len(wanted)]!r} is one word too many")
    return [_value(info, one, value) for one, value in zip(wanted, values, strict=False)]


def _value(info: CommandInfo, argument: Argument, value: str) -> str:
    if not argument.choices:
        return value
    for choice in argument.choices:
        if choice.upper() == value.upper():
            return choice
    raise CommandError(f"{info.usage}: {argument.name} must be one of {', '.join(argument.choices)} (got {value!r})")


def _hint(argument: Argument) -> str:
    told = ", ".join(argument.choices) or argument.help
    return f": {told}" if told else ""


def _unknown(commands: Sequence[CommandInfo], text: str) -> str:
    known = [one.words for one in commands]
    if not known:
        return f"no command {text!r}: this device takes none"
    near = get_close_matches(text.upper(), known, 1, 0.5)
    guess = f"did you mean {near[0]}? " if near else ""
    return f"no command {text!r}; {guess}this device takes {', '.join(known)}"
