"""The login to the server, from SN, UN and PW to its answer (thcom.md, section 3). Pure."""

from collections.abc import Callable, Iterable
from typing import TypeAlias

from msgspec import Struct

from console.codecs.thcom_link import LOGIN_NUMBERS

CAUSES = (
    "check user and password (the TIMER ID), that {serial} is in the server's material list, that the date of the "
    "event has not passed, and that its configuration is activated and has {serial} in it"
)
"""What to check where a server refuses without a reason that is known here."""

REASONS = {
    "PASSWORD": "check user and password: they are those of the TIMER ID",
    "ATTEMPTS": "too many wrong passwords came from here; check user and password, and wait a minute",
    "NOT IN MATERIAL": "add {serial} to the server's material list, or correct the number here",
    "ANOTHER ID": "the material {serial} belongs to another user",
    "NO EVENT": "activate an event on the server",
    "NOT BEGUN": "the event begins later: check its dates on the server",
    "IS OVER": "the date of the event has passed: check its dates on the server",
    "NOT IN CONFIGURATION": "give {serial} an arrow in the configuration that is activated on the server",
    "USED ELSEWHERE": "another device or program has logged in as {serial}: each needs a serial of its own",
    "REMOVED": "the user was removed on the server",
}
"""What to do, by what the server prints with a refusal. The words are those of our relay; whether the ITS server prints
any is unknown."""

ASKED_AGAIN = 3
"""How often a server may ask for user or password once more (#UN, #PW) on one connection."""


class Login(Struct, frozen=True):
    """Who we are on a connection."""

    serial: str
    address: str
    """`TDDDD`."""
    serial_line: str
    """The data of the SN frame."""
    user: str

    @property
    def causes(self) -> str:
        """What to check when it is refused."""
        return CAUSES.format(serial=self.serial)

    def refusal(self, printed: str) -> str:
        """A refusal for which the server gives this reason."""
        known = next((advice for word, advice in REASONS.items() if word in printed.upper()), "")
        return f"refused (#GC 0), the server says {printed}: {known.format(serial=self.serial) or self.causes}"


class Say(Struct, frozen=True):
    """A frame of the login is to go out."""

    number: int
    data: str

    def __repr__(self) -> str:
        """Without the password."""
        return f"Say({self.number}, {'PW *' if self.data.startswith('PW ') else self.data!r})"


class Accepted(Struct, frozen=True):
    """The server takes our frames; `empty`: and has us forget those that wait."""

    empty: bool


class Refused(Struct, frozen=True):
    """The server does not."""

    reason: str


class Print(Struct, frozen=True):
    """A line is to be printed."""

    text: str


Step: TypeAlias = Say | Accepted | Refused | Print


class Greeting:
    """What the server says in its own name, on one connection."""

    def __init__(self, login: Login, password: Callable[[], str]) -> None:
        self._login = login
        self._password = password
        self._asked = 0

    def begin(self) -> Iterable[Say]:
        """What we say first, and all that we say before we are accepted."""
        return [self._say(word) for word in LOGIN_NUMBERS]

    def told(self, data: str) -> Step | None:
        """What follows from the server's `data`; None: nothing."""
        word, _, rest = data.partition(" ")
        match word:
            case "#GC" if rest[:1] == "0":
                return Refused(f"refused (#GC 0): {self._login.causes}")
            case "#GC" if rest[:1] in ("1", "2"):
                return Accepted(empty=rest[0] == "2")
            case "#PL":
                return Print(rest)
            case "#UN" | "#PW":
                self._asked += 1
                if self._asked > ASKED_AGAIN:
                    return Refused(f"refused: it asks for user or password again and again: {self._login.causes}")
                return self._say(word[1:])
        return None

    def _say(self, word: str) -> Say:
        match word:
            case "UN":
                return Say(LOGIN_NUMBERS[word], f"UN {self._login.user}")
            case "PW":
                return Say(LOGIN_NUMBERS[word], f"PW {self._password()}")
        return Say(LOGIN_NUMBERS["SN"], self._login.serial_line)
