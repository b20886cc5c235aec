"""An event to journal: drafts as a TIME MACHINE would give them, and what the journal announced of them."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from console.journal.journal import Committed, Journal
from console.model import (
    SECOND,
    Act,
    Basis,
    Cursor,
    Direction,
    Draft,
    Fact,
    Frame,
    Incident,
    Kind,
    Level,
    Passing,
    Reading,
    Start,
    Trouble,
)

WALL = 1_795_171_307_830_123_456
"""2026-11-20T10:41:47.83 UTC."""


SERIES = "scoring", "c0ffee", "Finish"


def place(number: int, *, device: str = "chute") -> Draft:
    """A place line of a TIME MACHINE."""
    printed = f"01:{number // 60 % 60:02d}:{number % 60:02d}.83"
    fact = Reading(
        kind=Kind.PLACE,
        identity=f"place/{number}",
        time=printed,
        ns=3600 * SECOND + number * SECOND,
        basis=Basis.RACE,
        value=printed,
        by_event=True,
        event="11",
        series="places",
        position=number,
        extra={"place": number},
    )
    return draft(
        f"\x1711 411 {number:04d} {printed} \r\n".encode(), fact, device=device, label="PRIMARY", number=number
    )


def punch(uid: str, at: int) -> Draft:
    """A punch at an OTIMCON station, `at` seconds of its clock."""
    fact = Reading(
        kind=Kind.PUNCH,
        identity=f"{uid}/31/{at}",
        ns=at * SECOND,
        basis=Basis.EPOCH,
        tag=uid,
        value=str(at),
        series=f"{uid}/31",
        position=at * SECOND,
        window=30 * SECOND,
    )
    return draft(f"{uid},{at}\r\n".encode(), fact, device="control-31", label="punch")


def start(printed: str = "00:00:00.00", ns: int = 0, number: int = 0) -> Draft:
    """A START line."""
    fact = Start(time=printed, ns=ns, basis=Basis.RACE)
    return draft(f"START {printed}\r\n".encode(), fact, label="START", number=number)


def draft(
    raw: bytes, *facts: Fact, device: str = "chute", label: str = "", flaw: str = "", number: int = 0, **more: Any
) -> Draft:
    """Any frame."""
    return Draft(
        device=device,
        direction=Direction.RX,
        wall=WALL + number * SECOND,
        mono=1_000_000 + number,
        raw=raw,
        label=label,
        flaw=flaw,
        facts=facts,
        **more,
    )


def cursor(sent: int, export: str = "scoring", peer: str = "10.0.0.7") -> Cursor:
    """How far a peer has been served."""
    return Cursor(export=export, peer=peer, start=0, sent=sent, tcp=sent, held=(3, 5), counts={"sent": sent})


class Listener:
    """Gathers what the journal announces."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.passings: list[Passing] = []
        self.incidents: list[Incident] = []
        self.acts: list[Act] = []
        self.changes = 0
        self._news = threading.Condition()

    def committed(self, news: Committed) -> None:
        with self._news:
            self.frames += news.frames
            self.passings += news.passings
            self.incidents += news.incidents
            self.acts += news.acts
            self._news.notify_all()

    def changed(self) -> None:
        with self._news:
            self.changes += 1
            self._news.notify_all()

    def wait(self, condition: Callable[["Listener"], object], timeout: float = 20) -> None:
        """Until `condition` holds; asked again at every announcement, and now and then."""
        until = time.monotonic() + timeout
        with self._news:
            while not condition(self):
                assert time.monotonic() < until, "what was waited for did not come"
                self._news.wait(0.02)


def open_journal(directory: Path, listener: Listener | None = None, **more: Any) -> Journal:
    """The journal, with a check that only comes when it is asked for, and then in a hurry."""
    told = listener or Listener()
    return Journal.open(
        directory, committed=told.committed, changed=told.changed, check_after=3600, check_share=1.0, **more
    )


def fill(journal: Journal, listener: Listener, count: int, first: int = 1) -> None:
    """Journal `count` places, some repeated, with incidents, acts, guns and cursors between them; wait until safe."""
    frames = len(listener.frames)
    if first == 1:
        journal.frame(start())
        frames += 1
    for number in range(first, first + count):
        journal.frame(place(number))
        if number % 10 == 0:
            journal.frame(place(number - 1))
            journal.frame(draft(b'\x1b[2J\xff garbage "\\\r\n', device="start", flaw="garbage", number=number))
            journal.trouble(Trouble(Level.WARNING, "start", f"garbage at {number}: \x1b[31m\u202e"))
            journal.number(*SERIES, [number])
            journal.cursor(cursor(number))
            journal.cursor(cursor(number - 3, peer="10.0.0.8"))
            frames += 2
    frames += count
    journal.act("gun", {"device": "", "wall": WALL, "ns": 0, "generation": None}, "operator").result(20)
    listener.wait(lambda it: len(it.frames) >= frames)


def contents(journal: Journal) -> dict[str, list[Any]]:
    """Everything a reader sees."""
    reader = journal.reader()
    try:
        return {
            "frames": reader.frames(after=0, limit=100_000),
            "passings": reader.passings(after=0, limit=100_000),
            "incidents": reader.incidents(after=0, limit=100_000),
            "acts": reader.acts(after=0, limit=100_000),
            "numbers": reader.numbers(SERIES, 1, 100_000) or [],
            "highest": [*journal.highest(*SERIES[:2]).items()],
        }
    finally:
        reader.close()
