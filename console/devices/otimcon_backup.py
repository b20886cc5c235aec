"""GET BACKUP: downloads a station's memory, and has it compared with the journal (otimcon.md, section 5).

Every line that is a punch of this event becomes a reading of origin BACKUP; timing tells whether the punch is known.
The event's punches are those between the first day of the event and now, on the station's own clock: where that is off
by some days, so is the span. Anything else in the memory is of earlier races, and is only counted.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar

from msgspec import Struct, field, structs

from console.codecs.otimcon_memory import DAY, LINES, Memory, Stored
from console.codecs.otimcon_records import BackupBegin, BackupEnd, BackupLine, Control, Record, Time
from console.codecs.piece import Piece
from console.devices.comparison import compared, how_to_take_over, of_test, still_offered
from console.devices.driver import CommandError, Driver, Reply
from console.devices.otimcon_clock import digits, epoch_of
from console.devices.otimcon_station import Station, Turn
from console.devices.otimcon_words import date, reading
from console.devices.otimcon_workflow import Workflow, asked
from console.model import SECOND, CommandInfo, Fact, Level, Order, Origin, Retold, Scalar, Sheet

LINE_WITHIN = 5.0
"""Seconds for the next line to come. All of them take 6 s at 38400 baud, 25 s at 9600."""
RING = 64
"""Punches after which the memory begins again since 0.17: then the oldest are written over."""
EVERY = 16
"""Lines between two words about the progress."""
SLACK = 60
"""Seconds by which a punch may lie ahead of now: both clocks are read some time before it comes."""


class Download(Struct):
    """One download. Times are of the station's clock."""

    memory: Memory
    control: int | None
    """The station's number now; None: it has none in its mode."""
    first: int
    last: int
    wall: int
    punches: list[Stored] = field(default_factory=list)
    told: int = 0
    """Those of this event."""

    def ours(self, punch: Stored) -> bool:
        """It is of this event."""
        return self.first <= punch.epoch <= self.last


class Backup(Workflow):
    """`GET BACKUP` and `COMPARE BACKUP`."""

    commands: ClassVar[tuple[CommandInfo, ...]] = (
        CommandInfo(
            words="GET BACKUP",
            help="download the backup memory, and offer what never arrived (6 s at 38400 baud, 25 s at 9600)",
            key="k",
            long=True,
        ),
        CommandInfo(
            words="COMPARE BACKUP", help="what the last download brought that never arrived (sheet offered)", key="="
        ),
    )

    def __init__(self, driver: Driver[Any], station: Station) -> None:
        super().__init__(driver, station)
        self._under_way: Download | None = None
        self._last: Download | None = None
        self._compared: Reply | None = None

    async def run(self, info: CommandInfo, values: Sequence[str], order: Order) -> Reply:
        """See Workflow."""
        if info.words == "COMPARE BACKUP":
            if self._compared is None:
                raise CommandError("COMPARE BACKUP: no backup was downloaded since the engine started: GET BACKUP")
            return self._compared
        self.begin(order, "asking the station", total=LINES)
        try:
            before = self.outlet.retold()
            download = await self._download(order)
            self._last = download
            self.driver.facts["backup"] = f"read {self._hour(download.wall)}, {len(download.punches)} punches"
            self.progress("comparing with the journal", LINES)
            made = await compared(self.outlet, before, download.told)
            self._compared = self._reply(download, made, await still_offered(self.outlet, made))
        finally:
            self._under_way = None
            self.end()
        if self._compared.data.get("new") or not self._compared.ok:
            self.outlet.trouble(Level.WARNING, self._compared.text)
        elif self._compared.data.get("in test"):
            self.outlet.trouble(Level.NOTE, self._compared.text)
        return self._compared

    def heard(self, piece: Piece[Record]) -> tuple[Fact, ...]:
        """A punch of this event, in a download that we asked for."""
        download = self._under_way
        if download is None:
            return ()
        if not isinstance(piece.record, BackupLine):
            if piece.record is None:
                download.memory.lose()
            return ()
        found = download.memory.take(piece.record)
        download.punches += found
        ours = [punch for punch in found if download.ours(punch)]
        download.told += len(ours)
        return tuple(_reading(punch, download.control) for punch in ours)

    async def _download(self, order: Order) -> Download:
        """Have every line come; nothing else may be sent meanwhile, for the station would lose it."""
        began = await self.outlet.began()
        async with self.station.turn(order.by) as turn:
            answer = (await turn.ask("GET CTRL"))[-1]
            control = answer.number if isinstance(answer, Control) and 1 <= answer.number <= 254 else None
            now = epoch_of(await asked(turn, "GET TIME", Time))
            download = self._under_way = self._new(control, now, began)
            await asked(turn, "GET BACKUP", BackupBegin)
            await self._lines(turn, download.memory)
        return download

    async def _lines(self, turn: Turn, memory: Memory) -> None:
        lines = 0
        try:
            while not isinstance(record := await turn.next(LINE_WITHIN), BackupEnd):
                lines += isinstance(record, BackupLine)
                if lines % EVERY == 0:
                    self.progress("reading the backup", lines)
        except TimeoutError:
            raise CommandError(
                f"GET BACKUP: nothing came after line {memory.lines} of {LINES}; what came is kept: get it again"
            ) from None

    def _new(self, control: int | None, now: int, began: int) -> Download:
        wall, zone = self.outlet.wall(), self.outlet.zone
        off = now - digits(wall, zone)
        first = digits(began, zone) // DAY * DAY + off
        last = now + SLACK
        return Download(memory=Memory(first, last), control=control, first=first, last=last, wall=wall)

    # --- in words -----------------------------------------------------------------------------------------------

    def _reply(self, download: Download, made: Retold | None, waiting: str) -> Reply:
        memory, punches = download.memory, download.punches
        turned = sum(punch.turned for punch in punches)
        others = len(punches) - download.told
        data: dict[str, Scalar] = {"lines": memory.lines, "punches": len(punches), "of this event": download.told}
        said = [f"{len(punches)} punches in the backup"]
        if made is None:
            said.append("the journal has not taken them all yet: see sheet offered")
        else:
            data |= {"known": made.repeats, "new": made.new, "differ": made.differ}
            said.append(f"{made.repeats} known{waiting}")
            if made.test:
                data["in test"] = made.test
                said.append(of_test(made.test, self.driver.settings.name))
            if made.differ:
                said.append(f"{made.differ} with an earlier time than was told live")
            said.append(
                f"{made.new} in the backup that never arrived: {how_to_take_over(self.driver.settings.name)}"
                if made.new
                else "none that never arrived"
            )
        if others:
            said.append(
                f"{others} not of this event, which is {date(download.first)} to {date(download.last)} on its clock"
            )
        if len(punches) >= RING and self.station.version != "0.16":
            said.append(f"there may have been more: it begins again after {RING}")
        if turned:
            said.append(f"{turned} were off by 7 bytes: SET RESET_BACKUP was never given to this board")
        if memory.used and not punches:
            said.append(f"{memory.used} lines are garbage: SET RESET_BACKUP before the next race")
        whole = memory.lines == LINES
        if not whole:
            said.append(f"{memory.lines} lines came of {LINES}: get it again")
        return Reply(ok=whole and made is not None, text="; ".join(said), data=data)

    def sheet(self, name: str) -> Sheet | None:
        """`backup`: every punch of the last download, by its time."""
        if name != "backup":
            return None
        download = self._last
        punches = sorted(download.punches, key=lambda punch: (punch.epoch, punch.line)) if download else []
        return Sheet(
            title=f"backup {self.driver.settings.name}",
            columns=("TIME", "CARD", " LINE", "NOTE"),
            rows=[
                (
                    date(punch.epoch),
                    punch.uid,
                    str(punch.line),
                    " ".join(
                        ["" if download and download.ours(punch) else "not of this event", "off by 7" * punch.turned]
                    ).strip(),
                )
                for punch in punches
            ],
            marks={row: "dim" for row, punch in enumerate(punches) if not (download and download.ours(punch))},
            note=f"read {self._hour(download.wall)}; times are of its clock; a card is its first four bytes"
            if download
            else "no backup was downloaded since the engine started: GET BACKUP",
        )

    def _hour(self, wall: int) -> str:
        return f"{datetime.fromtimestamp(wall // SECOND, self.outlet.zone):%H:%M}"


def _reading(punch: Stored, control: int | None) -> Fact:
    """A punch as the backup knows it. Its control is the one that the station has now; without one, timing compares the
    card's first bytes and the time alone."""
    known = reading(punch.uid, control or 0, punch.epoch, Origin.BACKUP)
    return structs.replace(
        known,
        identity=f"backup/{control or '?'}/{punch.uid}/{punch.epoch}",
        channel=None if control is None else str(control),
        series="" if control is None else known.series,
        extra={"line": punch.line},
    )
