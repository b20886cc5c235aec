"""Runs all devices, each on its own."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable

from console.devices import driver_class
from console.devices.driver import CommandError, DeviceSettings, Reply
from console.devices.runner import DeviceRunner
from console.devices.session import ManagerDesk
from console.links.address import parse_address
from console.links.backoff import MOST
from console.links.link import Endpoint
from console.links.serial import SerialPort
from console.links.tcp import TcpClient
from console.model import DeviceState, Frame, Level, Order, Risk, Sheet

log = logging.getLogger("racedeck")


def endpoint_for(settings: DeviceSettings) -> Endpoint:
    """Where the device is: on a serial port, or behind `address`."""
    if settings.address:
        return TcpClient(*parse_address(settings.address))
    return SerialPort(
        settings.port,
        settings.baud,
        settings.data_bits,
        settings.parity,
        settings.stop_bits,
        hangup=driver_class(settings.type).hangup,
    )


class Manager:
    """The devices of an event."""

    def __init__(self, desk: ManagerDesk, endpoint_for: Callable[[DeviceSettings], Endpoint] = endpoint_for) -> None:
        self._desk = desk
        self._endpoint_for = endpoint_for
        self._runners: dict[str, DeviceRunner] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._applying = asyncio.Lock()

    async def apply(self, settings: list[DeviceSettings]) -> None:
        """Make the devices what `settings` say; only those that differ are stopped or started again."""
        async with self._applying:
            wanted = {one.name: one for one in settings}
            kept = {
                name: runner for name, runner in self._runners.items() if name in wanted and runner.adopt(wanted[name])
            }
            await self._end(self._runners.keys() - kept.keys())
            self._runners = {name: kept.get(name) or self._begin(one) for name, one in wanted.items()}
        self._desk.changed()

    def states(self) -> list[DeviceState]:
        """All devices, in the order of the settings."""
        return [runner.state() for runner in self._runners.values()]

    def safe(self, frames: Iterable[Frame]) -> None:
        """These frames have become safe on disk."""
        for name, count in Counter(frame.device for frame in frames).items():
            if runner := self._runners.get(name):
                runner.safe(count)

    def let_go_on(self) -> None:
        """The disk does not keep up at all: no device is made to wait for it."""
        for runner in self._runners.values():
            runner.let_go_on()

    async def command(self, device: str, order: Order) -> Reply:
        """Have `device` carry out `order`. Raises CommandError, or ConnectionError where it is not connected."""
        return await self._runner(device).command(order)

    def risk(self, device: str, words: str, text: str = "") -> Risk:
        """What a command may do, with the file `text`. Raises as `command`: nobody is asked about what will not do."""
        return self._runner(device).risk(words, text)

    def write(self, device: str, raw: bytes, *, by: str) -> None:
        """Write `raw` to a device. Raises ConnectionError where it is not connected."""
        self._runner(device).write(raw, by=by)

    def sheet(self, device: str, name: str) -> Sheet:
        """A table that a driver keeps. Raises CommandError without that device, LookupError without that sheet."""
        return self._runner(device).sheet(name)

    def left(self, console: int) -> None:
        """An attached console has gone away."""
        for runner in self._runners.values():
            runner.left(console)

    def race_begins(self) -> None:
        """What goes on by itself ends: from now on, whatever changes a device needs its name typed."""
        for runner in self._runners.values():
            runner.race_begins()

    def _runner(self, device: str) -> DeviceRunner:
        runner = self._runners.get(device)
        if runner is None:
            raise CommandError(f"no device {device!r}; there is {', '.join(self._runners) or 'none'}")
        return runner

    async def stop(self) -> None:
        """Disconnect all devices, and journal their half lines."""
        async with self._applying:
            await self._end(self._tasks.keys())

    def _begin(self, settings: DeviceSettings) -> DeviceRunner:
        runner = DeviceRunner(settings, self._desk, self._endpoint_for)
        self._tasks[settings.name] = asyncio.create_task(
            self._supervise(settings.name, runner), name=f"device {settings.name}"
        )
        return runner

    async def _end(self, names: Iterable[str]) -> None:
        ending = [self._tasks.pop(name) for name in list(names)]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)

    async def _supervise(self, name: str, runner: DeviceRunner) -> None:
        """Run a device; should the runner itself fail, tell it and begin again: no device is ever given up."""
        while True:
            try:
                await runner.run()
            except Exception:
                log.exception("runner of %s failed", name)
                self._desk.trouble(Level.ALARM, name, "the device's task failed, see the log; it is started again")
            await asyncio.sleep(MOST)
