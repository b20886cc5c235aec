"""What a THCOM08 device says of itself, in words (thcom.md, section 2.3). What is not documented stays as it came."""

import re

STATUS = ("025", "026", "006", "034", "038")
"""The parameters that tell how it is: power, next bib, blocked inputs, GSM, memory."""

_POWER = re.compile(r"([0-9A-Fa-f]{2}) (\d{3})(?: (\d{1,3}))?(?: .*)?", re.ASCII)
_GSM = re.compile(r"([0-9A-Fa-f]{2})(?: ([0-4]))?(?: .*)?", re.ASCII)

_BARE = re.compile(r"[0-9A-Fa-f]+", re.ASCII)
"""A number alone, whose meaning is not documented."""

_GSM_BITS = ("enabled", "network", "APN", "server connected", "login accepted", "LOGIN REJECTED", "", "ERROR")
"""Bit 6 tells which of the two settings is used."""


def told(number: str, value: str) -> str:
    """The value of a parameter in words."""
    match number:
        case "025":
            return _power(value)
        case "026":
            return str(int(value)) if re.fullmatch(r"\d{1,4}", value, re.ASCII) else value
        case "034":
            return _gsm(value)
        case "006" | "038" if _BARE.fullmatch(value):
            return f"raw {value}"
    return value


def _power(value: str) -> str:
    """`XX YYY [ZZZ]`: flags that are not documented, tenths of a volt, percent."""
    found = _POWER.fullmatch(value)
    if not found:
        return value
    flags, volts, percent = found.groups()
    words = [f"{int(volts) / 10:.1f} V", f"{int(percent)} %" if percent else "", f"flags {flags}" * (flags != "00")]
    return ", ".join(filter(None, words))


def _gsm(value: str) -> str:
    """Bits in hex, and the signal from 0 to 4. That they stand in this order, and that bit 6 set means the second
    settings, is inferred."""
    found = _GSM.fullmatch(value)
    if not found:
        return value
    bits, signal = int(found[1], 16), found[2]
    if not bits & 1:
        return "off"
    words = [word for bit, word in enumerate(_GSM_BITS) if bits >> bit & 1 and word]
    words.append(f"settings {2 if bits & 0x40 else 1}")
    if signal:
        words.append(f"signal {signal} of 4")
    return ", ".join(words)
