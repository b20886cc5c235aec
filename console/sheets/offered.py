"""Sheet `offered`: what a download or a backup brought that never came live, and that was not taken over yet."""

from datetime import datetime

from console.model import SECOND, Origin, Passing, Phase, Sheet
from console.sheets import Sources

COLUMNS = (" #", "TIME", "CHANNEL", "TAG/BIB", " FRAME", "FROM")


def make(sources: Sources) -> Sheet:
    """All that is offered, in the order in which it was told."""
    passings = sources.reader.offered(sources.device)
    everywhere = not sources.device
    device = sources.device or "DEVICE"
    return Sheet(
        title=f"offered {sources.device}".strip(),
        columns=("DEVICE", *COLUMNS) if everywhere else COLUMNS,
        rows=[_row(one, sources, everywhere) for one in passings],
        note=f"none of it counts yet; all of it: `racedeck take-over {device}`, or + on the tab; "
        f"one: `racedeck take-over {device} NUMBER`"
        if passings
        else "nothing is offered: all that downloads and backups told is known",
    )


def _row(passing: Passing, sources: Sources, everywhere: bool) -> tuple[str, ...]:
    source = "backup" if passing.origin is Origin.BACKUP else "download"
    cells = (
        str(passing.seq),
        _time(passing, sources),
        passing.channel or "-",
        passing.bib or passing.tag or "-",
        str(passing.frame),
        f"{source}, in TEST" if passing.phase is Phase.TEST else source,
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
