"""OTIMCON RFID stations, firmware 0.14 to 0.22: what they print, and the lines they obey (otimcon.md).

A frame is a line, with three exceptions: the prompt `>` at the start of a line stands alone (it has no line end, and
whatever comes next is glued to it); the second half of `Error: card full - ` has no line end either; and a whole punch
within the wreck of a line, or card line or `Starting...` behind it, is cut off from it, so that noise costs no punch.
"""

import re
from collections.abc import Callable
from datetime import datetime

from console.codecs.otimcon_records import (
    BackupBegin,
    BackupEnd,
    BackupLine,
    BackupReset,
    Blank,
    CardError,
    CardFull,
    CardSeen,
    Cleared,
    Control,
    DebugText,
    Heading,
    Help,
    Mode,
    NoRtc,
    Pong,
    PrintLine,
    Prompt,
    Punch,
    Readout,
    ReadoutEnd,
    ReadoutLine,
    Record,
    Refused,
    Starting,
    Time,
    UnknownArgument,
    Version,
    Voltage,
    Waiting,
    Warned,
    Written,
)
from console.codecs.piece import Piece

LIMIT = 4096
"""Bytes of the longest line; the longest real one is a FULL_READOUT, about 1,800 (section 4)."""
LINE_BUFFER = 48
"""Characters of a command that the station keeps; it drops the rest and runs what it has (section 1)."""
CONTROL_MODES = frozenset({"CONTROL", "CONTROL_WITH_READOUT", "FROZEN_CONTROL"})
START, FINISH = 251, 252


_UID = r"((?: [0-9A-F]{2}){4,10})"
_DATE = r"(\d{1,5}/\d{1,2}/\d{1,2} \d{1,2}:\d{1,2}:\d{1,2})"
_CLOCK = r"\d\d:\d\d:\d\d"
_DEBUG = (
    r"card selected|Setup finished!|Info block:|Writing location, id, timestamp|\d+,\d+,-?\d+|WRITER job: \d+|"
    r"(?:Location|Last Id|Current time|Read time|controlTime|writerData\d|year|month|day|hour|minute|second):-?\d+|"
    r"block was (?:read|written)|(?:PCD_Authenticate|MIFARE_\w+)\(\) failed.*"
)
_HELP = (
    r"(?:SET|GET|WRITE) \*: .*|(?:Set|Get|Write) options|\* Use \? OPTION .*|"
    r"(?:TIME|CTRL|CONTROL|MODE|RESET_BACKUP|BACKUP|VERSION|VOLTAGE|INFO) [\w ]*: .*"
)
_TICKET = (
    rf"-{{30}}|Date \d+/\d\d/\d\d|\d{{1,3}} +(?:S|F|\d{{1,3}})(?:  {_CLOCK}){{3}}  |TOTAL TIME:  {_CLOCK}|"
    r"Empty card|Timing by OTIMCON"
)


def _hex(uid: str) -> str:
    return uid.replace(" ", "")


_LINES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], Record]], ...] = tuple(
    (re.compile(pattern, re.DOTALL), build)
    for pattern, build in (
        (rf"\^(\d{{1,3}}),{_UID},(-?\d{{1,10}})\$", lambda m: Punch(int(m[1]), _hex(m[2]), int(m[3]))),
        (rf"Card:{_UID}", lambda m: CardSeen(_hex(m[1]))),
        (rf"Cleared card:{_UID}\$", lambda m: Cleared(_hex(m[1]))),
        (r"PONG", lambda _: Pong()),
        (rf"\^{_UID},(-?\d{{1,10}}),{_DATE}#", lambda m: BackupLine(_hex(m[1]), int(m[2]), m[3])),
        (rf"Time:(?:(-?\d{{1,10}}),)?{_DATE}", lambda m: Time(int(m[1]) if m[1] else None, m[2])),
        (r"Control:(?:(?:START|FINISH) - )?(\d{1,3})", lambda m: Control(int(m[1]))),
        (r"Mode:([A-Z_]+)( POS)? ?", lambda m: Mode(m[1], m[2] is not None)),
        (r"(Version|Voltage):|Get (Version)", lambda m: Heading(m[1] or m[2])),
        (r"Version:([\w.]+)", lambda m: Version(m[1])),
        (r"Voltage:(-?\d+\.\d+)", lambda m: Voltage(float(m[1]))),
        (r"Backup:", lambda _: BackupBegin()),
        (r"\$", lambda _: BackupEnd()),
        (r"Backup pointer resetted to 0!", lambda _: BackupReset()),
        (r"Waiting for card to write info\.\.\.", lambda _: Waiting("INFO")),
        (
            r"Waiting for card to write control(\d{1,3}) with time ([ -~]*) \[timestamp: (-?\d{1,10})\]\.\.\.",
            lambda m: Waiting("CONTROL", int(m[1]), m[2], int(m[3])),
        ),
        (r"WRITING (INFO|CONTROL) TO CARD: (OK|FAIL)", lambda m: Written(m[1], m[2] == "OK")),
        (
            r"(?:WRITING (INFO|CONTROL) TO CARD: )?Error: ([A-Za-z -]+)",
            lambda m: CardError(m[2].strip(" -"), m[1] or ""),
        ),
        (r"WARNING: ([\w ,.]+)|((?:Although - there is n|N)o support for backup!)", lambda m: Warned(m[1] or m[2])),
        (r"ERROR: ([\w ,.]+)", lambda m: Refused(m[1])),
        (r"Unknown Argument '([ -~]*)'", lambda m: UnknownArgument(m[1])),
        (r"Starting\.\.\.", lambda _: Starting()),
        (r"No RTC", lambda _: NoRtc()),
        (_TICKET, lambda m: PrintLine(m[0])),
        (_HELP, lambda m: Help(m[0])),
        (r"(?:WRITING (?:INFO|CONTROL) TO CARD: )?(?:" + _DEBUG + ")", lambda m: DebugText(m[0])),
    )
)
_READOUT = re.compile(r"((?:\d{1,3},-?\d{1,10},)*+)([-\d,]*+)(%?)(>?)")
_READOUT_LINE = re.compile(rf"(\d{{1,3}}),(-?\d{{1,10}}),{_DATE}#")
_PRINTER_CODES = re.compile(r"\x1b@|\x1b!.|\x1dV.", re.DOTALL)
_WRITING = re.compile(r"WRITING (INFO|CONTROL) TO CARD: |WRITER job: ([12])$")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?\w*")
_FULL = re.compile(rf"(\d{{1,3}}),{_UID}".encode())
_PUNCH = re.compile(rf"\^\d{{1,3}},{_UID},-?\d{{1,10}}\$\r?".encode())
_WHOLE = re.compile(
    rf"\^\d{{1,3}},{_UID},-?\d{{1,10}}\$|(?:(?:Card:|Cleared card:){_UID}\$?|Starting\.\.\.)\Z".encode()
)
"""What is whole within the wreck of a line: a punch has an end of its own, others need that of the line."""


class Decoder:
    """Cuts and decodes the stream of one station. Feed it chunks of any size; it keeps at most a line."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0
        """No line feed in the buffer before this offset."""
        self._overlong = False
        self._forget()

    def _forget(self) -> None:
        """No answer is half way."""
        self._card: str | None = None
        """Whose readout or ticket comes."""
        self._after_punch = False
        self._lines = 0
        self._name_due = False
        self._heading = ""
        self._job = ""
        self._full = False

    def receive(self, data: bytes) -> list[Piece[Record]]:
        """The frames that `data` completes. Never raises."""
        self._buffer += data
        pieces: list[Piece[Record]] = []
        at = 0
        while (end := self._end(at)) is not None:
            pieces += self._cut(bytes(self._buffer[at:end]))
            at = end
            self._searched = max(self._searched, at)
        del self._buffer[:at]
        self._searched -= at
        return pieces

    def flush(self) -> list[Piece[Record]]:
        """The half line that was open when the link was lost; forgets it and everything before."""
        raw = bytes(self._buffer)
        full = card_full(raw) if self._full else None
        self._buffer.clear()
        self._searched, self._overlong = 0, False
        # A punch that lacks nothing but its line end is whole; of anything else more might have come.
        record = self._understand(raw.strip(b"\r").decode("ascii"))[0] if _PUNCH.fullmatch(raw) else full
        self._forget()
        if raw and not _PRINTER_CODES.sub("", raw.decode("latin-1")):
            record = PrintLine("")  # what ends a ticket has no line end
        if record is not None:
            return [Piece(raw, record)]
        return [Piece(raw, None, "cut short")] if raw else []

    def _end(self, at: int) -> int | None:
        """Where the frame that begins at `at` ends; None: not known yet."""
        buffer = self._buffer
        if at == len(buffer):
            return None
        if not self._overlong:
            if buffer[at] == ord(">"):
                return at + 1
            if self._full and (full := _FULL.match(buffer, at)):
                after = bytes(buffer[full.end() : full.end() + 3])
                # Another byte of the uid may still come: a blank and two digits.
                return None if not after or (after[0] == ord(" ") and len(after) < 3) else full.end()
        line_feed = buffer.find(b"\n", max(at, self._searched), at + LIMIT)
        if line_feed >= 0:
            return line_feed + 1
        self._searched = min(len(buffer), at + LIMIT)
        return at + LIMIT if len(buffer) - at >= LIMIT else None

    def _cut(self, raw: bytes) -> list[Piece[Record]]:
        if not self._overlong:
            if raw == b">":
                self._card, self._after_punch, self._lines = None, False, 0
                return [Piece(raw, Prompt())]
            if self._full and (full := card_full(raw)):
                self._full = False
                return [Piece(raw, full)]
        body = raw.removesuffix(b"\n").removesuffix(b"\r")
        was, self._overlong = self._overlong, not raw.endswith(b"\n")
        if self._overlong:
            self._forget()
            return [Piece(raw, None, f"no line end in {LIMIT} bytes")]
        flaw = "rest of an overlong line"
        if not was:
            record, flaw = self._understand(body.decode("latin-1"))
            if record is not None:
                return [Piece(raw, record, flaw)]
        return self._salvage(raw, body, flaw if was else "cut short", flaw)

    def _salvage(self, raw: bytes, body: bytes, before: str, after: str) -> list[Piece[Record]]:
        """What is whole within the wreck `body`; `before` and `after` say what is wrong with the rest."""
        pieces: list[Piece[Record]] = []
        at = 0
        for whole in _WHOLE.finditer(body):
            if at < whole.start():
                pieces.append(Piece(raw[at : whole.start()], None, before))
            at = whole.end() if whole.end() < len(body) else len(raw)
            record, _ = self._understand(whole[0].decode("ascii"))
            pieces.append(Piece(raw[whole.start() : at], record))
        return [*pieces, Piece(raw[at:], None, after)] if at < len(raw) else pieces

    def _understand(self, text: str) -> tuple[Record | None, str]:
        """The record of a line and its flaw; remembers what the next lines need."""
        self._full = False
        name_due, self._name_due = self._name_due, False
        heading, self._heading = self._heading, ""
        if not text:
            self._heading = heading
            return Blank(), ""
        if found := self._memory(text):
            return found
        if name_due and len(text) == 30:  # the name may look like anything, even like an answer
            return PrintLine(text), ""
        if heading and _NUMBER.fullmatch(text):
            return (Version(text), "") if heading == "Version" else (Voltage(float(text)), "")
        if text in ("OK", "FAIL"):
            job, self._job = self._job, ""
            return Written(job, text == "OK"), ""
        bare = _PRINTER_CODES.sub("", text)
        for pattern, build in _LINES:
            if match := pattern.fullmatch(bare):
                return self._remember(build(match), text), ""
        if not bare or name_due:
            return PrintLine(bare), ""
        self._forget()
        return None, "not understood"

    def _remember(self, record: Record, text: str) -> Record:
        if isinstance(record, CardSeen | Punch):
            self._card, self._lines = record.uid, 0
            self._after_punch = isinstance(record, Punch)
            self._name_due = isinstance(record, CardSeen)
        elif isinstance(record, Heading):
            self._heading = record.of
        elif isinstance(record, Starting):
            self._forget()
        elif isinstance(record, CardError):
            self._full = record.text.startswith("card full")
        if isinstance(record, Written):
            self._job = ""
        elif writing := _WRITING.match(text):
            self._job = writing[1] or {"1": "INFO", "2": "CONTROL"}[writing[2]]
        return record

    def _memory(self, text: str) -> tuple[Record, str] | None:
        """A card's memory, in the old form or the new; None: `text` is something else."""
        if line := _READOUT_LINE.fullmatch(text):
            self._lines += 1
            record = ReadoutLine(self._card, int(line[1]), int(line[2]), line[3])
            return record, "" if self._card else "no card line before it"
        # A line that ends with a number is none: firmware 0.2 prints `3,31,1795170000` when it writes.
        if text[-1] not in "%,>" or not (match := _READOUT.fullmatch(text)) or not (match[3] or match[1] or self._card):
            return None
        card, self._card = self._card, None
        lines, self._lines = self._lines, 0
        if text == "%" and lines:
            return ReadoutEnd(card, lines), "" if card else "no card line before it"
        numbers = [int(number) for number in match[1].split(",")[:-1]]
        pairs = list(zip(numbers[::2], numbers[1::2], strict=True))
        good = [pair for pair in pairs if pair[0] != 255 and pair[1] not in (-1, 0xFFFF_FFFF)]
        unique = tuple(dict.fromkeys(good))
        complete = bool(match[3]) and not match[2]
        record_ = Readout(
            card, unique, complete, self._after_punch, holes=len(pairs) - len(good), duplicates=len(good) - len(unique)
        )
        if card is None:
            return record_, "no card line before it"
        if match[2]:
            return record_, "a pair is cut short"
        return record_, "" if complete else f"card {card} was taken away too early: read it again"


def card_full(raw: bytes) -> CardFull | None:
    """The frame without line end that follows `Error: card full - `; None: `raw` is something else."""
    match = _FULL.fullmatch(raw)
    return CardFull(int(match[1]), _hex(match[2].decode())) if match else None


def encode(words: str) -> bytes:
    """The line that makes a station obey `words`.

    Raises ValueError for what the station would silently drop: it keeps 48 printable ASCII characters (section 1).
    """
    line = words.strip(" ")
    if not (line.isascii() and line.isprintable() and line):
        raise ValueError(f"{words!r}: a station takes printable ASCII characters only, and at least one")
    if len(line) > LINE_BUFFER:
        raise ValueError(
            f"{words!r}: {len(line)} characters; a station runs the first {LINE_BUFFER} and drops the rest"
        )
    return line.encode() + b"\n"


def set_time(moment: datetime) -> bytes:
    """`SET TIME` with the wall-clock digits of `moment`; its zone plays no part.

    Raises ValueError before 2000, where the clock chip's years begin.
    """
    if not 2000 <= moment.year <= 2099:
        raise ValueError(f"{moment:%Y-%m-%d}: a station's clock knows the years 2000 to 2099")
    return encode(f"SET TIME {moment:%Y%m%d%H%M%S}")
