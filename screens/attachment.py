"""The console's tie to the engine: attached, or trying again; it tells what changed and never gives up by itself."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from console.control.client import Client, EngineGoneError, RefusedError
from console.model import EngineState

RETRY = 0.5
"""Seconds between two attempts."""


class Attachment:
    """Keeps a client attached to the engine at `path`."""

    def __init__(self, path: Path, *, observe: bool, on_state: Callable[[EngineState], None]) -> None:
        self.path = path
        self.client: Client | None = None
        """None while the engine is away."""
        self.refused = ""
        """Why the engine will not have us; it is still tried again, for the engine may be replaced."""
        self.attached = 0
        """How often it has attached."""
        self._observe = observe
        self._on_state = on_state

    async def run(self, changed: Callable[[], None]) -> None:
        """Attach, and again whenever the engine goes away; `changed` is called when either happens."""
        while True:
            try:
                client = await Client.connect(self.path, observe=self._observe)
            except (EngineGoneError, OSError):
                await asyncio.sleep(RETRY)
                continue
            except RefusedError as error:
                self.refused = str(error)
                changed()
                await asyncio.sleep(RETRY)
                continue
            self.client, self.refused = client, ""
            self.attached += 1
            client.on_state = self._on_state
            try:
                self._on_state(client.state)
                changed()
                await client.gone.wait()
            finally:
                self.client = None
                client.close()
            changed()
