"""What a THCOM08 host does with more than one command: status, the clock, a start list, a download (thcom.md, 2.3)."""

import asyncio
import math
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from console.codecs.thcom_list import Entry, ListError, entries
from console.codecs.thcom_records import (
    DownloadEnd,
    DownloadStart,
    Parameter,
    Record,
    Result,
    RunClose,
    RunOpen,
    Serial,
    Speed,
    Synchro,
    Time,
)
from console.devices.comparison import compared, how_to_take_over, of_test, still_offered
from console.devices.driver import CommandError, Reply
from console.devices.thcom_status import STATUS, told
from console.devices.thcom_talk import Wants
from console.devices.thcom_words import PARAMETERS
from console.model import SECOND, Job, Level, Order, Retold, Scalar
from console.timing.bind import DAY, utc_to_local

if TYPE_CHECKING:
    from console.devices.thcom import Thcom

LEAD = 3.0
"""Seconds between 007 and 008 at least: the timer must be ready for the synchro by then (inferred)."""

AHEAD = 60
"""Minutes that a clock may be set ahead of time."""

LATE = 0.05
"""Seconds that 008 may leave too late: a busy machine, a blocked line."""

LINE_WITHIN = 10.0
"""Seconds for the next line of a download to come. At 2400 baud one takes a fifth of a second."""

MOST_NAMED = 10
"""Refused bibs of a start list that are named one by one."""


@contextmanager
def _job(timer: "Thcom", order: Order, text: str, total: int | None = None) -> Iterator[None]:
    """While this goes on, the timer takes no other command."""
    timer.job = Job(words=order.words, by=order.by, since=timer.outlet.wall(), total=total, text=text)
    timer.changed()
    try:
        yield
    finally:
        timer.job = None
        timer.changed()


# --- status ---


def wants_parameter(number: str) -> Wants:
    """The value of that parameter."""
    return Wants("&P", lambda record: isinstance(record, Parameter) and record.number == number)


async def status(timer: "Thcom", by: str = "") -> Reply:
    """Ask who it is and how it is, one after the other; what it does not have is no fault. The facts follow from what
    comes. Raises CommandError where it does not answer."""
    data: dict[str, Scalar] = {}
    lacking = []
    answer = await timer.talk.ask("#SN", by=by, wants=Wants("SN", lambda record: isinstance(record, Serial)))
    if isinstance(answer.record, Serial):
        data |= {"type": answer.record.type, "serial": answer.record.serial, "version": answer.record.version}
    said = [" ".join(str(value) for value in data.values()) or "it does not say who it is"]
    for number in STATUS:
        timer.check_free()
        answer = await timer.talk.ask(f"#RP {number}", by=by, wants=wants_parameter(number))
        name = PARAMETERS[number]
        if isinstance(answer.record, Parameter):
            data[name] = told(number, answer.record.value)
            said.append(f"{name} {data[name]}")
        else:
            lacking.append(name)
    if lacking:
        said.append(f"not told: {', '.join(lacking)}")
    return Reply(ok=True, text="; ".join(said), data=data)


# --- the clock ---


async def set_clock(timer: "Thcom", order: Order, minute: str = "") -> Reply:
    """007 with the full minute to come, then 008 as it begins: the way that two public clients do it (section 2.3)."""
    at = _moment(timer, minute)
    local = datetime.fromtimestamp(at // SECOND, timer.outlet.zone)
    with _job(timer, order, "007: has the timer get ready for a synchro"):
        try:
            answer = await timer.talk.ask(f"#WC 007 02 {local:%H:%M %d/%m/%y}", by=order.by)
            if not answer.accepted:
                hint = "is a run open? Some CP540 may never take it: then set its clock by its own keys"
                return Reply(ok=False, text=answer.refusal("#WC 007", hint))
            late = await _until(timer, at, f"008 at {local:%H:%M:%S}")
            by_hand = timer.by_hand  # only now: somebody may have pressed M1 while we waited for the minute
            answer = await timer.talk.ask("#WC 008 01", by=order.by)
        except (CommandError, asyncio.CancelledError):
            text = "the clock was not set for sure, and the timer may wait for its synchro"
            timer.outlet.trouble(Level.WARNING, f"{text}: SET CLOCK again, or end that by its keys")
            raise
        if not answer.accepted:
            return Reply(ok=False, text=answer.refusal("#WC 008", "it was no longer ready; its clock is as it was"))
        confirmed, word = await _confirm(timer, order, local)
    if timer.by_hand > by_hand:
        return Reply(
            ok=False,
            text="the timer took 008 for an impulse on M1: its clock is as it was, or began when M1 was pressed",
        )
    if late > LATE:
        return Reply(ok=False, text=f"008 left {late:.2f} s late, and the clock is as much slow: do it again")
    return Reply(ok=confirmed, text=f"clock set at {local:%H:%M:%S}; {word}")


def _moment(timer: "Thcom", minute: str) -> int:
    """The next beginning of a minute (of that minute, where one is named), wall ns. Raises CommandError."""
    now = timer.outlet.wall()
    first = -(-(now + int(LEAD * SECOND)) // (60 * SECOND)) * 60
    if not minute:
        return first * SECOND
    for at in range(first, first + AHEAD * 60, 60):
        if f"{datetime.fromtimestamp(at, timer.outlet.zone):%H:%M}" == minute:
            return at * SECOND
    shown = datetime.fromtimestamp(now // SECOND, timer.outlet.zone)
    raise CommandError(
        f"SET CLOCK {minute}: it is {shown:%H:%M:%S}; give a minute that begins within the hour, and not in {LEAD:g} s"
    )


async def _until(timer: "Thcom", at: int, what: str) -> float:
    """Wait until 008 must leave to have arrived `at`; how many seconds later than that it is."""
    leave = at - int(timer.line_time("#WC 008 01") * SECOND)
    while (rest := (leave - timer.outlet.wall()) / SECOND) > 0:
        timer.progress(0, f"{what}, in {math.ceil(rest)} s")
        await asyncio.sleep(rest - math.floor(rest) or 1.0)
    return -rest


async def _confirm(timer: "Thcom", order: Order, local: datetime) -> tuple[bool | None, str]:
    """What the timer says of its synchro (010; a CP540 tells hours, minutes and date), else of its time (#!T)."""
    try:
        answer = await timer.talk.ask("#RP 010", by=order.by, wants=wants_parameter("010"))
        if isinstance(answer.record, Parameter):
            words = answer.record.value.split()
            if any(word.startswith(f"{local:%H:%M}") for word in words) and f"{local:%d/%m/%y}" in words:
                return True, "the timer tells that synchro (010)"
            return False, f"BUT THE TIMER TELLS ANOTHER SYNCHRO (010): {answer.record.value}"
        answer = await timer.talk.ask("#!T", by=order.by, wants=Wants("!T", lambda one: isinstance(one, Synchro)))
    except CommandError:
        return None, "the timer does not confirm it: its next impulse shows the drift"
    if isinstance(answer.record, Synchro) and answer.record.date == f"{local:%d/%m/%y}":
        ours = utc_to_local(timer.outlet.wall(), timer.outlet.zone) % DAY
        ahead = (answer.record.ns - ours) / SECOND - 1
        if abs(ahead) < 2:
            return True, f"the timer tells {answer.record.time} as its next second"
        return False, f"BUT THE TIMER IS {abs(ahead):.0f} s {'AHEAD' if ahead > 0 else 'BEHIND'} (#!T)"
    return None, "the timer does not confirm it: its next impulse shows the drift"


# --- a start list ---


def bibs(text: str) -> list[Entry]:
    """The bibs of a start list. Raises CommandError."""
    try:
        return entries(text)
    except ListError as error:
        raise CommandError(f"the start list was not sent: {error}") from None


async def start_list(timer: "Thcom", order: Order) -> Reply:
    """Clear the list, add every bib of the file, close it. Each is acknowledged; the list cannot be read back."""
    wanted = bibs(order.text)
    added, refused = 0, []
    with _job(timer, order, "#SLR", len(wanted)):
        try:
            answer = await timer.talk.ask("#SLR", by=order.by)
            if not answer.accepted:
                return Reply(ok=False, text=f"nothing was sent: {answer.refusal('#SLR', 'is a run open?')}")
            for count, entry in enumerate(wanted):
                timer.progress(count, f"bib {entry.bib}")
                answer = await timer.talk.ask(f"#SLA {entry.bib:04}", by=order.by)
                added += answer.accepted
                if not answer.accepted:
                    refused.append(f"line {entry.line} (bib {entry.bib}, AK {answer.code})")
            answer = await timer.talk.ask("#SLC", by=order.by)
        except (CommandError, asyncio.CancelledError) as error:
            text = f"the timer has only {added} of the {len(wanted)} bibs, and the list is not closed: send it again"
            timer.outlet.trouble(Level.WARNING, f"start list: {text}")
            if isinstance(error, CommandError):
                raise CommandError(f"{error}; {text}") from None
            raise
    said = [f"{added} of {len(wanted)} bibs accepted"]
    if refused:
        more = [f"{len(refused) - MOST_NAMED} more"] if len(refused) > MOST_NAMED else []
        said.append(f"refused: {', '.join(refused[:MOST_NAMED] + more)}")
    said.append("list closed" if answer.accepted else answer.refusal("#SLC"))
    said.append("THCOM08 cannot read it back")
    return Reply(
        ok=not refused and answer.accepted,
        text="; ".join(said),
        data={"accepted": added, "refused": len(refused), "wanted": len(wanted)},
    )


# --- a download ---


class Download:
    """Counts the lines of a run while they come."""

    def __init__(self, run: int) -> None:
        self.run = run
        self.begun = self.ended = self.cut = False
        self.times = self.results = self.damaged = 0
        self.stirred = asyncio.Event()

    @property
    def lines(self) -> int:
        """Records so far."""
        return self.times + self.results

    def hear(self, record: Record | None) -> None:
        """A frame has come; None: one that cannot be read."""
        match record:
            case DownloadStart(run=run) if int(run) == self.run:
                self.begun = True
            case DownloadEnd() if self.begun:
                self.ended = True
            case RunOpen() | RunClose() | DownloadStart() if self.begun:
                self.cut = True
            case Time(tag=tag) if self.begun and tag[0] in "A!":
                self.times += 1
            case Result() | Speed() if self.begun:
                self.results += 1
            case None if self.begun:
                self.damaged += 1
            case _:
                return
        self.stirred.set()


async def download(timer: "Thcom", order: Order, run: int) -> Reply:
    """Fetch a run. What it brings is judged against the journal like everything that comes."""
    heard = timer.download = Download(run)
    before = timer.outlet.retold()
    wants = Wants("DS", lambda record: isinstance(record, DownloadStart) and int(record.run) == run)
    with _job(timer, order, "asked for it"):
        try:
            answer = await timer.talk.ask(f"#DL {run:02}", by=order.by, wants=wants, within=LINE_WITHIN)
            if not answer.accepted:
                return Reply(ok=False, text=answer.refusal(f"#DL {run:02}", "no run of that number in its memory?"))
            while not (heard.ended or heard.cut):
                timer.progress(heard.lines, f"{heard.times} times, {heard.results} results")
                heard.stirred.clear()
                async with asyncio.timeout(LINE_WITHIN):
                    await heard.stirred.wait()
        except TimeoutError:
            raise CommandError(
                f"run {run:02} is INCOMPLETE: no line for {LINE_WITHIN:g} s; {_so_far(heard)}; download it again"
            ) from None
        except asyncio.CancelledError:
            if heard.begun:
                timer.outlet.trouble(Level.WARNING, f"download of run {run:02} is INCOMPLETE: {_so_far(heard)}")
            raise
        finally:
            timer.download = None
        timer.progress(heard.lines, "comparing with the journal")
        made = await compared(timer.outlet, before, heard.lines)
        waiting = await still_offered(timer.outlet, made)
    data: dict[str, Scalar] = {"records": heard.lines, "times": heard.times, "results": heard.results}
    data["damaged"] = heard.damaged
    if heard.cut or heard.damaged:
        why = "another run began within it" if heard.cut else f"{heard.damaged} lines came damaged"
        return Reply(
            ok=False, text=f"run {run:02} is INCOMPLETE: {why}; {_so_far(heard)}; download it again", data=data
        )
    text = f"run {run:02}: {_so_far(heard)}; {_verdict(timer, made, waiting)}"
    if made:
        data |= {"known": made.repeats, "new": made.new, "differ": made.differ}
        if made.test:
            data["in test"] = made.test
        if made.new or made.test:
            timer.outlet.trouble(Level.WARNING if made.new else Level.NOTE, text)
    return Reply(ok=True, text=text, data=data)


def _verdict(timer: "Thcom", made: Retold | None, waiting: str) -> str:
    """What the journal made of a download; `waiting`: that something of an earlier one still is."""
    if made is None:
        return "the journal has not taken them all yet: see sheet offered"
    said = [f"{made.repeats} known{waiting}"]
    if made.test:
        said.append(of_test(made.test, timer.settings.name))
    if made.differ:
        said.append(f"{made.differ} differ from what was told live")
    if made.new:
        said.append(f"{made.new} never arrived: {how_to_take_over(timer.settings.name)}")
    return ", ".join(said)


def _so_far(heard: Download) -> str:
    return f"{heard.lines} records ({heard.times} times, {heard.results} results)"
