"""The day's reconciliation through a real engine, against what was counted by hand."""

import csv
import io
from contextlib import closing
from pathlib import Path

from console.codecs import thcom
from console.codecs import timemachine as tm
from console.exit import Exit
from console.model import SECOND, EngineState, PeerState
from console.simulators.port import PtyPort, TcpPort
from console.simulators.scoring import Scoring
from tests.faults.rig import (
    Sender,
    at_work,
    chute_line,
    cp545_line,
    engine,
    export,
    free_port,
    place,
    plugged,
    until,
    until_open,
    until_state,
    until_true,
)

PEER = "127.0.0.1"


def corrected(tag: str, bib: int, number: int) -> bytes:
    """What a CP545 says of its time `number` later: another bib (`T*`)."""
    ns = 36_000 * SECOND + number * SECOND // 100
    return thcom.basic(thcom.time_line(tag, bib, number, "1", ns, 0), checksum=False)


def peer(state: EngineState) -> PeerState:
    (one,) = export(state, "scoring").peers
    return one


async def test_the_report_equals_what_was_counted_by_hand(tmp_path: Path) -> None:
    start, chute = Sender(TcpPort.listen(), cp545_line), Sender(PtyPort.open(tmp_path / "chute"), chute_line)
    scoring = Scoring(f"127.0.0.1:{free_port()}", retry=0.05)
    settings = f"""
[[device]]
name = "start"
type = "thcom"
address = "{start.port.where}"
points = {{ 1 = "Start" }}

[[device]]
name = "chute"
type = "timemachine"
port = "{chute.port.where}"
clock = "day"

[[export]]
name = "scoring"
type = "tsv1"
listen = "127.0.0.1:{scoring.port}"
"""
    async with plugged(start.port, chute.port), engine(tmp_path, settings) as (one, client):
        await until_open(client)
        async with at_work(start, chute):
            async with at_work(scoring):
                await until_state(client, lambda state: export(state, "scoring").peers)
                start.send(20)  # 20 passings, all of them sent
                chute.port.write(tm.encode(place(1, select=False)))  # 1 held: no bib
                chute.port.write(tm.encode(place(2)))  # 1 sent
                chute.port.write(b"garbage\r\n")
                await until_state(client, lambda state: peer(state).tcp == 21 and peer(state).held == 1)
                await until(lambda: len(scoring.reads) == 21)
            start.send(5)  # 5 wait: nobody takes them
            start.port.write(corrected("T*", 99, 7))  # a correction that TsV1 has no word for: tell scoring
            chute.port.write(tm.encode(place(5)))  # 1 waits; places 3 and 4 are missing
            await until_state(client, lambda state: state.journal.passings == 29 and peer(state).waiting == 6)
            await client.set_bib(1, "77")  # 2 wait more, and turn out to be void when their turn comes
            await client.undo()
            await until_state(client, lambda state: peer(state).waiting == 8)

            devices = {
                "start": {"passings": 25, "corrections": 1, "edited": 2, "flaws": 0, "holes": 0, "nameless": 0},
                "chute": {"frames": 4, "passings": 3, "flaws": 1, "holes": 2, "nameless": 1, "repeats": 0},
            }
            away = {
                "journaled": 30, "sent": 21, "tcp": 21, "acked": None, "waiting": 8, "held": 1, "unmapped": 0,
                "skipped": 0, "resent": 0, "tell": 1,
            }  # fmt: skip
            ran = await one.racedeck("report", "--json")
            assert ran.status == Exit.OK, ran.err
            assert "tell scoring: 1" in ran.err
            assert ran.row["adds_up"] is True
            assert ran.row["exports"] == {"scoring": {PEER: away}}
            for name, wanted in devices.items():
                told = ran.row["devices"][name]
                assert {figure: told[figure] for figure in wanted} == wanted

            async def agreed() -> bool:  # what is sent to the timer may fall between the two
                told = (await one.racedeck("report", "--json")).row["devices"]["start"]
                ways = [frame["direction"] for frame in await one.dump("frames") if frame["device"] == "start"]
                return bool((told["frames"], told["sent-frames"]) == (ways.count("rx"), ways.count("tx")))

            await until_true(agreed, "its frames are those of the journal")
            start_told = ran.row["devices"]["start"]

            rows = (await one.racedeck("report", "--show", "tell", "scoring", "--json")).rows
            assert [(row["#"], row["WENT OUT"], row["HOLDS NOW"].split()[0], row["WHY"]) for row in rows] == [
                ("7", "7", "99", "corrected by the device")
            ]
            ran = await one.racedeck("report", "--show", "waiting", "scoring", PEER, "--csv")
            table = list(csv.DictReader(io.StringIO(ran.out)))
            assert [row["TAG/BIB"] for row in table] == ["1", "77", "5", "25", "24", "23", "22", "21"]
            rows = (await one.racedeck("report", "--show", "held", "--json")).rows
            assert [(row["EXPORT"], row["PEER"], row["WHY"]) for row in rows] == [("scoring", PEER, "no bib yet")]
            ran = await one.racedeck("report")
            line = next(line for line in ran.out.splitlines() if "journaled" in line)
            assert line.split() == (
                f"scoring {PEER} journaled 30 = 21 sent + 8 waiting + 1 held + 0 unmapped + 0 skipped".split()
            )

            async with at_work(scoring):  # it is back, and gets what waited, but for the undone edit
                await until_state(client, lambda state: peer(state).tcp == 27 and peer(state).waiting == 0)
                back = {**away, "journaled": 28, "sent": 27, "tcp": 27, "waiting": 0}
                assert (await one.racedeck("report", "--json")).row["exports"] == {"scoring": {PEER: back}}
        await one.stop()
        saved = await one.racedeck("report", "--json")  # from the files alone
        assert (saved.status, saved.row["exports"]) == (Exit.OK, {"scoring": {PEER: {**back, "tell": None}}})
        own = {key: start_told[key] for key in start_told if key not in ("frames", "sent-frames", "incidents")}
        assert saved.row["devices"]["start"].items() >= own.items()
        ran = await one.racedeck("report", "--show", "waiting", "scoring")
        assert (ran.status, "takes a running engine" in ran.err) == (Exit.NO_ENGINE, True)
        with closing(await one.start()) as client:
            await until_state(client, lambda state: export(state, "scoring").peers)
            assert (await one.racedeck("report", "--json")).row["exports"] == {"scoring": {PEER: back}}
