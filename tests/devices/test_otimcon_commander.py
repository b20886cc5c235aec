"""Every command of a station, at stations of every version: done, refused, not answered, cut off."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest

from console.codecs.otimcon_records import Pong
from console.devices import otimcon_station, otimcon_write
from console.devices.driver import CommandError, Reply
from console.devices.manager import Manager
from console.devices.otimcon import OtimconSettings
from console.devices.otimcon_commands import CLEARS
from console.model import SECOND, LinkState, Order
from console.simulators import otimcon_board
from console.simulators.otimcon_card import Card
from console.simulators.otimcon_firmware import Station
from console.simulators.otimcon_versions import VERSIONS, Firmware
from console.simulators.port import PtyPort
from tests.devices.otimcon_cable import Talk, attended, known, quick, until
from tests.devices.scripted import MemoryDesk

UID = bytes.fromhex("04A1B2C3")
EVERY = pytest.mark.parametrize("version", VERSIONS)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch)
    monkeypatch.setattr(otimcon_write, "AGAIN", 0.05)


def knows(version: str, first: str) -> bool:
    return Firmware(version).since(first)


# --- done -------------------------------------------------------------------------------------------------------------


@EVERY
async def test_everything_that_can_be_asked(version: str) -> None:
    async with attended(version=version) as talk:
        ping = await talk.tell("PING")
        assert ping.text.startswith("PONG after" if knows(version, "0.2") else "awake, but too old to know PING")
        assert isinstance(ping.data["ms"], int)
        assert (await talk.tell("GET VERSION")).text == f"firmware {version}"
        assert (await talk.tell("get ctrl")).text == "control 31"
        assert (await talk.tell("GET MODE")).text == "mode CONTROL"
        assert (await talk.tell("GET VOLTAGE")).text == "0.00, no battery level: the firmware divides wrongly"
        time = await talk.tell("GET TIME")
        assert time.text.startswith("2026/11/20 10:15:30, ")
        assert time.text.endswith("it shows whole seconds")
        assert "SET *" in (await talk.tell("?")).text
        assert "CTRL number" in (await talk.tell("? SET")).text
    assert not [frame for frame in talk.cable.heard if frame.flaw]


@EVERY
async def test_everything_that_can_be_set(version: str) -> None:
    async with attended(version=version) as talk:
        assert (await talk.tell("SET CTRL 45")).text == "control 45"
        assert talk.station.control == 45
        assert (await talk.tell("SET CTRL FINISH")).text == "control FINISH (252)"
        assert talk.station.control == 252
        assert (await talk.tell("SET CTRL 254")).text == "control 254; the README allows up to 250"
        assert (await talk.tell("SET TIME 20270102030405")).ok
        assert datetime.fromtimestamp(talk.station.clock(), ZoneInfo("UTC")).isoformat()[:16] == "2027-01-02T03:04"
        for mode in Firmware(version).modes:
            assert (await talk.tell(f"SET MODE {mode}")).ok
            assert talk.station.mode == mode.replace("CRAZY_", "")
        if knows(version, "0.16"):
            talk.station.pointer = 48
            assert (await talk.tell("SET RESET_BACKUP")).ok
            assert talk.station.pointer == 0
    assert not [frame for frame in talk.cable.heard if frame.flaw]


async def test_the_facts_follow() -> None:
    async with attended() as talk:
        await known(talk)
        await talk.tell("SET CTRL START")
        assert talk.driver.facts["control"] == "START (251)"
        await talk.tell("SET MODE PRINT POS")
        assert talk.station._escpos
        assert talk.driver.facts["mode"] == "PRINT POS"
        told = await talk.tell("SET MODE CLEAR")
        assert told.text == f"mode CLEAR: {CLEARS}"
        assert talk.driver.facts["mode"] == "CLEAR (ERASES CARDS)"
        assert "a reset makes it READOUT" in (await talk.tell("SET MODE FROZEN_CONTROL")).text


@pytest.mark.parametrize("version", ["0.14", "0.19", "0.22"])
async def test_the_clock_gets_the_time_of_the_event_at_the_second(version: str) -> None:
    async with attended(version=version) as talk:
        await known(talk)
        talk.cable.zoned = ZoneInfo("Asia/Kathmandu")
        talk.cable.ahead = 900_000_000 - talk.cable.wall() % SECOND  # the next second is near
        reply = await talk.tell("SET TIME")
    assert reply.ok, reply.text
    assert reply.data["difference"] in (-1, 0, 1)
    now = {0: "right", 1: "+1 s off", -1: "-1 s off"}[int(reply.data["difference"])]
    assert reply.text.endswith(f" s off and is {now} now; it shows whole seconds")
    (at,) = [at for at, (raw, _) in enumerate(talk.cable.sent) if raw.startswith(b"SET TIME")]
    digits = talk.cable.sent[at][0].decode()[9:-1]
    second = datetime.strptime(digits, "%Y%m%d%H%M%S").replace(tzinfo=talk.cable.zoned).timestamp()
    # It is sent before that second begins, and by no more than what PINGs took: far less than the second itself.
    assert 0 < second - talk.cable.walls[at] / SECOND + 0.5 < 1.5


async def test_set_ctrl_outside_the_control_modes_has_stored_it() -> None:
    async with attended(mode="READOUT") as talk:
        reply = await talk.tell("SET CTRL 45")
        assert reply.ok
        assert "control 45 is stored, though it answers WARNING: Not in control mode." in reply.text
        assert talk.station.control == 45
        asked = await talk.tell("GET CTRL")
        assert asked.ok is False
        assert "only in a control mode" in asked.text
    async with attended(mode="READOUT", version="0.19") as talk:
        assert (await talk.tell("GET CTRL")).text == "control 31"


async def test_a_new_board_has_no_number() -> None:
    async with attended() as talk:
        talk.station.control = 255
        await known(talk)
        assert talk.driver.facts["control"] == "none (255)"
        assert "no control number yet" in (await talk.tell("GET CTRL")).text


async def test_bleep_is_not_answered() -> None:
    async with attended() as talk:
        reply = await talk.tell("BLEEP")
        assert reply.ok is None
        assert talk.station.bleeps == 1
    async with attended(version="0.21") as talk:
        await known(talk)
        with pytest.raises(CommandError, match=r"firmware 0\.21: BLEEP came with 0\.22"):
            await talk.tell("BLEEP")
        talk.driver.station.version = "0.22"  # should that not be true
        told = await talk.tell("BLEEP")
        assert told.ok is False
        assert "Unknown Argument 'BLEEP'" in told.text


async def test_raw_lines() -> None:
    async with attended() as talk:
        assert (await talk.tell("RAW GET   MODE")).text == "Mode:CONTROL"
        assert (b"GET   MODE\n", "ann") in talk.cable.sent
        told = await talk.tell("RAW get mode")
        assert told.ok is False
        assert told.text == "Unknown Argument 'get'"
        silent = await talk.tell("RAW WRITE CTRL 31 20261120101530")
        assert silent.ok is None
        assert "silence" in silent.text
        assert (await talk.tell("RAW SET CTRL 12abc")).text == "Control:12"
        assert (await talk.tell("RAW ? SET")).text.startswith("Set options; ")
        await talk.tell("SET MODE READOUT")
        stored = await talk.tell("RAW SET CTRL 45")
        assert (stored.ok, talk.station.control) == (True, 45)
        assert "WARNING: Not in control mode." in stored.text


async def test_a_frozen_time_is_no_clock() -> None:
    async with attended(mode="FROZEN_CONTROL") as talk:
        await known(talk)
        with pytest.raises(CommandError, match="it is frozen at a time"):
            await talk.tell("SET TIME")
        assert not [line for line in talk.cable.lines_sent() if line.startswith("SET TIME")]
        told = await talk.tell("SET TIME 20261120101530")
    assert told.ok
    assert told.text.endswith("in FROZEN_CONTROL that is its frozen time only")


@pytest.mark.parametrize("words", ["BLEEP", "RAW BLEEP", "RAW GET MODE"])
async def test_an_answer_ends_although_a_card_is_told_again_and_again(words: str) -> None:
    async with attended() as talk:
        await known(talk)

        async def lies_there() -> None:
            while True:
                talk.cable.write(b"Error: Card not prepared\r\n")
                await asyncio.sleep(0)

        lying = asyncio.create_task(lies_there())
        try:
            async with asyncio.timeout(20):
                reply = await talk.tell(words)
        finally:
            lying.cancel()
        assert reply.ok is (True if words.endswith("MODE") else None)


# --- what may go wrong is asked before --------------------------------------------------------------------------------


async def test_risks() -> None:
    async with attended() as talk:
        await known(talk)
        driver = talk.driver
        for words in ("PING", "BLEEP", "GET TIME", "GET CTRL", "GET MODE", "?", "RAW GET MODE", "KEEP AWAKE 4"):
            assert driver.risk(words) == type(driver.risk(words))(), words
        assert driver.risk("SET TIME").sets_clock
        assert not driver.risk("SET TIME 20261120101530").sets_clock
        for words in ("SET TIME", "SET CTRL 4", "SET MODE CONTROL", "RAW SET TIME x", "SET RESET_BACKUP"):
            assert driver.risk(words).changes, words
        assert driver.risk("set mode clear").destroys == CLEARS
        assert driver.risk("RAW SET MODE CLEAR").destroys == CLEARS
        assert driver.risk("SET MODE READOUT").destroys == "its mode changes from CONTROL to READOUT"
        assert not driver.risk("SET MODE CONTROL").destroys
        assert driver.risk("SET RESET_BACKUP").destroys.endswith("in its backup, which has not been read here")
        driver.facts["backup"] = "read 13:38, 37 punches"
        assert driver.risk("SET RESET_BACKUP").destroys.endswith("in its backup, which was read 13:38, 37 punches")
        assert driver.risk("SET CTRL 4").does == "it is 31 now"
        back = "mode changes to WRITER, and back to CONTROL afterwards: no punches meanwhile"
        assert driver.risk("WRITE INFO BAUER").destroys == back
        with pytest.raises(CommandError, match="1 to 250"):
            driver.risk("SET CTRL 0")
        await talk.tell("SET MODE WRITER")
        assert not driver.risk("WRITE INFO BAUER").destroys
    sent = [line for line in talk.cable.lines_sent() if not line.startswith("GET")]
    assert sent == ["SET MODE WRITER"]


@pytest.mark.parametrize("given", ["", "61", "-1", "0.5", "often", "nan"])
async def test_keep_awake_has_limits(given: str) -> None:
    async with attended() as talk:
        with pytest.raises(CommandError, match=r"1 to 60|seconds is missing"):
            await talk.tell(f"KEEP AWAKE {given}")


# --- answers that are wrong -------------------------------------------------------------------------------------------


async def answered(talk: Talk, words: str, answer: bytes) -> Reply:
    """The reply to a station that answers `answer`."""
    await known(talk)
    talk.cable.deaf = True
    asked = asyncio.create_task(talk.tell(words))
    await until(lambda: talk.cable.lines_sent()[-1].split()[0] == words.split()[0] and talk.cable.sent[-1][1] == "ann")
    talk.cable.write(answer)
    return await asked


@pytest.mark.parametrize(
    ("words", "answer", "why"),
    [
        ("SET CTRL 45", b"\r\nControl:4\r\n>", "is 4, not 45"),
        ("SET CTRL 45", b"\r\nMode:CONTROL\r\n>", "no answer to SET CTRL"),
        ("SET CTRL 45", b"\r\nUnknown Argument '45'\r\n>", "Unknown Argument '45': firmware 0.22 does not know 45"),
        ("SET MODE READOUT", b"\r\nMode:CONTROL\r\n>", "its mode is not READOUT"),
        ("SET MODE PRINT POS", b"\r\nMode:PRINT \r\n>", "its mode is not PRINT"),
        ("SET TIME 20261120101530", b"\r\nTime:1795169727,2026/11/20 10:15:27\r\n>", "NOT set right"),
        ("SET TIME 20261120101530", b"\r\nTime:1795169733,2026/11/20 10:15:33\r\n>", "NOT set right"),
        (
            "SET RESET_BACKUP",
            b"\r\nBackup pointer resetted to 0!\r\nAlthough - there is no support for backup!\r\n>",
            "no s",
        ),
        ("GET VERSION", b"\r\nUnknown Argument 'VERSION'\r\n>", "Unknown Argument"),
    ],
)
async def test_wrong_answers_are_told(words: str, answer: bytes, why: str) -> None:
    async with attended() as talk:
        reply = await answered(talk, words, answer)
    assert reply.ok is False
    assert why in reply.text


@pytest.mark.parametrize(
    ("words", "answer", "text"),
    [
        ("GET MODE", b">>\r\n>^31, 04 A1 B2 C3,1795170000$\r\n>\r\n\r\nMode:READOUT\r\n>>", "mode READOUT"),
        ("GET CTRL", b"Error: Card not prepared\r\n" * 9 + b"\r\nControl:START - 251\r\n>", "control START (251)"),
        ("SET TIME 20261120101530", b"card selected\r\n\r\nTime:1795169732,2026/11/20 10:15:32\r\n>", "clock set"),
    ],
)
async def test_what_comes_between_does_no_harm(words: str, answer: bytes, text: str) -> None:
    async with attended() as talk:
        reply = await answered(talk, words, answer)
    assert reply.ok
    assert reply.text.startswith(text)


# --- no answer --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        *("PING", "GET TIME", "GET CTRL", "GET MODE", "GET VERSION", "GET VOLTAGE", "?", "BLEEP", "RAW PING"),
        *("SET TIME", "SET TIME 20261120101530", "SET CTRL 45", "SET MODE READOUT", "SET RESET_BACKUP"),
        *("WRITE INFO BAUER", "WRITE CONTROL 31 20261120101530"),
    ],
)
async def test_silence(words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with attended() as talk:
        await known(talk)
        monkeypatch.setattr(otimcon_station, "ANSWER", 0.01)
        monkeypatch.setattr(otimcon_station, "WAKE_FOR", 0.01)
        talk.cable.deaf = True
        talk.driver.station.missed()  # a PING before has had no answer
        with pytest.raises(CommandError, match=f"no answer to {words.split()[0].replace('?', '.')}.*is it on"):
            await talk.tell(words)
        assert talk.driver.facts["awake"] == "ASLEEP?"
        assert talk.driver.job is None


async def test_garbage_points_at_the_speed() -> None:
    async with attended() as talk:
        await known(talk)
        talk.cable.deaf = True
        asked = asyncio.create_task(talk.tell("GET MODE"))
        await until(lambda: (b"GET MODE\n", "ann") in talk.cable.sent)
        talk.cable.write(b"\xf8\x80\x00\x78\n")
        with pytest.raises(CommandError, match=r"makes no sense; is 38400 baud right.*19200 for 0.17"):
            await asked


# --- WRITE ------------------------------------------------------------------------------------------------------------


async def waiting(talk: Talk, words: str) -> "asyncio.Task[Reply]":
    """A WRITE that waits for its card."""
    asked = asyncio.create_task(talk.tell(words))
    await until(lambda: asked.done() or (talk.driver.job and talk.driver.job.text == "waiting for its card"))
    return asked


@pytest.mark.parametrize("version", ["0.2", "0.21", "0.22"])
async def test_write_info_changes_the_mode_and_back(version: str) -> None:
    card = Card(uid=UID)
    async with attended(version=version, mode="PRINT") as talk:
        talk.station._escpos = True
        asked = await waiting(talk, "WRITE INFO BAUER  Eva")
        assert talk.station.mode == "WRITER"
        assert talk.driver.facts["pending"] == "WRITE INFO BAUER Eva: waiting for its card"
        talk.station.touch(card, hold=0)
        reply = await asked
        assert reply.ok
        assert reply.text == "WRITING INFO TO CARD: OK"
        assert (talk.station.mode, talk.station._escpos) == ("PRINT", True)
        assert talk.driver.job is None
    assert card.name.startswith(b"BAUER Eva \0")
    assert "pending" not in talk.driver.facts


@pytest.mark.parametrize("word", ["CONTROL", "CTRL"])
async def test_write_control_stays_in_writer(word: str) -> None:
    card = Card(uid=UID)
    async with attended(mode="WRITER") as talk:
        asked = await waiting(talk, f"WRITE {word} START 20261120101530")
        assert talk.driver.facts["pending"] == "WRITE CONTROL 251 20261120101530: waiting for its card"
        talk.station.touch(card, hold=0)
        reply = await asked
    assert reply.ok
    assert ("the README's word" in reply.text) == (word == "CTRL")
    assert card.slots[0] == (251, 1795169730)
    assert talk.station.mode == "WRITER"
    assert not [line for line in talk.cable.lines_sent() if line.startswith("SET MODE")]


async def test_an_ok_that_wrote_nothing_is_not_praised() -> None:
    card = Card(uid=UID)
    card.put(0, 251, 1795169730)
    async with attended(mode="WRITER") as talk:
        asked = await waiting(talk, "WRITE CONTROL START 20261120100000")  # earlier than what it has
        talk.station.touch(card, hold=0)
        reply = await asked
    assert card.slots[0] == (251, 1795169730)
    assert reply.ok
    assert reply.text.startswith("WRITING CONTROL TO CARD: OK; that also comes where a card keeps what it has")


async def test_a_card_that_fails_first_and_then_works() -> None:
    async with attended(mode="WRITER") as talk:
        asked = await waiting(talk, "WRITE CONTROL 31 20261120101530")
        talk.station.touch(Card(uid=UID, prepared=False), hold=0.3)
        talk.station.touch(Card(uid=b"\1\2\3\4"), hold=0)
        assert (await asked).ok


async def test_a_card_that_fails() -> None:
    async with attended() as talk:
        asked = await waiting(talk, "WRITE CONTROL 31 20261120101530")
        talk.station.touch(Card(uid=UID, prepared=False), hold=0.3)
        reply = await asked
        assert reply.ok is False
        assert "Card not prepared: clear it at a CLEAR station first; the station still waits to write it" in reply.text
        assert "pending" in talk.driver.facts
        assert talk.station.mode == "CONTROL"


async def test_a_reset_forgets_it() -> None:
    async with attended(mode="WRITER") as talk:
        asked = await waiting(talk, "WRITE INFO BAUER")
        await talk.station.reset(boot=0)
        with pytest.raises(CommandError, match="has forgotten it"):
            await asked
        assert "pending" not in talk.driver.facts


async def test_stopping_leaves_it_pending() -> None:
    async with attended() as talk:
        await known(talk)
        asked = await waiting(talk, "WRITE INFO BAUER")
        asked.cancel("stopped by ann")
        with pytest.raises(asyncio.CancelledError, match="stopped by ann; the station still has it pending"):
            await asked
        assert talk.driver.facts["pending"] == "WRITE INFO BAUER: waiting for its card"
        assert talk.station.mode == "CONTROL"


async def test_a_shorter_text_would_get_the_tail_of_a_longer_one() -> None:
    card = Card(uid=UID)
    async with attended(mode="WRITER") as talk:
        (await waiting(talk, "WRITE INFO DEFGHIJ")).cancel()
        await until(lambda: talk.driver.job is None)
        with pytest.raises(CommandError, match=r"end of something longer.*WRITE INFO DEFGHIJ"):
            await talk.tell("WRITE INFO Bo")
        longer = await waiting(talk, "WRITE INFO ABCDEFGHIJ")
        talk.station.touch(card, hold=0)
        assert (await longer).ok
        shorter = await waiting(talk, "WRITE INFO Bo")
        talk.station.touch(Card(uid=b"\1\2\3\4"), hold=0)
        assert (await shorter).ok
    assert card.name.rstrip(b"\0") == b"ABCDEFGHIJ "


async def test_a_text_whose_answer_came_late_is_remembered_all_the_same() -> None:
    async with attended(mode="WRITER") as talk:
        await known(talk)
        async with talk.driver.station.turn("ann") as turn:
            turn.send("WRITE INFO ABCDEFGHIJ")
            turn.send("PING")
            while not isinstance(await turn.next(1), Pong):
                pass
        assert talk.driver.facts["pending"] == "WRITE INFO ABCDEFGHIJ: waiting for its card"
        with pytest.raises(CommandError, match="end of something longer"):
            await talk.tell("WRITE INFO Bo")


async def test_one_write_at_a_time() -> None:
    async with attended(mode="WRITER") as talk:
        asked = await waiting(talk, "WRITE INFO BAUER")
        for words in ("WRITE INFO OTHER", "SET MODE CONTROL", "RAW SET MODE CLEAR", "SET TIME"):
            with pytest.raises(CommandError, match="WRITE INFO BAUER is under way; STOP ends it"):
                await talk.tell(words)
        assert (await talk.tell("GET MODE")).text == "mode WRITER"
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)


async def test_a_frozen_station_is_not_made_a_writer() -> None:
    async with attended(mode="FROZEN_CONTROL") as talk:
        with pytest.raises(CommandError, match="frozen at a time"):
            await talk.tell("WRITE INFO BAUER")
    assert talk.station.mode == "FROZEN_CONTROL"


# --- on a pty ---------------------------------------------------------------------------------------------------------


async def over_a_pty(directory: Path, talk: Callable[[Manager, Station], Awaitable[None]]) -> None:
    """Have `talk` with a station behind a serial port."""
    station = Station(PtyPort.open(directory / "ctl"), clock=1795169730)
    desk = MemoryDesk()
    manager = Manager(desk)
    settings = {"name": "ctl", "type": "otimcon", "port": str(directory / "ctl"), "keep_awake": 0}
    running = asyncio.create_task(station.run())
    try:
        await manager.apply([msgspec.convert(settings, OtimconSettings)])
        await until(lambda: manager.states()[0].state is LinkState.UP and "clock" in manager.states()[0].facts)
        await talk(manager, station)
    finally:
        await manager.stop()
        await station.port.close()
        await running


async def test_over_a_pty(tmp_path: Path) -> None:
    async def talk(manager: Manager, station: Station) -> None:
        for words, ok in (("PING", True), ("SET CTRL 45", True), ("BLEEP", None)):
            assert (await manager.command("ctl", Order(words=words, by="ann"))).ok is ok, words
        assert station.control == 45
        asked = asyncio.create_task(manager.command("ctl", Order(words="WRITE INFO BAUER", by="ann")))
        await until(lambda: station._job)
        assert (await manager.command("ctl", Order(words="STOP", by="bo"))).ok
        with pytest.raises(ConnectionError, match="stopped by bo; the station still has it pending"):
            await asked
        await until(lambda: station.mode == "CONTROL")

    await over_a_pty(tmp_path, talk)


@pytest.mark.parametrize("words", ["GET MODE", "SET CTRL 45", "WRITE INFO BAUER", "SET TIME"])
async def test_a_link_lost_in_the_middle(words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def talk(manager: Manager, station: Station) -> None:
        monkeypatch.setattr(otimcon_board, "LOOP", 30)  # it is never going to look
        asked = asyncio.create_task(manager.command("ctl", Order(words=words, by="ann")))
        await until(lambda: station._coming)
        await station.port.close()
        with pytest.raises(ConnectionError, match=f"{words}: the link was lost"):
            await asked
        assert manager.states()[0].job is None
        outcome = manager.states()[0].outcome
        assert outcome
        assert outcome.ok is False

    monkeypatch.setattr(otimcon_station, "ANSWER", 30)
    await over_a_pty(tmp_path, talk)
