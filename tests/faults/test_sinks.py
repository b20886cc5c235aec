"""Files and a printer behind a real engine that is killed again and again: every row once, and in order."""

import asyncio
import csv
import random
import sys
from contextlib import closing
from pathlib import Path

from console.codecs import thcom
from console.exit import Exit
from console.model import SECOND, EngineState
from console.simulators.port import PtyPort
from tests.faults.rig import (
    Engine,
    Sender,
    at_work,
    ending,
    engine,
    export,
    plugged,
    until_open,
    until_state,
)

KILLS = 6
MANY = 10_000
AT_ONCE = 1_000
"""Lines of a life that ends by kill -9."""

EXPORTS = """
[[export]]
name = "rows"
type = "csv"

[[export]]
name = "frames"
type = "csv"
format = "frames"
path = "frames/{event}.csv"

[[export]]
name = "log"
type = "csv"
format = "gsm-interface"
path = "GSM_Interface_Log.csv"
"""


def line(number: int) -> bytes:
    """Line `number`: its time says which; bib and sequence number begin anew after 9999."""
    ns = 36_000 * SECOND + number * SECOND // 100
    return thcom.basic(thcom.time_line("TN", number % 10_000, number % 10_000, "1", ns, 0), checksum=False)


def device(port: PtyPort) -> str:
    return f'[[device]]\nname = "start"\ntype = "thcom"\nport = "{port.where}"\npoints = {{ 1 = "Start" }}\n'


def cells(path: Path, separator: str = ",") -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file, delimiter=separator))


async def test_each_row_is_in_the_files_once_whatever_is_killed_when(tmp_path: Path) -> None:
    chance = random.Random(7)
    port = PtyPort.open(tmp_path / "start")
    sender = Sender(port, line)
    one = Engine(tmp_path, device(port) + EXPORTS)
    async with plugged(port), ending(one), at_work(sender):
        for _ in range(KILLS):
            with closing(await one.start()) as client:
                before = (await until_open(client)).journal.passings
                await client.reload()  # which is an incident
                await sender.flood(AT_ONCE)
                # Sometimes in the middle of the lines, sometimes when all is journaled and the files still lag behind.
                some = before + chance.randrange(1, AT_ONCE)
                await until_state(client, lambda state: state.journal.passings >= some)  # noqa: B023
                await asyncio.sleep(chance.random() * 0.1)
                await one.kill()
        with closing(await one.start()) as client:
            await until_open(client)
            await sender.flood(MANY)  # what a kill cut off on its way is nowhere
            last = f"{line(sender.number)[3:8].decode().strip()}"
            await until_state(client, lambda state: _newest_bib(one) == last and _all_written(state))
            assert await one.stop() == Exit.OK
        passings, frames = await one.dump("passings"), await one.dump("frames")
        assert len(passings) > MANY

        rows = cells(one.files / "rows.csv")
        dumped = (await one.racedeck("dump", "passings")).out
        assert rows == list(csv.reader(dumped.splitlines())), "byte for byte what `dump` says"
        assert [int(row[0]) for row in rows[1:]] == [passing["seq"] for passing in passings]

        rows = cells(one.files / "frames" / "faults.csv")
        assert [int(row[0]) for row in rows[1:]] == [frame["seq"] for frame in frames]

        log = cells(one.files / "GSM_Interface_Log.csv", ";")
        times = [row for row in log[1:] if row[5].startswith("TN")]
        assert [int(row[0]) for row in times] == [passing["frame"] for passing in passings]
        said = [row[5].partition(": ")[2] for row in log[1:] if row[0] == "---"]
        assert said == [row["text"] for row in (await one.racedeck("tail", "--incidents", "--json")).rows]
        assert len(said) >= KILLS


def _all_written(state: EngineState) -> bool:
    exports = [export(state, name) for name in ("rows", "frames", "log")]
    return all(one.acked == one.journaled > 0 and not one.waiting for one in exports)


def _newest_bib(one: Engine) -> str:
    lines = (one.files / "rows.csv").read_bytes().splitlines()
    return next(csv.reader([lines[-1].decode()]))[7]


async def test_a_tape_goes_on_where_it_was(tmp_path: Path) -> None:
    """A kill repeats at most one job, and leaves nothing out."""
    paper = tmp_path / "paper"
    (tmp_path / "print.py").write_text(f"import sys; open({str(paper)!r}, 'a').write(sys.stdin.read())")
    settings = f'[[export]]\nname = "tape"\ntype = "tape"\nprinter = "{sys.executable} {tmp_path / "print.py"}"\n'
    port = PtyPort.open(tmp_path / "start")
    sender = Sender(port, line)
    async with plugged(port), engine(tmp_path, device(port) + settings) as (one, client), at_work(sender):
        await until_open(client)
        sender.send(30)
        await until_state(client, lambda state: export(state, "tape").sent == 30)
        assert (await one.racedeck("phase", "closed")).status == Exit.OK
        sender.send(30)
        await until_state(client, lambda state: export(state, "tape").journaled > 40)
        await one.kill()
        with closing(await one.start()) as again:
            await until_open(again)
            await until_state(again, lambda state: export(state, "tape").sent == state.journal.passings)
            passings = [str(row["bib"]) for row in await one.dump("passings")]
    lines = paper.read_text().splitlines()
    printed = [line.split()[1] for line in lines if line.endswith("Start")]
    assert list(dict.fromkeys(printed)) == passings
    assert len(printed) - len(passings) <= 20
    assert sum(line == "faults" for line in lines) == 1, "one head for the day"
    assert any("phase CLOSED" in line for line in lines)
