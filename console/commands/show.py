"""How states and rows look outside the screens: the JSON that scripts rely on, and plain lines."""

import sys
from datetime import datetime, tzinfo
from typing import Any

import msgspec

from console.codecs.columns import incident_row, iso, plain, said_bib
from console.exit import Exit, Failure
from console.model import SECOND, EngineState, ExportState, Frame, Incident, Origin, Phase, Resolved, Status


def json_line(value: Any) -> str:
    """`value` as one line of JSON."""
    return msgspec.json.encode(value).decode()


def status_row(state: EngineState) -> dict[str, Any]:
    """The engine's state as `status --json` prints it."""
    return {
        "event": state.event,
        "phase": state.phase,
        "now": iso(state.now),
        "timezone": state.timezone,
        "version": state.version,
        "pid": state.pid,
        "clock": {"source": state.clock.source, "synced": state.clock.synced, "offset_ns": state.clock.offset},
        "newest": {
            "frame": state.journal.frames,
            "passing": state.journal.passings,
            "incident": state.journal.incidents,
        },
        "journal": {
            "state": state.journal.state,
            "reason": state.journal.reason,
            "path": state.journal.path,
            "unsafe": state.journal.unsafe,
            "dropped": state.journal.dropped,
            "commit_ns": state.journal.commit,
            "check": state.journal.check,
        },
        "devices": {
            one.name: {
                "type": one.type,
                "where": one.where,
                "state": one.state,
                "reason": one.reason,
                "heard": iso(one.heard),
                "frames": one.frames,
                "passings": one.passings,
                "repeats": one.repeats,
                "flaws": one.flaws,
                "drift_ns": one.drift,
                "holes": list(one.holes),
                "facts": one.facts,
            }
            for one in state.devices
        },
        "exports": {one.name: export_row(one) for one in state.exports},
        "incidents": state.journal.incidents,
        "alarms": [incident_row(one) for one in state.alarms],
        "consoles": state.consoles,
        "its": msgspec.to_builtins(state.its),
    }


def export_row(one: ExportState) -> dict[str, Any]:
    """An export's figures, and those of each peer."""
    figures = ("journaled", "sent", "tcp", "acked", "waiting", "held", "unmapped")
    return {
        "type": one.type,
        "where": one.where,
        "state": one.state,
        "reason": one.reason,
        **{name: getattr(one, name) for name in figures},
        "oldest": iso(one.oldest),
        "peers": [
            {
                "address": peer.address,
                "connected": peer.connected,
                **{name: getattr(peer, name) for name in figures},
                "oldest": iso(peer.oldest),
                "note": peer.note,
            }
            for peer in one.peers
        ],
    }


def summary_row(state: EngineState) -> dict[str, Any]:
    """What `demo --headless --json` prints at its end."""
    figures = ("journaled", "sent", "tcp", "waiting", "held")
    return {
        "devices": {one.name: {"frames": one.frames, "passings": one.passings} for one in state.devices},
        "exports": {one.name: {name: getattr(one, name) for name in figures} for one in state.exports},
        "incidents": state.journal.incidents,
    }


# --- plain lines ---


def known(figure: int | None) -> str:
    """A figure; `-` where it is not known: unknown and zero look different."""
    return "-" if figure is None else str(figure)


def clock_time(wall: int | None, zone: tzinfo, digits: int = 2) -> str:
    """`10:41:47.83` in `zone`; `?` where unknown."""
    if wall is None:
        return "?"
    moment = datetime.fromtimestamp(wall // SECOND, tz=zone)
    fraction = f"{wall % SECOND:09d}"[:digits]
    return f"{moment:%H:%M:%S}" + (f".{fraction}" if digits else "")


def digits_of(time: str | None) -> int:
    """How many decimals a device printed: a derived time shows no more, and no fewer."""
    return min(9, len(time.rpartition(".")[2])) if time and "." in time else 0


def escaped(raw: bytes) -> str:
    """Bytes as one line that no terminal obeys: printable ASCII as it is, the rest as \\xNN, \\r, \\n, \\t."""
    return repr(raw)[2:-1].replace('\\"', '"').replace("\\'", "'")


def frame_line(frame: Frame, zone: tzinfo) -> str:
    """A frame as one line."""
    arrow = "<" if frame.direction == "rx" else ">"
    flaw = f"  !! {plain(frame.flaw)}" if frame.flaw else ""
    by = f"  ({frame.by})" if frame.by else ""
    when = clock_time(frame.wall, zone, 3)
    return f"{frame.seq:8d}  {when}  {frame.device:<12} {arrow} {escaped(frame.raw)}  {plain(frame.label)}{by}{flaw}"


PASSING_HEAD = f"{'#':>8}  {'TIME OF DAY':<15} {'DEVICE TIME':<16} {'DEVICE':<12} {'POINT':<12} {'BIB/TAG':<10} STATUS"


def passing_line(resolved: Resolved, zone: tzinfo) -> str:
    """A passing as one line, under PASSING_HEAD."""
    one = resolved.passing
    who = said_bib(resolved) or one.tag or ("GUN" if one.kind == "gun" else "----")
    status = _status(resolved)
    if one.phase is Phase.TEST:
        status += " TEST"
    when = clock_time(resolved.utc, zone, digits_of(one.time))
    return (
        f"{one.seq:8d}  {when:<15} {plain(one.time or '?'):<16} {one.device:<12} "
        f"{plain(resolved.point or '?'):<12} {plain(who):<10} {status}"
    )


def _status(resolved: Resolved) -> str:
    """What the journal made of a passing, in words."""
    one, extra = resolved.passing, resolved.passing.extra
    offered = f" of offered #{extra['offered']}" if "offered" in extra else ""
    if one.status is Status.EDITED:
        word = "undone by" if "undoes" in extra else "edited by"
        return f"{word} {plain(str(extra['by']))}: #{one.of} was {plain(str(extra['was'] or '----'))}"
    if one.status is Status.LIVE:
        word = f"recovered{offered}" if one.origin is Origin.RECOVERED else one.status
        return f"{word}, edited by {plain(resolved.edited)}" if resolved.edited else word
    word = f"{one.status}" if one.of is None else f"{one.status} of #{one.of}"
    if one.status is Status.OFFERED:
        word = f"{word} by a {'backup' if one.origin is Origin.BACKUP else 'download'}, does not count"
        word += f"; came during TEST as #{one.heard_in_test}" if one.heard_in_test is not None else ""
    return f"{word}, recovered{offered}" if offered else word


def incident_line(incident: Incident, zone: tzinfo) -> str:
    """An incident as one line."""
    when = clock_time(incident.wall, zone, 0)
    return f"{incident.seq:8d}  {when}  {incident.level:<8} {incident.source:<12} {plain(incident.text)}"


def out(line: str) -> None:
    """One line of data on stdout."""
    write(line + "\n")


def write(data: str) -> None:
    """Data on stdout, at once: the reader may be a pipe that follows us. Raises Failure where it cannot be written."""
    if sys.stdout is None:
        raise Failure(Exit.FAILED, "stdout is closed; the data have nowhere to go")
    try:
        sys.stdout.write(data)
        sys.stdout.flush()
    except BrokenPipeError:
        raise  # the reader has enough
    except OSError as error:
        raise Failure(Exit.FAILED, f"cannot write to stdout: {error.strerror}") from None


def on_terminal() -> bool:
    """Whether a console has all that it needs: keys from stdin, and stderr, to which Textual draws, beside stdout."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))
