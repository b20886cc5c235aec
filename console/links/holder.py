"""Who has a device node open: read from /proc, the node itself is not touched."""

import os
from contextlib import suppress
from pathlib import Path


def holder(path: str) -> str:
    """A process that has `path` open, as `minicom (pid 4711)`; empty where none is seen.

    Without root, only the user's own processes are seen. Always empty where there is no /proc (macOS).
    """
    node = os.path.realpath(path)
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # not ours to look into, or gone meanwhile
            if any(os.readlink(descriptor) == node for descriptor in (process / "fd").iterdir()):
                return f"{(process / 'comm').read_text().strip()} (pid {process.name})"
    return ""
