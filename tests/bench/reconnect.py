"""10,000 reconnects of one device leave nothing behind."""

import asyncio
import os
import time

from tests.bench.lab import Lab, usage
from tests.devices.reconnects import reconnects


def run(lab: Lab) -> None:
    """On a pseudo-terminal and on TCP, in this process."""
    cycles = lab.some(10_000, 300)
    for over in ("pty", "tcp"):
        rss, began = usage(os.getpid()).rss, time.monotonic()
        before, after = asyncio.run(reconnects(cycles, over))
        took = time.monotonic() - began
        lab.tell(
            f"{over}: descriptors left by {cycles:,} cycles", after.descriptors - before.descriptors, "", at_most=0
        )
        lab.tell(f"{over}: tasks left", after.tasks - before.tasks, "", at_most=0)
        # The desk that the devices report to remembers each of two frames a cycle: that is what grows here.
        lab.tell(f"{over}: memory, {2 * cycles:,} frames that are kept", usage(os.getpid()).rss - rss, "MiB")
        lab.tell(f"{over}: cycles", cycles / took, "/s")
