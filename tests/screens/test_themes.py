"""The palettes: every ink can be read, and every palette has every ink."""

import re

import pytest
from rich.color import Color
from rich.style import Style

from themes import DARK, LIGHT, MONO, PALETTES, STYLESHEET, SUN, Palette


def luminance(color: Color) -> float:
    """Relative luminance, as WCAG 2 defines it."""
    parts = [part / 255 for part in color.get_truecolor()]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(style: Style) -> float:
    assert style.color is not None
    assert style.bgcolor is not None
    one, other = luminance(style.color), luminance(style.bgcolor)
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)


@pytest.mark.parametrize(("palette", "least"), [(DARK, 4.5), (LIGHT, 4.5), (SUN, 7.0)], ids=["dark", "light", "sun"])
def test_every_ink_can_be_read_on_both_grounds(palette: Palette, least: float) -> None:
    for ground in ("", "bar"):
        for ink, text in palette.inks.items():
            style = Style.parse(palette.inks[ground]) + Style.parse(text)
            assert contrast(style) >= least, f"{palette.name}: {ink!r} on {ground!r}"


def test_every_palette_has_every_ink() -> None:
    assert {frozenset(palette.inks) for palette in PALETTES.values()} == {frozenset(MONO.inks)}
    assert list(PALETTES) == ["dark", "light", "sun", "mono"]


def test_mono_has_no_colour_and_tells_the_loud_inks_apart() -> None:
    for text in MONO.inks.values():
        style = Style.parse(text)
        assert style.color is None
        assert style.bgcolor is None
    assert len({MONO.inks[ink] for ink in ("", "dim", "warn", "bad", "alarm")}) == 5


def test_the_stylesheet_names_no_colour_of_its_own() -> None:
    assert not re.search(r"#[0-9a-f]{3,6};", STYLESHEET.read_text())
