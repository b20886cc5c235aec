import asyncio
from collections.abc import Callable, Coroutine
from contextlib import nullcontext
from functools import wraps
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.codecs.timemachine import XOFF, XON
from console.devices.driver import CommandError
from console.devices.manager import Manager
from console.devices.timemachine import TimeMachine, TimeMachineSettings
from console.model import SECOND, Direction, Flow, Level, LinkState, Order
from console.simulators.port import PtyPort
from console.simulators.timemachine import TimeMachine as Timer
from tests import virtual
from tests.devices.outlet import Nowhere
from tests.devices.scripted import MemoryDesk
from tests.devices.timer_rig import EPOCH, rig
from tests.links.recorder import until


def in_virtual_time(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        virtual.run(test(*args, **kwargs))

    return run


def now() -> float:
    return asyncio.get_running_loop().time()


# --- a pause and its limit ---


@in_virtual_time
async def test_a_pause_of_5_minutes_holds_against_a_timer_that_goes_on_after_10_seconds() -> None:
    async with rig(own_timeout=10, xoff_timeout=10) as it:
        it.machine.start()
        finishing = asyncio.create_task(it.finishers(every=1.7))
        await asyncio.sleep(60)
        before = len(it.places())
        began = now()
        reply = await it.send("PAUSE 300")
        assert reply.ok is None
        assert "XON follows in 300 s at the latest" in reply.text
        assert "not a safe store" in reply.text
        await asyncio.sleep(299.9)
        assert it.flow().paused_at == EPOCH + round(began * SECOND)
        assert it.flow().ends_at == EPOCH + round((began + 300) * SECOND)
        assert it.state().facts["state"] == "PAUSED"
        assert it.frames(Direction.RX, since=began + 1) == [], "not a single line has come through"
        assert len(it.places()) <= before + 1
        offs = [at for at, raw in it.sent(since=began) if raw == XOFF]
        assert all(7 < later - earlier < 9 for earlier, later in pairwise(offs)), "in good time, and not too often"
        await asyncio.sleep(0.2)
        assert it.sent()[-1] == (began + 300, XON)
        assert (it.flow().paused_at, it.state().facts["state"]) == (None, "FLOWING")
        finishing.cancel()
        async with asyncio.timeout(60):
            await it.machine.quiet()
        await asyncio.sleep(1)
        assert it.places() == list(range(1, it.finished + 1)), "all that was held has come, in order"
        assert it.finished > before + 170
        assert [text for level, _, text in it.desk.troubles if level is not Level.NOTE] == []


@pytest.mark.parametrize("baud", [1200, 9600])
@pytest.mark.parametrize("timeout", [1, 2, 5, 99])
@in_virtual_time
async def test_a_pause_holds_against_any_timeout_at_any_speed(timeout: int, baud: int) -> None:
    async with rig(own_timeout=timeout, xoff_timeout=timeout, baud=baud) as it:
        finishing = asyncio.create_task(it.finishers(every=0.2))
        await asyncio.sleep(1.234)
        began = now()
        await it.send("PAUSE 120")
        await asyncio.sleep(119.9)
        assert it.frames(Direction.RX, since=began + 1) == []
        assert it.state().facts["state"] == "PAUSED"
        finishing.cancel()


@in_virtual_time
async def test_without_a_timeout_one_xoff_is_enough_and_a_minute_is_the_limit() -> None:
    async with rig() as it:
        began = now()
        await it.send("pause")
        assert it.flow().resumes_at is None
        assert it.flow().ends_at == EPOCH + round((began + 60) * SECOND)
        await asyncio.sleep(61)
        assert it.sent(since=began) == [(began, XOFF), (began + 60, XON)]
        labels = [(one.label, one.by) for _, one in it.frames(Direction.TX, since=began)]
        assert labels == [("XOFF, 60 s at most", "anna"), ("XON, held 60.0 s", "")]


@in_virtual_time
async def test_the_countdown_to_the_timers_own_timeout_begins_anew_with_each_xoff() -> None:
    async with rig(own_timeout=10, xoff_timeout=10) as it:
        began = now()
        await it.send("PAUSE")
        assert it.flow().resumes_at == EPOCH + round((began + 10) * SECOND)
        await asyncio.sleep(8.5)
        assert it.flow().resumes_at == EPOCH + round((began + 18) * SECOND)


@pytest.mark.parametrize(("second", "ends"), [(5, 25), (200, 220)])
@in_virtual_time
async def test_another_pause_replaces_the_limit(second: int, ends: float) -> None:
    async with rig() as it:
        began = now()
        await it.send("PAUSE 60")
        await asyncio.sleep(20)
        await it.send(f"PAUSE {second}")
        assert it.flow().paused_at == EPOCH + round(began * SECOND), "it is one pause"
        await asyncio.sleep(second - 0.1)
        assert it.flow().paused_at is not None
        await asyncio.sleep(0.2)
        assert it.sent()[-1] == (began + ends, XON)


# --- going on ---


@in_virtual_time
async def test_anybody_resumes_and_it_is_measured_how_it_obeyed() -> None:
    async with rig(baud=1200) as it:
        it.machine.primary()
        await asyncio.sleep(0.1)  # 27 bytes take 0.25 s
        await it.send("PAUSE 60")
        await asyncio.sleep(10)
        assert it.flow().note == "line in transit ended 0.15 s after XOFF"
        assert it.flow().lines == 1
        reply = await it.send("RESUME", console=0)
        assert (reply.ok, reply.text) == (None, "XON sent: the pause held 10.0 s")
        assert it.flow().lines == 0
        await asyncio.sleep(8)
        it.machine.primary()
        await asyncio.sleep(1)
        assert it.flow().note == "line in transit ended 0.15 s after XOFF; first line 8.25 s after XON"
        assert it.flow().lines == 1
        assert it.flow().heard is not None
        it.machine.primary()
        await asyncio.sleep(1)
        assert "8.25 s" in it.flow().note, "only the first line is measured"
        assert it.flow().lines == 2


@in_virtual_time
async def test_resume_without_a_pause_says_xon_all_the_same() -> None:
    async with rig() as it:
        it.port.received(XOFF)  # somebody else did it
        await asyncio.sleep(0)
        assert it.paused()
        assert (await it.send("RESUME")).text == "XON sent: it was not paused from here"
        await asyncio.sleep(0.1)
        assert not it.paused()


@in_virtual_time
async def test_the_pause_ends_with_the_console_that_asked_for_it() -> None:
    async with rig() as it:
        await it.send("PAUSE 3600", console=7)
        await asyncio.sleep(5)
        it.manager.left(8)
        await asyncio.sleep(5)
        assert it.paused(), "another console is no reason"
        it.manager.left(7)
        await asyncio.sleep(1)
        assert not it.paused()
        assert it.flow().paused_at is None
        assert it.desk.told(Level.NOTE) == ["XON sent: the console of anna, who had paused it, has gone away"]
        it.manager.left(7)
        assert len([raw for _, raw in it.sent() if raw == XON]) == 2, "one at the opening, and this one"


@in_virtual_time
async def test_a_pause_belongs_to_who_asked_last() -> None:
    async with rig() as it:
        await it.send("PAUSE 100", console=7)
        await it.send("PAUSE 100", console=8)
        it.manager.left(7)
        await asyncio.sleep(50)
        assert it.paused()
        it.manager.left(8)
        await asyncio.sleep(1)
        assert not it.paused()


@in_virtual_time
async def test_a_command_line_that_has_ended_does_not_end_its_pause() -> None:
    async with rig() as it:
        await it.send("PAUSE 100", console=0)
        it.manager.left(0)
        await asyncio.sleep(99)
        assert it.paused()
        await asyncio.sleep(2)
        assert not it.paused()


# --- links and engines that end ---


@in_virtual_time
async def test_a_link_lost_while_paused_ends_the_pause_and_the_next_begins_with_xon() -> None:
    async with rig(own_timeout=10, xoff_timeout=10) as it:
        await it.send("PAUSE 300")
        it.machine.primary()
        await asyncio.sleep(20)
        it.cable.cut("dog")
        await asyncio.sleep(0.1)
        assert it.flow() == Flow()
        assert it.state().facts["state"] == "no link"
        assert it.desk.told(Level.WARNING) == ["the pause ended with the link: XON is sent as soon as it is back"]
        it.manager.left(7)
        with pytest.raises(ConnectionError, match="nothing was sent"):
            await it.send("RESUME")
        sent = len(it.sent())
        await asyncio.sleep(30)
        assert len(it.sent()) == sent, "nothing goes on without a link"
        it.machine.paused = True
        it.cable.mend()
        await it.port.plug()
        await asyncio.sleep(10)
        assert it.state().state is not LinkState.DOWN
        assert not it.paused()
        assert it.sent()[sent:] == [(it.sent()[sent][0], XON)], "and no XOFF of the pause that is over"


@in_virtual_time
async def test_an_engine_that_starts_finds_the_timer_paused_by_one_that_crashed() -> None:
    async with rig() as it:
        await it.manager.stop()
        it.port.received(XOFF)
        await asyncio.sleep(100)
        assert it.paused()
        manager = Manager(it.desk, lambda _: it.cable.a)
        await manager.apply([it.settings])
        await asyncio.sleep(1)
        assert not it.paused()
        await manager.stop()


@in_virtual_time
async def test_an_engine_that_is_stopped_lets_the_timer_go_on() -> None:
    async with rig() as it:
        await it.send("PAUSE 300")
        await asyncio.sleep(1)
        await it.manager.stop()
        await asyncio.sleep(1)
        assert not it.paused()
        assert it.sent()[-1][1] == XON
        assert it.desk.told(Level.NOTE)[-1] == "XON sent: the pause ended, because the device is let go"


@in_virtual_time
async def test_xon_for_a_console_that_went_away_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async with rig() as it:
        await it.send("PAUSE 3600", console=7)
        await asyncio.sleep(1)
        assert it.cable.a.link is not None
        with monkeypatch.context() as full:
            full.setattr(it.cable.a.link, "pending", lambda: 65_536)
            it.manager.left(7)
        assert it.paused()
        assert it.desk.told(Level.WARNING)[-1].startswith("XON could not be sent: chute: takes no bytes")
        await asyncio.sleep(2)
        assert not it.paused()
        assert it.flow().paused_at is None


@in_virtual_time
async def test_a_port_that_takes_nothing_is_said_and_xon_is_tried_again() -> None:
    async with rig(own_timeout=5, xoff_timeout=5) as it:
        await it.send("PAUSE 10")
        it.cable.stall()
        assert it.cable.a.link is not None
        it.cable.a.link.write(bytes(65_535))
        await asyncio.sleep(12)
        warned = it.desk.told(Level.WARNING)
        assert any(text.startswith("XOFF could not be sent: chute: takes no bytes") for text in warned)
        assert any(text.startswith("XON could not be sent: chute: takes no bytes") for text in warned)
        assert it.flow().paused_at is not None
        it.manager.left(7)
        it.cable.flow()
        await asyncio.sleep(2)
        assert it.flow().paused_at is None
        assert not it.paused()


# --- a timer that does not hold ---


@in_virtual_time
async def test_a_timer_that_goes_on_by_itself_is_said_once() -> None:
    async with rig(own_timeout=4, xoff_timeout=0) as it:
        finishing = asyncio.create_task(it.finishers(every=0.5))
        await asyncio.sleep(3)
        await it.send("PAUSE 60")
        await asyncio.sleep(3)
        assert it.desk.told(Level.WARNING) == []
        await asyncio.sleep(20)
        (text,) = it.desk.told(Level.WARNING)
        assert text.startswith("the timer does not hold: a line came 4.0 s after XOFF; either XOFF does not reach it")
        assert "xoff_timeout = 0 here" in text
        assert it.state().facts["state"] == "PAUSED, but lines come"
        assert it.flow().note.startswith("the timer does not hold: lines came up to ")
        assert it.flow().lines > 20
        await it.send("RESUME")
        assert it.state().facts["state"] == "FLOWING"
        finishing.cancel()


@in_virtual_time
async def test_several_lines_in_transit_are_no_disobedience() -> None:
    async with rig() as it:
        for _ in range(20):
            it.machine.primary()
        await asyncio.sleep(0.2)
        it.cable.stall()  # a bridge that collects
        await asyncio.sleep(0.2)
        await it.send("PAUSE")
        it.cable.flow()
        await asyncio.sleep(30)
        assert it.desk.told(Level.WARNING) == []
        assert it.flow().lines > 1


# --- silence ---


@in_virtual_time
async def test_a_timer_that_has_to_wait_is_not_silent_and_gets_its_time_anew() -> None:
    async with rig(silent_after=30) as it:
        it.machine.primary()
        await asyncio.sleep(1)
        await it.send("PAUSE 300")
        await asyncio.sleep(310)
        assert it.state().state is LinkState.UP
        await asyncio.sleep(25)
        assert it.state().state is LinkState.SILENT


# --- the handshake lines ---


class Lines(Nowhere):
    """An outlet with RTS and DTR."""

    def __init__(self) -> None:
        super().__init__()
        self.state: dict[str, bool | None] = {"CTS": True, "DSR": None, "CD": None, "RTS": True, "DTR": True}
        self.sent: list[bytes] = []
        self.clock = EPOCH

    def send(self, raw: bytes, *, by: str = "", label: str = "", mask: bytes = b"") -> None:
        self.sent.append(raw)

    def lines(self) -> dict[str, bool | None]:
        return self.state

    def set_line(self, name: str, up: bool, *, by: str = "") -> None:
        self.state[name] = up

    def wall(self) -> int:
        return self.clock


def with_lines(**settings: Any) -> tuple[TimeMachine, Lines]:
    outlet = Lines()
    driver = TimeMachine(TimeMachineSettings(name="chute", type="timemachine", **settings), outlet)
    driver.opened()
    return driver, outlet


LINE = b"\x1711 001 0001 00:15:42.07 \r\n"


async def test_a_line_that_is_dropped_holds_the_timer_until_it_is_raised() -> None:
    driver, outlet = with_lines(silent_after=10)
    reply = await driver.command(Order(words="RTS low", by="anna"))
    assert reply.ok is None
    assert reply.text.startswith("RTS is low: the timer holds its lines if the cable brings this one")
    assert outlet.state["RTS"] is False
    assert (driver.facts["state"], driver.silence()) == ("HELD by RTS low", None)
    await driver.command(Order(words="dtr LOW", by="anna"))
    assert driver.facts["state"] == "HELD by RTS and DTR low"
    assert (await driver.command(Order(words="RESUME", by="ben"))).text == (
        "XON sent: it was not paused from here; but RTS and DTR low may still hold it"
    )
    await driver.command(Order(words="PAUSE", by="anna"))
    assert driver.facts["state"] == "PAUSED, HELD by RTS and DTR low"
    await driver.command(Order(words="RESUME", by="ben"))
    for name in ("RTS", "DTR"):
        assert (await driver.command(Order(words=f"{name} high", by="anna"))).text == f"{name} is high"
    assert driver.facts["state"] == "FLOWING"
    assert [outlet.state[name] for name in ("RTS", "DTR")] == [True, True]
    assert driver.silence() == 10


async def test_a_line_that_the_timer_does_not_mind_is_said() -> None:
    driver, outlet = with_lines()
    await driver.command(Order(words="RTS low", by="anna"))
    outlet.clock += SECOND // 10
    driver.receive(LINE, outlet.clock)
    assert driver.facts["state"] == "HELD by RTS low", "it was in transit"
    outlet.clock += 5 * SECOND
    driver.receive(LINE, outlet.clock)
    assert driver.facts["state"] == "HELD by RTS low, but lines come"
    assert [text for _, text in outlet.told] == [
        "the timer does not hold: a line came 5.1 s after RTS went low; "
        "the cable does not bring that line, or the handshake line is disabled in its RS232 menu"
    ]


async def test_a_dropped_line_is_raised_when_its_console_goes_away_and_forgotten_with_the_link() -> None:
    driver, outlet = with_lines()
    await driver.command(Order(words="RTS low", by="anna", console=3))
    await driver.command(Order(words="DTR low", by="ben", console=4))
    driver.left(3)
    assert (outlet.state["RTS"], outlet.state["DTR"]) == (True, False)
    assert driver.facts["state"] == "HELD by DTR low"
    driver.lost()
    outlet.state["DTR"] = True  # an opening raises both
    driver.opened()
    assert driver.facts["state"] == "XON sent"


# --- what the incidents tell ---


@pytest.mark.parametrize(("word", "parity"), [("7E2", "even"), ("7O2", "odd"), ("7N2", "none")])
@in_virtual_time
async def test_a_wrong_word_setting_is_one_incident_however_many_lines_come(word: str, parity: str) -> None:
    async with rig(word=word) as it:
        for place in range(200):
            it.machine.event(place) if place % 10 == 0 else it.machine.primary()
        await asyncio.sleep(20)
        (text,) = it.desk.told(Level.WARNING)
        assert text.startswith(f'wrong word setting: the timer sends {word}: set data_bits = 7, parity = "{parity}" in')
        assert it.state().state is LinkState.OPEN
        frames = [one for _, one in it.frames(Direction.RX)]
        assert {one.label for one in frames} == {"garbage"}
        assert not any(one.facts for one in frames)
        await asyncio.sleep(61)
        assert it.desk.told(Level.WARNING)[1:] == [f"wrong word setting: {len(frames) - 1} more in the last minute"]


# --- a real pty ---


async def test_on_a_pty(tmp_path: Path) -> None:
    port = PtyPort.open()
    timer = Timer(port)
    running = asyncio.create_task(timer.run())
    desk = MemoryDesk()
    manager = Manager(desk)
    settings = TimeMachineSettings(name="chute", type="timemachine", port=port.where)

    async def send(words: str) -> str:
        return (await manager.command("chute", Order(words=words, by="anna", console=1))).text

    try:
        await manager.apply([settings])
        await timer.heard_xon.wait()
        assert manager.states()[0].facts["lines"] == "not available"
        await send("PAUSE 60")
        await until(lambda: timer.paused)
        timer.primary()
        with pytest.raises(ConnectionError, match="RTS is not available on this port"):
            await send("RTS low")
        assert manager.states()[0].facts["state"] == "PAUSED"
        assert desk.raw("chute") == b""
        await send("RESUME")
        await until(lambda: manager.states()[0].facts["state"] == "FLOWING" and desk.raw("chute"))
        assert "first line" in getattr(manager.states()[0].flow, "note")  # noqa: B009 - mypy: it may be None
        await send("PAUSE 60")
        await until(lambda: timer.paused)
        await manager.stop()
        await until(lambda: not timer.paused)
    finally:
        await manager.stop()
        await port.close()
        await running


# --- whatever happens ---

acts = st.one_of(
    st.tuples(
        st.just("send"), st.sampled_from(["PAUSE 5", "PAUSE 40", "PAUSE 0", "RESUME", "RTS low", "XOFF", "PAUSE x"])
    ),
    st.tuples(st.just("wait"), st.floats(0, 30)),
    st.tuples(st.just("left"), st.integers(0, 2)),
    st.tuples(st.just("finish"), st.integers(1, 5)),
    st.tuples(st.just("cut"), st.floats(0, 20)),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(acts, max_size=25), st.sampled_from([0, 1, 7]))
@in_virtual_time
async def test_whatever_happens_a_pause_ends_and_nothing_is_lost_but_with_the_link(
    script: list[tuple[str, Any]], timeout: int
) -> None:
    async with rig(own_timeout=timeout, xoff_timeout=timeout) as it:
        cuts = 0
        for number, (what, value) in enumerate(script):
            if what == "send":
                with pytest.raises((CommandError, ConnectionError)) if _refused(value) else nullcontext():
                    await it.send(value, console=number % 3)
            elif what == "wait":
                await asyncio.sleep(value)
            elif what == "left":
                it.manager.left(value)
            elif what == "finish":
                for _ in range(value):
                    it.machine.primary()
            else:
                cuts += 1
                it.cable.cut()
                await asyncio.sleep(value)
                it.cable.mend()
                await it.port.plug()
                await asyncio.sleep(15)
            if it.flow().paused_at is not None:
                assert it.desk.wall() <= (it.flow().ends_at or 0)
                assert [raw for _, raw in it.sent()][-1] == XOFF
        await asyncio.sleep(41)
        assert it.flow().paused_at is None
        assert [raw for _, raw in it.sent()][-1] == XON
        await it.machine.quiet()
        await asyncio.sleep(1)
        places = it.places()
        assert places == sorted(set(places))
        if not cuts:
            assert places == list(range(1, len(places) + 1))
        assert it.desk.told(Level.ALARM) == ["link lost: cable cut"] * cuts


def _refused(words: str) -> bool:
    return words in ("PAUSE 0", "RTS low", "XOFF", "PAUSE x")
