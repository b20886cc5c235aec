"""How far a device's clock is from ours."""

from contextlib import suppress
from datetime import tzinfo

from console.model import Basis, Heard, Origin, Reading
from console.timing.bind import local_to_utc, nearest_day


def drift(frame: Heard, wall: int, zone: tzinfo, before: int | None = None) -> int | None:
    """How much the device's clock is ahead of ours, ns, by the last live time in `frame` that arrived at `wall`.

    `before` where the frame tells none. The time on the wire counts as the device's lag.
    """
    for fact in frame.facts:
        if isinstance(fact, Reading) and fact.ns is not None and fact.origin is Origin.LIVE and not fact.change:
            with suppress(OverflowError, ValueError):  # a date beyond the calendar tells no drift
                if fact.basis is Basis.DAY:
                    before = nearest_day(fact.ns, wall, zone) - wall
                elif fact.basis is Basis.EPOCH:
                    before = local_to_utc(fact.ns, zone, wall) - wall
    return before
