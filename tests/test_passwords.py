"""Passwords of exports: from a file that nobody else can read, to nobody but the export."""

import json
from pathlib import Path

import msgspec
import pytest

from console.codecs import ctp01, thcom_records
from console.config import Settings, SettingsError, load
from console.control import messages
from console.its import login
from console.model import Order
from console.passwords import Password
from console.relay import connection

SETTINGS = """
[event]
name = "spring-10k"
timezone = "Europe/Paris"

[[export]]
name = "raceday"
type = "ctp01"
connect = "127.0.0.1:61611"
user = "race"

[[export]]
name = "results"
type = "tsv1"
listen = "127.0.0.1:0"
"""


def read(directory: Path, secrets: str, mode: int = 0o600) -> Settings:
    (directory / "racedeck.toml").write_text(SETTINGS)
    file = directory / "secrets.toml"
    file.write_text(secrets)
    file.chmod(mode)
    return load(directory / "racedeck.toml")


def test_an_export_gets_its_password(tmp_path: Path) -> None:
    settings = read(tmp_path, '[export.raceday]\npassword = "hunter2"\n')
    assert settings.passwords == {"raceday": Password("hunter2")}
    assert settings.passwords["raceday"].reveal() == "hunter2"
    assert settings.passwords["raceday"] != Password("hunter3")
    assert "hunter2" not in repr(settings)


def test_nothing_encodes_a_password() -> None:
    with pytest.raises(TypeError):
        msgspec.json.encode({"a": Password("hunter2")})
    with pytest.raises(TypeError):
        json.dumps(Password("hunter2"))
    assert "hunter2" not in f"{Password('hunter2')} {Password('hunter2')!r}"


@pytest.mark.parametrize(
    "holder",
    [
        ctp01.Identity(password=Password("hunter2")),
        ctp01.Say(b"authorize~race~hunter2\r\n", shown=b"authorize~race~(secret)\r\n"),
        login.Say(255, "PW hunter2"),
        messages.Command(device="gsm", words="SET PASSWORD SERVER1 file", text="hunter2"),
        messages.SaveIts(values={}, password="hunter2"),
        Order(words="SET PASSWORD SERVER1 file", by="anna", text="hunter2"),
        thcom_records.Login(tag="PW", text="hunter2"),
        connection.Login(source="P0100", user="race", password=Password("hunter2")),
    ],
    ids=lambda one: f"{type(one).__module__}.{type(one).__name__}",
)
def test_nothing_shows_the_password_that_it_carries(holder: object) -> None:
    assert "hunter2" not in repr(holder)
    assert repr(holder)


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o660, 0o644, 0o601])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(SettingsError, match="chmod 600") as failed:
        read(tmp_path, '[export.raceday]\npassword = "hunter2"\n', mode)
    assert "hunter2" not in str(failed.value)


@pytest.mark.parametrize(
    ("secrets", "said"),
    [
        ('[export.raceda]\npassword = "hunter2"', "there is no export 'raceda'"),
        ('[export.results]\npassword = "hunter2"', "takes no password"),
        ('[export.raceday]\npassord = "hunter2"', "and nothing else"),
        ('[export.raceday]\npassword = "hunter2"\nuser = "hunter2"', "and nothing else"),
        ("[export.raceday]\npassword = 4711", "a text in quotes"),
        ('[export]\nraceday = "hunter2"', "and nothing else"),
        ('export = "hunter2"', "write [export.NAME]"),
        ('[exports.raceday]\npassword = "hunter2"', "unknown section"),
        ('[export.raceday]\npassword = "hunter2', "not TOML"),
    ],
)
def test_what_is_wrong_is_said_without_showing_it(tmp_path: Path, secrets: str, said: str) -> None:
    with pytest.raises(SettingsError) as failed:
        read(tmp_path, secrets)
    assert said in str(failed.value)
    assert "hunter2" not in str(failed.value)
    assert "4711" not in str(failed.value)
