"""Ports that do not exist, are busy, vanish in the middle of a line and come back under another node."""

import os
from pathlib import Path

from console.simulators.port import PtyPort
from tests.faults.rig import (
    Sender,
    all_frames,
    at_work,
    chute_line,
    engine,
    incidents,
    plugged,
    until_open,
    until_state,
)

TIMES = 5


def settings(port: Path) -> str:
    return f'[[device]]\nname = "chute"\ntype = "timemachine"\nport = "{port}"\n'


async def test_a_port_that_is_not_there_yet(tmp_path: Path) -> None:
    link = tmp_path / "chute"
    async with engine(tmp_path, settings(link)) as (one, client):
        state = await until_state(client, lambda state: state.alarms)
        assert [alarm.text for alarm in state.alarms] == [
            f"no link: {link}: does not exist: check cable and adapter; `racedeck ports` lists what is there"
        ]
        assert state.devices[0].state == "down"
        shown = await one.racedeck("status")
        assert "DOWN" in shown.out
        assert "does not exist" in shown.out
        port = PtyPort.open(link)
        device = Sender(port, chute_line)
        async with plugged(port), at_work(device):
            await until_open(client)
            device.send(3)
            state = await until_state(client, lambda state: state.journal.passings == 3)
            assert state.devices[0].state == "up"


async def test_the_same_alarm_of_two_lives_is_one_alarm(tmp_path: Path) -> None:
    async with engine(tmp_path, settings(tmp_path / "chute")) as (one, client):
        first = (await until_state(client, lambda state: state.alarms)).alarms
        await one.kill()
        again = await one.start()
        second = (await until_state(again, lambda state: state.journal.incidents > first[-1].seq)).alarms
        assert [alarm.text for alarm in second] == [alarm.text for alarm in first]
        assert second[0].seq > first[0].seq
        again.close()


async def test_a_port_that_somebody_else_has(tmp_path: Path) -> None:
    """Two devices by mistake on the same port: the second says who has it, and takes over when it is free."""
    port = PtyPort.open(tmp_path / "chute")
    twice = settings(tmp_path / "chute") + settings(tmp_path / "chute").replace('"chute"', '"twin"', 1)
    async with plugged(port), engine(tmp_path, twice) as (one, client), at_work(Sender(port, chute_line)):
        state = await until_state(client, lambda state: state.alarms)
        (alarm,) = state.alarms
        assert "in use by" in alarm.text
        assert "close that first" in alarm.text
        free = next(device.name for device in state.devices if device.name != alarm.source)
        one.write(settings(tmp_path / "chute").replace('"chute"', f'"{alarm.source}"', 1))
        assert (await one.racedeck("reload")).err == f"settings read again: device {free} changed\n"
        await until_state(client, lambda state: [device.state for device in state.devices] == ["open"])


async def test_it_vanishes_in_the_middle_of_a_line_and_comes_back_under_another_node(tmp_path: Path) -> None:
    link = tmp_path / "chute"
    # The system gives the lowest free number: that of one of these, once they are closed.
    lower = [os.openpty() for _ in range(4)]
    port = PtyPort.open(link)
    device = Sender(port, chute_line)
    async with plugged(port), engine(tmp_path, settings(link)) as (_, client), at_work(device):
        await until_open(client)
        device.send(2)
        half = chute_line(3)[:15]
        port.write(half)
        await until_state(client, lambda state: state.journal.passings == 2)
        node = link.readlink()
        for end in (end for pair in lower for end in pair):
            os.close(end)
        await port.drop(away=0.0)
        (alarm,) = (await until_state(client, lambda state: state.alarms)).alarms
        assert link.readlink() != node
        await until_open(client)
        device.number = 3
        device.send(2)
        await until_state(client, lambda state: state.journal.passings == 4)
        frames = [frame for frame in await all_frames(client) if frame.direction == "rx"]
        assert [frame.raw for frame in frames] == [
            chute_line(1),
            chute_line(2),
            half,
            chute_line(4),
            chute_line(5),
        ]
        assert [bool(frame.flaw) for frame in frames] == [False, False, True, False, False]
        assert frames[2].flaw == "cut short"
        assert alarm.text.startswith(f"link lost: {link}: ")
        assert "check" in alarm.text
        texts = [one.text for one in await incidents(client)]
        assert [text for text in texts if "link" in text] == [alarm.text], "said once"
        assert "place 0003 missing before select 0004 on 11 4 10:00:00.04" in texts


async def test_pulled_again_and_again(tmp_path: Path) -> None:
    """A loose contact: said once while it lasts, and no whole line that came is missing."""
    link = tmp_path / "chute"
    port = PtyPort.open(link)
    device = Sender(port, chute_line)
    async with plugged(port), engine(tmp_path, settings(link)) as (_, client), at_work(device):
        for turn in range(1, TIMES + 1):
            await until_open(client)
            device.send(4)
            await until_state(client, lambda state: state.journal.passings == 4 * turn)  # noqa: B023
            await port.drop(away=0.05)
            await until_state(client, lambda state: state.devices[0].state != "up")
        passings = await client.passings(after=0)
        assert [one.passing.bib for one in passings] == [str(number) for number in range(1, 4 * TIMES + 1)]
        alarms = [one for one in await incidents(client) if one.level == "alarm"]
        assert len(alarms) == 1
