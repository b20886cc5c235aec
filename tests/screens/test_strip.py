"""The clock of another device in the strip."""

import msgspec
import pytest

from console.model import ClockState, DeviceState, LinkState
from screens import strip
from screens.paint import plain
from screens.picture import Picture
from tests.screens.fake_engine import GUN, FakeEngine


def shown(width: int, *, alarm: bool = False, up: bool = True, synced: bool = True) -> str:
    engine = FakeEngine()
    clock = DeviceState(
        name="clock",
        type="timemachine-clock",
        where="-",
        state=LinkState.UP if up else LinkState.SILENT,
        since=GUN,
        facts={"strip": "1:12:17"},
    )
    engine.changes["devices"] = (*engine.state().devices, clock)
    engine.changes["clock"] = ClockState(source="NTP", synced=synced, offset=0)
    if not alarm:
        engine.alarms.clear()
    return plain(strip.strip(Picture(engine.state(), engine.now), width))


@pytest.mark.parametrize("alarm", [False, True])
def test_a_wide_strip_has_everything(alarm: bool) -> None:
    assert shown(132, alarm=alarm).startswith("10:41:59 NTP ok│RACE 1:11:59 │CLK 1:12:17│DEV 3/5 │")


def test_at_80_columns_a_sync_that_is_well_makes_room() -> None:
    text = shown(80)
    assert text.startswith("10:41:59│RACE 1:11:59 │CLK 1:12:17│DEV 3/5 │SAVED 4212  │WAIT 14 0:42│no alarm")
    assert len(text) <= 80


def test_an_alarm_and_trouble_with_the_clock_are_never_given_up_for_it_but_what_is_saved_well_is() -> None:
    for synced in (False, True):
        for alarm in (False, True):
            text = shown(80, alarm=alarm, synced=synced)
            assert "CLK 1:12:17" in text
            assert len(text) <= 80
            assert synced or "NO NTP" in text
            assert ("!start" in text) == alarm
            assert ("SAVED" in text) == (synced and not alarm)


def test_below_80_columns_it_is_the_first_to_go() -> None:
    assert "CLK" not in shown(60, alarm=True, synced=False)


def test_a_clock_that_is_not_heard_is_not_shown_as_if_it_ran() -> None:
    assert "CLK ?" in shown(132, up=False)
    assert "1:12:17" not in shown(132, up=False)


def test_only_a_device_that_is_a_clock_is_shown() -> None:
    engine = FakeEngine()
    assert "CLK" not in plain(strip.strip(Picture(msgspec.structs.replace(engine.state()), engine.now), 132))
