"""The file of the tag table: taken up when it has changed, and never when it is half written."""

import os
from pathlib import Path

import pytest

from console.engine.tagfile import LARGEST, OPEN_ENDED, SETTLED, TagFile, load
from console.model import Level

ONE = "tag,bib,name\nA1,1,Ann\n"
TWO = ONE + "A2,2,Bea\n"


class Watched:
    """A tag file, and what was said of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.said: list[tuple[Level, str]] = []
        self.file = TagFile(lambda level, text: self.said.append((level, text)))

    def write(self, text: str) -> None:
        """As most editors do: a new file in the place of the old one."""
        fresh = self.path.with_suffix(".new")
        fresh.write_text(text)
        fresh.replace(self.path)

    async def open(self, text: str | None = None) -> bool:
        if text is not None:
            self.write(text)
        return await self.file.open(self.path)

    async def looks(self, count: int = SETTLED) -> list[bool]:
        return [await self.file.look() for _ in range(count)]

    def last(self) -> tuple[Level, str]:
        """What was said, once, since this was asked last."""
        (one,) = self.said
        self.said.clear()
        return one


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path / "tags.csv")


async def test_it_is_read_at_once_and_again_when_it_has_changed(watched: Watched) -> None:
    assert await watched.open(ONE)
    assert watched.last() == (Level.NOTE, "tags.csv read: 1 tags, 1 bibs, 1 names")
    assert await watched.looks(3) == [False] * 3
    watched.write(TWO)
    assert await watched.looks() == [False, True], "not before it has stayed as it is"
    assert watched.file.table.bib("A2") == "2"
    assert watched.last() == (Level.NOTE, "tags.csv read: 2 tags, 2 bibs, 2 names")
    assert await watched.looks(3) == [False] * 3
    assert not watched.said


async def test_a_change_of_the_same_size_in_place_is_seen(watched: Watched) -> None:
    await watched.open(ONE)
    with watched.path.open("r+") as file:
        file.write(ONE.replace("A1,1", "A1,7"))
    os.utime(watched.path, ns=(1, 1))
    assert await watched.looks() == [False, True]
    assert watched.file.table.bib("A1") == "7"


async def test_a_touched_file_is_no_news(watched: Watched) -> None:
    await watched.open(ONE)
    watched.said.clear()
    os.utime(watched.path, ns=(1, 1))
    assert await watched.looks(3) == [False] * 3
    assert not await watched.open(), "nor is a reload"
    assert not watched.said


async def test_a_file_that_is_being_written_waits_for_its_end(watched: Watched) -> None:
    await watched.open(ONE)
    watched.said.clear()
    text = ONE + "A2,1204,Bea\nA3,3,Cleo\n"
    with watched.path.open("w") as file:
        for start in range(0, len(text), 9):
            file.write(text[start : start + 9])
            file.flush()
            assert await watched.looks(SETTLED - 1) == [False] * (SETTLED - 1)
    assert watched.file.table.bib("A2") is None
    assert (await watched.looks()).count(True) == 1
    assert watched.file.table.bib("A2") == "1204"
    watched.last()


async def test_half_a_last_line_is_not_taken_for_a_whole_one(watched: Watched) -> None:
    await watched.open(ONE)
    watched.write(ONE + "A2,12")
    assert await watched.looks(OPEN_ENDED - 1) == [False] * (OPEN_ENDED - 1), "the writer has stopped in mid-line"
    watched.write(ONE + "A2,1204,Bea\n")
    assert await watched.looks() == [False, True]
    assert watched.file.table.bib("A2") == "1204"


async def test_a_last_line_without_an_end_counts_when_it_stays_so(watched: Watched) -> None:
    await watched.open(ONE)
    watched.write(ONE + "A2,12")
    assert (await watched.looks(OPEN_ENDED))[-1]
    assert watched.file.table.bib("A2") == "12"


@pytest.mark.parametrize(
    ("text", "words"),
    [("", "it is empty"), ("tag,bib\n", "no row of it can be used"), ("chip,no\n", "line 1: the heading")],
)
async def test_what_is_no_table_keeps_the_last_good_one(watched: Watched, text: str, words: str) -> None:
    await watched.open(ONE)
    watched.said.clear()
    watched.write(text)
    assert await watched.looks(2 * OPEN_ENDED) == [False] * 2 * OPEN_ENDED
    level, said = watched.last()
    assert level is Level.WARNING
    assert words in said
    assert said.endswith("what was read before holds (1 tags, 1 bibs, 1 names)")
    assert watched.file.table.bib("A1") == "1"
    watched.write(TWO)
    assert await watched.looks() == [False, True]


async def test_a_file_that_is_gone_is_said_once_and_so_is_its_return(watched: Watched) -> None:
    await watched.open(ONE)
    watched.said.clear()
    for _ in range(2):
        watched.path.unlink()
        assert await watched.looks(9) == [False] * 9
        assert not await watched.open(), "a reload does not say it again"
        level, said = watched.last()
        assert level is Level.WARNING
        assert said == "tags.csv: there is no such file; what was read before holds (1 tags, 1 bibs, 1 names)"
        assert watched.file.table.bib("A1") == "1"
        watched.write(ONE)
        assert await watched.looks(9) == [False] * 9, "it is the table it was"
        assert watched.last() == (Level.NOTE, "tags.csv read: 1 tags, 1 bibs, 1 names")


async def test_a_file_that_is_missing_for_a_moment_is_nothing(watched: Watched) -> None:
    await watched.open(ONE)
    watched.said.clear()
    watched.path.unlink()
    await watched.looks(SETTLED - 1)
    watched.write(ONE)
    assert await watched.looks(3) == [False] * 3
    assert not any(level is Level.WARNING for level, _ in watched.said)


async def test_a_file_that_comes_later(watched: Watched) -> None:
    assert not await watched.open()
    assert watched.last() == (Level.WARNING, "tags.csv: there is no such file: no tag has a bib until it is good")
    assert not watched.file.table
    watched.write(ONE)
    assert await watched.looks() == [False, True]


async def test_problems_are_one_incident(watched: Watched) -> None:
    await watched.open(ONE + "A2,\nA1,7\nA3,\nA4,\nA5,\n")
    level, said = watched.last()
    assert level is Level.WARNING
    assert said == (
        "tags.csv read: 1 tags, 1 bibs, 1 names; wrong: line 3: tag A2 has no bib; line 4: tag A1 belongs to bib 1 "
        "already, not to 7 too: the first counts; line 5: tag A3 has no bib; and 2 more "
        "(`racedeck config check` names them all)"
    )


async def test_another_file_and_none(watched: Watched, tmp_path: Path) -> None:
    await watched.open(ONE)
    other = tmp_path / "other.csv"
    other.write_text("A1,9\n")
    assert await watched.file.open(other)
    assert watched.file.table.bib("A1") == "9"
    assert await watched.file.open(None)
    assert not watched.file.table
    other.write_text("A1,8\n")
    assert await watched.looks(3) == [False] * 3


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be read: Is a directory"):
        load(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="it is not a file"):
        load(tmp_path / "pipe")
    with (tmp_path / "large.csv").open("w") as large:
        large.truncate(LARGEST + 1)
    with pytest.raises(ValueError, match="larger than 16 MB"):
        load(tmp_path / "large.csv")
