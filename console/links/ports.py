"""The serial ports of this machine, for `racedeck ports` and the screens. Never opens one."""

import os
from pathlib import Path

from msgspec import Struct

from console.links.holder import holder
from console.links.serial import known_ports

BY_ID = Path("/dev/serial/by-id")


class Port(Struct, frozen=True, kw_only=True):
    """One serial port."""

    path: str
    by_id: str = ""
    """The name that stays the same whichever socket it is plugged into: the one for the settings."""
    description: str = ""
    manufacturer: str = ""
    busy: str = ""
    """The process that has it open, as far as this user may see; empty: none seen."""


def list_ports(by_id: Path = BY_ID) -> list[Port]:
    """All serial ports, in order of path."""
    names = _stable_names(by_id)
    return [
        Port(
            path=port.path,
            by_id=names.get(os.path.realpath(port.path), ""),
            description=port.description,
            manufacturer=port.manufacturer,
            busy=holder(port.path),
        )
        for port in known_ports()
    ]


def _stable_names(folder: Path) -> dict[str, str]:
    """Node -> its name in `folder`; empty where udev makes no such names."""
    try:
        return {os.path.realpath(link): str(link) for link in sorted(folder.iterdir())}
    except OSError:
        return {}
