"""kill -9 at random moments, again and again: what was announced is there, once, in its order."""

import random
import signal
import subprocess
import sys
from pathlib import Path

from console.journal.recovery import recover
from tests.journal.event import contents, open_journal

ROUNDS = 25

VICTIM = """
import os, sys, threading
from pathlib import Path
from tests.journal.event import SERIES, cursor, open_journal, place, Listener

class Teller(Listener):
    def committed(self, news):
        # one write: either the parent has the whole line or the kill came first
        os.write(1, b"".join(b"%d %d\\n" % (f.seq, int(f.raw.split()[2])) for f in news.frames))

def end_with_the_test():
    sys.stdin.read()
    os._exit(1)

def numbered(done):
    os.write(1, b"".join(b"N %d %d\\n" % pair for pair in done.result().items()))

threading.Thread(target=end_with_the_test, daemon=True).start()
directory, number = Path(sys.argv[1]), int(sys.argv[2])
journal = open_journal(directory, Teller())
begun = journal.feed.newest
rows = 0
while True:
    number += 1
    rows += 1
    journal.frame(place(number))
    if number % 7 == 0:
        journal.frame(place(number - 3))
        journal.cursor(cursor(number))
    if number % 3 == 0:  # asked for again after each kill, from a little before where it was
        journal.number(*SERIES, range(max(1, begun + rows - 20), begun + rows)).add_done_callback(numbered)
    if number % 20 == 0:
        threading.Event().wait(0.001)
    if journal.state().unsafe > 500:
        threading.Event().wait(0.005)
"""


def test_killed_again_and_again(tmp_path: Path) -> None:
    chance = random.Random(7)
    directory = tmp_path / "event"
    announced: dict[int, int] = {}
    numbers: dict[int, int] = {}
    number = 0
    for turn in range(ROUNDS):
        process = subprocess.Popen(
            [sys.executable, "-c", VICTIM, str(directory), str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path.cwd(),
        )
        assert process.stdin
        assert process.stdout
        told = process.stdout.readline()  # it is at work
        extra = chance.randrange(40)
        lines = [told, *(process.stdout.readline() for _ in range(extra))]
        process.send_signal(signal.SIGKILL)
        lines += process.stdout.read().splitlines(keepends=True)
        process.stdin.close()
        process.stdout.close()
        assert process.wait() == -signal.SIGKILL
        for line in lines:
            if line.startswith(b"N") and line.endswith(b"\n"):
                passing, given = map(int, line.split()[1:])
                assert numbers.setdefault(passing, given) == given, "what has a number keeps it"
            elif line.endswith(b"\n"):
                seq, printed = map(int, line.split())
                assert seq not in announced, f"number {seq} was given twice (round {turn})"
                announced[seq] = printed
                number = max(number, printed)
    assert len(announced) > ROUNDS

    journal = open_journal(directory)
    try:
        assert journal.check().endswith("all good") or "damaged lines" in journal.check()
        kept = contents(journal)
    finally:
        journal.close()
    frames = {one.seq: int(one.raw.split()[2]) for one in kept["frames"]}
    assert list(frames) == list(range(1, len(frames) + 1))
    assert announced.items() <= frames.items()
    firsts = list(dict.fromkeys(frames.values()))
    assert firsts == sorted(firsts), "nothing reordered"
    assert [one.frame for one in kept["passings"]] == list(frames), "each frame has its passing"

    assert [one for one, _ in kept["numbers"]] == list(range(1, len(kept["numbers"]) + 1))
    found = {passing: given for given, passing in kept["numbers"]}
    assert len(found) == len(kept["numbers"]), "nothing is numbered twice"
    assert numbers.items() <= found.items()
    assert len(numbers) > ROUNDS

    again = recover(directory / "flight.log", tmp_path / "spare")
    assert (again.frames, again.passings, again.missing) == (len(frames), len(kept["passings"]), {})
    spare = open_journal(tmp_path / "spare")
    try:
        assert contents(spare) == kept
    finally:
        spare.close()
