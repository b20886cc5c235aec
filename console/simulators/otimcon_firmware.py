"""The firmware of an OTIMCON station, 0.14 to 0.22: its odd answers, its silences (otimcon.md, sections 2, 3 and 8)."""

import re

from console.simulators.otimcon_board import BACKUP, epoch_of, signed
from console.simulators.otimcon_reader import FINISH, START, Reader

CONTROL_MODES = frozenset({"CONTROL", "CONTROL_WITH_READOUT", "FROZEN_CONTROL"})
NAMES = {START: "START", FINISH: "FINISH"}
HELP = {
    "SET": ("TIME YYYYMMDDhhmmss", "CTRL number", "MODE type", "RESET_BACKUP"),
    "GET": ("TIME", "CTRL", "MODE", "BACKUP", "VERSION", "VOLTAGE"),
    "WRITE": ("INFO text", "CONTROL number YYYYMMDDhhmmss"),
}
"""The words of the help; its sentences are not the firmware's."""


class Station(Reader):
    """One station."""

    _words: list[int]
    """Offsets of the words of the line that have not been looked at."""
    _word = ""
    _word_at = 0

    # --- commands -------------------------------------------------------------------------------------------------

    def _obey(self) -> None:
        self._words = [match.start() for match in re.finditer(rb"[^ ]+", self._line[: self._length])]
        match self._next()[:12]:
            case "PING" if self.firmware.since("0.2"):
                self._answer("PONG")
            case "BLEEP" if self.firmware.since("0.22"):
                self.bleeps += 1
            case "GET":
                self._get()
            case "SET":
                self._set()
            case "WRITE" if self.firmware.since("0.2"):
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
        self._say(f"\r\nUnknown Argument '{self._word}'")
        if self.firmware.since("0.17"):
            self._prompt()

    def _get(self) -> None:
        match self._next()[:12]:
            case "VERSION":
                self._answer(f"Version:{self._end_of_heading}{self.firmware.number}")
            case "TIME":
                self._get_time()
            case "CTRL":
                self._get_control()
            case "MODE":
                self._get_mode()
            case "VOLTAGE" if self.firmware.since("0.22"):
                self._answer("Voltage:0.00")
            case "VOLTAGE":
                self._say(f"Voltage:{self._end_of_heading}0.00")
                self._prompt()
            case "BACKUP" if self.firmware.since("0.16"):
                self._get_backup()
            case _:
                self._unknown()

    @property
    def _end_of_heading(self) -> str:
        """Up to 0.21 a value has a line of its own."""
        return "" if self.firmware.since("0.22") else "\r\n"

    def _get_time(self) -> None:
        epoch = signed(self._time())
        self._answer(f"Time:{epoch},{self._shown(epoch)}")

    def _get_control(self) -> None:
        named = self.firmware.since("0.2")
        if named and self.mode not in CONTROL_MODES:
            self._say("WARNING: Not in control mode.")
            self._get_mode()
            self._prompt()
        else:
            name = NAMES.get(self.control) if named else None
            self._answer(f"Control:{name} - {self.control}" if name else f"Control:{self.control}")

    def _get_mode(self) -> None:
        self._answer(f"Mode:{self.mode}" + (" POS" if self._escpos else " ") * (self.mode == "PRINT"))

    def _get_backup(self) -> None:
        self._say("")
        self._say("Backup:")
        for at in range(0, BACKUP, 8):
            epoch = int.from_bytes(self.backup[at : at + 4], "little", signed=True)
            uid = "".join(f" {byte:02X}" for byte in self.backup[at + 4 : at + 8])
            self._say(f"^{uid},{epoch},{self._shown(epoch)}#")
        self._say("$")
        self._prompt()

    def _set(self) -> None:
        match self._next()[:12]:
            case "TIME" if self._next():
                self._set_time(self._moment())
                self._get_time()
            case "CTRL" if 0 < (number := self._control_number()) < 255:
                self.control = number  # stored in any mode, though the answer may look like a failure
                self._get_control()
            case "MODE" if self._next() in self.firmware.modes:
                self._set_mode(self._word)
                self._get_mode()
            case "RESET_BACKUP" if self.firmware.since("0.16"):
                self.pointer = 0
                self._answer("Backup pointer resetted to 0!")
            case _:
                self._unknown()

    def _control_number(self) -> int:
        words = {"START": "251", "FINISH": "252"} if self.firmware.since("0.2") else {}
        return _number(words.get(self._next(), self._word))

    def _set_time(self, epoch: int) -> None:
        self._frozen = epoch
        if self.mode != "FROZEN_CONTROL":
            self.set_clock(epoch)

    def _set_mode(self, mode: str) -> None:
        if mode == "FROZEN_CONTROL":
            self._frozen = self.clock()
        self._crazy = mode == "CRAZY_READOUT"
        self.mode = "READOUT" if self._crazy else mode
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
        if self.firmware.debugs:
            self._say(f"year:{self._word[:4]}\r\nwriterData1:{self._job_data[1]}")
        self._say(f"Waiting for card to write control{control} with time {self._word} [timestamp: {signed(epoch)}]...")

    def _help(self) -> None:
        match self._next():
            case "":
                lines = ["SET *: what can be set", "GET *: what can be asked"]
                lines += ["WRITE *: what can be written to a card"] * (self.mode == "WRITER")
            case "SET" | "GET" | "WRITE" as word if word != "WRITE" or self.firmware.since("0.2"):
                lines = [f"{word.capitalize()} options", *(f"{each} : see the manual" for each in HELP[word])]
            case _:
                self._unknown()
                self._prompt()
                return
        self._answer("\r\n".join(lines))


def _number(word: str) -> int:
    """`atoi` with 16 bits."""
    match = re.match(r"[+-]?\d+", word)
    return ((int(match[0]) + 0x8000) & 0xFFFF) - 0x8000 if match else 0
