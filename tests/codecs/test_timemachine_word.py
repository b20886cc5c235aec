import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.codecs.timemachine import XOFF, Event, Place, clock_text, encode
from console.codecs.timemachine_word import ENOUGH, UNREADABLE, WordWatch, guess_word_setting, settings_for

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "timemachine.json").read_text())
LINE = b"\x1711 002 0002 00:15:44.00 \r\n"

WORDS = ["7E2", "7O2", "7N2"]

lines = st.one_of(
    st.integers(0, 999).map(lambda number: encode(Event(f"{number:03d}"))),
    st.builds(
        lambda place, ns, bib: encode(Place(bool(bib), 11, place % 1000, place, clock_text(ns), ns, bib)),
        st.integers(0, 9999),
        st.integers(0, 86_400).map(lambda seconds: seconds * 1_000_000_000),
        st.sampled_from(["", "1178", "AB12"]),
    ),
)


def with_parity(data: bytes, word: str) -> bytes:
    """What a host without parity and with 8 bits gets from a timer set to `word`."""
    flip = {"7E2": 0, "7O2": 1}
    return bytes(byte | 0x80 if word == "7N2" or (byte.bit_count() + flip[word]) & 1 else byte for byte in data)


@pytest.mark.parametrize("word", WORDS)
@given(said=st.lists(lines, min_size=1), joined=st.integers(0, 20))
def test_a_word_setting_is_told_from_one_line(said: list[bytes], joined: int, word: str) -> None:
    data = with_parity(b"".join(said), word)
    data = data[min(joined, len(data) - ENOUGH) :]
    assert guess_word_setting(data) == word


@pytest.mark.parametrize("vector", [v for v in VECTORS if v["name"].startswith("bad_7")], ids=lambda v: v["name"])
def test_the_word_settings_of_the_fact_sheet(vector: dict[str, str]) -> None:
    assert guess_word_setting(bytes.fromhex(vector["hex"])) == vector["name"][4:7]


@given(st.lists(lines))
def test_a_right_word_setting_is_not_suspected(said: list[bytes]) -> None:
    assert guess_word_setting(b"".join(said)) is None


@pytest.mark.parametrize("junk", [b"", b"\x80", bytes(range(256)), b"\xff" * 60, random.Random(1).randbytes(200)])
def test_junk_has_no_word_setting(junk: bytes) -> None:
    assert guess_word_setting(junk) is None


def test_a_byte_of_noise_before_the_lines_does_not_hide_the_setting() -> None:
    assert guess_word_setting(b"\xff" + XOFF + with_parity(LINE, "7E2")) == "7E2"


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("7N2", 'data_bits = 7, parity = "none"'),
        ("7E2", 'data_bits = 7, parity = "even"'),
        ("7O2", 'data_bits = 7, parity = "odd"'),
    ],
)
def test_what_to_write_into_the_settings(word: str, told: str) -> None:
    assert settings_for(word) == told  # type: ignore[arg-type] # pytest knows no literals


def test_the_watch_sees_a_word_in_pieces_that_are_too_short_by_themselves() -> None:
    watch, data = WordWatch(), with_parity(LINE, "7E2")
    watch.failed(data[:6])
    assert watch.word() is None
    assert watch.word(data[6:]) == "7E2"
    watch.failed(data[6:])
    assert watch.word() == "7E2"
    watch.read()
    assert (watch.word(), watch.unread) == (None, 0)


def test_where_bit_7_is_masked_it_tells_nothing() -> None:
    watch = WordWatch(masked=True)
    watch.failed(with_parity(LINE, "7N2"))
    assert watch.word() is None


def test_bytes_without_a_valid_line_are_counted_and_shown() -> None:
    watch = WordWatch()
    watch.failed(b"\xf8\x80" * (UNREADABLE // 2))
    assert watch.unreadable() == ""
    assert watch.unreadable(b"\xe0") == "69 bytes, no valid line: 80 F8 80 F8 80 F8 80 F8 80 F8 80 F8 80 F8 80 E0"
    watch.read()
    assert watch.unreadable(b"\xe0") == ""


@given(st.lists(st.binary(max_size=300), max_size=8), st.binary(max_size=300))
def test_nothing_makes_it_raise_or_grow(parts: list[bytes], more: bytes) -> None:
    watch = WordWatch()
    for part in parts:
        watch.failed(part)
    assert watch.unread == sum(map(len, parts))
    assert watch.word(more) in (None, *WORDS)
    assert bool(watch.unreadable(more)) == (watch.unread + len(more) > UNREADABLE)
    assert len(watch.unreadable(more)) < 100
