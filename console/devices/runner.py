"""Keeps one device connected, and carries what passes between its driver, its link and the journal."""

import asyncio
import logging
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from msgspec import structs

from console.devices import driver_class
from console.devices.drift import drift
from console.devices.driver import CommandError, DeviceSettings, Driver, Reply
from console.devices.hush import Hush
from console.devices.ordering import Orders, is_stop, offered
from console.devices.outlet import DeviceOutlet
from console.devices.session import ManagerDesk, Session
from console.links.backoff import backoff
from console.links.link import Endpoint, LinkError
from console.model import (
    SECOND,
    DeviceState,
    Direction,
    Draft,
    Heard,
    Level,
    LinkState,
    Order,
    RetransmitBegin,
    RetransmitEnd,
    Risk,
    Sheet,
    Start,
    Trouble,
)

log = logging.getLogger("racedeck")

STEADY = 3.0
"""Seconds a link must hold to count as back: one that is cut off as soon as it opens is still down."""

MOST_UNSAFE = 2000
"""Frames of one device that may wait for the disk before the device has to wait."""

FEW_UNSAFE = 500
"""Frames of it that may still wait when the device may go on."""

LOOK = 0.5
"""Seconds between two looks at the control lines of a serial port, where it has them."""

_LIVE = ("points", "point", "silent_after")
"""Settings that take effect without a new connection."""


class DeviceRunner:
    """One device, for as long as it is configured."""

    def __init__(
        self, settings: DeviceSettings, desk: ManagerDesk, endpoint_for: Callable[[DeviceSettings], Endpoint]
    ) -> None:
        self._settings = settings
        self._desk = desk
        self._endpoint_for = endpoint_for
        self._endpoint: Endpoint | None = None
        self._driver: Driver[Any] | None = None
        self._session: Session | None = None
        self._hush = Hush()
        self._stirred = asyncio.Event()
        """What is due next may have changed."""
        self._state = LinkState.CLOSED
        self._since = desk.wall()
        self._reason = ""
        self._retry_at: int | None = None
        self._down_since: int | None = None
        """Monotonic ns at which the outage began that was announced and is not over."""
        self._unsafe = 0
        """Frames journaled that are not safe on disk yet."""
        self._heard: int | None = None
        self._drift: int | None = None
        self._orders = Orders(settings.name, desk, self._failed)
        self._outlet = DeviceOutlet(settings.name, desk, lambda: self._session, self._keep, self._not_connected)
        self._retransmit = False
        """What the device sends now, it sends again: it tells nothing of its clock."""

    # --- for the manager ---

    def adopt(self, settings: DeviceSettings) -> bool:
        """Go on with `settings`, if that needs no new connection."""
        kept = {name: getattr(self._settings, name) for name in _LIVE}
        if structs.replace(settings, **kept) != self._settings:
            return False
        self._settings = settings
        if self._driver is not None:
            self._driver.settings = settings
        self._stirred.set()
        return True

    def state(self) -> DeviceState:
        """The device as the operator sees it; the counts are the journal's."""
        driver, session = self._driver, self._session
        return DeviceState(
            name=self._settings.name,
            type=self._settings.type,
            where=self._settings.address or self._settings.port,
            state=self._state,
            since=self._since,
            reason=self._reason,
            retry_at=self._retry_at,
            heard=self._heard,
            drift=self._drift,
            facts={**(driver.facts if driver else {}), **(session.facts if session else {})},
            commands=offered(driver) if driver else (),
            refill=driver.refill() if driver else "",
            flow=driver.flow if driver else None,
            job=driver.job if driver else None,
            outcome=self._orders.last,
        )

    def safe(self, frames: int) -> None:
        """So many frames of the device have become safe."""
        self._unsafe = max(0, self._unsafe - frames)
        if self._unsafe <= FEW_UNSAFE:
            self.let_go_on()

    def let_go_on(self) -> None:
        """The device need not wait any more."""
        if self._session and self._session.waits and self._session.link:
            self._session.waits = False
            self._session.link.resume()

    async def command(self, order: Order) -> Reply:
        """Have the driver carry out `order`. Goes on where who asked does not wait for the answer.

        Raises CommandError, or ConnectionError without a link.
        """
        if self._driver is not None and is_stop(order.words, self._driver):
            return self._orders.stop(self._driver, order.by)
        if self._driver is None or self._session is None:
            raise self._not_connected()
        return await self._orders.carry_out(self._driver, order)

    def write(self, raw: bytes, *, by: str) -> None:
        """See Manager."""
        self._outlet.send(raw, by=by)

    def risk(self, words: str, text: str = "") -> Risk:
        """What a command may do, with the file `text`. Raises CommandError, or ConnectionError without a link."""
        if self._driver is not None and is_stop(words, self._driver):
            return Risk()
        if self._driver is None or self._session is None:
            raise self._not_connected()
        try:
            self._driver.check_file(words, text)
            return self._driver.risk(words)
        except CommandError as error:
            raise CommandError(f"{self._settings.name}: {error}") from None

    def left(self, console: int) -> None:
        """An attached console has gone away."""
        if self._driver is not None:
            self._driver.left(console)

    def race_begins(self) -> None:
        """See Manager."""
        for ended in self._driver.stop("the race") if self._driver else ():
            self._trouble(Level.WARNING, f"ended, because a race begins: {ended}")

    def sheet(self, name: str) -> Sheet:
        """A table that the driver keeps. Raises LookupError where it keeps none of that name."""
        if self._driver is None:
            raise LookupError(f"{self._settings.name} has not been connected yet")
        return self._driver.sheet(name)

    async def run(self) -> None:
        """Serve the device until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._watch())
                group.create_task(self._keep_connected())
        finally:
            self._enter(LinkState.CLOSED)

    def _facts_changed(self) -> None:
        self._stirred.set()
        self._desk.changed()

    # --- the link ---

    async def _keep_connected(self) -> None:
        delays = backoff()
        self._enter(LinkState.CONNECTING)
        while True:
            reason, steady = await self._connect()
            if steady:
                delays = backoff()
            delay = next(delays)
            self._enter(LinkState.DOWN, reason, self._desk.wall() + int(delay * SECOND))
            if await self._appeared_within(delay):
                delays = backoff()
            self._enter(LinkState.DOWN, reason)

    async def _appeared_within(self, delay: float) -> bool:
        """Wait for `delay` seconds, or until it is worth trying again before that."""
        try:
            async with asyncio.timeout(delay):
                await (self._endpoint.appeared() if self._endpoint else asyncio.Event().wait())
        except TimeoutError:
            return False
        return True

    async def _connect(self) -> tuple[str, bool]:
        """Connect, and serve the link to its end: why it ended, and whether it had been steady."""
        session = Session(self._desk, self._received)
        try:
            reason = await self._serve(session)
        except (LinkError, ConnectionError) as error:
            reason = str(error)
        except Exception as error:  # noqa: BLE001 - a driver's fault costs its own device one reconnection, no more
            reason = self._failed(error)
            self._driver = None
            self._down_since = self._down_since or self._desk.mono()
        if self._down_since is None:
            self._down_since = self._desk.mono()
            self._trouble(self._loss(), f"{'link lost' if session.link else 'no link'}: {reason}")
        return reason, session.steady

    async def _serve(self, session: Session) -> str:
        if self._endpoint is None:
            self._endpoint = self._endpoint_for(self._settings)
        if self._driver is None:
            self._driver = driver_class(self._settings.type)(self._settings, self._outlet, self._facts_changed)
        driver = self._driver
        link = await self._endpoint.open(session)
        reason = "the device is no longer served"
        try:
            self._session = session
            self._enter(LinkState.OPEN)
            session.opened(link)
            self._retransmit = False
            try:
                driver.opened()
            except Exception as error:  # noqa: BLE001 - see _connect
                session.fail(error)
            session.begin()
            self._stirred.set()
            async with asyncio.TaskGroup() as group:
                attending = group.create_task(driver.attend())
                reason = await session.end()
                attending.cancel()
        except ExceptionGroup as failures:
            task = asyncio.current_task()
            if task and task.cancelling():  # we are to end, whatever the driver failed at meanwhile
                raise asyncio.CancelledError from failures
            raise _cause(failures) from None
        finally:
            self._session = None
            self._orders.cut(reason)
            link.abort()
            self._take(session, driver.lost, self._desk.wall(), self._desk.mono())
            await link.closed()
        return reason

    def _received(self, session: Session, data: bytes, wall: int, mono: int) -> None:
        """A chunk came on `session`."""
        driver = self._driver
        assert driver is not None
        if session.failed or not self._take(session, lambda: driver.receive(data, wall), wall, mono):
            self._journal(Heard(raw=data, label="garbage", flaw="not decoded: the driver failed"), wall, mono)
        self._make_wait(session)
        if self._state is LinkState.SILENT:
            self._stirred.set()
            self._trouble(Level.NOTE, f"heard again after {_span(mono - session.last_byte)}")
        session.last_byte = mono
        if session.valid:
            self._enter(LinkState.UP)
        elif self._state is LinkState.SILENT:
            self._enter(LinkState.OPEN)
        if self._patience(session) != session.patience:
            self._stirred.set()

    def _take(self, session: Session, decode: Callable[[], list[Heard]], wall: int, mono: int) -> bool:
        """Journal what the driver makes of what came; False where it fails at that."""
        try:
            frames = decode()
        except Exception as error:  # noqa: BLE001 - see _connect
            session.fail(error)
            return False
        for frame in frames:
            self._journal(frame, wall, mono)
            session.valid = session.valid or not frame.flaw
        return True

    def _journal(self, frame: Heard, wall: int, mono: int) -> None:
        """Journal a frame of the device, with the incidents that it causes."""
        self._heard = wall
        for fact in frame.facts:
            # A race that starts ends a retransmit that was cut off.
            if isinstance(fact, RetransmitBegin | RetransmitEnd | Start):
                self._retransmit = isinstance(fact, RetransmitBegin)
        if not self._retransmit:
            self._drift = drift(frame, wall, self._desk.zone, self._drift)
        told = [frame.flaw] if frame.flaw and self._says(_kind(frame.flaw)) else []
        told += [frame.note] if frame.note and self._says(frame.note) else []
        self._keep(
            Draft(
                device=self._settings.name,
                direction=Direction.RX,
                wall=wall,
                mono=mono,
                raw=frame.raw,
                label=frame.label,
                flaw=frame.flaw,
                facts=frame.facts,
                troubles=tuple(Trouble(Level.WARNING, self._settings.name, text) for text in told),
            )
        )

    def _keep(self, draft: Draft) -> None:
        self._unsafe += self._desk.frame(draft)

    def _make_wait(self, session: Session) -> None:
        """Read no more from a device that is faster than the journal: what it has to say is safe with it, and with the
        system's buffers. Not while the disk fails: then memory is what we have, and a serial line cannot wait long.
        """
        if self._unsafe > MOST_UNSAFE and session.link and not session.waits and self._desk.keeps_up():
            session.waits = True
            session.link.pause()

    # --- states and incidents ---

    def _enter(self, state: LinkState, reason: str = "", retry_at: int | None = None) -> None:
        if (state, reason, retry_at) == (self._state, self._reason, self._retry_at):
            return
        if state is not self._state:
            self._since = self._desk.wall()
        self._state, self._reason, self._retry_at = state, reason, retry_at
        self._desk.changed()

    def _trouble(self, level: Level, text: str) -> None:
        self._desk.trouble(level, self._settings.name, text)

    def _loss(self) -> Level:
        """How much it matters that the device is not heard any more."""
        return Level.NOTE if self._driver is not None and self._driver.unplugging() else Level.ALARM

    def _says(self, kind: str) -> bool:
        """Whether an incident of this kind is to be told, or only counted."""
        says = self._hush.says(kind, self._desk.mono() / SECOND)
        if says:
            self._stirred.set()
        return says

    def _failed(self, error: Exception) -> str:
        """The driver has failed in a way that nobody foresaw: tell the operator in words, and the log in full."""
        log.error("driver of %s failed", self._settings.name, exc_info=error)
        text = f"the driver failed ({_named(error)}); what came is kept"
        if self._says("the driver failed"):
            self._trouble(Level.ALARM, text)
        return text

    def _not_connected(self) -> ConnectionError:
        why = self._reason or self._state.value
        return ConnectionError(f"{self._settings.name} is not connected ({why}): nothing was sent")

    # --- what is due by time ---

    async def _watch(self) -> None:
        """The one timer of the device: silence, a link that has become steady, incidents that were only counted."""
        while True:
            self._stirred.clear()
            due = [
                moment
                for moment in (self._hushed(), self._settling(), self._listening(), self._line_look())
                if moment is not None
            ]
            with suppress(TimeoutError):
                async with asyncio.timeout((min(due) - self._desk.mono()) / SECOND if due else None):
                    await self._stirred.wait()

    def _hushed(self) -> int | None:
        """Tell how many incidents were only counted; when to look again (monotonic ns)."""
        for kind, unsaid in self._hush.ended(self._desk.mono() / SECOND):
            self._trouble(Level.WARNING, f"{kind}: {unsaid} more in the last minute")
        due = self._hush.due()
        return None if due is None else int(due * SECOND)

    def _settling(self) -> int | None:
        """Tell that the link is back once it has held; when to look again."""
        session = self._session
        if session is None or session.steady:
            return None
        steady_at = session.opened_at + int(STEADY * SECOND)
        now = self._desk.mono()
        if now < steady_at:
            return steady_at
        session.steady = True
        if self._down_since is not None:
            self._trouble(Level.NOTE, f"back after {_span(session.opened_at - self._down_since)}")
            self._down_since = None
        return None

    def _listening(self) -> int | None:
        """Tell that the device is silent; when to look again."""
        session = self._session
        if session is None or self._state is LinkState.SILENT:
            return None
        session.patience = self._patience(session)
        if session.patience is None:
            return None
        silent_at = session.last_byte + int(session.patience * SECOND)
        if self._desk.mono() < silent_at:
            return silent_at
        text = f"nothing heard for {_span(int(session.patience * SECOND))}: check that the device is on, and its cable"
        self._trouble(self._loss(), f"silent: {text}")
        self._enter(LinkState.SILENT, text)
        return None

    def _line_look(self) -> int | None:
        """Look at the control lines; when to look again. A line that changes is a frame without bytes."""
        session = self._session
        if session is None or session.link is None or all(up is None for up in session.lines.values()):
            return None
        due = session.looked + int(LOOK * SECOND)
        if self._desk.mono() < due:
            return due
        changed = session.look_at_lines()
        for line, up in changed.items():
            wall, mono = self._desk.wall(), self._desk.mono()
            self._keep(
                Draft(
                    device=self._settings.name,
                    direction=Direction.RX,
                    wall=wall,
                    mono=mono,
                    raw=b"",
                    label=f"{line} {'high' if up else 'low'}",
                )
            )
        if changed:
            if self._driver is not None:
                self._driver.lines_changed(session.lines)
            self._desk.changed()
        return session.looked + int(LOOK * SECOND)

    def _patience(self, session: Session) -> float | None:
        """How long the driver takes silence for normal, seconds."""
        try:
            return self._driver.silence() if self._driver else None
        except Exception as error:  # noqa: BLE001 - see _connect
            session.fail(error)
            return None


def _kind(flaw: str) -> str:
    """What flaws of one kind have in common: `checksum` of `checksum: got 06B4, computed 06B3`."""
    return re.sub(r"\d+", "n", re.split("[:;]", flaw, maxsplit=1)[0])


def _cause(failures: Exception) -> Exception:
    """What failed first: a driver may have groups of tasks of its own."""
    while isinstance(failures, ExceptionGroup):
        failures = failures.exceptions[0]
    return failures


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _span(ns: int) -> str:
    """A duration in words: `0.4 s`, `12 s`, `2 min 14 s`, `1 h 05 min`."""
    seconds = ns / SECOND
    if seconds < 9.95:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"
