"""A retransmit of the TIME MACHINE: where it begins, and where it ends although no END line says so.

Pure: from a device's TimingState to the next one. An END line is lost to noise or to a timer that is switched off; what
the timer sends then is live, and must not be taken for told again for the rest of the day.
"""

from msgspec import structs

from console.model import SECOND, Basis, Reading, TimingState

PAUSE = 2 * SECOND
"""The lines of a retransmit follow each other at once (a third of a second at 1200 baud). After a pause like this, one
that tells what the clock shows just now is a finisher of now."""

START_PAUSE = 5 * SECOND
"""A START line after a pause like this is one of now, too: none is listed in a retransmit (timemachine.md, 2.5)."""

LONG_PAUSE = 120 * SECOND
"""Without a gun nothing tells what the clock shows; then it is this pause, longer than the longest XOFF timeout."""

FRESH = 3 * SECOND
"""How far a time may be from what the clock should show now, to be one of now."""

NOTED = SECOND // 2
"""How exactly the arrival of the last line is remembered: less would write the state with every line."""


def begin(state: TimingState, wall: int) -> TimingState:
    """One that begins inside another (whose end was lost) must not forget the event before the first."""
    before = (state.event_after or state.event_before) if state.retransmit else state.event
    return structs.replace(state, retransmit=True, event_before=before, event_after=None, told_again=wall)


def end(state: TimingState, *, cut_off: bool = False) -> TimingState:
    """The event before it is in force again (timemachine.md, 2.8); if it was `cut_off`, an EVENT line since then."""
    event = (cut_off and state.event_after) or state.event_before
    return structs.replace(state, retransmit=False, event=event, event_before=None, event_after=None, told_again=None)


def event_is(state: TimingState, wall: int, event: str) -> TimingState:
    """An EVENT line, in a retransmit or not."""
    paused = state.retransmit and _silence(state, wall) >= PAUSE
    return structs.replace(state, event=event or None, event_after=event if paused else state.event_after)


def goes_on(state: TimingState, wall: int) -> TimingState:
    """One more line of it."""
    if _silence(state, wall) < NOTED and state.event_after is None:
        return state
    return structs.replace(state, event_after=None, told_again=wall)


def is_over(state: TimingState, wall: int, reading: Reading) -> bool:
    """Whether `reading` cannot belong any more to the retransmit under way."""
    if not state.retransmit or reading.ns is None or reading.basis not in (Basis.DAY, Basis.RACE):
        return False
    silence, now = _silence(state, wall), should_show(state, wall)
    if now is None:
        return silence >= LONG_PAUSE
    return silence >= PAUSE and abs(reading.ns - now) < FRESH


def is_over_at_start(state: TimingState, wall: int) -> bool:
    """The same of a START line."""
    return state.retransmit and _silence(state, wall) >= START_PAUSE


def should_show(state: TimingState, wall: int) -> int | None:
    """What the device's clock should show at `wall`; None: it was not seen to start."""
    if state.gun_ns is None or state.gun_wall is None:
        return None
    return state.gun_ns + (wall - state.gun_wall)


def _silence(state: TimingState, wall: int) -> int:
    return wall - (wall if state.told_again is None else state.told_again)
