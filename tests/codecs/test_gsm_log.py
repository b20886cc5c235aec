"""The GSM Interface's log against the rows of the guide."""

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from console.codecs.gsm_log import GsmLog, read
from console.model import SECOND, Direction, Frame, Incident, Level

PARIS = ZoneInfo("Europe/Paris")
AT = 1_732_798_217 * SECOND
"""2024-11-28 13:50:17 in Paris."""


def frame(raw: bytes, seq: int = 5, device: str = "start") -> Frame:
    return Frame(seq=seq, device=device, direction=Direction.RX, wall=AT, mono=0, raw=raw)


def test_the_rows_of_the_guide() -> None:
    """Its timer is a TM550 with the serial number 0086 that says it is a CP545."""
    log = GsmLog(PARIS, 7000)
    assert log.header() == "ID Frame;Date;Hour;Model;Serial number;Message;Port\r\n"
    log.frame(frame(b"SN 00086 CP545 VB10\r\n"))
    row = log.frame(frame(b"TN    1    1 M2 13:50:23.98600  9098\t06B7\r\n"))
    assert row == "005;28/11/2024;13:50:17;CP545;0086;TN    1    1 M2 13:50:23.98600  909806B7;7000\r\n"
    assert log.frame(frame(b"IR 1       1    00:00:11.62000\r\n", 1006)).startswith("1006;")
    assert log.frame(frame(b"#GC 1\r\n")) == "005;28/11/2024;13:50:17;CP545;0086;#GC 1;\r\n", "software does not get it"
    incident = Incident(seq=1, wall=AT, level=Level.NOTE, source="software", text="Instance Connected.")
    assert log.event(incident) == "---;28/11/2024;13:50:17;----;----;software: Instance Connected.;\r\n"


def test_a_timer_that_has_not_said_who_it_is() -> None:
    assert GsmLog(PARIS, 7000).frame(frame(b"CL 06\r\n")) == "005;28/11/2024;13:50:17;;;CL 06;\r\n"
    assert GsmLog(PARIS, 7000, "\t").frame(frame(b"CL 06\r\n")) == "005\t28/11/2024\t13:50:17\t\t\tCL 06\t\r\n"


@pytest.mark.parametrize(
    "raw", [b"", b"\r\n", b"\x17PRIMARY\r\n", b"TN\xff\r\n", b"hello\r\n", b"TN    1    1 M2 nonsense\r\n"]
)
def test_what_is_no_thcom(raw: bytes) -> None:
    assert read(raw) is None
    assert GsmLog(PARIS, 7000).frame(frame(raw)) == ""


@given(st.binary(max_size=60), st.text(max_size=40))
def test_a_row_is_one_line_and_no_formula(raw: bytes, text: str) -> None:
    log = GsmLog(PARIS, 7000)
    row = log.frame(frame(b"#PL " + raw + b"\r\n"))
    assert row.count("\n") <= 1
    event = log.event(Incident(seq=1, wall=AT, level=Level.NOTE, source="=x", text=text))
    assert event.count("\n") == 1
    assert event.split(";")[5].lstrip('"').startswith("'=x")
    assert log.frame(structs.replace(frame(b"CL 06\r\n"), device="other")).split(";")[3] == ""
