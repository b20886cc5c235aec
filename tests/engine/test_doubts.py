"""What cannot be right is said, and said once."""

from zoneinfo import ZoneInfo

from msgspec import structs

from console.engine.doubts import FUTURE, Doubts
from console.model import SECOND, Basis, Gun, Kind, Level, Origin
from console.timing.bind import Binder, Points
from tests.exports.desk import NOON, passing


class Looking:
    def __init__(self) -> None:
        self.binder = Binder(ZoneInfo("UTC"))
        self.binder.points["mat"] = Points({"1": "Finish"})
        self.said: list[tuple[Level, str, str]] = []
        self.doubts = Doubts(self.binder, lambda *said: self.said.append(said))

    def look(self, **changes: object) -> list[str]:
        """What is said of a passing."""
        self.said.clear()
        self.doubts.look(structs.replace(passing(1), **{"channel": "1", "ns": NOON, **changes}))
        assert all((level, source) == (Level.WARNING, "mat") for level, source, _ in self.said)
        return [text for _, _, text in self.said]


def test_a_channel_without_a_point_is_said_once() -> None:
    looking = Looking()
    assert looking.look() == []
    assert looking.look(channel=None) == []
    assert looking.look(channel="2", kind=Kind.RESULT) == []
    (text,) = looking.look(channel="2")
    assert text == 'channel 2 has no timing point: add it to points in [[device]] "mat" and `racedeck reload`'
    assert looking.look(channel="2") == []
    assert len(looking.look(channel="3")) == 1
    looking.doubts.look_anew(guns_only=True)
    assert looking.look(channel="2") == []
    looking.doubts.look_anew()
    assert len(looking.look(channel="2")) == 1


def test_nobody_passes_in_the_future() -> None:
    looking = Looking()
    assert looking.look(ns=NOON + FUTURE) == []
    assert looking.look(ns=NOON + 2 * FUTURE, origin=Origin.RECALL) == [], "its arrival says nothing"
    (text,) = looking.look(ns=NOON + 2 * FUTURE)
    assert text == "its times are 0:02:00 ahead of their arrival: check its clock, and timezone in [event]"
    assert looking.look(ns=NOON + 3 * FUTURE) == []
    assert len(looking.look(ns=NOON + 3 * FUTURE, generation=2)) == 1, "another run of its clock"


def test_a_gun_that_was_set_is_looked_at_anew() -> None:
    looking = Looking()
    late = {"basis": Basis.RACE, "ns": 0}
    assert looking.look(**late) == [], "without a gun nothing is known"
    looking.binder.add_guns([Gun(device="mat", generation=1, ns=0, wall=NOON + 3600 * SECOND, source="anna")])
    (text,) = looking.look(**late)
    assert text.endswith("check the gun")
    looking.doubts.look_anew(guns_only=True)
    assert len(looking.look(**late)) == 1
