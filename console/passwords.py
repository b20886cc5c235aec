"""Passwords, from a file of their own that nobody else can read; they are in no log, no journal and no state."""

import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any


class Password:
    """Shows itself to whoever asks by name, and to nothing that prints or encodes."""

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The password itself."""
        return self._text

    def __repr__(self) -> str:
        return "Password(...)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Password) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


def read_secret(path: Path) -> bytes:
    """What is in the file. Raises ValueError, in words, where others can read it, or it cannot be read at all."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise ValueError(f"{path.name}: mode is {mode:04o}, others can read it: run `chmod 600 {path}`")
            return file.read()
    except OSError as error:
        raise ValueError(f"{path.name}: cannot be read: {error.strerror}") from None


def passwords_of(
    table: dict[str, Any], takers: Iterable[str], others: Iterable[str], *, link: bool = False
) -> tuple[dict[str, Password], list[str]]:
    """Export -> its password, from `[export.NAME]` sections, and what is wrong; that never shows a value.

    `takers`: exports that may have one; `others`: those that have no use for it; `link`: there is an `[its]`, whose
    password is under that name.
    """
    found: dict[str, Password] = {}
    problems = []
    sections = table.get("export", {})
    if not isinstance(sections, dict):
        return {}, ["[export]: write [export.NAME] with the name of an export"]
    for name, section in sections.items():
        where = f"[export.{name}]"
        if name in others:
            problems.append(f"{where}: an export of this type takes no password")
        elif name not in takers:
            problems.append(f"{where}: there is no export {name!r}")
        elif wrong := _wrong(section):
            problems.append(f"{where}: {wrong}")
        else:
            found[name] = Password(section["password"])
    if "its" in table and link:
        if wrong := _wrong(table["its"]) or _unsayable(table["its"]["password"]):
            problems.append(f"[its]: {wrong}")
        else:
            found["its"] = Password(table["its"]["password"])
    return found, problems


def _wrong(section: object) -> str:
    """What is wrong with a section; empty: nothing."""
    if not isinstance(section, dict) or set(section) != {"password"}:
        return 'give password = "..." and nothing else'
    return "" if isinstance(section["password"], str) else "password must be a text in quotes"


def _unsayable(password: str) -> str:
    """Why no frame could hold this password of the link; empty: one can."""
    fine = 0 < len(password) <= 25 and password.isascii() and password.isprintable()
    return "" if fine else "password must be 1 to 25 letters, digits and signs of ASCII"
