"""The command line itself: what argparse alone does not take."""

import argparse

import pytest

from console import cli
from console.commands import act


def test_options_of_send_may_stand_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[str, list[str], str]] = []

    def send(args: argparse.Namespace) -> int:
        given.append((args.device, args.words, args.yes))
        return 0

    monkeypatch.setattr(act, "send", send)
    for words in (
        ("--yes", "start", "start", "#WC", "001"),
        ("start", "--yes", "start", "#WC", "001"),
        ("start", "#WC", "--yes", "start", "001"),
        ("start", "#WC", "001", "--yes", "start"),
    ):
        assert cli.main(["send", *words]) == 0
    assert given == [("start", ["#WC", "001"], "start")] * 4


def test_what_no_command_knows_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["status", "now"], ["send", "start", "--yse", "start", "#WC", "001"]):
        with pytest.raises(SystemExit) as error:
            cli.main(words)
        assert error.value.code == 2
        assert "unrecognized arguments" in capsys.readouterr().err
