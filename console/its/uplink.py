"""Links our own devices up: what a timer would tell goes to the server in its name, and the server says that it has it.

An export like others, each device its peer, with a cursor, held passings and an account. What counts as delivered is
what the server has acknowledged. Nothing overlaps: what it has not acknowledged goes again, or is held once it is
stale, because whoever gets a late impulse gives it to whoever is on course.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from msgspec import field, structs

from console.codecs import thcom
from console.codecs.thcom_link import Dialect, Extended
from console.codecs.thcom_session import WINDOW
from console.exports.cursors import Cursors
from console.exports.delivery import Account
from console.exports.export import Desk
from console.exports.figures import SLOW_AFTER, figures
from console.exports.health import STUCK_AFTER
from console.exports.peer import Peer
from console.exports.pump import Pump
from console.exports.resend import Again
from console.exports.sockets import SocketExport
from console.exports.thcom_format import ImpulseSettings, ThcomFormat
from console.its.connection import Connection
from console.its.login import Login
from console.model import ExportState, Level, Passing

if TYPE_CHECKING:
    from console.its.its import Its

FAREWELL = 1.0
"""Seconds in which the server may acknowledge what is on its way when the export ends."""

VERSION = "VB10"
"""The software version that a device linked up tells of itself: that of a CP545 seen in the field."""


class UplinkSettings(ImpulseSettings, frozen=True, kw_only=True):
    """Made from `[[its.send]]`."""

    ways: ClassVar = ()

    serials: dict[str, str] = field(default_factory=dict)
    """Device -> the serial under which it is linked up."""
    dialect: Dialect = Dialect()
    user: str = ""
    where: str = ""
    """`host:port` of the server."""

    @property
    def elsewhere(self) -> bool:
        """The link says where the server is."""
        return True

    def login(self, device: str) -> Login:
        """Who a device is to the server: its timer. What it says of itself is inferred."""
        serial = self.serials[device]
        told = thcom.serial_line(int(serial), "CP545", VERSION)
        return Login(serial, self.dialect.device_type + serial, told, self.user)


class LinkDesk(Desk, Protocol):
    """What the engine does for it."""

    its: "Its"


class Uplink(ThcomFormat[UplinkSettings], SocketExport[UplinkSettings]):
    """One connection for each device."""

    settings_type = UplinkSettings
    repeats: ClassVar = False

    def __init__(self, settings: UplinkSettings, desk: LinkDesk, now: Callable[[], int]) -> None:
        super().__init__(settings, desk, now)
        # With every acknowledgement: after a crash what goes again is what was under way, ten frames, and whatever was
        # acknowledged in the few milliseconds that a checkpoint takes to the disk; docs/relay.md has figures.
        self._cursors = Cursors(desk, every=0.0)
        self._timers = {device: _Timer(self, device, desk.its) for device in settings.serials}

    def line(self, data: str) -> bytes:
        """Data with a line end, by which the way to the server tells frames apart."""
        return data.encode("ascii") + b"\r\n"

    def sources(self, address: str) -> frozenset[str]:
        """A device goes up by its own connection alone."""
        return frozenset((address,))

    def clients(self) -> int:
        """One for each device."""
        return len(self.settings.serials)

    def mine(self, address: str) -> bool:
        """Whether this device is linked up."""
        return address in self.settings.serials

    def pump(self, account: Account, peer: Peer) -> Pump:
        """What serves a connection."""
        way = self._timers[account.address].way
        assert way
        return _FramePump(self, account, peer, way)

    # --- life ---

    async def begin(self) -> None:
        """What comes before the server can be reached is for it, too."""
        for device in self.settings.serials:
            if device not in self._accounts:
                self._newcomer(device, self._born)

    async def reach(self) -> None:
        """Keep all devices linked up."""
        running = [asyncio.create_task(one.run(), name=f"its {one.device}") for one in self._timers.values()]
        try:
            await asyncio.gather(*running)
        finally:
            for _, task in self._pumps.values():
                task.cancel()
            with suppress(TimeoutError):
                async with asyncio.timeout(FAREWELL):
                    while any(  # noqa: ASYNC110 - for a second at most
                        one.way and one.way.flying for one in self._timers.values()
                    ):
                        await asyncio.sleep(0.02)
            for one in running:
                one.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    def cleared(self, device: str) -> None:
        """`#GC 2`: what has not gone out counts as skipped; it can be sent again."""
        count = self.skip([], device) + self.skip_waiting("the server (#GC 2)", device)
        if count:
            told = "the server had us empty our buffer (#GC 2)"
            self._trouble(Level.WARNING, f"{device}: {told}; passings skipped: {count}; resend them if wanted")

    # --- what the operator sees ---

    def state(self) -> ExportState:
        """Delivery is what was acknowledged."""
        state = super().state()
        accounts = self._accounts | self._former
        peers, former = (
            tuple(structs.replace(one, tcp=None, acked=accounts[one.address].counts["tcp"]) for one in some)
            for some in (state.peers, state.former)
        )
        told = figures(peers, self._concerned.total())
        return structs.replace(state, where=self.settings.where, peers=peers, former=former, **told)

    def _word(self) -> tuple[str, str] | None:
        down = [f"{device}: {why}" for device, timer in self._timers.items() if (why := timer.why_not)]
        if down:
            return "down", "; ".join(down)
        for peer in self._pumps:
            if (idle := peer.stuck_for) > SLOW_AFTER:
                word = "stuck" if idle > STUCK_AFTER else "slow"
                return word, f"{peer.address}: the server has acknowledged nothing for {idle:.0f} s"
        return None

    def _fate_in_turn(self, account: Account, passing: Passing) -> str:
        fate = super()._fate_in_turn(account, passing)
        return "acked" if fate == "tcp" else fate


class _Timer:
    """What the server takes for a timer on a docking (connection.User): one device of ours."""

    def __init__(self, uplink: Uplink, device: str, its: "Its") -> None:
        self.device = device
        self.way: FrameWay | None = None
        self._uplink = uplink
        self._its = its
        self._connection: Connection | None = None

    async def run(self) -> None:
        """Keep it linked up until cancelled."""
        login = self._uplink.settings.login(self.device)
        connection = self._connection = self._its.connection(login, self, self.device)
        try:
            await connection.run()
        finally:
            self._its.ended(connection)

    @property
    def why_not(self) -> str:
        """Why it is not linked up; empty: it is."""
        return self._connection.why_not if self._connection else "not connected yet"

    def linked(self, connection: Connection) -> None:
        """The server takes frames."""
        peer = Peer(self._uplink, dialled=self.device)
        self.way = FrameWay(connection, peer)
        peer.connection_made(self.way)

    def lost(self, connection: Connection, reason: str) -> None:
        """It takes none any more."""
        del connection
        way, self.way = self.way, None
        if way:
            way.lost(reason)

    def cleared(self, connection: Connection) -> None:
        """See Uplink."""
        del connection
        self._uplink.cleared(self.device)

    def arrived(self, connection: Connection, frame: Extended, raw: bytes) -> bool:
        """What the server has for the timer on the cable: see Downlink, which reads it in the journal."""
        return False

    def delivered(self, connection: Connection, key: int) -> None:
        """The server has it."""
        del connection
        if self.way:
            self.way.delivered(key)

    def busy(self) -> bool:
        """What comes is journaled by the connection itself."""
        return False


class FrameWay(asyncio.Transport):
    """What a peer writes goes out as frames; what the server has not acknowledged is what it has not taken."""

    def __init__(self, connection: Connection, peer: Peer) -> None:
        super().__init__()
        self.flying: deque[int] = deque()
        """Keys of what was offered and not acknowledged: where each ends in the stream of bytes."""
        self._connection = connection
        self._source = connection.login.address
        self._peer = peer
        self._acked: set[int] = set()
        """Of those, the ones acknowledged out of turn."""
        self._end = self._landed = 0
        self._gone = False

    @property
    def room(self) -> int:
        """Frames that may be offered now."""
        return max(0, WINDOW - len(self.flying))

    def write(self, data: Any) -> None:
        """Offer whole lines."""
        for line in bytes(data).split(b"\r\n")[:-1]:
            self._end += len(line) + 2
            self.flying.append(self._end)
            with suppress(ConnectionError):  # it is gone, and we are told so next
                self._connection.offer(self._end, self._source, line.decode("ascii"))
        if not self.room:
            self._peer.pause_writing()

    def delivered(self, key: int) -> None:
        """Everything up to the first that is not acknowledged has been taken."""
        self._acked.add(key)
        while self.flying and self.flying[0] in self._acked:
            self._landed = self.flying.popleft()
            self._acked.discard(self._landed)
        self._peer.look()
        if self.room:
            self._peer.resume_writing()

    def lost(self, reason: str) -> None:
        """The connection is gone."""
        if not self._gone:
            self._gone = True
            self._peer.reason = self._peer.reason or reason
            self._peer.connection_lost(None)

    def get_write_buffer_size(self) -> int:
        """Bytes that were not acknowledged."""
        return self._end - self._landed

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """There is no socket of its own."""
        del name
        return default

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """The limit is the window of the link."""

    def pause_reading(self) -> None:
        """Nothing is read here."""

    def resume_reading(self) -> None:
        """Nothing is read here."""

    def is_closing(self) -> bool:
        """Whether it has ended."""
        return self._gone

    def close(self) -> None:
        """See `abort`."""
        self.abort()

    def abort(self) -> None:
        """The peer ends it: so does the connection."""
        self._connection.drop(self._peer.reason)
        asyncio.get_running_loop().call_soon(self.lost, self._peer.reason)


class _FramePump(Pump):
    """Never gives the link more than it has room for: what waits here can still go stale, and then be held."""

    def __init__(self, form: "Uplink", account: Account, peer: Peer, way: FrameWay) -> None:
        super().__init__(form, form.desk.feed, account, peer)
        self._way = way

    def _serve(self, batch: list[Passing]) -> int:
        return super()._serve(batch[: self._room])

    def _serve_again(self, again: Again, batch: list[Passing]) -> None:
        super()._serve_again(again, batch[: self._room])

    @property
    def _room(self) -> int:
        return max(1, self._way.room)
