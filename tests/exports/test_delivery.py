"""Accounting: whatever happens, the figures add up, and a cursor never passes what was not taken."""

import asyncio
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from console.exports.delivery import Account, Hold, Unmapped, Verdict
from console.exports.pump import Pump
from console.exports.resend import WORDS, Again, Wanted
from console.model import Cursor, Kind, Passing, Resolved, Status
from tests.exports.desk import MemoryFeed, passing

GOOD, HELD, LACKING, UNFIT, OTHER = "good", "held", "lacking", "unfit", "other"


class PlainFormat:
    """A line with the passing's number. What is to be said of a passing stands in its `change`."""

    enclosure = (b"", b"", b"")
    interval = 0.0

    def __init__(self) -> None:
        self.cured: set[int] = set()
        self.go = asyncio.Event()

    def not_for(self, address: str, one: Passing) -> str:
        return "other" if one.change == OTHER else ""

    def left_out(self, account: Account, one: Passing) -> bool:
        return False

    def verdict(self, account: Account, one: Passing, *, forced: bool = False) -> Verdict:
        if one.change == UNFIT:
            return Unmapped("unfit")
        if one.change == LACKING and one.seq not in self.cured:
            return Hold("lacking")
        if one.change == HELD and not forced:
            return Hold("held", releasable=True)
        return b"%d\n" % one.seq

    def known(self, one: Passing) -> Resolved:
        return Resolved(passing=one, utc=one.ns, point=None, bib=one.bib)

    def replaces(self, account: Account, one: Passing) -> list[int]:
        return [one.of] if one.of is not None else []

    def unmapped(self, why: Unmapped) -> None:
        pass

    def kept(self, account: Account) -> None:
        pass


class ArrayFormat(PlainFormat):
    """Lines are of use only when the whole document is there."""

    enclosure = (b"[\n", b",", b"]\n")


class FakePeer:
    """Remembers what was written, and how much of it was taken."""

    def __init__(self) -> None:
        self.data = b""
        self.offset = 0

    @property
    def written(self) -> int:
        return len(self.data)

    def write(self, data: bytes) -> None:
        self.data += data


class Deliveries(RuleBasedStateMachine):
    """One address with up to three connections, an operator, and an engine that crashes."""

    @initialize(array=st.booleans(), repeats=st.booleans())
    def begin(self, array: bool, repeats: bool) -> None:
        self.form = ArrayFormat() if array else PlainFormat()
        self.repeats = repeats
        self.feed = MemoryFeed()
        self.received: set[int] = set()
        self.pumps: list[tuple[Pump, FakePeer]] = []
        self.skipped: set[int] = set()
        self.leapt = False
        self.saved = Cursor(export="e", peer="p", start=0, sent=0, tcp=0)
        self.account = Account(self.saved, tallied=0)

    # --- the race ---

    @rule(kinds=st.lists(st.sampled_from([GOOD, GOOD, HELD, LACKING, UNFIT, OTHER]), min_size=1, max_size=6))
    def passings_come(self, kinds: list[str]) -> None:
        self.feed.passings += [passing(self.feed.newest + 1 + n, change=kind) for n, kind in enumerate(kinds)]

    @rule()
    def the_other_half_of_a_held_place_comes(self) -> None:
        place = next((seq for seq in self.account.held if self.feed.passings[seq - 1].change == LACKING), None)
        if place is not None:
            other = passing(self.feed.newest + 1, kind=Kind.SELECT, change=GOOD, status=Status.JOINED, of=place)
            self.feed.passings.append(other)
            self.skipped.add(place)

    @rule()
    def tally(self) -> None:
        new = self.feed.passings[self.account.tallied :]
        self.account.tally([one for one in new if not self.form.not_for("p", one)], self.feed.newest)

    # --- clients ---

    @precondition(lambda self: len(self.pumps) < 3)
    @rule()
    def connect(self) -> None:
        peer = FakePeer()
        pump: Any = Pump(self.form, self.feed, self.account, peer)  # type: ignore[arg-type]
        self.pumps.append((pump, peer))

    @precondition(lambda self: self.pumps)
    @rule(which=st.integers(0, 2), limit=st.integers(1, 8))
    def pump(self, which: int, limit: int) -> None:
        pump, _ = self.pumps[which % len(self.pumps)]
        batch = self.feed.passings[pump.flight.position :][:limit]
        if batch:
            pump._serve(batch)
        releases, pump.releases = pump.releases, []
        pump._serve_released([self.feed.passings[seq - 1] for seq in sorted({*releases})])
        if pump.again:
            before = self.figures()
            pump._serve_again(pump.again, self.feed.passings[pump.again.at : pump.again.what.last][:limit])
            assert self.figures() == before  # it is of no other figure, and moves nothing
            if pump.again.at >= pump.again.what.last:
                again = pump.again
                pump.end_again("")
                assert again.over.is_set()
                assert sum(again.counts.values()) == again.what.last - again.what.first + 1
                assert set(again.counts) <= {"sent", *WORDS}

    def figures(self) -> tuple[object, ...]:
        account = self.account
        held, released = dict(account.held), dict(account.released)
        return dict(account.counts), account.waiting, account.sent, account.tcp, account.met, held, released

    @precondition(lambda self: self.pumps)
    @rule(which=st.integers(0, 2), count=st.sampled_from([1, 2, 3, 5, 1000]))
    def take(self, which: int, count: int) -> None:
        pump, peer = self.pumps[which % len(self.pumps)]
        peer.offset = min(peer.offset + count, peer.written)
        document = peer.data[: peer.offset]
        if isinstance(self.form, ArrayFormat):
            document = document[: document.rfind(b"]") + 1].replace(b"[", b"").replace(b"]", b"").replace(b",", b"")
        else:
            document = document[: document.rfind(b"\n") + 1]
        self.received |= {int(word) for word in document.split()}
        pump.taken(peer.offset)

    @precondition(lambda self: self.pumps)
    @rule(which=st.integers(0, 2))
    def drain(self, which: int) -> None:
        pump, _ = self.pumps[which % len(self.pumps)]
        while pump.flight.position < self.feed.newest or pump.releases:
            self.pump(which, 8)
        self.take(which, 1_000_000)
        if not self.account.released:
            assert self.account.waiting == 0
            assert self.account.oldest is None
            under_way = len(self.account.leapt)  # on another connection, when the rest was skipped
            assert self.account.counts["sent"] == self.account.counts["tcp"] + under_way

    @precondition(lambda self: self.pumps)
    @rule(which=st.integers(0, 2))
    def lose(self, which: int) -> None:
        pump, _ = self.pumps.pop(which % len(self.pumps))
        pump.end_again("gone")
        self.account.lost(pump.flight, [other.flight for other, _ in self.pumps], repeats=self.repeats)

    # --- the operator ---

    @precondition(lambda self: self.account.held)
    @rule(which=st.integers(0, 100))
    def release(self, which: int) -> None:
        seq = list(self.account.held)[which % len(self.account.held)]
        self.form.cured.add(seq)
        self.account.release(seq)
        for pump, _ in self.pumps:
            pump.releases.append(seq)

    @precondition(lambda self: self.account.held)
    @rule(which=st.integers(0, 100))
    def skip(self, which: int) -> None:
        seq = list(self.account.held)[which % len(self.account.held)]
        self.skipped.add(seq)
        assert self.account.skip(seq)
        assert not self.account.skip(seq)

    @rule(came=st.integers(0, 3))
    def skip_all_that_waits(self, came: int) -> None:
        """`came`: so many passings have come since that was asked about."""
        account = self.account
        self.tally()
        end = max(account.sent, self.feed.newest - came)
        beyond = [
            one for one in self.feed.passings[end:] if not account.settled(one.seq) and not self.form.not_for("p", one)
        ]
        waiting = account.waiting - len(beyond)
        flying = [
            one.seq for pump, _ in self.pumps for one in pump.flight.written if not one.released and not one.again
        ]
        self.skipped |= set(range(account.sent + 1, end + 1)) - account.held.keys()
        self.skipped |= {seq for seq, written in account.released.items() if not written} | set(flying)
        assert account.leap(end, flying, beyond) == waiting
        for pump, _ in self.pumps:
            pump.leap(account.sent)
        assert account.waiting == len(beyond) >= account.unmet
        self.leapt = True

    @precondition(lambda self: self.pumps and self.feed.newest)
    @rule(which=st.integers(0, 2), first=st.integers(1, 1000), count=st.integers(1, 1000))
    def send_again(self, which: int, first: int, count: int) -> None:
        first = 1 + first % self.feed.newest
        pump, _ = self.pumps[which % len(self.pumps)]
        pump.again = Again(Wanted(first=first, last=min(first + count - 1, self.feed.newest)))

    @precondition(lambda self: not self.pumps)
    @rule()
    def be_forgotten(self) -> None:
        """And come back as a newcomer, to whom nothing before that counts."""
        account, newest = self.account, self.feed.newest
        account.close()
        for seq in list(account.held):
            account.skip(seq)
        account.leap(account.met, ())
        kept = Account(account.cursor(), tallied=0)
        for one in (account, kept):
            assert (one.waiting, len(one.held), one.oldest) == (0, 0, None)
            counts = one.counts
            assert one.journaled == counts["sent"] + counts["unmapped"] + counts["skipped"]
            assert counts["sent"] == counts["tcp"]
        self.skipped |= set(range(1, newest + 1))
        self.saved = Cursor(export="e", peer="p#2", start=newest, sent=newest, tcp=newest)
        self.account = Account(self.saved, tallied=newest)

    # --- the engine ---

    @rule()
    def save(self) -> None:
        self.saved = self.account.cursor()

    @rule()
    def crash(self) -> None:
        self.pumps.clear()
        account = self.account = Account(self.saved, tallied=0)
        met = [one for one in self.feed.passings[account.tcp : account.met] if not account.settled(one.seq)]
        waiting = sum(not self.form.not_for("p", one) for one in met)
        assert self.leapt or account.waiting == waiting
        account.recount(waiting)
        self.tally()

    # --- what must always be true ---

    @invariant()
    def figures_add_up(self) -> None:
        account = getattr(self, "account", None)
        if account is None:
            return
        counts = account.counts
        assert account.journaled >= counts["sent"] >= counts["tcp"] >= 0
        assert account.waiting >= 0
        assert account.unmet >= 0
        written = [one for pump, _ in self.pumps for one in pump.flight.written if not one.released and not one.again]
        flying = {one.seq for one in written if one.seq > account.tcp} | account.leapt
        assert counts["sent"] == counts["tcp"] + len(flying) + sum(account.released.values())
        assert counts["tcp"] <= len(self.received)
        assert all(count >= 0 for count in counts.values())
        assert account.tcp <= account.met
        assert account.oldest is None or account.waiting
        assert sum(account.reasons.values()) == len(account.held)

    @invariant()
    def the_cursor_skips_nothing(self) -> None:
        account = getattr(self, "account", None)
        if account is None:
            return
        owed = {one.seq for one in self.feed.passings[: account.tcp] if one.change in (GOOD, HELD, LACKING)}
        assert owed <= self.received | set(account.cursor().held) | self.skipped


TestDeliveries = Deliveries.TestCase
TestDeliveries.settings = settings(max_examples=150, stateful_step_count=40)
