"""Typed settings from TOML. Every mistake is named with its file, its place, what was expected and what was found."""

import difflib
import ipaddress
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct, inspect, structs

from console.devices import DRIVERS, driver_class
from console.devices.driver import DeviceSettings
from console.exports import EXPORTS, export_class
from console.exports.export import ExportSettings
from console.its.settings import DISCOVERED, ItsSettings
from console.links.address import parse_address
from console.model import Kind
from console.passwords import Password, passwords_of, read_secret
from console.timing.bind import find_zone

T = TypeVar("T", bound=Struct)

SECTIONS = ("event", "device", "export", "its")

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
"""Names go into file names, command lines and columns of a screen."""


class SettingsError(Exception):
    """Settings that cannot be used; one line per mistake."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class EventSettings(Struct, frozen=True, kw_only=True):
    """The `[event]` section."""

    name: str
    timezone: str
    """IANA name of the zone that the event's clocks show."""
    mirror: str = ""
    """A second directory for the flight log, a USB stick for instance."""
    tags: str = ""
    """The file of the tag table; `load` makes its path a whole one, from the directory of the settings."""


class Settings(Struct, frozen=True, kw_only=True):
    """All settings of an event."""

    event: EventSettings
    devices: tuple[DeviceSettings, ...] = ()
    exports: tuple[ExportSettings, ...] = ()
    passwords: dict[str, Password] = {}
    """Export, or `its`, -> its password, from the secrets."""
    its: ItsSettings | None = None
    """Its sources are among the devices, and what it sends and logs among the exports."""


def load(path: Path) -> Settings:
    """Read `racedeck.toml` and the secrets beside it. Raises SettingsError with every mistake found."""
    return parse(path, _read(path))


def parse(path: Path, raw: bytes) -> Settings:
    """What the settings at `path` would be with `raw` in the file; see `load`."""
    table = _table(path, raw)
    reader = _Reader(path)
    settings = reader.settings(table)
    secrets = path.with_name("secrets.toml")
    if secrets.exists() and settings:
        settings = structs.replace(settings, passwords=reader.secrets(secrets, settings))
    if reader.problems or settings is None:
        raise SettingsError(reader.problems)
    return settings


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise SettingsError(
            [f"{path}: there are no settings here: write them as the README shows, or try `racedeck demo`"]
        ) from None
    except OSError as error:
        raise SettingsError([f"{path}: cannot be read: {error.strerror}"]) from None


def _table(path: Path, raw: bytes) -> dict[str, Any]:
    try:
        return tomllib.loads(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise SettingsError([f"{path.name}: byte {error.start} is not UTF-8; save the file as UTF-8"]) from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError([f"{path.name}: not TOML: {error}"]) from None


class _Reader:
    """Reads one file, and collects what is wrong with it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = path.name
        self.problems: list[str] = []

    def problem(self, where: str, text: str) -> None:
        self.problems.append(f"{self.file}: {where}: {text}" if where else f"{self.file}: {text}")

    # --- the sections ---

    def settings(self, table: dict[str, Any]) -> Settings | None:
        for key in table:
            if key not in SECTIONS:
                self.problem("", f"unknown section {key!r}{_suggest(key, SECTIONS)}")
        event = self.event(table.get("event"))
        devices = self.list_of(table, "device", DRIVERS, lambda kind: driver_class(kind).settings_type, self.device)
        exports = self.list_of(table, "export", EXPORTS, lambda kind: export_class(kind).settings_type, self.export)
        its = self.its(table["its"], devices, exports) if "its" in table else None
        self.no_twins("device", [device.name for device in devices])
        self.no_twins("export", [export.name for export in exports])
        self.no_twins("listen address", [one.listen for one in exports if one.listen and not one.listen.endswith(":0")])
        self.no_twins("pty", [os.path.normpath(pty) for one in exports if (pty := getattr(one, "pty", ""))])
        names = [device.name for device in devices]
        for export in exports:
            for key, name in export.named():
                if name not in names and not (its and DISCOVERED.fullmatch(name)):
                    where = f'export "{export.name}"'
                    self.problem(where, f"{key} names {name!r}, but no device is called so{_suggest(name, names)}")
            for point in export.points:
                if point not in (known := _points(devices)):
                    where = f'export "{export.name}"'
                    self.problem(where, f"points names {point!r}, where no device is{_suggest(point, known)}")
        if event is None:
            return None
        return Settings(event=event, devices=tuple(devices), exports=tuple(exports), its=its)

    def event(self, table: object) -> EventSettings | None:
        if not isinstance(table, dict):
            self.problem("[event]", 'missing; give at least name and timezone, as in name = "spring-10k"')
            return None
        event = self.fill(EventSettings, table, "[event]")
        if event is None:
            return None
        self.check_name("[event]", event.name)
        self.check("[event]", lambda: find_zone(event.timezone), "timezone")
        if "tags" in table and (not event.tags.strip() or "\0" in event.tags):
            self.problem("[event]", f'tags must be the path of a CSV file, as in "tags.csv" (got {event.tags!r})')
        tags = str(self.path.absolute().parent / event.tags) if event.tags else ""
        return structs.replace(event, tags=tags)

    def its(self, table: object, devices: list[DeviceSettings], exports: list[ExportSettings]) -> ItsSettings | None:
        """The `[its]` section; its sources and exports join the others."""
        from console.its import section  # most settings have none, and need not wait for it

        before = len(self.problems)
        its = section.read_section(table, self, devices)
        if its and len(self.problems) == before:
            devices += section.sources(its)
            exports += section.exports(its)
        return its

    def device(self, device: DeviceSettings, where: str) -> None:
        if bool(device.port) == bool(device.address):
            self.problem(where, "give either port (a serial port) or address (host:port)")
        if device.address:
            self.check(where, lambda: parse_address(device.address), "address")
        if device.silent_after is not None and device.silent_after < 0:
            self.problem(where, f"silent_after must be 0 (never) or more seconds (got {device.silent_after})")

    def export(self, export: ExportSettings, where: str) -> None:
        for way in ("listen", "connect"):
            if address := getattr(export, way):
                self.check(where, partial(parse_address, address), way)
        if (export.listen or export.connect or (export.ways and not export.elsewhere)) and (wrong := _way(export)):
            self.problem(where, wrong)
        kinds = [kind.value for kind in Kind]
        for kind in export.kinds:
            if kind not in kinds:
                self.problem(where, f"kinds must be of {_one_of(kinds)} (got {kind!r})")
        for network in export.networks:
            self.check(where, partial(ipaddress.ip_network, network), "networks")

    def secrets(self, path: Path, settings: Settings) -> dict[str, Password]:
        """The passwords of exports and of the link. The file must be secret, and hold nothing else."""
        try:
            table = _table(path, read_secret(path))
        except ValueError as error:
            self.problems.append(str(error))
            return {}
        except SettingsError as error:
            self.problems += error.problems
            return {}
        for key in table:
            if key not in ("its", "export"):
                self.problems.append(f"{path.name}: unknown section {key!r}{_suggest(key, ('its', 'export'))}")
        takers = {one.name for one in settings.exports if one.takes_password}
        found, problems = passwords_of(
            table, takers, {one.name for one in settings.exports} - takers, link=settings.its is not None
        )
        self.problems += [f"{path.name}: {problem}" for problem in problems]
        return found

    # --- parts ---

    def list_of(
        self,
        table: dict[str, Any],
        section: str,
        kinds: Mapping[str, str],
        settings_type: Callable[[str], type[T]],
        check: Callable[[T, str], None],
    ) -> list[T]:
        """The entries of `[[section]]`, each as the settings its type asks for."""
        entries = table.get(section, [])
        if not isinstance(entries, list):
            self.problem(f"[{section}]", f"write [[{section}]] with double brackets: there may be several")
            return []
        found = []
        for number, entry in enumerate(entries, 1):
            name = entry.get("name")
            where = f'{section} "{name}"' if isinstance(name, str) and name else f"{section} {number}"
            kind = entry.get("type")
            if kind not in kinds:
                got = f"got {kind!r}" if "type" in entry else "missing"
                self.problem(where, f"type must be one of {_one_of(kinds)} ({got}){_suggest(str(kind), kinds)}")
                continue
            one = self.fill(settings_type(kind), entry, where)
            if one is not None:
                self.check_name(where, entry["name"])
                check(one, where)
                found.append(one)
        return found

    def fill(self, kind: type[T], table: dict[str, Any], where: str) -> T | None:
        """A table as the Struct `kind`, or None with the mistakes noted."""
        info = inspect.type_info(kind)
        assert isinstance(info, inspect.StructType)
        fields = {field.encode_name: field for field in info.fields}
        before = len(self.problems)
        for key in table:
            if key == "password":
                self.problem(where, "password does not belong here; put it into secrets.toml (mode 0600)")
            elif key not in fields:
                self.problem(where, f"unknown key {key!r}{_suggest(key, fields)}")
        for name, field in fields.items():
            if name in table:
                if (wrong := _mismatch(field.type, table[name])) is not None:
                    self.problem(where, f"{name} must be {wrong} (got {_shown(table[name])})")
            elif field.required:
                self.problem(where, f"{name} is missing")
        if len(self.problems) > before:
            return None
        try:
            return msgspec.convert(table, kind)
        except msgspec.ValidationError as error:
            # What a settings type checks across its own keys; the message is its own.
            self.problem(where, re.sub(r" - at `\$[^`]*`$", "", str(error)))
            return None

    def check(self, where: str, attempt: Callable[[], object], key: str) -> None:
        try:
            attempt()
        except ValueError as error:
            self.problem(where, f"{key}: {error}")

    def check_name(self, where: str, name: str) -> None:
        if not NAME.fullmatch(name):
            rule = "1 to 32 letters, digits, dots, dashes or underscores, beginning with a letter or digit"
            self.problem(where, f"name must be {rule} (got {name!r})")

    def no_twins(self, what: str, names: list[str]) -> None:
        for name in sorted({name for name in names if names.count(name) > 1}):
            self.problem("", f'{what} "{name}" is given {names.count(name)} times')


def _points(devices: Iterable[DeviceSettings]) -> set[str]:
    """Every timing point that a device may be at."""
    known = {point for device in devices for point in (*device.points.values(), device.point) if point}
    by_type = {driver_class(device.type).default_point for device in devices}
    return known | {point for default in by_type for number in range(1, 1000) if (point := default(str(number)))}


def _way(export: ExportSettings) -> str:
    """What is wrong with how this export is to reach its peers; empty: nothing."""
    given = [way for way in ("listen", "connect") if getattr(export, way)]
    for way in given:
        if way not in export.ways:
            return f"{way}: {export.type} does not {way}; give {' or '.join(export.ways) or 'neither address'}"
    if len(given) != 1:
        meanings = {"listen": "listen (host:port to listen on)", "connect": "connect (host:port to connect to)"}
        either = "either " if len(export.ways) > 1 else ""
        return f"give {either}{' or '.join(meanings[way] for way in export.ways)}"
    if export.connect and export.networks:
        return "networks says who may connect to us; it goes with listen"
    return "connect: the port must not be 0" if export.connect.endswith(":0") else ""


def _mismatch(expected: inspect.Type, value: object) -> str | None:
    """What `value` should have been, in words; None where it is that."""
    match expected:
        case inspect.LiteralType(values=values):
            fine = any(value == one and type(value) is type(one) for one in values)
            return None if fine else f"one of {_one_of(values)}"
        case inspect.UnionType(types=types):
            each = [_mismatch(one, value) for one in types if not isinstance(one, inspect.NoneType)]
            return None if None in each else " or ".join(word for word in each if word)
        case inspect.BoolType():
            return None if isinstance(value, bool) else "true or false"
        case inspect.IntType(ge=low, le=high):
            fine = isinstance(value, int) and not isinstance(value, bool) and _within(value, low, high)
            return None if fine else f"a whole number{_range(low, high)}"
        case inspect.FloatType(ge=low, le=high):
            fine = isinstance(value, int | float) and not isinstance(value, bool) and _within(value, low, high)
            return None if fine else f"a number{_range(low, high)}"
        case inspect.StrType():
            return None if isinstance(value, str) else "a text in quotes"
        case inspect.VarTupleType(item_type=item) | inspect.ListType(item_type=item):
            if not isinstance(value, list):
                return "a list in [ ]"
            return next((f"a list of {wrong} each" for one in value if (wrong := _mismatch(item, one))), None)
        case inspect.DictType(value_type=item):
            if not isinstance(value, dict):
                return "a table in { }"
            return next((f"a table of {wrong} each" for one in value.values() if (wrong := _mismatch(item, one))), None)
    return None


def _within(value: float, low: float | None, high: float | None) -> bool:
    return (low is None or value >= low) and (high is None or value <= high)


def _range(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f" from {low} to {high}"
    return f" of at least {low}" if low is not None else f" of at most {high}" if high is not None else ""


def _one_of(values: Iterable[object]) -> str:
    return ", ".join(str(value) for value in values)


def _shown(value: object) -> str:
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _suggest(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
