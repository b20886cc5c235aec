"""Changes the settings for the operator: one `[[export]]`, or `[its]`; all else in the file stays as it was typed.

What changes is one stretch of text, in which tomlkit keeps the comments. tomlkit is not given the whole file: it moves
sections together that stand apart. The result is checked as `racedeck config check` does before anything is written.
"""

import os
import re
import stat
import tomllib
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from console.config import Settings, SettingsError, parse

Values = Mapping[str, Any]
"""Keys of a section as TOML knows them; None: the key goes, and its default holds."""

_HEADER = re.compile(r"\s*\[\[?\s*([A-Za-z0-9_.\"' -]+?)\s*\]\]?\s*(#.*)?")
_ENTRY = re.compile(r"\s*\[\[\s*export\s*\]\]\s*(#.*)?")
_ITS = re.compile(r"\s*\[\s*its\s*\]\s*(#.*)?")


class SettingsFile:
    """The settings at `path`. Every change raises SettingsError where it cannot be made, and then nothing was written;
    its result is what the file says now, checked."""

    def __init__(self, path: Path, known: Settings, *, tries: bool = False) -> None:
        self._path = path
        self._tries = tries
        """Only see whether it can be done."""
        self._known = known
        """What the engine has read; what was typed into the file since is not taken up along the way."""
        self._real = Path(os.path.realpath(path))
        """Where a symbolic link leads: the file there is replaced, and the link stays."""

    def add(self, name: str, values: Values) -> Settings:
        """One more export, behind the others."""

        def change(text: str, wanted: dict[str, Any]) -> str:
            exports = wanted["export"]
            if any(one.get("name") == name for one in exports):
                raise self._wrong(f'there is an export "{name}" already')
            entry = {"name": name, **_given(values)}
            exports.append(entry)
            block = "[[export]]\n" + "".join(tomlkit.dumps({key: _item(value)}) for key, value in entry.items())
            return text + ("" if text.endswith("\n") or not text else "\n") + "\n" + block

        return self._rewrite(change)

    def change(self, name: str, values: Values) -> Settings:
        """Other values for some keys of an export."""

        def change(text: str, wanted: dict[str, Any]) -> str:
            exports = wanted["export"]
            number = self._number(name, exports)
            exports[number] = _given({**exports[number], **values})
            start, end = self._block(text, number, len(exports))
            document = tomlkit.parse(_ended(text[start:end]))
            entry: Any = document["export"]
            _set(entry[0], values)
            return text[:start] + tomlkit.dumps(document) + text[end:]

        return self._rewrite(change)

    def remove(self, name: str) -> Settings:
        """One export less, with the comment lines that stand right above it."""

        def change(text: str, wanted: dict[str, Any]) -> str:
            exports = wanted["export"]
            number = self._number(name, exports)
            start, end = self._block(text, number, len(exports))
            del exports[number]
            lines = text[:start].splitlines(keepends=True)
            while lines and lines[-1].lstrip().startswith("#"):
                lines.pop()
            before, after = "".join(lines), text[end:]
            if not after.strip():
                return before.rstrip("\n") + "\n"
            return before + (after.lstrip("\n") if before.endswith("\n\n") else after)

        return self._rewrite(change)

    def change_its(self, values: Values) -> Settings:
        """Other values for some keys of `[its]`, which is added where there is none."""

        def change(text: str, wanted: dict[str, Any]) -> str:
            new = "its" not in wanted
            wanted["its"] = _given({**wanted.get("its", {}), **values})
            block = _section(text, _ITS)
            if block is None:
                if not new:
                    raise self._by_hand()
                return _ended(text) + "\n[its]\n" + tomlkit.dumps(wanted["its"])
            start, end = block
            document = tomlkit.parse(_ended(text[start:end]))
            _set(document["its"], values)
            return text[:start] + tomlkit.dumps(document) + text[end:]

        return self._rewrite(change)

    # --- parts ---

    def _rewrite(self, change: Callable[[str, dict[str, Any]], str]) -> Settings:
        try:
            raw = self._real.read_bytes()
        except OSError as error:
            raise self._wrong(f"cannot be read: {error.strerror}") from None
        if parse(self._path, raw) != self._known:
            raise self._wrong("was changed by hand since the engine read it: `racedeck reload` first, then this again")
        text = raw.decode()
        wanted = tomllib.loads(text)
        exports = wanted.setdefault("export", [])
        try:
            new = change(text, wanted)
            done = tomllib.loads(new)
        except (TOMLKitError, tomllib.TOMLDecodeError):
            raise self._by_hand() from None
        settings = parse(self._path, new.encode())
        if done != wanted and (exports or done != {key: wanted[key] for key in wanted if key != "export"}):
            raise self._by_hand()
        if self._tries:
            return settings
        try:
            self._write(raw, new.encode())
        except OSError as error:
            why = error.strerror or error
            raise self._wrong(f"cannot be written, mode and owner kept: {why}; nothing was changed") from None
        return settings

    def _number(self, name: str, exports: list[dict[str, Any]]) -> int:
        names = [one.get("name") for one in exports]
        if name not in names:
            raise self._wrong(f"no export {name!r}; there are {', '.join(map(str, names)) or 'none'}")
        return names.index(name)

    def _block(self, text: str, number: int, count: int) -> tuple[int, int]:
        """From where to where export `number` of `count` stands, without the comments that belong to what follows."""
        starts: list[int] = []
        ends: list[int] = []
        at = end = 0
        inside = False
        for line in text.splitlines(keepends=True):
            header = _HEADER.fullmatch(line.rstrip("\r\n"))
            if header and not (inside and header[1].startswith("export.")):
                if inside:
                    ends.append(end)
                inside = bool(_ENTRY.fullmatch(line.rstrip("\r\n")))
                if inside:
                    starts.append(at)
            at += len(line)
            if line.strip() and not line.lstrip().startswith("#"):
                end = at
        if inside:
            ends.append(end)
        if len(starts) != count:
            raise self._by_hand()
        return starts[number], ends[number]

    def _write(self, before: bytes, after: bytes) -> None:
        """Put the new file in the place of the old one, which is kept as `.bak`; at no moment is there none."""
        known = self._real.stat()
        self._replace(self._real.with_name(self._real.name + ".bak"), before, known)
        if self._real.read_bytes() != before:
            raise OSError("somebody else has just changed it; look at it, and try again")
        self._replace(self._real, after, known)

    def _replace(self, path: Path, data: bytes, known: os.stat_result) -> None:
        """Write `data` to `path` at once, with the mode and the owner of the settings."""
        with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            try:
                os.fchmod(file.fileno(), stat.S_IMODE(known.st_mode))
                if (known.st_uid, known.st_gid) != (os.geteuid(), os.fstat(file.fileno()).st_gid):
                    os.fchown(file.fileno(), known.st_uid, known.st_gid)
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
                os.replace(file.name, path)
            except BaseException:
                with suppress(OSError):
                    os.unlink(file.name)
                raise
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _wrong(self, text: str) -> SettingsError:
        return SettingsError([f"{self._path.name}: {text}"])

    def _by_hand(self) -> SettingsError:
        return self._wrong(
            "this file is written in a way that cannot be changed here (expected is each export "
            "under a [[export]] of its own, and [its] under a heading of its own): change it by hand, then "
            "`racedeck reload`"
        )


def _given(values: Values) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _set(table: Any, values: Values) -> None:
    """Write `values` into a table of tomlkit's."""
    for key, value in values.items():
        if value is not None:
            table[key] = _item(value)
        elif key in table:
            del table[key]


def _section(text: str, header: re.Pattern[str]) -> tuple[int, int] | None:
    """From where to where the section under `header` stands, up to the next one, and without the comments in front of
    that; None: there is none, or there are several."""
    found: list[list[int]] = []
    at = 0
    inside = False
    for line in text.splitlines(keepends=True):
        bare = line.rstrip("\r\n")
        if header.fullmatch(bare):
            inside = True
            found.append([at, at])
        elif _HEADER.fullmatch(bare):
            inside = False
        at += len(line)
        if inside and line.strip() and not line.lstrip().startswith("#"):
            found[-1][1] = at
    return (found[0][0], found[0][1]) if len(found) == 1 else None


def _ended(block: str) -> str:
    return block if block.endswith("\n") else block + "\n"


def _item(value: Any) -> Any:
    """A value as it is to stand in the file: tables in one line."""
    if isinstance(value, dict):
        table = tomlkit.inline_table()
        table.update(value)
        return table
    return value
