"""Tickets of a station in mode PRINT: kept, and handed to a printer command (otimcon.md, sections 4 and 10).

A ticket has no end of its own: after its last line come four empty ones, or after that of an empty card nothing. What
falls silent before was cut short. Its bytes are in the journal as they came; beside them is kept how it reads.
"""

import asyncio
import shlex
from asyncio.subprocess import DEVNULL, PIPE
from typing import Any

from msgspec import Struct, field

from console.codecs.otimcon_records import Blank, CardSeen, DebugText, PrintLine, Record
from console.codecs.piece import Piece
from console.devices.driver import Driver
from console.devices.hush import Hush
from console.devices.otimcon_station import Station
from console.devices.otimcon_workflow import Workflow
from console.model import SECOND, Fact, Level, Scalar

SILENCE = 1.0
"""Seconds without another line after which a ticket has ended."""
PRINTS = 20.0
"""Seconds that the printer command may take."""
LONGEST = 16_384
"""Bytes that no ticket has: one of a full card has some 6,000."""
LAST_LINE, FEEDS = "Timing by OTIMCON", 4
POS, CUT = b"\x1b@", b"\x1dV\0"
"""A receipt printer's codes, which begin and end a ticket in PRINT POS. The second has no line end: it comes in front
of what is printed next."""


class Ticket(Struct):
    """What is being printed of a card."""

    card: str
    raw: bytes
    lines: list[str] = field(default_factory=list)
    feeds: int = -1
    """Empty lines since the last one with text; -1: that has not come."""

    @property
    def complete(self) -> bool:
        """Its last line has come."""
        return self.feeds >= 0

    @property
    def name(self) -> str:
        """The name on the card; memory that was never written is none."""
        return _readable(self.lines[0]) if self.lines else ""

    def text(self) -> str:
        """As it reads on paper."""
        return "\n".join(line for line in (f"Card {self.card}", *map(_readable, self.lines)) if line)

    def bytes(self) -> bytes:
        """For the printer: with its codes in PRINT POS, else plain text."""
        return self.raw + CUT if self.raw.startswith(POS) else (self.text() + "\n\n\n\n").encode("ascii", "replace")


class Tickets(Workflow):
    """No commands: tickets come with the cards."""

    def __init__(self, driver: Driver[Any], station: Station) -> None:
        super().__init__(driver, station)
        self._ticket: Ticket | None = None
        self._stirred = asyncio.Event()
        self._printing: set[asyncio.Task[None]] = set()
        self._printer = asyncio.Lock()
        self._hush = Hush()

    def heard(self, piece: Piece[Record]) -> tuple[Fact, ...]:
        """See Workflow."""
        record, ticket = piece.record, self._ticket
        if isinstance(record, CardSeen):
            self._over()
            self._ticket = Ticket(record.uid, piece.raw.removeprefix(CUT))
        elif ticket and isinstance(record, PrintLine | Blank):
            self._add(ticket, piece.raw, record.text if isinstance(record, PrintLine) else "")
        elif ticket and not isinstance(record, DebugText):
            self._over()
        if self._ticket or ticket:
            self._stirred.set()
        return ()

    def _add(self, ticket: Ticket, raw: bytes, text: str) -> None:
        ticket.raw += raw
        if ticket.complete:
            ticket.feeds += 1
        elif text == LAST_LINE:
            ticket.feeds = 0
        if text:
            ticket.lines.append(text)
        if ticket.feeds == FEEDS or len(ticket.raw) > LONGEST:
            self._over()

    def lost(self) -> None:
        """See Workflow."""
        self._over()

    async def attend(self) -> None:
        """Notice the silence after a ticket; tell how many others failed like one of which it was said."""
        while True:
            self._stirred.clear()
            try:
                async with asyncio.timeout(SILENCE if self._ticket else self._hushed()):
                    await self._stirred.wait()
            except TimeoutError:
                if not self._stirred.is_set():
                    self._over()

    def _over(self) -> None:
        """Keep the ticket, if there is one. In other modes than PRINT, a card line is followed by none."""
        ticket, self._ticket = self._ticket, None
        if ticket is None or not ticket.lines:
            return
        body: dict[str, Scalar] = {
            "card": ticket.card,
            "name": ticket.name,
            "text": ticket.text(),
            "complete": ticket.complete,
        }
        self.outlet.note("ticket", body, by="station")
        if not ticket.complete:
            self._warn(ticket, "cut short", "touch it again")
        elif self.driver.settings.printer.strip():
            task = asyncio.create_task(self._print(ticket), name=f"{self.driver.settings.name}: a ticket")
            self._printing.add(task)
            task.add_done_callback(self._printing.discard)

    async def _print(self, ticket: Ticket) -> None:
        """Hand it to the printer command; one after the other."""
        async with self._printer:
            if problem := await handed_to(self.driver.settings.printer, ticket.bytes()):
                self._warn(ticket, "not printed", problem)

    def _warn(self, ticket: Ticket, what: str, why: str) -> None:
        """Say it of the first; those that follow within a minute are counted."""
        if self._hush.says(what, self.outlet.wall() / SECOND):
            self.outlet.trouble(Level.WARNING, f"the ticket of card {ticket.card} was {what}: {why}")
        self._stirred.set()

    def _hushed(self) -> float | None:
        """Tell what was only counted; seconds until there may be something to tell."""
        now = self.outlet.wall() / SECOND
        for what, unsaid in self._hush.ended(now):
            named = "ticket was" if unsaid == 1 else "tickets were"
            self.outlet.trouble(Level.WARNING, f"{unsaid} more {named} {what} in the last minute (sheet tickets)")
        due = self._hush.due()
        return None if due is None else max(0.0, due - now)


async def handed_to(command: str, data: bytes) -> str:
    """Run `command` with `data` on its stdin: what went wrong, in words; empty: nothing."""
    try:
        words = shlex.split(command)
        process = await asyncio.create_subprocess_exec(*words, stdin=PIPE, stdout=DEVNULL, stderr=PIPE)
    except (OSError, ValueError) as error:
        return f"{command!r} cannot be run: {getattr(error, 'strerror', None) or error}"
    try:
        async with asyncio.timeout(PRINTS):
            _, told = await process.communicate(data)
    except TimeoutError:
        return f"{command!r} took longer than {PRINTS:g} s, and was ended"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if not process.returncode:
        return ""
    reason = told.decode(errors="replace").strip() or "no reason given"
    return f"{command!r} failed ({process.returncode}): {reason}"


def _readable(line: str) -> str:
    """Without what no paper shows."""
    return "".join(char for char in line if char.isascii() and char.isprintable()).rstrip()
