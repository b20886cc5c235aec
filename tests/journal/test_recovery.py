import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from console.journal import rows, twin
from console.journal.flight import find, read_tail
from console.journal.journal import Journal
from console.journal.lines import Heads, Kept, Saved
from console.journal.recovery import RecoveryError, recover
from console.model import Direction, Frame, TimingState
from tests.journal.event import Listener, contents, cursor, fill, open_journal, place


@pytest.fixture(scope="module")
def event(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, list[Any]], Any]:
    """A closed event, its contents, and the rest of what it knows."""
    directory = tmp_path_factory.mktemp("event") / "spring-10k"
    listener = Listener()
    with closing(open_journal(directory, listener)) as journal:
        journal.act("phase", {"phase": "TEST"}, "anna").result(5)
        fill(journal, listener, 40)
        journal.act("phase", {"phase": "RACE"}, "anna").result(5)
        fill(journal, listener, 60, first=41)
    with closing(open_journal(directory)) as journal:
        return directory, contents(journal), rest(journal)


def rest(journal: Journal) -> Any:
    cursors = sorted(journal.cursors("scoring"), key=lambda one: one.peer)
    return journal.event, journal.counts(), journal.timing("chute"), journal.guns(), cursors


@pytest.fixture
def copy(event: tuple[Path, dict[str, list[Any]], Any], tmp_path: Path) -> Iterator[Path]:
    """A copy to spoil; afterwards it must hold all that the event held, and agree with itself."""
    directory = shutil.copytree(event[0], tmp_path / "spring-10k")
    yield directory
    with closing(open_journal(directory)) as journal:
        assert "in neither" not in journal.check()
        found = contents(journal)
        found["incidents"] = found["incidents"][: len(event[1]["incidents"])]
        assert found == event[1]
        assert rest(journal) == event[2]


def lines_of(directory: Path) -> list[bytes]:
    return (directory / "flight.log").read_bytes().splitlines(keepends=True)


def test_a_log_cut_short_gets_what_it_lacks_at_once(copy: Path) -> None:
    log = copy / "flight.log"
    data = log.read_bytes()
    log.write_bytes(data[: len(data) * 2 // 3])
    open_journal(copy).close()
    numbers = {line[31:42] for line in lines_of(copy) if rows_line(line)}
    assert {b"F 000000001", b"F 000000100", b"P 000000100"} <= numbers


def rows_line(line: bytes) -> bool:
    return line[31:32] in b"FPIAN"


def test_a_lost_log_is_written_anew(copy: Path) -> None:
    before = {line for line in lines_of(copy) if rows_line(line)}
    (copy / "flight.log").unlink()
    open_journal(copy).close()
    assert {line for line in lines_of(copy) if rows_line(line)} == before


def test_a_long_lost_log_is_written_anew_by_the_check(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(twin, "CATCH_UP", 10)
    before = {line for line in lines_of(copy) if rows_line(line)}
    (copy / "flight.log").unlink()
    with closing(open_journal(copy)) as journal:
        assert "written to the flight log again" in journal.check()
    assert {line for line in lines_of(copy) if rows_line(line)} >= before


def test_numbers_never_repeat_where_the_database_has_lost_its_end(copy: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(copy / "journal.sqlite")) as connection:
        last = connection.execute("SELECT max(seq) FROM frames").fetchone()[0]
        for table in ("frames", "passings"):
            connection.execute(f"DELETE FROM {table} WHERE seq > 50")
        connection.execute("DELETE FROM states")
        connection.execute("DELETE FROM cursors")
        connection.commit()
    other = shutil.copytree(copy, tmp_path / "other" / "spring-10k")
    listener = Listener()
    with closing(open_journal(other, listener)) as journal:
        assert journal.state().frames == last
        journal.frame(place(101))
        listener.wait(lambda it: it.frames)
        assert listener.frames[0].seq == last + 1
        text = next(one.text for one in journal.reader().incidents() if "had lost its last rows" in one.text)
        assert f"{last - 50} frames" in text


def test_recover_from_the_log_alone(event: tuple[Path, dict[str, list[Any]], Any], tmp_path: Path) -> None:
    stick = tmp_path / "from-the-stick.log"
    shutil.copy(event[0] / "flight.log", stick)
    spare = tmp_path / "spare" / "spring-10k"
    found = recover(stick, spare)
    assert (found.event, found.bad_lines, found.missing, found.cursors) == ("spring-10k", 0, {}, 2)
    assert (found.frames, found.passings) == (len(event[1]["frames"]), len(event[1]["passings"]))
    assert (found.incidents, found.acts) == (len(event[1]["incidents"]), len(event[1]["acts"]))
    assert found.numbers == len(event[1]["numbers"])
    with closing(open_journal(spare)) as journal:
        assert contents(journal) == event[1]
        assert rest(journal) == event[2]
        assert "all good" in journal.check()
    assert (spare / "flight.log").read_bytes().startswith(stick.read_bytes())


def test_recover_says_what_is_missing(event: tuple[Path, dict[str, list[Any]], Any], tmp_path: Path) -> None:
    lines = lines_of(event[0])
    spoiled = [
        line.replace(b"rx", b"xr") if line[31:42] in (b"F 000000017", b"F 000000018") else line for line in lines
    ]
    log = tmp_path / "flight.log"
    log.write_bytes(b"".join(spoiled) + lines[-1][:40])
    found = recover(log, tmp_path / "spare")
    assert found.missing == {"frames": [(17, 18)]}
    assert found.bad_lines == 3
    with closing(open_journal(tmp_path / "spare")) as journal:
        assert "in neither: frames 17-18" in journal.check()


def test_recover_in_place(event: tuple[Path, dict[str, list[Any]], Any], tmp_path: Path) -> None:
    shutil.copy(event[0] / "flight.log", tmp_path / "flight.log")
    assert recover(tmp_path / "flight.log", tmp_path).frames == len(event[1]["frames"])


def test_recover_overwrites_nothing_and_believes_nothing(
    event: tuple[Path, dict[str, list[Any]], Any], tmp_path: Path
) -> None:
    with pytest.raises(RecoveryError, match="no such file"):
        recover(tmp_path / "nowhere.log", tmp_path / "spare")
    with pytest.raises(RecoveryError, match=r"journal\.sqlite exists already"):
        recover(event[0] / "flight.log", event[0])
    (tmp_path / "occupied").mkdir()
    (tmp_path / "occupied" / "flight.log").write_text("another event\n")
    with pytest.raises(RecoveryError, match=r"flight\.log exists already"):
        recover(event[0] / "flight.log", tmp_path / "occupied")
    (tmp_path / "letter.txt").write_text("Dear scoring,\n" * 1000)
    with pytest.raises(RecoveryError, match="not one line of a RaceDeck flight log"):
        recover(tmp_path / "letter.txt", tmp_path / "spare")
    assert list((tmp_path / "spare").iterdir()) == []


# --- the log's own parts ---


def frame(seq: int, raw: bytes = b"x") -> Frame:
    return Frame(seq=seq, device="chute", direction=Direction.RX, wall=seq, mono=seq, raw=raw)


def test_the_newest_valid_line_holds(tmp_path: Path) -> None:
    log = tmp_path / "flight.log"
    good, better = rows.sealed(frame(7, b"old")), rows.sealed(frame(7, b"new"))
    log.write_bytes(good + better + rows.sealed(frame(8, b" F 000000007 ")) + good.replace(b"old", b"bad"))
    assert find(log, "F", 7) == frame(7, b"new")
    assert find(log, "F", 9) is None
    assert find(tmp_path / "nowhere", "F", 7) is None


def test_of_states_and_cursors_the_newest_number_holds(tmp_path: Path) -> None:
    log = tmp_path / "flight.log"
    old, new = TimingState(event="1"), TimingState(event="2")
    entries = [
        frame(9),
        Kept(9, 9, "chute", new),
        Kept(5, 5, "chute", old),
        Saved(4, 4, cursor(40)),
        Saved(3, 3, cursor(30)),
    ]
    log.write_bytes(b"".join(map(rows.sealed, entries)))
    recover(log, tmp_path / "spare")
    with closing(open_journal(tmp_path / "spare")) as journal:
        assert journal.timing("chute") == new
        assert journal.cursors("scoring") == [cursor(40)]


def test_the_end_of_a_long_log_is_enough(event: tuple[Path, dict[str, list[Any]], Any], tmp_path: Path) -> None:
    log = tmp_path / "flight.log"
    last = len(event[1]["frames"])
    data = (event[0] / "flight.log").read_bytes()
    log.write_bytes(b"\0" * 3_000_000 + b"\n" + data)
    tail = read_tail(log, None)
    assert tail.heads.frames == last
    beyond = read_tail(log, Heads(frames=last - 2, passings=10**6, incidents=10**6, acts=10**6, cursors=10**6)).beyond
    assert {one.seq for one in beyond if isinstance(one, Frame)} == {last - 1, last}
