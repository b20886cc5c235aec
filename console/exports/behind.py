"""Says once that a peer falls behind, and once that it has caught up."""

from collections.abc import Callable

from console.exports.delivery import Account
from console.model import SECOND, Level

BEHIND_AFTER = 30
"""Seconds for which something waits for a connected peer after which it has fallen behind."""

READS = "check that its program reads, and the network in between"
"""What mends it most often."""


class Behind:
    """Watches the ages of what waits. `why`: what to check, where more is known than that."""

    def __init__(
        self, say: Callable[[Level, str], None], now: Callable[[], int], why: Callable[[], str] = lambda: READS
    ) -> None:
        self._say = say
        self._now = now
        self._why = why
        self._behind: set[str] = set()
        """Addresses of which it was said."""

    def look(self, account: Account, *, there: bool) -> None:
        """Look at one account; `there`: its peer is connected, and nothing keeps us from sending."""
        now, oldest, address = self._now(), account.oldest, account.address
        if oldest is None:
            if address in self._behind:
                self._behind.discard(address)
                self._say(Level.NOTE, f"{address} has caught up")
        # One that has just come back is not behind: it gets what it missed.
        elif there and address not in self._behind and now - max(oldest, account.since) > BEHIND_AFTER * SECOND:
            self._behind.add(address)
            self._say(
                Level.WARNING,
                f"{address} has fallen behind: {account.waiting:,} wait, the oldest for {(now - oldest) // SECOND} s: "
                f"{self._why()}",
            )
