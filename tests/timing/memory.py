"""An `Index` in memory, and a device whose frames are judged one after the other as the journal does it."""

from console.model import (
    SECOND,
    Draft,
    EventState,
    Fact,
    Judged,
    Level,
    Passing,
    Phase,
    Status,
    TimingState,
    Trouble,
)
from console.timing.edits import Asking, known_bib, rows_about, set_bib, undo
from console.timing.judge import judge, next_event_state
from console.timing.offers import take_over


class MemoryIndex:
    """What the journal's tables answer, from a list."""

    def __init__(self) -> None:
        self.rows: list[Judged] = []

    def same(self, identity: str) -> list[Judged]:
        return [row for row in self.rows if row.identity == identity]

    def near(self, series: str, position: int, window: int) -> Judged | None:
        rows = [
            row
            for row in self.rows
            if row.series == series
            and row.position is not None
            and row.passing.status is Status.LIVE
            and abs(row.position - position) <= window
        ]
        return min(rows, key=lambda row: abs((row.position or 0) - position), default=None)

    def highest(self, series: str) -> int | None:
        rows = [row for row in self.rows if row.series == series and row.passing.status is not Status.OFFERED]
        return max((row.position for row in rows if row.position is not None), default=None)

    def joined(self, join: str) -> list[Judged]:
        return [row for row in self.rows if row.join == join]

    def passing(self, seq: int) -> Judged | None:
        return next((row for row in self.rows if row.passing.seq == seq), None)

    def about(self, seq: int) -> list[Judged]:
        return [row for row in self.rows if row.passing.of == seq]

    def edits(self) -> list[Judged]:
        return [row for row in self.rows if row.passing.status is Status.EDITED]

    def next_index(self, frame: int) -> int:
        return max((row.passing.index + 1 for row in self.rows if row.passing.frame == frame), default=0)

    def newest_ns(self, device: str, generation: int) -> int | None:
        return max(
            (
                row.passing.ns
                for row in self.rows
                if row.passing.device == device and row.passing.generation == generation and row.passing.ns is not None
            ),
            default=None,
        )


class Timing:
    """An event: facts in, passings out."""

    def __init__(self) -> None:
        self.index = MemoryIndex()
        self.states: dict[str, TimingState] = {}
        self.event = EventState()
        self.troubles: list[Trouble] = []
        self.frames = 0
        self.wall = 1_750_000_000 * SECOND

    def hear(self, *facts: Fact, device: str = "chute", after: float = 1.0) -> list[Passing]:
        """One frame with these facts, `after` seconds since the last."""
        self.wall += int(after * SECOND)
        self.frames += 1
        draft = Draft(device=device, direction="rx", wall=self.wall, mono=self.wall, raw=b"", facts=facts)  # type: ignore[arg-type]
        verdict = judge(
            draft,
            frame=self.frames,
            number=len(self.index.rows) + 1,
            state=self.states.get(device, TimingState()),
            event=self.event,
            index=self.index,
        )
        self.states[device] = verdict.state
        self.index.rows += verdict.passings
        self.troubles += verdict.troubles
        return [row.passing for row in verdict.passings]

    def _act(self, row: Judged) -> Passing:
        self.index.rows.append(row)
        return row.passing

    def _asking(self, by: str) -> Asking:
        self.wall += SECOND
        return Asking(by=by, at=self.wall, number=len(self.index.rows) + 1)

    def bib(self, passing: int, bib: str | None, by: str = "anna") -> Passing:
        """An operator says whose it was."""
        return self._act(set_bib(passing, bib, self._asking(by), self.index))

    def undo(self, by: str = "anna") -> Passing:
        """An operator takes the newest bib back."""
        return self._act(undo(self._asking(by), self.index))

    def take_over(self, passing: int, device: str = "chute", by: str = "anna") -> Passing:
        """An operator has an offered passing count."""
        return self._act(take_over(passing, device, self.event.phase, self._asking(by), self.index))

    def known_bib(self, place: int) -> str | None:
        """The bib of a place by all that was said."""
        row = self.index.passing(place)
        assert row
        return known_bib(row.passing, rows_about(row.passing, self.index))

    def phase(self, phase: Phase) -> None:
        self.event = next_event_state(self.event, phase)

    def statuses(self) -> list[Status]:
        return [row.passing.status for row in self.index.rows]

    def alarms(self) -> list[str]:
        return [one.text for one in self.troubles if one.level is not Level.NOTE]
