"""One connection of the server link, from either side: numbering, acknowledgements, heartbeats (thcom.md, section 3).

Sans-IO: fed with bytes and with the time, it hands out what has come and what is to be written. At most `WINDOW` frames
are under way without an acknowledgement; what is not acknowledged is sent again, and what comes again is told once.
"""

from collections import deque
from typing import TypeAlias

from msgspec import Struct

from console.codecs.thcom_link import (
    HEARTBEAT,
    LAST_NUMBER,
    LOGIN_NUMBERS,
    Acknowledged,
    Decoder,
    Dialect,
    Extended,
    Heartbeat,
    acknowledgement,
    extended,
)

WINDOW = 10
"""Frames that may be under way unacknowledged."""

BEAT_EVERY = 30.0
"""Seconds of our silence after which we say that we live."""

DEAD_AFTER = 60.0
"""Seconds of their silence after which the link is dead."""

AGAIN_AFTER = 5.0
"""Seconds after which a frame that was not acknowledged goes again: the delay is not documented (inferred)."""

TRIES = 5
"""How often a frame goes before the connection is given up: its number would soon come round again (inferred)."""


class Arrived(Struct, frozen=True):
    """A frame with data has come."""

    frame: Extended
    raw: bytes
    again: bool
    """The same came before, under the same number: acknowledged once more, and to be told to nobody."""


class Delivered(Struct, frozen=True):
    """The other side has what was offered under `key`."""

    key: int


class Odd(Struct, frozen=True):
    """Something that is no good frame, or no acknowledgement of ours."""

    raw: bytes
    flaw: str


class Beat(Struct, frozen=True):
    """A heartbeat has come."""


Event: TypeAlias = Arrived | Delivered | Odd | Beat


class _Offer(Struct):
    key: int
    source: str
    destination: str
    data: str
    protocol: str
    number: int | None
    """Frame number; None: the next one."""
    raw: bytes = b""
    sent_at: float = 0.0
    tries: int = 0


class Session:
    """One connection. Times are seconds on any clock that does not step.

    `at_once`: what comes is acknowledged with the next `write`; else by `acknowledge`, once it is safe.
    """

    def __init__(self, dialect: Dialect, now: float, *, first: int = 0, at_once: bool = True) -> None:
        self.dialect = dialect
        self._at_once = at_once
        self.heard_at = self.said_at = now
        self.under_way: dict[int, _Offer] = {}
        """Frame number -> what was sent under it and not acknowledged."""
        self._next = first
        self._queue: deque[_Offer] = deque()
        self._replies: list[bytes] = []
        self._decoder = Decoder()
        self._seen: dict[int, tuple[str, str, str]] = {}
        self._repeated: set[int] = set()
        """Numbers under which the newest frame was sent more than once: it may be acknowledged as often."""

    # --- what goes out ---

    @property
    def waiting(self) -> int:
        """Frames offered and not acknowledged."""
        return len(self._queue) + len(self.under_way)

    def offer(
        self, key: int, source: str, destination: str, data: str, *, protocol: str = "1", number: int | None = None
    ) -> None:
        """Have `data` sent; `Delivered(key)` tells that it has arrived. Raises ValueError where no frame can.

        `number`: under this one, once nothing else is under way under it, and not under the next of this connection.
        """
        extended(number or 0, source, destination, data, protocol=protocol)
        self._queue.append(_Offer(key, source, destination, data, protocol, number))

    def login(self, number: int, source: str, destination: str, data: str) -> None:
        """Have one of the three frames of a login sent at once, outside the numbering; not waited for."""
        self._replies.append(extended(number, source, destination, data))

    def acknowledge(self, number: int) -> None:
        """Have the other side told, with the next `write`, that frame `number` has arrived and is safe."""
        self._replies.append(acknowledgement(number))

    def write(self, now: float) -> bytes:
        """Everything that is to be written now."""
        out, self._replies = self._replies, []
        for number, offer in self.under_way.items():
            if now - offer.sent_at >= AGAIN_AFTER:
                self._repeated.add(number)
                out.append(self._sent(offer, now))
        while self._queue and len(self.under_way) < WINDOW:
            offer = self._queue[0]
            number = self._next if offer.number is None else offer.number
            if number in self.under_way:  # its acknowledgement would be for two frames
                break
            self._queue.popleft()
            if offer.number is None:
                self._next = 0 if self._next >= LAST_NUMBER else self._next + 1
            self._repeated.discard(number)
            offer.raw = extended(number, offer.source, offer.destination, offer.data, protocol=offer.protocol)
            self.under_way[number] = offer
            out.append(self._sent(offer, now))
        if not out and now - self.said_at >= BEAT_EVERY:
            out.append(HEARTBEAT)
        if out:
            self.said_at = now
        return b"".join(out)

    def next_due(self) -> float:
        """When `write` or `dead` will have something to say without anything having come."""
        resends = [offer.sent_at + AGAIN_AFTER for offer in self.under_way.values()]
        return min(self.said_at + BEAT_EVERY, self.heard_at + DEAD_AFTER, *resends)

    def dead(self, now: float) -> str:
        """Why the link is dead; empty: it is not."""
        if now - self.heard_at >= DEAD_AFTER:
            return f"nothing heard for {DEAD_AFTER:.0f} s"
        tired = [number for number, offer in self.under_way.items() if offer.tries >= TRIES]
        if any(now - self.under_way[number].sent_at >= AGAIN_AFTER for number in tired):
            return f"frame {tired[0]:03} was not acknowledged, although sent {TRIES} times"
        return ""

    @staticmethod
    def _sent(offer: _Offer, now: float) -> bytes:
        offer.sent_at = now
        offer.tries += 1
        return offer.raw

    # --- what comes in ---

    def receive(self, data: bytes, now: float) -> list[Event]:
        """What `data` brings; its acknowledgements go with the next `write`."""
        events: list[Event] = []
        for piece in self._decoder.receive(data):
            self.heard_at = now
            match piece.record:
                case Extended() as frame:
                    events += self._arrived(frame, piece.raw, piece.flaw)
                case Acknowledged(number) if number in LOGIN_NUMBERS.values() and number not in self.under_way:
                    pass  # that a frame of a login has arrived; the answer to it is another
                case Acknowledged(number) if number in self._repeated and number not in self.under_way:
                    pass  # the other acknowledgement of a frame that went again
                case Acknowledged(number):
                    offer = self.under_way.pop(number, None)
                    odd = Odd(piece.raw, f"acknowledges frame {number:03}, which is not under way")
                    events.append(Delivered(offer.key) if offer else odd)
                case Heartbeat():
                    events.append(Beat())
                case None:
                    events.append(Odd(piece.raw, piece.flaw))
        return events

    def _arrived(self, frame: Extended, raw: bytes, flaw: str) -> list[Event]:
        strict = self.dialect.checksums
        if frame.check != "right" and strict == "required":
            return [Odd(raw, flaw or "no checksum, and the settings require one")]
        said: list[Event] = []
        if frame.check == "wrong" and strict == "lenient":
            said.append(Odd(raw, f"{flaw}; taken all the same"))
        if self._at_once:
            self.acknowledge(frame.number)
        contents = (frame.source, frame.destination, frame.data)
        again = self._seen.get(frame.number) == contents
        self._seen.pop(frame.number, None)
        self._seen[frame.number] = contents
        if len(self._seen) > 2 * WINDOW:  # the numbers come round: only a recent one tells of a repeat
            del self._seen[next(iter(self._seen))]
        return [*said, Arrived(frame, raw, again)]

    def half(self) -> list[Odd]:
        """The half frame that was open when the link was lost."""
        return [Odd(piece.raw, piece.flaw) for piece in self._decoder.flush()]
