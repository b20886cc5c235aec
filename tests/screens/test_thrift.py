"""Whatever the terminal showed before, it shows what it should after; and that is cheap where lines move up."""

from hypothesis import given
from hypothesis import strategies as st
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from screens.thrift import Row, Terminal, cells
from tests.screens.vt import Screen

STYLES = [Style.parse(text) for text in ("none", "bold", "dim #ff0000 on #000020", "#00ff00 on #000020", "reverse")]
WIDTH = 12

line = st.lists(
    st.tuples(st.sampled_from(["a", "b", " ", "李", "é", "abc"]), st.sampled_from(STYLES)),
    min_size=WIDTH,
    max_size=WIDTH,
).map(lambda parts: Strip([Segment(text, style) for text, style in parts]).crop(0, WIDTH).adjust_cell_length(WIDTH))


def shown(screen: Screen, row: Row, y: int) -> None:
    """Row `y` of the screen is `row`."""
    fresh = Screen(WIDTH, 1)
    fresh.feed(Terminal().show({0: row}, ColorSystem.TRUECOLOR))
    assert screen.cells[y] == fresh.cells[0]


@given(st.lists(line, min_size=3, max_size=8), st.data())
def test_the_terminal_shows_every_screen_of_a_story(first: list[Strip], data: st.DataObject) -> None:
    terminal, screen = Terminal(), Screen(WIDTH, len(first))
    rows = [cells([strip]) for strip in first]
    for _ in range(4):
        changed = dict(enumerate(rows))
        screen.feed(terminal.show(changed, ColorSystem.TRUECOLOR))
        for y, row in enumerate(rows):
            shown(screen, row, y)
        step = data.draw(st.integers(0, len(rows)))
        rows = rows[step:] + [cells([data.draw(line)]) for _ in range(step)]
        at = data.draw(st.integers(0, len(rows) - 1))
        rows[at] = cells([data.draw(line)])


def text_row(text: str) -> Row:
    return cells([Strip([Segment(text.ljust(80), STYLES[0])])])


def test_a_list_that_moves_up_costs_one_line() -> None:
    terminal = Terminal()
    screen = Screen(80, 20)
    rows = {y: text_row(f"{y:>8}  PRIMARY {y * 7919}") for y in range(20)}
    screen.feed(terminal.show(rows, ColorSystem.TRUECOLOR))
    rows = {y: text_row(f"{y + 2:>8}  PRIMARY {(y + 2) * 7919}") for y in range(20)}
    sent = terminal.show(rows, ColorSystem.TRUECOLOR)
    screen.feed(sent)
    assert "\x1b[2S" in sent
    assert len(sent) < 250
    assert screen.lines[0].startswith("       2  PRIMARY")
    assert screen.lines[19].startswith("      21  PRIMARY")


def test_a_clock_that_ticks_costs_a_few_bytes() -> None:
    terminal = Terminal()
    terminal.show({0: text_row("10:41:58 NTP ok")}, ColorSystem.TRUECOLOR)
    sent = terminal.show({0: text_row("10:41:59 NTP ok")}, ColorSystem.TRUECOLOR)
    assert sent == "\x1b[1;8H9"


def test_what_is_as_it_was_costs_nothing() -> None:
    terminal = Terminal()
    rows = {y: text_row(f"line {y}") for y in range(5)}
    terminal.show(dict(rows), ColorSystem.TRUECOLOR)
    assert terminal.show(dict(rows), ColorSystem.TRUECOLOR) == ""
