"""Says that a client has broken off; of one that does so again and again, how often, at growing intervals."""

from collections.abc import Callable

from msgspec import Struct

from console.model import SECOND, Level

FIRST, MOST = 60, 3600
"""Seconds between two words about one client: at first, and at most. Each time it is four times as long."""


class Spell(Struct):
    """One client, since it was said first that it broke off."""

    since: int
    """When something was said last, wall ns."""
    interval: int = FIRST
    count: int = 0
    """How often it broke off since then."""
    missing: int = 0
    """What it had not taken, over all these times."""
    reason: str = ""
    """The last one."""


class Breaks:
    """Of each client, the first break is said at once. One that holds for a whole interval begins anew."""

    def __init__(self, say: Callable[[Level, str], None], counted: str, now: Callable[[], int]) -> None:
        self._say = say
        self._counted = counted
        self._now = now
        self._spells: dict[str, Spell] = {}

    def broke(self, address: str, missing: int, reason: str) -> None:
        """A client is gone, and has not taken so many."""
        spell = self._spells.get(address)
        if spell is None:
            self._spells[address] = Spell(self._now())
            self._say(
                Level.WARNING,
                f"{address} is gone and has not taken {self._so_many(missing)}: {reason}"
                if missing
                else f"{address} was dropped: {reason}",
            )
            return
        spell.count += 1
        spell.missing += missing
        spell.reason = reason

    def look(self) -> None:
        """Say what is due; to be called every now and then."""
        for address, spell in list(self._spells.items()):
            if self._now() - spell.since < spell.interval * SECOND:
                continue
            if spell.count:
                self._tell(address, spell)
                self._spells[address] = Spell(self._now(), min(4 * spell.interval, MOST))
            else:
                del self._spells[address]

    def close(self) -> None:
        """Say what was only counted."""
        for address, spell in self._spells.items():
            if spell.count:
                self._tell(address, spell)
        self._spells.clear()

    def _tell(self, address: str, spell: Spell) -> None:
        times = "once more" if spell.count == 1 else f"{spell.count:,} times more"
        lasted = (self._now() - spell.since) // SECOND
        within = f"{lasted} s" if lasted < 120 else f"{lasted // 60} min"
        lost = f" with {self._so_many(spell.missing)} not taken" if spell.missing else ""
        self._say(Level.WARNING, f"{address} broke off {times} within {within}{lost}; the last time: {spell.reason}")

    def _so_many(self, count: int) -> str:
        return f"{count:,} {self._counted if count > 1 else self._counted[:-1]}"
