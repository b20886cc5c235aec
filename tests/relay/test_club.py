"""What an operator sets up, and what is refused of it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from console.relay import hashing
from console.relay.club import Club, ClubError
from console.relay.database import Database
from console.relay.settings import RelaySettings, load
from tests.relay.desk import ARROWS, EVENT, FINISH, PASSWORD, PC, START, USER, set_up


@pytest.fixture
def club(tmp_path: Path) -> Iterator[Club]:
    database = Database(tmp_path / "relay.db")
    yield set_up(database)
    database.close()


def test_a_password_is_kept_as_a_salted_hash(club: Club) -> None:
    kept = club.password(USER)
    assert kept is not None
    assert hashing.is_right(PASSWORD, kept)
    assert not hashing.is_right(PASSWORD + " ", kept)
    assert not hashing.is_right(PASSWORD, None)
    assert hashing.hashed(PASSWORD, 4) != hashing.hashed(PASSWORD, 4)
    assert hashing.hashed(PASSWORD).cost >= 2**14
    assert not club.add_id(USER, "another", cost=4)
    assert not hashing.is_right(PASSWORD, club.password(USER))


@pytest.mark.parametrize(
    ("act", "says"),
    [
        (lambda club: club.add_id("", "x"), "a user has 1 to 25"),
        (lambda club: club.add_id("a b", "x"), "without blanks"),
        (lambda club: club.add_id("a", "ö"), "a password has"),
        (lambda club: club.remove_id("nobody"), "there is no id nobody"),
        (lambda club: club.add_material("84", "timer", "TM550", "", USER), "four digits"),
        (lambda club: club.add_material("0000", "pc", "Computer", "", USER), "not 0000"),
        (lambda club: club.add_material("0085", "timer", "TM550", "", "nobody"), "racedeck relay id add nobody"),
        (lambda club: club.add_material("0085", "timer", "TM\n", "", USER), "model"),
        (lambda club: club.add_material("0085", "timer", "TM550", "", USER, phone="+33\t6"), "phone"),
        (lambda club: club.remove_material("0099"), "0099 is not in the material list"),
        (lambda club: club.empty("0099", wanted=True), "0099 is not in the material list"),
        (lambda club: club.set_configuration("c", [(START, "0099")]), "racedeck relay material add 0099"),
        (lambda club: club.set_configuration("c", [(START, START)]), "to itself"),
        (lambda club: club.set_configuration("é", []), "ASCII"),
        (lambda club: club.set_event("e", "28/11/2024", "2024-11-28", "Europe/Paris", "two timers"), "2024-11-28"),
        (
            lambda club: club.set_event("e", "2024-11-29", "2024-11-28", "Europe/Paris", "two timers"),
            "before it begins",
        ),
        (lambda club: club.set_event("e", "2024-11-28", "2024-11-28", "Paris", "two timers"), "no time zone"),
        (lambda club: club.set_event("e", "2024-11-28", "2024-11-28", "UTC", "c"), "there is no configuration c"),
        (lambda club: club.activate("e"), "there is no event e"),
    ],
)
def test_what_cannot_be(club: Club, act: Callable[[Club], object], says: str) -> None:
    with pytest.raises(ClubError) as error:
        act(club)
    assert says in str(error.value)
    # Nothing has changed.
    assert club.configurations() == {"two timers": sorted(ARROWS)}
    assert [event.name for event in club.events()] == [EVENT]
    assert club.active() is not None


def test_changes_keep_what_they_do_not_name(club: Club) -> None:
    club.empty(PC, wanted=True)
    assert not club.add_material(PC, "pc", "Laptop", "van", USER)
    assert club.materials()[PC].empty
    assert not club.set_event(EVENT, "2024-11-28", "2024-11-29", "Europe/Paris", "two timers")
    active = club.active()
    assert active is not None
    assert (active.first, active.last) == ("2024-11-28", "2024-11-29")
    club.set_configuration("two timers", [(START, PC)])
    assert club.plan().arrows == {(START, PC)}
    refusal = club.refusal(FINISH, USER, 1732800000 * 10**9)
    assert refusal is not None
    assert refusal.word == "NOT IN CONFIGURATION"


def test_days_are_those_of_the_events_zone(club: Club) -> None:
    club.set_event(EVENT, "2024-11-28", "2024-11-28", "Pacific/Auckland", "two timers")
    begins = 1732705200 * 10**9  # 2024-11-28 00:00 there, noon of the 27th at UTC less one hour

    def word(wall: int) -> str:
        refusal = club.refusal(START, USER, wall)
        return refusal.word if refusal else ""

    assert [word(begins - 1), word(begins), word(begins + 86_400 * 10**9 - 1), word(begins + 86_400 * 10**9)] == [
        "EVENT NOT BEGUN", "", "", "EVENT IS OVER",
    ]  # fmt: skip


def test_what_a_device_prints_fits(club: Club) -> None:
    club.add_id("u" * 25, "x", cost=4)
    club.set_event("A name of the event that is far too long", "2024-11-28", "2024-11-28", "UTC", "two timers")
    club.activate("A name of the event that is far too long")
    assert all(len(line) <= len("#PL ") + 24 for line in club.greeting(PC, "u" * 25))


def test_a_database_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    database = Database(tmp_path / "relay.db")
    database.query("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(Exception, match="newer RaceDeck"):
        Database(tmp_path / "relay.db")


def test_a_database_of_the_first_version_gets_what_it_lacks(tmp_path: Path) -> None:
    database = Database(tmp_path / "relay.db")
    set_up(database)
    for statement in ("materials DROP COLUMN colour", "materials DROP COLUMN phone"):
        database.query(f"ALTER TABLE {statement}")
    database.query("PRAGMA user_version = 1")
    database.close()
    for _ in range(2):
        database = Database(tmp_path / "relay.db")
        material = Club(database).materials()[START]
        assert (material.model, material.colour, material.phone) == ("TM550", "", "")
        database.close()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('listen = "3000"', "relay.toml: '3000': expected host:port"),
        ("attempts = 0", "relay.toml: attempts: Expected `int` >= 1"),
        ('numbering = "both"', "relay.toml: numbering: Invalid enum value 'both'"),
        ("port = 3000", "relay.toml: Object contains unknown field `port`"),
        ('networks = ["10.0.0.0/99"]', "relay.toml: '10.0.0.0/99': expected a network"),
        ("listen = ", "relay.toml: Invalid value"),
        ('device_type = "10"', "relay.toml: device_type must be one digit from 1 to 9 or capital letter (got '10')"),
    ],
)
def test_wrong_settings(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "relay.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match="relay") as error:
        load(path)
    assert str(error.value).startswith(says)


def test_settings(tmp_path: Path) -> None:
    path = tmp_path / "relay.toml"
    assert load(path) == RelaySettings()
    assert load(path).listen.startswith("127.0.0.1:")
    path.write_text('listen = "0.0.0.0:3001"\nnetworks = ["192.168.1.0/24"]\nchecksums = "required"\n')
    assert load(path).dialect.checksums == "required"
