"""Where frames go."""

import pytest

from console.codecs.thcom_link import Extended
from console.relay.routing import Plan, Route, routes
from tests.relay.desk import ARROWS, FINISH, M1, PC, START, USER

PLAN = Plan(users={START: USER, FINISH: USER, PC: USER, "0001": "other"}, arrows=frozenset(ARROWS))


def way(source: str, destination: str, data: str, speaker: str = "") -> list[Route]:
    frame = Extended(
        number=0, protocol="1", source=source, destination=destination, parameter="", data=data, check="right"
    )
    return routes(frame, speaker or source[1:], PLAN)


@pytest.mark.parametrize("server", ["P0000", "00000"])
def test_to_all_that_an_arrow_leads_to(server: str) -> None:
    assert way(f"1{START}", server, M1) == [Route(FINISH), Route(PC)]
    assert way(f"P{PC}", server, M1) == [Route("", "no arrow leads away from 1007")]


def test_to_one() -> None:
    assert way(f"1{START}", f"P{PC}", M1) == [Route(PC)]
    assert way(f"P{PC}", f"1{START}", "#SN") == [Route(START, "no arrow from 1007 to 0084")]
    assert way(f"1{START}", "10099", M1) == [Route("0099", "0099 is not in the material list")]


@pytest.mark.parametrize("data", ["AK C", "SN 00084 TM550 0100", "ID 00084", "PW secret01", "UN timer"])
def test_what_is_for_the_server_alone(data: str) -> None:
    assert way(f"1{START}", "P0000", data) == []


@pytest.mark.parametrize("data", ["PW secret01", "UN timer"])
def test_a_password_goes_nowhere(data: str) -> None:
    assert way(f"1{START}", f"P{PC}", data) == []


def test_answers_go_where_they_are_addressed_to() -> None:
    assert way(f"1{START}", f"P{PC}", "AK C") == [Route(PC)]


@pytest.mark.parametrize("word", ["#GC 2", "#UN", "#PW"])
def test_nobody_speaks_as_the_server(word: str) -> None:
    assert [one.refused for one in way(f"1{START}", f"P{PC}", word)] == [f"only a server says {word[:3]}"]


def test_for_other_material_of_the_same_id() -> None:
    # A PC for the finish timer on its cable; the PC itself does not get it back.
    assert way(f"1{FINISH}", "P0000", M1, speaker=PC) == [Route(START)]
    (one,) = way("10001", "P0000", M1, speaker=PC)
    assert "1007 does not speak for 0001" in one.refused
    (one,) = way("P0000", f"1{START}", M1, speaker=PC)
    assert "1007 does not speak for 0000" in one.refused
