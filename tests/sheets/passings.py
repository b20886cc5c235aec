"""Passings for sheets, and a reader that has nothing but them."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from console.model import SECOND, Basis, Kind, Origin, Passing, Phase, Resolved, Scalar, Status
from console.sheets import Sources

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


def sources(rows: list[Passing], device: str = "chute", bibs: dict[int, str] | None = None) -> Sources:
    """Sources of these rows; `bibs` are what is known beside what the passings say."""
    return Sources(
        device=device,
        reader=ListReader(rows),  # type: ignore[arg-type]
        resolve=lambda one: Resolved(
            passing=one, utc=None, point=None, bib=(bibs or {}).get(one.seq, one.bib), name=None
        ),
        zone=ZoneInfo("UTC"),
    )
