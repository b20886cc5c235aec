"""Device to port-7000 client, 1,000 lines a second: how long a line is on its way, against programs that only copy."""

import threading
import time
from contextlib import ExitStack
from statistics import median

from tests.bench.lab import Lab, Spread, missing, spread
from tests.bench.ways import Way, line, sequence_of, through_durable, through_racedeck, through_ser2net, through_socat

RATE = 1000
"""Lines a second."""


def run(lab: Lab) -> None:
    """Each way in turn, again and again, so that whatever else the machine does hits all alike."""
    count, rounds = lab.some(1500, 300), lab.some(5, 2)
    with ExitStack() as stack:
        ours, _ = stack.enter_context(through_racedeck(lab))
        ways = [ours, stack.enter_context(through_durable(lab))]
        if missing("socat"):
            lab.say("socat is not installed: no ratio to it")
        else:
            ways.append(stack.enter_context(through_socat(lab)))
        if missing("ser2net"):
            lab.say("ser2net is not installed: no ratio to it")
        else:
            ways += [stack.enter_context(through_ser2net(lab, tuned=tuned)) for tuned in (False, True)]
        for way in ways:
            measure(way, RATE // 4, 0)  # warm
        found: dict[str, list[Spread]] = {way.name: [] for way in ways}
        for number in range(1, rounds + 1):
            for way in ways:
                found[way.name].append(spread(measure(way, count, number * 100_000)))
    goals = {"socat": 7.0, "ser2net": 0.3}
    mine = found.pop("racedeck")
    for name, theirs in found.items():
        ratios = [our.p50 / their.p50 for our, their in zip(mine, theirs, strict=True)]
        lab.tell(f"p50 against {name}", median(ratios), "x", at_most=goals.get(name))
    for name, rows in {"racedeck": mine, **found}.items():
        lab.tell(f"{name} p50", median(one.p50 for one in rows), "ms")
        lab.tell(f"{name} p99", median(one.p99 for one in rows), "ms")


def measure(way: Way, count: int, first: int) -> list[float]:
    """Milliseconds that each of `count` lines was on its way."""
    sent: list[int] = []
    came: list[int] = []
    receiver = threading.Thread(target=_receive, args=(way, count, first, came), daemon=True)
    receiver.start()
    due = time.monotonic()
    for number in range(first, first + count):
        due += 1 / RATE
        data = line(number)
        time.sleep(max(0.0, due - time.monotonic()))
        sent.append(time.monotonic_ns())
        way.pty.write(data)
    receiver.join()
    if len(came) < count:
        raise RuntimeError(f"{way.name}: {count - len(came)} of {count} lines did not come, or not in order")
    return [(end - start) / 1e6 for start, end in zip(sent, came, strict=True)]


def _receive(way: Way, count: int, first: int, came: list[int]) -> None:
    """Note when each line comes; ends early at one that is out of order."""
    while len(came) < count:
        lines = way.lines()
        now = time.monotonic_ns()
        for one in lines:
            if sequence_of(one) != (first + len(came)) % 10_000:
                return
            came.append(now)
