"""One connection to the server: it logs in, says in words where that stands, sends, receives, and comes back.

The computer has one, under its Software ID Number; each device that is linked up has one of its own, as a docking has.
What comes is acknowledged once the journal has it; what the server has not acknowledged is offered again.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Protocol

from console.codecs.thcom_link import Dialect, Extended
from console.codecs.thcom_session import Arrived, Beat, Delivered, Odd, Session
from console.its.attempt import Attempt
from console.its.intake import DEVICE, Host, Intake
from console.its.login import Accepted, Greeting, Login, Print, Refused, Say
from console.links.backoff import backoff
from console.links.link import Endpoint, Link, LinkError
from console.model import SECOND, Frame, ItsLink, ItsPrinted, ItsStep, Level

REFUSED_FOR = 30.0
"""Seconds between two logins that are refused: whoever tries wrong passwords quickly is locked out (inferred)."""

STEADY = 3.0
"""Seconds that it must be linked to count as back."""

OUTBOX = 65_536
"""Bytes that may wait for a server that takes none."""

SOFTWARE = "software"
"""The role of this computer's own connection."""

KEPT = 10
"""Lines that the server had us print, and steps of an attempt, that are kept."""

TICK = 1.0
"""Seconds after which due times are looked at again, whatever happens."""

NO_PASSWORD = (
    "no password: type it on the ITS tab (e, then S), or write [its] "
    'password = "..." into secrets.toml (mode 0600), and `racedeck reload`'
)


class User(Protocol):
    """What becomes of what a connection brings."""

    def linked(self, connection: "Connection") -> None:
        """The server has accepted us; what is offered from now on goes out."""

    def lost(self, connection: "Connection", reason: str) -> None:
        """We are linked no more. What was not delivered is for the user to offer again."""

    def cleared(self, connection: "Connection") -> None:
        """The server has us forget what waits for it (`#GC 2`); at a login, said before `linked`."""

    def arrived(self, connection: "Connection", frame: Extended, raw: bytes) -> bool:
        """A frame has come that is not the server's own. True: it is journaled as that of its source."""

    def delivered(self, connection: "Connection", key: int) -> None:
        """The server has what was offered under `key`."""

    def busy(self) -> bool:
        """Whether it takes no more frames for now."""


class Connection:
    """Keeps one login up."""

    def __init__(
        self,
        login: Login,
        dialect: Dialect,
        password: Callable[[], str],
        endpoint: Endpoint,
        host: Host,
        user: User,
        role: str,
    ) -> None:
        self.login = login
        self.role = role
        self._dialect = dialect
        self._password = password
        self._endpoint = endpoint
        self._host = host
        self._user = user
        self._intake = Intake(host, login.serial, f"{login.serial} ({role})")
        self._attempt: Attempt | None = None
        """The TCP connection that there is, or is about to be."""
        self._stir = asyncio.Event()
        self._at_once = asyncio.Event()
        """Somebody wants it connected without delay."""
        self._word, self._reason = "not connected", ""
        self._since = host.wall()
        self._retry_at: int | None = None
        self._steps: deque[ItsStep] = deque(maxlen=KEPT)
        self._printed: deque[ItsPrinted] = deque(maxlen=KEPT)
        self._heard: int | None = None
        self._beat: int | None = None
        self._received = self._sent = self._acked = self._odd = self._again = 0
        self._said: set[str] = set()
        """What was announced since we were linked for a while."""

    @property
    def linked(self) -> bool:
        """Whether the server has accepted us."""
        return self._attempt is not None and self._attempt.linked_at is not None

    @property
    def why_not(self) -> str:
        """Why we are not linked; empty: we are."""
        return "" if self.linked else f"{self._word}{f': {self._reason}' if self._reason else ''}"

    def state(self) -> ItsLink:
        """The connection as the operator sees it."""
        return ItsLink(
            serial=self.login.serial,
            role=self.role,
            state=self._word,
            since=self._since,
            reason=self._reason,
            retry_at=self._retry_at,
            steps=tuple(self._steps),
            heard=self._heard,
            beat=self._beat,
            received=self._received,
            again=self._again,
            odd=self._odd,
            sent=self._sent,
            acked=self._acked,
            waiting=self._attempt.session.waiting if self._attempt and self.linked else 0,
            printed=tuple(self._printed),
        )

    def offer(self, key: int, source: str, data: str) -> None:
        """Have `data` sent to the server in the name of `source`. Raises ConnectionError without a link, and ValueError
        where no frame can hold it."""
        if self._attempt is None or not self.linked:
            raise ConnectionError(self.why_not)
        self._attempt.session.offer(key, source, self._dialect.server, data)
        self._stir.set()

    def drop(self, reason: str) -> None:
        """End the TCP connection; another is made."""
        if self._attempt:
            self._attempt.end(reason)

    def again(self) -> None:
        """Connect anew, at once."""
        self._at_once.set()
        self.drop("connected anew, as somebody wanted it")

    def safe(self, frames: Iterable[Frame]) -> None:
        """These frames, received ones, are on disk: the server may forget them."""
        self._acknowledge(self._intake.safe(frames))
        self._stir.set()

    # --- life ---

    async def run(self) -> None:
        """Connect and serve until cancelled."""
        delays = backoff()
        try:
            while True:
                if not self._password():
                    self._enter("down", NO_PASSWORD)
                    self._announce(Level.ALARM, NO_PASSWORD)
                    await asyncio.Event().wait()  # another password is another connection
                if await self._connect():
                    delays = backoff()
                delay = REFUSED_FOR if self._word == "refused" else next(delays)
                self._retry_at = self._host.wall() + int(delay * SECOND)
                self._host.changed()
                with suppress(TimeoutError):
                    async with asyncio.timeout(delay):
                        await self._at_once.wait()
                self._at_once.clear()
        finally:
            self._enter("not connected", "the link was ended here")

    async def _connect(self) -> bool:
        """One TCP connection from its beginning to its end; whether we had been linked for a while."""
        self._steps.clear()
        self._enter("connecting")
        self._intake.begin()
        session = Session(self._dialect, self._now(), at_once=False)
        greeting = Greeting(self.login, self._password)
        attempt = self._attempt = Attempt(session, greeting, self._look, self._stir.set)
        link: Link | None = None
        try:
            link = await self._endpoint.open(attempt)
            self._say_who_we_are(attempt)
            await self._serve(attempt, link)
        except LinkError as error:
            attempt.end(str(error))
        finally:
            self._over(attempt, link)
        if link:
            await link.closed()
        return self._ended(attempt, opened=link is not None)

    def _say_who_we_are(self, attempt: Attempt) -> None:
        for one in attempt.greeting.begin():
            attempt.session.login(one.number, self.login.address, self._dialect.server, one.data)
        if not self.linked:  # a server that does not even listen
            self._enter("logging in", "SN, UN and PW are sent; the server has not answered yet")

    async def _serve(self, attempt: Attempt, link: Link) -> None:
        """Write what is due, until the connection has ended."""
        session = attempt.session
        while not attempt.ended:
            self._stir.clear()
            now = self._now()
            attempt.read_on(now)
            if why := session.dead(now):
                attempt.end(why)
                return
            stuffed = link.pending() > OUTBOX
            if not stuffed and (out := session.write(now)):
                self._sent += self._intake.sent(out)
                link.write(out)
                self._host.changed()
            if not self._host.keeps_up():
                self._acknowledge(self._intake.failing())
            # A server that takes no acknowledgements is not read either.
            full = stuffed or self._intake.full or self._user.busy()
            (link.pause if full or attempt.inbox else link.resume)()
            attempt.may_read = not full
            self._settle(attempt)
            with suppress(TimeoutError):
                async with asyncio.timeout(
                    0 if attempt.readable(now) else min(max(session.next_due() - now, 0.01), TICK)
                ):
                    await self._stir.wait()

    def _over(self, attempt: Attempt, link: Link | None) -> None:
        if link:
            link.abort()
        attempt.read_all()
        for odd in attempt.session.half():
            self._intake.came(odd.raw, "cut short", flaw=odd.flaw)
        attempt.end("the link was ended here")
        linked, self._attempt = self.linked, None
        if linked:
            self._user.lost(self, attempt.refused or attempt.ended)

    def _ended(self, attempt: Attempt, *, opened: bool) -> bool:
        """Say why; whether we had been linked for a while."""
        reason = attempt.refused or attempt.ended
        if opened and attempt.linked_at is None and not attempt.refused:
            reason += " (before the server had answered the login)"
        self._enter("refused" if attempt.refused else "down", reason)
        # One alarm for the whole link: a device that is linked up shares its server.
        alarming = attempt.refused or (self.role == SOFTWARE and not self._said)
        what = "" if attempt.refused else "LINK LOST: " if attempt.linked_at is not None else "NO LINK: "
        self._announce(Level.ALARM if alarming else Level.WARNING, f"{what}{reason}; tried again by itself")
        return attempt.linked_at is not None and self._host.mono() - attempt.linked_at >= STEADY * SECOND

    def _announce(self, level: Level, text: str) -> None:
        """Say once what is wrong."""
        if text not in self._said:
            self._said.add(text)
            self._host.trouble(level, DEVICE, self._ours + text)

    @property
    def _ours(self) -> str:
        """Whose connection it is, where that is not this computer's: what is wrong comes first in a narrow strip."""
        return "" if self.role == SOFTWARE else f"{self.login.serial} ({self.role}): "

    def _settle(self, attempt: Attempt) -> None:
        """Linked for a while: what was wrong is over."""
        since = attempt.linked_at
        if self._said and since is not None and self._host.mono() - since >= STEADY * SECOND:
            self._said.clear()
            self._host.trouble(Level.NOTE, DEVICE, f"{self._ours}linked again")
        self._intake.unsaid()

    # --- what comes in ---

    def _look(self, attempt: Attempt, data: bytes) -> None:
        """Bytes have come."""
        self._heard = self._host.wall()
        for event in attempt.session.receive(data, self._now()):
            match event:
                case Arrived(frame=frame, raw=raw, again=again):
                    self._arrived(attempt, frame, raw, again)
                case Delivered(key):
                    self._acked += 1
                    self._user.delivered(self, key)
                case Beat():
                    self._beat = self._heard
                case Odd(raw=raw, flaw=flaw):
                    self._odd += 1
                    if not flaw.endswith("taken all the same"):  # else its frame is the next event
                        self._intake.came(raw, flaw.partition(":")[0], flaw=flaw)
        self._host.changed()
        self._stir.set()

    def _arrived(self, attempt: Attempt, frame: Extended, raw: bytes, again: bool) -> None:
        if again:
            self._again += 1
            if not self._intake.holds(raw):  # else it is acknowledged when it is safe
                attempt.session.acknowledge(frame.number)
            return
        self._received += 1
        if frame.source == self._dialect.server:
            self._intake.came(raw, frame.data[:3], number=frame.number)
            self._told(attempt, frame.data)
        elif self._user.arrived(self, frame, raw):
            self._intake.came_to(raw, frame.number)
        else:
            self._intake.came(raw, frame.data[:2], number=frame.number)

    def _told(self, attempt: Attempt, data: str) -> None:
        """The server itself has said something."""
        match attempt.greeting.told(data):
            case Say(number, said):
                attempt.session.login(number, self.login.address, self._dialect.server, said)
            case Print(text):
                self._printed.append(ItsPrinted(wall=self._host.wall(), text=text))
                if attempt.refused and text.strip():
                    attempt.explain(self.login.refusal(text.strip()))
            case Refused(reason):
                attempt.refuse(reason, self._now())
            case Accepted(empty) if not attempt.refused:
                self._accepted(attempt, empty=empty)

    def _accepted(self, attempt: Attempt, *, empty: bool) -> None:
        if empty:
            self._user.cleared(self)
        if attempt.linked_at is None:
            self._step("accepted (#GC 2): what waited is skipped" if empty else "accepted (#GC 1)")
            attempt.linked_at = self._host.mono()
            self._enter("linked")
            self._user.linked(self)

    def _acknowledge(self, numbers: list[int]) -> None:
        if self._attempt:
            for number in numbers:
                self._attempt.session.acknowledge(number)
                self._stir.set()

    # --- states ---

    def _now(self) -> float:
        return self._host.mono() / SECOND

    def _enter(self, word: str, reason: str = "") -> None:
        if (word, reason) != (self._word, self._reason):
            self._word, self._reason, self._since = word, reason, self._host.wall()
        self._retry_at = None
        self._step(word)
        self._host.changed()

    def _step(self, word: str) -> None:
        self._steps.append(ItsStep(wall=self._host.wall(), word=word))

    def stir(self) -> None:
        """Something is to be looked at."""
        self._stir.set()
