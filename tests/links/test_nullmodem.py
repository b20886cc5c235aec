import asyncio

import pytest

from console.links.link import LinkError
from console.links.nullmodem import NullModem
from tests.links.recorder import Recorder


async def test_what_one_end_writes_the_other_hears() -> None:
    cable, here, there = NullModem(), Recorder(), Recorder()
    a, b = await cable.a.open(here), await cable.b.open(there)
    a.write(b"one ")
    a.write(b"two")
    b.write(b"yes")
    assert (a.pending(), b.pending()) == (7, 3)
    await there.hears(b"one two")
    await here.hears(b"yes")
    assert (a.pending(), b.pending()) == (0, 0)
    assert a.lines() == {}


async def test_a_line_keeps_nothing_for_who_is_not_there() -> None:
    cable, there = NullModem(), Recorder()
    a = await cable.a.open(Recorder())
    a.write(b"lost")
    await asyncio.sleep(0)
    b = await cable.b.open(there)
    a.write(b"heard")
    await there.hears(b"heard")
    b.abort()
    a.write(b"lost too")
    await asyncio.sleep(0)
    assert there.data == b"heard"
    assert there.losses == []


async def test_a_stalled_line_keeps_what_is_written_pending() -> None:
    cable, there = NullModem(), Recorder()
    a = await cable.a.open(Recorder())
    await cable.b.open(there)
    cable.stall()
    a.write(b"wait")
    await asyncio.sleep(0)
    assert a.pending() == 4
    assert there.data == b""
    cable.flow()
    await there.hears(b"wait")


async def test_a_cut_cable_is_a_loss_for_both_until_it_is_mended() -> None:
    cable, here, there = NullModem(), Recorder(), Recorder()
    a = await cable.a.open(here)
    await cable.b.open(there)
    with pytest.raises(LinkError, match="open already"):
        await cable.a.open(here)
    cable.cut("dog")
    assert (here.losses, there.losses) == (["dog"], ["dog"])
    with pytest.raises(ConnectionError):
        a.write(b"x")
    with pytest.raises(LinkError, match="the cable is cut"):
        await cable.a.open(here)
    waiting = asyncio.create_task(cable.a.appeared())
    await asyncio.sleep(0)
    assert not waiting.done()
    cable.mend()
    await waiting
    await (await cable.a.open(here)).closed()
