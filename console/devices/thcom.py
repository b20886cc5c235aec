"""TAG Heuer and ITS timers that speak THCOM08: CP540, CP545, TM550, Pocket Pro, HL975 (thcom.md)."""

import asyncio
from collections.abc import Callable
from typing import ClassVar, Literal

from console.codecs import thcom
from console.codecs.piece import Piece
from console.codecs.thcom_records import (
    Ack,
    Command,
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
    Time,
    tag_of,
)
from console.devices.driver import CommandError, DeviceSettings, Driver, Outlet, Reply
from console.devices.thcom_words import PARAMETERS, explain
from console.model import Basis, CommandInfo, EventIs, Fact, Heard, Kind, Order, Origin, Reading, Scalar

ANSWER_WITHIN = 2.0
"""Seconds for a device to answer a command."""

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

    settings_type = ThcomSettings
    shown = "THCOM08"
    commands: ClassVar[tuple[CommandInfo, ...]] = (
        CommandInfo(words="#SN", help="ask for serial number, type and version"),
        CommandInfo(words="PING", help="the same, as a proof of life"),
    )

    def __init__(self, settings: ThcomSettings, outlet: Outlet, changed: Callable[[], None] = lambda: None) -> None:
        super().__init__(settings, outlet, changed)
        self._serial = bool(settings.port)
        self._decoder = thcom.Decoder(self._serial)
        self._keeps_alive = False
        self._run: str | None = None
        """The run that is being downloaded."""
        self._live: dict[str, int] = {}
        self._downloaded: dict[str, int] = {}
        self._one_at_a_time = asyncio.Lock()
        self._asked: asyncio.Future[Reply] | None = None
        self._accepted = False

    def opened(self) -> None:
        """The link has opened."""
        self._decoder = thcom.Decoder(self._serial)
        self._run = None

    def receive(self, data: bytes, wall: int) -> list[Heard]:
        """Cut and decode a chunk."""
        return [self._heard(piece) for piece in self._decoder.receive(data)]

    def lost(self) -> list[Heard]:
        """The link is gone."""
        heard = [self._heard(piece) for piece in self._decoder.flush()]
        self._run = None
        if self._asked and not self._asked.done():
            self._asked.set_exception(CommandError("#SN: the link was lost before the device answered"))
        return heard

    def silence(self) -> float | None:
        """On TCP, a device that has sent keep-alives is expected to go on with them."""
        if self.settings.silent_after is not None:
            return super().silence()
        return SILENT_AFTER if self._keeps_alive and not self._serial else None

    async def command(self, order: Order) -> Reply:
        """Ask for the serial number; the answer is AK, then SN."""
        words, by = order.words, order.by
        if words.strip().upper() not in ("#SN", "PING"):
            raise CommandError(f"{self.settings.name}: no command {words!r}; this device takes #SN or PING")
        async with self._one_at_a_time:
            self._accepted = False
            self._asked = asyncio.get_running_loop().create_future()
            try:
                frame = thcom.basic("#SN", self._serial or self._decoder.checksums)
                self.outlet.send(frame, by=by, label="#SN")
                async with asyncio.timeout(ANSWER_WITHIN):
                    return await self._asked
            except TimeoutError:
                so_far = "accepted (AK C), but no SN came" if self._accepted else "no answer"
                advice = "check that the device is on and that its cable carries both directions"
                raise CommandError(f"#SN: {so_far} within {ANSWER_WITHIN:g} s; {advice}") from None
            finally:
                self._asked = None

    @classmethod
    def explain(cls, raw: bytes) -> dict[str, str]:
        """Field by field."""
        return explain(raw)

    # --- what a frame means ---

    def _heard(self, piece: Piece[Record]) -> Heard:
        label = tag_of(piece.record) if piece.record else piece.flaw.partition(":")[0]
        facts = () if piece.flaw or piece.record is None else self._facts(piece.record)
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
                self._identified(record)
            case Ack(code=code):
                self._acknowledged(code)
            case Parameter(number=number, value=value) if number in PARAMETERS:
                self.facts[PARAMETERS[number]] = value
            case KeepAlive():
                self._keeps_alive = True
            case Command() | _:
                pass
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

    # --- answers ---

    def _identified(self, serial: Serial) -> None:
        told = {
            "type": serial.type,
            "serial": serial.serial,
            "version": serial.version,
            "docking": f"{serial.docking_serial} {serial.docking_version}".strip(),
        }
        told = {name: value for name, value in told.items() if value}
        self.facts |= told
        if self._asked and not self._asked.done():
            text = " ".join(filter(None, (serial.type, serial.serial, serial.version)))
            self._asked.set_result(Reply(ok=True, text=text, data=dict(told)))

    def _acknowledged(self, code: str) -> None:
        if not self._asked or self._asked.done():
            return
        if code == "C":
            self._accepted = True
        else:
            why = "the device rejects it (AK F)" if code == "F" else "this device does not support it (AK R)"
            self._asked.set_result(Reply(ok=False, text=f"#SN: {why}"))


def _bib(bib: str | None) -> str | None:
    """Bib 0 is no bib: re-identifying a time as 0000 removes its identification (thcom.md, section 2.3; inferred)."""
    return None if bib == "0" else bib
