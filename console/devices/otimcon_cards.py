"""Writing cards down a list: the next card gets the next row (otimcon.md, sections 2 and 4).

A writer does not say which card it wrote, so it cannot be known whether the same one comes again. It is kept from
taking two rows by time: a station without a pending WRITE does nothing with a card, and after a card was written none
is sent until the reader has been quiet for `AWAY` seconds. The firmware ignores a card that was never lifted meanwhile.
"""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import repeat
from typing import Any, ClassVar

from msgspec import Struct

from console.codecs.otimcon_records import (
    CardError,
    DebugText,
    Starting,
    Waiting,
    Written,
)
from console.devices.driver import CommandError, Driver, Reply
from console.devices.otimcon_lists import Row, control, controls, key, names
from console.devices.otimcon_station import Listener, Station
from console.devices.otimcon_workflow import Workflow
from console.devices.otimcon_writer import ALL_THE_SAME, risk, writer
from console.model import Argument, CommandInfo, Order, Risk, Scalar

AWAY = 1.5
"""Seconds for a written card to be taken away. The firmware takes a card seen again within 1 s for the same contact."""
SAME_FAULT = 1.0
"""Seconds: a card that cannot be written is told 15 to 20 times a second while it lies there."""

_FILE = Argument(name="file", help="CSV", file=True)
_ROWS = "rows: name; ASCII, 28 characters at most"
_CONTROLS = "rows: control,YYYYMMDDhhmmss"


class Batch(Struct):
    """A list on its way to the cards."""

    order: Order
    run: int
    name: str
    """Of its contents; empty: every card gets the same."""
    total: int | None
    done: int = 0


class Cards(Workflow):
    """Batches of WRITE INFO and WRITE CONTROL."""

    commands: ClassVar[tuple[CommandInfo, ...]] = (
        CommandInfo(
            words="WRITE INFO LIST",
            arguments=(_FILE,),
            help=f"names down a list, card by card; goes on where it stopped ({_ROWS})",
            key="L",
            changes=True,
            long=True,
        ),
        CommandInfo(
            words="WRITE INFO LIST AGAIN",
            arguments=(_FILE,),
            help=f"the same from the first row ({_ROWS})",
            changes=True,
            long=True,
        ),
        CommandInfo(
            words="WRITE CONTROL LIST",
            arguments=(_FILE,),
            help=f"controls down a list, card by card; goes on where it stopped ({_CONTROLS})",
            changes=True,
            long=True,
        ),
        CommandInfo(
            words="WRITE CONTROL LIST AGAIN",
            arguments=(_FILE,),
            help=f"the same from the first row ({_CONTROLS})",
            changes=True,
            long=True,
        ),
        CommandInfo(
            words="WRITE CONTROL EACH",
            arguments=(
                Argument(name="control", help="1 to 250, START or FINISH"),
                Argument(name="YYYYMMDDhhmmss", help="the time that every card gets"),
            ),
            help="the same control to every card, until STOP: a mass start written beforehand",
            changes=True,
            long=True,
        ),
    )

    def __init__(self, driver: Driver[Any], station: Station) -> None:
        super().__init__(driver, station)
        self._noted: list[dict[str, Scalar]] = []

    def risk(self, info: CommandInfo, values: Sequence[str]) -> Risk:
        """See Workflow: in another mode than WRITER it asks first."""
        return risk(self.station.mode)

    def check_file(self, info: CommandInfo, values: Sequence[str], text: str) -> None:
        """See Workflow: a list is whole and right, or nothing of it is written."""
        if info.arguments == (_FILE,):
            _rows(info, values, text)

    async def run(self, info: CommandInfo, values: Sequence[str], order: Order) -> Reply:
        """Check the whole list, then write it. Raises as `Workflow.run`."""
        if info.words == "WRITE CONTROL EACH":
            return await self._write(Batch(order, 1, "", None), enumerate(repeat(control(*values)), 1))
        rows = _rows(info, values, order.text)
        name = key(rows)
        run, done = await self._done(name)
        if info.words.endswith("AGAIN"):
            run, done = run + 1, set()
        left = [(number, row) for number, row in enumerate(rows, 1) if number not in done]
        if not left:
            raise CommandError(f"all {len(rows)} rows of this list are written; {info.words} AGAIN starts it anew")
        return await self._write(Batch(order, run, name, len(rows), len(done)), left)

    async def _done(self, name: str) -> tuple[int, set[int]]:
        """The newest run of a list, and its rows that were written, by any station."""
        acts = [act.body for act in await self.outlet.notes("card") if act.body.get("list") == name]
        acts += [body for body in self._noted if body["list"] == name]  # those may not be on disk yet
        run = max((_number(body.get("run")) for body in acts), default=1)
        return run, {_number(body.get("row")) for body in acts if body.get("run") == run and body.get("ok")}

    async def _write(self, batch: "Batch", rows: Iterable[tuple[int, Row]]) -> Reply:
        self.begin(batch.order, "the station is set to WRITER", done=batch.done, total=batch.total)
        try:
            async with writer(self, batch.order.by):
                with self.station.listen() as reader:
                    for number, row in rows:
                        await self._card(batch, number, row, reader)
                        if batch.done != batch.total:
                            self.progress(f"{row.shown} written: take the card away", batch.done)
                            await _away(reader)
        except asyncio.CancelledError as stopped:
            if not str(stopped) or not self.station.pending:
                raise
            kept = f"{self.station.pending} still waits in the station, and comes first when the same list goes on"
            raise asyncio.CancelledError(f"{stopped}; {kept}") from None
        finally:
            self.end()
        known = "" if batch.order.words.split()[1].upper() == "INFO" else f"; {ALL_THE_SAME}"
        return Reply(ok=True, text=f"all {batch.total} cards written{known}")

    async def _card(self, batch: "Batch", number: int, row: Row, reader: Listener) -> None:
        """Have the next card that can be written get `row`."""
        where = f"row {number}: " if batch.total else ""
        self.progress(f"next card: {row.shown}", batch.done)
        reader.forget()
        await self._send(row, batch.order.by)
        fault, told = "", 0.0
        now = asyncio.get_running_loop().time
        while True:
            match await reader.next():
                case Written(_, True):
                    self._note(batch, number, row, "OK")
                    batch.done += 1
                    return
                case CardError(text):
                    fault = f"{text}: clear it at a CLEAR station first"
                case Written(_, False):
                    if now() - told > SAME_FAULT:
                        self._note(batch, number, row, f"FAIL {fault}".strip())
                        why = fault or "hold the card still until it bleeps"
                        self.progress(f"NOT WRITTEN, {why}; {where}try again: {row.shown}")
                    fault, told = "", now()
                case Starting():  # which has forgotten what it was to write
                    await self._send(row, batch.order.by)

    async def _send(self, row: Row, by: str) -> None:
        """Have the station wait for a card with `row`."""
        job, _, text = row.words.removeprefix("WRITE ").partition(" ")
        if job == "INFO" and self.station.leaves_tail(text):
            raise CommandError(
                f"something longer still waits in the station ({self.station.pending or 'an earlier WRITE'}), and "
                f"{text!r} would get its end: let a card take that first, or reset the station"
            )
        for _ in range(2):
            taken = await self.ask(row.words, by, Waiting)
            if taken.job == "INFO" or f"{taken.control} {taken.time}" == text:
                return
        raise CommandError(f"{row.words}: the station understood control {taken.control} at {taken.time}")

    def _note(self, batch: "Batch", number: int, row: Row, result: str) -> None:
        body: dict[str, Scalar] = {
            "list": batch.name,
            "run": batch.run,
            "row": number,
            "what": row.words.removeprefix("WRITE "),
            "result": result,
            "ok": result == "OK",
        }
        self._noted.append(body)
        self.outlet.note("card", body, by=batch.order.by)


def _rows(info: CommandInfo, values: Sequence[str], text: str) -> list[Row]:
    """The list `text`. Raises CommandError with the lines that cannot be written."""
    return (names if "INFO" in info.words else controls)(text, values[0])


async def _away(reader: Listener) -> None:
    """Wait until the card that was written is gone, as far as that can be told."""
    now = asyncio.get_running_loop().time
    until = now() + AWAY
    with suppress(TimeoutError):
        while True:
            record = await reader.next(until - now())
            if isinstance(record, DebugText | CardError | Written):
                until = now() + AWAY


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
