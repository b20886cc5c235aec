"""What is checked before a line goes to a station, against what its firmware would make of the line."""

import calendar
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.codecs.otimcon import LINE_BUFFER, Decoder
from console.codecs.otimcon_records import Blank, Prompt, Record, Time
from console.devices import otimcon_commands as table
from console.devices.otimcon import Otimcon
from console.devices.otimcon_commands import as_read, control, line_of, moment, raw, risk, since, text
from console.devices.otimcon_replies import clock, reply
from console.model import CommandError, find
from console.simulators.otimcon_firmware import Station
from console.simulators.otimcon_versions import VERSIONS, Firmware
from tests.devices.otimcon_cable import WALL, Cable

VERSION = st.sampled_from(VERSIONS)
COMMANDS = tuple(one for one in Otimcon.commands if one in vars(table).values())


class Bench:
    """A station whose firmware runs a line at once."""

    def __init__(self, version: str = "0.22", mode: str = "CONTROL") -> None:
        self.cable = Cable()
        self.station = Station(self.cable, version=version, mode=mode, clock=1795169730, monotonic=lambda: 0.0)
        self.printed = b""
        self.cable.write = self._print  # type: ignore[method-assign]

    def _print(self, data: bytes) -> None:
        self.printed += data

    def run(self, line: str) -> list[Record]:
        """The answer to `line`."""
        self.printed = b""
        self.station._ring += line.encode() + b"\n"
        self.station._read_serial()
        records = [piece.record for piece in Decoder().receive(self.printed)]
        assert None not in records
        return [
            one for one in records if one and not isinstance(one, Prompt | Blank) and type(one).__name__ != "Heading"
        ]

    def obeys(self, words: str) -> bool:
        """Check, run and compare, as the commander does; False where it is not sent. The reply must be good."""
        try:
            info, values = find(COMMANDS, words)
            line = line_of(info, values, self.station.firmware.number)
        except CommandError:
            return False
        told = reply(line, self.run(line), self.station.firmware.number, WALL, self.cable.zone)
        assert told.ok, (line, self.printed, told.text)
        return True

    def lasting(self) -> tuple[object, ...]:
        """What a command changes of it."""
        at = self.station
        return at.mode, at.control, at.clock(), at._time(), at.pointer, at._job, bytes(at._job_data), at._escpos


ODD_WORD = st.one_of(
    st.integers(-300, 70_000).map(str),
    st.sampled_from(["start", "FINISH", "0x1f", "12abc", "+7", "007", "٣١", "", "1e2", " 9"]),
    st.text(max_size=6),
)


@given(VERSION, ODD_WORD)
def test_a_control_number_that_passes_is_the_one_it_has(version: str, word: str) -> None:
    bench = Bench(version)
    if bench.obeys(f"SET CTRL {word}"):
        assert bench.station.control == control(word.split()[0])


DIGITS = st.one_of(
    st.integers(631_152_000, 4_102_444_800).map(lambda one: f"{datetime.fromtimestamp(one, UTC):%Y%m%d%H%M%S}"),
    st.from_regex(r"20[0-3][0-9]{5,13}", fullmatch=True),
    st.text(max_size=16),
)


@given(VERSION, DIGITS)
def test_a_time_that_passes_is_the_one_it_shows(version: str, digits: str) -> None:
    bench = Bench(version)
    if digits.strip() and bench.obeys(f"SET TIME {digits}"):
        assert bench.station.clock() == calendar.timegm(moment(digits.strip()).timetuple())


@given(st.text(max_size=32) | st.text("Ab 0~", min_size=1, max_size=32))
def test_a_text_that_passes_is_what_the_card_gets(given_: str) -> None:
    bench = Bench(mode="WRITER")
    if bench.obeys(f"WRITE INFO {given_}"):
        written = bytes(bench.station._job_data).rstrip(b"\0").decode()
        assert written == text(given_.strip()) + " "
        assert written.split() == given_.split()


@given(ODD_WORD, DIGITS)
def test_a_control_that_passes_is_what_the_card_gets(word: str, digits: str) -> None:
    bench = Bench("0.2", mode="WRITER")
    if bench.obeys(f"WRITE CONTROL {word} {digits}"):
        job = bench.station._job_data
        assert job[0] == control(word.split()[0])
        assert int.from_bytes(job[1:5], "big") == calendar.timegm(moment(digits.split()[0]).timetuple())


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("mode", [*table.MODES, table.CRAZY])
def test_a_mode_passes_where_the_version_knows_it(version: str, mode: str) -> None:
    bench = Bench(version, "READOUT")
    assert bench.obeys(f"SET MODE {mode}") == (mode in Firmware(version).modes)
    if mode in Firmware(version).modes:
        assert bench.station.mode == mode.replace("CRAZY_", "")


@pytest.mark.parametrize("version", VERSIONS)
def test_so_do_the_other_commands(version: str) -> None:
    bench = Bench(version)
    for words, first in (("SET RESET_BACKUP", "0.16"), ("GET TIME", ""), ("GET CTRL", ""), ("GET VERSION", "")):
        assert bench.obeys(words) == (not first or since(version, first)), words
    for words in ("GET MODE", "GET VOLTAGE", "?", "? SET", "? GET"):
        assert bench.obeys(words), words
    assert bench.obeys("? WRITE") == since(version, "0.2")


TOKENS = st.sampled_from(
    (
        *("SET", "GET", "WRITE", "PING", "BLEEP", "?", "set", "X", "45", "20261120101530"),
        *("MODE", "CLEAR", "CONTROL", "READOUT", "PRINT", "POS", "CONTROL_WITH", "FROZEN_CONTROL"),
        *("TIME", "CTRL", "INFO", "RESET_BACKUP", "RESET_BACKUPXYZ"),
    )
)


@given(VERSION, st.sampled_from(["CONTROL", "READOUT", "WRITER", "CLEAR"]), st.lists(TOKENS, min_size=1, max_size=5))
def test_a_raw_line_that_changes_the_station_says_so(version: str, mode: str, tokens: list[str]) -> None:
    bench = Bench(version, mode)
    bench.station.pointer = 48
    line = "  ".join(tokens)[:LINE_BUFFER]
    before = bench.lasting()
    bench.run(raw(line) if line.strip() else "?")
    said = risk(line, mode)
    assert said.changes or bench.lasting() == before
    assert said.destroys or bench.station.mode == mode
    assert said.destroys or bench.station.pointer == 48
    if bench.station.mode == "CLEAR" != mode:
        assert said.destroys == table.CLEARS


def test_the_firmware_reads_twelve_characters_of_a_command() -> None:
    assert as_read("  SET   RESET_BACKUPXYZ  x") == ["SET", "RESET_BACKUP", "x"]
    assert risk("SET RESET_BACKUPXYZ", "CONTROL").destroys
    assert risk("SET MODE CLEAR x", "CLEAR").destroys == table.CLEARS
    assert not risk("SET MODE CONTROL", "CONTROL").destroys
    assert risk("SET MODE READOUT", "CONTROL").destroys == "its mode changes from CONTROL to READOUT"
    assert "frozen anew" in risk("SET MODE FROZEN_CONTROL", "FROZEN_CONTROL").destroys
    assert not risk("GET MODE", "CONTROL").changes


@pytest.mark.parametrize(
    ("words", "version", "why"),
    [
        ("SET CTRL 0", "", "1 to 250"),
        ("SET CTRL 255", "", "1 to 250"),
        ("SET CTRL 12abc", "", "1 to 250"),
        ("SET CTRL 260", "", "1 to 250"),
        ("SET CTRL", "", "control is missing"),
        ("SET TIME 20261120", "", "14 digits"),
        ("SET TIME 20261320101530", "", "real date"),
        ("SET TIME 20260229101530", "", "real date"),
        ("SET TIME 19991231235959", "", "2000 to 2037"),
        ("SET TIME 20380101000000", "", "2000 to 2037"),
        ("SET TIME 20261120101530x", "", "14 digits"),
        ("SET MODE CONTROLL", "", "must be one of"),
        ("SET MODE CONTROL POS", "", "POS goes with PRINT"),
        ("SET MODE PRINT", "0.19", "firmware 0.19: PRINT came with 0.2"),
        ("SET MODE CRAZY_READOUT", "0.2", "0.18 and 0.19 only"),
        ("SET RESET_BACKUP", "0.14", "came with 0.16"),
        ("BLEEP", "0.21", "came with 0.22"),
        ("WRITE INFO BAUER", "0.19", "came with 0.2"),
        ("WRITE INFO", "", "text is missing"),
        ("WRITE INFO MÜLLER", "", "not ASCII"),
        ("WRITE INFO " + "x" * 29, "", "29 characters"),
        ("WRITE CONTROL 31", "", "YYYYMMDDhhmmss is missing"),
        ("WRITE CONTROL 0 20261120101530", "", "1 to 250"),
        ("WRITE CTRL 31 20261131000000", "", "real date"),
        ("RAW " + "x" * 49, "", "49 characters"),
        ("RAW SET\tMODE", "", "printable ASCII"),
        ("RAW GRÜSS", "", "printable ASCII"),
    ],
)
def test_what_is_not_sent(words: str, version: str, why: str) -> None:
    with pytest.raises(CommandError, match=why):
        line_of(*find(COMMANDS, words), version)


@pytest.mark.parametrize(
    ("words", "version", "line"),
    [
        ("set ctrl start", "0.22", "SET CTRL START"),
        ("SET CTRL START", "0.19", "SET CTRL 251"),
        ("SET CTRL 031", "0.22", "SET CTRL 31"),
        ("SET MODE PRINT pos", "0.2", "SET MODE PRINT POS"),
        ("WRITE INFO  BAUER   Eva ", "0.22", "WRITE INFO BAUER Eva"),
        ("WRITE CONTROL FINISH 20261120101530", "0.2", "WRITE CONTROL 252 20261120101530"),
        ("WRITE CTRL 31 20261120101530", "0.2", "WRITE CONTROL 31 20261120101530"),
        ("RAW  set  mode x", "0.22", "set  mode x"),
        ("? set", "0.22", "? SET"),
    ],
)
def test_what_is_sent(words: str, version: str, line: str) -> None:
    assert line_of(*find(COMMANDS, words), version) == line


@given(st.binary(max_size=60).map(lambda noise: Decoder().receive(noise + b"\n")), VERSION, st.data())
def test_no_answer_is_taken_for_another(pieces: list[object], version: str, data: st.DataObject) -> None:
    """Whatever comes, it is put in words; and what answers another command answers none of these."""
    others = {
        "GET TIME": "Time",
        "SET CTRL 45": "Control",
        "SET MODE READOUT": "Mode",
        "SET TIME 20261120101530": "Time",
    }
    line = data.draw(st.sampled_from(list(others)))
    bench = Bench(version)
    answers = [*bench.run("GET VERSION"), *bench.run("GET VOLTAGE"), *bench.run("GET CTRL"), *bench.run("GET MODE")]
    answers += bench.run("NONSENSE") + [piece.record for piece in pieces if piece.record]  # type: ignore[attr-defined]
    answer = data.draw(st.sampled_from(answers))
    told = reply(line, [answer], version, WALL, bench.cable.zone)
    assert told.text
    assert not told.ok or type(answer).__name__ == others[line]
    if line == "SET CTRL 45" and not told.ok:
        assert "45" in told.text or "answer" in told.text or "know" in told.text


def test_keys_are_each_used_once() -> None:
    keys = [one.key for one in Otimcon.commands if one.key]
    assert len(keys) == len(set(keys))
    assert {one.key for one in COMMANDS} == set("ptcevmohwTCMRIW") | {""}
    assert all(one.changes == (one.key.isupper() or one is table.WRITE_CTRL) for one in COMMANDS)


def test_clocks_that_tell_no_epoch() -> None:
    assert clock(Time(None, "2016/8/7 9:5:3")) == 1470560703
    assert clock(Time(None, "2016/13/7 9:5:3")) is None
    assert clock(Time(12, "whatever")) == 12
