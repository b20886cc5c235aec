"""What became of every passing, per peer: pure accounting, no I/O.

For each address, at any moment: journaled = sent + waiting + held + unmapped + skipped, and journaled >= sent >= tcp.
"""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeAlias

from msgspec import Struct

from console.model import Basis, Cursor, Passing


class Hold(Struct, frozen=True):
    """Why a passing must not be sent yet."""

    reason: str
    """What it is, in a word or two; behind a colon, more about it."""
    releasable: bool = False
    """The operator may have it sent nevertheless; else something is lacking that the format needs."""
    after: int = 0
    """It goes, or is skipped, with this passing."""


class Unmapped(Struct, frozen=True):
    """Why a passing cannot be said in this format."""

    reason: str


class Dropped(Struct, frozen=True):
    """Why a passing is not to be sent after all: another row says it, or it was taken back."""

    reason: str
    also: int | None = None
    """Another one that this settles in the same way."""


Verdict: TypeAlias = bytes | Hold | Unmapped | Dropped
"""What is to be done with a passing: its bytes, or why there are none."""


def no_utc(passing: Passing) -> Hold:
    """Why a passing has no UTC, and has to wait for it."""
    if passing.basis is Basis.DAY:
        return Hold("no UTC: a time of day that was not told live, and has no date")
    return Hold("no UTC yet: the race clock has no gun")


HELD_SHOWN = 50
"""Held passings that an export names one by one."""

UNKNOWN = Hold("held before, and not looked at since", releasable=True)
"""Until it is looked at again."""


class Written(Struct, frozen=True):
    """A passing on its way to a peer."""

    end: int
    """Bytes written on this connection when it was whole."""
    seq: int
    wall: int
    released: bool
    """Sent out of turn: it had been held."""
    again: bool = False
    """Sent out of turn because the operator wants it sent again: of no account but `resent`."""


class Flight:
    """What one connection has been given and has not been seen to take."""

    def __init__(self, position: int) -> None:
        self.position = position
        """Every passing up to this one was dealt with on this connection."""
        self.written: deque[Written] = deque()

    def land(self, offset: int) -> list[Written]:
        """Everything that is whole within the first `offset` bytes of the connection: it has arrived."""
        landed = []
        while self.written and self.written[0].end <= offset:
            landed.append(self.written.popleft())
        return landed


class Account:
    """How far one address has been served, over all its connections and restarts.

    An address with several connections at once has one cursor, that of the connection which is furthest. Each one
    is served fully from where it began; but a program that was away while another one at the same address went on
    resumes from the other one's place.
    """

    def __init__(self, cursor: Cursor, *, tallied: int, unmet: int = 0) -> None:
        self.export, self.address, self.start = cursor.export, cursor.peer, cursor.start
        self.since = 0
        """Wall ns at which it was connected, or lost."""
        self.away = ""
        """Why it is not connected."""
        self.tcp = self.sent = cursor.tcp
        self.met = max(cursor.sent, cursor.tcp)
        """Passings up to this one are in the counts."""
        self.counts = Counter(cursor.counts)
        self.counts["sent"] = self.counts["tcp"]
        self.held: dict[int, Hold] = dict.fromkeys(cursor.held, UNKNOWN)
        self.reasons = Counter(hold.reason for hold in self.held.values())
        self.followers: dict[int, set[int]] = {}
        """Passing -> the held ones that go, or are skipped, with it (`Hold.after`)."""
        self.released: dict[int, bool] = {}
        """Released but not taken yet -> whether written. A restart finds them held again."""
        self.skipped = set(cursor.settled)
        """What is not to be sent; before `tcp`, only of this run of the engine."""
        self.joined: set[int] = set()
        """In whose stead another row was written; only of this run of the engine."""
        self.leaps: list[tuple[int, int]] = []
        """Ranges that the operator skipped as they waited."""
        self.leapt: set[int] = set()
        """What was on its way when its range was skipped, and still is: taken, or skipped too."""
        self.arrived: set[int] = set()
        """What was taken of that; only of this run of the engine."""
        self.underway: set[int] = set()
        """Encoded, and about to be written without anything in between."""
        self.tallied = tallied
        """How far `tally` has come."""
        self.unmet = unmet
        """Passings between `met` and `tallied` that concern this export."""
        self._unmet_since: int | None = None
        self.back_since: int | None = None
        """Arrival of the oldest passing that was counted, and must be written (again)."""
        self._unmapped: set[int] = set()
        """Of those beyond `tcp`."""
        self.unsent: dict[int, str] = {}
        """What is never written in its turn, for good -> `unmapped`, `skipped` or `joined`."""
        self.unsent_news: list[int] = []
        """Of those, what is not in the journal yet."""

    # --- figures ---

    @property
    def journaled(self) -> int:
        """Passings of the event meant for this peer."""
        return self.counts["journaled"] + self.unmet

    @property
    def waiting(self) -> int:
        """Passings not written yet, and not held."""
        done = self.counts["sent"] + self.counts["unmapped"] + self.counts["skipped"]
        return self.journaled - done - len(self.held)

    @property
    def oldest(self) -> int | None:
        """Arrival of the oldest waiting passing; None: none waits."""
        since = [wall for wall in (self.back_since, self._unmet_since) if wall is not None]
        return min(since) if since and self.waiting > 0 else None

    def cursor(self) -> Cursor:
        """What a restart must know."""
        held = tuple(sorted([*self.held, *self.released]))
        self._unmapped = {seq for seq in self._unmapped if seq > self.tcp}
        settled = {*self._unmapped, *(seq for seq in self.skipped | self.joined if seq > self.tcp)}
        return Cursor(
            export=self.export,
            peer=self.address,
            start=self.start,
            sent=self.met,
            tcp=self.tcp,
            held=held,
            settled=tuple(sorted(settled)),
            counts={name: count for name, count in self.counts.items() if count},
        )

    # --- what comes ---

    def tally(self, concerned: Sequence[Passing], upto: int) -> None:
        """Count passings up to `upto` that nobody has served yet: `concerned` are those meant for this export."""
        fresh = [passing for passing in concerned if passing.seq > self.met]
        if fresh and not self.unmet:
            self._unmet_since = fresh[0].wall
        self.unmet += len(fresh)
        self.tallied = upto

    def meet(self, passing: Passing) -> bool:
        """A connection has come to `passing`. True: it is the first, the passing is counted now."""
        if passing.seq <= self.met:
            return False
        self.met = passing.seq
        self.counts["journaled"] += 1
        if passing.seq <= self.tallied:
            self.unmet -= 1
        self._unmet_since = passing.wall if self.unmet else None
        return True

    def settled(self, seq: int) -> bool:
        """Whether this passing, met before, is not to be written in its turn."""
        done = seq in self.unsent or seq in self.skipped or seq in self._unmapped or self.leapt_over(seq)
        return done or seq in self.held or seq in self.released

    def said(self, seq: int) -> bool:
        """Whether it was written for this address."""
        if seq in self.underway:
            return True
        if seq in self.released:
            return self.released[seq]
        return self.start < seq <= self.sent and not self.settled(seq)

    def leapt_over(self, seq: int) -> bool:
        """Whether it waited when the operator skipped all that did."""
        within = any(first <= seq <= last for first, last in self.leaps)
        return within and seq not in self.leapt and seq not in self.arrived

    # --- what becomes of it ---

    def wrote(self, written: Written) -> None:
        """It was written on a connection."""
        seq = written.seq
        if written.again:
            return
        if written.released:
            if not self.released.get(seq, True):
                self.released[seq] = True
                self.counts["sent"] += 1
        elif seq > self.sent:
            self.counts["sent"] += 1
            self.sent = seq

    def reach(self, position: int) -> None:
        """A connection has dealt with everything up to `position`."""
        self.sent = max(self.sent, position)
        if position > self.met:
            self.met = position
            if not self.unmet:
                self._unmet_since = None
        if self.sent >= self.met:
            self.back_since = None

    def took(self, written: Written) -> None:
        """It was taken by the peer's TCP."""
        if written.again:
            self.counts["resent"] += 1
        elif written.released:
            self.counts["tcp"] += self.released.pop(written.seq, False)
        elif written.seq in self.leapt:
            self.leapt.discard(written.seq)
            self.arrived.add(written.seq)
            self.counts["tcp"] += 1
        elif written.seq > self.tcp:
            self.counts["tcp"] += 1
            self.tcp = written.seq

    def empty(self, position: int) -> None:
        """A connection has dealt with everything up to `position`, and nothing of it is in flight."""
        self.tcp = max(self.tcp, position)

    def lost(self, flight: Flight, others: Sequence[Flight], *, repeats: bool) -> int:
        """A connection is gone; `others` are the flights of those that remain. Returns how many it had not taken.

        They wait again. Released ones go out again by themselves where the format `repeats`, else they are held again.
        """
        floor = max(self.tcp, *(other.position for other in others)) if others else self.tcp
        in_turn = [one for one in flight.written if not one.released and not one.again]
        back = [one for one in in_turn if floor < one.seq <= self.sent]
        if back:
            self.counts["sent"] -= len(back)
            self.back_since = back[0].wall
        self.sent = min(self.sent, floor)
        for seq in (self.leapt & {one.seq for one in in_turn}) - {one.seq for other in others for one in other.written}:
            self.leapt.discard(seq)
            self.counts["sent"] -= 1
            self.counts["skipped"] += 1
        if not others:
            for seq, written in list(self.released.items()):
                self.counts["sent"] -= written
                self.released[seq] = False
                if not repeats:
                    del self.released[seq]
                    self.hold(seq, Hold("lost: not taken before the connection ended", releasable=True))
        return sum(not one.again for one in flight.written)

    # --- held ---

    def held_newest(self) -> Iterator[tuple[int, str]]:
        """The passings held last, newest first, and why."""
        for seq in islice(reversed(self.held), HELD_SHOWN):
            yield seq, self.held[seq].reason

    def hold(self, seq: int, hold: Hold) -> None:
        """Keep a passing back, or say anew why it is kept back."""
        self._free(seq)
        self.held[seq] = hold
        self.reasons[hold.reason] += 1
        if hold.after:
            self.followers.setdefault(hold.after, set()).add(seq)

    def unmap(self, seq: int) -> None:
        """It cannot be said in this format."""
        self._free(seq)
        self.counts["unmapped"] += 1
        self._unmapped.add(seq)
        self._never(seq, "unmapped")

    def release(self, seq: int) -> None:
        """Let a held passing go; it waits to be written out of turn."""
        self._free(seq)
        self.released[seq] = False

    def refuse(self, seq: int, why: Hold | Unmapped | Dropped) -> None:
        """A passing that was counted cannot be sent, or not yet."""
        self.released.pop(seq, None)
        if isinstance(why, Hold):
            self.hold(seq, why)
        elif isinstance(why, Unmapped):
            self.unmap(seq)
        else:
            self._drop(seq)
            if why.also in self.held or self.released.get(why.also or 0) is False:
                self._drop(why.also or 0)

    def skip(self, seq: int) -> bool:
        """Never send it. False: it is not held."""
        if not self._free(seq):
            return False
        self.skipped.add(seq)
        self.counts["skipped"] += 1
        self._never(seq, "skipped")
        return True

    def leap(self, upto: int, flying: Iterable[int], beyond: Sequence[Passing] = ()) -> int:
        """Never send what waits up to `upto`, which is where the last one was written, or more; how many. `flying` is
        what any connection was given in its turn and has not taken; `beyond` is what goes on waiting further on."""
        count = self.waiting - len(beyond)
        self.met = max(self.met, upto)
        unmet = [one for one in beyond if one.seq > self.met]
        self.counts["journaled"] += self.unmet - len(unmet)
        self.counts["skipped"] += count
        self.unmet, self._unmet_since = len(unmet), unmet[0].wall if unmet else None
        self.back_since = beyond[0].wall if len(beyond) > len(unmet) else None
        for seq in [seq for seq, written in self.released.items() if not written]:
            del self.released[seq]
            self.skipped.add(seq)
            self._never(seq, "skipped")
        self.leapt |= {seq for seq in flying if self.tcp < seq <= self.sent}
        if upto > self.tcp:
            self.leaps.append((self.tcp + 1, upto))
        self.sent = self.tcp = max(self.sent, upto)
        return count

    def recount(self, waiting: int) -> None:
        """So many of those that were met wait, by the settings as they are now."""
        self.counts["journaled"] += waiting - self.waiting + self.unmet

    def close(self) -> None:
        """Nobody will be served by it: what came since is not its concern."""
        self.unmet, self._unmet_since = 0, None

    def join(self, seq: int) -> None:
        """Another row was sent in the stead of this held one: one finisher, counted once."""
        if self._free(seq):
            self.joined.add(seq)
            self.counts["journaled"] -= 1
            self._never(seq, "joined")

    def _never(self, seq: int, why: str) -> None:
        self.unsent[seq] = why
        self.unsent_news.append(seq)

    def _drop(self, seq: int) -> None:
        """It is not to be sent, nor counted."""
        self._free(seq)
        self.released.pop(seq, None)
        self.skipped.add(seq)
        self.counts["journaled"] -= 1

    def _free(self, seq: int) -> bool:
        hold = self.held.pop(seq, None)
        if hold:
            self.reasons[hold.reason] -= 1
        if hold and hold.after:
            self.followers[hold.after].discard(seq)
            if not self.followers[hold.after]:
                del self.followers[hold.after]
        return hold is not None
