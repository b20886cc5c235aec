"""What a recording of the server link says about its format: what the documents have right, and what they do not.

The documents: THCOM08, section on GPRS, and what was inferred from the guide (thcom.md, sections 1.4, 1.5 and 3). Each
stream is fed to the codec again, so that a mended codec can be tried on an old recording. Rows are looked at one by
one, and not kept.
"""

from collections import Counter
from collections.abc import Callable, Iterable

from msgspec import Struct, field

from console.codecs.columns import plain
from console.codecs.thcom_link import (
    BROADCAST,
    LOGIN_NUMBERS,
    SEP,
    Acknowledged,
    Dialect,
    Extended,
    Heartbeat,
    Record,
    fletcher,
)
from console.codecs.thcom_session import DEAD_AFTER, WINDOW
from console.its.recording import Event, Opening, Row, Said, Side
from console.its.way import SHOWN, Sent, Spans, Way
from console.model import SECOND

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


def examine(rows: Iterable[Row], dialect: Dialect) -> Report:
    """Look at a recording, against what the documents say and `dialect` assumes."""
    report = Report()
    heard: dict[int, _Connection] = {}
    for row in rows:
        if isinstance(row, Opening):
            _tell_all(heard)
            report.lines.append(f"recorded {row.time}: {plain(row.listen)} > {plain(row.forward)}")
        else:
            if row.connection not in heard:
                heard[row.connection] = _Connection(report, dialect, row)
            heard[row.connection].take(row)
    _tell_all(heard)
    return report


def _tell_all(heard: "dict[int, _Connection]") -> None:
    for one in heard.values():
        one.tell()
    heard.clear()


class _Connection:
    """One connection of the recording."""

    def __init__(self, report: Report, dialect: Dialect, first: Said | Event) -> None:
        self._report = report
        self._dialect = dialect
        self._name = f"connection {first.connection}"
        self._first = self._last = first
        self._lines: list[str] = []
        self._strays: list[str] = []
        """The first acknowledgements of what is not under way."""
        self._ways: dict[Side, Way] = {"client": Way(), "server": Way()}

    def take(self, row: Said | Event) -> None:
        """Feed a row to the codec."""
        self._last = row
        if isinstance(row, Event):
            self._line(f"{row.time[11:19]} -- {row.text}")
            return
        way = self._ways[row.by]
        way.speaking.add(row.mono)
        for piece in way.decoder.receive(row.bytes):
            self._take(row, way, piece.raw, piece.record, piece.flaw)

    def _take(self, row: Said, way: Way, raw: bytes, record: Record | None, flaw: str) -> None:
        other = self._ways["server" if row.by == "client" else "client"]
        match record:
            case Extended() as frame:
                check = row.check if row.masked and row.check else frame.check
                before, _ = way.newest.get(frame.number, (None, False))
                way.send(Sent(frame, raw, row.mono, check, row.masked, again=before == frame.data))
                other.login_over = other.login_over or way.granted is not None
                if check == "wrong":
                    _try_variants(way, frame, raw, masked=row.masked)
            case Acknowledged(number):
                way.acknowledgements += 1
                if not other.acknowledged(number, row.mono) and len(self._strays) < SHOWN:
                    what = f"frame {number:03}, which was not sent or has been already"
                    self._strays.append(f"the {row.by} acknowledges {what}")
            case Heartbeat():
                way.beats += 1
                way.beating.add(row.mono)
            case None if not row.masked:
                way.say_odd(raw, flaw)

    # --- what is told of it ---

    def tell(self) -> None:
        """Say what came of it."""
        for stray in self._strays:
            self._against(stray)
        for side, way in self._ways.items():
            for piece in way.decoder.flush():
                way.say_odd(piece.raw, piece.flaw)
            self._side(side, way)
            self._report.frames += way.frames
        self._login()
        self._inferred()
        head = f"{self._name}  {self._first.time[11:19]} to {self._last.time[11:19]}"
        self._report.lines += ["", head, *self._lines]

    def _side(self, side: Side, way: Way) -> None:
        counts = f"{way.frames} frames, {way.acknowledgements} acknowledgements, {way.beats} heartbeats"
        self._line(f"{side}: {counts}, {way.odd} pieces that are none of these")
        if way.frames:
            checks = ", ".join(f"{way.checks[word]} {word}" for word in ("right", "missing", "wrong"))
            self._line(f"  checksums: {checks}")
            self._line(f"  numbers: {_runs(way.runs)}")
            self._line(f"  addresses: {_counted(way.addresses)}")
            self._line(f"  messages: {_counted(way.messages)}")
        self._delays(side, way)
        self._checksums(side, way)
        if way.jumps:
            shown = ", ".join(f"{earlier:03} then {later:03}" for earlier, later in way.jumps)
            self._against(
                f"the {side}'s frame numbers do not go up by one: {shown}; are they those of their originators?"
            )
        for raw, flaw in way.odd_shown:
            self._line(f"  {flaw}: {raw[:64].hex(' ')}{' ...' * (len(raw) > 64)}  {plain(raw[:64].decode('latin-1'))}")
        if way.bad:
            self._against(
                f"the {side} says {way.bad} things that are no frame, acknowledgement or heartbeat: {way.first_bad}"
            )
        for what, found, known in (
            ("address type", way.types, DOCUMENTED_TYPES),
            ("protocol", way.protocols, "123"),
        ):
            if new := sorted(found - set(known)):
                self._against(f"the {side} uses {what} {', '.join(new)}, which is not among those documented ({known})")

    def _delays(self, side: Side, way: Way) -> None:
        if way.delays.counts:
            took = " / ".join(f"{ns / SECOND:.3f}" for ns in (way.delays.least, way.delays.median, way.delays.most))
            self._line(f"  acknowledged after {took} s (least, median, most)")
        if way.most > WINDOW:
            self._against(f"the {side} had {way.most} frames under way unacknowledged; {WINDOW} is the documented most")
        left = [one for one in way.under_way.values() if one.frame.number not in LOGIN_NUMBERS.values()]
        for one in left[:SHOWN]:
            after = (self._last.mono - one.at) / SECOND
            words = f"frame {one.frame.number:03} of the {side} ({plain(one.frame.data[:20])}) was never acknowledged"
            if after > 5:
                self._against(f"{words}, in {after:.0f} s")
            else:
                self._line(f"  {words}; the connection ended {after:.1f} s later")
        if way.first_again is not None:
            self._beyond(f"the {side} sent {way.agains} frames again, the first being {way.first_again:03}")
        if way.beating.count:
            self._beyond(f"heartbeats of the {side} come {_apart(way.beating)} s apart (documented: 30 s idle)")
        quiet = way.speaking.most / SECOND
        if quiet > DEAD_AFTER:
            self._against(
                f"the {side} was quiet for {quiet:.0f} s and went on; {DEAD_AFTER:.0f} s is the documented end"
            )

    def _checksums(self, side: Side, way: Way) -> None:
        if not way.checks["wrong"]:
            return
        wrong = way.checks["wrong"]
        self._against(f"the {side} has {wrong} of {way.frames} checksums that are not CKA CKB as documented")
        for line in way.wrong_shown:
            self._line(line)
        for name, count in way.fitting.items():
            if count == way.wrong_open:
                self._beyond(f"every wrong checksum of the {side} is right if computed so: {name}")

    # --- the conversation ---

    def _login(self) -> None:
        """Login first: SN, UN, PW under 253, 254, 255, and nothing else until `#GC` (section 3)."""
        client, server = self._ways["client"], self._ways["server"]
        if not (client.frames or server.frames):
            return
        if server.granted is not None:
            words = {"0": "refused", "1": "accepted", "2": "accepted, backlog skipped"}
            self._line(f"login: {words.get(server.granted, 'answered')} (#GC {plain(server.granted)})")
        else:
            self._line("login: no answer (#GC) is in the recording")
        if client.login != [*LOGIN_NUMBERS.items()]:
            shown = ", ".join(f"{plain(tag)} in {number:03}" for tag, number in client.login[:SHOWN]) or "nothing"
            self._against(f"before #GC the client sends {shown}; documented are SN in 253, UN in 254, PW in 255")

    def _inferred(self) -> None:
        """What the documents leave open, and `Dialect` assumes."""
        client, server, dialect = self._ways["client"], self._ways["server"], self._dialect
        if server.commands:
            seen = ", ".join(sorted(server.commanders))
            self._beyond(f"the server calls itself {seen} (assumed: {dialect.server})")
            self._beyond(f"commands of the server: {server.commands}; AK frames of the client: {client.answers}")
        if client.frames:
            assumed = f"{dialect.computer_type} for a computer, {dialect.device_type} for a timer"
            self._beyond(f"the client's address type is {', '.join(sorted(client.source_types))} (assumed: {assumed})")
            seen = ", ".join(sorted(client.destinations)[:SHOWN])
            self._beyond(f"the client sends to {seen} (assumed: {dialect.server}; {BROADCAST} is all)")
        if client.login_frames:
            told = f"{client.login_frames}, acknowledged one by one: {client.login_acknowledged}"
            self._beyond(f"frames of the login: {told}")

    def _line(self, text: str) -> None:
        self._lines.append(f"  {text}")

    def _against(self, text: str) -> None:
        self._report.against.append(f"{self._name}: {text}")

    def _beyond(self, text: str) -> None:
        self._report.beyond.append(f"{self._name}: {text}")


def _try_variants(way: Way, frame: Extended, raw: bytes, *, masked: bool) -> None:
    """Look whether a wrong checksum is right if computed in another way."""
    if masked:
        return
    body, _, printed = raw[1:].rstrip(b"\r\n").partition(b"\t")
    got = printed.decode("latin-1").upper()
    matching = [name for name, variant in VARIANTS.items() if variant(body) == got]
    way.fitting.update(matching)
    way.wrong_open += 1
    if len(way.wrong_shown) < SHOWN:
        fits = f"; it is that of: {', '.join(matching)}" if matching else ""
        said = f"frame {frame.number:03} {plain(frame.data)}"
        way.wrong_shown.append(f"  {said}: printed {plain(got)}, computed {fletcher(body)}{fits}")


def _runs(runs: list[list[int]]) -> str:
    """`190-193, 000, 005-006`."""
    words = ["-".join(f"{number:03}" for number in run) for run in runs]
    return ", ".join(words[: 2 * SHOWN]) + (", ..." if len(words) > 2 * SHOWN else "")


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{what} ({count})" for what, count in counts.most_common(SHOWN))


def _apart(spans: Spans) -> str:
    return f"{spans.least / SECOND:.1f} to {spans.most / SECOND:.1f}"
