from zoneinfo import ZoneInfo

import pytest

from console.model import SECOND
from screens import commands
from screens.picture import Picture
from tests.screens.fake_engine import GUN, FakeEngine

PARIS = ZoneInfo("Europe/Paris")


@pytest.fixture
def picture() -> Picture:
    engine = FakeEngine()
    return Picture(engine.state(), engine.now)


@pytest.mark.parametrize(
    ("typed", "completed", "options"),
    [
        ("ph", "phase ", []),
        ("phase r", "phase race ", []),
        ("re", "re", ["release", "reload", "resend", "resume"]),
        ("export p", "export pause ", []),
        ("export pause r", "export pause raceday ", []),
        ("export skip raceday ", "export skip raceday 192.168.1.20 ", []),
        ("export add ", "export add ", []),
        ("resend raceday ", "resend raceday 192.168.1.20 ", []),
        ("pause s", "pause software ", []),
        ("send c", "send c", ["chute", "ctl-31", "ctl-45"]),
        ("send ctl-31 se", "send ctl-31 SET ", []),
        ("send ctl-31 GET ", "send ctl-31 GET ", ["BACKUP", "TIME", "VERSION"]),
        ("send ctl-31 set mode c", "send ctl-31 set mode C", ["CLEAR", "CONTROL"]),
        ("send ctl-31 SET MODE READOUT ", "send ctl-31 SET MODE READOUT ", []),
        ("send ctl-31 START LIST ./pyproj", "send ctl-31 START LIST ./pyproject.toml ", []),
        ("sync ", "sync all ", []),
        ("sheet chute l", "sheet chute laps ", []),
        ("take-over ctl-3", "take-over ctl-31 ", []),
        ("send ctl-31 get t", "send ctl-31 get TIME ", []),
        ("release raceday ", "release raceday 192.168.1.20 ", []),
        ("theme s", "theme sun ", []),
        ("gun chute ", "gun chute ", []),
        ("nonsense ", "nonsense ", []),
    ],
)
def test_tab_completes(picture: Picture, typed: str, completed: str, options: list[str]) -> None:
    text, found = commands.complete(picture, typed)
    assert (text, sorted(found)) == (completed, options)


def test_every_command_is_offered_on_an_empty_line(picture: Picture) -> None:
    options = commands.complete(picture, "")[1]
    assert list(options) == sorted(command.word for command in commands.COMMANDS)
    assert options["phase"] == "phase test|race|closed: set the phase of the event"


@pytest.mark.parametrize(
    ("text", "offset"), [("09:30:00", 0), ("09:29:58.25", -1.75), ("23:00:00", -37800), ("8:00:00", -5400)]
)
def test_a_time_of_day_is_the_nearest_one(text: str, offset: float) -> None:
    assert commands.moment(text, GUN, PARIS) == GUN + int(offset * SECOND)


@pytest.mark.parametrize("text", ["9:30", "25:00:00", "09:61:00", "now", "09:30:00.", ""])
def test_what_is_no_time_of_day_is_refused(text: str) -> None:
    with pytest.raises(commands.CommandError, match="HH:MM:SS"):
        commands.moment(text, GUN, PARIS)
