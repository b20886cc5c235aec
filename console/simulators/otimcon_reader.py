"""The reader of an OTIMCON station: what each mode does with a card (otimcon.md, section 4)."""

import re
import time
from collections.abc import Callable

from console.simulators.otimcon_board import Board, clock_of, date_of, shown, signed
from console.simulators.otimcon_card import NOBODY, SLOTS, Card
from console.simulators.otimcon_versions import Firmware
from console.simulators.port import Port

START, FINISH = 251, 252
REPEATS = 17
"""How often a second a card is served that does not work."""
SERVING = {"CLEAR": 1.0, "WRITER": 0.5}
"""Seconds that a card takes, where it is long: 42 blocks are written and read back, or each of two 15 times."""


class Reader(Board):
    """A station without its commands."""

    def __init__(
        self,
        port: Port,
        *,
        version: str = "0.22",
        mode: str = "CONTROL",
        control: int = 31,
        baud: int = 0,
        clock: float = 0.0,
        drift: float = 0.0,
        low_power: bool | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """For `clock` and what is behind it see `Board`; `baud` 0 and `low_power` None: as built."""
        firmware = Firmware(version)
        naps = firmware.naps if low_power is None else low_power
        super().__init__(port, firmware, baud=baud, clock=clock, drift=drift, low_power=naps, monotonic=monotonic)
        self.mode = mode
        self.control = control
        self.bleeps = 0
        self._frozen = 0
        self._crazy = False
        self._escpos = False
        self._job = ""
        self._job_data = bytearray(30)
        self._card: bytes | None = None
        """Served last, and perhaps still there."""
        self._seen = 0.0

    def _start(self) -> None:
        if self.mode == "FROZEN_CONTROL":
            self.mode = "READOUT"
        self._job, self._job_data, self._card = "", bytearray(30), None

    def _shown(self, epoch: int) -> str:
        """Date and time; 0.14 leaves leading zeros out."""
        return shown(epoch) if self.firmware.since("0.16") else re.sub(r"(?<=\D)0(?=\d)", "", shown(epoch))

    def _time(self) -> int:
        """The time that punches get."""
        if self.mode != "FROZEN_CONTROL":
            self._frozen = self.clock()
        return self._frozen

    def touch(self, card: Card, hold: float = 0.5, taken_away: int | None = None) -> None:
        """Lay `card` on the reader for `hold` seconds; `taken_away`: while it was read, after so many punches."""
        if self._booting:
            return
        now = self._now()
        self._roused = self._touched = now
        if self._card is not None and not _xor(self._card + card.uid) and now - self._seen <= 1:
            self._seen = now + hold
            return
        self._card = None
        for _ in range(1 + int(hold * REPEATS)):
            if self.firmware.debugs:
                self._say("card selected")
            if self._serve(card, hold, taken_away) and self.firmware.since("0.21"):  # before, it was served again
                self._card, self._seen = card.uid, now + hold
                self.bleeps += 1
                break
        self._flush()
        self._busy += SERVING.get(self.mode, 0.0)  # which is how long it does not look at its serial line

    def _serve(self, card: Card, hold: float, taken_away: int | None) -> bool:
        """What the mode does with a card; False: it did not work, and is tried again while the card is there."""
        match self.mode:
            case "READOUT" | "FULL_READOUT":
                self._say(f"Card:{card.printed}")
                whole = self._read_out(card, taken_away)
                self._say("%\r\n>" if whole or not self.firmware.since("0.2") else ">")
                return whole
            case "CLEAR":
                empty = card.prepared and card.last == NOBODY
                if not card.readable:
                    return False
                card.erase(whole=empty or hold >= 1)
                if not empty and hold < 1:
                    return False
                self._say(f"Cleared card:{card.printed}$\r\n>")
                return True
            case "PRINT":
                return self._print(card)
            case "WRITER":
                return bool(self._job) and self._do_job(card)
            case _:
                epoch = self._time()
                if not self._punch(card, self.control, epoch):
                    return False
                self._say(f"^{self.control},{card.printed},{signed(epoch)}$")
                if self.mode == "CONTROL_WITH_READOUT":
                    self._read_out(card, taken_away)
                    self._say("%")  # whatever came of it
                self._say(">")
                return True

    def _punch(self, card: Card, control: int, epoch: int) -> bool:
        """Write a punch to card and backup; a re-touch within 30 s succeeds without writing."""
        if not card.readable:
            return False
        if not card.prepared:
            self._say("Error: Card not prepared")
            return False
        if card.last_control == control and epoch - card.last_time <= 30:
            return True
        first = 0 if card.last == NOBODY else card.last + 1
        if first >= 125:
            return False  # full: no word, no bleep
        for location in range(first, first + 4):
            if location >= SLOTS:
                self._say(f"Error: card full - \r\n{control},{card.printed}", end="")
            elif card.put(location, control, epoch):
                self._back_up(card.uid, epoch)
                return True
        return False

    def _read_out(self, card: Card, taken_away: int | None) -> bool:
        if not (card.readable and card.prepared):
            self._say("Error: Card not prepared")
            return False
        last = SLOTS - 1 if self.mode == "FULL_READOUT" else card.last
        if last == NOBODY:
            return True
        if not self.firmware.since("0.2"):
            self._list_back(card, last)
            return True
        pairs, whole = card.readout(0, last, taken_away)
        self._say("".join(f"{control},{signed(epoch)}," for control, epoch in pairs), end="")
        return whole

    def _list_back(self, card: Card, last: int) -> None:
        """As up to 0.19: newest first, to the last START or the FINISH before."""
        for location in range(last, -1, -1):
            control, epoch = card.slots[location]
            if control == FINISH and location < last and not self._crazy:
                return
            self._say(f"{control},{signed(epoch)},{self._shown(epoch)}#")
            if control == START and not self._crazy:
                return

    def _print(self, card: Card) -> bool:
        if not (card.readable and card.prepared):
            self._say("Error: Card not prepared")
            return False
        self._say("\x1b@\x1b!\0" * self._escpos + f"Card:{card.printed}")
        self._say(card.name.decode("latin-1"))
        self._say("-" * 30 + "\r\n")
        if card.last == NOBODY:
            self._say("Empty card\r\n\r\nTiming by OTIMCON")
            return True
        first = card.last
        # Back to the last START or an earlier FINISH, which is printed too.
        while first > 0 and (first == card.last or card.slots[first][0] != FINISH) and card.slots[first][0] != START:
            first -= 1
        punches, _ = card.readout(first, card.last)
        date, begin, before = "", punches[0][1], punches[0][1]
        for number, (control, epoch) in enumerate(punches, 1):
            if date_of(epoch) > date:
                date = date_of(epoch)
                self._say(f"Date {date}")
            name = {START: "S", FINISH: "F"}.get(control, str(control))
            self._say(f"{number} {name:>3}  {clock_of(epoch)}  {clock_of(epoch - before)}  {clock_of(epoch - begin)}  ")
            before = epoch
        total = f"TOTAL TIME:  {clock_of(before - begin)}"
        self._say("\r\n" + (f"\x1b!\x80{total}\x1b!\0" if self._escpos else total))
        self._say("\r\nTiming by OTIMCON" + "\r\n" * 4)
        self._say("\x1dV\0" * self._escpos, end="")
        return True

    def _do_job(self, card: Card) -> bool:
        self._say(f"WRITING {self._job} TO CARD: ", end="")
        if self._job == "INFO":
            done = card.readable
            if self.firmware.debugs:
                self._say("block was written")
            if done:
                card.name = bytes(self._job_data)
                self._job_data = bytearray(30)
        else:
            control, epoch = self._job_data[0], int.from_bytes(self._job_data[1:5], "big", signed=True)
            done = self._punch(card, control, epoch)
            if done:
                self._job_data[:5] = bytes(5)
        if done:
            self._job = ""
        self._say("OK" if done else "FAIL")
        return done


def _xor(data: bytes) -> int:
    """All the firmware compares of two uids."""
    folded = 0
    for byte in data:
        folded ^= byte
    return folded
