"""CTP01: sessions of the sheet, byte by byte and at random cuts, and any order of server lines."""

from collections.abc import Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from console.codecs.ctp01 import (
    Announce,
    Begin,
    Conversation,
    Denied,
    End,
    Event,
    Identity,
    Pull,
    Ready,
    Say,
    Told,
)
from console.codecs.ctp01_lines import (
    DEFAULT_LAYOUT,
    Authentication,
    Options,
    Read,
    TimeFormat,
    authorization,
    encode,
    in_words,
    layout,
    location_name,
    sayable,
    time_of,
)
from console.passwords import Password

LA = Identity(
    version="1.2.3",
    connection="b617318655057264e28bc0b6fb378c8ef146be00",
    event="LA08",
    event_id="12",
    description="Los Angeles Marathon 2008",
    user="ann",
    password=Password("secret"),
)


def talk(*locations: str) -> Conversation:
    return Conversation(LA, locations or ("finish",))


def said(events: Sequence[Event]) -> bytes:
    return b"".join(event.raw for event in events if isinstance(event, Say))


def greeted(*options: str, locations: Sequence[str] = ("finish",)) -> Conversation:
    one = Conversation(LA, locations)
    one.receive("".join(f"{text}\r\n" for text in (f"srv~1~{len(options)}", *options)).encode())
    return one


def without_words(events: Sequence[Event]) -> list[Event]:
    return [event for event in events if not isinstance(event, Told)]


# --- the sessions of the sheet (section 1.10) ---

FORWARDER = (
    (b"ChronoTrack2RMForwarder~v1.1.4~5", b""),
    (b"guntimes=true", b""),
    (b"newlocations=true", b""),
    (b"connection-id=false", b""),
    (b"stream-mode=push", b""),
    (b"time-format=iso", b""),
    (b"getconnectionid", b"ack~getconnectionid~b617318655057264e28bc0b6fb378c8ef146be00\r\n"),
    (b"geteventinfo", b"ack~geteventinfo~LA08~12~Los Angeles Marathon 2008\r\n"),
    (b"getlocations", b"ack~getlocations~finish\r\n"),
    (b"authorize", b"err~authorize~not supported\r\n"),
    (b"start", b""),
    (b"ping", b"ack~ping\r\n"),
)


def test_the_forwarders_session() -> None:
    one = talk()
    assert one.opening() == b"SimpleClient~1.2.3~CTP01\r\n"
    begun: list[Event] = []
    for line, answer in FORWARDER:
        events = one.receive(line + b"\r\n")
        assert said(events) == answer
        begun += [event for event in events if isinstance(event, Begin | Ready | Announce)]
    ready, announce, begin = begun
    assert isinstance(ready, Ready)
    assert ready.server == "ChronoTrack2RMForwarder v1.1.4"
    assert in_words(ready.options, PARIS) == "push, times iso in Europe/Paris, CT01_33, guns"
    assert in_words(Options(time=TimeFormat.UNIX), UTC) == "pull, times unix, CT01_33, guns"
    assert announce == Announce(("finish",))
    assert begin == Begin("finish", None)


@given(st.data())
def test_however_it_is_cut(data: st.DataObject) -> None:
    stream = b"".join(line + b"\r\n" for line, _ in FORWARDER)
    whole = talk().receive(stream)
    one, events, rest = talk(), list[Event](), stream
    while rest:
        cut = data.draw(st.integers(1, len(rest)))
        events += one.receive(rest[:cut])
        rest = rest[cut:]
    assert events == whole


def test_byte_by_byte() -> None:
    stream = b"".join(line + b"\n" for line, _ in FORWARDER)  # LF alone will do
    one = talk()
    events = [event for byte in stream for event in one.receive(bytes([byte]))]
    assert events == talk().receive(stream)


def test_resume_with_acks() -> None:
    one = talk("start", "finish")
    answers = [
        (b"RunScore~Version 6.5 Level 2007.09.26~2\r\npushmode-ack=true\r\ntime-format=normal\r\n", b""),
        (b"start~finish~3\r\n", b"ack~start~finish\r\n"),
        (b"stop~finish\r\n", b"ack~stop~finish\r\n"),
        (b"bogus\r\n", b"err~bogus~unknown command\r\n"),
        (b"start~nowhere\r\n", b"err~start~invalid location\r\n"),
        (b"start~finish~x\r\n", b"err~start~invalid sequence number\r\n"),
    ]
    events = []
    for line, answer in answers:
        new = one.receive(line)
        assert said(new) == answer
        events += without_words(new)
    assert one.server == "RunScore Version 6.5 Level 2007.09.26"
    assert [event for event in events if isinstance(event, Begin | End)] == [Begin("finish", 3), End("finish")]


def test_pull() -> None:
    one = greeted(locations=("finish", "30k"))
    assert one.receive(b"getdata~50~finish~2\r\n") == [Pull(50, "finish", 2)]
    assert one.receive(b"getdata~50\r\n") == [Pull(50, None, None)]
    assert one.data(2) == b"ack~getdata~2\r\n"
    assert said(one.receive(b"getdata~50~nowhere\r\n")) == b"err~getdata~invalid location\r\n"
    assert said(one.receive(b"getdata\r\n")) == b"err~getdata~how many?\r\n"


# --- greeting and options ---


def test_a_server_that_only_pings_gets_its_answers() -> None:
    one = talk()
    assert said(one.receive(b"ping\r\n")) == b"ack~ping\r\n"
    assert one.pings
    assert not one.ready


def test_options_fewer_than_announced_and_late_ones() -> None:
    one = talk()
    events = one.receive(b"srv~1~5\r\nstream-mode=push\r\ngetlocations\r\n")
    assert one.ready
    assert said(events) == b"ack~getlocations~finish\r\n"
    one.receive(b"time-format=unix\r\n")
    assert one.options.time is TimeFormat.UNIX


def test_what_the_server_asks_for_in_vain_is_said() -> None:
    one = talk()
    events = one.receive(
        b"srv~1~4\r\ntagevent-format=CT01_0C\r\ntime-format=stardate\r\ncolour=red\r\nguntimes=true\r\n"
    )
    told = [event.text for event in events if isinstance(event, Told)]
    assert "fixed width" in told[0]
    assert "stardate" in told[1]
    assert "does not know" in told[2]
    assert one.options == Options(guntimes=True)


@pytest.mark.parametrize("scheme", [one for one in Authentication if one is not Authentication.NONE])
def test_authorisation(scheme: Authentication) -> None:
    one = talk()
    options = f"authentication={scheme}\r\nauthentication-seed=0123456789abcdef\r\n"
    asked = one.receive(f"srv~1~2\r\n{options}".encode())
    proof = authorization(scheme, "0123456789abcdef", "secret")
    assert said(asked) == f"authorize~ann~{proof}\r\n".encode()
    assert not one.ready
    assert one.receive(b"start\r\n") == []  # too early: it waits
    assert [type(event) for event in one.receive(b"ack~authorize\r\n")] == [Ready, Begin]
    assert isinstance(greeted(f"authentication={scheme}").receive(b"err~authorize~no\r\n")[0], Denied)
    assert "secret" not in repr(LA)
    assert f"ann~{proof}" not in repr(asked)


@pytest.mark.parametrize("password", ["tri~mark", "Läufer", "a\tb", "a\nb"])
def test_a_password_that_the_protocol_cannot_say_is_not_altered(password: str) -> None:
    """Plain text cannot carry it; a digest can."""
    assert not sayable(password)
    identity = structs.replace(LA, password=Password(password))
    for scheme in (one for one in Authentication if one is not Authentication.NONE):
        one = Conversation(identity, ["finish"])
        events = one.receive(f"srv~1~2\r\nauthentication={scheme}\r\nauthentication-seed=0123\r\n".encode())
        if scheme is Authentication.PLAINTEXT:
            assert [type(event) for event in events] == [Denied]
            assert "authentication=plaintext" in repr(events)
        else:
            assert said(events) == f"authorize~ann~{authorization(scheme, '0123', password)}\r\n".encode()
        assert password not in repr((identity, events))


@pytest.mark.parametrize(
    ("scheme", "proof"),
    [
        (Authentication.PLAINTEXT, "secret"),
        (Authentication.HMAC_SHA1, "186971039f1d40dc9464722ad02eda89449cbb0a"),
        (Authentication.HMAC_MD5, "4372aaf75a8d9d7f0440189db2a90f0"),
        (Authentication.SEED_SHA1, "cd229d365a14a643dbd4aed6f3055aeeab2bc30c"),
        (Authentication.SEED_MD5, "116fecf84dd81c77b969dac1b22c8eef"),
    ],
)
def test_the_check_values_of_the_sheet(scheme: Authentication, proof: str) -> None:
    assert authorization(scheme, "0123456789abcdef", "secret").endswith(proof)


# --- start, stop, locations ---


def test_a_start_said_every_second_changes_nothing() -> None:
    one = greeted("stream-mode=push", "newlocations=true")
    assert one.receive(b"start~finish\r\n") == [Begin("finish", None)]
    for _ in range(10):
        assert one.receive(b"start~finish\r\n") == []
        assert one.receive(b"start\r\n") == []
    assert one.receive(b"start~finish~7\r\n") == [Begin("finish", 7)]
    assert one.receive(b"stop\r\n") == [End("finish")]
    assert one.receive(b"start~finish\r\n") == [Begin("finish", None, restart=True)]


def test_a_bare_start_is_for_the_locations_known_then() -> None:
    one = greeted("stream-mode=push", "newlocations=true", locations=("start", "finish"))
    assert one.receive(b"start\r\n") == [Begin("start", None), Begin("finish", None)]
    assert one.appeared("30k") == [Announce(("30k",))]
    assert one.appeared("30k") == []
    assert one.streaming == {"start": True, "finish": True}
    assert one.receive(b"start~30k\r\n") == [Begin("30k", None)]


def test_new_locations_wait_for_the_connection_id_where_that_is_asked_for() -> None:
    one = greeted("stream-mode=push", "newlocations=true", "connection-id=true")
    assert one.appeared("30k") == []
    events = one.receive(b"getconnectionid\r\n")
    assert events[1:] == [Announce(("finish", "30k"))]
    assert said(one.receive(b"getconnectionid\r\n"))
    assert one.appeared("40k") == [Announce(("40k",))]


def test_a_server_of_one_location() -> None:
    one = greeted("location=single", "stream-mode=push", locations=("start", "finish"))
    assert said(one.receive(b"getlocations\r\n")) == b"ack~getlocations~start\r\n"
    assert one.receive(b"start\r\n") == [Begin("start", None)]


def test_an_endless_line_is_dropped_and_said_once() -> None:
    one = greeted("stream-mode=push")
    events = [event for _ in range(50) for event in one.receive(b"x" * 1000)]
    assert len(events) == 1
    assert isinstance(events[0], Told)
    assert one.receive(b"\r\nping\r\n") == [Say(b"ack~ping\r\n")]


# --- any order of server lines ---

LOCATIONS = ("start", "finish", "30k")
SERVER_LINES = st.one_of(
    st.sampled_from(
        [
            "srv~1~0",
            "srv~1~3",
            "srv~x",
            "stream-mode=push",
            "stream-mode=pull",
            "pushmode-ack=true",
            "newlocations=true",
            "connection-id=true",
            "location=single",
            "authentication=seed-md5",
            "tagevent-format=CT01_1B",
            "time-format=msecs",
            "ack~authorize",
            "err~authorize",
            "authorize",
            "ping",
            "geteventinfo",
            "getlocations",
            "getconnectionid",
            "start",
            "stop",
            "getdata~5",
            "getdata~-1",
            "",
        ]
    ),
    st.builds("start~{}".format, st.sampled_from([*LOCATIONS, "nowhere", ""])),
    st.builds("start~{}~{}".format, st.sampled_from(LOCATIONS), st.integers(-1, 10**7)),
    st.builds("stop~{}".format, st.sampled_from(LOCATIONS)),
    st.text(max_size=20),
)


@given(st.lists(SERVER_LINES, max_size=40), st.data())
def test_any_order_in_any_chunks(lines: list[str], data: st.DataObject) -> None:
    """Never an exception, nothing begins before the server has started it, never two streams of one location."""
    stream = "".join(f"{line}\r\n" for line in lines).encode()
    one = talk(*LOCATIONS)
    running: dict[str, bool] = {}
    while stream:
        cut = data.draw(st.integers(1, len(stream)))
        chunk, stream = stream[:cut], stream[cut:]
        for event in one.receive(chunk):
            match event:
                case Begin(location, sequence):
                    assert one.ready
                    assert location in LOCATIONS
                    assert sequence is not None or not running.get(location), "a second stream of one location"
                    running[location] = True
                case End(location):
                    assert running[location]
                    running[location] = False
                case Pull():
                    assert one.ready
                case Say(raw):
                    assert raw.endswith(b"\r\n")
                    assert raw.count(b"\n") == 1
    assert {name for name, on in one.streaming.items() if on} == {name for name, on in running.items() if on}


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_garbage(chunks: list[bytes]) -> None:
    one = talk()
    for chunk in chunks:
        one.receive(chunk)
    assert len(one._buffer) <= 4096 + 200


# --- read lines ---

MOMENT = int(datetime(2026, 4, 22, 8, 15, 42, tzinfo=UTC).timestamp()) * 10**9 + 129_999_999
PARIS = ZoneInfo("Europe/Paris")


def test_a_read_line() -> None:
    read = Read(sequence=17, location="finish", tag="1001", utc=MOMENT, lap=1, reader="0F2A38", gator=2)
    line = encode(read, DEFAULT_LAYOUT, TimeFormat.ISO, PARIS)
    assert line == b"CT01_33~17~finish~1001~2026-04-22T10:15:42.12~1~0F2A38~2\r\n"
    assert (
        encode(read, layout("CT01_13"), TimeFormat.NORMAL, UTC) == b"CT01_13,17,finish,1001,08:15:42.12,1,0F2A38,2\r\n"
    )


@pytest.mark.parametrize("code", ["CT01_13", "CT01_23", "CT01_33", "CT01_43", "CT01_53"])
def test_a_tag_parts_no_line(code: str) -> None:
    """Bibs are what operators type."""
    read = Read(sequence=17, location="finish", tag="1,2;3~4|5\t6\r\n7", utc=MOMENT)
    form = layout(code)
    assert len(encode(read, form, TimeFormat.ISO, PARIS).decode().split(form.separator)) == 8


@pytest.mark.parametrize(
    ("form", "zone", "text"),
    [
        (TimeFormat.NORMAL, PARIS, "10:15:42.12"),
        (TimeFormat.ISO, PARIS, "2026-04-22T10:15:42.12"),
        (TimeFormat.ISO, UTC, "2026-04-22T08:15:42.12"),
        (TimeFormat.UNIX, PARIS, "1776845742.12"),
        (TimeFormat.MSECS, PARIS, "36942129"),
    ],
)
def test_times_are_cut_not_rounded(form: TimeFormat, zone: ZoneInfo, text: str) -> None:
    assert time_of(MOMENT, form, zone) == text


@pytest.mark.parametrize(
    ("code", "separator", "end"),
    [
        ("CT01_33", "~", b"\r\n"),
        ("CT01_13", ",", b"\r\n"),
        ("CT01_22", ";", b"\n"),
        ("ct01_41", "|", b"\r"),
        ("CT01_57", "\t", b"\r\n\0"),
    ],
)
def test_layouts(code: str, separator: str, end: bytes) -> None:
    found = layout(code)
    assert (found.separator, found.end) == (separator, end)


@pytest.mark.parametrize(
    "code", ["CT01_0C", "CT01_38", "CT01_03", "CT01_30", "CT01_63", "CT02_33", "CT01_3", "", "CT01_GG"]
)
def test_layouts_that_are_not_spoken(code: str) -> None:
    with pytest.raises(ValueError, match="layout"):
        layout(code)


@pytest.mark.parametrize(
    ("point", "name", "said_of_it"),
    [
        ("Finish", "Finish", False),
        ("30k~A", "30k_A", True),
        ("Zürich", "Z_rich", True),
        ("A very long timing point", "A very long timi", True),
    ],
)
def test_location_names(point: str, name: str, said_of_it: bool) -> None:
    found, flaw = location_name(point)
    assert found == name
    assert bool(flaw) is said_of_it


def test_numbers_end() -> None:
    with pytest.raises(ValueError, match="1000000 does not fit"):
        encode(Read(sequence=1_000_000, location="f", tag="1", utc=0), DEFAULT_LAYOUT, TimeFormat.ISO, UTC)


def test_what_a_server_says_is_fit_to_be_shown() -> None:
    one = Conversation(Identity(), ["finish"])
    one.receive(b"\x1b[2Jevil\xff" + b"x" * 500 + b"~1~0\r\n")
    assert one.server.startswith("?[2Jevil")
    assert one.server.isprintable() or "\ufffd" in one.server
    assert len(one.server) == 60
    nameless = Conversation(Identity(), ["finish"])
    nameless.receive(b"~~0\r\n")
    assert nameless.ready
