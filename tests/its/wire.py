"""A connection to a server in memory: cut wherever a test wants it cut, in time that a test makes pass."""

import asyncio
from collections.abc import Callable
from itertools import count

from msgspec import structs

from console.codecs.thcom_link import Dialect, Extended
from console.codecs.thcom_session import Arrived, Delivered, Session
from console.its.connection import Connection
from console.its.login import Login
from console.links.link import Endpoint, Link, LinkError, Receiver
from console.model import SECOND, Direction, Draft, Frame, Level

LOGIN = Login("1007", "P1007", "SN 01007 PC 0100", "timer01")
SERVER = "P0000"


class Host:
    """Journals into a list; what is in it is safe at once, unless a test holds the disk up."""

    def __init__(self) -> None:
        self.drafts: list[Draft] = []
        self.troubles: list[tuple[Level, str]] = []
        self.now = 1000 * SECOND
        self.disk_works = True
        self.safe: Callable[[list[Frame]], None] = lambda frames: None
        self.held: list[Frame] | None = None
        """Frames that are not safe yet; None: all are."""

    def frame(self, draft: Draft) -> bool:
        self.drafts.append(draft)
        self.troubles += [(one.level, one.text) for one in draft.troubles]
        if draft.direction is Direction.RX:
            self.keep(draft.raw, draft.by)
        return True

    def keep(self, raw: bytes, by: str = "") -> None:
        device = "its" if by else "start"
        frame = Frame(seq=1, device=device, direction=Direction.RX, wall=0, mono=0, raw=raw, by=by)
        if self.held is not None:
            self.held.append(frame)
        else:
            asyncio.get_running_loop().call_soon(lambda: self.safe([frame]))

    def let_go(self) -> None:
        frames, self.held = self.held or [], None
        self.safe(frames)

    def keeps_up(self) -> bool:
        return self.disk_works

    def trouble(self, level: Level, source: str, text: str) -> None:
        assert source == "its"
        self.troubles.append((level, text))

    def wall(self) -> int:
        return self.now

    def mono(self) -> int:
        return self.now

    def changed(self) -> None:
        pass

    def texts(self, direction: Direction) -> list[bytes]:
        return [one.raw for one in self.drafts if one.direction is direction]


class User:
    """Remembers what a connection brings."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.words: list[str] = []
        self.frames: list[Extended] = []
        self.keys: list[int] = []
        self.is_busy = False

    def linked(self, connection: Connection) -> None:
        self.words.append("linked")

    def lost(self, connection: Connection, reason: str) -> None:
        self.words.append("lost")

    def cleared(self, connection: Connection) -> None:
        self.words.append("cleared")

    def arrived(self, connection: Connection, frame: Extended, raw: bytes) -> bool:
        self.frames.append(frame)
        self.host.keep(raw)
        return True

    def delivered(self, connection: Connection, key: int) -> None:
        self.keys.append(key)

    def busy(self) -> bool:
        return self.is_busy


class Wire(Endpoint):
    """Where the server is. It greets whoever has sent a password, and offers on each connection what was not
    acknowledged on those before."""

    where = "server"

    def __init__(self, host: Host, greeting: tuple[str, ...] = ("#GC 1",)) -> None:
        self.host = host
        self.greeting = greeting
        self.refuses = False
        self.acknowledges = True
        self.stuffed = 0
        """Bytes that it does not take."""
        self.waiting: dict[int, tuple[str, str]] = {}
        """What the server has for us, and we have not acknowledged."""
        self.got: list[tuple[str, str]] = []
        self.said: list[str] = []
        """What came at a login."""
        self.session: Session | None = None
        self.link: WireLink | None = None
        self.opened = 0
        self.cut_down = self.cut_up = 1 << 30
        """Bytes after which the connection is cut, for either way."""
        self._keys = count(1)

    async def open(self, receiver: Receiver) -> Link:
        if self.refuses:
            raise LinkError("server: connection refused: nothing listens on this port")
        self.opened += 1
        self.session = Session(Dialect(), self.host.now / SECOND, first=190)
        self.link = WireLink(self, receiver)
        return self.link

    async def appeared(self) -> None:
        await asyncio.Event().wait()

    def came(self, data: bytes) -> None:
        """The client has written."""
        assert self.session
        cut, data = len(data) >= self.cut_up, data[: self.cut_up]
        self.cut_up -= len(data)
        for event in self.session.receive(data, self.host.now / SECOND):
            match event:
                case Arrived(frame=frame, again=again):
                    if not again:
                        self._took(frame)
                case Delivered(key):
                    self.waiting.pop(key, None)
        if cut:
            self.cut()
        else:
            self.flush()

    def _took(self, frame: Extended) -> None:
        assert self.session
        if frame.number < 253:
            self.got.append((frame.source, frame.data))
            return
        self.said.append(frame.data)
        if frame.number == 255 and self.said.count(frame.data) == 1:
            for line in self.greeting:
                self.session.offer(0, SERVER, frame.source, line)
            for key, (source, data) in self.waiting.items():
                self.session.offer(key, source, frame.source, data)

    def say(self, source: str, data: str) -> None:
        """The server has a frame for us."""
        self.waiting[key := next(self._keys)] = (source, data)
        if self.session and self.link and self.link.receiver and self.said:
            self.session.offer(key, source, "P1007", data)
            self.flush()

    def flush(self) -> None:
        """What the server has to say now."""
        assert self.session
        if not self.acknowledges:
            self.session._replies.clear()
        self.put(self.session.write(self.host.now / SECOND))

    def put(self, data: bytes) -> None:
        """These bytes come from the server."""
        if self.link and data:
            cut, data = len(data) >= self.cut_down, data[: self.cut_down]
            self.cut_down -= len(data)
            self.link.come(data)
            if cut:
                self.cut()

    def cut(self, reason: str = "the other side broke the connection off") -> None:
        """It is cut."""
        self.cut_down = self.cut_up = 1 << 30
        self.said.clear()
        link, self.link = self.link, None
        if link:
            link.cut(reason)


class WireLink(Link):
    def __init__(self, wire: Wire, receiver: Receiver) -> None:
        self.wire = wire
        self.receiver: Receiver | None = receiver
        self.paused = False
        self._loop = asyncio.get_running_loop()

    def write(self, data: bytes) -> None:
        if self.receiver:
            self._loop.call_soon(self._arrive, data)

    def _arrive(self, data: bytes) -> None:
        if self.wire.link is self:
            self.wire.came(data)

    def come(self, data: bytes) -> None:
        self._loop.call_soon(self._come, data)

    def _come(self, data: bytes) -> None:
        if self.receiver:
            self.receiver.received(data)

    def cut(self, reason: str) -> None:
        self._loop.call_soon(self._lose, reason)

    def _lose(self, reason: str) -> None:
        receiver, self.receiver = self.receiver, None
        if receiver:
            receiver.lost(reason)

    def pending(self) -> int:
        return self.wire.stuffed

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False

    def abort(self) -> None:
        self.receiver = None
        if self.wire.link is self:
            self.wire.cut()

    async def closed(self) -> None:
        pass


def login(**changes: str) -> Login:
    return structs.replace(LOGIN, **changes)
