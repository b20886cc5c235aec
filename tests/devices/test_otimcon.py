import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.codecs import otimcon_records
from console.devices import otimcon, otimcon_station, otimcon_words
from console.devices.driver import CommandError
from console.devices.otimcon import Otimcon, OtimconSettings
from console.model import Basis, Heard, Kind, Order, Origin, Reading
from console.simulators import otimcon_board
from console.simulators.otimcon_card import Card
from console.simulators.otimcon_firmware import Station
from console.simulators.port import Port
from tests.devices.outlet import Nowhere

WALL = 1_795_166_400_000_000_000  # 2026-11-20 09:20:00 UTC
UID = bytes.fromhex("04A1B2C3")
VECTORS = Path(__file__).parents[1] / "vectors" / "otimcon.json"
PRINTED = [row[0].encode("latin-1") for case in json.loads(VECTORS.read_text()) for row in case["pieces"]]


class Cable(Nowhere, Port):
    """Between a driver and a station: what one writes, the other reads."""

    def __init__(self) -> None:
        Nowhere.__init__(self)
        self.where = "cable"
        self.sent: list[tuple[bytes, str]] = []
        self.heard: list[Heard] = []
        self.driver: Otimcon | None = None
        self.deaf = False
        self._incoming: asyncio.Queue[bytes] = asyncio.Queue()

    def send(self, raw: bytes, *, by: str = "", label: str = "", mask: bytes = b"") -> None:
        self.sent.append((raw, by))
        if not self.deaf:
            self._incoming.put_nowait(raw)

    async def read(self) -> bytes:
        return await self._incoming.get()

    def write(self, data: bytes) -> None:
        if self.driver is not None:
            self.heard += self.driver.receive(data, WALL)

    async def close(self) -> None:
        self._incoming.put_nowait(b"")


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0.001)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otimcon_board, "LOOP", 0.001)
    monkeypatch.setattr(otimcon, "BOOT", 0.05)
    monkeypatch.setattr(otimcon_station, "ANSWER", 0.5)
    monkeypatch.setattr(otimcon_station, "WAKE_DEEP", 0.2)


def driver_of(outlet: Cable | None = None, **settings: float) -> Otimcon:
    known = msgspec.convert({"name": "control-31", "type": "otimcon", **settings}, OtimconSettings)
    return Otimcon(known, outlet or Cable())


@asynccontextmanager
async def attended(
    *, mode: str = "CONTROL", keep_awake: float = 0.0, clock: float = 1795169730, deaf: bool = False
) -> AsyncIterator[tuple[Otimcon, Station, Cable]]:
    """A driver and a station, talking."""
    cable = Cable()
    cable.deaf = deaf
    driver = cable.driver = driver_of(cable, keep_awake=keep_awake)
    station = Station(cable, mode=mode, clock=clock, baud=1_000_000)
    driver.opened()
    tasks = [asyncio.create_task(station.run()), asyncio.create_task(driver.attend())]
    try:
        yield driver, station, cable
    finally:
        await cable.close()
        tasks[1].cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            assert outcome is None or isinstance(outcome, asyncio.CancelledError)


def readings(heard: list[Heard]) -> list[Reading]:
    return [fact for frame in heard for fact in frame.facts if isinstance(fact, Reading)]


def understood(stream: bytes) -> list[Heard]:
    return driver_of().receive(stream, WALL)


# --- at the station ---------------------------------------------------------------------------------------------------


async def test_a_station_introduces_itself() -> None:
    async with attended() as (driver, _, cable):
        await until(lambda: "clock" in driver.facts)
        assert cable.sent[0] == (b"\n", "keep-awake")
    assert driver.facts == {
        "version": "0.22",
        "mode": "CONTROL",
        "control": "31",
        "awake": "AWAKE",
        # 10:15:30 on the wall where it is 09:20:00 UTC: set in UTC+01:00, and 270 s behind.
        "clock": "2026/11/20 10:15:30, -270 s as UTC+01:00",
    }
    assert [raw for raw, _ in cable.sent if raw != b"\n"] == [
        b"PING\n",
        b"GET VERSION\n",
        b"GET MODE\n",
        b"GET CTRL\n",
        b"GET TIME\n",
    ]
    assert not [frame for frame in cable.heard if frame.flaw]


async def test_a_station_that_clears_says_so_loudly() -> None:
    async with attended(mode="CLEAR") as (driver, _, cable):
        await until(lambda: "clock" in driver.facts)
    assert driver.facts["mode"] == "CLEAR (ERASES CARDS)"
    assert "control" not in driver.facts
    assert any("ERASED" in frame.note for frame in cable.heard)


async def test_a_reset_is_followed_by_a_new_introduction() -> None:
    async with attended(mode="FROZEN_CONTROL") as (driver, station, _):
        await until(lambda: driver.facts.get("mode") == "FROZEN_CONTROL" and "clock" in driver.facts)
        await station.reset(boot=0)
        await until(lambda: driver.facts["mode"] == "READOUT")


async def test_a_board_that_starts_is_not_woken() -> None:
    async with attended() as (driver, station, cable):
        await station.reset(boot=0)
        await until(lambda: "clock" in driver.facts)
    assert b"\n" not in [raw for raw, _ in cable.sent]


async def test_pings_keep_it_awake() -> None:
    async with attended(keep_awake=0.01) as (driver, _, cable):
        await until(lambda: cable.sent.count((b"PING\n", "keep-awake")) > 3)
        await until(lambda: driver.facts["ping"].startswith("answered in"))
    assert not [frame for frame in cable.heard if frame.flaw]


async def test_a_sleeper_is_woken_and_then_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otimcon_station, "WAKE_GAP", 0.001)
    monkeypatch.setattr(otimcon_station, "WAKE_FOR", 0.05)
    monkeypatch.setattr(otimcon_station, "ANSWER", 0.05)
    async with attended(keep_awake=0.01, deaf=True) as (driver, _, cable):
        await until(lambda: driver.facts.get("ping", "").startswith("no answer"))
        assert cable.sent.count((b"\n", "keep-awake")) > 1
        monkeypatch.setattr(otimcon_station, "ANSWER", 0.5)
        cable.deaf = False
        await until(lambda: "clock" in driver.facts)


async def test_cards_between_question_and_answer_do_no_harm() -> None:
    async with attended() as (driver, station, cable):
        asked = asyncio.create_task(driver.command(Order(words="PING", by="ann")))
        await until(lambda: (b"PING\n", "ann") in cable.sent)
        station.touch(Card(uid=UID))
        reply = await asked
    assert reply.ok
    assert reply.text.startswith("PONG after ")
    assert [reading.tag for reading in readings(cable.heard)] == ["04A1B2C3"]


async def test_commands_wait_for_one_another() -> None:
    async with attended() as (driver, _, cable):
        replies = await asyncio.gather(
            *(driver.command(Order(words="PING", by=f"operator {number}")) for number in range(8))
        )
    assert all(reply.ok for reply in replies)
    assert not [frame for frame in cable.heard if frame.label == "unknown argument" and b"''" not in frame.raw]


async def test_old_firmware_proves_life_by_not_knowing_ping() -> None:
    cable = Cable()
    driver = driver_of(cable)
    driver.receive(b"\r\n>", WALL)
    asked = asyncio.create_task(driver.command(Order(words="PING", by="ann")))
    await until(lambda: cable.sent)
    driver.receive(b"\r\nUnknown Argument 'NG'\r\n>", WALL)  # of a command mangled in its sleep
    assert not asked.done()
    driver.receive(b"\r\nUnknown Argument 'PING'\r\n>", WALL)
    reply = await asked
    assert reply.ok
    assert "0.19 or older" in reply.text


async def test_commands_that_fail_say_why() -> None:
    async with attended(deaf=True) as (driver, _, cable):
        with pytest.raises(CommandError, match="no command"):
            await driver.command(Order(words="SET MODE CLEAR", by="ann"))
        with pytest.raises(CommandError, match="no answer to PING"):
            await driver.command(Order(words="PING", by="ann"))
    assert b"SET MODE CLEAR\n" not in [raw for raw, _ in cable.sent]


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
    assert driver.receive(b"^31, 04 A1", WALL) == []
    assert driver.lost() == [Heard(raw=b"^31, 04 A1", label="garbage", flaw="cut short")]
    driver.opened()
    assert readings(driver.receive(b"^31, 04 A1 B2 C3,1795170000$\r\n", WALL))


def test_clock_differences() -> None:
    noon = WALL // 10**9
    for epoch, words in (
        (noon, "right to 1 s as UTC"),
        (noon + 3603, "+4 s as UTC+01:00"),
        (noon - 4 * 3600 - 1800 - 6, "-6 s as UTC-04:30"),
        (noon - 86400 * 365, "365.0 days behind"),
    ):
        assert otimcon._difference(epoch, WALL) == words


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
