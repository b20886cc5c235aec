"""`racedeck sheet`: a table about a device or the event, as the screens show it."""

import argparse
import asyncio
import sys
from collections.abc import Iterator

from console.codecs.columns import csv_line, plain
from console.commands import show
from console.commands.attach import Where
from console.commands.rows import open_rows
from console.control.client import RefusedError
from console.exit import Exit, Failure
from console.model import Sheet
from console.sheets import SHEETS


def sheet(args: argparse.Namespace) -> int:
    """Print a sheet: as columns, as CSV, or as one JSON object for each row."""
    table = asyncio.run(_fetch(args))
    if args.json:
        for row in table.rows:
            show.out(show.json_line(dict(zip(headings(table), row, strict=False))))
    elif args.csv:
        for cells in (headings(table), *table.rows):
            show.write(csv_line(cells))
    else:
        for line in lines(table):
            show.out(line)
    if table.note and (args.json or args.csv):
        print(plain(table.note), file=sys.stderr)
    return Exit.OK


async def _fetch(args: argparse.Namespace) -> Sheet:
    rows = await open_rows(Where(args.config, args.state_dir))
    try:
        return await rows.sheet(args.device, args.name)
    except RefusedError as error:
        known = "" if args.name in SHEETS else f"; there is {', '.join(SHEETS)}, and what a device keeps itself"
        raise Failure(Exit.REFUSED, f"{error}{known}") from None
    except LookupError as error:
        raise Failure(Exit.NO_ENGINE, f"{error.args[0]}; what a device keeps itself takes a running engine") from None
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
