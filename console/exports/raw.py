"""The bytes of one device as they came, for software that already reads that device: on a TCP port, or on a pty."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, cast

from msgspec import structs

from console.exports.delivery import Hold, Unmapped
from console.exports.export import Desk, ExportSettings
from console.exports.peer import Peer
from console.exports.reads import MANY
from console.exports.records import Records
from console.exports.sockets import RETRY_EVERY, SocketExport
from console.journal.reader import UNREADABLE
from console.links.pty import Pty, clear
from console.model import (
    Basis,
    Direction,
    ExportState,
    Frame,
    Kind,
    Level,
    Origin,
    Passing,
    Phase,
    Resolved,
    Selection,
    Status,
)


class RawSettings(ExportSettings, frozen=True, kw_only=True):
    """Settings of a raw export. Raises ValueError, in words, for what it cannot do."""

    choosing: ClassVar = ("devices",)

    pty: str = ""
    """Path of a symbolic link to a pseudo-terminal, instead of `listen`: other software opens it as a serial port."""

    @property
    def elsewhere(self) -> bool:
        """It has a pty."""
        return bool(self.pty)

    def __post_init__(self) -> None:
        if len(self.devices) != 1:
            raise ValueError('devices must name the one device whose bytes are passed on, as in ["chute"]')
        if self.kinds or self.points or self.events or self.skip_first_seen:
            raise ValueError("kinds, points, events and skip_first_seen choose passings: here, everything is passed on")
        if self.pty and self.listen:
            raise ValueError("give either listen or pty")
        if self.pty and (not self.pty.startswith("/") or "\0" in self.pty):
            raise ValueError(f'pty must be a whole path, as in "/tmp/chute" (got {self.pty!r})')


class Row(Passing, frozen=True, kw_only=True):
    """A frame in the shape that pumps and accounts know; its `seq` is the frame's."""

    raw: bytes
    wanted: bool
    """It came from the device, rather than went to it."""
    damaged: bool = False
    """The journal has lost what it was."""


class Frames:
    """A `Feed` of all frames."""

    def __init__(self, records: Records) -> None:
        self._records = records

    @property
    def newest(self) -> int:
        """The highest that is safe in the journal."""
        return self._records.newest().frames

    async def after(self, seq: int, limit: int = 500) -> list[Passing]:
        """At most `limit` beyond `seq`."""
        newest = self.newest
        found = await self._records.frames(seq, limit) if seq < newest else []
        return [_row(frame) for frame in found if frame.seq <= newest]

    async def beyond(self, seq: int) -> None:
        """Wait until there is one beyond `seq`."""
        while (known := self._records.newest()).frames <= seq:
            await self._records.beyond(known)


class FrameDesk:
    """A desk where frames take the place of passings; for the rest, the engine's."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self.feed = Frames(records)

    async def page(self, **which: Any) -> list[Passing]:
        """Nothing: no operator has edited a frame."""
        del which
        return []

    def resolve(self, passing: Passing) -> Resolved:
        """Nothing is known of a frame."""
        return Resolved(passing=passing, utc=None, point=None, bib=None)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._records, name)


class Raw(SocketExport[RawSettings]):
    """Every client gets every byte, whatever it means, from where it was; what it sends is read and discarded.

    Everything here is counted in frames, as the journal cut the stream: what a client has not taken wholly comes again
    from the beginning of its frame. What the journal has masked as a secret stays masked.
    """

    settings_type = RawSettings
    kinds: ClassVar = frozenset(Kind)
    restates: ClassVar = True
    repeats: ClassVar = True
    counted: ClassVar = "frames"

    def __init__(self, settings: RawSettings, desk: Records, now: Callable[[], int]) -> None:
        super().__init__(settings, cast(Desk, FrameDesk(desk)), now)
        self._passings = desk.feed
        self._pty: Pty | None = None
        if settings.pty:
            # A killed engine left it behind. Here, and not in `run`: no export of a new engine is at work yet, so that
            # none has made a pty that such a link leads to by chance.
            clear(Path(settings.pty))

    def clients(self) -> int:
        """Any number that is no attack."""
        return MANY

    def why_not(self, passing: Passing) -> str:
        """By device; what was sent to it is left out."""
        if passing.device not in self.settings.devices:
            return "device not chosen"
        return "" if isinstance(passing, Row) and passing.wanted else "sent to the device"

    def unwanted(self, passing: Passing) -> str:
        """Nothing."""
        return ""

    def render(self, passing: Passing, *, forced: bool = False) -> bytes | Hold | Unmapped:
        """The frame's bytes."""
        assert isinstance(passing, Row)
        if passing.damaged:
            return Unmapped(f"frame {passing.seq} is damaged in both copies of the journal")
        return passing.raw

    # --- a pty ---

    def mine(self, address: str) -> bool:
        """The pty; or clients."""
        return address == self.settings.pty if self.settings.pty else super().mine(address)

    async def reach(self) -> None:
        """Listen; or have a pty there, a new one for each visit."""
        if not self.settings.pty:
            await super().reach()
            return
        while True:
            try:
                self._pty = pty = Pty(Path(self.settings.pty))
            except OSError as error:
                await self._no_pty(f"{self.settings.pty}: {error.strerror or error}")
                continue
            self._down = ""
            self.desk.changed()
            try:
                await pty.opened()
                peer = Peer(self, dialled=self.settings.pty)
                pty.connect(peer)
                peer.measured = pty.exact
                await peer.gone()
            finally:
                pty.close()

    def taken(self, peer: Peer, offset: int) -> None:
        """The client's TCP has taken something; or the program at the pty has read it, if that can be known."""
        peer.measured = self._pty.exact if self._pty else peer.measured
        super().taken(peer, offset)

    async def _no_pty(self, why: str) -> None:
        if self._down != why:
            self._down = why
            self._trouble(Level.ALARM, f"{why}; retrying every {RETRY_EVERY:.0f} s")
            self.desk.changed()
        await asyncio.sleep(RETRY_EVERY)

    # --- what the operator sees ---

    async def resend(self, chosen: Selection, by: str, peer: str | None = None) -> str:
        """Send frames again: those of the passings chosen, and what came between. Raises ValueError, in words."""
        if chosen.point or chosen.bib:
            raise ValueError(
                f"{self.settings.name} sends bytes, of no timing point and no bib: choose numbers or times"
            )
        first = await self._frame(chosen.first) if chosen.first else None
        last = await self._frame(chosen.last) if chosen.last else None
        return await super().resend(structs.replace(chosen, first=first, last=last), by, peer)

    async def _frame(self, passing: int) -> int:
        found = await self._passings.after(passing - 1, 1)
        return found[0].frame if found else self.desk.feed.newest

    def state(self) -> ExportState:
        """The export as the operator sees it, now."""
        state = super().state()
        peers = [
            structs.replace(peer, note="; ".join(filter(None, ("counted in frames", peer.note))))
            for peer in state.peers
        ]
        return structs.replace(state, where=self.settings.pty or state.where, peers=tuple(peers))

    def fate(self, passing: Passing) -> list[tuple[str, str]]:
        """What became of the frame that brought `passing`."""
        if passing.status is Status.EDITED:
            return [("", "no byte of the device")]
        return super().fate(_shape(passing.frame, passing.device, passing.wall, b"", wanted=True))


def _row(frame: Frame) -> Row:
    row = _shape(frame.seq, frame.device, frame.wall, frame.raw, wanted=frame.direction is Direction.RX)
    return structs.replace(row, damaged=True) if frame.flaw.startswith(UNREADABLE) else row


def _shape(seq: int, device: str, wall: int, raw: bytes, *, wanted: bool) -> Row:
    return Row(
        seq=seq,
        frame=seq,
        index=0,
        device=device,
        kind=Kind.PASSING,
        wall=wall,
        time=None,
        ns=None,
        basis=Basis.EPOCH,
        day=None,
        tag=None,
        bib=None,
        channel=None,
        event=None,
        generation=0,
        phase=Phase.RACE,
        read_type=2,
        origin=Origin.LIVE,
        status=Status.LIVE,
        of=None,
        raw=raw,
        wanted=wanted,
    )
