"""`racedeck status`, `tail`, `dump`: reading what the engine holds; the scriptable twins of the screens."""

import argparse
import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import tzinfo
from typing import Any, TypeAlias

from console.codecs import columns
from console.commands import show
from console.commands.attach import Where, connect
from console.commands.rows import Rows, open_rows
from console.exit import Exit
from console.model import SECOND, EngineState, Frame, Incident, ItsState, Resolved
from console.timing.bind import find_zone

Row: TypeAlias = Frame | Resolved | Incident


def status(args: argparse.Namespace) -> int:
    """How everything stands, once."""
    state = asyncio.run(_state(Where(args.config, args.state_dir)))
    if args.json:
        show.out(show.json_line(show.status_row(state)))
    else:
        for line in status_lines(state):
            show.out(line)
    return Exit.OK


async def _state(where: Where) -> EngineState:
    client = await connect(where, observe=True)
    try:
        return await client.refresh()
    finally:
        client.close()


def status_lines(state: EngineState) -> list[str]:
    """The status in plain lines, for eyes, screen readers and Braille."""
    zone = find_zone(state.timezone)
    now = show.clock_time(state.now, zone, 0)
    sync = {True: "synchronised", False: "NOT synchronised", None: "synchronisation unknown"}[state.clock.synced]
    journal = state.journal
    names = [*(one.name for one in state.devices), *(one.name for one in state.exports)]
    names += [f"{one.serial} {one.role}" for one in state.its.links] if state.its else []
    name = max(14, max(map(len, names), default=0))
    lines = [
        f"{state.event}: phase {state.phase}, {now} {state.timezone}, clock {sync}",
        f"journal {journal.state.upper()}: {journal.frames} frames, {journal.passings} passings saved"
        + (f", {journal.unsafe} NOT SAFE" if journal.unsafe else "")
        + (f", {journal.dropped} LOST" if journal.dropped else "")
        + (f" ({journal.reason})" if journal.reason else ""),
        "",
        f"{'DEVICE':<{name}} {'STATE':<24} {'HEARD':>8} {'FRAMES':>8} {'PASSINGS':>8}  WHERE",
    ]
    for one in state.devices:
        word = device_word(one.state, one.retry_at, state.now)
        heard = "never" if one.heard is None else show_age(state.now - one.heard)
        lines.append(f"{one.name:<{name}} {word:<24} {heard:>8} {one.frames:>8} {one.passings:>8}  {one.where}")
        if one.reason:
            lines.append(f"{'':<{name}} {one.reason}")
        if one.holes:
            lines.append(f"{'':<{name}} HOLE {', '.join(one.holes)}: these places never arrived")
    lines += [
        "",
        f"{'EXPORT':<{name}} {'STATE':<12} {'JOURNALED':>9} {'SENT':>7} {'TCP':>7} {'WAIT':>6} {'HELD':>6} "
        f"{'UNMAPPED':>8}  WHERE",
    ]
    lines += [
        f"{one.name:<{name}} {one.state:<12} {one.journaled:>9} {one.sent:>7} {show.known(one.tcp):>7} "
        f"{one.waiting:>6} {one.held:>6} {one.unmapped:>8}"
        f"  {one.where}" + (f"  {one.reason}" if one.reason else "")
        for one in state.exports
    ]
    if state.its:
        lines += ["", *_its_lines(state.its, name, state.now)]
    if state.alarms:
        lines += ["", "ALARMS"]
        lines += [show.incident_line(one, zone) for one in state.alarms]
    return lines


def _its_lines(its: ItsState, name: int, now: int) -> Iterator[str]:
    """The link to ITS ONLINE TIMING, connection by connection. What goes up is an export."""
    yield f"{'ITS':<{name}} {'STATE':<24} {'HEARD':>8} {'RECEIVED':>8}  SERVER"
    for one in its.links:
        heard = "never" if one.heard is None else show_age(now - one.heard)
        word = device_word(one.state, one.retry_at, now)
        who = f"{one.serial} {one.role}"
        yield f"{who:<{name}} {word:<24} {heard:>8} {one.received:>8}  {its.server}"
        if one.reason and one.state != "linked":
            yield f"{'':<{name}} {one.reason}"


def device_word(state: str, retry_at: int | None, now: int) -> str:
    """`UP`, `DOWN retry 4s`."""
    if retry_at is not None and retry_at > now:
        return f"{state.upper()} retry {(retry_at - now) // SECOND + 1}s"
    return state.upper()


def show_age(ns: int) -> str:
    """`0:42`, `2:11:05`."""
    seconds = max(ns, 0) // SECOND
    hours, minutes = seconds // 3600, seconds // 60 % 60
    return f"{hours}:{minutes:02d}:{seconds % 60:02d}" if hours else f"{minutes}:{seconds % 60:02d}"


def tail(args: argparse.Namespace) -> int:
    """The newest rows, or those beyond `--since`; with `--follow` also those to come."""
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_tail(args))
    return Exit.OK


async def _tail(args: argparse.Namespace) -> None:
    what = "frames" if args.frames else "incidents" if args.incidents else "passings"
    rows = await open_rows(Where(args.config, args.state_dir), must_run=args.follow)
    try:
        printer = _printer(what, args.json, rows.zone)
        last = 0
        async for row in _rows(rows, what, args.device, args.since, args.follow, args.limit):
            last = _number(row)
            printer(row)
        if not args.follow and not last:
            print(f"no {what} " + (f"of {args.device!r} " if args.device else "") + "yet", file=sys.stderr)
    finally:
        rows.close()


async def _rows(rows: Rows, what: str, device: str, since: int | None, follow: bool, limit: int) -> AsyncIterator[Row]:
    """Rows beyond `since` (None: the newest `limit`), and, while following, those to come."""
    if since is None:
        since = 0
        for row in await _page(rows, what, None, limit, device):
            since = _number(row)
            yield row
        if not follow:
            return
    while True:
        page = await _page(rows, what, since, 500, device)
        for row in page:
            since = _number(row)
            yield row
        if not page:
            if not follow:
                return
            await rows.wait()


async def _page(rows: Rows, what: str, after: int | None, limit: int, device: str) -> Sequence[Row]:
    match what:
        case "frames":
            return await rows.frames(after, limit, device)
        case "passings":
            return await rows.passings(after, limit, device)
    return await rows.incidents(after, limit)


def _number(row: Row) -> int:
    return row.passing.seq if isinstance(row, Resolved) else row.seq


def _printer(what: str, as_json: bool, zone: tzinfo) -> Callable[[Any], None]:
    """What prints one row of the kind, as JSON or as a plain line."""
    if as_json:
        row = ROWS[what]
        return lambda one: show.out(show.json_line(row(one)))
    if what == "passings":
        show.out(show.PASSING_HEAD)
    line = LINES[what]
    return lambda one: show.out(line(one, zone))


ROWS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "frames": columns.frame_row,
    "passings": columns.passing_row,
    "incidents": columns.incident_row,
}
LINES: dict[str, Callable[[Any, tzinfo], str]] = {
    "frames": show.frame_line,
    "passings": show.passing_line,
    "incidents": show.incident_line,
}
"""What prints a row of each kind, as JSON and as a plain line."""

CSV: dict[str, tuple[Callable[[Any], list[object]], tuple[str, ...]]] = {
    "frames": (columns.frame_cells, columns.FRAME_COLUMNS),
    "passings": (columns.passing_cells, columns.PASSING_COLUMNS),
}
"""What makes cells of a row, and the columns that they stand in."""


def dump(args: argparse.Namespace) -> int:
    """Everything of one kind, as CSV or JSON lines, for spreadsheets and replays."""
    asyncio.run(_dump(args))
    return Exit.OK


async def _dump(args: argparse.Namespace) -> None:
    rows = await open_rows(Where(args.config, args.state_dir))
    as_row = ROWS[args.what]
    as_cells, head = CSV[args.what]
    try:
        header = False
        async for row in _rows(rows, args.what, args.device, 0, follow=False, limit=0):
            if args.format == "json":
                show.out(show.json_line(as_row(row)))
                continue
            if not header:
                show.write(columns.csv_line(head))
                header = True
            show.write(columns.csv_line(as_cells(row)))
    finally:
        rows.close()
