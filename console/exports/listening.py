"""An export that listens: its clients, their accounts, and what it says of them."""

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import ClassVar, TypeVar

from console.exports.delivery import Account, Hold, Unmapped
from console.exports.export import Desk, Export, ExportSettings
from console.exports.figures import figures, peer_state, state_word
from console.exports.health import Verdict
from console.exports.peer import Peer
from console.exports.pump import Pump, read, read_on
from console.links.address import parse_address
from console.links.link import LinkError
from console.links.listener import Listener, listen
from console.model import Cursor, ExportState, Kind, Level, Passing, Phase, Status

RETRY_EVERY = 5.0
"""Seconds between two attempts to get a port that is taken."""

SAVE_EVERY = 0.25
"""Seconds between two checkpoints of a cursor, at least. What was sent since the last one is in doubt after a crash: it
goes out again, or is held. A checkpoint goes with the next commit, and costs next to nothing."""

FAREWELL = 1.0
"""Seconds to let clients take what is on its way when the export ends."""

MISFITS = 3
"""Passings that do not fit, each for another reason, that are said one by one."""

SAID = 100
"""Different unmapped tags and refused addresses that become incidents; beyond, they are only counted."""

S = TypeVar("S", bound=ExportSettings)


class ListeningExport(Export[S]):
    """Clients come and go; what became of every passing is kept per address."""

    kinds: ClassVar[frozenset[Kind]]
    """What the format is made for."""
    needs_names: ClassVar[bool] = False
    """The format says who passed: what comes without an identity waits for the line that brings it."""
    repeats: ClassVar[bool]
    """Whether a duplicate is safer than a miss: then a known address gets the last `overlap` seconds again."""
    overlap: ClassVar[float] = 0.0
    enclosure: tuple[bytes, bytes, bytes] = (b"", b"", b"")
    interval: float = 0.0
    idle: ClassVar[bytes] = b""
    idle_after: ClassVar[float] = 0.0

    def __init__(self, settings: S, desk: Desk, now: Callable[[], int]) -> None:
        super().__init__(settings, desk, now)
        self._wanted = frozenset(Kind(kind) for kind in settings.kinds) or self.kinds
        self._accounts: dict[str, Account] = {}
        self._pumps: dict[Peer, tuple[Pump, asyncio.Task[None]]] = {}
        self._ended: set[asyncio.Task[None]] = set()
        self._saves: dict[str, asyncio.TimerHandle | None] = {}
        self._kept: dict[str, tuple[object, ...]] = {}
        self._listener: Listener | None = None
        self._down = "not listening yet"
        self._tallied = 0
        self._concerned = 0
        self._new = asyncio.Event()
        self._look_again = asyncio.Event()
        self._said: set[str] = set()
        self._misfits = 0
        """Passings said not to fit the format, each for another reason."""
        self._full = False

    # --- what a type says ---

    @abstractmethod
    def unwanted(self, passing: Passing) -> str:
        """Why this type does not pass `passing` on; empty: it does."""

    @abstractmethod
    def render(self, passing: Passing, *, forced: bool = False) -> bytes | Hold | Unmapped:
        """See `pump.Format`."""

    @abstractmethod
    def clients(self) -> int:
        """How many may be connected at once."""

    def conversation(self, peer: Peer) -> Callable[[bytes], None]:
        """What is to be done with what a client sends: nothing."""
        del peer
        return lambda data: None

    def why_not(self, passing: Passing) -> str:
        """Why `passing` is not for this export; empty: it is. Depends on nothing that could change."""
        if passing.phase is Phase.TEST:
            return "phase TEST"
        if passing.status is Status.REPEAT:
            return "repeat"
        corrects = passing.status in (Status.CORRECTION, Status.CANCELLED)
        if corrects and not (self.needs_names and passing.names):
            return f"{passing.status}: this format forwards none"
        if self.settings.devices and passing.device not in self.settings.devices:
            return "device not chosen"
        return self.unwanted(passing)

    # --- life ---

    async def run(self) -> None:
        """Serve until cancelled."""
        try:
            await self._load()
            async with asyncio.TaskGroup() as tasks:
                for work in (self._listen, self._follow, self._tally, self._recheck):
                    tasks.create_task(work())
        finally:
            await self._close()

    async def _load(self) -> None:
        newest = self.desk.feed.newest
        for cursor in self.desk.cursors(self.settings.name):
            account = self._accounts[cursor.peer] = Account(cursor, tallied=0)
            account.since, account.away = self.now(), "not connected since the start"
            if account.waiting and (first := await self.desk.feed.after(account.tcp, 1)):
                account.back_since = first[0].wall
        everything = self.settings.newcomers == "all" or not self._accounts
        self._tallied = 0 if everything else min([newest, *(account.met for account in self._accounts.values())])
        self._look_again.set()

    async def _listen(self) -> None:
        host, port = parse_address(self.settings.listen)
        while self._listener is None:
            try:
                self._listener = await listen(host, port, self._client, self.settings.networks, self._refused)
            except LinkError as error:
                if self._down != str(error):
                    self._down = str(error)
                    self._trouble(Level.ALARM, f"{error}; retrying every {RETRY_EVERY:.0f} s")
                    self.desk.changed()
                await asyncio.sleep(RETRY_EVERY)
        self._down = ""
        self.desk.changed()

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

    async def _tally(self) -> None:
        """Count what concerns this export, so that absent peers' queues are known without looking for them."""
        while True:
            self._new.clear()
            batch = await read_on(self.desk.feed, self._tallied)
            if not batch:
                await self._new.wait()
                continue
            concerned = [passing for passing in batch if not self.why_not(passing)]
            self._tallied = batch[-1].seq
            self._concerned += len(concerned)
            for account in self._accounts.values():
                account.tally(concerned, self._tallied)
            self.desk.changed()
            await asyncio.sleep(0)

    async def _close(self) -> None:
        if self._listener:
            self._listener.close()
            self._listener = None
        for _, task in self._pumps.values():
            task.cancel()
        with suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL):
                while any(pump.flight.written for pump, _ in self._pumps.values()):
                    await asyncio.sleep(0.02)
                    for peer in list(self._pumps):
                        peer.look()
        peers = list(self._pumps)
        for peer in peers:
            peer.drop("the engine or this export stopped")
        for peer in peers:
            await peer.gone()
        await asyncio.gather(*self._ended, return_exceptions=True)
        for account in self._accounts.values():
            self._save(account)
            if timer := self._saves.pop(account.address, None):
                timer.cancel()

    # --- clients (peer.Host) ---

    def _client(self) -> Peer:
        return Peer(self, idle=self.idle, idle_after=self.idle_after)

    def _refused(self, address: str) -> None:
        self._say(f"a client at {address} was refused: its network is not in `networks`")

    def connected(self, peer: Peer) -> None:
        """A client is there: serve it."""
        if len(self._pumps) >= self.clients():
            if not self._full:
                self._full = True
                self._trouble(Level.WARNING, f"{peer.address} was refused: {self.clients()} clients are connected")
            peer.drop("refused")
            return
        account = self._accounts.get(peer.address) or self._newcomer(peer.address)
        pump = Pump(self, self.desk.feed, account, peer)
        task = asyncio.create_task(pump.run(self.overlap), name=f"{self.settings.name} to {peer.address}")
        task.add_done_callback(lambda task: self._pump_ended(peer, task))
        self._pumps[peer] = pump, task
        peer.received = self.conversation(peer)
        account.since, account.away = self.now(), ""
        self._look_again.set()
        self.desk.changed()

    def _newcomer(self, address: str) -> Account:
        start = 0 if self.settings.newcomers == "all" else self.desk.feed.newest
        cursor = Cursor(export=self.settings.name, peer=address, start=start, sent=start, tcp=start)
        unmet = self._concerned if start == 0 else 0
        account = self._accounts[address] = Account(cursor, tallied=self._tallied, unmet=unmet)
        self._save(account)
        self._trouble(Level.NOTE, f"new client {address}")
        return account

    def taken(self, peer: Peer, offset: int) -> None:
        """A client's TCP has taken something."""
        if peer in self._pumps:
            pump, _ = self._pumps[peer]
            if pump.taken(offset):
                self.kept(pump.account)
        self.desk.changed()

    def lost(self, peer: Peer, reason: str) -> None:
        """A client is gone; its account stays."""
        if peer not in self._pumps:
            return
        pump, task = self._pumps.pop(peer)
        if not task.done():
            task.cancel()
            self._ended.add(task)
        self._full = False
        account = pump.account
        others = [other.flight.position for other in self._pumps_of(account)]
        missing = account.lost(pump.flight, others, repeats=self.repeats)
        account.since, account.away = self.now(), reason
        if missing:
            self._trouble(Level.WARNING, f"{peer.address} is gone and has not taken {missing} passings: {reason}")
        elif peer.verdict in (Verdict.DEAD, Verdict.HOPELESS):
            self._trouble(Level.WARNING, f"{peer.address} was dropped: {reason}")
        self._save(account)
        self.desk.changed()

    def _pump_ended(self, peer: Peer, task: asyncio.Task[None]) -> None:
        self._ended.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self._trouble(Level.ALARM, f"serving {peer.address} failed ({error!r}): it was cut off and may come back")
            peer.drop(f"failed: {error!r}")

    def _pumps_of(self, account: Account) -> list[Pump]:
        return [pump for pump, _ in self._pumps.values() if pump.account is account]

    def _peers_of(self, account: Account) -> list[Peer]:
        return [peer for peer, (pump, _) in self._pumps.items() if pump.account is account]

    # --- held ---

    def rebind(self) -> None:
        """Look at held passings again."""
        self._look_again.set()

    async def _recheck(self) -> None:
        while True:
            await self._look_again.wait()
            self._look_again.clear()
            for account in list(self._accounts.values()):
                async for passing in read(self.desk.feed, list(account.held)):
                    self._recheck_one(account, passing)

    def _recheck_one(self, account: Account, passing: Passing) -> None:
        """Let a held passing go whose obstacle is gone; one that waits for the operator goes on waiting."""
        seq = passing.seq
        hold = account.held.get(seq)
        if hold is None:
            return
        verdict = self.render(passing)
        if isinstance(verdict, Hold):
            if verdict != hold:
                account.hold(seq, verdict)
        elif isinstance(verdict, Unmapped):
            account.unmap(seq)
            self.unmapped(verdict)
        elif not hold.releasable or self.repeats:
            self._let_go(account, seq)
        self.kept(account)

    def _let_go(self, account: Account, seq: int) -> bool:
        """Have a held passing written. An impulse is let go only to a client that is there: later would be too late."""
        pumps = self._pumps_of(account)
        if not pumps and not self.repeats:
            return False
        account.release(seq)
        for pump in pumps:
            pump.releases.append(seq)
            pump.stir.set()
        self.kept(account)
        return True

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
            count += sum(account.skip(seq) for seq in held or sorted(account.held))
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

    # --- cursors ---

    def kept(self, account: Account) -> None:
        """Save the account's cursor soon, where more than its place has changed."""
        self.desk.changed()
        address = account.address
        if address not in self._saves and self._essence(account) != self._kept.get(address):
            self._save(account)
            self._saves[address] = asyncio.get_running_loop().call_later(SAVE_EVERY, self._save_again, account)

    def _save_again(self, account: Account) -> None:
        del self._saves[account.address]
        self.kept(account)

    def _save(self, account: Account) -> None:
        self._kept[account.address] = self._essence(account)
        self.desk.save(account.cursor())

    def _essence(self, account: Account) -> tuple[object, ...]:
        counts = account.counts
        return counts["tcp"], counts["unmapped"], counts["skipped"], len(account.held), account.tcp // 1000

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

    def state(self) -> ExportState:
        """The export as the operator sees it, now."""
        connections = {account.address: self._peers_of(account) for account in self._accounts.values()}
        peers = tuple(peer_state(account, connections[address]) for address, account in self._accounts.items())
        word, reason = ("down", self._down) if self._down else state_word(peers, connections, self.now())
        return ExportState(
            name=self.settings.name,
            type=self.settings.type,
            where=self._listener.where if self._listener else self.settings.listen,
            state=word,
            reason=reason,
            peers=peers,
            held_newest={seq: why for account in self._accounts.values() for seq, why in account.held_newest()},
            **figures(peers, self._concerned),
        )
