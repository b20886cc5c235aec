"""The newest incidents, and the alarms that nobody has acknowledged."""

from console.engine.incidents import RECENT, Incidents
from console.model import Incident, Level


def incident(seq: int, level: Level = Level.ALARM, text: str = "SILENT") -> Incident:
    return Incident(seq=seq, wall=seq, level=level, source="chute", text=text)


def numbers(incidents: Incidents) -> list[int]:
    return [one.seq for one in incidents.alarms]


def test_an_alarm_stands_until_it_is_acknowledged() -> None:
    kept = Incidents()
    for one in (incident(1), incident(2, Level.WARNING), incident(3, text="DOWN")):
        kept.take(one)
    assert numbers(kept) == [1, 3]
    kept.acknowledge(1)
    assert numbers(kept) == [3]
    kept.acknowledge(3)
    kept.acknowledge(2)
    assert numbers(kept) == []
    kept.take(incident(4))
    assert numbers(kept) == [4]


def test_the_same_again_is_one_alarm() -> None:
    kept = Incidents()
    for seq in (1, 2, 3):
        kept.take(incident(seq, text="DOWN" if seq == 2 else "SILENT"))
    assert numbers(kept) == [2, 3]


def test_what_is_told_again_is_known() -> None:
    kept = Incidents()
    for seq in (1, 2, 2, 1):
        kept.take(incident(seq, text=str(seq)))
    assert [one.seq for one in kept.recent] == [1, 2]
    kept.acknowledge(1)
    kept.forget()
    assert not kept.recent
    for seq in (1, 2):
        kept.take(incident(seq, text=str(seq)))
    assert numbers(kept) == [2], "what was acknowledged stays so"


def test_only_the_newest_are_kept() -> None:
    kept = Incidents()
    for seq in range(1, 2 * RECENT):
        kept.take(incident(seq, Level.NOTE))
    assert len(kept.recent) == RECENT
    assert kept.recent[-1].seq == 2 * RECENT - 1
