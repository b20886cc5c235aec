"""How the arguments of THCOM08 commands are written (thcom.md, section 2.3).

Numbers are padded with zeros to their width: every published frame of a host that a real device took has them so
(`#RT 0072 05`, `#WC 008 01`), and they read the same by columns and by words.
"""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime

from console.codecs import thcom

_ASCII = re.compile(r"[ -~]+")
_TIME_OF_DAY = re.compile(r"[0-2]?\d:[0-5]\d:[0-5]\d(\.\d{1,5})?", re.ASCII)


Layout = Callable[[str], str]
"""Gives an argument as it goes over the wire; raises ValueError that says what it must be."""


def number(width: int, low: int, high: int) -> Layout:
    """A number with leading zeros."""

    def lay(text: str) -> str:
        if not (text.isascii() and text.isdecimal() and len(text) <= max(width, 4) and low <= int(text) <= high):
            raise ValueError(f"must be a number from {low} to {high}")
        return text.lstrip("0").zfill(width)

    return lay


def mask(width: int) -> Layout:
    """Bits in hex."""

    def lay(text: str) -> str:
        if not re.fullmatch(rf"[0-9A-Fa-f]{{1,{width}}}", text):
            raise ValueError(f"must be bits in hex, up to {width} digits")
        return text.upper().zfill(width)

    return lay


def text(longest: int) -> Layout:
    """Printable ASCII: a TAB would end the data."""

    def lay(text: str) -> str:
        if not _ASCII.fullmatch(text) or len(text) > longest:
            raise ValueError(f"must be 1 to {longest} characters of ASCII (these are {len(text)})")
        return text

    return lay


def channel(text: str) -> str:
    """`1`..`99`, or `M1`.. for a manual key."""
    if re.fullmatch(r"[Mm][1-9]", text):
        return text.upper()
    try:
        return number(2, 1, 99)(text)
    except ValueError:
        raise ValueError("must be a channel, 1 to 99, or M1 to M9 for a manual key") from None


def new_bib(text: str) -> str:
    """A bib; 0 removes it, `C` cancels the time."""
    if text.upper() == "C":
        return "   C"
    try:
        return number(4, 0, 9999)(text)
    except ValueError:
        raise ValueError("must be a bib up to 9999, 0 to remove it, or C to cancel the time") from None


def time_of_day(text: str) -> str:
    """With five decimals."""
    if not _TIME_OF_DAY.fullmatch(text) or int(text.partition(":")[0]) > 23:
        raise ValueError("must be a time of day, HH:MM:SS.FFFFF")
    whole, _, decimals = text.zfill(len(text) + (text[1] == ":")).partition(".")
    return f"{whole}.{decimals:0<5}"


def minute(text: str) -> str:
    """`HH:MM`."""
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", text, re.ASCII):
        raise ValueError("must be a time of day, HH:MM")
    return text


def date_short(text: str) -> str:
    """`DD/MM/YY`."""
    try:
        datetime.strptime(text, "%d/%m/%y").replace(tzinfo=UTC)
    except ValueError:
        raise ValueError("must be a date, DD/MM/YY") from None
    if len(text) != 8:
        raise ValueError("must be a date, DD/MM/YY, two digits each")
    return text


def day(text: str) -> str:
    """Days since 2000-01-01; also given as a date, `2024-11-28`."""
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
            text = str(days(date.fromisoformat(text)))
        return number(5, 0, 99_999)(text)
    except ValueError:
        raise ValueError("must be a date, YYYY-MM-DD, or days since 2000-01-01 (0: none)") from None


def days(day: date) -> int:
    """Days since 2000-01-01."""
    return day.toordinal() - date(1970, 1, 1).toordinal() - thcom.EPOCH_DAY


def field(text: str) -> str:
    """Number of a parameter, and what of it."""
    if not re.fullmatch(r"\d{3}( [ -~]{1,20})?", text, re.ASCII):
        raise ValueError("must be the three digits of a parameter")
    return text
