"""What every export does that keeps an account per peer: what is for it, what is held, what was said of it."""

import asyncio
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable
from typing import ClassVar, TypeVar

from console.exports import filters, steering, unsent
from console.exports.behind import Behind
from console.exports.breaks import Breaks
from console.exports.cursors import Cursors
from console.exports.delivery import Account, Hold, Unmapped
from console.exports.export import Desk, ExportSettings, Talk
from console.exports.figures import FORGOTTEN, FORMER
from console.exports.peer import Peer
from console.exports.pump import Pump
from console.exports.reading import read, read_on
from console.exports.steering import Steering, address_of
from console.exports.tail import Tail
from console.exports.telling import TellingExport
from console.model import Cursor, Level, Passing, Selection, Status

WATCH_EVERY = 1.0
"""Seconds between two looks at the ages of what waits."""

MISFITS = 3
"""Passings that do not fit, each for another reason, that are said one by one."""

SAID = 100
"""Different unmapped tags and refused addresses that become incidents; beyond, they are only counted."""

S = TypeVar("S", bound=ExportSettings)


class ServingExport(TellingExport[S]):
    """Peers come and go; what became of every passing is kept per address."""

    repeats: ClassVar[bool]
    """Whether a duplicate is safer than a miss: then a known address gets the last `overlap` seconds again."""
    counted: ClassVar[str] = "passings"
    """What is counted."""
    enclosure: tuple[bytes, bytes, bytes] = (b"", b"", b"")
    interval: float = 0.0

    def __init__(self, settings: S, desk: Desk, now: Callable[[], int]) -> None:
        super().__init__(settings, desk, now)
        self._born = desk.feed.newest
        """Passings up to this one were there before it; what comes while it gets ready is for its target."""
        self._pumps: dict[Peer, tuple[Pump, asyncio.Task[None]]] = {}
        self._cursors = Cursors(desk)
        self._tallied = 0
        self._concerned: Counter[str] = Counter()
        """Device -> passings that concern this export, as far as tallied."""
        self._new = asyncio.Event()
        self._look_again = asyncio.Event()
        self._doubtful: set[int] | None = None
        """What is to be looked at again; None: everything that is held."""
        self._undo_time: asyncio.TimerHandle | None = None
        self._steering = Steering(self.settings.name, desk, now, self._pumps_of, self.kept)
        self.go = self._steering.go
        self._behind = Behind(self._trouble, now)
        self._breaks = Breaks(self._trouble, self.counted, now)
        self._tails: dict[str, Tail] = {}
        self._said: set[str] = set()
        self._misfits = 0
        """Passings said not to fit the format, each for another reason."""

    # --- life ---

    async def run(self) -> None:
        """Serve until cancelled."""
        try:
            await self._load()
            await self.begin()
            async with asyncio.TaskGroup() as tasks:
                for work in (self.reach, self._follow, self._tally, self._recheck, self._watch):
                    tasks.create_task(work())
        finally:
            await self.end()

    async def begin(self) -> None:
        """What is to be done once the accounts are there."""

    @abstractmethod
    async def reach(self) -> None:
        """Keep up the way to the peers."""

    @abstractmethod
    async def end(self) -> None:
        """Let peers take what is on its way, part from them, and save the accounts."""

    async def _follow(self) -> None:
        """Stir everybody when there is something new."""
        newest = self.desk.feed.newest
        self._new.set()
        while True:
            await self.desk.feed.beyond(newest)
            newest = self.desk.feed.newest
            for pump, _ in self._pumps.values():
                pump.stir.set()
            self._new.set()

    async def _watch(self) -> None:
        while True:
            for account in self._accounts.values():
                there = bool(self._pumps_of(account)) and not self._steering.paused
                self._behind.look(account, there=there)
            self._breaks.look()
            await asyncio.sleep(WATCH_EVERY)

    # --- accounts ---

    def account(self, cursor: Cursor, tallied: int = 0, unmet: int = 0) -> Account:
        """The account of a peer."""
        return Account(cursor, tallied=tallied, unmet=unmet)

    def mine(self, address: str) -> bool:
        """Whether this is the address of a peer of the export, as its settings are now."""
        del address
        return True

    async def _load(self) -> None:
        after = 0
        while page := await self.desk.page(after=after, statuses=(Status.EDITED,)):
            for passing in page:
                self._take(passing, recalled=True)
            after = page[-1].seq
        self._steering.load(await self.desk.notes(steering.ACT))
        recalled = await self.desk.notes(unsent.ACT)
        cursors = self.desk.cursors(self.settings.name)
        for cursor in cursors:
            account = self.account(cursor)
            account.since, account.away = self.now(), "not connected since the start"
            unsent.recall(account, recalled)
            if by := self._steering.forgotten.get(cursor.peer):
                self.retire(account, FORGOTTEN + by)
            elif not self.mine(cursor.peer):
                self.retire(account, FORMER)
            else:
                self._accounts[cursor.peer] = account
                await self._judge_anew(account)
        everything = self.settings.newcomers == "all" or not self._accounts
        self._tallied = 0 if everything else min([self._born, *(account.met for account in self._accounts.values())])
        for leap in self._steering.leaps:
            whose = self._accounts.get(leap.peer) or self._former.get(leap.peer)
            if whose and leap.last <= whose.tcp:  # else a kill came before it was counted: they go out
                whose.leaps.append((leap.first, leap.last))
        self._filters.load(await self.desk.notes(filters.ACT), {cursor.peer: cursor.tcp for cursor in cursors})
        self.rebind()

    async def _judge_anew(self, account: Account) -> None:
        """What was met and still waits counts by the settings as they are now, not as they were."""
        at, waiting = account.tcp, 0
        while at < account.met and (batch := await read_on(self.desk.feed, at)):
            at = batch[-1].seq
            for one in batch:
                if one.seq <= account.met and not account.settled(one.seq) and not self.not_for(account.address, one):
                    waiting += 1
                    account.back_since = account.back_since or one.wall
        account.recount(waiting)

    async def _tally(self) -> None:
        """Count what concerns this export, so that absent peers' queues are known without looking for them."""
        while True:
            self._new.clear()
            at = self._tallied
            batch = await read_on(self.desk.feed, at)
            if self._tallied != at:  # it is to begin again
                continue
            if not batch:
                await self._new.wait()
                continue
            for passing in batch:
                self._take(passing)
            concerned = [passing for passing in batch if not self.why_not(passing)]
            self._tallied = batch[-1].seq
            self._concerned.update(passing.device for passing in concerned)
            for account in self._accounts.values():
                devices = self.sources(account.address)
                theirs = [one for one in concerned if one.device in devices] if devices else concerned
                account.tally(theirs, self._tallied)
            self.desk.changed()
            await asyncio.sleep(0)

    def gets_all(self, *, anew: bool) -> bool:
        """Whether a newcomer gets what came before it; `anew`: after it was forgotten. Not where nothing may go to an
        address twice."""
        return self.settings.newcomers == "all" and (self.repeats or not anew)

    def _newcomer(self, address: str, newest: int) -> Account:
        """The account of a peer that has none. It gets what comes beyond `newest`, or everything."""
        start = 0 if self.gets_all(anew=address != address_of(address)) else newest
        cursor = Cursor(export=self.settings.name, peer=address, start=start, sent=start, tcp=start)
        devices = self.sources(address) or self._concerned.keys()
        unmet = sum(self._concerned[device] for device in devices) if start == 0 else 0
        account = self._accounts[address] = self.account(cursor, self._tallied, unmet)
        self._cursors.save(account)
        return account

    def _pumps_of(self, account: Account) -> list[Pump]:
        return [pump for pump, _ in self._pumps.values() if pump.account is account]

    def _peers_of(self, account: Account) -> list[Peer]:
        return [peer for peer, (pump, _) in self._pumps.items() if pump.account is account]

    # --- held ---

    def rebind(self) -> None:
        """Look at held passings again."""
        self._doubtful = None
        self._look_again.set()

    def _look_at(self, rows: set[int]) -> None:
        """Look at these again, where they are held."""
        if self._doubtful is not None:
            self._doubtful |= rows
        self._look_again.set()

    async def _recheck(self) -> None:
        while True:
            await self._look_again.wait()
            self._look_again.clear()
            doubtful, self._doubtful = self._doubtful, set()
            for account in list(self._accounts.values()):
                held = list(account.held) if doubtful is None else sorted(account.held.keys() & doubtful)
                async for passing in read(self.desk.feed, held):
                    self._recheck_one(account, passing)

    def _recheck_one(self, account: Account, passing: Passing) -> None:
        """Let a held passing go whose obstacle is gone; one that waits for the operator goes on waiting."""
        seq = passing.seq
        hold = account.held.get(seq)
        if hold is None:
            return
        why = self.not_for(account.address, passing)
        changed = Hold(f"{why}, since the settings changed", releasable=True)
        verdict = changed if why else self.verdict(account, passing)
        if isinstance(verdict, bytes):
            if not hold.releasable or self.repeats:
                self._let_go(account, seq)
        elif verdict != hold:
            account.refuse(seq, verdict)
            if isinstance(verdict, Unmapped):
                self.unmapped(verdict)
        self.kept(account)

    def _take(self, passing: Passing, *, recalled: bool = False) -> None:
        """An operator's word changes what becomes of the passing that it is about: now, and after its undo time."""
        if passing.status is Status.EDITED and self._edits.take(passing, recalled=recalled):
            self._look_at(self._edits.rows(self._edits.base(passing)))
            if self._undo_time is None:
                self._await_undo_time()

    def _await_undo_time(self) -> None:
        self._undo_time = None
        if over := self._edits.over():
            self._look_at(over)
        if (left := self._edits.next_due()) is not None:
            self._undo_time = asyncio.get_running_loop().call_later(left, self._await_undo_time)

    def replaces(self, account: Account, passing: Passing) -> list[int]:
        """`passing` is about to be written: the held ones in whose stead that is. Others may follow it now."""
        rows = self._edits.rows(self._edits.base(passing))
        behind = account.followers.get(passing.seq, set())
        if behind or len(rows) > 1:
            self._look_at(rows | behind)
        return list(self._edits.replaces(account, passing))

    def _let_go(self, account: Account, seq: int) -> bool:
        """Have a held passing written. An impulse is let go only to a client that is there: later would be too late."""
        pumps = self._pumps_of(account)
        if not pumps and not self.repeats:
            return False
        for one in self._with(account, seq):
            account.release(one)
            for pump in pumps:
                pump.releases.append(one)
                pump.stir.set()
        self.kept(account)
        return True

    def _with(self, account: Account, seq: int) -> list[int]:
        """This held passing, and those that go with it."""
        along = [seq]
        for one in along:
            along += sorted(account.followers.get(one, ()))
        return along

    def release(self, held: list[int], peer: str | None = None) -> int:
        """Send these held passings after all, where nothing is lacking that the format needs."""
        count = 0
        for account in self._at(peer):
            for seq in held or sorted(account.held):
                hold = account.held.get(seq)
                if hold and hold.releasable:
                    count += self._let_go(account, seq)
        return count

    def skip(self, held: list[int], peer: str | None = None) -> int:
        """Never send these held passings."""
        count = 0
        for account in self._at(peer):
            for seq in held or sorted(account.held):
                count += sum([account.skip(one) for one in self._with(account, seq)])
            self.kept(account)
        return count

    # --- what an operator does ---

    def pause(self, by: str) -> None:
        """Pass nothing on, until `resume`; over restarts."""
        self._steering.pause(by)

    def resume(self, by: str) -> None:
        """Go on where it was paused."""
        self._steering.resume(by)

    def waiting(self, peer: str | None = None) -> int:
        """Passings that wait, for one peer or for all together."""
        return sum(account.waiting for account in self._at(peer))

    def skip_waiting(self, by: str, peer: str | None = None) -> int:
        """Never send what waits now, and is not held; how many."""
        accounts = self._at(peer)
        return self._steering.skip(dict.fromkeys(accounts, ()), self._counted_for(accounts), by)

    @property
    def counted_to(self) -> int:
        """How far it has counted what there is."""
        return self._tallied

    async def skip_until(self, upto: int, by: str, peer: str | None = None) -> int:
        """Never send what waited when everything up to `upto` was counted, and is not held; how many."""
        accounts = self._at(peer)
        at, came = upto, []
        while at < self._counted_for(accounts) and (batch := await read_on(self.desk.feed, at)):
            at = batch[-1].seq
            came += batch
        told = {
            account: [
                one
                for one in came
                if one.seq <= max(self._tallied, account.met) and not self.not_for(account.address, one)
            ]
            for account in accounts
        }
        return self._steering.skip(told, min(upto, self._tallied), by)

    def _counted_for(self, accounts: Iterable[Account]) -> int:
        """How far what there is was counted for any of these: a connection may be ahead of the tally."""
        return max([self._tallied, *(account.met for account in accounts)])

    async def resend(self, chosen: Selection, by: str, peer: str | None = None) -> str:
        """Send passings once more, to one peer or to all; what became of them, in words."""
        return await self._steering.resend(
            chosen, lambda: [pump for account in self._at(peer) for pump in self._pumps_of(account)], by, peer or ""
        )

    def talk(self, peer: str) -> Talk:
        """What was last sent to a peer, and received from it."""
        if peer not in self._accounts:
            raise LookupError(
                f"{self.settings.name} has no peer {peer!r}; it has {', '.join(self._accounts) or 'none'}"
            )
        return self._tails[peer].talk() if peer in self._tails else Talk()

    def _at(self, peer: str | None) -> list[Account]:
        return [account for account in self._accounts.values() if peer in (None, account.address)]

    def unmapped(self, why: Unmapped) -> None:
        """Say of the first few that they do not fit the format; the rest is counted."""
        if why.reason in self._said:
            return
        self._misfits += 1
        self._say(
            why.reason if self._misfits <= MISFITS else "more passings do not fit the format: UNMAPPED counts them"
        )

    def _say(self, text: str) -> None:
        """A warning that is given once, however often its cause comes again."""
        if text not in self._said and len(self._said) < SAID:
            self._said.add(text)
            self._trouble(Level.WARNING, text)

    def kept(self, account: Account) -> None:
        """An account is no longer what was saved of it."""
        self.desk.changed()
        self._cursors.changed(account)

    # --- what the operator sees ---

    def _trouble(self, level: Level, text: str) -> None:
        self.desk.trouble(level, self.settings.name, text)
