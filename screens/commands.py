"""The `:` command line: what can be typed, how it is completed, and what it does."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import Protocol
from zoneinfo import ZoneInfo

from console.control.client import Client, Done
from console.model import SECOND, Phase
from screens.picture import Picture
from themes import PALETTES


class CommandError(ValueError):
    """What was typed makes no sense; says what would."""


class Desk(Protocol):
    """What a command acts upon."""

    @property
    def client(self) -> Client:
        """The engine. Raises EngineGoneError where there is none."""

    @property
    def picture(self) -> Picture:
        """The moment. Raises EngineGoneError before the first one."""

    async def acknowledge(self) -> str:
        """Acknowledge all alarms; what to tell the operator."""

    def set_theme(self, name: str) -> None:
        """Another palette."""

    def leave(self) -> None:
        """Close the console; the engine runs on."""

    def ask_stop(self) -> None:
        """Ask for the event's name, then stop the engine."""

    def action_help(self) -> None:
        """Open the help."""

    async def start_engine(self) -> str:
        """Start an engine where none runs; what to tell the operator."""


@dataclass(frozen=True)
class Command:
    """One command."""

    usage: str
    help: str
    run: Callable[[Desk, list[str]], Awaitable[Done | str]]
    complete: Callable[[Picture, list[str]], list[str]] = lambda picture, args: []
    """What the last of `args` may be."""

    @property
    def word(self) -> str:
        """Its first word."""
        return self.usage.split()[0]


async def run(desk: Desk, text: str) -> Done | str:
    """Do what was typed. Raises CommandError, and RefusedError or EngineGoneError from the engine."""
    word, *args = text.split() or [""]
    command = next((command for command in COMMANDS if command.word == word), None)
    if command is None:
        known = [command.word for command in COMMANDS]
        near = get_close_matches(word, known, 1)
        guess = f"did you mean {near[0]}? " if near else ""
        raise CommandError(f"unknown command {word!r}; {guess}known: {' '.join(known)}")
    return await command.run(desk, args)


def complete(picture: Picture | None, text: str) -> tuple[str, list[str]]:
    """`text` completed as far as it is certain, and what could follow where it is not."""
    words = text.split()
    if not words or text.endswith(" "):
        words.append("")
    if len(words) == 1:
        options = [command.word for command in COMMANDS]
    else:
        command = next((command for command in COMMANDS if command.word == words[0]), None)
        options = command.complete(picture, words[1:]) if command and picture else []
    fitting = sorted({option for option in options if option.lower().startswith(words[-1].lower())})
    if not fitting:
        return text, options
    head = text[: len(text) - len(words[-1])]
    if len(fitting) == 1:
        return head + fitting[0] + " ", []
    common = fitting[0]
    while not all(option.startswith(common) for option in fitting):
        common = common[:-1]
    return head + (common if len(common) >= len(words[-1]) else words[-1]), fitting


# --- what the commands do ---


async def _phase(desk: Desk, args: list[str]) -> Done | str:
    known = [phase.value for phase in Phase]
    if len(args) != 1 or args[0].upper() not in known:
        raise CommandError(f"phase what? known: {' '.join(known).lower()}")
    return await desk.client.phase(Phase(args[0].upper()))


async def _gun(desk: Desk, args: list[str]) -> Done | str:
    picture = desk.picture
    names = [device.name for device in picture.state.devices]
    device = args.pop(0) if args and not args[0][0].isdigit() else ""
    if device and device not in names:
        raise CommandError(f"no device {device!r}; known: {' '.join(names)}")
    if len(args) > 1:
        raise CommandError("gun [DEVICE] [HH:MM:SS]")
    wall = moment(args[0], picture.now, picture.zone) if args else picture.now
    return await desk.client.gun(wall, device)


def moment(text: str, now: int, zone: ZoneInfo) -> int:
    """The time of day `text` that lies nearest to `now`, in ns since the epoch. Raises CommandError."""
    match = re.fullmatch(r"(\d{1,2}):(\d\d):(\d\d)(?:\.(\d{1,9}))?", text)
    if not match or int(match[1]) > 23 or int(match[2]) > 59 or int(match[3]) > 59:
        raise CommandError(f"{text!r} is no time of day: HH:MM:SS or HH:MM:SS.fff")
    local = datetime.fromtimestamp(now // SECOND, UTC).astimezone(zone)
    fraction = int((match[4] or "0").ljust(9, "0"))
    given = local.replace(hour=int(match[1]), minute=int(match[2]), second=int(match[3]))
    candidates = [int((given + timedelta(days=day)).timestamp()) * SECOND + fraction for day in (-1, 0, 1)]
    return min(candidates, key=lambda wall: abs(wall - now))


async def _send(desk: Desk, args: list[str]) -> Done | str:
    names = [device.name for device in desk.picture.state.devices]
    if len(args) < 2 or args[0] not in names:
        raise CommandError(f"send DEVICE WORDS; devices: {' '.join(names)}")
    return await desk.client.command(args[0], " ".join(args[1:]))


def _send_words(picture: Picture, args: list[str]) -> list[str]:
    if len(args) == 1:
        return [device.name for device in picture.state.devices]
    device = picture.device(args[0])
    # A command may have several words: offer the next one of every command that starts with those already typed.
    typed = [word.lower() for word in args[1:-1]]
    commands = [command.words.split() for command in device.commands] if device else []
    return [
        c[len(typed)] for c in commands if [word.lower() for word in c[: len(typed)]] == typed and len(c) > len(typed)
    ]


async def _held(desk: Desk, args: list[str], action: str) -> Done | str:
    names = [export.name for export in desk.picture.state.exports]
    if not args or len(args) > 2 or args[0] not in names:
        raise CommandError(f"{action} EXPORT [PEER]; exports: {' '.join(names)}")
    return await desk.client.held(args[0], action, peer=args[1] if len(args) == 2 else None)


async def _release(desk: Desk, args: list[str]) -> Done | str:
    return await _held(desk, args, "release")


async def _skip(desk: Desk, args: list[str]) -> Done | str:
    return await _held(desk, args, "skip")


def _held_words(picture: Picture, args: list[str]) -> list[str]:
    if len(args) == 1:
        return [export.name for export in picture.state.exports]
    export = picture.export(args[0])
    return [peer.address for peer in export.peers] if export and len(args) == 2 else []


async def _ack(desk: Desk, args: list[str]) -> str:
    return await desk.acknowledge()


async def _reload(desk: Desk, args: list[str]) -> Done:
    return await desk.client.reload()


async def _theme(desk: Desk, args: list[str]) -> str:
    if len(args) != 1 or args[0] not in PALETTES:
        raise CommandError(f"theme what? known: {' '.join(PALETTES)}")
    desk.set_theme(args[0])
    return f"theme {args[0]}"


async def _help(desk: Desk, args: list[str]) -> str:
    desk.action_help()
    return ""


async def _start(desk: Desk, args: list[str]) -> str:
    return await desk.start_engine()


async def _stop(desk: Desk, args: list[str]) -> str:
    desk.ask_stop()
    return ""


async def _quit(desk: Desk, args: list[str]) -> str:
    desk.leave()
    return ""


COMMANDS = (
    Command(
        "phase test|race|closed",
        "set the phase of the event",
        _phase,
        lambda picture, args: [phase.value.lower() for phase in Phase] if len(args) == 1 else [],
    ),
    Command(
        "gun [DEVICE] [HH:MM:SS]",
        "the race clock showed zero then (now)",
        _gun,
        lambda picture, args: [device.name for device in picture.state.devices] if len(args) == 1 else [],
    ),
    Command("send DEVICE WORDS", "send a command to a device", _send, _send_words),
    Command("ack", "acknowledge all alarms", _ack),
    Command("release EXPORT [PEER]", "send what is held", _release, _held_words),
    Command("skip EXPORT [PEER]", "drop what is held", _skip, _held_words),
    Command("reload", "read the settings again", _reload),
    Command("theme NAME", "colours: " + " ".join(PALETTES), _theme, lambda picture, args: list(PALETTES)),
    Command("help", "keys, commands, words", _help),
    Command("start", "start an engine where none runs", _start),
    Command("stop", "stop the engine (asks first)", _stop),
    Command("quit", "leave the console; the engine runs on", _quit),
)
"""All there are, in the order in which the help lists them."""
