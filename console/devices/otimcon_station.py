"""Talking to a station: one command at a time, woken first where it may be asleep (otimcon.md, sections 1 and 7)."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

from console.codecs.otimcon import encode
from console.codecs.otimcon_records import (
    BackupBegin,
    BackupEnd,
    BackupLine,
    CardSeen,
    Help,
    Mode,
    Pong,
    Prompt,
    Punch,
    Record,
    Refused,
    Starting,
    Version,
    Waiting,
    Written,
)
from console.devices.driver import Outlet
from console.devices.otimcon_answers import APART, answers, mangled

ANSWER = 2.0
"""Seconds to wait for an answer. A card that is just being served takes most of a second."""
QUIET = 0.3
"""Seconds of silence after which an answer of unknown form is over."""
LINE_GAP = 1.0
"""Seconds without another line after which a backup has broken off."""
WAKE_GAP, WAKE_FOR, WAKE_DEEP = 0.04, 3.0, 25.0
"""A sleeping station listens for some 30 ms at a time, and misses what is sent meanwhile; from deep sleep it takes
longer (section 7)."""
DOZES = 13.0
"""Seconds after the last prompt or card within which no station sleeps."""
NAPPERS = frozenset({"", "0.18", "0.19"})
"""Versions that sleep unless they were built otherwise; one that has not said its version may be such a one."""
OURS = "keep-awake"
"""Who asks where nobody did: such questions wake a station from its light sleep only."""


class Listener:
    """What a station prints, in order, while somebody listens."""

    def __init__(self) -> None:
        self._records: asyncio.Queue[Record | ConnectionError] = asyncio.Queue()

    async def next(self, timeout: float | None = None) -> Record:
        """The next record: cards, prompts and all.

        Raises TimeoutError where none comes within `timeout` seconds, ConnectionError once the link is lost.
        """
        async with asyncio.timeout(timeout):
            record = await self._records.get()
        if isinstance(record, ConnectionError):
            raise record
        return record

    def forget(self) -> None:
        """Skip what has come so far."""
        while not self._records.empty():
            self._records.get_nowait()

    def hear(self, record: Record | ConnectionError) -> None:
        """For the station."""
        self._records.put_nowait(record)


class Turn(Listener):
    """The right to talk to the station: nobody else does until it ends. From `Station.turn`."""

    def __init__(self, station: "Station", by: str) -> None:
        super().__init__()
        self.took = 0.0
        """Seconds from sending the last line to its answer."""
        self._station = station
        self._by = by

    def send(self, words: str) -> None:
        """Send one line, as it is. Raises ConnectionError without a link, ValueError for what no station can read."""
        self.forget()
        self._station.sends(words)
        self._station.outlet.send(encode(words), by=self._by, label=words)

    async def ask(self, words: str, *, timeout: float | None = None, once: bool = False) -> list[Record]:
        """Send `words` and return their answer, without prompts and without what cards caused meanwhile.

        The last record is what answers: Pong, Version, Time, Control, Mode, Voltage, BackupReset, Waiting, Help,
        BackupBegin (its lines follow: get them with `next`), or what refuses: UnknownArgument, Warned, Refused.
        SET and GET CTRL outside the control modes are answered by Warned and Mode. Without an answer, or with one that
        shows that a sleeping station missed half the line, the station is woken and the line sent once more: what it
        has of the line runs with the next line feed, and may be a shorter number. Not so where `once` says that the
        line would no longer be true; nor with a WRITE, which might come out as two.

        Raises TimeoutError where it does not answer within `timeout` seconds (default: ANSWER), ConnectionError.
        """
        once = once or words.startswith("WRITE")
        try:
            answer = await self._answer(words, timeout or ANSWER)
            if once or not mangled(words, answer):
                return answer
        except TimeoutError:
            self._station.missed()
            if once:
                raise
        await self._station.rouse(self, deep=self._by != OURS)
        return await self._answer(words, timeout or ANSWER)

    async def raw(self, line: str, *, timeout: float | None = None) -> list[Record]:
        """Send any line, and return whatever comes back, until nothing more does; empty: silence for `timeout` seconds
        (default: ANSWER)."""
        self.send(line)
        return [record async for record in self._until_quiet(timeout or ANSWER)]

    async def ping(self, timeout: float | None = None) -> Record:
        """Pong, or UnknownArgument of a version up to 0.19: what was asked before is answered now. Raises as `ask`,
        but does not wake the station."""
        return (await self._answer("PING", timeout or ANSWER))[-1]

    async def _answer(self, words: str, timeout: float) -> list[Record]:
        self.send(words)
        sent = time.monotonic()
        answer: list[Record] = []
        async with asyncio.timeout(timeout):
            while True:
                record = await self.next()
                if isinstance(record, Prompt) and answer and isinstance(answer[-1], Help):
                    return answer
                if isinstance(record, APART) or (words == "PING" and not answers(words, record)):
                    continue  # what comes before the answer to a PING is of no account: it ends all that was before
                answer.append(record)
                self.took = time.monotonic() - sent
                if answers(words, record):
                    break
        if isinstance(record, Waiting | Refused | BackupBegin) or words.startswith("WRITE"):
            return answer  # no prompt comes
        async for record in self._until_quiet(QUIET, prompt=True):
            answer.insert(-1, record)  # a board without backup excuses itself after its answer
        return answer

    async def _until_quiet(self, first: float, *, prompt: bool = False) -> AsyncIterator[Record]:
        """What comes of an answer, the first within `first` seconds, until no more does, or `prompt` ends it.

        What cards cause does not count: one that cannot be read is told 15 to 20 times a second while it lies there.
        """
        now = asyncio.get_running_loop().time
        until = now() + first
        with suppress(TimeoutError):
            while not isinstance(record := await self.next(until - now()), Prompt) or not prompt:
                if not isinstance(record, APART):
                    until = now() + QUIET
                    yield record


class Station:
    """One station. What the driver hears it hands to `heard`; whoever wants to talk takes a `turn`, or just asks."""

    def __init__(self, outlet: Outlet, changed: Callable[[], None], *, keep_awake: float = 0.0) -> None:
        """`changed` is called when `state` or `keep_awake` may have changed."""
        self.outlet = outlet
        self.keep_awake = keep_awake
        """Seconds between the driver's PINGs; 0: none."""
        self.version = ""
        """As it said; empty: it has not."""
        self.mode = ""
        self.pos = False
        """Mode PRINT prints codes for a receipt printer."""
        self.pending = ""
        """The WRITE that waits for its card."""
        self.garbled = 0
        """Counts what came and made no sense."""
        self.restarted = asyncio.Event()
        """It was reset; cleared by whoever has seen to that."""
        self._changed = changed
        self._talk = asyncio.Lock()
        self._listeners: list[Listener] = []
        self._alive = asyncio.Event()
        """Something was understood since this was last cleared."""
        self._prompted: float | None = None
        """When a prompt or a card came last, on the monotonic clock."""
        self._waking = self._silent = False
        self._prints_backup = False
        """It sends the lines of its backup; other lines than a short one, it loses meanwhile (section 5)."""
        self._text = ""
        """What it was told last to write as a name."""
        self._buffer = bytearray(30)
        """What WRITE has left in the station's memory, as far as it was us."""

    def leaves_tail(self, text: str) -> bool:
        """Whether WRITE INFO `text` would put the end of something longer on the card, which was never written."""
        return any(self._buffer[len(text) + 1 :])

    # --- for whoever talks --------------------------------------------------------------------------------------

    async def ask(self, words: str, by: str, *, timeout: float | None = None) -> list[Record]:
        """Wait for the turn, wake the station where it may be asleep, and ask; see `Turn.ask`."""
        async with self.turn(by) as turn:
            return await turn.ask(words, timeout=timeout)

    @asynccontextmanager
    async def turn(self, by: str, *, ready: bool = True) -> AsyncIterator[Turn]:
        """Talk alone for as long as the block lasts: several commands that belong together, or a long answer.

        `by` is who is named as asking. The station is woken first where it may be asleep, unless `ready` is False.
        Raises TimeoutError where it does not wake up, ConnectionError.
        """
        async with self._talk:
            turn = Turn(self, by)
            with self._hearing(turn):
                if self._prints_backup:
                    await self._let_print(turn)
                if ready and self.dozes():
                    await self.rouse(turn, deep=by != OURS)
                yield turn

    async def _let_print(self, turn: Turn) -> None:
        """Wait for the end of a backup whose download was stopped."""
        with suppress(TimeoutError):
            while self._prints_backup:
                await turn.next(LINE_GAP)
        self._prints_backup = False

    @contextmanager
    def listen(self) -> Iterator[Listener]:
        """Hear all that the station prints while the block lasts, without a turn: to wait for cards."""
        listener = Listener()
        with self._hearing(listener):
            yield listener

    async def rouse(self, turn: Turn, *, deep: bool = True) -> None:
        """Send line feeds until it says something, then PING until that is answered: what it says to the others passes.

        `deep`: try for as long as deep sleep takes, where its version may fall into that. Raises TimeoutError.
        """
        self._waking = True
        self._changed()
        try:
            await self._feed(WAKE_DEEP if deep and self.version in NAPPERS else WAKE_FOR)
            try:
                await turn.ping()
            except TimeoutError:  # it may have missed half of that as well
                await turn.ping()
        except TimeoutError:
            self._silent = True
            raise
        finally:
            self._waking = False
            self._changed()

    async def _feed(self, limit: float) -> None:
        self._alive.clear()
        gap = 10 * WAKE_GAP  # an awake station answers the first one: no need for more
        async with asyncio.timeout(limit):
            while not self._alive.is_set():
                self.outlet.send(b"\n", by=OURS, label="wake")
                try:
                    async with asyncio.timeout(gap):
                        await self._alive.wait()
                except TimeoutError:
                    gap = WAKE_GAP

    # --- whether it is awake ------------------------------------------------------------------------------------

    @property
    def state(self) -> str:
        """`AWAKE`, `ASLEEP?`, `WAKING`; empty before anything was heard."""
        if self._waking:
            return "WAKING"
        if self._prompted is None and not self._silent:
            return ""
        return "ASLEEP?" if self.dozes() else "AWAKE"

    def dozes(self) -> bool:
        """It may be asleep: it did not answer last, or has been quiet for so long that a low-power build sleeps."""
        return self._silent or (self.version in NAPPERS and self.awake_for() <= 0)

    def awake_for(self) -> float:
        """Seconds for which even a low-power build stays awake now."""
        if self._prompted is None:
            return 0.0
        return max(0.0, self._prompted + DOZES - time.monotonic())

    def keep(self, seconds: float) -> None:
        """PING it so often from now on; 0: never."""
        self.keep_awake = seconds
        self._changed()

    def missed(self) -> None:
        """It has not answered."""
        self._silent = True
        self._changed()

    # --- for the driver -----------------------------------------------------------------------------------------

    def opened(self) -> None:
        """A new link: nothing is known of the station, but what it was to write, which it keeps unless it is reset."""
        self.version = self.mode = ""
        self.garbled = 0
        self._prompted, self._silent, self._prints_backup = None, False, False
        self.restarted.clear()

    def sends(self, words: str) -> None:
        """The station is about to get this line."""
        match words.split():
            case ["WRITE", "INFO", *name]:
                self._text = " ".join(name)[:28]

    def heard(self, record: Record) -> None:
        """The station has printed this."""
        self._alive.set()
        self._silent = False
        if isinstance(record, Prompt | Punch | CardSeen | Pong | Starting):
            self._prompted = time.monotonic()
        if isinstance(record, BackupBegin | BackupLine | BackupEnd | Starting):
            self._prints_backup = isinstance(record, BackupBegin | BackupLine)
        match record:
            case Version(number):
                self.version = number
            case Mode(mode, pos):
                self.mode, self.pos = mode, pos
            case Waiting():
                self._took(record)
            case Written(job, True):
                self._wrote(job or self.pending.split()[1] if self.pending else job)
            case Starting():
                self.pending, self._buffer = "", bytearray(30)
                self.restarted.set()
        for listener in self._listeners:
            listener.hear(record)

    def _took(self, job: Waiting) -> None:
        """Copy what the firmware does with its buffer (section 2): it clears nothing before a text."""
        if job.job == "CONTROL":
            self.pending = f"WRITE CONTROL {job.control} {job.time}"
            self._buffer[:5] = b"\xff" * 5
            return
        self.pending = f"WRITE INFO {self._text}"
        self._buffer[: len(self._text) + 1] = f"{self._text} ".encode()

    def _wrote(self, job: str) -> None:
        self.pending = ""
        self._buffer[: 5 if job == "CONTROL" else 30] = bytes(5 if job == "CONTROL" else 30)

    def lost(self) -> None:
        """The link is gone, and whether it sleeps is anybody's guess."""
        self._prompted, self._silent = None, False
        for listener in self._listeners:
            listener.hear(ConnectionError("the link was lost"))

    @contextmanager
    def _hearing(self, listener: Listener) -> Iterator[None]:
        self._listeners.append(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)
