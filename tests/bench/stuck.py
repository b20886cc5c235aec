"""What a client that reads nothing costs the others: one race through two engines, one of which has such a client."""

import socket
from contextlib import ExitStack
from statistics import median

from tests.bench.lab import Lab, dial, spread
from tests.bench.latency import RATE, measure
from tests.bench.ways import through_racedeck


def run(lab: Lab) -> None:
    """Both in turn, again and again. The deaf client takes nothing beyond what its smallest buffer holds."""
    count, rounds = lab.some(1500, 300), lab.some(7, 2)
    with ExitStack() as stack:
        alone, _ = stack.enter_context(through_racedeck(lab))
        beside, _ = stack.enter_context(through_racedeck(lab))
        deaf = stack.enter_context(dial(beside.socket.getpeername()[1], "127.0.0.2"))
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        for way in (alone, beside):
            measure(way, lab.some(5 * RATE, RATE), 0)  # warm, and the buffers of the deaf client full
        pairs = [
            [spread(measure(way, count, number * 100_000)) for way in (alone, beside)]
            for number in range(1, rounds + 1)
        ]
    p50 = median(stuck.p50 / free.p50 for free, stuck in pairs)
    p99 = median(stuck.p99 / free.p99 for free, stuck in pairs)
    lab.tell("p50 beside a stuck client", p50, "x", at_most=1.1)
    lab.tell("p99 beside a stuck client", p99, "x")
