"""`python -m tests.bench [--quick] [NAME ...]`: run benchmarks, then print one table."""

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from tests.bench.figures import table
from tests.bench.lab import Lab

NAMES = ("latency", "stuck", "flood", "capacity", "backlog", "attach", "screen", "reconnect", "its")
"""In the order in which they run; `tests/bench/NAME.py` says what each does."""


def main() -> int:
    """Run what is asked for; what was measured is told even where a benchmark fails."""
    args = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    args.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; all without one")
    args.add_argument("--quick", action="store_true", help="a few seconds each, to try them out; figures mean little")
    chosen = args.parse_args()
    if unknown := [name for name in chosen.names if name not in NAMES]:
        args.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(NAMES)}")
    failed = []
    with tempfile.TemporaryDirectory(prefix="racedeck-bench-") as scratch:
        lab = Lab(Path(scratch), quick=chosen.quick)
        with contextlib.suppress(KeyboardInterrupt):
            for lab.bench in [name for name in NAMES if not chosen.names or name in chosen.names]:
                run: Callable[[Lab], None] = import_module(f"tests.bench.{lab.bench}").run
                try:
                    run(lab)
                except Exception as error:  # noqa: BLE001 - the others are still worth running
                    failed.append(f"{lab.bench} could not be finished: {error!r}")
                    lab.say(failed[-1])
    print(table(lab.figures))
    print(*failed, sep="\n", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
