import pytest

from console.devices.drift import drift
from console.model import SECOND, Basis, Heard, Kind, Origin, Reading
from console.timing.bind import find_zone


def reading(basis: Basis, ns: int, **more: object) -> Heard:
    return Heard(raw=b"x", label="x", facts=(Reading(kind=Kind.PUNCH, identity="x", basis=basis, ns=ns, **more),))  # type: ignore[arg-type]


def test_drift_is_the_device_minus_our_clock_in_the_zone_of_the_event() -> None:
    paris = find_zone("Europe/Paris")
    wall = 1_750_000_000 * SECOND  # 2025-06-15 15:06:40 UTC, 17:06:40 in Paris
    day = ((17 * 60 + 6) * 60 + 42) * SECOND
    assert drift(reading(Basis.DAY, day), wall, paris) == 2 * SECOND
    assert drift(reading(Basis.EPOCH, (1_750_000_000 + 7200 - 3) * SECOND), wall + SECOND // 2, paris) == -3 * SECOND
    midnight = wall - ((17 * 60 + 6) * 60 + 40) * SECOND
    assert drift(reading(Basis.DAY, 86_399 * SECOND), midnight + SECOND, paris) == -2 * SECOND


@pytest.mark.parametrize(
    ("late", "ahead"),
    [(0, 0), (0.999, 0), (1.2, 0), (2.7, -2), (3.2, -3), (-0.9, 0), (-1.9, 2), (-7200.4, 7201)],
)
def test_of_a_clock_that_shows_whole_seconds_no_more_is_known(late: float, ahead: int) -> None:
    shown = 1_750_000_000 * SECOND
    told = Heard(raw=b"x", label="time", clock=shown)
    for frame in (told, reading(Basis.EPOCH, shown)):
        assert drift(frame, shown + int(late * SECOND), find_zone("UTC"), 5) == ahead * SECOND


@pytest.mark.parametrize(
    "frame",
    [
        Heard(raw=b"x", label="x"),
        reading(Basis.RACE, 0),
        reading(Basis.SPAN, 0),
        reading(Basis.DAY, 0, origin=Origin.RETRANSMIT),
        reading(Basis.EPOCH, 0, origin=Origin.READOUT),
        reading(Basis.DAY, 0, change="bib"),
        reading(Basis.EPOCH, 1 << 80),
    ],
)
def test_what_tells_no_drift_leaves_the_last(frame: Heard) -> None:
    assert drift(frame, 1_750_000_000 * SECOND, find_zone("UTC")) is None
    assert drift(frame, 1_750_000_000 * SECOND, find_zone("UTC"), 5) == 5
