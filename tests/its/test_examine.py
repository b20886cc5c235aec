"""A recording held against the documents: what agrees, what contradicts them, and what they leave open."""

import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.cli import main
from console.codecs.thcom_link import HEARTBEAT, Dialect, acknowledgement, extended, fletcher
from console.its.examine import Report, examine
from console.its.recording import Event, Opening, RecordingError, Row, Said, Side, Stream, encode, read
from console.model import SECOND

PC, SERVER, START = "P1007", "P0000", "10084"
IMPULSE = "TN    1    1 M1 13:50:12.36600  9098"
OPENING = Opening(wall=0, mono=0, time="2024-11-28T13:46:38", listen="127.0.0.1:3000", forward="server:3000")


class Tape:
    """A recording in the making; `at` is in seconds."""

    def __init__(self) -> None:
        self.rows: list[Row] = [OPENING]
        self._streams: dict[tuple[int, Side], Stream] = {}

    def say(self, at: float, by: Side, *raw: bytes, connection: int = 1) -> "Tape":
        stream = self._streams.setdefault((connection, by), Stream(connection, by))
        for chunk in raw:
            self.rows += stream.receive(chunk, int(at * SECOND), int(at * SECOND))
        return self

    def note(self, at: float, text: str, connection: int = 1) -> "Tape":
        ns = int(at * SECOND)
        self.rows.append(Event(wall=ns, mono=ns, time="2024-11-28T13:46:38", connection=connection, text=text))
        return self

    def login(self, answer: str = "#GC 1") -> "Tape":
        said = (("SN 01007 PC 0100", 253), ("UN timer01", 254), ("PW secret01", 255))
        self.say(0, "client", *(extended(number, PC, SERVER, data) for data, number in said))
        self.say(0.1, "server", extended(190, SERVER, PC, answer))
        return self.say(0.2, "client", acknowledgement(190))

    def write(self, path: Path) -> Path:
        path.write_bytes(b"".join(encode(row) + b"\n" for row in self.rows))
        return path

    @property
    def report(self) -> Report:
        return examine(self.rows, Dialect())


def documented() -> Tape:
    """A session as the documents have it."""
    tape = Tape().note(0, "127.0.0.1:5000 has connected").login()
    tape.say(1, "server", extended(191, SERVER, PC, "#PL Hello ITSCHRONO"))
    tape.say(1.1, "client", acknowledgement(191))
    for number in range(192, 215):
        tape.say(number, "server", extended(number if number < 213 else number - 213, START, PC, IMPULSE))
        tape.say(number + 0.5, "client", acknowledgement(number if number < 213 else number - 213))
        tape.say(number + 0.6, "client", HEARTBEAT)
    for at in (30, 60, 90, 120, 150, 180):
        tape.say(at, "client", HEARTBEAT)
        tape.say(at, "server", HEARTBEAT)
    tape.rows.sort(key=lambda row: row.mono)
    return tape


def test_a_session_as_documented_contradicts_nothing() -> None:
    report = documented().report
    assert report.against == []
    said = "\n".join(report.lines)
    assert "login: accepted (#GC 1)" in said
    assert "server: 25 frames, 0 acknowledgements, 6 heartbeats, 0 pieces that are none of these" in said
    assert "checksums: 25 right, 0 missing, 0 wrong" in said
    assert "numbers: 190-212, 000-001" in said
    assert "addresses: 10084 > P1007 (23), P0000 > P1007 (2)" in said
    assert "acknowledged after 0.100 / 0.500 / 0.500 s" in said
    assert "connection 1: the server calls itself P0000 (assumed: P0000)" in report.beyond
    assert "connection 1: frames of the login: 3, acknowledged one by one: 0" in report.beyond


def with_checksum(raw: bytes, printed: str) -> bytes:
    return raw[: raw.index(b"\t") + 1] + printed.encode() + b"\r\n"


def test_the_guides_checksums_and_numbers_contradict_the_documents() -> None:
    tape = Tape().login()
    for at, number, source, data, printed in (
        (2, 0, START, IMPULSE, "801E"),
        (3, 5, "10086", "TN    1    1 M2 13:50:23.98600  9098", "8260"),
        (4, 6, "10086", "IR 1       1    00:00:11.62000", "38DE"),
    ):
        tape.say(at, "server", with_checksum(extended(number, source, PC, data), printed))
        tape.say(at, "client", acknowledgement(number))
    report = tape.report
    assert report.against == [
        "connection 1: the server has 3 of 4 checksums that are not CKA CKB as documented",
        "connection 1: the server's frame numbers do not go up by one: 190 then 000, 000 then 005; are they those of "
        "their originators?",
    ]
    assert f"    frame 000 {IMPULSE}: printed 801E, computed 8381" in report.lines


def test_another_layout_of_the_checksum_is_found() -> None:
    tape = Tape().login()
    for number in (191, 192):
        raw = extended(number, START, PC, IMPULSE)
        body = raw[1 : raw.index(b"\t")]
        tape.say(number, "server", with_checksum(raw, fletcher(body)[2:] + fletcher(body)[:2]))
        tape.say(number, "client", acknowledgement(number))
    report = tape.report
    assert "connection 1: every wrong checksum of the server is right if computed so: CKB first" in report.beyond
    assert any("it is that of: CKB first" in line for line in report.lines)


@pytest.mark.parametrize(
    ("tape", "why"),
    [
        (Tape().login().say(2, "server", b"hello\r\n"), "the server says 1 things that are no frame"),
        (
            Tape().login().say(2, "server", extended(191, "70084", PC, IMPULSE)).say(2, "client", acknowledgement(191)),
            "the server uses address type 7, which is not among those documented",
        ),
        (Tape().login().say(2, "client", acknowledgement(77)), "acknowledges frame 077, which was not sent"),
        (
            Tape().login().say(2, "server", extended(191, START, PC, IMPULSE)).note(20, "over"),
            "frame 191 of the server (TN    1    1 M1 13:5) was never acknowledged, in 18 s",
        ),
        (
            Tape().login().say(2, "server", *(extended(191 + n, START, PC, IMPULSE) for n in range(11))),
            "the server had 11 frames under way unacknowledged; 10 is the documented most",
        ),
        (Tape().login().say(30, "server", HEARTBEAT).say(100, "server", HEARTBEAT), "the server was quiet for 70 s"),
        (
            Tape()
            .say(0, "client", extended(0, PC, SERVER, "UN timer01"))
            .say(1, "server", extended(0, SERVER, PC, "#GC 1")),
            "before #GC the client sends UN in 000; documented are SN in 253, UN in 254, PW in 255",
        ),
        (
            Tape().login().say(2, "client", extended(0, PC, SERVER, IMPULSE, protocol="9")),
            "the client uses protocol 9, which is not among those documented",
        ),
    ],
)
def test_what_contradicts(tape: Tape, why: str) -> None:
    assert [line for line in tape.report.against if why in line], tape.report.against


def test_what_is_sent_again_is_said_and_no_contradiction() -> None:
    tape = Tape().login()
    frame = extended(191, START, PC, IMPULSE)
    tape.say(2, "server", frame).say(2.1, "client", acknowledgement(191))
    tape.say(7, "server", frame).say(7.1, "client", acknowledgement(191))
    tape.say(8, "server", frame, frame).say(8.1, "client", acknowledgement(191), acknowledgement(191))
    report = tape.report
    assert report.against == []
    assert "connection 1: the server sent 3 frames again, the first being 191" in report.beyond


def test_a_refusal_and_no_answer() -> None:
    assert "  login: refused (#GC 0)" in Tape().login("#GC 0").report.lines
    assert (
        "  login: no answer (#GC) is in the recording"
        in Tape().say(0, "client", HEARTBEAT[:0] + extended(253, PC, SERVER, "SN")).report.lines
    )


def test_several_connections_and_several_recordings_in_one_file() -> None:
    tape = Tape().login()
    tape.say(0, "client", extended(253, PC, SERVER, "SN 01007 PC 0100"), connection=2)
    first, second = tape.rows, Tape().login().rows
    lines = examine([*first, *second], Dialect()).lines
    assert [line[:12] for line in lines if line.startswith(("connection", "recorded"))] == [
        "recorded 202",
        "connection 1",
        "connection 2",
        "recorded 202",
        "connection 1",
    ]


def test_however_long_a_recording_little_of_it_is_kept() -> None:
    def rows(count: int) -> Iterator[Row]:
        """Frames, garbage, wrong checksums and acknowledgements of nothing, without an end."""
        yield from Tape().login().rows
        streams = {by: Stream(1, by) for by in ("client", "server")}
        for number in range(count):
            at = number * SECOND
            raw = extended(number % 213, START, PC, f"TN {number % 9999:4}    1 M1 13:50:12.36600  9098")
            for said in (raw, with_checksum(raw, "801E"), b"garbage\r\n"):
                yield from streams["server"].receive(said, at, at)
            for acknowledged in (number % 213, 250):
                yield from streams["client"].receive(acknowledgement(acknowledged), at, at)

    examine(rows(10), Dialect())  # what is kept for good is kept now
    tracemalloc.start()
    try:
        report = examine(rows(400), Dialect())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert report.frames == 804
    assert len(report.against) < 20
    assert peak < 200_000, "all rows together are 800,000"


@given(st.lists(st.tuples(st.sampled_from(["client", "server"]), st.binary(max_size=60)), max_size=20))
def test_any_recording_can_be_looked_at(said: list[tuple[Side, bytes]]) -> None:
    tape = Tape()
    for at, (by, raw) in enumerate(said):
        tape.say(at, by, raw)
    tape.report  # noqa: B018 - it is computed


# --- the file and the command ---


def test_status_tells_whether_something_contradicts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = documented().write(tmp_path / "good.jsonl")
    assert main(["its", "replay", str(good)]) == 0
    assert "CONTRADICTS THE DOCUMENTS: nothing" in capsys.readouterr().out
    assert main(["its", "replay", "--frames", str(good)]) == 0
    assert "frame 255  P1007 > P0000  PW *  checksum right" in capsys.readouterr().out
    bad = Tape().login().say(2, "server", b"\x07hello\x1b[2J\r\n").write(tmp_path / "bad.jsonl")
    assert main(["its", "replay", str(bad)]) == 7
    out = capsys.readouterr().out
    assert "garbage: 07 68 65 6c 6c 6f 1b  \\x07hello\\x1b" in out
    assert "\x1b" not in out
    assert main(["its", "replay", "--json", str(bad)]) == 7
    assert json.loads(capsys.readouterr().out)["contradicts"]


def test_a_recording_without_frames_confirms_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["its", "replay", str(Tape().note(0, "over").write(tmp_path / "t.jsonl"))]) == 0
    assert "CONTRADICTS THE DOCUMENTS: no frame was recorded, so nothing is known" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("contents", "why"),
    [
        (b"", "nothing is recorded in it"),
        (b"hello\n", "line 1 is none that `racedeck its tap` writes"),
        (encode(Tape().note(0, "over").rows[1]) + b"\n", "line 1 is no beginning of a recording"),
        (encode(OPENING) + b'\n{"row":"said"}\n', "line 2 is none"),
        (encode(OPENING) + b"\n\xff\n", "line 2 is none"),
        (encode(OPENING) + b"\n" + 70_000 * b"x" + b"\n", "line 2 is none"),
    ],
)
def test_what_is_no_recording_is_said(
    contents: bytes, why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(contents)
    assert main(["its", "replay", str(path)]) == 1
    assert why in capsys.readouterr().err
    assert main(["its", "replay", str(tmp_path / "none")]) == 1
    assert "cannot be read: No such file or directory" in capsys.readouterr().err


def test_a_line_cut_off_with_the_tap_is_left_out(tmp_path: Path) -> None:
    path = Tape().login().write(tmp_path / "x.jsonl")
    rows = list(read(path))
    path.write_bytes(path.read_bytes()[:-20])
    assert list(read(path)) == rows[:-1]


def test_raw_bytes_that_are_none(tmp_path: Path) -> None:
    row = Said(wall=0, mono=0, time="", connection=1, by="client", raw="\\u1234")
    path = tmp_path / "x.jsonl"
    path.write_bytes(encode(OPENING) + b"\n" + encode(row) + b"\n")
    with pytest.raises(RecordingError):
        list(read(path))
