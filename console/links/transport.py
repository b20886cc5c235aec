"""A link over an asyncio transport: what serial ports and TCP connections have in common."""

import asyncio

from console.links.link import Link, Receiver


class TransportLink(asyncio.Protocol, Link):
    """Link and asyncio Protocol in one. Not streams: those lose the half line that a link ends with."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver: Receiver | None = receiver
        self._transport: asyncio.Transport | None = None
        self._closed = asyncio.Event()

    def write(self, data: bytes) -> None:
        """See Link."""
        if self._receiver is None or self._transport is None:
            raise ConnectionError("the link is gone")
        self._transport.write(data)

    def pending(self) -> int:
        """See Link."""
        return self._transport.get_write_buffer_size() if self._transport else 0

    def pause(self) -> None:
        """See Link."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume(self) -> None:
        """See Link."""
        if self._transport is not None:
            self._transport.resume_reading()

    def abort(self) -> None:
        """See Link."""
        self._receiver = None
        if self._transport is not None:
            self._transport.abort()

    async def closed(self) -> None:
        """See Link."""
        await self._closed.wait()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        if self._receiver is not None:
            self._receiver.received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._transport = None
        self._closed.set()
        self._lose(self._why(exc))

    def _lose(self, reason: str) -> None:
        """Tell the receiver, unless it knows already or has aborted."""
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            receiver.lost(reason)

    def _why(self, exc: Exception | None) -> str:
        """The reason of a loss, in words."""
        return str(exc) if exc else "closed"
