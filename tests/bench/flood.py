"""As fast as it goes, through the same ways: lines a second from the first byte written to the last line received."""

import threading
import time
from contextlib import ExitStack, suppress
from statistics import median

from tests.bench.lab import Engine, Lab, missing, until
from tests.bench.ways import CYCLE, Way, line, sequence_of, through_racedeck, through_ser2net, through_socat

BLOCK = 80
"""Lines in one write where a device is not asked to write them one by one: what a pty takes at once."""


def run(lab: Lab) -> None:
    """A device that writes line by line, as devices do, and one that writes whole blocks."""
    count, rounds = lab.some(20_000, 2000), lab.some(4, 2)
    with ExitStack() as stack:
        ours, engine = stack.enter_context(through_racedeck(lab))
        ways = [ours]
        if missing("socat"):
            lab.say("socat is not installed: no ratio to it")
        else:
            ways.append(stack.enter_context(through_socat(lab)))
        if missing("ser2net"):
            lab.say("ser2net is not installed: no ratio to it")
        else:
            ways.append(stack.enter_context(through_ser2net(lab, tuned=True)))
        for together, word in ((1, "line by line"), (BLOCK, "in blocks")):
            compare(lab, ways, count, rounds, together, word)
        unending(lab, ours, engine, lab.some(400_000, 4000))


def unending(lab: Lab, way: Way, engine: Engine, count: int) -> None:
    """Far more lines at once than memory may hold: a device that can wait must be made to wait, not lose any."""
    before = engine.state().journal
    threading.Thread(target=_discard, args=(way,), daemon=True).start()
    began = time.monotonic()
    for at in range(CYCLE - count, CYCLE, BLOCK):
        way.pty.write(b"".join(map(line, range(at, min(at + BLOCK, CYCLE)))))

    def settled() -> bool:
        now = engine.state().journal
        return now.unsafe == 0 and now.frames + now.dropped - before.frames - before.dropped >= count

    until(settled, "the journal to catch up", patience=120, every=0.2)
    took = time.monotonic() - began
    lab.tell(f"{count:,} lines without a pause: rate", count / took, "/s")
    lab.tell(f"{count:,} lines without a pause: lost", engine.state().journal.dropped, "frames", at_most=0)


def compare(lab: Lab, ways: list[Way], count: int, rounds: int, together: int, word: str) -> None:
    """Each way in turn, again and again."""
    found: dict[str, list[float]] = {way.name: [] for way in ways}
    for number in range(rounds):
        for way in ways:
            # Never the same lines twice: those would be repeats, which no export passes on.
            found[way.name].append(measure(way, count, (number + together * rounds) * count, together))
    mine = found.pop("racedeck")
    for name, theirs in found.items():
        ratios = [our / their for our, their in zip(mine, theirs, strict=True)]
        lab.tell(f"{word}: rate against {name}", median(ratios), "x", at_least=0.1 if name == "socat" else None)
    for name, rates in {"racedeck": mine, **found}.items():
        lab.tell(f"{word}: {name}, lines", median(rates), "/s")


def measure(way: Way, count: int, first: int, together: int) -> float:
    """Lines a second, when the device writes so many `together`."""
    data = [b"".join(map(line, range(at, at + together))) for at in range(first, first + count, together)]
    began = time.monotonic()
    sender = threading.Thread(target=_send, args=(way, data), daemon=True)
    sender.start()
    came = 0
    while came < count:
        for one in way.lines():
            if sequence_of(one) != (first + came) % 10_000:
                raise RuntimeError(f"{way.name}: expected line {first + came}, got {one!r}")
            came += 1
    took = time.monotonic() - began
    sender.join()
    return count / took


def _send(way: Way, data: list[bytes]) -> None:
    for one in data:
        way.pty.write(one)


def _discard(way: Way) -> None:
    with suppress(OSError):
        while True:
            way.lines()
