"""TsV1: the bytes, and who becomes which chip."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.codecs.tsv1 import LARGEST_CHIP, Read, chip, encode, message, moment

VECTORS: dict[str, Any] = json.loads((Path(__file__).parent.parent / "vectors" / "tsv1.json").read_text("utf-8"))


@pytest.mark.parametrize("vector", VECTORS["reads"], ids=lambda vector: str(vector["note"]))
def test_reads(vector: dict[str, Any]) -> None:
    number, utc, zone, point, kind, antenna, source = vector["read"]
    read = Read(number, moment(utc, ZoneInfo(zone)), point, kind, antenna, source)
    assert encode(read).decode() == vector["json"]


@pytest.mark.parametrize("vector", VECTORS["chips"], ids=lambda vector: f"{vector['bib']}-{vector['tag']}")
def test_chips(vector: dict[str, Any]) -> None:
    assert chip(vector["bib"], vector["tag"], vector["base"]) == vector["chip"]


def test_a_message_is_an_array_and_a_carriage_return() -> None:
    assert message([b"{}"]) == b"[{}]\r"
    assert message([b"{}", b"{}"]) == b"[{},{}]\r"
    assert message([]) == b"[]\r"


@given(st.integers(0, 4_000_000_000 * 10**9))
def test_a_moment_always_has_seven_decimals(utc: int) -> None:
    text = moment(utc, ZoneInfo("UTC"))
    assert len(text) == 28
    assert text[19] == "."
    assert text[20:27] == f"{utc % 10**9 // 100:07d}"
    assert datetime.fromisoformat(text[:19] + "Z").timestamp() == utc // 10**9


@given(st.text(max_size=12) | st.none(), st.text(max_size=16) | st.none(), st.sampled_from([10, 16]))
def test_no_text_makes_a_chip_that_does_not_fit(bib: str | None, tag: str | None, base: int) -> None:
    number = chip(bib, tag, base)
    assert number is None or 0 < number <= LARGEST_CHIP


@given(st.text(), st.text())
def test_one_message_is_one_line_whatever_the_names(point: str, source: str) -> None:
    read = Read(1, moment(0, ZoneInfo("UTC")), point, 2, 0, source)
    sent = message([encode(read)])
    assert sent.count(b"\r") == 1
    assert b"\n" not in sent
    assert json.loads(sent)[0]["TimingPoint"] == point
