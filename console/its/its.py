"""The link to ITS ONLINE TIMING, as the engine has it: connections, sources, local instances, states."""

import asyncio
import logging
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from msgspec import structs

from console.codecs import gsm_log, thcom
from console.codecs.thcom_link import Extended
from console.devices.driver import DeviceSettings
from console.devices.manager import endpoint_for
from console.exports.sockets import SocketExport
from console.its.connection import SOFTWARE, Connection, User
from console.its.downlink import Downlink
from console.its.intake import DEVICE
from console.its.login import Login
from console.its.settings import DISCOVERED, ItsSettings
from console.its.source import SourceEndpoint, SourceSettings, settings_of
from console.its.words import UNCONFIRMED
from console.links.address import parse_address
from console.links.link import Endpoint
from console.links.tcp import TcpClient
from console.model import Direction, Draft, Frame, ItsMaterial, ItsState, Level, LinkState

if TYPE_CHECKING:
    from console.config import Settings
    from console.engine.engine import Engine

log = logging.getLogger("racedeck")

MOST_SOURCES = 100
"""Sources that may appear by themselves; frames of others are kept, and make no passings."""


class Its:
    """Idle while the settings have no `[its]`."""

    def __init__(self, engine: "Engine", endpoint: Callable[[ItsSettings], Endpoint] | None = None) -> None:
        self.settings: ItsSettings | None = None
        self._engine = engine
        self._endpoint = endpoint or (lambda its: TcpClient(its.server, its.server_port))
        self._running: object = None
        """By which settings the link is at work; None: it is not."""
        self._task: asyncio.Task[None] | None = None
        self._connections: list[Connection] = []
        self._software: Connection | None = None
        self._sources: dict[str, SourceEndpoint] = {}
        self._appeared: dict[str, None] = {}
        """Addresses of sources that no setting names."""
        self._adopting: set[asyncio.Task[None]] = set()
        self._too_many = False
        self._heard: dict[str, int] = {}
        self._echoes: Counter[str] = Counter()
        self._instances: Counter[int] = Counter()

    # --- settings ---

    def complete(self, settings: "Settings") -> "Settings":
        """The settings with the sources that have appeared by themselves, now or earlier in this event."""
        its = settings.its
        if its is None:
            return settings
        for name in self._engine.journal.counts():
            if found := DISCOVERED.fullmatch(name):
                self._appeared.setdefault((found[1] or its.device_type) + found[2], None)
        known = {device.name for device in settings.devices}
        theirs = [settings_of(its, address) for address in self._appeared if not is_ours(its, address)]
        devices = (*settings.devices, *(one for one in theirs if one.name not in known))
        self._recall(devices)
        return structs.replace(settings, devices=devices)

    def _recall(self, devices: Iterable[DeviceSettings]) -> None:
        """When sources were heard last, by the journal: before this run of the engine."""
        for one in devices:
            if isinstance(one, SourceSettings) and one.source not in self._heard:
                with suppress(sqlite3.Error):
                    for frame in self._engine.reader.frames(device=one.name, limit=1):
                        self._heard[one.source] = frame.wall

    async def apply(self, settings: "Settings") -> None:
        """Make the link what `settings` say; it is made anew only where that is needed."""
        its = self.settings = settings.its
        wanted = its and (
            structs.replace(its, material=(), write=(), log_file=""),
            settings.passwords.get(DEVICE),
        )
        if wanted == self._running:
            return
        await self.stop()
        self._running = wanted
        if its is None:
            return
        self._software = self.connection(login_of(its), self, SOFTWARE)
        self._task = asyncio.create_task(self._software.run())
        self._task.add_done_callback(self._failed)

    def reconnect(self) -> None:
        """Make all connections anew, at once."""
        for connection in self._connections:
            connection.again()

    async def stop(self) -> None:
        """End the connection of this computer."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._software:
            self.ended(self._software)
        self._software = self._task = self._running = None

    def _failed(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()):
            log.error("the ITS link failed", exc_info=error)
            text = f"the link failed ({error!r}); see engine.log; `racedeck reload` starts it again"
            self._engine.trouble(Level.ALARM, DEVICE, text)
            self._running = None

    def connection(self, login: Login, user: User, role: str) -> Connection:
        """A connection that is not at work yet."""
        assert self.settings
        endpoint, password = self._endpoint(self.settings), lambda: self._engine.password(DEVICE)
        one = Connection(login, self.settings.dialect, password, endpoint, self._engine, user, role)
        self._connections.append(one)
        return one

    def ended(self, connection: Connection) -> None:
        """It is at work no more."""
        if connection in self._connections:
            self._connections.remove(connection)

    # --- sources ---

    def endpoint_for(self, settings: DeviceSettings) -> Endpoint:
        """Where a device is: a source is behind the server."""
        return self._source(settings.name) if isinstance(settings, SourceSettings) else endpoint_for(settings)

    def _source(self, name: str) -> SourceEndpoint:
        if name not in self._sources:
            self._sources[name] = one = SourceEndpoint(name, self._flow)
            if self._software and self._software.linked:
                one.linked()
        return self._sources[name]

    # --- what this computer's connection says (connection.User) ---

    def linked(self, connection: Connection) -> None:
        """The server has accepted us."""
        del connection
        for source in self._sources.values():
            source.linked()

    def lost(self, connection: Connection, reason: str) -> None:
        """The link is gone."""
        del connection
        self._event(gsm_log.CLOSED)
        for source in self._sources.values():
            source.lost(reason)

    def cleared(self, connection: Connection) -> None:
        """`#GC 2`: this computer sends nothing itself."""

    def delivered(self, connection: Connection, key: int) -> None:
        """It sends nothing itself."""

    def busy(self) -> bool:
        """Whether some source takes no more for now."""
        return any(source.busy for source in self._sources.values())

    def _flow(self) -> None:
        if self._software:
            self._software.stir()

    def arrived(self, connection: Connection, frame: Extended, raw: bytes) -> bool:
        """A frame of a source; of one of our own devices, it is only what we have sent, come back."""
        its = self.settings
        assert its
        if is_ours(its, frame.source):
            self._echoes[frame.source] += 1
            return False
        name = its.name_of(frame.source)
        if name not in (one.name for one in self._engine.settings.devices) and not self._appear(frame.source, name):
            return False
        self._heard[frame.source] = self._engine.wall()
        self._source(name).feed(raw)
        return True

    def _appear(self, address: str, name: str) -> bool:
        if address in self._appeared:  # it is on its way to being a device
            return True
        if len(self._appeared) >= MOST_SOURCES:
            if not self._too_many:
                self._too_many = True
                text = f"more than {MOST_SOURCES} sources: frames of others, as {name}, are kept, and make no passings"
                self._engine.trouble(Level.ALARM, DEVICE, text)
            return False
        self._appeared[address] = None
        text = f"{name} ({address}) is heard for the first time; [[its.material]] gives it a name and timing points"
        self._engine.trouble(Level.NOTE, DEVICE, text)
        adopting = asyncio.create_task(self._engine.another_source())
        self._adopting.add(adopting)
        adopting.add_done_callback(self._adopting.discard)
        return True

    # --- wired timers (downlink.Link) ---

    def write(self, device: str, data: str) -> None:
        """Have a wired timer told. Raises ConnectionError, and CommandError where there is no such device."""
        on_a_cable = any(one.port for one in self._engine.settings.devices if one.name == device)
        self._engine.manager.write(device, thcom.basic(data, checksum=on_a_cable), by=DEVICE)

    def why_not(self, device: str) -> str:
        """Why a wired timer cannot be told anything now; empty: it can."""
        for one in self._engine.manager.states():
            if one.name == device:
                there = one.state in (LinkState.OPEN, LinkState.UP, LinkState.SILENT)
                return "" if there else one.reason or one.state.value
        return "there is no such device"

    def is_source(self, device: str) -> bool:
        """Whether what this device says comes from the server."""
        return device in self._sources

    # --- what is safe ---

    def safe(self, frames: Iterable[Frame]) -> None:
        """These frames are on disk."""
        if self._connections and (came := [one for one in frames if one.direction is Direction.RX and one.raw]):
            for connection in self._connections:
                connection.safe(came)

    # --- local instances ---

    def look(self) -> None:
        """See which timing software is connected here; cheap."""
        if self.settings is None:
            return
        now: Counter[int] = Counter()
        for export, _ in self._engine.exports.values():
            if isinstance(export, SocketExport) and export.settings.type == "thcom-server":
                now[parse_address(export.settings.listen)[1]] += export.connections
        if now == self._instances:
            return
        before, self._instances = self._instances, now
        for port, count in now.items():
            for _ in range(count - before.get(port, 0)):
                self._event(f"{gsm_log.CONNECTED} {port}")
        if not any(now.values()) and any(before.values()):
            self._event(gsm_log.ALONE)

    def _event(self, text: str) -> None:
        """Journal something that the GSM Interface logs between frames: a frame without bytes."""
        engine = self._engine
        engine.frame(
            Draft(
                device=DEVICE,
                direction=Direction.RX,
                wall=engine.wall(),
                mono=engine.mono(),
                raw=b"",
                label=text,
            )
        )

    # --- what the operator sees ---

    def state(self) -> ItsState | None:
        """The link as the operator sees it; None: there is none."""
        its = self.settings
        if its is None:
            return None
        return ItsState(
            software_id=its.software_id,
            server=its.where,
            user=its.user,
            password=bool(self._engine.password(DEVICE)),
            log_file=its.log_file,
            links=tuple(one.state() for one in sorted(self._connections, key=lambda one: one.role != SOFTWARE)),
            material=tuple(self._material(its)),
            writers=tuple(one.writer() for one, _ in self._engine.exports.values() if isinstance(one, Downlink)),
            instances=dict(self._instances),
            checksums=its.checksums,
            unconfirmed=UNCONFIRMED,
        )

    def _material(self, its: ItsSettings) -> Iterable[ItsMaterial]:
        named = {its.address_of(one): one for one in its.material}
        linked_up = {its.device_type + one.serial: one.device for one in its.send}
        computer = its.computer_type + its.software_id
        counts = self._engine.journal.counts()
        for address in dict.fromkeys((*named, *linked_up, computer, *self._appeared)):
            one, device = named.get(address), linked_up.get(address) or its.name_of(address)
            role = "linked up" if address in linked_up else SOFTWARE if address == computer else "source"
            if role == SOFTWARE:
                device = one.name if one else ""
            yield ItsMaterial(
                address=address,
                device=device,
                role=role,
                named=one is not None or role != "source",
                model=one.model if one else "Computer" if role == SOFTWARE else "",
                label=one.label if one else "",
                colour=one.colour if one else "",
                timekeeping=one.timekeeping if one else "",
                phone=one.phone if one else "",
                software_port=one.software_port if one else 7000,
                heard=self._heard.get(address),
                frames=counts[device].frames if role == "source" and device in counts else 0,
                echoes=self._echoes[address],
            )


def login_of(its: ItsSettings) -> Login:
    """Who this computer is to the server. What it says of itself is the sheet's reading of THCOM08 (vector T2)."""
    told = f"SN {its.software_id:0>5} PC 0100"
    return Login(its.software_id, its.computer_type + its.software_id, told, its.user)


def is_ours(its: ItsSettings, address: str) -> bool:
    """Whether this is a device that we link up, or this computer."""
    return address == its.computer_type + its.software_id or any(
        address == its.device_type + one.serial for one in its.send
    )
