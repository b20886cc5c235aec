"""The printed tape: a line for each passing, narrow, and later lines for what becomes known later.

    10:41:47.83  1204 Finish BAUER Eva        what is not known is left out, a bib is `----`
    10:41:47.83 *1240 was 1204, by anna       `*` another bib or time, `X` cancelled, `+` the other half of a place

The time is the time of day; where that is not known it is what the device printed, and the line says what clock that
is. Nothing is cut: what does not fit goes on in the next line.
"""

import textwrap
import unicodedata
from datetime import date, datetime, tzinfo

from console.model import SECOND, Act, Basis, Kind, Passing, Resolved, Status

WHO = 5
"""Columns of a bib."""

CLOCKS = {Basis.RACE: "race clock", Basis.SPAN: "", Basis.NONE: "", Basis.DAY: "no date", Basis.EPOCH: "no UTC"}
"""What is said of a time that is not known as a moment."""

MARKS = {Status.CORRECTION: "*", Status.EDITED: "*", Status.CANCELLED: "X", Status.JOINED: "+"}


class Tape:
    """Writes lines of at most `width` columns, in the event's `zone`."""

    def __init__(self, event: str, width: int, zone: tzinfo) -> None:
        self._event = event
        self._width = width
        self._zone = zone

    def day(self, wall: int) -> int:
        """The day, as a number, that a moment belongs to."""
        return self._moment(wall).toordinal()

    def head(self, day: int) -> list[str]:
        """What stands above the lines of a day."""
        rule = "=" * self._width
        return [rule, *self._wrapped(plain(self._event)), *self._wrapped(f"{date.fromordinal(day)} {self._zone}"), rule]

    def passing(self, known: Resolved) -> list[str]:
        """What is known of a passing."""
        one = known.passing
        given = one.bib if one.status is Status.EDITED else known.bib
        who = given or ("GUN" if one.kind is Kind.GUN else one.tag or "----")
        mark = MARKS.get(one.status, " ")
        words = " ".join(filter(None, [*self._words(known)]))
        return self._wrapped(f"{self._time(known)} {mark}{plain(who):>{WHO - 1}} {plain(words)}".rstrip())

    def act(self, act: Act) -> list[str]:
        """A phase that begins, or a gun that an operator gave."""
        at = f"{self._moment(act.wall):%H:%M:%S}"
        if act.word == "phase":
            return self._wrapped(f"-- {at} phase {plain(str(act.body.get('phase')))} ({plain(act.by)})")
        gun = int(act.body.get("wall") or 0)
        device = plain(str(act.body.get("device") or ""))
        return self._wrapped(f"-- {at} gun of {device} set to {clock(gun, self._zone, 2)} ({plain(act.by)})")

    def _time(self, known: Resolved) -> str:
        one = known.passing
        if known.utc is not None:
            decimals = len(one.time.rpartition(".")[2]) if one.time and "." in one.time else 0
            return clock(known.utc, self._zone, min(decimals, 3))
        return plain(one.time or "--:--:--")

    def _words(self, known: Resolved) -> list[str]:
        one, extra = known.passing, known.passing.extra
        words = [known.point or "", known.name or ""]
        if one.kind in (Kind.PLACE, Kind.SELECT) and extra.get("place") is not None:
            words.append(f"pl {extra['place']}")
        if one.kind in (Kind.LAP, Kind.RESULT):
            words.append(one.kind.value)
        if known.utc is None and one.time:
            words.append(CLOCKS[one.basis])
        if one.status is Status.CANCELLED:
            words.append("CANCELLED")
        if one.status is Status.EDITED:
            words.append(f"{'undone' if 'undoes' in extra else 'bib'} by {extra.get('by')}:")
        if one.status in (Status.CORRECTION, Status.EDITED):
            words.append(f"was {extra.get('was') or '----'}" if "was" in extra else "corrected")
        return words

    def _moment(self, wall: int) -> datetime:
        return datetime.fromtimestamp(wall // SECOND, self._zone)

    def _wrapped(self, text: str) -> list[str]:
        lines = textwrap.wrap(
            text,
            self._width,
            subsequent_indent="  ",
            drop_whitespace=True,
            replace_whitespace=False,
            break_on_hyphens=False,
        )
        return lines or [""]


def clock(wall: int, zone: tzinfo, decimals: int) -> str:
    """`10:41:47.83`, cut and not rounded."""
    fraction = f".{wall % SECOND:09d}"[: decimals + 1] if decimals else ""
    return f"{datetime.fromtimestamp(wall // SECOND, zone):%H:%M:%S}{fraction}"


def plain(text: str) -> str:
    """Text that no printer obeys: control characters become `?`."""
    return "".join(char if char.isprintable() else "?" for char in text)


def ascii_only(text: str) -> str:
    """Text for a printer whose character set is not known: letters lose their accents, the rest becomes `?`."""
    parted = unicodedata.normalize("NFD", text)
    return "".join(char for char in parted if not unicodedata.combining(char)).encode("ascii", "replace").decode()


def says_something(passing: Passing) -> bool:
    """Whether a passing has a line on the tape: not what it has a line of already, and not what does not count."""
    return passing.status not in (Status.REPEAT, Status.OFFERED)
