"""What makes results wrong: retransmits, a second race on the same timer, a re-touch across a restart."""

import asyncio
import time
from pathlib import Path

from console.codecs import timemachine as tm
from console.control.client import Client
from console.model import SECOND, Phase
from console.simulators.otimcon_card import Card
from console.simulators.otimcon_firmware import Station
from console.simulators.port import PtyPort
from console.simulators.scoring import Scoring
from console.simulators.timemachine import TimeMachine
from console.timing.retransmit import START_PAUSE
from tests.faults.rig import at_work, engine, export, free_port, place, plugged, until_open, until_state

HOUR = 3600 * SECOND


def settings(chute: str, scoring: int) -> str:
    return f"""
[[device]]
name = "chute"
type = "timemachine"
port = "{chute}"

[[export]]
name = "scoring"
type = "tsv1"
listen = "127.0.0.1:{scoring}"
"""


async def test_two_races_with_retransmits_count_every_finisher_once(tmp_path: Path) -> None:
    """Places, bibs and times of the second race are those of the first: they are other finishers all the same."""
    port, number = PtyPort.open(tmp_path / "chute"), free_port()
    chute, scoring = TimeMachine(port), Scoring(f"127.0.0.1:{number}", retry=0.05)
    async with (
        plugged(port),
        engine(tmp_path, settings(port.where, number)) as (one, client),
        at_work(chute.run(), scoring),
    ):
        await until_open(client)
        await until_state(client, lambda state: export(state, "scoring").peers)
        await chute.heard_xon.wait()
        for race in (1, 2):
            chute.start()
            chute.event(5)
            for bib in range(101, 111):
                chute.select(str(bib), ns=HOUR + bib * SECOND)
            chute.event(6)
            await chute.quiet()  # a retransmit goes before lines that still wait
            chute.retransmit()
            chute.retransmit(5)
            await chute.quiet()
            chute.select("7", ns=2 * HOUR)
            await chute.quiet()
            # In each: a gun, eleven finishers, and twenty lines that were there before.
            await until_state(client, lambda state: state.journal.passings == 32 * race)  # noqa: B023
        rows = await one.dump("passings")
        finishers = [row for row in rows if row["kind"] == "select"]
        live = [row for row in finishers if row["status"] == "live"]
        assert [row["bib"] for row in live] == [*map(str, range(101, 111)), "7"] * 2
        assert [row["event"] for row in live] == (["005"] * 10 + ["006"]) * 2, "restored after the retransmit"
        assert [row["generation"] for row in live] == [live[0]["generation"]] * 11 + [live[-1]["generation"]] * 11
        assert live[0]["generation"] != live[-1]["generation"]
        repeats = [row for row in finishers if row["status"] == "repeat"]
        assert len(repeats) == 40
        assert {row["origin"] for row in repeats} == {"retransmit"}
        firsts = {row["seq"]: row for row in live}
        assert all(firsts[row["of"]]["bib"] == row["bib"] for row in repeats)
        assert all(firsts[row["of"]]["generation"] == row["generation"] for row in repeats)
        state = await until_state(client, lambda state: export(state, "scoring").tcp == 24)
        assert state.devices[0].passings == 24
        assert state.devices[0].repeats == 40
        assert export(state, "scoring").waiting == export(state, "scoring").held == 0
        await scoring.until(lambda: len(scoring.reads) == 24)
        assert not state.alarms


async def test_a_retransmit_across_a_kill(tmp_path: Path) -> None:
    """The engine dies in the middle of a retransmit: it knows afterwards that what follows is not live."""
    port = PtyPort.open(tmp_path / "chute")
    places = [place(number) for number in range(1, 5)]
    cut: list[tm.Record] = [
        tm.Event("005"),
        *places[:3],
        tm.Event("006"),
        tm.RetransmitBegin(),
        tm.Event("005"),
        places[0],
    ]
    rest: list[tm.Record] = [*places[1:3], tm.RetransmitEnd(), places[3]]
    async with plugged(port), engine(tmp_path, settings(port.where, free_port())) as (one, client):
        await until_open(client)
        for mark in cut:
            port.write(tm.encode(mark))
        await until_state(client, lambda state: state.journal.passings == 4)
        await one.kill()
        again = await one.start()
        await until_open(again)
        assert (await again.refresh()).devices[0].facts["event"] == "005", "known of the rows, before the timer says it"
        for mark in rest:
            port.write(tm.encode(mark))
        await until_state(again, lambda state: state.journal.passings == 7)
        rows = await one.dump("passings")
        assert [row["status"] for row in rows] == ["live"] * 3 + ["repeat"] * 3 + ["live"]
        assert rows[-1]["event"] == "006"
        assert rows[-1]["origin"] == "live"
        assert (await again.refresh()).devices[0].facts["event"] == "006"
        again.close()


async def test_the_second_race_after_a_retransmit_that_the_timer_did_not_end(tmp_path: Path) -> None:
    """It was switched off: the next START is a new race, and what it tells of the first race later is no news."""
    port, number = PtyPort.open(tmp_path / "chute"), free_port()
    scoring = Scoring(f"127.0.0.1:{number}", retry=0.05)
    places = [place(number) for number in range(1, 4)]
    start, again = tm.Start("XC", tm.clock_text(0), 0), tm.RetransmitBegin()
    cut: list[tm.Record] = [start, tm.Event("005"), *places, again, tm.Event("005"), places[0]]
    second: list[tm.Record] = [start, tm.Event("006"), *places[:2]]
    both: list[tm.Record] = [again, tm.Event("005"), *places, tm.Event("006"), *places[:2], tm.RetransmitEnd()]
    async with (
        plugged(port),
        engine(tmp_path, settings(port.where, number)) as (one, client),
        at_work(scoring),
    ):
        await until_open(client)
        await until_state(client, lambda state: export(state, "scoring").peers)
        port.write(b"".join(map(tm.encode, cut)))
        await until_state(client, lambda state: state.journal.passings == 5)
        await asyncio.sleep(START_PAUSE / SECOND)  # the pause itself is what is to be noticed
        port.write(b"".join(map(tm.encode, second)))
        await until_state(client, lambda state: state.journal.passings == 8)
        port.write(b"".join(map(tm.encode, both)))
        state = await until_state(client, lambda state: state.journal.passings == 13)
        rows = await one.dump("passings")
        assert [row["status"] for row in rows] == ["live"] * 4 + ["repeat"] + ["live"] * 3 + ["repeat"] * 5
        assert [row["generation"] for row in rows] == [1] * 5 + [2] * 3 + [1] * 3 + [2] * 2
        assert [row["of"] for row in rows[8:]] == [2, 3, 4, 7, 8]
        assert state.devices[0].passings == 7
        await scoring.until(lambda: len(scoring.reads) == 7)


async def test_a_gun_given_before_the_first_frame_after_test_is_of_the_race(tmp_path: Path) -> None:
    """A Chronomix sends no START line: without the operator's gun there is no UTC."""
    port = PtyPort.open(tmp_path / "chute")
    async with plugged(port), engine(tmp_path, settings(port.where, free_port())) as (one, client):
        await until_open(client)
        await client.phase(Phase.TEST)
        port.write(tm.encode(place(1)))
        await until_state(client, lambda state: state.journal.passings == 1)
        await client.phase(Phase.RACE)
        done = await client.gun(1_795_169_730 * SECOND, "chute")
        assert done.text == "gun set for chute"
        port.write(tm.encode(place(2)))
        await until_state(client, lambda state: state.journal.passings == 2)
        done = await client.gun(1_795_169_730 * SECOND, "chute")
        assert done.text.startswith("gun set for chute; it replaces 11:15:30 (")
        rehearsed, real = await one.dump("passings")
        assert (rehearsed["utc"], real["utc"]) == (None, "2026-11-20T20:15:30.020000000Z")


async def test_a_touch_again_across_a_restart_keeps_the_first_time(tmp_path: Path) -> None:
    port = PtyPort.open(tmp_path / "control")
    skipped = 0.0
    station = Station(port, control=31, clock=1_795_169_730, monotonic=lambda: time.monotonic() + skipped)
    runner, other = Card(uid=bytes.fromhex("01020304")), Card(uid=bytes.fromhex("0A0B0C0D"))
    only_control = f'[[device]]\nname = "control"\ntype = "otimcon"\nport = "{port.where}"\n'
    async with plugged(port), engine(tmp_path, only_control) as (one, client), at_work(station.run()):
        await until_open(client)
        await _touch(station, runner, client, passings=1)
        await one.kill()
        again = await one.start()
        await until_open(again)
        skipped += 20
        await _touch(station, runner, again, passings=2)
        await _touch(station, other, again, passings=3)
        skipped += 31
        await _touch(station, runner, again, passings=4)
        rows = await one.dump("passings")
        assert [(row["tag"], row["status"], row["of"]) for row in rows] == [
            ("01020304", "live", None),
            ("01020304", "repeat", 1),
            ("0A0B0C0D", "live", None),
            ("01020304", "live", None),
        ]
        state = await again.refresh()
        assert (state.devices[0].passings, state.devices[0].repeats) == (3, 1)
        again.close()


async def _touch(station: Station, card: Card, client: Client, passings: int) -> None:
    """Hold a card to the station until its punch has arrived."""
    station.touch(card, hold=0.3)
    await until_state(client, lambda state: state.journal.passings == passings)


async def test_a_gun_that_puts_runners_into_the_future_is_said(tmp_path: Path) -> None:
    port = PtyPort.open(tmp_path / "chute")
    chute = TimeMachine(port)
    async with (
        plugged(port),
        engine(tmp_path, settings(port.where, free_port())) as (one, client),
        at_work(chute.run()),
    ):
        await until_open(client)
        await chute.heard_xon.wait()
        chute.start()
        chute.select("7")
        await until_state(client, lambda state: state.journal.passings == 2)
        await client.gun(time.time_ns() + HOUR, "chute")
        chute.select("8")
        chute.select("9")
        await until_state(client, lambda state: state.journal.passings == 4)
        ran = await one.racedeck("tail", "--incidents", "--json", "--since", "0")
        said = [row["text"] for row in ran.rows if "ahead of their arrival" in row["text"]]
        assert len(said) == 1
        assert said[0].endswith("check the gun")
