import json
import random
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.codecs.piece import Piece
from console.codecs.timemachine import (
    LIMIT,
    NAMES,
    Clock,
    ClockDecoder,
    Decoder,
    Event,
    Lap,
    Place,
    Record,
    RetransmitBegin,
    RetransmitEnd,
    Start,
    clock_ns,
    clock_text,
    encode,
    encode_clock,
)
from tests.codecs.test_timemachine_word import with_parity

AnyDecoder: TypeAlias = Decoder | ClockDecoder
AnyPieces: TypeAlias = Sequence[Piece[Record] | Piece[Clock]]

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "timemachine.json").read_text())
GOOD = b"\x1711 002 0002 00:15:44.00 \r\n"


def decoder_for(vector: dict[str, Any]) -> AnyDecoder:
    return ClockDecoder() if vector["port"] == "clock" else Decoder(mask=vector["mask"])


def decode(decoder: AnyDecoder, *chunks: bytes) -> AnyPieces:
    pieces = [piece for chunk in chunks for piece in decoder.receive(chunk)]
    return [*pieces, *decoder.flush()]


def plain(piece: Piece[Record] | Piece[Clock]) -> dict[str, Any]:
    """A piece as the vectors write it."""
    if piece.record is None:
        return {"bytes": len(piece.raw), "flaw": piece.flaw}
    assert piece.flaw == ""
    fields: dict[str, Any] = msgspec.to_builtins(piece.record)
    return {"record": type(piece.record).__name__, "bytes": len(piece.raw), **fields}


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_vectors_whole_byte_by_byte_and_cut_at_random(vector: dict[str, Any]) -> None:
    data = bytes.fromhex(vector["hex"])
    whole = decode(decoder_for(vector), data)
    assert [plain(piece) for piece in whole] == vector["pieces"]
    assert b"".join(piece.raw for piece in whole) == data
    assert decode(decoder_for(vector), *(data[at : at + 1] for at in range(len(data)))) == whole
    chance = random.Random(vector["name"])
    for _ in range(20):
        cuts = [0, *sorted(chance.randrange(len(data) + 1) for _ in range(3)), len(data)]
        assert decode(decoder_for(vector), *(data[a:b] for a, b in pairwise(cuts))) == whole


@pytest.mark.parametrize("vector", [v for v in VECTORS if len(v["pieces"]) == 1 and "record" in v["pieces"][0]])
def test_every_line_cut_anywhere_is_flawed_and_the_next_is_read(vector: dict[str, Any]) -> None:
    """A line that lost its end says nothing; what follows does."""
    data = bytes.fromhex(vector["hex"])
    for length in range(1, len(data)):
        *bad, last = decode(decoder_for(vector), data[:length] + data)
        assert plain(last) == vector["pieces"][0]
        assert bad
        assert all(piece.record is None and piece.flaw for piece in bad)


times = st.integers(0, 100 * 360_000 - 1).map(lambda hundredths: hundredths * 10_000_000)
bibs = st.from_regex(r"(|[1-9][0-9]{0,4}|[A-Z]{1,3}[0-9]{0,2})", fullmatch=True)
places = st.builds(
    lambda select, chute, lane, place, ns, bib: Place(
        select, chute, lane, place, clock_text(ns), ns, bib if select else ""
    ),
    st.booleans(),
    st.integers(0, 99),
    st.integers(0, 999),
    st.integers(0, 99_999),
    times,
    bibs,
)
laps = st.builds(
    lambda lane, lap, ns, split: Lap(lane, lap, clock_text(ns), ns, f"{split // 60:02d}:{split % 60:02d}.25"),
    st.integers(0, 99),
    st.integers(0, 30),
    times,
    st.integers(0, 5999),
)
starts = st.builds(lambda mode, ns: Start(mode, clock_text(ns), ns), st.sampled_from(["XC", "LT"]), times)
events = st.builds(Event, st.integers(0, 999).map("{:03d}".format))
records: st.SearchStrategy[Record] = st.one_of(
    places, laps, starts, events, st.just(RetransmitBegin()), st.just(RetransmitEnd())
)


@given(st.lists(records), st.lists(st.integers(0, 400)))
def test_what_is_encoded_is_decoded(said: list[Record], cuts: list[int]) -> None:
    data = b"".join(map(encode, said))
    at = [0, *sorted(cuts), len(data)]
    pieces = decode(Decoder(), *(data[a:b] for a, b in pairwise(at)))
    assert [(piece.raw, piece.record, piece.flaw) for piece in pieces] == [(encode(each), each, "") for each in said]


@given(st.lists(records, min_size=1), st.sampled_from(["7E2", "7O2", "7N2"]))
def test_a_parity_bit_is_masked_before_framing_and_kept_in_raw(said: list[Record], word: str) -> None:
    data = with_parity(b"".join(map(encode, said)), word)
    pieces = decode(Decoder(mask=True), data)
    assert [piece.record for piece in pieces] == said
    assert b"".join(piece.raw for piece in pieces) == data


@pytest.mark.parametrize("word", ["7E2", "7O2", "7N2"])
@given(said=st.lists(records, min_size=1))
def test_a_parity_bit_that_is_not_masked_gives_no_times(said: list[Record], word: str) -> None:
    pieces = decode(Decoder(), with_parity(b"".join(map(encode, said)), word))
    assert not any(isinstance(piece.record, Place | Lap | Start) for piece in pieces)


@given(st.lists(st.one_of(st.binary(max_size=600), records.map(encode)), max_size=12), st.booleans())
def test_any_bytes_come_out_as_they_went_in(chunks: list[bytes], mask: bool) -> None:
    for decoder in (Decoder(mask=mask), ClockDecoder()):
        pieces = decode(decoder, *chunks)
        assert b"".join(piece.raw for piece in pieces) == b"".join(chunks)
        assert all(0 < len(piece.raw) <= LIMIT for piece in pieces)
        assert all((piece.record is None) == bool(piece.flaw) for piece in pieces)


@given(st.binary(max_size=2000), records)
def test_it_is_back_in_step_within_one_frame(garbage: bytes, said: Record) -> None:
    *_, last = decode(Decoder(), garbage, encode(said))
    assert last == Piece(encode(said), said)


@settings(max_examples=50)
@given(st.sampled_from([0x00, 0x01, 0x14, 0x17]), st.integers(0, 3000), records)
def test_codes_again_and_again_do_not_swallow_the_line_behind_them(code: int, count: int, said: Record) -> None:
    *_, last = decode(Decoder(), bytes((code,)) * count, encode(said))
    assert last == Piece(encode(said), said)


@pytest.mark.parametrize(
    ("filler", "size"),
    [(b"x", 10_000_000), (b"\r", 10_000_000), (b"\x00", 1_000_000), (b"\x17", 1_000_000), (b"\x1711 ", 1_000_000)],
)
def test_megabytes_without_a_line_end_are_bounded_garbage(filler: bytes, size: int) -> None:
    flood = filler * (size // len(filler))
    decoder = Decoder()
    pieces = decoder.receive(flood)
    assert all(len(piece.raw) <= LIMIT and piece.flaw for piece in pieces)
    assert len(flood) - sum(len(piece.raw) for piece in pieces) <= LIMIT
    if len(filler) == 1:
        assert len(pieces) <= len(flood) / (LIMIT // 4)
    *_, last = decode(decoder, GOOD)
    assert last.raw == GOOD
    assert last.record is not None


@given(st.lists(records, max_size=3), st.integers(0, 40))
def test_the_line_that_has_not_ended_can_be_looked_at(said: list[Record], length: int) -> None:
    data, half = b"".join(map(encode, said)), GOOD[: min(length, len(GOOD) - 1)]
    decoder = Decoder()
    decoder.receive(data + half)
    assert decoder.open_line == half


def test_a_lost_link_ends_the_line_and_the_next_may_begin_anywhere() -> None:
    decoder = Decoder()
    assert decoder.receive(GOOD[:10]) == []
    assert decoder.flush() == [Piece(GOOD[:10], flaw="cut short")]
    assert decoder.flush() == []
    assert decoder.receive(GOOD[10:])[0].flaw == "joined in the middle of a line"


@pytest.mark.parametrize(
    ("text", "ns"), [("00:00:00.00", 0), ("0:15:42.07", 942_070_000_000), ("01:02.34", 62_340_000_000)]
)
def test_times_are_exact(text: str, ns: int) -> None:
    assert clock_ns(text) == ns


@pytest.mark.parametrize("text", ["", "1", "00:60:00.00", "00:00:60.00", "100:00:00.00", "00:00:00", "00.00"])
def test_what_is_no_time(text: str) -> None:
    assert clock_ns(text) is None


@given(times)
def test_times_round_trip(ns: int) -> None:
    assert clock_ns(clock_text(ns)) == ns
    assert clock_text(ns + 9_999_999) == clock_text(ns)


@given(st.sampled_from(["set", "up", "down"]), st.integers(0, 359_999), st.booleans())
def test_the_external_clock_round_trips(state: str, seconds: int, ascii_digits: bool) -> None:
    clock = Clock(state, clock_text(seconds * 1_000_000_000)[:8], seconds * 1_000_000_000)
    raw = encode_clock(clock, ascii_digits)
    assert decode(ClockDecoder(), raw) == [Piece(raw, clock)]


def test_every_code_has_a_name() -> None:
    assert bytes(NAMES) == bytes((0x19, 0x00, 0x17, 0x14, 0x16, 0x01, 0x04))
