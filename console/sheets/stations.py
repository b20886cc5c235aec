"""Sheet `stations`: the OTIMCON stations that were set up for the event, in the order in which they were."""

from console.model import Act, Sheet
from console.sheets import Sources
from console.sheets.acts import acts, at, said

COLUMNS = (" CONTROL", "VERSION", "MODE", " WAS OFF", " IS OFF", "BACKUP", "AT", "BY", "DEVICE")

_NAMES = {"251": "START", "252": "FINISH"}


def make(sources: Sources) -> Sheet:
    """A row for each time that one was set; a number that was given again later is told."""
    done = list(acts(sources, "station"))
    latest = {said(act, "control"): row for row, act in enumerate(done)}
    several = {"-", *_NAMES}
    again = [row for row, act in enumerate(done) if (key := said(act, "control")) not in several and latest[key] != row]
    numbers = {said(act, "control") for act in done}
    return Sheet(
        title=f"stations {sources.device}".strip(),
        columns=COLUMNS,
        rows=[_row(act, sources) for act in done],
        marks=dict.fromkeys(again, "warn"),
        note=f"{len(done)} set, {len(numbers)} numbers; marked: its number was given again later: to another station?"
        if again
        else f"{len(done)} set; seconds off are of its clock, before and after",
    )


def _row(act: Act, sources: Sources) -> tuple[str, ...]:
    control = said(act, "control")
    return (
        _NAMES.get(control, control),
        said(act, "version"),
        said(act, "mode"),
        _seconds(act.body.get("off_before")),
        _seconds(act.body.get("off")),
        "reset" if act.body.get("backup_reset") else "-",
        at(act, sources),
        act.by,
        said(act, "device"),
    )


def _seconds(value: object) -> str:
    return f"{value:+d}" if isinstance(value, int) else "-"
