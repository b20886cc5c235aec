"""What goes on at a device and what came of it, a line each: a pause, a command under way, a retransmit, a result."""

from console.model import DeviceState, Flow, Job, Outcome, Retold
from screens import words
from screens.paint import Line
from screens.picture import Picture

BAR = 20
"""Characters of a full progress bar."""

MOST = 2
"""Lines of a result at most."""

STOP = "!"
"""The key that ends a command which takes long."""


def lines(device: DeviceState, width: int, picture: Picture) -> list[Line]:
    """All there is to say."""
    out: list[Line] = []
    if device.flow:
        out += flow(device.flow, width, picture)
    if device.retold:
        out += retold(device.retold, width, going=device.job is not None)
    if device.job:
        out += job(device.job, width, picture)
    if device.outcome and not answers_to(device.job, device.outcome):
        out += outcome(device.outcome, width, picture)
    return out


def answers_to(now: Job | None, last: Outcome) -> bool:
    """The command was answered at its beginning and is still under way: what it says now has replaced that answer."""
    return now is not None and now.words == last.words and now.since <= last.wall


def flow(now: Flow, width: int, picture: Picture) -> list[Line]:
    """Whether the timer flows; a pause counts here, once a second."""
    if now.paused_at is None:
        text, ink = "FLOWING", ""
    else:
        text, ink = f"PAUSED {words.since(now.paused_at, picture.now)}", "bad"
        text += f" by {words.clean(now.by)}" if now.by else ""
        if now.resumes_at is not None:
            text += f", timer resumes by itself in {words.age(now.resumes_at - picture.now)}"
        if now.ends_at is not None:
            text += f"; ends in {words.age(now.ends_at - picture.now)}"
    rest = f"  {words.plural(now.lines, 'line')} since"
    if now.heard is not None:
        rest += f", last {words.since(now.heard, picture.now)} ago"
    if now.note:
        rest += f"  {words.clean(now.note)}"
    return [[(text, ink), (words.fit(rest, width - len(text)).rstrip(), "dim")]]


def retold(found: Retold, width: int, *, going: bool = False) -> list[Line]:
    """What a download brought; `going`: and still does."""
    name = "told again" + (f", event {words.clean(found.event)}" if found.event else "")
    text = f"{name}: {words.plural(found.lines, 'line')}, {found.new} new, {_differ(found.differ)}"
    text += f", {found.test} of TEST" if found.test else ""
    text += " ..." if going and not found.ended else ""
    told = [f"   {found.new} never arrived: - shows them, + takes them over", "   - shows, + takes over", "   - +"]
    if not found.new:
        told = ["   - shows them", ""]
    more = next((one for one in told if len(text) + len(one) <= width), "") if found.lines else ""
    return [[(text, "warn" if found.new or found.differ else ""), (more, "key")]]


def _differ(count: int) -> str:
    return f"{count} differs" if count == 1 else f"{count} differ"


def job(now: Job, width: int, picture: Picture) -> list[Line]:
    """A command under way, with a bar where its end is known."""
    text = f"job: {words.clean(now.words)} "
    if now.total:
        full = min(BAR, now.done * BAR // now.total)
        text += f"{now.done}/{now.total} [{'#' * full}{'.' * (BAR - full)}] "
    elif now.done:
        text += f"{now.done} "
    text += f"{words.since(now.since, picture.now)} {words.clean(now.by)}  "
    end = f"  {STOP} stops it"
    said = words.clean(now.text)
    if len(text) + len(said) + len(end) <= width:
        return [[(text, "head"), (said, ""), (end, "key")]]
    # What it says is what the operator is to do next: the command gives way to it.
    name = words.clean(now.words)
    name = words.fit(name, min(len(name), max(12, len(name) + width - len(text) - len(end))))
    text = text.replace(f"job: {words.clean(now.words)} ", f"job: {name} ", 1)
    return [[(text, "head"), (end, "key")], *([(f"  {line}", "")] for line in words.wrapped(said, width - 2)[:2])]


def outcome(last: Outcome, width: int, picture: Picture) -> list[Line]:
    """What came of the last command, whoever gave it."""
    ink = {True: "good", False: "bad", None: "warn"}[last.ok]
    word = {True: "done", False: "FAILED", None: "sent, no answer defined"}[last.ok]
    end = f" ({words.clock(last.wall, picture.zone)}) {words.clean(last.by)}"
    said = words.clean(" ".join(last.text.split()))
    asked = words.clean(last.words)
    text = said.removeprefix(f"{asked}: ").removeprefix(f"{asked} -> ")
    first = f"result: {asked} {word}"
    room = width - len(first) - len(end) - 4
    if len(text) <= room:
        return [[(first, ink), (f" -> {text}" if text else "", ""), (end, "dim")]]
    rest = words.wrapped(text, width - 2)
    return [[(first, ink), (end, "dim")], *([(f"  {line}", "")] for line in rest[:MOST])]


def whole(last: Outcome, width: int) -> bool:
    """Whether `outcome` has room for all that came of the command."""
    return len(words.wrapped(" ".join(last.text.split()), width - 2)) <= MOST
