from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from console.model import SECOND, DeviceState, LinkState
from screens import words
from tests.screens.fake_engine import GUN

PARIS = ZoneInfo("Europe/Paris")


@given(st.binary(max_size=300))
def test_escaped_bytes_are_printable_ascii_and_lose_nothing(raw: bytes) -> None:
    text = words.escaped(raw)
    assert text.isascii()
    assert text.isprintable() or not text
    assert text.encode().decode("unicode_escape").encode("latin-1") == raw


@given(st.text(max_size=80), st.integers(0, 40), st.booleans())
def test_fit_is_exactly_as_wide_and_never_control(text: str, width: int, right: bool) -> None:
    fitted = words.fit(text, width, right=right)
    assert cell_len(fitted) == width
    assert fitted.isprintable()


def test_direction_overrides_and_escapes_are_shown_not_obeyed() -> None:
    assert words.clean("a\x1b[2J\u202eb[red]") == "a\\x1b[2J\\x202eb[red]"


def test_fit_marks_what_it_cuts() -> None:
    assert words.fit("NOVAK Petra", 8) == "NOVAK P~"


def test_times() -> None:
    assert words.clock(GUN + 12_340_000_000, PARIS, 2) == "09:30:12.34"
    assert words.clock(None, PARIS) == "?"
    assert words.span(4_317_830_000_000, 2) == "1:11:57.83"
    assert words.span(-3 * SECOND) == "-0:00:03"
    assert words.span(None) == "?"


def test_clock_follows_the_zone_through_the_change_to_winter() -> None:
    change = 1_792_890_000 * SECOND  # 25 October 2026, 01:00 UTC
    assert words.clock(change - SECOND, PARIS) == "02:59:59"
    assert words.clock(change, PARIS) == "02:00:00"


@pytest.mark.parametrize(("time", "digits"), [("10:41:52.31", 2), ("10:41:52", 0), (None, 0), ("1.12345", 5)])
def test_digits(time: str | None, digits: int) -> None:
    assert words.digits_of(time) == digits


@pytest.mark.parametrize(
    ("seconds", "text"), [(3, "0:03"), (131, "2:11"), (3599, "59:59"), (11_100, "3h05"), (400_000, "4d")]
)
def test_age(seconds: int, text: str) -> None:
    assert words.age(seconds * SECOND) == text


def test_unknown_and_zero_look_different() -> None:
    assert words.age(None) == "-"
    assert words.age(0) == "0:00"
    assert words.count(None) == "-"
    assert words.count(0) == "0"
    assert words.drift(None) == "?"
    assert words.drift(0) == "+0s"


def test_drift() -> None:
    assert words.drift(-4_000_000) == "-0.004s"
    assert words.drift(800_000_000) == "+0.8s"
    assert words.drift(-7 * SECOND) == "-7s"
    assert words.drift(-2 * words.HOUR) == "-2h00"


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (LinkState.UP, "UP"),
        (LinkState.SILENT, "SILENT 42s"),
        (LinkState.DOWN, "DOWN retry 4s"),
        (LinkState.OPEN, "OPEN unheard"),
        (LinkState.CLOSED, "CLOSED"),
    ],
)
def test_link_states_in_words(state: LinkState, text: str) -> None:
    now = GUN + 100 * SECOND
    device = DeviceState(
        name="x", type="t", where="w", state=state, since=GUN, heard=now - 42 * SECOND, retry_at=now + 4 * SECOND
    )
    assert words.link(device, now) == text
