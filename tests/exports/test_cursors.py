"""How often cursors are saved."""

from console.exports.cursors import MANY, Cursors
from console.exports.delivery import Account, Hold
from console.model import Cursor
from tests.exports.desk import MemoryDesk, until


async def test_a_long_cursor_is_saved_less_often() -> None:
    desk = MemoryDesk()
    saved: list[str] = []
    desk.save = lambda cursor: saved.append(cursor.peer)  # type: ignore[method-assign]
    cursors = Cursors(desk, every=0.05)
    short, long = (
        Account(Cursor(export="e", peer=peer, start=0, sent=0, tcp=0), tallied=0) for peer in ("short", "long")
    )
    for seq in range(600 * MANY):  # half a minute
        long.hold(seq, Hold("no bib yet"))
    for _ in range(5):
        before = len(saved)
        for account in (short, long):
            account.counts["tcp"] += 1
            cursors.changed(account)
        await until(lambda: saved[before:].count("short") == 1 and "short" not in cursors._timers)  # noqa: B023
    assert (saved.count("short"), saved.count("long")) == (5, 1)
    cursors.save(long)
    assert saved[-1] == "long", "but at the end"
    cursors.close()
