"""Each passing as a printed line, for the tape that crews keep."""

from collections import Counter
from collections.abc import Callable, Sequence
from shlex import split
from typing import ClassVar, Literal
from zlib import crc32

from console.codecs import tape
from console.exports.export import ExportSettings
from console.exports.printers import Command, Device, Printer, PrinterError
from console.exports.records import Records, Row
from console.exports.resend import Again, as_range
from console.exports.sink import Sink, SinkError
from console.exports.steering import Leap
from console.model import Act, Passing, Phase, Selection

JOB = 20
"""Rows of one job of a printer command: what is printed twice at most after a failure, or a kill."""


class TapeSettings(ExportSettings, frozen=True, kw_only=True):
    """Settings of a tape."""

    ways: ClassVar = ()

    printer: str = ""
    """A command that prints what it gets on stdin, `lp -d tape`; or"""
    device: str = ""
    """the printer's device file, `/dev/usb/lp0`."""
    width: Literal[24, 32, 40] = 40
    """Characters in a line."""
    skip_first_seen: bool = True
    """Leave out reads of type 1."""

    def __post_init__(self) -> None:
        """Raise ValueError unless there is one printer."""
        if bool(self.printer.strip()) == bool(self.device):
            raise ValueError('give either printer (a command, as in "lp -d tape") or device (as in "/dev/usb/lp0")')
        if "\0" in self.printer + self.device:
            raise ValueError("printer and device hold no NUL")
        if self.device and not self.device.startswith("/"):
            raise ValueError(f"device must be a whole path, as in /dev/usb/lp0 (got {self.device!r})")
        try:
            split(self.printer)
        except ValueError as error:
            raise ValueError(f"printer: {error}") from None


class TapeExport(Sink[TapeSettings]):
    """Prints what is known of each passing when it comes, and what becomes known later as lines of its own: nothing is
    held for a bib, an edit is not held for its undo time. Phases and guns stand between them; each day has a head.

    It is one tape, whichever printer prints it: one is replaced in the middle of a race. Sent is what a command
    has ended well with, or a device has taken; what is on paper nobody tells. What was under way at a kill or a failure
    is printed again; every line says which passing it is about by its time and bib.
    """

    settings_type = TapeSettings
    acknowledges = False

    def __init__(self, settings: TapeSettings, desk: Records, now: Callable[[], int]) -> None:
        super().__init__(settings, desk, now)
        self.aside = "acts"
        self._printer: Printer = Command(settings.printer) if settings.printer else Device(settings.device)
        self._rows_at_once = JOB if settings.printer else 1
        self._roll = crc32(self.where.encode())
        """Another printer has a roll of its own."""
        self._tape = tape.Tape(desk.event_name, settings.width, desk.zone)
        self.again: Again | None = None
        """What the operator wants printed again."""
        self._in_hand = 0
        """The last passing of what is being printed."""
        self._given_up_by = ""
        """Who has skipped what waits, while that was being printed."""

    @property
    def target(self) -> str:
        """It is one tape."""
        return "printer"

    @property
    def where(self) -> str:
        """The command, or the device file."""
        return self.settings.printer or self.settings.device

    def why_not(self, passing: Passing) -> str:
        """Everything that counts is printed, and what becomes known of it."""
        if passing.phase is Phase.TEST:
            return "phase TEST"
        if not tape.says_something(passing):
            return f"{passing.status}: it has a line already, or does not count"
        return super().why_not(passing)

    def meant(self, row: Row) -> bool:
        """Of what operators did, phases and guns."""
        return row.word in ("phase", "gun") if isinstance(row, Act) else super().meant(row)

    async def open(self) -> None:
        """Nothing is to be made ready: a printer shows what it is worth when it prints."""

    async def close(self) -> None:
        """Let go of the printer."""
        self._printer.close()

    async def put(self, rows: Sequence[Row]) -> None:
        """Print rows, a few at a time."""
        for first in range(0, len(rows), self._rows_at_once):
            self.allowed()
            some = [row for row in rows[first : first + self._rows_at_once] if not self.leapt(row)]
            if not some:
                continue
            in_hand = self._in_hand = max((row.seq for row in some if isinstance(row, Passing)), default=0)
            self._given_up_by = ""
            try:
                self._headed(await self._print(some, []))
            except SinkError:
                self._in_hand = 0
                if self._given_up_by:
                    await self._give_up(self.place + 1, in_hand, self._given_up_by)
                raise
            finally:
                self._in_hand = 0
            self.took(some)

    async def _print(self, rows: Sequence[Row], lines: list[str]) -> int:
        """Print these lines, and rows; the day of the last of them. Raises SinkError."""
        day, more = self._lines(rows)
        try:
            await self._printer.print(lines + more)
        except PrinterError as error:
            raise SinkError(str(error)) from None
        return day

    # --- what an operator does ---

    async def resend(self, chosen: Selection, by: str, peer: str | None = None) -> str:
        """Print passings once more, between two lines that say so: a tape was torn, or ran out unseen."""
        return await self._steering.resend(chosen, lambda: [self], by, peer or "")

    async def besides(self) -> bool:
        """Print a few of what is wanted again."""
        again = self.again
        if again is None:
            return False
        self.allowed()
        batch = [] if again.over.is_set() else await again.read(self.desk.feed)
        if batch:
            await self.answered(self._print_again(again, batch))
            return True
        if again.counts["sent"] and not again.over.is_set():
            await self.answered(self._print([], ["-- end of what is printed again"]))
        again.end()
        self.again = None
        return True

    async def _print_again(self, again: Again, batch: Sequence[Passing]) -> None:
        """One job of it, and what of the batch is not printed is counted."""
        counts: Counter[str] = Counter()
        some: list[Passing] = []
        for passing in batch:
            at = passing.seq
            if again.what.takes(self.desk.resolve(passing)):
                if self.why_not(passing):
                    counts["other"] += 1
                elif at > self.place:
                    counts["waiting"] += 1
                else:
                    some.append(passing)
            if len(some) == self._rows_at_once:
                break
        if some:
            begins = [] if again.counts["sent"] else [f"-- printed again: {as_range(again.what)}"]
            self._headed(await self._print(some, begins))
            self.resent += len(some)
            self.went_well()
        again.at = at
        again.counts += counts + Counter(sent=len(some))

    def waiting(self, peer: str | None = None) -> int:
        """Passings that wait to be printed."""
        del peer
        return self._waiting

    @property
    def counted_to(self) -> int:
        """How far it has counted what there is."""
        return self._seen

    async def skip_until(self, upto: int, by: str, peer: str | None = None) -> int:
        """Never print what waited when everything up to `upto` was counted; how many. What is being printed just now is
        not among them: it is skipped if it turns out that it cannot be printed."""
        del peer
        if self._in_hand:
            self._given_up_by = by
        first = max([self.place, self._in_hand, *(last for _, last in self.leaps)]) + 1
        return await self._give_up(first, min(upto, self._seen), by)

    async def _give_up(self, first: int, last: int, by: str) -> int:
        if last < first:
            return 0
        self.leaps.append((first, last))  # from here on nothing of it is printed
        count = await self.count(first - 1, last)
        self.skipped += count
        self._steering.leapt(Leap(self.target, first, last, count), by)
        if not self._in_hand:
            self.place = max(self.place, last)
        self._forget_pending()
        self.save()
        self.desk.changed()
        return count

    # --- lines ---

    def _headed(self, day: int) -> None:
        """The roll has the head of this day."""
        self.marks = {"day": day, "roll": self._roll}

    def _lines(self, rows: Sequence[Row]) -> tuple[int, list[str]]:
        """The day of the last of these rows, and their lines."""
        lines: list[str] = []
        last = self.marks.get("day", 0) if self.marks.get("roll") == self._roll else 0
        for row in rows:
            day = self._tape.day(row.wall)
            if day != last:
                lines += self._tape.head(day)
                last = day
            if isinstance(row, Passing):
                lines += self._tape.passing(self.desk.resolve(row))
            elif isinstance(row, Act):
                lines += self._tape.act(row)
        return last, lines
