"""How `racedeck` opens the console. Textual is imported in here, not before: it reads its constants at import."""

import os
from collections.abc import Callable
from pathlib import Path

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
) -> int:
    """Show the event of the engine at `socket` until the operator leaves; the exit status.

    `slow` is for thin lines (and where SSH_CONNECTION is set): fewer repaints. `start` starts an engine, when asked to.
    """
    os.environ["TEXTUAL_ANIMATIONS"] = "none"
    os.environ["TEXTUAL_SMOOTH_SCROLL"] = "0"
    slow = slow or "SSH_CONNECTION" in os.environ
    from screens.deck import Deck

    deck = Deck(
        socket,
        observe=observe,
        rate=max(1, min(30, fps or (SLOW_FPS if slow else FPS))),
        ascii=ascii,
        theme=theme or ("mono" if "NO_COLOR" in os.environ else "dark"),
        bell=bell,
        start=start,
    )
    deck.run(mouse=False)
    if deck.parting:
        print(deck.parting)
    return deck.return_code or 0
