import shutil
from contextlib import closing
from pathlib import Path

import pytest

from console.journal import upkeep
from console.journal.recovery import recover
from tests.journal.event import Listener, fill, open_journal, place


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "EVERY", 0.02)


def test_the_mirror_has_every_line(tmp_path: Path) -> None:
    listener, stick = Listener(), tmp_path / "stick"
    stick.mkdir()
    with closing(open_journal(tmp_path / "event", listener, mirror=stick)) as journal:
        fill(journal, listener, 50)
        listener.wait(lambda _: (stick / "event" / "flight.log").exists())
    log = (tmp_path / "event" / "flight.log").read_bytes()
    assert (stick / "event" / "flight.log").read_bytes() == log
    with closing(open_journal(tmp_path / "event", listener, mirror=stick)) as journal:
        journal.frame(place(51))
    assert (stick / "event" / "flight.log").read_bytes() == (tmp_path / "event" / "flight.log").read_bytes()
    assert recover(stick / "event" / "flight.log", tmp_path / "spare").frames == len(listener.frames)


def test_a_stick_that_is_pulled_is_an_incident_and_catches_up(tmp_path: Path) -> None:
    listener, stick = Listener(), tmp_path / "stick"
    stick.mkdir()
    copy = stick / "event" / "flight.log"
    with closing(open_journal(tmp_path / "event", listener, mirror=stick)) as journal:
        listener.wait(lambda _: copy.exists())
        shutil.move(stick, tmp_path / "pulled")
        stick.write_text("not a directory any more")
        listener.wait(lambda it: [one for one in it.incidents if one.text.startswith("mirror: ")])
        fill(journal, listener, 50)
        assert journal.state().state == "ok", "a mirror stops nothing"
        stick.unlink()
        shutil.move(tmp_path / "pulled", stick)
        listener.wait(lambda it: [one for one in it.incidents if "written again, and complete" in one.text])
        assert sum(one.text.startswith("mirror: ") for one in listener.incidents) == 2, "said once each"
    assert copy.read_bytes() == (tmp_path / "event" / "flight.log").read_bytes()


def test_a_stick_that_is_not_there_is_awaited(tmp_path: Path) -> None:
    listener, stick = Listener(), tmp_path / "media" / "stick"
    with closing(open_journal(tmp_path / "event", listener, mirror=stick)):
        listener.wait(lambda it: [one for one in it.incidents if "plugged in" in one.text])
        assert not stick.parent.exists()
        stick.mkdir(parents=True)
        listener.wait(lambda _: (stick / "event" / "flight.log").exists())


def test_another_log_on_the_stick_is_moved_aside(tmp_path: Path) -> None:
    stick = tmp_path / "stick.log"
    stick.write_text("something else\n")
    listener = Listener()
    with closing(open_journal(tmp_path / "event", listener, mirror=stick)):
        listener.wait(lambda it: [one for one in it.incidents if "kept as stick.log.1" in one.text])
    assert (tmp_path / "stick.log.1").read_text() == "something else\n"
    assert stick.read_bytes() == (tmp_path / "event" / "flight.log").read_bytes()
