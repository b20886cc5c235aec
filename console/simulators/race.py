"""A whole small race: four devices and two pieces of scoring software, for the demo and for rehearsals.

It talks in lines. First it prints, as JSON, where its devices are: `{"devices": {NAME: WHERE}}`. Then it reads where
the exports are, `{"software": "host:port", "scoring": "host:port"}`, connects to them and lets the race begin. The next
line ends the race; the one after that, or the end of its input, hangs up, and it prints what the software got:
`{"software": LINES, "scoring": READS}`.
"""

import asyncio
import contextlib
import json
import random
import sys
from argparse import ArgumentParser, Namespace
from datetime import tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from console.exit import Exit, Failure
from console.simulators.cp545 import Cp545
from console.simulators.otimcon import wall_clock
from console.simulators.otimcon_card import Card
from console.simulators.otimcon_firmware import Station
from console.simulators.port import PtyPort
from console.simulators.scoring import Scoring
from console.simulators.software import Software
from console.simulators.timemachine import TimeMachine

STATIONS = {"ctl-31": (31, 0.0), "ctl-45": (45, 0.8)}
"""Name -> control number, and seconds by which the station's clock is ahead."""


class Race:
    """The devices, wired but silent until `run()`."""

    def __init__(self, zone: tzinfo, seed: int) -> None:
        self.chance = random.Random(seed)
        self.chute_port = PtyPort.open(baud=9600)
        self.chute = TimeMachine(self.chute_port)
        self.start = Cp545()
        self.start.device.zone = zone
        self.station_ports = {name: PtyPort.open(baud=38400) for name in STATIONS}
        self.stations = {
            name: Station(self.station_ports[name], control=control, clock=wall_clock(zone) + ahead)
            for name, (control, ahead) in STATIONS.items()
        }
        # UIDs below 0x80000000 fit TsV1's 32-bit Chip.
        self.cards = [
            Card(uid=bytes([self.chance.randrange(1, 128)]) + self.chance.randbytes(3), name=b"\0" * 30)
            for _ in range(300)
        ]

    async def open(self) -> dict[str, str]:
        """Open the CP545's port; name -> where each device is to be reached."""
        await self.start.listen(port=0)
        where = {"chute": self.chute_port.where, "start": self.start.where[0]}
        return where | {name: port.where for name, port in self.station_ports.items()}

    async def run(self) -> None:
        """Race until cancelled."""
        devices = [self.chute.run(), *(station.run() for station in self.stations.values())]
        runners = [self._finishes(), self._starts(), *(self._punches(one) for one in self.stations.values())]
        async with asyncio.TaskGroup() as tasks:
            for one in (*devices, *runners):
                tasks.create_task(one)

    async def close(self) -> None:
        """Pull every plug."""
        await self.start.close()
        for port in (self.chute_port, *self.station_ports.values()):
            await port.close()

    async def _finishes(self) -> None:
        """The chute: most bibs are keyed in; now and then one is missed; once the operator retransmits."""
        await self.chute.heard_xon.wait()
        self.chute.start()
        self.chute.event(1)
        bibs = self.chance.sample(range(1, 2000), 1999)
        for count, bib in enumerate(bibs, 1):
            await self._pause(1.0)
            if self.chance.random() < 0.9:
                self.chute.select(str(bib))
            else:
                self.chute.primary()
            if count == 12:
                self.chute.retransmit()

    async def _starts(self) -> None:
        """The start of a second discipline: a runner crosses, and his run time from the one before is told."""
        bib = 1
        while True:
            await self._pause(1.5)
            self.start.impulse("1", bib)
            await self._pause(1.5)
            self.start.impulse("4", bib)
            bib += 1

    async def _punches(self, station: Station) -> None:
        await self._pause(2)
        for card in self.chance.sample(self.cards, len(self.cards)):
            await self._pause(2)
            station.touch(card, hold=0.3)

    async def _pause(self, seconds: float) -> None:
        """A pause of `seconds` on average, never absurdly long."""
        await asyncio.sleep(min(self.chance.expovariate(1 / seconds), 3 * seconds))


def arguments(parser: ArgumentParser) -> None:
    """The options of `racedeck simulate race`."""
    parser.add_argument("--seed", type=int, default=7, help="another race for another number")
    parser.add_argument("--timezone", type=ZoneInfo, default=ZoneInfo("UTC"), help="zone that the devices' clocks show")


async def main(args: Namespace) -> None:
    """Hold the race that `racedeck demo` shows."""
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    race = Race(args.timezone, args.seed)
    try:
        _tell({"devices": await race.open()})
        if asked := (await lines.readline()).strip():
            exports = _exports(asked)
            await _hold(race, Software(exports["software"]), Scoring(exports["scoring"]), lines)
    finally:
        await race.close()


def _exports(line: bytes) -> dict[str, str]:
    try:
        exports: dict[str, str] = json.loads(line)
        return {name: str(exports[name]) for name in ("software", "scoring")}
    except (ValueError, KeyError, TypeError):
        expected = '{"software": "host:port", "scoring": "host:port"}'
        raise Failure(Exit.USAGE, f"simulate race: expected {expected} on stdin, got {line!r}") from None


async def _hold(race: Race, software: Software, scoring: Scoring, lines: asyncio.StreamReader) -> None:
    """Race until told to stop, or until nobody is there to tell; the clients stay on until the line after that."""
    running = [asyncio.create_task(software.run()), asyncio.create_task(scoring.run())]
    await software.until(lambda: software.connected)
    await scoring.until(lambda: scoring.connected)
    racing = asyncio.create_task(race.run())
    await lines.readline()
    await _end(racing)
    await lines.readline()
    _tell({"software": len(software.lines), "scoring": len(scoring.reads)})
    for task in running:
        await _end(task)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def _tell(what: dict[str, Any]) -> None:
    print(json.dumps(what), flush=True)
