"""The bytes of one device, over loopback sockets and over a pty."""

import asyncio
import errno
import os
import random
import termios
from pathlib import Path
from typing import Any

import pytest

from console.config import SettingsError
from console.exports import export_class
from console.exports.raw import Raw, RawSettings
from console.exports.records import Newest
from console.model import Act, Direction, Frame, Incident, Selection, Status
from tests.exports.desk import Client, MemoryDesk, passing, running, until
from tests.exports.settings import loaded


class Records(MemoryDesk):
    """Frames in a list."""

    event = "test"
    directory = Path()

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[Frame] = []
        self._come = asyncio.Event()

    def newest(self) -> Newest:
        return Newest(frames=len(self.rows), passings=0, incidents=0, acts=0)

    async def beyond(self, known: Newest) -> None:
        while self.newest() == known:
            self._come.clear()
            await self._come.wait()

    async def frames(self, after: int, limit: int) -> list[Frame]:
        return self.rows[after : after + limit]

    async def incidents_after(self, after: int, limit: int) -> list[Incident]:
        return []

    async def acts(self, after: int, limit: int) -> list[Act]:
        return []

    def came(self, *raws: bytes, device: str = "chute", **more: Any) -> None:
        for raw in raws:
            seq = len(self.rows) + 1
            more = {"direction": Direction.RX} | more
            self.rows.append(Frame(seq=seq, device=device, wall=self.clock, mono=seq, raw=raw, **more))
        self._come.set()


def make(desk: Records, **settings: Any) -> Raw:
    if "pty" not in settings:
        settings.setdefault("listen", "127.0.0.1:0")
    return Raw(RawSettings(name="bytes", type="raw", devices=("chute",), **settings), desk, desk.now)


async def take(client: Client, count: int) -> bytes:
    async with asyncio.timeout(10):
        return await client.reader.readexactly(count)


def test_the_registry_finds_it() -> None:
    assert export_class("raw") is Raw


async def test_every_byte_of_the_device_and_no_other() -> None:
    desk = Records()
    desk.came(b"before\r")
    export = make(desk)
    async with running(export) as where:
        client = await Client.connect(where)
        await until(lambda: desk.saved)
        desk.came(b"one\r", b"\xff\x00garbage")
        desk.came(b"asked\r", direction=Direction.TX)
        desk.came(b"another\r", device="start")
        client.writer.write(b"#SN\r\n" * 1000)
        desk.came(b"two\r")
        assert await take(client, 17) == b"one\r\xff\x00garbagetwo\r"
        await until(lambda: export.state().tcp == 3)
        state = export.state()
        assert (state.journaled, state.sent, state.waiting, state.held) == (3, 3, 0, 0)
        assert state.peers[0].note.startswith("counted in frames")
        assert export.fate(passing(9, frame=6, device="chute")) == [("127.0.0.1", "tcp")]
        assert export.fate(passing(9, frame=1, device="chute")) == [("127.0.0.1", "came before this client")]
        assert export.fate(passing(9, device="start")) == [("", "device not chosen")]
        assert export.fate(passing(9, device="chute", status=Status.EDITED, of=1)) == [("", "no byte of the device")]
        await client.close()


async def test_a_known_address_goes_on_and_a_newcomer_may_get_everything() -> None:
    desk = Records()
    desk.came(*[b"%05d\r" % number for number in range(1200)])
    async with running(make(desk, newcomers="all")) as where:
        client = await Client.connect(where)
        assert await take(client, 6 * 1200) == b"".join(row.raw for row in desk.rows)
        await client.close()
    assert desk.saved["127.0.0.1"].tcp == 1200
    desk.came(b"01200\r")
    export = make(desk, newcomers="all")
    async with running(export) as where:
        client = await Client.connect(where)
        assert await take(client, 6) == b"01200\r"
        desk.came(b"01201\r")
        assert await take(client, 6) == b"01201\r"
        await until(lambda: export.state().tcp == 1202)
        await client.close()


async def test_a_frame_that_the_journal_has_lost_is_said() -> None:
    desk = Records()
    export = make(desk)
    async with running(export) as where:
        client = await Client.connect(where)
        await until(lambda: desk.saved)
        desk.came(b"o??\r", flaw="unreadable: its checksum is wrong")
        desk.came(b"two\r")
        assert await take(client, 4) == b"two\r"
        await until(lambda: export.state().tcp == 1)
        assert export.state().unmapped == 1
        assert "frame 1 is damaged" in desk.troubles[-1][2]
        await client.close()


async def test_frames_are_sent_again_by_the_passings_they_brought() -> None:
    desk = Records()
    desk.came(b"prompt\r", b"one\r", b"chatter\r", b"two\r")
    desk.feed.publish(passing(1, frame=2), passing(2, frame=4))
    export = make(desk, newcomers="all")
    async with running(export) as where:
        client = await Client.connect(where)
        everything = await take(client, 23)
        await until(lambda: export.state().tcp == 4)
        assert "3 sent again" in await export.resend(Selection(first=1), "anna")
        assert await take(client, 16) == everything[7:]
        assert "1 sent again" in await export.resend(Selection(first=2, last=2), "anna")
        assert await take(client, 4) == b"two\r"
        with pytest.raises(ValueError, match="no timing point and no bib"):
            await export.resend(Selection(bib="7"), "anna")
        await client.close()


def read(program: int, count: int = 65_536) -> bytes:
    try:
        return os.read(program, count)
    except BlockingIOError:
        return b""


def open_port(link: Path) -> int:
    return os.open(link, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)


async def test_a_pty_is_read_to_the_last_byte_over_many_visits(tmp_path: Path) -> None:
    desk, chance = Records(), random.Random(4)
    link = tmp_path / "chute"
    export = make(desk, pty=str(link))
    got: list[bytes] = []
    async with running(export) as where:
        assert where == str(link)
        first = open_port(link)
        await until(lambda: desk.saved)
        desk.came(*[b"line %06d \xff\n" % number for number in range(3000)])
        program = first
        while desk.rows[-1].raw not in got:
            rest = b""
            for _ in range(chance.randrange(1, 300)):
                rest += read(program, chance.randrange(1, 2000))
                await asyncio.sleep(0.001)
            os.close(program)
            got += [line for line in rest.splitlines(keepends=True) if line.endswith(b"\n")]  # the last is cut short
            await until(lambda: not export.state().peers[0].connected)
            await until(link.exists)
            program = open_port(link)
        os.close(program)
    assert not link.is_symlink()
    assert set(got) == {row.raw for row in desk.rows}
    seen = 0
    for line in got:  # in order, but for what comes again after a visit
        number = int(line[5:11])
        assert number <= seen
        seen = max(seen, number + 1)


async def test_short_visits_get_one_line_after_the_other(tmp_path: Path) -> None:
    """As `head -1` makes them: what a visit has read does not come again, however short it was."""
    desk, link = Records(), tmp_path / "chute"
    desk.came(b"one\n", b"two\n", b"three\n")
    export = make(desk, pty=str(link), newcomers="all")
    async with running(export):
        for line in (b"one\n", b"two\n", b"three\n"):
            program = open_port(link)
            got = b""
            while len(got) < len(line):
                got += read(program, len(line) - len(got))
                await asyncio.sleep(0.001)
            os.close(program)
            assert got == line
            await until(lambda: not export.state().peers[0].connected)
            await until(link.exists)
        assert export.state().tcp == 3


async def test_where_it_cannot_be_known_what_was_read_nothing_is_said_of_it(tmp_path: Path) -> None:
    """The program has the kernel make lines for it."""
    desk, link = Records(), tmp_path / "chute"
    export = make(desk, pty=str(link))
    async with running(export):
        program = open_port(link)
        mode = termios.tcgetattr(program)
        mode[3] |= termios.ICANON
        termios.tcsetattr(program, termios.TCSANOW, mode)
        await until(lambda: desk.saved)
        desk.came(b"one\n")
        await until(lambda: read(program) == b"one\n")
        await until(lambda: export.state().waiting == 0 and export.state().sent == 1)
        await until(lambda: export.state().tcp is None)
        os.close(program)


async def test_a_pty_that_cannot_be_made_is_a_state(tmp_path: Path) -> None:
    (tmp_path / "chute").write_text("mine")
    desk = Records()
    export = make(desk, pty=str(tmp_path / "chute"))
    task = asyncio.create_task(export.run())
    await until(lambda: desk.troubles)
    assert export.state().state == "down"
    assert "no symbolic link" in export.state().reason
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert (tmp_path / "chute").read_text() == "mine"


async def test_a_link_that_a_killed_engine_left_leads_nobody_astray(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is gone before any export of the new engine makes a pty, and stays away where none can be made."""
    link = tmp_path / "chute"
    link.symlink_to("/dev/pts/9999")
    desk = Records()
    export = make(desk, pty=str(link))
    assert not link.is_symlink()

    def none_left() -> tuple[int, int]:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "openpty", none_left)
    task = asyncio.create_task(export.run())
    await until(lambda: desk.troubles)
    assert "No space left" in export.state().reason
    assert not link.is_symlink()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ('devices = ["chute"]', "give listen (host:port to listen on)"),
        ('devices = ["chute"]\npty = "chute"', "pty must be a whole path"),
        ('devices = ["chute"]\npty = "/tmp/a"\nlisten = "127.0.0.1:1"', "give either listen or pty"),
        ('pty = "/tmp/a"', "devices must name the one device"),
        ('pty = "/tmp/a"\ndevices = ["chut"]', "no device is called so; did you mean 'chute'"),
        ('pty = "/tmp/a"\ndevices = ["chute"]\npoints = ["Finish"]', "everything is passed on"),
    ],
)
def test_settings_that_make_no_sense(given: str, problem: str) -> None:
    with pytest.raises(SettingsError) as error:
        loaded(f'type = "raw"\n{given}')
    (said,) = error.value.problems
    assert said.startswith('racedeck.toml: export "one": ')
    assert problem in said


def test_settings_with_a_pty_need_no_address() -> None:
    assert isinstance(loaded('type = "raw"\npty = "/tmp/a"\ndevices = ["chute"]'), RawSettings)
