import asyncio
import json
from datetime import UTC
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.codecs import otimcon_records
from console.devices import otimcon_station, otimcon_words
from console.devices.otimcon import Otimcon
from console.model import SECOND, Basis, Heard, Kind, Origin, Reading
from console.simulators import otimcon_board
from console.simulators.otimcon_card import Card
from tests.devices.otimcon_cable import WALL, Cable, attended, driver_of, known, quick, until

UID = bytes.fromhex("04A1B2C3")
VECTORS = Path(__file__).parents[1] / "vectors" / "otimcon.json"
PRINTED = [row[0].encode("latin-1") for case in json.loads(VECTORS.read_text()) for row in case["pieces"]]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch)


def readings(heard: list[Heard]) -> list[Reading]:
    return [fact for frame in heard for fact in frame.facts if isinstance(fact, Reading)]


def understood(stream: bytes) -> list[Heard]:
    return driver_of().receive(stream, WALL)


# --- at the station ---------------------------------------------------------------------------------------------------


async def test_a_station_introduces_itself() -> None:
    async with attended() as talk:
        await known(talk)
    assert talk.driver.facts == {
        "version": "0.22",
        "mode": "CONTROL",
        "control": "31",
        "awake": "AWAKE",
        "keep-awake": "off",
        "clock": "2026/11/20 10:15:30, +3330 s, in whole seconds",
    }
    assert talk.cable.sent[0] == (b"\n", "keep-awake")
    assert talk.cable.lines_sent() == ["GET VERSION", "GET MODE", "GET CTRL", "GET TIME"]
    assert not [frame for frame in talk.cable.heard if frame.flaw]


@pytest.mark.parametrize("version", ["0.14", "0.16", "0.17", "0.18", "0.19", "0.2", "0.21"])
async def test_so_do_older_ones(version: str) -> None:
    async with attended(version=version, mode="READOUT") as talk:
        await known(talk)
    assert talk.driver.facts["version"] == version
    assert talk.driver.facts["mode"] == "READOUT"
    assert not [frame for frame in talk.cable.heard if frame.flaw]


async def test_a_station_that_clears_says_so_loudly() -> None:
    async with attended(mode="CLEAR") as talk:
        await known(talk)
    assert talk.driver.facts["mode"] == "CLEAR (ERASES CARDS)"
    assert "control" not in talk.driver.facts
    assert any("ERASED" in frame.note for frame in talk.cable.heard)


async def test_a_reset_is_followed_by_a_new_introduction() -> None:
    async with attended(mode="FROZEN_CONTROL") as talk:
        await known(talk)
        await talk.station.reset(boot=0)
        await until(lambda: talk.driver.facts["mode"] == "READOUT")


async def test_a_board_that_starts_is_not_woken() -> None:
    async with attended() as talk:
        await talk.station.reset(boot=0)
        await known(talk)
    assert b"\n" not in [raw for raw, _ in talk.cable.sent]


async def test_commands_wait_until_the_board_has_started() -> None:
    async with attended() as talk:
        asked = asyncio.create_task(talk.tell("PING"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert talk.cable.sent == []
        await talk.station.reset(boot=0)
        assert (await asked).ok


# --- keep-awake -------------------------------------------------------------------------------------------------------


async def test_pings_keep_it_awake() -> None:
    async with attended(keep_awake=0.01) as talk:
        await until(lambda: talk.cable.sent.count((b"PING\n", "keep-awake")) > 3)
        await until(lambda: talk.driver.facts.get("ping", "").startswith("answered in"))
    assert talk.driver.facts["keep-awake"] == "PING every 0.01 s"
    assert not [frame for frame in talk.cable.heard if frame.flaw]


def test_how_often_it_is_pinged() -> None:
    assert driver_of().station.keep_awake == 4
    assert driver_of(battery=True).station.keep_awake == 0
    assert driver_of(battery=True, keep_awake=9).station.keep_awake == 9
    assert driver_of(keep_awake=0).station.keep_awake == 0


async def test_keep_awake_is_set_live() -> None:
    async with attended(battery=True, keep_awake=None) as talk:
        await known(talk)
        reply = await talk.tell("KEEP AWAKE 1.5")
        assert reply.ok
        assert "until the engine is restarted" in reply.text
        assert talk.driver.facts["keep-awake"] == "PING every 1.5 s"
        assert talk.driver.silence() == 10
        talk.driver.station.keep(0.01)
        await until(lambda: (b"PING\n", "keep-awake") in talk.cable.sent[-2:])
        await talk.tell("KEEP AWAKE 0")
        assert talk.driver.facts["keep-awake"] == "off"
        assert talk.driver.silence() is None


async def test_a_station_that_was_off_is_known_once_it_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otimcon_station, "ANSWER", 0.02)
    monkeypatch.setattr(otimcon_station, "WAKE_FOR", 0.02)
    async with attended(keep_awake=0.01, deaf=True) as talk:
        await until(lambda: talk.driver.facts.get("awake") == "ASLEEP?" and "ping" in talk.driver.facts)
        assert talk.driver.facts["ping"].startswith("no answer")
        assert talk.cable.sent.count((b"\n", "keep-awake")) > 1
        monkeypatch.setattr(otimcon_station, "ANSWER", 0.5)
        monkeypatch.setattr(otimcon_station, "WAKE_FOR", 0.5)
        talk.cable.deaf = False
        await known(talk)
        await until(lambda: talk.driver.facts["awake"] == "AWAKE")


async def test_without_pings_a_card_makes_it_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otimcon_station, "ANSWER", 0.02)
    monkeypatch.setattr(otimcon_station, "WAKE_FOR", 0.02)
    async with attended(deaf=True) as talk:
        await until(lambda: talk.driver.facts.get("awake") == "ASLEEP?")
        monkeypatch.setattr(otimcon_station, "ANSWER", 0.5)
        talk.cable.deaf = False
        talk.station.touch(Card(uid=UID))
        await known(talk)


# --- sleep ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def _short_naps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otimcon_board, "LOOP", 0.005)
    monkeypatch.setattr(otimcon_board, "AWAKE", 0.06)
    monkeypatch.setattr(otimcon_board, "NAP", 0.02)
    monkeypatch.setattr(otimcon_board, "NAPS", 10**9)
    monkeypatch.setattr(otimcon_station, "DOZES", 0.05)
    monkeypatch.setattr(otimcon_station, "WAKE_GAP", 0.002)
    monkeypatch.setattr(otimcon_station, "WAKE_FOR", 2)
    monkeypatch.setattr(otimcon_station, "WAKE_DEEP", 4)


@pytest.mark.usefixtures("_short_naps")
@pytest.mark.parametrize("version", ["0.18", "0.19"])
async def test_a_sleeper_is_woken_before_a_command(version: str) -> None:
    async with attended(version=version, low_power=True) as talk:
        await known(talk)
        await until(lambda: talk.driver.facts["awake"] == "ASLEEP?")
        lost = talk.station.lost
        reply = await talk.tell("SET CTRL 45")
    assert reply.ok
    assert talk.station.control == 45
    assert talk.cable.lines_sent().count("SET CTRL 45") == 1
    assert talk.station.lost >= lost


@pytest.mark.usefixtures("_short_naps")
async def test_a_sleeper_that_nobody_expects_is_woken_once_it_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otimcon_station, "ANSWER", 0.05)
    async with attended(version="0.22", low_power=True) as talk:
        await known(talk)
        await asyncio.sleep(0.07)  # its naps have begun; they do not show
        reply = await talk.tell("SET CTRL 45")
    assert reply.ok
    assert talk.station.control == 45


@pytest.mark.usefixtures("_short_naps")
async def test_waking_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    states: list[str] = []
    async with attended(version="0.19", low_power=True) as talk:
        await known(talk)
        await until(lambda: talk.driver.facts["awake"] == "ASLEEP?")
        talk.driver.changed = lambda: states.append(talk.driver.facts["awake"])
        await talk.tell("PING")
    assert states[0] == "WAKING"
    assert states[-1] == "AWAKE"


async def test_half_a_line_is_sent_again() -> None:
    cable = Cable()
    driver = driver_of(cable)
    driver.receive(b"\r\n>", WALL)  # it is awake
    asked = asyncio.create_task(driver.station.ask("GET MODE", "ann"))
    await until(lambda: cable.lines_sent() == ["GET MODE"])
    driver.receive(b"\r\nUnknown Argument 'ODE'\r\n>", WALL)
    await until(lambda: (b"\n", "keep-awake") in cable.sent)
    driver.receive(b"\r\nUnknown Argument ''\r\n>", WALL)
    await until(lambda: (b"PING\n", "ann") in cable.sent)
    driver.receive(b"\r\nPONG\r\n>", WALL)
    await until(lambda: cable.lines_sent() == ["GET MODE"] * 2)
    driver.receive(b"\r\nMode:CONTROL\r\n>", WALL)
    assert await asked == [otimcon_records.Mode("CONTROL")]


async def test_half_a_line_that_runs_when_it_wakes_is_mended(monkeypatch: pytest.MonkeyPatch) -> None:
    async with attended() as talk:
        await known(talk)
        monkeypatch.setattr(otimcon_station, "ANSWER", 0.05)
        talk.cable.deaf = True
        asked = asyncio.create_task(talk.tell("SET CTRL 45"))
        await until(lambda: talk.cable.lines_sent()[-1] == "SET CTRL 45")
        talk.cable.deaf = False
        await talk.cable.through(b"SET CTRL 4")  # it fell asleep before the rest
        monkeypatch.setattr(otimcon_station, "ANSWER", 0.5)
        reply = await asked
    assert any(frame.raw == b"Control:4\r\n" for frame in talk.cable.heard)
    assert reply.text == "control 45"
    assert talk.station.control == 45


async def test_noise_of_waking_answers_nothing() -> None:
    cable = Cable()
    driver = driver_of(cable)
    driver.receive(b"\r\n>", WALL)
    asked = asyncio.create_task(driver.station.ask("PING", "ann"))
    await until(lambda: cable.sent)
    driver.receive(b"\r\nUnknown Argument 'NG'\r\n>", WALL)
    driver.receive(b"\r\nUnknown Argument ''\r\n>", WALL)
    await asyncio.sleep(0)
    assert not asked.done()
    driver.receive(b"\r\nUnknown Argument 'PING'\r\n>", WALL)
    assert await asked == [otimcon_records.UnknownArgument("PING")]


# --- one at a time ----------------------------------------------------------------------------------------------------


async def test_cards_between_question_and_answer_do_no_harm() -> None:
    async with attended() as talk:
        await known(talk)
        asked = asyncio.create_task(talk.tell("GET MODE"))
        await until(lambda: (b"GET MODE\n", "ann") in talk.cable.sent)
        talk.station.touch(Card(uid=UID))
        reply = await asked
    assert reply.text == "mode CONTROL"
    assert [reading.tag for reading in readings(talk.cable.heard)] == ["04A1B2C3"]


async def test_commands_wait_for_one_another() -> None:
    async with attended() as talk:
        replies = await asyncio.gather(*(talk.tell("GET VERSION", f"operator {number}") for number in range(8)))
    assert all(reply.ok for reply in replies)
    assert not [frame for frame in talk.cable.heard if frame.label == "unknown argument" and b"''" not in frame.raw]


async def test_a_listener_hears_cards_and_the_end_of_the_link() -> None:
    async with attended() as talk:
        await known(talk)
        with talk.driver.station.listen() as cards:
            talk.station.touch(Card(uid=UID))
            assert await cards.next(1) == otimcon_records.Punch(31, "04A1B2C3", talk.station.clock())
            cards.forget()
            talk.driver.lost()
            with pytest.raises(ConnectionError):
                await cards.next(1)


# --- what lines mean --------------------------------------------------------------------------------------------------


def test_a_live_punch() -> None:
    frame, _, _ = understood(b"^31, 04 A1 B2 C3,1795170000$\r\n>\r\n")
    assert frame.label == "punch"
    assert frame.facts == (
        Reading(
            kind=Kind.PUNCH,
            identity="punch/04A1B2C3/31/1795170000",
            time="1795170000",
            ns=1795170000 * 10**9,
            basis=Basis.EPOCH,
            day=20777,
            tag="04A1B2C3",
            channel="31",
            read_type=2,
            origin=Origin.LIVE,
            shared=True,
            series="04A1B2C3/31",
            position=1795170000 * 10**9,
            window=30 * 10**9,
            join="punch/04A1B2C3/1795170000",
        ),
    )


def test_a_readout_is_the_same_punches() -> None:
    live = readings(understood(b"^31, 04 A1 B2 C3,1795170000$\r\n>\r\n"))
    read = readings(understood(b"Card: 04 A1 B2 C3\r\n251,1795169700,255,-1,31,1795170000,%\r\n>\r\n"))
    assert [reading.identity for reading in read] == ["punch/04A1B2C3/251/1795169700", live[0].identity]
    assert {reading.origin for reading in read} == {Origin.READOUT}


@pytest.mark.parametrize(
    "stream",
    [
        b"Card: 04 A1 B2 C3\r\n31,1795170000,>\r\n",  # the card was pulled away
        b"Card: 04 A1 B2 C3\r\n31,1795170000,32,%\r\n",  # a pair is cut short
        b"31,1795170000,%\r\n",  # whose?
        b"Card: 04 A1 B2 C3\r\n255,-1,31,-1,0,1795170000,31,0,31,4294967295,%\r\n>\r\n",
        b"Card: 04 A1 B2 C3\r\n252,1479632724,2016/11/20 09:05:24#\r\n%\r\n>\r\n",  # its % proves nothing
        b"^31, 04 A1 B2 C3,-1$\r\n>\r\n",
        b"^31, 04 A1 B2 C3,0$\r\n>\r\n",
        b"^31, 04 A1 B2 C3,4294967295$\r\n>\r\n",
        b"^ 04 A1 B2 C3,1795169700,2026/11/20 10:15:00#\r\n",  # backup
        b"Cleared card: 04 A1 B2 C3$\r\n>\r\n",
        b"^31, 04 A1 B2 C3,17951",
    ],
)
def test_what_is_not_passed_on(stream: bytes) -> None:
    assert readings(understood(stream)) == []


def test_control_with_readout_passes_on_the_live_line_only() -> None:
    heard = understood(b"^7, 04 A1 B2 C3,1795173601$\r\n251,1795169700,31,1795170000,7,1795173601,%\r\n>\r\n")
    assert [reading.identity for reading in readings(heard)] == ["punch/04A1B2C3/7/1795173601"]


def test_flaws_say_why() -> None:
    assert [frame.flaw for frame in understood(b"^31, 04 A1 B2 C3,0$\r\n???\r\n")] == [
        "0 is no time: look at the station's clock",
        "not understood",
    ]


@pytest.mark.parametrize(
    ("stream", "note"),
    [
        (b"\r\nMode:CLEAR\r\n>", "ERASED"),
        (b"Error: card full - \r\n", "card full"),
        (b"Error: card full - \r\n35, DE AD BE EF\r\n", "card DEADBEEF is full"),
        (b"Error: Card not prepared\r\n", "CLEAR station"),
        (b"^255, 04 A1 B2 C3,1795170000$\r\n>\r\n", "no control number"),
        (b"Starting...\r\nNo RTC\r\n", "halted"),
        (b"Card: 04 A1 B2 C3\r\n31,1479632000,2016/11/20 08:53:20#\r\n%\r\n", "not passed on"),
    ],
)
def test_what_the_operator_is_told(stream: bytes, note: str) -> None:
    assert note in " ".join(frame.note for frame in understood(stream))


def test_every_record_has_a_label() -> None:
    records = [kind for kind in vars(otimcon_records).values() if isinstance(kind, type)]
    assert set(otimcon_words._LABELS) <= {kind.__name__ for kind in records}


def test_the_half_line_of_a_lost_link() -> None:
    driver = driver_of()
    driver.receive(b">\r\n", WALL)
    assert driver.receive(b"^31, 04 A1", WALL) == []
    assert driver.facts["awake"] == "AWAKE"
    assert driver.lost() == [Heard(raw=b"^31, 04 A1", label="garbage", flaw="cut short")]
    assert "awake" not in driver.facts  # nobody knows that of a station without a link
    driver.opened()
    assert readings(driver.receive(b"^31, 04 A1 B2 C3,1795170000$\r\n", WALL))


def test_its_clock_is_told_when_it_was_asked() -> None:
    frames = driver_of().receive(b"Time:1795169730,2026/11/20 10:15:30\r\n", WALL)
    assert [frame.clock for frame in frames] == [1795169730 * SECOND]
    frames = driver_of().receive(b"Time:2016/8/7 9:5:3\r\n", WALL)
    assert [frame.clock for frame in frames] == [1470560703 * SECOND]


def test_clock_differences() -> None:
    noon = WALL // 10**9
    for epoch, words in (
        (noon, "right to 1 s"),
        (noon - 7, "-6 s"),
        (noon + 3603, "+4 s, and +1:00 h: set in another zone?"),
        (noon - 4 * 3600 - 1800 - 6, "-6 s, and -4:30 h: set in another zone?"),
        (noon + 3330, "+3330 s"),
        (noon - 86400 * 365, "365.0 days behind"),
    ):
        assert otimcon_words.difference(epoch, WALL, UTC) == words
    assert otimcon_words.difference(noon + 3600, WALL, ZoneInfo("Europe/Paris")) == "right to 1 s"


@given(st.lists(st.binary(max_size=80) | st.sampled_from(PRINTED), max_size=12).map(b"".join))
def test_any_bytes_are_taken_and_explained(stream: bytes) -> None:
    heard = understood(stream)
    assert stream.startswith(b"".join(frame.raw for frame in heard))
    assert all(frame.label for frame in heard)
    for frame in [*heard, Heard(raw=stream, label="")]:
        assert bool(Otimcon.explain(frame.raw)) == bool(frame.raw)


def test_silence() -> None:
    assert driver_of(keep_awake=4).silence() == 12
    assert driver_of(keep_awake=1).silence() == 10
    assert driver_of(keep_awake=0).silence() is None
    assert driver_of(silent_after=60).silence() == 60
    assert driver_of(silent_after=0).silence() is None


def test_explanations() -> None:
    punch = Otimcon.explain(b"^251, 04 A1 B2 C3,1795170000$\r\n")
    assert punch["control"] == "START (251)"
    assert punch["uid"] == "04A1B2C3"
    assert punch["epoch"] == "1795170000 = 2026-11-20 10:20:00 on the station's clock"
    readout = Otimcon.explain(b"251,1795169700,252,1795170000,%\r\n")
    assert readout["pairs"] == "START (251) at 2026-11-20 10:15:00; FINISH (252) at 2026-11-20 10:20:00"
    assert Otimcon.explain(b"35, DE AD BE EF")["uid"] == "DEADBEEF"
    assert Otimcon.explain(b"\xff\x00")["flaw"] == "cut short"
    assert Otimcon.explain(b"") == {}
    assert Otimcon.explain(b"GET TIME\n")["what"] == "read its clock, which shows whole seconds"
    assert Otimcon.explain(b"WRITE CONTROL 251 20261120101530\n") == {
        "command": "WRITE CONTROL 251 20261120101530",
        "what": "write a punch to the next card",
    }
