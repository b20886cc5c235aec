"""`racedeck sheet` and `racedeck report`: tables about a device, an export or the event, as the screens show them."""

import argparse
import asyncio
import sys
from collections.abc import Iterator
from typing import Any

from console.codecs.columns import csv_line, plain
from console.commands import show
from console.commands.attach import Where
from console.commands.rows import open_rows
from console.control.client import RefusedError
from console.exit import Exit, Failure
from console.model import Sheet
from console.sheets import SHEETS
from console.sheets.cells import ABSENT


def sheet(args: argparse.Namespace) -> int:
    """Print a sheet: as columns, as CSV, or as one JSON object for each row."""
    table = asyncio.run(_fetch(args, args.name, args.device))
    if args.json:
        for row in table.rows:
            show.out(show.json_line(dict(zip(headings(table), row, strict=False))))
    _print(table, args)
    return Exit.OK


def report(args: argparse.Namespace) -> int:
    """Print the day's reconciliation, or the rows behind one of its figures; TROUBLE where it does not add up."""
    if args.show:
        args.name, args.device = args.show[0], " ".join(args.show[1:])
        return sheet(args)
    table = asyncio.run(_fetch(args, "report", ""))
    if args.json:
        show.out(show.json_line(figures(table)))
    _print(table, args)
    return Exit.TROUBLE if "bad" in table.marks.values() else Exit.OK


def figures(table: Sheet) -> dict[str, Any]:
    """The report as scripts like it; None: not known, or there is none."""
    devices: dict[str, dict[str, int | None]] = {}
    exports: dict[str, dict[str, dict[str, int | None]]] = {}
    for of, peer, figure, count, _ in table.rows:
        number = int(count) if count.lstrip("-").isdigit() else None
        if not peer:
            devices.setdefault(of, {})[figure] = number
        elif peer == ABSENT:
            exports[of] = {}
        else:
            exports.setdefault(of, {}).setdefault(peer, {})[figure] = number
    return {"adds_up": "bad" not in table.marks.values(), "devices": devices, "exports": exports}


def _print(table: Sheet, args: argparse.Namespace) -> None:
    """As columns or as CSV; of JSON, which is out already, the note that goes to stderr."""
    if args.csv:
        for cells in (headings(table), *table.rows):
            show.write(csv_line(cells))
    elif not args.json:
        for line in lines(table):
            show.out(line)
    if table.note and (args.json or args.csv):
        print(plain(table.note), file=sys.stderr)


async def _fetch(args: argparse.Namespace, name: str, device: str) -> Sheet:
    rows = await open_rows(Where(args.config, args.state_dir))
    try:
        return await rows.sheet(device, name)
    except RefusedError as error:
        known = "" if name in SHEETS else f"; there is {', '.join(SHEETS)}, and what a device keeps itself"
        why = str(error) if device or not known else f"no sheet {name!r}"
        raise Failure(Exit.REFUSED, f"{why}{known}") from None
    except LookupError as error:
        more = "" if name in SHEETS else "; what a device keeps itself takes a running engine"
        raise Failure(Exit.NO_ENGINE, f"{error.args[0]}{more}") from None
    finally:
        rows.close()


def headings(table: Sheet) -> list[str]:
    """The names of its columns, as keys of JSON and CSV."""
    return [name.strip() for name in table.columns]


def lines(table: Sheet) -> Iterator[str]:
    """The table as plain lines: title, headings, rows, and what to do about it."""
    cells = [tuple(headings(table)), *(tuple(plain(cell) for cell in row) for row in table.rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    yield plain(table.title)
    for row in cells:
        parts = (
            cell.rjust(width) if name.startswith(" ") else cell.ljust(width)
            for cell, width, name in zip(row, widths, table.columns, strict=True)
        )
        yield "  ".join(parts).rstrip()
    if not table.rows:
        yield "nothing yet"
    if table.note:
        yield plain(table.note)
