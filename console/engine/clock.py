"""The engine's own clock: is it kept in step, and has it jumped?"""

import ctypes
import sys
import time

from console.model import ClockState

STEP = 100_000_000
"""ns by which the wall clock must part from the monotonic one, between two looks, to be a step and no slewing."""

_STA_UNSYNC = 0x0040
_STA_NANO = 0x2000


class _Timex(ctypes.Structure):
    """`struct timex` as Linux's adjtimex(2) fills it on 64-bit systems; the tail is padding."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    )


def read_clock() -> ClockState:
    """Whether the kernel holds its clock for synchronised (by chrony, ntpd or timesyncd), and its offset in ns.

    Asks the kernel and not a daemon: one system call, the same for all of them. Unknown where there is no adjtimex.
    """
    if not sys.platform.startswith("linux"):
        return ClockState(source="?", synced=None)
    timex = _Timex()
    try:
        if ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex)) < 0:
            return ClockState(source="?", synced=None)
    except (OSError, AttributeError):
        return ClockState(source="?", synced=None)
    if timex.status & _STA_UNSYNC:
        return ClockState(source="free", synced=False)
    offset = timex.offset if timex.status & _STA_NANO else timex.offset * 1000
    return ClockState(source="NTP", synced=True, offset=offset)


class StepWatch:
    """Notices when the wall clock is set while the engine runs."""

    def __init__(self) -> None:
        self._before = time.time_ns() - time.monotonic_ns()

    def step(self) -> int | None:
        """ns by which the wall clock was set since the last look; None: it was not."""
        now = time.time_ns() - time.monotonic_ns()
        step, self._before = now - self._before, now
        return step if abs(step) >= STEP else None
