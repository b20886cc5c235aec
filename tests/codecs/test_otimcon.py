import json
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.codecs import otimcon
from console.codecs.otimcon import Decoder
from console.codecs.otimcon_records import Blank, CardFull, Pong, PrintLine, Prompt, Punch, Readout, Record, Version
from console.codecs.piece import Piece

VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "vectors" / "otimcon.json").read_text())
ENCOUNTERS = [row[0].encode("latin-1") for case in VECTORS for row in case["pieces"]]


def decoded(*chunks: bytes) -> list[Piece[Record]]:
    decoder = Decoder()
    return [piece for chunk in chunks for piece in decoder.receive(chunk)] + decoder.flush()


def one_by_one(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


@st.composite
def cut(draw: st.DrawFn, streams: st.SearchStrategy[bytes]) -> list[bytes]:
    stream = draw(streams)
    cuts = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    return [stream[start:end] for start, end in pairwise([0, *cuts, len(stream)])]


@pytest.mark.parametrize("case", VECTORS, ids=lambda case: case["name"])
@pytest.mark.parametrize("split", [lambda data: [data], one_by_one], ids=["whole", "byte by byte"])
def test_documented_output(case: dict[str, Any], split: Any) -> None:
    stream = "".join(row[0] for row in case["pieces"]).encode("latin-1")
    rows = [
        [piece.raw.decode("latin-1"), msgspec.to_builtins(piece.record), *([piece.flaw] if piece.flaw else [])]
        for piece in decoded(*split(stream))
    ]
    assert json.loads(json.dumps(rows)) == case["pieces"]


@given(cut(st.lists(st.sampled_from(ENCOUNTERS), max_size=30).map(b"".join)))
def test_documented_output_in_any_order_and_any_chunks(chunks: list[bytes]) -> None:
    stream = b"".join(chunks)
    assert decoded(*chunks) == decoded(stream)
    assert b"".join(piece.raw for piece in decoded(*chunks)) == stream


@given(cut(st.lists(st.binary(max_size=60) | st.sampled_from(ENCOUNTERS), max_size=12).map(b"".join)))
def test_any_bytes_come_out_again(chunks: list[bytes]) -> None:
    stream = b"".join(chunks)
    pieces = decoded(*chunks)
    assert b"".join(piece.raw for piece in pieces) == stream
    assert pieces == decoded(stream)
    assert all(piece.flaw for piece in pieces if piece.record is None)


UIDS = st.sampled_from((4, 7, 10)).flatmap(lambda size: st.binary(min_size=size, max_size=size))
EPOCHS = st.integers(-(2**31), 2**31 - 1)


def uid_printed(uid: bytes) -> str:
    return "".join(f" {byte:02X}" for byte in uid)


@given(UIDS, st.integers(0, 255), EPOCHS, st.binary(max_size=40).filter(lambda noise: b"\n" not in noise))
def test_no_noise_on_a_line_costs_the_punch_behind_it(uid: bytes, control: int, epoch: int, noise: bytes) -> None:
    *_, last = decoded(noise + f"^{control},{uid_printed(uid)},{epoch}$\r\n".encode())
    assert last.record == Punch(control, uid.hex().upper(), epoch)
    assert last.flaw == ""


def test_the_version_of_the_untested_0_14() -> None:
    assert decoded(b"Get Version\r\n0.14NT\r\n>")[1].record == Version("0.14NT")


def test_no_noise_on_a_line_costs_the_punches_before_it() -> None:
    """A line end was lost, so that the next line is glued on."""
    first, second, half = "^31, 04 A1 B2 C3,1795170000$", "^31, 05 A1 B2 C3,1795170002$", "^31, 06 A1"
    pieces = decoded(f"{first}\r?>\r\n{first}\r{second}\r\n{half}{first}{half}\r\n".encode())
    punches = [piece.record for piece in pieces if isinstance(piece.record, Punch)]
    assert [punch.uid for punch in punches] == ["04A1B2C3", "04A1B2C3", "05A1B2C3", "04A1B2C3"]
    assert all(piece.flaw for piece in pieces if piece.record is None)


def test_a_punch_that_lacks_only_its_line_end_is_whole() -> None:
    for end in (b"$", b"$\r"):
        decoder = Decoder()
        assert decoder.receive(b"^31, 04 A1 B2 C3,1795170000" + end) == []
        (piece,) = decoder.flush()
        assert (piece.record, piece.flaw) == (Punch(31, "04A1B2C3", 1_795_170_000), "")


@given(UIDS, st.lists(st.tuples(st.integers(0, 254), st.integers(1, 2**31 - 1)), max_size=126, unique=True))
def test_readouts_round_trip(uid: bytes, pairs: list[tuple[int, int]]) -> None:
    printed = "".join(f"{control},{epoch}," for control, epoch in pairs)
    pieces = decoded(f"Card:{uid_printed(uid)}\r\n{printed}%\r\n>\r\n".encode())
    assert pieces[1].record == Readout(uid.hex().upper(), tuple(pairs), complete=True, after_punch=False)


@given(st.binary(max_size=200))
def test_back_in_step_at_the_next_line(garbage: bytes) -> None:
    pieces = decoded(garbage, b"\r\n", b"\r\nPONG\r\n>")
    assert [piece.record for piece in pieces[-2:]] == [Pong(), Prompt()]


@given(st.binary(min_size=30, max_size=30).filter(lambda name: b"\n" not in name and name[:1] != b">"))
def test_a_name_of_any_bytes_survives(name: bytes) -> None:
    _, piece, dashes = decoded(b"Card: 04 A1 B2 C3\r\n", name + b"\r\n", b"-" * 30 + b"\r\n")
    assert piece.raw == name + b"\r\n"
    if name[-1:] not in b"%,>#":  # else it may be read as what it looks like
        assert piece.record == PrintLine(name.decode("latin-1"))
    assert dashes.record == PrintLine("-" * 30)


def test_a_prompt_does_not_wait() -> None:
    decoder = Decoder()
    assert [piece.record for piece in decoder.receive(b"\r\nPONG\r\n>")] == [Blank(), Pong(), Prompt()]
    assert decoder.receive(b"^31, 04 A1 B2 C3,17951700") == []
    assert decoder.receive(b"00$\r\n")[0].record == Punch(31, "04A1B2C3", 1795170000)


def test_a_card_is_forgotten_at_the_prompt() -> None:
    """Else a readout whose card line was garbled would be another runner's."""
    pieces = decoded(b"^31, 04 A1 B2 C3,1795170000$\r\n>\r\nC#rd: DE AD\r\n31,1795170000,%\r\n")
    readout = pieces[-1]
    assert isinstance(readout.record, Readout)
    assert readout.record.uid is None
    assert readout.flaw == "no card line before it"


def test_a_garbled_line_between_card_and_readout_parts_them() -> None:
    readout = decoded(b"Card: 04 A1 B2 C3\r\n31,17951", b"\xff\x00#\r\n>\r\n", b"Ca\xff\r\n", b"31,1795170000,%\r\n")[
        -1
    ]
    assert isinstance(readout.record, Readout)
    assert readout.record.uid is None


def test_an_endless_line_is_bounded_and_left_behind_at_its_end() -> None:
    decoder = Decoder()
    chunk = b"\x00\x1b[2J>\xff," * 8192
    pieces = [piece for _ in range(160) for piece in decoder.receive(chunk)]
    pieces += decoder.receive(b"end\r\n\r\nPONG\r\n>")
    assert sum(len(piece.raw) for piece in pieces) == 160 * len(chunk) + len(b"end\r\n\r\nPONG\r\n>")
    assert max(len(piece.raw) for piece in pieces) <= otimcon.LIMIT
    assert {piece.flaw for piece in pieces if piece.record is None} == {
        "no line end in 4096 bytes",
        "rest of an overlong line",
    }
    assert [piece.record for piece in pieces[-2:]] == [Pong(), Prompt()]


def test_a_half_line_comes_out_when_the_link_is_lost() -> None:
    decoder = Decoder()
    decoder.receive(b"^31, 04 A1")
    assert decoder.flush() == [Piece(b"^31, 04 A1", None, "cut short")]
    assert decoder.flush() == []
    assert [piece.record for piece in decoder.receive(b"\r\nPONG\r\n")] == [Blank(), Pong()]


def test_the_end_of_a_full_card_needs_no_line_end() -> None:
    decoder = Decoder()
    decoder.receive(b"Error: card full - \r\n35, DE AD BE EF")
    assert decoder.flush() == [Piece(b"35, DE AD BE EF", CardFull(35, "DEADBEEF"))]


def test_command_lines() -> None:
    assert otimcon.encode("PING") == b"PING\n"
    assert otimcon.set_time(datetime(2026, 11, 20, 9, 5, 3)) == b"SET TIME 20261120090503\n"  # noqa: DTZ001
    for wrong in ("", " ", "GET\tMODE", "GET\nMODE", "WRITE INFO Zoë", "X" * 49):
        with pytest.raises(ValueError, match="station"):
            otimcon.encode(wrong)
    with pytest.raises(ValueError, match="2000 to 2099"):
        otimcon.set_time(datetime(1999, 12, 31))  # noqa: DTZ001
