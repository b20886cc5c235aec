"""One word for what became of a passing."""

from itertools import permutations

import pytest

from console.exports.fates import WORST_FIRST, out


@pytest.mark.parametrize(
    ("fates", "word"),
    [
        ([], ""),
        ([("", "phase TEST")], ""),
        ([("10.0.0.1", "came before this client")], ""),
        ([("10.0.0.1", "came before this client"), ("10.0.0.2", "tcp")], "tcp"),
        ([("", "device not chosen"), ("10.0.0.2", "sent")], "sent"),
        ([("10.0.0.1", "held: no bib yet"), ("10.0.0.2", "tcp")], "HELD"),
        ([("10.0.0.1", "unmapped: no timing point"), ("10.0.0.2", "sent")], "unmapped"),
        ([("10.0.0.1", "skipped"), ("10.0.0.2", "waiting")], "waiting"),
    ],
)
def test_the_worst_is_said(fates: list[tuple[str, str]], word: str) -> None:
    assert out(fates) == word


def test_it_does_not_matter_who_comes_first() -> None:
    for pair in permutations(WORST_FIRST, 2):
        assert out([("a", pair[0]), ("b", pair[1])]).lower() == min(pair, key=WORST_FIRST.index)
