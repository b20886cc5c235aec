"""An export over TCP, that listens or connects: its peers, their accounts, and what it says of them."""

import asyncio
from abc import abstractmethod
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address
from typing import ClassVar, TypeVar

from console.exports.delivery import Account
from console.exports.dialling import Dialler
from console.exports.export import Desk, ExportSettings
from console.exports.figures import FORGOTTEN, figures, peer_state, state_word
from console.exports.health import Verdict
from console.exports.peer import Peer
from console.exports.pump import Pump
from console.exports.serving import ServingExport
from console.exports.steering import address_of
from console.links.address import parse_address
from console.links.link import LinkError
from console.links.listener import Listener, listen
from console.model import ExportState, Level

RETRY_EVERY = 5.0
"""Seconds between two attempts to get a port that is taken."""

FAREWELL = 1.0
"""Seconds to let clients take what is on its way when the export ends."""

S = TypeVar("S", bound=ExportSettings)


class SocketExport(ServingExport[S]):
    """Clients come and go; or one connection to `connect` is kept up. There, the target is the account's address."""

    overlap: ClassVar[float] = 0.0
    idle: ClassVar[bytes] = b""
    """What is sent after `idle_after` seconds in which nothing else was."""
    idle_after: ClassVar[float] = 0.0
    answers_within: ClassVar[float] = 0.0
    """Seconds in which a program that we connect to must say its first word; 0: it need not say any."""

    def __init__(self, settings: S, desk: Desk, now: Callable[[], int]) -> None:
        super().__init__(settings, desk, now)
        self._ended: set[asyncio.Task[None]] = set()
        self._listener: Listener | None = None
        self._dialler: Dialler | None = None
        if settings.connect:
            self._dialler = Dialler(
                settings.connect, self._peer, self._trouble, desk.changed, answers_within=self.answers_within
            )
        self._down = "not listening yet"
        self._full = False

    # --- what a type says ---

    @abstractmethod
    def clients(self) -> int:
        """How many may be connected at once, where it listens."""

    def pump(self, account: Account, peer: Peer) -> Pump:
        """What serves a connection."""
        return Pump(self, self.desk.feed, account, peer)

    def conversation(self, peer: Peer) -> Callable[[bytes], None]:
        """What is to be done with what a peer sends: nothing."""
        del peer
        return lambda data: None

    # --- life ---

    async def begin(self) -> None:
        """What comes before the target can be reached is for it, too."""
        if self._dialler and self._dialler.where not in self._accounts:
            self._newcomer(self._dialler.where, self._born)

    async def reach(self) -> None:
        """Connect, or listen."""
        await (self._dialler.run() if self._dialler else self._listen())

    def mine(self, address: str) -> bool:
        """The target; or clients, and no target of the time when this export connected."""
        if self._dialler:
            return address == self._dialler.where
        try:
            return bool(ip_address(address_of(address)))
        except ValueError:
            return False

    async def _listen(self) -> None:
        host, port = parse_address(self.settings.listen)
        while self._listener is None:
            try:
                self._listener = await listen(host, port, self._peer, self.settings.networks, self._refused)
            except LinkError as error:
                if self._down != str(error):
                    self._down = str(error)
                    self._trouble(Level.ALARM, f"{error}; retrying every {RETRY_EVERY:.0f} s")
                    self.desk.changed()
                await asyncio.sleep(RETRY_EVERY)
        self._down = ""
        self.desk.changed()

    async def end(self) -> None:
        """Let peers take what is on its way, part from them, and save the accounts."""
        await self._steering.close()
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
        self._breaks.close()
        for account in self._accounts.values():
            self._cursors.save(account)
        self._cursors.close()

    # --- what an operator does ---

    def forgettable(self, peer: str) -> str:
        """What a client at its address gets that comes after it was forgotten. Raises ValueError."""
        if not self.settings.listen:
            raise ValueError(
                f"the settings of {self.settings.name} name {peer}, and it is served whenever it is there: change that "
                "in the settings, and what it was sent stays in the report"
            )
        if self._pumps_of(self._accounts[peer]):
            raise ValueError(f"{peer} is connected to {self.settings.name}: end it there first")
        if self.gets_all(anew=True):
            return "everything from the beginning, also what it had"
        return "what happens from then on"

    async def forget(self, peer: str, by: str) -> None:
        """Wait for this client no more."""
        self.forgettable(peer)
        account = self._accounts[peer]
        account.close()
        self.skip([], peer)
        self._steering.skip({account: ()}, account.met, by)
        self._cursors.save(account)
        del self._accounts[peer]
        self.retire(account, FORGOTTEN + by)
        if not self._accounts:  # then the figures are of all there is, and it may not have counted from the beginning
            self._tallied = 0
            self._concerned.clear()
            self._new.set()
        self.desk.changed()
        await self._steering.forget(peer, by)

    # --- peers (peer.Host) ---

    @property
    def connections(self) -> int:
        """How many there are now."""
        return len(self._pumps)

    def _peer(self) -> Peer:
        return Peer(self, idle=self.idle, idle_after=self.idle_after, dialled=self.settings.connect)

    def _refused(self, address: str) -> None:
        self._say(f"a client at {address} was refused: its network is not in `networks`")

    def connected(self, peer: Peer) -> None:
        """A peer is there: serve it."""
        if not self._dialler and len(self._pumps) >= self.clients():
            if not self._full:
                self._full = True
                self._trouble(Level.WARNING, f"{peer.address} was refused: {self.clients()} clients are connected")
            peer.drop("refused")
            return
        peer.address = self._steering.called(peer.address)
        account = self._accounts.get(peer.address)
        if account is None:
            account = self._newcomer(peer.address, self.desk.feed.newest)
            self._trouble(Level.NOTE, f"new client {peer.address}")
        pump = self.pump(account, peer)
        task = asyncio.create_task(pump.run(self.overlap), name=f"{self.settings.name} to {peer.address}")
        task.add_done_callback(lambda task: self._pump_ended(peer, task))
        self._pumps[peer] = pump, task
        self._tails[peer.address] = peer.tail
        peer.received = self.conversation(peer)
        account.since, account.away = self.now(), ""
        self.rebind()
        self.desk.changed()

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
        pump.end_again(f"{peer.address} is gone: {reason}")
        if not task.done():
            task.cancel()
            self._ended.add(task)
        self._full = False
        if self._dialler:
            reason = self._dialler.why_gone(peer, reason)
        account = pump.account
        others = [other.flight for other in self._pumps_of(account)]
        missing = account.lost(pump.flight, others, repeats=self.repeats)
        account.since, account.away = self.now(), reason
        if self._dialler:
            pass  # which says it once, and not at every attempt
        elif missing or peer.verdict in (Verdict.DEAD, Verdict.HOPELESS):
            self._breaks.broke(peer.address, missing, reason)
        self._cursors.save(account)
        self.desk.changed()

    def _pump_ended(self, peer: Peer, task: asyncio.Task[None]) -> None:
        self._ended.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self._trouble(Level.ALARM, f"serving {peer.address} failed ({error!r}): it was cut off and may come back")
            peer.drop(f"failed: {error!r}")

    def state(self) -> ExportState:
        """The export as the operator sees it, now."""
        connections = {account.address: self._peers_of(account) for account in self._accounts.values()}
        peers = tuple(peer_state(account, connections[address]) for address, account in self._accounts.items())
        word, reason = self._word() or state_word(peers, connections, self.now())
        if paused := self._steering.paused:
            word, reason = "paused", f"by {paused.by}" + (f"; {reason}" if reason else "")
        return ExportState(
            name=self.settings.name,
            type=self.settings.type,
            where=self._listener.where if self._listener else self.settings.connect or self.settings.listen,
            state=word,
            reason=reason,
            note=self.note,
            paused_at=paused.since if paused else None,
            peers=peers,
            former=self.former(),
            held_newest={seq: why for account in self._accounts.values() for seq, why in account.held_newest()},
            **figures(peers, self._concerned.total()),
        )

    def _word(self) -> tuple[str, str] | None:
        """What is wrong with the way to the peers."""
        if self._dialler and (silent := self._dialler.silent):
            return "silent", silent
        down = self._dialler.down if self._dialler else self._down
        return ("down", down) if down else None
