"""What became of a passing, said in one word for all exports and their peers."""

from collections.abc import Iterable

WORST_FIRST = ("held", "waiting", "unmapped", "skipped", "sent", "tcp", "acked")
"""The words of `Export.fate` that speak of a passing which an export passes on, as far as what follows the colon."""


def out(fates: Iterable[tuple[str, str]]) -> str:
    """The worst of (peer, fate): `HELD`, `waiting`, `unmapped`, `skipped`, `sent`, `tcp` where every peer's TCP has
    taken it, or `acked` where every peer has said so itself. Empty where no export passes it on to anybody: not meant
    for it, before the client came, nobody there."""
    said = {fate.partition(":")[0] for _, fate in fates}
    worst = next((word for word in WORST_FIRST if word in said), "")
    return worst.upper() if worst == "held" else worst
