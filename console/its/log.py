"""The log file of the link, as the GSM Interface program writes it: what came, and what happened to local instances."""

from collections.abc import Callable
from datetime import tzinfo

from msgspec import field

from console.codecs import thcom_link
from console.codecs.columns import harmless
from console.codecs.gsm_log import CONNECTED, NO_FRAME, NO_TIMER, GsmLog, is_passed_on, read
from console.exports.csv_file import CsvFile, CsvSettings
from console.exports.records import Records, Row
from console.its.intake import DEVICE
from console.model import Direction, Frame

MODELS = {True: "PC", False: "CP545"}
"""Of a computer, and of whatever else: the guide's log calls a TM550 so, too."""


class LogSettings(CsvSettings, frozen=True, kw_only=True):
    """Made from `[its]`."""

    software: str = ""
    """Who we are to the server: only what came on this connection is in the log."""
    computer_type: str = "P"
    software_ports: dict[str, int] = field(default_factory=dict)
    """Device -> local port, where that is not `software_port`."""


class LogFile(CsvFile):
    """One row for each frame of the link, in the order of the journal."""

    def __init__(self, settings: CsvSettings, desk: Records, now: Callable[[], int]) -> None:
        super().__init__(settings, desk, now)
        assert isinstance(settings, LogSettings)
        self.aside = ""
        self._link = settings
        self._log = _LinkLog(settings, desk.zone)

    settings_type = LogSettings

    def meant(self, row: Row) -> bool:
        """What came on the connection of this computer."""
        if not isinstance(row, Frame) or row.direction is not Direction.RX:
            return False
        if row.device == DEVICE and not row.raw:
            return True
        ours = row.device != DEVICE or row.by == self._link.software
        return ours and extended(row.raw) is not None


class _LinkLog(GsmLog):
    def __init__(self, settings: LogSettings, zone: tzinfo) -> None:
        super().__init__(zone, settings.software_port)
        self._settings = settings

    def frame(self, frame: Frame) -> str:
        """A frame of the link; or, without bytes, an event."""
        record = extended(frame.raw)
        if record is None:
            return self._happened(frame)
        found = read(record.data.encode("ascii"))
        passed_on = frame.device != DEVICE and found is not None and is_passed_on(found[0])
        port = self._settings.software_ports.get(frame.device, self._settings.software_port)
        # The guide's log has no checksums behind what the server itself says.
        printed = b"" if frame.device == DEVICE else frame.raw.rstrip(b"\r\n").rpartition(b"\t")[2]
        return self.line(
            f"{record.number:03}",
            frame.wall,
            MODELS[record.source[0] == self._settings.computer_type],
            record.source[1:],
            record.data + harmless(printed.decode("latin-1")),
            str(port) if passed_on else "",
        )

    def _happened(self, frame: Frame) -> str:
        text, port = frame.label, ""
        if text.startswith(CONNECTED):
            text, port = CONNECTED, text.removeprefix(CONNECTED).strip()
        return self.line(NO_FRAME, frame.wall, NO_TIMER, NO_TIMER, text, port)


def extended(raw: bytes) -> thcom_link.Extended | None:
    """The Extended frame that these bytes are; None: they are none."""
    if raw[:1] != bytes((thcom_link.STX,)):
        return None
    pieces = thcom_link.Decoder().receive(raw)
    record = pieces[0].record if len(pieces) == 1 else None
    return record if isinstance(record, thcom_link.Extended) else None
