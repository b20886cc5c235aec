"""Judge what one frame means against what the journal already knows: new, repeat, correction, joined, or a collision.

Pure: the journal's writer calls it inside the transaction that stores the frame, and hands it an `Index` to look
identities up in. Same frames, same order, same answer; that is what makes a recovered event equal to the lost one.
"""

from collections.abc import Iterator

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
from console.timing import retransmit
from console.timing.edits import place_of, standing
from console.timing.holes import place_came
from console.timing.index import Index
from console.timing.offers import TOLD_AFTERWARDS, counted

START_TOLERANCE = 2 * SECOND
"""A START line that shows this much less than the running clock should show has set the clock back."""

MEMORIES = {Origin.READOUT: "on the card", Origin.BACKUP: "in the backup"}
"""Where a punch is remembered by its first touch."""


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
                self.state = retransmit.event_is(self.state, self.draft.wall, fact.event)
            case RetransmitBegin():
                self.state = retransmit.begin(self.state, self.draft.wall)
            case RetransmitEnd():
                if self.state.retransmit:
                    self.state = retransmit.end(self.state)

    # --- marks ---

    def start(self, start: Start) -> None:
        """A START line: a gun, and a new generation where it sets the clock back."""
        if retransmit.is_over_at_start(self.state, self.draft.wall):
            self.cut_off()
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
        should_show = retransmit.should_show(self.state, self.draft.wall)
        return should_show is not None and start.ns < should_show - START_TOLERANCE

    def cut_off(self) -> None:
        """The retransmit under way has ended without saying so."""
        self.trouble(Level.WARNING, "the retransmit was cut off, or its end was lost: start it again on the timer")
        self.state = retransmit.end(self.state, cut_off=True)

    # --- readings ---

    def reading(self, reading: Reading) -> None:
        if reading.kind is not Kind.GUN and retransmit.is_over(self.state, self.draft.wall, reading):
            self.cut_off()
        if self.state.retransmit:
            self.state = retransmit.goes_on(self.state, self.draft.wall)
        own = self.scope(reading)
        scope = self.home(reading, own)
        known = self.known(reading, scope)
        told = [one for one in known if one.passing.status is not Status.REPEAT] or known
        series = scope + reading.series if reading.series else ""
        half = next(iter(self.halves(reading, scope)), None)
        value = reading.value

        status, of, change, extra = Status.LIVE, None, reading.change, reading.extra
        if half and reading.origin is Origin.BACKUP:
            status, of = Status.REPEAT, half
        elif reading.origin in TOLD_AFTERWARDS and not counted(known):
            status, of = self.offer(reading, known)
            extra = {**extra, **self.of_test(reading, own)}
        elif change:
            status, of = self.own_correction(reading, told)
        elif equal := self.equal(value, known, told):
            status, of = Status.REPEAT, equal
        elif told and all(one.passing.change for one in told):
            # The original of what we know corrected already: it came late, and says nothing new.
            status, of = Status.REPEAT, told[-1]
        elif known and self.late(reading):
            status, of = Status.CORRECTION, told[-1]
            change = "value" if not reading.bib or reading.bib == of.passing.bib else "bib"
            self.trouble(Level.WARNING, f"{self.words(reading)} differs from #{of.passing.seq}: kept as a correction")
        elif known:
            self.trouble(
                Level.ALARM,
                f"{self.words(reading)} collides with #{known[-1].passing.seq}, another value: kept as a new passing",
            )
        elif half:
            status, of = Status.JOINED, half
        new = status in (Status.LIVE, Status.OFFERED) and not known
        if new and reading.window and (first := self.first_touch(reading, series)):
            status, of = Status.REPEAT, first
            if reading.origin in MEMORIES and (reading.position or 0) < (first.position or 0):
                # What a card or a backup holds is the first touch; that line of the station has not reached us.
                status, change = Status.CORRECTION, "value"
                where = MEMORIES[reading.origin]
                self.trouble(Level.WARNING, f"{self.words(reading)} {where} is before #{first.passing.seq}")

        if status is Status.CORRECTION and of and change == "bib":
            extra = {**extra, "was": of.passing.bib}
        names = reading.bib and (status is Status.JOINED or (status is Status.CORRECTION and change == "bib"))
        if names and of and (edit := self.edit_of(of)):
            extra = {**extra, "edited": edit.extra["by"]}  # its bib does not hold: the operator's does
        if status is Status.LIVE and series and not reading.window and reading.position is not None:
            self.count(reading, series, reading.position)
        if status is Status.REPEAT and of and of.passing.status is Status.OFFERED:
            series = ""  # nobody's position is known by it
        passing = self.passing(reading, status, _whose(of, change), change, extra)
        if scope != own and not reading.shared and (first := [*known, half][0]):
            passing = structs.replace(passing, generation=first.passing.generation, event=first.passing.event)
        self.passings.append(
            Judged(
                passing=passing,
                identity=scope + reading.identity,
                value=value,
                series=series,
                position=reading.position,
                join=scope + reading.join if reading.join else "",
            )
        )

    def home(self, reading: Reading, own: str) -> str:
        """Where this reading belongs: what goes in front of its keys.

        What is told again, or corrected by the device itself, may be of an earlier race, or of an event that was not
        known when it was told first. It is taken for that only if it says exactly the same; never for a passing of
        TEST, so that a race that was timed in TEST can be fetched by a retransmit.
        """
        if self.late(reading) or reading.change:
            for is_told in (self.is_told, self.is_half_told):
                for scope in (own, *self.scopes_before(reading, own)):
                    if is_told(reading, scope):
                        return scope
        return own

    def is_told(self, reading: Reading, scope: str) -> bool:
        """Whether exactly this is known there."""
        known = self.known(reading, scope)
        if reading.change:
            return bool(known)
        return any(one.value == reading.value and one.passing.phase is not Phase.TEST for one in known)

    def is_half_told(self, reading: Reading, scope: str) -> bool:
        """Whether the other line of the same place (of a backup: the punch itself), with the same time, is known
        there."""
        halves = self.halves(reading, scope)
        return any(one.passing.ns == reading.ns and one.passing.phase is not Phase.TEST for one in halves[:1])

    def known(self, reading: Reading, scope: str) -> list[Judged]:
        """All that is known of it there; what was only offered is known to what is offered again, to nothing else."""
        by_join = reading.join and reading.origin is Origin.BACKUP
        rows = self.index.joined(scope + reading.join) if by_join else self.index.same(scope + reading.identity)
        return counted(rows) or (rows if reading.origin in TOLD_AFTERWARDS else [])

    def halves(self, reading: Reading, scope: str) -> list[Judged]:
        """What has the same `join` there. A punch has but one line; only a backup, which holds less of it, asks."""
        if not reading.join or (reading.kind is Kind.PUNCH and reading.origin is not Origin.BACKUP):
            return []
        return counted(self.index.joined(scope + reading.join))

    def offer(self, reading: Reading, offered: list[Judged]) -> tuple[Status, Judged | None]:
        """What nothing but a download or a backup has told: it does not count unless the operator takes it over."""
        if reading.change == "cancelled":
            return Status.CANCELLED, offered[-1] if offered else None
        same = next((one for one in offered if one.value == reading.value), None)
        return (Status.REPEAT, same) if same else (Status.OFFERED, None)

    def of_test(self, reading: Reading, own: str) -> dict[str, Scalar]:
        """The mark of what was told live during TEST, and by no race."""
        for scope in self.scopes_before(reading, own):
            for one in counted([*self.known(reading, scope), *self.halves(reading, scope)]):
                same = one.value == reading.value or (reading.ns is not None and one.passing.ns == reading.ns)
                if same and one.passing.phase is Phase.TEST:
                    return {"heard_in_test": one.passing.seq}
        return {}

    def edit_of(self, of: Judged) -> Passing | None:
        """The bib that an operator gave the place of `of`, if any stands."""
        place = place_of(of, self.index).passing
        return standing(one.passing for one in self.index.about(place.seq))

    def equal(self, value: str, known: list[Judged], told: list[Judged]) -> Judged | None:
        """What this value repeats. In a retransmit the last correction counts: the timer may have gone back on it."""
        corrected = self.state.retransmit and told and told[-1].passing.status is Status.CORRECTION
        return next((one for one in (told[-1:] if corrected else known) if one.value == value), None)

    def own_correction(self, reading: Reading, told: list[Judged]) -> tuple[Status, Judged | None]:
        """A correction by the device's own message; without the record it speaks of, it is all we have of it."""
        cancelled = reading.change == "cancelled"
        if not told:
            return (Status.CANCELLED if cancelled else Status.LIVE), None
        latest = told[-1]
        said = latest.passing.change == reading.change or (reading.change == "bib" and not latest.passing.change)
        if said and latest.value == reading.value:
            return Status.REPEAT, latest
        return (Status.CANCELLED if cancelled else Status.CORRECTION), latest

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
        highest = self.index.highest(series)
        if highest is None and self.state.generation > 1 and self.state.gun_ns is None:
            return  # TEST was left while the timer counted on: what came before belongs to the test
        before = self.state.holes.get(series, [])
        holes, level, words = place_came(before, highest, position, self.words(reading))
        if words:
            self.trouble(level, words)
        if holes != before:
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

    def scopes_before(self, reading: Reading, own: str) -> Iterator[str]:
        """Under which it may have been told before, newest first; `|`: when the timer's event was not known yet."""
        source, _, event = own.split("|", 2)
        newest, oldest = (self.event.round, 0) if reading.shared else (self.state.generation, 1)
        for number in range(newest, oldest - 1, -1):
            for part in {event: None, "|" * reading.by_event: None}:
                if (scope := f"{source}|{number}|{part}") != own:
                    yield scope

    def passing(
        self, reading: Reading, status: Status, of: int | None, change: str, extra: dict[str, Scalar]
    ) -> Passing:
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
            change=change,
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
            event_after=self.state.event_after,
            retransmit=self.state.retransmit,
            told_again=self.state.told_again,
        )

    def remember(self, **changes: object) -> None:
        self.state = structs.replace(self.state, **changes)

    def trouble(self, level: Level, text: str) -> None:
        self.troubles.append(Trouble(level, self.draft.device, text))


def next_event_state(event: EventState, phase: Phase) -> EventState:
    """The event's state after the operator has chosen `phase`: leaving TEST opens a new round."""
    left_test = event.phase is Phase.TEST and phase is not Phase.TEST
    return EventState(phase=phase, round=event.round + left_test)


def generation_now(state: TimingState, event: EventState) -> int:
    """The generation that the device's next frame will belong to, if it is no START line."""
    return state.generation + (state.round != event.round)


def _whose(of: Judged | None, change: str) -> int | None:
    """The passing that `of` stands for: the first of its repeats; the place, where its other half is given a bib."""
    if of is None:
        return None
    passing = of.passing
    named = passing.status is Status.JOINED and change == "bib" and not passing.bib
    stands_for = passing.status is Status.REPEAT or named
    return passing.of if stands_for else passing.seq
