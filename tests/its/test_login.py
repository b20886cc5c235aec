"""What follows from what the server says in its own name."""

import pytest

from console.its.login import Accepted, Greeting, Login, Print, Refused, Say, Step

LOGIN = Login("1007", "P1007", "SN 01007 PC 0100", "timer01")


def greeting() -> Greeting:
    return Greeting(LOGIN, lambda: "secret01")


def test_we_say_who_we_are_under_the_numbers_kept_for_it() -> None:
    said = [Say(253, "SN 01007 PC 0100"), Say(254, "UN timer01"), Say(255, "PW secret01")]
    assert list(greeting().begin()) == said


@pytest.mark.parametrize(
    ("data", "step"),
    [
        ("#GC 1", Accepted(empty=False)),
        ("#GC 2", Accepted(empty=True)),
        ("#GC 1 more than is documented", Accepted(empty=False)),
        ("#PL Hello ITSCHRONO", Print("Hello ITSCHRONO")),
        ("#UN", Say(254, "UN timer01")),
        ("#PW", Say(255, "PW secret01")),
        ("#GC 7", None),
        ("#GC", None),
        ("#SN", None),
        ("", None),
    ],
)
def test_what_it_says(data: str, step: Step | None) -> None:
    assert greeting().told(data) == step


def test_a_refusal_says_what_to_check() -> None:
    step = greeting().told("#GC 0")
    assert isinstance(step, Refused)
    for word in ("user and password", "1007 is in the server's material list", "date", "activated"):
        assert word in step.reason


def test_asked_again_and_again_it_is_a_refusal() -> None:
    one = greeting()
    assert [type(one.told("#PW")) for _ in range(4)] == [Say, Say, Say, Refused]
