"""The `[its]` section: who we are to the server, what it tells us of, what we tell it."""

import re
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from console.codecs.thcom_link import Dialect
from console.links.address import format_address

Port = Annotated[int, Meta(ge=1, le=65_535)]

DISCOVERED = re.compile(r"its-([0-9A-Z]?)([0-9]{4})")
"""The name of a source that no setting names: its type code, where that is not the usual one, and its serial."""

FOUR_DIGITS = (
    'four digits in quotes, as in "1007": the serial number that this computer has in the server\'s MATERIAL, and no '
    "other device"
)


class Material(Struct, frozen=True, kw_only=True):
    """A timer or computer of the server's material list, and what we call it. One that is not named appears by itself
    when its first frame comes."""

    serial: str
    name: str = ""
    """As a device, in passings and on screens; empty: `its-0084`."""
    type: str = ""
    """Type code of its address; empty: `device_type`."""
    model: str = ""
    label: str = ""
    colour: str = ""
    timekeeping: str = ""
    phone: str = ""
    software_port: Port = 7000
    points: dict[str, str] = {}
    """Channel -> timing point."""
    point: str = ""
    """Timing point of every channel that `points` does not name."""


class Send(Struct, frozen=True, kw_only=True):
    """A device of ours that is linked up, as a docking links up the timer it is wired to."""

    device: str
    serial: str
    """The timer's in the server's MATERIAL."""
    channel: str = ""
    """On which its passings are impulses, where it is no THCOM08 timer: `1`..`99`, `M1`..`M9`."""


class Write(Struct, frozen=True, kw_only=True):
    """A wired timer that is told what the server sends."""

    device: str


class ItsSettings(Struct, frozen=True, kw_only=True):
    """The `[its]` section."""

    software_id: str
    """The Software ID Number: the serial number of this computer in the server's MATERIAL."""
    user: str
    """The User Name of the TIMER ID; the password is in the secrets."""
    server: str = "online.itschrono.com"
    server_port: Port = 3000
    log_file: str = "GSM_Interface_Log.csv"
    """In the GSM Interface's format; a path that does not begin with `/` is in the event's directory; empty: none."""
    stale_after: float = 10.0
    """Seconds after which an impulse that the server has not got is held for the operator."""
    device_type: str = "1"
    computer_type: str = "P"
    server_address: str = "P0000"
    checksums: Literal["required", "lenient", "ignored"] = "lenient"
    material: tuple[Material, ...] = field(default_factory=tuple)
    send: tuple[Send, ...] = field(default_factory=tuple)
    write: tuple[Write, ...] = field(default_factory=tuple)

    @property
    def dialect(self) -> Dialect:
        """What is inferred about the server."""
        return Dialect(
            device_type=self.device_type,
            computer_type=self.computer_type,
            server=self.server_address,
            checksums=self.checksums,
        )

    @property
    def where(self) -> str:
        """`host:port` of the server."""
        return format_address(self.server, self.server_port)

    def address_of(self, material: Material) -> str:
        """`TDDDD`."""
        return (material.type or self.device_type) + material.serial

    def name_of(self, address: str) -> str:
        """What the device at this address is called: by the settings, else after its serial number."""
        for one in self.material:
            if one.name and self.address_of(one) == address:
                return one.name
        return "its-" + address.removeprefix(self.device_type)
