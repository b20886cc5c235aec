"""How far a device's clock is from ours."""

from contextlib import suppress
from datetime import tzinfo

from console.model import SECOND, Basis, Heard, Origin, Reading
from console.timing.bind import local_to_utc, nearest_day

EXACT = 1
"""Seconds that a clock which shows whole ones may seem off although it is right."""


def drift(frame: Heard, wall: int, zone: tzinfo, before: int | None = None) -> int | None:
    """How much the device's clock is ahead of ours, ns, by the last live time in `frame` that arrived at `wall`.

    `before` where the frame tells none. The time on the wire counts as the device's lag. A clock of wall-clock digits
    (`Basis.EPOCH`) shows whole seconds: no more is known of it, and 0 is right to a second.
    """
    if frame.clock is not None:
        before = _whole(frame.clock, wall, zone)
    for fact in frame.facts:
        if isinstance(fact, Reading) and fact.ns is not None and fact.origin is Origin.LIVE and not fact.change:
            with suppress(OverflowError, ValueError):  # a date beyond the calendar tells no drift
                if fact.basis is Basis.DAY:
                    before = nearest_day(fact.ns, wall, zone) - wall
                elif fact.basis is Basis.EPOCH:
                    before = _whole(fact.ns, wall, zone)
    return before


def _whole(shown: int, wall: int, zone: tzinfo) -> int:
    seconds = round((local_to_utc(shown, zone, wall) - wall) / SECOND + 0.5)
    return 0 if abs(seconds) <= EXACT else seconds * SECOND
