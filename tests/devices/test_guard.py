"""What is asked before a command is sent."""

import pytest

from console.devices.guard import Question, question
from console.model import ClockState, Phase, Risk

NTP = ClockState(source="NTP", synced=True)
FREE = ClockState(source="free", synced=False)
UNKNOWN = ClockState(source="?", synced=None)


def test_what_only_asks_the_device_is_never_asked_about() -> None:
    for phase in Phase:
        assert question("GET TIME", "ctl", Risk(), phase, FREE) is None


def test_in_a_race_a_change_needs_the_name() -> None:
    risk = Risk(changes=True)
    assert question("SET CTRL 31", "ctl", risk, Phase.TEST, NTP) is None
    asked = question("SET CTRL 31", "ctl", risk, Phase.RACE, NTP)
    assert asked == Question("SET CTRL 31: A race is running.", typed=True)
    told = question("#WC 001", "start", Risk(changes=True, does="close the run"), Phase.RACE, NTP)
    assert told == Question("#WC 001 (close the run): A race is running.", typed=True)


@pytest.mark.parametrize("phase", list(Phase))
def test_what_destroys_asks_in_any_phase(phase: Phase) -> None:
    risk = Risk(changes=True, destroys="CLEAR ERASES EVERY CARD THAT TOUCHES THIS STATION")
    asked = question("SET MODE CLEAR", "ctl", risk, phase, NTP)
    assert asked is not None
    assert "ERASES EVERY CARD THAT TOUCHES THIS STATION." in asked.text
    assert asked.typed is (phase is Phase.RACE)


def test_a_clock_is_set_only_from_one_that_is_right() -> None:
    risk = Risk(sets_clock=True)
    assert question("SYNC", "ctl", risk, Phase.TEST, NTP) is None
    for clock, words in ((FREE, "is not synchronised"), (UNKNOWN, "may not be right")):
        asked = question("SYNC", "ctl", risk, Phase.TEST, clock)
        assert asked is not None
        assert words in asked.text
        assert not asked.typed
