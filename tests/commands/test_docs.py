"""What docs/commands.md lists is what there is."""

import re
from pathlib import Path

import pytest

from console.cli import main
from console.sheets import SHEETS

TOLD = (Path(__file__).parents[2] / "docs" / "commands.md").read_text(encoding="utf-8")


def test_every_sheet_is_told() -> None:
    of_sheets = TOLD.partition("| sheet |")[2].partition("\n\n")[0]
    assert set(re.findall(r"`([a-z-]+)`", of_sheets)) - {"report"} == SHEETS.keys() - {"report"}


def test_every_action_of_an_export_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["export", "--help"])
    actions = re.findall(r"^    ([a-z]+) {2,}\S", capsys.readouterr().out, re.MULTILINE)
    (row,) = [line for line in TOLD.splitlines() if line.startswith("| `export ACTION`")]
    assert len(actions) == 9
    for action in actions:
        assert f"`{action} EXPORT" in row or f"`{action} [EXPORT" in row
