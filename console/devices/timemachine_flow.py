"""Pausing a timer and letting it go on: XOFF and XON, its own timeout, the handshake line, and how well it obeys.

A pause always ends: at its limit, with the console that asked for it, with the link, or because somebody says so.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from msgspec.structs import replace

from console.codecs import timemachine as codec
from console.devices.driver import Outlet
from console.model import SECOND, Flow, Level

LATENCY = 1.0
"""Seconds that XOFF may take to the timer, and a line from it to us: a serial bridge keeps both a while."""

MOST_MARGIN = 2.0
"""XOFF is sent again so many seconds before the timer's own timeout, or a quarter of that where it is short. It counts
from XOFF to XOFF, so that what the line takes cancels out."""

LAST_WORD = 0.05
"""Seconds for XON to get out before a port is closed: a byte at 1200 baud takes 0.01 s."""

UNSENT = 1.0
"""Seconds after which XON is tried again where the port took none."""


class FlowControl:
    """Whether the timer may send. `timeout` is its own XOFF timeout, s (0: none), `line_time` what its longest line
    takes, s; every change of the state is given to `publish`."""

    def __init__(self, outlet: Outlet, publish: Callable[[Flow], None], *, timeout: float, line_time: float) -> None:
        self.low: dict[str, int] = {}
        """Handshake lines that were dropped, and the console that did it."""
        self.defied = False
        """Lines come although the timer should be holding them."""
        self.flow = Flow()
        self._outlet = outlet
        self._publish = publish
        self._timeout = timeout
        self._in_transit = LATENCY + 2 * line_time
        """Seconds after XOFF in which a line may still end: the one being sent, and one that began meanwhile."""
        self._console = 0
        self._held_at = 0
        """Wall ns since which the timer should be holding its lines."""
        self._went_on_at: int | None = None
        """Wall ns of the XON that no line has come after."""
        self._transit = ""
        """What was measured of the line in transit."""
        self._again_at: float | None = None
        self._ends_at: float | None = None
        """When to say XOFF again, and XON at last, by the loop's clock."""
        self._stirred = asyncio.Event()

    @property
    def held(self) -> bool:
        """The timer should not be sending."""
        return self.flow.paused_at is not None or bool(self.low)

    @property
    def words(self) -> str:
        """What holds the timer; empty: nothing does."""
        told = ["PAUSED"] if self.flow.paused_at is not None else []
        told += [f"HELD by {' and '.join(self.low)} low"] if self.low else []
        return ", ".join([*told, "but lines come"]) if told and self.defied else ", ".join(told)

    def opened(self) -> None:
        """A link begins, with its handshake lines up. Say XON: whoever was here before may have left it paused."""
        self._forget()
        self._show(Flow())
        self._outlet.send(codec.XON, label="XON")

    def lost(self) -> None:
        """The link has ended, and with it what was held: the next one begins with XON, and with its lines up."""
        if self.flow.paused_at is not None:
            self._outlet.trouble(Level.WARNING, "the pause ended with the link: XON is sent as soon as it is back")
        self._forget()
        self._show(Flow())

    def pause(self, limit: int, by: str, console: int) -> None:
        """Send XOFF; XON follows in `limit` seconds. A pause that there is already gets this limit and this owner."""
        self._outlet.send(codec.XOFF, by=by, label=f"XOFF, {limit} s at most")
        wall, now = self._outlet.wall(), asyncio.get_running_loop().time()
        flow = self.flow if self.flow.paused_at is not None else Flow(paused_at=wall)
        if self.flow.paused_at is None:
            self._hold(wall)
        self._console = console
        self._ends_at = now + limit
        self._due_again(now)
        self._show(replace(flow, by=by, resumes_at=self._resumes_at(wall), ends_at=wall + limit * SECOND))

    def resume(self, by: str) -> str:
        """Send XON, whether paused or not; what there was to end, in words."""
        if self.flow.paused_at is None:
            self._outlet.send(codec.XON, by=by, label="XON")
            self._went_on(self._outlet.wall())
            return "it was not paused from here"
        return f"the pause held {self._end(by):.1f} s"

    def set_line(self, name: str, up: bool, by: str, console: int) -> None:
        """Raise or drop RTS or DTR. Raises ConnectionError where the port has none."""
        self._outlet.set_line(name, up, by=by)
        if not up:
            if not self.held:
                self._hold(self._outlet.wall())
            self.low[name] = console
        elif self.low.pop(name, None) is not None and not self.held:
            self._went_on(self._outlet.wall())
        self._publish(self.flow)

    def left(self, console: int) -> None:
        """Console `console` has gone away: what it holds is let go. 0 is nobody who could go away."""
        if not console:
            return
        try:
            if self.flow.paused_at is not None and self._console == console:
                by = self.flow.by
                self._end("")
                self._outlet.trouble(Level.NOTE, f"XON sent: the console of {by}, who had paused it, has gone away")
            for name in [name for name, owner in self.low.items() if owner == console]:
                self.set_line(name, True, "", 0)
                self._outlet.trouble(Level.NOTE, f"{name} is high again: the console that had dropped it has gone away")
        except ConnectionError as error:
            self._failed("XON", error)
            if self.flow.paused_at is not None:
                self._ends_at = asyncio.get_running_loop().time() + UNSENT
                self._stirred.set()

    def line_came(self, wall: int) -> None:
        """A line has come, at `wall`. Nothing is published: the frame tells of itself."""
        note = self.flow.note
        if self.held:
            note = self._line_while_held((wall - self._held_at) / SECOND)
        elif self._went_on_at is not None:
            first = f"first line {max(0, wall - self._went_on_at) / SECOND:.2f} s after XON"
            note = "; ".join(filter(None, (self._transit, first)))
            self._went_on_at, self._transit = None, ""
        self.flow = replace(self.flow, lines=self.flow.lines + 1, heard=wall, note=note)

    def idle_since(self, last: int) -> int:
        """Since when a silence counts that began at `last` (wall ns): not while we had the timer wait."""
        return max(last, self._went_on_at or 0)

    async def keep(self) -> None:
        """Hold the pause up, and end it, in time; to run while the link is open. Ends it, too, where that goes on."""
        try:
            while True:
                self._stirred.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(self._due()):
                        await self._stirred.wait()
                self._do_what_is_due(asyncio.get_running_loop().time())
        finally:
            if self.flow.paused_at is not None:
                with suppress(ConnectionError):  # gone already: then `lost` tells
                    self._end("")
                    self._outlet.trouble(Level.NOTE, "XON sent: the pause ended, because the device is let go")
                    await asyncio.sleep(LAST_WORD)

    def _due(self) -> float | None:
        return min((moment for moment in (self._again_at, self._ends_at) if moment is not None), default=None)

    def _do_what_is_due(self, now: float) -> None:
        if self._ends_at is not None and now >= self._ends_at:
            try:
                self._end("")
            except ConnectionError as error:
                self._ends_at = now + UNSENT
                self._failed("XON", error)
        elif self._again_at is not None and now >= self._again_at:
            self._due_again(now)
            try:
                self._outlet.send(codec.XOFF, by=self.flow.by, label="XOFF again")
            except ConnectionError as error:
                self._failed("XOFF", error)
            else:
                self._show(replace(self.flow, resumes_at=self._resumes_at(self._outlet.wall())))

    def _end(self, by: str) -> float:
        """Send XON; for how many seconds the pause was. Raises ConnectionError, and then it is still a pause."""
        wall = self._outlet.wall()
        assert self.flow.paused_at is not None
        took = max(0, wall - self.flow.paused_at) / SECOND
        self._outlet.send(codec.XON, by=by, label=f"XON, held {took:.1f} s")
        self._console, self._again_at, self._ends_at = 0, None, None
        transit = self._transit or "no line was in transit"
        self.flow = Flow(note=self.flow.note if self.defied else transit)
        if not self.low:
            self._went_on(wall)
        self._transit = transit
        self._show(self.flow)
        return took

    def _line_while_held(self, after: float) -> str:
        """A line has come `after` seconds of holding: the one that was in transit, or the timer does not hold."""
        if after <= self._in_transit:
            self._transit = f"line in transit ended {max(0.0, after):.2f} s after {self._what}"
            return self._transit
        if not self.defied:
            self.defied = True
            told = f"the timer does not hold: a line came {after:.1f} s after {self._what}"
            self._outlet.trouble(Level.WARNING, f"{told}; {self._why_not()}")
        return f"the timer does not hold: lines came up to {after:.1f} s after {self._what}"

    @property
    def _what(self) -> str:
        return "XOFF" if self.flow.paused_at is not None else f"{' and '.join(self.low)} went low"

    def _why_not(self) -> str:
        if self.flow.paused_at is None:
            return "the cable does not bring that line, or the handshake line is disabled in its RS232 menu"
        own = f"xoff_timeout = {self._timeout:g} here"
        return f"either XOFF does not reach it, or its own XOFF timeout is shorter than {own}: see its RS232 menu"

    def _hold(self, wall: int) -> None:
        self._held_at, self._went_on_at, self._transit, self.defied = wall, None, "", False

    def _went_on(self, wall: int) -> None:
        self._went_on_at, self.defied = wall, False

    def _due_again(self, now: float) -> None:
        self._again_at = now + self._timeout - min(MOST_MARGIN, self._timeout / 4) if self._timeout else None
        self._stirred.set()

    def _resumes_at(self, wall: int) -> int | None:
        return wall + int(self._timeout * SECOND) if self._timeout else None

    def _failed(self, what: str, error: ConnectionError) -> None:
        self._outlet.trouble(Level.WARNING, f"{what} could not be sent: {error}")

    def _forget(self) -> None:
        self.low.clear()
        self.defied = False
        self._console, self._went_on_at, self._transit = 0, None, ""
        self._again_at = self._ends_at = None

    def _show(self, flow: Flow) -> None:
        self.flow = flow
        self._stirred.set()
        self._publish(flow)
