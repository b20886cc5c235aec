"""Sheet `cards`: what was written to OTIMCON cards down lists, and what came of it."""

from console.model import Act, Sheet
from console.sheets import Sources
from console.sheets.acts import acts, at, said

COLUMNS = (" ROW", "WRITTEN", "RESULT", "AT", "BY", "LIST", " RUN", "DEVICE")


def make(sources: Sources) -> Sheet:
    """A row for each result, oldest first. `LIST` names the contents of the list; EACH has none."""
    done = list(acts(sources, "card"))
    failed = [row for row, act in enumerate(done) if not act.body.get("ok")]
    return Sheet(
        title=f"cards {sources.device}".strip(),
        columns=COLUMNS,
        rows=[_row(act, sources) for act in done],
        marks=dict.fromkeys(failed, "warn"),
        note=f"{len(done) - len(failed)} written, {len(failed)} failed; a writer does not tell which card it was",
    )


def _row(act: Act, sources: Sources) -> tuple[str, ...]:
    return (
        said(act, "row"),
        said(act, "what"),
        said(act, "result"),
        at(act, sources),
        act.by,
        said(act, "list") if act.body.get("list") else "each",
        said(act, "run"),
        said(act, "device"),
    )
