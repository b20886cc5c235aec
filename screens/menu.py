"""The commands of a device as a block on its tab: lower case asks the device, capitals change it."""

import re
from collections.abc import Sequence

from console.model import CommandInfo, Phase
from screens import words
from screens.paint import Line, plain
from screens.picture import Picture

COLUMN = 18
"""Columns that a command takes: its key and its words."""

RESERVED = frozenset("[]?:/agqQ0123456789 bu.+-!#")
"""Keys that mean the same on every tab, whatever a device calls its commands."""


def keyed(commands: Sequence[CommandInfo]) -> dict[str, CommandInfo]:
    """The commands that a key gives, by that key."""
    return {one.key: one for one in commands if one.key and one.key not in RESERVED}


SHORT, LONG = 5, 14
"""Commands in one column, each with its help, on a low screen and on a high one."""


def lines(commands: Sequence[CommandInfo], width: int, picture: Picture, *, high: bool = False) -> list[Line]:
    """The whole menu; empty where no command has a key. `high`: there is room for what each does."""
    known = list(keyed(commands).values())
    changes = [one for one in known if one.key.isupper()]
    asks = [one for one in known if one not in changes]
    if not known:
        return []
    most = LONG if high else SHORT
    left = width // 2 - 4 if changes else width
    if not changes:  # those of a TIME MACHINE, which neither ask nor set anything
        return [[(picture.rule("COMMANDS", width), "rule")], *_block(asks, width, most)]
    danger = "CAPITAL CHANGES" + (" (race: name to confirm)" if picture.state.phase is Phase.RACE else "")
    right = width - left - 2
    one = _block(asks, left, most)
    other = _block(changes, right, max(most, len(one)))
    blank: Line = []
    rows = max(len(one), len(other))
    head = picture.rule("lower case ASKS", left) + ("+" if picture.ascii else "┬") + picture.rule(danger, right + 1)
    out: list[Line] = [[(words.fit(head, width), "rule")]]
    for number in range(rows):
        first = one[number] if number < len(one) else blank
        second = other[number] if number < len(other) else blank
        gap = " " * (left - len(plain(first)))
        out.append([*first, (gap, ""), (picture.bar + " ", "rule"), *second])
    return out


def _block(commands: Sequence[CommandInfo], width: int, most: int) -> list[Line]:
    """Commands in columns; in one, each with its help, where that takes no more lines than `most`."""
    if len(commands) <= most:
        size = max([len(one.words) for one in commands], default=0)
        return [
            [
                (f" {one.key}  ", "key"),
                (words.fit(one.words, size), ""),
                (words.fit(f"  {one.help}", width - size - 4).rstrip(), "dim"),
            ]
            for one in commands
        ]
    columns = max(1, width // COLUMN)
    deep = -(-len(commands) // columns)
    size = width // columns
    return [
        [
            run
            for one in commands[row::deep]
            for run in ((f" {one.key}  ", "key"), (words.fit(_name(one, size - 4), size - 4), ""))
        ]
        for row in range(deep)
    ]


def _name(command: CommandInfo, width: int) -> str:
    """Its words; where the manual has only codes, what it does, in as many whole words as fit."""
    if not command.words.startswith("#"):
        return command.words
    said = re.split(r"[:,(]", command.help)[0].strip()
    while len(said) > width and " " in said:
        said = said.rpartition(" ")[0]
    return said
