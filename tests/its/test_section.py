"""The `[its]` section, and what the engine gets of it."""

from pathlib import Path

import pytest

from console.config import Settings, SettingsError, load
from console.its.downlink import DownlinkSettings
from console.its.log import LogSettings
from console.its.source import SourceSettings
from console.its.uplink import UplinkSettings
from console.passwords import Password

HEAD = '[event]\nname = "spring"\ntimezone = "Europe/Paris"\n'
DEVICES = """
[[device]]
name = "finish"
type = "thcom"
address = "127.0.0.1:7001"

[[device]]
name = "chute"
type = "timemachine"
address = "127.0.0.1:7002"
"""
ITS = '[its]\nsoftware_id = "1007"\nuser = "timer01"\n'


def read(directory: Path, text: str, password: str | None = "secret01") -> Settings:
    (directory / "racedeck.toml").write_text(HEAD + text)
    secrets = directory / "secrets.toml"
    if password is not None:
        secrets.write_text(f'[its]\npassword = "{password}"\n')
        secrets.chmod(0o600)
    return load(directory / "racedeck.toml")


def problems(directory: Path, text: str, password: str | None = None) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        read(directory, text, password)
    return caught.value.problems


def test_the_least(tmp_path: Path) -> None:
    settings = read(tmp_path, ITS)
    its = settings.its
    assert its
    assert (its.where, its.device_type, its.server_address) == ("online.itschrono.com:3000", "1", "P0000")
    assert settings.passwords == {"its": Password("secret01")}
    assert "secret01" not in repr(settings)
    (log,) = settings.exports
    assert isinstance(log, LogSettings)
    assert (log.path, log.format, log.software) == ("GSM_Interface_Log.csv", "gsm-interface", "1007 (software)")
    assert read(tmp_path, ITS + 'log_file = ""\n').exports == ()


def test_material_send_and_write(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        ITS
        + """
[[its.material]]
serial = "0084"
name = "start"
model = "TM550"
points = { M1 = "Start" }
software_port = 7001

[[its.material]]
serial = "0086"
label = "finish"

[[its.send]]
device = "finish"
serial = "0086"

[[its.send]]
device = "chute"
serial = "0087"
channel = "4"

[[its.write]]
device = "finish"
"""
        + DEVICES
        + '[[export]]\nname = "software"\ntype = "thcom-server"\nlisten = "127.0.0.1:7000"\n'
        'devices = ["start", "its-0099"]\npoints = ["Start"]\n',
    )
    (start,) = [one for one in settings.devices if isinstance(one, SourceSettings)]  # 0086 is ours
    assert (start.name, start.source, start.points) == ("start", "10084", {"M1": "Start"})
    _, uplink, downlink, log = settings.exports
    assert isinstance(uplink, UplinkSettings)
    assert (uplink.name, uplink.devices, uplink.channels) == ("its", ("finish", "chute"), {"chute": "4"})
    assert uplink.login("finish").serial_line == "SN 00086 CP545 VB10"
    assert uplink.login("chute").address == "10087"
    assert isinstance(downlink, DownlinkSettings)
    assert (downlink.name, downlink.device, downlink.address) == ("its-to-finish", "finish", "10086")
    assert (downlink.connection, downlink.software) == ("0086 (finish)", "1007 (software)")
    assert isinstance(log, LogSettings)
    assert log.software_ports["start"] == 7001


def test_a_timer_that_is_not_linked_up_is_told_what_this_computer_is(tmp_path: Path) -> None:
    settings = read(tmp_path, ITS + '[[its.write]]\ndevice = "finish"\n' + DEVICES)
    downlink = settings.exports[0]
    assert isinstance(downlink, DownlinkSettings)
    assert (downlink.address, downlink.connection, downlink.stale_after) == ("", "1007 (software)", 10)


SEND = '[[its.send]]\ndevice = "finish"\nserial = "0086"\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[its]\nsoftware_id = "107"\nuser = "x"\n', "software_id must be four digits in quotes, as in"),
        (
            '[its]\nsoftware_id = "0000"\nuser = "x"\n',
            "that this computer has in the server's MATERIAL",
        ),
        ('[its]\nsoftware_id = 1007\nuser = "x"\n', "software_id must be a text in quotes"),
        ('[its]\nsoftware_id = "1007"\n', "user is missing"),
        ('[its]\nsoftware_id = "1007"\nuser = "two words"\n', "user must be 1 to 25 letters"),
        (ITS + 'server = ""\n', "server"),
        (ITS + "server_port = 0\n", "server_port must be a whole number from 1 to 65535"),
        (ITS + 'checksums = "some"\n', "checksums must be one of ignored, lenient, required"),
        (ITS + 'device_type = "12"\n', "device_type must be one digit or capital letter"),
        (ITS + 'server_address = "0000"\n', "server_address must be as in"),
        (ITS + "stale_after = -1\n", "stale_after must be 0 or more"),
        (ITS + 'log_file = "there/"\n', "log_file must be the path of a file"),
        (ITS + 'password = "hunter2"\n', "put it into secrets.toml"),
        (ITS + 'sofware = "1"\n', "unknown key 'sofware'"),
        (ITS + '[[its.material]]\nserial = "84"\n', "[[its.material]] 1: serial must be four digits"),
        (ITS + '[[its.material]]\nserial = "0084"\nname = "a b"\n', "name must be 1 to 32 letters"),
        (ITS + '[[its.material]]\nserial = "0084"\ncolor = "x"\n', "unknown key 'color'; did you mean 'colour'?"),
        (ITS + '[[its.material]]\nserial = "0084"\n' * 2, "serial 0084 is given 2 times"),
        (ITS + '[[its.material]]\nserial = "0084"\nname = "finish"\n' + DEVICES, 'device "finish" is given 2 times'),
        (ITS + SEND, "device names 'finish', but no device is called so"),
        (ITS + SEND.replace("0086", "1007") + DEVICES, "serial 1007 is that of this computer"),
        (ITS + SEND + SEND + DEVICES, "serial 0086 is that of finish"),
        (ITS + SEND + 'channel = "1"\n' + DEVICES, "its own channels go up; leave it out"),
        (ITS + SEND.replace("finish", "chute") + DEVICES, "channel must be 1 to 99, or M1 to M9"),
        (ITS + '[[its.write]]\ndevice = "chute"\n' + DEVICES, "chute is no THCOM08 timer"),
        (ITS + "[its.send]\n", "write [[its.send]] with double brackets"),
        (ITS + DEVICES.replace("chute", "its-0084"), "rename it"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, words: str) -> None:
    found = problems(tmp_path, text)
    assert any(words in one for one in found), found
    assert all(one.startswith("racedeck.toml: ") for one in found)
    assert "hunter2" not in "".join(found)


@pytest.mark.parametrize("password", ["", "a" * 26, "café"])
def test_a_password_that_no_frame_can_hold(tmp_path: Path, password: str) -> None:
    (problem,) = problems(tmp_path, ITS, password)
    assert problem == "secrets.toml: [its]: password must be 1 to 25 letters, digits and signs of ASCII"


def test_type_its_is_not_for_devices_and_exports_of_their_own(tmp_path: Path) -> None:
    assert "type must be one of" in problems(tmp_path, '[[device]]\nname = "x"\ntype = "its"\naddress = "a:1"\n')[0]
    assert "type must be one of" in problems(tmp_path, '[[export]]\nname = "x"\ntype = "its"\n')[0]
