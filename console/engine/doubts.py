"""What cannot be right about passings that come, said once, before results are made of it."""

from collections.abc import Callable
from datetime import timedelta

from console.model import SECOND, Basis, Kind, Level, Origin, Passing
from console.timing.bind import Binder

FUTURE = 60 * SECOND
"""ns by which a live passing may lie ahead of its arrival: clocks are never quite right."""


class Doubts:
    """Remembers what was said: of each channel, and of each run of a device's clock."""

    def __init__(self, binder: Binder, say: Callable[[Level, str, str], None]) -> None:
        self._binder = binder
        self._say = say
        self._channels: set[tuple[str, str]] = set()
        self._runs: set[tuple[str, int]] = set()

    def look(self, passing: Passing) -> None:
        """Look at a passing that was committed."""
        self._look_at_channel(passing)
        self._look_at_time(passing)

    def look_anew(self, *, guns_only: bool = False) -> None:
        """Settings have changed, or (`guns_only`) a gun was set: what is still wrong is said again."""
        self._runs.clear()
        if not guns_only:
            self._channels.clear()

    def _look_at_channel(self, passing: Passing) -> None:
        """A channel without a timing point: its passings go out without one."""
        if passing.channel is None or passing.kind is Kind.RESULT:
            return
        points = self._binder.points.get(passing.device)
        key = passing.device, passing.channel
        if points and key not in self._channels and points.point(passing.channel) is None:
            self._channels.add(key)
            hint = f'add it to points in [[device]] "{passing.device}" and `racedeck reload`'
            self._say(Level.WARNING, passing.device, f"channel {passing.channel} has no timing point: {hint}")

    def _look_at_time(self, passing: Passing) -> None:
        """Nobody passes in the future: the gun or the clock is wrong."""
        key = passing.device, passing.generation
        if passing.origin is not Origin.LIVE or key in self._runs:
            return
        utc = self._binder.utc(passing)
        if utc is not None and utc - passing.wall > FUTURE:
            self._runs.add(key)
            ahead = timedelta(seconds=(utc - passing.wall) // SECOND)
            hint = "check the gun" if passing.basis is Basis.RACE else "check its clock, and timezone in [event]"
            self._say(Level.WARNING, passing.device, f"its times are {ahead} ahead of their arrival: {hint}")
