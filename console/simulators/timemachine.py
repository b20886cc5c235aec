"""A TIME MACHINE that is not there: it speaks the real bytes, keeps its memory, obeys XON and XOFF, and retransmits.

What the manual leaves open is decided here as timemachine.md, section 2, marks it likely; each place says so.
"""

import asyncio
import random
import sys
import time
from argparse import ArgumentParser, Namespace
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress

from console.codecs import timemachine as codec
from console.exit import Exit, Failure
from console.model import SECOND
from console.simulators.port import (
    Port,
    PtyPort,
    add_fault_arguments,
    add_port_arguments,
    port_from,
)
from console.simulators.replay import RecordingError, replay

BAUDS = (1200, 2400, 4800, 9600)
WORDS = ("7N2", "7E2", "7O2", "8N2")
"""Word settings that a host with 8 bits and no parity gets whole bytes of."""

LAPS = 31
"""The lap number goes from 30 to 0."""

_XOFF, _XON = codec.XOFF[0], codec.XON[0]


class TimeMachine:
    """The instrument. `run()` moves its bytes; its keys are `start()`, `event()`, `primary()` and so on."""

    def __init__(
        self, port: Port, *, xoff_timeout: float = 0, word: str = "8N2", clock: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self.port = port
        self.heard_xon = asyncio.Event()
        """A host is there that begins as hosts should."""
        self.started = asyncio.Event()
        self.paused = False
        self._xoff_timeout = xoff_timeout
        self._word = word
        self._clock = clock
        self._zero = 0
        """What `_clock` showed when the race clock showed 0."""
        self._event = "001"
        self._memory: dict[str, list[codec.Place | codec.Lap]] = {}
        self._places: Counter[tuple[str, int | None]] = Counter()
        """Places given, by event and chute, and by event."""
        self._laps: dict[tuple[str, int], codec.Lap] = {}
        """The newest lap, by event and lane."""
        self._live: deque[codec.Record] = deque()
        self._retransmit: deque[codec.Record] = deque()
        self._stirred = asyncio.Event()
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._timeout: asyncio.TimerHandle | None = None

    # --- the keys ---

    def start(self, mode: str = "XC", preset: int = 0) -> None:
        """Clear the memory, and start the clock at `preset` ns."""
        self._memory.clear()
        self._places.clear()
        self._laps.clear()
        self._zero = self._clock() - preset
        self._say(codec.Start(mode, codec.clock_text(preset), preset))
        self._say(codec.Event(self._event))
        self.started.set()

    def event(self, number: int) -> None:
        """Choose the event that the next times belong to."""
        self._event = f"{number:03d}"
        self._say(codec.Event(self._event))

    def primary(self, chute: int = 11, ns: int | None = None) -> codec.Place:
        """A finisher, now or at `ns` of the race clock."""
        return self._place(False, chute, ns, "")

    def select(self, bib: str, chute: int = 11, ns: int | None = None) -> codec.Place:
        """A finisher whose race number was keyed in. Both kinds share one count of places (section 2.11)."""
        return self._place(True, chute, ns, bib)

    def lap(self, lane: int, ns: int | None = None) -> codec.Lap:
        """A lap of the runner in `lane`."""
        before = self._laps.get((self._event, lane))
        total = _hundredths(self.now() if ns is None else ns)
        minutes, rest = divmod(total - (before.ns if before else 0), 60 * SECOND)
        # An hour does not fit the split's columns: it is taken to wrap at 100 minutes (section 2.15, open).
        split = f"{minutes % 100:02d}:{codec.clock_text(rest)[6:]}"
        lap = codec.Lap(lane, (before.lap + 1) % LAPS if before else 1, codec.clock_text(total), total, split)
        self._laps[self._event, lane] = lap
        self._keep(lap)
        return lap

    def retransmit(self, event: int | None = None) -> None:
        """Send the memory again, of one event or of all. Live lines wait meanwhile."""
        chosen = sorted(self._memory) or [self._event] if event is None else [f"{event:03d}"]
        self._say(codec.RetransmitBegin(), live=False)
        for number in chosen:
            self._say(codec.Event(number), live=False)
            for record in self._memory.get(number, ()):
                self._say(record, live=False)
        self._say(codec.RetransmitEnd(), live=False)

    def now(self) -> int:
        """What the race clock shows, in ns."""
        return self._clock() - self._zero

    # --- the line ---

    async def run(self) -> None:
        """Send and listen, until the port is closed."""
        sending = asyncio.create_task(self._send())
        try:
            while data := await self.port.read():
                for byte in data:
                    self._obey(byte & 0x7F)
        finally:
            sending.cancel()
            if self._timeout:
                self._timeout.cancel()
            with suppress(asyncio.CancelledError):
                await sending

    async def quiet(self) -> None:
        """Wait until everything that was to be said is on its way."""
        await self._quiet.wait()

    def _place(self, select: bool, chute: int, ns: int | None, bib: str) -> codec.Place:
        self._places[self._event, None] += 1
        self._places[self._event, chute] += 1
        ns = _hundredths(self.now() if ns is None else ns)
        place = codec.Place(
            select=select,
            chute=chute,
            # Three digits, which are taken to wrap (open, as in section 2.13).
            place_in_lane=self._places[self._event, chute] % 1000,
            place=self._places[self._event, None],
            time=codec.clock_text(ns),
            ns=ns,
            bib=bib,
        )
        self._keep(place)
        return place

    def _keep(self, record: codec.Place | codec.Lap) -> None:
        self._memory.setdefault(self._event, []).append(record)
        self._say(record)

    def _say(self, record: codec.Record, live: bool = True) -> None:
        (self._live if live else self._retransmit).append(record)
        self._quiet.clear()
        self._stirred.set()

    async def _send(self) -> None:
        """Lines in order, a retransmit before live ones. XOFF holds at the end of a line (where is not documented)."""
        while True:
            while not self.paused and (waiting := self._retransmit or self._live):
                record = waiting.popleft()
                self.port.write(as_read_with_8_bits(codec.encode(record), self._word))
                await self.port.drain()
            if not (self._retransmit or self._live):
                self._quiet.set()
            self._stirred.clear()
            await self._stirred.wait()

    def _obey(self, byte: int) -> None:
        if byte not in (_XOFF, _XON):
            return
        if self._timeout:
            self._timeout.cancel()
        if byte == _XON:
            self.heard_xon.set()
            self._resume()
            return
        self.paused = True
        if self._xoff_timeout:
            self._timeout = asyncio.get_running_loop().call_later(self._xoff_timeout, self._resume)

    def _resume(self) -> None:
        self.paused = False
        self._stirred.set()


class ExternalClock:
    """The External Clock port: the state of the Time Clock, told each second."""

    def __init__(self, machine: TimeMachine, port: Port, *, ascii_digits: bool = True) -> None:
        self.port = port
        self._machine = machine
        self._ascii_digits = ascii_digits

    async def run(self) -> None:
        """Tell that the clock is set; once it is started, tell each second, as the seconds digit changes."""
        self._tell("set", 0)
        await self._machine.started.wait()
        told = self._machine.now() // SECOND
        while True:
            now = self._machine.now()
            if now // SECOND == told:
                await asyncio.sleep((SECOND - now % SECOND) / SECOND)
            else:
                told = now // SECOND
                self._tell("up", told)

    def _tell(self, state: str, second: int) -> None:
        ns = second * SECOND
        self.port.write(codec.encode_clock(codec.Clock(state, codec.clock_text(ns)[:8], ns), self._ascii_digits))


async def run_race(
    machine: TimeMachine, *, rate: float, finishers: int | None = None, seed: int = 0, retransmit_after: int = 0
) -> None:
    """A small race: the start, then finishers at `rate` per second; three in ten with a race number.

    Ends after `finishers`; None: never. After the finisher `retransmit_after` (0: none), the memory is sent again.
    """
    chance = random.Random(seed)
    bibs = chance.sample(range(1, 10_000), 9_999)
    machine.start()
    count = 0
    while finishers is None or count < finishers:
        await asyncio.sleep(chance.expovariate(rate))
        if chance.random() < 0.3:
            machine.select(str(bibs[count % len(bibs)]))
        else:
            machine.primary()
        count += 1
        if count == retransmit_after:
            machine.retransmit()
    await machine.quiet()


def as_read_with_8_bits(data: bytes, word: str) -> bytes:
    """What a host set to 8 bits without parity gets from a timer set to `word`, one of WORDS."""
    match word:
        case "7N2":
            return bytes(byte | 0x80 for byte in data)
        case "7E2":
            return bytes(byte | (byte.bit_count() & 1) << 7 for byte in data)
        case "7O2":
            return bytes(byte | (~byte.bit_count() & 1) << 7 for byte in data)
    return data


def _hundredths(ns: int) -> int:
    return ns - ns % (SECOND // 100)


def _character_bits(word: str) -> int:
    """Length of a character on the line: start bit, data, parity, stop bits."""
    return 1 + int(word[0]) + (word[1] != "N") + int(word[2])


# --- the command ---


def arguments(parser: ArgumentParser) -> None:
    """The options of `racedeck simulate timemachine`."""
    parser.add_argument("--baud", type=int, choices=BAUDS, default=9600, help="speed of the line (default: 9600)")
    parser.add_argument("--word", choices=WORDS, default="8N2", help="word setting, as a host at 8N1 reads it")
    parser.add_argument("--xoff-timeout", type=int, default=0, metavar="S", help="go on S seconds after XOFF (0: off)")
    parser.add_argument("--rate", type=float, default=0.5, metavar="N", help="finishers per second (default: 0.5)")
    parser.add_argument("--finishers", type=int, metavar="N", help="how many (default: no end)")
    parser.add_argument("--retransmit-after", type=int, default=0, metavar="N", help="retransmit after finisher N")
    parser.add_argument("--at-once", action="store_true", help="start without waiting for the host's XON")
    parser.add_argument("--clock", action="store_true", help="also be the External Clock port, on a second pty")
    add_port_arguments(parser)
    add_fault_arguments(parser)


async def main(args: Namespace) -> None:
    """Be a TIME MACHINE until cancelled: print where it is to be reached, await the host, race. Raises Failure."""
    if not args.rate > 0:
        raise Failure(Exit.USAGE, f"--rate {args.rate}: must be above 0")
    try:
        port = port_from(args, baud=args.baud, bits=_character_bits(args.word))
        clock_port = PtyPort.open() if args.clock else None
    except (OSError, ValueError) as error:
        raise Failure(Exit.FAILED, f"simulate timemachine: {error}") from None
    print(port.where, flush=True)
    machine = TimeMachine(port, xoff_timeout=args.xoff_timeout, word=args.word)
    tasks = [asyncio.create_task(machine.run())]
    if clock_port:
        print(clock_port.where, flush=True)
        tasks.append(asyncio.create_task(ExternalClock(machine, clock_port).run()))
    try:
        if not args.at_once:
            print("TIME MACHINE: waiting for the host's XON", file=sys.stderr)
            await machine.heard_xon.wait()
        if args.replay:
            await replay(port, args.replay, args.speed)
        else:
            seed, again = args.seed, args.retransmit_after
            await run_race(machine, rate=args.rate, finishers=args.finishers, seed=seed, retransmit_after=again)
        print("TIME MACHINE: that was all; still listening", file=sys.stderr)
        await asyncio.gather(*tasks)
    except (OSError, RecordingError) as error:
        raise Failure(Exit.FAILED, f"simulate timemachine: {error}") from None
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await port.close()
        if clock_port:
            await clock_port.close()
