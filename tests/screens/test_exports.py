"""The Exports tab: rows, details, and what is done to exports by key and by command line."""

from pathlib import Path

import msgspec
import pytest

from console.control import messages as m
from console.model import SECOND, ExportState, Option, PeerState, Selection, Sheet
from screens.commands import CommandError
from screens.deck import Deck
from screens.picture import zone_of
from screens.selection import parse
from screens.settings import Pages, pairs
from tests.screens.conftest import Console, console_on, engine_at
from tests.screens.fake_engine import GUN, OPTIONS, FakeEngine
from tests.screens.snapshots import compare
from tests.screens.test_deck import changes

NOW = GUN + 5000 * SECOND
"""10:53:20 in Paris."""


def at(hours: int, minutes: int, seconds: int = 0) -> int:
    return GUN + ((hours - 9) * 3600 + (minutes - 30) * 60 + seconds) * SECOND


def last(console: Console) -> m.Call:
    return changes(console.engine)[-1]


# --- the table ---


async def test_the_cursor_says_what_a_row_is_about(socket: Path) -> None:
    async with console_on(socket) as console:
        await console.press("x")
        await console.sees(">raceday", "tsv1  127.0.0.1:10200  192.168.1.20 reads slowly")
        await console.press("down")
        await console.sees(">  192.168.1.20", "here since 09:30:00  192.168.1.20 reads slowly; 2 held: no bib")
        await console.press("down")
        await console.sees(">software", "ONLY IF IT HAS A SESSION OR A RUN\n")
        await console.press("end")
        await console.sees(">its", "ctp01  127.0.0.1:61611")
        await console.press("home", "up")
        await console.sees(">raceday")


async def test_what_is_to_be_known_of_a_format_is_said(socket: Path) -> None:
    engine = FakeEngine()
    raceday, *others = engine.state().exports
    told = "Moment is local time (Europe/Paris), and not UTC as the Z behind it suggests: TsV1 has always been so"
    engine.changes["exports"] = (msgspec.structs.replace(raceday, note=told), *others)
    async with console_on(socket, engine) as console:
        await console.press("x")
        await console.sees(">raceday", "Moment is local time (Europe/Paris), and not UTC", "TsV1 has always been so")


async def test_unknown_none_and_zero_look_different(socket: Path) -> None:
    engine = FakeEngine()
    raceday, software, its = engine.state().exports
    (peer,) = software.peers
    peer = msgspec.structs.replace(peer, tcp=None, sent=0, waiting=0, journaled=0)
    software = msgspec.structs.replace(software, tcp=None, sent=0, journaled=0, peers=(peer,))
    engine.changes["exports"] = (raceday, software, its)
    async with console_on(socket, engine) as console:
        await console.press("x")
        lines = [line for line in console.lines if "software" in line or "127.0.0.1  " in line or "its  " in line]
        assert lines[0].split() == ["software", "UP", "0", "?", "0", "-", "0", "0"]
        assert lines[1].split() == ["127.0.0.1", "connected", "0", "?", "0", "-", "0", "0"]
        assert lines[2].split() == ["its", "NO", "CLIENT", "-", "-", "-", "-", "-", "-"]


async def test_what_never_goes_out_is_seen_without_opening_anything(socket: Path) -> None:
    engine = FakeEngine()
    raceday, *others = engine.state().exports
    peer = msgspec.structs.replace(raceday.peers[0], unmapped=33, journaled=raceday.peers[0].journaled + 33)
    raceday = msgspec.structs.replace(raceday, unmapped=33, journaled=peer.journaled, peers=(peer,))
    engine.changes["exports"] = (raceday, *others)
    for size in ((80, 24), (132, 43)):
        async with console_on(socket, engine, size=size) as console:
            await console.press("x")
            await console.sees("HELD UNMAP", "UNMAP: its format cannot say it, so it never goes out")
            row = next(line for line in console.lines if line.startswith(">raceday"))
            assert ["2", "33"] in ([*row.split()[6:8]], [*row.split()[7:9]])


async def test_why_it_is_not_well_is_said_with_what_to_check(socket: Path) -> None:
    engine = FakeEngine()
    raceday, *others = engine.state().exports
    reason = "192.168.1.20:61611 refuses: check that the program is running there, and that this is its port"
    gone = msgspec.structs.replace(raceday.peers[0], connected=False, reason=reason, note="")
    raceday = msgspec.structs.replace(raceday, state="down", reason=reason, peers=(gone,))
    engine.changes["exports"] = (raceday, *others)
    async with console_on(socket, engine) as console:
        await console.press("x")
        await console.sees("DOWN", "     192.168.1.20:61611 refuses: check that the program is running there, and\n")
        await console.press("down")
        await console.sees("gone since 09:30:00", "this is its port")
        compare("exports-down-80x24", console.text)


async def test_a_reason_is_never_cut(socket: Path) -> None:
    engine = FakeEngine()
    raceday, *others = engine.state().exports
    why = "no timing point: add its channel to `points` of its device, and `racedeck reload`"
    peer = msgspec.structs.replace(raceday.peers[0], reasons={why: 2}, note=f"2 held: {why}")
    silent = "192.168.1.20:61611 does not answer our greeting, for 10 s: check that it is set to take connections"
    raceday = msgspec.structs.replace(raceday, state="silent", reason=silent, peers=(peer,))
    engine.changes["exports"] = (raceday, *others)
    async with console_on(socket, engine) as console:
        await console.press("x", "down")
        await console.sees("SILENT", "set to take connections;", "`racedeck reload`")
        await console.press("enter")
        await console.sees("            2 no timing point: add its channel to `points` of its device", "reload`\n")


async def test_more_rows_than_lines(socket: Path) -> None:
    engine = FakeEngine()
    raceday, *_ = engine.state().exports
    peers = tuple(
        PeerState(address=f"10.0.0.{number}", connected=True, since=GUN, sent=number) for number in range(1, 40)
    )
    engine.changes["exports"] = (msgspec.structs.replace(raceday, peers=peers),)
    async with console_on(socket, engine) as console:
        await console.press("x")
        await console.sees("more lines below --", "10.0.0.5 ")
        await console.press("end")
        await console.sees(">  10.0.0.39", "-- end --")
        assert len(console.lines) == 24
        engine.changes["exports"] = (msgspec.structs.replace(raceday, peers=peers[:3]),)
        console.push()
        await console.sees(">raceday", "10.0.0.3 ")


async def test_no_exports_at_all(socket: Path) -> None:
    engine = FakeEngine()
    engine.changes["exports"] = ()
    async with console_on(socket, engine) as console:
        await console.press("x", "p")
        await console.sees("nothing is passed on.  n adds one", "no export here; n adds one")
        await console.press("enter", "up")
        await console.sees("nothing is passed on")


# --- details ---


async def test_a_peer_opened_tells_figures_that_add_up_settings_and_last_lines(socket: Path) -> None:
    engine = FakeEngine()
    engine.talks["raceday", "192.168.1.20"] = m.Conversation(
        sent=(b'[{"Chip":1204,"Moment":"2026-06-13T10:41:47.8300000Z"}]\r',), received=(b"hello\x1b[2J\r\n",)
    )
    for size in ((80, 24), (132, 43)):
        async with console_on(socket, engine, size=size) as console:
            await console.press("x", "down", "enter")
            await console.sees("3808 journaled", "3789 sent", "3787 taken by its TCP", "2 on their way", "2 no bib")
            await console.sees('> [{"Chip":1204,"Moment":"2026-06-13T10:41:47.8300000Z"}]\\r', "LAST LINES RECEIVED")
            compare(f"delivery-{size[0]}x{size[1]}", console.text)
            await console.press("end")
            await console.sees("< hello\\x1b[2J\\r\\n", "batch_interval  1.5")
            await console.press("p")
            await console.sees(lambda: last(console) == m.Steer(export="raceday", action="pause"))
            await console.press("escape")
            await console.sees(">  192.168.1.20")
        engine.changes.clear()


async def test_a_line_is_shown_to_its_end(socket: Path) -> None:
    engine = FakeEngine()
    line = b'[{"Chip":1204,"Moment":"2026-06-13T10:41:47.8300000Z","TimingPoint":"Finish","Type":2,"Source":"chute"}]\r'
    engine.talks["raceday", "192.168.1.20"] = m.Conversation(sent=(line,), received=())
    async with console_on(socket, engine) as console:
        await console.press("x", "down", "enter")
        await console.sees('> [{"Chip":1204,"Moment":', '\n  Type":2,"Source":"chute"}]\\r')


async def test_a_file_has_no_tcp_and_no_conversation(socket: Path) -> None:
    engine = FakeEngine()
    file = PeerState(address="/day/log.csv", sink=True, connected=True, since=0, journaled=7, sent=7, tcp=None, acked=7)
    log = ExportState(
        name="log", type="csv", where="/day/log.csv", state="up", journaled=7, sent=7, tcp=None, peers=(file,)
    )
    engine.changes["exports"] = (log,)
    async with console_on(socket, engine) as console:
        await console.press("x")
        await console.sees(">log")
        lines = [line.split() for line in console.lines if "log" in line]
        assert next(line for line in lines if line[0] == ">log")[1:5] == ["UP", "7", "-", "0"]
        assert next(line for line in lines if line[0] == "/day/log.csv")[1:5] == ["connected", "7", "-", "0"]
        await console.press("enter")
        await console.sees("DELIVERY TO /day/log.csv", "7 sent      taken by it", "7 acknowledged  on the disk")
        assert "TCP" not in console.text
        assert not [call for _, call in engine.calls if isinstance(call, m.GetPeer)]


async def test_figures_that_do_not_add_up_are_not_hidden(socket: Path) -> None:
    engine = FakeEngine()
    raceday, *others = engine.state().exports
    wrong = msgspec.structs.replace(raceday.peers[0], journaled=5000)
    engine.changes["exports"] = (msgspec.structs.replace(raceday, peers=(wrong,)), *others)
    async with console_on(socket, engine) as console:
        await console.press("x", "enter")
        await console.sees("5000 journaled", "3808 IS THEIR SUM: please report this")
        engine.changes["exports"] = tuple(others)
        console.push()
        await console.sees("raceday is no longer in the settings")
        await console.press("p")
        await console.sees("no export here")


# --- what a key does ---


async def test_pause_and_resume(socket: Path) -> None:
    async with console_on(socket) as console:
        await console.press("x", "p")
        await console.sees("raceday: paused", lambda: last(console) == m.Steer(export="raceday", action="pause"))
        console.push()
        await console.sees("PAUSED", "paused since", "by anna")
        console.deck.action_devices()
        await console.sees("raceday  PAUSED")
        await console.press("x", "p")
        await console.sees("raceday: resumed", lambda: last(console) == m.Steer(export="raceday", action="resume"))


async def test_skip_to_now_asks_with_the_number(socket: Path) -> None:
    async with console_on(socket) as console:
        await console.press("x", "s")
        await console.sees("!! 14 passings wait and will never be sent.", "y skips them, anything else drops it:")
        await console.press("n")
        await console.sees("dropped; nothing was changed")
        await console.press("down", "s", "y")
        wanted = m.Steer(export="raceday", action="skip", peer="192.168.1.20", yes="raceday")
        await console.sees("raceday: Steer done", lambda: last(console) == wanted)


async def test_held_is_sent_or_dropped(socket: Path) -> None:
    async with console_on(socket) as console:
        await console.press("x", "h")
        await console.sees("Held done", lambda: last(console) == m.Held(export="raceday", action="release"))
        await console.press("down", "k")
        await console.sees("!! 2 held for 192.168.1.20 of raceday will never be sent.")
        await console.press("y")
        wanted = m.Held(export="raceday", action="skip", peer="192.168.1.20")
        await console.sees(lambda: last(console) == wanted)
        await console.press("down", "k")
        await console.sees("nothing is held for software")


async def test_resend_asks_from_what_and_says_what_came_of_it(socket: Path) -> None:
    async with console_on(socket) as console:
        await console.press("x", "down", "r")
        await console.sees("resend raceday:", "only to 192.168.1.20", "4187 (from there on), 4187-4195,\n")
        compare("resend-80x24", console.text)
        await console.type("nonsense")
        await console.sees("'nonsense' is not understood", "resend raceday: nonsense")
        await console.press(*["backspace"] * 8)
        await console.type("4187-4195 point Finish")
        what = Selection(first=4187, last=4195, point="Finish")
        await console.sees("raceday: 212 sent again, 3 held")
        assert last(console) == m.Resend(export="raceday", what=what, peer="192.168.1.20")
        await console.press(":")
        await console.type("resend raceday frame 17")
        await console.sees("raceday: 212 sent again, 3 held")
        assert last(console) == m.Resend(export="raceday", what=Selection(), frame=17)


async def test_remove_asks_for_the_name(socket: Path) -> None:
    async with console_on(socket) as console:
        await console.press("x", "D")
        await console.sees("!! A race is running, and 1 client is connected to raceday.")
        await console.sees("Type its name (raceday) to remove it, Esc to drop:")
        await console.type("racedaz")
        await console.sees("racedaz is not the name.")
        await console.type("raceday")
        await console.sees("raceday: RemoveExport done")
        assert last(console) == m.RemoveExport(name="raceday", yes="raceday")


@pytest.mark.parametrize("keys", [["N"], [":", *"export renumber raceday", "enter"]])
async def test_to_number_anew_asks_for_the_name(socket: Path, keys: list[str]) -> None:
    async with console_on(socket) as console:
        await console.press("x", *keys)
        await console.sees("Number the lines of raceday from 1 again?")
        await console.type("raceday")
        await console.sees("raceday: RenumberExport done")
        assert last(console) == m.RenumberExport(name="raceday", yes="raceday")


@pytest.mark.parametrize("keys", [["F"], [":", *"export forget raceday 192.168.1.20", "enter"]])
async def test_a_client_is_forgotten_after_a_question(socket: Path, keys: list[str]) -> None:
    wanted = m.Steer(export="raceday", action="forget", peer="192.168.1.20", yes="raceday")
    async with console_on(socket) as console:
        await console.press("x", "down", *keys)
        await console.sees("!! Forget 192.168.1.20?", "y forgets it, anything else drops it:")
        await console.press("n")
        await console.sees("dropped; nothing was changed")
        assert wanted not in changes(console.engine)
        await console.press(*keys)
        await console.sees("y forgets it")
        await console.press("y")
        await console.sees("raceday: Steer done")
        assert last(console) == wanted


async def test_an_export_is_not_forgotten(socket: Path) -> None:
    async with console_on(socket) as console:
        await console.press("x", "F")
        await console.sees("which client of raceday? Put the cursor on it")
        assert not changes(console.engine)


async def test_a_new_export_is_asked_for_step_by_step(socket: Path) -> None:
    async with console_on(socket) as console:
        await console.press("x", "n")
        await console.sees("export add name:")
        await console.type("raceday")
        await console.sees("type:", "one of ctp01 thcom-server tsv1")
        await console.type("tsv1")
        await console.sees("there is an export raceday already")
        await console.press(*["backspace"] * 10, "escape")
        await console.press("escape")
        await console.press("n")
        await console.sees("export add name:")
        await console.type("second")
        await console.type("tsv1")
        await console.sees("second (tsv1): KEY=VALUE", "second: listen=127.0.0.1:")
        await console.type("10200")
        await console.sees('listen address "127.0.0.1:10200" is given 2 times', "second: listen=127.0.0.1:10200")
        await console.press("backspace", "1", "space", *"batch", "tab")
        await console.sees("batch_interval (now 1.5): Seconds between two messages. a number from 0 to 60")
        compare("export-new-80x24", console.text)
        await console.type("2")
        await console.sees("export second added")
        values = {"type": "tsv1", "listen": "127.0.0.1:10201", "batch_interval": "2"}
        assert last(console) == m.AddExport(name="second", values=values)


async def test_settings_are_changed_with_every_key_behind_tab(socket: Path) -> None:
    async with console_on(socket) as console:
        await console.press("x", "e")
        await console.sees("raceday (tsv1): KEY=VALUE")
        await console.press("tab")
        await console.sees("listen=127.0.0.1:10200", "host:port to listen on", "newcomers=live")
        await console.type("newcomers")
        await console.sees("'newcomers': write KEY=VALUE, as in listen=127.0.0.1:10200")
        await console.type("=all")
        await console.sees("raceday: EditExport done")
        assert last(console) == m.EditExport(name="raceday", values={"newcomers": "all"})
        await console.press("e", "enter")
        await console.sees("dropped; nothing was changed")


async def test_tell_scoring_and_the_report_are_tables(socket: Path) -> None:
    engine = FakeEngine()
    engine.sheets["raceday", "tell"] = Sheet(title="TELL SCORING", columns=("WHAT",), rows=[("1178 -> 1187",)])
    engine.sheets["", "report"] = Sheet(title="REPORT", columns=("WHAT",), rows=[("frames",)])
    async with console_on(socket, engine) as console:
        await console.press("x", "t")
        await console.sees("TELL SCORING", "1178 -> 1187")
        await console.press("escape", "R")
        await console.sees("REPORT", "frames")


async def test_an_observer_only_looks(socket: Path) -> None:
    async with console_on(socket, observe=True) as console:
        await console.press("x")
        for key in "prshkneD":
            await console.press(key)
            await console.sees("only observes")
            await console.press("escape")
        await console.press("enter")
        await console.sees("3808 journaled")
        assert not changes(console.engine)


async def test_without_an_engine_every_key_says_so(socket: Path) -> None:
    deck = Deck(socket, rate=30, clock=lambda: 0)
    async with deck.run_test(size=(80, 24)) as pilot:
        engine = FakeEngine()
        async with engine_at(socket, engine) as server:
            console = Console(deck, pilot, engine, server)
            await console.sees("1 at work")
            await console.press("x")
            await console.sees(">raceday")
        await console.sees("ENGINE GONE")
        for key in "pshneD":
            await console.press(key)
            await console.sees("the engine is away; nothing was done")
            await console.press("escape")
        await console.press("r")
        await console.type("all")
        await console.sees("the engine is away; nothing was done")
        await console.press("enter")
        await console.sees("3808 journaled")


async def test_exports_on_the_command_line(socket: Path) -> None:
    async with console_on(socket) as console:
        for typed, wanted in (
            ("pause software", m.Steer(export="software", action="pause")),
            ("resume software", m.Steer(export="software", action="resume")),
            ("export pause its", m.Steer(export="its", action="pause")),
            ("export set its stale_after=5", m.EditExport(name="its", values={"stale_after": "5"})),
            ("export add b type=tsv1 listen=1:2", m.AddExport(name="b", values={"type": "tsv1", "listen": "1:2"})),
        ):
            await console.press(":")
            await console.type(typed)
            await console.sees(lambda: changes(console.engine)[-1:] == [wanted])  # noqa: B023
            await console.press("escape")
        for typed, said in (
            ("pause nothing", "pause EXPORT; exports: raceday software its"),
            ("export", "export add|set|remove|renumber|pause|resume|skip|forget EXPORT ..."),
            ("export forget raceday", "export forget EXPORT PEER"),
            ("export set its x", "'x': write KEY=VALUE"),
            ("resend its", "send what again? 4187"),
        ):
            await console.press(":")
            await console.type(typed)
            await console.sees(said)
            await console.press("escape")


# --- what is typed ---


@pytest.mark.parametrize(
    ("text", "selection", "frame"),
    [
        ("all", Selection(), None),
        ("4187", Selection(first=4187), None),
        ("#4187-#4195", Selection(first=4187, last=4195), None),
        ("4187-", Selection(first=4187), None),
        ("10:41:00", Selection(since=at(10, 41)), None),
        ("10:41-10:42", Selection(since=at(10, 41), until=at(10, 43) - 1), None),
        ("10:41:00-10:41:05", Selection(since=at(10, 41), until=at(10, 41, 6) - 1), None),
        ("23:00:00", Selection(since=at(-1, 0)), None),
        ("frame 812", Selection(), 812),
        ("bib 1204", Selection(bib="1204"), None),
        ("point Ctl 31 bib 7 10:41:00", Selection(point="Ctl 31", bib="7", since=at(10, 41)), None),
        ("frame 9 point Start", Selection(point="Start"), 9),
    ],
)
def test_which_passings_are_meant(text: str, selection: Selection, frame: int | None) -> None:
    assert parse(text, NOW, zone_of("Europe/Paris")) == (selection, frame)


@pytest.mark.parametrize("text", ["", "frame", "frame x", "point", "yesterday", "25:00:00", "-", "4187 all"])
def test_what_means_nothing_is_said(text: str) -> None:
    with pytest.raises(CommandError):
        parse(text, NOW, zone_of("Europe/Paris"))


def test_pairs_are_read_as_they_are_typed() -> None:
    assert pairs("listen=127.0.0.1:1 channels=a=1,b=2") == {"listen": "127.0.0.1:1", "channels": "a=1,b=2"}
    assert pairs("""line='{bib} {time:%H:%M}\\r\\n' networks='["10.0.0.0/8"]'""") == {
        "line": "{bib} {time:%H:%M}\\r\\n",
        "networks": '["10.0.0.0/8"]',
    }
    assert pairs("batch_interval= #x=1") == {"batch_interval": "", "#x": "1"}
    for wrong in ("listen", "=1", "line='a", "a=1 a=2"):
        with pytest.raises(CommandError):
            pairs(wrong)


def test_keys_complete_and_show_what_is_set() -> None:
    pages = Pages(OPTIONS)
    assert pages.complete("list") == ("listen=", {})
    assert pages.complete("a=1 batch_interval=") == ("a=1 batch_interval=1.5", {})
    assert pages.complete("newcomers=a") == ("newcomers=a", {})
    text, options = pages.complete("")
    assert (text, list(options)) == ("", ["listen=127.0.0.1:10200", "connect=", "newcomers=live", "batch_interval=1.5"])
    assert options["batch_interval=1.5"] == "Seconds between two messages. a number from 0 to 60"


def test_every_key_can_be_reached_by_tab() -> None:
    pages = Pages([Option(f"key{number:02}", "1") for number in range(16)])
    seen = [list(pages.complete("key")[1]) for _ in range(4)]
    assert [one[0] for one in seen] == ["key00=1", "key07=1", "key14=1", "key00=1"]
    assert [len(one) for one in seen] == [8, 8, 3, 8]
    assert next(iter(pages.complete("key1")[1])) == "key10=1"
