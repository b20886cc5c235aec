"""Lines in the operator's own format."""

from contextlib import suppress
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from console.codecs.template import FIELDS, Line, Template

PARIS = ZoneInfo("Europe/Paris")
MOMENT = int(datetime(2026, 4, 22, 8, 15, 42, tzinfo=UTC).timestamp()) * 10**9 + 129_999_999
LINE = Line(number=17, utc=MOMENT, bib="1204", tag="04A1", name="BAUER Eva", race="1:11:52.31", point="Finish")


@pytest.mark.parametrize(
    ("template", "line"),
    [
        (r"{bib};{time:%H:%M:%S.%f};{point}\r\n", "1204;10:15:42.129999;Finish\r\n"),
        ("{time:%%2f %%%1f}", "%2f %1"),
        ("{number:06} {bib:>5} {time:%H:%M:%S.%2f}", "000017  1204 10:15:42.12"),
        ("{utc:%Y-%m-%dT%H:%M:%S.%9fZ}", "2026-04-22T08:15:42.129999999Z"),
        ("{time}|{race}|{name:<12}|", "2026-04-22T10:15:42.129|1:11:52.31|BAUER Eva   |"),
        (r"{{{tag}}}\t\\", "{04A1}\t\\"),
    ],
)
def test_lines(template: str, line: str) -> None:
    assert Template(template + r"\n").render(LINE, PARIS) == line + "\n"


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{bip}", r"no field \{bip\}; there are number, bib"),
        ("{bib.__class__}", "no field"),
        ("{bib[0]}", "no field"),
        ("{bib!r}", "no field"),
        ("{0}", "no field"),
        ("{bib:05d}", r"\{bib:05d\}: "),
        ("{bib:>1000000000}", "a width of 999 is the most"),
        ("{number:c}", "in digits"),
        ("{bib}", "must end the line"),
        ("", "must end the line"),
        ("{bib", "written twice"),
        ("}", "written twice"),
    ],
)
def test_what_makes_no_sense(template: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Template(template)


def test_what_is_not_known_is_left_blank() -> None:
    template = Template("{time}|{bib}\n")
    assert template.render(Line(number=1, utc=None), PARIS) == "|\n"
    assert template.fields == {"time", "bib"}


@given(st.text(), st.sampled_from([one for one in FIELDS if one not in ("number", "type", "time", "utc")]))
def test_nothing_from_a_device_ends_a_line(text: str, field: str) -> None:
    line = structs.replace(LINE, **{field: text})
    shown = Template(f"<{{{field}}}>\n").render(line, UTC)
    assert not any(ord(one) < 32 for one in shown[:-1])
    assert len(shown) == len(text) + 3


@given(st.text(max_size=30))
def test_any_text_is_a_template_or_says_why_not(text: str) -> None:
    with suppress(ValueError):
        assert Template(text + "\n").render(LINE, PARIS).endswith("\n")
