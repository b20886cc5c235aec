"""Which passings the settings of an export choose."""

from collections.abc import Callable

from console.exports.export import ExportSettings
from console.model import Kind, Passing, Resolved


class Chosen:
    """The choice of one export's settings, as far as it is the same for all types."""

    def __init__(self, settings: ExportSettings, resolve: Callable[[Passing], Resolved]) -> None:
        self._settings = settings
        self._resolve = resolve
        self._kinds = frozenset(map(Kind, settings.kinds)) or frozenset(Kind)
        self._events = frozenset(map(_number, settings.events))

    def why_not(self, passing: Passing) -> str:
        """Why `passing` is not chosen; empty: it is."""
        settings = self._settings
        if settings.devices and passing.device not in settings.devices:
            return "device not chosen"
        if passing.kind not in self._kinds:
            return f"kind {passing.kind} not chosen"
        if passing.read_type == 1 and settings.skip_first_seen:
            return "first seen"
        if self._events and _number(passing.event) not in self._events:
            return f"event {passing.event or 'unknown'}: not chosen"
        if settings.points and (point := self._resolve(passing).point) not in settings.points:
            return f"timing point {point or 'unknown'}: not chosen"
        return ""


def _number(event: str | None) -> str:
    """`1`, `01` and `001` are the same event."""
    return (event or "").strip().lstrip("0")
