"""Whatever has happened before: a retransmit of all that the timer remembers leaves every finisher counted once."""

import random

import pytest

from console.model import SECOND, EventIs, Kind, Reading, RetransmitBegin, RetransmitEnd, Status
from tests.timing.memory import Timing
from tests.timing.test_judge import place, start

LINE = 0.05
"""Seconds between two lines of a retransmit."""


class Timer:
    """A TIME MACHINE, its memory, and the line to us, which loses some of what it says."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.timing = Timing()
        self.memory: dict[str, list[Reading]] = {}
        self.finishers = 0
        self.clock = 0

    def race(self, first: str, second: str) -> None:
        """One race in two events of its own."""
        self.timing.hear(start())
        self.clock = 0
        event, places = first, dict.fromkeys((first, second), 0)
        self.timing.hear(EventIs(event), after=0)
        for _ in range(self.chance.randint(1, 8)):
            self.wait(self.chance.randint(1, 100))
            if self.chance.random() < 0.3:
                event = self.chance.choice([first, second])
                self.timing.hear(EventIs(event), after=0)
            places[event] += 1
            self.finish(event, places[event])
            if self.chance.random() < 0.2:
                self.retransmit(self.chance.choice([*self.memory, None]), cut_off=self.chance.random() < 0.3)
                self.wait(6)

    def finish(self, event: str, number: int) -> None:
        """A PRIMARY line, a SELECT line, or both in any order; or the line is lost."""
        bib = self.chance.choice(["", str(self.chance.randint(1, 99))])
        lines = [place(number, self.clock, bib or None)]
        if bib and self.chance.random() < 0.3:
            lines.insert(self.chance.randint(0, 1), place(number, self.clock))
        self.finishers += 1
        self.memory.setdefault(event, []).extend(lines)
        if self.chance.random() < 0.8:
            for line in lines:
                self.timing.hear(line, after=0)

    def retransmit(self, event: str | None = None, *, cut_off: bool = False) -> None:
        """Of one event or of all."""
        self.timing.hear(RetransmitBegin(), after=0)
        for one in [event] if event else self.memory:
            self.timing.hear(EventIs(one), after=LINE)
            for line in self.memory[one]:
                self.timing.hear(line, after=LINE)
                if cut_off and self.chance.random() < 0.2:
                    return
        if not cut_off:
            self.timing.hear(RetransmitEnd(), after=LINE)

    def wait(self, seconds: int) -> None:
        """Time goes by."""
        self.clock += seconds
        self.timing.wall += seconds * SECOND


@pytest.mark.parametrize("seed", range(200))
def test_every_finisher_counts_once(seed: int) -> None:
    timer = Timer(random.Random(seed))
    events = [f"{number:03d}" for number in range(1, 7)]
    timer.chance.shuffle(events)
    for race in range(timer.chance.randint(1, 3)):
        timer.race(*events[2 * race : 2 * race + 2])
    timer.retransmit()
    counted = [row.passing for row in timer.timing.index.rows if row.passing.status is Status.LIVE]
    assert sum(one.kind is not Kind.GUN for one in counted) == timer.finishers
    assert not [text for text in timer.timing.alarms() if "collides" in text or "differs" in text]
