"""Stylesheets and palettes: dark, light, sun (high contrast) and mono.

An ink says what a run of text means (`bad`, `dim`, `cursor`); a palette says how that looks. Words carry the meaning,
so every palette, `mono` too, shows the same screen.
"""

from pathlib import Path

from msgspec import Struct

STYLESHEET = Path(__file__).with_name("racedeck.tcss")
"""Layout of the console; its colours are the theme's variables."""


class Palette(Struct, frozen=True, kw_only=True):
    """How the inks look. A style is written as Rich writes it: `bold #ffffff on #202020`."""

    name: str
    dark: bool
    foreground: str
    background: str
    inks: dict[str, str]
    ansi: bool = False
    """The terminal's own colours, untouched."""


def _palette(
    name: str, *, dark: bool, ground: str, text: str, bar: str, faint: str, good: str, warn: str, bad: str, key: str
) -> Palette:
    return Palette(
        name=name,
        dark=dark,
        foreground=text,
        background=ground,
        inks={
            "": f"{text} on {ground}",
            "dim": faint,
            "head": f"bold {key}",
            "rule": faint,
            "good": good,
            "warn": f"bold {warn}",
            "bad": f"bold {bad}",
            "alarm": f"bold {ground} on {bad}",
            "cursor": f"{ground} on {text}",
            "bar": f"{text} on {bar}",
            "stale": f"{faint} on {bar}",
            "tab": f"bold {ground} on {key}",
            "key": f"bold {key}",
        },
    )


DARK = _palette(
    "dark",
    dark=True,
    ground="#101418",
    text="#d8dee6",
    bar="#26303a",
    faint="#93a3b3",
    good="#6fcf7f",
    warn="#f0b840",
    bad="#ff6b5e",
    key="#6cb6ff",
)
LIGHT = _palette(
    "light",
    dark=False,
    ground="#fafafa",
    text="#1c2228",
    bar="#dde3ea",
    faint="#5c6670",
    good="#1a6e2e",
    warn="#8a5a00",
    bad="#b3261e",
    key="#0b57a4",
)
SUN = _palette(
    "sun",
    dark=False,
    ground="#ffffff",
    text="#000000",
    bar="#ffe100",
    faint="#202020",
    good="#003d00",
    warn="#5a2d00",
    bad="#8c0000",
    key="#00007a",
)
MONO = Palette(
    name="mono",
    dark=True,
    foreground="ansi_default",
    background="ansi_default",
    ansi=True,
    inks={
        "": "none",
        "dim": "dim",
        "head": "bold",
        "rule": "dim",
        "good": "none",
        "warn": "bold",
        "bad": "bold underline",
        "alarm": "bold reverse",
        "cursor": "reverse",
        "bar": "none",
        "stale": "dim",
        "tab": "bold reverse",
        "key": "bold",
    },
)

PALETTES = {palette.name: palette for palette in (DARK, LIGHT, SUN, MONO)}
"""By name, in the order in which `:theme` offers them."""
