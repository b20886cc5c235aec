import concurrent.futures
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
from msgspec import structs

from console.journal import rows, upkeep, writer
from console.journal.journal import Committed, Counts, Journal, JournalFullError
from console.model import (
    SECOND,
    Direction,
    Draft,
    EventState,
    Judged,
    Kind,
    Level,
    Phase,
    Reading,
    RetransmitBegin,
    RetransmitEnd,
    Status,
    Trouble,
)
from tests.journal.event import (
    WALL,
    Listener,
    contents,
    cursor,
    draft,
    fill,
    open_journal,
    place,
    punch,
    start,
)


def test_nothing_is_announced_before_it_is_on_disk(tmp_path: Path) -> None:
    listener = Listener()
    missing: list[int] = []

    def committed(news: Committed) -> None:
        with closing(sqlite3.connect(f"file:{tmp_path}/event/journal.sqlite?mode=ro", uri=True)) as other:
            for table, rows in (("frames", news.frames), ("passings", news.passings), ("incidents", news.incidents)):
                there = {seq for (seq,) in other.execute(f"SELECT seq FROM {table}")}
                missing.extend(row.seq for row in rows if row.seq not in there)
        listener.committed(news)

    with closing(open_journal(tmp_path / "event", listener)) as journal:
        journal._writer._committed = committed
        fill(journal, listener, 40)
    assert missing == []


def test_frames_come_in_order_and_are_numbered_without_gaps(tmp_path: Path) -> None:
    listener = Listener()
    with closing(open_journal(tmp_path / "event", listener)) as journal:
        fill(journal, listener, 2500)
        assert [one.seq for one in listener.frames] == list(range(1, len(listener.frames) + 1))
        assert [one.seq for one in listener.passings] == list(range(1, len(listener.passings) + 1))
        kept = contents(journal)
    assert kept["frames"] == listener.frames
    assert kept["passings"] == listener.passings
    assert kept["incidents"] == listener.incidents
    assert kept["acts"] == listener.acts


def test_a_frame_keeps_every_byte(tmp_path: Path) -> None:
    listener = Listener()
    raw = bytes(range(256)) + b'\x1b[2J\n\n"\\' * 1000
    sent = structs.replace(
        draft(raw, label="two words", flaw="cut short"), direction=Direction.TX, masked=True, by="anna@van"
    )
    with closing(open_journal(tmp_path / "event", listener)) as journal:
        journal.frame(sent)
        listener.wait(lambda it: it.frames)
        frame = journal.reader().frame(1)
    assert frame == listener.frames[0]
    assert frame
    assert (frame.raw, frame.direction, frame.masked, frame.by) == (raw, Direction.TX, True, "anna@van")
    log = (tmp_path / "event" / "flight.log").read_bytes()
    assert b"\x1b" not in log


def test_a_large_frame_is_a_frame(tmp_path: Path) -> None:
    listener = Listener()
    raw = b"\0\xff" * 1_000_000
    with closing(open_journal(tmp_path / "event", listener)) as journal:
        journal.frame(draft(raw))
        journal.frame(place(1))
        listener.wait(lambda it: len(it.frames) == 2)
    with closing(open_journal(tmp_path / "event")) as journal:
        assert [len(one.raw) for one in journal.reader().frames()] == [len(raw), len(place(1).raw)]
        assert "all good" in journal.check()


def test_identity_holds_within_a_transaction_and_across_a_restart(tmp_path: Path) -> None:
    listener = Listener()
    with closing(open_journal(tmp_path / "event", listener)) as journal:
        for number in (1, 2, 1):
            journal.frame(place(number))
        journal.frame(punch("4711", 100))
        journal.frame(punch("4711", 120))
        listener.wait(lambda it: len(it.frames) == 5)
    with closing(open_journal(tmp_path / "event", listener)) as journal:
        journal.frame(place(2))
        journal.frame(punch("4711", 129))
        journal.frame(punch("4711", 131))
        listener.wait(lambda it: len(it.frames) == 8)
        counts = journal.counts()
    statuses = [(one.status, one.of) for one in listener.passings]
    live, repeat = (Status.LIVE, None), Status.REPEAT
    assert statuses == [live, live, (repeat, 1), live, (repeat, 4), (repeat, 2), (repeat, 4), live]
    assert counts == {
        "chute": Counts(frames=4, passings=2, repeats=2, flaws=0, nameless=2),
        "control-31": Counts(frames=4, passings=2, repeats=2, flaws=0),
    }


def test_timing_state_guns_and_generations_outlive_a_restart(tmp_path: Path) -> None:
    listener = Listener()
    directory = tmp_path / "event"
    with closing(open_journal(directory, listener)) as journal:
        journal.frame(start())
        journal.frame(place(1))
        journal.frame(place(3))
        listener.wait(lambda it: len(it.frames) == 3)
        state = journal.timing("chute")
        assert state.gun_wall == WALL
        assert state.holes == {"chute|1|11|places": [(2, 2)]}
        assert [one.frame for one in listener.incidents] == [3], "the missing place is said"
    with closing(open_journal(directory, listener)) as journal:
        assert journal.timing("chute") == state
        assert [(one.device, one.ns, one.wall, one.source) for one in journal.guns()] == [
            ("chute", 0, WALL, "START line")
        ]
        journal.frame(start("00:00:01.00", SECOND, number=900))  # the clock was set back: another race
        journal.frame(place(1))
        listener.wait(lambda it: len(it.frames) == 5)
        assert journal.timing("chute").generation == 2
        assert listener.passings[-1].status is Status.LIVE, "the second race is no correction of the first"
        assert [one.generation for one in journal.guns()] == [1, 2]


def test_phase_is_an_act_and_marks_what_follows(tmp_path: Path) -> None:
    listener = Listener()
    directory = tmp_path / "event"
    with closing(open_journal(directory, listener)) as journal:
        assert journal.event == EventState(phase=Phase.RACE, round=0)
        done = journal.act("phase", {"phase": "TEST"}, "anna@van")
        journal.frame(place(1))
        act = done.result(5)
        assert (act.seq, act.word, act.by) == (1, "phase", "anna@van")
        assert journal.act("phase", {"phase": "RACE"}, "anna@van").result(5).seq == 2
        journal.frame(place(1))
        listener.wait(lambda it: len(it.frames) == 2)
        assert [(one.phase, one.status) for one in listener.passings] == [
            (Phase.TEST, Status.LIVE),
            (Phase.RACE, Status.LIVE),
        ], "what was tested is not the race's"
        with pytest.raises(ValueError, match="LUNCH"):
            journal.act("phase", {"phase": "LUNCH"}, "anna@van").result(5)
    with closing(open_journal(directory)) as journal:
        assert journal.event == EventState(phase=Phase.RACE, round=1)


def test_cursors_are_coalesced_and_outlive_a_restart(tmp_path: Path) -> None:
    listener = Listener()
    directory = tmp_path / "event"
    with closing(open_journal(directory, listener)) as journal:
        for sent in range(1, 1001):
            journal.cursor(cursor(sent))
        journal.cursor(cursor(5, export="software"))
        listener.wait(lambda _: journal.cursors("software"))
        assert journal.cursors("scoring") == [cursor(1000)]
        journal.cursor(cursor(900))  # a resend: closing keeps it, however young
    with closing(open_journal(directory)) as journal:
        assert journal.cursors("scoring") == [cursor(900)]
        assert journal.cursors("software") == [cursor(5, export="software")]
        assert journal.cursors("other") == []
    lines = (directory / "flight.log").read_bytes().splitlines()
    assert sum(line[31:32] == b"C" for line in lines) < 20


def test_nothing_a_driver_says_stops_the_writer(tmp_path: Path) -> None:
    listener = Listener()
    huge = Reading(kind=Kind.PLACE, identity="x", series="s", position=2**70, window=1)
    lone = Reading(kind=Kind.PLACE, identity="\udc80")
    big = Reading(kind=Kind.PLACE, identity="y", ns=2**80)
    with closing(open_journal(tmp_path / "event", listener)) as journal:
        journal.frame(draft(b"1", huge))
        journal.frame(draft(b"2", lone))
        journal.frame(draft(b"3", big))
        journal.frame(draft(b"4", label="\udcff", flaw="\ud800", device="d\udcff"))
        journal.frame(structs.replace(draft(b"5"), wall=2**70, mono=-1))
        journal.trouble(Trouble(Level.NOTE, "\udcff", "\ud800"))
        journal.cursor(cursor(1, peer="\udcff"))
        journal.frame(place(1))
        listener.wait(lambda it: len(it.frames) == 6)
        assert [one.raw for one in listener.frames][:5] == [b"1", b"2", b"3", b"4", b"5"]
        assert listener.passings[-1].extra == {"place": 1}
        told = [one.text for one in listener.incidents if one.level is Level.ALARM]
        assert [text.partition(" is kept")[0] for text in told] == ["frame #1", "frame #2", "frame #3"]
        assert "all good" in journal.check()


def test_what_cannot_be_written_at_all_is_kept_as_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "RETRY", 0.01)
    listener = Listener()
    add_passing = rows.Tally.add_passing

    def unforeseen(tally: rows.Tally, judged: Judged) -> None:
        add_passing(tally, judged)
        if judged.passing.extra["place"] == 2:
            tally.generation = 2**70

    monkeypatch.setattr(rows.Tally, "add_passing", unforeseen)
    with closing(open_journal(tmp_path / "event", listener)) as journal:
        for number in (1, 2, 3):
            journal.frame(place(number))
            listener.wait(lambda it: len(it.frames) == number)  # noqa: B023
        assert [one.extra["place"] for one in listener.passings] == [1, 3]
        assert [one.raw for one in listener.frames] == [place(number).raw for number in (1, 2, 3)]
        listener.wait(lambda _: journal.state().state == "ok")


def test_a_listener_that_raises_stops_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    listener = Listener()

    def committed(news: Committed) -> None:
        listener.committed(news)
        raise RuntimeError("the engine's fault")

    with closing(open_journal(tmp_path / "event", listener)) as journal:
        journal._writer._committed = committed
        journal.frame(place(1))
        listener.wait(lambda it: len(it.frames) == 1)
        journal.frame(place(2))
        listener.wait(lambda it: len(it.frames) == 2)
    assert "the engine's fault" in caplog.text


def test_closing_writes_what_waits_and_may_be_done_twice(tmp_path: Path) -> None:
    listener = Listener()
    journal = open_journal(tmp_path / "event", listener)
    for number in range(1, 3001):
        journal.frame(place(number))
    journal.close()
    journal.close()
    assert len(listener.frames) == 3000
    assert isinstance(journal.act("gun", {}, "too late").exception(1), JournalFullError)
    names = {thread.name for thread in threading.enumerate()}
    assert not {name for name in names if name.startswith("journal")}
    assert not (tmp_path / "event" / "journal.sqlite-wal").exists()


def test_any_thread_may_put_in(tmp_path: Path) -> None:
    listener = Listener()
    with closing(open_journal(tmp_path / "event", listener)) as journal:

        def device(name: str) -> None:
            for number in range(1, 201):
                journal.frame(place(number, device=name))

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(device, ["a", "b", "c", "d"]))
        listener.wait(lambda it: len(it.frames) == 800)
        for name in ("a", "b", "c", "d"):
            own = [one.extra["place"] for one in listener.passings if one.device == name]
            assert own == list(range(1, 201))
            assert journal.counts()[name].passings == 200


def test_the_check_comes_by_itself(tmp_path: Path) -> None:
    listener = Listener()
    journal = Journal.open(tmp_path / "event", committed=listener.committed, changed=listener.changed, check_after=0.05)
    with closing(journal):
        journal.frame(place(1))
        listener.wait(lambda _: "all good" in journal.state().check)


def test_a_long_wal_begins_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "EVERY", 0.01)
    monkeypatch.setattr(upkeep, "WAL_PAGES", 40)
    monkeypatch.setattr(upkeep, "LONG_WAL", 20)
    listener = Listener()
    with closing(open_journal(tmp_path / "event", listener)) as journal:
        wal = tmp_path / "event" / "journal.sqlite-wal"
        for number in range(1, 401):
            journal.frame(place(number))
            listener.wait(lambda it: len(it.frames) == number)  # noqa: B023
        assert wal.stat().st_size < 400 * 10 * 4096 / 3
        assert "all good" in journal.check()


def test_places_without_a_bib_are_counted_until_another_line_brings_it(tmp_path: Path) -> None:
    listener = Listener()
    with closing(open_journal(tmp_path / "event", listener)) as journal:
        for number in (1, 2, 3):
            journal.frame(half(place(number)))
        journal.frame(half(place(2), bib="77"))
        journal.frame(half(place(2), bib="77"))
        listener.wait(lambda it: len(it.frames) == 5)
        assert journal.counts()["chute"] == Counts(frames=5, passings=3, repeats=1, nameless=2)
        assert "all good" in journal.check()  # counting the rows again gives the same


def test_a_bib_that_a_retransmit_adds_names_its_place(tmp_path: Path) -> None:
    listener = Listener()
    line = half(place(1), bib="77")
    (fact,) = line.facts
    assert isinstance(fact, Reading)
    blank = structs.replace(line, facts=(structs.replace(fact, bib=None, value="blank"),))
    again = structs.replace(line, facts=(RetransmitBegin(), structs.replace(fact, value="77"), RetransmitEnd()))
    with closing(open_journal(tmp_path / "event", listener)) as journal:
        journal.frame(blank)
        listener.wait(lambda it: len(it.frames) == 1)
        assert journal.counts()["chute"].nameless == 1
        journal.frame(again)
        listener.wait(lambda it: len(it.frames) == 2)
        assert journal.counts()["chute"].nameless == 0
        assert "all good" in journal.check()  # counting the rows again gives the same


def half(primary: Draft, bib: str | None = None) -> Draft:
    """A PRIMARY line, or with a bib the SELECT line of the same place."""
    (fact,) = primary.facts
    assert isinstance(fact, Reading)
    kind, identity = (Kind.SELECT, f"{fact.identity}/select") if bib else (Kind.PLACE, fact.identity)
    fact = structs.replace(fact, kind=kind, identity=identity, bib=bib, join=fact.identity)
    return structs.replace(primary, facts=(fact,))
