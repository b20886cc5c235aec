"""One connection, against a server in memory and in time that passes as the test has it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from console.codecs.thcom_link import Dialect, extended
from console.its import attempt as attempt_module
from console.its import connection as connection_module
from console.its import intake
from console.its.connection import NO_PASSWORD, Connection
from console.model import SECOND, Direction, Level
from tests.its.wire import LOGIN, Host, User, Wire

TN = "TN    1    1 M1 13:50:12.36600  9098"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits to connect again."""
    quick(monkeypatch)


def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "backoff", lambda: iter(lambda: 0.0, 1))
    monkeypatch.setattr(connection_module, "REFUSED_FOR", 0.0)
    monkeypatch.setattr(connection_module, "TICK", 0.005)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0)


class Rig:
    def __init__(self, *greeting: str, dialect: Dialect | None = None, password: str = "secret01") -> None:
        self.host = Host()
        self.wire = Wire(self.host, greeting or ("#GC 1",))
        self.user = User(self.host)
        dialect = dialect or Dialect()
        self.one = Connection(LOGIN, dialect, lambda: password, self.wire, self.host, self.user, "software")
        self.host.safe = self.one.safe

    @property
    def alarms(self) -> list[str]:
        return [text for level, text in self.host.troubles if level is Level.ALARM]

    async def linked(self) -> None:
        await until(lambda: self.one.linked)


@asynccontextmanager
async def at_work(rig: Rig) -> AsyncIterator[Rig]:
    task = asyncio.create_task(rig.one.run())
    try:
        yield rig
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_it_logs_in_and_says_so_step_by_step() -> None:
    async with at_work(Rig("#GC 1", "#PL ITS ONLINE TIMING", "#PL Hello ITSCHRONO")) as rig:
        await rig.linked()
        await until(lambda: len(rig.one.state().printed) == 2)
        state = rig.one.state()
        assert [step.word for step in state.steps] == ["connecting", "logging in", "accepted (#GC 1)", "linked"]
        assert (state.state, state.reason, state.serial, state.role) == ("linked", "", "1007", "software")
        assert [line.text for line in state.printed] == ["ITS ONLINE TIMING", "Hello ITSCHRONO"]
        assert rig.wire.said == ["SN 01007 PC 0100", "UN timer01", "PW secret01"]
        assert rig.user.words == ["linked"]
    assert rig.user.words == ["linked", "lost"]
    assert rig.one.state().state == "not connected"


async def test_user_and_password_are_journaled_as_stars() -> None:
    async with at_work(Rig("#GC 1", "#PL PW secret01")) as rig:
        await until(lambda: rig.one.state().printed)
        sent = rig.host.texts(Direction.TX)
        assert sent[0] == b"\x022531P1007P0000\x04SN 01007 PC 0100\t4418\r\n"
        assert sent[1:] == [b"\x022541P1007P0000\x04UN *\r\n", b"\x022551P1007P0000\x04PW *\r\n"]
        assert [one.masked for one in rig.host.drafts if one.direction is Direction.TX] == [False, True, True]
        assert not any(b"secret01" in one.raw for one in rig.host.drafts)
        await until(lambda: not rig.wire.session or not rig.wire.session.under_way)  # acknowledged all the same


async def test_a_refusal_is_said_once_with_its_usual_causes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempt_module, "REASON_WITHIN", 0.0)
    async with at_work(Rig("#GC 0")) as rig:
        await until(lambda: rig.wire.opened > 3)
        assert not rig.one.linked
        assert rig.user.words == []
        (alarm,) = rig.alarms
        assert alarm.startswith("refused (#GC 0): check user and password")
        await until(lambda: rig.one.state().state == "refused")


@pytest.mark.parametrize(
    ("printed", "says"),
    [
        ("EVENT IS OVER", "the server says EVENT IS OVER: the date of the event has passed"),
        ("1007 USED ELSEWHERE", "the server says 1007 USED ELSEWHERE: another device or program has logged in as 1007"),
        ("NICHT HEUTE", "the server says NICHT HEUTE: check user and password"),
    ],
)
@pytest.mark.parametrize("greeting", [("#GC 0",), ("#GC 1", "#GC 0"), ("#PL HELLO", "#GC 0", "#PL ")])
async def test_the_reason_that_follows_a_refusal_is_read(greeting: tuple[str, ...], printed: str, says: str) -> None:
    async with at_work(Rig(*greeting)) as rig:
        await until(lambda: rig.one.state().received == len(greeting))
        assert rig.one.state().state != "refused", "it is listened to a little longer"
        rig.wire.say("P0000", f"#PL {printed}")
        await until(lambda: rig.alarms)
        assert rig.alarms[0].startswith(f"refused (#GC 0), {says}")


async def test_a_refusal_that_is_repeated_is_one_all_the_same() -> None:
    async with at_work(Rig("#GC 0")) as rig:
        await until(lambda: rig.one.state().received == 1)
        rig.host.now += 3 * SECOND // 2
        rig.wire.say("P0000", "#GC 0")
        rig.host.now += SECOND
        await until(lambda: rig.alarms)
        assert rig.alarms[0].startswith("refused (#GC 0): check user and password")


async def test_the_reason_is_read_of_a_server_that_has_hung_up() -> None:
    async with at_work(Rig("nothing")) as rig:
        await until(lambda: rig.one.state().received)
        said = enumerate(("#GC 0", "#PL EVENT IS OVER"), 191)
        rig.wire.put(b"".join(extended(number, "P0000", "P1007", data) for number, data in said))
        rig.wire.cut()
        await until(lambda: rig.alarms)
        assert "refused (#GC 0), the server says EVENT IS OVER" in rig.alarms[0]


async def test_nothing_but_a_refusal_is_one() -> None:
    """Cut off during the login again and again: a bad line, that is tried as any other."""
    async with at_work(Rig("nothing")) as rig:
        for _ in range(6):
            await until(lambda: rig.wire.said)
            opened = rig.wire.opened
            rig.wire.cut()
            await until(lambda: rig.one.state().state == "down" or rig.wire.opened > opened)  # noqa: B023
            assert "refused" not in {step.word for step in rig.one.state().steps}
        (alarm,) = rig.alarms
        assert alarm.endswith(
            "the other side broke the connection off (before the server had answered the login); tried again by itself"
        )


async def test_asked_again_it_says_user_and_password_again() -> None:
    async with at_work(Rig("#UN", "#PW", "#GC 1")) as rig:
        await rig.linked()
        await until(lambda: len(rig.host.texts(Direction.TX)) == 5)
        sent = rig.host.texts(Direction.TX)
        assert [raw[1:4] for raw in sent] == [b"253", b"254", b"255", b"254", b"255"]


async def test_without_a_password_nobody_is_called() -> None:
    async with at_work(Rig(password="")) as rig:
        await until(lambda: rig.alarms)
        assert rig.alarms == [NO_PASSWORD]
        assert rig.one.state().reason == NO_PASSWORD
        assert not rig.wire.opened


async def test_a_server_that_cannot_be_reached_is_said_once_in_words() -> None:
    rig = Rig()
    rig.wire.refuses = True
    async with at_work(rig):
        await until(lambda: rig.one.state().retry_at)
        assert rig.one.why_not.startswith("down: server: connection refused")
        await until(lambda: rig.alarms)
        rig.wire.refuses = False
        await rig.linked()
        rig.host.now += 5 * SECOND
        await until(lambda: (Level.NOTE, "linked again") in rig.host.troubles)
        (alarm,) = rig.alarms
        assert alarm.startswith("NO LINK: server: connection refused")
        rig.wire.cut()
        await until(lambda: len(rig.alarms) == 2)
        assert rig.alarms[1].startswith("LINK LOST: ")


async def test_silence_for_a_minute_is_the_end_and_heartbeats_are_not_silence() -> None:
    async with at_work(Rig()) as rig:
        await rig.linked()
        await until(lambda: rig.wire.session and not rig.wire.session.under_way)
        for _ in range(3):
            rig.host.now += 31 * SECOND
            rig.wire.flush()
            before = rig.host.now
            await until(lambda: rig.one.state().beat == before)  # noqa: B023
        assert rig.one.linked
        rig.wire.link, silent = None, rig.wire.link
        rig.host.now += 60 * SECOND
        await until(lambda: "lost" in rig.user.words)
        assert any("nothing heard for 60 s" in text for _, text in rig.host.troubles)
        assert silent


async def test_what_comes_is_acknowledged_when_it_is_on_disk() -> None:
    async with at_work(Rig()) as rig:
        await rig.linked()
        rig.host.held = []
        rig.wire.say("10084", TN)
        await until(lambda: rig.user.frames)
        for _ in range(20):
            await asyncio.sleep(0.001)
        assert rig.wire.waiting
        rig.host.let_go()
        await until(lambda: not rig.wire.waiting)


async def test_a_disk_that_fails_does_not_keep_the_server_waiting() -> None:
    async with at_work(Rig()) as rig:
        await rig.linked()
        rig.host.held = []
        rig.wire.say("10084", TN)
        await until(lambda: rig.user.frames)
        rig.host.disk_works = False
        await until(lambda: not rig.wire.waiting)


async def test_the_same_number_again_is_told_to_nobody_and_acknowledged_again() -> None:
    async with at_work(Rig()) as rig:
        await rig.linked()
        frame = extended(7, "10084", "P1007", TN)
        rig.wire.put(frame + frame)
        await until(lambda: rig.one.state().again == 1)
        assert len(rig.user.frames) == 1
        assert rig.one.state().received == 2  # and #GC 1


@pytest.mark.parametrize(
    ("checksums", "taken", "said"), [("required", 0, True), ("lenient", 1, False), ("ignored", 1, False)]
)
async def test_a_wrong_checksum_is_worth_what_the_settings_say(checksums: str, taken: int, said: bool) -> None:
    async with at_work(Rig(dialect=Dialect(checksums=checksums))) as rig:  # type: ignore[arg-type]
        await rig.linked()
        rig.wire.put(b"\x02000110084P1007\x04" + TN.encode() + b"\t801E\r\n" + b"\x01")
        await until(lambda: rig.one.state().beat)
        assert len(rig.user.frames) == taken
        assert any("checksum: got 801E, computed 8381" in text for _, text in rig.host.troubles) is said
        assert rig.one.state().odd == (0 if checksums == "ignored" else 1)


async def test_garbage_is_kept_and_said_once_and_disturbs_nothing() -> None:
    async with at_work(Rig()) as rig:
        await rig.linked()
        rig.wire.put(b"HTTP/1.1 400 Bad Request\r\n" * 300)
        rig.wire.put(b"\x02garbage\r\n\x05xyz\r\n")
        rig.wire.say("10084", TN)
        await until(lambda: rig.user.frames)
        assert rig.one.linked
        garbage = [one for one in rig.host.drafts if one.flaw.startswith("garbage")]
        assert len(garbage) == 300
        assert sum("garbage" in text for _, text in rig.host.troubles) == 1


async def test_a_flood_is_read_no_faster_than_the_disk_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "MOST_UNSAFE", 50)
    async with at_work(Rig()) as rig:
        await rig.linked()
        await until(lambda: not rig.wire.session or not rig.wire.session.under_way)
        rig.host.held = []
        rig.wire.put(b"the same again and again\r\n" * 60)
        await until(lambda: rig.wire.link and rig.wire.link.paused)
        rig.host.let_go()
        await until(lambda: rig.wire.link and not rig.wire.link.paused)
        rig.user.is_busy = True
        await until(lambda: rig.wire.link and rig.wire.link.paused)


async def test_a_server_that_takes_nothing_is_not_read_either() -> None:
    async with at_work(Rig()) as rig:
        await rig.linked()
        rig.wire.stuffed = 1 << 20
        await until(lambda: rig.wire.link and rig.wire.link.paused)
        rig.wire.stuffed = 0
        await until(lambda: rig.wire.link and not rig.wire.link.paused)


async def test_connected_anew_at_once_when_somebody_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempt_module, "REASON_WITHIN", 0.0)
    monkeypatch.setattr(connection_module, "REFUSED_FOR", 3600.0)
    async with at_work(Rig("#GC 0")) as rig:
        await until(lambda: rig.one.state().retry_at)
        rig.wire.greeting = ("#GC 1",)
        rig.one.again()
        await rig.linked()
        rig.one.again()
        await until(lambda: rig.wire.opened == 3 and rig.one.linked)


async def test_forget_what_waits_is_said_before_anything_goes_out() -> None:
    async with at_work(Rig("#GC 2")) as rig:
        await rig.linked()
        assert rig.user.words == ["cleared", "linked"]
        assert "accepted (#GC 2): what waited is skipped" in [step.word for step in rig.one.state().steps]


async def test_a_server_that_never_acknowledges_is_given_up() -> None:
    async with at_work(Rig()) as rig:
        await rig.linked()
        rig.wire.acknowledges = False
        rig.one.offer(1, "10086", TN)
        while "lost" not in rig.user.words:
            rig.host.now += 2 * SECOND
            rig.wire.put(b"\x01")
            await asyncio.sleep(0.002)
        assert any("was not acknowledged, although sent 5 times" in text for _, text in rig.host.troubles)
        assert rig.user.keys == []


async def test_offers_need_a_link() -> None:
    rig = Rig()
    with pytest.raises(ConnectionError, match="not connected"):
        rig.one.offer(1, "10086", TN)


cuts = st.lists(st.tuples(st.integers(1, 900), st.integers(1, 900)), max_size=12)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=cuts, lines=st.integers(1, 40))
def test_cut_anywhere_both_sides_have_everything(cuts: list[tuple[int, int]], lines: int) -> None:
    """Bytes after which each connection is cut, down and up. What was not acknowledged goes again on the next."""

    async def run() -> None:
        rig = Rig()
        todo = dict(enumerate(f"TN {n:4} {n:4}  1 13:50:12.36600  9098" for n in range(lines)))
        wanted = set(todo.values())
        left = iter(cuts)

        def offer_again() -> None:
            for key in rig.user.keys:
                todo.pop(key, None)
            rig.user.keys.clear()
            for key, data in todo.items():
                rig.one.offer(key, "10086", data)

        def linked(connection: Connection) -> None:
            offer_again()

        rig.user.linked = linked  # type: ignore[method-assign]
        opened = rig.wire.opened
        for data in wanted:
            rig.wire.say("10084", data)
        async with at_work(rig):
            async with asyncio.timeout(20):
                while True:
                    await asyncio.sleep(0)
                    if rig.wire.opened > opened:
                        opened = rig.wire.opened
                        rig.wire.cut_down, rig.wire.cut_up = next(left, (1 << 30, 1 << 30))
                    done = {data for key, data in todo.items() if key in rig.user.keys}
                    if not rig.wire.waiting and done == set(todo.values()):
                        break
            assert {frame.data for frame in rig.user.frames} == wanted
            assert {data for _, data in rig.wire.got} == wanted

    asyncio.run(run())
