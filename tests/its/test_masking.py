"""Passwords are in no recording, however the stream was cut, and whatever the format turns out to be."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.codecs.thcom_link import HEARTBEAT, acknowledgement, extended
from console.its.recording import Said, Stream, encode, in_line

SECRET = "top-secret/7"


def recorded(*chunks: bytes) -> list[Said]:
    stream = Stream(1, "client")
    return [*(row for chunk in chunks for row in stream.receive(chunk, 1, 1)), *stream.end(1, 1)]


def kept(rows: list[Said]) -> str:
    return "".join(f"{encode(row).decode()} {in_line(row)} {row.bytes!r}" for row in rows)


def login(password: str) -> bytes:
    return (
        extended(253, "P1007", "P0000", "SN 01007 PC 0100")
        + extended(254, "P1007", "P0000", "UN timer01")
        + extended(255, "P1007", "P0000", f"PW {password}")
    )


def test_a_login_keeps_all_but_the_password_and_its_checksum() -> None:
    rows = recorded(login(SECRET) + HEARTBEAT)
    assert [row.words for row in rows] == [
        "frame 253  P1007 > P0000  SN 01007 PC 0100",
        "frame 254  P1007 > P0000  UN timer01",
        "frame 255  P1007 > P0000  PW *",
        "heartbeat",
    ]
    assert [row.masked for row in rows] == [False, False, True, False]
    assert [row.check for row in rows] == ["right", "right", "right", None]
    assert rows[2].bytes == b"\x022551P1007P0000\x04PW *\t*\r\n"


@given(
    password=st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=6, max_size=25),
    cuts=st.lists(st.integers(0, 140)),
    between=st.sampled_from([b"", HEARTBEAT, acknowledgement(190), b"junk\r\n"]),
    ends=st.integers(0, 140),
)
def test_cut_anywhere_and_ended_anywhere(password: str, cuts: list[int], between: bytes, ends: int) -> None:
    stream = (between + login(f"<{password}>") + between)[: ends + 60]
    places = [0, *sorted({cut for cut in cuts if cut < len(stream)}), len(stream)]
    rows = recorded(*(stream[first:last] for first, last in pairwise(places)))
    said = b"".join(row.bytes for row in rows)
    for length in range(5, len(password) + 2):
        assert f"<{password}>"[:length].encode() not in said
    assert f"<{password}" not in "".join(row.words for row in rows)


def test_a_checksum_that_is_wrong_tells_nothing_of_it() -> None:
    right = extended(255, "P1007", "P0000", f"PW {SECRET}")
    (row,) = recorded(right[:-6] + b"0000\r\n")
    assert (row.check, row.flaw) == ("wrong", "checksum: wrong")
    assert right[-6:-2].decode() not in kept([row])


@pytest.mark.parametrize(
    "raw",
    [
        f"PW {SECRET}\r\n",
        f"PW {SECRET}\t0A12\r\n",
        f"pw={SECRET}\r\n",
        f"PASSWORD:{SECRET}\r\n",
        f"\x02PW\x04{SECRET}\t0000\r\n",
        f"\x022551P1007P0000\x04{SECRET}\t0000\r\n",
        f"\x022551P1007P0000PW {SECRET}\t0000\r\n",
        f"\x022551P1007P0000\x04PW {SECRET}",
        f"\x022551P1007P0000\x04PW {SECRET[:4]}\x01{SECRET[4:]}\t0000\r\n",
        f"\x022551P1007P0000\x04PW \x07{SECRET}\t0000\r\n",
        f"\x022551P1007P0000\x04PW {'x' * 600}{SECRET}\t0000\r\n",
        f"\x020071P000010084\x04#WP 030 3 {SECRET}\t0000\r\n",
        f"\x020071P000010084\x04#GP 8 {SECRET}\t0000\r\n",
    ],
)
def test_other_forms(raw: str) -> None:
    rows = recorded(raw.encode() + extended(1, "P1007", "P0000", "UN timer01"))
    assert SECRET not in kept(rows)
    assert SECRET[4:] not in kept(rows)
    assert "UN timer01" in rows[-1].words


def test_user_names_questions_and_frames_are_kept() -> None:
    stream = b"".join(
        extended(number, "P0000", "P1007", data)
        for number, data in enumerate(
            ("#UN", "#PW", "UN timer01", "#PL Hello pwned", "TN    1    1 M1 13:50:12.36600  9098")
        )
    )
    assert b"".join(row.bytes for row in recorded(stream)).count(b"*") <= 1
    assert [row.words.partition("  ")[2].partition("  ")[2] for row in recorded(stream)][2:] == [
        "UN timer01",
        "#PL Hello pwned",
        "TN    1    1 M1 13:50:12.36600  9098",
    ]


@given(st.lists(st.binary(max_size=40)))
def test_any_bytes_without_such_words_are_kept_to_the_byte(chunks: list[bytes]) -> None:
    rows = recorded(*chunks)
    if not any(row.masked for row in rows):
        assert b"".join(row.bytes for row in rows) == b"".join(chunks)
