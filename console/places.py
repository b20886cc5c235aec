"""Where things are: settings, state, an event's directory, the control socket."""

import hashlib
import os
import tempfile
from pathlib import Path

import platformdirs

SOCKET_LIMIT = 100
"""Bytes a Unix socket's path may have everywhere (the kernel takes 107 on Linux, 103 on macOS)."""


def config_file(given: str | None) -> Path:
    """The settings: `given`, else RACEDECK_CONFIG, else `racedeck.toml` in the user's config directory."""
    if chosen := given or os.environ.get("RACEDECK_CONFIG"):
        return Path(chosen).expanduser().absolute()
    return platformdirs.user_config_path("racedeck") / "racedeck.toml"


def state_directory(given: str | None) -> Path:
    """The state: `given`, else RACEDECK_STATE_DIR, else the user's data directory."""
    if chosen := given or os.environ.get("RACEDECK_STATE_DIR"):
        return Path(chosen).expanduser().absolute()
    return platformdirs.user_data_path("racedeck")


def event_directory(state: Path, event: str) -> Path:
    """Where an event's journal and flight log are."""
    return state / "events" / event


def socket_path(state: Path, event: str) -> Path:
    """The control socket of an event's engine.

    In the state directory; where that path is too long for a socket, in a private directory under the temporary one,
    not in the runtime directory, which a logout empties. Raises PermissionError where that directory is not ours.
    """
    path = state / f"{event}.sock"
    if len(os.fsencode(path)) <= SOCKET_LIMIT - len(".0000000"):
        return path
    private = Path(tempfile.gettempdir()) / f"racedeck-{os.getuid()}"
    private.mkdir(mode=0o700, exist_ok=True)
    found = private.lstat()
    if found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise PermissionError(f"{private} is not private to you: remove it, or use a shorter --state-dir")
    return private / f"{hashlib.sha256(os.fsencode(path)).hexdigest()[:16]}.sock"


def running_sockets(state: Path) -> list[Path]:
    """Control sockets in the state directory, whether somebody still answers there or not."""
    return sorted(state.glob("*.sock"))
