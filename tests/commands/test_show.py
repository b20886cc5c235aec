"""How rows and states look outside the screens."""

import errno
import io
import json
import os
from contextlib import redirect_stdout
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from console.codecs.columns import frame_row, iso, passing_row
from console.commands import show
from console.commands.act import gun_time
from console.commands.look import device_word, show_age
from console.exit import Exit, Failure
from console.model import SECOND, Basis, Direction, Frame, Kind, Origin, Passing, Phase, Resolved, Status

PARIS = ZoneInfo("Europe/Paris")
NOON = 1_780_308_000 * SECOND  # 2026-06-01T10:00:00Z, noon in Paris


def punch(**changes: object) -> Resolved:
    keys: dict[str, object] = {
        "seq": 7,
        "frame": 9,
        "index": 0,
        "device": "ctl-31",
        "kind": Kind.PUNCH,
        "wall": NOON,
        "time": "1780315200",
        "ns": 1_780_315_200 * SECOND,
        "basis": Basis.EPOCH,
        "day": None,
        "tag": "04A1B2C3",
        "bib": None,
        "channel": "31",
        "event": None,
        "generation": 1,
        "phase": Phase.RACE,
        "read_type": 2,
        "origin": Origin.LIVE,
        "status": Status.LIVE,
        "of": None,
        "extra": {"control": 31, "seq": "must not win"},
    }
    return Resolved(passing=Passing(**(keys | changes)), utc=NOON, point="Ctl 31", bib=None)  # type: ignore[arg-type]


GIVEN = {"status": Status.EDITED, "of": 4, "change": "bib", "extra": {"was": "1178", "by": "anna", "at": NOON}}
TAKEN = {"origin": Origin.RECOVERED, "of": 5, "extra": {"offered": 5, "by": "anna", "at": NOON}}


def test_a_passing_has_the_keys_that_scripts_rely_on() -> None:
    row = json.loads(show.json_line(passing_row(punch())))
    promised = ["seq", "frame", "device", "kind", "time", "utc", "tag", "bib", "channel", "point", "event"]
    promised += ["read_type", "status"]
    assert list(row)[: len(promised)] == promised
    assert "name" not in row
    assert passing_row(structs.replace(punch(), name="BAUER Eva"))["name"] == "BAUER Eva"
    assert passing_row(structs.replace(punch(), name=""))["name"] == "", "not in the list"
    assert (row["seq"], row["kind"], row["utc"], row["bib"]) == (7, "punch", "2026-06-01T10:00:00.000000000Z", None)
    assert row["control"] == 31


@pytest.mark.parametrize(
    ("row", "status"),
    [
        (punch(), "04A1B2C3   live"),
        (punch(phase=Phase.TEST), "04A1B2C3   live TEST"),
        (punch(status=Status.REPEAT, of=4), "04A1B2C3   repeat of #4"),
        (structs.replace(punch(), bib="1187", edited="anna"), "1187       live, edited by anna"),
        (structs.replace(punch(**GIVEN, bib="1187"), bib="12", edited="ben"), "1187       edited by anna: #4 was 1178"),
        (punch(**GIVEN | {"extra": {"was": None, "by": "anna", "undoes": 9}}), "undone by anna: #4 was ----"),
        (punch(status=Status.OFFERED, origin=Origin.BACKUP), "offered by a backup, does not count"),
        (punch(status=Status.OFFERED, origin=Origin.RECALL), "offered by a download, does not count"),
        (punch(**TAKEN), "recovered of offered #5"),
        (punch(**TAKEN | {"status": Status.REPEAT, "of": 6}), "repeat of #6, recovered of offered #5"),
    ],
)
def test_a_status_in_words(row: Resolved, status: str) -> None:
    assert show.passing_line(row, PARIS).endswith(status)


def test_what_an_operator_said_has_its_keys() -> None:
    row = json.loads(show.json_line(passing_row(structs.replace(punch(**GIVEN, bib="1187"), bib="12"))))
    assert (row["status"], row["bib"], row["was"], row["by"]) == ("edited", "1187", "1178", "anna")
    assert row["at"] == "2026-06-01T10:00:00.000000000Z"
    row = json.loads(show.json_line(passing_row(structs.replace(punch(), bib="1187", edited="anna"))))
    assert (row["bib"], row["edited"]) == ("1187", "anna")


def test_a_frame_has_the_keys_that_scripts_rely_on() -> None:
    frame = Frame(seq=1, device="chute", direction=Direction.RX, wall=NOON, mono=5, raw=b"\x17\r\n", label="PRIMARY")
    row = json.loads(show.json_line(frame_row(frame)))
    assert {key: row[key] for key in ("seq", "device", "direction", "wall", "raw")} == {
        "seq": 1,
        "device": "chute",
        "direction": "rx",
        "wall": "2026-06-01T10:00:00.000000000Z",
        "raw": "Fw0K",
    }


def test_times_with_a_zone_and_unknown_ones() -> None:
    assert iso(NOON + 5, PARIS) == "2026-06-01T12:00:00.000000005+02:00"
    assert iso(None) is None
    assert show.clock_time(NOON + 340_000_000, PARIS) == "12:00:00.34"
    assert show.clock_time(None, PARIS) == "?"
    assert (show.known(None), show.known(0)) == ("-", "0")


def test_a_time_of_day_has_the_digits_of_its_device() -> None:
    assert "  12:00:00        1780315200 " in show.passing_line(punch(), PARIS)
    assert "  12:00:00.00000  12:00:00.00000 " in show.passing_line(punch(time="12:00:00.00000"), PARIS)


@given(st.binary(max_size=200), st.text(max_size=50))
def test_no_line_acts_on_a_terminal(raw: bytes, label: str) -> None:
    frame = Frame(seq=1, device="d", direction=Direction.RX, wall=NOON, mono=0, raw=raw, label=label, flaw=label)
    assert show.frame_line(frame, PARIS).isprintable()
    assert show.passing_line(punch(tag=label, time=label), PARIS).isprintable()


def test_states_in_words() -> None:
    assert device_word("down", NOON + 3 * SECOND, NOON) == "DOWN retry 4s"
    assert device_word("up", None, NOON) == "UP"
    assert [show_age(seconds * SECOND) for seconds in (3, 131, 7865)] == ["0:03", "2:11", "2:11:05"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("now", NOON),
        ("11:59:30", NOON - 30 * SECOND),
        ("11:59:30.25", NOON - 29_750_000_000),
        ("11:59", NOON - 60 * SECOND),
        ("2026-06-01T11:59:30", NOON - 30 * SECOND),
        ("2026-06-01T09:59:30.250+00:00", NOON - 29_750_000_000),
    ],
)
def test_gun_times(given: str, expected: int) -> None:
    assert gun_time(given, NOON, PARIS) == expected


def test_a_gun_time_of_last_night_is_last_night() -> None:
    midnight = NOON - 12 * 3600 * SECOND
    assert gun_time("23:59:59", midnight + SECOND, PARIS) == midnight - SECOND


@pytest.mark.parametrize("given", ["", "noon", "25:00:00", "12:60:00", "2026-13-01T00:00:00"])
def test_a_gun_time_not_understood_is_said(given: str) -> None:
    with pytest.raises(Failure, match="not understood") as caught:
        gun_time(given, NOON, PARIS)
    assert caught.value.status is Exit.USAGE


def test_data_that_cannot_be_written_are_a_failure_in_words() -> None:
    class Full(io.StringIO):
        def flush(self) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with redirect_stdout(Full()), pytest.raises(Failure, match="No space left"):
        show.out("data")
    with redirect_stdout(None), pytest.raises(Failure, match="stdout is closed"):
        show.out("data")
