"""WRITE INFO and WRITE CONTROL: one card (otimcon.md, sections 2 and 4)."""

import asyncio
from collections.abc import Sequence
from typing import ClassVar

from console.codecs.otimcon_records import CardError, Starting, Written
from console.devices import otimcon_commands as table
from console.devices.driver import CommandError, Reply
from console.devices.otimcon_replies import reply
from console.devices.otimcon_station import Listener
from console.devices.otimcon_workflow import Workflow
from console.devices.otimcon_writer import ALL_THE_SAME, risk, writer
from console.model import CommandInfo, Order, Risk

AGAIN = 2.0
"""Seconds after a FAIL within which the station, which tries again while the card lies there, may still succeed."""
README = "the firmware ignores WRITE CTRL, the README's word: sent as WRITE CONTROL"


class Write(Workflow):
    """Writes one card. The station waits for it in mode WRITER, and has it pending in any other mode too."""

    commands: ClassVar[tuple[CommandInfo, ...]] = (table.WRITE_INFO, table.WRITE_CONTROL, table.WRITE_CTRL)

    def risk(self, info: CommandInfo, values: Sequence[str]) -> Risk:
        """See Workflow: in another mode than WRITER it asks first."""
        table.line_of(info, values, self.station.version)
        return risk(self.station.mode)

    async def run(self, info: CommandInfo, values: Sequence[str], order: Order) -> Reply:
        """Have the next card written, and wait for it."""
        line = table.line_of(info, values, await self.version(order.by))
        if self.driver.job is not None:
            raise CommandError(f"{self.driver.job.words} is under way; STOP ends it")
        if info is table.WRITE_INFO and self.station.leaves_tail(line.removeprefix("WRITE INFO ")):
            raise CommandError(
                f"{line}: it would get the end of something longer that still waits in the station "
                f"({self.station.pending or 'an earlier WRITE'}): let a card take that first, or reset the station"
            )
        self.begin(order, "asking the station")
        sent = False
        try:
            async with writer(self, order.by):
                with self.station.listen() as cards:
                    sent = True
                    answer = await self.station.ask(line, order.by)
                    taken = reply(line, answer, self.station.version, self.outlet.wall(), self.outlet.zone)
                    if not taken.ok:
                        return taken
                    self.progress("waiting for its card")
                    done = await self._card(cards)
        except asyncio.CancelledError as stopped:
            if not (str(stopped) and sent):
                raise
            kept = "the station still has it pending, over any change of mode: the next card in mode WRITER gets it"
            raise asyncio.CancelledError(f"{stopped}; {kept}, unless you reset it") from None
        finally:
            self.end()
        said = done.text
        if done.ok and info is not table.WRITE_INFO:
            said = f"{said}; {ALL_THE_SAME}"
        return Reply(ok=done.ok, text=f"{said} ({README})" if info is table.WRITE_CTRL else said)

    async def _card(self, cards: Listener) -> Reply:
        """Wait for the card. A FAIL counts once nothing better comes of it: the station tries again at once."""
        fault, failed = "", False
        while True:
            try:
                record = await cards.next(AGAIN if failed else None)
            except TimeoutError:
                why = f"{fault}: clear it at a CLEAR station first" if fault else "hold the card still until it bleeps"
                return Reply(ok=False, text=f"NOT WRITTEN: {why}; the station still waits to write it")
            match record:
                case Written(job, True):
                    return Reply(ok=True, text=f"WRITING {job} TO CARD: OK".replace("  ", " "))
                case Written():
                    failed = True
                    self.progress("NOT WRITTEN; the station tries again while the card lies there")
                case CardError(text):
                    fault = text
                case Starting():
                    raise CommandError("the station was reset, and has forgotten it: nothing was written")
