"""The official GSM Interface program as a device: several timers on one connection, any checksum, nothing said."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.codecs import thcom
from console.config import SettingsError, parse
from console.devices.driver import CommandError
from console.devices.gsm_interface import GsmInterface, GsmInterfaceSettings
from console.devices.manager import Manager
from console.model import Basis, Heard, Kind, LinkState, Order, Reading
from tests.devices.outlet import Nowhere
from tests.devices.scripted import MemoryDesk
from tests.links.recorder import until

START = "TN    1    1 M1 13:50:12.36600  9098"
FINISH = "TN    1    1 M2 13:50:23.98600  9098"
NET = "IR 1       1    00:00:11.62000"
GUIDE = ((START, "801E"), (FINISH, "8260"), (NET, "38DE"))
"""What the guide shows in the program's log, with the checksums of the server link."""

EVENT = '[event]\nname = "e"\ntimezone = "Europe/Paris"\n'


class Mute(Nowhere):
    """Nothing may be said."""

    def send(self, raw: bytes, *, by: str = "", label: str = "", mask: bytes = b"") -> None:
        raise AssertionError(f"sent {raw!r}")


def driver() -> GsmInterface:
    return GsmInterface(GsmInterfaceSettings(name="its", type="gsm-interface"), Mute())


def readings(heard: list[Heard]) -> list[Reading]:
    assert not [one.flaw for one in heard if one.flaw]
    return [fact for one in heard for fact in one.facts if isinstance(fact, Reading)]


@pytest.mark.parametrize(
    ("behind", "seen"),
    [
        (lambda data, link: "", None),
        (lambda data, link: "\t", None),
        (lambda data, link: f"\t{thcom.cs16(data)}", "CS16, right"),
        (lambda data, link: f"\t{link}", "not CS16, not checked"),
        (lambda data, link: link, "not CS16, not checked"),
        (lambda data, link: "1234", "not CS16, not checked"),
    ],
    ids=["none", "TAB", "CS16", "TAB and CKA CKB", "CKA CKB glued on", "digits glued on"],
)
def test_the_guides_frames_with_any_checksum(behind: Any, seen: str | None) -> None:
    device = driver()
    heard = [one for data, link in GUIDE for one in device.receive(f"{data}{behind(data, link)}\r\n".encode(), 0)]
    assert [
        (one.kind, one.channel, one.bib, one.ns, one.basis, one.day and one.day - thcom.EPOCH_DAY)
        for one in readings(heard)
    ] == [
        (Kind.IMPULSE, "M1", "1", 49_812_366_000_000, Basis.DAY, 9098),
        (Kind.IMPULSE, "M2", "1", 49_823_986_000_000, Basis.DAY, 9098),
        (Kind.RESULT, None, "1", 11_620_000_000, Basis.SPAN, None),
    ]
    assert device.facts.get("checksums") == seen


def test_identity_is_that_of_any_thcom08_timer_whatever_the_checksum() -> None:
    device = driver()
    lines = (START + "\r\n", f"{START}\t801E\r\n", f"{START}801E\r\n")
    assert {readings(device.receive(line.encode(), 0))[0].identity for line in lines} == {"M1/1/49812366000000/9098"}


def test_a_run_of_one_timer_is_not_that_of_the_others() -> None:
    device = driver()
    heard = device.receive(b"OP 01  00 PTB SEQUENTIAL 1-4\r\n" + FINISH.encode() + b"\r\nCL 01\r\n", 0)
    assert [len(one.facts) for one in heard] == [0, 1, 0]
    assert device.facts["run"] == "01 (closed)"


def test_garbage_is_kept_and_said() -> None:
    device = driver()
    raw = b"\x02garbage\r\nTN what\r\n" + START.encode() + b"\r\nTN    1"
    heard = [*device.receive(raw, 0), *device.lost()]
    assert [one.flaw for one in heard] == [
        "garbage: control characters",
        "malformed TN: not bib, sequence, channel, time, day",
        "",
        "cut short",
    ]
    assert b"".join(one.raw for one in heard) == raw


async def test_nothing_is_said_and_commands_are_refused() -> None:
    device = driver()
    device.opened()
    attending = asyncio.create_task(device.attend())
    device.receive(b"\r\n", 0)
    assert device.silence() is None
    assert not device.commands
    with pytest.raises(CommandError):
        device.risk("#SN")
    with pytest.raises(CommandError, match="takes none"):
        await device.command(Order(words="#SN", by="anna"))
    assert not attending.done()
    attending.cancel()


async def test_two_timers_arrive_over_a_socket_and_nothing_is_sent_back() -> None:
    told, ended = b"", asyncio.Event()

    async def program(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal told
        for data, link in GUIDE:
            for part in (data[:9], data[9:], f"\t{link}\r\n"):
                writer.write(part.encode())
                await writer.drain()
        told += await reader.read()
        writer.close()
        ended.set()

    server = await asyncio.start_server(program, "127.0.0.1", 0)
    desk = MemoryDesk()
    manager = Manager(desk)
    port = server.sockets[0].getsockname()[1]
    chosen = GsmInterfaceSettings(name="its", type="gsm-interface", address=f"127.0.0.1:{port}")
    try:
        await manager.apply([chosen])
        await until(lambda: len(desk.frames) == 3)
        await until(lambda: manager.states()[0].state is LinkState.UP)
        assert [fact.channel for one in desk.frames for fact in one.facts if isinstance(fact, Reading)] == [
            "M1",
            "M2",
            None,
        ]
    finally:
        await manager.stop()
        async with asyncio.timeout(20):
            await ended.wait()
        server.close()
    assert told == b""


def test_settings_have_the_programs_own_port(tmp_path: Path) -> None:
    def read(more: str) -> str:
        text = f'{EVENT}[[device]]\nname = "its"\ntype = "gsm-interface"\n{more}'
        (device,) = parse(tmp_path / "racedeck.toml", text.encode()).devices
        return device.address

    assert read("") == "127.0.0.1:7000"
    assert read('address = "10.0.0.7:7001"\n') == "10.0.0.7:7001"
    with pytest.raises(SettingsError, match="give either port"):
        read('port = "/dev/ttyUSB0"\n')


def test_explained() -> None:
    words = GsmInterface.explain(f"{START}\t801E\r\n".encode())
    assert (words["channel"], words["checksum"]) == ("M1 (by hand)", "801E: not CS16, not checked")
    assert "wrong" not in words
    assert GsmInterface.explain(f"{START}\t{thcom.cs16(START)}\r\n".encode())["checksum"] == "06A9: CS16, right"


@given(
    st.lists(st.one_of(st.binary(max_size=60), st.sampled_from([f"{data}{link}\r\n".encode() for data, link in GUIDE])))
)
@settings(max_examples=100)
def test_any_bytes_in_any_cuts(chunks: list[bytes]) -> None:
    stream = b"".join(chunks)
    one, other = driver(), driver()
    heard = [*(part for chunk in chunks for part in one.receive(chunk, 0)), *one.lost()]
    assert b"".join(part.raw for part in heard) == stream
    whole = [*other.receive(stream, 0), *other.lost()]
    assert [(part.raw, part.flaw) for part in whole] == [(part.raw, part.flaw) for part in heard]
    for part in heard:
        GsmInterface.explain(part.raw)
