"""What a line of the tape says."""

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from console.codecs.tape import Tape, ascii_only
from console.model import Act, Basis, Kind, Resolved, Status
from tests.exports.desk import NOON, passing

PARIS = ZoneInfo("Europe/Paris")


def known(utc: int | None = NOON, name: str | None = None, bib: str | None = "1204", **changes: object) -> Resolved:
    one = passing(7, **({"bib": bib, "time": "12:29:02.12"} | changes))
    return Resolved(passing=one, utc=utc, point="Finish", bib=bib, name=name)


def lines(resolved: Resolved, width: int = 40) -> list[str]:
    return Tape("spring-10k", width, PARIS).passing(resolved)


@pytest.mark.parametrize(
    ("resolved", "line"),
    [
        (known(), "12:29:02.12  1204 Finish"),
        (known(time="12:29:02.12345"), "12:29:02.123  1204 Finish"),
        (known(time="12:29:02"), "12:29:02  1204 Finish"),
        (known(name="BAUER Eva"), "12:29:02.12  1204 Finish BAUER Eva"),
        (known(bib=None), "12:29:02.12  ---- Finish"),
        (known(bib=None, tag="04A1B2C3"), "12:29:02.12  04A1B2C3 Finish"),
        (known(bib=None, kind=Kind.GUN), "12:29:02.12   GUN Finish"),
        (known(kind=Kind.PLACE, bib=None, extra={"place": 12}), "12:29:02.12  ---- Finish pl 12"),
        (known(kind=Kind.SELECT, status=Status.JOINED, of=3), "12:29:02.12 +1204 Finish"),
        (known(None, time="00:41:47.83", basis=Basis.RACE), "00:41:47.83  1204 Finish race clock"),
        (known(None, time=None, basis=Basis.NONE), "--:--:--  1204 Finish"),
        (known(None, time="0:05.1", basis=Basis.SPAN, kind=Kind.RESULT), "0:05.1  1204 Finish result"),
        (known(status=Status.CANCELLED, of=3), "12:29:02.12 X1204 Finish CANCELLED"),
        (known(status=Status.CORRECTION, of=3, extra={"was": "12"}), "12:29:02.12 *1204 Finish was 12"),
        (known(status=Status.CORRECTION, of=3), "12:29:02.12 *1204 Finish corrected"),
    ],
)
def test_a_passing(resolved: Resolved, line: str) -> None:
    assert lines(resolved) == [line]


def test_what_an_operator_said_is_told_as_it_was_said() -> None:
    row = known(status=Status.EDITED, of=3, extra={"was": None, "by": "anna"})
    row = structs.replace(row, bib="77")
    assert lines(row) == ["12:29:02.12 *1204 Finish bib by anna:", "  was ----"]
    undone = known(bib=None, status=Status.EDITED, of=3, extra={"was": "1204", "by": "anna", "undoes": 8})
    assert lines(undone) == ["12:29:02.12 *---- Finish undone by anna:", "  was 1204"]


def test_what_does_not_fit_goes_on_in_the_next_line() -> None:
    assert lines(known(name="BAUER-LINDENTHAL Eva Maria"), 24) == [
        "12:29:02.12  1204 Finish",
        "  BAUER-LINDENTHAL Eva",
        "  Maria",
    ]


@given(st.text(max_size=80), st.text(max_size=20), st.sampled_from([24, 32, 40]))
def test_no_line_is_too_long_or_acts_on_the_printer(name: str, bib: str, width: int) -> None:
    for line in lines(known(name=name, bib=bib), width):
        assert len(line) <= width
        assert line.isprintable()
        assert ascii_only(line).isascii()


def test_letters_lose_their_accents_where_the_printer_may_not_know_them() -> None:
    assert ascii_only("Éva Łuczak ½") == "Eva ?uczak ?"


def test_what_stands_between() -> None:
    tape = Tape("spring-10k", 24, PARIS)
    assert tape.head(tape.day(NOON)) == ["=" * 24, "spring-10k", "2026-04-22 Europe/Paris", "=" * 24]
    assert tape.act(Act(seq=1, wall=NOON, word="phase", body={"phase": "TEST"}, by="anna")) == [
        "-- 12:29:02 phase TEST",
        "  (anna)",
    ]
    gun = Act(seq=1, wall=NOON, word="gun", body={"device": "chute", "wall": NOON - 10**9}, by="anna")
    assert Tape("spring-10k", 40, PARIS).act(gun) == [
        "-- 12:29:02 gun of chute set to",
        "  12:29:01.12 (anna)",
    ]
