"""Which passings the operator means: `4187`, `4187-4195`, `10:41:00-10:45:00`, `point Finish`, `bib 1204`."""

import re
from zoneinfo import ZoneInfo

from msgspec import structs

from console.model import SECOND, Selection
from screens.commands import CommandError, moment

HELP = (
    "4187 (from there on), 4187-4195, 10:41:00 (from then on), 10:41-10:45, frame 8123; with it or alone "
    "point NAME, bib 1204; or all"
)

_NUMBERS = re.compile(r"#?(\d+)(?:(-)#?(\d+)?)?")
_TIMES = re.compile(r"(\d{1,2}:\d\d(?::\d\d(?:\.\d+)?)?)(?:-(\d{1,2}:\d\d(?::\d\d(?:\.\d+)?)?)?)?")


def parse(text: str, now: int, zone: ZoneInfo) -> tuple[Selection, int | None]:
    """The selection, and the frame it begins with. Raises CommandError in words."""
    chosen, frame, words = Selection(), None, text.split()
    if not words:
        raise CommandError(f"send what again? {HELP}")
    while words:
        word = words.pop(0)
        if word == "all" and text.split() == ["all"]:
            return chosen, None
        if word in ("point", "bib", "frame"):
            value = words.pop(0) if words else ""
            while word == "point" and words and words[0] not in ("bib", "frame") and not _starts_anew(words[0]):
                value += f" {words.pop(0)}"
            if not value or (word == "frame" and not value.lstrip("#").isdecimal()):
                raise CommandError(f"{word} which? {HELP}")
            if word == "frame":
                frame = int(value.lstrip("#"))
            else:
                chosen = structs.replace(chosen, **{word: value})
        elif found := _NUMBERS.fullmatch(word):
            first = int(found[1])
            chosen = structs.replace(chosen, first=first, last=int(found[3]) if found[3] else None)
        elif found := _TIMES.fullmatch(word):
            since = _time(found[1], now, zone)
            until = _time(found[2], now, zone, last=True) if found[2] else None
            chosen = structs.replace(chosen, since=since, until=until)
        else:
            raise CommandError(f"{word!r} is not understood: {HELP}")
    return chosen, frame


def _starts_anew(word: str) -> bool:
    return bool(_TIMES.fullmatch(word))


def _time(text: str, now: int, zone: ZoneInfo, *, last: bool = False) -> int:
    """A time of day that is over; without its smaller parts it begins there, or ends where they would."""
    parts = text.count(":")
    whole = text if parts == 2 else f"{text}:00"
    wall = moment(whole, now, zone)
    if wall > now:
        wall = moment(whole, now - 12 * 3600 * SECOND, zone)
    if last and "." not in text:
        wall += (SECOND if parts == 2 else 60 * SECOND) - 1
    return wall
