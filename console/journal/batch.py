"""From what has queued up to what one transaction writes: numbers given, facts judged, rows and lines made."""

import concurrent.futures
import logging
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeAlias

from msgspec import Struct, field, structs

from console.journal.index import PassingIndex
from console.journal.lines import Entry, Heads, Kept, Saved, seal
from console.journal.numbering import CONNECTION, Numbering, Series, connection_of, new_connection
from console.journal.rows import (
    Row,
    Tally,
    act_row,
    frame_row,
    incident_row,
    kept_row,
    numbered_row,
    passing_row,
    saved_row,
    tally_row,
)
from console.journal.store import Rows, Store
from console.model import (
    Act,
    Cursor,
    Draft,
    EventState,
    Frame,
    Gun,
    Highest,
    Incident,
    Judged,
    Level,
    Passing,
    Phase,
    Scalar,
    Status,
    TimingState,
    Trouble,
)
from console.timing.edits import Asking, set_bib, undo
from console.timing.guns import gun_of
from console.timing.holes import place_came
from console.timing.judge import judge, next_event_state
from console.timing.offers import is_place, take_over

log = logging.getLogger(__name__)


class Committed(Struct):
    """What one commit made durable, in order."""

    frames: list[Frame] = field(default_factory=list)
    passings: list[Passing] = field(default_factory=list)
    incidents: list[Incident] = field(default_factory=list)
    acts: list[Act] = field(default_factory=list)
    timing: dict[str, TimingState] = field(default_factory=dict)
    """Device -> what is remembered of it after these, where that has changed."""


class Said(Struct):
    """An incident of no frame, as it was reported."""

    wall: int
    trouble: Trouble


class Asked(Struct):
    """What an operator did, and who waits to hear that it is safe."""

    wall: int
    word: str
    body: dict[str, Scalar]
    by: str
    done: "concurrent.futures.Future[Act]"


class ToNumber(Struct):
    """Lines that an export is about to write, and who waits for their numbers."""

    wall: int
    series: Series
    passings: tuple[int, ...]
    done: "concurrent.futures.Future[dict[int, int]]"


Item: TypeAlias = Draft | Said | Asked | ToNumber


class Memory(Struct):
    """What the writer knows without asking the database. Replaced or updated only when a commit has returned."""

    heads: Heads = field(default_factory=Heads)
    event: EventState = field(default_factory=EventState)
    timing: dict[str, TimingState] = field(default_factory=dict)
    tallies: dict[str, Tally] = field(default_factory=dict)
    cursors: dict[tuple[str, str], Saved] = field(default_factory=dict)
    guns: list[Gun] = field(default_factory=list)
    connections: dict[str, str] = field(default_factory=dict)
    """Export -> the connection id under which it numbers its lines."""
    numbers: dict[Series, Highest] = field(default_factory=dict)


class Batch:
    """One transaction being put together. Nothing outside it changes until `remember`."""

    def __init__(
        self, memory: Memory, store: Store, mend: Callable[[str, int], Entry | None], bytes_only: bool = False
    ) -> None:
        self._memory = memory
        self._bytes_only = bytes_only
        """Something in these items cannot be written, and it is not known what: keep the bytes alone."""
        self._timing: dict[str, TimingState] = {}
        self._tallies: dict[str, Tally] = {}
        self._connections: dict[str, str] = {}
        self._index = PassingIndex(store, self._known_tally, lambda seq: _judged(mend("P", seq)))
        self._numbers = Numbering(store, memory.numbers, mend, memory.heads.numbers)
        self.cursors: list[Saved] = []
        self._answers: list[tuple[concurrent.futures.Future[Any], Act | dict[int, int]]] = []
        self._frames, self._passings = memory.heads.frames, memory.heads.passings
        self._incidents, self._acts = memory.heads.incidents, memory.heads.acts
        self._saved = memory.heads.cursors
        self.event = memory.event
        self.rows = Rows()
        self.lines: list[bytes] = []
        self.committed = Committed()

    def take(self, item: Item) -> None:
        """Add what was reported; never raises for what is in it."""
        match item:
            case Draft():
                self._draft(_plain(item, "see the journal's incidents") if self._bytes_only else item)
            case Said():
                self._incident(item.wall, item.trouble, None)
            case Asked():
                self._act(item)
            case ToNumber():
                self._number(item)

    def save(self, cursor: Cursor) -> None:
        """Add a cursor. Its line is written at most once a second, by the writer."""
        self._saved += 1
        saved = Saved(self._saved, time.time_ns(), cursor)
        try:
            self.rows.cursors.append(saved_row(saved)[0])
        except Exception:
            log.exception("a cursor that cannot be stored: %r", cursor)
        else:
            self.cursors.append(saved)

    def close(self) -> None:
        """No more to come: add what the whole has changed."""
        self.rows.counts = [tally_row(device, tally) for device, tally in self._tallies.items()]
        self.committed.timing = self._timing

    @property
    def heads(self) -> Heads:
        """The highest numbers once this is committed."""
        return Heads(
            frames=self._frames,
            passings=self._passings,
            incidents=self._incidents,
            acts=self._acts,
            numbers=self._numbers.seq,
            cursors=self._saved,
        )

    def remember(self) -> None:
        """The commit has returned: this is what is known now."""
        memory = self._memory
        memory.heads, memory.event = self.heads, self.event
        memory.timing |= self._timing
        memory.tallies |= self._tallies
        memory.cursors |= {(saved.cursor.export, saved.cursor.peer): saved for saved in self.cursors}
        memory.connections |= self._connections
        memory.numbers |= self._numbers.highest
        memory.guns += filter(None, map(gun_of, self.committed.passings))

    def answer(self) -> None:
        """Tell the operators and the exports who wait."""
        for done, answer in self._answers:
            with suppress(concurrent.futures.InvalidStateError):  # who asked has gone
                done.set_result(answer)

    # --- one item ---

    def _draft(self, draft: Draft) -> None:
        number = self._frames + 1
        state = self._state(draft.device)
        try:
            frame = _frame(draft, number)
            framed = frame_row(frame)
        except Exception as error:  # noqa: BLE001 - a frame is kept, whatever is wrong with what was said of it
            draft = _plain(draft, str(error))
            frame = _frame(draft, number)
            framed = frame_row(frame)
        troubles: tuple[Trouble, ...] = draft.troubles
        judged: tuple[Judged, ...] = ()
        passings: list[tuple[Row, bytes]] = []
        kept = None
        if draft.facts:
            try:
                judgement = judge(
                    draft,
                    frame=number,
                    number=self._passings + 1,
                    state=state,
                    event=self.event,
                    index=self._index,
                )
                passings = [passing_row(one) for one in judgement.passings]
                if judgement.state != state:
                    kept = kept_row(Kept(number, draft.wall, draft.device, judgement.state))
                judged, troubles = judgement.passings, (*troubles, *judgement.troubles)
                state = judgement.state
            except (sqlite3.Error, OSError):  # the disk's fault, not the frame's
                raise
            except Exception as error:  # noqa: BLE001 - the frame is safe without its meaning
                text = f"frame #{number} is kept, but what it means could not be told: {error!r}"
                troubles = (*troubles, Trouble(Level.ALARM, draft.device, text))
        self._frames = number
        self._put(self.rows.frames, framed)
        self.committed.frames.append(frame)
        self._tally(draft.device).add_frame(frame)
        for one, row in zip(judged, passings, strict=True):
            self._passing(one, row)
        if kept:
            self._keep(draft.device, state, kept)
        for trouble in troubles:
            self._incident(draft.wall, trouble, number)

    def _incident(self, wall: int, trouble: Trouble, frame: int | None) -> None:
        self._incidents += 1
        incident = Incident(
            seq=self._incidents,
            wall=wall,
            level=trouble.level,
            source=_text(trouble.source),
            text=_text(trouble.text),
            frame=frame,
        )
        self._put(self.rows.incidents, incident_row(incident))
        self.committed.incidents.append(incident)

    def _act(self, asked: Asked) -> None:
        try:
            event, body = self.event, asked.body
            if asked.word == "phase":
                event = next_event_state(event, Phase(str(body.get("phase"))))
            if asked.word == CONNECTION:
                body = body | new_connection(body.get("export"))
            if judged := self._row_of(asked):
                body = {**body, "row": judged.passing.seq, "status": judged.passing.status.value}
            act = Act(seq=self._acts + 1, wall=asked.wall, word=asked.word, body=body, by=asked.by)
            row = act_row(act)
            passing = passing_row(judged) if judged else None
        except (sqlite3.Error, OSError):  # the disk's fault, not the operator's
            raise
        except Exception as error:  # noqa: BLE001 - goes to who asked
            with suppress(concurrent.futures.InvalidStateError):  # told already, before a commit that failed
                asked.done.set_exception(error)
            return
        self._acts += 1
        self.event = event
        self._connections |= connection_of(act)
        self._put(self.rows.acts, row)
        self.committed.acts.append(act)
        if judged and passing:
            self._fill_hole(judged, asked.wall)
            self._passing(judged, passing)
        self._answers.append((asked.done, act))

    def _row_of(self, asked: Asked) -> Judged | None:
        """The row about a passing that an act makes; None: it makes none. Raises ValueError with words."""
        asking = Asking(by=asked.by, at=asked.wall, number=self._passings + 1)
        passing = int(asked.body.get("passing") or 0)
        match asked.word:
            case "bib":
                bib = asked.body.get("bib")
                return set_bib(passing, None if bib is None else str(bib), asking, self._index)
            case "undo":
                return undo(asking, self._index)
            case "take over":
                device = str(asked.body.get("device") or "")
                return take_over(passing, device, self.event.phase, asking, self._index)
        return None

    def _number(self, asked: ToNumber) -> None:
        try:
            given = self._numbers.give(asked.series, asked.passings, asked.wall)
            rows = [numbered_row(one) for one in given.rows]
        except (sqlite3.Error, OSError):
            raise
        except Exception as error:  # noqa: BLE001 - goes to who asked
            with suppress(concurrent.futures.InvalidStateError):
                asked.done.set_exception(error)
            return
        for one, row in zip(given.rows, rows, strict=True):
            self._put(self.rows.numbers, row)
            self._numbers.take(one)
        self._answers.append((asked.done, given.numbers))

    def _fill_hole(self, judged: Judged, wall: int) -> None:
        """What is taken over may be a place that was missing, or beyond all that have come."""
        if judged.passing.status is not Status.LIVE or not is_place(judged):
            return
        device, series = judged.passing.device, judged.series
        state = self._state(device)
        before = state.holes.get(series, [])
        what = f"#{judged.passing.seq}"
        holes, level, words = place_came(before, self._index.highest(series), judged.position or 0, what)
        if words:
            self._incident(wall, Trouble(level, device, words), None)
        if holes != before:
            state = structs.replace(state, holes={**state.holes, series: holes})
            self._keep(device, state, kept_row(Kept(self._frames, wall, device, state)))

    # --- parts ---

    def _passing(self, judged: Judged, row: tuple[Row, bytes]) -> None:
        self._put(self.rows.passings, row)
        self._index.add(judged)
        self._tally(judged.passing.device).add_passing(judged)
        self.committed.passings.append(judged.passing)
        self._passings += 1

    def _keep(self, device: str, state: TimingState, kept: tuple[Row, bytes]) -> None:
        row, line = kept
        self.rows.states[device] = row
        self.lines.append(seal(line, row[-1]))
        self._timing[device] = state

    def _put(self, rows: list[Row], new: tuple[Row, bytes]) -> None:
        row, line = new
        rows.append(row)
        self.lines.append(seal(line, row[-1]))

    def _state(self, device: str) -> TimingState:
        return self._timing.get(device) or self._memory.timing.get(device) or TimingState()

    def _known_tally(self, device: str) -> Tally | None:
        return self._tallies.get(device) or self._memory.tallies.get(device)

    def _tally(self, device: str) -> Tally:
        tally = self._tallies.get(device)
        if tally is None:
            tally = self._tallies[device] = structs.replace(self._memory.tallies.get(device) or Tally())
        return tally


def _judged(entry: Entry | None) -> Judged | None:
    return entry if isinstance(entry, Judged) else None


def _frame(draft: Draft, seq: int) -> Frame:
    return Frame(
        seq=seq,
        device=draft.device,
        direction=draft.direction,
        wall=draft.wall,
        mono=draft.mono,
        raw=draft.raw,
        label=draft.label,
        flaw=draft.flaw,
        masked=draft.masked,
        by=draft.by,
    )


def _plain(draft: Draft, why: str) -> Draft:
    """The draft with nothing but what can be stored."""
    return Draft(
        device=_text(draft.device),
        direction=draft.direction,
        wall=draft.wall if 0 <= draft.wall < 2**63 else time.time_ns(),
        mono=draft.mono if 0 <= draft.mono < 2**63 else time.monotonic_ns(),
        raw=bytes(draft.raw),
        label=_text(draft.label),
        flaw=_text(draft.flaw) or f"kept without its meaning: {_text(why)}",
        masked=draft.masked,
        by=_text(draft.by),
        troubles=draft.troubles,
    )


def _text(text: str) -> str:
    """`text` without what no encoding can hold (lone surrogates)."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
