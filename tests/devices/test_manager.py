import asyncio
import os
import random
import socket
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from itertools import repeat
from pathlib import Path

import pytest

from console.devices import DRIVERS, driver_class, runner
from console.devices.driver import CommandError, DeviceSettings, Reply
from console.devices.manager import Manager, endpoint_for
from console.devices.ordering import STOP
from console.links.link import Endpoint
from console.links.nullmodem import NullModem
from console.model import SECOND, DeviceState, Direction, Draft, Frame, Level, LinkState, Order, Reading
from console.simulators.port import PtyPort, TcpPort
from tests.devices.reconnects import reconnects
from tests.devices.scripted import MemoryDesk, Scripted, ScriptedSettings
from tests.links.recorder import Recorder, until


class Bench:
    """A manager, its desk, and the far ends of null modems, one per device without port or address."""

    def __init__(self) -> None:
        self.desk = MemoryDesk()
        self.cables: dict[str, NullModem] = {}
        self.manager = Manager(self.desk, self.endpoint)

    def endpoint(self, settings: DeviceSettings) -> Endpoint:
        if settings.port or settings.address:
            return endpoint_for(settings)
        return self.cables.setdefault(settings.name, NullModem()).a

    async def start(self, *settings: DeviceSettings) -> None:
        await self.manager.apply(list(settings))

    def state(self, name: str = "d") -> DeviceState:
        return next(state for state in self.manager.states() if state.name == name)

    async def reaches(self, *states: LinkState, name: str = "d") -> DeviceState:
        await until(lambda: self.state(name).state in states)
        return self.state(name)

    async def far(self, name: str = "d") -> tuple[Callable[[bytes], None], Recorder]:
        """The device's end of its null modem, once the manager has opened its own."""
        await until(lambda: name in self.cables and self.cables[name].a.link)
        ear = Recorder()
        return (await self.cables[name].b.open(ear)).write, ear


@pytest.fixture
async def bench(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    monkeypatch.setitem(DRIVERS, "scripted", "tests.devices.scripted:Scripted")
    monkeypatch.setattr(Scripted, "made", 0)
    monkeypatch.setattr(Scripted, "attend_fails", [])
    monkeypatch.setattr(runner, "backoff", lambda: repeat(0.01))
    made = Bench()
    yield made
    await made.manager.stop()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    assert not [task for task in others if "device" in task.get_name() or "runner" in repr(task)]


def device(name: str = "d", **settings: object) -> ScriptedSettings:
    return ScriptedSettings(name=name, type="scripted", **settings)  # type: ignore[arg-type]


# --- states ---


async def test_open_until_something_valid_comes_then_up(bench: Bench) -> None:
    await bench.start(device())
    write, _ = await bench.far()
    state = await bench.reaches(LinkState.OPEN)
    assert (state.heard, state.drift, state.reason) == (None, None, "")
    write(b"bad 1\n")
    await until(lambda: bench.desk.frames)
    assert bench.state().state is LinkState.OPEN
    write(b"good\n")
    state = await bench.reaches(LinkState.UP)
    assert state.heard == bench.desk.frames[-1].wall
    assert state.facts == {"last": "good"}
    assert state.commands == (*Scripted.commands, STOP)
    await bench.manager.stop()
    assert bench.state().state is LinkState.CLOSED
    assert bench.desk.told(Level.ALARM) == []


async def test_every_byte_is_journaled_with_its_stamp_before_the_state_tells(bench: Bench) -> None:
    await bench.start(device())
    write, _ = await bench.far()
    write(b"one\ntwo\nthr")
    write(b"ee\nhalf")
    await until(lambda: len(bench.desk.frames) == 3)
    await bench.manager.stop()
    assert bench.desk.raw("d") == b"one\ntwo\nthree\nhalf"
    assert [draft.flaw for draft in bench.desk.frames] == ["", "", "", "cut short"]
    assert [draft.label for draft in bench.desk.frames] == ["one", "two", "three", "garbage"]
    assert all(draft.wall and draft.mono and not draft.by for draft in bench.desk.frames)


async def test_bytes_that_come_before_the_driver_is_ready_are_not_lost(bench: Bench) -> None:
    """A TCP device greets in the same breath as it accepts."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host, port = listener.getsockname()
        await bench.start(device(address=f"{host}:{port}", greeting="hello"))
        listener.setblocking(False)
        connection, _ = await asyncio.get_running_loop().sock_accept(listener)
        with connection:
            connection.send(b"first\nsecond\n")
            await until(lambda: bench.desk.raw("d") == b"first\nsecond\n")


# --- loss and return ---


async def test_a_loss_is_told_once_and_the_return_with_how_long(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "STEADY", 0.0)
    await bench.start(device())
    write, _ = await bench.far()
    write(b"good\nhalf a li")
    await bench.reaches(LinkState.UP)
    await until(lambda: bench.cables["d"].b.link and not bench.cables["d"].b.link.pending())
    tried = 0
    open_end = bench.cables["d"].a.open

    async def count(receiver: Recorder) -> object:
        nonlocal tried
        tried += 1
        return await open_end(receiver)

    monkeypatch.setattr(bench.cables["d"].a, "open", count)
    bench.cables["d"].cut("dog")
    state = await bench.reaches(LinkState.DOWN)
    assert state.reason == "dog"
    assert state.retry_at is not None
    assert bench.desk.frames[-1].raw == b"half a li"
    assert bench.desk.frames[-1].flaw == "cut short"
    await until(lambda: tried >= 3)
    state = bench.state()
    assert (state.state, state.reason) == (LinkState.DOWN, "null modem a: the cable is cut")
    assert bench.desk.told(Level.ALARM) == ["link lost: dog"]
    since = state.since
    bench.desk.later(134)
    bench.cables["d"].mend()
    await bench.reaches(LinkState.OPEN)
    assert bench.state().since > since
    await until(lambda: bench.desk.told(Level.NOTE))
    assert bench.desk.told(Level.NOTE) == ["back after 2 min 14 s"]
    assert bench.desk.told(Level.ALARM) == ["link lost: dog"]


async def test_a_link_that_is_cut_off_at_once_is_down_and_told_once(bench: Bench) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        await bench.start(device(address="{}:{}".format(*listener.getsockname())))
        for _ in range(5):
            connection, _ = await asyncio.get_running_loop().sock_accept(listener)
            connection.close()
        await bench.manager.stop()
    assert len(bench.desk.told(Level.ALARM)) == 1
    assert "the other side closed the connection" in bench.desk.told(Level.ALARM)[0]
    assert bench.desk.told(Level.NOTE) == []


async def test_a_device_that_is_not_there_at_the_start_is_told_with_what_to_check(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "ttyUSB0"
    await bench.start(device(port=str(path)))
    state = await bench.reaches(LinkState.DOWN)
    assert state.where == str(path)
    assert bench.desk.told(Level.ALARM) == [f"no link: {state.reason}"]
    assert "does not exist: check cable and adapter" in state.reason
    with pytest.raises(ConnectionError, match=r"d is not connected .*does not exist.* nothing was sent"):
        await bench.manager.command("d", Order(words="SAY hello", by="tester"))


async def test_a_port_that_comes_back_under_its_name_with_another_node(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pty goes away in the middle of a line, and another takes its place under the same link."""
    monkeypatch.setattr(runner, "backoff", lambda: repeat(50.0))  # only the node itself wakes it
    port = PtyPort.open(tmp_path / "usb-FTDI")
    try:
        await bench.start(device(port=str(tmp_path / "usb-FTDI"), greeting="who?\n"))
        assert await port.read() == b"who?\n"
        first = os.readlink(tmp_path / "usb-FTDI")
        taken = os.open(first, os.O_RDWR | os.O_NOCTTY)  # so that the next pty gets another number
        try:
            port.write(b"1\n2\n3 and a ha")
            await until(lambda: bench.desk.raw("d") == b"1\n2\n")
            await until(lambda: bench.state().state is LinkState.UP)
            await port.drop(away=0.02)
            assert os.readlink(tmp_path / "usb-FTDI") != first
            assert await port.read() == b"who?\n"
            assert bench.desk.raw("d") == b"1\n2\n3 and a ha"
            port.write(b"4\n")
            await until(lambda: bench.desk.raw("d").endswith(b"4\n"))
        finally:
            os.close(taken)
    finally:
        await port.close()
    assert len(bench.desk.told(Level.ALARM)) == 1


async def test_a_busy_port_is_said_in_words_and_taken_when_it_is_free(bench: Bench) -> None:
    port = PtyPort.open()
    try:
        await bench.start(device("first", port=port.where))
        await bench.reaches(LinkState.OPEN, name="first")
        await bench.start(device("first", port=port.where), device("second", port=port.where))
        state = await bench.reaches(LinkState.DOWN, name="second")
        assert f"{port.where}: in use by" in state.reason
        assert bench.state("first").state is LinkState.OPEN
        await bench.start(device("second", port=port.where))
        await bench.reaches(LinkState.OPEN, name="second")
    finally:
        await port.close()


# --- silence ---


async def test_a_device_that_accepts_and_says_nothing_is_silent(bench: Bench) -> None:
    port = TcpPort.listen()
    try:
        await bench.start(device(address=port.where, silent_after=0.02))
        state = await bench.reaches(LinkState.SILENT)
        assert state.reason == "nothing heard for 0 s: check that the device is on, and its cable"
        assert len(bench.desk.told(Level.ALARM)) == 1
        bench.desk.later(60)
        port.write(b"go")
        await until(lambda: bench.desk.told(Level.NOTE))
        assert "heard again after 1 min" in bench.desk.told(Level.NOTE)[0]
        assert bench.state().state is not LinkState.UP  # bytes, yet no frame
        await bench.reaches(LinkState.SILENT)
        port.write(b"od\n")
        await until(lambda: len(bench.desk.told(Level.NOTE)) == 2)
        assert bench.desk.raw("d") == b"good\n"
        await bench.reaches(LinkState.SILENT)
        assert len(bench.desk.told(Level.ALARM)) == 3
    finally:
        await port.close()


async def test_silence_that_is_normal_is_no_state(bench: Bench) -> None:
    await bench.start(device(silent_after=0))
    await bench.reaches(LinkState.OPEN)
    bench.desk.later(86_400)
    write, _ = await bench.far()
    write(b"good\n")
    await bench.reaches(LinkState.UP)
    assert bench.desk.troubles == []


# --- flaws and notes ---


async def test_flaws_of_a_kind_are_told_once_a_minute(bench: Bench) -> None:
    await bench.start(device())
    write, _ = await bench.far()
    write(b"bad 06B4\nbad 0000\nbad 1111\nnote card full\nnote card full\n")
    await until(lambda: len(bench.desk.frames) == 5)
    assert bench.desk.troubles == [(Level.WARNING, "d", "checksum: got 06B4"), (Level.WARNING, "d", "card full")]
    assert [len(draft.troubles) for draft in bench.desk.frames] == [1, 0, 0, 1, 0]
    bench.desk.later(61)
    write(b"note other\n")  # any new kind makes the runner look at its clock
    await until(lambda: len(bench.desk.troubles) == 5)
    assert [text for _, _, text in bench.desk.troubles[2:]] == [
        "other",
        "checksum: 2 more in the last minute",
        "card full: 1 more in the last minute",
    ]


# --- drift ---


async def test_drift_is_that_of_the_last_live_time(bench: Bench) -> None:
    await bench.start(device())
    write, _ = await bench.far()
    now = datetime.now(UTC)
    ahead = now + timedelta(hours=1)
    of_day = (ahead - ahead.replace(hour=0, minute=0, second=0, microsecond=0)) // timedelta(microseconds=1) * 1000
    write(b"at %d\n" % of_day)
    state = await bench.reaches(LinkState.UP)
    assert state.drift is not None
    assert 3500 * SECOND < state.drift <= 3600 * SECOND
    write(b"[\nat 0\n")
    await until(lambda: len(bench.desk.frames) == 3)
    assert bench.state().drift == state.drift
    write(b"]\nat %d\n" % of_day)
    await until(lambda: len(bench.desk.frames) == 5)
    assert bench.state().drift != state.drift


# --- drivers that fail ---


async def test_a_driver_that_fails_is_restarted_and_loses_no_byte(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    await bench.start(device(), device("other"))
    write, _ = await bench.far()
    there, _ = await bench.far("other")
    write(b"good\nBOOM\nmore")
    await until(lambda: Scripted.made == 3)
    assert b"good\nBOOM\nmore" in bench.desk.raw("d")
    assert bench.desk.told(Level.ALARM) == ["the driver failed (ZeroDivisionError: scripted); what came is kept"]
    assert "ZeroDivisionError" in caplog.text
    await bench.reaches(LinkState.OPEN)
    write(b"again\n")
    await bench.reaches(LinkState.UP)
    there(b"well\n")
    await until(lambda: bench.desk.raw("other") == b"well\n")
    assert bench.state("other").state is LinkState.UP


async def test_a_driver_whose_attending_fails_is_restarted(bench: Bench) -> None:
    Scripted.attend_fails[:] = [ConnectionError("gone"), ZeroDivisionError("scripted")]
    await bench.start(device())
    await until(lambda: not Scripted.attend_fails)
    await bench.reaches(LinkState.OPEN)
    assert [text.partition(" (")[0] for text in bench.desk.told(Level.ALARM)] == ["the driver failed"]


async def test_attending_that_finds_the_link_gone_is_no_failure_of_the_driver(bench: Bench) -> None:
    gone = ConnectionError("the link is gone")
    Scripted.attend_fails = [ExceptionGroup("tasks", [ExceptionGroup("of a task", [gone])])]
    await bench.start(device())
    await until(lambda: not Scripted.attend_fails)
    await bench.reaches(LinkState.OPEN)
    await until(lambda: bench.desk.told(Level.ALARM))
    assert bench.desk.told(Level.ALARM) == ["link lost: the link is gone"]
    assert Scripted.made == 1


async def test_a_driver_that_cannot_be_made_harms_no_other(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DRIVERS, "broken", "tests.devices.no_such_module:Broken")
    await bench.start(DeviceSettings(name="b", type="broken", port="/dev/null"), device())
    await bench.reaches(LinkState.OPEN)
    state = await bench.reaches(LinkState.DOWN, name="b")
    assert "the driver failed (ModuleNotFoundError" in state.reason


async def test_a_driver_whose_patience_fails_is_restarted(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    failures = [ZeroDivisionError("scripted")]

    def silence(_: Scripted) -> float | None:
        if failures:
            raise failures.pop()
        return None

    monkeypatch.setattr(Scripted, "silence", silence)
    await bench.start(device())
    await until(lambda: Scripted.made == 2)
    await bench.reaches(LinkState.OPEN)


async def test_a_driver_that_fails_as_it_is_ended_holds_up_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def attend(_: Scripted) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise ZeroDivisionError("scripted")

    monkeypatch.setattr(Scripted, "attend", attend)
    await bench.start(device())
    await bench.reaches(LinkState.OPEN)
    await bench.start()
    assert bench.manager.states() == []
    assert bench.cables["d"].a.link is None


async def test_a_driver_that_fails_at_the_opening_loses_no_byte(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    failures = [ZeroDivisionError("scripted")]
    opened = Scripted.opened

    def fail(self: Scripted) -> None:
        if failures:
            bench.cables["d"].a.link.receiver.received(b"early\n")  # type: ignore[union-attr]
            raise failures.pop()
        opened(self)

    monkeypatch.setattr(Scripted, "opened", fail)
    await bench.start(device())
    await until(lambda: Scripted.made == 2)
    assert bench.desk.raw("d") == b"early\n"


# --- sending ---


async def test_what_is_sent_is_journaled_with_secrets_masked(bench: Bench) -> None:
    await bench.start(device(secret="tiger", greeting="login tiger\n"))
    await bench.reaches(LinkState.OPEN)
    _, ear = await bench.far()
    reply = await bench.manager.command("d", Order(words="SAY key=tiger,tiger", by="marie"))
    assert (reply.ok, reply.text) == (None, "sent")
    await until(lambda: ear.data.endswith(b"key=tiger,tiger"))
    first, second = (draft for draft in bench.desk.frames if draft.direction is Direction.TX)
    assert (first.raw, first.label, first.masked, first.by) == (b"login *\n", "greeting", True, "")
    assert (second.raw, second.label, second.masked, second.by) == (b"key=*,*", "SAY", True, "marie")


async def test_a_command_gets_its_answer(bench: Bench) -> None:
    await bench.start(device())
    write, ear = await bench.far()
    asked = asyncio.create_task(bench.manager.command("d", Order(words="ASK who?", by="marie")))
    await until(lambda: ear.data == b"who?")
    write(b"me\n")
    assert (await asked).text == "me"


async def test_commands_that_cannot_be_sent_say_why(bench: Bench) -> None:
    await bench.start(device(), device("e"))
    await bench.reaches(LinkState.OPEN)
    with pytest.raises(CommandError, match="no device 'x'; there is d, e"):
        await bench.manager.command("x", Order(words="SAY", by="marie"))
    with pytest.raises(CommandError, match="no command 'SING'"):
        await bench.manager.command("d", Order(words="SING", by="marie"))
    with pytest.raises(CommandError, match="d: the driver failed on 'BREAK': ZeroDivisionError"):
        await bench.manager.command("d", Order(words="BREAK", by="marie"))
    assert bench.state().state is LinkState.OPEN


async def test_a_lost_link_ends_the_commands_under_way(bench: Bench) -> None:
    await bench.start(device())
    _, ear = await bench.far()
    asked = asyncio.create_task(bench.manager.command("d", Order(words="ASK who?", by="marie")))
    await until(lambda: ear.data == b"who?")
    bench.cables["d"].cut("pulled")
    with pytest.raises(ConnectionError, match=r"d: ASK who\?: the link was lost \(pulled\) before it was done"):
        await asked
    outcome = bench.state().outcome
    assert outcome is not None
    assert (outcome.ok, outcome.by, outcome.words) == (False, "marie", "ASK who?")


async def test_what_takes_long_can_be_stopped_by_anyone(bench: Bench) -> None:
    await bench.start(device())
    _, ear = await bench.far()
    with pytest.raises(CommandError, match="nothing is under way"):
        await bench.manager.command("d", Order(words="STOP", by="ann"))
    asked = asyncio.create_task(bench.manager.command("d", Order(words="ASK who?", by="marie")))
    await until(lambda: ear.data == b"who?")
    stopped = await bench.manager.command("d", Order(words="stop", by="ann"))
    assert stopped.text == "stopped: ASK who?"
    with pytest.raises(ConnectionError, match=r"ASK who\?: stopped by ann"):
        await asked
    assert "STOP" in [command.words for command in bench.state().commands]


async def test_a_second_stop_does_not_cut_off_the_tidying_up(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, tidy, tidied = asyncio.Event(), asyncio.Event(), []

    async def command(driver: Scripted, order: Order) -> Reply:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await tidy.wait()
            tidied.append(order.words)
        raise AssertionError

    monkeypatch.setattr(Scripted, "command", command)
    await bench.start(device())
    await bench.reaches(LinkState.OPEN)
    asked = asyncio.create_task(bench.manager.command("d", Order(words="ASK time", by="anna")))
    await begun.wait()
    for who in ("anna", "bert"):
        assert (await bench.manager.command("d", Order(words="STOP", by=who))).text == "stopped: ASK time"
    bench.cables["d"].cut("pulled out")
    await bench.reaches(LinkState.DOWN)
    tidy.set()
    with pytest.raises(ConnectionError, match="stopped by anna"):
        await asked
    assert tidied == ["ASK time"]


async def test_a_command_cut_off_before_it_began_is_told_so(bench: Bench) -> None:
    await bench.start(device())
    await bench.reaches(LinkState.OPEN)
    asked = asyncio.create_task(bench.manager.command("d", Order(words="ASK time", by="anna")))
    await asyncio.sleep(0)
    await bench.manager.command("d", Order(words="STOP", by="bert"))
    with pytest.raises(ConnectionError, match="cut off before it began"):
        await asked


async def test_a_command_goes_on_when_who_asked_has_gone(bench: Bench) -> None:
    await bench.start(device())
    write, ear = await bench.far()
    asked = asyncio.create_task(bench.manager.command("d", Order(words="ASK who?", by="marie")))
    await until(lambda: ear.data == b"who?")
    asked.cancel()
    write(b"me\n")
    await until(lambda: bench.state().outcome is not None)
    outcome = bench.state().outcome
    assert outcome is not None
    assert (outcome.ok, outcome.text) == (True, "me")


async def test_a_device_that_takes_nothing_does_not_fill_the_memory(bench: Bench) -> None:
    await bench.start(device())
    await bench.reaches(LinkState.OPEN)
    bench.cables["d"].stall()
    await bench.manager.command("d", Order(words="SAY " + 60_000 * "x", by="marie"))
    with pytest.raises(ConnectionError, match="d: takes no bytes: check its cable and flow control"):
        await bench.manager.command("d", Order(words="SAY " + 60_000 * "x", by="marie"))
    assert len(bench.desk.frames) == 1


# --- settings ---


async def test_a_device_faster_than_the_disk_waits_and_loses_nothing(bench: Bench) -> None:
    bench.desk.writes = True
    await bench.start(device())
    write, _ = await bench.far()
    lines = [b"%d\n" % number for number in range(6000)]
    for start in range(0, 6000, 100):
        write(b"".join(lines[start : start + 100]))
        await asyncio.sleep(0)
    assert runner.MOST_UNSAFE < len(bench.desk.frames) <= runner.MOST_UNSAFE + 200
    safe = 0
    while safe < 6000:
        fresh = bench.desk.frames[safe : safe + 1000]
        safe += len(fresh)
        bench.manager.safe(frame_of(one) for one in fresh)
        await asyncio.sleep(0)
    assert bench.desk.raw("d") == b"".join(lines)


async def test_no_device_waits_for_a_disk_that_does_not_keep_up(bench: Bench) -> None:
    bench.desk.writes = True
    await bench.start(device())
    write, _ = await bench.far()
    write(b"x\n" * (runner.MOST_UNSAFE + 1))
    await until(lambda: len(bench.desk.frames) == runner.MOST_UNSAFE + 1)
    write(b"late\n")
    await asyncio.sleep(0)
    assert bench.desk.frames[-1].raw == b"x\n"
    bench.desk.writes = False
    bench.manager.let_go_on()
    await until(lambda: bench.desk.frames[-1].raw == b"late\n")
    write(b"x\n" * 9000)
    await until(lambda: len(bench.desk.frames) == runner.MOST_UNSAFE + 9002)


def frame_of(draft: Draft) -> Frame:
    return Frame(seq=1, device=draft.device, direction=draft.direction, wall=draft.wall, mono=draft.mono, raw=draft.raw)


async def test_only_what_differs_is_restarted(bench: Bench) -> None:
    await bench.start(device("a"), device("b"), device("c"))
    for name in "abc":
        await bench.reaches(LinkState.OPEN, name=name)
    links = {name: bench.cables[name].a.link for name in "abc"}
    await bench.start(device("d"), device("b", points={"1": "Start"}, silent_after=900), device("a", greeting="hello"))
    assert [state.name for state in bench.manager.states()] == ["d", "b", "a"]
    assert bench.cables["b"].a.link is links["b"]
    assert bench.cables["a"].a.link is not links["a"]
    assert bench.cables["c"].a.link is None
    await bench.reaches(LinkState.OPEN, name="d")
    await bench.reaches(LinkState.OPEN, name="a")


async def test_a_port_passes_from_one_device_to_another_in_one_step(bench: Bench) -> None:
    port = PtyPort.open()
    try:
        for number in range(5):
            await bench.start(device(f"d{number}", port=port.where))
            await bench.reaches(LinkState.OPEN, name=f"d{number}")
    finally:
        await port.close()
    assert bench.desk.told(Level.ALARM) == []


def test_endpoints_are_what_the_settings_say() -> None:
    assert endpoint_for(device(address="[::1]:7000")).where == "[::1]:7000"
    for kind in ("otimcon", "timemachine"):
        serial = endpoint_for(driver_class(kind).settings_type(name="x", type=kind, port="/dev/ttyS7"))
        assert serial.where == "/dev/ttyS7"
        assert vars(serial)["_hangup"] == (kind == "timemachine")


# --- real drivers ---


async def test_a_time_machine_at_seven_bits_on_a_pty(bench: Bench) -> None:
    port = PtyPort.open()
    settings = driver_class("timemachine").settings_type(
        name="chute", type="timemachine", port=port.where, baud=1200, data_bits=7, parity="even", stop_bits=2
    )
    try:
        await bench.start(settings)
        state = await bench.reaches(LinkState.OPEN, name="chute")
        assert state.facts["port"].startswith("7 data bits not supported by this port: read as 8N1, bit 7 masked")
        assert state.facts["lines"] == "not available"
        line = b"\x1711 001 0001 00:15:42.07 \r\n"
        wire = bytes(byte | (byte.bit_count() & 1) << 7 for byte in line)
        port.write(wire)
        await bench.reaches(LinkState.UP, name="chute")
        assert bench.desk.raw("chute") == wire
        reading = bench.desk.frames[-1].facts[0]
        assert isinstance(reading, Reading)
        assert reading.time == "00:15:42.07"
    finally:
        await port.close()


async def test_garbage_in_any_chunks_is_journaled_byte_for_byte(bench: Bench) -> None:
    port = PtyPort.open()
    types = driver_class("timemachine").settings_type
    sent, draw = random.Random(1).randbytes(50_000), random.Random(2)
    try:
        await bench.start(types(name="chute", type="timemachine", port=port.where))
        await bench.reaches(LinkState.OPEN, name="chute")
        rest = sent
        while rest:
            count = draw.randint(1, 3000)
            port.write(rest[:count])
            rest = rest[count:]
            await port.drain()
        await until(lambda: len(bench.desk.raw("chute")) > len(sent) - 1000)
        await bench.manager.stop()
    finally:
        await port.close()
    assert bench.desk.raw("chute") == sent
    assert len(bench.desk.troubles) < 70


# --- endurance ---


@pytest.mark.parametrize("over", ["pty", "tcp"])
async def test_two_hundred_reconnects_leak_nothing(over: str) -> None:
    before, after = await reconnects(200, over)
    assert after <= before
