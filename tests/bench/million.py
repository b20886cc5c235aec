"""A long event, written as the engine writes it: what the driver makes of a timer's lines, through the journal. Two
channels say them, for CTP01 counts no further than 999,999 at one.

`python -m tests.bench.million DIRECTORY COUNT` prints how many frames a second went in.
"""

import subprocess
import sys
import time
from pathlib import Path

from console.devices.thcom import Thcom, ThcomSettings
from console.journal.journal import Journal
from console.model import Direction, Draft
from console.places import event_directory
from tests.bench.lab import EVENT, Lab
from tests.bench.ways import line
from tests.devices.outlet import Nowhere

AHEAD = 5000
"""Frames that may wait for the disk."""

SPACING = 10_000_000
"""ns between two frames on the clock of the event: a million fill the last three hours."""


def long_event(lab: Lab) -> tuple[Path, int]:
    """A state directory with a long event of the device `timer`, and its number of frames; made once in a run."""
    directory, count = lab.scratch / "long", lab.some(1_000_000, 20_000)
    if not directory.exists():
        lab.say(f"making an event of {count:,} frames")
        command = [sys.executable, "-m", "tests.bench.million", str(event_directory(directory, EVENT)), str(count)]
        rate = float(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
        lab.tell("into the journal alone, frames", rate, "/s")
    return directory, count


def write(directory: Path, count: int) -> float:
    """Write the event; frames a second, all of them safe."""
    driver = Thcom(ThcomSettings(name="timer", type="thcom", port="/dev/null"), _Mute())
    journal = Journal.open(directory, committed=lambda batch: None, check_after=3600)
    began, first = time.monotonic(), time.time_ns() - count * SPACING
    try:
        for number in range(count):
            wall = first + number * SPACING
            for heard in driver.receive(line(number, "12"[number % 2], number % 9999 + 1), wall):
                journal.frame(
                    Draft(
                        device="timer",
                        direction=Direction.RX,
                        wall=wall,
                        mono=wall,
                        raw=heard.raw,
                        label=heard.label,
                        flaw=heard.flaw,
                        facts=heard.facts,
                    )
                )
            while number % 100 == 0 and journal.state().unsafe > AHEAD:
                time.sleep(0.005)
    finally:
        journal.close()
    return count / (time.monotonic() - began)


class _Mute(Nowhere):
    """A driver that is never asked to say anything."""

    def send(self, raw: bytes, *, by: str = "", label: str = "", mask: bytes = b"") -> None:
        raise ConnectionError


if __name__ == "__main__":
    print(write(Path(sys.argv[1]), int(sys.argv[2])))
