"""The lap table: lanes, the counter's turns, splits from totals."""

import pytest

from console.codecs import timemachine as codec
from console.model import SECOND, Phase, Sheet, Status
from console.sheets import PAGE, make
from console.simulators.port import Port
from console.simulators.timemachine import TimeMachine
from tests.sheets.passings import lap, sources


def column(sheet: Sheet, name: str) -> list[str]:
    at = [heading.strip() for heading in sheet.columns].index(name)
    return [row[at] for row in sheet.rows]


class Silent(Port):
    """A port on which nobody is."""

    async def read(self) -> bytes:
        return b""

    def write(self, data: bytes) -> None:
        pass

    async def close(self) -> None:
        pass


def test_seventy_laps_of_a_timer_whose_counter_turns_at_thirty() -> None:
    machine = TimeMachine(Silent(), clock=lambda: 0)
    ran = [machine.lap(lane, ns=(number * 90 + lane) * SECOND) for number in range(1, 71) for lane in (1, 2)]
    assert [one.lap for one in ran if one.lane == 1][28:33] == [29, 30, 0, 1, 2]
    rows = [lap(seq, one.lane, one.lap, one.total, one.split) for seq, one in enumerate(ran, 1)]
    sheet = make("laps", sources(rows))
    assert column(sheet, "LANE") == ["1"] * 70 + ["2"] * 70
    assert column(sheet, "LAP") == [str(number) for number in range(1, 71)] * 2
    assert column(sheet, "SPLIT") == column(sheet, "BY TOTALS")
    assert sheet.marks == {}
    assert sheet.note == ""


def test_a_split_that_is_not_the_difference_of_totals_is_flagged() -> None:
    rows = [
        lap(1, 1, 1, "00:01:02.34", "01:02.34"),
        lap(2, 1, 2, "00:02:10.00", "01:07.65"),
        lap(3, 1, 3, "00:03:10.00", "01:00.00"),
    ]
    sheet = make("laps", sources(rows))
    assert column(sheet, "BY TOTALS") == ["01:02.34", "01:07.66", "01:00.00"]
    assert column(sheet, "NOTE") == ["", "split differs by 0.01 s", ""]
    assert sheet.marks == {1: "bad"}
    assert sheet.note == "1 of 3 splits differ from their totals"


@pytest.mark.parametrize(
    ("split", "note"),
    [
        ("05:00.00", "split without its hours"),  # 65 minutes, begun anew at 60
        ("65:00.00", ""),
        ("04:59.99", "split differs by 3600.01 s"),
    ],
)
def test_a_lap_of_more_than_an_hour_is_told_by_its_totals(split: str, note: str) -> None:
    sheet = make("laps", sources([lap(1, 1, 1, "00:10:00.00", "10:00.00"), lap(2, 1, 2, "01:15:00.00", split)]))
    assert column(sheet, "BY TOTALS")[1] == "1:05:00.00"
    assert column(sheet, "NOTE")[1] == note


def test_a_split_begun_anew_at_a_hundred_minutes() -> None:
    rows = [lap(1, 1, 1, "00:10:00.00", "10:00.00"), lap(2, 1, 2, "01:55:00.00", "05:00.00")]
    sheet = make("laps", sources(rows))
    assert column(sheet, "NOTE")[1] == "split without its hours"
    assert column(sheet, "BY TOTALS")[1] == "1:45:00.00"


def test_missing_laps_leave_no_invented_split() -> None:
    rows = [
        lap(1, 4, 29, "00:29:00.00", "01:00.00"),
        lap(2, 4, 1, "00:32:00.00", "01:00.00"),
        lap(3, 4, 2, "00:33:00.00", "01:00.00"),
    ]
    sheet = make("laps", sources(rows))
    assert column(sheet, "LAP") == ["29", "32", "33"]
    assert column(sheet, "BY TOTALS") == ["-", "-", "01:00.00"]
    assert column(sheet, "NOTE") == ["MISSING lap 1-28", "MISSING lap 30-31", ""]


def test_the_first_lap_heard_is_a_zero_after_thirty() -> None:
    sheet = make("laps", sources([lap(1, 1, 0, "00:31:00.00", "01:00.00")]))
    assert column(sheet, "LAP") == ["31"]
    assert column(sheet, "PRINTED") == ["0"]


def test_a_lap_told_by_a_retransmit_stands_where_it_belongs() -> None:
    rows = [
        lap(1, 1, 1, "00:01:00.00", "01:00.00"),
        lap(2, 1, 3, "00:03:00.00", "01:00.00"),
        lap(3, 1, 1, "00:01:00.00", "01:00.00", status=Status.REPEAT, of=1),
        lap(4, 1, 2, "00:02:00.00", "01:00.00"),
    ]
    sheet = make("laps", sources(rows))
    assert column(sheet, "LAP") == ["1", "2", "3"]
    assert set(column(sheet, "NOTE")) == {""}


def test_the_same_lap_number_again_is_said() -> None:
    rows = [lap(1, 1, 1, "00:01:00.00", "01:00.00"), lap(2, 1, 1, "00:01:30.00", "00:30.00")]
    sheet = make("laps", sources(rows))
    assert column(sheet, "NOTE") == ["", "lap 1 a second time"]


def test_runs_events_and_devices_are_kept_apart() -> None:
    rows = [
        lap(1, 1, 1, "00:01:00.00", "01:00.00", generation=1, phase=Phase.TEST),
        lap(2, 1, 1, "00:01:10.00", "01:10.00", generation=2),
        lap(3, 1, 1, "00:01:20.00", "01:20.00", generation=2, event="002"),
        lap(4, 1, 1, "00:01:30.00", "01:30.00", generation=2, device="track"),
    ]
    sheet = make("laps", sources(rows))
    assert list(zip(column(sheet, "RUN"), column(sheet, "EVENT"), column(sheet, "LAP"), strict=True)) == [
        ("1 TEST", "001", "1"),
        ("2", "001", "1"),
        ("2", "002", "1"),
    ]
    everywhere = make("laps", sources(rows, device=""))
    assert column(everywhere, "DEVICE") == ["chute"] * 3 + ["track"]
    assert all(len(row) == len(everywhere.columns) for row in everywhere.rows)


def test_every_page_is_read() -> None:
    rows = [lap(seq, 1, seq % 31, codec.clock_text(seq * 30 * SECOND), "00:30.00") for seq in range(1, PAGE + 50)]
    sheet = make("laps", sources(rows))
    assert column(sheet, "LAP")[-1] == str(PAGE + 49)
    assert sheet.marks == {}


def test_nothing_timed_is_an_empty_table() -> None:
    sheet = make("laps", sources([]))
    assert sheet.rows == []
    assert sheet.note == ""
