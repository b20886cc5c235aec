"""The ITS tab: configuration, connection in words, frames and material as the GSM Interface shows them."""

from pathlib import Path

import pytest
from msgspec import structs

from console.codecs.thcom_link import extended
from console.control import messages as m
from console.model import (
    SECOND,
    Direction,
    ExportState,
    Frame,
    ItsLink,
    ItsMaterial,
    ItsStep,
    ItsWriter,
    PeerState,
    Phase,
)
from screens.its_lists import cells
from screens.its_setup import wrong
from tests.screens.conftest import Console, console_on
from tests.screens.fake_engine import GUN, FakeEngine
from tests.screens.its_state import LOGIN, SAID, engine, linked
from tests.screens.snapshots import compare

SECRET = "top-secret/7"


def changes(console: Console) -> list[m.Call]:
    return [call for _, call in console.engine.calls if isinstance(call, m.SaveIts | m.ConnectIts)]


async def show(console: Console) -> None:
    await console.press(":")
    await console.type("its")
    await console.sees("CONFIGURATION")


@pytest.mark.parametrize("size", [(80, 24), (132, 43)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_the_panel_looks_as_the_guide_shows_it(socket: Path, size: tuple[int, int]) -> None:
    async with console_on(socket, engine(), size=size) as console:
        await show(console)
        await console.sees("#PL Test serveur", "TN    1    1 M1 13:50:12.36600  9098", "[ITS]")
        compare(f"its-{size[0]}x{size[1]}", console.text)
        await console.press("tab")
        await console.sees("never heard", "Time Master TM550    0086")
        compare(f"its-material-{size[0]}x{size[1]}", console.text)


def test_rows_are_those_of_the_gsm_interface() -> None:
    rows = []
    for device, _, raw, label, _ in SAID:
        frame = Frame(seq=1, device=device, direction=Direction.RX, wall=LOGIN, mono=1, raw=raw, label=label)
        rows.append(tuple(cells(frame, "P", {"its-0086": 7001})))
    assert rows == [
        ("---", "----", "----", "Instance Connected.", "7000"),
        ("190", "PC", "0000", "#GC 1", ""),
        ("191", "PC", "0000", "#PL ITS ONLINE TIMING", ""),
        ("192", "PC", "0000", "#PL Hello ITSCHRONO", ""),
        ("193", "PC", "0000", "#PL Test serveur", ""),
        ("000", "CP545", "0084", "TN    1    1 M1 13:50:12.36600  90988381", "7000"),
        ("005", "CP545", "0086", "TN    1    1 M2 13:50:23.98600  90988260", "7001"),
        ("006", "CP545", "0086", "IR 1       1    00:00:11.620001BA3", "7001"),
        ("---", "----", "----", "All instance are disconnected", ""),
        ("---", "----", "----", "\\x02what", ""),
    ]


def test_what_came_for_a_timer_that_is_linked_up_says_so() -> None:
    raw = extended(5, "10084", "10086", "TN    1    1 M1 13:50:12.36600  9098")
    frame = Frame(seq=1, device="its", direction=Direction.RX, wall=0, mono=0, raw=raw, by="0086 (finish)")
    assert cells(frame, "P", {}).port == ">0086"
    assert cells(structs.replace(frame, by="1007 (software)"), "P", {}).port == ""


# --- the connection in words ---


def link(**values: object) -> ItsLink:
    return structs.replace(linked().links[0], **values)


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (
            link(state="connecting", steps=(ItsStep(wall=LOGIN, word="connecting"),), printed=()),
            ("CONNECTION  CONNECTING  online.itschrono.com:3000", "connecting    "),
        ),
        (
            link(state="logging in", reason="the server has not answered yet", retry_at=None),
            ("CONNECTION  LOGGING IN", "logging in (SN, UN, PW)", "the server has not answered yet"),
        ),
        (
            link(state="refused", reason="refused (#GC 0): check user and password", retry_at=GUN + 4400 * SECOND),
            ("CONNECTION  REFUSED", "refused (#GC 0): check user and password", "again in"),
        ),
        (
            link(state="down", reason="no answer: check the network"),
            ("CONNECTION  DOWN", "no answer: check the network"),
        ),
        (
            link(waiting=4, again=2, odd=0),
            ("waiting 4", "a wrong checksum: 0   came again, counted once: 2", "received 7  sent 0"),
        ),
        (link(beat=None), ("heartbeat -",)),
        (
            link(state="refused", steps=(*linked().links[0].steps, ItsStep(wall=LOGIN, word="refused"))),
            ("... > accepted (#GC 1) > linked > refused",),
        ),
    ],
)
async def test_the_connection_is_told_in_words(socket: Path, one: ItsLink, said: tuple[str, ...]) -> None:
    async with console_on(socket, engine(linked(links=(one,)))) as console:
        await show(console)
        await console.sees(*said)


async def test_devices_that_are_linked_up_or_written_to(socket: Path) -> None:
    up = link(serial="0086", role="finish", state="refused", sent=12, acked=11, waiting=1, reason="not in the list")
    own = ItsMaterial(address="10086", device="finish", role="linked up", named=True, echoes=3)
    held = ItsWriter(device="start", export="its-to-start", written=7, held=2)
    writers = (ItsWriter(device="cp545", written=3, waiting=1), held)
    its = linked(links=(link(), up), writers=writers, material=(own,))
    async with console_on(socket, engine(its)) as console:
        await show(console)
        await console.sees("0086 finish       REFUSED  sent 12  acked 11  waiting 1  not in the list")
        await console.sees("written into cp545: 3, waiting: 1")
        await console.sees("written into start: 7, waiting: 0, HELD: 2  :release its-to-start or :skip")
        await console.press("tab")
        await console.sees("linked up, 3 came back")


async def test_what_waits_or_is_held_for_the_server_is_told_of_the_device(socket: Path) -> None:
    up = link(serial="0086", role="finish", sent=15, acked=11, waiting=1)
    behind = PeerState(address="finish", connected=True, since=GUN, sent=12, acked=11, waiting=4, held=2)
    made = engine(linked(links=(link(), up)))
    made.changes["exports"] = (ExportState(name="its", type="its", where="server", state="up", peers=(behind,)),)
    async with console_on(socket, made) as console:
        await show(console)
        await console.sees("0086 finish       LINKED  sent 12  acked 11  waiting 5  HELD 2  :release its")


async def test_who_connects_is_reminded_that_a_session_must_be_started(socket: Path) -> None:
    fake = engine()
    async with console_on(socket, fake) as console:
        await show(console)
        await console.sees("timing software: 1 on port 7000; it counts impulses only in a started session")
        await console.sees_no("IMPULSES COUNT")
        raceday, software, its = fake.state().exports
        fresh = structs.replace(software.peers[0], since=fake.now - 10 * SECOND)
        fake.changes["exports"] = (raceday, structs.replace(software, peers=(fresh,)), its)
        console.push()
        await console.sees("IMPULSES COUNT IN THE TIMING SOFTWARE ONLY IF IT HAS A SESSION OR A RUN STARTED.")
        fake.changes["its"] = linked(instances={7000: 0})
        console.push()
        await console.sees("timing software: none")


async def test_what_is_unconfirmed_is_one_line_and_all_behind_a_key(socket: Path) -> None:
    async with console_on(socket, engine()) as console:
        await show(console)
        await console.sees("UNCONFIRMED: 2 things about the server; checksums lenient  ? says which")
        await console.press("?")
        await console.sees("that the server speaks THCOM08", "the date of the event has passed", "gsm-interface")
        compare("its-about-80x24", console.text)
        await console.press("?")
        await console.sees("KEYS everywhere")
        await console.press("escape", "escape")
        await console.sees("CONFIGURATION")


async def test_hostile_text_is_escaped(socket: Path) -> None:
    fake = engine(linked(user="\x1b[2J", links=(link(state="down", reason="\x1b]0;x\x07"),)))
    seq = fake.frames
    fake.odd[seq] = structs.replace(fake.odd[seq], raw=b"\x020000P\x1b[2J\x9b\r\n")
    async with console_on(socket, fake) as console:
        await show(console)
        await console.sees("\\x1b]0;x\\x07", "\\x1b[2J")
        assert "\x1b" not in console.text


# --- lists ---


async def test_a_frame_opens_and_a_timer_leads_to_its_tab(socket: Path) -> None:
    async with console_on(socket, engine()) as console:
        await show(console)
        await console.sees("following")
        await console.press("up", "enter")
        await console.sees("4211")
        await console.press("escape", "tab", "enter")
        await console.sees("[its-0086]")
        await show(console)
        await console.press("down", "down", "enter")
        await console.sees("[ITS]")


async def test_only_what_comes_from_the_link_is_in_frames(socket: Path) -> None:
    async with console_on(socket, engine()) as console:
        await show(console)
        await console.sees("13:50:12.36600")
        asked = [call for _, call in console.engine.calls if isinstance(call, m.GetFrames) and call.devices]
        assert {call.devices for call in asked} == {("its", "its-0086", "its-0084")}
        assert {call.direction for call in asked} == {Direction.RX}
        console.engine.changes["its"] = linked(material=linked().material[:1])
        console.push()
        await console.sees(lambda: console.engine.calls[-1][1].devices == ("its", "its-0086"))  # type: ignore[union-attr]
        await console.sees_no("13:50:12.36600")


# --- the configuration ---


async def test_without_a_link_there_is_no_tab_and_it_can_be_configured(socket: Path) -> None:
    async with console_on(socket) as console:
        assert " ITS " not in console.lines[1]
        await show(console)
        await console.sees("no [its] in the settings: e fills in the configuration", "online.itschrono.com")
        await console.press("C")
        await console.sees("fill in the configuration first")
        await console.press("S")
        await console.sees("nothing was typed that is not saved")
        await console.press("e")
        await console.sees("enter a unique 4 digit", "Software ID Number:")
        compare("its-form-80x24", console.text)
        await console.type("107")
        await console.sees("'107' is not four digits from 0001 to 9999")
        await console.press("backspace", "backspace", "backspace")
        await console.type("1007")
        await console.sees("Server Addr: online.itschrono.com")
        await console.press("enter")
        await console.press("enter")
        await console.type("timer01")
        await console.sees("User Password: ")
        await console.press(*SECRET)
        await console.sees(f"User Password: {'*' * len(SECRET)}")
        assert SECRET not in console.text
        await console.press("enter", "enter")
        await console.sees("not saved yet: S saves it, R resets it", "NOT SAVED", "set, not saved")
        await console.press("S")
        await console.sees("ITS configuration saved")
        values = {
            "software_id": "1007",
            "server": "online.itschrono.com",
            "server_port": "3000",
            "user": "timer01",
            "log_file": "GSM_Interface_Log.csv",
        }
        assert changes(console) == [m.SaveIts(values=values, password=SECRET)]
        await console.sees_no("NOT SAVED")
        console.engine.changes["its"] = linked()
        console.push()
        await console.sees("[ITS]", "CONNECTION  LINKED")
        for key in ("up", "up", "up"):
            await console.press(":", key)
            assert SECRET not in console.text
            await console.press("escape")


async def test_only_what_is_new_is_saved_after_a_question_in_a_race(socket: Path) -> None:
    async with console_on(socket, engine()) as console:
        await show(console)
        await console.press("e", "enter", "enter", "end", "backspace", "1", "enter", "escape")
        await console.sees("Server Port        3001", "NOT SAVED")
        await console.press("S")
        await console.sees("!! A race is running, and it is linked.", "y saves it")
        await console.press("y")
        await console.sees("ITS configuration saved: server_port")
        assert changes(console)[-1] == m.SaveIts(values={"server_port": "3001"}, yes="its")


async def test_what_the_engine_refuses_stays_a_draft_and_reset_forgets_it(socket: Path) -> None:
    async with console_on(socket, engine()) as console:
        await show(console)
        await console.press("e", "enter")
        await console.press(*["backspace"] * (len("online.itschrono.com") + 5))
        await console.type("refuse.me")
        await console.press("escape", "S")
        await console.sees("racedeck.toml: [its]: server: no", "NOT SAVED", "refuse.me")
        await console.press("R")
        await console.sees("as it was saved", "online.itschrono.com")
        await console.press("R")
        await console.sees("nothing was typed that is not saved")


async def test_a_form_left_at_once_changes_nothing(socket: Path) -> None:
    async with console_on(socket, engine()) as console:
        await show(console)
        await console.press("e", "escape")
        await console.sees("dropped; nothing was changed")
        await console.press("e", "enter", "enter", "enter", "enter", "enter", "enter")
        await console.sees("dropped; nothing was changed")
        assert not changes(console)


async def test_connection(socket: Path) -> None:
    async with console_on(socket, engine()) as console:
        await show(console)
        await console.press("C")
        await console.sees("connecting; the panel says how far it is")
        assert changes(console) == [m.ConnectIts()]


async def test_an_observer_only_looks(socket: Path) -> None:
    async with console_on(socket, engine(), observe=True) as console:
        await show(console)
        for key in "eSC":
            await console.press(key)
            await console.sees("only observes")
            await console.press("escape")
            await show(console)
        assert not changes(console)


async def test_the_tab_comes_and_goes_with_the_settings(socket: Path) -> None:
    fake = FakeEngine()
    fake.changes["phase"] = Phase.TEST
    async with console_on(socket, fake) as console:
        await console.press("x")
        await console.sees("[Exports]")
        fake.changes["its"] = linked()
        console.push()
        await console.sees(" ITS [Exports]")
        await console.press("[")
        await console.sees("[ITS]", "CONFIGURATION")
        del fake.changes["its"]
        console.push()
        await console.sees(lambda: "ITS" not in console.lines[1])


@pytest.mark.parametrize(
    ("key", "text", "fine"),
    [
        ("software_id", "1007", True),
        ("software_id", "0000", False),
        ("software_id", "\u0661\u0660\u0660\u0667", False),
        ("server_port", "65535", True),
        ("server_port", "65536", False),
        ("server", "", False),
        ("user", "jürg", False),
        ("password", "geheim-ü", False),
        ("password", "with blank", True),
        ("log_file", "", True),
    ],
)
def test_what_may_be_typed(key: str, text: str, fine: bool) -> None:
    assert (not wrong(key, text)) is fine
    assert key != "password" or text not in wrong(key, text)
