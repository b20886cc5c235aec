"""What operators said of passings, and what an export makes of it: pure, no I/O.

A bib given by hand goes out when its undo time is over, and never if it was taken back, or given anew, by then. What
was taken back later goes out as the bib that holds again. Which of the two it is must not depend on what went out to
whom: a restart would not know.
"""

import heapq
import time
from bisect import insort
from collections.abc import Callable, Iterable

from msgspec import Struct

from console.exports.delivery import Account, Dropped, Hold
from console.model import SECOND, UNDO_NS, Passing, Status

IN_UNDO_TIME = Hold("edited: goes out when its undo time is over")


class Edit(Struct, frozen=True, kw_only=True):
    """One EDITED row."""

    seq: int
    of: int
    undoes: int | None
    """The EDITED row that it takes back."""
    at: int
    """When it was given, wall ns."""
    due: float
    """When its undo time is over, on the monotonic clock: that of the wall may be set."""
    void: bool
    """It takes back, in time, what therefore never goes out: neither row is passed on."""


class Edits:
    """Every EDITED row of the event. `restates`: the format can say that what went out is to have another bib."""

    def __init__(self, restates: bool, wall: Callable[[], int], clock: Callable[[], float] = time.monotonic) -> None:
        self._restates = restates
        self._wall = wall
        self._clock = clock
        self._edits: dict[int, Edit] = {}
        self._undone: dict[int, int] = {}
        self._about: dict[int, list[int]] = {}
        """Passing -> the EDITED rows about it, in order."""
        self._rows: dict[int, set[int]] = {}
        """Passing that was edited -> it, and all rows about it that were seen."""
        self._corrections: dict[int, int] = {}
        """A device's correction -> the passing that it is about, over earlier corrections."""
        self._dues: list[tuple[float, int]] = []

    def take(self, passing: Passing, *, recalled: bool = False) -> bool:
        """Take in a row that is EDITED; False: it was known. `recalled`: it is from before the engine's start."""
        seq, of = passing.seq, passing.of
        if seq in self._edits or of is None:
            return False
        given, undoes = passing.extra.get("at"), passing.extra.get("undoes")
        at = given if isinstance(given, int) else self._wall()
        left = min(max(at + UNDO_NS - self._wall(), 0), UNDO_NS)
        taken_back = self._edits.get(undoes) if isinstance(undoes, int) else None
        void = False
        if taken_back:
            self._undone[taken_back.seq] = seq
            # A word that a slow disk has kept until the other had gone out comes too late.
            void = at - taken_back.at < UNDO_NS and (recalled or self.pending(taken_back.seq))
        due = self._clock() + left / SECOND
        undone = taken_back.seq if taken_back else None
        self._edits[seq] = Edit(seq=seq, of=of, undoes=undone, at=at, due=due, void=void)
        insort(self._about.setdefault(of, []), seq)
        self._rows.setdefault(of, {of}).add(seq)
        heapq.heappush(self._dues, (due, seq))
        return True

    def base(self, passing: Passing) -> int:
        """The passing that this row is about, or is."""
        about = passing.status in (Status.JOINED, Status.CORRECTION, Status.CANCELLED, Status.EDITED)
        if not about or passing.of is None:
            return passing.seq
        base = self._corrections.get(passing.of, passing.of)
        if passing.status is Status.CORRECTION:
            self._corrections[passing.seq] = base
        return base

    def rows(self, base: int) -> set[int]:
        """`base`, and the rows about it that were seen."""
        return self._rows.get(base, {base})

    # --- time ---

    def pending(self, seq: int) -> bool:
        """Whether the row is EDITED, and can still be taken back before it goes out."""
        return seq in self._edits and self._edits[seq].due > self._clock()

    def next_due(self) -> float | None:
        """Seconds until the next undo time is over; None: none runs."""
        return max(0.0, self._dues[0][0] - self._clock()) if self._dues else None

    def over(self) -> set[int]:
        """All rows that are to be looked at again, because an undo time has ended since this was asked last."""
        found: set[int] = set()
        while self._dues and self._dues[0][0] <= self._clock():
            found |= self.rows(self._edits[heapq.heappop(self._dues)[1]].of)
        return found

    # --- what it means for one address ---

    def look(self, account: Account, passing: Passing) -> Hold | Dropped | None:
        """What keeps `passing` from this address because of what operators said; None: nothing."""
        base = self.base(passing)
        if base not in self._about:
            return None
        self._rows[base].add(passing.seq)
        edit = self._edits.get(passing.seq)
        speaks = self._speaks(base)
        if edit is None:
            return self._replaced(account, passing, base, speaks)
        if edit.void:
            return Dropped(f"takes back #{edit.undoes} before it went out", also=edit.undoes)
        if speaks is edit:
            return IN_UNDO_TIME if self.pending(edit.seq) else None
        if self._goes_again(account, edit.seq, speaks):
            return None
        if undone := self._undone.get(edit.seq):
            # Where both are void, the row that takes it back settles both, lest a crash parts them.
            why = f"undone: #{undone}"
            return Hold(why) if self._edits[undone].void else Dropped(why)
        return Hold(f"edited again: #{speaks.seq if speaks else '?'}")

    def _replaced(self, account: Account, passing: Passing, base: int, speaks: Edit | None) -> Hold | Dropped | None:
        """A device's row: an operator's word that stands holds against it, whichever came first."""
        if speaks is None or passing.status is Status.CANCELLED:
            return None
        later = passing.seq > speaks.seq
        if (later and not self._stands(base)) or (self._restates and not later):
            return None
        if self._goes_again(account, passing.seq, speaks):
            return None
        if account.said(speaks.seq):
            return Dropped(f"edited: #{speaks.seq} went out in its stead")
        return Hold(f"edited: #{speaks.seq} goes out in its stead")

    def _goes_again(self, account: Account, seq: int, speaks: Edit | None) -> bool:
        """What went out is repeated as long as what replaces it may be taken back."""
        return speaks is not None and not self.never(seq) and self.pending(speaks.seq) and account.said(seq)

    def _speaks(self, base: int) -> Edit | None:
        """The newest word of an operator that was not taken back; what takes back a word too late is one."""
        for seq in reversed(self._about[base]):
            if seq not in self._undone and not self._edits[seq].void:
                return self._edits[seq]
        return None

    def _stands(self, base: int) -> bool:
        """Whether any word of an operator is left that was not taken back."""
        return any(seq not in self._undone and self._edits[seq].undoes is None for seq in self._about[base])

    def replaces(self, account: Account, passing: Passing) -> Iterable[int]:
        """The held rows in whose stead `passing` went out."""
        base = self.base(passing)
        rows = self.rows(base)
        if self._restates:  # a device's rows are said each in its turn
            rows = rows & self._edits.keys()
        return [row for row in rows if row < passing.seq and row in account.held]

    def went_out(self, account: Account, passing: Passing) -> bool:
        """Whether the passing that `passing` is about went out to this address, in any form. May be asked in any
        thread."""
        base = self.base(passing)
        never = {seq for seq, by in self._undone.copy().items() if self._edits[by].void}
        rows = self.rows(base) - never - {seq for seq in self._about.get(base, ()) if self._edits[seq].void}
        return base in account.joined or any(account.said(row) for row in rows if row != passing.seq)

    def never(self, seq: int) -> bool:
        """Whether it is an operator's word that was taken back in time, or the taking back: neither ever goes out."""
        void_by = self._undone.get(seq, seq)
        return void_by in self._edits and self._edits[void_by].void

    # --- in words ---

    def fate(self, passing: Passing) -> str:
        """Why a row was not passed on, as far as it does not depend on the address; empty: not for that."""
        edit = self._edits.get(passing.seq)
        if edit and edit.undoes:
            return f"takes back #{edit.undoes}"
        if undone := self._undone.get(passing.seq):
            return f"undone: #{undone}"
        if edit is None and self._restates:
            return ""
        later = [seq for seq in self._about.get(self.base(passing), ()) if seq > passing.seq]
        return f"edited{' again' if edit else ''}: #{later[-1]}" if later else ""
