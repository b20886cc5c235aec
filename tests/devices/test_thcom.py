"""The THCOM08 driver: what frames mean for timing, what the device said of itself, and its commands."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.codecs import thcom
from console.devices.thcom import Thcom, ThcomSettings
from console.model import Basis, EventIs, Heard, Kind, Origin, Reading
from tests.devices.outlet import Nowhere

VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent.parent / "vectors" / "thcom.json").read_text(encoding="utf-8")
)


def serial_driver() -> Thcom:
    return Thcom(ThcomSettings(name="start", type="thcom", port="/dev/x"), Nowhere())


def tcp_driver(silent_after: float | None = None) -> Thcom:
    settings = ThcomSettings(name="start", type="thcom", address="192.168.1.50:7000", silent_after=silent_after)
    return Thcom(settings, Nowhere())


def hear(driver: Thcom, *lines: str) -> list[Heard]:
    return [heard for line in lines for heard in driver.receive(thcom.basic(line, checksum=True), 0)]


def reading(driver: Thcom, line: str) -> Reading:
    (heard,) = hear(driver, line)
    (fact,) = heard.facts
    assert isinstance(fact, Reading)
    return fact


def test_an_impulse() -> None:
    (heard,) = hear(serial_driver(), "TN    2    2 M1 19:30:58.41200  6994")
    assert heard.label == "TN"
    assert heard.facts == (
        Reading(
            kind=Kind.IMPULSE,
            identity="M1/2/70258412000000/6994",
            value="2",
            time="19:30:58.41200",
            ns=70_258_412_000_000,
            basis=Basis.DAY,
            day=17_951,  # 2019-02-24
            bib="2",
            channel="M1",
            extra={"record": "TN", "sequence": 2},
        ),
    )


def test_no_bib_and_no_date_are_unknown() -> None:
    fact = reading(serial_driver(), "TN         1 M1     1:59.48100     0")
    assert (fact.bib, fact.day, fact.value) == (None, None, "")
    assert reading(serial_driver(), "TN    0    1 M1     1:59.48100     0").bib is None


@pytest.mark.parametrize(
    ("tag", "change", "bib"),
    [("T*", "bib", "2"), ("T-", "unassigned", None), ("TC", "cancelled", "2")],
)
def test_corrections_speak_of_the_same_impulse(tag: str, change: str, bib: str | None) -> None:
    first = reading(serial_driver(), "TN    7    2 M1 19:30:58.41200  6994")
    then = reading(serial_driver(), f"{tag}    2    2 M1 19:30:58.41200  6994")
    assert then.identity == first.identity
    assert (then.change, then.bib, then.value) == (change, bib, bib or "")


def test_inserted_and_ideal_times_are_new() -> None:
    driver = serial_driver()
    inserted = reading(driver, "T+    1    1  1 11:11:11.11100  6994")
    assert (inserted.change, inserted.extra["inserted"]) == ("", True)
    start = reading(driver, "TN    1    1  1 11:11:12.00000  6994")
    ideal = reading(driver, "TI    1    1  1 11:11:12.00000  6994")
    assert (ideal.change, ideal.extra["ideal"]) == ("", True)
    assert ideal.identity != start.identity


def test_a_duplicate_gives_the_time_to_another_competitor_too() -> None:
    driver = serial_driver()
    first = reading(driver, "TN    7    2 M1 19:30:58.41200  6994")
    other, again, third = (reading(driver, f"T={bib:>5}    2 M1 19:30:58.41200  6994") for bib in (8, 8, 9))
    assert (other.change, other.bib, other.ns, other.extra["duplicate"]) == ("", "8", first.ns, True)
    assert other.identity == again.identity
    assert len({first.identity, other.identity, third.identity}) == 3


def test_what_comes_after_a_closed_run_belongs_to_none() -> None:
    driver = serial_driver()
    (opened,) = hear(driver, "OP 01  00 PTB SEQUENTIAL 1-4 ")
    (closed,) = hear(driver, "CL 01")
    assert (opened.facts, closed.facts) == ((EventIs("01"),), (EventIs(""),))


@pytest.mark.parametrize("mark", ["OP 02  00 START - FINISH     ", "CL 01"])
def test_a_download_without_its_end_ends_with_the_next_run(mark: str) -> None:
    driver = serial_driver()
    hear(driver, "DS 01  00 START - FINISH     ")
    hear(driver, mark)
    result = reading(driver, "RR    0    2           2.47700")
    assert (result.origin, result.event) == (Origin.LIVE, None)


def test_a_recalled_time_is_the_live_one() -> None:
    live = reading(serial_driver(), "TN    2    2 M1 19:30:58.41200  6994")
    for tag in ("AN", "!N"):
        again = reading(serial_driver(), f"{tag}    2    2 M1 19:30:58.41200  6994")
        assert (again.identity, again.value, again.origin) == (live.identity, live.value, Origin.RECALL)


def test_results() -> None:
    driver = serial_driver()
    run = reading(driver, "RR    2    4           4.94800")
    assert (run.kind, run.bib, run.ns, run.basis, run.channel) == (Kind.RESULT, "4", 4_948_000_000, Basis.SPAN, None)
    assert run.extra == {"record": "RR", "rank": 2}
    assert reading(driver, "IR 1       2          11.53500").extra == {"record": "IR", "intermediate": 1}
    assert reading(driver, "DR    3    7           0.00100").extra == {"record": "DR", "winner": 3}
    speed = reading(driver, "VE 1    0 366.551 km/h")
    assert (speed.bib, speed.time, speed.basis) == (None, None, Basis.NONE)
    assert speed.extra == {"record": "VE", "number": 1, "speed": 366.551, "unit": "km/h"}


def test_a_download_repeats_results_and_equal_live_ones_are_two() -> None:
    driver = serial_driver()
    line = "RR    0    0           2.47700"
    live = [reading(driver, line).identity for _ in range(2)]
    assert len(set(live)) == 2
    for _ in range(2):
        hear(driver, "DS 01  00 START - FINISH     ")
        again = [reading(driver, line) for _ in range(3)]
        hear(driver, "DE 01")
        assert [one.identity for one in again[:2]] == live
        assert again[2].identity not in live, "heard for the first time"
        assert {(one.origin, one.event) for one in again} == {(Origin.RECALL, "01")}
    assert reading(driver, line).origin is Origin.LIVE


def test_a_download_ends_with_its_link() -> None:
    driver = serial_driver()
    hear(driver, "DS 01  00 START - FINISH     ")
    driver.lost()
    driver.opened()
    assert reading(driver, "RR    0    1           2.47700").origin is Origin.LIVE


def test_what_the_device_said_of_itself() -> None:
    driver = serial_driver()
    (heard,) = hear(driver, "OP 01  00 PTB SEQUENTIAL 1-4")
    assert heard.facts == (EventIs("01"),)
    hear(driver, "SN 04811 CP545 VB10", "&P 001 5", "&P 025 00 069", "&P 030 8 secret")
    assert driver.facts == {
        "run": "01 PTB SEQUENTIAL 1-4 (open)",
        "type": "CP545",
        "serial": "04811",
        "version": "VB10",
        "precision": "5",
        "power": "6.9 V",
    }
    hear(driver, "CL 01")
    assert driver.facts["run"] == "01 (closed)"


def test_flawed_frames_are_no_passings() -> None:
    driver = serial_driver()
    (heard,) = driver.receive(b"TN    2    2 M1 19:30:58.41200  6994\t06B4\r\n", 0)
    assert (heard.label, heard.facts, heard.flaw) == ("TN", (), "checksum: got 06B4, computed 06B3")
    driver.receive(b"TN    2    2 M1 19:", 0)
    assert [(half.raw, half.label, half.facts) for half in driver.lost()] == [(b"TN    2    2 M1 19:", "cut short", ())]


@given(st.lists(st.binary(max_size=200)))
def test_any_bytes(chunks: list[bytes]) -> None:
    driver = tcp_driver()
    heard = [one for chunk in chunks for one in driver.receive(chunk, 0)] + driver.lost()
    assert b"".join(one.raw for one in heard) == b"".join(chunks)
    for one in heard:
        Thcom.explain(one.raw)


# --- silence ----------------------------------------------------------------------------------------------


def test_silence_is_judged_by_what_the_device_is_used_to() -> None:
    tcp = tcp_driver()
    assert tcp.silence() is None
    tcp.receive(b"\r\n", 0)
    assert tcp.silence() == 30
    serial = serial_driver()
    serial.receive(b"\r\n", 0)
    assert serial.silence() is None
    assert tcp_driver(silent_after=5).silence() == 5
    never = tcp_driver(silent_after=0)
    never.receive(b"\r\n", 0)
    assert never.silence() is None


# --- in words ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])
def test_every_record_is_explained(vector: dict[str, Any]) -> None:
    words = Thcom.explain(vector["frame"].encode())
    assert words["message"]
    assert words.get("wrong", "") == vector.get("flaw", "")


def test_a_time_in_words() -> None:
    assert Thcom.explain(b"TN    2    2 M1 19:30:58.41200  6994\t06B3\r\n") == {
        "message": "TN: time, original, live",
        "bib": "2",
        "channel": "M1 (by hand)",
        "sequence": "2 on this channel",
        "time of day": "19:30:58.41200",
        "date": "2019-02-24",
        "checksum": "CS16, correct",
    }


@pytest.mark.parametrize(
    "raw",
    [
        b"PW topsecret\r\n",
        b"UN topsecret\r\n",
        b"#GP 3 topsecret\r\n",
        b"#GP g topsecret\r\n",
        b"#WP 030 3 topsecret\r\n",
        b"#WP 030 C topsecret\r\n",
        b"&P 030 8 topsecret\r\n",
    ],
)
def test_secrets_are_not_explained(raw: bytes) -> None:
    assert "topsecret" not in str(Thcom.explain(raw))


def test_settings_know_the_bauds() -> None:
    table = {"name": "a", "type": "thcom", "port": "/dev/x"}
    assert msgspec.convert(table, ThcomSettings).baud == 9600
    with pytest.raises(msgspec.ValidationError, match="baud"):
        msgspec.convert(table | {"baud": 4800}, ThcomSettings)


def test_settings_of_the_gsm_that_are_no_secret_are_shown() -> None:
    assert Thcom.explain(b"&P 030 4 online.itschrono.com\r\n")["value"] == "4 online.itschrono.com"
    assert Thcom.explain(b"#WP 030 5 3000\r\n")["arguments"] == "030 5 3000"
    assert Thcom.explain(b"#WC 001\r\n")["message"] == "#WC: close the run"
    assert Thcom.explain(b"#WC 099 1\r\n")["message"] == "#WC: carry out a command"


def test_status_in_words_beside_the_value() -> None:
    told = Thcom.explain(b"&P 025 00 069 045\r\n")
    assert (told["message"], told["value"], told["in words"]) == ("&P 025: power", "00 069 045", "6.9 V, 45 %")


def test_what_another_device_said_of_itself_is_forgotten() -> None:
    driver = serial_driver()
    driver.opened()
    hear(driver, "OP 01  00 PTB SEQUENTIAL 1-4", "SN 04811 CP545 VB10", "&P 025 00 069")
    assert driver.facts["power"] == "6.9 V"
    driver.lost()
    driver.opened()
    assert driver.facts == {"run": "01 PTB SEQUENTIAL 1-4 (open)"}
