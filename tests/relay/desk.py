"""A relay with the guide's example set up, and timers and a PC to connect to it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from console.codecs.thcom_link import LOGIN_NUMBERS, Dialect, Extended
from console.codecs.thcom_session import Arrived, Delivered, Session
from console.relay.club import Club
from console.relay.data import Data, Row
from console.relay.database import Database
from console.relay.server import Relay
from console.relay.settings import RelaySettings

USER, PASSWORD = "ITSCHRONO", "secret01"
EVENT = "Test serveur"
START, FINISH, PC = "0084", "0086", "1007"
ARROWS = ((START, FINISH), (START, PC), (FINISH, START), (FINISH, PC))

M1 = "TN    1    1 M1 13:50:12.36600  9098"
M2 = "TN    1    1 M2 13:50:23.98600  9098"
NET = "IR 1       1    00:00:11.62000"

GREETING = ["#GC 1", "#PL ITS ONLINE TIMING", f"#PL Hello {USER}", f"#PL {EVENT}"]

PATIENCE = 20.0


def impulse(number: int) -> str:
    """A time record; each number is another one."""
    return f"TN {number:4} {number:4} M1 {number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}.00000  9098"


async def until(condition: Callable[[], object], what: str = "") -> None:
    """Wait until `condition` holds."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise AssertionError(f"did not come: {what or condition}") from None


def set_up(database: Database) -> Club:
    """Ids, material, configuration and event of the guide, and the event is active."""
    club = Club(database)
    club.add_id(USER, PASSWORD, cost=4)
    for serial in (START, FINISH):
        club.add_material(serial, "timer", "TM550", "Time Master", USER)
    club.add_material(PC, "pc", "Computer", "", USER)
    club.set_configuration("two timers", ARROWS)
    club.set_event(EVENT, "2020-01-01", "2099-12-31", "Europe/Paris", "two timers")
    club.activate(EVENT)
    return club


class Desk:
    """A relay in this process, and a second connection to its database: what an operator's commands have."""

    def __init__(self, relay: Relay, served: Database, database: Database) -> None:
        self.relay = relay
        self.served = served
        self.club, self.data, self.database = Club(database), Data(database), database

    @property
    def port(self) -> int:
        return int(self.relay.where.rpartition(":")[2])

    def rows(self, state: str = "", *, greetings: bool = False) -> list[Row]:
        """The DATA list, without what connections were told and said."""
        rows = [row for row in self.data.rows(0) if state in ("", row.state)]
        return rows if greetings else [row for row in rows if row.origin and row.state != "said"]


@asynccontextmanager
async def desk(directory: Path, **settings: object) -> AsyncIterator[Desk]:
    """A relay at work."""
    served, database = Database(directory / "relay.db"), Database(directory / "relay.db")
    set_up(database)
    relay = Relay(RelaySettings(listen="127.0.0.1:0", **settings), served)  # type: ignore[arg-type]
    ready = asyncio.Event()
    running = asyncio.create_task(relay.run(ready.set))
    try:
        await ready.wait()
        yield Desk(relay, served, database)
    finally:
        relay.stop()
        await running
        served.close()
        database.close()


class Timer:
    """A timer or PC on the link. What was not acknowledged is sent again after `connect`."""

    def __init__(self, serial: str, *, user: str = USER, password: str = PASSWORD) -> None:
        self.serial = serial
        self.address = f"{'P' if serial[0] == '1' else '1'}{serial}"
        self.user, self.password = user, password
        self.got: list[Extended] = []
        """Frames that came, over all connections, the server's included."""
        self.outbox: dict[int, tuple[str, str]] = {}
        """What is not acknowledged: key -> destination, data."""
        self.acknowledged: list[str] = []
        self.gone = asyncio.Event()
        self.accepted = asyncio.Event()
        self._offered = 0
        self._task: asyncio.Task[None] | None = None

    @property
    def heard(self) -> list[str]:
        """What came from other material."""
        return [frame.data for frame in self.got if frame.source != "P0000"]

    @property
    def told(self) -> list[str]:
        """What came from the server."""
        return [frame.data for frame in self.got if frame.source == "P0000"]

    async def connect(self, port: int) -> None:
        """Connect and log in, and wait for nothing."""
        reader, self.writer = await asyncio.open_connection("127.0.0.1", port)
        self.gone = asyncio.Event()
        self.accepted = asyncio.Event()
        self.session = Session(Dialect(), asyncio.get_running_loop().time())
        for tag, text in (("SN", f"0{self.serial} TM550 0100"), ("UN", self.user), ("PW", self.password)):
            self.session.login(LOGIN_NUMBERS[tag], self.address, "P0000", f"{tag} {text}")
        self.write()
        self._task = asyncio.create_task(self._read(reader))

    async def join(self, port: int) -> None:
        """Connect, and be accepted."""
        await self.connect(port)
        await until(lambda: self.accepted.is_set() or self.gone.is_set(), f"{self.serial} is accepted")
        assert self.accepted.is_set(), self.told

    async def leave(self) -> None:
        """Cut the connection."""
        self.writer.transport.abort()
        await self.gone.wait()
        if self._task:
            await self._task

    def say(self, data: str, destination: str = "P0000") -> None:
        """Send a frame, at once or after the next login."""
        self._offered += 1
        self.outbox[self._offered] = destination, data
        if not self.gone.is_set() and self.accepted.is_set():
            self.session.offer(self._offered, self.address, destination, data)
            self.write()

    def write(self) -> None:
        if not self.writer.transport.is_closing():
            self.writer.write(self.session.write(asyncio.get_running_loop().time()))

    async def _read(self, reader: asyncio.StreamReader) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(4096):
                for event in self.session.receive(data, asyncio.get_running_loop().time()):
                    if isinstance(event, Arrived) and not event.again:
                        self.got.append(event.frame)
                        if event.frame.data in ("#GC 1", "#GC 2"):
                            self._log_in()
                    elif isinstance(event, Delivered):
                        self.acknowledged.append(self.outbox.pop(event.key)[1])
                self.write()
        self.gone.set()
        self.writer.close()

    def _log_in(self) -> None:
        self.accepted.set()
        for key, (destination, data) in self.outbox.items():
            self.session.offer(key, self.address, destination, data)


@asynccontextmanager
async def connected(port: int, *serials: str) -> AsyncIterator[list[Timer]]:
    """Timers that are logged in."""
    timers = [Timer(serial) for serial in serials]
    try:
        for timer in timers:
            await timer.join(port)
        yield timers
    finally:
        await part(timers)


async def part(timers: Iterable[Timer]) -> None:
    """Have them all gone."""
    for timer in timers:
        if hasattr(timer, "writer"):
            await timer.leave()
