"""Mode WRITER for a while: every way of writing cards needs it (otimcon.md, sections 2 and 4)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from console.codecs.otimcon_records import Mode
from console.devices.driver import CommandError
from console.devices.otimcon_workflow import Workflow
from console.model import Level, Risk

ALL_THE_SAME = "that also comes where a card keeps what it has: a last punch of this control, not over 30 s older"
"""Section 4; only a READOUT station can tell."""


def risk(mode: str) -> Risk:
    """What writing may do to a station in `mode` (empty: not known)."""
    if mode == "WRITER":
        return Risk(changes=True)
    back = f"mode changes to WRITER, and back to {mode or 'what it is'} afterwards: no punches meanwhile"
    return Risk(changes=True, destroys=back)


@asynccontextmanager
async def writer(workflow: Workflow, by: str) -> AsyncIterator[None]:
    """The station is in mode WRITER for as long as the block lasts, and then in the mode again that it was in.

    Raises CommandError where it does not get there; TimeoutError, ConnectionError. That it did not get back is told.
    """
    was = await workflow.ask("GET MODE", by, Mode)
    if was.mode == "FROZEN_CONTROL":
        raise CommandError("the station is frozen at a time, and would come back frozen at now: SET MODE first")
    try:
        if was.mode != "WRITER" and (now := await workflow.ask("SET MODE WRITER", by, Mode)).mode != "WRITER":
            raise CommandError(f"the station stays in mode {now.mode}: it was not set to WRITER")
        yield
    finally:
        if was.mode != "WRITER":
            with suppress(TimeoutError, CommandError, ConnectionError):
                await workflow.ask(f"SET MODE {was.mode}{' POS' * was.pos}", by, Mode)
            if workflow.station.mode != was.mode:
                text = f"left in mode WRITER, was {was.mode}: set it back with SET MODE"
                workflow.outlet.trouble(Level.WARNING, text)
