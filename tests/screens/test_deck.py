"""The console as an operator plays it, on the real socket."""

import asyncio
from pathlib import Path
from unittest.mock import patch

import msgspec
import pytest
from textual.binding import Binding
from textual.events import Key, Paste
from textual.keys import _character_to_key

from console.control import messages as m
from console.model import Direction, Frame, JournalState, Level, LinkState, Phase, Status
from screens.deck import Deck
from screens.keys import Keys
from screens.listing import Listing
from tests.screens.conftest import Console, console_on, engine_at
from tests.screens.fake_engine import GUN, FakeEngine, incident, passing_of

GARBAGE = b"[red]boo[/red]\x1b[2J\x1b]52;c;eA==\x07\x9b2J\x00\xff\xe2\x80\xae"


def changes(engine: FakeEngine) -> list[m.Call]:
    """What the engine was told to do."""
    return [call for _, call in engine.calls if isinstance(call, m.CHANGES)]


def number(listing: Listing[Frame]) -> int:
    """The number of the row under the cursor."""
    return listing.current.seq if listing.current else 0


# --- the tick ---


async def test_the_first_picture_does_not_wait_for_a_tick(socket: Path) -> None:
    engine = FakeEngine()
    async with engine_at(socket, engine) as server:
        deck = Deck(socket, rate=1, clock=lambda: 0)
        deck._interval = 3600
        async with deck.run_test(size=(80, 24)) as pilot:
            await Console(deck, pilot, engine, server).sees("following", "1 at work")


# --- following, freezing, looking back ---


async def test_follows_then_freezes_and_counts_what_is_new(socket: Path) -> None:
    async with console_on(socket) as console:
        engine = console.engine
        await console.press("l")
        await console.sees("following", " 4212  ")
        engine.frames += 3
        console.push()
        await console.sees(" 4215  ")
        await console.press("space")
        await console.sees("FROZEN +0 new")
        rows = console.lines[4:22]
        engine.frames += 37
        console.push()
        await console.sees("FROZEN +37 new")
        assert console.lines[4:21] == rows[:17]
        await console.press("G")
        await console.sees("following", " 4252  ")


async def test_a_frozen_screen_stays_although_a_page_is_on_its_way(socket: Path) -> None:
    async with console_on(socket) as console:
        engine = console.engine
        await console.press("l")
        before = console.lines[4:22]
        asked, engine.slow = len(engine.calls), asyncio.Event()
        engine.frames += 100
        console.push()
        await console.sees(lambda: len(engine.calls) > asked)
        console.deck.action_freeze()
        engine.slow.set()
        engine.slow = None
        await console.sees("FROZEN +100 new", lambda: console.deck.stack.log.frames.rows[-1].seq == 4312)
        assert console.lines[4:22] == before


async def test_looking_back_stops_following_by_itself(socket: Path) -> None:
    async with console_on(socket) as console:
        await console.press("l", "up")
        await console.sees("FROZEN +0 new")
        assert number(console.deck.stack.log.frames) == 4211
        await console.press("end")
        await console.sees("following")


async def test_a_million_frames_have_two_near_ends(socket: Path) -> None:
    async with console_on(socket, FakeEngine(1_000_000)) as console:
        await console.press("l")
        await console.sees("1000000  06:13:20.000")
        before = console.engine.asked
        await console.press("home")
        await console.sees("      1  09:30:01.025")
        await console.press("end")
        await console.sees("1000000  06:13:20.000")
        assert console.engine.asked - before <= 8


async def test_paging_back_shows_every_frame(socket: Path) -> None:
    async with console_on(socket, FakeEngine(300)) as console:
        await console.press("l")
        seen: set[int] = set()
        log = console.deck.stack.log.frames
        while 1 not in seen:
            await console.press("pageup")
            await console.sees(lambda: log.rows[0].seq <= max(1, number(log) - 18))
            await console.press("up", "down")
            seen |= {int(line[:7]) for line in console.lines if line[:7].strip().isdecimal()}
        assert seen >= set(range(1, 283))


async def test_following_a_flood_asks_for_pages_not_for_frames(socket: Path) -> None:
    async with console_on(socket) as console:
        await console.press("l")
        before = console.engine.asked
        for _ in range(500):
            console.engine.frames += 20
            console.push()
        await console.sees(f" {4212 + 10_000}  ")
        assert console.engine.asked - before < 20


# --- filters, problems, detail ---


async def test_filter_by_text_device_direction_and_flaw(socket: Path) -> None:
    async with console_on(socket) as console:
        shown = console.deck.stack.log.frames
        for text, wanted in (
            ("04A1B2C3106D", lambda frame: b"04A1B2C3106D" in frame.raw),
            ("@start", lambda frame: frame.device == "start"),
            (">", lambda frame: frame.direction is Direction.TX),
            ("!", lambda frame: frame.flaw),
            ("! @chute", lambda frame: frame.flaw and frame.device == "chute"),
        ):
            await console.press("l", "/")
            await console.type(text)
            await console.sees(f"/ {text}", lambda: shown.rows, "following")
            assert all(wanted(frame) for frame in shown.rows)
            await console.press("escape")
            await console.sees(lambda: len({frame.device for frame in shown.rows}) == 3)


async def test_a_filter_without_a_match_says_so(socket: Path) -> None:
    async with console_on(socket) as console:
        await console.press("l", "/")
        await console.type("nowhere")
        await console.sees("no frame matches; Esc shows all")


async def test_passings_refuse_a_filter_for_frames(socket: Path) -> None:
    async with console_on(socket) as console:
        await console.press("/")
        await console.type("!")
        await console.sees("! filters frames (the Log tab)")


async def test_next_and_previous_problem(socket: Path) -> None:
    async with console_on(socket) as console:
        log = console.deck.stack.log.frames
        await console.press("l", "n")  # nothing is behind the newest row: the last problem there is
        await console.sees(lambda: number(log) == 4171)
        await console.press("end", "N")
        await console.sees(lambda: number(log) == 4171)
        await console.press("N")
        await console.sees(lambda: number(log) == 4074)
        await console.press("n")
        await console.sees(lambda: number(log) == 4171)
        await console.press("n")
        await console.sees("no later problem; N goes back")


async def test_a_place_without_a_bib_is_a_problem_until_its_other_half_tells(socket: Path) -> None:
    engine = FakeEngine(40)
    async with console_on(socket, engine) as console:
        await console.sees("HELD no bib", "2 WITHOUT BIB")
        place = next(n for n in range(1, 36) if passing_of(n).bib is None and passing_of(n).point == "Finish")
        half = engine.passing(engine.passings)
        half = msgspec.structs.replace(
            half, bib="77", passing=msgspec.structs.replace(half.passing, status=Status.JOINED, of=place)
        )
        engine.frames += 2
        engine.odd_passings[engine.passings] = msgspec.structs.replace(
            half, passing=msgspec.structs.replace(half.passing, seq=engine.passings)
        )
        chute, *others = engine.state().devices
        engine.changes["devices"] = (msgspec.structs.replace(chute, nameless=1), *others)
        console.push()
        await console.sees(f"joins #{place}", "1 WITHOUT BIB")


async def test_what_an_export_holds_says_so_where_it_stands(socket: Path) -> None:
    engine = FakeEngine(40)
    held, *others = engine.state().exports
    why = {2: "stale: older than 10 s", 5: "no UTC yet: the race clock has no gun"}
    engine.changes["exports"] = (msgspec.structs.replace(held, held_newest=why), *others)
    async with console_on(socket, engine) as console:
        await console.press("home")
        await console.sees("HELD stale", "HELD no UTC")


async def test_a_hole_stands_where_the_place_is_missing(socket: Path) -> None:
    engine = FakeEngine(40)
    device = engine.state().devices[0]
    engine.changes["devices"] = (msgspec.structs.replace(device, holes=("0014-0016", "0003")),)
    async with console_on(socket, engine) as console:
        await console.sees("2 HOLES", "HOLE")
        rows = [line for line in console.lines if "place 0014-0016" in line]
        assert len(rows) == 1
        after = console.lines[console.lines.index(rows[0]) + 1]
        assert passing_of(int(after[:6])).passing.extra["place"] == 17


async def test_detail_of_a_frame(socket: Path) -> None:
    async with console_on(socket) as console:
        await console.press("l", "enter")
        await console.sees("FRAME 4212", "31 37 20 31", "17 11 216 4212 0", "lane place  213")
        await console.press("left")
        await console.sees("FRAME 4211", "SELECT")
        await console.press("escape")
        await console.sees("FRAMES  FROZEN")


async def test_detail_of_a_frame_that_we_sent(socket: Path) -> None:
    async with console_on(socket, FakeEngine(19)) as console:
        await console.press("l", "enter")
        await console.sees("FRAME 19  ctl-31  sent by us (anna)", "\nsent 09:30:19", "WHAT IT MEANS")
        assert "WHERE IT WENT" not in console.text
        await console.press("left")
        await console.sees("FRAME 18", "arrived", "WHERE IT WENT")


async def test_detail_says_why_there_is_none(socket: Path) -> None:
    async with console_on(socket, FakeEngine(12)) as console:
        await console.press("l", "enter")
        await console.sees("FRAME 12")
        console.engine.frames = 5
        await console.press("right")
        view = console.deck.stack.view
        view.seq = 99  # type: ignore[attr-defined]
        await console.press("up")
        await console.sees("no frame 99 in the journal")


@pytest.mark.parametrize("theme", ["dark", "mono"])
async def test_bytes_of_a_device_never_reach_the_terminal_as_control(socket: Path, theme: str) -> None:
    engine = FakeEngine(40)
    engine.odd[40] = Frame(
        seq=40,
        device="chute",
        direction=Direction.RX,
        wall=GUN,
        mono=0,
        raw=GARBAGE,
        label="[b]\x1b[m",
        flaw="\x07bell",
    )
    row = engine.passing(engine.passings)
    engine.odd_passings[engine.passings] = msgspec.structs.replace(
        row, bib="\x1b[1m", name="[blink]\x1b[5m", point="\r"
    )
    engine.incidents.append(incident(4, 40, Level.ALARM, "ch\x1bute", GARBAGE.decode("latin-1")))
    engine.alarms.append(engine.incidents[-1])
    async with console_on(socket, engine, size=(132, 43), theme=theme) as console:
        await console.sees("[blink]\\x1b[5m")
        for keys in (("l",), ("enter",), ("escape", "i"), ("x",), ("d",)):
            await console.press(*keys)
            await console.sees(lambda: "..." not in console.lines)
            assert all(line.isprintable() for line in console.lines)
        await console.press("l", "G")
        await console.sees("[red]boo[/red]\\x1b[2J\\x1b]52;c;eA==\\x07\\x9b2J\\x00\\xff")


# --- the strip ---


async def test_strip_says_what_is_wrong_in_words(socket: Path) -> None:
    async with console_on(socket) as console:
        assert console.lines[0].startswith(
            "10:41:59 NTP ok│RACE 1:11:59 │DEV 2/4 │SAVED 4212  │WAIT 14 0:42│!start DOWN"
        )
        console.engine.changes |= {
            "guns": (),
            "phase": Phase.TEST,
            "journal": JournalState(state="failing", frames=4212, passings=3789, unsafe=12),
        }
        console.push()
        await console.sees("TEST --:--:--", "DISK FAILING 12 unsafe")


async def test_alarms_latch_until_acknowledged_and_ring_once(socket: Path) -> None:
    engine = FakeEngine()
    async with console_on(socket, engine) as console:
        with patch.object(Deck, "bell") as bell:
            engine.incidents.append(incident(4, 4200, Level.ALARM, "chute", "SILENT for 60 s"))
            engine.alarms.append(engine.incidents[-1])
            console.push()
            await console.sees("!2 start DOWN", "SILENT for 60 s")
            engine.frames += 1
            console.push()
            await console.sees("SAVED 4213")
            assert bell.call_count == 1
        await console.press("a")
        await console.sees("2 acknowledged", "no alarm")
        assert changes(engine) == [m.Acknowledge(upto=4)]
        await console.press("a")
        await console.sees("no alarm to acknowledge")


async def test_rows_that_do_not_come_stop_neither_the_strip_nor_the_keys(socket: Path) -> None:
    async with console_on(socket) as console:
        console.engine.slow = asyncio.Event()
        console.deck.action_log()
        await console.sees("[Log]", "\n...\n")
        console.engine.frames += 8
        console.push()
        await console.sees("SAVED 4220", "10:42:07")
        console.deck.action_exports()
        await console.sees("EXPORT / PEER")
        console.deck.action_log()
        console.engine.slow.set()
        await console.sees(" 4220  10:42:05.500")


async def test_pages_ahead_of_the_state_are_kept(socket: Path) -> None:
    async with console_on(socket) as console:
        await console.press("l")
        log = console.deck.stack.log.frames
        state = console.engine.state()
        console.engine.frames += 30
        with patch.object(
            FakeEngine,
            "state",
            return_value=msgspec.structs.replace(
                state,
                journal=JournalState(
                    state="ok",
                    frames=4213,
                    passings=state.journal.passings,
                    incidents=3,
                ),
            ),
        ):
            console.push()
            await console.sees(lambda: number(log) == 4242)
            asked = console.engine.asked
            for _ in range(3):
                await console.press("i", "i")
            assert number(log) == 4242
        assert console.engine.asked - asked <= 3


# --- tabs and keys ---


async def test_every_tab_can_be_reached_in_every_way(socket: Path) -> None:
    async with console_on(socket) as console:
        for name in ("Log", "chute", "start", "ctl-31", "ctl-45", "Exports", "Race"):
            await console.press("]")
            assert f"[{name}]" in console.lines[1]
        await console.press("[")
        assert "[Exports]" in console.lines[1]
        await console.press("d", "down", "down", "enter")
        assert "[ctl-31]" in console.lines[1]
        await console.press("g", "d")
        assert "[start]" in console.lines[1]
        await console.press("g", "z")
        await console.sees("nothing has the letter 'z'")
        await console.press("l", "i")
        await console.sees("INCIDENTS", "the cable in?")


async def test_a_new_device_gets_a_tab_and_the_front_one_stays(socket: Path) -> None:
    async with console_on(socket) as console:
        await console.press("x")
        devices = console.engine.state().devices
        console.engine.changes["devices"] = (msgspec.structs.replace(devices[0], name="lap"), *devices[1:])
        console.push()
        await console.sees(" lap ")
        assert "[Exports]" in console.lines[1]


async def test_sixteen_devices_fit(socket: Path) -> None:
    engine = FakeEngine()
    device = engine.state().devices[2]
    engine.changes["devices"] = tuple(
        msgspec.structs.replace(device, name=f"control-number-{number}", state=LinkState.SILENT) for number in range(16)
    )
    async with console_on(socket, engine) as console:
        await console.sees("+12 more, 12 not up", "DEV 0/16")
        await console.press(*["]"] * 17)
        assert "[contr~r-15]" in console.lines[1]
        assert len(console.lines[1]) == 80
        await console.press("d", *["down"] * 15, "enter")
        await console.sees("SILENT 8s since")


async def test_esc_goes_back_and_never_leaves(socket: Path) -> None:
    async with console_on(socket) as console:
        await console.press("?")
        await console.sees("KEYS everywhere")
        await console.press(*["escape"] * 5)
        await console.sees("PASSINGS")
        assert console.deck.is_running


async def test_help_knows_the_commands_of_the_device_it_was_called_from(socket: Path) -> None:
    async with console_on(socket) as console:
        await console.press("l", "]", "]", "]", "?")
        await console.sees(
            "COMMANDS OF ctl-31", " t  GET TIME  ", "what its clock says", "BLEEP", "no answer is defined"
        )


def test_keys_are_named_and_those_of_later_and_of_terminals_are_free() -> None:
    bindings = [binding for binding in Keys.BINDINGS if isinstance(binding, Binding)]
    assert len(bindings) == len(Keys.BINDINGS)
    assert all(binding.id for binding in bindings)
    keys = {key for binding in bindings for key in binding.key.split(",")}
    assert not keys & set("herm")
    assert {key for key in keys if key.startswith("ctrl")} == {"ctrl+q", "ctrl+c"}


async def test_keys_can_be_remapped(socket: Path) -> None:
    async with console_on(socket) as console:
        console.deck.set_keymap({"log": "f2"})
        await console.press("f2")
        assert "[Log]" in console.lines[1]


@pytest.mark.parametrize("size", [(1, 1), (12, 5), (40, 10), (79, 12), (200, 60)], ids=str)
async def test_no_size_is_too_small_or_too_large(socket: Path, size: tuple[int, int]) -> None:
    deck = Deck(socket, rate=30, clock=lambda: 0)
    engine = FakeEngine()
    async with engine_at(socket, engine) as server, deck.run_test(size=size) as pilot:
        console = Console(deck, pilot, engine, server)
        await console.sees(lambda: deck.state)
        for key in (
            *"]" * 7,
            "d",
            "down",
            "enter",
            "x",
            "down",
            "l",
            "up",
            "enter",
            "escape",
            "?",
            "pagedown",
            "g",
            "escape",
        ):
            await console.press(key)
            assert all(len(line) <= size[0] for line in console.lines)
        await pilot.resize_terminal(80, 24)
        await console.sees("DEV 2/4")


async def test_a_burst_of_keys_is_taken_in_order(socket: Path) -> None:
    # A slow line delivers several keys in one packet: none may be taken for a command before the question is open.
    async with console_on(socket) as console:
        for key in [*":theme sun", "enter", "l", "g", "a", ":"]:
            name = key if len(key) > 1 else _character_to_key(key)
            console.deck.post_message(Key(name, key if len(key) == 1 else None))
        await console.sees("[Race]", "\n:", lambda: console.deck.theme == "racedeck-sun")
        assert changes(console.engine) == []


async def test_the_narrowest_terminal_still_tells_of_alarms_and_help(socket: Path) -> None:
    async with console_on(socket, size=(60, 15)) as console:
        assert console.lines[0].startswith("10:41:59│RACE 1:11:59 │DEV 2/4 │WAIT 14 0:42│!start DOWN")
        assert console.lines[-1].rstrip().endswith("? help")


async def test_a_crowded_table_shows_first_what_needs_a_look(socket: Path) -> None:
    engine = FakeEngine()
    up = [device for device in engine.state().devices if device.state is LinkState.UP]
    down = [device for device in engine.state().devices if device.state is LinkState.DOWN]
    crowd = [msgspec.structs.replace(up[0], name=f"up-{number}") for number in range(9)]
    engine.changes |= {"devices": (*crowd, *down)}
    async with console_on(socket, engine) as console:
        await console.sees("start   DOWN retry", "more, all up")
        await console.press("tab")
        await console.sees("up-0", "more, 1 not up")


async def test_a_long_answer_is_read_whole(socket: Path) -> None:
    async with console_on(socket) as console:
        await console.press("Q")
        await console.paste("spring-" + "10k-" * 15)
        await console.sees("this engine serves spring-10k, not\n", "\nstopped\n", "PASSINGS")
        await console.press("Q")
        await console.paste("spring-" + "10k " * 80)
        await console.sees("ANSWER", "it was not stopped\n")
        await console.press("escape")
        await console.sees("PASSINGS")


async def test_an_incident_is_read_whole_and_leads_to_its_frame(socket: Path) -> None:
    engine = FakeEngine()
    text = "no link: " + "very far away " * 12 + "see racedeck ports"
    engine.incidents += [incident(4, 0, Level.ALARM, "chute", text), incident(5, 4200, Level.NOTE, "chute", "odd")]
    async with console_on(socket, engine) as console:
        await console.press("i", "up", "enter")
        await console.sees("INCIDENT 4  chute", "see racedeck ports")
        await console.press("enter")
        await console.sees("INCIDENT 4  chute")
        await console.press("escape", "down", "enter", "enter")
        await console.sees("FRAME 4200  ")
        await console.press("escape")
        await console.sees("INCIDENT 5  chute", "Enter its frame")


# --- commands ---


async def test_commands_reach_the_engine(socket: Path) -> None:
    wanted: list[m.Call] = []
    async with console_on(socket) as console:
        for typed, call in (
            ("phase test", m.SetPhase(phase=Phase.TEST)),
            ("gun chute 09:30:00", m.SetGun(wall=GUN, device="chute")),
            ("gun", m.SetGun(wall=console.engine.now)),
            ("send ctl-31 PING", m.Command(device="ctl-31", words="PING")),
            ("release raceday", m.Held(export="raceday", action="release")),
            ("skip raceday 192.168.1.20", m.Held(export="raceday", action="skip", peer="192.168.1.20")),
            ("reload", m.Reload()),
        ):
            await console.press(":")
            await console.type(typed)
            wanted.append(call)
            await console.sees(lambda: changes(console.engine) == wanted)


async def test_what_a_command_did_is_said(socket: Path) -> None:
    async with console_on(socket) as console:
        for typed, said in (
            ("send ctl-31 PING", "PONG in 31 ms"),
            ("send start PING", "start is down; plug it in first"),
            ("send nobody PING", "devices: chute start ctl-31 ctl-45"),
            ("phaze race", "unknown command 'phaze'; did you mean phase? known: phase gun"),
            ("theme pink", "known: dark light sun mono"),
            ("start", "the engine runs"),
        ):
            await console.press(":")
            await console.type(typed)
            await console.sees(said)


async def test_a_command_can_be_pasted(socket: Path) -> None:
    async with console_on(socket) as console:
        await console.press(":")
        console.deck.post_message(Paste("phase test\n:quit\n"))
        await console.sees(":phase test")
        assert changes(console.engine) == []


async def test_tab_completes_a_command(socket: Path) -> None:
    async with console_on(socket) as console:
        await console.press(":", "s", "e", "tab", "c", "tab")
        await console.sees(":send c", "  chute   timemachine", "  ctl-45  otimcon", "PASSINGS")
        await console.press(*"tl-31 s", "tab", "tab")
        await console.sees(":send ctl-31 S", "  SET    SET TIME, SET MODE mode", "  STOP   STOP: stop what takes long")


async def test_an_observer_looks_and_is_refused_to_act(socket: Path) -> None:
    async with console_on(socket, observe=True) as console:
        await console.press("a")
        await console.sees("this console only observes; attach without --observe to act")
        await console.press(":")
        await console.type("phase closed")
        await console.sees("this console only observes")
        assert changes(console.engine) == []


async def test_stopping_asks_for_the_name_of_the_event(socket: Path) -> None:
    async with console_on(socket) as console:
        await console.press("Q")
        await console.sees("STOPS ALL DEVICES AND EXPORTS")
        await console.press("escape", "Q", "enter")
        await console.sees("not stopped")
        await console.press("Q")
        await console.type("autumn")
        await console.sees("this engine serves spring-10k, not autumn")
        assert console.deck.is_running
        await console.press("Q")
        await console.type("spring-10k")
        await console.sees(lambda: not console.deck.is_running)
        assert console.engine.stopped.is_set()
        assert console.deck.parting == "the engine stops"


@pytest.mark.parametrize("key", ["q", "ctrl+q"])
async def test_leaving_says_that_the_engine_runs_on(socket: Path, key: str) -> None:
    async with console_on(socket) as console:
        await console.press(key)
        await console.sees(lambda: not console.deck.is_running)
        assert "engine of spring-10k runs on" in console.deck.parting
        assert changes(console.engine) == []


async def test_ctrl_c_is_a_hint(socket: Path) -> None:
    async with console_on(socket) as console:
        await console.press("ctrl+c")
        await console.sees("q leaves (the engine runs on)")
        assert console.deck.is_running


# --- an engine that goes away ---


async def test_the_console_comes_back_when_the_engine_does(socket: Path) -> None:
    deck = Deck(socket, rate=30, clock=lambda: 0)
    async with deck.run_test(size=(80, 24)) as pilot:
        async with engine_at(socket, FakeEngine()) as server:
            console = Console(deck, pilot, FakeEngine(), server)
            await console.sees("SAVED 4212")
            await console.press("l", "up", "up")
            await console.sees("FROZEN")
        await console.sees("ENGINE GONE", "trying again", "10:41:59", "4212")
        await console.press("a")
        await console.sees("the engine is away; nothing was done")
        later = FakeEngine(4300)
        async with engine_at(socket, later):
            await console.sees("SAVED 4300", "FROZEN +88 new")
            await console.sees_no("ENGINE GONE")
            assert number(deck.stack.log.frames) == 4210
            await console.press("end")
            await console.sees(" 4300  ")


async def test_without_an_engine_it_waits_and_says_so(socket: Path) -> None:
    deck = Deck(socket, rate=30, clock=lambda: 0)
    async with deck.run_test(size=(80, 24)) as pilot:
        console = Console(deck, pilot, FakeEngine(), None)  # type: ignore[arg-type]
        await console.sees("no engine has answered yet", "Waiting for the engine")
        await console.press(*"g]lxdi?naGQ:", "escape", "space", "enter", "/", "up", "pageup")
        assert deck.is_running
        await console.press("escape", "q")
        await console.sees(lambda: not deck.is_running)
        assert deck.return_code == 1


async def test_an_engine_of_another_version_is_named(socket: Path) -> None:
    reason = "this console speaks version 1 of the control protocol, the engine 2"

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(m.packed(m.Refused(reason=reason)))
        await writer.drain()
        writer.close()

    server = await asyncio.start_unix_server(refuse, socket)
    deck = Deck(socket, rate=30, clock=lambda: 0)
    async with deck.run_test(size=(80, 24)) as pilot:
        console = Console(deck, pilot, FakeEngine(), None)  # type: ignore[arg-type]
        await console.sees(reason)
    server.close()
