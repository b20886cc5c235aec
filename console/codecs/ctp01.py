"""CTP01, ChronoTrack's socket protocol, from the timing device's side (ctp01.md, section 1).

Sans-IO: `Conversation` is fed what the server says and hands out what is to be done. The timing device is the TCP
client and greets; the server names options and drives the rest. Nothing of a location flows before the server asks.
"""

from collections.abc import Sequence
from typing import TypeAlias

from msgspec import Struct, structs

from console.codecs.ctp01_lines import (
    Authentication,
    Options,
    TimeFormat,
    authorization,
    layout,
    line,
    sayable,
)
from console.passwords import Password

LONGEST = 4096
"""Bytes of a line at most; what is longer is no CTP01."""

NAME = 60
"""Characters of a server's name, and of its words, that are shown."""

MOST_OPTIONS = 100
"""Options a greeting may announce."""

UNSAYABLE = (
    "the server wants the password itself (authentication=plaintext), and CTP01 cannot say this one: it says ASCII, "
    "and `~` parts its fields; give the user a password of ASCII without `~` there, and in secrets.toml"
)

WAITING = 100
"""Lines that may come while we are not authorised yet."""


class Say(Struct, frozen=True):
    """Write this, whole."""

    raw: bytes
    shown: bytes | None = None
    """What may be shown of it, where it holds a secret."""

    def __repr__(self) -> str:
        """Without the secret."""
        return f"Say({self.raw if self.shown is None else self.shown!r})"


class Ready(Struct, frozen=True):
    """Greeted, and authorised where that was asked for."""

    server: str
    options: Options


class Begin(Struct, frozen=True):
    """Send the reads of a location, from now on."""

    location: str
    sequence: int | None
    """From this number on; None: the server leaves it to us."""
    restart: bool = False
    """It was stopped and started again: from the first one (section 1.5)."""


class End(Struct, frozen=True):
    """Send no more of a location."""

    location: str


class Pull(Struct, frozen=True):
    """Answer `getdata`: at most `most` reads of `location` (None: of any), from `sequence` on (None: the next ones).

    The answer is `Conversation.data()` and the reads.
    """

    most: int
    location: str | None
    sequence: int | None


class Announce(Struct, frozen=True):
    """Tell of these locations, by `newlocation` lines."""

    locations: tuple[str, ...]


class Told(Struct, frozen=True):
    """Something the operator should know."""

    text: str


class Denied(Struct, frozen=True):
    """The server will not have us, and closes now; or what it wants of us cannot be said. What to check is in it."""

    text: str


Event: TypeAlias = Say | Ready | Begin | End | Pull | Announce | Told | Denied


class Identity(Struct, frozen=True, kw_only=True):
    """Who we are."""

    program: str = "SimpleClient"
    """Some servers answer to this name alone (section 1.11)."""
    version: str = "1.0.0"
    user: str = ""
    password: Password = Password("")
    connection: str = ""
    """The same for as long as the numbering is."""
    event: str = ""
    event_id: str = ""
    description: str = ""


class Conversation:
    """One connection. `locations`: those known, in the order in which the server hears of them."""

    def __init__(self, identity: Identity, locations: Sequence[str]) -> None:
        self.identity = identity
        self.locations = list(locations)
        self.options = Options()
        self.server = ""
        """How the server named itself; empty: it has not yet."""
        self.pings = False
        """The server has shown that it pings: then its silence means something."""
        self.fetches = False
        """The server has asked for reads itself."""
        self.streaming: dict[str, bool] = {}
        """Location -> whether it flows; absent: it was never started."""
        self._buffer = bytearray()
        self._skipping = False
        self._options_to_come = 0
        self._authorised: bool | None = None
        """None: greeting or options are still to come; False: we have asked."""
        self._waiting: list[str] = []
        self._introduced = False
        """The server has heard of the locations, or need not."""

    def opening(self) -> bytes:
        """What the client sends at once on connecting."""
        return line(self.identity.program, self.identity.version, "CTP01")

    @property
    def ready(self) -> bool:
        """Greeted, and authorised where that was asked for."""
        return self._authorised is True

    def receive(self, data: bytes) -> list[Event]:
        """What is to be done about what came. Takes any bytes in any chunks, and never raises."""
        events: list[Event] = []
        self._buffer += data
        while True:
            end = self._buffer.find(b"\n")
            if end < 0:
                break
            raw = bytes(self._buffer[:end])
            del self._buffer[: end + 1]
            if self._skipping or len(raw) > LONGEST:
                self._skipping = False
                continue
            text = raw.rstrip(b"\r").decode("ascii", "replace")
            events += self._line("".join(one if one.isprintable() else "?" for one in text))
        if len(self._buffer) > LONGEST:
            if not self._skipping:
                events.append(Told(f"the server sent {LONGEST} bytes without a line end: is it a CTP01 server?"))
            self._buffer.clear()
            self._skipping = True
        return events

    def appeared(self, location: str) -> list[Event]:
        """A location that was not known before."""
        if location in self.locations:
            return []
        self.locations.append(location)
        return [Announce((location,))] if self._introduced and self._announces else []

    def data(self, reads: int) -> bytes:
        """The answer to `getdata`: how many reads follow."""
        return line("ack", "getdata", str(reads))

    # --- greeting, options, authorisation ---

    def _line(self, text: str) -> list[Event]:
        if not self.server:
            return self._greeting(text)
        if self._options_to_come:
            return self._option_phase(text)
        if self._authorised is False:
            return self._authorising(text)
        return self._command(text)

    def _greeting(self, text: str) -> list[Event]:
        word, *rest = text.split("~")
        if word == "ping" and not rest:  # of a server that waits for a name it likes
            self.pings = True
            return [Say(line("ack", "ping"))]
        if len(rest) < 2 or not rest[-1].strip().isdecimal():
            return [Told(f"the server said {text[:60]!r} where its greeting was expected")] if text.strip() else []
        self.server = " ".join((word, *rest[:-1])).strip()[:NAME] or "unnamed"
        self._options_to_come = min(int(rest[-1].strip()[:6]), MOST_OPTIONS)
        return [] if self._options_to_come else self._options_end()

    def _option_phase(self, text: str) -> list[Event]:
        if "=" not in text or text.split("~")[0] in _COMMANDS:  # fewer options than it had said
            self._options_to_come = 0
            return [*self._options_end(), *self._line(text)]
        self._options_to_come -= 1
        told = self._option(text)
        return told if self._options_to_come else [*told, *self._options_end()]

    def _option(self, text: str) -> list[Event]:
        name, _, value = (part.strip() for part in text.partition("="))
        on = value.lower() == "true"
        try:
            match name.lower():
                case "location":
                    self._set(single=value.lower() == "single")
                case "guntimes":
                    self._set(guntimes=on)
                case "newlocations":
                    self._set(newlocations=on)
                case "authentication":
                    self._set(authentication=Authentication(value.lower()))
                case "authentication-seed":
                    self._set(seed=value)
                case "stream-mode":
                    self._set(push=value.lower() == "push")
                case "tagevent-format":
                    self._set(layout=layout(value))
                case "pushmode-ack":
                    self._set(acks=on)
                case "time-format":
                    self._set(time=TimeFormat(value.lower()))
                case "connection-id":
                    self._set(holds_newlocations=on)
                case _:
                    return [Told(f"the server asks for {text[:60]!r}, which CTP01 does not know: ignored")]
        except ValueError as error:
            return [Told(f"the server asks for {text[:60]!r}: {error}; it gets what it would get without")]
        return []

    def _set(self, **changes: object) -> None:
        self.options = structs.replace(self.options, **changes)

    def _options_end(self) -> list[Event]:
        options = self.options
        if options.authentication is Authentication.NONE:
            return self._authorise()
        self._authorised = False
        password = self.identity.password.reveal()
        if options.authentication is Authentication.PLAINTEXT and not sayable(password):
            return [Denied(UNSAYABLE)]
        proof = authorization(options.authentication, options.seed, password)
        user = self.identity.user
        return [Say(line("authorize", user, proof), shown=line("authorize", user, "(secret)"))]

    def _authorising(self, text: str) -> list[Event]:
        word, _, rest = text.partition("~")
        what, _, why = rest.partition("~")
        if (word, what) == ("ack", "authorize"):
            events = self._authorise()
            waiting, self._waiting = self._waiting, []
            for one in waiting:
                events += self._line(one)
            return events
        if word == "err":
            refused = f"the server refuses user {self.identity.user!r}{': ' + why[:NAME] if why else ''}"
            return [Denied(f"{refused}: check `user` in the settings and the password in secrets.toml")]
        if word == "ping":
            return self._command(text)
        if len(self._waiting) < WAITING:
            self._waiting.append(text)
        return []

    def _authorise(self) -> list[Event]:
        self._authorised = True
        events: list[Event] = [Ready(self.server, self.options)]
        if not self.options.holds_newlocations:
            events += self._introduce()
        return events

    def _introduce(self) -> list[Event]:
        """The server may expect to hear of the locations that are there already (section 1.5)."""
        if self._introduced:
            return []
        self._introduced = True
        return [Announce(tuple(self.locations))] if self._announces and self.locations else []

    @property
    def _announces(self) -> bool:
        """Who pulls asks for the locations again and again (section 1.8)."""
        return self.options.newlocations and not self.options.single and self.options.push

    # --- commands ---

    def _command(self, text: str) -> list[Event]:
        word, *fields = text.strip().split("~")
        match word:
            case "":
                return []
            case "ping":
                self.pings = True
                return [Say(line("ack", "ping"))]
            case "geteventinfo":
                me = self.identity
                return [Say(line("ack", "geteventinfo", me.event, me.event_id, me.description))]
            case "getlocations":
                return [Say(line("ack", "getlocations", *self._named()))]
            case "getconnectionid":
                return [Say(line("ack", "getconnectionid", self.identity.connection)), *self._introduce()]
            case "start":
                return self._start(fields)
            case "stop":
                return self._stop(fields)
            case "getdata":
                return self._getdata(fields)
            case "authorize":  # one server says it to the client; a refusal is harmless (section 1.3)
                return [Say(line("err", "authorize", "not supported"))]
            case "ack":
                return []
            case "err":
                return [Told(f"the server reports an error: {'~'.join(fields)[:80] or 'none named'}")]
        if "=" in word:  # an option that comes late
            return self._option(text)
        return [Say(line("err", word[:40], "unknown command"))]

    def _named(self) -> list[str]:
        return self.locations[:1] if self.options.single else self.locations

    def _start(self, fields: list[str]) -> list[Event]:
        location, sequence, wrong = self._where(fields)
        if wrong:
            return [*self._answer("err", "start", wrong), Told(f"the server's start was not understood: {wrong}")]
        if location is None:
            begun: list[Event] = [self._begin(one, None) for one in self._named() if not self.streaming.get(one)]
            return [*self._answer("ack", "start"), *begun]
        answered = self._answer("ack", "start", location)
        if sequence is None and self.streaming.get(location):
            return answered  # said every second by one server: a rewind would flood it (section 1.5)
        return [*answered, self._begin(location, sequence)]

    def _begin(self, location: str, sequence: int | None) -> Begin:
        restart = location in self.streaming and sequence is None
        self.streaming[location] = True
        return Begin(location, sequence, restart)

    def _stop(self, fields: list[str]) -> list[Event]:
        location, _, wrong = self._where(fields[:1])
        if wrong:
            return self._answer("err", "stop", wrong)
        ended = [one for one in ([location] if location else self._named()) if self.streaming.get(one)]
        self.streaming |= dict.fromkeys(ended, False)
        return [*self._answer("ack", "stop", *([location] if location else [])), *(End(one) for one in ended)]

    def _getdata(self, fields: list[str]) -> list[Event]:
        most = _number(fields[0]) if fields else None
        if most is None:
            return [Say(line("err", "getdata", "how many?"))]
        location, sequence, wrong = self._where(fields[1:])
        if wrong:
            return [Say(line("err", "getdata", wrong))]
        self.fetches = True
        return [Pull(most, location, sequence)]

    def _where(self, fields: list[str]) -> tuple[str | None, int | None, str]:
        """Location and sequence number of a command, and what is wrong with them."""
        location = fields[0].strip() if fields else ""
        if not location:
            return None, None, ""
        if location not in self._named():
            return None, None, "invalid location"
        if len(fields) < 2 or not fields[1].strip():
            return location, None, ""
        sequence = _number(fields[1])
        return location, sequence, "" if sequence is not None else "invalid sequence number"

    def _answer(self, *fields: str) -> list[Event]:
        """Only a server that asked for it gets an answer to `start` and `stop`."""
        return [Say(line(*fields))] if self.options.acks else []


_COMMANDS = frozenset(
    ("ping", "geteventinfo", "getlocations", "getconnectionid", "start", "stop", "getdata", "authorize")
)


def _number(text: str) -> int | None:
    text = text.strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 9 else None
