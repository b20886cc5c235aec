"""The words of timing that everything else is said in: kinds, bases, origins, statuses."""

from enum import StrEnum

SECOND = 1_000_000_000
"""Nanoseconds in a second."""

UNDO_NS = 10 * SECOND
"""A bib given by hand stays with the operator so long before exports send it: time to take it back."""


class Direction(StrEnum):
    """Which way a frame crossed the wire, seen from this machine."""

    RX = "rx"
    TX = "tx"


class Kind(StrEnum):
    """What a passing is."""

    GUN = "gun"
    IMPULSE = "impulse"
    """A time on a channel."""
    PASSING = "passing"
    """A chip read."""
    PLACE = "place"
    """Time and place, no identity."""
    SELECT = "select"
    """Time and bib."""
    LAP = "lap"
    PUNCH = "punch"
    RESULT = "result"
    """Run, net or intermediate time, difference or speed."""


class Basis(StrEnum):
    """What the zero of a device's printed time is."""

    DAY = "time of day"
    EPOCH = "epoch as wall clock"
    """Seconds since 1970 of the wall-clock digits, taken as UTC (otimcon.md, section 6)."""
    RACE = "race clock"
    SPAN = "span"
    """A duration (a lap split, a run time): never a moment."""
    NONE = "none"


class Origin(StrEnum):
    """By which way a device came to tell us."""

    LIVE = "live"
    RETRANSMIT = "retransmit"
    RECALL = "recall"
    """An answer to a question or a download (THCOM A* and !* records)."""
    READOUT = "readout"
    """Read from a card's memory."""
    BACKUP = "backup"
    """Read from a station's memory."""
    RECOVERED = "recovered"
    """Told afterwards only (a download, a backup), and taken over by the operator."""


class Status(StrEnum):
    """What the journal already knew of a passing when it came."""

    LIVE = "live"
    """New: counts once."""
    REPEAT = "repeat"
    """The same again (`of` names the first): kept, marked, not counted twice."""
    CORRECTION = "correction"
    """Another value for a known identity (`of`), from a retransmit or the device's own correction."""
    CANCELLED = "cancelled"
    """The device withdraws the passing `of`."""
    JOINED = "joined"
    """The other half (PRIMARY or SELECT) of the place `of`: one finisher, two lines."""
    EDITED = "edited"
    """An operator's word about the passing `of`: its bib."""
    OFFERED = "offered"
    """Told afterwards (a download, a backup) and never live: counts only once the operator takes it over."""


class Phase(StrEnum):
    """Phase of the event. Passings of TEST are kept and marked, and not exported."""

    TEST = "TEST"
    RACE = "RACE"
    CLOSED = "CLOSED"


class Level(StrEnum):
    """How loud an incident is."""

    NOTE = "note"
    WARNING = "warning"
    ALARM = "alarm"
