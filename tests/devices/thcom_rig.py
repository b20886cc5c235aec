"""A THCOM08 device at the end of a driver's outlet: its answers, or silence."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from datetime import tzinfo
from typing import Any, Protocol

from console.codecs import thcom
from console.codecs.thcom_records import Command
from console.devices.driver import Driver, Reply
from console.model import SECOND, Order
from tests.devices.outlet import Nowhere

WALL = 1_700_000_000 * SECOND
"""2023-11-14 22:13:20 UTC."""


class Instrument(Protocol):
    """What answers: the data of messages for the data of a command."""

    def __call__(self, command: Command) -> Sequence[str]: ...


class Wire(Nowhere):
    """Carries what a driver says to an instrument, and its answers back, one line each turn of the loop.

    `answer` None: nobody listens. `gone` set: there is no link.
    """

    def __init__(self, answer: Instrument | None = None) -> None:
        super().__init__()
        self.answer = answer
        self.driver: Driver[Any]
        self.sent: list[bytes] = []
        self.journaled: list[bytes] = []
        self.by: list[str] = []
        self.gone = False
        self._waiting: deque[bytes] = deque()
        self.now: Callable[[], int] = lambda: WALL
        self.summer: tzinfo | None = None

    def send(self, raw: bytes, *, by: str = "", label: str = "", mask: bytes = b"") -> None:
        if self.gone:
            raise ConnectionError("not connected: nothing was sent")
        self.sent.append(raw)
        self.journaled.append(raw.replace(mask, b"*") if mask else raw)
        self.by.append(by)
        (piece,) = thcom.Decoder(serial=True).receive(raw)
        assert isinstance(piece.record, Command)
        assert not piece.flaw
        if self.answer:
            for line in self.answer(piece.record):
                self.say(line)

    def say(self, *lines: str, checksum: bool = True) -> None:
        if not self._waiting and lines:
            asyncio.get_running_loop().call_soon(self._deliver)
        self._waiting += [thcom.basic(line, checksum) for line in lines]

    def _deliver(self) -> None:
        self.driver.receive(self._waiting.popleft(), 0)
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._deliver)

    @property
    def data(self) -> list[str]:
        """What was sent, without checksums."""
        return [raw.partition(b"\t")[0].strip().decode() for raw in self.sent]

    @property
    def zone(self) -> tzinfo:
        return self.summer or super().zone

    def wall(self) -> int:
        return self.now()


async def ask(driver: Driver[Any], words: str, text: str = "") -> Reply:
    return await driver.command(Order(words=words, by="anna", text=text))


async def settled(turns: int = 20) -> None:
    """Let everything happen that needs no time."""
    for _ in range(turns):
        await asyncio.sleep(0)
