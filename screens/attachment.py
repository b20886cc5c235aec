"""The console's tie to the engine: attached, or trying again; it keeps the newest state and never gives up."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from console.control.client import Client, EngineGoneError, RefusedError
from console.model import EngineState
from screens.picture import Picture

RETRY = 0.5
"""Seconds between two attempts."""


class Attachment:
    """Keeps a client attached to the engine at `path`; `changed` is called when anything is different."""

    def __init__(self, path: Path, *, observe: bool, clock: Callable[[], int], changed: Callable[[], None]) -> None:
        self.path = path
        self.observe = observe
        self.state: EngineState | None = None
        """The newest; None before the engine was first heard."""
        self.refused = ""
        """Why the engine will not have us; it is still tried again, for it may be replaced."""
        self._client: Client | None = None
        self._clock = clock
        self._changed = changed
        self._state_at = 0
        self._gone_at: int | None = None

    async def run(self) -> None:
        """Attach, and again whenever the engine goes away."""
        while True:
            try:
                client = await Client.connect(self.path, observe=self.observe, stays=True)
            except EngineGoneError:
                await asyncio.sleep(RETRY)
                continue
            except RefusedError as error:
                self.refused = str(error)
                self._changed()
                await asyncio.sleep(RETRY)
                continue
            self._client, self.refused, self._gone_at = client, "", None
            client.on_state = self._take
            self._take(client.state)
            try:
                await client.gone.wait()
            finally:
                client.close()
                self._client, self._gone_at = None, self._clock()
            self._changed()

    def _take(self, state: EngineState) -> None:
        self.state, self._state_at = state, self._clock()
        self._changed()

    @property
    def here(self) -> bool:
        """The engine is attached."""
        return self._client is not None

    @property
    def client(self) -> Client:
        """The engine. Raises EngineGoneError where there is none."""
        if self._client is None:
            raise EngineGoneError("the engine is away; nothing was done")
        return self._client

    def picture(self, *, ascii: bool) -> Picture:  # noqa: A002 - the name of the switch
        """This moment. The engine's clock is carried on between two states, and stands still while it is away.

        Raises EngineGoneError before the engine was first heard.
        """
        if self.state is None:
            raise EngineGoneError("no engine has answered yet")
        clock = self._clock()
        gone = None if self._gone_at is None else clock - self._gone_at
        return Picture(self.state, self.state.now + clock - self._state_at - (gone or 0), gone=gone, ascii=ascii)
