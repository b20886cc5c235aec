"""Judge what one frame means against what the journal already knows: new, repeat, correction, joined, or a collision.

Pure: the journal's writer calls it inside the transaction that stores the frame, and hands it an `Index` to look
identities up in. Same frames, same order, same answer; that is what makes a recovered event equal to the lost one.
"""

from typing import Protocol

from msgspec import Struct, structs

from console.model import (
    SECOND,
    Draft,
    EventIs,
    EventState,
    Judged,
    Kind,
    Level,
    Origin,
    Passing,
    Phase,
    Reading,
    RetransmitBegin,
    RetransmitEnd,
    Scalar,
    Start,
    Status,
    TimingState,
    Trouble,
)
from console.timing.holes import in_words, narrow, open_gap

START_TOLERANCE = 2 * SECOND
"""A START line that shows this much less than the running clock should show has set the clock back."""


class Index(Protocol):
    """What has been journaled so far, the current transaction included."""

    def same(self, identity: str) -> list[Judged]:
        """Every passing of this identity, oldest first."""

    def near(self, series: str, position: int, window: int) -> Judged | None:
        """The counted (LIVE) passing of `series` nearest to `position`, at most `window` away."""

    def highest(self, series: str) -> int | None:
        """The highest position of `series`; None: nothing yet."""

    def joined(self, join: str) -> Judged | None:
        """The first passing of this `join`."""

    def newest_ns(self, device: str, generation: int) -> int | None:
        """The latest device time (`ns`) among the device's passings of a generation."""


class Judgement(Struct, frozen=True):
    """What comes of one frame: rows to store with it, incidents, and what to remember."""

    passings: tuple[Judged, ...]
    troubles: tuple[Trouble, ...]
    state: TimingState


def judge(draft: Draft, *, frame: int, number: int, state: TimingState, event: EventState, index: Index) -> Judgement:
    """Judge the facts of `draft`, which became frame `frame`. Its passings are numbered from `number` on."""
    session = _Session(draft, frame, number, state, event, index)
    for fact in draft.facts:
        session.take(fact)
    return Judgement(tuple(session.passings), tuple(session.troubles), session.state)


class _Session:
    """One call of `judge`: the frame's context, and what has come of it so far."""

    def __init__(
        self, draft: Draft, frame: int, number: int, state: TimingState, event: EventState, index: Index
    ) -> None:
        self.draft = draft
        self.frame = frame
        self.number = number
        self.event = event
        self.index = index
        self.passings: list[Judged] = []
        self.troubles: list[Trouble] = []
        self.state = state
        if draft.facts and state.round != event.round:
            self.new_generation(round=event.round)

    def take(self, fact: Reading | Start | EventIs | RetransmitBegin | RetransmitEnd) -> None:
        match fact:
            case Reading():
                self.reading(fact)
            case Start():
                self.start(fact)
            case EventIs():
                self.remember(event=fact.event)
            case RetransmitBegin():
                # A retransmit that begins inside one (its end was lost) must not forget the event before the first.
                before = self.state.event_before if self.state.retransmit else self.state.event
                self.remember(retransmit=True, event_before=before)
            case RetransmitEnd():
                if self.state.retransmit:
                    self.remember(retransmit=False, event=self.state.event_before, event_before=None)

    # --- marks ---

    def start(self, start: Start) -> None:
        """A START line: a gun, and a new generation where it sets the clock back."""
        origin = Origin.RETRANSMIT if self.state.retransmit else Origin.LIVE
        if origin is Origin.LIVE:
            if self.sets_clock_back(start):
                self.new_generation()
                self.trouble(Level.NOTE, f"START {start.time}: the clock was set back; a new race begins")
            self.remember(gun_ns=start.ns, gun_wall=self.draft.wall)
        self.reading(
            Reading(
                kind=Kind.GUN,
                identity=f"start/{start.time}",
                time=start.time,
                ns=start.ns,
                basis=start.basis,
                read_type=0,
                origin=origin,
                extra={"mode": start.mode},
            )
        )

    def sets_clock_back(self, start: Start) -> bool:
        """Whether the clock now shows less than it has shown, or than it should show by now."""
        newest = self.index.newest_ns(self.draft.device, self.state.generation)
        if newest is not None and start.ns < newest:
            return True
        if self.state.gun_ns is None or self.state.gun_wall is None:
            return False
        should_show = self.state.gun_ns + (self.draft.wall - self.state.gun_wall)
        return start.ns < should_show - START_TOLERANCE

    # --- readings ---

    def reading(self, reading: Reading) -> None:
        scope = self.scope(reading)
        identity, value = scope + reading.identity, reading.value
        known = self.index.same(identity)
        series = scope + reading.series if reading.series else ""
        join = scope + reading.join if reading.join else ""

        status, of, extra = Status.LIVE, None, reading.extra
        equal = next((one for one in known if one.value == value), None)
        if reading.change:
            status, of = self.own_correction(reading, known, value)
            if status is Status.CORRECTION and of and reading.change == "bib":
                extra = {**extra, "was": of.passing.bib}
        elif equal:
            status, of = Status.REPEAT, equal
        elif known and self.late(reading):
            status, of = Status.CORRECTION, known[-1]
            self.trouble(Level.WARNING, f"{self.words(reading)} differs from #{of.passing.seq}: kept as a correction")
        elif known:
            self.trouble(
                Level.ALARM,
                f"{self.words(reading)} collides with #{known[-1].passing.seq}, another value: kept as a new passing",
            )
        elif join and (half := self.index.joined(join)):
            status, of = Status.JOINED, half
        elif reading.window and (first := self.first_touch(reading, series)):
            status, of = Status.REPEAT, first

        if status is Status.LIVE and series and not reading.window and reading.position is not None:
            self.count(reading, series, reading.position)
        self.passings.append(
            Judged(
                passing=self.passing(reading, status, of.passing.seq if of else None, extra),
                identity=identity,
                value=value,
                series=series,
                position=reading.position,
                join=join,
            )
        )

    def own_correction(self, reading: Reading, known: list[Judged], value: str) -> tuple[Status, Judged | None]:
        """A correction by the device's own message; without the record it speaks of, it is all we have of it."""
        latest = known[-1] if known else None
        if latest is None:
            return Status.LIVE, None
        if latest.passing.change == reading.change and latest.value == value:
            return Status.REPEAT, latest
        return (Status.CANCELLED if reading.change == "cancelled" else Status.CORRECTION), latest

    def first_touch(self, reading: Reading, series: str) -> Judged | None:
        """The punch within the window that this one touches again. A step further back in time is said."""
        if reading.position is None:
            return None
        if near := self.index.near(series, reading.position, reading.window):
            return near
        highest = self.index.highest(series)
        if reading.origin is Origin.LIVE and highest is not None and reading.position < highest:
            back = (highest - reading.position) // SECOND
            self.trouble(Level.WARNING, f"{self.words(reading)} is {back} s before the last one there: clock set back?")
        return None

    def count(self, reading: Reading, series: str, position: int) -> None:
        """Keep account of missing places: a place beyond the next opens a hole, one inside a hole fills it."""
        highest = self.index.highest(series) or 0
        holes = self.state.holes.get(series, [])
        if position > highest + 1:
            gap = (highest + 1, position - 1)
            holes = open_gap(holes, gap)
            self.trouble(Level.WARNING, f"place {in_words(gap)} missing before {self.words(reading)}")
        elif position <= highest:
            filled = narrow(holes, position)
            if filled == holes:
                return
            holes = filled
            self.trouble(Level.NOTE, f"place {position:04d} has come: hole filled")
        else:
            return
        self.remember(holes={**self.state.holes, series: holes})

    # --- small parts ---

    def late(self, reading: Reading) -> bool:
        return self.state.retransmit or reading.origin is not Origin.LIVE

    def scope(self, reading: Reading) -> str:
        """What goes in front of a key: two devices, generations or timer events never share an identity."""
        if reading.shared:
            return f"*|{self.event.round}|"
        event = reading.event or self.state.event or ""
        return f"{self.draft.device}|{self.state.generation}|" + (f"{event}|" if reading.by_event else "")

    def passing(self, reading: Reading, status: Status, of: int | None, extra: dict[str, Scalar]) -> Passing:
        origin = reading.origin
        if origin is Origin.LIVE and self.state.retransmit:
            origin = Origin.RETRANSMIT
        return Passing(
            seq=self.number + len(self.passings),
            frame=self.frame,
            index=len(self.passings),
            device=self.draft.device,
            kind=reading.kind,
            wall=self.draft.wall,
            time=reading.time,
            ns=reading.ns,
            basis=reading.basis,
            day=reading.day,
            tag=reading.tag,
            bib=reading.bib,
            channel=reading.channel,
            event=reading.event or self.state.event,
            generation=self.state.generation,
            phase=self.event.phase,
            read_type=reading.read_type,
            origin=origin,
            status=status,
            of=of,
            change=reading.change,
            extra=extra,
        )

    def words(self, reading: Reading) -> str:
        parts = [reading.kind.value, reading.tag or reading.bib or "", reading.time or ""]
        if reading.channel:
            parts.insert(1, f"on {reading.channel}")
        if reading.position is not None and not reading.window:
            parts.insert(1, f"{reading.position:04d}")
        return " ".join(part for part in parts if part)

    def new_generation(self, round: int | None = None) -> None:  # noqa: A002 - the model's own word
        self.state = TimingState(
            generation=self.state.generation + 1,
            round=self.state.round if round is None else round,
            event=self.state.event,
            event_before=self.state.event_before,
            retransmit=self.state.retransmit,
        )

    def remember(self, **changes: object) -> None:
        self.state = structs.replace(self.state, **changes)

    def trouble(self, level: Level, text: str) -> None:
        self.troubles.append(Trouble(level, self.draft.device, text))


def next_event_state(event: EventState, phase: Phase) -> EventState:
    """The event's state after the operator has chosen `phase`: leaving TEST opens a new round."""
    left_test = event.phase is Phase.TEST and phase is not Phase.TEST
    return EventState(phase=phase, round=event.round + left_test)
