"""One connection to the server: it logs in, says in words where that stands, sends, receives, and comes back.

The computer has one, under its Software ID Number; each device that is linked up has one of its own, as a docking has.
What comes is acknowledged once the journal has it; what the server has not acknowledged is offered again.
"""

import asyncio
import re
from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol

from msgspec import Struct

from console.codecs.thcom_link import LOGIN_NUMBERS, Decoder, Dialect, Extended
from console.codecs.thcom_session import Arrived, Beat, Delivered, Odd, Session
from console.devices.hush import Hush
from console.its.masking import Mask
from console.links.backoff import backoff
from console.links.link import Endpoint, Link, LinkError
from console.model import SECOND, Direction, Draft, Frame, ItsLink, ItsPrinted, ItsStep, Level, Trouble

DEVICE = "its"
"""Under this name the journal has what the server itself says, and what we send."""

CAUSES = (
    "check user and password (the TIMER ID), that {serial} is in the server's material list, that the date of the "
    "event has not passed, and that its configuration is activated and has {serial} in it"
)
"""Why a server refuses, usually: it gives no reasons."""

REFUSED_FOR = 30.0
"""Seconds between two logins that are refused: whoever tries wrong passwords quickly is locked out (inferred)."""

STEADY = 3.0
"""Seconds that it must be linked to count as back."""

CUT_OFF = 3
"""Logins in a row that end without a word, after which that is taken for a refusal."""

ASKED_AGAIN = 3
"""How often a server may ask for user or password once more (#UN, #PW) on one connection."""

MOST_UNSAFE = 2000
"""Frames that may wait for the disk before no more are read."""

OUTBOX = 65_536
"""Bytes that may wait for a server that takes none."""

PRINTED = 10
"""Lines of the server that are kept."""

TICK = 1.0
"""Seconds after which due times are looked at again, whatever happens."""

_LOGIN = re.compile(rb"(?<=\x04)(UN|PW) [^\r\n]*", re.DOTALL)


class Login(Struct, frozen=True):
    """Who we are on a connection."""

    serial: str
    address: str
    """`TDDDD`."""
    serial_line: str
    """The data of the SN frame."""
    user: str


class Host(Protocol):
    """Whom a connection serves."""

    def frame(self, draft: Draft) -> bool:
        """Journal a frame."""

    def keeps_up(self) -> bool:
        """Whether the journal writes what it is given."""

    def trouble(self, level: Level, source: str, text: str) -> None:
        """Journal an incident."""

    def wall(self) -> int:
        """Now, ns since the epoch."""

    def mono(self) -> int:
        """Now, ns on the monotonic clock."""

    def changed(self) -> None:
        """A state is no longer what it was."""


class User(Protocol):
    """What becomes of what a connection brings."""

    def linked(self, connection: "Connection") -> None:
        """The server has accepted us; what is offered from now on goes out."""

    def lost(self, connection: "Connection", reason: str) -> None:
        """We are linked no more. What was not delivered is for the user to offer again."""

    def cleared(self, connection: "Connection") -> None:
        """The server has us forget what waits for it (`#GC 2`); said before `linked`."""

    def arrived(self, connection: "Connection", frame: Extended, raw: bytes) -> bool:
        """A frame that is not the server's own has come. True: it was journaled; else it is journaled as ours."""

    def delivered(self, connection: "Connection", key: int) -> None:
        """The server has what was offered under `key`."""


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
        self.session: Session | None = None
        """While we are linked."""
        self.printed: deque[ItsPrinted] = deque(maxlen=PRINTED)
        self._dialect = dialect
        self._password = password
        self._endpoint = endpoint
        self._host = host
        self._user = user
        self._word, self._reason = "not connected", ""
        self._since = host.wall()
        self._steps: list[ItsStep] = []
        self._retry_at: int | None = None
        self._heard: int | None = None
        self._beat: int | None = None
        self._received = self._sent = self._acked = self._odd = self._again = 0
        self._said: set[str] = set()
        """What was announced since we were linked for a while."""
        self._cut_off = 0
        """Logins in a row that the server has ended without a word."""
        self._hush = Hush()
        self._mask = Mask()
        self._unsafe: dict[bytes, int | None] = {}
        """Journaled frames that are not safe yet -> the number to acknowledge them by."""
        self._stir = asyncio.Event()
        self._conversation: _Conversation | None = None

    @property
    def linked(self) -> bool:
        """Whether the server has accepted us."""
        return self.session is not None

    @property
    def why_not(self) -> str:
        """Why we are not linked; empty: we are."""
        return "" if self.linked else f"{self._word}{f': {self._reason}' if self._reason else ''}"

    @property
    def waiting(self) -> int:
        """Frames offered and not acknowledged."""
        return self.session.waiting if self.session else 0

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
            waiting=self.waiting,
            printed=tuple(self.printed),
        )

    def offer(self, key: int, source: str, data: str) -> None:
        """Have `data` sent to the server in the name of `source`. Raises ValueError where no frame can hold it, and
        ConnectionError without a link."""
        if self.session is None:
            raise ConnectionError(self.why_not)
        self.session.offer(key, source, self._dialect.server, data)
        self._stir.set()

    def drop(self, reason: str) -> None:
        """End this connection; another is made."""
        if self._conversation:
            self._conversation.end(reason)
            self._stir.set()

    # --- life ---

    async def run(self) -> None:
        """Connect and serve until cancelled."""
        delays = backoff()
        try:
            while True:
                if await self._connect():
                    delays = backoff()
                refused = self._word == "refused" or self._cut_off >= CUT_OFF
                delay = REFUSED_FOR if refused else next(delays)
                self._retry_at = self._host.wall() + int(delay * SECOND)
                self._host.changed()
                await asyncio.sleep(delay)
        finally:
            self._enter("not connected", "the link was ended here")

    async def _connect(self) -> bool:
        """One connection from its beginning to its end; whether it had lasted."""
        self._steps.clear()
        self._enter("connecting")
        conversation = self._conversation = _Conversation(self)
        link: Link | None = None
        linked_at = None
        reason = "the link was ended here"
        try:
            link = await self._endpoint.open(conversation)
            conversation.begin(link)
            await self._serve(conversation, link)
            reason = conversation.ended
        except LinkError as error:
            reason = str(error)
        finally:
            linked_at = conversation.linked_at
            self._conversation = None
            self._end(conversation, link, reason)
        if link:
            await link.closed()
        lasted = linked_at is not None and self._host.mono() - linked_at >= STEADY * SECOND
        refused = conversation.refused
        cut_off = link is not None and linked_at is None and not refused
        self._cut_off = self._cut_off + 1 if cut_off else 0
        self._enter("refused" if refused else "down", reason)
        self._announce(reason, refused)
        return lasted

    def _announce(self, reason: str, refused: bool) -> None:
        """Say once what is wrong."""
        if reason not in self._said:
            level = Level.WARNING if self._said and not refused else Level.ALARM
            self._said.add(reason)
            self._host.trouble(level, DEVICE, f"{self.login.serial} ({self.role}): {reason}; tried again by itself")

    def _end(self, conversation: "_Conversation", link: Link | None, reason: str) -> None:
        if link:
            link.abort()
        for odd in conversation.session.half():
            self._keep(odd.raw, "cut short", flaw=odd.flaw)
        self._unsafe.clear()
        if self.session is not None:
            self.session = None
            self._user.lost(self, reason)

    async def _serve(self, conversation: "_Conversation", link: Link) -> None:
        """Write what is due, until the connection has ended."""
        while not conversation.ended:
            self._stir.clear()
            now = self._host.mono() / SECOND
            if why := conversation.session.dead(now):
                conversation.end(why)
                return
            if link.pending() > OUTBOX:
                conversation.session.heard_at = min(conversation.session.heard_at, now)  # silence still counts
            else:
                self._write(conversation.session, link, now)
            self._flow(link)
            self._settle(conversation)
            due = min(max(conversation.session.next_due() - now, 0.0), TICK)
            try:
                async with asyncio.timeout(due or 0.01):
                    await self._stir.wait()
            except TimeoutError:
                pass

    def _write(self, session: Session, link: Link, now: float) -> None:
        out = session.write(now)
        if not out:
            return
        for piece in Decoder().receive(out):
            if isinstance(piece.record, Extended):
                self._sent += piece.record.number not in LOGIN_NUMBERS.values()
                self._journal(Direction.TX, piece.raw, piece.record.data[:3].strip())
        link.write(out)
        self._host.changed()

    def _settle(self, conversation: "_Conversation") -> None:
        """Linked for a while: what was wrong is over. Count out what was not said one by one."""
        since, now = conversation.linked_at, self._host.mono()
        if self._said and since is not None and now - since >= STEADY * SECOND:
            self._said.clear()
            self._host.trouble(Level.NOTE, DEVICE, f"{self.login.serial} ({self.role}): linked again")
        for kind, unsaid in self._hush.ended(now / SECOND):
            self._host.trouble(Level.WARNING, DEVICE, f"{kind}: {unsaid} more in the last minute")

    # --- what comes in ---

    def received(self, conversation: "_Conversation", data: bytes) -> None:
        """Bytes have come."""
        now = self._host.mono() / SECOND
        self._heard = self._host.wall()
        for event in conversation.session.receive(data, now):
            match event:
                case Arrived(frame=frame, raw=raw, again=again):
                    self._arrived(conversation, frame, raw, again)
                case Delivered(key):
                    self._acked += 1
                    if self.session is conversation.session:
                        self._user.delivered(self, key)
                case Beat():
                    self._beat = self._heard
                case Odd(raw=raw, flaw=flaw) if flaw.endswith("taken all the same"):
                    self._odd += 1  # its frame is the next event
                case Odd(raw=raw, flaw=flaw):
                    self._odd += 1
                    self._keep(raw, flaw.partition(":")[0], flaw=flaw)
        self._host.changed()
        self._stir.set()

    def _arrived(self, conversation: "_Conversation", frame: Extended, raw: bytes, again: bool) -> None:
        if again:
            self._again += 1
            if raw not in self._unsafe:  # else it is acknowledged when it is safe
                conversation.session.acknowledge(frame.number)
            return
        self._received += 1
        if frame.source == self._dialect.server:
            self._keep(raw, frame.data[:3], number=frame.number)
            conversation.told(frame.data)
        else:
            self._unsafe[raw] = frame.number
            if not self._user.arrived(self, frame, raw):
                self._keep(raw, frame.data[:2], number=frame.number)

    def _keep(self, raw: bytes, label: str, *, number: int | None = None, flaw: str = "") -> None:
        """Journal what came as the server's."""
        kept = self._journal(Direction.RX, raw, label, flaw)
        self._unsafe[kept] = number

    def _journal(self, direction: Direction, raw: bytes, label: str, flaw: str = "") -> bytes:
        shown = _LOGIN.sub(rb"\1 *", raw)
        if direction is Direction.RX:  # what a server says back to us
            shown, _ = self._mask.mask(shown)
        told = bool(flaw) and self._hush.says(re.sub(r"\d+", "n", flaw.partition(":")[0]), self._host.mono() / SECOND)
        self._host.frame(
            Draft(
                device=DEVICE,
                direction=direction,
                wall=self._host.wall(),
                mono=self._host.mono(),
                raw=shown,
                label=label,
                flaw=flaw,
                masked=shown != raw,
                by=f"{self.login.serial} ({self.role})",
                troubles=(Trouble(Level.WARNING, DEVICE, f"{self.login.serial}: {flaw}"),) if told else (),
            )
        )
        return shown

    # --- what is safe ---

    def safe(self, frames: Iterable[Frame]) -> None:
        """These frames, received ones, are on disk: the server may forget them."""
        conversation = self._conversation
        for frame in frames:
            number = self._unsafe.pop(frame.raw, None)
            if number is not None and conversation:
                conversation.session.acknowledge(number)
        self._stir.set()

    def _flow(self, link: Link) -> None:
        """Read no faster than the disk writes. Where it fails, memory is what there is: the server need not wait."""
        if not self._host.keeps_up() and self._conversation:
            for number in self._unsafe.values():
                if number is not None:
                    self._conversation.session.acknowledge(number)
            self._unsafe.clear()
        if len(self._unsafe) > MOST_UNSAFE:
            link.pause()
        else:
            link.resume()

    # --- states ---

    def enter_linked(self, conversation: "_Conversation", *, empty: bool) -> None:
        """The server has accepted us."""
        self._step("accepted" + (", and has us forget what waits (#GC 2)" if empty else " (#GC 1)"))
        if empty:
            self._user.cleared(self)
        self.session = conversation.session
        self._enter("linked")
        self._user.linked(self)

    def enter_login(self) -> None:
        """We have said who we are."""
        self._enter("logging in", "SN, UN and PW are sent; the server has not answered yet")

    def clear(self) -> None:
        """`#GC 2` while we are linked."""
        self._user.cleared(self)

    def print(self, text: str) -> None:
        """The server has us print a line."""
        self.printed.append(ItsPrinted(wall=self._host.wall(), text=text))

    @property
    def user_and_password(self) -> dict[str, str]:
        """What the server asks for."""
        return {"UN": self.login.user, "PW": self._password()}

    def mono(self) -> int:
        """Now."""
        return self._host.mono()

    def stir(self) -> None:
        """Something is to be looked at."""
        self._stir.set()

    def new_session(self) -> Session:
        """For a connection that is about to be made."""
        return Session(self._dialect, self._host.mono() / SECOND, at_once=False)

    @property
    def server(self) -> str:
        """Its address."""
        return self._dialect.server

    def _enter(self, word: str, reason: str = "") -> None:
        if (word, reason) != (self._word, self._reason):
            self._word, self._reason, self._since = word, reason, self._host.wall()
        self._retry_at = None
        self._step(word)
        self._host.changed()

    def _step(self, word: str) -> None:
        self._steps.append(ItsStep(wall=self._host.wall(), word=word))
        del self._steps[:-PRINTED]
        self._stir.set()


class _Conversation:
    """One TCP connection; the Receiver of its link."""

    def __init__(self, connection: Connection) -> None:
        self.session = connection.new_session()
        self.ended = ""
        """Why it has; empty: it has not."""
        self.refused = False
        self.linked_at: int | None = None
        """Monotonic ns."""
        self._connection = connection
        self._asked = 0

    def begin(self, link: Link) -> None:
        """Say who we are."""
        del link
        for word in LOGIN_NUMBERS:
            self._say(word)
        self._connection.enter_login()

    def _say(self, word: str) -> None:
        login = self._connection.login
        told = {"SN": login.serial_line} | {
            key: f"{key} {value}" for key, value in self._connection.user_and_password.items()
        }
        self.session.login(LOGIN_NUMBERS[word], login.address, self._connection.server, told[word])

    def told(self, data: str) -> None:
        """The server itself has said something."""
        word, _, rest = data.partition(" ")
        match word:
            case "#GC" if rest[:1] == "0":
                self.refused = True
                self.end(f"refused (#GC 0): {CAUSES.format(serial=self._connection.login.serial)}")
            case "#GC" if rest[:1] in ("1", "2"):
                self._accepted(empty=rest[0] == "2")
            case "#PL":
                self._connection.print(rest)
            case "#UN" | "#PW" if self._asked < ASKED_AGAIN:
                self._asked += 1
                self._say(word[1:])
            case "#UN" | "#PW":
                self.refused = True
                self.end(f"asks for {word} again and again: {CAUSES.format(serial=self._connection.login.serial)}")

    def _accepted(self, *, empty: bool) -> None:
        if self.linked_at is None:
            self.linked_at = self._connection.mono()
            self._connection.enter_linked(self, empty=empty)
        elif empty:
            self._connection.clear()

    def end(self, reason: str) -> None:
        """It is over."""
        self.ended = self.ended or reason

    def received(self, data: bytes) -> None:
        """See Receiver."""
        if not self.ended:
            self._connection.received(self, data)

    def lost(self, reason: str) -> None:
        """See Receiver."""
        if self.linked_at is None:
            causes = CAUSES.format(serial=self._connection.login.serial)
            reason += f"; a server that ends the login without a word may refuse it: {causes}"
        self.end(reason)
        self._connection.stir()
