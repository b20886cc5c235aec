"""Sheet `offered`: what a download or a backup brought that never came live, and that was not taken over yet."""

from datetime import datetime

from console.model import SECOND, Origin, Passing, Phase, Sheet
from console.sheets import Sources

COLUMNS = (" #", "TIME", "CHANNEL", "TAG/BIB", " FRAME", "FROM", "CAME")


def make(sources: Sources) -> Sheet:
    """All that is offered, in the order in which it was told."""
    passings = sources.reader.offered(sources.device)
    everywhere = not sources.device
    device = sources.device or "DEVICE"
    return Sheet(
        title=f"offered {sources.device}".strip(),
        columns=("DEVICE", *COLUMNS) if everywhere else COLUMNS,
        rows=[_row(one, sources, everywhere) for one in passings],
        marks={row: "dim" for row, one in enumerate(passings) if one.heard_in_test is not None},
        note=_note(passings, device),
    )


def _note(passings: list[Passing], device: str) -> str:
    if not passings:
        return "nothing is offered: all that downloads and backups told is known"
    take = f"`racedeck take-over {device}"
    note = f"none of it counts yet; all of it: {take}`, or + on the tab; one: {take} NUMBER`"
    test = sum(one.heard_in_test is not None for one in passings)
    return f"{note}; the {test} that came during TEST only by {take} --test`, or by number" if test else note


def _row(passing: Passing, sources: Sources, everywhere: bool) -> tuple[str, ...]:
    source = "backup" if passing.origin is Origin.BACKUP else "download"
    cells = (
        str(passing.seq),
        _time(passing, sources),
        passing.channel or "-",
        passing.bib or passing.tag or "-",
        str(passing.frame),
        f"{source}, in TEST" if passing.phase is Phase.TEST else source,
        "never" if passing.heard_in_test is None else f"in TEST #{passing.heard_in_test}",
    )
    return (passing.device, *cells) if everywhere else cells


def _time(passing: Passing, sources: Sources) -> str:
    """Date and time of day where they are known; else what the device printed."""
    utc = sources.resolve(passing).utc
    if utc is None:
        return (passing.time or "?").strip()
    _, mark, decimals = (passing.time or "").strip().partition(".")
    fraction = f"{utc % SECOND:09d}"[: len(decimals)]
    return f"{datetime.fromtimestamp(utc // SECOND, sources.zone):%Y-%m-%d %H:%M:%S}{mark}{fraction}"
