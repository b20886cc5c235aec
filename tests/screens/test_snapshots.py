"""Every tab as it looks, at 80x24 and at 132x43."""

from pathlib import Path

import pytest

from tests.screens.conftest import console_on
from tests.screens.snapshots import compare

TABS = {
    "race": (),
    "log": ("l",),
    "incidents": ("i",),
    "timemachine": ("l", "]"),
    "otimcon": ("l", "]", "]", "]"),
    "exports": ("x",),
    "help": ("?",),
    "detail": ("l", "enter"),
    "jump": ("g",),
}


@pytest.mark.parametrize("size", [(80, 24), (132, 43)], ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("tab", TABS)
async def test_tab_looks_as_drawn(socket: Path, tab: str, size: tuple[int, int]) -> None:
    async with console_on(socket, size=size) as console:
        await console.press(*TABS[tab])
        await console.sees(lambda: "\n...\n" not in console.text and " ...\n" not in console.text)
        assert {len(line) for line in console.lines if line.isascii()} == {size[0]}
        assert len(console.lines) == size[1]
        compare(f"{tab}-{size[0]}x{size[1]}", console.text)


async def test_without_box_drawing(socket: Path) -> None:
    async with console_on(socket, ascii=True) as console:
        assert not set("─│") & set(console.text)
        compare("race-ascii-80x24", console.text)
