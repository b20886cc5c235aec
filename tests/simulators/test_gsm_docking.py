"""The simulated GSM docking: parameter 030, passwords that are never read, and the older form."""

import asyncio
from argparse import ArgumentParser
from pathlib import Path

import pytest

from console.codecs import thcom
from console.codecs.thcom_records import Command
from console.exit import Failure
from console.simulators import gsm_docking
from console.simulators.gsm_docking import PASSWORDS, SETTINGS, Docking
from tests.simulators.host import Host


def ask(docking: Docking, command: str) -> list[str]:
    return docking.answer(Command(command[1:3], command[3:].strip()))


@pytest.mark.parametrize(
    ("command", "replies"),
    [
        ("#ID", ["AK C", "ID 00540"]),
        ("#SN", ["AK C", "SN 00540 HL540 VA02"]),
        ("#RP 030 1", ["AK C", "&P 030 1 matooma.m2m"]),
        ("#RP 030 2", ["AK C", "&P 030 2"]),
        ("#RP 030 9", ["AK F"]),
        ("#RP 030 12", ["AK F"]),
        ("#RP 030", ["AK F"]),
        ("#RP 034", ["AK C", "&P 034 1F 3"]),
        ("#RP 025", ["AK R"]),
        ("#WP 030 1 " + "x" * 26, ["AK F"]),
        ("#WP 030 1", ["AK F"]),
        ("#GP 1 x", ["AK R"]),
        ("#WC 001", ["AK R"]),
    ],
)
def test_an_answer(command: str, replies: list[str]) -> None:
    assert ask(Docking(), command) == replies


def test_every_setting_can_be_written_and_all_but_passwords_read() -> None:
    docking = Docking()
    for setting in SETTINGS:
        assert ask(docking, f"#WP 030 {setting} some value") == ["AK C"]
        assert docking.settings[setting] == "some value"
        read = ["AK F"] if setting in PASSWORDS else ["AK C", f"&P 030 {setting} some value"]
        assert ask(docking, f"#RP 030 {setting}") == read


def test_an_older_one_knows_gp_only() -> None:
    docking = Docking(older=True)
    assert [ask(docking, command)[0] for command in ("#RP 030 1", "#WP 030 1 x", "#GP 1 x")] == ["AK R", "AK R", "AK C"]
    assert docking.settings["1"] == "x"


async def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parser = ArgumentParser()
    gsm_docking.arguments(parser)
    link = tmp_path / "gsm"
    task = asyncio.create_task(gsm_docking.main(parser.parse_args(["--link", str(link)])))
    while str(link) not in capsys.readouterr().out:
        await asyncio.sleep(0.005)
    host = Host(str(link))
    try:
        host.send(b"#SN\t00A1\r\n#SN\tFFFF\r\n")
        replies = b"".join(thcom.basic(line, checksum=True) for line in ("AK C", "SN 00540 HL540 VA02", "AK F"))
        assert await host.read(len(replies)) == replies
    finally:
        host.close()
        task.cancel()
        await asyncio.wait([task])
    with pytest.raises(Failure):
        await gsm_docking.main(parser.parse_args(["--replay", "/nowhere"]))
