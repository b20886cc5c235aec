"""The board under an OTIMCON station: serial line, naps, clock chip, backup memory (otimcon.md, sections 1, 5 to 7)."""

import asyncio
import math
from abc import ABC, abstractmethod
from collections.abc import Callable

from console.simulators.otimcon_versions import Firmware
from console.simulators.port import Port

LOOP = 0.028
"""Seconds of a turn of the main loop: so seldom is the receive ring emptied."""
RING = 63
LINE = 48
BOOT = 1.6
"""Seconds from a reset to `Starting...`; what comes in meanwhile goes to the bootloader."""
AWAKE = 512 * LOOP
"""Seconds until a low-power build falls asleep."""
NAP, DEEP_NAP, NAPS = 0.25, 2.0, 16383
"""Its naps, and how many short ones it takes before the long ones."""
BACKUP = 4096
_2000 = 946_684_800
_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class Board(ABC):
    """The hardware, without its firmware. Times are seconds of `monotonic`, which tests may move by hand."""

    def __init__(
        self,
        port: Port,
        firmware: Firmware,
        *,
        baud: int,
        clock: float,
        drift: float,
        low_power: bool,
        monotonic: Callable[[], float],
    ) -> None:
        """`clock`: what it shows now, in seconds since 1970 of its wall clock; `drift`: how fast it runs, in ppm."""
        self.port = port
        self.firmware = firmware
        self.lost = 0
        """Bytes received that went nowhere."""
        self._now = monotonic
        self._drift = drift
        self.set_clock(clock)
        self._low_power = low_power
        self._second_per_byte = 10 / (baud or firmware.baud)
        self._coming = bytearray()
        self._coming_at = 0.0
        """When the first of those bytes is through the wire."""
        self._ring = bytearray()
        self._stirred = asyncio.Event()
        self._busy = self._roused = self._touched = monotonic()
        self._booting = False
        self._line = bytearray(LINE + 16)
        """The line buffer; never wiped, so that a short SET TIME reads what an earlier line left there."""
        self._length = 0
        self._output = ""
        self.backup = bytearray(b"\xff" * BACKUP)
        self.pointer = 0
        """As after SET RESET_BACKUP on a new board."""

    @abstractmethod
    def _obey(self) -> None:
        """Run the line in the buffer, `_length` characters and a NUL."""

    @abstractmethod
    def _start(self) -> None:
        """Start the firmware after a reset."""

    def set_clock(self, epoch: float) -> None:
        """Set the clock chip."""
        self._clock, self._clock_set = epoch, self._now()

    def clock(self) -> int:
        """What the clock chip shows."""
        return int(self._clock + (self._now() - self._clock_set) * (1 + self._drift * 1e-6))

    async def run(self) -> None:
        """Obey the host until its port is gone."""
        async with asyncio.TaskGroup() as tasks:
            loop = tasks.create_task(self._loop())
            while data := await self.port.read():
                if not self._coming:
                    self._coming_at = self._now() + self._second_per_byte
                self._coming += data
                self._stirred.set()
            loop.cancel()

    async def _loop(self) -> None:
        while True:
            await self._stirred.wait()
            await asyncio.sleep(max(LOOP, self._busy - self._now()))
            if not self._coming:
                self._stirred.clear()
            self._receive()
            if not self._booting:
                self._read_serial()

    def _receive(self) -> None:
        """Take what came through the wire since the last turn into the ring, as far as there is room."""
        now = self._now()
        through = min(len(self._coming), max(0, math.floor((now - self._coming_at) / self._second_per_byte) + 1))
        for byte in self._coming[:through]:
            if self._booting or len(self._ring) >= RING or self._asleep(self._coming_at):
                self.lost += 1
            else:
                self._ring.append(byte)
            self._coming_at += self._second_per_byte
        del self._coming[:through]

    def _asleep(self, at: float) -> bool:
        """Whether a low-power build sleeps at this moment (section 7). Only a card rouses it from its long naps."""
        since = at - self._roused - AWAKE
        if not self._low_power or since < 0:
            return False
        nap = NAP if at - self._touched < NAPS * (NAP + LOOP) else DEEP_NAP
        return since % (nap + LOOP) < nap

    def _read_serial(self) -> None:
        for byte in self._ring:
            if byte == ord("\n"):
                self._line[self._length] = 0
                self._obey()
                self._length = 0
                self._flush()
            elif 0x20 <= byte < 0x7F and self._length < LINE:
                self._line[self._length] = byte
                self._length += 1
        self._ring.clear()

    def _say(self, text: str, end: str = "\r\n") -> None:
        self._output += text + end

    def _prompt(self) -> None:
        self._say(">", end="")
        self._roused = self._now()

    def _flush(self) -> None:
        data, self._output = self._output.encode("latin-1"), ""
        self.port.write(data)
        self._busy = self._now() + max(0, len(data) - 64) * self._second_per_byte  # printing waits for the send ring

    def _back_up(self, uid: bytes, epoch: int) -> None:
        """Eight bytes at the pointer; the chip wraps within pages of 32, the firmware after 512 bytes (section 5)."""
        page, offset = self.pointer & (BACKUP - 32), self.pointer & 31
        for index, byte in enumerate((epoch & 0xFFFF_FFFF).to_bytes(4, "little") + uid[:4]):
            self.backup[page | (offset + index) & 31] = byte
        self.pointer = 0 if self.pointer + 8 >= self.firmware.ring else self.pointer + 8

    async def reset(self, boot: float = BOOT) -> None:
        """What opening the port does to most boards: deaf for a while, then back with what EEPROM has kept."""
        self._booting = True
        self._ring.clear()
        self._length = 0
        await asyncio.sleep(boot)
        self._receive()
        self._booting = False
        self.pointer = (self.pointer & 0xFF) - 256  # only its low byte was saved; the high one is as new, 0xFF
        self._start()
        self._say("Starting...\r\nSetup finished!" if self.firmware.debugs else "Starting...")
        self._prompt()
        self._flush()


def signed(epoch: int) -> int:
    """As a signed number of 32 bits, which is how the firmware prints it."""
    return ((epoch + 2**31) & 0xFFFF_FFFF) - 2**31


def epoch_of(year: int, month: int, day: int, hour: int, minute: int, second: int) -> int:
    """As the clock library computes it: years modulo 256, every fourth a leap year, fields that overflow roll over."""
    years = (year - 2000 if year >= 2000 else year) & 0xFF
    days = day + sum(_DAYS[index % 12] for index in range(month - 1)) + (month > 2 and years % 4 == 0)
    days += 365 * years + (years + 3) // 4 - 1
    return ((days * 24 + hour) * 60 + minute) * 60 + second + _2000


def date_of(epoch: int) -> str:
    """Of an unsigned 32-bit time; the library takes 2100 for a leap year."""
    days = ((epoch - _2000) & 0xFFFF_FFFF) // 86_400
    year = 2000
    while days >= (length := 366 if year % 4 == 0 else 365):
        days -= length
        year += 1
    month = 1
    while days >= (length := _DAYS[month - 1] + (month == 2 and year % 4 == 0)):
        days -= length
        month += 1
    return f"{year}/{month:02}/{days + 1:02}"


def shown(epoch: int) -> str:
    """Date and time as the firmware prints them; the library's times are unsigned."""
    return f"{date_of(epoch)} {clock_of(epoch & 0xFFFF_FFFF)}"


def clock_of(seconds: int) -> str:
    """Time of day; what is negative or above a day wraps."""
    seconds %= 86_400
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
