"""Firmware 0.22 of an OTIMCON station: its odd answers, its silences and its faults (otimcon.md, sections 2 to 4)."""

import re
import time
from collections.abc import Callable

from console.simulators.otimcon_board import BACKUP, Board, clock_of, date_of, epoch_of, shown, signed
from console.simulators.otimcon_card import NOBODY, SLOTS, Card
from console.simulators.port import Port

MODES = ("CLEAR", "CONTROL", "CONTROL_WITH_READOUT", "READOUT", "FULL_READOUT", "PRINT", "WRITER", "FROZEN_CONTROL")
CONTROL_MODES = frozenset({"CONTROL", "CONTROL_WITH_READOUT", "FROZEN_CONTROL"})
START, FINISH = 251, 252
NAMES = {START: "START", FINISH: "FINISH"}
HELP = {
    "SET": ("TIME YYYYMMDDhhmmss", "CTRL number", "MODE type", "RESET_BACKUP"),
    "GET": ("TIME", "CTRL", "MODE", "BACKUP", "VERSION", "VOLTAGE"),
    "WRITE": ("INFO text", "CONTROL number YYYYMMDDhhmmss"),
}
"""The words of the help; its sentences are not the firmware's."""
REPEATS = 17
"""How often a second a card is served that does not work."""


class Station(Board):
    """One station."""

    def __init__(
        self,
        port: Port,
        *,
        mode: str = "CONTROL",
        control: int = 31,
        baud: int = 38400,
        clock: float = 0.0,
        drift: float = 0.0,
        low_power: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """For the keywords behind `control` see `Board`."""
        super().__init__(port, baud=baud, clock=clock, drift=drift, low_power=low_power, monotonic=monotonic)
        self.mode = mode
        self.control = control
        self.bleeps = 0
        self._frozen = 0
        self._words: list[int] = []
        """Offsets of the words of the line that have not been looked at."""
        self._word = ""
        self._word_at = 0
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

    def _time(self) -> int:
        """The time that punches get."""
        if self.mode != "FROZEN_CONTROL":
            self._frozen = self.clock()
        return self._frozen

    # --- commands -------------------------------------------------------------------------------------------------

    def _obey(self) -> None:
        self._words = [match.start() for match in re.finditer(rb"[^ ]+", self._line[: self._length])]
        match self._next()[:12]:
            case "PING":
                self._answer("PONG")
            case "BLEEP":
                self.bleeps += 1
            case "GET":
                self._get()
            case "SET":
                self._set()
            case "WRITE":
                self._write()
            case "?":
                self._help()
            case _:
                self._unknown()

    def _next(self) -> str:
        """The next word; empty where there is none."""
        self._word = ""
        if self._words:
            start = self._words.pop(0)
            end = min(end for stop in b" \0" if (end := self._line.find(stop, start)) >= 0)
            self._line[end] = 0
            self._word = self._line[start:end].decode("ascii")
            self._word_at = start
        return self._word

    def _answer(self, text: str) -> None:
        self._say("")
        self._say(text)
        self._prompt()

    def _unknown(self) -> None:
        self._answer(f"Unknown Argument '{self._word}'")

    def _get(self) -> None:
        match self._next()[:12]:
            case "VERSION":
                self._answer("Version:0.22")
            case "TIME":
                self._get_time()
            case "CTRL":
                self._get_control()
            case "MODE":
                self._get_mode()
            case "VOLTAGE":
                self._answer("Voltage:0.00")
            case "BACKUP":
                self._get_backup()
            case _:
                self._unknown()

    def _get_time(self) -> None:
        epoch = signed(self._time())
        self._answer(f"Time:{epoch},{shown(epoch)}")

    def _get_control(self) -> None:
        if self.mode not in CONTROL_MODES:
            self._say("WARNING: Not in control mode.")
            self._get_mode()
            self._prompt()
        else:
            name = NAMES.get(self.control)
            self._answer(f"Control:{name} - {self.control}" if name else f"Control:{self.control}")

    def _get_mode(self) -> None:
        self._answer(f"Mode:{self.mode}" + (" POS" if self._escpos else " ") * (self.mode == "PRINT"))

    def _get_backup(self) -> None:
        self._say("")
        self._say("Backup:")
        for at in range(0, BACKUP, 8):
            epoch = int.from_bytes(self.backup[at : at + 4], "little", signed=True)
            uid = "".join(f" {byte:02X}" for byte in self.backup[at + 4 : at + 8])
            self._say(f"^{uid},{epoch},{shown(epoch)}#")
        self._say("$")
        self._prompt()

    def _set(self) -> None:
        match self._next()[:12]:
            case "TIME" if self._next():
                self._set_time(self._moment())
                self._get_time()
            case "CTRL" if (
                0 < (number := _number({"START": "251", "FINISH": "252"}.get(self._next(), self._word))) < 255
            ):
                self.control = number  # stored in any mode, though the answer may look like a failure
                self._get_control()
            case "MODE" if self._next() in MODES:
                self._set_mode(self._word)
                self._get_mode()
            case "RESET_BACKUP":
                self.pointer = 0
                self._answer("Backup pointer resetted to 0!")
            case _:
                self._unknown()

    def _set_time(self, epoch: int) -> None:
        self._frozen = epoch
        if self.mode != "FROZEN_CONTROL":
            self.set_clock(epoch)

    def _set_mode(self, mode: str) -> None:
        if mode == "FROZEN_CONTROL":
            self._frozen = self.clock()
        self.mode = mode
        if mode == "PRINT":
            self._escpos = self._next() == "POS"

    def _moment(self) -> int:
        """The word just read as YYYYMMDDhhmmss: digits taken by position, nothing checked."""
        digits = [byte - ord("0") for byte in self._line[self._word_at : self._word_at + 14].ljust(14, b"\0")]
        year = (1000 * digits[0] + 100 * digits[1] + 10 * digits[2] + digits[3]) & 0xFFFF
        return epoch_of(
            year, *((10 * tens + ones) & 0xFF for tens, ones in zip(digits[4::2], digits[5::2], strict=True))
        )

    def _write(self) -> None:
        word = self._next()[:12]
        if word not in ("INFO", "CONTROL"):
            return  # silence: the firmware has no default here
        if self.mode != "WRITER":
            self._say("WARNING: Not in WRITER mode, so nothing will be done...")
        elif word == "INFO":
            text = b""
            while self._next() and len(text) < 28:
                text = (text + self._word.encode())[:28] + b" "
            self._job_data[: len(text)] = text  # a shorter text keeps the tail of a longer one
            self._job = "INFO"
            self._say("Waiting for card to write info...")
        else:
            self._write_control()

    def _write_control(self) -> None:
        control = 255
        if self._next():
            control = _number(self._word) & 0xFF
            if not 0 < control < 255:
                self._say("ERROR: Problem with the id of the control...")
                return
            self._job_data[0] = control
        if not self._next():
            self._say("ERROR: Problem with the time...")
            return
        epoch = self._moment()
        self._job_data[1:5] = (epoch & 0xFFFF_FFFF).to_bytes(4, "big")
        self._job = "CONTROL"
        self._say(f"Waiting for card to write control{control} with time {self._word} [timestamp: {signed(epoch)}]...")

    def _help(self) -> None:
        match self._next():
            case "":
                lines = ["SET *: what can be set", "GET *: what can be asked"]
                lines += ["WRITE *: what can be written to a card"] * (self.mode == "WRITER")
            case "SET" | "GET" | "WRITE" as word:
                lines = [f"{word.capitalize()} options", *(f"{each} : see the manual" for each in HELP[word])]
            case _:
                self._unknown()
                self._prompt()
                return
        self._answer("\r\n".join(lines))

    # --- cards (section 4) ----------------------------------------------------------------------------------------

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
            if self._serve(card, hold, taken_away):
                self._card, self._seen = card.uid, now + hold
                self.bleeps += 1
                break
        self._flush()

    def _serve(self, card: Card, hold: float, taken_away: int | None) -> bool:
        """What the mode does with a card; False: it did not work, and is tried again while the card is there."""
        match self.mode:
            case "READOUT" | "FULL_READOUT":
                self._say(f"Card:{card.printed}")
                whole = self._read_out(card, taken_away)
                self._say("%\r\n>" if whole else ">")
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
        pairs, whole = card.readout(0, last, taken_away)
        self._say("".join(f"{control},{signed(epoch)}," for control, epoch in pairs), end="")
        return whole

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


def _number(word: str) -> int:
    """`atoi` with 16 bits."""
    match = re.match(r"[+-]?\d+", word)
    return ((int(match[0]) + 0x8000) & 0xFFFF) - 0x8000 if match else 0
