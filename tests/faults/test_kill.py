"""kill -9 of the engine at random moments under load, again and again, with numbered frames and clients that log."""

import asyncio
import random
from functools import partial
from pathlib import Path

import pytest

from console.control.client import Client, EngineGoneError
from console.model import EngineState, ExportState, PeerState
from console.simulators.port import PtyPort, TcpPort
from console.simulators.scoring import Scoring
from tests.faults.rig import (
    Engine,
    Row,
    Sender,
    Visits,
    at_work,
    chute_line,
    cp545_line,
    ending,
    export,
    free_port,
    plugged,
    raw,
    until_open,
    until_state,
)

ROUNDS = 8
"""Lives of the engine that end by kill -9 under load; after every second one, another that ends while it opens."""

LINES = {"a": partial(cp545_line, channel="1"), "b": partial(cp545_line, channel="2")}


class Watcher:
    """A console that keeps every frame it was shown, and looks at every state for figures that cannot be."""

    def __init__(self) -> None:
        self.frames: dict[int, tuple[str, bytes]] = {}
        self.impossible: list[str] = []

    def look(self, state: EngineState) -> None:
        figures: list[ExportState | PeerState] = [*state.exports]
        figures += [peer for one in state.exports for peer in one.peers]
        for one in figures:
            assert one.tcp is not None
            if not one.journaled >= one.sent >= one.tcp >= 0 or one.waiting < 0:
                self.impossible.append(str(one))

    async def follow(self, client: Client, more: int) -> None:
        """Follow the log until `more` frames have come."""
        client.on_state = self.look
        newest = max(self.frames, default=0)
        until = client.state.journal.frames + more
        while newest < until:
            for frame in await client.frames(after=newest, limit=1000):
                newest = frame.seq
                self.see(frame.seq, frame.device, frame.raw)

    def see(self, seq: int, device: str, data: bytes) -> None:
        assert self.frames.setdefault(seq, (device, data)) == (device, data), "a number was given twice"


@pytest.mark.parametrize("seed", [1, 2])
async def test_killed_again_and_again(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    ports: dict[str, TcpPort | PtyPort] = {
        "a": TcpPort.listen(),
        "b": TcpPort.listen(),
        "chute": PtyPort.open(tmp_path / "chute"),
    }
    senders = {name: Sender(port, LINES.get(name, chute_line)) for name, port in ports.items()}
    software_at, scoring_at = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    engine = Engine(tmp_path, _settings(ports["a"].where, ports["b"].where, tmp_path, software_at, scoring_at))
    software, scoring = Visits(software_at), Scoring(scoring_at, retry=0.05)
    watcher = Watcher()
    async with plugged(*ports.values()), ending(engine), at_work(software, scoring, *senders.values()):
        async with at_work(*(sender.chatter(chance) for sender in senders.values())):
            for turn in range(ROUNDS):
                client = await engine.start()
                try:
                    await watcher.follow(client, chance.randrange(1, 300))
                except EngineGoneError:
                    pytest.fail("it went by itself:\n" + engine.log)
                finally:
                    await engine.kill()
                    client.close()
                if turn % 2:
                    await engine.spawn()
                    await asyncio.sleep(chance.uniform(0, 0.5))  # somewhere in its opening
                    await engine.kill()
        client = await engine.start()
        await until_open(client)
        for sender in senders.values():
            sender.send(5)
        last = senders["chute"].number
        await until_state(client, lambda _: any(read.chip == last and read.source == "chute" for read in scoring.reads))
        state = await until_state(client, _drained, "everything is handed over")
        await software.until(lambda: LINES["b"](senders["b"].number).decode().strip() in software.lines)
        frames, passings = await engine.dump("frames"), await engine.dump("passings")
        client.close()
        assert await engine.stop() == 0

    assert watcher.impossible == []
    assert [row["seq"] for row in frames] == list(range(1, len(frames) + 1))
    kept = {row["seq"]: (row["device"], raw(row)) for row in frames}
    assert watcher.frames.items() <= kept.items(), "what was shown is kept"
    for name in ports:
        mine = [row for row in passings if row["device"] == name]
        numbers = [int(row["bib"]) for row in mine]
        assert len(numbers) > ROUNDS
        assert numbers == sorted(set(numbers)), "in order, none twice"
        assert {row["status"] for row in mine} == {"live"}
    assert [row["frame"] for row in passings] == sorted(row["frame"] for row in passings)

    wanted = {(row["device"], int(row["bib"])) for row in passings}
    assert {(read.source, read.chip) for read in scoring.reads} == wanted, "none missed, none invented"
    assert not [flaw for flaw in scoring.flaws if flaw != "cut short"]
    _check_software(software, passings, held=export(state, "software").held)


def _settings(a: str, b: str, directory: Path, software: str, scoring: str) -> str:
    return f"""
[[device]]
name = "a"
type = "thcom"
address = "{a}"

[[device]]
name = "b"
type = "thcom"
address = "{b}"

[[device]]
name = "chute"
type = "timemachine"
port = "{directory / "chute"}"
clock = "day"

[[export]]
name = "software"
type = "thcom-server"
listen = "{software}"
newcomers = "all"

[[export]]
name = "scoring"
type = "tsv1"
listen = "{scoring}"
newcomers = "all"
"""


def _drained(state: EngineState) -> bool:
    return all(
        one.waiting == 0 and one.journaled == one.sent + one.held == (one.tcp or 0) + one.held for one in state.exports
    )


def _check_software(software: Visits, passings: list[Row], held: int) -> None:
    """Every line once, in order; where a connection was lost, the last ones may come again, byte for byte."""
    order = {
        LINES[row["device"]](int(row["bib"])).decode().strip(): row["seq"] for row in passings if row["device"] in LINES
    }
    came = sorted(order[line] for line in set(software.lines))
    newest = -1
    for numbers in ([order[line] for line in lines] for lines in software.visits if lines):
        run = came[came.index(numbers[0]) :][: len(numbers)]
        assert numbers == run, "in order, none twice and none skipped on one connection"
        assert came.index(numbers[0]) <= newest + 1, "nor between two of them"
        newest = max(newest, came.index(numbers[-1]))
    assert len(order.keys() - set(software.lines)) <= held, "what never came is held, and counted"
    assert not [flaw for flaw in software.flaws if "cut" not in flaw]
