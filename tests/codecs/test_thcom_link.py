"""Extended frames and the link's conversation: the sheet's vectors, any cuts, and two ends over a bad line."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.codecs.thcom_link import (
    LAST_NUMBER,
    Acknowledged,
    Decoder,
    Dialect,
    Extended,
    Heartbeat,
    acknowledgement,
    extended,
    fletcher,
)
from console.codecs.thcom_session import (
    AGAIN_AFTER,
    BEAT_EVERY,
    DEAD_AFTER,
    TRIES,
    WINDOW,
    Arrived,
    Beat,
    Delivered,
    Odd,
    Session,
)

SHEET = [
    (253, "P1007", "P0000", "SN 01007 PC 0100", "4418"),
    (254, "P1007", "P0000", "UN timer01", "3D51"),
    (255, "P1007", "P0000", "PW secret01", "A771"),
    (190, "P0000", "P1007", "#GC 1", "F5F8"),
    (190, "P0000", "P1007", "#GC 0", "F4F7"),
    (191, "P0000", "P1007", "#PL ITS ONLINE TIMING", "9424"),
    (192, "P0000", "P1007", "#PL Hello ITSCHRONO", "A5D9"),
    (193, "P0000", "P1007", "#PL Test serveur", "A588"),
    (0, "10084", "P1007", "TN    1    1 M1 13:50:12.36600  9098", "8381"),
    (5, "10086", "P1007", "TN    1    1 M2 13:50:23.98600  9098", "9553"),
    (6, "10086", "P1007", "IR 1       1    00:00:11.62000", "1BA3"),
]


@pytest.mark.parametrize(("number", "source", "destination", "data", "check"), SHEET)
def test_the_vectors_of_the_sheet(number: int, source: str, destination: str, data: str, check: str) -> None:
    raw = extended(number, source, destination, data)
    assert raw.endswith(b"\t" + check.encode() + b"\r\n")
    (piece,) = Decoder().receive(raw)
    assert piece.record == Extended(
        number=number, protocol="1", source=source, destination=destination, parameter="", data=data, check="right"
    )


def test_the_specs_own_example() -> None:
    """Section 1.4: its checksum is left blank there; this one was computed."""
    assert fletcher(b"1231P240514050\x04#PL Hello") == "B38C"


STREAM = b"".join(
    [b"rub\x01", *(extended(n, s, d, t) for n, s, d, t, _ in SHEET), acknowledgement(190), b"\x01\x01bish\r\n"]
)


def test_however_it_is_cut() -> None:
    whole = Decoder().receive(STREAM)
    assert b"".join(piece.raw for piece in whole) == STREAM
    assert sum(isinstance(piece.record, Heartbeat) for piece in whole) == 3
    assert Acknowledged(190) in [piece.record for piece in whole]
    decoder = Decoder()
    assert [piece for byte in STREAM for piece in decoder.receive(bytes([byte]))] == whole
    for seed in range(50):
        chance, rest, decoder, found = random.Random(seed), STREAM, Decoder(), []
        while rest:
            cut = chance.randint(1, 40)
            found += decoder.receive(rest[:cut])
            rest = rest[cut:]
        assert found == whole


@pytest.mark.parametrize(
    ("raw", "flaw"),
    [
        (b"\x021901P0000P1007\x04#GC 1\tF5F9\r\n", "checksum: got F5F9, computed F5F8"),
        (b"\x0219\x04#GC 1\r\n", "malformed header"),
        (b"\x05 19\r\n", "malformed acknowledgement"),
        (b"\x029991P0000P1007\x04#GC 1\t\r\n", "frame number 999 is none"),
    ],
)
def test_what_is_wrong_is_said(raw: bytes, flaw: str) -> None:
    (piece,) = Decoder().receive(raw)
    assert piece.flaw.startswith(flaw)


def test_a_missing_checksum_is_no_flaw_but_seen() -> None:
    (piece,) = Decoder().receive(b"\x021901P0000P1007\x04#GC 1\t\r\n")
    assert piece.flaw == ""
    assert isinstance(piece.record, Extended)
    assert piece.record.check == "missing"


def test_a_cut_frame_costs_itself_alone() -> None:
    good = extended(1, "10084", "P1007", "AK C")
    pieces = Decoder().receive(good[:9] + good + b"\x02123" + acknowledgement(7) + good[:4] + b"\x01")
    assert [piece.flaw or type(piece.record).__name__ for piece in pieces] == [
        "cut short", "Extended", "cut short", "Acknowledged", "cut short", "Heartbeat",
    ]  # fmt: skip


@given(st.lists(st.binary(max_size=700), max_size=10))
def test_garbage_then_in_step_again(chunks: list[bytes]) -> None:
    decoder = Decoder()
    pieces = [piece for chunk in chunks for piece in decoder.receive(chunk)]
    good = extended(1, "10084", "P1007", "AK C")
    pieces += decoder.receive(good) + decoder.flush()
    assert b"".join(piece.raw for piece in pieces) == b"".join(chunks) + good
    assert pieces[-1].raw == good
    assert pieces[-1].flaw == ""


# --- the conversation ---


def session(now: float = 0.0, **dialect: str) -> Session:
    return Session(Dialect(**dialect), now)  # type: ignore[arg-type]


def test_ten_under_way_and_no_more() -> None:
    one = session()
    for key in range(25):
        one.offer(key, "10084", "P0000", f"IR 1    {key:4}    00:00:11.62000")
    first = one.write(0)
    assert first.count(b"\x02") == WINDOW
    assert one.write(1) == b""
    assert one.receive(acknowledgement(3), 1) == [Delivered(3)]
    assert one.write(1).startswith(b"\x02010")
    assert one.waiting == 24


def test_what_is_not_acknowledged_goes_again_and_then_the_link_is_given_up() -> None:
    one = session()
    one.offer(7, "10084", "P0000", "AK C")
    sent = one.write(0)
    now = 0.0
    for _ in range(TRIES - 1):
        now += AGAIN_AFTER
        assert not one.dead(now)
        assert one.write(now) == sent
        one.receive(b"\x01", now)
    assert "000 was not acknowledged" in one.dead(now + AGAIN_AFTER)


def test_what_went_twice_may_be_acknowledged_twice() -> None:
    one = session()
    one.offer(7, "10084", "P0000", "AK C")
    one.write(0)
    one.write(AGAIN_AFTER)
    assert one.receive(2 * acknowledgement(0), AGAIN_AFTER) == [Delivered(7)]
    (odd,) = one.receive(acknowledgement(1), AGAIN_AFTER)
    assert isinstance(odd, Odd)


def test_under_a_number_of_somebody_elses() -> None:
    """Two originators may give the same number: the second waits until the first is acknowledged."""
    one = session()
    one.offer(1, "10084", "P1007", "AK C", number=5)
    one.offer(2, "10086", "P1007", "AK F", number=5, protocol="3")
    assert one.write(0) == extended(5, "10084", "P1007", "AK C")
    assert one.receive(acknowledgement(5), 0) == [Delivered(1)]
    assert one.write(0) == extended(5, "10086", "P1007", "AK F", protocol="3")


def test_that_a_login_has_arrived_is_nothing_odd() -> None:
    assert session().receive(acknowledgement(253) + acknowledgement(254) + acknowledgement(255), 0) == []


def test_heartbeats_and_death() -> None:
    one = session()
    assert one.write(BEAT_EVERY - 1) == b""
    assert one.next_due() == BEAT_EVERY
    assert one.write(BEAT_EVERY) == b"\x01"
    assert one.receive(b"\x01", 40) == [Beat()]
    assert one.dead(40 + DEAD_AFTER - 1) == ""
    assert "nothing heard" in one.dead(40 + DEAD_AFTER)


def test_what_comes_again_is_acknowledged_and_marked() -> None:
    one, raw = session(), extended(4, "10084", "P1007", "AK C")
    assert [event.again for event in one.receive(raw + raw, 0) if isinstance(event, Arrived)] == [False, True]
    assert one.write(0) == 2 * acknowledgement(4)
    other = extended(4, "10084", "P1007", "AK F")
    assert [event.again for event in one.receive(other, 0) if isinstance(event, Arrived)] == [False]


@pytest.mark.parametrize(("strictness", "taken", "said"), [("required", 0, 1), ("lenient", 1, 1), ("ignored", 1, 0)])
def test_wrong_checksums(strictness: str, taken: int, said: int) -> None:
    one = session(checksums=strictness)
    events = one.receive(extended(4, "10084", "P1007", "AK C").replace(b"\t", b"\tF"), 0)
    assert sum(isinstance(event, Arrived) for event in events) == taken
    assert sum(isinstance(event, Odd) for event in events) == said
    assert (one.write(0) != b"") is bool(taken)


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.integers(0, 300))
def test_two_ends_over_a_line_that_loses(seed: int, frames: int) -> None:
    """Whatever is lost in between, each frame arrives once, in any order of the window, and that is known."""
    chance = random.Random(seed)
    a, b = session(), session()
    for key in range(frames):
        a.offer(key, "10084", "P0000", f"TN {key:4} {key:4}  1 13:50:12.36600  9098")
    got: list[str] = []
    delivered: set[int] = set()
    now = 0.0
    for _ in range(100_000):
        if len(delivered) == frames:
            break
        now += 1.0
        to_b, to_a = a.write(now), b.write(now)
        loses = chance.random() < 0.3
        # What is lost is lost whole: it is TCP underneath, and a connection that breaks ends the session.
        got += [
            e.frame.data for e in b.receive(b"\x01" if loses else to_b, now) if isinstance(e, Arrived) and not e.again
        ]
        delivered |= {e.key for e in a.receive(to_a, now) if isinstance(e, Delivered)}
        for offer in a.under_way.values():
            offer.tries = min(offer.tries, TRIES - 1)
    assert delivered == set(range(frames))
    assert sorted(got) == sorted({f"TN {key:4} {key:4}  1 13:50:12.36600  9098" for key in range(frames)})
    assert all(0 <= number <= LAST_NUMBER for number in a.under_way)
