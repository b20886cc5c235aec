"""The DATA list: what may come again, and what a row says of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from console.codecs.thcom_link import Extended
from console.codecs.thcom_session import WINDOW
from console.model import SECOND
from console.relay import data as module
from console.relay.data import DOUBT, Content, Data
from console.relay.database import Database
from console.relay.routing import Route
from tests.relay.desk import FINISH, PC, START, impulse, set_up


class List:
    """A DATA list, and a clock that a test sets."""

    def __init__(self, database: Database) -> None:
        self.data = Data(database)
        self.now = 1000 * SECOND

    def come(self, *numbers: int, via: str = START) -> None:
        for number in numbers:
            frame = Extended(
                number=number % 213,
                protocol="1",
                source=f"1{via}",
                destination="P0000",
                parameter="",
                data=impulse(number),
                check="right",
            )
            self.data.frame(frame, via, [Route(FINISH), Route(PC)], self.now)

    @property
    def doubtful(self) -> list[str]:
        return sorted(content.message for content in self.data.doubtful(START))


@pytest.fixture
def found(tmp_path: Path) -> Iterator[List]:
    database = Database(tmp_path / "relay.db")
    yield List(database)
    database.close()


def impulses(*numbers: int) -> list[str]:
    return sorted(impulse(number) for number in numbers)


def test_nothing_came_nothing_is_in_doubt(found: List) -> None:
    found.come(1, via=FINISH)
    assert found.doubtful == []


def test_what_can_be_under_way_is_in_doubt_however_long_ago(found: List) -> None:
    for number in range(WINDOW + 5):
        found.come(number)
        found.now += 3600 * SECOND
    assert found.doubtful == impulses(*range(5, WINDOW + 5))


def test_what_came_shortly_before_the_last_is_in_doubt_however_much(found: List) -> None:
    found.come(*range(100))
    found.now += DOUBT + 1
    found.come(*range(100, 150))
    found.now += DOUBT
    found.come(150)
    found.now += 3600 * SECOND
    assert found.doubtful == impulses(*range(100, 151))


def test_there_is_a_limit_to_doubt(found: List, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_DOUBTFUL", 20)
    found.come(*range(100))
    assert found.doubtful == impulses(*range(80, 100))


def test_a_frame_that_comes_again_is_counted_in_its_own_rows(found: List) -> None:
    found.come(1, 2)
    number = found.data.doubtful(START)[Content(f"1{START}", "P0000", impulse(1))]
    found.data.again(number)
    found.data.again(number)
    told = [(row.message, row.destination, row.times, row.reason) for row in found.data.rows(0)]
    again = "came again after a reconnect"
    assert told == [
        (impulse(1), FINISH, 3, again), (impulse(1), PC, 3, again),
        (impulse(2), FINISH, 1, ""), (impulse(2), PC, 1, ""),
    ]  # fmt: skip
    assert found.doubtful == impulses(1, 2), "it may come again once more"


# --- how much is kept ---


def kept(found: List) -> list[tuple[str, str, str]]:
    return [(row.message, row.destination, row.state) for row in found.data.rows(0)]


def test_old_rows_are_forgotten_but_for_those_that_wait(found: List) -> None:
    found.come(*range(50))
    assert found.data.prune(0) == 0, "all of it waits"
    found.data.acknowledged([row.id for row in found.data.rows(0) if row.destination == PC], found.now)
    found.data.skip(FINISH, found.now, "chris")
    found.come(50)
    assert found.data.prune(10) == 92
    assert found.data.prune(10) == 0
    newest = [(impulse(number), who, state) for number in range(46, 50) for who, state in STATES]
    assert kept(found) == [*newest, (impulse(50), FINISH, "waiting"), (impulse(50), PC, "waiting")]
    found.data.acknowledged([row.id for row in found.data.rows(0)], found.now)
    assert found.data.prune(0) == 10


STATES = ((FINISH, "skipped"), (PC, "acknowledged"))


def test_what_is_pruned_in_one_go_is_limited(found: List, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AT_ONCE", 30)
    found.come(*range(50))
    found.data.acknowledged([row.id for row in found.data.rows(0)], found.now)
    assert [found.data.prune(10) for _ in range(5)] == [30, 30, 30, 0, 0]
    assert len(kept(found)) == 10


def test_the_last_frame_of_a_material_stays_and_so_does_the_numbering(tmp_path: Path) -> None:
    database = Database(tmp_path / "relay.db")
    set_up(database)
    found = List(database)
    found.come(1, via=FINISH)
    found.come(1, 2)
    found.data.acknowledged([row.id for row in found.data.rows(0)], found.now)
    for number in range(20):
        found.data.say("", f"something {number}", "", found.now)
    assert found.data.prune(5) == 17
    assert [row.origin[1:] for row in found.data.rows(0) if row.origin] == [FINISH, FINISH, START, START]
    assert found.data.figures(FINISH)[3] == found.now
    assert found.doubtful == impulses(2)
    database.close()
