"""Rows of the journal as named columns, and as lines of CSV: what `dump`, `tail --json` and the csv export write."""

import base64
import csv
import io
from collections.abc import Iterable
from datetime import UTC, datetime, tzinfo
from typing import Any

from console.model import SECOND, Frame, Incident, Resolved, Status

PASSING_COLUMNS = (
    "seq", "frame", "device", "kind", "time", "utc", "tag", "bib", "channel", "point", "event", "read_type", "status",
    "of", "basis", "origin", "generation", "phase", "change", "arrived", "extra",
)  # fmt: skip
"""Columns of a passing in CSV; the last holds what the kind adds, as `key=value`, parted by semicolons."""

FRAME_COLUMNS = ("seq", "device", "direction", "wall", "mono", "raw", "label", "flaw", "masked", "by")
"""Columns of a frame in CSV; `raw` is in base64."""


def iso(wall: int | None, zone: tzinfo | None = None) -> str | None:
    """A wall time as ISO 8601, all nine digits: in UTC with `Z`, or in `zone` with its offset. None stays None."""
    if wall is None:
        return None
    seconds, rest = divmod(wall, SECOND)
    if zone is None:
        moment = datetime.fromtimestamp(seconds, tz=UTC)
        return f"{moment:%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"
    moment = datetime.fromtimestamp(seconds, tz=zone)
    offset = f"{moment:%z}"
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{rest:09d}{offset[:3]}:{offset[3:]}"


def frame_row(frame: Frame) -> dict[str, Any]:
    """A frame as `tail --frames --json` prints it."""
    return {
        "seq": frame.seq,
        "device": frame.device,
        "direction": frame.direction,
        "wall": iso(frame.wall),
        "mono": frame.mono,
        "raw": base64.b64encode(frame.raw).decode(),
        "label": frame.label,
        "flaw": frame.flaw,
        "masked": frame.masked,
        "by": frame.by,
    }


def passing_row(resolved: Resolved) -> dict[str, Any]:
    """A passing as `tail --passings --json` prints it; what the kind adds comes last."""
    one = resolved.passing
    row = {
        "seq": one.seq,
        "frame": one.frame,
        "device": one.device,
        "kind": one.kind,
        "time": one.time,
        "utc": iso(resolved.utc),
        "tag": one.tag,
        "bib": said_bib(resolved),
        "channel": one.channel,
        "point": resolved.point,
        "event": one.event,
        "read_type": one.read_type,
        "status": one.status,
        "of": one.of,
        "basis": one.basis,
        "origin": one.origin,
        "generation": one.generation,
        "phase": one.phase,
        "change": one.change,
        "arrived": iso(one.wall),
    }
    more = {key: value for key, value in one.extra.items() if key not in row}
    if "at" in more:  # when an operator gave the bib, or took it over
        more["at"] = iso(int(more["at"] or 0))
    if resolved.edited:
        more["edited"] = resolved.edited
    if resolved.name is not None:
        more["name"] = resolved.name
    return row | more


def said_bib(resolved: Resolved) -> str | None:
    """What is known now; of an operator's word, what was said then."""
    return resolved.passing.bib if resolved.passing.status is Status.EDITED else resolved.bib


def incident_row(incident: Incident) -> dict[str, Any]:
    """An incident as `tail --incidents --json` prints it."""
    return {
        "seq": incident.seq,
        "wall": iso(incident.wall),
        "level": incident.level,
        "source": incident.source,
        "text": incident.text,
        "frame": incident.frame,
    }


def plain(text: str) -> str:
    """Text from a device, safe for a terminal: control characters escaped."""
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)


def passing_cells(resolved: Resolved) -> list[object]:
    """A passing as cells under PASSING_COLUMNS."""
    row = passing_row(resolved)
    cells = [row.pop(column) for column in PASSING_COLUMNS[:-1]]
    return [*cells, "; ".join(f"{key}={value}" for key, value in row.items())]


def frame_cells(frame: Frame) -> list[object]:
    """A frame as cells under FRAME_COLUMNS."""
    return list(frame_row(frame).values())


def csv_line(cells: Iterable[object], separator: str = ",") -> str:
    """One CSV line. A cell that a spreadsheet would take for a formula is defused with an apostrophe."""
    return joined((harmless("" if cell is None else str(cell)) for cell in cells), separator)


def joined(cells: Iterable[str], separator: str) -> str:
    """One CSV line of cells that are harmless."""
    line = io.StringIO()
    csv.writer(line, delimiter=separator).writerow(cells)
    return line.getvalue()


def harmless(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula, and that ends no line."""
    cell = plain(cell)
    return f"'{cell}" if cell[:1] in ("=", "+", "-", "@") else cell
