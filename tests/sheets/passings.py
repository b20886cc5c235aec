"""Passings for sheets, and a reader that has nothing but them."""

from collections.abc import Iterable, Sequence
from zoneinfo import ZoneInfo

from console.model import SECOND, Basis, Kind, Origin, Passing, Phase, Scalar, Status
from console.sheets import Sources
from console.timing.bind import Binder

NOON = 1_780_308_000 * SECOND


def passing(seq: int, kind: Kind, **changes: object) -> Passing:
    """One of the chute, live."""
    keys: dict[str, object] = {
        "seq": seq,
        "frame": seq,
        "index": 0,
        "device": "chute",
        "kind": kind,
        "wall": NOON + seq * SECOND,
        "time": None,
        "ns": None,
        "basis": Basis.RACE,
        "day": None,
        "tag": None,
        "bib": None,
        "channel": None,
        "event": "001",
        "generation": 1,
        "phase": Phase.RACE,
        "read_type": 2,
        "origin": Origin.LIVE,
        "status": Status.LIVE,
        "of": None,
    }
    return Passing(**(keys | changes))  # type: ignore[arg-type]


def ns_of(text: str) -> int:
    """`00:01:02.34` in ns."""
    hours, minutes, seconds = text.split(":")
    whole, hundredths = seconds.split(".")
    return ((int(hours) * 60 + int(minutes)) * 60 + int(whole)) * SECOND + int(hundredths) * SECOND // 100


def lap(seq: int, lane: int, printed: int, total: str, split: str, **changes: object) -> Passing:
    """A LAP line."""
    extra: dict[str, Scalar] = {"lane": lane, "lap": printed, "split": split}
    return passing(seq, Kind.LAP, time=total, ns=ns_of(total), channel=str(lane), extra=extra, **changes)


def place(seq: int, number: int, time: str = "00:15:42.07", bib: str | None = None, **changes: object) -> Passing:
    """A PRIMARY line, or with a bib a SELECT line."""
    extra: dict[str, Scalar] = {"chute": 11, "place_in_lane": number, "place": number}
    own = {"channel": "11", "extra": extra} | changes
    return passing(seq, Kind.SELECT if bib else Kind.PLACE, time=time, bib=bib, **own)


def edit(seq: int, of: int, bib: str | None, by: str = "anna", was: str | None = None) -> Passing:
    """An operator's word about the place `of`."""
    extra: dict[str, Scalar] = {"by": by, "was": was}
    return passing(seq, Kind.PLACE, bib=bib, status=Status.EDITED, of=of, change="bib", extra=extra)


class ListReader:
    """Answers pages from a list, as the journal's reader does."""

    def __init__(self, rows: list[Passing]) -> None:
        self.rows = rows

    def passings(
        self,
        *,
        after: int,
        limit: int,
        device: str,
        kinds: Sequence[Kind],
        statuses: Sequence[Status],
        origins: Sequence[Origin],
    ) -> list[Passing]:
        """The first `limit` beyond `after`."""
        wanted = (
            one
            for one in self.rows
            if one.seq > after
            and device in ("", one.device)
            and (not kinds or one.kind in kinds)
            and (not statuses or one.status in statuses)
            and (not origins or one.origin in origins)
        )
        return [one for one, _ in zip(wanted, range(limit), strict=False)]

    def about(self, seqs: Iterable[int]) -> list[Passing]:
        """Every row about these, or about one that is."""
        known = set(seqs)
        found = []
        for one in self.rows:  # what a row is about came before it
            if one.of in known:
                known.add(one.seq)
                found.append(one)
        return found


def sources(rows: list[Passing], device: str = "chute") -> Sources:
    """Sources of these rows."""
    zone = ZoneInfo("UTC")
    binder = Binder(zone)
    binder.add_edits(one for one in rows if one.status is Status.EDITED)
    reader = ListReader(rows)
    return Sources(device=device, reader=reader, resolve=binder.resolve, zone=zone)  # type: ignore[arg-type]
