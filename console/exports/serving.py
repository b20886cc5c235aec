"""What every export does that keeps an account per peer: what is for it, what is held, what was said of it."""

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Iterable
from typing import ClassVar, TypeVar

from console.exports.cursors import Cursors
from console.exports.delivery import Account, Hold, Unmapped, Verdict
from console.exports.edits import Edits
from console.exports.export import Desk, Export, ExportSettings
from console.exports.peer import Peer
from console.exports.pump import Pump, read, read_on
from console.model import Cursor, Kind, Level, Passing, Phase, Status

MISFITS = 3
"""Passings that do not fit, each for another reason, that are said one by one."""

SAID = 100
"""Different unmapped tags and refused addresses that become incidents; beyond, they are only counted."""

S = TypeVar("S", bound=ExportSettings)


class ServingExport(Export[S]):
    """Peers come and go; what became of every passing is kept per address."""

    kinds: ClassVar[frozenset[Kind]]
    """What the format is made for."""
    needs_names: ClassVar[bool] = False
    """The format says who passed: what comes without an identity waits for the line that brings it."""
    restates: ClassVar[bool] = False
    """The format can say that what went out is to have another bib, or is cancelled."""
    repeats: ClassVar[bool]
    """Whether a duplicate is safer than a miss: then a known address gets the last `overlap` seconds again."""
    enclosure: tuple[bytes, bytes, bytes] = (b"", b"", b"")
    interval: float = 0.0

    def __init__(self, settings: S, desk: Desk, now: Callable[[], int]) -> None:
        super().__init__(settings, desk, now)
        self._wanted = frozenset(Kind(kind) for kind in settings.kinds) or self.kinds
        self._events = frozenset(map(_number, settings.events))
        self._accounts: dict[str, Account] = {}
        self._pumps: dict[Peer, tuple[Pump, asyncio.Task[None]]] = {}
        self._cursors = Cursors(desk)
        self._tallied = 0
        self._concerned = 0
        self._new = asyncio.Event()
        self._look_again = asyncio.Event()
        self._doubtful: set[int] | None = None
        """What is to be looked at again; None: everything that is held."""
        self._edits = Edits(self.restates, now)
        self._undo_time: asyncio.TimerHandle | None = None
        self._said: set[str] = set()
        self._misfits = 0
        """Passings said not to fit the format, each for another reason."""

    # --- what a type says ---

    @abstractmethod
    def unwanted(self, passing: Passing) -> str:
        """Why this type does not pass `passing` on; empty: it does."""

    @abstractmethod
    def render(self, passing: Passing, *, forced: bool = False) -> bytes | Hold | Unmapped:
        """The passing in this format, as things are known now. `forced`: the operator wants it sent."""

    def why_not(self, passing: Passing) -> str:
        """Why `passing` is not for this export; empty: it is.

        Depends on nothing that could change while the export runs: where it filters by timing point, the engine starts
        it anew when the points of a device have changed. What came before is judged anew where it still waits; what was
        left out goes out where the operator has it sent again.
        """
        if passing.phase is Phase.TEST:
            return "phase TEST"
        if passing.status in (Status.REPEAT, Status.OFFERED):
            return "repeat" if passing.status is Status.REPEAT else "offered: not taken over"
        if passing.status in (Status.CORRECTION, Status.CANCELLED) and not self._says(passing):
            return f"{passing.status}: this format forwards none"
        if self.settings.devices and passing.device not in self.settings.devices:
            return "device not chosen"
        if passing.read_type == 1 and self.settings.skip_first_seen:
            return "first seen"
        if self._events and _number(passing.event) not in self._events:
            return f"event {passing.event or 'unknown'}: not chosen"
        if self.settings.points and (point := self.desk.resolve(passing).point) not in self.settings.points:
            return f"timing point {point or 'unknown'}: not chosen"
        return self.unwanted(passing)

    def _says(self, passing: Passing) -> bool:
        """Whether the format has a word for this correction of a device: to many, only one that brings a first bib."""
        if self.restates:
            return passing.change in ("bib", "unassigned", "cancelled")
        first = passing.change == "bib" and bool(passing.bib) and passing.extra.get("was") is None
        return self.needs_names and first

    def mine(self, address: str) -> bool:
        """Whether this is the address of a peer of the export, as its settings are now."""
        del address
        return True

    def verdict(self, account: Account, passing: Passing, *, forced: bool = False) -> Verdict:
        """What is to be done with `passing` for this address, as things are known now."""
        self._take(passing)
        try:
            if hindrance := self._edits.look(account, passing):
                return hindrance
            if self.needs_names and self._takes_away(passing) and self._edits.went_out(account, passing):
                was = f"bib {passing.extra.get('was')} of #{passing.of}"
                return Unmapped(f"{was} was taken back after it went out, for which there is no word: tell scoring")
            return self.say(account, passing, forced=forced)
        except Exception as error:  # noqa: BLE001 - one passing that we fail to encode must not stop all that follow
            return Unmapped(f"passing {passing.seq} could not be encoded ({error!r}); please report this")

    def say(self, account: Account, passing: Passing, *, forced: bool) -> Verdict:
        """`verdict`, where operators have nothing against it."""
        del account
        return self.render(passing, forced=forced)

    @staticmethod
    def _takes_away(passing: Passing) -> bool:
        return passing.status is Status.EDITED and not passing.bib and not passing.tag

    # --- accounts ---

    async def _load(self) -> None:
        newest = self.desk.feed.newest
        after = 0
        while page := await self.desk.page(after=after, statuses=(Status.EDITED,)):
            for passing in page:
                self._take(passing, recalled=True)
            after = page[-1].seq
        for cursor in filter(lambda cursor: self.mine(cursor.peer), self.desk.cursors(self.settings.name)):
            account = self._accounts[cursor.peer] = Account(cursor, tallied=0)
            account.since, account.away = self.now(), "not connected since the start"
            if account.waiting and (first := await self.desk.feed.after(account.tcp, 1)):
                account.back_since = first[0].wall
        everything = self.settings.newcomers == "all" or not self._accounts
        self._tallied = 0 if everything else min([newest, *(account.met for account in self._accounts.values())])
        self.rebind()

    async def _tally(self) -> None:
        """Count what concerns this export, so that absent peers' queues are known without looking for them."""
        while True:
            self._new.clear()
            batch = await read_on(self.desk.feed, self._tallied)
            if not batch:
                await self._new.wait()
                continue
            for passing in batch:
                self._take(passing)
            concerned = [passing for passing in batch if not self.why_not(passing)]
            self._tallied = batch[-1].seq
            self._concerned += len(concerned)
            for account in self._accounts.values():
                account.tally(concerned, self._tallied)
            self.desk.changed()
            await asyncio.sleep(0)

    def _newcomer(self, address: str) -> Account:
        start = 0 if self.settings.newcomers == "all" else self.desk.feed.newest
        cursor = Cursor(export=self.settings.name, peer=address, start=start, sent=start, tcp=start)
        unmet = self._concerned if start == 0 else 0
        account = self._accounts[address] = Account(cursor, tallied=self._tallied, unmet=unmet)
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
        verdict = self.verdict(account, passing)
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
        behind = {seq for seq, hold in account.held.items() if hold.after == passing.seq} if self.restates else set()
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
        for one, hold in sorted(account.held.items()) if self.restates else ():
            if hold.after in along:
                along.append(one)
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

    def _at(self, peer: str | None) -> Iterable[Account]:
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

    def fate(self, passing: Passing) -> list[tuple[str, str]]:
        """What became of `passing`, peer by peer."""
        if why := self.why_not(passing):
            return [("", why)]
        return [(account.address, self._fate(account, passing)) for account in list(self._accounts.values())]

    def _fate(self, account: Account, passing: Passing) -> str:
        seq = passing.seq
        if seq <= account.start:
            return "came before this client"
        if hold := account.held.get(seq):
            return f"held: {hold.reason}"
        if account.settled(seq) and seq not in account.released and (why := self._edits.fate(passing)):
            return why
        if seq in account.joined:
            return "another line says it"
        if seq in account.skipped:
            return "skipped"
        if seq in account.released:
            return "sent" if account.released[seq] else "waiting"
        if seq > account.sent:
            return "waiting"
        verdict = self.render(passing, forced=True)
        if isinstance(verdict, Unmapped):
            return f"unmapped: {verdict.reason}"
        return "tcp" if seq <= account.tcp else "sent"


def _number(event: str | None) -> str:
    """`1`, `01` and `001` are the same event."""
    return (event or "").strip().lstrip("0")
