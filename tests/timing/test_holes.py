"""Missing places as ranges."""

from hypothesis import given
from hypothesis import strategies as st

from console.timing.holes import in_words, missing, narrow, open_gap


@given(st.lists(st.integers(1, 60), min_size=1))
def test_ranges_always_hold_exactly_the_missing_places(places: list[int]) -> None:
    holes: list[tuple[int, int]] = []
    highest = 0
    for place in places:
        if place > highest + 1:
            holes = open_gap(holes, (highest + 1, place - 1))
        elif place <= highest:
            holes = narrow(holes, place)
        highest = max(highest, place)
    expected = set(range(1, highest)) - set(places)
    assert {place for first, last in holes for place in range(first, last + 1)} == expected
    assert missing(holes) == len(expected)


def test_words() -> None:
    assert in_words((410, 410)) == "0410"
    assert in_words((1, 3998)) == "0001-3998"
