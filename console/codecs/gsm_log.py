"""The log of the GSM Interface program, `GSM_Interface_Log.csv` (thcom.md, section 4; the guide's FRAMES table).

Its columns and their looks are the guide's: `ID Frame`, the date as dd/mm/yyyy, the hour, model and serial number of
the timer, the message, and the port of the timing software. A message is the data of a frame with its checksum right
behind it, without the TAB between them. What happened on this side has `---` and `----` for what only a frame has.

Inferred: what stands between the cells (a semicolon: the guide shows a table, not the file); that the port is filled in
for what reaches timing software, and empty for answers and commands. The program numbers frames as the server link
does, from 000 to 255, which frames of a cable or of the network do not have: here it is the journal's number.
"""

from datetime import datetime, tzinfo

from console.codecs.columns import harmless, joined
from console.codecs.thcom_records import KeepAlive, MessageError, Record, Result, Serial, Speed, Time, Unknown, parse
from console.model import SECOND, Frame, Incident

COLUMNS = ("ID Frame", "Date", "Hour", "Model", "Serial number", "Message", "Port")
SEPARATOR = ";"
NO_FRAME, NO_TIMER = "---", "----"

CONNECTED, ALONE, CLOSED = "Instance Connected.", "All instance are disconnected", "Connection server close"
"""What the program says of timing software and of its server."""


def read(raw: bytes) -> tuple[Record, str] | None:
    """The record of a frame, and its message; None: it says nothing, or is not THCOM08."""
    data, _, checksum = raw.strip(b"\r\n").partition(b"\t")
    try:
        text = data.decode("ascii")
        record = parse(text)
    except (UnicodeDecodeError, MessageError):
        return None
    if isinstance(record, KeepAlive | Unknown):
        return None
    return record, text + checksum.decode("latin-1")


def is_passed_on(record: Record) -> bool:
    """Whether timing software is told of it (inferred)."""
    return isinstance(record, Time | Result | Speed)


class GsmLog:
    """Writes rows, each a whole line. Knows a timer's model and serial number once it has said them (SN)."""

    def __init__(self, zone: tzinfo, port: int, separator: str = SEPARATOR) -> None:
        self._zone = zone
        self._port = str(port)
        self._separator = separator
        self._timers: dict[str, tuple[str, str]] = {}

    def header(self) -> str:
        """The line above all rows."""
        return joined(COLUMNS, self._separator)

    def frame(self, frame: Frame) -> str:
        """A frame that came from a timer; empty where it says nothing."""
        found = read(frame.raw)
        if found is None:
            return ""
        record, message = found
        if isinstance(record, Serial):
            self._timers[frame.device] = (harmless(record.type), record.serial[-4:].rjust(4, "0"))
        model, serial = self._timers.get(frame.device, ("", ""))
        port = self._port if is_passed_on(record) else ""
        return self.line(f"{frame.seq:03}", frame.wall, model, serial, message, port)

    def event(self, incident: Incident) -> str:
        """Something that happened here."""
        return self.line(NO_FRAME, incident.wall, NO_TIMER, NO_TIMER, f"{incident.source}: {incident.text}", "")

    def line(self, number: str, wall: int, model: str, serial: str, message: str, port: str) -> str:
        """A row."""
        moment = datetime.fromtimestamp(wall // SECOND, self._zone)
        when = (f"{moment:%d/%m/%Y}", f"{moment:%H:%M:%S}")
        return joined((number, *when, model, serial, harmless(message), port), self._separator)
