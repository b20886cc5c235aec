"""A CTP01 export between a desk in memory and the strict server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from console.exports.ctp01 import Ctp01
from console.exports.ctp01_settings import Ctp01Settings
from console.simulators.scoring_ctp01 import ScoringCtp01
from tests.exports.desk import MemoryDesk


@asynccontextmanager
async def serving(**how: Any) -> AsyncIterator[ScoringCtp01]:
    """The server, at work; in the end it must have had nothing to complain of."""
    strict = how.pop("strict", True)
    server = ScoringCtp01(how.pop("address", "127.0.0.1:0"), **{"poll": 0.01} | how)
    task = asyncio.create_task(server.run())
    async with asyncio.timeout(30):
        await server.until(lambda: server.listening or task.done())
        try:
            yield server
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    if strict:
        assert not server.flaws, list(server.flaws)[:5]


def make(desk: MemoryDesk, port: int, **settings: Any) -> Ctp01:
    """The export."""
    made = Ctp01Settings(name="scoring", type="ctp01", connect=f"127.0.0.1:{port}", **settings)
    return Ctp01(made, desk, desk.now)


@asynccontextmanager
async def exporting(desk: MemoryDesk, port: int, **settings: Any) -> AsyncIterator[Ctp01]:
    """The export, at work."""
    export = make(desk, port, **settings)
    task = asyncio.create_task(export.run())
    try:
        yield export
    finally:
        task.cancel()
        (result,) = await asyncio.gather(task, return_exceptions=True)
        assert isinstance(result, asyncio.CancelledError), repr(result)
