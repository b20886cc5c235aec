"""One TCP connection to the server: what comes is looked at in slices, and no faster than a server has to talk."""

from collections.abc import Callable

from console.codecs.thcom_session import Session
from console.its.login import Greeting

ALLOWANCE = 131_072
"""Bytes a server may send in a second: some 2,000 frames. Whoever sends more is read more slowly."""

REASON_WITHIN = 2.0
"""Seconds that a server has to say (#PL) why it refuses us."""

SLICE = 8_192
"""Bytes that are looked at in one go; then it is the turn of others."""


class Attempt:
    """One TCP connection; the Receiver of its link."""

    def __init__(
        self,
        session: Session,
        greeting: Greeting,
        look: Callable[["Attempt", bytes], None],
        stir: Callable[[], None],
    ) -> None:
        self.session = session
        self.greeting = greeting
        self.linked_at: int | None = None
        """Monotonic ns; None: the server has not accepted us."""
        self.refused = ""
        """Why the server has refused us; empty: it has not."""
        self.ended = ""
        """Why it has; empty: it has not."""
        self.inbox = bytearray()
        """What came and was not looked at."""
        self.may_read = True
        self._allowance = ALLOWANCE
        self._renewed_at = 0.0
        self._refused_at = 0.0
        self._look = look
        """Called with some of what came."""
        self._stir = stir
        """Called when there is something to look at."""

    def readable(self, now: float) -> bool:
        """Whether `read_on` would look at something."""
        allowed = self._allowance > 0 or now - self._renewed_at >= 1
        return bool(self.inbox) and self.may_read and allowed and not self.ended

    def read_on(self, now: float) -> None:
        """Look at the next slice of what came."""
        if self.refused and now - self._refused_at >= REASON_WITHIN:
            self.end(self.refused)
        if now - self._renewed_at >= 1:
            self._allowance, self._renewed_at = ALLOWANCE, now
        if self.readable(now):
            data = bytes(self.inbox[:SLICE])
            del self.inbox[:SLICE]
            self._allowance -= len(data)
            self._look(self, data)

    def read_all(self) -> None:
        """It was cut: look at all that came before."""
        data, self.inbox = bytes(self.inbox), bytearray()
        if data:
            self._look(self, data)

    def refuse(self, reason: str, now: float) -> None:
        """The server has refused us; it may say why in its next words, so it is listened to a little longer."""
        if not self.refused:
            self.refused, self._refused_at = reason, now

    def explain(self, reason: str) -> None:
        """It has said why: that is the end."""
        self.refused = reason
        self.end(reason)

    def end(self, reason: str) -> None:
        """It is over."""
        self.ended = self.ended or reason
        self._stir()

    def received(self, data: bytes) -> None:
        """See Receiver."""
        self.inbox += data
        self._stir()

    def lost(self, reason: str) -> None:
        """See Receiver."""
        self.end(reason)
