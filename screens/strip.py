"""The lines that are on every tab: the status strip, the tabs, the footer."""

from console.model import EngineState, JournalState, LinkState, Phase
from screens import words
from screens.paint import Line
from screens.picture import LEVELS, Picture

LETTERS = "abcdefghijklmnopqrstuvwxyz"
"""What jump mode (`g`) puts on the tabs and panes."""

NORMAL = 80
"""Columns from which on the strip has everything."""

ALARM_ROOM = 12
"""Columns that the first alarm has at least, where anything can make room for it."""


NO_ALARM = "no alarm"


def strip(picture: Picture, width: int) -> Line:
    """Clock and its sync, phase and race time, devices, saved, waiting and its age, first alarm; in fixed columns.

    A terminal below 80 columns loses, in this order and until an alarm can be read, the frames saved, what waits, the
    sync of the clock and the race time; but nothing that tells of trouble. Where a device is a clock for the strip, the
    sync or the frames saved, if well, make room for it; where that is not enough, the clock is the first to go.
    """
    state, bar = picture.state, (picture.bar, "dim")
    saved, waiting, sync = _saved(state.journal, width), _waiting(picture), _sync(picture)
    race = (_race(picture), "" if state.phase is Phase.RACE else "warn")
    columns = [(words.clock(picture.now, picture.zone), ""), sync, race, _devices(state), saved, waiting]
    for column in (saved, waiting, sync, race):
        room = width - sum(len(text) + 1 for text, _ in columns)
        if width < NORMAL and room < ALARM_ROOM and column[1] in ("", "dim", "good"):
            columns.remove(column)
    if clock := _external(picture):
        least = ALARM_ROOM if state.alarms else len(NO_ALARM)
        room = width - sum(len(text) + 1 for text, _ in [*columns, clock]) - least
        spare = [column for column in (sync, saved) if column in columns and column[1] == "good"]
        for lost in ([], *([one] for one in spare), spare):
            if room + sum(len(text) + 1 for text, _ in lost) >= 0:
                columns = [column for column in columns if column not in lost]
                columns.insert(columns.index(race) + 1 if race in columns else 1, clock)
                break
    line: Line = []
    for column in columns:
        line += [column, (" ", "") if column is columns[0] and sync in columns else bar]
    if picture.gone is not None:
        line = [("".join(text for text, _ in line), "stale")]
    room = width - sum(len(text) for text, _ in line)
    line.append(_alarm(picture, room))
    return line


def _external(picture: Picture) -> tuple[str, str] | None:
    """What the first device shows that is a clock for the strip."""
    device = next((device for device in picture.state.devices if "strip" in device.facts), None)
    if device is None:
        return None
    up = device.state is LinkState.UP
    return f"CLK {words.clean(device.facts['strip'])[:12] if up else '?'}", "" if up else "warn"


def _devices(state: EngineState) -> tuple[str, str]:
    up, all_ = sum(device.state is LinkState.UP for device in state.devices), len(state.devices)
    return f"{f'DEV {up}/{all_}':<{max(8, len(f'DEV {all_}/{all_}'))}}", "good" if up == all_ else "bad"


def _sync(picture: Picture) -> tuple[str, str]:
    clock = picture.state.clock
    if clock.synced is None:
        return f"{clock.source[:4] + ' ?':<6}", "warn"
    return (f"{clock.source[:3]} ok", "good") if clock.synced else ("NO NTP", "bad")


def _race(picture: Picture) -> str:
    time = picture.race_time
    return f"{picture.state.phase.value + ' ' + ('--:--:--' if time is None else words.span(time)):<13}"


def _saved(journal: JournalState, width: int) -> tuple[str, str]:
    if journal.state == "failing":
        lost = f" {journal.dropped} LOST" if journal.dropped else ""
        return f"DISK FAILING {journal.unsafe} unsafe{lost}", "alarm"
    wide = f" {journal.commit / 1e6:.1f} ms" if width >= 100 and journal.commit else ""
    text = f"SAVED {journal.frames}{wide}"
    size = 12 if width < 100 else 20
    return (f"{text + ' SLOW':<{size}}", "warn") if journal.state == "slow" else (f"{text:<{size}}", "good")


def _waiting(picture: Picture) -> tuple[str, str]:
    exports = picture.state.exports
    waiting = sum(export.waiting for export in exports)
    ages = [export.oldest for export in exports if export.oldest is not None]
    if not exports:
        return f"{'WAIT -':<12}", "dim"
    text = f"WAIT {waiting}" + (f" {words.age(picture.now - min(ages))}" if waiting and ages else "")
    return f"{text:<12}", "warn" if waiting else ""


def _alarm(picture: Picture, room: int) -> tuple[str, str]:
    alarms = picture.state.alarms
    if not alarms:
        return NO_ALARM, "dim"
    first = alarms[0]
    more = f"{len(alarms)} " if len(alarms) > 1 else ""
    return words.fit(f"!{more}{first.source} {first.text}", room), "alarm"


def tabs(names: list[str], current: int, width: int, right: str, *, letters: bool) -> Line:
    """The tabs, the one in front in brackets; `right` at the right end. `letters`: jump mode, where tabs need room."""
    right = "" if letters else right
    labels = [words.clean(name) if len(name) <= 10 else words.brief(name, 10) for name in names]
    if letters:
        labels = [f"{letter}:{label}" for letter, label in zip(LETTERS, labels, strict=False)]
    room = max(20, width - len(right))
    first = _first_shown(labels, current, room)
    line: Line = [("<", "key")] if first else []
    used = len(line)
    for number, label in enumerate(labels[first:], first):
        if used + len(label) + 3 > room:
            line.append((">", "key"))
            used += 1
            break
        mine = number == current
        line.append((f"[{label}]" if mine else f" {label} ", "tab" if mine else "key" if letters else ""))
        used += len(label) + 2
    line.append((words.fit(right, max(0, width - used), right=True), "dim"))
    return line


def _first_shown(labels: list[str], current: int, room: int) -> int:
    """The leftmost tab such that the current one can still be seen."""
    first, used = current, len(labels[current]) + 4
    while first and used + len(labels[first - 1]) + 2 <= room - 1:
        first -= 1
        used += len(labels[first]) + 2
    return first


def company(state: EngineState, *, observe: bool) -> str:
    """The event, and who else looks on."""
    return f" {words.clean(state.event)} " + ("LOOKING ONLY" if observe else f"{state.consoles} at work")


def gone(picture: Picture, width: int, why: str) -> Line:
    """The banner while the engine is away."""
    since = words.clock(picture.now, picture.zone)
    text = f" ENGINE GONE {words.age(picture.gone)}, trying again. You see how it was at {since}. {why}"
    return [(words.fit(text, width), "alarm")]


def last_incident(picture: Picture, width: int) -> Line:
    """The newest incident."""
    if not picture.state.incidents:
        return []
    incident = picture.state.incidents[-1]
    word, ink = LEVELS[incident.level]
    start = f"{words.clock(incident.wall, picture.zone)} {word} {words.clean(incident.source)}: "
    return [(start, ink), (words.fit(incident.text, width - len(start)), "dim")]


def footer(hints: tuple[tuple[str, str], ...], width: int) -> Line:
    """At most eight keys with what they do here, as many as fit; the last to go is the one that tells the others."""
    shown = list(hints[:8])
    while len(shown) > 1 and sum(len(key) + len(what) + 3 for key, what in shown) > width:
        shown.pop(-2 if shown[-1][0] == "?" else -1)
    return [run for key, what in shown for run in ((f" {key}", "key"), (f" {what} ", ""))]
