"""What a recording of the server link says about its format: what the documents have right, and what they do not.

The documents: THCOM08, section on GPRS, and what was inferred from the guide (thcom.md, sections 1.4, 1.5 and 3). Each
stream is fed to the codec again, so that a mended codec can be tried on an old recording.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from itertools import pairwise
from statistics import median

from msgspec import Struct, field

from console.codecs.columns import plain
from console.codecs.thcom_link import (
    BROADCAST,
    LAST_NUMBER,
    LOGIN_NUMBERS,
    SEP,
    Acknowledged,
    Decoder,
    Dialect,
    Extended,
    Heartbeat,
    Record,
    fletcher,
)
from console.codecs.thcom_session import DEAD_AFTER, WINDOW
from console.its.recording import Event, Opening, Row, Said, Side
from console.model import SECOND

SHOWN = 10
"""Examples of one kind that are shown."""

DOCUMENTED_TYPES = "01234P"
"""T of an address `TDDDD`: broadcast, CP540, HL440, HL940, HL975, PC (section 1.4)."""

VARIANTS: dict[str, Callable[[bytes], str]] = {
    "CKB first": lambda body: fletcher(body)[2:] + fletcher(body)[:2],
    "with STX": lambda body: fletcher(b"\x02" + body),
    "with TAB": lambda body: fletcher(body + b"\t"),
    "data only": lambda body: fletcher(body.partition(bytes((SEP,)))[2]),
    "without SEP": lambda body: fletcher(body.replace(bytes((SEP,)), b"")),
    "sum of all": lambda body: f"{sum(body) & 0xFFFF:04X}",
    "CS16 of the data": lambda body: f"{sum(body.partition(bytes((SEP,)))[2].removeprefix(b'#')) & 0xFFFF:04X}",
}
"""Other layouts of the checksum that a wrong one is tried with."""


class Report(Struct):
    """What was found."""

    lines: list[str] = field(default_factory=list)
    """What is in the recording, for people."""
    against: list[str] = field(default_factory=list)
    """Where it contradicts the documents."""
    beyond: list[str] = field(default_factory=list)
    """What the documents leave open, and what it is here."""
    frames: int = 0
    """Without any, neither of these confirms anything."""


class _Sent(Struct):
    """A frame, and what became of it."""

    frame: Extended
    raw: bytes
    at: int
    """Monotonic ns."""
    check: str
    masked: bool
    again: bool = False
    has: int | None = None
    """When it was acknowledged, monotonic ns."""


class _Way(Struct):
    """What one side of a connection said."""

    sent: list[_Sent] = field(default_factory=list)
    acknowledged: list[tuple[int, int]] = field(default_factory=list)
    """Number and time."""
    beats: list[int] = field(default_factory=list)
    odd: list[tuple[bytes, str]] = field(default_factory=list)
    at: list[int] = field(default_factory=list)
    """When anything came."""
    decoder: Decoder = field(default_factory=Decoder)
    most: int = 0
    """Frames that were under way at once without an acknowledgement."""
    under_way: dict[int, _Sent] = field(default_factory=dict)
    newest: dict[int, _Sent] = field(default_factory=dict)
    """The newest frame of each number."""


def examine(rows: Iterable[Row], dialect: Dialect) -> Report:
    """Look at a recording, against what the documents say and `dialect` assumes."""
    report = Report()
    heard: dict[int, list[Said | Event]] = {}

    def finish() -> None:
        for number, own in heard.items():
            _Connection(report, dialect, number, own).examine()
        heard.clear()

    for row in rows:
        if isinstance(row, Opening):
            finish()
            report.lines.append(f"recorded {row.time}: {plain(row.listen)} > {plain(row.forward)}")
        else:
            heard.setdefault(row.connection, []).append(row)
    finish()
    return report


class _Connection:
    """One connection of the recording."""

    def __init__(self, report: Report, dialect: Dialect, number: int, rows: list[Said | Event]) -> None:
        self._report = report
        self._dialect = dialect
        self._name = f"connection {number}"
        self._rows = rows
        self._ways: dict[Side, _Way] = {"client": _Way(), "server": _Way()}

    def examine(self) -> None:
        """Feed it to the codec, and say what came of it."""
        first, last = self._rows[0], self._rows[-1]
        self._report.lines += ["", f"{self._name}  {first.time[11:19]} to {last.time[11:19]}"]
        for row in self._rows:
            if isinstance(row, Event):
                self._line(f"{row.time[11:19]} -- {row.text}")
            else:
                self._feed(row)
        for side, way in self._ways.items():
            if left := way.decoder.flush():
                way.odd += [(piece.raw, piece.flaw) for piece in left]
            self._tell(side, way)
            self._report.frames += len(way.sent)
        self._login()
        self._inferred()

    def _feed(self, row: Said) -> None:
        way = self._ways[row.by]
        way.at.append(row.mono)
        for piece in way.decoder.receive(row.bytes):
            self._take(row, way, piece.raw, piece.record, piece.flaw)

    def _take(self, row: Said, way: _Way, raw: bytes, record: Record | None, flaw: str) -> None:
        other = self._ways["server" if row.by == "client" else "client"]
        match record:
            case Extended() as frame:
                check = row.check if row.masked and row.check else frame.check
                before = way.newest.get(frame.number)
                again = before is not None and before.frame.data == frame.data
                sent = _Sent(frame, raw, row.mono, check, row.masked, again)
                way.sent.append(sent)
                way.newest[frame.number] = way.under_way[frame.number] = sent
                way.most = max(way.most, len(way.under_way))
            case Acknowledged(number):
                way.acknowledged.append((number, row.mono))
                if acknowledged := other.under_way.pop(number, None):
                    acknowledged.has = row.mono
                elif number not in other.newest or not other.newest[number].again:
                    self._against(
                        f"the {row.by} acknowledges frame {number:03}, which was not sent or has been already"
                    )
            case Heartbeat():
                way.beats.append(row.mono)
            case None if not row.masked:
                way.odd.append((raw, flaw))

    # --- what is told of each side ---

    def _tell(self, side: Side, way: _Way) -> None:
        counts = f"{len(way.sent)} frames, {len(way.acknowledged)} acknowledgements, {len(way.beats)} heartbeats"
        self._line(f"{side}: {counts}, {len(way.odd)} pieces that are none of these")
        if way.sent:
            checks = Counter(one.check for one in way.sent)
            self._line(f"  checksums: {', '.join(f'{checks[word]} {word}' for word in ('right', 'missing', 'wrong'))}")
            self._line(f"  numbers: {_runs([one.frame.number for one in way.sent])}")
            ways = Counter(f"{one.frame.source} > {one.frame.destination}" for one in way.sent)
            self._line(f"  addresses: {_counted(ways)}")
            self._line(f"  messages: {_counted(Counter(plain(one.frame.data[:3].strip()) for one in way.sent))}")
        self._delays(side, way)
        self._checksums(side, way)
        self._numbering(side, way)
        for raw, flaw in way.odd[:SHOWN]:
            self._line(f"  {flaw}: {raw[:64].hex(' ')}{' ...' * (len(raw) > 64)}  {plain(raw[:64].decode('latin-1'))}")
        bad = [flaw for _, flaw in way.odd if flaw != "cut short"]
        if bad:
            self._against(
                f"the {side} says {len(bad)} things that are no frame, acknowledgement or heartbeat: {bad[0]}"
            )
        for what, undocumented in (
            (
                "address type",
                {one.frame.source[0] for one in way.sent} | {one.frame.destination[0] for one in way.sent},
            ),
            ("protocol", {one.frame.protocol for one in way.sent}),
        ):
            known = DOCUMENTED_TYPES if what == "address type" else "123"
            if new := sorted(undocumented - set(known)):
                self._against(f"the {side} uses {what} {', '.join(new)}, which is not among those documented ({known})")

    def _delays(self, side: Side, way: _Way) -> None:
        took = [(one.has - one.at) / SECOND for one in way.sent if one.has is not None]
        if took:
            self._line(
                f"  acknowledged after {min(took):.3f} / {median(took):.3f} / {max(took):.3f} s (least, median, most)"
            )
        if way.most > WINDOW:
            self._against(f"the {side} had {way.most} frames under way unacknowledged; {WINDOW} is the documented most")
        left = [one for one in way.under_way.values() if one.frame.number not in LOGIN_NUMBERS.values()]
        for one in left[:SHOWN]:
            after = (self._rows[-1].mono - one.at) / SECOND
            words = f"frame {one.frame.number:03} of the {side} ({plain(one.frame.data[:20])}) was never acknowledged"
            if after > 5:
                self._against(f"{words}, in {after:.0f} s")
            else:
                self._line(f"  {words}; the connection ended {after:.1f} s later")
        again = [one for one in way.sent if one.again]
        if again:
            self._beyond(f"the {side} sent {len(again)} frames again, the first being {again[0].frame.number:03}")
        spans = [(later - earlier) / SECOND for earlier, later in pairwise(way.beats)]
        if spans:
            self._beyond(
                f"heartbeats of the {side} come {min(spans):.1f} to {max(spans):.1f} s apart (documented: 30 s idle)"
            )
        quiet = [(later - earlier) / SECOND for earlier, later in pairwise(way.at)]
        if quiet and max(quiet) > DEAD_AFTER:
            self._against(
                f"the {side} was quiet for {max(quiet):.0f} s and went on; {DEAD_AFTER:.0f} s is the documented end"
            )

    def _checksums(self, side: Side, way: _Way) -> None:
        wrong = [one for one in way.sent if one.check == "wrong"]
        if not wrong:
            return
        self._against(f"the {side} has {len(wrong)} of {len(way.sent)} checksums that are not CKA CKB as documented")
        tried: Counter[str] = Counter()
        looked = [one for one in wrong if not one.masked]
        for number, one in enumerate(looked):
            body, _, printed = one.raw[1:].rstrip(b"\r\n").partition(b"\t")
            got = printed.decode("latin-1").upper()
            matching = [name for name, variant in VARIANTS.items() if variant(body) == got]
            tried.update(matching)
            if number < SHOWN:
                fits = f"; it is that of: {', '.join(matching)}" if matching else ""
                said = plain(one.frame.data)
                self._line(
                    f"  frame {one.frame.number:03} {said}: printed {plain(got)}, computed {fletcher(body)}{fits}"
                )
        for name, count in tried.items():
            if count == len(looked):
                self._beyond(f"every wrong checksum of the {side} is right if computed so: {name}")

    def _numbering(self, side: Side, way: _Way) -> None:
        own = [one.frame.number for one in way.sent if not one.again and one.frame.number not in LOGIN_NUMBERS.values()]
        jumps = [
            (earlier, later)
            for earlier, later in pairwise(own)
            if later != earlier + 1 and not (later == 0 and earlier in (LAST_NUMBER, 252, 255))
        ]
        if jumps:
            shown = ", ".join(f"{earlier:03} then {later:03}" for earlier, later in jumps[:SHOWN])
            self._against(
                f"the {side}'s frame numbers do not go up by one: {shown}; are they those of their originators?"
            )

    # --- the conversation ---

    def _login(self) -> None:
        """Login first: SN, UN, PW under 253, 254, 255, and nothing else until `#GC` (section 3)."""
        client, server = self._ways["client"].sent, self._ways["server"].sent
        granted = next((one for one in server if one.frame.data.startswith("#GC")), None)
        if not (client or server):
            return
        if granted:
            words = {"0": "refused", "1": "accepted", "2": "accepted, backlog skipped"}
            answer = granted.frame.data[3:].strip()
            self._line(f"login: {words.get(answer, 'answered')} (#GC {plain(answer)})")
        else:
            self._line("login: no answer (#GC) is in the recording")
        before = [one for one in client if not one.again and (granted is None or one.at <= granted.at)]
        told = [(one.frame.data[:2], one.frame.number) for one in before]
        if told != [*LOGIN_NUMBERS.items()]:
            shown = ", ".join(f"{plain(tag)} in {number:03}" for tag, number in told[:SHOWN]) or "nothing"
            self._against(f"before #GC the client sends {shown}; documented are SN in 253, UN in 254, PW in 255")

    def _inferred(self) -> None:
        """What the documents leave open, and `Dialect` assumes."""
        client, server = self._ways["client"], self._ways["server"]
        commands = [one for one in server.sent if one.frame.data.startswith("#")]
        if commands:
            seen = sorted({one.frame.source for one in commands})
            self._beyond(f"the server calls itself {', '.join(seen)} (assumed: {self._dialect.server})")
            answers = [one for one in client.sent if one.frame.data.startswith("AK ")]
            self._beyond(f"commands of the server: {len(commands)}; AK frames of the client: {len(answers)}")
        if client.sent:
            seen = sorted({one.frame.source[0] for one in client.sent})
            dialect = self._dialect
            assumed = f"{dialect.computer_type} for a computer, {dialect.device_type} for a timer"
            self._beyond(f"the client's address type is {', '.join(seen)} (assumed: {assumed})")
            seen = sorted({one.frame.destination for one in client.sent})
            self._beyond(f"the client sends to {', '.join(seen)} (assumed: {self._dialect.server}; {BROADCAST} is all)")
        login = [one for one in client.sent if one.frame.number in LOGIN_NUMBERS.values()]
        if login:
            has = sum(one.has is not None for one in login)
            self._beyond(f"frames of the login: {len(login)}, acknowledged one by one: {has}")

    def _line(self, text: str) -> None:
        self._report.lines.append(f"  {text}")

    def _against(self, text: str) -> None:
        self._report.against.append(f"{self._name}: {text}")

    def _beyond(self, text: str) -> None:
        self._report.beyond.append(f"{self._name}: {text}")


def _runs(numbers: list[int]) -> str:
    """`190-193, 000, 005-006`."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    words = ["-".join(f"{number:03}" for number in run) for run in runs]
    return ", ".join(words[: 2 * SHOWN]) + (", ..." if len(words) > 2 * SHOWN else "")


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{what} ({count})" for what, count in counts.most_common(SHOWN))
