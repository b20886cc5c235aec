"""What another timer sends through the server, as a device of its own: read as if it were on a cable, THCOM08 for
THCOM08. Its link is there while ours to the server is."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from typing import ClassVar, Literal

from console.codecs import thcom, thcom_link
from console.codecs.thcom_session import WINDOW
from console.devices.driver import CommandError, Outlet, Reply
from console.devices.thcom import Thcom, ThcomSettings
from console.its.settings import ItsSettings
from console.links.link import Endpoint, Link, Receiver
from console.model import CommandInfo, Heard, Order, Risk

DOUBTFUL = 2 * WINDOW
"""Frames before the loss of a connection whose acknowledgements may have been lost with it: they come again."""


UNCHECKED = {"wrong": "checksum wrong", "missing": "no checksum"}


MOST_EARLY = 500
"""Frames that may wait for a device that is not ready."""


class SourceSettings(ThcomSettings, frozen=True, kw_only=True):
    """A source, as a device among the others; see `settings_of`."""

    type: Literal["its"] = "its"
    source: str = ""
    """`TDDDD`."""
    model: str = ""


def settings_of(its: ItsSettings, address: str) -> SourceSettings:
    """The device that the source at `address` is."""
    found = next((one for one in its.material if its.address_of(one) == address), None)
    return SourceSettings(
        name=its.name_of(address),
        address=f"{address} at {its.where}",
        source=address,
        model=found.model if found else "",
        points=found.points if found else {},
        point=found.point if found else "",
        silent_after=0,
    )


class Source(Thcom):
    """Reads the data of whole Extended frames of one source.

    Times carry what identifies them. Results do not: one that equals one of the last before a loss of the connection
    is taken for the same, come again.
    """

    settings_type: ClassVar[type[ThcomSettings]] = SourceSettings
    shown = "ITS ONLINE TIMING"
    commands: ClassVar[tuple[CommandInfo, ...]] = ()

    def __init__(self, settings: ThcomSettings, outlet: Outlet, changed: Callable[[], None] = lambda: None) -> None:
        super().__init__(settings, outlet, changed)
        self._last: deque[str] = deque(maxlen=DOUBTFUL)
        """The last results."""
        self._doubtful: Counter[str] = Counter()
        """Those of them that may come again."""
        self._frames = thcom_link.Decoder()

    def opened(self) -> None:
        """The link to the server is there again. A run goes on as it was: its source has lost nothing."""
        self._frames = thcom_link.Decoder()
        self._doubtful = Counter(self._last)
        assert isinstance(self.settings, SourceSettings)
        if self.settings.model:
            self.facts["model"] = self.settings.model

    def receive(self, data: bytes, wall: int) -> list[Heard]:
        """Read frames that the link has found whole."""
        return [heard for piece in self._frames.receive(data) for heard in self._frame(piece.raw, piece.record, wall)]

    def _frame(self, raw: bytes, record: thcom_link.Record | None, wall: int) -> list[Heard]:
        if not isinstance(record, thcom_link.Extended):
            return [Heard(raw=raw, label="garbage", flaw="no whole frame")]
        if record.protocol != "1":
            return [Heard(raw=raw, label=f"protocol {record.protocol}")]
        self._decoder = thcom.Decoder(serial=False)  # frames are whole: none waits for the next
        told = super().receive(record.data.encode("ascii") + b"\r\n", wall)
        label = " ".join(one.label for one in told)
        facts = tuple(fact for one in told for fact in one.facts)
        flaws = [one.flaw for one in told if one.flaw]
        note = ""
        if record.check != "right":  # else, where they are required, it would not have come so far
            label += f" {UNCHECKED[record.check]}"
            note = f"{UNCHECKED[record.check]}: taken all the same, as `checksums` in [its] has it"
        return [Heard(raw=raw, label=label, facts=facts, flaw="; ".join(flaws), note=note)]

    def lost(self) -> list[Heard]:
        """The link to the server is gone; there are no half frames here."""
        self._run = None
        return []

    def silence(self) -> float | None:
        """A timer without impulses says nothing."""
        return None

    def unplugging(self) -> bool:
        """The loss of the link is said once, of the link."""
        return True

    async def attend(self) -> None:
        """Ask nothing: it is not ours."""
        await asyncio.Event().wait()

    def risk(self, words: str) -> Risk:
        """See `command`."""
        raise CommandError(f"no command {words!r}: the timer is at the other end of the server")

    async def command(self, order: Order) -> Reply:
        """Raises CommandError: there is none."""
        self.risk(order.words)
        raise AssertionError

    def _count(self, contents: str, recalled: bool) -> int:
        if recalled:
            return super()._count(contents, recalled)
        if self._doubtful[contents] > 0:
            self._doubtful[contents] -= 1
            return self._live.get(contents, 1)
        self._last.append(contents)
        return super()._count(contents, recalled)

    @classmethod
    def explain(cls, raw: bytes) -> dict[str, str]:
        """Field by field."""
        return explain(raw)


def explain(raw: bytes) -> dict[str, str]:
    """What a frame of the link means: its own fields, and those of the message in it."""
    pieces = thcom_link.Decoder().receive(raw)
    if len(pieces) != 1 or not isinstance(record := pieces[0].record, thcom_link.Extended):
        return {}
    link = {
        "frame number": f"{record.number:03}",
        "from": record.source,
        "to": record.destination,
        "link checksum": record.check,
    }
    return link | Thcom.explain(record.data.encode("ascii") + b"\r\n")


class SourceEndpoint(Endpoint):
    """Where a source's frames come out. What comes before the device is ready waits here: it is not safe, so it is not
    acknowledged, and there is a limit to that."""

    def __init__(self, where: str, flow: Callable[[], None]) -> None:
        self.where = where
        self.flow = flow
        """To be called when `busy` changes."""
        self.paused = False
        """The journal is behind."""
        self._open: _SourceLink | None = None
        self._early: list[bytes] = []
        self._linked = asyncio.Event()

    def feed(self, raw: bytes) -> None:
        """A frame has come."""
        if self._open and self._open.receiver:
            self._open.receiver.received(raw)
        else:
            self._early.append(raw)

    @property
    def busy(self) -> bool:
        """Whether it takes no more for now."""
        return self.paused or len(self._early) > MOST_EARLY

    def linked(self) -> None:
        """The link to the server is there."""
        self._linked.set()

    def lost(self, reason: str) -> None:
        """The link to the server is gone."""
        self._linked.clear()
        link, self._open = self._open, None
        if link and (receiver := link.receiver):
            link.receiver = None
            receiver.lost(reason)

    async def open(self, receiver: Receiver) -> Link:
        """See Endpoint."""
        await self._linked.wait()
        self.paused = False
        self._open = _SourceLink(receiver, self)
        early, self._early = self._early, []
        for raw in early:
            receiver.received(raw)
        self.flow()
        return self._open

    async def appeared(self) -> None:
        """See Endpoint."""
        await self._linked.wait()


class _SourceLink(Link):
    """Nothing is written to a source; where it has to wait for the journal, the whole link has."""

    def __init__(self, receiver: Receiver, endpoint: SourceEndpoint) -> None:
        self.receiver: Receiver | None = receiver
        self._endpoint = endpoint

    def write(self, data: bytes) -> None:
        """See Link."""
        raise ConnectionError("nothing is sent to a timer at the other end of the server")

    def pending(self) -> int:
        """See Link."""
        return 0

    def pause(self) -> None:
        """See Link."""
        self._endpoint.paused = True
        self._endpoint.flow()

    def resume(self) -> None:
        """See Link."""
        self._endpoint.paused = False
        self._endpoint.flow()

    def abort(self) -> None:
        """See Link."""
        self.receiver = None

    async def closed(self) -> None:
        """See Link."""
