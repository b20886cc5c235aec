"""The log file looks as the guide's does."""

from datetime import UTC, datetime
from pathlib import Path

from console.codecs.thcom_link import extended
from console.its.log import LogFile, LogSettings
from console.model import SECOND, Direction, Frame, Incident, Level
from tests.exports.sinks import RecordsDesk

SETTINGS = LogSettings(
    name="its-log",
    type="its-log",
    format="gsm-interface",
    path="log.csv",
    software="1007 (software)",
    software_ports={"its-0086": 7001},
)


def frame(clock: str, raw: bytes, device: str = "its", label: str = "", by: str = "1007 (software)") -> Frame:
    wall = int(datetime.fromisoformat(f"2024-11-28T{clock}+00:00").timestamp()) * SECOND
    return Frame(seq=1, device=device, direction=Direction.RX, wall=wall, mono=0, raw=raw, label=label, by=by)


TN = extended(0, "10084", "P1007", "TN    1    1 M1 13:50:12.36600  9098")

ROWS = [
    (
        frame("13:45:19", b"", label="Instance Connected. 7000"),
        "---;28/11/2024;13:45:19;----;----;Instance Connected.;7000",
    ),
    (frame("13:45:20", extended(190, "P0000", "P1007", "#GC 1")), "190;28/11/2024;13:45:20;PC;0000;#GC 1;"),
    (
        frame("13:45:20", extended(191, "P0000", "P1007", "#PL ITS ONLINE TIMING")),
        "191;28/11/2024;13:45:20;PC;0000;#PL ITS ONLINE TIMING;",
    ),
    (
        frame("13:50:17", TN, "start", by=""),
        "000;28/11/2024;13:50:17;CP545;0084;TN    1    1 M1 13:50:12.36600  90988381;7000",
    ),
    (
        frame("13:50:23", extended(6, "10086", "P1007", "IR 1       1    00:00:11.62000"), "its-0086", by=""),
        "006;28/11/2024;13:50:23;CP545;0086;IR 1       1    00:00:11.620001BA3;7001",
    ),
    (
        frame("13:50:24", extended(7, "10084", "P1007", "CL 01"), "start", by=""),
        "007;28/11/2024;13:50:24;CP545;0084;CL 01F1CA;",
    ),
    (
        frame("13:46:27", b"", label="All instance are disconnected"),
        "---;28/11/2024;13:46:27;----;----;All instance are disconnected;",
    ),
    (
        frame("13:46:27", b"", label="Connection server close"),
        "---;28/11/2024;13:46:27;----;----;Connection server close;",
    ),
]


def log() -> LogFile:
    desk = RecordsDesk(Path("."))
    desk.zone = UTC
    return LogFile(SETTINGS, desk, desk.now)


def test_rows() -> None:
    one = log()
    assert one._log.header().rstrip() == "ID Frame;Date;Hour;Model;Serial number;Message;Port"
    for given, row in ROWS:
        assert one.meant(given), row
        assert one._line(given).rstrip("\r\n") == row


def test_what_is_not_in_it() -> None:
    one = log()
    sent = frame("13:45:20", TN)
    assert not one.meant(Frame(seq=1, device="its", direction=Direction.TX, wall=0, mono=0, raw=sent.raw, by=sent.by))
    assert not one.meant(frame("13:45:20", TN, by="0086 (finish)"))  # for the timer on the cable
    assert not one.meant(frame("13:45:20", b"HTTP/1.1 400 Bad Request\r\n"))
    assert not one.meant(frame("13:45:20", b"TN    1    1 M1 13:50:12.36600  9098\r\n", "chute", by=""))
    assert not one.meant(Incident(seq=1, wall=0, level=Level.NOTE, source="its", text="x"))
