"""The commands of a device, as its tab lists them."""

import pytest

from console.model import CommandInfo, EngineState
from screens.menu import lines
from screens.paint import plain
from screens.picture import Picture
from tests.screens.fake_engine import FakeEngine

COMMANDS = (
    CommandInfo(words="#SN", key="v", help="serial, type and version"),
    CommandInfo(words="#RP", key="e", help="read parameter"),
    CommandInfo(words="#RT", key="r", help="recall a time"),
    CommandInfo(words="#PL", key="p", help="print a line"),
    CommandInfo(words="#BM", key="m", help="broadcast text to all ports"),
    CommandInfo(words="STATUS", key="s", help="ask for all"),
    CommandInfo(words="#WC 001", key="K", help="close the run", changes=True),
)


@pytest.fixture
def state() -> EngineState:
    return FakeEngine().state()


def test_a_code_of_the_manual_gives_way_to_what_it_does(state: EngineState) -> None:
    low = "\n".join(map(plain, lines(COMMANDS, 80, Picture(state, 0))))
    for text in ("v  serial  ", "e  read parameter", "r  recall a time ", "s  STATUS"):
        assert text in low
    assert "#RP" not in low
    high = "\n".join(map(plain, lines(COMMANDS, 132, Picture(state, 0), high=True)))
    assert "#SN     serial, type and version" in high
