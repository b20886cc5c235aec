"""Passings as lines of THCOM08 (thcom.md, section 2). Pure."""

from datetime import tzinfo

from console.codecs import thcom
from console.model import Passing, Resolved, Status
from console.timing.bind import DAY, utc_to_local


def state_of(passing: Passing) -> str:
    """The second letter of the tag: as the device said it, and `*` or `-` for the word of an operator (section 2.2).

    Raises ValueError for what has no number of its own: a duplicate or an ideal start that an operator gives a bib.
    """
    told = str(passing.extra.get("record", "TN"))[1:]
    if passing.status is not Status.EDITED:
        return "*" if told == "N" and passing.change == "bib" else told
    if told in ("=", "I"):
        raise ValueError("a duplicate or an ideal start cannot be given another bib")
    return "*" if passing.bib else "-"


def time_data(passing: Passing, source: str, state: str, bib: str | None) -> str:
    """The data of a time of a THCOM08 device; `source` is `T` (live) or `A` (an answer)."""
    day = passing.day - thcom.EPOCH_DAY if passing.day is not None else 0
    sequence = whole(passing.extra["sequence"])
    return thcom.time_line(source + state, bib, sequence, passing.channel or "", time_ns(passing), day)


def printed_bib(passing: Passing) -> str | None:
    """The bib that the device printed, also where it takes it away; an operator's. Raises ValueError where it does not
    fit."""
    if passing.change == "unassigned" and not passing.bib:
        was = passing.extra.get("was")
        return str(was) if was else None
    if passing.status is Status.EDITED and passing.bib:
        bib = fitting_bib(passing.bib)
        if not bib:
            raise ValueError(f"bib {passing.bib!r} is no number from 1 to 9999")
        return bib
    return passing.bib


def fitting_bib(bib: str | None) -> str | None:
    """A THCOM08 bib is a number of 4 digits; a time is still a time without one."""
    bib = (bib or "").lstrip("0")
    return bib if bib.isascii() and bib.isdigit() and len(bib) <= 4 else None


def impulse_data(known: Resolved, number: int, channel: str, zone: tzinfo, source: str) -> str | None:
    """The data of another device's passing as an impulse; None: the time of day is not known yet."""
    passing = known.passing
    if known.utc is None:
        return None
    day, ns = divmod(utc_to_local(known.utc, zone), DAY)
    bib = printed_bib(passing) if passing.status is Status.EDITED else fitting_bib(passing.bib)
    tag = source + state_of(passing)
    return thcom.time_line(tag, bib, number % 10_000, channel, ns, day - thcom.EPOCH_DAY)


def result_data(passing: Passing) -> str:
    """A run, total or intermediate time, a difference or a speed, as the device printed it."""
    extra = passing.extra
    match str(extra["record"]):
        case "VE":
            unit = str(extra.get("unit", ""))
            return thcom.speed_line(whole(extra["number"]), passing.bib or "0", float(extra["speed"] or 0), unit)
        case "IR":
            return thcom.result_line("IR", whole(extra.get("intermediate", 0)), passing.bib or "0", time_ns(passing))
        case "DR":
            return thcom.result_line("DR", whole(extra.get("winner", 0)), passing.bib or "0", time_ns(passing))
        case tag:
            return thcom.result_line(tag, whole(extra.get("rank", 0)), passing.bib or "0", time_ns(passing))


def time_ns(passing: Passing) -> int:
    """Its time; raises ValueError where it has none."""
    if passing.ns is None:
        raise ValueError("it has no time")
    return passing.ns


def whole(value: object) -> int:
    """A number among the extras; raises ValueError for anything else."""
    if not isinstance(value, int):
        raise ValueError(f"expected a number, got {value!r}")  # noqa: TRY004 - one error for what cannot be said
    return value
