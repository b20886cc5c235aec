"""Reads `[its]`, and makes of it what the engine knows already: devices for the sources, exports for what goes out."""

import re
from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeVar

from msgspec import Struct, structs

from console.devices.driver import DeviceSettings
from console.exports.export import ExportSettings
from console.exports.thcom_format import CHANNEL
from console.its.connection import SOFTWARE
from console.its.downlink import DownlinkSettings
from console.its.intake import DEVICE
from console.its.its import is_ours
from console.its.log import LogSettings
from console.its.settings import FOUR_DIGITS, ItsSettings, Material, Send, Write
from console.its.source import SourceSettings, settings_of
from console.its.uplink import UplinkSettings
from console.links.address import parse_address

T = TypeVar("T", bound=Struct)

LOG = "its-log"
"""The export that writes the log file."""

_SERIAL = re.compile(r"[0-9]{4}")


class Reader(Protocol):
    """What the settings' reader does for a section."""

    def problem(self, where: str, text: str) -> None:
        """Note a mistake."""

    def fill(self, kind: type[T], table: dict[str, Any], where: str) -> T | None:
        """A table as the Struct `kind`, or None with the mistakes noted."""

    def check(self, where: str, attempt: Callable[[], object], key: str) -> None:
        """Note it where `attempt` raises ValueError."""

    def check_name(self, where: str, name: str) -> None:
        """Note it where a name is none."""


def read_section(table: object, reader: Reader, devices: Iterable[DeviceSettings]) -> ItsSettings | None:
    """The `[its]` section, checked."""
    if not isinstance(table, dict):
        reader.problem("[its]", "write it as a section of its own, with software_id and user")
        return None
    rest = {key: value for key, value in table.items() if key not in ("material", "send", "write")}
    its = reader.fill(ItsSettings, rest, "[its]")
    parts = (("material", Material), ("send", Send), ("write", Write))
    lists = {key: _entries(table.get(key, []), kind, reader, f"its.{key}") for key, kind in parts}
    if its is None:
        return None
    its = structs.replace(its, **lists)
    _check(its, reader)
    _check_local(its, reader, {device.name: device for device in devices})
    return its


def _entries(entries: object, kind: type[T], reader: Reader, section: str) -> tuple[T, ...]:
    if not isinstance(entries, list):
        reader.problem(f"[[{section}]]", f"write [[{section}]] with double brackets: there may be several")
        return ()
    found = [reader.fill(kind, one, f"[[{section}]] {number}") for number, one in enumerate(entries, 1)]
    return tuple(one for one in found if one is not None)


def _check(its: ItsSettings, reader: Reader) -> None:
    _check_serial("[its]", "software_id", its.software_id, reader)
    reader.check("[its]", lambda: parse_address(its.where), "server")
    for key, text, longest in (("user", its.user, 25), ("server", its.server, 100)):
        if not 0 < len(text) <= longest or not text.isascii() or not text.isprintable() or " " in text:
            reader.problem("[its]", f"{key} must be 1 to {longest} letters, digits and signs of ASCII (got {text!r})")
    for key, code in (("device_type", its.device_type), ("computer_type", its.computer_type)):
        if not re.fullmatch(r"[1-9A-Z]", code):
            reader.problem("[its]", f'{key} must be one digit or capital letter, as in "1" (got {code!r})')
    if not re.fullmatch(r"[0-9A-Z][0-9]{4}", its.server_address):
        reader.problem("[its]", f'server_address must be as in "P0000" (got {its.server_address!r})')
    if its.stale_after < 0:
        reader.problem("[its]", f"stale_after must be 0 or more seconds (got {its.stale_after:g})")
    if "\0" in its.log_file or its.log_file.endswith("/"):
        reader.problem("[its]", f"log_file must be the path of a file (got {its.log_file!r})")
    for number, material in enumerate(its.material, 1):
        where = f"[[its.material]] {number}"
        _check_serial(where, "serial", material.serial, reader)
        if material.name:
            reader.check_name(where, material.name)
        if material.type and not re.fullmatch(r"[1-9A-Z]", material.type):
            reader.problem(where, f'type must be one digit or capital letter, as in "1" (got {material.type!r})')
    addresses = [its.address_of(one) for one in its.material]
    for address in sorted({one for one in addresses if addresses.count(one) > 1}):
        reader.problem("[[its.material]]", f"serial {address[1:]} is given {addresses.count(address)} times")


def _check_serial(where: str, key: str, serial: str, reader: Reader) -> None:
    if not _SERIAL.fullmatch(serial) or serial == "0000":
        reader.problem(where, f"{key} must be {FOUR_DIGITS} (got {serial!r})")


def _check_local(its: ItsSettings, reader: Reader, devices: dict[str, DeviceSettings]) -> None:
    for name in devices:
        if name == DEVICE or name.startswith(f"{DEVICE}-"):
            reader.problem(f'device "{name}"', f"names from {DEVICE!r} on are for what comes through [its]: rename it")
    taken = {its.software_id: f"this computer ({SOFTWARE})"}
    for number, send in enumerate(its.send, 1):
        where = f"[[its.send]] {number}"
        _check_serial(where, "serial", send.serial, reader)
        if send.serial in taken:
            reader.problem(where, f"serial {send.serial} is that of {taken[send.serial]}: each has its own")
        if any(send.device == one.device for one in its.send[: number - 1]):
            reader.problem(where, f"{send.device} is linked up already")
        taken.setdefault(send.serial, send.device)
        if _known(where, send.device, devices, reader):
            _check_channel(where, send, devices[send.device].type, reader)
    for number, write in enumerate(its.write, 1):
        where = f"[[its.write]] {number}"
        if _known(where, write.device, devices, reader) and devices[write.device].type != "thcom":
            reader.problem(where, f"{write.device} is no THCOM08 timer: only those can be told of other timers' times")
        if any(write.device == one.device for one in its.write[: number - 1]):
            reader.problem(where, f"{write.device} is named twice")


def _known(where: str, name: str, devices: dict[str, DeviceSettings], reader: Reader) -> bool:
    if name not in devices:
        reader.problem(
            where, f"device names {name!r}, but no device is called so; there is {', '.join(devices) or '-'}"
        )
    return name in devices


def _check_channel(where: str, send: Send, kind: str, reader: Reader) -> None:
    if kind == "thcom":
        if send.channel:
            reader.problem(
                where, f"channel: {send.device} is a THCOM08 timer, and its own channels go up; leave it out"
            )
    elif not CHANNEL.fullmatch(send.channel):
        reader.problem(where, f"channel must be 1 to 99, or M1 to M9: under which {send.device} goes up as a timer")


def sources(its: ItsSettings) -> list[SourceSettings]:
    """The devices that the settings name."""
    addresses = [its.address_of(one) for one in its.material]
    return [settings_of(its, address) for address in addresses if not is_ours(its, address)]


def exports(its: ItsSettings) -> list[ExportSettings]:
    """What sends, and what writes the log file."""
    found: list[ExportSettings] = []
    if its.send:
        found.append(
            UplinkSettings(
                name=DEVICE,
                type=DEVICE,
                devices=tuple(one.device for one in its.send),
                channels={one.device: one.channel for one in its.send if one.channel},
                serials={one.device: one.serial for one in its.send},
                stale_after=its.stale_after,
                dialect=its.dialect,
                user=its.user,
                where=its.where,
            )
        )
    software = f"{its.software_id} ({SOFTWARE})"
    linked_up = {one.device: one.serial for one in its.send}
    for write in its.write:
        serial = linked_up.get(write.device)
        found.append(
            DownlinkSettings(
                name=f"{DEVICE}-to-{write.device}",
                type="its-write",
                stale_after=its.stale_after,
                device=write.device,
                address=its.device_type + serial if serial else "",
                connection=f"{serial} ({write.device})" if serial else software,
                software=software,
            )
        )
    if its.log_file:
        found.append(
            LogSettings(
                name=LOG,
                type=LOG,
                format="gsm-interface",
                path=its.log_file.replace("{", "{{").replace("}", "}}"),
                newcomers="all",
                software=software,
                computer_type=its.computer_type,
                software_ports={
                    its.name_of(its.address_of(one)): one.software_port for one in its.material if one.software_port
                },
            )
        )
    return found
