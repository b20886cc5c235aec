"""What goes beyond one command and its answer: each workflow of a station has a file of its own."""

import asyncio
from collections.abc import Sequence
from typing import Any, ClassVar, TypeVar

from msgspec import structs

from console.codecs.otimcon_records import Record, UnknownArgument
from console.codecs.piece import Piece
from console.devices.driver import CommandError, Driver, Reply
from console.devices.otimcon_replies import said
from console.devices.otimcon_station import Station, Turn
from console.model import CommandInfo, Fact, Job, Order, Risk, Sheet

R = TypeVar("R", bound=Record)


class Workflow:
    """One workflow of one station. It lives as long as its driver, over any number of links."""

    commands: ClassVar[tuple[CommandInfo, ...]] = ()

    def __init__(self, driver: Driver[Any], station: Station) -> None:
        self.driver = driver
        self.station = station
        self.outlet = driver.outlet

    async def run(self, info: CommandInfo, values: Sequence[str], order: Order) -> Reply:
        """Carry out one of `commands`. Raises CommandError, TimeoutError where the station does not answer, and
        ConnectionError."""
        raise NotImplementedError

    def check_file(self, info: CommandInfo, values: Sequence[str], text: str) -> None:
        """See Driver."""

    def risk(self, info: CommandInfo, values: Sequence[str]) -> Risk:
        """What one of `commands` may do with these arguments. Raises CommandError where they are malformed."""
        return Risk(changes=info.changes, destroys=info.destroys, sets_clock=info.sets_clock)

    def heard(self, piece: Piece[Record]) -> tuple[Fact, ...]:
        """The station has printed this, good or garbage; the facts that only this workflow can see in it."""
        return ()

    def opened(self) -> None:
        """A new link."""

    def lost(self) -> None:
        """The link is gone."""

    async def attend(self) -> None:
        """What it does of itself while the link is open and the station has introduced itself."""
        await asyncio.Event().wait()

    def stop(self, by: str) -> str:
        """End what goes on beyond its command; what that was, in words, empty: nothing."""
        return ""

    def unplugging(self) -> bool:
        """See Driver."""
        return False

    def sheet(self, name: str) -> Sheet | None:
        """A table it keeps in memory."""
        return None

    # --- for the workflows ---

    async def version(self, by: str) -> str:
        """The firmware's version, asked for where it has not been told yet. Raises TimeoutError, ConnectionError."""
        if not self.station.version:
            await self.station.ask("GET VERSION", by)
        return self.station.version

    async def ask(self, words: str, by: str, expected: type[R]) -> R:
        """Ask the station alone; see `asked`."""
        async with self.station.turn(by) as turn:
            return await asked(turn, words, expected)

    def begin(self, order: Order, text: str, *, done: int = 0, total: int | None = None) -> None:
        """Show a job. Raises CommandError where another one is under way."""
        if self.driver.job is not None:
            raise CommandError(f"{self.driver.job.words} is under way; STOP ends it")
        self.driver.job = Job(
            words=order.words, by=order.by, since=self.outlet.wall(), done=done, total=total, text=text
        )
        self.driver.changed()

    def progress(self, text: str, done: int | None = None) -> None:
        """Show how far the job is."""
        job = self.driver.job
        if job is not None:
            self.driver.job = structs.replace(job, text=text, done=job.done if done is None else done)
            self.driver.changed()

    def end(self) -> None:
        """The job is over."""
        self.driver.job = None
        self.driver.changed()


async def asked(turn: Turn, words: str, expected: type[R], *, once: bool = False) -> R:
    """The record that answers `words`; `once`: see `Turn.ask`.

    Raises CommandError where it answers anything but `expected`; TimeoutError, ConnectionError.
    """
    *_, record = answer = await turn.ask(words, once=once)
    if isinstance(record, expected):
        return record
    why = ": this firmware does not know it" if isinstance(record, UnknownArgument) else ""
    raise CommandError(f"{words}: the station answered {'; '.join(said(each) for each in answer)}{why}")
