"""THCOM08 basic frames: published vectors, any cuts, any garbage, and what we write ourselves."""

import json
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.codecs import thcom
from console.codecs.piece import Piece
from console.codecs.thcom_records import (
    Command,
    DeviceEvent,
    KeepAlive,
    Login,
    MessageError,
    Record,
    Result,
    Serial,
    Synchro,
    Time,
    Unknown,
    parse,
    time_ns,
)

VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent.parent / "vectors" / "thcom.json").read_text(encoding="utf-8")
)
GOOD = b"TN    2    2 M1 19:30:58.41200  6994\t06B3\r\n"


def decode(*chunks: bytes, serial: bool = True) -> list[Piece[Record]]:
    decoder = thcom.Decoder(serial)
    pieces = [piece for chunk in chunks for piece in decoder.receive(chunk)]
    return pieces + decoder.flush()


def cut(data: bytes, at: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in at), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["id"] for vector in VECTORS])
@pytest.mark.parametrize("serial", [True, False])
def test_vector(vector: dict[str, Any], serial: bool) -> None:
    raw = vector["frame"].encode()
    for chunks in ([raw], [bytes([byte]) for byte in raw]):
        decoder = thcom.Decoder(serial)
        (piece,) = [piece for chunk in chunks for piece in decoder.receive(chunk)]
        assert decoder.flush() == []
        assert piece.raw == raw
        assert piece.flaw == vector.get("flaw", "")
        if "record" in vector:
            assert {type(piece.record).__name__: msgspec.to_builtins(piece.record)} == vector["record"]


@pytest.mark.parametrize(
    "vector", [v for v in VECTORS if "\t0" in v["frame"] and "flaw" not in v], ids=lambda v: v["id"]
)
def test_we_write_the_published_checksums(vector: dict[str, Any]) -> None:
    data = vector["frame"].partition("\t")[0]
    assert thcom.basic(data, checksum=True) == vector["frame"].encode()
    assert thcom.basic(data, checksum=False) == f"{data}\r\n".encode()


@given(st.lists(st.integers(0, 10_000), max_size=20))
def test_frames_do_not_depend_on_the_cuts(at: list[int]) -> None:
    stream = b"".join(v["frame"].encode() for v in VECTORS if not v["id"].startswith("30"))
    stream += b"half a li"
    assert decode(*cut(stream, at)) == decode(stream)


def test_lines_that_begin_with_lf_come_out_at_their_cr() -> None:
    lines = [v["frame"].encode() for v in VECTORS if v["id"].startswith("30")] * 2
    decoder = thcom.Decoder(True)
    assert [piece.raw for line in lines for piece in decoder.receive(line)] == lines


def test_lf_alone_ends_a_line_too() -> None:
    records = [piece.record for piece in decode(b"#SN\n\n\n#ID\n", serial=False)]
    assert records == [Command("SN"), KeepAlive(), Command("ID")]


# --- what is wrong is said ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "flaw"),
    [
        (b"TN    2    2 M1 19:30:58.41200  6994\t06B\r\n", "checksum: got '06B', computed 06B3"),
        (b"TN    2    2 M1 19:30:58.41200  6994\t+6B3\r\n", "checksum: got '+6B3', computed 06B3"),
        (b"TN    2    2 M1 19:30:58.41\0200  6994\r\n", "garbage: control characters"),
        (b"TN    2 \x1b[2J  2 M1\r\n", "garbage: control characters"),
        (b"\xe2\x28\xa1\xff\xfe\r\n", "garbage: not ASCII"),
        (b"TN    2    2 Q1 19:30:58.41200  6994\r\n", "malformed TN: no channel: 'Q1'"),
        (b"TN    2    2 M1 19:60:58.41200  6994\r\n", "malformed TN: no time: '19:60:58.41200'"),
        (b"TN    2    2 M1 19:30:58.41200  69F4\r\n", "malformed TN: no day: '69F4'"),
        (b"TN    2\r\n", "malformed TN: not bib, sequence, channel, time, day"),
        (b"RR    1    1\r\n", "malformed RR: not number, bib, time"),
        (b"VE 1\r\n", "malformed VE: not number, bib, speed, unit"),
        (b"AK X\r\n", "malformed AK: no answer: 'X'"),
        (b"!T 08:14:00 today\r\n", "malformed !T: no date: 'today'"),
        (b"SN x\r\n", "malformed SN: a field is missing"),
        (b"OP one\r\n", "malformed OP: not run, added run, name"),
    ],
)
def test_flaws(raw: bytes, flaw: str) -> None:
    (piece,) = decode(raw)
    assert piece.flaw == flaw
    assert piece.raw == raw


def test_a_serial_line_that_lost_its_checksum_is_not_trusted() -> None:
    lost = b"TN    2    2 M1 19:30:58.41200  69\r\n"
    assert [piece.flaw for piece in decode(lost)] == [""]
    assert [piece.flaw for piece in decode(GOOD + lost)] == ["", "checksum missing, although this device sends them"]
    assert [piece.flaw for piece in decode(GOOD + lost, serial=False)] == ["", ""]


def test_half_a_line_at_an_unplug() -> None:
    assert decode(GOOD[:20]) == [Piece(GOOD[:20], None, "cut short")]
    assert [piece.flaw for piece in decode(GOOD[:-1])] == [""], "only the LF is missing: nothing is lost"


def test_a_flushed_decoder_starts_anew() -> None:
    decoder = thcom.Decoder(True)
    decoder.receive(b"x" * 3000)
    decoder.flush()
    assert [piece.flaw for piece in decoder.receive(GOOD)] == [""]


def test_ten_megabytes_without_a_line_end() -> None:
    decoder = thcom.Decoder(True)
    seen = 0
    for _ in range(160):
        pieces = decoder.receive(b"\0" * 65_536)
        seen += sum(len(piece.raw) for piece in pieces)
        assert all(piece.flaw and len(piece.raw) <= thcom.LIMIT for piece in pieces)
    tail, good = decoder.receive(b"\n" + GOOD)
    assert seen + len(tail.raw) == 160 * 65_536 + 1
    assert tail.flaw
    assert (good.raw, good.flaw) == (GOOD, "")


@given(st.binary(max_size=3000), st.lists(st.integers(0, 10_000), max_size=8), st.booleans())
def test_garbage(noise: bytes, at: list[int], serial: bool) -> None:
    stream = noise + b"\r\n" + GOOD
    pieces = decode(*cut(stream, at), serial=serial)
    assert b"".join(piece.raw for piece in pieces) == stream
    assert all(len(piece.raw) <= thcom.LIMIT for piece in pieces)
    assert pieces == decode(stream, serial=serial)
    # Back in step: the frame after the noise is read, whichever order of CR and LF the noise has left us in.
    assert any(not piece.flaw and isinstance(piece.record, Time) for piece in pieces[-2:])


@given(st.integers(0, GOOD.index(b"\t") - 1), st.integers(0, 255))
def test_a_changed_byte_never_passes_a_checksum(at: int, byte: int) -> None:
    raw = bytearray(GOOD)
    raw[at] = byte
    _, *pieces = decode(GOOD + raw)
    good = any(not piece.flaw and isinstance(piece.record, Time) for piece in pieces)
    assert good is (raw == GOOD)


# --- records ----------------------------------------------------------------------------------------------


def test_every_state_of_every_source() -> None:
    for source in "TA!":
        for state in "N-*+=CI":
            record = parse(f"{source}{state}    2    2 M1 19:30:58.41200  6994")
            assert isinstance(record, Time)
            assert record.tag == source + state


@pytest.mark.parametrize(
    ("data", "record"),
    [
        ("&S 10101", DeviceEvent("&S", "10101")),
        ("UN timer01", Login("UN", "timer01")),
        ("PW secret", Login("PW", "secret")),
        ("TS 08:14:00 01/03/20", Synchro(tag="TS", time="08:14:00", ns=29_640_000_000_000, date="01/03/20")),
        (
            "SN 04811 CP545 VB10 00012 VA01 later",
            Serial(serial="04811", type="CP545", version="VB10", docking_serial="00012", docking_version="VA01"),
        ),
        ("RR         7           2.47700", Result(tag="RR", number=None, bib="7", time="2.47700", ns=2_477_000_000)),
        ("RR    3                2.47700", Result(tag="RR", number=3, bib=None, time="2.47700", ns=2_477_000_000)),
        (
            "GR    3    7    01:00:02.47700 more",
            Result(tag="GR", number=3, bib="7", time="01:00:02.47700", ns=3_602_477_000_000),
        ),
        ("DR    3    7           0.00100", Result(tag="DR", number=3, bib="7", time="0.00100", ns=1_000_000)),
        ("#SLA 0012", Command("SL", "A 0012")),
        ("!! CP545", Unknown("!! CP545")),
        ("HELLO", Unknown("HELLO")),
    ],
)
def test_record(data: str, record: Record) -> None:
    assert parse(data) == record


def test_whole_seconds_of_the_first_minute() -> None:
    record = parse("TN         1 M1              5     0")
    assert isinstance(record, Time)
    assert (record.bib, record.channel, record.ns, record.day) == (None, "M1", 5_000_000_000, 0)


def test_fields_appended_later_are_ignored() -> None:
    record = parse("TN    2    2 M1 19:30:58.41200  6994 17 new")
    assert isinstance(record, Time)
    assert record.day == 6994


@given(st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=60))
def test_parse_raises_nothing_else(text: str) -> None:
    for data in (text, f"TN{text}", f"RR {text}", f"VE {text}", f"&P {text}", f"DS {text}", f"SN {text}", f"AK {text}"):
        with suppress(MessageError):
            parse(data)


# --- writing ----------------------------------------------------------------------------------------------

bibs = st.none() | st.integers(0, 9999).map(str)
spans = st.integers(0, 99 * 360_000_000).map(lambda hundred_thousandths: hundred_thousandths * 10_000)


@given(
    st.sampled_from([s + t for s in "TA!" for t in "N-*+=CI"]),
    bibs,
    st.integers(0, 9999),
    st.integers(1, 99).map(str) | st.integers(1, 9).map("M{}".format),
    spans,
    st.integers(0, 99_999),
)
def test_a_time_comes_back(tag: str, bib: str | None, sequence: int, channel: str, ns: int, day: int) -> None:
    line = thcom.time_line(tag, bib, sequence, channel, ns, day)
    assert len(line) == 36
    record = parse(line)
    assert isinstance(record, Time)
    assert record == Time(tag=tag, bib=bib, sequence=sequence, channel=channel, time=record.time, ns=ns, day=day)


@given(st.sampled_from(["RR", "GR", "DR"]), st.none() | st.integers(0, 9999), bibs, spans)
def test_a_result_comes_back(tag: str, number: int | None, bib: str | None, ns: int) -> None:
    line = thcom.result_line(tag, number, bib, ns)
    assert len(line) == 30
    record = parse(line)
    assert isinstance(record, Result)
    assert record == Result(tag=tag, number=number, bib=bib, time=record.time, ns=ns)


def test_written_as_devices_write() -> None:
    assert (
        thcom.time_line("TN", None, 4, "M1", time_ns("8:35:09.75300"), 8830) == "TN         4 M1  8:35:09.75300  8830"
    )
    assert thcom.result_line("RR", 0, 2, time_ns("0.704")) == "RR    0    2           0.70400"
    assert thcom.result_line("IR", 1, 2, time_ns("11.535")) == "IR 1       2          11.53500"
    assert thcom.speed_line(1, 4, 292.472, "km/h") == "VE 1    4 292.472 km/h"
    assert thcom.run_line("DS", 1, "START - FINISH") == "DS 01  00 START - FINISH     "
    assert thcom.run_line("DE", 1) == "DE 01"
    assert thcom.serial_line(4811, "CP545", "VB10") == "SN 04811 CP545 VB10"


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="'12345' does not fit the 4 columns"):
        thcom.time_line("TN", "12345", 1, "1", 0, 0)
    with pytest.raises(ValueError, match="does not fit HH:MM:SS"):
        thcom.print_time(360_000_000_000_000)
