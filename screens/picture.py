"""What a screen draws from: the newest state of the engine, and the moment it is drawn for."""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from console.model import Basis, DeviceState, EngineState, ExportState, Gun, Level, Resolved
from screens import words


@lru_cache(8)
def zone_of(name: str) -> ZoneInfo:
    """The event's zone; UTC where this machine does not know it (the times then say so by their offset)."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


@dataclass(frozen=True)
class Picture:
    """One moment of the event as the operator sees it."""

    state: EngineState
    now: int
    """The engine's wall clock, ns since the epoch, carried on between two pushes."""
    gone: int | None = None
    """ns since the engine went away; None while it is there."""
    ascii: bool = False

    @property
    def zone(self) -> ZoneInfo:
        """The event's time zone."""
        return zone_of(self.state.timezone)

    @cached_property
    def held(self) -> dict[int, str]:
        """Passings that some export holds, the newest, and why."""
        return {seq: why for export in self.state.exports for seq, why in export.held_newest.items()}

    @property
    def race_time(self) -> int | None:
        """What the race clock shows, from the newest gun; None without one."""
        guns = self.state.guns
        return self.now - guns[-1].wall + guns[-1].ns if guns else None

    def device(self, name: str) -> DeviceState | None:
        """The device called `name`."""
        return next((device for device in self.state.devices if device.name == name), None)

    def export(self, name: str) -> ExportState | None:
        """The export called `name`."""
        return next((export for export in self.state.exports if export.name == name), None)

    def rule(self, title: str, width: int, right: str = "") -> str:
        """A line across the screen with a title in it, and something at its right end."""
        dash = "-" if self.ascii else "─"
        left = f"{dash * 2} {title} "
        end = f" {right} {dash * 2}" if right else ""
        return words.fit(left + dash * (width - len(left) - len(end)) + end, width)

    @property
    def bar(self) -> str:
        """The line between two columns."""
        return "|" if self.ascii else "│"

    # --- passings ---

    def gun_of(self, row: Resolved) -> Gun | None:
        """The gun a passing's race time counts from: its own device's, else the newest one before it."""
        passing, best = row.passing, None
        for gun in self.state.guns:
            if gun.device == passing.device and gun.generation == passing.generation:
                return gun
            if row.utc is not None and gun.wall - gun.ns <= row.utc:
                best = gun
        return best

    def times(self, row: Resolved) -> tuple[str, str]:
        """Time of day and race time of a passing, in the digits the device gave; what it printed is not converted."""
        passing, digits = row.passing, words.digits_of(row.passing.time)
        if passing.basis is Basis.SPAN:
            return "-", passing.time or "?"
        if "speed" in passing.extra:
            return "-", f"{passing.extra['speed']} {passing.extra.get('unit') or ''}".rstrip()
        day = words.clock(row.utc, self.zone, digits)
        if passing.basis is Basis.DAY and passing.time:
            day = passing.time.strip().rjust(len("00:00:00") + bool(digits) + digits, "0")
        if passing.basis is Basis.RACE:
            return day, (passing.time or "?").strip().removeprefix("0")
        gun = self.gun_of(row)
        if gun is None or row.utc is None:
            return day, "?" if self.state.guns else "-"
        return day, words.span(row.utc - gun.wall + gun.ns, digits)


LEVELS = {Level.NOTE: ("note", "dim"), Level.WARNING: ("warning", "warn"), Level.ALARM: ("ALARM", "bad")}
"""Word and ink of an incident's level."""
