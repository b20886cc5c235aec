"""A form: the arguments of a command, asked for one after the other in the line at the bottom.

Nothing is covered: what comes from the devices goes on above it.
"""

import os
from collections.abc import Callable
from pathlib import Path

from console.model import Argument, CommandInfo
from screens.confirm import DROPPED
from screens.desk import Desk
from screens.paint import Line
from screens.prompt import Options, Prompt
from screens.words import clean, wrapped

MOST_FILES = 50
"""Names of files that are offered at once."""


class Form:
    """The arguments of `info` for `device`; `done` gets the whole command, and what was typed."""

    def __init__(
        self,
        desk: Desk,
        device: str,
        info: CommandInfo,
        done: Callable[["Form", str], None],
        trouble: str = "",
        *,
        verb: str = "send",
        dropped: str = DROPPED,
    ) -> None:
        self._desk = desk
        self._device = device
        self._info = info
        self._done = done
        self._trouble = trouble
        """Why it is open again."""
        self._verb, self._dropped = verb, dropped
        self._typed = [""] * len(info.arguments)

    def open(self) -> None:
        """Ask for the first argument."""
        self._ask(0)

    def again(self, trouble: str) -> None:
        """Open it once more with what was typed, at the last argument."""
        self._trouble = trouble
        given = [number for number, text in enumerate(self._typed) if text]
        self._ask(given[-1] if given else 0)

    def _ask(self, at: int) -> None:
        one = self._info.arguments[at]
        default = f" [{one.default}]" if one.default else ""
        last = at + 1 == len(self._info.arguments) or bool(self._info.arguments[at + 1].only_after)
        enter = self._verb if last else f"next (empty: {self._verb})" if one.optional and not one.default else "next"
        answers = (("Enter", enter), ("Esc", "back" if at else "drop"))
        complete = file_names if one.file else (lambda text: _choices(one, text)) if one.choices else None
        self._desk.ask(
            Prompt(
                f"{self._info.words} {one.name}{default}: ",
                lambda text: self._take(at, text.strip()),
                text=self._typed[at],
                complete=complete,
                above=lambda width: self._above(at, width),
                back=lambda: self._back(at),
                answers=(*answers, ("Tab", "complete")) if complete else answers,
            )
        )

    def _back(self, at: int) -> None:
        self._trouble = ""
        if at:
            self._ask(at - 1)
        else:
            self._desk.say(self._dropped)

    def _take(self, at: int, text: str) -> None:
        one = self._info.arguments[at]
        text = next((choice for choice in one.choices if choice.upper() == text.upper()), text)
        self._typed[at] = text
        self._trouble = trouble = wrong(one, text or one.default)
        if trouble:
            self._ask(at)
        elif self._follows(at + 1, text or one.default):
            self._ask(at + 1)
        else:  # what may be left out ends the form when it is
            self._typed[at + 1 :] = [""] * (len(self._typed) - at - 1)
            self._done(self, self._words(at))

    def _follows(self, at: int, before: str) -> bool:
        """Whether there is an argument number `at` to ask for behind `before`."""
        if at == len(self._info.arguments) or not before:
            return False
        wanted = self._info.arguments[at].only_after
        return not wanted or before in wanted

    def _words(self, last: int) -> str:
        given = zip(self._typed[: last + 1], self._info.arguments, strict=False)
        return " ".join([self._info.words, *(text or one.default for text, one in given)]).strip()

    def _above(self, at: int, width: int) -> list[Line]:
        one = self._info.arguments[at]
        out: list[Line] = [[(line, "bad")] for line in wrapped(self._trouble, width)]
        head = f"{self._device}  {self._words(at - 1)}  {self._info.help}"
        out += [[(line, "dim")] for line in wrapped(head, width)[:2]]
        if told := about(one):
            out += [[(line, "")] for line in wrapped(f"{one.name}: {told}", width)[:3]]
        return out


def about(one: Argument) -> str:
    """What can be typed for an argument, in words."""
    told = [one.help] if one.help else []
    if one.choices:
        told.append("one of " + " ".join(one.choices))
    if one.default:
        told.append(f"Enter takes {one.default}")
    elif one.optional:
        told.append("may be left empty")
    if one.file:
        told.append("a file on this computer")
    return "; ".join(told)


def wrong(one: Argument, text: str) -> str:
    """Why `text` cannot be the argument; empty where it can, as far as the console knows."""
    if not text:
        return "" if one.optional else f"{one.name} is needed"
    if one.choices and text.upper() not in (choice.upper() for choice in one.choices):
        return f"{one.name} must be one of {', '.join(one.choices)} (got {clean(text)!r})"
    if " " in text and not (one.rest or one.file):
        return f"{one.name} is one word (got {clean(text)!r})"
    return ""


def _choices(one: Argument, text: str) -> tuple[str, Options]:
    fitting = [choice for choice in one.choices if choice.lower().startswith(text.lower())]
    if len(fitting) == 1:
        return fitting[0], {}
    return text, dict.fromkeys(fitting or one.choices, "")


def file_names(text: str) -> tuple[str, Options]:
    """The name of a file completed as far as it is certain, and what could follow where it is not."""
    folder, _, start = text.rpartition("/")
    where = Path((folder + "/") if "/" in text else ".").expanduser()
    try:
        names = sorted(_name(entry) for entry in os.scandir(where) if entry.name.startswith(start))
    except OSError as error:
        return text, {error.strerror or "no such folder": ""}
    names = [name for name in names if start or not name.startswith(".")]
    if not names:
        return text, {"no such file": ""}
    common = names[0]
    while not all(name.startswith(common) for name in names):
        common = common[:-1]
    head = text[: len(text) - len(start)]
    return head + common, dict.fromkeys(map(clean, names[:MOST_FILES]), "") if len(names) > 1 else {}


def _name(entry: "os.DirEntry[str]") -> str:
    return entry.name + ("/" if entry.is_dir() else "")
