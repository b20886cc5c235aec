"""One connection to a CTP01 server: what it asks is done in the order in which it asked, and reads flow in between."""

import asyncio
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from console.codecs.ctp01 import Announce, Begin, Conversation, Denied, End, Event, Pull, Ready, Say, Told
from console.codecs.ctp01_lines import Options
from console.exports.ctp01_account import Flown, NumberedAccount, What
from console.exports.ctp01_log import ANNOUNCEMENT, Line, Logs
from console.exports.export import Feed
from console.exports.peer import Peer
from console.exports.pump import CHUNK, Format, Pump
from console.exports.reading import BATCH
from console.model import SECOND, Passing

ANSWER_WITHIN = 10.0
"""Seconds that a server may take to greet us, and to let us in."""

SILENT_AFTER = 60.0
"""Seconds of silence after which a server that has shown that it pings is taken to hang."""

MOST_ASKED = 1000
"""What a server may have asked and not been answered yet."""

MOST_PULLED = 5000
"""Reads in one answer to `getdata`."""

OVERLAP = 60 * SECOND
"""ns of arrivals that a bare start repeats where the export resumes."""


class Encoded(NamedTuple):
    """A line, ready to be written."""

    line: Line
    raw: bytes
    what: What
    wall: int
    """Arrival of its passing, wall ns; 0: it has none."""


class Service(Format, Protocol):
    """What a session needs of the export."""

    @property
    def resumes(self) -> bool:
        """A start without a number goes on where the server's TCP had come, with an overlap; else from the first."""

    @property
    def gap(self) -> float:
        """Seconds between two lines; 0: as many at once as fit."""

    def encode(self, line: Line, passing: Passing | None, options: Options) -> tuple[bytes, What]:
        """A line, whole, and what it is; empty: nothing is written of it."""

    def announcement(self, location: str, number: int, options: Options) -> bytes:
        """The line that tells of a new location."""

    def tell(self, text: str) -> None:
        """Tell the operator, once."""


class Session(Pump):
    """Serves one connection until it is cancelled."""

    def __init__(
        self,
        service: Service,
        feed: Feed,
        account: NumberedAccount,
        peer: Peer,
        logs: Logs,
        conversation: Conversation,
    ) -> None:
        super().__init__(service, feed, account, peer)
        self.conversation = conversation
        self.silent = ""
        """What to check where the server does not let us in; empty: all is well."""
        self._service = service
        self._numbered = account
        self._logs = logs
        self._events: deque[Event] = deque()
        self._flowing: dict[str, int] = {}
        """Location -> the number of its next line, where the server has started it."""
        self._pulled: dict[str, int] = {}
        """The same for `getdata`."""
        self._heard = asyncio.get_running_loop().time()

    def received(self, data: bytes) -> None:
        """The server said something."""
        self._heard = asyncio.get_running_loop().time()
        self.put(self.conversation.receive(data))

    def put(self, events: Sequence[Event]) -> None:
        """To be done in its turn."""
        self._events += events
        if len(self._events) > MOST_ASKED:
            self.peer.drop("it asks faster than it takes the answers")
        self.stir.set()

    async def run(self, overlap: float) -> None:
        """Greet, and serve until cancelled."""
        del overlap  # it is the server that says where to begin
        self.peer.write(self.conversation.opening())
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch())
            tasks.create_task(self._work())

    async def _work(self) -> None:
        while True:
            self.stir.clear()
            while self._events:
                await self._do(self._events.popleft())
            if not (await self._flow() or await self._flow_again()):
                await self.stir.wait()

    async def _watch(self) -> None:
        """Say where we are not let in; end it where a server that pings has fallen silent."""
        await asyncio.sleep(ANSWER_WITHIN)
        if not self.conversation.ready:
            self.silent = self.unanswered(f"does not answer our greeting, for {ANSWER_WITHIN:g} s")
            self._service.kept(self.account)
        while True:
            left = self._heard + SILENT_AFTER - asyncio.get_running_loop().time()
            if self.conversation.pings and left <= 0:
                self.peer.drop(f"silent for {SILENT_AFTER:.0f} s, though it pings: its program hangs; restart that")
            await asyncio.sleep(max(left, 1.0))

    def unanswered(self, what: str) -> str:
        """Tell the operator that we are not let in, and what to check; returns the words."""
        where, program = self.peer.address, self.conversation.identity.program
        known = "which most do" if program == "SimpleClient" else "and most know 'SimpleClient'"
        text = (
            f"{where} {what}: some servers answer only to program names that they know (`program` is {program!r}, "
            f"{known}); else check that it is a CTP01 server, and the right port"
        )
        if self.conversation.server:
            text = (
                f"{where} has greeted and does not let us in, for {ANSWER_WITHIN:g} s: check user and password, and "
                "whether that program has a question on its screen"
            )
        self._service.tell(text)
        return text

    # --- what the server wants ---

    async def _do(self, event: Event) -> None:
        match event:
            case Say(raw, shown):
                await self._say(raw, shown)
            case Ready():
                self.silent = ""
                self._service.kept(self.account)
            case Begin(location, sequence, restart):
                first = 1 if restart else await self._first(location, sequence)
                self._flowing[location] = first
            case End(location):
                self._flowing.pop(location, None)
            case Pull(most, location, sequence):
                await self._pull(most, location, sequence)
            case Announce(locations):
                for location in locations:
                    numbers = await self._logs.number(location, [ANNOUNCEMENT])
                    options = self.conversation.options
                    await self._say(self._service.announcement(location, numbers[ANNOUNCEMENT], options))
            case Told(text):
                self._service.tell(f"{self.peer.address}: {text}")
            case Denied(text):
                self.peer.drop(text)

    async def _flow(self) -> bool:
        """Write the next lines of what the server has started; False: there are none."""
        if not self._service.go.is_set() or not (lines := self._logs.next(self._flowing, BATCH)):
            return False
        await self._write_lines(lines, self._flowing)
        return True

    async def _pull(self, most: int, location: str | None, sequence: int | None) -> None:
        named = self.conversation.locations[: 1 if self.conversation.options.single else None]
        for one in named if location is None else [location]:
            if one not in self._pulled or sequence is not None:
                self._pulled[one] = await self._first(one, sequence)
        places = self._pulled if location is None else {location: self._pulled[location]}
        most = min(most, MOST_PULLED) if self._service.go.is_set() else 0
        lines = self._logs.next(places, most)
        await self._write_lines(lines, self._pulled, answer=True)

    async def _first(self, location: str, sequence: int | None) -> int:
        """The number from which a location is sent."""
        log, taken = self._logs.at(location), self._numbered.at(location).tcp.number
        if sequence is None:
            return await self._resumed(location, taken) if self._service.resumes else 1
        if sequence > log.newest + 1:
            # Its memory is of other numbers than ours: what it says does not tell what it has got.
            skipped = self._numbered.pass_over(log, log.newest)  # it asks for what lies behind all that waits
            self._service.tell(
                f"{self.peer.address} asks for {location} from {sequence}, and there are only {log.newest}: what comes "
                f"now goes out, and {skipped} that waited are skipped; if it lacks anything, have it sent again, or "
                f"begin the numbers anew (`racedeck export renumber {self.account.export}`)"
            )
            return log.newest + 1
        await self._known(location, taken + 1, sequence - 1)
        return max(sequence, 1)

    async def _known(self, location: str, first: int, last: int) -> None:
        """The server asks for what follows these: it has them."""
        log = self._logs.at(location)
        while first <= last:
            lines = list(log.lines(first, min(first + BATCH - 1, last)))
            passings = await self._logs.passings(lines)
            for line in lines:
                _, what = self._encode(line, passings)
                skipped = self._numbered.skips(location, line.number)
                self._numbered.known(location, line.number, What.OTHER if skipped else what)
            first = lines[-1].number + 1

    async def _resumed(self, location: str, taken: int) -> int:
        """Behind what was taken, less what arrived in the minute before the last of that."""
        log, first, earliest = self._logs.at(location), min(taken, self._logs.at(location).newest) + 1, None
        while first > 1:
            lines = list(log.lines(max(1, first - BATCH), first - 1))
            passings = await self._logs.passings(lines)
            for line in reversed(lines):
                if passing := passings.get(line.passing):
                    earliest = passing.wall - OVERLAP if earliest is None else earliest
                    if passing.wall < earliest:
                        return line.number + 1
            first = lines[0].number
        return 1

    # --- writing ---

    async def _say(self, raw: bytes, shown: bytes | None = None) -> None:
        """Whole lines, and only where the kernel takes all of them: it must never be left with half a line."""
        await self.peer.room(len(raw))
        self.peer.write(raw, shown)

    def _encode(self, line: Line, passings: Mapping[int, Passing], *, again: bool = False) -> tuple[bytes, What]:
        if not again and self._numbered.left_out(line.location, line.number):
            return b"", What.OTHER
        try:
            return self._service.encode(line, passings.get(line.passing), self.conversation.options)
        except Exception as error:  # noqa: BLE001 - one line that we fail to encode must not stop all that follow
            self._service.tell(f"{line.location} {line.number} could not be encoded ({error!r}); please report this")
            return b"", What.UNASKED

    async def _write_lines(self, lines: Sequence[Line], places: dict[str, int], *, answer: bool = False) -> None:
        """Write these lines, and move `places` past them; as an answer to `getdata`, behind their number."""
        encoded = await self._encoded(lines)
        if answer:
            await self._say(self.conversation.data(sum(bool(one.raw) for one in encoded)))
        for number, chunk in enumerate(self._chunks(encoded)):
            await self._room_for(chunk)
            if not answer and (not self._service.go.is_set() or (number and self._events)):
                break  # first what is asked; what was not written is read again
            self._write_chunk([one for one in chunk if answer or one.line.number >= places[one.line.location]])
            for line, *_ in chunk:
                places[line.location] = max(places[line.location], line.number + 1)
            await asyncio.sleep(self._service.gap)
        self._service.kept(self.account)

    async def _encoded(self, lines: Sequence[Line], *, again: bool = False) -> list[Encoded]:
        """So many passings at a time, for an answer to `getdata` tells of thousands."""
        encoded = []
        for first in range(0, len(lines), BATCH):
            some = lines[first : first + BATCH]
            passings = await self._logs.passings(some)
            for line in some:
                passing = passings.get(line.passing)
                wall = passing.wall if passing else 0
                encoded.append(Encoded(line, *self._encode(line, passings, again=again), wall))
        return encoded

    def _chunks(self, encoded: Sequence[Encoded]) -> Iterator[list[Encoded]]:
        """What is written at once: whole lines."""
        chunk: list[Encoded] = []
        size = 0
        for one in encoded:
            chunk.append(one)
            size += len(one.raw)
            if size >= CHUNK or (self._service.gap and size):
                yield chunk
                chunk, size = [], 0
        if chunk:
            yield chunk

    async def _room_for(self, chunk: Sequence[Encoded]) -> None:
        await self.peer.room(sum(len(one.raw) for one in chunk))

    def _write_chunk(self, chunk: Sequence[Encoded], *, again: bool = False) -> None:
        """There is room. Nothing waits here: what is written and what is counted never part."""
        end = self.peer.written
        for line, raw, what, wall in chunk:
            end += len(raw)
            flown = Flown(
                end=end,
                seq=line.passing,
                wall=wall,
                released=False,
                again=again or line.number <= self._numbered.at(line.location).sent.number,
                location=line.location,
                number=line.number,
                what=what,
            )
            self.flight.written.append(flown)
            self.account.wrote(flown)
        if data := b"".join(one.raw for one in chunk):
            self.peer.write(data)

    # --- what the operator wants ---

    def leap(self, upto: int) -> None:
        """Go on behind what was skipped."""
        del upto
        for places in (self._flowing, self._pulled):
            for location, number in places.items():
                places[location] = max(number, self._numbered.at(location).sent.number + 1)

    async def _flow_again(self) -> bool:
        """A chunk of what the operator wants sent again; False: there is nothing."""
        again = self.again
        if not again or not self._service.go.is_set():
            return False
        if not self._flowing:
            self.end_again(
                "the server fetches its reads, or has not asked for them yet: have it begin again there, or number anew"
            )
            return True
        batch = await again.read(self._feed)
        if not batch or again.over.is_set():
            self.end_again("")
            return True
        if self._service.gap:
            del batch[1:]  # what is asked meanwhile is not to wait for many of them
        lines = []
        for passing in batch:
            if again.what.takes(self._service.known(passing)):
                line = self._line_of(passing)
                if isinstance(line, Line):
                    lines.append(line)
                else:
                    again.counts[line] += 1
        for chunk in self._chunks(await self._encoded(lines, again=True)):
            await self._room_for(chunk)
            if again.over.is_set():
                return True
            self._write_chunk(chunk, again=True)
            again.at = chunk[-1].line.passing
            again.counts.update("sent" if one.raw else "other" for one in chunk)
            await asyncio.sleep(self._service.gap)
        again.at = batch[-1].seq
        return True

    def _line_of(self, passing: Passing) -> Line | str:
        """The line that tells of a passing; or why it is not sent again, see `Again.counts`."""
        found = self._logs.find(passing.seq)
        if found is None:
            if self._service.not_for(self.account.address, passing):
                return "other"
            return (
                "held"
                if passing.seq in self.account.held
                else "waiting"
                if passing.seq > self.account.sent
                else "unmapped"
            )
        location, number = found
        if location not in self._flowing:
            return "other"
        if number > self._numbered.at(location).sent.number:
            return "waiting"
        return Line(passing.seq, location, number, passing.seq)
