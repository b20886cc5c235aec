"""The relay at work: who is connected, what is kept, and to whom it goes."""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime

from console.codecs.thcom_link import Extended
from console.codecs.thcom_session import WINDOW, Arrived, Delivered, Event, Odd
from console.links.address import parse_address
from console.links.listener import Listener, listen
from console.model import SECOND
from console.relay.club import Club
from console.relay.connection import Connection, Login
from console.relay.data import AT_ONCE, Content, Data
from console.relay.database import Database
from console.relay.gate import Gate
from console.relay.hashing import is_right
from console.relay.routing import routes
from console.relay.settings import RelaySettings

STRANGERS = 64
"""Connections that may be without a login at once; for one more, the oldest has to go."""

LOOK_EVERY = 1.0
"""Seconds between two looks at what commands have changed, and at the date."""

MINUTE = 60 * SECOND
"""How often (ns) it is said at most that connections end without a login, and looked for rows to forget."""

OLD = 10 * SECOND
"""What has waited so long (ns) is announced to its receiver: software might take it for what happens now."""

FAREWELL = 1.0
"""Seconds in which connections close when the relay stops."""

ODD = 10
"""Odd pieces of a connection that are said; after that they are only counted."""

CANNOT_SAVE = "#PL RELAY CANNOT SAVE"

RECORDS = {first + second for first in "TA!" for second in "N-*+=CI"} | {"RR", "GR", "IR", "DR", "VE"}
"""Tags of times, results and speeds: two with the same contents say no more than one. Commands and runs that are opened
and closed do: they are passed on as often as they come."""

log = logging.getLogger("racedeck.relay")


class Relay:
    """The server. One per database; `run` it until `stop`."""

    def __init__(self, settings: RelaySettings, database: Database, wall: Callable[[], int] = time.time_ns) -> None:
        self.settings = settings
        self.dialect = settings.dialect
        self.connections: dict[str, Connection] = {}
        """Serial -> its connection."""
        self.strangers: dict[Connection, None] = {}
        """Connections without a login, the oldest first."""
        self.turned_away = 0
        """Connections that ended without a login having been tried."""
        self._turned_away_said = self._turned_away_at = self._pruned_at = 0
        self._database, self._club, self._data = database, Club(database), Data(database)
        self._wall = wall
        self._gate = Gate(settings.attempts, settings.attempts_in_all)
        self._hasher = ThreadPoolExecutor(1, "scrypt")
        self._one_at_a_time = asyncio.Lock()
        self._checks: set[asyncio.Task[None]] = set()
        self._listener: Listener | None = None
        self._stopped = asyncio.Event()
        self._trouble = False

    @property
    def where(self) -> str:
        """`host:port` on which it listens."""
        return self._listener.where if self._listener else ""

    async def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Serve. Raises LinkError where the port cannot be had, and sqlite3.Error for the database."""
        with self._database.transaction():  # it may have been killed
            for (serial,) in self._database.query("SELECT serial FROM connections"):
                self._parted(serial)
        host, port = parse_address(self.settings.listen)
        self._listener = await listen(host, port, lambda: Connection(self), self.settings.networks, _foreign)
        try:
            with self._database.transaction():
                self._database.change("DELETE FROM server")
                self._database.change("INSERT INTO server VALUES (?)", self.where)
            ready()
            while not self._stopped.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_EVERY):
                        await self._stopped.wait()
                self._look()
        finally:
            self._listener.close()
            await self._close()

    def stop(self) -> None:
        """End `run`."""
        self._stopped.set()

    async def _close(self) -> None:
        for check in self._checks:
            check.cancel()
        open_ones = [*self.connections.values(), *self.strangers]
        for connection in open_ones:
            connection.end("the relay stopped")
        with suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL):
                for connection in open_ones:
                    await connection.gone.wait()
        for connection in open_ones:
            connection.drop("the relay stopped")
            await connection.gone.wait()
        self._hasher.shutdown()

    # --- coming and going (connection.Host) ---

    def arrived(self, connection: Connection) -> None:
        """A stranger: there is room for him, or the one who has waited longest goes."""
        if len(self.strangers) >= STRANGERS:
            oldest = next((one for one in self.strangers if not one.checking), connection)
            self.strangers.pop(oldest, None)
            self.turned_away += 1
            oldest.drop("too many connections without a login")
            if oldest is connection:
                return
        self.strangers[connection] = None

    def knocked(self, connection: Connection, login: Login) -> None:
        """A complete login."""
        check = asyncio.create_task(self._check(connection, login))
        self._checks.add(check)
        check.add_done_callback(self._checks.discard)

    async def _check(self, connection: Connection, login: Login) -> None:
        """Accept a login or refuse it, one after the other: so many wrong ones are not tried at once, either."""
        assert login.user is not None
        assert login.password is not None
        now = asyncio.get_running_loop().time
        try:
            async with self._one_at_a_time:
                gate = self._gate.ask(connection.host, login.serial, now())
                if gate != "open":
                    self._too_many(connection, said=gate == "still shut")
                    return
                password = self._club.password(login.user)
                loop = asyncio.get_running_loop()
                if not await loop.run_in_executor(self._hasher, is_right, login.password.reveal(), password):
                    self._gate.wrong(connection.host, login.serial, now())
                    self._refuse(connection, "WRONG USER OR PASSWORD", "wrong user or password")
                    return
                self._gate.right(connection.host, login.serial)
            if refusal := self._club.refusal(login.serial, login.user, self._wall()):
                self._refuse(connection, refusal.word, refusal.reason)
            elif not connection.closed:
                self._accept(connection, login.user)
        except sqlite3.Error as error:
            self._cannot_save(connection, error)

    def _too_many(self, connection: Connection, *, said: bool) -> None:
        reason = "too many wrong logins in the last minute"
        if not said:
            log.warning("logins from %s are refused: %s", connection.host, reason)
            self._data.say("", f"logins from {connection.host}", reason, self._wall(), "refused")
        connection.end(reason, "#GC 0", "#PL TOO MANY ATTEMPTS")

    def _refuse(self, connection: Connection, word: str, reason: str) -> None:
        login = connection.login
        message = f"login as {(login.user or '')[:25]} from {connection.host}"
        log.warning("%s: %s refused: %s", login.serial, message, reason)
        self._data.say(login.source, message, reason, self._wall(), "refused")
        connection.end(reason, "#GC 0", f"#PL {word}")

    def _accept(self, connection: Connection, user: str) -> None:
        """It is this material now; an older connection of the same serial ends: the newest counts."""
        serial, now = connection.login.serial, self._wall()
        old = self.connections.get(serial)
        if old and old.closed:
            old = None
        with self._database.transaction():
            if old:
                reason = f"connected again, from {connection.host}: the newest counts"
                self._data.say(old.login.source, f"connection from {old.host} closed", reason, now)
            lines = [*self._club.greeting(serial, user), *self._announced(serial, now)]
            greeting = self._data.greet(serial, lines, now)
            self._database.change(
                "INSERT OR REPLACE INTO connections VALUES (?,?,?,?)", serial, connection.address, user, now
            )
            doubtful = self._data.doubtful(serial)
        self.strangers.pop(connection, None)
        self.connections[serial] = connection
        if old:
            log.warning("%s connected again from %s: %s is closed", serial, connection.address, old.address)
            old.end("the same serial connected again", "#GC 0", f"#PL {serial} USED ELSEWHERE")
        log.info("%s connected from %s as %s", serial, connection.address, user)
        connection.welcome(greeting, doubtful)
        self._fill(connection)

    def _announced(self, serial: str, now: int) -> list[str]:
        """That what comes next is not new, where that is so."""
        waiting, oldest, *_ = self._data.figures(serial)
        if oldest is None or now - oldest < OLD:
            return []
        return [f"#PL {waiting} KEPT SINCE {datetime.fromtimestamp(oldest // SECOND, self._club.zone()):%H:%M:%S}"]

    def gone(self, connection: Connection, reason: str) -> None:
        """A connection has ended."""
        if connection in self.strangers:
            del self.strangers[connection]
            if not connection.checking:
                self.turned_away += 1
                log.debug("%s has gone without a login: %s", connection.address, reason)
        serial = connection.serial
        if self.connections.get(serial) is not connection:
            return
        del self.connections[serial]
        log.info("%s is gone (%s): %s", serial, connection.address, reason)
        try:
            with self._database.transaction():
                self._parted(serial)
        except sqlite3.Error as error:
            self._say_trouble(error)

    def _parted(self, serial: str) -> None:
        self._data.parted(serial, self._wall())
        self._database.change("DELETE FROM connections WHERE serial = ?", serial)

    # --- frames ---

    def heard(self, connection: Connection, events: list[Event]) -> bool:
        """Keep what came, then pass it on."""
        frames = [event.frame for event in events if isinstance(event, Arrived) and not event.again]
        had = [event.key for event in events if isinstance(event, Delivered)]
        self._say_odd(connection, events)
        if not frames and not had:
            return True
        receivers: set[str] = set()
        try:
            with self._database.transaction():
                for frame in frames:
                    receivers |= self._keep(connection, frame)
                self._data.acknowledged(had, self._wall())
            self._trouble = False
            connection.offered.difference_update(had)
            self._fill_all([connection, *(self.connections[one] for one in receivers & self.connections.keys())])
        except sqlite3.Error as error:
            self._cannot_save(connection, error)
            return False
        return True

    def _keep(self, connection: Connection, frame: Extended) -> set[str]:
        """Write a frame into the DATA list; returns for whom there is something now."""
        ways = routes(frame, connection.serial, self._club.plan())
        if not ways:
            return set()
        known = connection.doubtful.pop(Content(frame.source, frame.destination, frame.data), None)
        if known is not None and frame.data[:2] in RECORDS:
            self._data.again(known)
            return set()
        self._data.frame(frame, connection.serial, ways, self._wall())
        return {way.destination for way in ways if not way.refused}

    def _fill(self, connection: Connection) -> None:
        """Have sent what waits for it, as far as the window is open."""
        rows = self._data.waiting(connection.serial, WINDOW + len(connection.offered))
        connection.offer(rows, numbered=self.settings.numbering == "origin")
        connection.push()

    def _fill_all(self, connections: Iterable[Connection]) -> None:
        for connection in connections:
            self._fill(connection)

    def _look(self) -> None:
        """Take up what commands have changed: who may not be connected any more, and what was queued again."""
        now = self._wall()
        if self.turned_away > self._turned_away_said and now - self._turned_away_at >= MINUTE:
            more = self.turned_away - self._turned_away_said
            log.warning("%d connections ended without a login", more)
            self._turned_away_said, self._turned_away_at = self.turned_away, now
        try:
            for connection in list(self.connections.values()):
                if connection.closed:
                    continue
                assert connection.login.user is not None
                if refusal := self._club.refusal(connection.serial, connection.login.user, now):
                    self._refuse(connection, refusal.word, refusal.reason)
                else:
                    self._fill(connection)
            if not 0 <= now - self._pruned_at < MINUTE and self._data.prune(self.settings.keep) < AT_ONCE:
                self._pruned_at = now
        except sqlite3.Error as error:
            self._say_trouble(error)

    # --- trouble ---

    def _cannot_save(self, connection: Connection, error: sqlite3.Error) -> None:
        """What cannot be kept is not acknowledged: its sender still has it, and will come back with it."""
        self._say_trouble(error)
        connection.end("the relay cannot save", CANNOT_SAVE)

    def _say_trouble(self, error: sqlite3.Error) -> None:
        if not self._trouble:
            self._trouble = True
            log.error("cannot write %s: %s; nothing is acknowledged until that is mended", self._database.path, error)

    def _say_odd(self, connection: Connection, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Odd):
                connection.odd += 1
                if connection.odd <= ODD:
                    log.warning("%s: %s: %r", connection.serial, event.flaw, event.raw[:80])


def _foreign(address: str) -> None:
    log.warning("%s was refused: its network is not in `networks`", address)
