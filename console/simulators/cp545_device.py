"""What a CP545 knows and says, without a wire: numbering, memory, clock, answers to `#` commands (thcom.md, 2.3)."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import NamedTuple

from console.codecs import thcom
from console.codecs.thcom_records import Command, time_ns
from console.model import SECOND
from console.simulators.gsm_docking import ACCEPTED, REJECTED, UNSUPPORTED, Docking
from console.timing.bind import DAY, utc_to_local

MEMORY = 20_000
"""Lines that a run holds for a download."""


class Answer(NamedTuple):
    """What a command brings about."""

    replies: Sequence[str]
    """For the port that asked, the acknowledgement first."""
    events: Sequence[str] = ()
    """For every port, after the replies."""


class Stored(NamedTuple):
    """A time in memory."""

    state: str
    bib: int | None
    sequence: int
    channel: str
    ns: int
    day: int

    def line(self, source: str) -> str:
        """As a message: `T` live, `A` as an answer."""
        return thcom.time_line(source + self.state, self.bib, self.sequence, self.channel, self.ns, self.day)


GSM = ("030", "034", "035")
"""Parameters of the docking, the server link and the sockets."""


class Device:
    """The instrument. Every method returns the data of the messages that it sends, line ends and checksums left out."""

    def __init__(self, serial_number: int = 4811, kind: str = "CP545", version: str = "VB10") -> None:
        self.serial_number = serial_number
        self.kind = kind
        self.version = version
        self.zone: tzinfo = datetime.now(UTC).astimezone().tzinfo or UTC
        """The zone whose wall clock the device shows."""
        self.now: Callable[[], int] = time.time_ns
        self.offset = 0
        """ns by which its clock is fast."""
        self.parameters = {
            "001": "5",
            "002": "01",
            "006": "00",
            "010": "01 02 00:00 01/01/20 00",
            "025": "00 069",
            "026": "0001",
            "038": "099",
        }
        self.docking: Docking | None = None
        """The GSM docking on its cable, if there is one; it answers for the parameters of GSM."""
        self.tells_synchro_time = True
        """False: `#!T` is ignored, as by a CP540 of version VE07 (section 2.3)."""
        self.printed: deque[str] = deque(maxlen=1000)
        self.start_list: deque[str] = deque(maxlen=10_000)
        self.unlisted: set[str] = set()
        """Bibs that its start list rejects: `0012`."""
        self.run: int | None = None
        self._runs: dict[int, deque[str | tuple[str, int]]] = {}
        self._names: dict[int, str] = {}
        self._sequence: dict[str, int] = {}
        self._times: dict[tuple[str, int], Stored] = {}
        self._synchro: int | None = None
        """Ready for synchro: the wall-clock digits at which the clock will start."""

    # --- what happens at the device ---

    def impulse(self, channel: str, bib: int | None = None, wall: int | None = None) -> list[str]:
        """A time on `channel`, now or at `wall` (ns since the epoch)."""
        ns, day = self._clock(self.now() if wall is None else wall)
        return [self._store("N", bib, channel, ns, day).line("T")]

    def result(self, tag: str, number: int | None, bib: int | None, ns: int) -> list[str]:
        """A run, total or intermediate time, or a difference."""
        return self._kept(thcom.result_line(tag, number, bib, ns))

    def speed(self, number: int, bib: int | None, speed: float, unit: str = "km/h") -> list[str]:
        """A speed."""
        return self._kept(thcom.speed_line(number, bib, speed, unit))

    def open_run(self, name: str = "PTB SEQUENTIAL 1-4") -> list[str]:
        """Open the next run; closes one that is open."""
        closed = self.close_run()
        self.run = max(self._runs, default=0) + 1
        self._runs[self.run] = deque(maxlen=MEMORY)
        self._names[self.run] = name
        return [*closed, thcom.run_line("OP", self.run, name)]

    def close_run(self) -> list[str]:
        """Close the run that is open, if there is one."""
        if self.run is None:
            return []
        run, self.run = self.run, None
        return [thcom.run_line("CL", run)]

    # --- what a host asks ---

    def answer(self, command: Command) -> Answer:
        """Carry out a command."""
        words = command.text.split()
        try:
            match command.name:
                case "ID":
                    return Answer([ACCEPTED, f"ID {self.serial_number:05}"])
                case "SN":
                    docking = f" {self.docking.serial_number:05} {self.docking.version}" if self.docking else ""
                    own = thcom.serial_line(self.serial_number, self.kind, self.version)
                    return Answer([ACCEPTED, own + docking])
                case "!T":
                    return Answer([ACCEPTED, self._synchro_line()] if self.tells_synchro_time else [])
                case "PL":
                    return self._accept(len(command.text) <= 24, self.printed.append, command.text)
                case "BM":
                    # What the other ports then see of it is not documented.
                    return Answer([ACCEPTED if len(command.text) <= 32 else REJECTED])
                case "SL":
                    return self._list(command.text)
                case "RT":
                    sequence, channel = words
                    return Answer([ACCEPTED, self._times[_channel(channel), int(sequence)].line("A")])
                case "DL":
                    return Answer([ACCEPTED, *self._download(int(words[0]))])
                case "EE":
                    return Answer([ACCEPTED if command.text in ("0", "1") else REJECTED])
                case "RP" | "WP" if words[0] in GSM:
                    return Answer(self.docking.answer(command) if self.docking else [UNSUPPORTED])
                case "RP":
                    number = words[0]
                    return Answer([ACCEPTED, f"&P {number} {self.parameters[number]}"])
                case "WP":
                    number, value = command.text[:3], command.text[4:]
                    return self._accept(len(number) == 3 and number.isdecimal(), self._write, number, value)
                case "WC":
                    return self._carry_out(command.text[:3], command.text[4:])
                case "TN":
                    return Answer([REJECTED])  # as a CP540 was seen to answer
        except (KeyError, ValueError, IndexError):
            return Answer([REJECTED])
        return Answer([UNSUPPORTED])

    def _carry_out(self, number: str, text: str) -> Answer:
        words = text.split()
        match number:
            case "001":
                return Answer([ACCEPTED], self.close_run()) if self.run else Answer([REJECTED])
            case "002" | "003":
                return Answer([ACCEPTED], self.open_run())
            case "005":
                return self._accept(text == "12345", self._clear)
            case "007":
                kind, clock, day = words
                digits = _digits(clock, day)
                if kind not in ("01", "02", "03", "04", "05"):
                    return Answer([REJECTED])
                self._synchro = digits
                return Answer([ACCEPTED])
            case "008":
                return Answer([ACCEPTED], self._by_hand(int(text)))
            case "012":
                run, target = words
                int(target, 16)
                return Answer([ACCEPTED if int(run) in self._runs else REJECTED])  # to other ports than this one
            case "013":
                return Answer([ACCEPTED], [self._identify(_channel(words[0]), int(words[1]), words[2])])
            case "014":
                channel, bib, clock, day = words
                if len(day) > 5:
                    return Answer([REJECTED])
                stored = self._store("+", _bib(bib), _channel(channel), time_ns(clock), int(day))
                return Answer([ACCEPTED], [stored.line("T")])
            case "015":
                channel, sequence, _, bib = words
                twin = self._times[_channel(channel), int(sequence)]._replace(state="=", bib=_bib(bib))
                return Answer([ACCEPTED], [twin.line("T")])
            case "009" | "010" | "011" | "016" | "017":
                return Answer([ACCEPTED])
        return Answer([UNSUPPORTED])

    def _by_hand(self, number: int) -> list[str]:
        """A manual input: starts the clock where a synchro was prepared, else gives a time."""
        if self._synchro is None:
            return self.impulse(f"M{number}")
        self.offset = self._synchro - utc_to_local(self.now(), self.zone)
        shown = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=self._synchro // SECOND)
        # As a CP540 really answers: hours and minutes only, and two zeros behind the date.
        self.parameters["010"] = f"02 02 {shown:%H:%M %d/%m/%y} 00"
        self._synchro = None
        return []

    def _identify(self, channel: str, sequence: int, bib: str) -> str:
        stored = self._times[channel, sequence]
        if bib == "C":
            stored = stored._replace(state="C")
        else:
            stored = stored._replace(state="*" if _bib(bib) else "-", bib=_bib(bib))
        self._times[channel, sequence] = stored
        return stored.line("T")

    def _list(self, text: str) -> Answer:
        if text.startswith("A"):
            bib = text[1:].strip()
            return self._accept(bib.isdecimal() and bib not in self.unlisted, self.start_list.append, bib)
        if text == "R":
            self.start_list.clear()
        return Answer([ACCEPTED if text in ("R", "C") else REJECTED])

    def _download(self, run: int) -> list[str]:
        lines = [kept if isinstance(kept, str) else self._times[kept].line("A") for kept in self._runs[run]]
        head = thcom.run_line("DS", run, self._names[run])
        return [f"ID {self.serial_number:05}", head, *lines, thcom.run_line("DE", run)]

    def _synchro_line(self) -> str:
        """The time to synchronise to: in one second (section 2.1)."""
        digits = utc_to_local(self.now(), self.zone) + self.offset + SECOND
        shown = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=digits // SECOND)
        return f"!T {shown:%H:%M:%S %d/%m/%y}"

    # --- small parts ---

    def _clock(self, wall: int) -> tuple[int, int]:
        """Time of day in ns, and days since 2000-01-01, as the device shows them at `wall`."""
        day, ns = divmod(utc_to_local(wall, self.zone) + self.offset, DAY)
        return ns - ns % 10 ** (9 - int(self.parameters["001"])), day - thcom.EPOCH_DAY

    def _store(self, state: str, bib: int | None, channel: str, ns: int, day: int) -> Stored:
        sequence = self._sequence[channel] = self._sequence.get(channel, 0) % 9999 + 1
        stored = self._times[channel, sequence] = Stored(state, bib, sequence, channel, ns, day)
        if self.run is not None:
            self._runs[self.run].append((channel, sequence))
        return stored

    def _kept(self, line: str) -> list[str]:
        if self.run is not None:
            self._runs[self.run].append(line)
        return [line]

    def _write(self, number: str, value: str) -> None:
        if number == "001" and value not in ("0", "1", "2", "3", "4", "5"):
            raise ValueError(value)
        self.parameters[number] = value

    def _clear(self) -> None:
        self.run = None
        for memory in (self._runs, self._names, self._sequence, self._times):
            memory.clear()

    @staticmethod
    def _accept(fine: bool, then: Callable[..., None], *arguments: str) -> Answer:
        if fine:
            then(*arguments)
        return Answer([ACCEPTED if fine else REJECTED])


def _channel(text: str) -> str:
    return f"M{int(text[1:])}" if text.startswith("M") else str(int(text))


def _bib(text: str) -> int | None:
    """0 is none; raises ValueError for what is no bib."""
    bib = int(text)
    if not 0 <= bib <= 9999:
        raise ValueError(text)
    return bib or None


def _digits(clock: str, day: str) -> int:
    """`HH:MM` and `DD/MM/YY` as wall-clock digits: ns since 1970-01-01 00:00 on that clock."""
    numbers = [int(part) for part in day.split("/")]
    days = date(2000 + numbers[2], numbers[1], numbers[0]).toordinal() - date(1970, 1, 1).toordinal()
    hours, minutes = (int(part) for part in clock.split(":"))
    if hours > 23 or minutes > 59:
        raise ValueError(clock)
    return days * DAY + (hours * 3600 + minutes * 60) * SECOND
