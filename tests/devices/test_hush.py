from console.devices.hush import KINDS, PERIOD, Hush


def test_the_first_is_said_and_the_others_are_counted() -> None:
    hush = Hush()
    assert hush.due() is None
    assert [hush.says("checksum", now) for now in (0, 1, 2)] == [True, False, False]
    assert hush.says("cut short", 3)
    assert hush.due() == PERIOD
    assert hush.ended(PERIOD - 1) == []
    assert hush.ended(PERIOD) == [("checksum", 2)]
    assert not hush.says("checksum", PERIOD + 1)
    assert hush.ended(2 * PERIOD) == [("checksum", 1)]


def test_a_kind_that_stays_away_is_forgotten() -> None:
    hush = Hush()
    hush.says("checksum", 0)
    assert hush.ended(PERIOD) == []
    assert hush.due() is None
    assert hush.says("checksum", PERIOD)


def test_kinds_without_number_do_not_fill_the_memory() -> None:
    hush = Hush()
    said = [hush.says(f"kind {number}", 0) for number in range(10 * KINDS)]
    assert said == [True] * KINDS + [False] * 9 * KINDS
    assert hush.ended(PERIOD) == [("others", 9 * KINDS)]
