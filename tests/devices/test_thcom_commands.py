"""Every command of a THCOM08 host: how it goes over the wire, what is not sent, and what it may do."""

import re
from datetime import UTC

import pytest

from console.devices.thcom import Thcom, ThcomSettings
from console.devices.thcom_commands import COMMANDS, REFUSED, read
from console.model import CommandError
from console.simulators.cp545_device import Device
from console.simulators.gsm_docking import Docking
from tests.devices.outlet import Nowhere
from tests.devices.thcom_rig import WALL, Wire, ask

FRAMES = {
    "#ID": "#ID",
    "#sn": "#SN",
    "#!T": "#!T",
    "#PL Hello, you": "#PL Hello, you",
    "#BM go": "#BM go",
    "#SLR": "#SLR",
    "#SLA 12": "#SLA 0012",
    "#SLC": "#SLC",
    "#DL 1": "#DL 01",
    "#RT 72 5": "#RT 0072 05",
    "#RT 72 m1": "#RT 0072 M1",
    "#EE 1": "#EE 1",
    "#RP 025": "#RP 025",
    "#RP 004 04": "#RP 004 04",
    "#RP 030 4": "#RP 030 4",
    "#WP 001 5": "#WP 001 5",
    "#WP 003 01 00 10:00:00 9098": "#WP 003 01 00 10:00:00 9098",
    "#WP 030 4 online.itschrono.com": "#WP 030 4 online.itschrono.com",
    "#WC 001": "#WC 001",
    "#WC 002": "#WC 002",
    "#WC 003 7": "#WC 003 07",
    "#WC 005 12345": "#WC 005 12345",
    "#WC 007 02 10:43 01/03/24": "#WC 007 02 10:43 01/03/24",
    "#WC 008 1": "#WC 008 01",
    "#WC 010 0": "#WC 010 0",
    "#WC 011 2": "#WC 011 2",
    "#WC 012 1 3f": "#WC 012 01 003F",
    "#WC 013 1 72 16": "#WC 013 01 0072 0016",
    "#WC 013 M1 72 0": "#WC 013 M1 0072 0000",
    "#WC 013 1 72 c": "#WC 013 01 0072    C",
    "#WC 014 4 9 9:00:00.5 9098": "#WC 014 04 0009 09:00:00.50000 09098",
    "#WC 014 4 0 19:00:00 2024-11-28": "#WC 014 04 0000 19:00:00.00000 09098",
    "#WC 015 4 72 16 17": "#WC 015 04 0072 0016 0017",
    "#WC 016 f": "#WC 016 0F",
}

MALFORMED = [
    "#PL",
    f"#PL {'x' * 25}",
    "#PL Grüezi",
    "#PL a\tb",
    f"#BM {'x' * 33}",
    "#SLA 0",
    "#SLA 10000",
    "#SLA x",
    "#DL 0",
    "#DL 100",
    "#RT 1",
    "#RT 1 0",
    "#RT 10000 1",
    "#RT 1 M0",
    "#RT 1 1 1",
    "#EE 2",
    "#RP 25",
    "#RP abc",
    "#WP 1 5",
    "#WP 001",
    "#WC 003 100",
    "#WC 005",
    "#WC 005 54321",
    "#WC 007 06 10:43 01/03/24",
    "#WC 007 02 24:00 01/03/24",
    "#WC 007 02 9:00 01/03/24",
    "#WC 007 02 10:43 30/02/24",
    "#WC 007 02 10:43 1/3/24",
    "#WC 008 0",
    "#WC 010 3",
    "#WC 012 1 12345",
    "#WC 012 1 xy",
    "#WC 013 1 72 10000",
    "#WC 013 1 72 x",
    "#WC 014 4 9 25:00:00 9098",
    "#WC 014 4 9 10:00 9098",
    "#WC 014 4 9 10:00:00.123456 9098",
    "#WC 014 4 9 10:00:00 2024-02-30",
    "#WC 015 4 72 16 0",
    "#WC 016 100",
    "SET CLOCK 9:00",
    "SET CLOCK 10:60",
    "START LIST",
    "DOWNLOAD RUN x",
    "STATUS now",
    "#XX",
    "",
]


@pytest.mark.parametrize(("words", "data"), FRAMES.items())
def test_a_frame(words: str, data: str) -> None:
    host, values = read(words)
    assert host.data(values) == data


@pytest.mark.parametrize("words", MALFORMED)
def test_what_its_columns_cannot_hold_is_not_sent(words: str) -> None:
    with pytest.raises(CommandError) as caught:
        read(words)
    assert str(caught.value)


def test_the_table_is_whole() -> None:
    tried = {read(words)[0].info.words for words in FRAMES}
    composed = {"STATUS", "SET CLOCK", "START LIST", "DOWNLOAD RUN", "PING"}
    assert {one.words for one in COMMANDS} == tried | composed
    keys = [one.key for one in COMMANDS if one.key]
    assert len(set(keys)) == len(keys)
    assert not set(keys) & set("adxlingqbu/:?[]GNQ")
    for one in COMMANDS:
        assert one.help
        assert not one.changes or not one.key.islower(), f"{one.words}: a lower-case letter asks"
        assert not one.key.isupper() or one.changes, f"{one.words}: a capital changes"
        assert not one.destroys or one.changes


def test_what_is_dangerous_says_so() -> None:
    driver = Thcom(ThcomSettings(name="a", type="thcom", port="x"), Nowhere())
    assert "ERASED" in driver.risk("#WC 005 12345").destroys
    assert "closed" in driver.risk("#WC 001").destroys
    assert driver.risk("SET CLOCK").sets_clock
    assert driver.risk("#WC 001").does == "close the run"
    assert not driver.risk("SET CLOCK").does  # its words tell
    for words in ("#WC 008 1", "#WP 001 5", "#SLR", "START LIST x", "#WC 013 1 1 C", "#WC 003 1", "#WC 010 0"):
        assert driver.risk(words).changes, words
    for words in ("#RP 025", "#DL 1", "#RT 1 1", "#PL x", "STATUS", "DOWNLOAD RUN 1"):
        assert not driver.risk(words).changes, words
    with pytest.raises(CommandError):
        driver.risk("#WC 008")


@pytest.mark.parametrize("words", [*REFUSED, "#mc", "#WC 018 01", "#GP 3 topsecret", "#DF x"])
def test_what_is_not_sent_is_refused_with_words(words: str) -> None:
    with pytest.raises(CommandError, match="not sent from here") as caught:
        read(words)
    assert "topsecret" not in str(caught.value)


@pytest.mark.parametrize(
    "words", ["#WP 030 3 topsecret", "#wp 030  8 topsecret", "#WP 030 C topsecret", "#WP 030 3topsecret", "#RP 030 g"]
)
def test_a_password_is_refused_before_anything_keeps_it(words: str) -> None:
    """`risk` is asked first: what it refuses leaves no outcome behind."""
    driver = Thcom(ThcomSettings(name="a", type="thcom", port="x"), Nowhere())
    with pytest.raises(CommandError, match="SET PASSWORD of a gsm-docking") as caught:
        driver.risk(words)
    assert "topsecret" not in str(caught.value)


# --- against the instrument ---


@pytest.fixture
def timer() -> Device:
    device = Device()
    device.zone = UTC
    device.now = lambda: WALL
    device.open_run("START - FINISH")
    device.impulse("1", 7)
    device.docking = Docking()
    return device


def connected(device: Device) -> tuple[Thcom, Wire]:
    def answer(command: object) -> list[str]:
        replies, events = device.answer(command)  # type: ignore[arg-type]
        return [*replies, *events]

    wire = Wire(answer)
    wire.driver = driver = Thcom(ThcomSettings(name="start", type="thcom", port="/dev/x"), wire)
    return driver, wire


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("#ID", "serial number 04811"),
        ("#SN", "CP545 04811 VB10"),
        ("PING", "CP545 04811 VB10"),
        ("#!T", "22:13:21 14/11/23 in its next second"),
        ("#PL Hello", "#PL: accepted (AK C)"),
        ("#BM Hello", "#BM: accepted (AK C)"),
        ("#SLR", "#SLR: accepted (AK C)"),
        ("#SLA 12", "#SLA: accepted (AK C)"),
        ("#SLC", "#SLC: accepted (AK C)"),
        ("#RT 1 1", "bib 7, 1 on 1, 22:13:20.00000, 2023-11-14; offered (sheet offered) if it never arrived live"),
        ("#EE 1", "#EE: accepted (AK C)"),
        ("#RP 025", "power (025): 6.9 V (00 069)"),
        ("#RP 026", "next bib (026): 1 (0001)"),
        ("#RP 030 5", "parameter (030): 5 3000"),
        ("#WP 001 3", "#WP: accepted (AK C)"),
        ("#WC 001", "#WC 001: accepted (AK C)"),
        ("#WC 002", "#WC 002: accepted (AK C)"),
        ("#WC 003 1", "#WC 003: accepted (AK C)"),
        ("#WC 005 12345", "#WC 005 12345: accepted (AK C)"),
        ("#WC 007 02 10:43 01/03/24", "#WC 007: accepted (AK C)"),
        ("#WC 008 1", "#WC 008: accepted (AK C)"),
        ("#WC 010 1", "#WC 010: accepted (AK C)"),
        ("#WC 011 1", "#WC 011: accepted (AK C)"),
        ("#WC 012 1 1", "#WC 012: accepted (AK C)"),
        ("#WC 013 1 1 8", "#WC 013: accepted (AK C)"),
        ("#WC 014 1 8 10:00:00", "#WC 014: accepted (AK C)"),
        ("#WC 015 1 1 7 8", "#WC 015: accepted (AK C)"),
        ("#WC 016 01", "#WC 016: accepted (AK C)"),
    ],
)
async def test_it_is_done(timer: Device, words: str, told: str) -> None:
    driver, wire = connected(timer)
    reply = await ask(driver, words)
    assert (reply.ok, reply.text) == (True, told)
    assert wire.by == ["anna"]


async def test_an_inserted_time_is_of_today_unless_it_says_otherwise(timer: Device) -> None:
    driver, wire = connected(timer)
    await ask(driver, "#WC 014 1 8 10:00:00")
    assert wire.data == ["#WC 014 01 0008 10:00:00.00000 08718"]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("#RT 99 1", "#RT: the device rejects it (AK F): no such time in its memory?"),
        ("#DL 9", "#DL 09: the device rejects it (AK F): no run of that number in its memory?"),
        ("#WP 001 9", "#WP: the device rejects it (AK F): is that a value it can have?"),
        ("#WC 013 1 99 8", "#WC 013: the device rejects it (AK F): no such time in its memory?"),
        ("#WC 012 9 1", "#WC 012: the device rejects it (AK F): no run of that number in its memory?"),
        ("#RP 999", "#RP: the device rejects it (AK F): does it want more than its number?"),
        ("#RP 034", "#RP: not supported by this device (AK R)"),
    ],
)
async def test_a_refusal_is_explained(timer: Device, words: str, why: str) -> None:
    timer.docking = None
    driver, _ = connected(timer)
    reply = await ask(driver, words)
    assert (reply.ok, reply.text) == (False, why)


@pytest.mark.parametrize("info", [one for one in COMMANDS if not one.long], ids=lambda info: info.words)
@pytest.mark.parametrize("code", ["F", "R", ""])
async def test_every_command_can_be_refused_or_go_unanswered(
    info: object, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.devices.thcom_talk.ANSWER_WITHIN", 0.01)
    monkeypatch.setattr("console.devices.thcom_jobs.LINE_WITHIN", 0.01)
    words = next((one for one in FRAMES if read(one)[0].info == info), getattr(info, "words", ""))
    wire = Wire((lambda command: [f"AK {code}"]) if code else None)
    wire.driver = driver = Thcom(ThcomSettings(name="start", type="thcom", port="/dev/x"), wire)
    if not code:
        with pytest.raises(CommandError, match=r"no answer within 0.01 s; check that the device is on"):
            await ask(driver, words)
    elif words == "STATUS":
        assert "not told: power, next bib" in (await ask(driver, words)).text
    else:
        reply = await ask(driver, words)
        assert reply.ok is False
        assert re.search(rf"\(AK {code}\)", reply.text)


def test_whatever_downloads_can_be_stopped() -> None:
    assert {one.words for one in COMMANDS if one.long} == {"#DL", "DOWNLOAD RUN", "SET CLOCK", "START LIST"}
