"""Flipped bits anywhere in either file: found, mended from the other, reported, and nothing lost."""

import random
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from console.journal import recovery
from console.journal.journal import Journal
from console.journal.rebuild import replace_older
from console.model import Level
from tests.journal.event import Listener, contents, fill, open_journal, place

pytestmark = pytest.mark.usefixtures("_quiet")


class Image(Struct):
    """A journal's files at one moment, and what is in them."""

    directory: Path
    contents: dict[str, list[Any]]
    sides: Any


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Image]:
    """The files as a kill leaves them (rows in the WAL alone; WAL copied but not begun anew), and as closing does."""
    base = tmp_path_factory.mktemp("images")
    listener = Listener()
    with closing(open_journal(base / "live", listener)) as journal:
        fill(journal, listener, 60)
        log = base / "live" / "flight.log"
        listener.wait(lambda _: b'"sent":60' in log.read_bytes() and b'"sent":57' in log.read_bytes())
        images = {"wal": _image(base, "wal", journal)}
        for number in range(61, 101):  # a commit each, so that a flip in the WAL can be anywhere between them
            journal.frame(place(number))
            listener.wait(lambda it: it.passings[-1].extra.get("place") == number)  # noqa: B023
        with closing(sqlite3.connect(base / "live" / "journal.sqlite")) as connection:
            assert connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[0] == 0
        images["copied"] = _image(base, "copied", journal)
        told = contents(journal), _sides(journal)
    shutil.copytree(base / "live", base / "closed")
    return images | {"closed": Image(base / "closed", *told)}


def _image(base: Path, name: str, journal: Journal) -> Image:
    shutil.copytree(base / "live", base / name, ignore=shutil.ignore_patterns("*-shm"))
    return Image(base / name, contents(journal), _sides(journal))


def _sides(journal: Journal) -> Any:
    """What is in the smaller tables."""
    cursors = sorted(journal.cursors("scoring"), key=lambda one: one.peer)
    return journal.counts(), journal.timing("chute"), cursors, journal.guns(), journal.event


@contextmanager
def _opened(image: Image, directory: Path) -> Iterator[Journal]:
    """The journal once it has been checked; then it must hold what it held."""
    with closing(open_journal(directory)) as journal:
        journal.check()
        yield journal
        found = contents(journal)
        count = len(image.contents["incidents"])
        found["incidents"] = found["incidents"][:count]
        assert found == image.contents
        assert _sides(journal) == image.sides
        assert journal.state().state == "ok"
        assert "in neither" not in journal.check()


def _said(image: Image, journal: Journal) -> list[str]:
    """The journal's own incidents since."""
    return [one.text for one in contents(journal)["incidents"][len(image.contents["incidents"]) :]]


def _levels(image: Image, journal: Journal) -> list[Level]:
    return [one.level for one in contents(journal)["incidents"][len(image.contents["incidents"]) :]]


def _flip(path: Path, chance: random.Random, count: int) -> None:
    data = bytearray(path.read_bytes())
    for _ in range(count):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("wal", "journal.sqlite-wal"),
        ("wal", "flight.log"),
        ("copied", "journal.sqlite-wal"),
        ("copied", "journal.sqlite"),
        ("closed", "journal.sqlite"),
        ("closed", "flight.log"),
    ],
)
def test_flipped_bits(images: dict[str, Image], tmp_path: Path, name: str, file: str) -> None:
    chance = random.Random(f"{name} {file}")
    for turn in range(15):
        directory = tmp_path / str(turn)
        shutil.copytree(images[name].directory, directory)
        _flip(directory / file, chance, count=1 + turn % 3 * 2)
        with _opened(images[name], directory):
            pass


def test_a_digit_changed_in_a_row_is_mended_and_said(images: dict[str, Image], tmp_path: Path) -> None:
    image = images["closed"]
    directory = shutil.copytree(image.directory, tmp_path / "event")
    _replace(directory / "journal.sqlite", b"\x1711 411 0041 01:00:41.83", b"\x1711 411 0041 01:00:49.83")
    with _opened(image, directory) as journal:
        assert any("mended from the flight log: 1 frame" in text for text in _said(image, journal))


def test_a_digit_changed_in_the_log_is_written_again_and_said(images: dict[str, Image], tmp_path: Path) -> None:
    image = images["closed"]
    directory = shutil.copytree(image.directory, tmp_path / "event")
    log = directory / "flight.log"
    _replace(log, b"\\x1711 411 0041 01:00:41.83", b"\\x1711 411 0041 01:00:49.83")
    before = log.read_bytes()
    with _opened(image, directory) as journal:
        assert any("written to the flight log again: 1 frame" in text for text in _said(image, journal))
    assert log.read_bytes().startswith(before), "the log is only ever appended to"
    with _opened(image, directory) as journal:
        assert "written" not in journal.check()


def test_a_reader_gives_the_good_copy_at_once(images: dict[str, Image], tmp_path: Path) -> None:
    image = images["closed"]
    directory = shutil.copytree(image.directory, tmp_path / "event")
    _replace(directory / "journal.sqlite", b"\x1711 411 0041 01:00:41.83", b"\x1711 411 0041 01:00:49.83")
    listener = Listener()
    with closing(open_journal(directory, listener)) as journal:
        assert contents(journal)["frames"] == image.contents["frames"]
        listener.wait(lambda it: [one.text for one in it.incidents if "was damaged; mended" in one.text])
        assert "all good" in journal.check()


def test_a_row_bad_in_both_is_shown_as_unreadable(images: dict[str, Image], tmp_path: Path) -> None:
    image = images["closed"]
    directory = shutil.copytree(image.directory, tmp_path / "event")
    number = next(one.seq for one in image.contents["frames"] if b"411 0041" in one.raw)
    _replace(directory / "journal.sqlite", b"\x1711 411 0041 01:00:41.83", b"\x1711 411 0041 01:00:49.83")
    _replace(directory / "flight.log", b"\\x1711 411 0041 01:00:41.83", b"\\x1711 411 0041 01:00:49.83")
    listener = Listener()
    with closing(open_journal(directory, listener)) as journal:
        assert f"in neither: frames {number}" in journal.check()
        frame = journal.reader().frame(number)
        assert frame
        assert frame.flaw.startswith("unreadable")
        listener.wait(lambda it: [one for one in it.incidents if one.level is Level.ALARM])


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "header", "missing"])
def test_a_database_that_will_not_open_is_moved_aside_and_rebuilt(
    images: dict[str, Image], tmp_path: Path, damage: str
) -> None:
    image = images["closed"]
    directory = shutil.copytree(image.directory, tmp_path / "event")
    path = directory / "journal.sqlite"
    data = path.read_bytes()
    changed = {
        "empty": b"",
        "text": b"not a database\n" * 1000,
        "cut": data[: len(data) // 2],
        "header": data[:18] + b"\3\3" + data[20:],
    }
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(changed[damage])
    with closing(open_journal(directory)) as journal:
        # What exports and screens start from is there at once, not only when the database has been rebuilt.
        assert _sides(journal)[1:] == image.sides[1:]
        assert journal.feed.newest == image.contents["passings"][-1].seq
    with _opened(image, directory) as journal:
        assert any("was rebuilt from the flight log" in text for text in _said(image, journal))
    aside = list(directory.glob("journal.damaged-*.sqlite"))
    assert [one.read_bytes() for one in aside] == ([] if damage == "missing" else [changed[damage]])


def _made_by_another_version(path: Path, version: int | None = 7) -> None:
    """The database with one index less than it has now; `version`: the number of that layout (None: ours)."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP INDEX acts_by_word")
        if version is not None:
            connection.execute(f"PRAGMA user_version = {version}")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


@pytest.mark.parametrize("version", [0, 7])
def test_a_database_of_another_version_is_made_anew_without_alarm(
    images: dict[str, Image], tmp_path: Path, version: int
) -> None:
    image = images["closed"]
    directory = shutil.copytree(image.directory, tmp_path / "event")
    _made_by_another_version(directory / "journal.sqlite", version)
    old = (directory / "journal.sqlite").read_bytes()
    with closing(open_journal(directory)) as journal:
        assert _sides(journal)[1:] == image.sides[1:], "what exports start from is there at once"
    with _opened(image, directory) as journal:
        (aside,) = directory.glob("journal.other-version-*.sqlite")
        assert aside.read_bytes() == old
        assert _levels(image, journal) == [Level.NOTE]
        assert _said(image, journal) == [
            "the database was made by another version of RaceDeck: its tables are made anew from the flight log; "
            f"the old file is kept as {aside.name}"
        ], "the log has all its numbers: none begins anew"
    assert not list(directory.glob("journal.damaged-*"))


def test_frames_are_taken_while_the_tables_are_made_anew(
    images: dict[str, Image], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = images["closed"]
    directory = shutil.copytree(image.directory, tmp_path / "event")
    _made_by_another_version(directory / "journal.sqlite")
    go = threading.Event()

    def slowly(*args: Any, **more: Any) -> Any:
        assert go.wait(20)
        return replace_older(*args, **more)

    monkeypatch.setattr(recovery, "replace_older", slowly)
    listener = Listener()
    with closing(open_journal(directory, listener)) as journal:
        assert journal.frame(place(200))
        assert journal.state().unsafe == 1
        go.set()
        listener.wait(lambda it: it.passings)
        assert listener.passings[0].seq == image.contents["passings"][-1].seq + 1


def test_what_only_the_old_tables_have_is_kept(images: dict[str, Image], tmp_path: Path) -> None:
    image = images["closed"]
    directory = shutil.copytree(image.directory, tmp_path / "event")
    log = directory / "flight.log"
    lines = log.read_bytes().splitlines(keepends=True)
    number = image.contents["frames"][-1].seq
    log.write_bytes(b"".join(one for one in lines if one[31:42] != b"F %09d" % number and one[31:32] != b"H"))
    _made_by_another_version(directory / "journal.sqlite")
    with _opened(image, directory) as journal:
        assert "the log lacked 1 frame, read from the old database" in _said(image, journal)[0]


def test_another_layout_under_our_number_is_damage(images: dict[str, Image], tmp_path: Path) -> None:
    image = images["closed"]
    directory = shutil.copytree(image.directory, tmp_path / "event")
    _made_by_another_version(directory / "journal.sqlite", None)
    with _opened(image, directory) as journal:
        assert "its table of contents is not as it was written" in _said(image, journal)[0]
        assert _levels(image, journal) == [Level.ALARM]
    assert list(directory.glob("journal.damaged-*"))


def test_what_only_a_damaged_database_holds_is_saved(images: dict[str, Image], tmp_path: Path) -> None:
    image = images["closed"]
    directory = shutil.copytree(image.directory, tmp_path / "event")
    log = directory / "flight.log"
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(line for line in lines if b" 000000017 " not in line))
    path = directory / "journal.sqlite"
    data = bytearray(path.read_bytes())
    data[18] = 3  # SQLite would only read it
    path.write_bytes(data)
    with _opened(image, directory) as journal:
        assert any("the log lacked 1 frame, 1 passing" in text for text in _said(image, journal))


def _replace(path: Path, old: bytes, new: bytes) -> None:
    data = path.read_bytes()
    assert data.count(old) == 1
    path.write_bytes(data.replace(old, new))
