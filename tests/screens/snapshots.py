"""Screens as plain text files. `SNAPSHOTS=update pytest ...` writes them anew: read what differs."""

import difflib
import os
from pathlib import Path

HOME = Path(__file__).with_name("snapshots")


def compare(name: str, text: str) -> None:
    """Fail where the screen is not what `snapshots/NAME.txt` holds."""
    path = HOME / f"{name}.txt"
    if os.environ.get("SNAPSHOTS") == "update":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert path.exists(), f"no snapshot {path.name}: run once with SNAPSHOTS=update"
    known = path.read_text(encoding="utf-8")
    assert text == known, "\n".join(difflib.unified_diff(known.splitlines(), text.splitlines(), path.name, "now", n=0))
