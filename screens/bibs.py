"""Bibs by hand: typed for a passing without one, counted down until exports send it, taken back with `u`."""

from typing import Any

from console.control.client import Done, EngineGoneError, RefusedError
from console.model import SECOND, UNDO_NS, Resolved
from screens import words
from screens.desk import OBSERVES, Desk
from screens.listing import Listing
from screens.paint import Line
from screens.picture import Picture
from screens.prompt import Prompt
from screens.sources import Passings, without_bib

GOES_OUT = "; goes out in "

ANSWERS = (("Enter", "save, next without bib"), ("Esc", "back"))


class Bibs:
    """What the operator at `desk` says of whose passings they were."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._given: set[int] = set()
        """Passings given a bib here: on their way, though the rows may not show it yet."""
        self._said = ""
        """What was done last."""
        self._goes_out = ""
        """Exports wait for it; empty: there are none, or they do not get it."""
        self._until = 0
        """The engine's clock when exports send it."""

    # --- the entry ---

    def open(self, typed: str = "") -> None:
        """Ask for the bib of the passing under the cursor, or, following, of the first one on the screen without."""
        listing = passings_of(self._desk)
        if listing is None:
            self._desk.say("bibs are given on a list of passings (the Race tab, a device's tab)", "warn")
        elif self._desk.observes:
            self._desk.say(OBSERVES, "bad")
        elif row := self._row(listing):
            self._ask(listing, row, typed)
        else:
            self._desk.say("no passing without a bib in sight; Up puts the cursor on one, then b", "warn")

    def _row(self, listing: Listing[Resolved]) -> Resolved | None:
        if not listing.following:
            return listing.current
        shown = listing.visible
        return self._nameless(listing, shown[0].passing.seq) if shown else None

    def _nameless(self, listing: Listing[Resolved], first: int) -> Resolved | None:
        """The first passing without a bib from number `first` on, of those that are loaded."""
        rows = (row for row in without_bib(listing.rows) if row.passing.seq >= first)
        return next((row for row in rows if row.passing.seq not in self._given), None)

    def _ask(self, listing: Listing[Resolved], row: Resolved, typed: str = "") -> None:
        passing = row.passing
        if not listing.following:
            listing.goto(passing.seq)
        listing.marked = passing.seq
        about = [f"place {passing.extra['place']:>04}"] if "place" in passing.extra else [row.point or passing.device]
        about += [f"now {row.bib}"] if row.bib else []

        def back() -> None:
            listing.marked = None

        self._desk.ask(
            Prompt(
                f"BIB for #{passing.seq} ({', '.join(about)}): ",
                lambda text: self._take(listing, row, text.strip()),
                text=typed,
                back=back,
                answers=ANSWERS,
            )
        )

    def _take(self, listing: Listing[Resolved], row: Resolved, bib: str) -> None:
        listing.marked = None
        if not bib:
            self._desk.say("no bib was typed; nothing was changed", "warn")
            return
        self.give(row.passing.seq, bib)
        # The next question opens at once: digits typed ahead must never go to another passing than the one it names.
        following = self._nameless(listing, row.passing.seq + 1)
        if row.bib is None and following:
            self._ask(listing, following)

    def give(self, seq: int, bib: str) -> None:
        """Save the bib of passing `seq`; an empty one: nobody's that we know."""
        if self._desk.observes:
            self._desk.say(OBSERVES, "bad")
        else:
            self._given.add(seq)
            self._desk.do(self._save(seq, bib))

    async def _save(self, seq: int, bib: str) -> str:
        try:
            done = await self._desk.client.set_bib(seq, bib)
        except (RefusedError, EngineGoneError) as error:
            self._given.discard(seq)
            raise type(error)(f"#{seq} {bib} NOT SAVED: {error}") from None
        # The engine says how long it waits when it is told; from then on it is counted down here.
        self._said, self._goes_out, _ = done.text.partition(GOES_OUT)
        self._until = self._desk.picture.now + UNDO_NS
        self._look_again()
        return ""

    def _look_again(self) -> None:
        if listing := passings_of(self._desk):
            listing.outdated()

    # --- taking back ---

    def undo(self) -> None:
        """Take back the newest bib given here."""
        if self._desk.observes:
            self._desk.say(OBSERVES, "bad")
        else:
            self._desk.do(self._undo())

    async def _undo(self) -> Done:
        done = await self._desk.client.undo()
        self._said = ""
        self._given.clear()
        self._look_again()
        return done

    def notice(self, width: int, picture: Picture) -> list[Line]:
        """What was done last, and for how long it can still be taken back before anybody sees it."""
        left = self._until - picture.now
        if not self._said or left <= 0 or left > UNDO_NS:
            return []
        end = f"{GOES_OUT}{-(-left // SECOND)} s" if self._goes_out else ""
        said = words.fit(self._said, min(len(words.clean(self._said)), width - len(end) - 16))
        text = f"done: {said}{end}"
        key = "Esc, u undo" if self._desk.asking else "u undo"  # a bib may be a u
        return [[(text, "good"), (words.fit(key, width - len(text), right=True), "key")]]


def passings_of(desk: Desk) -> Listing[Any] | None:
    """The list of passings on the screen: the one in front, else the first there is."""
    view = desk.stack.view
    panes = [view.listing, *view.panes]
    return next((pane for pane in panes if isinstance(pane, Listing) and isinstance(pane.source, Passings)), None)
