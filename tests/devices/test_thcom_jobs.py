"""Status, the clock, start lists and downloads: what takes more than one command."""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from console.codecs.thcom_records import Command
from console.devices import thcom_jobs
from console.devices.driver import CommandError
from console.devices.thcom import Thcom, ThcomSettings
from console.model import SECOND, Heard, Level, Order, Reading, Retold, Status
from console.simulators.cp545_device import Device
from console.simulators.gsm_docking import Docking
from tests.devices.thcom_rig import WALL, Wire, ask, settled
from tests.timing.memory import Timing


class Bench:
    """A driver, its wire, and a CP545 that can be muted or made to refuse."""

    def __init__(self, **settings: Any) -> None:
        self.device = Device()
        self.device.zone = UTC
        self.device.now = lambda: WALL
        self.refuses: dict[str, str] = {}
        """Beginning of a command's data -> its answer instead; empty: none."""
        self.wire = Wire(self.answer)
        where = settings or {"port": "/dev/x"}
        self.driver = self.wire.driver = Thcom(ThcomSettings(name="start", type="thcom", **where), self.wire)
        self.heard: list[Heard] = []
        receive = self.driver.receive

        def keep(data: bytes, wall: int) -> list[Heard]:
            heard = receive(data, wall)
            self.heard += heard
            return heard

        self.driver.receive = keep  # type: ignore[method-assign]

    def answer(self, command: Command) -> Sequence[str]:
        data = f"#{command.name} {command.text}"
        for begins, instead in self.refuses.items():
            if data.startswith(begins):
                return [instead] if instead else []
        replies, events = self.device.answer(command)
        return [*replies, *events]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr("console.devices.thcom_talk.ANSWER_WITHIN", 0.05)
    monkeypatch.setattr(thcom_jobs, "LINE_WITHIN", 0.05)
    monkeypatch.setattr("console.devices.comparison.COMMIT_WITHIN", 0.05)
    return Bench()


# --- status ---


async def test_status_at_a_glance(bench: Bench) -> None:
    bench.device.docking = Docking()
    bench.device.parameters["025"] = "01 069 045"
    reply = await ask(bench.driver, "STATUS")
    gsm = "enabled, network, APN, server connected, login accepted, settings 1, signal 3 of 4"
    assert reply.text == (
        "CP545 04811 VB10; power 6.9 V, 45 %, flags 01; next bib 1; inputs blocked raw 00; "
        f"GSM status {gsm}; memory raw 099"
    )
    assert bench.driver.facts == {
        "type": "CP545",
        "serial": "04811",
        "version": "VB10",
        "docking": "00540 VA02",
        "power": "6.9 V, 45 %, flags 01",
        "next bib": "1",
        "inputs blocked": "raw 00",
        "GSM status": gsm,
        "memory": "raw 099",
    }
    assert bench.wire.data == ["#SN", "#RP 025", "#RP 026", "#RP 006", "#RP 034", "#RP 038"]


async def test_what_a_device_does_not_have_is_no_fact(bench: Bench) -> None:
    bench.refuses["#RP 026"] = "AK F"
    reply = await ask(bench.driver, "STATUS")
    assert reply.ok
    assert reply.text.endswith("not told: next bib, GSM status")
    assert "GSM status" not in bench.driver.facts


async def test_events_bring_the_facts_up_to_date(bench: Bench) -> None:
    bench.wire.say("&P 025 00 061", "&P 026 0123", "&P 034 40 0", "&P 034 23 4", "&P 038 80 % free")
    await settled()
    told = bench.driver.facts
    assert told["power"] == "6.1 V"
    assert told["next bib"] == "123"
    assert told["GSM status"] == "enabled, network, LOGIN REJECTED, settings 1, signal 4 of 4"
    assert told["memory"] == "80 % free"
    bench.wire.say("&P 025 what", "&P 026 01 0123", "&P 034 40 0")
    await settled()
    assert (told["power"], told["next bib"], told["GSM status"]) == ("what", "01 0123", "off")


async def test_it_is_asked_once_when_it_was_just_connected(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.devices.thcom.OPENING", 0.01)
    attending = asyncio.create_task(bench.driver.attend())
    async with asyncio.timeout(20):
        while "memory" not in bench.driver.facts:
            await asyncio.sleep(0.005)
    assert bench.wire.data == ["#SN", "#RP 025", "#RP 026", "#RP 006", "#RP 034", "#RP 038"]
    assert set(bench.wire.by) == {""}
    attending.cancel()
    await asyncio.wait([attending])


@pytest.mark.parametrize("gone", [True, False])
async def test_one_that_does_not_answer_is_left_in_peace(
    bench: Bench, gone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.devices.thcom.OPENING", 0.0)
    monkeypatch.setattr("console.devices.thcom_talk.ANSWER_WITHIN", 0.01)
    bench.refuses["#"] = ""
    bench.wire.gone = gone
    attending = asyncio.create_task(bench.driver.attend())
    done, _ = await asyncio.wait([attending], timeout=0.05)
    assert not done
    assert bench.wire.data == ([] if gone else ["#SN"])
    assert bench.wire.told == []
    attending.cancel()
    await asyncio.wait([attending])


# --- the clock ---


def at_second(bench: Bench, monkeypatch: pytest.MonkeyPatch, second: float) -> None:
    """Our clock runs from this second of 22:13 on, once it is looked at, and the timer's with it, an hour behind."""
    monkeypatch.setattr(thcom_jobs, "LEAD", 0.05)
    monkeypatch.setattr(thcom_jobs, "LATE", 30.0)  # this machine may be busy
    base = WALL - 20 * SECOND + int(second * SECOND)
    began: list[int] = []

    def now() -> int:
        began[:] = began or [time.monotonic_ns()]
        return base + time.monotonic_ns() - began[0]

    bench.wire.now = now
    bench.device.now = bench.wire.now
    bench.device.offset = -3600 * SECOND


async def test_the_clock_is_set_as_the_minute_begins(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    at_second(bench, monkeypatch, 59.8)
    said: list[str] = []
    fired: list[int] = []
    bench.driver.changed = lambda: said.append(bench.driver.job.text if bench.driver.job else "")
    send = bench.wire.send

    def stamped(raw: bytes, **more: Any) -> None:
        fired.append(bench.wire.wall())
        send(raw, **more)

    monkeypatch.setattr(bench.wire, "send", stamped)
    reply = await ask(bench.driver, "SET CLOCK")
    assert (reply.ok, reply.text) == (True, "clock set at 22:14:00; the timer tells that synchro (010)")
    assert bench.wire.data == ["#WC 007 02 22:14 14/11/23", "#WC 008 01", "#RP 010"]
    assert "008 at 22:14:00, in 1 s" in said
    assert said[-1] == ""
    on_the_line = 17 * 10 / 9600
    leave = WALL + 40 * SECOND - int(on_the_line * SECOND)
    assert fired[1] >= leave, "it leaves so that it arrives at the second"
    assert fired[0] < leave
    assert abs(bench.device.offset) < 60 * SECOND, "it was an hour behind"


async def test_the_minute_and_date_are_of_the_events_zone(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    at_second(bench, monkeypatch, 59.9)
    bench.wire.summer = ZoneInfo("Asia/Tokyo")
    await ask(bench.driver, "SET CLOCK 07:14")
    assert bench.wire.data[0] == "#WC 007 02 07:14 15/11/23"


@pytest.mark.parametrize("minute", ["22:13", "22:12", "23:14", "00:00"])
async def test_a_minute_that_is_over_or_far_is_refused(bench: Bench, minute: str) -> None:
    with pytest.raises(CommandError, match=f"SET CLOCK {minute}: it is 22:13:20; give a minute"):
        await ask(bench.driver, f"SET CLOCK {minute}")
    assert bench.wire.sent == []
    assert bench.driver.job is None


@pytest.mark.parametrize(("code", "why"), [("AK F", "is a run open"), ("AK R", "not supported")])
async def test_007_is_refused(bench: Bench, code: str, why: str) -> None:
    bench.refuses["#WC 007"] = code
    reply = await ask(bench.driver, "SET CLOCK")
    assert reply.ok is False
    assert why in reply.text
    assert len(bench.wire.sent) == 1, "008 would fire an impulse"


async def test_008_is_refused_or_unanswered(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    at_second(bench, monkeypatch, 59.9)
    bench.refuses["#WC 008"] = "AK F"
    reply = await ask(bench.driver, "SET CLOCK")
    assert (reply.ok, "no longer ready" in reply.text) == (False, True)
    at_second(bench, monkeypatch, 59.9)
    bench.refuses["#WC 008"] = ""
    bench.wire.told.clear()
    with pytest.raises(CommandError, match="#WC 008: no answer"):
        await ask(bench.driver, "SET CLOCK")
    assert "may wait for its synchro" in bench.wire.told[0][1]
    assert bench.driver.job is None


async def test_007_is_not_answered(bench: Bench) -> None:
    bench.refuses["#WC 007"] = ""
    with pytest.raises(CommandError, match="#WC 007: no answer"):
        await ask(bench.driver, "SET CLOCK")
    assert "may wait for its synchro" in bench.wire.told[0][1], "its answer may be what was lost"


@pytest.mark.parametrize(
    ("answers", "ok", "text"),
    [
        ({"#RP 010": "AK F"}, True, "the timer tells 22:14:01 as its next second"),
        ({"#RP 010": "AK R", "#!T": "AK R"}, None, "does not confirm it"),
        ({"#RP 010": ""}, None, "does not confirm it: its next impulse shows the drift"),
        ({"#WC 008": "AK C"}, False, "BUT THE TIMER TELLS ANOTHER SYNCHRO (010): 01 02 00:00 01/01/20 00"),
        ({"#WC 008": "AK C", "#RP 010": "AK R"}, False, "s BEHIND (#!T)"),
    ],
)
async def test_what_the_timer_says_of_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, answers: dict[str, str], ok: bool | None, text: str
) -> None:
    at_second(bench, monkeypatch, 59.9)
    bench.refuses |= answers
    reply = await ask(bench.driver, "SET CLOCK")
    assert reply.ok is ok
    assert text in reply.text


async def test_an_impulse_instead_of_a_synchro_is_said(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    at_second(bench, monkeypatch, 59.9)
    bench.refuses["#WC 007"] = "AK C"  # says so, and does not get ready
    reply = await ask(bench.driver, "SET CLOCK")
    assert (reply.ok, reply.text) == (
        False,
        "the timer took 008 for an impulse on M1: its clock is as it was, or began when M1 was pressed",
    )


async def test_m1_pressed_while_the_minute_is_waited_for_is_no_fault(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_second(bench, monkeypatch, 59.8)
    pressed: list[str] = []

    def press() -> None:
        if not pressed and bench.driver.job and bench.driver.job.text.startswith("008 at"):
            pressed.extend(bench.device.impulse("M1", 7, WALL))
            bench.wire.say(*pressed)

    bench.driver.changed = press
    reply = await ask(bench.driver, "SET CLOCK")
    assert pressed
    assert bench.driver.by_hand == 1
    assert (reply.ok, reply.text) == (True, "clock set at 22:14:00; the timer tells that synchro (010)")


async def test_008_that_left_late_is_said(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    at_second(bench, monkeypatch, 59.9)
    monkeypatch.setattr(thcom_jobs, "LATE", -1.0)
    reply = await ask(bench.driver, "SET CLOCK")
    assert reply.ok is False
    assert "s late, and the clock is as much slow: do it again" in reply.text


async def test_stopped_while_it_waits(bench: Bench) -> None:
    setting = asyncio.create_task(bench.driver.command(Order(words="SET CLOCK", by="anna")))
    await settled(20)
    assert bench.driver.job is not None
    assert bench.driver.job.text == "008 at 22:14:00, in 40 s"
    with pytest.raises(CommandError, match=r"start is at 'SET CLOCK' \(008 at 22:14:00, in 40 s\): wait, or STOP it"):
        await ask(bench.driver, "#SN")
    setting.cancel()
    await asyncio.wait([setting])
    assert bench.wire.data == ["#WC 007 02 22:14 14/11/23"]
    assert [text for _, text in bench.wire.told] == [
        "the clock was not set for sure, and the timer may wait for its synchro: "
        "SET CLOCK again, or end that by its keys"
    ]
    assert bench.driver.job is None


# --- start lists ---


async def test_a_start_list_of_300(bench: Bench) -> None:
    progress: list[int] = []
    bench.driver.changed = lambda: progress.append(bench.driver.job.done if bench.driver.job else -1)
    text = "bib,name\n" + "".join(f"{bib},STARTER {bib}\n" for bib in range(1, 301))
    reply = await ask(bench.driver, "START LIST list.csv", text)
    assert reply.text == "300 of 300 bibs accepted; list closed; THCOM08 cannot read it back"
    assert (reply.ok, reply.data) == (True, {"accepted": 300, "refused": 0, "wanted": 300})
    assert list(bench.device.start_list) == [f"{bib:04}" for bib in range(1, 301)]
    assert bench.wire.data[0] == "#SLR"
    assert bench.wire.data[-1] == "#SLC"
    assert progress[0] == 0
    assert sorted(progress[:-1]) == progress[:-1]
    assert (progress[-2], progress[-1]) == (299, -1)


async def test_refused_bibs_are_named_by_their_lines(bench: Bench) -> None:
    bench.device.unlisted = {"0002", "0004"}
    reply = await ask(bench.driver, "START LIST list.csv", "1\n2\n3\n4\n")
    assert reply.ok is False
    assert reply.text.startswith(
        "2 of 4 bibs accepted; refused: line 2 (bib 2, AK F), line 4 (bib 4, AK F); list closed"
    )
    bench.device.unlisted = {f"{bib:04}" for bib in range(1, 100)}
    reply = await ask(bench.driver, "START LIST list.csv", "".join(f"{bib}\n" for bib in range(1, 31)))
    assert "line 10 (bib 10, AK F), 20 more; list closed" in reply.text


async def test_a_list_with_mistakes_is_not_sent(bench: Bench) -> None:
    with pytest.raises(CommandError, match="the start list was not sent: line 2: 'x' is no bib"):
        await ask(bench.driver, "START LIST list.csv", "1\nx\n")
    with pytest.raises(CommandError, match="line 2: 'x' is no bib"):
        bench.driver.check_file("START LIST list.csv", "1\nx\n")  # before anybody is asked about it
    bench.driver.check_file("START LIST list.csv", "1\n2\n")
    assert bench.wire.sent == []


async def test_a_timer_without_start_lists(bench: Bench) -> None:
    bench.refuses["#SL"] = "AK R"
    reply = await ask(bench.driver, "START LIST list.csv", "1\n2\n")
    assert (reply.ok, reply.text) == (False, "nothing was sent: #SLR: not supported by this device (AK R)")
    assert bench.wire.data == ["#SLR"]


async def test_a_list_that_cannot_be_closed(bench: Bench) -> None:
    bench.refuses["#SL C"] = "AK F"
    reply = await ask(bench.driver, "START LIST list.csv", "1\n2\n")
    assert (reply.ok, "2 of 2 bibs accepted; #SLC: the device rejects it (AK F)" in reply.text) == (False, True)


async def test_silence_in_the_middle_of_a_list(bench: Bench) -> None:
    bench.refuses["#SL A 0003"] = ""
    with pytest.raises(CommandError, match=r"#SLA: no answer .* only 2 of the 4 bibs, and the list is not closed"):
        await ask(bench.driver, "START LIST list.csv", "1\n2\n3\n4\n")
    assert "start list: the timer has only 2 of the 4 bibs" in bench.wire.told[0][1]
    assert bench.driver.job is None


@pytest.mark.parametrize("lost", [True, False], ids=["link lost", "stopped"])
async def test_a_list_that_is_cut_off(bench: Bench, lost: bool) -> None:
    bench.refuses["#SL A 0003"] = ""
    sending = asyncio.create_task(ask(bench.driver, "START LIST list.csv", "1\n2\n3\n4\n"))
    while "#SLA 0003" not in bench.wire.data:
        await settled(1)
    sending.cancel()  # as the runner does, also when the link is lost
    if lost:
        bench.driver.lost()
    await asyncio.wait([sending])
    assert sending.cancelled()
    assert bench.wire.told[0][1].startswith("start list: the timer has only 2 of the 4 bibs")
    assert bench.wire.data[-1] == "#SLA 0003"


# --- downloads ---


def raced(bench: Bench, finishers: int) -> list[str]:
    """A run in the timer's memory: what it sent live."""
    device = bench.device
    live = device.open_run("START - FINISH")
    for bib in range(1, finishers + 1):
        live += device.impulse("1", bib, WALL + bib * SECOND)
        live += device.impulse("4", bib, WALL + (bib + 60) * SECOND)
        live += device.result("RR", bib, bib, 60 * SECOND)
    return live + device.close_run()


@pytest.mark.parametrize("words", ["DOWNLOAD RUN 1", "#DL 01"])
async def test_a_download(bench: Bench, words: str) -> None:
    raced(bench, 20)
    progress: list[str] = []
    bench.driver.changed = lambda: progress.append(bench.driver.job.text if bench.driver.job else "")
    reply = await ask(bench.driver, words)
    assert reply.ok
    assert reply.text == (
        "run 01: 60 records (40 times, 20 results); the journal has not taken them all yet: see sheet offered"
    )
    assert reply.data == {"records": 60, "times": 40, "results": 20, "damaged": 0}
    assert bench.wire.data == ["#DL 01"]
    assert {"2 times, 0 results", "40 times, 19 results"} <= set(progress)
    assert bench.driver.job is None
    assert bench.driver.download is None


async def test_a_download_says_what_the_journal_made_of_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    raced(bench, 20)
    counts = iter((10, 10, 70))  # 10 of an earlier download; the journal takes its time

    def retold() -> Retold:
        lines = next(counts)
        return Retold(since=1, first=1, last=lines, lines=lines, new=lines // 20, repeats=lines - lines // 20)

    monkeypatch.setattr("console.devices.comparison.COMMIT_WITHIN", 10.0)
    monkeypatch.setattr(bench.wire, "retold", retold)
    reply = await ask(bench.driver, "DOWNLOAD RUN 1")
    assert reply.data["new"] == 3
    assert reply.text.endswith("57 known, 3 never arrived: - shows them, + takes them over (racedeck take-over start)")
    assert bench.wire.told == [(Level.WARNING, reply.text)]


async def test_a_download_says_what_came_during_test(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    raced(bench, 20)
    told = iter((None, Retold(since=1, first=1, last=60, lines=60, repeats=58, test=2)))
    monkeypatch.setattr(bench.wire, "retold", lambda: next(told))
    reply = await ask(bench.driver, "DOWNLOAD RUN 1")
    assert (reply.data["known"], reply.data["new"], reply.data["in test"]) == (58, 0, 2)
    assert "58 known, 2 of them came during TEST: not taken over with the others" in reply.text
    assert bench.wire.told == [(Level.NOTE, reply.text)], "nothing is lost: no warning"


async def test_impulses_that_never_arrived_are_found(bench: Bench) -> None:
    """Judged as the journal does it: the run again, but for what was lost on the way."""
    live = raced(bench, 20)
    lost = {10, 11, 40}
    bench.wire.say(*(line for number, line in enumerate(live) if number not in lost))
    await settled(100)
    timing = Timing()
    for heard in bench.heard:
        timing.hear(*heard.facts, device="start")
    bench.heard.clear()
    await ask(bench.driver, "DOWNLOAD RUN 01")
    told = [passing for heard in bench.heard for passing in timing.hear(*heard.facts, device="start")]
    assert len(told) == 60
    missed = [one for one in told if one.status is not Status.REPEAT]
    assert [(one.bib, one.channel) for one in missed] == [("4", "1"), ("4", "4"), ("14", "1")]
    assert {one.status for one in missed} == {Status.OFFERED}
    again = [passing for heard in bench.heard for passing in timing.hear(*heard.facts, device="start")]
    assert {one.status for one in again} == {Status.REPEAT}, "a second download offers nothing twice"


async def test_live_times_within_a_download_are_not_of_it(bench: Bench) -> None:
    raced(bench, 1)
    answer = bench.answer

    def racing(command: Command) -> Sequence[str]:
        lines = list(answer(command))
        return [*lines[:4], *bench.device.impulse("1", 9), *lines[4:]]

    bench.wire.answer = racing
    reply = await ask(bench.driver, "DOWNLOAD RUN 1")
    assert reply.data["records"] == 3
    live = [fact for one in bench.heard if one.label == "TN" for fact in one.facts if isinstance(fact, Reading)]
    assert [(one.bib, one.origin.value) for one in live] == [("9", "live")]


async def test_a_download_without_its_end(bench: Bench) -> None:
    raced(bench, 4)
    answer = bench.answer
    bench.wire.answer = lambda command: answer(command)[:7]
    with pytest.raises(
        CommandError,
        match=r"run 01 is INCOMPLETE: no line for 0.05 s; 4 records \(3 times, 1 results\); download it again",
    ):
        await ask(bench.driver, "DOWNLOAD RUN 1")
    assert bench.driver.download is None
    bench.wire.say("RR    1    9        5:54.11400")
    await settled()
    (result,) = bench.heard[-1].facts
    assert isinstance(result, Reading)
    assert (result.origin.value, result.event) == ("live", None), "the download is over, although its end never came"


async def test_a_download_with_damaged_lines(bench: Bench) -> None:
    raced(bench, 2)
    answer = bench.answer

    def damaged(command: Command) -> Sequence[str]:
        return [line.replace("AN    1", "AN   \x7f1") for line in answer(command)]

    bench.wire.answer = damaged
    reply = await ask(bench.driver, "DOWNLOAD RUN 1")
    assert (reply.ok, reply.data["damaged"]) == (False, 2)
    assert reply.text.startswith("run 01 is INCOMPLETE: 2 lines came damaged; 4 records")


async def test_a_download_that_another_run_ends(bench: Bench) -> None:
    raced(bench, 2)
    answer = bench.answer
    bench.wire.answer = lambda command: [*answer(command)[:5], "OP 02  00 START - FINISH     "]
    reply = await ask(bench.driver, "DOWNLOAD RUN 1")
    assert (reply.ok, reply.text.startswith("run 01 is INCOMPLETE: another run began within it")) == (False, True)


async def test_a_download_that_is_cut_off(bench: Bench) -> None:
    raced(bench, 4)
    answer = bench.answer
    bench.wire.answer = lambda command: answer(command)[:7]
    asking = asyncio.create_task(ask(bench.driver, "DOWNLOAD RUN 1"))
    while not (bench.driver.job and bench.driver.job.done == 4):
        await settled(1)
    asking.cancel()
    bench.driver.lost()
    await asyncio.wait([asking])
    assert bench.wire.told[0][1] == "download of run 01 is INCOMPLETE: 4 records (3 times, 1 results)"
    bench.wire.answer = answer
    bench.driver.opened()
    assert (await ask(bench.driver, "DOWNLOAD RUN 1")).ok


@pytest.mark.parametrize(("code", "why"), [("AK F", "no run of that number"), ("AK R", "not supported")])
async def test_a_download_is_refused(bench: Bench, code: str, why: str) -> None:
    bench.refuses["#DL"] = code
    reply = await ask(bench.driver, "DOWNLOAD RUN 7")
    assert reply.ok is False
    assert why in reply.text


# --- corrections made on the timer ---


async def test_corrections_are_about_the_earlier_passing(bench: Bench) -> None:
    timing = Timing()

    async def told(*data: str) -> list[tuple[str, str, str | None]]:
        bench.heard.clear()
        for words in data:
            await ask(bench.driver, words)
        await settled()
        rows = [row for one in bench.heard for row in timing.hear(*one.facts, device="start")]
        for row in rows:
            of = next((one.passing for one in timing.index.rows if one.passing.seq == row.of), None)
            assert of is None or (of.channel, of.ns) == (row.channel, row.ns)
        return [(row.status.value, row.change, row.bib) for row in rows]

    assert await told("#WC 008 1") == [("live", "", None)]
    assert await told("#WC 013 M1 1 16") == [("correction", "bib", "16")]
    assert await told("#WC 013 M1 1 17") == [("correction", "bib", "17")]
    assert await told("#WC 013 M1 1 0") == [("correction", "unassigned", None)]
    assert await told("#WC 013 M1 1 C") == [("cancelled", "cancelled", None)]
    assert await told("#WC 014 4 9 10:00:00") == [("live", "", "9")], "inserted: there is no earlier one"
    assert await told("#WC 015 4 1 9 10") == [("live", "", "10")], "a duplicate gives the time to a second one, too"
    assert await told("#RT 1 4") == [("repeat", "", "9")]
