"""Cursors of an export on their way to the journal: soon after each change, and not after each passing."""

import asyncio

from console.exports import unsent
from console.exports.delivery import Account
from console.exports.export import Desk

SAVE_EVERY = 0.25
"""Seconds between two checkpoints of a cursor, at least. What was sent since the last one is in doubt after a crash: it
goes out again, or is held. A checkpoint goes with the next commit, and costs next to nothing."""

MANY = 250
"""Held passings for which there is as much time again in between: a cursor names them all, and is to fill no disk."""


class Cursors:
    """Saves what a restart must know of the accounts, every so many seconds at most."""

    def __init__(self, desk: Desk, every: float = SAVE_EVERY) -> None:
        self._desk = desk
        self._every = every
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._saved: dict[str, tuple[object, ...]] = {}

    def changed(self, account: Account) -> None:
        """Save the account's cursor soon, where more than its place has changed."""
        address = account.address
        if address not in self._timers and _essence(account) != self._saved.get(address):
            self.save(account)
            pause = self._every * (1 + len(account.held) / MANY)
            self._timers[address] = asyncio.get_running_loop().call_later(pause, self._again, account)

    def save(self, account: Account) -> None:
        """Save it now."""
        self._saved[account.address] = _essence(account)
        self._desk.save(account.cursor())
        unsent.note(account, self._desk)

    def close(self) -> None:
        """Save nothing later."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _again(self, account: Account) -> None:
        del self._timers[account.address]
        self.changed(account)


def _essence(account: Account) -> tuple[object, ...]:
    counts = account.counts
    told = (counts["tcp"], counts["unmapped"], counts["skipped"], counts["resent"])
    return *told, len(account.held), account.tcp // 1000
