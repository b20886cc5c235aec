"""What the server sends, written into wired timers: the finish gets the start's impulses, as a docking does it."""

import asyncio
from collections import deque
from collections.abc import Callable

from console.codecs import thcom
from console.codecs.thcom_link import Extended
from console.codecs.thcom_session import WINDOW
from console.model import ItsWriter, Level

MOST = 1000
"""Messages that wait for a timer which is not connected."""

PACE = 0.01
"""Seconds between two messages at least: a server that floods us must not flood the timer."""

AGAIN_EVERY = 1.0
"""Seconds between two attempts to write to it."""

RECENT = 10 * WINDOW
"""Messages of which it is remembered that they were written: what comes again after the loss of a connection is among
the last of them."""

NOT_FOR_TIMERS = ("#", "AK", "SN", "ID", "UN", "PW")
"""Commands and their answers: nobody far away sets up or clears a timer here. What a timer answers stays here, too."""


class Downlink:
    """Writes to one timer, in order, each message once."""

    def __init__(
        self,
        device: str,
        write: Callable[[str, bytes], None],
        checksum: bool,
        trouble: Callable[[Level, str, str], None],
        wall: Callable[[], int],
    ) -> None:
        self.device = device
        self._write = write
        """Raises ConnectionError, and CommandError where there is no such device."""
        self._checksum = checksum
        self._trouble = trouble
        self._wall = wall
        self._waiting: deque[bytes] = deque()
        self._recent: dict[tuple[str, str], None] = {}
        self._written = self._lost = 0
        self._last: int | None = None
        self._stir = asyncio.Event()
        self._said = ""

    def state(self) -> ItsWriter:
        """As the operator sees it."""
        return ItsWriter(device=self.device, written=self._written, waiting=len(self._waiting), last=self._last)

    def take(self, frame: Extended) -> None:
        """A frame has come for this timer."""
        if frame.protocol != "1" or frame.data.startswith(NOT_FOR_TIMERS):
            return
        contents = frame.source, frame.data
        if contents in self._recent:
            return
        self._recent[contents] = None
        if len(self._recent) > RECENT:
            del self._recent[next(iter(self._recent))]
        if len(self._waiting) >= MOST:
            self._waiting.popleft()
            self._lost += 1
        self._waiting.append(thcom.basic(frame.data, self._checksum))
        self._stir.set()

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            self._stir.clear()
            if not self._waiting:
                await self._stir.wait()
            await asyncio.sleep(PACE if self._write_next() else AGAIN_EVERY)

    def _write_next(self) -> bool:
        """Write what has waited longest; False: the timer is not there."""
        try:
            self._write(self.device, self._waiting[0])
        except ConnectionError as error:
            self._say(str(error))
            return False
        self._waiting.popleft()
        self._written += 1
        self._last = self._wall()
        if self._said and not self._waiting:
            lost = f"; the {self._lost} oldest were given up" if self._lost else ""
            self._trouble(Level.NOTE, self.device, f"what the server sent for it has been written to it{lost}")
            self._said, self._lost = "", 0
        return True

    def _say(self, why: str) -> None:
        if not self._said:
            text = f"what the server sends for it waits until it is connected ({why}); the engine's end would lose it"
            self._trouble(Level.WARNING, self.device, text)
        self._said = why
