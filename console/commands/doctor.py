"""`racedeck doctor` and `ports`: what a crew checks before the start. No port is opened."""

import argparse
import grp
import os
import shutil
import socket
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from console.commands import show
from console.commands.attach import Where
from console.config import Settings, SettingsError, load
from console.engine.clock import read_clock
from console.engine.tagfile import load as load_tags
from console.exit import Exit, Failure
from console.links.address import parse_address
from console.links.ports import list_ports

SLOW_DISK = 0.05
"""Seconds a durable commit may take before it is worth a word: a reader sees its frames that much later."""

LITTLE_SPACE = 512 * 1024 * 1024
"""Bytes free below which it is worth a word; a frame with its passing and log line takes about 1 KiB."""

LATENCY_TIMER = 16
"""ms, the FTDI driver's default: short lines wait that long in the adapter."""


class Finding(Struct, frozen=True):
    """One thing looked at."""

    word: str
    """`ok`, `note` or `TROUBLE`."""
    what: str
    text: str


def doctor(args: argparse.Namespace) -> int:
    """Look at everything that stops races, and say what to do."""
    findings = list(_findings(Where(args.config, args.state_dir)))
    for one in findings:
        show.out(show.json_line(one) if args.json else f"{one.word:<8} {one.what:<18} {one.text}")
    return Exit.TROUBLE if any(one.word == "TROUBLE" for one in findings) else Exit.OK


def _findings(where: Where) -> Iterator[Finding]:
    settings: Settings | None = None
    try:
        settings = load(where.config)
        yield Finding("ok", "settings", str(where.config))
    except SettingsError as error:
        for problem in error.problems:
            yield Finding("TROUBLE", "settings", problem)
    yield _clock()
    yield from _disk(where.state)
    yield _group()
    for port in list_ports():
        yield from _port(port.path, port.by_id)
    if settings:
        yield from _tags(settings.event.tags)
        yield from _devices(settings)
        yield from _addresses(settings)


def _clock() -> Finding:
    clock = read_clock()
    if clock.synced is None:
        return Finding("note", "clock", "this system does not tell whether its clock is synchronised")
    if not clock.synced:
        return Finding("TROUBLE", "clock", "not synchronised: install chrony or switch on systemd-timesyncd")
    return Finding("ok", "clock", f"synchronised, offset {(clock.offset or 0) / 1e6:.3f} ms")


def _disk(state: Path) -> Iterator[Finding]:
    try:
        state.mkdir(parents=True, exist_ok=True)
        seconds = _commit_time(state)
    except (OSError, sqlite3.Error) as error:
        yield Finding("TROUBLE", "disk", f"{state} cannot be written: {error}")
        return
    slow = "note" if seconds > SLOW_DISK else "ok"
    yield Finding(slow, "disk", f"a durable commit takes {seconds * 1000:.1f} ms at {state}")
    free = shutil.disk_usage(state).free
    word = "TROUBLE" if free < LITTLE_SPACE else "ok"
    yield Finding(word, "space", f"{free / 2**30:.1f} GiB free at {state}")


def _commit_time(directory: Path) -> float:
    """Median seconds of a commit as the journal does it."""
    with tempfile.TemporaryDirectory(dir=directory, prefix="doctor-") as scratch:
        database = sqlite3.connect(Path(scratch) / "probe.sqlite", isolation_level=None)
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        database.execute("CREATE TABLE probe (raw BLOB)")
        took = []
        for _ in range(20):
            began = time.perf_counter()
            database.execute("INSERT INTO probe VALUES (zeroblob(100))")
            took.append(time.perf_counter() - began)
        database.close()
        return statistics.median(took)


def _group() -> Finding:
    """Whether this user may open serial ports at all (Debian's group is dialout, Arch's uucp)."""
    mine = {grp.getgrgid(number).gr_name for number in os.getgroups() if _has_name(number)}
    if os.geteuid() == 0 or mine & {"dialout", "uucp"} or sys.platform == "darwin":
        return Finding("ok", "permissions", "this user may open serial ports")
    hint = "run `sudo usermod -aG dialout $USER`, then log in again"
    return Finding("TROUBLE", "permissions", f"this user is not in group dialout: {hint}")


def _has_name(group: int) -> bool:
    try:
        grp.getgrgid(group)
    except KeyError:
        return False
    return True


def _port(path: str, by_id: str | None) -> Iterator[Finding]:
    if not os.access(path, os.R_OK | os.W_OK):
        yield Finding("TROUBLE", path, "no permission to open it")
    if by_id is None:
        yield Finding("note", path, "has no stable name under /dev/serial/by-id: it may change at a replug")
    timer = Path("/sys/bus/usb-serial/devices") / Path(path).name / "latency_timer"
    try:
        latency = int(timer.read_text())
    except (OSError, ValueError):
        return
    if latency >= LATENCY_TIMER:
        hint = f"`echo 1 | sudo tee {timer}`"
        yield Finding("note", path, f"FTDI latency timer is {latency} ms: {hint} for the finest arrival times")


def _tags(path: str) -> Iterator[Finding]:
    if not path:
        return
    try:
        table, problems = load_tags(Path(path))
    except ValueError as error:
        yield Finding("TROUBLE", "tag table", f"{path}: {error}")
        return
    for problem in problems:
        yield Finding("TROUBLE", "tag table", f"{Path(path).name}: {problem}")
    yield Finding("ok", "tag table", f"{path}: {table}")


def _devices(settings: Settings) -> Iterator[Finding]:
    for device in settings.devices:
        if not device.port:
            continue
        if not Path(device.port).exists():
            yield Finding(
                "TROUBLE", device.name, f"{device.port} does not exist: is it plugged in? see `racedeck ports`"
            )
        elif not os.access(device.port, os.R_OK | os.W_OK):
            yield Finding("TROUBLE", device.name, f"no permission to open {device.port}")
        else:
            yield Finding("ok", device.name, device.port)


def _addresses(settings: Settings) -> Iterator[Finding]:
    for export in (one for one in settings.exports if one.listen):
        host, port = parse_address(export.listen)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                text = f"{export.listen} is taken or not ours ({error.strerror}); fine if RaceDeck's engine runs"
                yield Finding("note", export.name, text)
                continue
        yield Finding("ok", export.name, f"{export.listen} is free")


def ports(args: argparse.Namespace) -> int:
    """Serial ports by their stable names."""
    found = list_ports()
    if not found:
        raise Failure(Exit.FAILED, "no serial ports found: is the adapter plugged in?")
    for one in found:
        if args.json:
            show.out(show.json_line(one))
        else:
            show.out(f"{one.by_id or one.path}  ({one.path}) {one.description}".rstrip())
    return Exit.OK
