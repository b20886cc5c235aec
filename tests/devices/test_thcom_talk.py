"""One command at a time, and whose answer is whose."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.codecs import thcom
from console.codecs.thcom_records import Parameter, Serial
from console.devices.driver import CommandError
from console.devices.thcom import Thcom, ThcomSettings
from console.devices.thcom_talk import Answer, Talk, Wants, label_of
from tests.devices.thcom_rig import Wire, ask, settled

SN = Wants("SN", lambda record: isinstance(record, Serial))
POWER = Wants("&P", lambda record: isinstance(record, Parameter) and record.number == "025")
SERIAL = "SN 04811 CP545 VB10"


def silent() -> tuple[Thcom, Wire]:
    """A device whose answers the test gives by hand."""
    wire = Wire()
    wire.driver = driver = Thcom(ThcomSettings(name="start", type="thcom", port="/dev/x"), wire)
    return driver, wire


async def test_the_answer_is_ak_and_then_the_data() -> None:
    driver, wire = silent()
    asking = asyncio.create_task(driver.talk.ask("#SN", by="anna", wants=SN))
    await settled()
    wire.say("AK C")
    await settled()
    assert not asking.done(), "the data is still to come"
    wire.say(SERIAL)
    answer = await asking
    assert answer.accepted
    assert answer.record == Serial(serial="04811", type="CP545", version="VB10")
    assert wire.sent == [b"#SN\t00A1\r\n"]


async def test_serial_frames_have_a_checksum_and_those_on_tcp_where_the_device_sends_them() -> None:
    wire = Wire(lambda command: ["AK C", SERIAL])
    wire.driver = driver = Thcom(ThcomSettings(name="a", type="thcom", address="x:7000"), wire)
    await ask(driver, "#SN")
    await ask(driver, "#SN")
    assert wire.sent == [b"#SN\r\n", b"#SN\t00A1\r\n"], "the wire's answers have one"


async def test_what_comes_unasked_answers_nothing() -> None:
    driver, wire = silent()
    wire.say("AK F", "AK R", SERIAL)
    await settled()
    asking = asyncio.create_task(driver.talk.ask("#RP 025", by="", wants=POWER))
    await settled()
    wire.say("TN    7    2 M1 19:30:58.41200  6994", "&P 026 0007", SERIAL, "AK C", "&P 001 5")
    await settled()
    assert not asking.done()
    wire.say("&P 025 00 069")
    assert (await asking).record == Parameter("025", "00 069")


async def test_an_event_before_the_answer_does_not_leave_its_ak_behind() -> None:
    driver, wire = silent()
    asking = asyncio.create_task(driver.talk.ask("#RP 025", by="", wants=POWER))
    await settled()
    wire.say("&P 025 00 070")
    await settled()
    assert not asking.done(), "its AK C is still to come, and must not answer the next command"
    wire.say("AK C")
    assert (await asking).record == Parameter("025", "00 070")


async def test_data_without_its_ak_is_an_answer_all_the_same() -> None:
    driver, wire = silent()
    asking = asyncio.create_task(driver.talk.ask("#SN", by="", wants=SN, within=0.02))
    await settled()
    wire.say(SERIAL)
    assert (await asking).record


async def test_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.devices.thcom_talk.ANSWER_WITHIN", 0.02)
    driver, _ = silent()
    with pytest.raises(CommandError, match=r"#PL: no answer within 0.02 s; check that the device is on"):
        await driver.talk.ask("#PL x", by="")
    driver, wire = silent()
    asking = asyncio.create_task(driver.talk.ask("#SN", by="", wants=SN))
    await settled()
    wire.say("AK C")
    with pytest.raises(CommandError, match=r"#SN: accepted \(AK C\), but no SN came within"):
        await asking


async def test_a_frame_with_a_wrong_checksum_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.devices.thcom_talk.ANSWER_WITHIN", 0.02)
    driver, _ = silent()
    asking = asyncio.create_task(driver.talk.ask("#PL x", by=""))
    await settled()
    driver.receive(b"AK C\t00EE\r\n", 0)
    with pytest.raises(CommandError, match="no answer"):
        await asking


async def test_commands_wait_for_each_other() -> None:
    driver, wire = silent()
    first = asyncio.create_task(driver.talk.ask("#PL one", by=""))
    second = asyncio.create_task(driver.talk.ask("#PL two", by=""))
    await settled()
    assert wire.data == ["#PL one"]
    wire.say("AK F")
    assert await first == Answer("F")
    await settled()
    assert wire.data == ["#PL one", "#PL two"]
    wire.say("AK C")
    assert await second == Answer("C")


async def test_the_answer_of_a_command_that_was_stopped_is_not_taken_for_the_next_ones() -> None:
    driver, wire = silent()
    first = asyncio.create_task(driver.talk.ask("#SLA 0001", by=""))
    await settled()
    second = asyncio.create_task(driver.talk.ask("#WC 001", by=""))
    first.cancel()
    await settled()
    assert first.cancelled()
    assert wire.data == ["#SLA 0001"], "its answer is still under way"
    wire.say("AK F")
    await settled()
    assert wire.data == ["#SLA 0001", "#WC 001"]
    wire.say("AK C")
    assert (await second).accepted


async def test_a_command_that_is_stopped_while_it_waits_is_never_sent() -> None:
    driver, wire = silent()
    first = asyncio.create_task(driver.talk.ask("#PL one", by=""))
    await settled()
    second = asyncio.create_task(driver.talk.ask("#WC 008 01", by=""))
    await settled()
    second.cancel()
    wire.say("AK C")
    await first
    third = asyncio.create_task(driver.talk.ask("#PL three", by=""))
    await settled()
    wire.say("AK C")
    await third
    assert wire.data == ["#PL one", "#PL three"]


async def test_an_answer_that_comes_too_late_is_not_taken_for_the_next_ones() -> None:
    driver, wire = silent()
    with pytest.raises(CommandError, match="no answer"):
        await driver.talk.ask("#WC 001", by="", within=0.01)
    asking = asyncio.create_task(driver.talk.ask("#WC 008 01", by="anna"))
    await settled()
    assert wire.data == ["#WC 001", "#SN"], "first the device is asked for something that only it can answer"
    wire.say("AK F")  # the late one
    await settled()
    wire.say("AK C", SERIAL)
    await settled()
    assert wire.data[2:] == ["#WC 008 01"]
    wire.say("AK R")
    assert await asking == Answer("R")
    again = asyncio.create_task(driver.talk.ask("#PL x", by=""))
    await settled()
    assert wire.data[3:] == ["#PL x"], "in step again"
    wire.say("AK C")
    await again


async def test_a_device_that_stays_silent_gets_no_more_than_the_question(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.devices.thcom_talk.ANSWER_WITHIN", 0.01)
    driver, wire = silent()
    for _ in range(2):
        with pytest.raises(CommandError, match="no answer"):
            await driver.talk.ask("#WC 008 01", by="")
    assert wire.data == ["#WC 008 01", "#SN"]


async def test_a_device_that_knows_no_sn_is_taken_to_be_in_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.devices.thcom_talk.ANSWER_WITHIN", 0.02)
    driver, wire = silent()
    with pytest.raises(CommandError):
        await driver.talk.ask("#PL x", by="")
    wire.answer = lambda command: ["AK R" if command.name == "SN" else "AK C"]
    assert (await driver.talk.ask("#PL y", by="")).accepted


async def test_the_link_is_lost_meanwhile() -> None:
    driver, _ = silent()
    asking = asyncio.create_task(driver.talk.ask("#SN", by="", wants=SN))
    await settled()
    driver.lost()
    with pytest.raises(CommandError, match="#SN: the link was lost before the device answered"):
        await asking


async def test_without_a_link_nothing_waits() -> None:
    driver, wire = silent()
    wire.gone = True
    for _ in range(2):
        with pytest.raises(ConnectionError):
            await driver.talk.ask("#SN", by="")
    wire.gone = False
    wire.answer = lambda command: ["AK C"]
    assert (await driver.talk.ask("#PL x", by="")).accepted


@pytest.mark.parametrize("secret", ["topsecret", "3", "030", " ", "AK C"])
@pytest.mark.parametrize("serial", [True, False])
async def test_a_secret_is_not_journaled_nor_what_could_tell_of_it(secret: str, serial: bool) -> None:
    wire = Wire(lambda command: ["AK C"])
    talk = Talk(wire, lambda: serial)
    settings = ThcomSettings(name="a", type="thcom", port="x")
    wire.driver = driver = Thcom(settings, wire)
    driver.talk = talk
    await talk.ask(f"#WP 030 3 {secret}", by="", secret=secret)
    assert wire.sent == [thcom.basic(f"#WP 030 3 {secret}", serial)]
    (kept,) = wire.journaled
    assert kept.endswith(b"*\r\n")
    if serial:
        assert thcom.cs16(f"#WP 030 3 {secret}").encode() not in kept
    if len(secret) > 4:
        assert secret.encode() not in kept


def test_labels() -> None:
    told = [label_of(data) for data in ("#SN", "#SLA 0001", "#WC 008 01", "#WP 030 3 x", "#GP 3 x", "#PL a b")]
    assert told == ["#SN", "#SLA", "#WC 008", "#WP 030", "#GP", "#PL"]


LINES = st.sampled_from(
    ["AK C", "AK F", "AK R", "AK", SERIAL, "&P 025 00 069", "&P", "ID 04811", "!T 10:00:00 01/03/24", "DS 01", "DE 01"]
).map(lambda line: thcom.basic(line, checksum=True))


@given(st.lists(st.one_of(LINES, st.binary(max_size=40)), max_size=12))
@settings(max_examples=60, deadline=None)
async def test_any_bytes_end_in_an_answer_or_in_words(chunks: list[bytes]) -> None:
    driver, _ = silent()
    asking = asyncio.create_task(driver.talk.ask("#RP 025", by="", wants=POWER))
    await settled()
    heard = [one for chunk in chunks for one in driver.receive(chunk, 0)]
    heard += driver.lost()
    assert b"".join(one.raw for one in heard) == b"".join(chunks)
    try:
        answer = await asking
    except CommandError as error:
        assert "the link was lost" in str(error)  # noqa: PT017 - either of two ends is right
    else:
        assert answer.code in "CFR"
        assert not answer.accepted or isinstance(answer.record, Parameter)
