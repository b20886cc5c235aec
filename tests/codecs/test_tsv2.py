"""TsV2: the sheet's example, and keys of another name."""

import json
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from console.codecs import tsv1
from console.codecs.tsv2 import KEYS, Read, encode

PARIS = ZoneInfo("Europe/Paris")
UTC_NS = int(datetime(2026, 4, 22, 8, 15, 42, tzinfo=UTC).timestamp()) * 10**9 + 123_456_799
READ = Read(
    tag="E2A7",
    utc=UTC_NS,
    point="Finish",
    type=2,
    antenna=2,
    source="Reader-01",
    rssi=-51.5,
    epc="e2801160600002054d2a7b31",
)


def test_the_example_of_the_sheet() -> None:
    assert encode(READ, PARIS, suffix="", keys={}) == (
        b'{"Chip":"E2A7","Moment":"2026-04-22T10:15:42.1234567","UtcMoment":"2026-04-22T08:15:42.1234567Z",'
        b'"TimingPoint":"Finish","Type":2,"Antenna":2,"Source":"Reader-01","Rssi":-51.5,'
        b'"Epc":"E2801160600002054D2A7B31"}'
    )


def test_what_is_not_known_is_left_out() -> None:
    read = Read(tag="1204", utc=UTC_NS, point="", type=2, antenna=0, source="chute")
    assert list(json.loads(encode(read, PARIS, suffix="Z", keys={}))) == list(KEYS[:7])


def test_keys_have_other_names_or_none() -> None:
    found = json.loads(encode(READ, PARIS, suffix="Z", keys={"Chip": "Tag", "Moment": "", "Rssi": "RSSI"}))
    assert found["Tag"] == "E2A7"
    assert found["RSSI"] == -51.5
    assert not {"Chip", "Moment", "Rssi"} & found.keys()


@given(st.integers(0, 2**62), st.text(max_size=10))
def test_it_is_json_with_seven_decimals(utc: int, tag: str) -> None:
    read = Read(tag=tag, utc=utc, point="Finish", type=2, antenna=1, source="a")
    found = json.loads(encode(read, PARIS, suffix="Z", keys={}))
    assert found["Chip"] == tag
    assert found["Moment"] == tsv1.moment(utc, PARIS)
    assert len(found["UtcMoment"].partition(".")[2]) == 8
