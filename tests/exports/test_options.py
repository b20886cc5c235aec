"""What settings may ask for is said in words, never as a pattern of characters."""

from collections.abc import Iterator

import pytest
from msgspec import inspect

from console.devices import DRIVERS, driver_class
from console.exports import EXPORTS, OF_THE_LINK, export_class
from console.exports.options import options

SETTINGS = [
    *(export_class(kind).settings_type for kind in (*EXPORTS, *OF_THE_LINK)),
    *(driver_class(kind).settings_type for kind in DRIVERS),
]


def types(kind: object) -> Iterator[object]:
    """A type, and those that it is made of."""
    yield kind
    for part in ("item_type", "key_type", "value_type"):
        if inner := getattr(kind, part, None):
            yield from types(inner)
    for inner in getattr(kind, "types", ()):
        yield from types(inner)


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda one: one.__name__)
def test_only_ranges_are_left_to_the_types(settings: type) -> None:
    info = inspect.type_info(settings)
    assert isinstance(info, inspect.StructType)
    for field in info.fields:
        for one in types(field.type):
            told = {name: getattr(one, name, None) for name in ("pattern", "min_length", "max_length", "gt", "lt")}
            assert not any(told.values()), f"{field.name}: check it in __post_init__, in words"


def test_only_what_a_type_can_do_is_offered() -> None:
    raw, tsv1, server = ({one.key for one in options(kind)} for kind in ("raw", "tsv1", "thcom-server"))
    assert raw == {"listen", "networks", "pty", "devices", "newcomers"}
    assert {"kinds", "points", "events", "skip_first_seen"} <= tsv1
    assert "stale_after" in server
    assert "stale_after" not in tsv1
