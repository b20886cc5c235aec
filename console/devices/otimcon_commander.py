"""The single commands of a station: checked, sent, and their answers compared with what was asked."""

import math
from collections.abc import Sequence
from typing import ClassVar

from msgspec import structs

from console.codecs.otimcon_records import Pong, Record, Warned
from console.devices import otimcon_commands as table
from console.devices.driver import CommandError, Reply
from console.devices.otimcon_clock import set_clock
from console.devices.otimcon_replies import EXACT, refused, reply, said
from console.devices.otimcon_station import QUIET
from console.devices.otimcon_workflow import Workflow
from console.model import CommandInfo, Order, Risk, Scalar

MOST_SECONDS = 60
"""Between two PINGs."""


class Commander(Workflow):
    """Every command that is one line and one answer, and `KEEP AWAKE`."""

    commands: ClassVar[tuple[CommandInfo, ...]] = (
        table.PING,
        table.GET_TIME,
        table.GET_CTRL,
        table.BLEEP,
        table.GET_VERSION,
        table.GET_MODE,
        table.GET_VOLTAGE,
        table.HELP,
        table.KEEP_AWAKE,
        table.SET_TIME,
        table.SET_CTRL,
        table.SET_MODE,
        table.RESET_BACKUP,
        table.RAW,
    )

    def risk(self, info: CommandInfo, values: Sequence[str]) -> Risk:
        """See Workflow. A line that would be refused is refused before anybody is asked about it."""
        if info is table.KEEP_AWAKE:
            return Risk()
        line = table.line_of(info, values, self.station.version)
        if info is table.SET_TIME:
            return Risk(changes=True, sets_clock=not values)
        if info is table.RESET_BACKUP:
            saved = self.driver.facts.get("backup")
            read = f"which was {saved}" if saved else "which has not been read here"
            return Risk(changes=True, destroys=f"{info.destroys}, {read}")
        if info is table.SET_CTRL:
            now = self.driver.facts.get("control")
            return Risk(changes=True, does=f"it is {now} now" if now else "")
        return table.risk(line, self.station.mode)

    async def run(self, info: CommandInfo, values: Sequence[str], order: Order) -> Reply:
        """See Workflow."""
        if info is table.KEEP_AWAKE:
            return self._keep_awake(values[0])
        matters = info.changes or info is table.BLEEP
        line = table.line_of(info, values, await self.version(order.by) if matters else self.station.version)
        if self.driver.job is not None and self.risk(info, values).changes:
            raise CommandError(f"{self.driver.job.words} is under way; STOP ends it")
        if info is table.RAW:
            return await self._raw(line, order.by)
        if info is table.BLEEP:
            return await self._bleep(order.by)
        if info is table.PING:
            return await self._ping(order.by)
        if info is table.SET_TIME and not values:
            return await self._sync(order.by)
        async with self.station.turn(order.by) as turn:
            answer = await turn.ask(line)
        done = reply(line, answer, self.station.version, self.outlet.wall(), self.outlet.zone)
        if info is table.SET_TIME and done.ok and self.station.mode == "FROZEN_CONTROL":
            return structs.replace(done, text=f"{done.text}; in FROZEN_CONTROL that is its frozen time only")
        return done

    async def _ping(self, by: str) -> Reply:
        async with self.station.turn(by) as turn:
            answer = await turn.ping()
        ms = round(turn.took * 1000)
        how = "PONG" if isinstance(answer, Pong) else "awake, but too old to know PING (0.19 or older),"
        return Reply(ok=True, text=f"{how} after {ms} ms", data={"ms": ms})

    async def _bleep(self, by: str) -> Reply:
        async with self.station.turn(by) as turn:
            answer = await turn.raw(table.BLEEP.words, timeout=QUIET)
        if answer and refused(answer[-1]):
            return Reply(ok=False, text=f"{said(answer[-1])}: its firmware does not know BLEEP, which came with 0.22")
        return Reply(ok=None, text="sent; a station that beeps does not answer")

    async def _raw(self, line: str, by: str) -> Reply:
        async with self.station.turn(by) as turn:
            answer = await turn.raw(line)
        text = _told(answer)
        if not answer:
            return Reply(ok=None, text="sent; silence, which is how BLEEP and an unknown WRITE are answered")
        if table.as_read(line)[:2] == ["SET", "CTRL"]:  # obeyed in every mode, though its warning looks like a refusal
            answer = [each for each in answer if not isinstance(each, Warned)]
        return Reply(ok=not any(refused(each) for each in answer), text=text)

    async def _sync(self, by: str) -> Reply:
        if self.station.mode == "FROZEN_CONTROL":  # it would be every punch's time, and the clock stays as it is
            raise CommandError(
                "SET TIME: it is frozen at a time, and would be at another: SET MODE first, or say which"
            )
        try:
            before, after = await self._set_clock(by)
        except TimeoutError:  # what it has of the line runs when it is woken, and sets anything
            before, after = await self._set_clock(by)
        data: dict[str, Scalar] = {"before": before, "difference": after}
        if abs(after) > EXACT:
            text = f"its clock was NOT set right: it is {after:+} s off, and was {before:+} s off before; try again"
            return Reply(ok=False, text=text, data=data)
        text = f"clock set: it was {_off(before)} and is {_off(after)} now; it shows whole seconds"
        return Reply(ok=True, text=text, data=data)

    async def _set_clock(self, by: str) -> tuple[int, int]:
        async with self.station.turn(by) as turn:
            return await set_clock(turn, self.outlet)

    def _keep_awake(self, given: str) -> Reply:
        try:
            seconds = float(given)
        except ValueError:
            seconds = math.nan
        if not (seconds == 0 or 1 <= seconds <= MOST_SECONDS):
            raise CommandError(f"KEEP AWAKE: seconds {given!r} must be 1 to {MOST_SECONDS}, or 0 for no PINGs")
        self.station.keep(seconds)
        lasts = f"until the engine is restarted; keep_awake = {seconds:g} in the settings makes it last"
        done = f"a PING every {seconds:g} s" if seconds else "no PINGs: a low-power build will fall asleep"
        return Reply(ok=True, text=f"{done}, {lasts}", data={"seconds": seconds})


def _off(seconds: int) -> str:
    return f"{seconds:+} s off" if seconds else "right"


def _told(answer: Sequence[Record]) -> str:
    return "; ".join(said(each) for each in answer)
