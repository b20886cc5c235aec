"""From what an operator types to a command."""

import pytest

from console.model import Argument, CommandError, CommandInfo, find

COMMANDS = (
    CommandInfo(words="GET TIME"),
    CommandInfo(words="SET TIME", arguments=(Argument(name="time", help="YYYYMMDDhhmmss", optional=True),)),
    CommandInfo(words="SET MODE", arguments=(Argument(name="mode", choices=("CONTROL", "CLEAR")),)),
    CommandInfo(words="WRITE INFO", arguments=(Argument(name="text", rest=True),)),
    CommandInfo(words="WRITE INFO LIST", arguments=(Argument(name="file", file=True),)),
    CommandInfo(words="#WC 013", arguments=(Argument(name="channel"), Argument(name="bib"))),
)


@pytest.mark.parametrize(
    ("typed", "words", "values"),
    [
        ("GET TIME", "GET TIME", []),
        ("  get   time ", "GET TIME", []),
        ("SET TIME", "SET TIME", []),
        ("set time 20261120101530", "SET TIME", ["20261120101530"]),
        ("SET MODE clear", "SET MODE", ["CLEAR"]),
        ("WRITE INFO BAUER  Eva", "WRITE INFO", ["BAUER  Eva"]),
        ("WRITE INFO LIST my names.csv", "WRITE INFO LIST", ["my names.csv"]),
        ("#wc 013 1 1204", "#WC 013", ["1", "1204"]),
    ],
)
def test_the_longest_command_that_fits(typed: str, words: str, values: list[str]) -> None:
    info, found = find(COMMANDS, typed)
    assert (info.words, found) == (words, values)


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("SET MOD CLEAR", "no command 'SET MOD CLEAR'; did you mean SET MODE"),
        ("", "no command ''; this device takes GET TIME, SET TIME"),
        ("SET MODE", "SET MODE mode: mode is missing: CONTROL, CLEAR"),
        ("SET MODE WALK", r"mode must be one of CONTROL, CLEAR \(got 'WALK'\)"),
        ("GET TIME now", "GET TIME: 'now' is one word too many"),
        ("WRITE INFO", "WRITE INFO text: text is missing"),
        ("#WC 013 1", "#WC 013 channel bib: bib is missing"),
    ],
)
def test_what_fits_none_says_what_would(typed: str, why: str) -> None:
    with pytest.raises(CommandError, match=why):
        find(COMMANDS, typed)


def test_a_device_without_commands() -> None:
    with pytest.raises(CommandError, match="takes none"):
        find((), "PING")
