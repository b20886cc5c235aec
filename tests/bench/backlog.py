"""A million passings wait, for each type of export: how fast its program gets them, and who suffers from it."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from tests.bench.lab import Engine, Lab, dial, engine, free_port, racedeck, until
from tests.bench.live import Live
from tests.bench.million import long_event
from tests.bench.takers import Called, Client, Ctp01Server, File, Taker
from tests.bench.ways import Pty, device, listening, server

TEMPLATE = r"{number};{bib};{time:%H:%M:%S.%3f};{point}\r\n"

ROOM = 16
"""MiB that an engine may need once it is at work; a million passings in memory would be hundreds."""

PATIENCE = 300
"""Seconds after which what is not drained is left."""


def run(lab: Lab) -> None:
    """Count it, read it, and drain it once for each type, while another client is served."""
    directory, count = long_event(lab)
    counting(lab, directory, count)
    dumped = count / _dumped(directory)
    lab.tell("racedeck dump passings, beside no engine", dumped, "/s")
    for name, (settings, taker) in exports(lab).items():
        drain(lab, directory, count, name, settings, taker)


def exports(lab: Lab) -> dict[str, tuple[str, Taker]]:
    """Name in the table -> settings of its own, and what takes it."""
    files = lab.directory()
    return {
        "tsv1": ('type = "tsv1"', Client(free_port(), b"{")),
        "tsv2": ('type = "tsv2"', Client(free_port(), b"{")),
        "tsv2 calling": ('type = "tsv2"', Called(b"{")),
        "template": (f"type = \"template\"\ntemplate = '{TEMPLATE}'", Client(free_port())),
        "thcom-server": ('type = "thcom-server"\nstale_after = 1e6', Client(free_port(), b"T")),
        "ctp01 push": ('type = "ctp01"', Ctp01Server("push")),
        "ctp01 pull": ('type = "ctp01"', Ctp01Server("pull")),
        "raw": ('type = "raw"\ndevices = ["timer"]', Client(free_port())),
        "csv passings": ('type = "csv"', File(files / "passings.csv", "passings")),
        "csv frames": ('type = "csv"', File(files / "frames.csv", "frames")),
    }


def counting(lab: Lab, directory: Path, count: int) -> None:
    """What the first start after a change of the settings does, with nobody connected."""
    taker = Client(free_port())
    with watching(directory, f'[[export]]\nname = "counting"\ntype = "tsv1"\nnewcomers = "all"\n{taker.settings}') as (
        running,
        watched,
    ):
        began = time.monotonic()
        until(lambda: _counted(running) >= count, "the export to count what waits", patience=PATIENCE, every=0.2)
        lab.tell("counting what waits, passings", count / (time.monotonic() - began), "/s")
        lab.tell("live latency p99 meanwhile", watched.delays().p99, "ms", at_most=250)
        time.sleep(2)
        lab.tell("live latency p99 without a backlog", watched.delays().p99, "ms")


def drain(lab: Lab, directory: Path, count: int, name: str, settings: str, taker: Taker) -> None:
    """The program is there from the start of the engine, which counts, and numbers, while it sends."""
    export = name.replace(" ", "-")
    text = f'[[export]]\nname = "{export}"\n{settings}\nnewcomers = "all"\n{taker.settings}\n'
    with watching(directory, text) as (running, watched):
        before, began, peak = running.usage(), time.monotonic(), 0.0
        taker.begin()
        while (had := taker.look()) < count and time.monotonic() - began < PATIENCE:
            time.sleep(0.05)
            peak = max(peak, running.usage().rss)
        took = time.monotonic() - began
        during = watched.delays()
        taker.end()
    lab.tell(f"{name}: drained", had / took, "/s", at_least=5000)
    lab.tell(f"{name}: not delivered", max(0, count - had), "passings", at_most=0)
    lab.tell(f"{name}: live latency p50 meanwhile", during.p50, "ms")
    lab.tell(f"{name}: live latency p99 meanwhile", during.p99, "ms", at_most=250)
    lab.tell(f"{name}: memory of the engine before", before.rss, "MiB")
    lab.tell(f"{name}: memory of the engine, at most", peak, "MiB", at_most=before.rss + ROOM)


@contextmanager
def watching(directory: Path, export: str) -> Iterator[tuple[Engine, Live]]:
    """An engine with this export, and another one that is served meanwhile."""
    with ExitStack() as stack:
        pty, live = stack.enter_context(closing(Pty())), free_port()
        timer = device("timer", pty) + 'points = { 1 = "Start", 2 = "Finish" }\n\n'
        running = stack.enter_context(engine(directory, timer + server(live) + export))
        until(lambda: listening(live), "port of the live export")
        watched = stack.enter_context(closing(Live(pty, dial(live))))
        until(lambda: any(one.peers for one in running.state().exports if one.name == "software"), "the live client")
        yield running, watched


def _counted(running: Engine) -> int:
    return next(one.journaled for one in running.state().exports if one.name == "counting")


def _dumped(directory: Path) -> float:
    places = ("--config", directory / "racedeck.toml", "--state-dir", directory)
    began = time.monotonic()
    subprocess.run(racedeck("dump", "passings", *places), check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began
