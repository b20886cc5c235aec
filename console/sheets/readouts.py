"""Sheet `readouts`: what cards held when they were read at an OTIMCON station, with splits, the newest card first.

Made from the station's lines themselves, so that a readout that broke off is there too. Times are a station's digits:
no zone (otimcon.md, section 6).
"""

from collections.abc import Iterable
from datetime import UTC, datetime

from msgspec import Struct

from console.codecs.otimcon import FINISH, START, Decoder
from console.codecs.otimcon_records import CardError, CardSeen, Readout, ReadoutEnd, ReadoutLine
from console.model import SECOND, Direction, Frame, Sheet
from console.sheets import Sources

COLUMNS = ("READ AT", "CARD", "NAME", "CONTROL", "TIME", " SPLIT", " TOTAL", "NOTE")
LINES = 2000
"""Lines of readouts that are looked at: as many readouts of new firmware, some forty of old."""
MOST = 50
"""Readouts that are shown."""

_NAMES = {START: "START", FINISH: "FINISH"}
DAY = 86_400


class Card(Struct):
    """One readout."""

    frame: Frame
    """That it ended with."""
    uid: str
    pairs: list[tuple[int, int]]
    """(control, epoch), oldest first."""
    torn: bool = False
    """The card was taken away too early."""
    unsure: str = ""
    """Why nothing proves that it is whole."""

    @property
    def problem(self) -> str:
        """In words; empty: none."""
        return "TAKEN AWAY TOO EARLY: read it again" if self.torn else self.unsure


def make(sources: Sources) -> Sheet:
    """The newest readouts of the device, or of all of them."""
    cards = readouts(_frames(sources))[-MOST:][::-1]
    rows: list[tuple[str, ...]] = []
    marks: dict[int, str] = {}
    newest: dict[str, Card] = {}
    for card in cards:
        newest.setdefault(card.uid, card)
        if card.problem:
            marks[len(rows)] = "bad" if card.torn else "warn"
        rows += _rows(card, sources)
    again = [card.uid for card in newest.values() if card.torn]
    return Sheet(
        title=f"readouts {sources.device}".strip(),
        columns=COLUMNS,
        rows=rows,
        marks=marks,
        note=f"READ AGAIN: {', '.join(again)}"
        if again
        else f"{len(cards)} readout{'s' * (len(cards) != 1)}; splits from the last START on",
    )


def _frames(sources: Sources) -> list[Frame]:
    """The newest lines that have to do with readouts, by device and in order."""
    found: dict[int, Frame] = {}
    oldest = 0
    for text in ("readout", "card", "punch"):  # the label of a line, or what is on it
        page = sources.reader.frames(limit=LINES, device=sources.device, direction=Direction.RX, text=text)
        found |= {frame.seq: frame for frame in page}
        if len(page) == LINES and text != "readout":
            oldest = max(oldest, page[0].seq)
    return sorted(
        (frame for frame in found.values() if frame.seq >= oldest), key=lambda frame: (frame.device, frame.seq)
    )


def readouts(frames: Iterable[Frame]) -> list[Card]:
    """The readouts in these lines, in order of their ends. Lines of one device must follow each other."""
    cards: list[Card] = []
    decoder, device = Decoder(), ""
    old: list[tuple[int, int]] = []
    for frame in frames:
        if frame.device != device:
            decoder, device, old = Decoder(), frame.device, []
        for piece in decoder.receive(frame.raw):
            match piece.record:
                case Readout(str(uid), pairs, complete, after_punch):
                    unsure = "read at a control: may lack punches" if after_punch else ""  # % proves nothing there
                    cards.append(Card(frame, uid, list(pairs), not complete, unsure))
                case ReadoutLine(str(), control, epoch):
                    old.insert(0, (control, epoch))
                case ReadoutEnd(str(uid)):
                    cards.append(Card(frame, uid, old, unsure="old firmware: may lack punches"))
                    old = []
                case CardSeen() | CardError():
                    old = []
        if not frame.raw.endswith(b"\n"):
            decoder.flush()  # a line that a lost link cut off
    return sorted(cards, key=lambda card: card.frame.seq)


def _rows(card: Card, sources: Sources) -> list[tuple[str, ...]]:
    punches = since_start(card.pairs)
    left_out = len(card.pairs) - len(punches)
    note = "; ".join(part for part in (card.problem, f"{left_out} earlier left out" if left_out else "") if part)
    read_at = f"{datetime.fromtimestamp(card.frame.wall // SECOND, sources.zone):%H:%M:%S}"
    lines = _lines(punches) or [("-", "", "", "")]
    return [
        (read_at, card.uid, _name(card, sources), *lines[0], note or ("" if punches else "empty")),
        *(("", "", "", *line, "") for line in lines[1:]),
    ]


def _name(card: Card, sources: Sources) -> str:
    """Whose card it is, as far as its punches are bound to somebody."""
    for passing in sources.reader.passings_of(card.frame.seq)[:1]:
        known = sources.resolve(passing)
        return known.name or known.bib or ""
    return ""


def since_start(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The punches from the last START on; all, where there is none."""
    starts = [index for index, (control, _) in enumerate(pairs) if control == START]
    return pairs[starts[-1] :] if starts else pairs


def _lines(punches: list[tuple[int, int]]) -> list[tuple[str, str, str, str]]:
    """Control, time, split and total; the date where it is another one than before."""
    lines = []
    day = -1
    for index, (control, epoch) in enumerate(punches):
        shown = datetime.fromtimestamp(epoch, UTC).strftime("%H:%M:%S" if epoch // DAY == day else "%Y-%m-%d %H:%M:%S")
        day = epoch // DAY
        before = punches[max(0, index - 1)][1]
        lines.append((_NAMES.get(control, str(control)), shown, _span(epoch - before), _span(epoch - punches[0][1])))
    return lines


def _span(seconds: int) -> str:
    """A duration; unlike a ticket's it wraps neither at 24 hours nor below zero (section 4)."""
    minutes, rest = divmod(abs(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{'-' if seconds < 0 else ''}{hours}:{minutes:02}:{rest:02}"
