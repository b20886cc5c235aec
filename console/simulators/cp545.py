"""A CP545 over TCP, as four clients may use it at once, or on a serial line with checksums.

Source: thcom.md, section 1. Port 7000 forgets what a client that was lost had not got; ports 13500 to 13503 serve one
client each, and keep it for him, unless he closed the connection cleanly.
"""

import asyncio
import random
import sys
from argparse import ArgumentParser, Namespace
from bisect import bisect_left, insort
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from msgspec import structs

from console.codecs import thcom
from console.codecs.thcom_records import Command
from console.exit import Exit, Failure
from console.links.address import format_address, parse_address
from console.model import SECOND
from console.simulators.cp545_device import Answer, Device
from console.simulators.cp545_sockets import Connection, Everybody, Line, Outbox, Socket
from console.simulators.gsm_docking import REJECTED
from console.simulators.port import (
    Faults,
    MisbehavingPort,
    Port,
    add_fault_arguments,
    add_port_arguments,
    faults_from,
    port_from,
)
from console.simulators.replay import RecordingError, replay

CLIENTS = 4
"""Connections at once, over all ports."""

IDLE = 5.0
"""Seconds without a line after which an empty one is sent on TCP (inferred from three clients; section 1.2)."""


class Cp545:
    """The instrument with its sockets: `listen()` or `attach()`, then its keys: `impulse()`, `result()` and so on."""

    def __init__(self, serial_number: int = 4811, *, faults: Faults | None = None, idle: float = IDLE) -> None:
        self.device = Device(serial_number)
        self.where: list[str] = []
        """Where it is to be reached: the ports in the order given, or the serial port."""
        self.told: Callable[[str], None] = lambda line: None
        """Called with every line that the instrument says to all."""
        self._faults = faults or Faults()
        self._idle = idle
        self._servers: list[asyncio.Server] = []
        self._sockets: list[Socket] = []
        self._ports: set[Port] = set()
        self._conversations: set[asyncio.Task[None]] = set()
        self._accepted = 0
        self._stirred = asyncio.Event()

    # --- its keys ---

    def impulse(self, channel: str, bib: int | None = None, wall: int | None = None) -> None:
        """A time on `channel`, now or at `wall` (ns since the epoch)."""
        self._tell(self.device.impulse(channel, bib, wall))

    def result(self, tag: str, number: int | None, bib: int | None, ns: int) -> None:
        """A run (RR), total (GR) or intermediate time (IR), or a difference (DR)."""
        self._tell(self.device.result(tag, number, bib, ns))

    def speed(self, number: int, bib: int | None, speed: float, unit: str = "km/h") -> None:
        """A speed (VE)."""
        self._tell(self.device.speed(number, bib, speed, unit))

    def open_run(self, name: str = "PTB SEQUENTIAL 1-4") -> None:
        """Open the next run."""
        self._tell(self.device.open_run(name))

    def close_run(self) -> None:
        """Close the run."""
        self._tell(self.device.close_run())

    # --- its sockets ---

    @property
    def clients(self) -> int:
        """How many are connected on TCP."""
        return sum(isinstance(socket, Outbox) and socket.connected for socket in self._sockets)

    async def until(self, enough: Callable[[], bool]) -> None:
        """Wait until `enough` is true; it is asked again whenever a client comes or goes."""
        while not enough():
            self._stirred.clear()
            await self._stirred.wait()

    async def listen(self, host: str = "127.0.0.1", port: int = 7000, kept: Sequence[int] = ()) -> None:
        """Serve `port` as 7000, and each of `kept` as one of 13500 to 13503; 0: a free one. Raises OSError."""
        for number, keeps in [(port, False), *((one, True) for one in kept)]:
            outbox = Outbox() if keeps else None
            server = await asyncio.start_server(partial(self._accept, outbox), host, number)
            self._servers.append(server)
            self.where.append(format_address(*server.sockets[0].getsockname()[:2]))
            if outbox:
                self._sockets.append(outbox)

    def attach(self, port: Port) -> None:
        """Speak on the serial line `port`, with checksums."""
        line = Line(port)
        self.where.append(port.where)
        self._ports.add(port)
        self._sockets.append(line)
        self._conversations.add(asyncio.create_task(self._listen_to(port, line)))

    async def drop(self) -> None:
        """Lose every link, without a goodbye."""
        for port in list(self._ports):
            await port.drop()

    async def close(self) -> None:
        """Switch the instrument off."""
        for server in self._servers:
            server.close()
        for port in list(self._ports):
            await port.close()
        if self._conversations:
            await asyncio.wait(self._conversations)
        for server in self._servers:
            await server.wait_closed()

    async def replay(self, path: Path, speed: float = 1.0) -> int:
        """Play a recorded session to everybody; returns the number of frames. Raises RecordingError, OSError."""
        return await replay(Everybody(self._sockets), path, speed)

    async def _accept(self, kept: Outbox | None, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.clients >= CLIENTS or (kept and kept.connected):
            writer.close()
            return
        task = asyncio.current_task()
        assert task
        self._accepted += 1
        connection = Connection(reader, writer)
        port = self._misbehaving(connection)
        outbox = kept or Outbox()
        outbox.connected = True
        if not kept:
            self._sockets.append(outbox)
        self._conversations.add(task)
        self._ports.add(port)
        self._stirred.set()
        pump = asyncio.create_task(outbox.pump(port, self._idle))
        try:
            await self._listen_to(port, outbox)
        finally:
            pump.cancel()
            await asyncio.wait([pump])
            outbox.disconnected(keep=kept is not None and not connection.clean)
            if not kept:
                self._sockets.remove(outbox)
            self._ports.discard(port)
            self._conversations.discard(task)
            self._stirred.set()
            await port.close()

    def _misbehaving(self, port: Port) -> Port:
        faults = self._faults
        if not (faults.cut or faults.garbage or faults.drop):
            return port
        return MisbehavingPort(port, structs.replace(faults, seed=faults.seed + self._accepted))

    async def _listen_to(self, port: Port, socket: Socket) -> None:
        decoder = thcom.Decoder(socket.checksum)
        while data := await port.read():
            for piece in decoder.receive(data):
                if isinstance(piece.record, Command):
                    # How a device answers a wrong checksum is not documented: rejected (inferred).
                    answer = Answer([REJECTED]) if piece.flaw else self.device.answer(piece.record)
                    for line in answer.replies:
                        socket.put(thcom.basic(line, socket.checksum))
                    self._tell(answer.events)

    def _tell(self, lines: Sequence[str]) -> None:
        for line in lines:
            self.told(line)
            for socket in self._sockets:
                socket.put(thcom.basic(line, socket.checksum))


async def run_race(
    timer: Cp545, *, rate: float = 0.5, starters: int | None = None, course: float = 8.0, seed: int = 0
) -> None:
    """A small ski race: starters at `rate` per second, each about `course` seconds on the way, bib by bib.

    A start is an impulse on 1 (one in five by hand: M1), a finish one on 4 or M4, with a speed now and then and the run
    time. Ends when the last of `starters` has finished; None: never.
    """
    chance = random.Random(seed)
    loop = asyncio.get_running_loop()
    began, wall = loop.time(), _as_printed(timer.device.now())
    due = 0.0
    bib = 0
    on_course: list[tuple[float, int, int]] = []
    """Who is on the way: when he will finish, the moment he started, his bib."""
    nets: list[int] = []
    timer.open_run()
    while on_course or starters is None or bib < starters:
        starting = (starters is None or bib < starters) and (not on_course or due <= min(on_course)[0])
        at = due if starting else min(on_course)[0]
        await asyncio.sleep(max(0.0, began + at - loop.time()))
        moment = wall + _as_printed(int(at * SECOND))
        hand = "M" if chance.random() < 0.2 else ""
        if starting:
            bib = bib % 9999 + 1
            timer.impulse(f"{hand}1", bib, moment)
            on_course.append((at + course * chance.uniform(0.8, 1.25), moment, bib))
            due += chance.uniform(0.6, 1.4) / rate
            continue
        first = min(on_course)
        on_course.remove(first)
        _, started, finisher = first
        timer.impulse(f"{hand}4", finisher, moment)
        if chance.random() < 0.2:
            timer.speed(1, finisher, chance.uniform(60, 110))
        net = moment - started
        rank = bisect_left(nets, net) + 1
        insort(nets, net)
        del nets[9998:]
        timer.result("RR", rank, finisher, net)
    timer.close_run()


def _as_printed(ns: int) -> int:
    """Cut to the five decimals that are printed, so that the run time is the difference of the printed times."""
    return ns - ns % 10_000


# --- the command ---------------------------------------------------------------------------------------------


def arguments(parser: ArgumentParser) -> None:
    """The options of `racedeck simulate cp545`."""
    parser.add_argument("--address", metavar="HOST:PORT", help="where to serve TCP (default: 127.0.0.1:7000; 0: free)")
    kept_help = "ports that keep what a lost client has not got (the instrument: 13500 to 13503; default: none)"
    parser.add_argument("--kept", type=int, nargs="*", default=[], metavar="PORT", help=kept_help)
    parser.add_argument("--serial", action="store_true", help="a serial line with checksums instead of TCP")
    parser.add_argument("--baud", type=int, choices=(2400, 9600, 19200, 38400, 57600), default=9600)
    parser.add_argument(
        "--serial-number", type=int, default=4811, metavar="N", help="of the instrument (default: 4811)"
    )
    parser.add_argument("--rate", type=float, default=0.5, metavar="N", help="starters per second (default: 0.5)")
    parser.add_argument("--starters", type=int, metavar="N", help="how many (default: no end)")
    parser.add_argument("--course", type=float, default=8.0, metavar="S", help="seconds on the way (default: 8)")
    add_port_arguments(parser)
    add_fault_arguments(parser)


async def main(args: Namespace) -> None:
    """Be a CP545 until cancelled: print where it is to be reached, race, print what it says. Raises Failure."""
    if not args.rate > 0:
        raise Failure(Exit.USAGE, f"--rate {args.rate}: must be above 0")
    if not 0 <= args.serial_number <= 65_535:
        raise Failure(Exit.USAGE, f"--serial-number {args.serial_number}: must be from 0 to 65535")
    timer = Cp545(args.serial_number, faults=faults_from(args))
    timer.told = partial(print, flush=True)
    try:
        if args.serial or args.link or args.listen:
            timer.attach(port_from(args, baud=args.baud))
        else:
            host, port = parse_address(args.address or "127.0.0.1:7000")
            await timer.listen(host, port, args.kept)
        print(*timer.where, flush=True)
        if args.replay:
            await timer.replay(args.replay, args.speed)
        else:
            await run_race(timer, rate=args.rate, starters=args.starters, course=args.course, seed=args.seed)
        print("CP545: that was all; still listening", file=sys.stderr)
        await asyncio.Event().wait()
    except (OSError, ValueError, RecordingError) as error:
        raise Failure(Exit.FAILED, f"simulate cp545: {error}") from None
    finally:
        await timer.close()
