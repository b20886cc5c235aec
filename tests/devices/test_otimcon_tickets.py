import asyncio
import shlex
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.devices import otimcon_tickets
from console.devices.otimcon import Otimcon, OtimconSettings
from console.devices.otimcon_tickets import CUT, POS, handed_to
from console.model import SECOND, Level
from console.simulators.otimcon_card import Card
from console.simulators.otimcon_firmware import Station
from tests.devices.otimcon_bench import NOON, Bench, bench, until
from tests.devices.outlet import Nowhere

TICKET = """\
Card 04A1B2C3
BAUER Eva
------------------------------
Date 2026/11/20
1   S  12:00:00  00:00:00  00:00:00
2  31  12:10:00  00:10:00  00:10:00
3   F  12:30:05  00:20:05  00:30:05
TOTAL TIME:  00:30:05
Timing by OTIMCON"""


def card(*, empty: bool = False) -> Card:
    made = Card(uid=bytes.fromhex("04A1B2C3"), name=b"BAUER Eva".ljust(30, b"\xff"))
    for location, punch in enumerate([(251, NOON), (31, NOON + 600), (252, NOON + 1805)] * (not empty)):
        made.put(location, *punch)
    return made


def printer(path: Path) -> str:
    """A command that appends its stdin to `path`."""
    return shlex.join([sys.executable, "-c", f"import sys; open({str(path)!r}, 'ab').write(sys.stdin.buffer.read())"])


@asynccontextmanager
async def at_work(monkeypatch: pytest.MonkeyPatch, **settings: Any) -> AsyncIterator[tuple[Bench, Station]]:
    monkeypatch.setattr(otimcon_tickets, "SILENCE", 0.05)
    async with bench(monkeypatch, **settings) as desk, desk.plugged(mode="PRINT") as station:
        await until(lambda: "clock" in desk.state.facts)
        yield desk, station


async def tickets(desk: Bench, count: int = 1) -> list[dict[str, Any]]:
    await until(lambda: len(desk.desk.acts) == count)
    return [act.body for act in desk.desk.acts if act.word == "ticket"]


async def test_a_ticket_is_kept_as_it_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    async with at_work(monkeypatch) as (desk, station):
        station.touch(card())
        assert await tickets(desk) == [
            {"device": "ctl", "card": "04A1B2C3", "name": "BAUER Eva", "text": TICKET, "complete": True}
        ]
    assert not desk.told(Level.WARNING)


async def test_the_ticket_of_an_empty_card_ends_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    async with at_work(monkeypatch) as (desk, station):
        station.touch(card(empty=True))
        (ticket,) = await tickets(desk)
        assert ticket["complete"]
        assert str(ticket["text"]).endswith("Empty card\nTiming by OTIMCON")


async def test_a_ticket_that_breaks_off_is_asked_for_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    paper = tmp_path / "paper"
    async with at_work(monkeypatch, printer=printer(paper)) as (desk, station):
        station.port.write(b"Card: 04 A1 B2 C3\r\n" + b"BAUER Eva".ljust(30) + b"\r\n---")
        (ticket,) = await tickets(desk)
        assert not ticket["complete"]
        station.port.write(b"\r\nCard: 04 A1 B2 C3\r\n" + b"BAUER Eva".ljust(30) + b"\r\n")
        await until(lambda: [frame.label for frame in desk.desk.frames].count("ticket") == 2)
        desk.cable.cut("dog")
        await tickets(desk, 2)
    assert desk.told(Level.WARNING)[0] == "the ticket of card 04A1B2C3 was cut short: touch it again"
    assert not paper.exists()


async def test_tickets_go_to_the_printer_one_after_the_other(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    paper = tmp_path / "paper"
    async with at_work(monkeypatch, printer=printer(paper)) as (desk, station):
        station.touch(card())
        await tickets(desk)
        await desk.order("SET MODE PRINT POS")
        for count in (2, 3):
            station._card = None
            station.touch(card())
            await tickets(desk, count)
        await until(lambda: paper.exists() and paper.read_bytes().count(CUT) == 2)
    plain, *receipts = paper.read_bytes().split(POS)
    assert plain.decode() == TICKET + "\n\n\n\n"
    assert len(receipts) == 2
    assert receipts[0] == receipts[1]
    assert receipts[0].endswith(b"Timing by OTIMCON\r\n\r\n\r\n\r\n\r\n" + CUT)
    assert b"\x1b!\x80TOTAL TIME:  00:30:05" in receipts[0]
    assert not desk.told(Level.WARNING)


async def test_a_printer_that_fails_is_told_and_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    fails = shlex.join([sys.executable, "-c", "import sys; sys.exit('no paper')"])
    async with at_work(monkeypatch, printer=fails) as (desk, station):
        station.touch(card())
        await until(lambda: desk.told(Level.WARNING))
        assert desk.told(Level.WARNING)[0].startswith("the ticket of card 04A1B2C3 was not printed: ")
        assert desk.told(Level.WARNING)[0].endswith("failed (1): no paper")


async def test_what_fails_ticket_after_ticket_is_said_once_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    async with at_work(monkeypatch, printer="false") as (desk, station):
        cut = b"\r\nCard: 04 A1 B2 C3\r\n" + b"BAUER Eva".ljust(30) + b"\r\n"
        for count in (3, 6, 9):
            station._card = None
            station.touch(card())
            station.port.write(cut * 2)
            await tickets(desk, count)
        await until(lambda: not [one for one in asyncio.all_tasks() if one.get_name() == "ctl: a ticket"])
        desk.desk.now += 60 * SECOND
        station.port.write(cut)
        await until(lambda: len(desk.told(Level.WARNING)) == 4)
        assert sorted(text.partition(":")[0] for text in desk.told(Level.WARNING)) == [
            "2 more tickets were not printed in the last minute (sheet tickets)",
            "6 more tickets were cut short in the last minute (sheet tickets)",
            "the ticket of card 04A1B2C3 was cut short",
            "the ticket of card 04A1B2C3 was not printed",
        ]


async def test_what_may_be_wrong_with_a_printer_command(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await handed_to("true", b"x" * 100_000) == ""
    assert "cannot be run: No such file or directory" in await handed_to("/no/such/printer -d x", b"")
    assert "cannot be run: No closing quotation" in await handed_to("lp 'x", b"")
    assert await handed_to("false", b"") == "'false' failed (1): no reason given"
    monkeypatch.setattr(otimcon_tickets, "PRINTS", 0.05)
    assert await handed_to("sleep 60", b"") == "'sleep 60' took longer than 0.05 s, and was ended"


async def test_a_readout_is_no_ticket(monkeypatch: pytest.MonkeyPatch) -> None:
    async with at_work(monkeypatch) as (desk, station):
        await desk.order("SET MODE READOUT")
        station.touch(card(empty=True))
        await desk.order("SET MODE PRINT")
        station._card = None
        station.touch(card())
        assert len(await tickets(desk)) == 1


PIECES = [
    b"Card: 04 A1 B2 C3\r\n", b"\x1b@\x1b!\0Card: 04 A1 B2 C3\r\n", b"\xff" * 30 + b"\r\n", b"-" * 30, b"\r\n",
    b"Timing by OTIMCON\r\n", b"TOTAL TIME:  00:30:05\r\n", b"\x1dV\0", b">", b"\r\nPONG\r\n>", b"card selected\r\n",
    b"Error: Card not prepared\r\n", b"\x00\xff", b"Date 2026/11/20\r\n",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES) | st.binary(max_size=40), max_size=40))
def test_whatever_is_printed_makes_readable_tickets(pieces: list[bytes]) -> None:
    outlet = Nowhere()
    driver = Otimcon(OtimconSettings(name="ctl", type="otimcon"), outlet)
    for piece in pieces:
        driver.receive(piece, NOON)
    driver.lost()
    for act in outlet.acts:
        text = str(act.body["text"])
        assert text.isascii()
        assert text.replace("\n", "").isprintable()
        assert ("Timing by OTIMCON" in text) >= bool(act.body["complete"])


def test_what_is_endless_is_no_ticket() -> None:
    outlet = Nowhere()
    driver = Otimcon(OtimconSettings(name="ctl", type="otimcon"), outlet)
    driver.receive(b"Card: 04 A1 B2 C3\r\n" + b"BAUER Eva".ljust(30) + b"\r\n" + b"\r\n" * 10_000, NOON)
    (ticket,) = outlet.acts
    assert not ticket.body["complete"]
