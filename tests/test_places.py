"""Where things are."""

import os
from pathlib import Path

import pytest

from console import places


def test_the_command_line_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RACEDECK_CONFIG", "/env/racedeck.toml")
    monkeypatch.setenv("RACEDECK_STATE_DIR", "/env/state")
    assert places.config_file(str(tmp_path / "r.toml")) == tmp_path / "r.toml"
    assert places.config_file(None) == Path("/env/racedeck.toml")
    assert places.state_directory(None) == Path("/env/state")


def test_a_socket_is_in_the_state_directory(tmp_path: Path) -> None:
    short = Path("/tmp/s")
    assert places.socket_path(short, "spring-10k") == short / "spring-10k.sock"


def test_a_path_too_long_for_a_socket_gets_a_private_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    path = places.socket_path(tmp_path / ("long-" * 30), "spring-10k")
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert path != places.socket_path(tmp_path / ("long-" * 30), "autumn-10k")


def test_a_private_directory_that_others_can_enter_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    (tmp_path / f"racedeck-{os.getuid()}").mkdir(mode=0o755)
    with pytest.raises(PermissionError, match="not private"):
        places.socket_path(tmp_path / ("long-" * 30), "spring-10k")
