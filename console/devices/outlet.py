"""What the engine does for a driver: its bytes go out and are journaled, its acts and incidents are kept."""

from collections.abc import Callable
from datetime import tzinfo

from console.devices.session import ManagerDesk, Session
from console.model import Act, Direction, Draft, Level, Retold, Scalar

OUTBOX = 65_536
"""Bytes that may wait for a device that takes none."""


class DeviceOutlet:
    """The Outlet of one device; see there."""

    def __init__(
        self,
        device: str,
        desk: ManagerDesk,
        session: Callable[[], Session | None],
        keep: Callable[[Draft], None],
        not_connected: Callable[[], ConnectionError],
    ) -> None:
        self._device = device
        self._desk = desk
        self._session = session
        self._keep = keep
        self._not_connected = not_connected

    def send(self, raw: bytes, *, by: str = "", label: str = "", mask: bytes = b"") -> None:
        """See Outlet."""
        session = self._session()
        if session is None or session.link is None:
            raise self._not_connected()
        if session.link.pending() + len(raw) > OUTBOX:
            raise ConnectionError(f"{self._device}: takes no bytes: check its cable and flow control")
        session.link.write(raw)
        shown = raw.replace(mask, b"*") if mask else raw
        self._journal(shown, label, by, masked=shown != raw)

    def lines(self) -> dict[str, bool | None]:
        """See Outlet."""
        session = self._session()
        return session.link.lines() if session and session.link else {}

    def set_line(self, name: str, up: bool, *, by: str = "") -> None:
        """See Outlet."""
        session = self._session()
        if session is None or session.link is None:
            raise self._not_connected()
        session.link.set_line(name, up)
        session.look_at_lines()
        self._journal(b"", f"{name} {'high' if up else 'low'}", by)
        self._desk.changed()

    def note(self, word: str, body: dict[str, Scalar], *, by: str) -> None:
        """See Outlet."""
        self._desk.note(word, {"device": self._device, **body}, by)

    async def notes(self, word: str) -> list[Act]:
        """See Outlet."""
        return await self._desk.notes(word)

    def retold(self) -> Retold | None:
        """See Outlet."""
        return self._desk.retold(self._device)

    async def offered(self) -> int:
        """See Outlet."""
        return await self._desk.offered(self._device)

    async def began(self) -> int:
        """See Outlet."""
        return await self._desk.began()

    def trouble(self, level: Level, text: str) -> None:
        """See Outlet."""
        self._desk.trouble(level, self._device, text)

    def wall(self) -> int:
        """See Outlet."""
        return self._desk.wall()

    @property
    def zone(self) -> tzinfo:
        """See Outlet."""
        return self._desk.zone

    def _journal(self, raw: bytes, label: str, by: str, *, masked: bool = False) -> None:
        self._keep(
            Draft(
                device=self._device,
                direction=Direction.TX,
                wall=self._desk.wall(),
                mono=self._desk.mono(),
                raw=raw,
                label=label,
                masked=masked,
                by=by,
            )
        )
