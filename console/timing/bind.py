"""Late binding: from a passing as it was journaled to when, where and whose it was, as far as that is known now.

Whose it was: what an operator said, else what the device said, else what the tag table says of its tag.

The one place that converts times. A time of day becomes UTC by the event's zone and its date (from the device, else the
one nearest to its arrival, and then for live frames only); an epoch is wall-clock digits taken as UTC
(otimcon.md, section 6), so it is read back as digits and placed in the event's zone; a race clock becomes UTC through
a gun. Where one of these is missing, UTC is unknown, not guessed. Around a change of summer time, the arrival of a live
frame tells by which of the two the device still goes.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

from console.model import SECOND, Basis, Gun, Kind, Origin, Passing, Resolved, Status
from console.timing.edits import known_bib, standing
from console.timing.guns import START_LINE
from console.timing.tags import TagTable

MINUTE = 60 * SECOND
DAY = 86_400 * SECOND
CHANGE = 1800 * SECOND
"""Summer time is half an hour at least."""
_EPOCH_DAY = date(1970, 1, 1).toordinal()


class Points:
    """Timing points of one device: by channel, else the device's one, else what its type calls the channel."""

    def __init__(
        self,
        by_channel: Mapping[str, str],
        otherwise: str = "",
        default: Callable[[str | None], str | None] = lambda channel: None,
    ) -> None:
        self._by_channel = dict(by_channel)
        self._otherwise = otherwise
        self._default = default

    def point(self, channel: str | None) -> str | None:
        """The timing point of `channel`; None where nothing names one."""
        return self._by_channel.get(channel or "") or self._otherwise or self._default(channel)


About = Callable[[Iterable[int]], list[Passing]]
"""Every row about the passings of these numbers, and about those rows."""


class Binder:
    """Binds passings to timing points, to UTC, to the bibs that operators gave, and to the tag table."""

    def __init__(self, zone: tzinfo) -> None:
        self.zone = zone
        self.points: dict[str, Points] = {}
        self.tags = TagTable()
        """Replaced as a whole: threads read it."""
        self._guns: dict[tuple[str, int], Gun] = {}
        self._edits: dict[int, dict[int, Passing]] = {}
        """Place -> its EDITED rows by number: as many as hands can give."""
        self._standing: dict[int, Passing] = {}
        """Place -> the one that holds."""

    def add_guns(self, guns: Iterable[Gun]) -> None:
        """Take guns in, oldest first. The first START line of a run sets its zero; the operator's word replaces it."""
        for gun in guns:
            key = (gun.device, gun.generation)
            if key not in self._guns or gun.source != START_LINE:
                self._guns[key] = gun

    def gun(self, device: str, generation: int) -> Gun | None:
        """The gun that a run of a device's race clock is counted from.

        A run without one is counted from that of the run before: TEST was left while the clock went on, and only a
        START line says that it was set.
        """
        for number in range(generation, 0, -1):
            if gun := self._guns.get((device, number)):
                return gun
        return None

    def add_edits(self, edits: Iterable[Passing]) -> None:
        """Take EDITED rows in; what is known already does no harm."""
        for edit in edits:
            if edit.of is None:
                continue
            rows = self._edits.setdefault(edit.of, {})
            rows[edit.seq] = edit
            holds = standing(rows[seq] for seq in sorted(rows))
            if holds:
                self._standing[edit.of] = holds
            else:
                self._standing.pop(edit.of, None)

    def edit(self, passing: Passing) -> Passing | None:
        """The EDITED row that says whose `passing` was, if an operator's word holds."""
        place = passing.seq if passing.of is None or passing.status is Status.LIVE else passing.of
        return self._standing.get(place)

    def resolve(self, passing: Passing) -> Resolved:
        """What is known of `passing` now, as far as memory tells: of its bib, its own or what an operator gave.

        Of an EDITED row that is the bib that holds now, not the one that the row itself gave: an older word about a
        passing is never told after a newer one.
        """
        return self._resolved(passing, passing.bib)

    def resolve_all(self, passings: Sequence[Passing], about: About, *, halves: bool = False) -> list[Resolved]:
        """The same of a page, with what other lines brought: the bib of the SELECT line at a PRIMARY line, the device's
        own corrections; and, where `halves`, which lines told of the place."""
        rows_of: dict[int, list[Passing]] = {one.seq: [] for one in passings if one.status is Status.LIVE}
        place_of = {seq: seq for seq in rows_of}
        for row in about(rows_of):
            if row.of in place_of:
                place_of[row.seq] = place_of[row.of]
                rows_of[place_of[row.seq]].append(row)
        return [
            self._resolved(
                one,
                known_bib(one, rows_of[one.seq]) if one.seq in rows_of else one.bib,
                _told_by(one, rows_of.get(one.seq, ())) if halves else (),
            )
            for one in passings
        ]

    def _resolved(self, passing: Passing, bib: str | None, halves: tuple[Kind, ...] = ()) -> Resolved:
        points = self.points.get(passing.device)
        edit = self.edit(passing)
        if edit is None and passing.status is Status.EDITED and (rows := self._edits.get(passing.of or 0)):
            bib = rows[max(rows)].bib  # all was taken back; what the last undoing said
        tags = self.tags
        tagged = tags.bib(passing.tag)
        bib = edit.bib if edit else bib or tagged
        return Resolved(
            passing=passing,
            utc=self.utc(passing),
            point=points.point(passing.channel) if points else None,
            bib=bib,
            name=_name(tags, bib, None if edit else passing.tag),
            tagged=tagged,
            edited=str(edit.extra["by"]) if edit else "",
            halves=halves,
        )

    def utc(self, passing: Passing) -> int | None:
        """When it happened, in ns since the epoch; None where that is not known."""
        if passing.ns is None:
            return None
        arrival = passing.wall if passing.origin is Origin.LIVE else None
        match passing.basis:
            case Basis.EPOCH:
                return local_to_utc(passing.ns, self.zone, arrival)
            case Basis.DAY if passing.day is not None:
                return local_to_utc(passing.day * DAY + passing.ns, self.zone, arrival)
            case Basis.DAY if passing.origin is Origin.LIVE:
                return nearest_day(passing.ns, passing.wall, self.zone)
            case Basis.DAY:
                return self._since_start(passing.ns, self.gun(passing.device, passing.generation))
            case Basis.RACE:
                gun = self.gun(passing.device, passing.generation)
                return gun.wall + passing.ns - gun.ns if gun else None
        return None

    def _since_start(self, time_of_day: int, start: Gun | None) -> int | None:
        """A time of day that is told again: its date is that of the START line, where its clock was seen to start."""
        if start is None or start.source != START_LINE or time_of_day < start.ns:
            return None
        return nearest_day(start.ns, start.wall, self.zone) + time_of_day - start.ns


def _name(tags: TagTable, bib: str | None, tag: str | None) -> str | None:
    """See `Resolved.name`."""
    if not tags or not (bib or tag):
        return None
    name = tags.name(bib)
    return "" if name is None else name or None


def _told_by(place: Passing, rows: Iterable[Passing]) -> tuple[Kind, ...]:
    joined = {row.kind for row in rows if row.status is Status.JOINED}
    return tuple(kind for kind in (Kind.PLACE, Kind.SELECT) if kind in {place.kind, *joined})


def local_to_utc(digits: int, zone: tzinfo, arrival: int | None = None) -> int:
    """Wall-clock digits (ns since 1970-01-01 00:00 on that clock) in `zone` as UTC.

    Clocks of devices are not set in a race: those that show more than half an hour off at their `arrival` (UTC) may go
    by the offset before a change, or be set already; what is nearest to it is meant. Without an arrival, the first of
    the hour that a zone lives through twice is.
    """
    utc = digits - _ahead_by_digits(digits // MINUTE, zone)
    if arrival is None or abs(utc - arrival) < CHANGE:
        return utc
    around = {utc_to_local(arrival + away, zone) - (arrival + away) for away in (-DAY // 2, DAY // 2)}
    return min(utc, *(digits - offset for offset in around), key=lambda one: abs(one - arrival))


def utc_to_local(utc: int, zone: tzinfo) -> int:
    """The wall-clock digits (ns since 1970-01-01 00:00 on that clock) that `zone` shows at `utc`."""
    return utc + _ahead(utc // MINUTE, zone)


@lru_cache(4096)
def _ahead_by_digits(minute: int, zone: tzinfo) -> int:
    """By how much (ns) clocks in `zone` that show this minute (since 1970-01-01 00:00 on them) are ahead of UTC. Zones
    change on whole minutes."""
    local = datetime(1970, 1, 1) + timedelta(minutes=minute)  # noqa: DTZ001 - digits have no zone; that is the point
    return minute * MINUTE - int(local.replace(tzinfo=zone).astimezone(UTC).timestamp()) * SECOND


@lru_cache(4096)
def _ahead(minute: int, zone: tzinfo) -> int:
    """By how much (ns) clocks in `zone` are ahead of UTC in this minute of UTC."""
    offset = datetime.fromtimestamp(minute * 60, zone).utcoffset() or timedelta(0)
    return int(offset.total_seconds()) * SECOND


def nearest_day(time_of_day: int, wall: int, zone: tzinfo) -> int:
    """The UTC of a bare time of day (ns since midnight) on the day that brings it nearest to its arrival `wall`."""
    today = datetime.fromtimestamp(wall // SECOND, zone).date().toordinal() - _EPOCH_DAY
    utc = local_to_utc(today * DAY + time_of_day, zone, wall)
    if abs(utc - wall) < 11 * 3600 * SECOND:  # the day before and the day after are 23 hours away from it, at least
        return utc
    others = (local_to_utc((today + offset) * DAY + time_of_day, zone, wall) for offset in (-1, 1))
    return min(utc, *others, key=lambda one: abs(one - wall))


def find_zone(name: str) -> tzinfo:
    """The IANA zone `name`. Raises ValueError where there is none."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f'no time zone {name!r}: give an IANA name such as "Europe/Paris"') from None
