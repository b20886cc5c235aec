"""Settings of exports, as an operator types them: `key=value key=value`, with everything that can be set behind Tab."""

import shlex
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from console.control.client import Client, Done, Options
from console.model import Argument, CommandInfo, Option
from screens.commands import CommandError
from screens.desk import Desk
from screens.forms import Form
from screens.paint import Line
from screens.prompt import SHOWN, Prompt
from screens.prompt import Options as Choices
from screens.words import wrapped

Again = Callable[[str], None]
"""Asks once more, with the reason why it was refused."""


class Agreed(Protocol):
    """Does something to an export, after a question where the engine asks one."""

    def __call__(self, act: Callable[[Client, str], Awaitable[Done]], what: str, again: Again | None = None) -> None:
        """`what` it is, for the question."""


PAGE = SHOWN - 1
"""Keys that are listed at once."""

DROPPED = "dropped; nothing was changed"


def pairs(text: str) -> dict[str, str]:
    """`key=value` words; a value with blanks stands in quotes, and a backslash is what TOML makes of it. Raises
    CommandError."""
    lexer = shlex.shlex(text, posix=True)
    lexer.whitespace_split, lexer.escape, lexer.commenters = True, "", ""
    try:
        words = list(lexer)
    except ValueError:
        raise CommandError("a quote is not closed") from None
    found: dict[str, str] = {}
    for word in words:
        key, sign, value = word.partition("=")
        if not sign or not key:
            raise CommandError(f"{word!r}: write KEY=VALUE, as in listen=127.0.0.1:10200")
        if key in found:
            raise CommandError(f"{key} is given twice")
        found[key] = value
    return found


class Setup:
    """Adds and changes exports for the operator at `desk`."""

    def __init__(self, desk: Desk, agreed: Agreed) -> None:
        self._desk = desk
        self._agreed = agreed

    # --- at once ---

    def add(self, name: str, text: str, again: Again | None = None) -> None:
        """Add an export with the settings `text`. Raises CommandError."""
        values = pairs(text)
        self._agreed(lambda client, yes: client.add_export(name, values), "add it", again)

    def change(self, name: str, text: str, again: Again | None = None) -> None:
        """Change the settings of an export as `text` says. Raises CommandError."""
        values = pairs(text)
        self._agreed(lambda client, yes: client.edit_export(name, values, yes=yes), "change it", again)

    # --- asked for ---

    def new(self) -> None:
        """Ask for name and type, then for the settings."""
        self._desk.do(self._new())

    async def _new(self) -> str:
        kinds = (await self._desk.client.options()).kinds
        info = CommandInfo(
            words="export add",
            help="",
            arguments=(
                Argument(name="name", help="what you want to call it: letters, digits, dots, dashes"),
                Argument(name="type", help="what the other program understands", choices=tuple(kinds)),
            ),
        )
        if not self._desk.asking:
            Form(self._desk, "new export", info, self._named, verb="next", dropped=DROPPED).open()
        return ""

    def _named(self, form: Form, text: str) -> None:
        name, kind = text.split()[-2:]
        if self._desk.picture.export(name):
            form.again(f"there is an export {name} already")
        else:
            self._desk.do(self._open(name, kind))

    def edit(self, export: str) -> None:
        """Ask what is to be changed."""
        self._desk.do(self._open(export))

    async def _open(self, name: str, kind: str = "") -> str:
        """Ask for the settings of an export; of a new one, if there is a `kind`."""
        options = await self._desk.client.options("" if kind else name, kind=kind)
        keys = [option.key for option in options.rows]
        text = ""
        if kind and {"listen", "connect"} & {*keys}:
            text = "listen=127.0.0.1:" if "listen" in keys else "connect="
        if not self._desk.asking:
            self._ask(name, options, new=bool(kind), text=text)
        return ""

    def _ask(self, name: str, options: Options, *, new: bool, text: str, trouble: str = "") -> None:
        def again(why: str) -> None:
            self._ask(name, options, new=new, text=text, trouble=why)

        def done(typed: str) -> None:
            nonlocal text
            text = typed
            try:
                if new:
                    self.add(name, f"type={options.kind} {typed}", again)
                elif typed.strip():
                    self.change(name, typed, again)
                else:
                    self._desk.say(DROPPED)
            except CommandError as error:
                again(str(error))

        shown = Pages(options.rows)

        def above(width: int) -> list[Line]:
            told = f"{name} ({options.kind}): KEY=VALUE, blanks between them; Tab lists every key"
            meant = being_typed(options.rows, prompt.text)
            now = f" (now {meant.value})" if meant and meant.value else ""
            return [
                *([(line, "bad")] for part in trouble.splitlines() for line in wrapped(part, width)),
                *([(line, "dim")] for line in wrapped(told, width)),
                *([(line, "")] for line in wrapped(f"{meant.key}{now}: {about(meant)}" if meant else "", width)),
            ]

        prompt = Prompt(
            f"{name}: ",
            done,
            text=text,
            complete=shown.complete,
            above=above,
            back=lambda: self._desk.say(DROPPED),
            answers=(("Enter", "save"), ("Tab", "keys"), ("Esc", "drop")),
        )
        self._desk.ask(prompt)


class Pages:
    """Completes the last word: a key, or the value that a key has now. What does not fit is behind the next Tab."""

    def __init__(self, options: Sequence[Option]) -> None:
        self._options = options
        self._last: str | None = None
        self._first = 0

    def complete(self, text: str) -> tuple[str, Choices]:
        """`text` completed as far as it is certain, and what could follow where it is not."""
        head, _, word = text.rpartition(" ")
        head += " " if head else ""
        key, sign, value = word.partition("=")
        if sign and (exact := being_typed(self._options, text)):
            return (text if value else f"{head}{key}={exact.value}"), {}
        fitting = [one for one in self._options if one.key.startswith(key)] or self._options
        if len(fitting) == 1:
            return f"{head}{fitting[0].key}=", {}
        self._first = (self._first + PAGE if text == self._last else 0) % (-(-len(fitting) // PAGE) * PAGE)
        self._last = text
        page = {f"{one.key}={one.value}": about(one) for one in fitting[self._first : self._first + PAGE]}
        return text, page if len(fitting) <= PAGE else page | {"Tab": f"the next of {len(fitting)} keys"}


def being_typed(options: Sequence[Option], text: str) -> Option | None:
    """The key whose value is being typed."""
    key, sign, _ = text.rpartition(" ")[2].partition("=")
    return next((one for one in options if one.key == key), None) if sign else None


def about(option: Option) -> str:
    """What a key is for, and what may be typed."""
    return ". ".join(part.rstrip(".") for part in (option.help, option.expects) if part)
