"""One connection to the relay: first its login, then what `Session` says of it."""

import asyncio
import re
from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from console.codecs.thcom_link import BROADCAST, Dialect, extended
from console.codecs.thcom_session import WINDOW, Arrived, Event, Session
from console.links.address import format_address
from console.passwords import Password
from console.relay.data import Content, Queued
from console.relay.routing import NOBODY

FIRST = 190
"""Number of the first frame of a connection, as the guide's log shows it."""

LOGIN_WITHIN = 10.0
"""Seconds that a login may take."""

ASK_AFTER = 3.0
"""Seconds after which a login is asked for what is missing (inferred: the delay is not documented)."""

LOGIN_BYTES = 1024
"""A login is far shorter; who says more is no timer."""

_SN = re.compile(r"SN +(\d{1,5})\b.*")


class Login(Struct):
    """What somebody says of himself, as far as it has come."""

    source: str = ""
    """His address, `TDDDD`."""
    user: str | None = None
    password: Password | None = None

    @property
    def serial(self) -> str:
        """His four digits."""
        return self.source[1:]

    def missing(self) -> list[str]:
        """What has to be asked for."""
        asked = {"#SN": self.source or None, "#UN": self.user, "#PW": self.password}
        return [question for question, answer in asked.items() if answer is None]


class Host(Protocol):
    """Whose connections they are."""

    dialect: Dialect

    def arrived(self, connection: "Connection") -> None:
        """Somebody has connected, who is nobody yet."""

    def knocked(self, connection: "Connection", login: Login) -> None:
        """A login is complete. Until `welcome` or `end` nothing is read."""

    def heard(self, connection: "Connection", events: list[Event]) -> bool:
        """Something came from a material; False: it could not be kept, and must not be acknowledged."""

    def gone(self, connection: "Connection", reason: str) -> None:
        """A connection has ended. Said once."""


class Connection(asyncio.Protocol):
    """Nothing is acknowledged that is not kept, and nothing is kept before the login is accepted."""

    def __init__(self, host: Host) -> None:
        self.login = Login()
        self.serial = ""
        """Of the material that has logged in; empty: nobody yet."""
        self.checking = False
        """The login is complete, and not decided."""
        self.odd = 0
        """Pieces that were no good frame, or acknowledged nothing."""
        self.doubtful: dict[Content, int] = {}
        """Frames of earlier connections that may come again, and their numbers in the DATA list."""
        self.offered: set[int] = set()
        """Rows of the DATA list that are under way."""
        self._host = host
        self._loop = asyncio.get_running_loop()
        self._received = 0
        self._asked = False
        self._reason = ""
        self._timers: list[asyncio.TimerHandle] = []
        self.closed = False
        """No more is taken from it, and no more said."""
        self.gone = asyncio.Event()

    # --- the transport ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody is there: a login is due."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        host, port = transport.get_extra_info("peername")[:2]
        self.host, self.address = host, format_address(host, port)
        self.session = Session(self._host.dialect, self._loop.time(), first=FIRST)
        self._timers = [
            self._loop.call_later(ASK_AFTER, self._ask),
            self._loop.call_later(LOGIN_WITHIN, self.drop, f"no login within {LOGIN_WITHIN:.0f} s"),
        ]
        self._host.arrived(self)

    def data_received(self, data: bytes) -> None:
        """Some bytes came, cut anywhere."""
        if self.closed:
            return
        events = self.session.receive(data, self._loop.time())
        if not self.serial:
            self._received += len(data)
            self._listen(events)
        elif self._host.heard(self, events):
            self.push()

    def eof_received(self) -> None:
        """The other side has said its last."""

    def pause_writing(self) -> None:
        """Who does not read is not read from: what we would answer has to stay somewhere."""
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        """It reads again."""
        self.transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        """It is over, from whichever side."""
        self._cancel()
        self.closed = True
        self.gone.set()
        self._host.gone(self, self._reason or (str(error) if error else "closed by the other side"))

    # --- the login ---

    def _listen(self, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, Arrived) and not self._told(event):
                self.drop("sent something else before its login")
                return
        if not self.login.missing():
            self._cancel()
            self.checking = True
            self.transport.pause_reading()
            self._host.knocked(self, self.login)
        elif self._received > LOGIN_BYTES:
            self.drop(f"no login in {LOGIN_BYTES} bytes")
        elif self.login.password is not None and not self._asked:  # the last of the three: no more will come unasked
            self._asked = True
            self._ask()
        else:
            self.push()

    def _told(self, event: Arrived) -> bool:
        """Whether it is a part of a login."""
        frame = event.frame
        if frame.data.startswith("UN "):
            self.login.user = frame.data[3:].strip()
        elif frame.data.startswith("PW "):
            self.login.password = Password(frame.data[3:].strip())
        elif found := _SN.fullmatch(frame.data):
            said = found[1].rjust(4, "0")[-4:]
            self.login.source = frame.source if frame.source[1:] != NOBODY else frame.source[0] + said
        else:
            return False
        return True

    def _ask(self) -> None:
        for question in self.login.missing():
            self.session.offer(0, self._host.dialect.server, self.login.source or BROADCAST, question)
        self.push()

    # --- what the host does ---

    def welcome(self, greeting: Sequence[tuple[int, str]], doubtful: dict[Content, int]) -> None:
        """The login is accepted: `greeting` is rows of the DATA list and their messages."""
        self.serial, self.checking, self.doubtful = self.login.serial, False, doubtful
        self.login.password = None
        for row, message in greeting:
            self.offered.add(row)
            self.session.offer(row, self._host.dialect.server, self.login.source, message)
        self.transport.resume_reading()

    def offer(self, rows: Sequence[Queued], *, numbered: bool) -> None:
        """Have these sent, as many as may be under way; `numbered`: under the originators' numbers."""
        for row in rows:
            if row.id not in self.offered and len(self.offered) < WINDOW:
                self.offered.add(row.id)
                number = row.number if numbered else None
                self.session.offer(
                    row.id, row.origin, self.login.source, row.message, protocol=row.protocol, number=number
                )

    def push(self) -> None:
        """Write what is to be written, and come back when there will be more; end a link that is dead."""
        now = self._loop.time()
        if self.closed:
            return
        if self.serial and (why := self.session.dead(now)):
            self.drop(why)
            return
        if data := self.session.write(now):
            self.transport.write(data)
        if self.serial:
            self._cancel()
            self._timers = [self._loop.call_at(self.session.next_due(), self.push)]

    def end(self, reason: str, *farewell: str) -> None:
        """Close it, after these messages; what has come and is not acknowledged stays so."""
        if self.closed:
            return
        server, destination = self._host.dialect.server, self.login.source or BROADCAST
        frames = (extended(number, server, destination, message) for number, message in enumerate(farewell, FIRST))
        self.transport.write(b"".join(frames))  # at once: who hangs up at the first has the others, too
        self._reason, self.closed = reason, True
        self._cancel()
        self.transport.close()
        # Who does not read cannot hold it open.
        self._timers = [self._loop.call_later(LOGIN_WITHIN, self.transport.abort)]

    def drop(self, reason: str) -> None:
        """Cut it off."""
        self._reason, self.closed = self._reason or reason, True
        self.transport.abort()

    def _cancel(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers = []
