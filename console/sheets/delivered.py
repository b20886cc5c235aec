"""The rows behind the report's figures of an export and its peers, newest first, each linked to its frame.

What is held is known by number. For the rest, passings are gone over from the newest one back, and what became of each
is asked, until all that the figures count are found.
"""

from collections import Counter
from collections.abc import Iterator
from functools import partial

from msgspec import structs

from console.model import Act, Passing, Sheet
from console.sheets import PAGE, Sources
from console.sheets.acts import acts, said
from console.sheets.cells import ABSENT, MOST, UNKNOWN, age, clock, older, printed, who
from console.sheets.deliveries import Deliveries
from console.sheets.tell import tell

FAR = 200_000
"""Passings gone over at most: a few seconds."""

COLUMNS = ("EXPORT", "PEER", " #", "DEVICE", "KIND", "TIME", "TAG/BIB", " AGE", "WHY", " FRAME")

WORDS = {
    "journaled": ("sent", "tcp", "waiting", "held", "unmapped", "skipped"),
    "sent": ("sent", "tcp"),
    "tcp": ("tcp",),
    "waiting": ("waiting",),
    "unmapped": ("unmapped",),
    "skipped": ("skipped",),
}
"""Figure -> the words that `Export.fate` begins with for the passings that it counts."""

AGAIN = "again"
"""Behind the word of what went out only because an operator had it sent again: `resent` counts it, nothing else."""

__all__ = ["held", "journaled", "resent", "sent", "skipped", "tcp", "tell", "unmapped", "waiting"]

Found = tuple[str, str, Passing, str]
"""Export, peer, passing, and why."""


def running(sources: Sources) -> Deliveries:
    """The exports at work; raises LookupError where there are none."""
    if sources.deliveries is None or sources.deliveries.fates is None:
        raise LookupError("what became of each passing takes a running engine")
    return sources.deliveries


def held(sources: Sources) -> Sheet:
    """All that is held, and why."""
    deliveries = running(sources)
    wanted = {
        (export, peer.address): deliveries.held.get((export, peer.address), {})
        for export, peer in deliveries.peers(sources.device)
    }
    newest = sorted({seq for reasons in wanted.values() for seq in reasons}, reverse=True)[:MOST]
    found = [
        (export, peer, passing, reasons[passing.seq])
        for passing in reversed(sources.reader.these(newest))
        for (export, peer), reasons in wanted.items()
        if passing.seq in reasons
    ]
    frames = sum(peer.held for _, peer in deliveries.peers(sources.device)) - sum(map(len, wanted.values()))
    rest = "nothing is held"
    if found or frames:
        rest = "what lacks nothing: `racedeck held EXPORT release` or `skip`, or h and k on the Exports tab"
    if frames:
        rest = f"held for wired timers, which are told frames: {frames}; {rest}"
    return _sheet("held", found, sum(map(len, wanted.values())), sources, rest)


def _behind(figure: str, sources: Sources) -> Sheet:
    deliveries = running(sources)
    left = Counter(
        {(export, peer.address): getattr(peer, figure) or 0 for export, peer in deliveries.peers(sources.device)}
    )
    count = left.total()
    found: list[Found] = []
    for one in _search(figure, set(left), deliveries, sources):
        found.append(one)
        left[one[:2]] -= 1
        if len(found) == MOST or left.total() <= 0:
            break
    short = len(found) < min(count, MOST)
    rest = f"the others are not among the newest {FAR:,} passings, or their fate was settled before a restart"
    return _sheet(figure, found, count, sources, rest if short else "")


def _search(figure: str, chosen: set[tuple[str, str]], deliveries: Deliveries, sources: Sources) -> Iterator[Found]:
    """The passings that the figure counts for the chosen peers."""
    fates, before, looked = deliveries.fates, None, 0
    assert fates
    while looked < FAR and (page := sources.reader.passings(before=before, limit=PAGE)):
        for passing in reversed(page):
            for export, peer, fate in fates(passing):
                word, _, why = fate.partition(": ")
                if (export, peer) in chosen and word in WORDS[figure] and why != AGAIN:
                    yield export, peer, passing, why or word
        before, looked = page[0].seq, looked + len(page)


journaled = partial(_behind, "journaled")
sent = partial(_behind, "sent")
tcp = partial(_behind, "tcp")
waiting = partial(_behind, "waiting")
unmapped = partial(_behind, "unmapped")
skipped = partial(_behind, "skipped")


def resent(sources: Sources) -> Sheet:
    """What operators had sent again, order by order, as it is in the journal."""
    name, _, address = sources.device.partition(" ")
    found = [
        act
        for act in acts(structs.replace(sources, device=""), "export")
        if act.body.get("do") in ("resend", "resent") and name in ("", act.body.get("export"))
    ]
    ended = {act.body["id"]: act for act in found if act.body["do"] == "resent"}
    orders = [act for act in reversed(found) if act.body["do"] == "resend"]
    rows = [one for one in orders if not address or one.body.get("peer") in ("", address)][:MOST]
    return Sheet(
        title=f"resent {sources.device}".strip(),
        columns=("EXPORT", "TO", "WHEN", "BY", " FROM", " TO", "POINT", "BIB", " LINES", " UP TO"),
        rows=[_order(act, ended.get(act.body["id"]), sources) for act in rows],
        note="lines to all peers together; `?`: under way, or cut short by a restart" if rows else "",
    )


def _order(order: Act, end: Act | None, sources: Sources) -> tuple[str, ...]:
    return (
        said(order, "export"),
        said(order, "peer") or "all",
        clock(order.wall, sources),
        order.by,
        said(order, "first"),
        said(order, "last"),
        said(order, "point") or ABSENT,
        said(order, "bib") or ABSENT,
        str(end.body["sent"]) if end and "sent" in end.body else UNKNOWN,
        said(end, "last") if end else UNKNOWN,
    )


def _sheet(figure: str, found: list[Found], count: int, sources: Sources, rest: str) -> Sheet:
    return Sheet(
        title=f"{figure} {sources.device}".strip(),
        columns=COLUMNS,
        rows=[_row(*one, sources) for one in found],
        links={number: str(passing.frame) for number, (_, _, passing, _) in enumerate(found)},
        note="; ".join(filter(None, (older(len(found), count), rest))),
    )


def _row(export: str, peer: str, passing: Passing, why: str, sources: Sources) -> tuple[str, ...]:
    return (
        export,
        peer,
        str(passing.seq),
        passing.device,
        passing.kind.value,
        printed(passing),
        who(passing),
        age(sources.now - passing.wall),
        why,
        str(passing.frame),
    )
