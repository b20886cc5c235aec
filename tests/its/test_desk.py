"""The panel's configuration: into the settings and the secrets, checked, and the password shown to nobody."""

import os
import stat
import tomllib
from pathlib import Path

import pytest

from console.control import messages as m
from console.engine.its_desk import typed, write_password

SECRET = "top-secret/7"


def test_values_as_typed() -> None:
    values = {"software_id": " 1007 ", "server": "localhost", "server_port": "3000", "user": "u", "log_file": ""}
    assert typed(values) == {
        "software_id": "1007",
        "server": "localhost",
        "server_port": 3000,
        "user": "u",
        "log_file": "",
    }


@pytest.mark.parametrize(
    ("key", "text", "why"),
    [
        ("software_id", "107", "must be four digits"),
        ("software_id", "10070", "must be four digits"),
        ("software_id", "0000", "must be four digits"),
        ("software_id", "\u0661\u0660\u0660\u0667", "must be four digits"),
        ("software_id", "", "must be four digits"),
        ("server_port", "0", "1 to 65535"),
        ("server_port", "x", "1 to 65535"),
        ("server_port", "²", "1 to 65535"),
        ("server", " ", "must not be empty"),
        ("user", "", "must not be empty"),
        ("password", SECRET, "no such key"),
    ],
)
def test_values_that_cannot_be(key: str, text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as caught:
        typed({key: text})
    assert SECRET not in str(caught.value)


def test_the_call_does_not_show_its_password() -> None:
    call = m.SaveIts(values={"user": "u"}, password=SECRET)
    assert SECRET not in f"{call!r} {call}"
    assert m.decode_client(m.packed(m.Request(id=1, call=call))[4:]) == m.Request(id=1, call=call)


def test_a_password_goes_into_a_file_of_its_own_user(tmp_path: Path) -> None:
    path = tmp_path / "secrets.toml"
    umask = os.umask(0)
    try:
        write_password(path, SECRET)
    finally:
        os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert tomllib.loads(path.read_text()) == {"its": {"password": SECRET}}
    assert os.listdir(tmp_path) == ["secrets.toml"]


def test_other_secrets_and_comments_stay(tmp_path: Path) -> None:
    path = tmp_path / "secrets.toml"
    path.write_text('# ours\n[export.raceday]\npassword = "x"  # Marc\n\n[its]\npassword = "old" # the TIMER ID\n')
    path.chmod(0o600)
    write_password(path, 'a"b\\c')
    assert tomllib.loads(path.read_text()) == {"export": {"raceday": {"password": "x"}}, "its": {"password": 'a"b\\c'}}
    assert "# ours" in path.read_text()
    assert "# the TIMER ID" in path.read_text()
    assert "old" not in path.read_text()


@pytest.mark.parametrize(
    ("text", "mode", "why"),
    [
        ("[its]\n", 0o644, "others can read it"),
        ("its = 7\n", 0o600, "not as it is to be"),
        ("[its\n", 0o600, "not as it is to be"),
    ],
)
def test_secrets_that_cannot_be_changed_are_left_alone(text: str, mode: int, why: str, tmp_path: Path) -> None:
    path = tmp_path / "secrets.toml"
    path.write_text(text)
    path.chmod(mode)
    with pytest.raises(ValueError, match=why) as caught:
        write_password(path, SECRET)
    assert SECRET not in str(caught.value)
    assert path.read_text() == text
