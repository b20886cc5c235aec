"""What one side of a recorded connection said, as figures: however long the recording, they stay small."""

from collections import Counter

from msgspec import Struct, field

from console.codecs.columns import plain
from console.codecs.thcom_link import LAST_NUMBER, LOGIN_NUMBERS, Decoder, Extended

SHOWN = 10
"""Examples of one kind that are shown."""


class Sent(Struct):
    """A frame."""

    frame: Extended
    raw: bytes
    at: int
    """Monotonic ns."""
    check: str
    masked: bool
    again: bool


class Spans(Struct):
    """Times between one thing and the next of its kind, ns."""

    last: int | None = None
    count: int = 0
    least: int = 0
    most: int = 0

    def add(self, at: int) -> None:
        """It has happened again."""
        if self.last is not None:
            span = at - self.last
            self.least = min(self.least, span) if self.count else span
            self.most = max(self.most, span)
            self.count += 1
        self.last = at


class Delays(Struct):
    """How long acknowledgements took, ns."""

    least: int = 0
    most: int = 0
    counts: Counter[int] = field(default_factory=Counter)
    """Milliseconds -> how many took so long."""

    def add(self, took: int) -> None:
        """One more."""
        self.least = min(self.least, took) if self.counts else took
        self.most = max(self.most, took)
        self.counts[round(took / 1e6)] += 1

    @property
    def median(self) -> int:
        """To the millisecond."""
        left = self.counts.total() // 2
        for took in sorted(self.counts):
            left -= self.counts[took]
            if left < 0:
                break
        return took * 1_000_000


class Way(Struct):
    """One side of one connection."""

    decoder: Decoder = field(default_factory=Decoder)
    frames: int = 0
    acknowledgements: int = 0
    beats: int = 0
    checks: Counter[str] = field(default_factory=Counter)
    addresses: Counter[str] = field(default_factory=Counter)
    messages: Counter[str] = field(default_factory=Counter)
    types: set[str] = field(default_factory=set)
    """Address types, of sources and destinations."""
    protocols: set[str] = field(default_factory=set)
    destinations: set[str] = field(default_factory=set)
    source_types: set[str] = field(default_factory=set)
    runs: list[list[int]] = field(default_factory=list)
    """Frame numbers as they came, one up from each other: first and last; a few more than are shown."""
    jumps: list[tuple[int, int]] = field(default_factory=list)
    """The first numbers that do not follow each other."""
    agains: int = 0
    first_again: int | None = None
    login: list[tuple[str, int]] = field(default_factory=list)
    """Tags and numbers of its first frames, up to `login_over`."""
    login_over: bool = False
    login_frames: int = 0
    """Frames with a number that is kept for a login."""
    login_acknowledged: int = 0
    answers: int = 0
    """`AK`."""
    commands: int = 0
    commanders: set[str] = field(default_factory=set)
    """Who they are from."""
    granted: str | None = None
    """What the first `#GC` says."""
    wrong: int = 0
    """Wrong checksums; of those, in frames that were not masked: how many, which variants would fit, the first ones."""
    wrong_open: int = 0
    fitting: Counter[str] = field(default_factory=Counter)
    wrong_shown: list[str] = field(default_factory=list)
    odd: int = 0
    odd_shown: list[tuple[bytes, str]] = field(default_factory=list)
    bad: int = 0
    """Of those, the ones that are not just cut short."""
    first_bad: str = ""
    beating: Spans = field(default_factory=Spans)
    speaking: Spans = field(default_factory=Spans)
    delays: Delays = field(default_factory=Delays)
    most: int = 0
    """Frames that were under way at once without an acknowledgement."""
    under_way: dict[int, Sent] = field(default_factory=dict)
    newest: dict[int, tuple[str, bool]] = field(default_factory=dict)
    """Number -> data of its newest frame, and whether that had been sent before."""
    last_number: int | None = None

    def send(self, sent: Sent) -> None:
        """It says a frame."""
        frame, number = sent.frame, sent.frame.number
        self.frames += 1
        self.checks[sent.check] += 1
        self.addresses[f"{frame.source} > {frame.destination}"] += 1
        self.messages[plain(frame.data[:3].strip())] += 1
        self.types |= {frame.source[0], frame.destination[0]}
        self.source_types.add(frame.source[0])
        self.destinations.add(frame.destination)
        self.protocols.add(frame.protocol)
        self.answers += frame.data.startswith("AK ")
        self._number(number)
        if sent.again:
            self.agains += 1
            self.first_again = number if self.first_again is None else self.first_again
        elif not self.login_over and len(self.login) <= SHOWN:
            self.login.append((frame.data[:2], number))
        if number in LOGIN_NUMBERS.values():
            self.login_frames += 1
        elif not sent.again:
            self._follow(number)
        if frame.data.startswith("#"):
            self.commands += 1
            self.commanders.add(frame.source)
        if frame.data.startswith("#GC") and self.granted is None:
            self.granted = frame.data[3:].strip()
        self.newest[number] = (frame.data, sent.again)
        self.under_way[number] = sent
        self.most = max(self.most, len(self.under_way))

    def acknowledged(self, number: int, at: int) -> bool:
        """The other side has one of its frames; False: which is not under way."""
        sent = self.under_way.pop(number, None)
        if sent:
            self.delays.add(at - sent.at)
            self.login_acknowledged += number in LOGIN_NUMBERS.values()
        return sent is not None or (number in self.newest and self.newest[number][1])

    def say_odd(self, raw: bytes, flaw: str) -> None:
        """It says something that is no frame, acknowledgement or heartbeat."""
        self.odd += 1
        if len(self.odd_shown) < SHOWN:
            self.odd_shown.append((raw, flaw))
        if flaw != "cut short":
            self.bad += 1
            self.first_bad = self.first_bad or flaw

    def _number(self, number: int) -> None:
        if self.runs and number == self.runs[-1][-1] + 1:
            self.runs[-1][1:] = [number]
        elif len(self.runs) <= 2 * SHOWN:
            self.runs.append([number])

    def _follow(self, number: int) -> None:
        before, self.last_number = self.last_number, number
        if before is None or number == before + 1 or (number == 0 and before in (LAST_NUMBER, 252, 255)):
            return
        if len(self.jumps) < SHOWN:
            self.jumps.append((before, number))
