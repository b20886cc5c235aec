"""The CTP01 export against the strict server, and against servers that a test speaks for."""

import asyncio
import random
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from console.codecs.ctp01_lines import Read, encode
from console.exports import export_class
from console.exports.ctp01 import Ctp01
from console.exports.peer import Peer
from console.model import SECOND, Basis, Cursor, Kind, Level, Phase, Selection, Status
from console.simulators.scoring_ctp01 import Resume, ScoringCtp01
from console.simulators.scoring_ctp01_talk import Got
from tests.exports.ctp01_rig import exporting, make, serving
from tests.exports.desk import MemoryDesk, edit, until

pytestmark = pytest.mark.usefixtures("quick_to_return")

PUSH = {"stream-mode": "push", "time-format": "iso"}


def identities(server: ScoringCtp01) -> list[tuple[str, int, str]]:
    return [(got.location, got.sequence, got.tag) for got in server.reads]


def balanced(export: Ctp01) -> bool:
    """Every passing is somewhere, and nothing is said to be further than what it rests on."""
    one = export.state()
    whole = one.journaled == one.sent + one.waiting + one.held + one.unmapped + one.skipped
    return whole and one.journaled >= one.sent >= (one.tcp or 0)


class Script:
    """A server that says what a test has it say."""

    def __init__(self) -> None:
        self.port = 0
        self.lines: list[str] = []
        self.writers: list[asyncio.StreamWriter] = []

    def say(self, *lines: str) -> None:
        self.writers[-1].write("".join(f"{line}\r\n" for line in lines).encode())

    async def greeted(self, *options: str) -> None:
        await until(lambda: any("~CTP01" in line for line in self.lines))
        self.say(f"scripted~1~{len(options)}", *options)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        while raw := await reader.readline():
            self.lines.append(raw.decode().rstrip("\r\n"))

    def reads(self) -> list[tuple[str, int, str]]:
        fields = [line.split("~") for line in self.lines if line.startswith("CT01_33")]
        return [(field[2], int(field[1]), field[3]) for field in fields]


@asynccontextmanager
async def scripted() -> AsyncIterator[Script]:
    script = Script()
    server = await asyncio.start_server(script._client, "127.0.0.1", 0)
    script.port = server.sockets[0].getsockname()[1]
    try:
        yield script
    finally:
        server.close()
        for writer in script.writers:
            writer.close()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)


# --- lines ---


def test_the_registry_finds_it() -> None:
    assert export_class("ctp01") is Ctp01


async def test_a_read_byte_by_byte() -> None:
    desk = MemoryDesk()
    desk.zone = ZoneInfo("Europe/Paris")
    async with scripted() as script, exporting(desk, script.port):
        desk.add(bib="1001", device="mat", channel="2")
        desk.add(bib=None, tag="58003", device="mat 2", channel="M1")
        await script.greeted("stream-mode=push", "time-format=iso")
        script.say("start")
        await until(lambda: len(script.lines) == 3)
        assert script.lines == [
            "SimpleClient~1.0.0~CTP01",
            "CT01_33~1~Finish~1001~2026-04-22T12:29:02.12~1~0C1C54~2",
            "CT01_33~2~Finish~58003~2026-04-22T12:29:02.12~1~E4CCA2~0",
        ]


async def test_times_in_utc_and_another_layout() -> None:
    desk = MemoryDesk()
    desk.zone = ZoneInfo("Europe/Paris")
    async with scripted() as script, exporting(desk, script.port, time="utc", program="Other", version="2"):
        desk.add(bib="7")
        await script.greeted("stream-mode=push", "tagevent-format=CT01_13")
        script.say("start")
        await until(lambda: len(script.lines) == 2)
        assert script.lines == ["Other~2~CTP01", "CT01_13,1,Finish,7,10:29:02.12,1,0C1C54,2"]


@pytest.mark.parametrize("time", ["normal", "iso", "unix", "msecs"])
@pytest.mark.parametrize("layout", ["CT01_13", "CT01_23", "CT01_33", "CT01_43", "CT01_53", "CT01_0C"])
async def test_every_time_and_layout_that_a_strict_server_asks_for(time: str, layout: str) -> None:
    desk = MemoryDesk()
    options = {"stream-mode": "push", "time-format": time, "tagevent-format": layout, "pushmode-ack": "true"}
    async with serving(options=options) as server, exporting(desk, server.port):
        desk.add(3)
        await server.until(lambda: len(server.reads) == 3)
    refused = [text for level, _, text in desk.troubles if "fixed width" in text and level is Level.WARNING]
    assert len(refused) == (layout == "CT01_0C")


async def test_laps_count_the_tag_at_its_point_and_survive_a_restart() -> None:
    desk = MemoryDesk()
    desk.named_points, desk.point_of = ["Start", "Finish"], {"1": "Start"}
    async with serving(options=PUSH) as server:
        async with exporting(desk, server.port):
            desk.add(bib="5", channel="1")
            for _ in range(3):
                desk.add(bib="5")
            await server.until(lambda: len(server.reads) == 4)
            assert [(got.location, got.lap) for got in server.reads] == [
                ("Start", 1), ("Finish", 1), ("Finish", 2), ("Finish", 3),
            ]  # fmt: skip
        async with exporting(desk, server.port):
            desk.add(bib="6")
            desk.add(bib="5")
            await server.until(lambda: len(server.reads) == 6)
            assert [(got.sequence, got.lap) for got in server.reads[4:]] == [(4, 1), (5, 4)]
        assert server.repeats == 0


async def test_a_long_tag_goes_out_whole_and_is_said_once() -> None:
    desk = MemoryDesk()
    async with serving(options=PUSH) as server, exporting(desk, server.port):
        desk.add(2, bib=None, tag="E2801160600002")
        await server.until(lambda: len(server.reads) == 2)
        assert server.reads[1].tag == "E2801160600002"
        assert sum("8 characters" in text for _, _, text in desk.troubles) == 1


# --- numbers ---


async def test_what_is_held_gets_its_number_when_it_goes_out() -> None:
    desk = MemoryDesk()
    desk.no_utc = {1}
    async with serving(options=PUSH) as server, exporting(desk, server.port) as export:
        desk.add(2, basis=Basis.RACE)
        desk.add(bib=None)
        await server.until(lambda: len(server.reads) == 1)
        await until(lambda: export.state().held == 2)
        assert balanced(export)
        desk.no_utc.clear()
        export.rebind()
        await server.until(lambda: len(server.reads) == 2)
        assert identities(server) == [("Finish", 1, "2"), ("Finish", 2, "1")]
        assert export.fate(desk.feed.passings[2]) == [(export.settings.connect, "held: no bib yet")]
        await until(lambda: export.state().tcp == 2)
        assert balanced(export)


async def test_without_a_timing_point_nothing_goes_out_but_a_gun() -> None:
    desk = MemoryDesk()
    desk.point_of = {"9": None, None: None}
    async with (
        serving(options=PUSH | {"guntimes": "true"}) as server,
        exporting(desk, server.port) as export,
    ):
        desk.add(kind=Kind.GUN, bib=None, channel=None)
        (lost,) = desk.add(channel="9")
        await server.until(lambda: len(server.reads) == 1)
        assert (server.reads[0].tag, server.reads[0].lap, server.reads[0].gator) == ("guntime", 0, 0)
        await until(lambda: export.state().held == 1)
        desk.point_of = {"9": "Split"}
        export.rebind()
        await until(lambda: export.state().held == 0)
        await until(lambda: export.fate(lost) == [(export.settings.connect, "waiting")])
        assert "Split" not in {got.location for got in server.reads}  # nobody has started it


async def test_guns_only_where_they_are_asked_for() -> None:
    desk = MemoryDesk()
    async with serving(options=PUSH) as server, exporting(desk, server.port) as export:
        (gun,) = desk.add(kind=Kind.GUN, bib=None)
        desk.add()
        await server.until(lambda: len(server.reads) == 1)
        assert identities(server) == [("Finish", 2, "2")]
        await until(lambda: export.state().tcp == 1)
        assert (export.state().journaled, export.state().waiting) == (1, 0)
        assert "asks for it" in export.fate(gun)[0][1]
        assert balanced(export)


async def test_a_kill_before_anything_was_saved_gives_no_second_number() -> None:
    desk = MemoryDesk()
    async with serving(options=PUSH) as server:
        async with exporting(desk, server.port):
            desk.add(700)
            await server.until(lambda: len(server.reads) == 700)
        desk.saved.clear()
        desk.point_of = {"2": "Elsewhere"}  # what has a number keeps it, whatever is thought now
        async with exporting(desk, server.port) as export:
            desk.add(3, channel="3")
            await server.until(lambda: len(server.reads) == 703)
            await until(lambda: export.state().tcp == 703)
            assert balanced(export)
        assert server.repeats == 0
        assert [got.sequence for got in server.reads] == list(range(1, 704))


async def test_under_a_new_connection_id_everything_goes_out_again() -> None:
    """A journal that was rebuilt at its opening numbers anew."""
    desk = MemoryDesk()
    async with serving(options=PUSH) as server:
        async with exporting(desk, server.port) as export:
            desk.add(30)
            await until(lambda: export.state().tcp == 30)
        await desk.renumber("scoring", "engine")
        async with exporting(desk, server.port) as export:
            desk.add(2)
            await until(lambda: export.state().tcp == 32)
            assert (export.state().journaled, export.state().waiting) == (32, 0)
            assert balanced(export)
        async with exporting(desk, server.port) as export:
            await until(lambda: export.state().state == "up")
            assert export.state().tcp == 32
        assert [len([one for one in server.reads if one.connection == made]) for made in server.memory] == [30, 32]
        assert server.repeats == 0


async def test_live_is_what_comes_after_the_export_was_added_also_under_new_numbers() -> None:
    desk = MemoryDesk()
    desk.add(10)
    async with serving(options=PUSH) as server:
        async with exporting(desk, server.port, newcomers="live") as export:
            await until(lambda: export.state().state == "up")
            desk.add(5)
            await until(lambda: export.state().tcp == 5)
        desk.add(2)  # nobody is there to send them
        await desk.renumber("scoring", "engine")
        async with exporting(desk, server.port, newcomers="live") as export:
            await server.until(lambda: len(server.reads) == 12)
            await until(lambda: export.state().tcp == 7)
            assert balanced(export)
        assert [got.tag for got in server.reads[5:]] == [str(number) for number in range(11, 18)]


async def test_a_new_server_gets_what_has_numbers_and_its_account_adds_up() -> None:
    """What came before it does not count as its own: that it gets these lines is its own doing."""
    desk = MemoryDesk()
    async with serving(options=PUSH) as server, exporting(desk, server.port, newcomers="live") as export:
        await until(lambda: export.state().state == "up")
        desk.add(5)
        await until(lambda: export.state().tcp == 5)
    async with serving(options=PUSH) as other:
        await new_server(desk, other, 2)
        other.reads.clear()
        other.memory.clear()
        await new_server(desk, other, 4)


async def new_server(desk: MemoryDesk, server: ScoringCtp01, count: int) -> None:
    """It remembers nothing, and asks for everything; then two more come."""
    had = desk.feed.newest
    async with exporting(desk, server.port, newcomers="live") as export:
        await until(lambda: len(server.reads) == had)
        desk.add(2)
        await until(lambda: export.state().tcp == count)
        assert (export.state().journaled, export.state().sent) == (count, count)
        assert balanced(export)
        assert (export.settings.connect, "came before this client") in export.fate(desk.feed.passings[0])


async def test_a_bib_given_by_hand_is_a_new_read_with_its_own_number() -> None:
    desk = MemoryDesk()
    async with serving(options=PUSH) as server, exporting(desk, server.port):
        (wrong,) = desk.add(bib="1")
        await server.until(lambda: len(server.reads) == 1)
        edit(desk, wrong, "2")
        await server.until(lambda: len(server.reads) == 2)
        assert identities(server) == [("Finish", 1, "1"), ("Finish", 2, "2")]


@pytest.mark.parametrize("at_once", [1, 3])
async def test_the_last_number_of_the_format(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    for module in ("console.exports.ctp01", "console.codecs.ctp01_lines"):
        monkeypatch.setattr(f"{module}.LARGEST_SEQUENCE", 5)
    desk = MemoryDesk()
    async with serving(options=PUSH) as server, exporting(desk, server.port) as export:
        for _ in range(6 // at_once):
            *_, last = desk.add(at_once)
            await until(lambda: export.state().waiting == 0)
        await until(lambda: export.state().unmapped == 1)
        await server.until(lambda: len(server.reads) == 5)
        assert [word for _, word in export.fate(last)] == [
            "unmapped: Finish has had number 5, the last one that CTP01 has"
        ]
        assert any("the last one" in text for _, _, text in desk.troubles)


# --- locations ---


async def test_names_that_the_format_cannot_say_are_changed_and_said() -> None:
    desk = MemoryDesk()
    desk.named_points = ["Ziel, außen", "Kilometre 10 north", "Kilometre 10 nor", "Finish"]
    desk.point_of = {"1": "Ziel, außen"}
    async with serving(options=PUSH) as server, exporting(desk, server.port):
        desk.add(channel="1")
        await server.until(lambda: len(server.reads) == 1)
        assert server.reads[0].location == "Ziel_ au_en"
    said = [text for _, _, text in desk.troubles if "timing point" in text]
    assert any("'Ziel_ au_en'" in text for text in said)
    assert any("both go out as 'Kilometre 10 nor'" in text for text in said)


async def test_new_locations_are_announced_and_started() -> None:
    desk = MemoryDesk()
    desk.point_of = {"4": "30k"}
    async with scripted() as script, exporting(desk, script.port) as export:
        desk.add()
        await script.greeted("stream-mode=push", "newlocations=true", "time-format=iso")
        script.say("getlocations", "start")
        await until(lambda: script.reads()[-1:] == [("Finish", 2, "1")] or script.reads()[-1:] == [("Finish", 1, "1")])
        assert "ack~getlocations~Finish" in script.lines
        desk.add(channel="4")
        await until(lambda: any("30k~newlocation" in line for line in script.lines))
        assert not [one for one in script.reads() if one[0] == "30k" and one[2] != "newlocation"]
        script.say("start~30k", "start~30k")
        await until(lambda: script.reads()[-1][0] == "30k" and script.reads()[-1][2] == "2")
        numbers = [one[1] for one in script.reads() if one[0] == "30k"]
        assert len(set(numbers)) == 2
        await until(lambda: export.state().tcp == 2)


async def test_a_location_that_the_server_does_not_hear_of_is_said_to_wait() -> None:
    desk = MemoryDesk()
    desk.point_of = {"4": "30k"}
    async with serving(options=PUSH) as server, exporting(desk, server.port) as export:
        desk.add()
        await server.until(lambda: len(server.reads) == 1)
        desk.add(channel="4")
        await until(lambda: "not started by the server: 30k" in export.state().peers[0].note)
        assert any("30k is new" in text for _, _, text in desk.troubles)
        server.drop()
        await server.until(lambda: len(server.reads) == 2)
        await until(lambda: "not started" not in export.state().peers[0].note)


# --- positions ---


async def test_starts_stops_and_rewinds() -> None:
    desk = MemoryDesk()
    async with scripted() as script, exporting(desk, script.port) as export:
        desk.add(5)
        await script.greeted("stream-mode=push", "pushmode-ack=true")

        async def numbers(count: int) -> list[int]:
            await until(lambda: len(script.reads()) >= count)
            found = [one[1] for one in script.reads()]
            script.lines.clear()
            return found

        script.say("start")
        assert await numbers(5) == [1, 2, 3, 4, 5]
        script.say("start", "start~Finish", "start~Finish~4")
        assert await numbers(2) == [4, 5]
        script.say("stop~Finish")
        await until(lambda: "ack~stop~Finish" in script.lines)
        desk.add()
        script.say("start~Finish")
        assert await numbers(6) == [1, 2, 3, 4, 5, 6]
        script.say("stop", "start~Finish~99")
        await until(lambda: any("only 6" in text for _, _, text in desk.troubles))
        desk.add()
        assert await numbers(1) == [7]
        script.say("start~Start")
        await until(lambda: "err~start~invalid location" in script.lines)
        await until(lambda: (export.state().tcp, export.state().peers[0].resent) == (7, 7))
        assert export.state().waiting == 0
        assert balanced(export)


async def test_the_server_says_what_it_has() -> None:
    """A start behind what its TCP was seen to take proves that it has what is before."""
    desk = MemoryDesk()
    async with scripted() as script, exporting(desk, script.port) as export:
        desk.add(10)
        await script.greeted("stream-mode=push")
        script.say("start~Finish~8")
        await until(lambda: export.state().tcp == 10)
        assert script.reads() == [("Finish", number, str(number)) for number in (8, 9, 10)]
        assert balanced(export)


@pytest.mark.parametrize(("resume", "first"), [("all", 1), ("overlap", 3)])
async def test_a_bare_start_after_a_reconnect(resume: str, first: int) -> None:
    desk = MemoryDesk()
    async with serving(options=PUSH, resume="bare") as server:
        async with exporting(desk, server.port, resume=resume) as export:
            for _ in range(5):
                desk.clock += 25 * SECOND
                desk.add()
            await server.until(lambda: len(server.reads) == 5)
            await until(lambda: export.state().tcp == 5)
            server.drop()
            await server.until(lambda: server.reads[-1].sequence == 5 and len(server.reads) == 5 + 6 - first)
            assert [got.sequence for got in server.reads[5:]] == list(range(first, 6))
            await until(lambda: export.state().peers[0].resent == 6 - first)
        async with exporting(desk, server.port, resume=resume) as export:
            await server.until(lambda: len(server.reads) == 5 + 2 * (6 - first))
            await until(lambda: export.state().peers[0].resent == 2 * (6 - first))
            assert (export.state().sent, export.state().tcp, export.state().journaled) == (5, 5, 5)


async def test_a_server_that_says_start_every_moment() -> None:
    desk = MemoryDesk()
    options = PUSH | {"newlocations": "true"}
    async with serving(options=options, start_every=0.005) as server, exporting(desk, server.port):
        for _ in range(20):
            desk.add(10)
            await server.until(lambda: len(server.reads) == desk.feed.newest)
        assert server.repeats == 0


# --- pull ---


async def test_pull() -> None:
    desk = MemoryDesk()
    desk.named_points, desk.point_of = ["Start", "Finish"], {"1": "Start"}
    desk.add(120)
    desk.add(30, channel="1")
    async with serving(options={"stream-mode": "pull"}, most=7) as server:
        async with exporting(desk, server.port) as export:
            await server.until(lambda: len(server.reads) == 150)
            desk.add(kind=Kind.GUN, bib=None)
            await server.until(lambda: server.reads[-1].tag == "guntime")
            await until(lambda: export.state().tcp == 151)
        assert len(set(identities(server))) == 151


async def test_pull_by_number() -> None:
    desk = MemoryDesk()
    desk.add(5)
    async with scripted() as script, exporting(desk, script.port):
        await script.greeted()
        script.say("getdata~2~Finish~3", "ping", "getdata~2", "getdata~9~Start", "getdata")
        await until(lambda: len(script.lines) == 9)
        assert [line.split("~10:")[0] for line in script.lines[1:]] == [
            "ack~getdata~2", "CT01_33~3~Finish~3", "CT01_33~4~Finish~4", "ack~ping",
            "ack~getdata~1", "CT01_33~5~Finish~5", "err~getdata~invalid location", "err~getdata~how many?",
        ]  # fmt: skip


# --- who we are ---


@pytest.mark.parametrize("scheme", ["plaintext", "hmac-sha1", "hmac-md5", "seed-sha1", "seed-md5"])
async def test_authentication(scheme: str) -> None:
    desk = MemoryDesk()
    desk.secret = "hunter2"
    options = PUSH | {"authentication": scheme}
    async with (
        serving(options=options, user="race", password="hunter2") as server,
        exporting(desk, server.port, user="race") as export,
    ):
        desk.add()
        await server.until(lambda: len(server.reads) == 1)
        talk = export.talk(export.settings.connect)
        assert any(line.startswith(b"authorize~race~") for line in talk.sent)
        assert not any(b"hunter2" in line for line in talk.sent)
        assert "hunter2" not in repr((export.state(), export.settings, desk.troubles, desk.saved))


async def test_a_wrong_password_is_said_in_words() -> None:
    desk = MemoryDesk()
    desk.secret = "hunter3"
    async with (
        serving(options=PUSH | {"authentication": "seed-sha1"}, user="race", password="hunter2") as server,
        exporting(desk, server.port, user="race") as export,
    ):
        await until(lambda: "refuses user 'race'" in export.state().reason)
        assert export.state().state == "down"
        await server.until(lambda: server.connections >= 2)
        assert sum("refuses user" in text for _, _, text in desk.troubles) == 1


async def test_a_password_that_plain_text_cannot_carry_is_said_and_not_sent() -> None:
    desk = MemoryDesk()
    desk.secret = "tri~mark"
    async with scripted() as script, exporting(desk, script.port, user="race") as export:
        await script.greeted("authentication=plaintext")
        await until(lambda: "authentication=plaintext" in export.state().reason)
        await until(lambda: any("`~` parts its fields" in text for _, _, text in desk.troubles))
        assert not any("authorize" in line for line in script.lines)


@pytest.mark.parametrize(
    ("key", "value"), [("program", "Race~Deck"), ("version", "1\n"), ("user", "Jörg"), ("program", "")]
)
def test_what_would_go_out_as_something_else_is_refused_in_the_settings(key: str, value: str) -> None:
    with pytest.raises(ValueError, match=key):
        make(MemoryDesk(), 1, **{key: value})


async def test_a_server_that_does_not_know_our_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.exports.ctp01_session.ANSWER_WITHIN", 0.05)
    desk = MemoryDesk()
    async with (
        serving(options=PUSH, names=("SimpleClient",), ping=0.01) as server,
        exporting(desk, server.port, program="RaceDeck") as export,
    ):
        desk.add()
        await until(lambda: export.state().state == "silent")
        assert "has not answered our greeting yet" in export.state().reason or "program" in export.state().reason
        await until(lambda: "program" in export.state().reason)
        assert export.state().state == "silent"
        assert "SimpleClient" in export.state().reason
        assert not server.reads


async def test_until_we_are_let_in_it_is_not_called_up() -> None:
    desk = MemoryDesk()
    async with scripted() as script, exporting(desk, script.port, user="race") as export:
        await until(lambda: "has not answered our greeting yet" in export.state().reason)
        assert export.state().state == "silent"
        await script.greeted("authentication=seed-md5")
        await until(lambda: "has greeted, and not let us in yet" in export.state().reason)
        assert export.state().state == "silent"
        script.say("ack~authorize")
        await until(lambda: export.state().state == "up")


@pytest.mark.parametrize(
    ("mode", "asks", "note"),
    [
        ("push", "start", "not started by the server: Finish"),
        ("pull", "getdata~9", "it is to fetch its reads, and has asked for none yet"),
    ],
)
async def test_why_it_has_fallen_behind(monkeypatch: pytest.MonkeyPatch, mode: str, asks: str, note: str) -> None:
    """A server that asks for nothing is not told to read."""
    monkeypatch.setattr("console.exports.serving.WATCH_EVERY", 0.01)
    desk = MemoryDesk()
    async with scripted() as script, exporting(desk, script.port) as export:
        await script.greeted(f"stream-mode={mode}")
        desk.add()
        await until(lambda: note in export.state().peers[0].note)
        desk.clock += 60 * SECOND
        await until(lambda: any(f"{note}; have it ask" in text for _, _, text in desk.troubles))
        script.say(asks)
        await until(lambda: any("has caught up" in text for _, _, text in desk.troubles))
        assert note not in export.state().peers[0].note


async def test_a_server_that_closes_on_our_greeting() -> None:
    desk = MemoryDesk()
    async with scripted() as script, exporting(desk, script.port):
        await until(lambda: script.lines)
        script.writers[-1].close()
        await until(lambda: any("without answering our greeting" in text for _, _, text in desk.troubles))


async def test_a_server_that_pings_and_falls_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.exports.ctp01_session.ANSWER_WITHIN", 0.0)
    monkeypatch.setattr("console.exports.ctp01_session.SILENT_AFTER", 0.1)
    desk = MemoryDesk()
    async with scripted() as script, exporting(desk, script.port):
        await script.greeted("stream-mode=push")
        script.say("ping")
        await until(lambda: "ack~ping" in script.lines)
        await until(lambda: len(script.writers) == 2)
        assert any("though it pings" in text for _, _, text in desk.troubles)


async def test_event_info_and_connection_id() -> None:
    desk = MemoryDesk()
    async with scripted() as script, exporting(desk, script.port, event_id="12", description="Spring~run"):
        await script.greeted()
        script.say("geteventinfo", "getconnectionid", "authorize", "fetch")
        await until(lambda: len(script.lines) == 5)
        assert script.lines[1:] == [
            "ack~geteventinfo~spring-10k~12~Spring run",
            f"ack~getconnectionid~{desk.connections['scoring']}",
            "err~authorize~not supported",
            "err~fetch~unknown command",
        ]


# --- slow and broken ---


async def test_a_slow_reader_never_finds_half_a_line() -> None:
    desk = MemoryDesk()
    desk.add(4000)
    async with serving(options=PUSH, pace=0.01) as server, exporting(desk, server.port) as export:
        await server.until(lambda: len(server.reads) == 4000)
        await until(lambda: export.state().tcp == 4000)
    assert not server.repeats


async def test_a_server_that_stops_reading_is_not_written_ahead_of() -> None:
    """And what lies in the kernel then is whole lines: a kill would leave no half one."""
    desk = MemoryDesk()
    desk.add(10_000)
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listener.setblocking(False)
        async with exporting(desk, listener.getsockname()[1]) as export:
            sock, _ = await loop.sock_accept(listener)
            await loop.sock_sendall(sock, b"deaf~1~1\r\nstream-mode=push\r\nstart\r\n")
            await until(lambda: len(export._pumps) == 1)
            (peer,) = export._pumps
            await until(lambda: export.state().sent > 100)
            sent = -1
            while sent != (sent := export.state().sent):
                await asyncio.sleep(0.3)
            assert sent < 10_000
            assert peer._transport.get_write_buffer_size() == 0
            assert balanced(export)
        taken = bytearray()
        with sock, suppress(ConnectionResetError):
            while data := await loop.sock_recv(sock, 65536):
                taken += data
        assert taken.endswith(b"\r\n")
        assert taken.count(b"\r\n") == 1 + sent


async def test_the_handshake_is_no_byte_of_a_line() -> None:
    """Of connections that we make, the kernel counts one byte more than was written."""
    desk = MemoryDesk()
    async with scripted() as script, exporting(desk, script.port) as export:
        await until(lambda: script.lines)
        (peer,) = export._pumps
        greeting = peer.written
        await until(lambda: peer._taken() == greeting)
        peer.written += 10
        assert peer._taken() == greeting
        peer.written = greeting


async def test_one_line_per_write(monkeypatch: pytest.MonkeyPatch) -> None:
    chunks: list[bytes] = []
    write = Peer.write

    def noted(self: Peer, data: bytes, shown: bytes | None = None) -> None:
        chunks.append(data)
        write(self, data, shown)

    monkeypatch.setattr(Peer, "write", noted)
    desk = MemoryDesk()
    desk.add(5)
    async with scripted() as script, exporting(desk, script.port, gap=0.001):
        await script.greeted("stream-mode=push")
        script.say("start")
        await until(lambda: len(script.reads()) == 5)
    assert [chunk.count(b"\r\n") for chunk in chunks] == [1] * 6


async def test_between_lines_with_a_gap_the_server_is_answered_and_a_pause_holds() -> None:
    desk = MemoryDesk()
    desk.add(400)
    async with scripted() as script, exporting(desk, script.port, gap=0.02) as export:
        await script.greeted("stream-mode=push")
        script.say("start")
        await until(lambda: script.reads())
        script.say("ping")
        await until(lambda: "ack~ping" in script.lines)
        export.pause("anna")
        written = export.state().sent
        assert len(script.reads()) <= written < 400
        script.say("ping", "ping")
        await until(lambda: script.lines.count("ack~ping") == 3)
        assert [len(script.reads()), export.state().sent] == [written, written]
        export.skip_waiting("anna")
        export.resume("anna")
        desk.add()
        await until(lambda: len(script.reads()) == written + 1)
        assert script.reads()[-1] == ("Finish", 401, "401")
        assert (export.state().sent, export.state().skipped) == (written + 1, 400 - written)
        assert balanced(export)


def full_kernel(monkeypatch: pytest.MonkeyPatch) -> tuple[asyncio.Event, asyncio.Event]:
    """Lines wait for room in the kernel: set when they do; to be set for them to go out."""
    asked, free = asyncio.Event(), asyncio.Event()
    room = Peer.room

    async def full(self: Peer, size: int) -> None:
        if size > 1000:
            asked.set()
            await free.wait()
        await room(self, size)

    monkeypatch.setattr(Peer, "room", full)
    return asked, free


async def test_what_was_skipped_while_the_server_took_nothing_stays_unwritten(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lines were ready, and waited for room in the kernel."""
    asked, free = full_kernel(monkeypatch)
    desk = MemoryDesk()
    async with serving(options=PUSH) as server, exporting(desk, server.port) as export:
        desk.add(100)
        await asked.wait()
        assert export.skip_waiting("anna") == 100
        free.set()
        desk.add()
        await until(lambda: export.state().tcp == 1)
        assert identities(server) == [("Finish", 101, "101")]
        assert (export.state().skipped, export.state().resent) == (100, 0)
        assert balanced(export)


async def test_a_line_that_cannot_be_written_stops_none_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(read: Read, *rest: Any) -> bytes:
        if read.tag == "2":
            raise OverflowError("a time that no calendar has")
        return encode(read, *rest)

    monkeypatch.setattr("console.exports.ctp01.encode", failing)
    desk = MemoryDesk()
    async with serving(options=PUSH) as server, exporting(desk, server.port) as export:
        desk.add(3)
        await until(lambda: export.state().tcp == 2)
        assert identities(server) == [("Finish", 1, "1"), ("Finish", 3, "3")]
        assert any("Finish 2 could not be encoded" in text for _, _, text in desk.troubles)
        assert balanced(export)


async def test_a_gun_that_is_not_asked_for_is_not_said_to_be_sent_again() -> None:
    desk = MemoryDesk()
    async with serving(options=PUSH) as server, exporting(desk, server.port) as export:
        desk.add(kind=Kind.GUN, bib=None)
        desk.add()
        await until(lambda: export.state().tcp == 1)
        text = await export.resend(Selection(first=1, last=2), "anna")
        assert text == "1 sent again, 1 not for this export"


@pytest.mark.parametrize(
    ("mode", "resume", "bare"),
    [("push", "sequence", "all"), ("pull", "sequence", "all"), ("push", "bare", "all"), ("push", "bare", "overlap")],
)
async def test_random_cuts_and_restarts_lose_nothing(mode: str, resume: Resume, bare: str) -> None:
    """What the server has is what the journal has, in order. Where it resumes by number, every line comes once; else
    what comes again is the same, which the server checks."""
    desk = MemoryDesk()
    chance = random.Random(4)
    desk.named_points, desk.point_of = ["Start", "Finish"], {"1": "Start"}
    options = {"stream-mode": mode, "time-format": "iso"}
    async with serving(options=options, resume=resume, close_chance=0.05, most=40, seed=7, ping=0.02) as server:
        for _ in range(4):
            async with exporting(desk, server.port, resume=bare) as export:
                until_now = server.connections
                while server.connections < until_now + 2:
                    desk.add(chance.randint(1, 30), channel=chance.choice("12"))
                    await asyncio.sleep(0.002)
                assert balanced(export)
            if chance.random() < 0.5:
                desk.saved.clear()
        server.close_chance = 0.0
        async with exporting(desk, server.port, resume=bare) as export:
            await server.until(lambda: len(server.known) == desk.feed.newest)
            await until(lambda: export.state().tcp == desk.feed.newest)
            assert balanced(export)
        assert_whole(server, desk)
        assert (server.repeats == 0) == (resume == "sequence")


def assert_whole(server: ScoringCtp01, desk: MemoryDesk) -> None:
    """The server has what the journal has: each under one number, ascending at each location."""
    assert sorted(int(got.tag) for got in server.known.values()) == [one.seq for one in desk.feed.passings]
    for location in {got.location for got in server.known.values()}:
        here: list[Got] = sorted(
            (one for one in server.known.values() if one.location == location), key=lambda one: one.sequence
        )
        assert [one.sequence for one in here] == list(range(1, len(here) + 1))
        assert [int(one.tag) for one in here] == sorted(int(one.tag) for one in here)


# --- what the operator does ---


async def test_pause_resume_skip_and_send_again() -> None:
    desk = MemoryDesk()
    async with serving(options=PUSH) as server, exporting(desk, server.port) as export:
        desk.add(3)
        await until(lambda: export.state().tcp == 3)
        export.pause("anna")
        desk.add(4)
        await until(lambda: export.state().waiting == 4)
        assert len(server.reads) == 3
        assert export.skip_waiting("anna") == 4
        export.resume("anna")
        desk.add(2)
        await until(lambda: export.state().tcp == 5)
        assert [got.sequence for got in server.reads] == [1, 2, 3, 8, 9]
        assert (export.state().skipped, export.state().waiting) == (4, 0)
        assert export.fate(desk.feed.passings[4]) == [(export.settings.connect, "skipped")]
        assert balanced(export)
        text = await export.resend(Selection(first=2, last=5), "anna")
        assert text.startswith("4 sent again")
        await until(lambda: export.state().peers[0].resent == 4)
        assert [got.sequence for got in server.reads[5:]] == [2, 3, 4, 5]
        assert balanced(export)
    async with (
        serving(options=PUSH, address=f"127.0.0.1:{server.port}") as other,
        exporting(desk, other.port) as export,
    ):
        await other.until(lambda: len(other.reads) == 9)  # it remembers nothing, and asks for everything
        assert export.fate(desk.feed.passings[4]) == [(export.settings.connect, "skipped")]
        assert balanced(export)


async def test_what_has_come_since_it_was_asked_is_not_skipped() -> None:
    """Exactly what the operator was told, at each timing point, whatever comes between the question and the yes."""
    desk = MemoryDesk()
    desk.named_points, desk.point_of = ["Start", "Finish"], {"1": "Start"}
    async with serving(options=PUSH) as server, exporting(desk, server.port) as export:
        desk.add()
        await until(lambda: export.state().tcp == 1)
        export.pause("anna")
        desk.add(3)
        desk.add(2, channel="1")
        await until(lambda: export.waiting() == 5)
        asked = export.counted_to
        desk.clock += SECOND
        desk.add(phase=Phase.TEST)
        desk.add()
        desk.add(channel="1")
        await until(lambda: export.waiting() == 7)
        assert await export.skip_until(asked, "anna") == 5
        assert await export.skip_until(asked, "anna") == 0, "given twice"
        state = export.state().peers[0]
        assert (state.skipped, state.waiting, state.oldest) == (5, 2, desk.clock)
        assert balanced(export)
        export.resume("anna")
        await until(lambda: export.state().tcp == 3)
        assert [(got.location, got.sequence) for got in server.reads[1:]] == [("Finish", 5), ("Start", 3)]
        assert balanced(export)


async def test_what_waits_for_its_number_is_skipped_when_it_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers are given at the pace of the disk; where that takes too long, nothing is skipped, and it is said."""
    desk, disk = MemoryDesk(), asyncio.Event()
    number = desk.number

    async def slow(*given: Any) -> dict[int, int]:
        await disk.wait()
        return await number(*given)

    monkeypatch.setattr(desk, "number", slow)
    monkeypatch.setattr("console.exports.ctp01.NUMBERED_WITHIN", 0.01)
    async with serving(options=PUSH) as server, exporting(desk, server.port) as export:
        export.pause("anna")
        desk.add(3)
        await until(lambda: export.waiting() == 3)
        asked = export.counted_to
        with pytest.raises(ValueError, match="still giving numbers"):
            await export.skip_until(asked, "anna")
        assert (export.waiting(), export.state().skipped) == (3, 0)
        monkeypatch.setattr("console.exports.ctp01.NUMBERED_WITHIN", 10)
        skipping = asyncio.create_task(export.skip_until(asked, "anna"))
        await asyncio.sleep(0)
        disk.set()
        assert await skipping == 3
        assert balanced(export)


async def test_only_what_was_skipped_is_left_out_of_lines_that_were_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, free = full_kernel(monkeypatch)
    desk = MemoryDesk()
    desk.add(100)
    async with serving(options=PUSH) as server, exporting(desk, server.port) as export:
        await asked.wait()
        assert await export.skip_until(60, "anna") == 60
        free.set()
        await until(lambda: export.state().tcp == 40)
        assert [got.sequence for got in server.reads] == list(range(61, 101))
        assert (export.state().skipped, export.state().resent) == (60, 0)
        assert balanced(export)


def test_nothing_is_claimed_before_the_numbers_are_read() -> None:
    desk = MemoryDesk()
    export = make(desk, 1)
    cursor = Cursor(export="scoring", peer=export.settings.connect, start=0, sent=5, tcp=5)
    export._accounts[cursor.peer] = export.account(cursor)
    (one,) = desk.add()
    assert export.fate(one) == [(cursor.peer, "not known yet")]


async def test_fates() -> None:
    desk = MemoryDesk()
    async with serving(options=PUSH) as server, exporting(desk, server.port) as export:
        (sent,) = desk.add()
        (other,) = desk.add(read_type=1)
        (repeat,) = desk.add(status=Status.REPEAT, of=1)
        await until(lambda: export.state().tcp == 1)
        assert export.fate(sent) == [(export.settings.connect, "tcp")]
        assert export.fate(other) == [("", "first seen")]
        assert export.fate(repeat) == [("", "repeat")]
