"""What the kernel knows of a TCP connection, and what that says of the peer."""

import socket
import struct
import sys
from enum import StrEnum

from msgspec import Struct

DEAD_AFTER = 10.0
"""Seconds of data in flight without an acknowledgement after which the peer is gone."""

UNANSWERED = 3
"""Probes of a closed window without an answer: one or two may just be on their way."""

STUCK_AFTER = 10.0
"""Seconds without progress after which a peer that is there but takes nothing is called stuck."""

PATIENCE = 60.0
"""Seconds without progress after which a stuck peer is dropped."""

_ESTABLISHED, _CLOSE_WAIT = 1, 8
_SO_MEMINFO = 55


class TcpInfo(Struct, frozen=True):
    """The part of Linux's `struct tcp_info` that matters here."""

    state: int
    probes: int
    """Probes of a closed window that were not answered."""
    unacked: int
    """Segments in flight."""
    silence: float
    """Seconds since the last acknowledgement came."""
    acked: int
    """Bytes that the peer's TCP has acknowledged since the connection was made."""

    @property
    def open(self) -> bool:
        """Whether we can still send: the peer has closed at most its own sending half."""
        return self.state in (_ESTABLISHED, _CLOSE_WAIT)


MEASURES = sys.platform.startswith("linux")
"""Whether this system tells at all what a peer's TCP has taken."""


def tcp_info(sock: socket.socket | None) -> TcpInfo | None:
    """Ask the kernel; None where it does not tell (no socket, another system than Linux, or one older than 4.1).

    Answers for a connection that was reset, too, as long as its socket is not closed.
    """
    if sock is None or not MEASURES:
        return None
    try:
        raw = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 128)
    except OSError:
        return None
    if len(raw) < 128:
        return None
    (unacked,) = struct.unpack_from("=I", raw, 24)
    (last_ack_ms,) = struct.unpack_from("=I", raw, 56)
    (acked,) = struct.unpack_from("=Q", raw, 120)
    return TcpInfo(raw[0], raw[3], unacked, last_ack_ms / 1000, acked)


def send_space(sock: socket.socket) -> tuple[int, int] | None:
    """Bytes of memory that the send buffer has free, and of how many; None where the kernel does not tell.

    A little more than the data goes on each piece of it (Linux, `SO_MEMINFO`, since 4.12).
    """
    if not sys.platform.startswith("linux"):
        return None
    try:
        raw = sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 36)
    except OSError:
        return None
    if len(raw) < 24:
        return None
    (size,) = struct.unpack_from("=I", raw, 12)
    (queued,) = struct.unpack_from("=I", raw, 20)
    return size - queued, size


class Verdict(StrEnum):
    """What is to be thought of a peer."""

    WELL = "well"
    STUCK = "stuck"
    """It is there and takes nothing: its program does not read."""
    DEAD = "dead"
    """It answers no more: drop it."""
    HOPELESS = "hopeless"
    """Stuck for so long that it is dropped."""


class Health:
    """Watches one connection for progress. Times are seconds on any monotonic clock."""

    def __init__(self, now: float) -> None:
        self._taken = 0
        self._since = now
        """When it last took something, or had nothing to take."""

    def idle_for(self, now: float) -> float:
        """Seconds for which something has been outstanding without progress."""
        return now - self._since

    def check(self, now: float, taken: int, written: int, info: TcpInfo | None) -> Verdict:
        """Judge by what was written and what the peer has taken of it so far, both in bytes."""
        if taken > self._taken or taken >= written:
            self._taken, self._since = taken, now
            return Verdict.WELL
        idle = self.idle_for(now)
        # A peer whose window is closed answers our probes; one that is gone answers neither them nor our data.
        if info and (info.unacked or info.probes >= UNANSWERED) and min(idle, info.silence) >= DEAD_AFTER:
            return Verdict.DEAD
        if idle >= PATIENCE:
            return Verdict.HOPELESS
        return Verdict.STUCK if idle >= STUCK_AFTER else Verdict.WELL
