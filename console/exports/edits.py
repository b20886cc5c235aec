"""What operators said of passings, and what an export makes of it: pure, no I/O.

A bib given by hand goes out when its undo time is over, and never if it was taken back, or given anew, by then. What
was taken back only after it had gone out goes out as the bib that holds again.
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
    due: float
    """When its undo time is over, on the monotonic clock: that of the wall may be set."""


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

    def take(self, passing: Passing) -> bool:
        """Take in a row that is EDITED; False: it was known."""
        seq, of = passing.seq, passing.of
        if seq in self._edits or of is None:
            return False
        undoes, at = passing.extra.get("undoes"), passing.extra.get("at")
        left = (at if isinstance(at, int) else self._wall()) + UNDO_NS - self._wall()
        due = self._clock() + min(max(left, 0), UNDO_NS) / SECOND
        self._edits[seq] = Edit(seq=seq, of=of, undoes=undoes if isinstance(undoes, int) else None, due=due)
        if isinstance(undoes, int):
            self._undone[undoes] = seq
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
        speaks = self._speaks(account, base)
        if edit is None:
            return self._replaced(account, passing, speaks)
        if self._void(account, edit):
            return Dropped(f"takes back #{edit.undoes}, which had not gone out", also=edit.undoes)
        if speaks is edit:
            return IN_UNDO_TIME if self.pending(edit.seq) else None
        if self._goes_again(account, edit.seq, speaks):
            return None
        undone = self._undone.get(edit.seq)
        return Hold(f"undone: #{undone}" if undone else f"edited again: #{speaks.seq if speaks else '?'}")

    def _replaced(self, account: Account, passing: Passing, speaks: Edit | None) -> Hold | Dropped | None:
        """A device's row: an operator's word holds against it, whichever came first."""
        restated = passing.seq < speaks.seq or passing.status is Status.CANCELLED if speaks else True
        if speaks is None or (self._restates and restated) or self._goes_again(account, passing.seq, speaks):
            return None
        if account.said(speaks.seq):
            return Dropped(f"edited: #{speaks.seq} went out in its stead")
        return Hold(f"edited: #{speaks.seq} goes out in its stead")

    def _goes_again(self, account: Account, seq: int, speaks: Edit | None) -> bool:
        """What went out is repeated as long as what replaces it may be taken back."""
        return speaks is not None and self.pending(speaks.seq) and account.said(seq)

    def _speaks(self, account: Account, base: int) -> Edit | None:
        """The newest word of an operator that was not taken back; what takes back a word that went out is one."""
        for seq in reversed(self._about[base]):
            edit = self._edits[seq]
            if seq not in self._undone and not self._void(account, edit):
                return edit
        return None

    def _void(self, account: Account, edit: Edit) -> bool:
        """It takes back what never went out to this address, nor replaced anything there: there is nothing to say."""
        undoes = edit.undoes
        if undoes is None or undoes not in self._edits or account.said(undoes) or undoes in account.joined:
            return False
        return edit.of not in account.joined

    def replaces(self, account: Account, passing: Passing) -> Iterable[int]:
        """The held rows in whose stead `passing` went out."""
        base = self.base(passing)
        rows = self.rows(base)
        if self._restates:  # each row is said in its turn; only words of operators replace one another
            rows = rows & self._edits.keys() if passing.seq in self._edits else set()
        return [row for row in rows if row < passing.seq and row in account.held]

    def went_out(self, account: Account, passing: Passing) -> bool:
        """Whether the passing that `passing` is about went out to this address, in any form."""
        base = self.base(passing)
        return base in account.joined or any(account.said(row) for row in self.rows(base) if row != passing.seq)

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
