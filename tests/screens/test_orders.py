"""Commands by key: menu, forms, questions, results, at 80x24."""

import asyncio
from pathlib import Path

import msgspec
import pytest
from textual.events import Key
from textual.keys import _character_to_key

from console.control import messages as m
from console.model import SECOND, CommandInfo, Flow, Job, Origin, Outcome, Phase, Retold, Sheet
from screens import orders
from screens.deck import Deck
from tests.screens.conftest import Console, console_on, engine_at
from tests.screens.fake_engine import COMMANDS, FakeEngine
from tests.screens.snapshots import compare
from tests.screens.test_deck import changes

STATION = ("l", "]", "]", "]")
"""The keys to the tab of ctl-31."""


def sent(console: Console) -> list[m.Command]:
    """What was sent to devices."""
    return [call for call in changes(console.engine) if isinstance(call, m.Command)]


async def test_a_lower_case_key_asks_at_once_and_the_result_stays(socket: Path) -> None:
    async with console_on(socket) as console:
        await console.press(*STATION, "v")
        await console.sees(lambda: sent(console) == [m.Command(device="ctl-31", words="GET VERSION")])
        who, _ = console.engine.calls[-1]
        console.push()
        await console.sees(f"result: GET VERSION done -> PONG in 31 ms (10:41:59) {who}")
        await console.sees_no("GET VERSION ...")
        assert console.text.count("PONG in 31 ms") == 1
        console.deck.action_log()
        console.deck.orders.send("ctl-31", "PING")
        await console.sees("\nPING -> PONG in 31 ms\n")


async def test_keys_of_a_device_go_before_the_others_but_not_before_the_reserved_ones(socket: Path) -> None:
    engine = FakeEngine()
    odd = [CommandInfo(words=f"ODD{number}", key=key) for number, key in enumerate("ln?:/aqQ[]g7")]
    engine.device("ctl-31", commands=(*odd, *COMMANDS))
    async with console_on(socket, engine) as console:
        await console.press(*STATION, "l", "n")
        await console.sees(lambda: [call.words for call in sent(console)] == ["ODD0", "ODD1"])
        for key, wanted in (("?", "COMMANDS OF"), (":", "\n:"), ("/", "\n/"), ("g", "jump"), ("Q", "STOPS ALL")):
            await console.press(key)
            await console.sees(wanted)
            await console.press("escape")
        await console.press("]")
        assert "[ctl-45]" in console.lines[1]
        await console.press("[")
        await console.sees("[ctl-31]")
        assert len(sent(console)) == 2


async def test_a_key_gives_a_command_only_on_the_tab_of_its_device(socket: Path) -> None:
    async with console_on(socket) as console:
        await console.press("v", "l", "v", *STATION[1:], "?", "v", "escape", "enter", "v")
        assert sent(console) == []


async def test_a_form_asks_argument_by_argument_and_goes_back(socket: Path) -> None:
    async with console_on(socket) as console:
        await console.press(*STATION, "I")
        await console.sees("WRITE INFO bib:", "WIRE", "write a card", "Esc drop")
        await console.press("enter")
        await console.sees("bib is needed")
        await console.type("12 04")
        await console.sees("bib is one word (got '12 04')", "WRITE INFO bib: 12 04")
        await console.press(*["backspace"] * 3)
        await console.type("04")
        await console.sees("WRITE INFO name [-]:", "ctl-31  WRITE INFO 1204", "Enter takes -", "Esc back")
        await console.press("escape")
        await console.sees("WRITE INFO bib: 1204")
        await console.press("enter", "backspace", "enter")
        await console.type("BAUER Eva")
        await console.sees(lambda: sent(console) == [m.Command(device="ctl-31", words="WRITE INFO 1204 BAUER Eva")])
        await console.press("I", "escape")
        await console.sees("dropped; nothing was sent")
        await console.press("I", "1", "enter", "enter")
        await console.sees(lambda: sent(console)[-1] == m.Command(device="ctl-31", words="WRITE INFO 1 -"))


async def test_what_is_refused_can_be_mended(socket: Path) -> None:
    async with console_on(socket) as console:
        await console.press(*STATION, "I", "7", "enter")
        await console.type("X")
        await console.sees("WRITE INFO 7 X: the station says ERROR", "WRITE INFO name [-]: X")
        await console.press("backspace")
        await console.type("Y")
        await console.sees(lambda: [call.words for call in sent(console)] == ["WRITE INFO 7 X", "WRITE INFO 7 Y"])


async def test_what_was_typed_outlives_an_engine_that_goes_away(socket: Path) -> None:
    deck = Deck(socket, rate=30, clock=lambda: 0)
    async with deck.run_test(size=(80, 24)) as pilot:
        async with engine_at(socket, FakeEngine()) as server:
            console = Console(deck, pilot, FakeEngine(), server)
            await console.sees("1 at work")
            await console.press(*STATION, "I", "7", "enter")
        await console.sees("ENGINE GONE", "WRITE INFO name")
        await console.type("BAUER Eva")
        await console.sees("the engine is away; nothing was done", "WRITE INFO name [-]: BAUER Eva")


async def test_a_form_never_opens_under_somebody_who_has_gone_on(socket: Path) -> None:
    class Slow(FakeEngine):
        free = asyncio.Event()

        async def answer(self, call: m.Call, who: str, console: int) -> m.Result:
            if isinstance(call, m.Command):
                await self.free.wait()
            return await super().answer(call, who, console)

    engine = Slow()
    async with console_on(socket, engine) as console:
        await console.press(*STATION, "I", "7", "enter")
        await console.type("X")
        await console.press("]")
        engine.free.set()
        await console.sees("the station says ERROR", "[ctl-45]")
        assert not console.deck.asking


async def test_what_is_typed_ahead_of_a_question_answers_it(socket: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A name typed while the question is on its way: taken for commands, its letters would open other forms.
    class Slow(FakeEngine):
        came, free = asyncio.Event(), asyncio.Event()

        async def answer(self, call: m.Call, who: str, console: int) -> m.Result:
            if isinstance(call, m.Command):
                self.came.set()
                await self.free.wait()
            return await super().answer(call, who, console)

    monkeypatch.setattr(orders, "HELD", 60.0)
    engine = Slow()
    async with console_on(socket, engine) as console:
        await console.press(*STATION, "M")
        for key in [*"CLEAR", "enter", *"ctl-31", "enter", "]"]:
            console.deck.post_message(
                Key(_character_to_key(key) if len(key) == 1 else key, key if len(key) == 1 else None)
            )
        await engine.came.wait()  # the console takes no key meanwhile, and the pilot would wait for it
        engine.free.set()
        await console.sees("[ctl-45]")
        assert [(call.words, call.yes) for call in sent(console)] == [
            ("SET MODE CLEAR", ""),
            ("SET MODE CLEAR", "ctl-31"),
        ]


async def test_keys_wait_but_a_moment_for_a_command_that_takes_long(
    socket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Deaf(FakeEngine):
        async def answer(self, call: m.Call, who: str, console: int) -> m.Result:
            if isinstance(call, m.Command):
                await asyncio.Event().wait()
            return await super().answer(call, who, console)

    monkeypatch.setattr(orders, "HELD", 0.01)
    async with console_on(socket, Deaf()) as console:
        await console.press(*STATION, "k", "]")
        await console.sees("[ctl-45]")


async def test_choices_and_files_are_completed(socket: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "list-a.csv").write_text("1204\n")
    (tmp_path / "list-b.csv").write_text("")
    monkeypatch.chdir(tmp_path)
    async with console_on(socket) as console:
        console.engine.changes["phase"] = Phase.TEST
        await console.press(*STATION, "M", "tab")
        await console.sees("CONTROL CLEAR READOUT")
        await console.type("x")
        await console.sees("mode must be one of CONTROL, CLEAR, READOUT (got 'x')")
        await console.press("backspace", "r", "tab", "enter")
        await console.sees(lambda: [call.words for call in sent(console)] == ["SET MODE READOUT"])
        await console.press("M")
        await console.type("control")
        await console.sees("SET MODE POS:")  # of the others it is not asked
        await console.press("escape", "escape", "escape")
        await console.press("L", "l", "tab")
        await console.sees("file: list-", "list-a.csv list-b.csv")
        await console.press("a", "tab", "enter")
        await console.sees(lambda: sent(console)[1:])
        assert sent(console)[1] == m.Command(device="ctl-31", words="START LIST list-a.csv", text="1204\n")
        await console.press("L")
        await console.type("nowhere.csv")
        await console.sees("nowhere.csv: No such file", "START LIST file: nowhere.csv")


async def test_what_changes_a_device_in_a_race_needs_its_name(socket: Path) -> None:
    async with console_on(socket) as console:
        await console.press(*STATION, "T")
        await console.sees("!! SET TIME: A race is running.", "Type the device name (ctl-31) to send it", "WIRE")
        await console.type("ctl")
        await console.sees("!! ctl is not the name. SET TIME: A race")
        await console.type("ctl-3")
        await console.sees("!! ctl-3 is not the name. SET TIME: A race")
        await console.press("escape")
        await console.sees("dropped; nothing was sent")
        await console.press("T", "enter")
        await console.sees("dropped; nothing was sent")
        assert all(not call.yes for call in sent(console))
        await console.press("T")
        await console.sees("Type the device name (ctl-31) to send it")
        await console.type("ctl-31")
        await console.sees(lambda: sent(console)[-1].yes)
        assert sent(console)[-1] == m.Command(device="ctl-31", words="SET TIME", yes="ctl-31")


async def test_a_danger_is_told_in_words_at_80x24(socket: Path) -> None:
    async with console_on(socket) as console:
        await console.press(*STATION, "M")
        await console.type("clear")
        await console.sees("!! SET MODE CLEAR: CLEAR erases every card", "Type the device name")
        compare("confirm-80x24", console.text)


async def test_what_destroys_outside_a_race_needs_a_yes(socket: Path) -> None:
    async with console_on(socket) as console:
        console.engine.changes["phase"] = Phase.TEST
        for key, yes in (("n", ""), ("y", "ctl-31")):
            await console.press(":")
            await console.type("send ctl-31 SET MODE CLEAR")
            await console.sees("erases every card", "y sends it")
            await console.press(key)
            await console.sees("SET MODE CLEAR -> PONG" if yes else "dropped; nothing was sent")
            assert sent(console)[-1] == m.Command(device="ctl-31", words="SET MODE CLEAR", yes=yes)


async def test_an_observer_is_told_before_he_fills_in_a_form(socket: Path) -> None:
    async with console_on(socket, observe=True) as console:
        await console.press(*STATION, "I")
        await console.sees("this console only observes; attach without --observe to act")
        assert not console.deck.asking


async def test_sent_without_an_answer_is_neither_done_nor_failed(socket: Path) -> None:
    engine = FakeEngine()
    async with console_on(socket, engine) as console:
        await console.press(*STATION, "e")
        console.push()
        await console.sees("result: BLEEP sent, no answer defined -> sent; listen (")
        engine.outcomes["ctl-31"] = Outcome(
            words="GET TIME", by="ben", wall=engine.now, ok=False, text="GET TIME: no answer within 3 s; " + "why " * 30
        )
        console.push()
        await console.sees("result: GET TIME FAILED (10:41:59) ben", "  no answer within 3 s; why")


async def test_jobs_pauses_and_retransmits_each_have_a_line(socket: Path) -> None:
    engine = FakeEngine()
    now = engine.now
    engine.device(
        "ctl-31",
        job=Job(words="START LIST", by="anna", since=now - 9 * SECOND, done=120, total=300, text="next 1204"),
        flow=Flow(paused_at=now - 7 * SECOND, resumes_at=now + 23 * SECOND, ends_at=now + 53 * SECOND, lines=2),
        retold=Retold(since=now, first=3700, last=3800, lines=214, new=3, differ=1),
    )
    async with console_on(socket, engine) as console:
        await console.press(*STATION)
        await console.sees(
            "job: START LIST 120/300 [########............] 0:09 anna  next 1204",
            "PAUSED 0:07, timer resumes by itself in 0:23; ends in 0:53",
            "told again: 214 lines, 3 new, 1 differs ...   - shows, + takes over",
        )
        engine.quiet = 2 * SECOND
        console.push()
        await console.sees("PAUSED 0:09, timer resumes by itself in 0:21; ends in 0:51")
        await console.press("!")
        await console.sees(lambda: sent(console) == [m.Command(device="ctl-31", words="STOP")])


async def test_what_a_job_wants_next_is_read_whole_and_alone_at_80_columns(socket: Path) -> None:
    """Nobody presses a key between two stations: an answer from the beginning would contradict it."""
    engine = FakeEngine()
    words = "NEXT STATION 40 CONTROL time,control,mode"
    text = (
        "control 42 set: 0.22, CONTROL, clock was -3600 s off, now right. Unplug it; next is the station for control 43"
    )
    async with console_on(socket, engine) as console:
        await console.press(*STATION)
        engine.device("ctl-31", job=Job(words=words, by="anna", since=engine.now, done=3, text=text))
        console.deck.orders.send("ctl-31", words)  # answered with PONG
        await console.sees(lambda: "ctl-31" in engine.outcomes)
        await console.sees_no(f"{words} ...")
        await console.sees(
            "job: NEXT STATION 40 CONTROL time,control,mode 3 0:00 anna    ! stops it\n"
            "  control 42 set: 0.22, CONTROL, clock was -3600 s off, now right. Unplug it;\n"
            "  next is the station for control 43"
        )
        assert "PONG" not in console.text
        long = f"WRITE INFO LIST /home/anna/{'spring/' * 6}names.csv"
        engine.device("ctl-31", job=Job(words=long, by="anna", since=engine.now, done=2, total=4, text="next card: Bo"))
        console.push()
        await console.sees("~ 2/4 [##########..........] 0:00 anna    ! stops it\n  next card: Bo")


async def test_the_menu_folds_and_unfolds(socket: Path) -> None:
    async with console_on(socket) as console:
        await console.press(*STATION)
        await console.sees(
            "lower case ASKS", "CAPITAL CHANGES (race: name to confirm)", "p  PING", "M  SET MODE", "WIRE"
        )
        await console.press(".")
        await console.sees_no("lower case ASKS")
        await console.sees(".  11 commands", "PASSINGS", "WIRE")
        await console.press(".")
        await console.sees("lower case ASKS")


async def test_a_long_menu_leaves_room_for_what_comes_in(socket: Path) -> None:
    engine = FakeEngine()
    keys = "bcdefhijklmnoprstuvwxyzABCDEFHIJKLMNOPRSTUVWXYZ"
    engine.device("ctl-31", commands=tuple(CommandInfo(words=f"COMMAND {key}", key=key) for key in keys))
    async with console_on(socket, engine) as console:
        await console.press(*STATION)
        await console.sees(".  47 commands", "WIRE", " 4209  ")
        await console.press(".")
        await console.sees("lower case ASKS", "... ? shows all", "WIRE", " 4209  ")
        await console.press(":", "tab")  # what needs room takes it from the menu
        await console.sees(".  47 commands", "WIRE")


async def test_sync_all_asks_once_and_says_how_it_went_at_each(socket: Path) -> None:
    engine = FakeEngine()
    engine.device("ctl-45", commands=COMMANDS)
    async with console_on(socket, engine) as console:
        await console.press(":")
        await console.type("sync all")
        await console.sees("!! SET TIME to ctl-31, ctl-45: A race is running.", "Type the word (all)")
        await console.type("all")
        await console.sees("SET TIME: 2 of 2 done", "ctl-45: SET TIME -> PONG")
        assert [(call.device, call.yes) for call in sent(console)[2:]] == [("ctl-31", "ctl-31"), ("ctl-45", "ctl-45")]


async def test_what_was_told_again_is_a_list_to_walk_and_to_take_over(socket: Path) -> None:
    engine = FakeEngine()
    engine.device(
        "ctl-31", retold=Retold(since=engine.now, first=3700, last=3789, lines=20, new=1, differ=0, ended=True)
    )
    row_offered = ("3732", "2026-11-20 10:50:14", "31", "04A1B2C3", "9", "backup", "never")
    columns = (" #", "TIME", "CHANNEL", "TAG/BIB", " FRAME", "FROM", "CAME")
    engine.sheets["ctl-31", "offered"] = Sheet(title="offered ctl-31", columns=columns, rows=[row_offered])
    for number, seq in enumerate(range(3705, 3780, 9)):
        row = engine.passing(seq)
        status = "offered" if number == 3 else "repeat"
        passing = msgspec.structs.replace(row.passing, origin="backup", status=status, device="ctl-31")
        engine.odd_passings[seq] = msgspec.convert(
            msgspec.to_builtins(msgspec.structs.replace(row, passing=passing)), type(row)
        )
    async with console_on(socket, engine) as console:
        await console.press(*STATION, "-")
        await console.sees("TOLD AGAIN", "told again: 20 lines, 1 new, 0 differ", " 3732  ", "offered")
        await console.press("N")
        await console.sees(lambda: console.deck.stack.view.listing.current.passing.seq == 3732)  # type: ignore[union-attr]
        await console.press("+")
        await console.sees("TAKE OVER 1 passing of ctl-31, 2026-11-20 10:50:14: from then on", "y sends it")
        await console.press("y")
        await console.sees(lambda: changes(engine) == [m.TakeOver(device="ctl-31")])
        passing = msgspec.structs.replace(
            engine.passing(3780).passing, origin=Origin.RECOVERED, of=3732, device="ctl-31"
        )
        engine.odd_passings[3780] = msgspec.structs.replace(engine.passing(3780), passing=passing)
        await console.press("end")
        console.deck.stack.view.listing.set_filter("")  # type: ignore[union-attr]
        await console.sees("taken over", "recovered")
        early = ("3705", "2026-11-20 09:12:00", *row_offered[2:])
        engine.sheets["ctl-31", "offered"] = Sheet(
            title="", columns=columns, rows=[row_offered, ("3706", "?", *early[2:]), early]
        )
        await console.press("+")
        await console.sees("TAKE OVER 3 passings of ctl-31, 2026-11-20 09:12:00 to 2026-11-20 10:50:14:")
        await console.press("escape")
        of_test = ("3707", *row_offered[1:-1], "in TEST #12")
        engine.sheets["ctl-31", "offered"] = Sheet(title="", columns=columns, rows=[row_offered, of_test, of_test])
        await console.press("+")
        await console.sees("TAKE OVER 1 passing of ctl-31", "Left out: 2 came during TEST", ":take-over ctl-31 test")
        await console.press("escape")
        await console.type(":take-over ctl-31 test")
        await console.sees("TAKE OVER 2 passings of ctl-31", "y sends it")
        await console.press("y")
        await console.sees(lambda: changes(engine)[1:] == [m.TakeOver(device="ctl-31", test=True)])
        engine.sheets["ctl-31", "offered"] = Sheet(title="", columns=columns, rows=[of_test])
        await console.press("+")
        await console.sees("nothing is offered of ctl-31, but 1 came during TEST")
        engine.sheets["ctl-31", "offered"] = Sheet(title="", columns=columns, rows=[])
        await console.press("+")
        await console.sees("nothing is offered of ctl-31")


async def test_what_times_nobody_has_room_for_what_it_says_of_itself(socket: Path) -> None:
    engine = FakeEngine()
    status = "enabled, network, APN, server connected, login accepted, settings 1, signal 3 of 4"
    engine.device("ctl-31", type="gsm-docking", facts={"type": "HL540", "GSM status": status, "server 1": "host 3000"})
    async with console_on(socket, engine) as console:
        await console.press(*STATION)
        await console.sees("GSM status enabled, network", "signal 3 of 4", "server 1 host 3000", ">WIRE")
        for untrue in ("PASSINGS", "drift", "0 holes", "b bib"):
            assert untrue not in console.text
        await console.press("tab", "b")
        await console.sees("bibs are given on a list of passings")
