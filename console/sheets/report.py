"""Sheet `report`: the day's reconciliation, device by device and peer by peer; one figure a row, linked to what is
behind it.

What is not known is `?`, what does not exist `-`; both are other than 0.
"""

from collections import Counter
from collections.abc import Iterator

from msgspec import Struct

from console.journal.figures import Figures
from console.model import ExportState, PeerState, Sheet, Status
from console.sheets import Sources
from console.sheets.cells import ABSENT, UNKNOWN, age
from console.sheets.deliveries import Deliveries
from console.sheets.tell import told
from console.timing.holes import in_words

COLUMNS = ("OF", "PEER", "FIGURE", " COUNT", "NOTE")

MISMATCH = "DOES NOT ADD UP"
"""Begins the note of a row that shows a fault of ours."""


class Line(Struct, frozen=True, kw_only=True):
    """One figure."""

    of: str
    figure: str
    count: str
    peer: str = ""
    """Whom an export serves; `-`: nobody yet. Empty: it is a device."""
    note: str = ""
    behind: str = ""
    """The sheet with the rows that it counts."""
    mark: str = ""


def make(sources: Sources) -> Sheet:
    """All figures of the event; of one device, where one is asked for."""
    lines = [*_devices(sources)]
    if sources.deliveries and not sources.device:
        lines += _exports(sources.deliveries, sources)
    return Sheet(
        title=f"report {sources.device}".strip(),
        columns=COLUMNS,
        rows=[(one.of, one.peer, one.figure, one.count, one.note) for one in lines],
        marks={number: one.mark for number, one in enumerate(lines) if one.mark},
        links={number: one.behind for number, one in enumerate(lines) if one.behind},
        note=_note(lines),
    )


def _note(lines: list[Line]) -> str:
    wrong = sum(one.note.startswith(MISMATCH) for one in lines)
    tell = sum(int(one.count) for one in lines if one.figure == "tell" and one.count.isdigit())
    said = []
    if wrong:
        said.append(f"{wrong} figures do not add up: a fault of RaceDeck, please report it with this table")
    if tell:
        said.append(f"tell scoring: {tell} that went out hold no more (`racedeck report --show tell`)")
    said.append("tcp: taken by the peer's TCP, which is no proof that its program has read it")
    return "; ".join(said)


def _number(count: int | None, nothing: str = UNKNOWN) -> str:
    return nothing if count is None else str(count)


# --- devices ---


def _devices(sources: Sources) -> Iterator[Line]:
    found = sources.reader.figures()
    if found is None:
        raise LookupError("the journal cannot be read just now: ask again")
    heard = {name for name, figures in found.items() if figures.frames or figures.rows.total()}
    names = [*sources.devices, *sorted(heard - {*sources.devices})]
    for name in [sources.device] if sources.device else names:
        yield from _device(name, found.get(name, Figures()), sources)


def _device(name: str, figures: Figures, sources: Sources) -> Iterator[Line]:
    rows, tally, holes = figures.rows, figures.tally, figures.holes
    counted = tally is not None or not figures.frames + rows.total()
    flaws, nameless = (tally.flaws, tally.nameless) if tally else (0, 0) if counted else (None, None)
    wrong = ""
    if tally and figures.differs:
        running = f"{tally.frames} frames, {tally.passings} passings, {tally.repeats} repeats"
        wrong = f"{MISMATCH}: {running} were counted as they were written"
    missing = None if holes is None else sum(last - first + 1 for first, last in holes)
    waiting = sources.reader.offered(name) if rows[Status.OFFERED] else []
    test = sum(one.heard_in_test is not None for one in waiting)

    def line(
        figure: str, count: int | None, behind: str = "", note: str = "", warns: bool = False, nothing: str = UNKNOWN
    ) -> Line:
        mark = "bad" if note.startswith(MISMATCH) else "warn" if warns and count else ""
        link = f"{behind or figure} {name}"
        return Line(of=name, figure=figure, count=_number(count, nothing), note=note, behind=link, mark=mark)

    yield line("frames", figures.frames - figures.sent, note=wrong or "received")
    yield line("sent-frames", figures.sent, note="by us to the device")
    yield line("flaws", flaws, note="frames that say nothing", warns=True)
    yield line("passings", rows[Status.LIVE], note="once each; recovered ones too, those of TEST too")
    yield line("repeats", rows[Status.REPEAT])
    yield line("corrections", rows[Status.CORRECTION])
    yield line("cancelled", rows[Status.CANCELLED])
    yield line("joined", rows[Status.JOINED], note="the other line of a place")
    yield line("edited", rows[Status.EDITED], note="bibs by hand, and their undoing")
    of_test = f"; {test} came during TEST" if test else ""
    warns = len(waiting) > test
    yield line("offered", len(waiting), note=f"told afterwards only, not taken over{of_test}", warns=warns)
    yield line("recovered", figures.recovered, note="taken over")
    words = ", ".join(map(in_words, holes or ()))
    yield line("holes", missing, "finish", note=f"places that never arrived: {words}" if words else "", warns=True)
    yield line("nameless", nameless, note="places without a bib", warns=True)
    yield line("incidents", figures.incidents)


# --- exports ---


def _exports(deliveries: Deliveries, sources: Sources) -> Iterator[Line]:
    tells: Counter[tuple[str, str]] | None = None
    if deliveries.fates:
        tells = Counter((one.export, one.peer) for one in told(deliveries, sources))
    for export in deliveries.exports:
        if not (export.peers or export.former):
            yield Line(of=export.name, peer=ABSENT, figure="journaled", count=_alone(export), note=_nobody(export))
        for peer in (*export.peers, *export.former):
            tell = None if tells is None else tells[export.name, peer.address]
            yield from _peer(export.name, peer, tell, sources.now)


def _alone(export: ExportState) -> str:
    return UNKNOWN if export.state == "stopped" else str(export.journaled)


def _nobody(export: ExportState) -> str:
    return "; ".join(filter(None, ("nobody has come yet", export.reason)))


def _peer(export: str, peer: PeerState, tell: int | None, now: int) -> Iterator[Line]:
    name = f"{export} {peer.address}"

    def line(figure: str, count: int | None, note: str = "", mark: str = "", nothing: str = UNKNOWN) -> Line:
        text = _number(count, nothing)
        return Line(
            of=export, peer=peer.address, figure=figure, count=text, note=note, behind=f"{figure} {name}", mark=mark
        )

    wrong = mismatch(peer)
    yield line("journaled", peer.journaled, wrong or f"= {_sum(peer)}", "bad" if wrong else "")
    yield line("sent", peer.sent, peer.reason if not peer.connected else "")
    told = "" if peer.tcp is not None or peer.sink else "this system does not tell what a peer has taken"
    yield line("tcp", peer.tcp, told, nothing=ABSENT if peer.sink else UNKNOWN)
    silent = "" if peer.acked is not None or peer.sink else "the protocol does not acknowledge"
    yield line("acked", peer.acked, silent, nothing=ABSENT)
    oldest = "" if peer.oldest is None else f"the oldest for {age(now - peer.oldest)}"
    yield line("waiting", peer.waiting, oldest)
    reasons = ", ".join(f"{count} {reason}" for reason, count in peer.reasons.items())
    yield line("held", peer.held, reasons, "warn" if peer.held else "")
    yield line("unmapped", peer.unmapped, mark="warn" if peer.unmapped else "")
    yield line("skipped", peer.skipped)
    yield line("resent", peer.resent, "once more, and in no other figure" if peer.resent else "")
    yield line("tell", tell, "went out, and holds no more" if tell else "", "warn" if tell else "")


def _sum(peer: PeerState) -> str:
    """Of what the passings for a peer are made up."""
    figures = ("sent", "waiting", "held", "unmapped", "skipped")
    return " + ".join(f"{getattr(peer, figure)} {figure}" for figure in figures)


def mismatch(peer: PeerState) -> str:
    """What cannot be right about the figures of a peer, in words; empty: they reconcile.

    Whatever is for a peer was sent, or waits, or is held, unmapped or skipped; and nothing is acknowledged that was not
    taken, nothing taken that was not sent, nothing sent that is not in the journal.
    """
    total = peer.sent + peer.waiting + peer.held + peer.unmapped + peer.skipped
    chain = [count for count in (peer.journaled, peer.sent, peer.tcp) if count is not None]
    faults = []
    if total != peer.journaled:
        faults.append(f"{_sum(peer)} = {total}")
    if chain != sorted(chain, reverse=True) or (peer.acked or 0) > peer.sent:
        faults.append("journaled >= sent >= tcp does not hold")
    if min(total, peer.waiting, peer.held, peer.unmapped, peer.skipped) < 0:
        faults.append(f"a negative count in {_sum(peer)}")
    if peer.reasons and sum(peer.reasons.values()) != peer.held:
        faults.append(f"{sum(peer.reasons.values())} reasons for {peer.held} held")
    return f"{MISMATCH}: {'; '.join(faults)}" if faults else ""
