"""A line in the operator's own format: `{bib};{time:%H:%M:%S.%f};{point}\\r\\n`.

Fields stand in braces, with what Python's format understands behind a colon: a width (`{bib:>5}`, `{number:06}`); for
`time` and `utc` what strftime understands, and `%1f` .. `%9f` for that many decimals, cut and not rounded.
"""

import re
from datetime import UTC, datetime, tzinfo
from string import Formatter

from msgspec import Struct

from console.model import SECOND

FIELDS = ("number", "bib", "tag", "name", "time", "utc", "race", "point", "device", "channel", "kind", "type", "event")
"""What there is to say of a passing."""

TIMES = ("time", "utc")
"""These take strftime's letters."""

DECIMALS = re.compile(r"%(?:%|([1-9]?)f)")
ENDS = tuple(map(chr, range(32)))
"""A line ends with a control character, CR or LF for the most part; without, two lines cannot be told apart."""

ESCAPES = {"\\r": "\r", "\\n": "\n", "\\t": "\t", "\\\\": "\\"}


class Line(Struct, frozen=True, kw_only=True):
    """What a template is filled with. Empty: not known."""

    number: int
    utc: int | None
    """ns since the epoch."""
    bib: str = ""
    tag: str = ""
    name: str = ""
    race: str = ""
    """The race time, as the device printed it."""
    point: str = ""
    device: str = ""
    channel: str = ""
    kind: str = ""
    type: int = 2
    event: str = ""


class Template:
    """A checked template. Raises ValueError, saying what is wrong with it and what there is."""

    def __init__(self, text: str) -> None:
        text = re.sub(r"\\[rnt\\]", lambda found: ESCAPES[found[0]], text)
        self._parts: list[tuple[str, str, str]] = []
        try:
            parsed = list(Formatter().parse(text))
        except ValueError as error:
            raise ValueError(f"{error}; a brace of its own is written twice") from None
        for literal, field, spec, conversion in parsed:
            if conversion or (field is not None and field not in FIELDS):
                shown = f"{field}!{conversion}" if conversion else field
                raise ValueError(f"no field {{{shown}}}; there are {', '.join(FIELDS)}")
            if re.search(r"\d{4}", spec or ""):
                raise ValueError(f"{{{field}:{spec}}}: a width of 999 is the most")
            if (spec or "").endswith("c") and field not in TIMES:
                raise ValueError(f"{{{field}:{spec}}}: a number is written in digits")
            self._parts.append((literal, field or "", spec or ""))
        self.fields = frozenset(field for _, field, _ in self._parts if field)
        """What it says."""
        self.render(Line(number=1, utc=SECOND, bib="1", tag="A", name="A", race="0", point="A"), UTC)
        if not text.endswith(ENDS):
            raise ValueError("it must end the line: with \\r\\n, or what the program expects")

    def render(self, line: Line, zone: tzinfo) -> str:
        """The line. Raises ValueError where a width or letter behind a colon makes no sense."""
        return "".join(literal + self._field(field, spec, line, zone) for literal, field, spec in self._parts)

    def _field(self, field: str, spec: str, line: Line, zone: tzinfo) -> str:
        if not field:
            return ""
        try:
            if field in TIMES:
                if line.utc is None:
                    return ""
                return _time(line.utc, UTC if field == "utc" else zone, spec or "%Y-%m-%dT%H:%M:%S.%3f")
            value: str | int = getattr(line, field)
            return format(_plain(value) if isinstance(value, str) else value, spec)
        except (ValueError, OverflowError) as error:
            raise ValueError(f"{{{field}:{spec}}}: {error}") from None


def _time(utc: int, zone: tzinfo, spec: str) -> str:
    seconds, rest = divmod(utc, SECOND)
    spec = DECIMALS.sub(lambda found: found[0] if found[1] is None else f"{rest:09}"[: int(found[1] or 6)], spec)
    return datetime.fromtimestamp(seconds, zone).strftime(spec)


def _plain(text: str) -> str:
    """What comes from a device never ends the line or begins another one."""
    return "".join(" " if ord(one) < 32 or one == "\x7f" else one for one in text)
