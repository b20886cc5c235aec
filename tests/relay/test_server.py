"""The relay over loopback: the guide's example, logins, arrows, queues, and those who do it harm."""

import asyncio
import logging
import os
import random
import re
from contextlib import suppress
from pathlib import Path

import pytest

from console.codecs.thcom_link import acknowledgement, extended
from console.relay import connection, server
from tests.relay.desk import (
    FINISH,
    GREETING,
    M1,
    M2,
    NET,
    PASSWORD,
    PC,
    START,
    USER,
    Timer,
    connected,
    desk,
    impulse,
    part,
    until,
)


async def rest(reader: asyncio.StreamReader) -> bytes:
    """Everything until the other side has closed."""
    said = b""
    with suppress(ConnectionError):
        async with asyncio.timeout(10):
            while piece := await reader.read(4096):
                said += piece
    return said


async def _greeted(timer: Timer) -> None:
    await until(lambda: len(timer.told) == len(GREETING))


async def _heard(timer: Timer, data: str) -> None:
    await until(lambda: data in timer.heard)


async def test_the_guides_example(tmp_path: Path) -> None:
    async with desk(tmp_path) as it, connected(it.port, START, FINISH, PC) as (start, finish, pc):
        await until(lambda: pc.told == GREETING)
        assert [(frame.number, frame.source, frame.destination) for frame in pc.got] == [
            (number, "P0000", f"P{PC}") for number in (190, 191, 192, 193)
        ]
        start.say(M1)
        await until(lambda: start.acknowledged == [M1])
        finish.say(M2)
        finish.say(NET)
        await until(lambda: pc.heard == [M1, M2, NET] and start.heard == [M2, NET] and finish.heard == [M1])
        # Numbers are the connection's own: the next after the greeting.
        assert [(frame.number, frame.source) for frame in pc.got[4:]] == [
            (194, f"1{START}"), (195, f"1{FINISH}"), (196, f"1{FINISH}"),
        ]  # fmt: skip
        await until(lambda: {row.state for row in it.rows(greetings=True)} == {"acknowledged"})
        assert [(row.origin[1:], row.destination, row.message) for row in it.rows()] == [
            (START, FINISH, M1), (START, PC, M1),
            (FINISH, START, M2), (FINISH, PC, M2), (FINISH, START, NET), (FINISH, PC, NET),
        ]  # fmt: skip
        assert all(row.changed is not None and row.changed >= row.at for row in it.rows())


async def test_the_originators_number_where_the_settings_say_so(tmp_path: Path) -> None:
    async with desk(tmp_path, numbering="origin") as it, connected(it.port, START, FINISH, PC) as (start, finish, pc):
        start.say(M1)
        finish.say(M2)
        finish.say(NET)
        await until(lambda: len(pc.heard) == 3)
        found = [(frame.number, frame.data) for frame in pc.got[4:]]
        assert sorted(found) == [(0, M1), (0, M2), (1, NET)]


# --- logins ---


@pytest.mark.parametrize(
    ("serial", "user", "password", "word"),
    [
        (START, USER, "wrong", "WRONG USER OR PASSWORD"),
        (START, "nobody", PASSWORD, "WRONG USER OR PASSWORD"),
        (START, USER, "", "WRONG USER OR PASSWORD"),
        ("0099", USER, PASSWORD, "0099 NOT IN MATERIAL"),
        ("0001", USER, PASSWORD, "0001 HAS ANOTHER ID"),
        ("0002", USER, PASSWORD, "NOT IN CONFIGURATION"),
    ],
)
async def test_who_may_not_connect(
    tmp_path: Path, serial: str, user: str, password: str, word: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with desk(tmp_path) as it:
        it.club.add_id("other", "other", cost=4)
        it.club.add_material("0001", "timer", "CP545", "", "other")
        it.club.add_material("0002", "timer", "CP545", "", USER)
        timer = Timer(serial, user=user, password=password)
        timer.say(M1)
        await timer.connect(it.port)
        await until(timer.gone.is_set)
        assert timer.told == ["#GC 0", f"#PL {word}"]
        assert [frame.number for frame in timer.got] == [190, 191]
        assert timer.acknowledged == []
        (row,) = it.rows("refused")
        assert row.origin == timer.address
        assert f"login as {user} from 127.0.0.1" in row.message
        assert f"{serial}: login as {user} from 127.0.0.1 refused: {row.reason}" in caplog.text
        assert not password or password not in (tmp_path / "relay.db").read_bytes().decode("latin-1")
        # The same again is counted, and no new row.
        await timer.connect(it.port)
        await until(timer.gone.is_set)
        await until(lambda: [row.times for row in it.rows("refused")] == [2])
        assert (tmp_path / "relay.db").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("first", "last", "word"),
    [("2020-01-01", "2020-01-02", "EVENT IS OVER"), ("2098-01-01", "2099-01-01", "EVENT NOT BEGUN")],
)
async def test_an_event_out_of_date(tmp_path: Path, first: str, last: str, word: str) -> None:
    """Who is connected is parted from, too, once the date has passed."""
    async with desk(tmp_path) as it, connected(it.port, START) as (start,):
        it.club.set_event("Test serveur", first, last, "Europe/Paris", "two timers")
        await until(start.gone.is_set)
        assert start.told == [*GREETING, "#GC 0", f"#PL {word}"]
        timer = Timer(FINISH)
        await timer.connect(it.port)
        await until(timer.gone.is_set)
        assert timer.told == ["#GC 0", f"#PL {word}"]
        assert "the event Test serveur" in it.rows("refused")[-1].reason


async def test_no_event_activated(tmp_path: Path) -> None:
    async with desk(tmp_path) as it:
        it.database.change("UPDATE events SET active = 0")
        timer = Timer(START)
        await timer.connect(it.port)
        await until(timer.gone.is_set)
        assert timer.told == ["#GC 0", "#PL NO EVENT ACTIVATED"]


async def test_what_is_missing_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "ASK_AFTER", 0.05)
    async with desk(tmp_path) as it:
        reader, writer = await asyncio.open_connection("127.0.0.1", it.port)
        writer.write(extended(255, "10084", "P0000", f"PW {PASSWORD}"))
        said = await reader.readuntil(b"#UN\t")
        assert b"#SN\t" in said
        writer.write(extended(253, "10084", "P0000", "SN 00084 TM550 0100"))
        writer.write(extended(254, "10084", "P0000", f"UN {USER}"))
        said = await reader.readuntil(b"#GC 1\t")
        assert b"1921P0000" in said  # the two questions were 190 and 191
        writer.close()
        silent_reader, silent = await asyncio.open_connection("127.0.0.1", it.port)
        assert b"#UN\t" in await silent_reader.readuntil(b"#PW\t")
        silent.close()


async def test_nothing_is_accepted_before_the_login(tmp_path: Path) -> None:
    async with desk(tmp_path) as it:
        reader, writer = await asyncio.open_connection("127.0.0.1", it.port)
        writer.write(extended(253, "10084", "P0000", "SN 00084 TM550 0100") + extended(0, "10084", "P0000", M1))
        assert await rest(reader) == b""  # an acknowledgement would be a promise
        writer.close()
        assert it.rows() == []


async def test_too_many_wrong_logins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with desk(tmp_path, attempts=3) as it, connected(it.port, START) as (start,):
        for word in 3 * ["WRONG USER OR PASSWORD"] + 2 * ["TOO MANY ATTEMPTS"]:
            guess = Timer(FINISH, password="guess")
            await guess.connect(it.port)
            await until(guess.gone.is_set)
            assert guess.told == ["#GC 0", f"#PL {word}"]
        right = Timer(FINISH)
        await right.connect(it.port)
        await until(right.gone.is_set)
        assert right.told == ["#GC 0", "#PL TOO MANY ATTEMPTS"]
        # One that has been here before is not kept out.
        await start.leave()
        await start.join(it.port)
        refused = [row for row in it.data.rows(0) if row.state == "refused"]
        assert [(row.reason, row.times) for row in refused] == [
            ("wrong user or password", 3), ("too many wrong logins in the last minute", 1),
        ]  # fmt: skip
        monkeypatch.setattr("console.relay.gate.WHILE", 0.0)
        await right.join(it.port)
        await right.leave()


async def test_two_with_one_serial(tmp_path: Path) -> None:
    """The newest counts; what the older had not acknowledged comes to the newer."""
    async with desk(tmp_path) as it, connected(it.port, START, PC) as (start, pc):
        newer = Timer(PC)
        await newer.join(it.port)
        await until(pc.gone.is_set)
        assert pc.told == [*GREETING, "#GC 0", "#PL 1007 USED ELSEWHERE"]
        start.say(M1)
        await until(lambda: newer.heard == [M1])
        assert pc.heard == []
        assert not start.gone.is_set()
        (row,) = [row for row in it.data.rows(0) if row.state == "said"]
        assert row.reason == "connected again, from 127.0.0.1: the newest counts"
        await newer.leave()
        await until(lambda: it.data.connections().keys() == {START})


async def test_an_id_or_material_removed_takes_its_connection_away(tmp_path: Path) -> None:
    async with desk(tmp_path) as it, connected(it.port, START, PC) as (start, pc):
        it.club.remove_material(PC)
        await until(pc.gone.is_set)
        assert pc.told[-2:] == ["#GC 0", "#PL 1007 NOT IN MATERIAL"]
        assert not start.gone.is_set()
        it.club.remove_id(USER)
        await until(start.gone.is_set)
        assert start.told[-1] == "#PL ID REMOVED"


# --- queues ---


async def test_who_is_away_gets_it_later(tmp_path: Path) -> None:
    async with desk(tmp_path) as it, connected(it.port, START) as (start,):
        wanted = [impulse(number) for number in range(50)]
        for data in wanted:
            start.say(data)
        await until(lambda: start.acknowledged == wanted)
        assert it.data.figures(PC)[0] == 50
        async with connected(it.port, PC) as (pc,):
            await until(lambda: pc.heard == wanted)
            assert pc.told == GREETING  # first, and in front of it all
            assert [frame.data for frame in pc.got[:4]] == GREETING
            await until(lambda: it.data.figures(PC)[0] == 0)
        assert it.data.figures(FINISH)[0] == 50


async def test_who_gets_something_old_is_told_so_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "OLD", 0)
    async with desk(tmp_path) as it, connected(it.port, START) as (start,):
        start.say(M1)
        await until(lambda: start.acknowledged == [M1])
        async with connected(it.port, PC) as (pc,):
            await until(lambda: pc.heard == [M1])
            (line,) = pc.told[len(GREETING) :]
            assert re.fullmatch(r"#PL 1 KEPT SINCE \d\d:\d\d:\d\d", line)
            assert pc.got[len(GREETING)].data == line, "before it comes"
            await until(lambda: it.data.figures(PC)[0] == 0)
            await pc.leave()
            await pc.join(it.port)
            await until(lambda: pc.told[-len(GREETING) :] == GREETING)


async def test_skipped_and_sent_after_all(tmp_path: Path) -> None:
    async with desk(tmp_path) as it, connected(it.port, START) as (start,):
        for number in range(4):
            start.say(impulse(number))
        await until(lambda: len(start.acknowledged) == 4)
        assert it.data.skip(PC, 1, "chris") == 4
        async with connected(it.port, PC) as (pc,):
            start.say(M1)
            await until(lambda: pc.heard == [M1])
            third = it.rows("skipped")[2].id
            assert it.data.resend(PC, third, third, "chris") == 1
            await until(lambda: pc.heard == [M1, impulse(2)])
            assert it.data.resend(PC, 0, None, "chris") == 3
            await until(lambda: len(pc.heard) == 5)
            await until(lambda: it.data.figures(PC)[:3] == (0, None, 0))


async def test_the_list_is_bounded_and_nobody_loses_what_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MINUTE", 0)
    monkeypatch.setattr(server, "LOOK_EVERY", 0.01)
    async with desk(tmp_path, keep=20) as it, connected(it.port, START, PC) as (start, pc):
        wanted = [impulse(number) for number in range(100)]
        for data in wanted:
            start.say(data)
        await until(lambda: pc.heard == wanted and not start.outbox)
        await until(lambda: sum(row.destination == PC for row in it.rows()) <= 20)
        assert it.data.figures(FINISH)[0] == 100
        async with connected(it.port, FINISH) as (finish,):
            await until(lambda: finish.heard == wanted)
            await until(lambda: len(it.data.rows(0)) <= 20 + 2)  # and the last frame of the start, in two rows


async def test_a_device_is_told_to_empty_its_buffer_once(tmp_path: Path) -> None:
    async with desk(tmp_path) as it:
        it.club.empty(PC, wanted=True)
        for word in ("#GC 2", "#GC 1"):
            async with connected(it.port, PC) as (pc,):
                await _greeted(pc)
                assert pc.told[0] == word
                await until(lambda: not it.club.materials()[PC].empty)


async def test_what_comes_again_after_a_reconnect_is_counted_and_passed_on_once(tmp_path: Path) -> None:
    async with desk(tmp_path) as it, connected(it.port, START, PC) as (start, pc):
        for number in range(15):
            start.say(impulse(number))
        await until(lambda: len(start.acknowledged) == 15)
        await start.leave()
        # Its acknowledgements got lost. What it held back meanwhile goes behind what is new; and the last one is meant.
        for number in [*range(5, 14), 99, 14, 3, 14]:
            start.say(impulse(number))
        await start.join(it.port)
        await until(lambda: pc.heard == [impulse(number) for number in [*range(15), 99, 14]])
        rows = [row for row in it.rows() if row.destination == PC]
        assert [row.times for row in rows] == [1, 1, 1, 2, 1, *10 * [2], 1, 1]
        assert {row.reason for row in rows if row.times > 1} == {"came again after a reconnect"}


async def test_text_that_comes_again_is_passed_on_again(tmp_path: Path) -> None:
    """Only a time record tells itself apart from another of the same contents."""
    async with desk(tmp_path) as it, connected(it.port, START, PC) as (start, pc):
        for _ in range(2):
            start.say("CL 01")
            await until(lambda: not start.outbox)
            await start.leave()
            await start.join(it.port)
        await until(lambda: pc.heard == ["CL 01", "CL 01"])


async def test_by_destination(tmp_path: Path) -> None:
    async with desk(tmp_path) as it, connected(it.port, START, FINISH, PC) as (start, finish, pc):
        start.say(M1, f"P{PC}")
        pc.say("#SN", f"1{START}")
        start.say("AK C")
        start.say(f"PW {PASSWORD}")
        start.say("#GC 2", f"P{PC}")
        await until(lambda: not start.outbox and not pc.outbox)
        assert pc.heard == [M1]
        assert finish.heard == []
        assert {(row.message, row.reason) for row in it.rows("refused")} == {
            ("#SN", "no arrow from 1007 to 0084"),
            ("#GC 2", "only a server says #GC"),
        }
        assert PASSWORD not in (tmp_path / "relay.db-wal").read_bytes().decode("latin-1")


async def test_a_wrong_checksum_is_taken_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with desk(tmp_path) as it, connected(it.port, START, PC) as (start, pc):
        start.writer.write(extended(0, "10084", "P0000", M1)[:-6] + b"0000\r\n")
        await until(lambda: pc.heard == [M1])
        assert {row.reason for row in it.rows()} == {"checksum wrong"}
        assert "checksum: got 0000" in caplog.text


# --- harm ---


async def test_a_thousand_garbage_connections(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    chance = random.Random(5)
    async with desk(tmp_path) as it, connected(it.port, START, PC) as (start, pc):
        writers = []

        async def rubbish(number: int) -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", it.port)
            writers.append(writer)
            if number % 3:
                writer.write(chance.randbytes(chance.randint(1, 3000)))
            del reader

        async def keep_timing() -> None:
            for number in range(20):
                start.say(impulse(number))
                await _heard(pc, impulse(number))

        timing = asyncio.create_task(keep_timing())
        for batch in range(20):
            await asyncio.gather(*(rubbish(50 * batch + number) for number in range(50)))
            assert len(it.relay.strangers) <= server.STRANGERS
        await timing
        async with connected(it.port, FINISH) as (finish,):  # among what is left of them
            await until(lambda: len(finish.heard) == 20)
        for writer in writers:
            writer.transport.abort()
        await until(lambda: not it.relay.strangers and it.relay.turned_away == 1000)
        await until(lambda: "connections ended without a login" in caplog.text)
        assert not start.gone.is_set()
        assert not pc.gone.is_set()
        assert [row for row in it.data.rows(0) if row.state == "refused"] == []


async def test_garbage_of_a_material_costs_nobody_else(tmp_path: Path) -> None:
    async with desk(tmp_path) as it, connected(it.port, START, FINISH, PC) as (start, finish, pc):
        for _ in range(50):
            finish.writer.write(os.urandom(1000) + b"\n")
        start.say(M1)
        finish.say(M2)
        await until(lambda: sorted(pc.heard) == [M1, M2])


async def test_no_login_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "LOGIN_WITHIN", 0.05)
    async with desk(tmp_path) as it:
        reader, writer = await asyncio.open_connection("127.0.0.1", it.port)
        assert await rest(reader) == b""
        writer.close()
        await until(lambda: it.relay.turned_away == 1)


async def test_a_full_disk_acknowledges_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with desk(tmp_path) as it, connected(it.port, START, PC) as (start, pc):
        ((pages,),) = it.served.query("PRAGMA page_count")
        it.served.query(f"PRAGMA max_page_count = {pages}")
        number = 0
        while not start.gone.is_set():  # until the last page is full
            start.say(impulse(number))
            number += 1
            await asyncio.sleep(0.001)
        assert start.told[-1] == "#PL RELAY CANNOT SAVE"
        assert "database or disk is full; nothing is acknowledged" in caplog.text
        assert {row.message for row in it.rows()} == set(start.acknowledged)
        it.served.query("PRAGMA max_page_count = 100000")
        await start.join(it.port)
        if pc.gone.is_set():
            await pc.join(it.port)
        wanted = {impulse(one) for one in range(number)}
        await until(lambda: set(pc.heard) == wanted and not start.outbox)


async def test_who_does_not_acknowledge_is_given_up_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"AGAIN_AFTER": 0.02, "TRIES": 2}.items():
        monkeypatch.setattr(f"console.codecs.thcom_session.{name}", value)
    async with desk(tmp_path) as it:
        reader, writer = await asyncio.open_connection("127.0.0.1", it.port)
        for number, text in ((253, f"SN 0{PC} PC 0100"), (254, f"UN {USER}"), (255, f"PW {PASSWORD}")):
            writer.write(extended(number, f"P{PC}", "P0000", text))
        said = await rest(reader)
        writer.close()
        assert said.count(b"#GC 1") == 2
        await until(lambda: [row.state for row in it.data.rows(0)] == 4 * ["ended"])


async def test_it_stops_with_everybody_connected(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with desk(tmp_path) as it, connected(it.port, START, PC) as (start, pc):
        reader, writer = await asyncio.open_connection("127.0.0.1", it.port)
        writer.write(acknowledgement(7))
        it.relay.stop()
        await until(lambda: start.gone.is_set() and pc.gone.is_set())
        assert await rest(reader) == b""
        writer.close()
        await until(lambda: not it.data.connections())
    assert "0084 is gone" in caplog.text


async def test_frames_both_ways_over_a_link_that_is_cut_again_and_again(tmp_path: Path) -> None:
    chance = random.Random(11)
    async with desk(tmp_path) as it:
        start, finish = Timer(START), Timer(FINISH)
        await start.join(it.port)
        await finish.join(it.port)
        for number in range(400):
            start.say(impulse(number))
            finish.say(impulse(1000 + number))
            if not number % 10:
                one = chance.choice((start, finish))
                for _ in range(chance.randint(0, 5)):
                    await asyncio.sleep(0)
                await one.leave()
                await one.join(it.port)
        await until(lambda: not start.outbox and not finish.outbox)
        await until(lambda: it.data.figures(START)[0] == it.data.figures(FINISH)[0] == 0)
        assert set(finish.heard) == {impulse(number) for number in range(400)}
        assert set(start.heard) == {impulse(1000 + number) for number in range(400)}
        for destination, count in ((START, 400), (FINISH, 400), (PC, 800)):  # and each was passed on once
            rows = [row for row in it.rows() if row.destination == destination]
            assert len(rows) == len({row.message for row in rows}) == count
        await part([start, finish])
