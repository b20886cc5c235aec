"""TAG Heuer and ITS timers that speak THCOM08: CP540, CP545, TM550, Pocket Pro, HL975 (thcom.md)."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from time import monotonic
from typing import ClassVar, Literal

from msgspec import structs

from console.codecs import thcom
from console.codecs.piece import Piece
from console.codecs.thcom_layouts import days
from console.codecs.thcom_records import (
    DownloadEnd,
    DownloadStart,
    Ident,
    KeepAlive,
    Parameter,
    Record,
    Result,
    RunClose,
    RunOpen,
    Serial,
    Speed,
    Synchro,
    Time,
    tag_of,
)
from console.devices import thcom_jobs as jobs
from console.devices.driver import CommandError, DeviceSettings, Driver, Outlet, Reply
from console.devices.thcom_commands import COMMANDS, read
from console.devices.thcom_status import told
from console.devices.thcom_talk import Talk
from console.devices.thcom_words import PARAMETERS, explain, time_in_words
from console.model import SECOND, Basis, CommandInfo, EventIs, Fact, Heard, Kind, Order, Origin, Reading, Risk, Scalar

OPENING = 1.0
"""Seconds of quiet after which a device that was just connected is asked who it is."""

SILENT_AFTER = 30.0
"""Seconds without a byte from a device that does send keep-alives on TCP. Inferred: their interval is not documented; a
client in the wild gives up after 15 s (thcom.md, section 1.2)."""

REMEMBERED = 20_000
"""Live results whose like in a download is known for a repeat."""

CHANGES = {"-": "unassigned", "*": "bib", "C": "cancelled"}
"""State of a time -> what it corrects of the record with the same channel, sequence number, time and day."""


class ThcomSettings(DeviceSettings, frozen=True, kw_only=True):
    """Settings of a THCOM08 device; its line is always 8N1."""

    baud: Literal[2400, 9600, 19200, 38400, 57600] = 9600


class Thcom(Driver[ThcomSettings]):
    """A THCOM08 device, on a serial port or on TCP.

    Times are identified by channel, sequence number, time and day. Results carry nothing that identifies them, so the
    first, second .. live one with equal contents is matched with the first, second .. one of a download: what a
    download brings again is a repeat, and two runs that happen to last equally long remain two. The count begins
    anew with the engine: a live result that equals one from before the restart is then kept as its repeat.
    """

    settings_type: ClassVar[type[ThcomSettings]] = ThcomSettings
    shown = "THCOM08"
    commands: ClassVar[tuple[CommandInfo, ...]] = COMMANDS

    def __init__(self, settings: ThcomSettings, outlet: Outlet, changed: Callable[[], None] = lambda: None) -> None:
        super().__init__(settings, outlet, changed)
        self._serial = bool(settings.port)
        self._decoder = thcom.Decoder(self._serial)
        self._keeps_alive = False
        self._heard_at = 0.0
        """When the last byte came, monotonic seconds."""
        self._run: str | None = None
        """The run that is being downloaded."""
        self._told_at = 0.0
        """When the last line of a download came, monotonic seconds."""
        self._live: dict[str, int] = {}
        self._downloaded: dict[str, int] = {}
        self.talk = Talk(outlet, lambda: self._serial or self._decoder.checksums)
        self.download: jobs.Download | None = None
        """The run that was asked for."""
        self.by_hand = 0
        """Impulses on M1 so far: what 008 gives where no synchro waits for it."""

    def opened(self) -> None:
        """The link has opened, perhaps to another device. Its run is the one that passings go on to be of."""
        self._decoder = thcom.Decoder(self._serial)
        self.facts = {word: text for word, text in self.facts.items() if word == "run"}
        self._run = None

    def receive(self, data: bytes, wall: int) -> list[Heard]:
        """Cut and decode a chunk."""
        self._heard_at = monotonic()
        if self._run is not None and self._heard_at - self._told_at > jobs.LINE_WITHIN:
            self._run = None  # it has broken off, or its end came damaged: results are live again
        return [self._heard(piece) for piece in self._decoder.receive(data)]

    def lost(self) -> list[Heard]:
        """The link is gone."""
        heard = [self._heard(piece) for piece in self._decoder.flush()]
        self._run = None
        self.talk.lost()
        return heard

    def silence(self) -> float | None:
        """On TCP, a device that has sent keep-alives is expected to go on with them."""
        if self.settings.silent_after is not None:
            return super().silence()
        return SILENT_AFTER if self._keeps_alive and not self._serial else None

    async def attend(self) -> None:
        """Ask once who it is and how it is, when it is quiet; a device that does not answer is left in peace."""
        self._heard_at = monotonic()
        while (wait := self._heard_at + OPENING - monotonic()) > 0:  # noqa: ASYNC110 - it is time that is waited for
            await asyncio.sleep(wait)
        with suppress(CommandError, ConnectionError):
            await jobs.status(self)
        await super().attend()

    def risk(self, words: str) -> Risk:
        """What a command may do, its arguments checked; so none with a password ever gets further."""
        info = read(words)[0].info
        does = info.help if info.words.startswith("#") else ""
        return Risk(changes=info.changes, destroys=info.destroys, sets_clock=info.sets_clock, does=does)

    def check_file(self, words: str, text: str) -> None:
        """See Driver."""
        if read(words)[0].info.words == "START LIST":
            jobs.bibs(text)

    async def command(self, order: Order) -> Reply:
        """Send a command, and wait for its answer; or do what takes several."""
        host, values = read(order.words)
        self.check_free()
        match host.info.words:
            case "STATUS":
                return await jobs.status(self, order.by)
            case "SET CLOCK":
                return await jobs.set_clock(self, order, *values)
            case "START LIST":
                return await jobs.start_list(self, order)
            case "DOWNLOAD RUN" | "#DL":
                return await jobs.download(self, order, int(values[0]))
            case "PING":
                host, values = read("#SN")
            case "#WC 014" if len(values) == 3:
                today = datetime.fromtimestamp(self.outlet.wall() / SECOND, self.outlet.zone)
                values.append(str(days(today.date())))
        data = host.data(values)
        answer = await self.talk.ask(data, by=order.by, wants=host.wants(values) if host.wants else None)
        if not answer.accepted:
            return Reply(ok=False, text=answer.refusal(host.info.words, host.rejected))
        return _reply(host.info.words, answer.record)

    # --- for the jobs ---

    def check_free(self) -> None:
        """Raises CommandError while a command is under way that wants the device for itself."""
        if self.job:
            raise CommandError(f"{self.settings.name} is at {self.job.words!r} ({self.job.text}): wait, or STOP it")

    def progress(self, done: int, text: str) -> None:
        """How far the job has got."""
        if self.job:
            self.job = structs.replace(self.job, done=done, text=text)
            self.changed()

    def line_time(self, data: str) -> float:
        """Seconds that a frame is on the way: ten bits a byte on a serial line, nothing that is known on TCP."""
        return len(self.talk.frame(data)) * 10 / self.settings.baud if self._serial else 0.0

    @classmethod
    def explain(cls, raw: bytes) -> dict[str, str]:
        """Field by field."""
        return explain(raw)

    # --- what a frame means ---

    def _heard(self, piece: Piece[Record]) -> Heard:
        label = tag_of(piece.record) if piece.record else piece.flaw.partition(":")[0]
        record = None if piece.flaw else piece.record
        facts = self._facts(record) if record else ()
        if record:
            self.talk.hear(record)
        if isinstance(record, DownloadStart | Result | Speed) or (isinstance(record, Time) and record.tag[0] != "T"):
            self._told_at = self._heard_at
        if self.download:
            self.download.hear(record)
        return Heard(raw=piece.raw, label=label, facts=facts, flaw=piece.flaw)

    def _facts(self, record: Record) -> tuple[Fact, ...]:
        match record:
            case Time():
                return (self._time(record),)
            case Result() | Speed():
                return (self._result(record),)
            case RunOpen(run=run, name=name):
                self.facts["run"] = f"{run} {name} (open)"
                self._run = None  # a download that has lost its end is over
                return (EventIs(run),)
            case RunClose(run=run):
                self.facts["run"] = f"{run} (closed)"
                self._run = None
                return (EventIs(""),)
            case DownloadStart(run=run):
                self._run = run
                self._downloaded.clear()
            case DownloadEnd():
                self._run = None
            case Ident(serial=serial):
                self.facts["serial"] = serial
            case Serial():
                self.facts |= _told(record)
            case Parameter(number=number, value=value) if number in PARAMETERS:
                self.facts[PARAMETERS[number]] = told(number, value)
            case KeepAlive():
                self._keeps_alive = True
        return ()

    def _time(self, time: Time) -> Reading:
        state = time.tag[1]
        bib = _bib(time.bib)
        extra: dict[str, Scalar] = {"record": time.tag, "sequence": time.sequence}
        if state == "-" and bib:
            extra["was"], bib = bib, None
        if state == "+":
            extra["inserted"] = True
        if state == "I":
            extra["ideal"] = True
        recalled = time.tag[0] != "T"
        self.by_hand += time.tag == "TN" and time.channel == "M1"
        identity = f"{time.channel}/{time.sequence}/{time.ns}/{time.day or 0}"
        if state == "I":
            # An ideal start stands beside the impulse of the same number, it does not correct it (inferred).
            identity = f"ideal/{identity}"
        if state == "=":
            # The command for it (015) names two bibs: one competitor's time is given to another one, too (inferred).
            extra["duplicate"] = True
            identity = f"duplicate/{bib or ''}/{identity}"
        return Reading(
            kind=Kind.IMPULSE,
            identity=identity,
            value=bib or "",
            time=time.time,
            ns=time.ns,
            basis=Basis.DAY,
            day=time.day + thcom.EPOCH_DAY if time.day else None,
            bib=bib,
            channel=time.channel,
            event=self._run if recalled else None,
            origin=Origin.RECALL if recalled else Origin.LIVE,
            change=CHANGES.get(state, ""),
            extra=extra,
        )

    def _result(self, result: Result | Speed) -> Reading:
        record = tag_of(result)
        extra: dict[str, Scalar] = {"record": record}
        time, ns = (result.time, result.ns) if isinstance(result, Result) else (None, None)
        if isinstance(result, Speed):
            contents = f"{record}/{result.bib}/{result.number}/{result.speed} {result.unit}"
            extra |= {"number": result.number, "speed": float(result.speed), "unit": result.unit}
        else:
            contents = f"{record}/{result.bib}/{result.number}/{ns}"
            if result.number:
                extra[{"IR": "intermediate", "DR": "winner"}.get(record, "rank")] = result.number
        recalled = self._run is not None
        return Reading(
            kind=Kind.RESULT,
            identity=f"{contents}/{self._count(contents, recalled)}",
            time=time,
            ns=ns,
            basis=Basis.NONE if time is None else Basis.SPAN,
            bib=_bib(result.bib),
            event=self._run,
            origin=Origin.RECALL if recalled else Origin.LIVE,
            extra=extra,
        )

    def _count(self, contents: str, recalled: bool) -> int:
        """How many results with these contents there were, this one included: live ones, or of this download."""
        counts = self._downloaded if recalled else self._live
        count = counts[contents] = counts.pop(contents, 0) + 1
        if len(counts) > REMEMBERED:
            del counts[next(iter(counts))]
        return count


def _reply(words: str, record: Record | None) -> Reply:
    """What came of a command that was accepted."""
    match record:
        case Serial():
            data = _told(record)
            text = " ".join(filter(None, (record.type, record.serial, record.version)))
            return Reply(ok=True, text=text, data=dict(data))
        case Ident(serial=serial):
            return Reply(ok=True, text=f"serial number {serial}", data={"serial": serial})
        case Synchro(time=time, date=date):
            return Reply(ok=True, text=f"{time} {date} in its next second", data={"time": time, "date": date})
        case Parameter(number=number, value=value):
            name, inner = PARAMETERS.get(number, "parameter"), told(number, value)
            words = f"{inner} ({value})" if inner != value else value
            return Reply(ok=True, text=f"{name} ({number}): {words}", data={"parameter": number, "value": value})
        case Time():
            return Reply(ok=True, text=f"{time_in_words(record)}; offered (sheet offered) if it never arrived live")
    return Reply(ok=True, text=f"{words}: accepted (AK C)")


def _told(serial: Serial) -> dict[str, str]:
    told = {
        "type": serial.type,
        "serial": serial.serial,
        "version": serial.version,
        "docking": f"{serial.docking_serial} {serial.docking_version}".strip(),
    }
    return {name: value for name, value in told.items() if value}


def _bib(bib: str | None) -> str | None:
    """Bib 0 is no bib: re-identifying a time as 0000 removes its identification (thcom.md, section 2.3; inferred)."""
    return None if bib == "0" else bib
