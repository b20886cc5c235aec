"""Two ends of a cable inside one process, for tests: it can be cut, mended and stalled."""

import asyncio

from console.links.link import Endpoint, Link, LinkError, Receiver


class NullModem:
    """The cable. What one end writes the other receives, if it is open: a line keeps nothing."""

    def __init__(self) -> None:
        self.a = End(self, "null modem a")
        self.b = End(self, "null modem b")
        self.a.other, self.b.other = self.b, self.a
        self.whole = asyncio.Event()
        self.whole.set()
        self.flowing = asyncio.Event()
        self.flowing.set()

    def cut(self, reason: str = "cable cut") -> None:
        """Both ends lose their links, and none can be opened until the cable is mended."""
        self.whole.clear()
        for end in (self.a, self.b):
            if end.link is not None:
                end.link.lose(reason)

    def mend(self) -> None:
        """Whole again: a waiting `appeared()` returns."""
        self.whole.set()

    def stall(self) -> None:
        """Nothing gets through; what is written stays pending."""
        self.flowing.clear()

    def flow(self) -> None:
        """What was pending gets through, and all that follows."""
        self.flowing.set()
        for end in (self.a, self.b):
            if end.link is not None:
                end.link.deliver()


class End(Endpoint):
    """One end of the cable."""

    other: "End"

    def __init__(self, cable: NullModem, where: str) -> None:
        self.cable = cable
        self.where = where
        self.link: _NullLink | None = None

    async def open(self, receiver: Receiver) -> Link:
        """See Endpoint."""
        if not self.cable.whole.is_set():
            raise LinkError(f"{self.where}: the cable is cut")
        if self.link is not None:
            raise LinkError(f"{self.where}: open already")
        self.link = _NullLink(self, receiver)
        return self.link

    async def appeared(self) -> None:
        """See Endpoint."""
        if self.cable.whole.is_set():  # nothing is going to change
            await asyncio.get_running_loop().create_future()
        await self.cable.whole.wait()


class _NullLink(Link):
    def __init__(self, end: End, receiver: Receiver) -> None:
        self.end = end
        self.receiver = receiver
        self.buffer = bytearray()
        self.reading = True

    def pause(self) -> None:
        self.reading = False

    def resume(self) -> None:
        self.reading = True
        if near := self.end.other.link:
            near.deliver()

    def write(self, data: bytes) -> None:
        if self.end.link is not self:
            raise ConnectionError("the link is gone")
        self.buffer += data
        asyncio.get_running_loop().call_soon(self.deliver)

    def pending(self) -> int:
        return len(self.buffer)

    def abort(self) -> None:
        if self.end.link is self:
            self.end.link = None

    async def closed(self) -> None:
        return

    def deliver(self) -> None:
        if self.end.link is not self or not self.buffer or not self.end.cable.flowing.is_set():
            return
        far = self.end.other.link
        if far is not None and not far.reading:
            return
        data = bytes(self.buffer)
        self.buffer.clear()
        if far is not None:
            far.receiver.received(data)

    def lose(self, reason: str) -> None:
        self.abort()
        self.receiver.lost(reason)
