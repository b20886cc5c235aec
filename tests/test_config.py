"""Settings: what is accepted, and what is said of what is not."""

import os
from pathlib import Path

import pytest

from console.config import Settings, SettingsError, load

EVENT = '[event]\nname = "spring-10k"\ntimezone = "Europe/Paris"\n'


def device(**changes: object) -> str:
    keys: dict[str, object] = {"name": "chute", "type": "timemachine", "port": "/dev/ttyUSB0"} | changes
    return "[[device]]\n" + "".join(f"{key} = {_toml(value)}\n" for key, value in keys.items() if value is not None)


def export(**changes: object) -> str:
    keys: dict[str, object] = {"name": "scoring", "type": "tsv1", "listen": "127.0.0.1:10200"} | changes
    return "[[export]]\n" + "".join(f"{key} = {_toml(value)}\n" for key, value in keys.items() if value is not None)


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(one)}" for key, one in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(one) for one in value) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def read(tmp_path: Path, text: str) -> Settings:
    path = tmp_path / "racedeck.toml"
    path.write_text(text, encoding="utf-8")
    return load(path)


def problems(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, text)
    return caught.value.problems


def test_three_devices_and_two_exports(tmp_path: Path) -> None:
    text = EVENT + device(baud=4800, data_bits=7, parity="even", clock="race", xoff_timeout=30)
    text += device(
        name="start", type="thcom", port=None, address="192.168.1.50:7000", points={"1": "Start", "M1": "Start"}
    )
    text += device(name="control-31", type="otimcon", port="/dev/ttyUSB1", baud=38400, keep_awake=4)
    text += export(skip_first_seen=True) + export(name="software", type="thcom-server", listen="127.0.0.1:7000")
    settings = read(tmp_path, text)
    assert [one.name for one in settings.devices] == ["chute", "start", "control-31"]
    assert settings.devices[1].points == {"1": "Start", "M1": "Start"}
    assert [one.type for one in settings.exports] == ["tsv1", "thcom-server"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            EVENT + device(baud=9601),
            'racedeck.toml: device "chute": baud must be one of 1200, 2400, 4800, 9600 (got 9601)',
        ),
        (
            EVENT + device(baud="9600"),
            "racedeck.toml: device \"chute\": baud must be one of 1200, 2400, 4800, 9600 (got '9600')",
        ),
        (
            EVENT + device(bauds=9600),
            "racedeck.toml: device \"chute\": unknown key 'bauds'; did you mean 'baud'?",
        ),
        (
            EVENT + device(parity="evn"),
            "racedeck.toml: device \"chute\": parity must be one of even, none, odd (got 'evn')",
        ),
        (
            EVENT + device(port=None),
            'racedeck.toml: device "chute": give either port (a serial port) or address (host:port)',
        ),
        (EVENT + device(password="x"), None),
        (EVENT + device(name="chute 1"), None),
        (EVENT + device(name=7), "racedeck.toml: device 1: name must be a text in quotes (got 7)"),
        (
            EVENT
            + device()
            + export(name="a", type="raw", listen=None, devices=["chute"], pty="/tmp/chute")
            + export(name="b", type="raw", listen=None, devices=["chute"], pty="/tmp//chute"),
            'racedeck.toml: pty "/tmp/chute" is given 2 times',
        ),
        (EVENT + device() + device(port="/dev/ttyUSB1"), 'racedeck.toml: device "chute" is given 2 times'),
        (
            EVENT + device(type="timemachin"),
            'racedeck.toml: device "chute": type must be one of thcom, timemachine, timemachine-clock, otimcon, '
            "gsm-interface, gsm-docking (got 'timemachin'); did you mean 'timemachine'?",
        ),
        (
            EVENT + device(silent_after=-1),
            'racedeck.toml: device "chute": silent_after must be 0 (never) or more seconds (got -1.0)',
        ),
        (
            EVENT + device(points={"1": 7}),
            "racedeck.toml: device \"chute\": points must be a table of a text in quotes each (got {'1': 7})",
        ),
        (
            EVENT + export(devices=["chut"]) + device(),
            "racedeck.toml: export \"scoring\": devices names 'chut', but no device is called so; "
            "did you mean 'chute'?",
        ),
        (EVENT + export(listen="127.0.0.1"), None),
        (
            EVENT + export(listen=None),
            'racedeck.toml: export "scoring": give listen (host:port to listen on)',
        ),
        (
            EVENT + export(type="thcom-server", listen=None, connect="127.0.0.1:7000"),
            'racedeck.toml: export "scoring": connect: thcom-server does not connect; give listen',
        ),
        (EVENT + export(points=["Finsh"]) + device(point="Finish"), None),
        (EVENT + export(networks=["10.0.0.0/33"]), None),
        (EVENT + export(kinds=["puch"]), None),
        (EVENT + export(newcomers="some"), None),
        (device(), 'racedeck.toml: [event]: missing; give at least name and timezone, as in name = "spring-10k"'),
        (
            '[event]\nname = "a/b"\ntimezone = "UTC"\n',
            "racedeck.toml: [event]: name must be 1 to 32 letters, digits, dots, dashes or underscores, "
            "beginning with a letter or digit (got 'a/b')",
        ),
        (
            '[event]\nname = "x"\ntimezone = "Europe/Pariss"\n',
            "racedeck.toml: [event]: timezone: no time zone 'Europe/Pariss': "
            'give an IANA name such as "Europe/Paris"',
        ),
        (EVENT + "tags = 7\n", "racedeck.toml: [event]: tags must be a text in quotes (got 7)"),
        (
            EVENT + 'tags = " "\n',
            "racedeck.toml: [event]: tags must be the path of a CSV file, as in \"tags.csv\" (got ' ')",
        ),
        (EVENT + 'tag = "tags.csv"\n', "racedeck.toml: [event]: unknown key 'tag'; did you mean 'tags'?"),
        (EVENT + "[evnt]\n", "racedeck.toml: unknown section 'evnt'; did you mean 'event'?"),
        (EVENT + '[its]\nuser = "x"\n', "racedeck.toml: [its]: software_id is missing"),
        (EVENT + '[device]\nname = "x"\n', None),
        (EVENT + "[[device\n", None),
    ],
)
def test_a_mistake_is_named_with_file_place_and_expectation(tmp_path: Path, text: str, expected: str | None) -> None:
    found = problems(tmp_path, text)
    assert len(found) == 1
    assert found[0].startswith("racedeck.toml: ")
    if expected is not None:
        assert found[0] == expected


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    assert len(problems(tmp_path, EVENT + device(baud=1, parity="x") + export(listen="nowhere"))) == 3


def test_a_password_belongs_into_the_secrets(tmp_path: Path) -> None:
    assert "secrets.toml" in problems(tmp_path, EVENT + device(password="hunter2"))[0]
    assert "hunter2" not in problems(tmp_path, EVENT + device(password="hunter2"))[0]


def test_secrets_that_others_can_read_are_refused(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets.toml"
    secrets.write_text('[its]\npassword = "hunter2"\n')
    secrets.chmod(0o644)
    (problem,) = problems(tmp_path, EVENT)
    assert "chmod 600" in problem
    assert "hunter2" not in problem
    secrets.chmod(0o600)
    assert read(tmp_path, EVENT).event.name == "spring-10k"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="there are no settings here"):
        load(tmp_path / "racedeck.toml")
    (tmp_path / "racedeck.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="not UTF-8"):
        load(tmp_path / "racedeck.toml")
    os.unlink(tmp_path / "racedeck.toml")
    (tmp_path / "racedeck.toml").mkdir()
    with pytest.raises(SettingsError, match="cannot be read"):
        load(tmp_path / "racedeck.toml")


@pytest.mark.parametrize(("tags", "expected"), [("tags.csv", "{}/tags.csv"), ("/x/tags.csv", "/x/tags.csv")])
def test_the_tag_table_is_looked_for_beside_the_settings(tmp_path: Path, tags: str, expected: str) -> None:
    assert read(tmp_path, f'{EVENT}tags = "{tags}"\n').event.tags == expected.format(tmp_path)
    assert read(tmp_path, EVENT).event.tags == ""
