import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.codecs.otimcon import Decoder
from console.codecs.otimcon_memory import DAY, LINES, Memory, Stored
from console.codecs.otimcon_records import BackupLine
from console.simulators.otimcon_firmware import Station
from console.simulators.port import Port

NOON = 1_795_176_000


class Tape(Port):
    """Keeps what a station prints."""

    where = "tape"

    def __init__(self) -> None:
        self.printed = b""

    async def read(self) -> bytes:
        return await asyncio.Event().wait() and b""

    def write(self, data: bytes) -> None:
        self.printed += data

    async def close(self) -> None:
        pass


def station(version: str = "0.22") -> Station:
    return Station(Tape(), version=version, clock=NOON, monotonic=lambda: 0.0)


def uid(number: int) -> bytes:
    return bytes([4, 161, number >> 8, number & 255])


def lines(station: Station) -> list[BackupLine]:
    """What GET BACKUP prints, decoded."""
    assert isinstance(station.port, Tape)
    station.port.printed = b""
    station._get_backup()
    station._flush()
    pieces = Decoder().receive(station.port.printed)
    return [piece.record for piece in pieces if isinstance(piece.record, BackupLine)]


def decoded(station: Station) -> tuple[list[Stored], Memory]:
    memory = Memory(NOON - DAY, NOON)
    found = [punch for line in lines(station) for punch in memory.take(line)]
    assert memory.lines == LINES
    return found, memory


def test_an_empty_memory_holds_nothing() -> None:
    found, memory = decoded(station())
    assert (found, memory.used) == ([], 0)


def test_the_last_sixty_four_are_there_and_order_means_nothing() -> None:
    one = station()
    for number in range(70):
        one._back_up(uid(number), NOON - 1000 + number)
    found, memory = decoded(one)
    assert memory.used == 64
    assert sorted(punch.epoch for punch in found) == [NOON - 1000 + number for number in range(6, 70)]
    assert found[0] == Stored("04A10040", NOON - 1000 + 64, 0)


def test_firmware_0_16_fills_all_lines() -> None:
    one = station("0.16")
    for number in range(600):
        one._back_up(uid(number), NOON - 1000 + number)
    found, _ = decoded(one)
    assert sorted(punch.epoch for punch in found) == [NOON - 1000 + number for number in range(88, 600)]


def test_a_reset_scatters_them() -> None:
    one = station()
    for number in range(6):
        one._back_up(uid(number), NOON - 100 + number)
    asyncio.run(one.reset(boot=0))
    for number in range(6, 9):
        one._back_up(uid(number), NOON - 100 + number)
    found, _ = decoded(one)
    assert [punch.line for punch in found] == [0, 1, 2, 3, 4, 5, 486, 487, 488]
    assert [punch.epoch for punch in found] == [NOON - 100 + number for number in range(9)]


def test_a_board_that_was_never_reset_is_read_all_the_same() -> None:
    """Every line looks like garbage (section 5)."""
    one = station()
    one.pointer = -1
    for number in range(40):
        one._back_up(uid(number), NOON - 1000 + number)
    assert not [line for line in lines(one) if 0 < NOON - line.epoch < 2000]
    found, _ = decoded(one)
    assert {(punch.uid, punch.epoch) for punch in found} == {
        (uid(number).hex().upper(), NOON - 1000 + number) for number in range(40)
    }
    assert all(punch.turned for punch in found)


def test_after_a_lost_line_nothing_is_pieced_together() -> None:
    one = station()
    one.pointer = -1
    for number in range(8):
        one._back_up(uid(number), NOON - number)
    memory = Memory(NOON - DAY, NOON)
    memory.lose()
    assert [punch for line in lines(one)[1:] for punch in memory.take(line)] == []


@pytest.mark.parametrize("epoch", [-1, 0, 4_294_967_295, 1_000_000_000, NOON + 100_000, -1_066_729_517])
def test_what_is_no_time_is_no_punch(epoch: int) -> None:
    assert Memory(NOON - DAY, NOON).take(BackupLine("04A1B2C3", epoch, "")) == []


@given(
    st.sampled_from([0, -1, -256, -248, -208, -249, 8, 48, 503, 504, 511]),
    st.lists(st.tuples(st.binary(min_size=4, max_size=4), st.integers(0, DAY)), max_size=150, unique_by=lambda r: r[1]),
)
def test_what_was_written_and_not_written_over_is_found(pointer: int, written: list[tuple[bytes, int]]) -> None:
    one = station()
    one.pointer = pointer
    whole: dict[frozenset[int], tuple[str, int]] = {}
    for card, ago in written:
        before = bytes(one.backup)
        at = frozenset(one.pointer & 4064 | (one.pointer + byte) & 31 for byte in range(8))
        one._back_up(card, NOON - ago)
        assert {index for index in range(4096) if one.backup[index] != before[index]} <= at
        whole = {where: what for where, what in whole.items() if where.isdisjoint(at)}
        whole[at] = (card.hex().upper(), NOON - ago)
    expected = {what for what in whole.values() if what[0] not in ("FFFFFFFF", "00000000")}
    memory = Memory(NOON - DAY, NOON)
    slots = (one.backup[at : at + 8] for at in range(0, len(one.backup), 8))
    printed = [BackupLine(raw[4:].hex().upper(), int.from_bytes(raw[:4], "little", signed=True), "") for raw in slots]
    found = {(punch.uid, punch.epoch) for line in printed for punch in memory.take(line)}
    assert expected <= found
    assert not {what for what in found - expected if NOON - DAY <= what[1] <= NOON}


@given(
    st.lists(
        st.builds(
            BackupLine,
            st.binary(min_size=4, max_size=10).map(lambda b: b.hex().upper()),
            st.integers(-(10**10), 10**10),
            st.just(""),
        ),
        max_size=600,
    )
)
def test_any_lines_are_taken(given_lines: list[BackupLine]) -> None:
    memory = Memory(NOON - DAY, NOON)
    for line in given_lines:
        for punch in memory.take(line):
            assert 0 < punch.epoch <= NOON + 86_400
            assert 0 <= punch.line < LINES
    assert memory.lines == len(given_lines)
