"""How `racedeck` opens the console. Textual is imported in here, not before: it reads its constants at import."""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from themes import PALETTES

SLOW_FPS = 4
FPS = 10


def run(
    socket: Path,
    *,
    observe: bool = False,
    slow: bool = False,
    fps: int | None = None,
    ascii: bool = False,  # noqa: A002 - the name of the switch
    theme: str = "",
    bell: bool = True,
    start: Callable[[], None] | None = None,
    farewell: bool = True,
) -> int:
    """Show the event of the engine at `socket` until the operator leaves; the exit status.

    `slow` is for thin lines (and where SSH_CONNECTION is set): fewer repaints. `start` starts an engine, when asked to.
    `farewell`: say at the end what becomes of the engine.
    """
    if theme and theme not in PALETTES:
        print(f"no theme {theme!r}; known: {', '.join(PALETTES)}", file=sys.stderr)
        return 2
    os.environ["TEXTUAL_ANIMATIONS"] = "none"
    os.environ["TEXTUAL_SMOOTH_SCROLL"] = "0"
    # NO_COLOR means mono, unless a theme was asked for; Textual would turn colours into greys, which are colours too.
    no_color = os.environ.pop("NO_COLOR", "") != ""
    slow = slow or "SSH_CONNECTION" in os.environ
    from screens.deck import Deck

    deck = Deck(
        socket,
        observe=observe,
        rate=max(1, min(30, fps or (SLOW_FPS if slow else FPS))),
        ascii=ascii,
        theme=theme or ("mono" if no_color else "dark"),
        bell=bell,
        start=start,
    )
    deck.run(mouse=False)
    if deck.parting and farewell:
        with suppress(OSError):  # the terminal may be gone: then nobody is there to be told
            print(deck.parting, flush=True)
    return deck.return_code or 0
