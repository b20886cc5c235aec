"""The clock of a station: set to the second from this machine's, in the event's zone (otimcon.md, sections 2 and 6).

It shows whole seconds of its wall clock and knows no zone; the firmware checks nothing of what it is told.
"""

import asyncio
from datetime import UTC, datetime, tzinfo

from console.codecs.otimcon import set_time
from console.codecs.otimcon_records import Time
from console.devices.driver import CommandError, Outlet
from console.devices.otimcon_replies import clock
from console.devices.otimcon_station import Turn
from console.devices.otimcon_workflow import asked
from console.model import SECOND

MEASURED = 3
"""PINGs that tell how long a line takes to the station and through its main loop."""


def digits(wall: int, zone: tzinfo) -> int:
    """What a right clock in `zone` shows at `wall`, as the station counts it: the wall-clock digits taken as UTC."""
    return int(datetime.fromtimestamp(wall // SECOND, zone).replace(tzinfo=UTC).timestamp())


def epoch_of(answer: Time) -> int:
    """The seconds of an answer, where need be from its text. Raises CommandError for what is no time."""
    seconds = clock(answer)
    if seconds is None:
        raise CommandError(f"its clock shows {answer.shown}, which is no time")
    return seconds


async def ahead(turn: Turn, outlet: Outlet) -> int:
    """Whole seconds by which the station's clock is ahead of the event's time. Raises as `asked`."""
    answer = await asked(turn, "GET TIME", Time)
    return epoch_of(answer) - digits(outlet.wall(), outlet.zone)


async def set_clock(turn: Turn, outlet: Outlet) -> tuple[int, int]:
    """Set the clock at a full second, and read it back: how far it was ahead, and how far it is. Raises as `asked`."""
    before = await ahead(turn, outlet)
    wall = outlet.wall() + int(await lead(turn) * SECOND)
    second = -(-wall // SECOND)
    await asyncio.sleep((second * SECOND - wall) / SECOND)
    line = set_time(datetime.fromtimestamp(second, outlet.zone)).decode().strip()
    await asked(turn, line, Time, once=True)  # later it would be wrong
    return before, await ahead(turn, outlet)


async def lead(turn: Turn) -> float:
    """Seconds before the full second at which SET TIME must be sent: the mean round trip of a PING.

    Its line and its answer are together about as long as that one line, and the main loop looks at it as late.
    """
    took = 0.0
    for _ in range(MEASURED):
        await turn.ping()
        took += turn.took
    return took / MEASURED
