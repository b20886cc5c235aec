"""Setting up one station after the other, without a hand on the console: plug in, wait for the line, unplug, next.

The plan belongs to the driver and outlives the link. A station is taken for the next one when it introduces itself: on
a new link, after a reset, or after it had fallen silent. One that this plan has set already (its number, its mode, the
right time) is not counted twice: a bad contact would use up numbers.
"""

import asyncio
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, ClassVar

from msgspec import Struct, field

from console.codecs.otimcon import CONTROL_MODES, FINISH, START
from console.codecs.otimcon_records import BackupReset, Control, Mode, Version
from console.devices.driver import CommandError, Driver, Reply
from console.devices.otimcon_clock import ahead, set_clock
from console.devices.otimcon_station import OURS, Station, Turn
from console.devices.otimcon_workflow import Workflow, asked
from console.model import Argument, CommandInfo, Level, Order, Risk

STEPS = ("time", "control", "mode", "backup")
USUAL = "time,control,mode"
MODES = ("CONTROL", "CONTROL_WITH_READOUT", "READOUT", "FULL_READOUT", "CLEAR", "PRINT")
"""What a plan can set. FROZEN_CONTROL does not survive the unplugging, WRITER is of use at the desk only."""
LOOK, GONE = 1.0, 2
"""Seconds between two looks at a station that is done, and how many it must miss to be gone."""
RIGHT = 1
"""Seconds that a clock which shows whole ones may seem off although it is right."""
FORGOTTEN = 1800.0
"""Seconds without a station after which a plan is taken for forgotten: the next to be plugged in may be one at work."""
LAST = 250

_NEWEST = "0.22"
_OLDER = {
    "0.14": "old: no backup, and its readouts are not passed on",
    "0.16": "old: its readouts are not passed on",
    "0.17": "old: backup of 64 punches, and its readouts are not passed on",
    "0.18": "old: backup of 64 punches, and its readouts are not passed on",
    "0.19": "old: backup of 64 punches, and its readouts are not passed on",
    "0.2": "older, with debug output",
    "0.21": "older",
}
"""Known versions (section 8) that are not the newest."""


class Plan(Struct):
    """What every station gets."""

    order: Order
    control: int | None
    """Of the next one; None: numbers are left alone."""
    mode: str
    """Empty: left alone."""
    time: bool
    backup: bool
    done: dict[int, int] = field(default_factory=dict)
    """Control -> stations that have it from this plan."""
    count: int = 0
    used: float = 0.0
    """When it was given, or a station was there last, on the loop's clock."""
    anew: bool = False
    """The operator wants the station that is there, whatever it looks like."""

    @property
    def next(self) -> str:
        """In words."""
        return "the next station" if self.control is None else f"the station for control {_name(self.control)}"

    def counted(self) -> None:
        """A station is set up."""
        self.count += 1
        if self.control is not None:
            self.done[self.control] = self.done.get(self.control, 0) + 1
            self.control += self.control < LAST  # START and FINISH do not count up


class AlreadyError(Exception):
    """This station was set up by this plan."""


class Setup(Workflow):
    """`NEXT STATION`."""

    commands: ClassVar[tuple[CommandInfo, ...]] = (
        CommandInfo(
            words="NEXT STATION",
            arguments=(
                Argument(
                    name="control", help=f"of the first one (1 to {LAST}, counts up), START or FINISH", optional=True
                ),
                Argument(name="mode", choices=MODES, default="CONTROL", optional=True),
                Argument(name="steps", help=f"of {','.join(STEPS)}", default=USUAL, optional=True),
            ),
            help="set up station after station as they are plugged in, until STOP; without a number: go on",
            key="N",
            changes=True,
            sets_clock=True,
        ),
    )

    def __init__(self, driver: Driver[Any], station: Station) -> None:
        super().__init__(driver, station)
        self.plan: Plan | None = None
        self._wanted = asyncio.Event()
        """There is a plan, and the station that is there shall be looked at."""

    def risk(self, info: CommandInfo, values: Sequence[str]) -> Risk:
        """The whole plan is asked once."""
        _, mode, steps = _parsed(values)
        lost = []
        if "backup" in steps:
            lost.append("the backup of every station that is plugged in is given up: download it first.")
        if mode == "CLEAR":
            lost.append("CLEAR ERASES EVERY CARD that touches these stations.")
        return Risk(changes=True, sets_clock="time" in steps, destroys=" ".join(lost))

    async def run(self, info: CommandInfo, values: Sequence[str], order: Order) -> Reply:
        """Begin a plan, or have the station that is there tried once more. Raises CommandError."""
        if self.plan is not None and not values:
            self.plan.anew = True
        else:
            control, mode, steps = _parsed(values)
            if "control" in steps and control is None:
                control = await self._after_last()
            if self.plan is not None:
                self.end()
            self.begin(order, "")
            self.plan = Plan(
                order=order,
                control=control if "control" in steps else None,
                mode=mode if "mode" in steps else "",
                time="time" in steps,
                backup="backup" in steps,
                anew=True,
            )
        self.plan.used = asyncio.get_running_loop().time()
        self._wanted.set()
        text = f"plug in {self.plan.next}"
        self.progress(text)
        return Reply(ok=True, text=f"{text}; STOP ends it")

    async def _after_last(self) -> int:
        """The number after the highest that was set in this event."""
        acts = await self.outlet.notes("station")
        numbers = [number for act in acts if isinstance(number := act.body.get("control"), int) and number <= LAST]
        if not numbers:
            raise CommandError("NEXT STATION: no station was set in this event yet: say with which number to begin")
        if LAST in numbers:
            raise CommandError(f"NEXT STATION: the numbers up to {LAST} are used up: say with which one to begin")
        return max(numbers) + 1

    def stop(self, by: str) -> str:
        """The station in hand is still finished."""
        plan, self.plan = self.plan, None
        self._wanted.clear()
        if plan is None:
            return ""
        self.end()
        return f"NEXT STATION after {plan.count} station{'s' * (plan.count != 1)}"

    def unplugging(self) -> bool:
        """See Driver."""
        return self.plan is not None

    def lost(self) -> None:
        """Unplugged."""
        if self.plan is not None:
            self.progress(f"plug in {self.plan.next}")

    # --- one station --------------------------------------------------------------------------------------------

    async def attend(self) -> None:
        """A station is there: set it up, and wait for its end."""
        if self.plan is not None:
            self._wanted.set()
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            if self.plan is not None:
                await self._station(self.plan)
                await self._until_gone()

    async def _station(self, plan: Plan) -> None:
        now = asyncio.get_running_loop().time()
        if now - plan.used > FORGOTTEN:
            self._tell(Level.WARNING, f"NEXT STATION ended: nobody used it for {FORGOTTEN / 60:.0f} minutes; not set")
            self.stop(plan.order.by)
            return
        plan.used = now
        self.progress(f"station found; setting it up as {plan.next}: do not unplug it")
        try:
            text = await self._set_up(plan)
        except AlreadyError as error:
            self._tell(Level.NOTE, f"{error}; plug in {plan.next} (or NEXT STATION again to set this one)")
        except TimeoutError:
            baud = self.driver.settings.baud
            self._tell(Level.WARNING, f"{plan.next} NOT SET: it does not answer; is it awake, and at {baud} baud?")
        except (CommandError, ConnectionError) as error:
            self._tell(Level.WARNING, f"{plan.next} NOT SET: {error}; plug it in again, or another one")
        except asyncio.CancelledError:
            self._tell(Level.WARNING, f"{plan.next} NOT SET: it was unplugged or reset too early; plug it in again")
            raise
        else:
            self._tell(Level.NOTE, f"{text}. {f'Unplug it; next is {plan.next}' if self.plan else 'That was the last'}")

    def _tell(self, level: Level, text: str) -> None:
        self.outlet.trouble(level, text)
        plan = self.plan
        self.progress(text, plan.count if plan else None)

    async def _set_up(self, plan: Plan) -> str:
        """Do all steps, each read back: what was done, in a line. Raises AlreadyError, and as `Workflow.run`."""
        async with self.station.turn(plan.order.by) as turn:
            version = (await asked(turn, "GET VERSION", Version)).number
            was = await asked(turn, "GET MODE", Mode)
            if not plan.anew:
                await self._look_for_itself(plan, turn, was.mode)
            plan.anew = False
            mode = plan.mode or was.mode
            if plan.control is not None:
                # Outside the control modes SET CTRL is obeyed, but answered like a failure, and cannot be read back.
                await _set_mode(turn, mode if mode in CONTROL_MODES else "CONTROL")
                await _set_control(turn, plan.control)
            await _set_mode(turn, mode, pos=was.pos)
            before = after = None
            if plan.time:
                if mode == "FROZEN_CONTROL":
                    raise CommandError("its clock cannot be set while it is frozen: choose another mode")
                before, after = await set_clock(turn, self.outlet)
                if abs(after) > RIGHT:
                    raise CommandError(f"its clock is {after:+} s off although it was set: is its battery good?")
            if plan.backup and version != "0.14":
                await asked(turn, "SET RESET_BACKUP", BackupReset)
        number = plan.control
        said = [_version(version), mode]
        said += [f"clock was {before:+} s off, now right"] if before is not None else []
        said += ["backup reset" if version != "0.14" else "has no backup"] if plan.backup else []
        text = f"{'station' if number is None else f'control {_name(number)}'} set: {', '.join(said)}"
        self.outlet.note(
            "station",
            {
                "control": number,
                "version": version,
                "mode": mode,
                "off_before": before,
                "off": after,
                "backup_reset": plan.backup and version != "0.14",
                "text": text,
            },
            by=plan.order.by,
        )
        plan.counted()
        if number == LAST:
            self.stop(plan.order.by)
        return text

    async def _look_for_itself(self, plan: Plan, turn: Turn, mode: str) -> None:
        """Raises AlreadyError where this station has its number from this plan."""
        if plan.control is None or not plan.time or mode not in CONTROL_MODES or mode != (plan.mode or mode):
            return
        number = (await asked(turn, "GET CTRL", Control)).number
        if number in plan.done and abs(await ahead(turn, self.outlet)) <= RIGHT:
            raise AlreadyError(f"this is control {_name(number)}, set already")

    async def _until_gone(self) -> None:
        """Wait until the station does not answer any more, and one answers again. A link that is lost, or a reset, ends
        this from outside."""
        missed = 0
        while not (self._wanted.is_set() or self.plan is None):
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK):
                    await self._wanted.wait()
                return
            try:
                async with self.station.turn(OURS, ready=False) as turn:
                    await turn.ping(LOOK)
            except TimeoutError:
                missed += 1
                if missed == GONE:
                    self.lost()
                    self._wanted.clear()
            else:
                if missed >= GONE:
                    self._wanted.set()
                missed = 0


async def _set_mode(turn: Turn, mode: str, *, pos: bool = False) -> None:
    """`pos`: a mode PRINT is that for a receipt printer."""
    if (await asked(turn, "GET MODE", Mode)).mode != mode:
        await asked(turn, f"SET MODE {mode}{' POS' * (pos and mode == 'PRINT')}", Mode)
        if (now := (await asked(turn, "GET MODE", Mode)).mode) != mode:
            raise CommandError(f"its mode is {now} although {mode} was set")


async def _set_control(turn: Turn, number: int) -> None:
    await asked(turn, f"SET CTRL {number}", Control)  # the words START and FINISH are known since 0.2 only
    if (now := (await asked(turn, "GET CTRL", Control)).number) != number:
        raise CommandError(f"its control is {_name(now)} although {_name(number)} was set")


def _parsed(values: Sequence[str]) -> tuple[int | None, str, frozenset[str]]:
    """Control, mode and steps. Raises CommandError."""
    given, mode, steps = (*values, *("", "CONTROL", USUAL)[len(values) :])
    chosen = frozenset(step.strip().lower() for step in steps.split(",") if step.strip())
    if not chosen or not chosen <= set(STEPS):
        raise CommandError(f"NEXT STATION: steps {steps!r} must be some of {','.join(STEPS)}")
    if not given:
        return None, mode, chosen
    control = {"START": START, "FINISH": FINISH}.get(given.upper()) or (
        int(given) if re.fullmatch("[0-9]{1,3}", given) else 0
    )
    if not (1 <= control <= LAST or control in (START, FINISH)):
        raise CommandError(f"NEXT STATION: control {given!r} must be 1 to {LAST}, START or FINISH")
    return control, mode, chosen


def _version(number: str) -> str:
    if number == _NEWEST:
        return number
    return f"{number} ({_OLDER.get(number, f'not known here; known are 0.14 to {_NEWEST}')})"


def _name(control: int) -> str:
    return {START: "START", FINISH: "FINISH"}.get(control, str(control))
