"""`racedeck relay data` and `status`: what came and what became of it; who is connected, and what is set up."""

import argparse
import fcntl
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from console.codecs.columns import csv_line, iso
from console.commands import show
from console.commands.relay import arrows_said, directory_of, file_of, opened, settings_of
from console.commands.sheets import lines
from console.exit import Exit
from console.model import SECOND, Sheet

if TYPE_CHECKING:
    from console.relay.club import Club
    from console.relay.data import Data, Row

DATA_COLUMNS = ("NO", "DATE", "FROM", "TO", "MESSAGE", "ACKNOWLEDGMENT", "REASON")


def data(args: argparse.Namespace) -> int:
    """The DATA list."""
    with opened(args) as (club, found):
        rows, zone = found.rows(args.limit, args.serial), club.zone()
        models = {one.serial: one.model for one in club.materials().values()}
    if args.json:
        for row in rows:
            show.out(show.json_line(_data_row(row, models)))
        return Exit.OK

    def moment(wall: int | None) -> str:
        return "" if wall is None else f"{datetime.fromtimestamp(wall // SECOND, zone):%d/%m/%Y %H:%M:%S}"

    def who(serial: str) -> str:
        return f"{models.get(serial, '?')} {serial}" if serial else ""

    def state(row: "Row") -> str:
        # The time of a state is worth its place where it is not that of the row.
        later = f" {moment(row.changed)[11:]}" if row.state == "acknowledged" else ""
        return f"{row.state}{later}"

    cells: list[tuple[str, ...]] = [
        (
            str(row.id), moment(row.at), who(row.origin[1:]), who(row.destination), row.message, state(row),
            f"{row.reason} ({row.times} times)" if row.times > 1 else row.reason,
        )
        for row in rows
    ]  # fmt: skip
    if args.csv:
        for one in (DATA_COLUMNS, *cells):
            show.write(csv_line(one))
        return Exit.OK
    table = Sheet(title=f"DATA LIST, times in {zone}", columns=(f" {DATA_COLUMNS[0]}", *DATA_COLUMNS[1:]), rows=cells)
    for line in lines(table):
        show.out(line)
    return Exit.OK


def _data_row(row: "Row", models: dict[str, str]) -> dict[str, object]:
    sender = row.origin[1:]
    return {
        "id": row.id,
        "at": iso(row.at),
        "from": {"model": models.get(sender), "serial": sender} if sender else None,
        "to": {"model": models.get(row.destination), "serial": row.destination} if row.destination else None,
        "message": row.message,
        "state": row.state,
        "changed": iso(row.changed),
        "reason": row.reason,
        "times": row.times,
    }


def status(args: argparse.Namespace) -> int:
    """Whether it runs, what is set up, who is connected, and what waits."""
    runs = _runs(directory_of(args))
    with opened(args) as (club, data):
        row = _status(args, runs, club, data)
        said = list(_status_lines(row, club))
    if args.json:
        show.out(show.json_line(row))
    else:
        for line in said:
            show.out(line)
    return Exit.OK if runs else Exit.NO_ENGINE


def _status(args: argparse.Namespace, runs: bool, club: "Club", data: "Data") -> dict[str, object]:
    connected = data.connections() if runs else {}
    material = []
    for one in club.materials().values():
        waiting, oldest, skipped, came = data.figures(one.serial)
        where, since = connected.get(one.serial, (None, None))
        material.append(
            {
                "serial": one.serial, "type": one.type, "model": one.model, "label": one.label, "colour": one.colour,
                "phone": one.phone, "user": one.user,
                "connected": where, "since": iso(since), "last": iso(came), "waiting": waiting,
                "oldest": iso(oldest), "skipped": skipped, "empty": bool(one.empty),
            }
        )  # fmt: skip
    return {
        "runs": runs,
        "listen": (runs and data.server()) or settings_of(args).listen,
        "database": str(file_of(args)),
        "ids": club.ids(),
        "material": material,
        "configurations": club.configurations(),
        "events": [
            {"name": one.name, "start": one.first, "end": one.last, "zone": one.zone,
             "configuration": one.configuration, "active": bool(one.active)}
            for one in club.events()
        ],
    }  # fmt: skip


def _status_lines(row: dict[str, object], club: "Club") -> Iterator[str]:
    yield f"the relay {'runs' if row['runs'] else 'does not run: `racedeck relay serve`'}  {row['listen']}"
    yield f"ids: {', '.join(club.ids()) or 'none: `racedeck relay id add USER`'}"
    for name, arrows in club.configurations().items():
        yield f"configuration {name}: {arrows_said(arrows)}"
    for one in club.events():
        active = "ACTIVE" if one.active else "not active"
        yield f"event {one.name}: {one.first} to {one.last} ({one.zone}), configuration {one.configuration}, {active}"
    if not club.active():
        yield "no event is active: nobody can connect"
    material = row["material"]
    assert isinstance(material, list)
    words = {head: key for head, key in (("COLOR", "colour"), ("PHONE", "phone")) if any(one[key] for one in material)}
    columns = ("SERIAL", "MODEL", "LABEL", *words, "ID", "CONNECTED", "LAST FRAME", " WAITING", " SKIPPED")
    zone = club.zone()
    rows: list[tuple[str, ...]] = []
    for one in material:
        last = f"{datetime.fromisoformat(one['last']).astimezone(zone):%d/%m %H:%M:%S}" if one["last"] else "none yet"
        connected = one["connected"] or "no"
        serial, waiting, skipped = one["serial"], str(one["waiting"]), str(one["skipped"])
        told = (one["model"], one["label"], *(one[key] for key in words.values()), one["user"])
        rows.append((serial, *told, connected, last, waiting, skipped))
    yield from lines(Sheet(title="MATERIAL LIST", columns=columns, rows=rows))


def _runs(directory: Path) -> bool:
    """Whether a server holds the lock."""
    try:
        handle = os.open(directory / "lock", os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False
