"""How the console writes things down: times, ages, counts, bytes. Pure, and every result is safe to print.

Unknown and zero look different: unknown is `?` (we ought to know) or `-` (there is nothing to know).
"""

import textwrap
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from rich.cells import cell_len, set_cell_size

from console.model import SECOND, DeviceState, LinkState

MINUTE = 60 * SECOND
HOUR = 60 * MINUTE

_NAMED = {0x0D: "\\r", 0x0A: "\\n", 0x09: "\\t", 0x5C: "\\\\"}
_BYTES = [_NAMED.get(byte) or (chr(byte) if 0x20 <= byte < 0x7F else f"\\x{byte:02x}") for byte in range(256)]


def escaped(raw: bytes) -> str:
    """Bytes as one line of printable ASCII; nothing of them reaches the terminal as control."""
    return "".join([_BYTES[byte] for byte in raw])


def ascii_column(raw: bytes) -> str:
    """The right-hand side of a hex dump: one character per byte, `.` for what does not print."""
    return "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in raw)


def clean(text: str) -> str:
    """Text from elsewhere (names, reasons) with control, invisible and direction-changing characters escaped."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c.isprintable() and not "\ufe00" <= c <= "\ufe0f" else f"\\x{ord(c):02x}" for c in text)


def fit(text: str, width: int, *, right: bool = False) -> str:
    """`text` in exactly `width` cells; `~` marks what was cut off."""
    if width <= 0:
        return ""
    text = clean(text)
    cells = len(text) if text.isascii() else cell_len(text)
    if cells > width:
        return text[: width - 1] + "~" if text.isascii() else set_cell_size(text, width - 1) + "~"
    padding = " " * (width - cells)
    return padding + text if right else text + padding


def brief(name: str, width: int) -> str:
    """A name in exactly `width` cells; a long one loses its middle, since names tend to differ at the end."""
    name = clean(name)
    if name.isascii() and len(name) > width > 4:
        tail = (width - 1) // 2
        name = f"{name[: width - 1 - tail]}~{name[-tail:]}"
    return fit(name, width)


def wrapped(text: str, width: int) -> list[str]:
    """A sentence in as many lines of at most `width` characters as it takes; none for an empty one."""
    return textwrap.wrap(clean(text), max(1, width), break_on_hyphens=False)


def day_ns(wall: int, zone: ZoneInfo) -> int:
    """Nanoseconds since local midnight of the moment `wall`."""
    return (wall + _offset(wall // HOUR, zone) * SECOND) % (24 * HOUR)


@lru_cache(64)
def _offset(hours: int, zone: ZoneInfo) -> int:
    # Every zone changes its offset on a full hour of UTC, but for a few half-hour ones, which change on a half.
    offset = datetime.fromtimestamp(hours * 3600, UTC).astimezone(zone).utcoffset()
    return int(offset.total_seconds()) if offset else 0


def clock(wall: int | None, zone: ZoneInfo, digits: int = 0) -> str:
    """Time of day `10:41:52.31`; `?` where it is unknown."""
    if wall is None:
        return "?"
    ns = day_ns(wall, zone)
    return f"{ns // HOUR:02}:{ns // MINUTE % 60:02}:{ns // SECOND % 60:02}" + _fraction(ns, digits)


def span(ns: int | None, digits: int = 0) -> str:
    """A duration `1:11:52.31`, or `-0:00:03` before the gun; `?` where it is unknown."""
    if ns is None:
        return "?"
    sign, ns = ("-", -ns) if ns < 0 else ("", ns)
    return f"{sign}{ns // HOUR}:{ns // MINUTE % 60:02}:{ns // SECOND % 60:02}" + _fraction(ns, digits)


def _fraction(ns: int, digits: int) -> str:
    return f".{ns % SECOND // 10 ** (9 - digits):0{digits}}" if digits else ""


def digits_of(time: str | None) -> int:
    """How many decimals a device printed: a derived time shows no more than that."""
    return min(9, len(time.rpartition(".")[2])) if time and "." in time else 0


def age(ns: int | None) -> str:
    """How long ago: `0:03`, `12:40`, `3h05`, `4d`; `-` where there is nothing to be old."""
    if ns is None:
        return "-"
    seconds = max(0, ns) // SECOND
    if seconds < 3600:
        return f"{seconds // 60}:{seconds % 60:02}"
    return f"{seconds // 3600}h{seconds // 60 % 60:02}" if seconds < 100 * 3600 else f"{seconds // 86400}d"


def since(then: int | None, now: int) -> str:
    """`age` of the moment `then`."""
    return "-" if then is None else age(now - then)


def drift(ns: int | None) -> str:
    """Device clock minus engine clock: `+0.8s`, `-0.004s`, `+0s` where only whole seconds are known, `?`: nothing."""
    if ns is None:
        return "?"
    size = abs(ns)
    if size >= HOUR:
        return f"{'-' if ns < 0 else '+'}{size // HOUR}h{size // MINUTE % 60:02}"
    if not ns % SECOND:
        return f"{ns // SECOND:+}s"
    return f"{ns / SECOND:+.{3 if size < SECOND // 10 else 1}f}s"


def count(number: int | None) -> str:
    """A count, or `-` where the thing is not counted at all."""
    return "-" if number is None else str(number)


def link(device: DeviceState, now: int) -> str:
    """State of a device's link in words: `UP`, `SILENT 42s`, `DOWN retry 4s`."""
    match device.state:
        case LinkState.SILENT:
            return f"SILENT {_short(now - (device.heard or device.since))}"
        case LinkState.DOWN if device.retry_at is not None:
            return f"DOWN retry {_short(device.retry_at - now)}"
        case LinkState.OPEN:
            return "OPEN unheard"
        case state:
            return state.value.upper()


def _short(ns: int) -> str:
    seconds = max(0, ns) // SECOND
    return f"{seconds}s" if seconds < 100 else age(ns)


def role(device: DeviceState) -> str:
    """The ink of a link state; the words say it first."""
    return {LinkState.UP: "good", LinkState.OPEN: "warn", LinkState.CONNECTING: "warn", LinkState.CLOSED: "dim"}.get(
        device.state, "bad"
    )


def plural(number: int, noun: str) -> str:
    """`1 hole`, `2 holes`."""
    return f"{number} {noun}" + ("" if number == 1 else "S" if noun.isupper() else "s")
