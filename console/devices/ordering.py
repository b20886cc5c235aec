"""Commands under way: carried out to their end, whoever waits for it, and cut off with the link or by `STOP`."""

import asyncio
from collections.abc import Callable
from typing import Any

from console.devices.driver import CommandError, Driver, Reply
from console.devices.session import ManagerDesk
from console.model import CommandInfo, Order, Outcome, find

STOP = CommandInfo(words="STOP", help="stop the command under way that takes long")
"""What every device takes that has such commands."""


def offered(driver: Driver[Any]) -> tuple[CommandInfo, ...]:
    """The commands of a driver, and STOP where one of them takes long."""
    return (*driver.commands, STOP) if any(one.long for one in driver.commands) else driver.commands


def is_stop(words: str, driver: Driver[Any]) -> bool:
    """Whether this is STOP, and there may be something to stop."""
    return words.strip().upper() == STOP.words and STOP in offered(driver)


class Orders:
    """The commands of one device."""

    def __init__(self, device: str, desk: ManagerDesk, failed: Callable[[Exception], object]) -> None:
        self.last: Outcome | None = None
        """What came of the last command."""
        self._device = device
        self._desk = desk
        self._failed = failed
        """Told that the driver failed in a way that nobody foresaw."""
        self._running: dict[asyncio.Task[Reply], Order] = {}
        self._why: dict[asyncio.Task[Reply], str] = {}
        """Why a task is being cut off."""

    async def carry_out(self, driver: Driver[Any], order: Order) -> Reply:
        """Have `driver` do it. Goes on where who asked does not wait for the answer.

        Raises CommandError; ConnectionError where it was cut off.
        """
        task = asyncio.create_task(self._carry_out(driver, order), name=f"{self._device}: a command")
        self._running[task] = order
        task.add_done_callback(self._done)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if not task.cancelled():
                raise
            raise ConnectionError(f"{self._device}: {order.words}: it was cut off before it began") from None

    def cut(self, reason: str) -> None:
        """The link is lost: end everything."""
        for task in list(self._running):
            self._cut(task, f"the link was lost ({reason}) before it was done")

    def stop(self, driver: Driver[Any], by: str) -> Reply:
        """End what takes long. Raises CommandError where nothing is under way."""
        stopped = []
        for task, order in self._running.items():
            info, _ = find(driver.commands, order.words)
            if info.long:
                self._cut(task, f"stopped by {by}")
                stopped.append(order.words)
        ended = driver.stop(by)
        stopped += ended
        if not stopped:
            raise CommandError(f"{self._device}: nothing is under way that could be stopped")
        reply = Reply(ok=True, text=f"stopped: {', '.join(stopped)}")
        if ended:  # a command that was answered long ago: what is cut off tells of itself
            self._outcome(Order(words=STOP.words, by=by), reply.ok, reply.text)
        return reply

    def _cut(self, task: "asyncio.Task[Reply]", why: str) -> None:
        """Once only: a second time would cut off what a command does to leave its device in good order."""
        if task not in self._why:
            self._why[task] = why
            task.cancel(why)

    def _done(self, task: "asyncio.Task[Reply]") -> None:
        self._running.pop(task, None)
        self._why.pop(task, None)
        if not task.cancelled():
            task.exception()  # who asked may have gone: its outcome is kept, and that is enough

    async def _carry_out(self, driver: Driver[Any], order: Order) -> Reply:
        try:
            reply = await driver.command(order)
        except (CommandError, ConnectionError) as error:
            self._outcome(order, False, str(error))
            raise
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            known = self._why.get(task) if task else None
            if known is None:
                raise
            why = str(error) or known  # a driver may have added what the device still does
            self._outcome(order, False, f"{order.words}: {why}")
            raise ConnectionError(f"{self._device}: {order.words}: {why}") from None
        except Exception as error:
            self._failed(error)
            what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            failure = CommandError(f"{self._device}: the driver failed on {order.words!r}: {what}")
            self._outcome(order, False, str(failure))
            raise failure from error
        self._outcome(order, reply.ok, reply.text)
        return reply

    def _outcome(self, order: Order, ok: bool | None, text: str) -> None:
        self.last = Outcome(words=order.words, by=order.by, wall=self._desk.wall(), ok=ok, text=text)
        self._desk.changed()
