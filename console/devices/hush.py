"""Keeps a device that repeats itself from flooding the incidents."""

PERIOD = 60.0
"""Seconds in which a kind is said once."""

KINDS = 64
"""Kinds told apart; all others count as one, so that garbage cannot fill the memory."""


class Hush:
    """Of each kind, the first is said at once; then, once a period, how many more there were. Times are seconds."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[float, int]] = {}
        """Kind -> end of its period, and how many were not said in it."""

    def says(self, kind: str, now: float) -> bool:
        """Whether one more of `kind` is to be said; else it is counted."""
        if kind not in self._open:
            if len(self._open) < KINDS:
                self._open[kind] = now + PERIOD, 0
                return True
            kind = "others"
        end, unsaid = self._open.get(kind, (now + PERIOD, 0))
        self._open[kind] = end, unsaid + 1
        return False

    def due(self) -> float | None:
        """When to call `ended()` next; None: not before something is said."""
        return min((end for end, _ in self._open.values()), default=None)

    def ended(self, now: float) -> list[tuple[str, int]]:
        """Kinds whose period is over, with how many were not said in it. Those without any are forgotten."""
        over = [(kind, unsaid) for kind, (end, unsaid) in self._open.items() if end <= now]
        for kind, unsaid in over:
            if unsaid:
                self._open[kind] = now + PERIOD, 0
            else:
                del self._open[kind]
        return [(kind, unsaid) for kind, unsaid in over if unsaid]
