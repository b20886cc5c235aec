"""Which passings an operator means."""

from msgspec import Struct


class Selection(Struct, frozen=True, kw_only=True):
    """Passings by number (`seq`, both included), by arrival (ns since the epoch, both included), at one timing point,
    of one bib; what is not given does not limit. Nothing given: all of them."""

    first: int | None = None
    last: int | None = None
    since: int | None = None
    until: int | None = None
    point: str = ""
    bib: str = ""
