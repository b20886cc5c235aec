"""A console on a fake engine, both in this process, tied by the real socket."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.events import Key, Paste
from textual.keys import _character_to_key
from textual.pilot import Pilot

from console.control.server import Server
from screens.deck import Deck
from screens.paint import Painted
from tests.screens.fake_engine import FakeEngine


class Console:
    """A console that a test plays on."""

    def __init__(self, deck: Deck, pilot: Pilot[int], engine: FakeEngine, server: Server) -> None:
        self.deck, self.pilot, self.engine, self.server = deck, pilot, engine, server

    @property
    def lines(self) -> list[str]:
        """What is on the screen."""
        return [line for rectangle in self.deck.screen.query(Painted) for line in rectangle.text]

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.lines) + "\n"

    async def press(self, *keys: str) -> None:
        """Press keys: characters as they are typed, others by Textual's names. (`Pilot.press` takes 50 ms a key.)"""
        for key in keys:
            character = key if len(key) == 1 else {"space": " "}.get(key)
            self.deck.post_message(Key(_character_to_key(key) if len(key) == 1 else key, character))
            await self.pilot.pause()
            await self._wait(self._loaded, "the list never came")

    def _loaded(self) -> bool:
        listing = self.deck.stack.view.listing
        return listing is None or listing.loaded or "ENGINE GONE" in self.text or self.deck.state is None

    async def type(self, text: str) -> None:
        """Answer the open question with text and Enter."""
        await self.press(*text, "enter")

    async def paste(self, text: str) -> None:
        """Answer the open question with text that came at once, and Enter."""
        self.deck.post_message(Paste(text))
        await self.pilot.pause()
        await self.press("enter")

    async def sees(self, *wanted: str | Callable[[], object]) -> None:
        """Wait until every text is on the screen and every condition holds."""

        def there(want: str | Callable[[], object]) -> object:
            return want in self.text if isinstance(want, str) else want()

        await self._wait(lambda: all(map(there, wanted)), f"never saw {wanted}")

    async def sees_no(self, unwanted: str) -> None:
        await self._wait(lambda: unwanted not in self.text, f"still saw {unwanted!r}")

    async def _wait(self, condition: Callable[[], bool], complaint: str) -> None:
        try:
            async with asyncio.timeout(10):
                while not condition():
                    await self.pilot.pause(0.01)
        except TimeoutError:
            raise AssertionError(f"{complaint} on\n{self.text}") from None

    def push(self) -> None:
        """The engine tells its consoles what it is like now."""
        self.server.changed()


@asynccontextmanager
async def engine_at(socket: Path, engine: FakeEngine) -> AsyncIterator[Server]:
    """`engine` served at `socket`."""
    server = Server(socket, engine)
    engine.consoles = lambda: len(server.clients)
    await server.open()
    pushing = asyncio.create_task(server.run())
    try:
        yield server
    finally:
        pushing.cancel()
        await asyncio.gather(pushing, return_exceptions=True)


@asynccontextmanager
async def console_on(
    socket: Path,
    engine: FakeEngine | None = None,
    *,
    size: tuple[int, int] = (80, 24),
    observe: bool = False,
    theme: str = "dark",
    ascii: bool = False,  # noqa: A002 - the name of the switch
) -> AsyncIterator[Console]:
    """A console of `size` on `engine`, which stands still unless told otherwise."""
    engine = engine or FakeEngine()
    async with engine_at(socket, engine) as server:
        deck = Deck(socket, rate=30, observe=observe, theme=theme, ascii=ascii, clock=lambda: 0)
        async with deck.run_test(size=size) as pilot:
            console = Console(deck, pilot, engine, server)
            await console.sees("LOOKING ONLY" if observe else "1 at work")
            await console.sees(lambda: deck.stack.race.passings.rows or not engine.passings)
            yield console


@pytest.fixture
def socket(tmp_path: Path) -> Path:
    """Where the engine listens."""
    return tmp_path / "s"
