import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from console.commands.sync import Synced, lines, synced
from console.control import messages as m
from console.control.client import AskedError, RefusedError
from console.exit import Exit, Failure
from console.simulators.otimcon import wall_clock
from console.simulators.otimcon_firmware import Station
from console.simulators.port import PtyPort
from tests.faults.rig import at_work, engine, plugged, until_state


class Client:
    """A console of an engine with these devices; `answers` is what comes of the command."""

    def __init__(self, **answers: m.Done | Exception) -> None:
        self.answers = answers
        self.sent: list[tuple[str, str, str]] = []
        self.together = asyncio.Barrier(max(1, len(answers)))
        types = ["timemachine" if name == "chute" else "otimcon" for name in answers]
        devices = [SimpleNamespace(name=name, type=kind) for name, kind in zip(answers, types, strict=True)]
        self.state = SimpleNamespace(devices=devices)

    async def command(self, device: str, words: str, *, yes: str = "") -> m.Done:
        self.sent.append((device, words, yes))
        await self.together.wait()
        answer = self.answers[device]
        if isinstance(answer, Exception):
            raise answer
        return answer


def done(before: int, difference: int) -> m.Done:
    return m.Done(text="clock set", ok=abs(difference) <= 1, data={"before": before, "difference": difference})


async def test_all_stations_at_once_and_a_line_for_each() -> None:
    asks = m.Asks(question="SET TIME: A race is running.", name="c", typed=True)
    client: Any = Client(a=done(-270, 0), b=done(3, -9), c=AskedError(asks), d=RefusedError("d is not connected"))
    async with asyncio.timeout(20):
        found = await synced(client, ["a", "b"])
    assert sorted(client.sent) == [
        ("a", "SET TIME", "a"),
        ("b", "SET TIME", "b"),
        ("c", "SET TIME", ""),
        ("d", "SET TIME", ""),
    ]
    assert lines(found) == [
        "STATION  RESULT   WAS OFF  IS OFF",
        "a        ok       -270 s   +0 s",
        "b        failed   +3 s     -9 s    clock set",
        "c        refused  -        -       SET TIME: A race is running. To set it all the same, add --yes c",
        "d        failed   -        -       d is not connected",
    ]


async def test_only_stations_are_meant() -> None:
    client: Any = Client(chute=done(0, 0))
    with pytest.raises(Failure, match="no OTIMCON station in the settings"):
        await synced(client, [])
    with pytest.raises(Failure, match="no OTIMCON station chute; there are none"):
        await synced(client, ["chute"])
    assert client.sent == []


def test_what_a_station_says_cannot_move_the_cursor() -> None:
    assert "\x1b" not in "".join(lines([Synced("a", "failed", "\x1b[2J")]))


async def test_from_the_command_line(tmp_path: Path) -> None:
    now = wall_clock(None)
    stations = [Station(PtyPort.open(tmp_path / name), clock=now - 4000, baud=500_000) for name in ("one", "two")]
    settings = "".join(
        f'[[device]]\nname = "{name}"\ntype = "otimcon"\nport = "{tmp_path / name}"\n' for name in ("one", "two")
    )
    async with (
        plugged(*(station.port for station in stations)),
        at_work(*(station.run() for station in stations)),
        engine(tmp_path, settings) as (one, client),
    ):
        await until_state(client, lambda state: all("clock" in device.facts for device in state.devices))
        ran = await one.racedeck("sync-all")
        assert ran.status == Exit.FAILED
        assert [line.split()[:2] for line in ran.out.splitlines()[1:]] == [["one", "refused"], ["two", "refused"]]
        ran = await one.racedeck("sync-all", "--json", "--yes", "one,two")
        assert ran.status == Exit.OK, ran
        assert [(row["device"], row["result"]) for row in ran.rows] == [("one", "ok"), ("two", "ok")]
        assert all(row["before"] < -300 and abs(row["difference"]) <= 1 for row in ran.rows)
        assert (await one.racedeck("sync-all", "--yes", "three")).status == Exit.USAGE

        # The same engine tells what its journal made of a backup.
        stations[0]._back_up(bytes(4 * [7]), stations[0].clock())
        ran = await one.racedeck("send", "one", "GET", "BACKUP", "--json")
        assert (ran.row["of this event"], ran.row["new"]) == (1, 1)
        ran = await one.racedeck("send", "one", "GET", "BACKUP", "--json")
        assert (ran.row["known"], ran.row["new"]) == (1, 0)
