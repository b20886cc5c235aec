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
from tests.relay.desk import FINISH, PC, START, impulse


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
