"""The database's rows: columns to values and back, each row with the CRC-32 of its flight log line. Pure.

Where a row holds JSON, its CRC is told from that text as it is, never from encoding the value again: a later version
that knows one more field must still find the row good.
"""

import zlib
from collections.abc import Callable
from typing import Any, TypeAlias

from msgspec import Struct

from console.journal.lines import (
    Kept,
    Saved,
    act_line,
    crc_of,
    cursor_json,
    frame_line,
    incident_line,
    kept_line,
    numbered_line,
    passing_line,
    read_body,
    read_cursor,
    read_judged,
    read_passings,
    read_state,
    saved_line,
    seal,
    to_json,
)
from console.model import Act, Basis, Direction, Frame, Incident, Judged, Kind, Level, Numbered, Phase, Status

Row: TypeAlias = tuple[Any, ...]

BODY = 10
"""Where the row of a passing has its JSON."""


class RowError(ValueError):
    """A row of the database whose content its CRC does not cover."""


class Tally(Struct):
    """Counts of one device, and the latest device time of its newest generation."""

    frames: int = 0
    passings: int = 0
    repeats: int = 0
    flaws: int = 0
    nameless: int = 0
    generation: int = 0
    newest: int | None = None

    def add_frame(self, frame: Frame) -> None:
        """Count a frame, whichever way it went."""
        self.frames += 1
        self.flaws += bool(frame.flaw)

    def add_passing(self, judged: Judged) -> None:
        """Count a passing; remember its time if it is a moment."""
        passing = judged.passing
        self.passings += passing.status is Status.LIVE
        self.repeats += passing.status is Status.REPEAT
        if passing.kind in (Kind.PLACE, Kind.SELECT) and passing.phase is Phase.RACE:
            self.nameless += passing.status is Status.LIVE and not passing.bib
            self.nameless += passing.unnames - passing.names
        if passing.generation > self.generation:
            self.generation, self.newest = passing.generation, None
        moment = passing.ns if passing.basis not in (Basis.SPAN, Basis.NONE) else None
        if moment is not None and passing.generation == self.generation:
            self.newest = moment if self.newest is None else max(self.newest, moment)


# --- from values to a row and its line ---


def frame_row(frame: Frame) -> tuple[Row, bytes]:
    """Row and line of a frame."""
    line = frame_line(frame)
    return (
        frame.seq,
        frame.device,
        frame.direction.value,
        _int64(frame.wall),
        _int64(frame.mono),
        frame.raw,
        frame.label,
        frame.flaw,
        int(frame.masked),
        frame.by,
        crc_of(line),
    ), line


def passing_row(judged: Judged) -> tuple[Row, bytes]:
    """Row and line of a passing. Empty keys are NULL: they are in no index."""
    body = to_json(judged)
    line = passing_line(judged, body)
    passing = judged.passing
    for number in (judged.position, passing.ns):
        if number is not None:
            _int64(number)
    return (
        passing.seq,
        passing.frame,
        passing.device,
        passing.kind.value,
        passing.status.value,
        judged.identity,
        judged.series or None,
        judged.position,
        judged.join or None,
        passing.of,
        body.decode("ascii"),
        crc_of(line),
    ), line


def incident_row(incident: Incident) -> tuple[Row, bytes]:
    """Row and line of an incident."""
    line = incident_line(incident)
    return (
        incident.seq,
        incident.wall,
        incident.level.value,
        incident.source,
        incident.text,
        incident.frame,
        crc_of(line),
    ), line


def act_row(act: Act) -> tuple[Row, bytes]:
    """Row and line of an act."""
    line = act_line(act)
    return (act.seq, act.wall, act.word, to_json(act.body).decode("ascii"), act.by, crc_of(line)), line


def numbered_row(numbered: Numbered) -> tuple[Row, bytes]:
    """Row and line of numbers given."""
    passings = to_json(numbered.passings)
    line = numbered_line(numbered, passings)
    highest = _int64(max(numbered.passings))
    _int64(min(numbered.passings))
    return (
        numbered.seq,
        _int64(numbered.wall),
        numbered.export,
        numbered.connection,
        numbered.location,
        numbered.first,
        _int64(numbered.last),
        None if numbered.late else highest,
        highest if numbered.late else None,
        passings.decode("ascii"),
        crc_of(line),
    ), line


def kept_row(kept: Kept) -> tuple[Row, bytes]:
    """Row and line of a device's timing state."""
    body = to_json(kept.state)
    line = kept_line(kept, body)
    return (kept.device, kept.frame, kept.wall, body.decode("ascii"), crc_of(line)), line


def saved_row(saved: Saved) -> tuple[Row, bytes]:
    """Row and line of a cursor."""
    cursor = saved.cursor
    body = cursor_json(cursor)
    line = saved_line(saved, body)
    return (cursor.export, cursor.peer, saved.number, saved.wall, body.decode("ascii"), crc_of(line)), line


def tally_row(device: str, tally: Tally) -> Row:
    """Row of a device's counts (which the flight log does not keep: they can be counted again)."""
    columns = (
        device,
        tally.frames,
        tally.passings,
        tally.repeats,
        tally.flaws,
        tally.nameless,
        tally.generation,
        tally.newest,
    )
    return (*columns, _crc_of_columns(columns))


# --- from a row to values; each raises RowError ---


def read_frame_row(row: Row) -> Frame:
    """The frame in a row."""
    try:
        frame = unchecked_frame(row)
        good = frame_row(frame)[0] == row
    except Exception as error:  # noqa: BLE001 - a flipped bit may have made anything of it
        raise RowError(f"frame {row[0]}: {error}") from None
    if not good:
        raise RowError(f"frame {row[0]}: CRC does not hold")
    return frame


def unchecked_frame(row: Row) -> Frame:
    """What a row says, right or wrong; raises whatever comes of it."""
    seq, device, direction, wall, mono, raw, label, flaw, masked, by, _ = row
    return Frame(
        seq=seq,
        device=device,
        direction=Direction(direction),
        wall=wall,
        mono=mono,
        raw=raw,
        label=label,
        flaw=flaw,
        masked=bool(masked),
        by=by,
    )


def read_passing_row(row: Row) -> Judged:
    """The passing and its keys in a row."""
    try:
        judged, body = read_judged(row[BODY]), row[BODY].encode("ascii")
        passing = judged.passing
        expected = (
            passing.seq,
            passing.frame,
            passing.device,
            passing.kind.value,
            passing.status.value,
            judged.identity,
            judged.series or None,
            judged.position,
            judged.join or None,
            passing.of,
            row[BODY],
            crc_of(passing_line(judged, body)),
        )
    except Exception as error:  # noqa: BLE001
        raise RowError(f"passing {row[0]}: {error}") from None
    if expected != row:
        raise RowError(f"passing {row[0]}: CRC does not hold")
    return judged


def read_incident_row(row: Row) -> Incident:
    """The incident in a row."""
    try:
        seq, wall, level, source, text, frame, _ = row
        incident = Incident(seq=seq, wall=wall, level=Level(level), source=source, text=text, frame=frame)
        good = incident_row(incident)[0] == row
    except Exception as error:  # noqa: BLE001
        raise RowError(f"incident {row[0]}: {error}") from None
    if not good:
        raise RowError(f"incident {row[0]}: CRC does not hold")
    return incident


def read_act_row(row: Row) -> Act:
    """The act in a row."""
    try:
        seq, wall, word, body, by, _ = row
        act = Act(seq=seq, wall=wall, word=word, body=read_body(body), by=by)
        good = act_row(act)[0] == row
    except Exception as error:  # noqa: BLE001
        raise RowError(f"act {row[0]}: {error}") from None
    if not good:
        raise RowError(f"act {row[0]}: CRC does not hold")
    return act


def read_numbered_row(row: Row) -> Numbered:
    """The numbers in a row."""
    try:
        seq, wall, export, connection, location, first, _, _, late, passings, _ = row
        numbered = Numbered(
            seq=seq,
            wall=wall,
            export=export,
            connection=connection,
            location=location,
            first=first,
            passings=read_passings(passings),
            late=late is not None,
        )
        good = numbered_row(numbered)[0] == row
    except Exception as error:  # noqa: BLE001
        raise RowError(f"numbers {row[0]}: {error}") from None
    if not good:
        raise RowError(f"numbers {row[0]}: CRC does not hold")
    return numbered


def read_kept_row(row: Row) -> Kept:
    """The timing state in a row."""
    try:
        device, frame, wall, body, crc = row
        kept = Kept(frame, wall, device, read_state(body))
        good = crc_of(kept_line(kept, body.encode("ascii"))) == crc
    except Exception as error:  # noqa: BLE001
        raise RowError(f"timing state of {row[0]}: {error}") from None
    if not good:
        raise RowError(f"timing state of {row[0]}: CRC does not hold")
    return kept


def read_saved_row(row: Row) -> Saved:
    """The cursor in a row."""
    try:
        export, peer, number, wall, body, crc = row
        saved = Saved(number, wall, read_cursor(body))
        good = crc_of(saved_line(saved, body.encode("ascii"))) == crc
        good = good and (saved.cursor.export, saved.cursor.peer) == (export, peer)
    except Exception as error:  # noqa: BLE001
        raise RowError(f"cursor of {row[0]} for {row[1]}: {error}") from None
    if not good:
        raise RowError(f"cursor of {row[0]} for {row[1]}: CRC does not hold")
    return saved


def read_tally_row(row: Row) -> tuple[str, Tally]:
    """A device and its counts."""
    if _crc_of_columns(row[:-1]) != row[-1]:
        raise RowError(f"counts of {row[0]}: CRC does not hold")
    return row[0], Tally(*row[1:-1])


def _crc_of_columns(columns: Row) -> int:
    return zlib.crc32(repr(columns).encode("utf-8", "surrogateescape"))


def _int64(number: int) -> int:
    """`number`, if the database can hold it; raises OverflowError."""
    if not -(2**63) <= number < 2**63:
        raise OverflowError(f"{number} does not fit into 64 bits")
    return number


READERS: dict[str, Callable[[Row], Frame | Judged | Incident | Act | Numbered]] = {
    "F": read_frame_row,
    "P": read_passing_row,
    "I": read_incident_row,
    "A": read_act_row,
    "N": read_numbered_row,
}
"""Kind of a numbered row -> what reads it; each raises RowError."""


def line_of_row(kind: str, row: Row) -> bytes:
    """The sealed line of a numbered row; raises RowError."""
    entry = READERS[kind](row)
    if isinstance(entry, Judged):
        return seal(passing_line(entry, row[BODY].encode("ascii")), row[-1])
    return sealed(entry)


def sealed(entry: object) -> bytes:
    """The line of an entry with its CRC, as it goes to the flight log."""
    match entry:
        case Frame():
            _, line = frame_row(entry)
        case Judged():
            _, line = passing_row(entry)
        case Incident():
            _, line = incident_row(entry)
        case Act():
            _, line = act_row(entry)
        case Numbered():
            _, line = numbered_row(entry)
        case Kept():
            _, line = kept_row(entry)
        case Saved():
            _, line = saved_row(entry)
        case _:
            raise TypeError(f"no row: {entry!r}")
    return seal(line, crc_of(line))
