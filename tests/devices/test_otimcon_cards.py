import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from console.devices import otimcon_cards
from console.devices.driver import CommandError
from console.model import Level, LinkState
from console.simulators.otimcon_card import Card
from console.simulators.otimcon_firmware import Station
from tests.devices.otimcon_bench import Bench, bench, until

NAMES = "BAUER Eva,1\nBo,2\nALEXANDER the Great,3\n"
AWAY = 0.1


def card(number: int, *, prepared: bool = True) -> Card:
    return Card(uid=bytes([4, 161, 178, number]), prepared=prepared)


def name(card: Card) -> str:
    return card.name.rstrip(b" \0").decode()


def results(desk: Bench) -> list[tuple[object, object]]:
    return [(act.body["row"], act.body["result"]) for act in desk.desk.acts if act.word == "card"]


@asynccontextmanager
async def at_work(monkeypatch: pytest.MonkeyPatch, **station: object) -> AsyncIterator[tuple[Bench, Station]]:
    monkeypatch.setattr(otimcon_cards, "AWAY", AWAY)
    async with bench(monkeypatch) as desk, desk.plugged(**station) as made:
        await until(lambda: "clock" in desk.state.facts)
        yield desk, made


async def ready(desk: Bench, what: str) -> None:
    """The station waits for a card to write `what`."""
    waits = f"WRITE {what}: waiting for its card"
    await until(lambda: desk.job.startswith("next card") and desk.state.facts.get("pending") == waits)


async def written(desk: Bench, count: int) -> None:
    await until(lambda: [result for _, result in results(desk)].count("OK") == count)


async def test_the_next_card_gets_the_next_row(monkeypatch: pytest.MonkeyPatch) -> None:
    async with at_work(monkeypatch, mode="PRINT") as (desk, station):
        await desk.order("SET MODE PRINT POS")
        working = desk.ordered("WRITE INFO LIST names.csv", NAMES)
        cards = [card(number) for number in range(3)]
        for number, (each, who) in enumerate(zip(cards, ("BAUER Eva", "Bo", "ALEXANDER the Great"), strict=True)):
            await ready(desk, f"INFO {who}")
            assert desk.state.job
            assert (desk.job, desk.state.job.done, desk.state.job.total) == (f"next card: {who}", number, 3)
            station.touch(each)
            await written(desk, number + 1)
        reply = await working
        assert station.mode == "PRINT"
        assert desk.state.facts["mode"] == "PRINT POS"
    assert (reply.ok, reply.text) == (True, "all 3 cards written")
    assert [name(each) for each in cards] == ["BAUER Eva", "Bo", "ALEXANDER the Great"]
    assert results(desk) == [(1, "OK"), (2, "OK"), (3, "OK")]
    assert {(act.body["what"], act.by) for act in desk.desk.acts} >= {("INFO BAUER Eva", "ann")}
    assert desk.state.job is None


async def test_the_control_number_is_shown_again_once_the_cards_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    async with at_work(monkeypatch, mode="CONTROL", control=31) as (desk, station):
        working = desk.ordered("WRITE CONTROL LIST start.csv", "251,20261120100000\n")
        await ready(desk, "CONTROL 251 20261120100000")
        assert "control" not in desk.state.facts, "a writer is no control"
        station.touch(card(0))
        assert (await working).ok
        assert desk.state.facts["control"] == "31"


async def test_a_card_that_fails_leaves_the_row_to_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    async with at_work(monkeypatch) as (desk, station):
        working = desk.ordered("WRITE CONTROL LIST start.csv", "251,20261120100000\n251,20261120100100\n")
        await ready(desk, "CONTROL 251 20261120100000")
        station.touch(card(1, prepared=False))  # the reader tells it many times a second
        await until(lambda: results(desk))
        assert desk.job == (
            "NOT WRITTEN, Card not prepared: clear it at a CLEAR station first; "
            "row 1: try again: control 251 at 2026-11-20 10:00:00"
        )
        good, next_one = card(2), card(3)
        station.touch(good)
        await ready(desk, "CONTROL 251 20261120100100")
        station.touch(next_one)
        assert (await working).ok
    assert results(desk) == [
        (1, "FAIL Card not prepared: clear it at a CLEAR station first"),
        (1, "OK"),
        (2, "OK"),
    ]
    assert (good.slots[0], next_one.slots[0]) == ((251, 1795168800), (251, 1795168860))


async def test_a_card_touched_twice_takes_one_row(monkeypatch: pytest.MonkeyPatch) -> None:
    async with at_work(monkeypatch) as (desk, station):
        working = desk.ordered("WRITE INFO LIST names.csv", NAMES)
        await ready(desk, "INFO BAUER Eva")
        first = card(1)
        station.touch(first, hold=0.02)
        await written(desk, 1)
        assert desk.job == "BAUER Eva written: take the card away"
        station.touch(first, hold=0.02)
        station._seen -= 2  # as if it had been lifted for two seconds
        station.touch(first, hold=0.02)
        await ready(desk, "INFO Bo")
        assert results(desk) == [(1, "OK")]
        assert name(first) == "BAUER Eva"
        await desk.order("STOP")
        with pytest.raises(ConnectionError, match="stopped by ann"):
            await working


async def test_a_list_goes_on_where_it_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    async with at_work(monkeypatch) as (desk, station):
        working = desk.ordered("WRITE INFO LIST names.csv", NAMES)
        await ready(desk, "INFO BAUER Eva")
        station.touch(card(1))
        await ready(desk, "INFO Bo")
        await desk.order("STOP")
        with pytest.raises(ConnectionError, match="stopped by ann; WRITE INFO Bo still waits in the station"):
            await working
        assert station.mode == "CONTROL"  # as it was

        working = desk.ordered("WRITE INFO LIST copy.csv", NAMES)
        await until(lambda: desk.job == "next card: Bo")
        assert desk.state.job
        assert desk.state.job.done == 1
        await ready(desk, "INFO Bo")
        station.touch(card(2))
        await ready(desk, "INFO ALEXANDER the Great")
        station.touch(card(3))
        assert (await working).ok
        with pytest.raises(CommandError, match="all 3 rows of this list are written; WRITE INFO LIST AGAIN"):
            await desk.order("WRITE INFO LIST names.csv", NAMES)

        working = desk.ordered("WRITE INFO LIST AGAIN names.csv", NAMES)
        await ready(desk, "INFO BAUER Eva")
        station.touch(card(4))
        await written(desk, 4)
        await desk.order("STOP")
        with pytest.raises(ConnectionError):
            await working
    assert [(act.body["run"], act.body["row"]) for act in desk.desk.acts] == [(1, 1), (1, 2), (1, 3), (2, 1)]


async def test_a_list_goes_on_after_the_link_was_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otimcon_cards, "AWAY", AWAY)
    async with bench(monkeypatch) as desk:
        async with desk.plugged(mode="WRITER") as station:
            await until(lambda: "clock" in desk.state.facts)
            working = desk.ordered("WRITE INFO LIST names.csv", NAMES)
            await ready(desk, "INFO BAUER Eva")
            station.touch(card(1))
            await ready(desk, "INFO Bo")
        with pytest.raises(ConnectionError, match="the link was lost"):
            await working
        assert desk.state.job is None
        assert desk.state.state is LinkState.DOWN
        async with desk.plugged(mode="WRITER") as station:
            await until(lambda: "clock" in desk.state.facts)
            working = desk.ordered("WRITE INFO LIST names.csv", NAMES)
            await ready(desk, "INFO Bo")
            await desk.order("STOP")
            with pytest.raises(ConnectionError):
                await working
            assert station.mode == "WRITER"


async def test_a_reset_station_is_told_again_what_to_write(monkeypatch: pytest.MonkeyPatch) -> None:
    async with at_work(monkeypatch) as (desk, station):
        working = desk.ordered("WRITE CONTROL EACH START 20261120100000")
        await ready(desk, "CONTROL 251 20261120100000")
        await station.reset(boot=0)
        await until(lambda: not desk.state.facts.get("pending"))
        await ready(desk, "CONTROL 251 20261120100000")
        for number in range(1, 4):  # a mass start goes on until STOP
            station.touch(card(number))
            await written(desk, number)
            await ready(desk, "CONTROL 251 20261120100000")
        assert desk.state.job
        assert (desk.state.job.done, desk.state.job.total) == (3, None)
        await desk.order("STOP")
        with pytest.raises(ConnectionError):
            await working


async def test_a_shorter_name_gets_no_tail_of_a_longer_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The firmware empties its buffer only when a card was written."""
    async with at_work(monkeypatch) as (desk, station):
        working = desk.ordered("WRITE INFO LIST names.csv", "ALEXANDER the Great\n")
        await ready(desk, "INFO ALEXANDER the Great")
        await desk.order("STOP")
        with pytest.raises(ConnectionError):
            await working
        await until(lambda: station.mode == "CONTROL")
        with pytest.raises(CommandError, match="'Bo' would get its end"):
            await desk.order("WRITE INFO LIST other.csv", "Bo\n")
        await until(lambda: station.mode == "CONTROL")
    assert not desk.told(Level.WARNING)


@pytest.mark.parametrize(
    ("station", "words", "text", "why"),
    [
        ({"version": "0.19"}, "WRITE INFO LIST n.csv", "Bo\n", "does not know it"),
        ({"mode": "FROZEN_CONTROL"}, "WRITE INFO LIST n.csv", "Bo\n", "the station is frozen at a time"),
        ({}, "WRITE INFO LIST n.csv", "\xdcnal\n", "n.csv line 1: '\xdcnal' is not ASCII"),
        ({}, "WRITE CONTROL EACH 31 2026", "", "14 digits"),
    ],
)
async def test_what_cannot_be_done_leaves_the_station_as_it_was(
    monkeypatch: pytest.MonkeyPatch, station: dict[str, object], words: str, text: str, why: str
) -> None:
    async with at_work(monkeypatch, **station) as (desk, made):
        mode = made.mode
        with pytest.raises(CommandError, match=why):
            await desk.order(words, text)
        assert made.mode == mode
        assert desk.state.job is None
        assert not [line for line in desk.desk.sent() if line.startswith("WRITE")]


async def test_nobody_is_asked_about_a_list_that_will_not_do(monkeypatch: pytest.MonkeyPatch) -> None:
    async with at_work(monkeypatch) as (desk, _):
        with pytest.raises(CommandError, match=r"ctl: n.csv line 2: '\xdcnal' is not ASCII"):
            desk.manager.risk("ctl", "WRITE INFO LIST n.csv", "Bo\n\xdcnal\n")
        with pytest.raises(CommandError, match=r"ctl: n.csv line 1"):
            desk.manager.risk("ctl", "WRITE CONTROL LIST AGAIN n.csv", "31,soon\n")
        assert desk.manager.risk("ctl", "WRITE INFO LIST n.csv", "Bo\n").changes


async def test_two_lists_do_not_run_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async with at_work(monkeypatch) as (desk, _):
        assert "no punches meanwhile" in desk.manager.risk("ctl", "WRITE INFO LIST n.csv", NAMES).destroys
        working = desk.ordered("WRITE INFO LIST names.csv", NAMES)
        await ready(desk, "INFO BAUER Eva")
        assert not desk.manager.risk("ctl", "WRITE INFO LIST n.csv", NAMES).destroys
        with pytest.raises(CommandError, match=r"WRITE INFO LIST names.csv is under way; STOP ends it"):
            await desk.order("NEXT STATION 31")
        with pytest.raises(CommandError, match="is under way; STOP ends it"):
            await desk.order("WRITE CONTROL EACH 31 20261120100000")
        assert desk.job == "next card: BAUER Eva"
        await desk.order("STOP")
        await asyncio.gather(working, return_exceptions=True)
