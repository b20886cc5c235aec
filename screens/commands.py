"""The `:` command line: what can be typed, how it is completed, and what it does."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from zoneinfo import ZoneInfo

from console.control.client import Done
from console.model import SECOND, CommandInfo, Phase
from screens import offered
from screens.desk import Desk
from screens.exports import Row
from screens.forms import file_names
from screens.picture import Picture
from screens.prompt import Options
from screens.sheet import SHEETS, SheetView
from themes import PALETTES

SET_TIME = "SET TIME"
"""What sets the clock of an OTIMCON station from this machine's."""


class CommandError(ValueError):
    """What was typed makes no sense; says what would."""


@dataclass(frozen=True)
class Command:
    """One command."""

    usage: str
    help: str
    run: Callable[[Desk, list[str]], Awaitable[Done | str]]
    complete: Callable[[Picture, list[str]], Options] = lambda picture, args: {}
    """What the last of `args` may be, each with what it means."""

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


def complete(picture: Picture | None, text: str) -> tuple[str, Options]:
    """`text` completed as far as it is certain, and what could follow where it is not."""
    words = text.split()
    if not words or text.endswith(" "):
        words.append("")
    options: Options = {}
    if len(words) == 1:
        options = {command.word: f"{command.usage}: {command.help}" for command in COMMANDS}
    elif picture and (command := next((command for command in COMMANDS if command.word == words[0]), None)):
        options = command.complete(picture, words[1:])
    fitting = {option: what for option, what in options.items() if option.lower().startswith(words[-1].lower())}
    if not fitting:
        return text, options
    head = text[: len(text) - len(words[-1])]
    if len(fitting) == 1:
        (only,) = fitting
        return head + only + ("" if only.endswith("/") else " "), {}
    common = next(iter(fitting))
    while not all(option.startswith(common) for option in fitting):
        common = common[:-1]
    return head + (common if len(common) >= len(words[-1]) else words[-1]), dict(sorted(fitting.items()))


def _devices(picture: Picture) -> dict[str, str]:
    """Their names, each with its type."""
    return {device.name: device.type for device in picture.state.devices}


# --- what the commands do ---


async def _phase(desk: Desk, args: list[str]) -> Done | str:
    known = [phase.value for phase in Phase]
    if len(args) != 1 or args[0].upper() not in known:
        raise CommandError(f"phase what? known: {' '.join(known).lower()}")
    return await desk.client.phase(Phase(args[0].upper()))


async def _gun(desk: Desk, args: list[str]) -> Done | str:
    picture = desk.picture
    names = _devices(picture)
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


async def _send(desk: Desk, args: list[str]) -> str:
    names = _devices(desk.picture)
    if len(args) < 2 or args[0] not in names:
        raise CommandError(f"send DEVICE WORDS; devices: {' '.join(names)}")
    desk.orders.send(args[0], " ".join(args[1:]))
    return ""


def _send_words(picture: Picture, args: list[str]) -> Options:
    if len(args) == 1:
        return _devices(picture)
    device = picture.device(args[0])
    options: dict[str, list[str]] = {}
    for command in device.commands if device else ():
        for word, what in _next_word(command, args[1:-1], args[-1]).items():
            options.setdefault(word, []).append(what)
    # Several commands begin alike: their names have to do.
    return {
        word: whats[0] if len(whats) == 1 else ", ".join(what.partition(":")[0] for what in whats)
        for word, whats in options.items()
    }


def _next_word(command: CommandInfo, typed: list[str], last: str) -> Options:
    """What may follow the words `typed` in this command: its own next word, or its next argument, begun as `last`."""
    own = command.words.split()
    if [word.upper() for word in typed[: len(own)]] != [word.upper() for word in own[: len(typed)]]:
        return {}
    if len(typed) < len(own):
        return {own[len(typed)]: f"{command.usage}: {command.help}"}
    at = len(typed) - len(own)
    if at >= len(command.arguments):
        return {}
    argument = command.arguments[at]
    if not argument.file:
        return dict.fromkeys(argument.choices, argument.help)
    whole, options = file_names(last)
    folder = whole[: whole.rfind("/") + 1]
    return {folder + name: "" for name in options} or {whole: ""}


async def _sync(desk: Desk, args: list[str]) -> str:
    if args != ["all"]:
        raise CommandError("sync all: sets the clock of every OTIMCON station from this machine's")
    names = [
        device.name
        for device in desk.picture.state.devices
        if device.type == "otimcon" and any(one.words == SET_TIME for one in device.commands)
    ]
    if not names:
        raise CommandError("no OTIMCON station in the settings")
    desk.orders.send_all(names, SET_TIME)
    return ""


async def _bib(desk: Desk, args: list[str]) -> str:
    if len(args) != 2 or not args[0].lstrip("#").isdecimal():
        raise CommandError("bib PASSING BIB: the passing's number, and whose it was (- for nobody's)")
    desk.bibs.give(int(args[0].lstrip("#")), "" if args[1] == "-" else args[1])
    return ""


async def _undo(desk: Desk, args: list[str]) -> str:
    desk.bibs.undo()
    return ""


async def _take_over(desk: Desk, args: list[str]) -> str:
    names = _devices(desk.picture)
    test = args[1:] == ["test"]
    numbers = [] if test else [word.lstrip("#") for word in args[1:]]
    if not args or args[0] not in names or not all(map(str.isdecimal, numbers)):
        raise CommandError(f"take-over DEVICE [PASSING ... or test]; devices: {' '.join(names)}")
    offered.take_over(desk, args[0], tuple(map(int, numbers)), test=test)
    return ""


async def _sheet(desk: Desk, args: list[str]) -> str:
    names = _devices(desk.picture)
    if len(args) == 2 and args[0] in names:
        device, name = args
    elif len(args) == 1:
        name, front = args[0], desk.stack.tab.name
        known = name not in SHEETS[""] or name in SHEETS.get(names.get(front, ""), {})
        device = front if front in names and known else ""
    else:
        raise CommandError(f"sheet NAME, or sheet DEVICE NAME; devices: {' '.join(names)}")
    desk.open(SheetView(device, name))
    return ""


def _sheet_words(picture: Picture, args: list[str]) -> Options:
    if len(args) == 1:
        return _devices(picture) | SHEETS[""]
    device = picture.device(args[0])
    return SHEETS.get(device.type, {}) if device and len(args) == 2 else {}


async def _held(desk: Desk, args: list[str], action: str) -> Done | str:
    names = [export.name for export in desk.picture.state.exports]
    if not args or len(args) > 2 or args[0] not in names:
        raise CommandError(f"{action} EXPORT [PEER]; exports: {' '.join(names)}")
    return await desk.client.held(args[0], action, peer=args[1] if len(args) == 2 else None)


async def _release(desk: Desk, args: list[str]) -> Done | str:
    return await _held(desk, args, "release")


async def _skip(desk: Desk, args: list[str]) -> Done | str:
    return await _held(desk, args, "skip")


def _export_names(picture: Picture, args: list[str]) -> Options:
    return _held_words(picture, args) if len(args) == 1 else {}


def _held_words(picture: Picture, args: list[str]) -> Options:
    if len(args) == 1:
        return {
            export.name: f"{export.type}, {export.waiting} waiting, {export.held} held"
            for export in picture.state.exports
        }
    export = picture.export(args[0])
    return {peer.address: f"{peer.held} held" for peer in export.peers} if export and len(args) == 2 else {}


def _export_of(desk: Desk, name: str, usage: str) -> str:
    names = [export.name for export in desk.picture.state.exports]
    if name not in names:
        raise CommandError(f"{usage}; exports: {' '.join(names) or 'none'}")
    return name


async def _pause(desk: Desk, args: list[str], action: str = "pause") -> Done:
    return await desk.client.steer(_export_of(desk, " ".join(args), f"{action} EXPORT"), action)


async def _resume(desk: Desk, args: list[str]) -> Done:
    return await _pause(desk, args, "resume")


async def _resend(desk: Desk, args: list[str]) -> str:
    export = _export_of(desk, args[0] if args else "", "resend EXPORT [PEER] WHAT")
    peers = [peer.address for one in desk.picture.state.exports if one.name == export for peer in one.peers]
    peer = args[1] if len(args) > 1 and args[1] in peers else ""
    desk.dispatch.resend(Row(export, peer), " ".join(args[2 if peer else 1 :]))
    return ""


EXPORT_ACTS = {
    "add": "NAME type=... listen=HOST:PORT: one more",
    "set": "EXPORT KEY=VALUE ...: other settings for it",
    "remove": "one less (asks first)",
    "renumber": "number its lines from 1 again (asks first)",
    "pause": "send nothing until it is resumed",
    "resume": "go on after a pause",
    "skip": "never send what waits (asks first)",
    "forget": "EXPORT PEER: wait for this client no more (asks first)",
}


async def _export(desk: Desk, args: list[str]) -> Done | str:
    action, name, rest = (*args, "", "")[0], (*args, "", "")[1], " ".join(args[2:])
    if action not in EXPORT_ACTS or not name:
        raise CommandError(f"export {'|'.join(EXPORT_ACTS)} EXPORT ...")
    if action == "add":
        desk.dispatch.setup.add(name, rest)
        return ""
    _export_of(desk, name, f"export {action} EXPORT")
    match action:
        case "set":
            desk.dispatch.setup.change(name, rest)
        case "remove":
            desk.dispatch.remove(name)
        case "renumber":
            desk.dispatch.renumber(name)
        case "skip":
            desk.dispatch.skip(name, rest or None)
        case "forget":
            if not rest:
                raise CommandError("export forget EXPORT PEER")
            desk.dispatch.forget(name, rest)
        case _:
            return await desk.client.steer(name, action)
    return ""


def _export_words(picture: Picture, args: list[str]) -> Options:
    if len(args) == 1:
        return EXPORT_ACTS
    return (
        _held_words(picture, args[1:]) if args[0] != "add" and (len(args) == 2 or args[0] in ("skip", "forget")) else {}
    )


async def _its(desk: Desk, args: list[str]) -> str:
    view = desk.stack.its
    if view in desk.stack.tabs:
        desk.stack.show(view)
    elif view not in desk.stack.over:
        desk.open(view)
    return ""


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
        lambda picture, args: {phase.value.lower(): "" for phase in Phase} if len(args) == 1 else {},
    ),
    Command(
        "gun [DEVICE] [HH:MM:SS]",
        "the race clock showed zero then (now)",
        _gun,
        lambda picture, args: _devices(picture) if len(args) == 1 else {},
    ),
    Command("send DEVICE WORDS", "send a command to a device", _send, _send_words),
    Command(
        "sync all",
        "set the clock of every OTIMCON station from this machine's",
        _sync,
        lambda picture, args: {"all": "every OTIMCON station"} if len(args) == 1 else {},
    ),
    Command("bib PASSING BIB", "say whose passing it was; - for nobody's", _bib),
    Command("undo", "take back the newest bib you gave", _undo),
    Command(
        "take-over DEVICE [PASSING ...]",
        "have what it told afterwards only (offered) count; test: what came during TEST",
        _take_over,
        lambda picture, args: _devices(picture) if len(args) == 1 else {},
    ),
    Command("sheet [DEVICE] NAME", "show a table: " + " ".join(SHEETS[""]), _sheet, _sheet_words),
    Command("its", "the link to ITS ONLINE TIMING: see it, configure it", _its),
    Command("ack", "acknowledge all alarms", _ack),
    Command("release EXPORT [PEER]", "send what is held", _release, _held_words),
    Command("skip EXPORT [PEER]", "drop what is held", _skip, _held_words),
    Command("pause EXPORT", "send nothing until it is resumed", _pause, _export_names),
    Command("resume EXPORT", "go on after a pause", _resume, _export_names),
    Command(
        "resend EXPORT [PEER] WHAT", "send passings again: 4187, 4187-4195, 10:41, point, bib", _resend, _held_words
    ),
    Command("export ACTION EXPORT ...", " ".join(EXPORT_ACTS), _export, _export_words),
    Command("reload", "read the settings again", _reload),
    Command("theme NAME", "colours: " + " ".join(PALETTES), _theme, lambda picture, args: dict.fromkeys(PALETTES, "")),
    Command("help", "keys, commands, words", _help),
    Command("start", "start an engine where none runs", _start),
    Command("stop", "stop the engine (asks first)", _stop),
    Command("quit", "leave the console; the engine runs on", _quit),
)
"""All there are, in the order in which the help lists them."""
