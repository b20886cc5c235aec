"""The pump: from the feed, through filter, binding and encoding, to one connected client."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from console.exports.delivery import Account, Dropped, Flight, Hold, Unmapped, Verdict, Written
from console.exports.export import Feed
from console.exports.peer import Peer
from console.exports.reading import BATCH, read, read_on
from console.exports.resend import Again
from console.model import Passing, Resolved

CHUNK = 16_384
"""Bytes after which what was encoded is written, and others get their turn."""


class Format(Protocol):
    """What the pump needs to know of a type of export."""

    enclosure: tuple[bytes, bytes, bytes]
    """What opens a document, joins its parts, and closes it."""
    interval: float
    """Seconds between two documents, at least."""
    go: asyncio.Event
    """Set, unless the operator has paused the export."""

    def not_for(self, address: str, passing: Passing) -> str:
        """Why `passing` is not for this address; empty: it is."""

    def left_out(self, account: Account, passing: Passing) -> bool:
        """Whether `passing` was not for this address when its turn came."""

    def verdict(self, account: Account, passing: Passing, *, forced: bool = False) -> Verdict:
        """The passing in this format, for this address, as things are known now. `forced`: the operator wants it."""

    def known(self, passing: Passing) -> Resolved:
        """The passing as things are known now."""

    def replaces(self, account: Account, passing: Passing) -> Iterable[int]:
        """`passing` is about to be written: the held ones in whose stead that is."""

    def unmapped(self, why: Unmapped) -> None:
        """A passing turned out not to fit the format."""

    def kept(self, account: Account) -> None:
        """An account is no longer what was saved of it."""


class Pump:
    """Serves one connection. Caught up, it writes as soon as it is stirred; a client that takes nothing stops it."""

    def __init__(self, form: Format, feed: Feed, account: Account, peer: Peer) -> None:
        self.account = account
        self.peer = peer
        self.flight = Flight(account.tcp)
        self.stir = asyncio.Event()
        """To be set when there may be something to do."""
        self.releases = [seq for seq, written in account.released.items() if not written]
        """Held passings to be written out of turn."""
        self.again: Again | None = None
        """What the operator wants sent again."""
        self._form = form
        self._feed = feed
        self._next_document = 0.0

    @property
    def target(self) -> str:
        """Under which address it is accounted."""
        return self.account.address

    async def run(self, overlap: float) -> None:
        """Serve until cancelled, from where the account is less `overlap` seconds."""
        self.flight.position = await self._resume_from(overlap)
        while True:
            await self._gate()
            self.stir.clear()
            await self._release()
            batch = await read_on(self._feed, self.flight.position)
            while batch := [one for one in batch if one.seq > self.flight.position]:
                self._serve(batch)
                await self._ready()
            if self.again:
                await self._go_on(self.again)
            elif self.flight.position >= self._feed.newest:
                await self.stir.wait()

    async def _gate(self) -> None:
        """Wait until the client takes more, and the operator has nothing against it."""
        await self._form.go.wait()
        await self.peer.writable()

    async def _ready(self) -> None:
        """Let others have their turn, and wait until the next document is due."""
        await asyncio.sleep(max(0.0, self._next_document - time.monotonic()) if self._form.interval else 0)
        await self._gate()

    async def _release(self) -> None:
        """What was held goes first, and together: documents may have to wait for each other."""
        releases, self.releases = sorted({*self.releases}), []
        for first in range(0, len(releases), BATCH):
            batch = [passing async for passing in read(self._feed, releases[first : first + BATCH])]
            while batch:
                del batch[: self._serve_released(batch)]
                await self._ready()

    async def _go_on(self, again: Again) -> None:
        """A chunk of what is to be sent again; then it is the turn of what is new."""
        batch = await again.read(self._feed)
        if batch and not again.over.is_set():
            self._serve_again(again, batch)
            await self._ready()
        else:
            self.end_again("")

    def end_again(self, why: str) -> None:
        """No more is sent again: all of it was, or why not."""
        if self.again:
            self.again.end(why)
            self.again = None

    def leap(self, upto: int) -> None:
        """Go on behind `upto`."""
        self.flight.position = max(self.flight.position, upto)
        if not self.flight.written:
            self.account.empty(self.flight.position)

    async def _resume_from(self, overlap: float) -> int:
        """The account's place, less what arrived in the `overlap` seconds before the last passing that was taken."""
        account = self.account
        if not overlap or account.tcp <= account.start:
            return account.tcp
        position, earliest = account.tcp, None
        while position > account.start:
            before = max(account.start, position - BATCH)
            batch = await self._feed.after(before, position - before)
            batch = [passing for passing in batch if passing.seq <= position]
            if earliest is None and batch:
                earliest = batch[-1].wall - int(overlap * 1e9)
            for passing in reversed(batch):
                if earliest is not None and passing.wall < earliest:
                    return passing.seq
            position = before
        return position

    # --- from here on nothing waits: what is written and what is counted never part ---

    def _serve(self, batch: list[Passing]) -> int:
        """Write a chunk of `batch`; returns how many passings are dealt with."""
        parts, passings, done = self._chunk(batch, self._part)
        self._write(parts, passings)
        self.account.underway.clear()
        position = self.flight.position = batch[done - 1].seq
        self.account.reach(position)
        if not self.flight.written:
            self.account.empty(position)
        self._form.kept(self.account)
        return done

    @staticmethod
    def _chunk(
        batch: Sequence[Passing], part: Callable[[Passing], bytes | None]
    ) -> tuple[list[bytes], list[Passing], int]:
        """The first of `batch`, as many as one chunk takes: their parts, the passings that have one, and how many were
        looked at."""
        parts: list[bytes] = []
        passings: list[Passing] = []
        size = done = 0
        while done < len(batch) and size < CHUNK:
            passing = batch[done]
            done += 1
            if (encoded := part(passing)) is not None:
                parts.append(encoded)
                passings.append(passing)
                size += len(encoded)
        return parts, passings, done

    def _part(self, passing: Passing) -> bytes | None:
        """`passing` encoded, or None where it is not to be written now; it is counted in either case."""
        if self._form.not_for(self.account.address, passing):
            return None
        account, seq = self.account, passing.seq
        first = account.meet(passing)
        if not first and (account.settled(seq) or self._form.left_out(account, passing)):
            return None
        verdict = self._form.verdict(account, passing)
        if isinstance(verdict, bytes):
            account.underway.add(seq)
            self._accept(passing)
            return verdict
        if seq > account.sent:  # else it was written when it still could be
            account.refuse(seq, verdict)
            if isinstance(verdict, Unmapped):
                self._form.unmapped(verdict)
        return None

    def _serve_released(self, batch: list[Passing]) -> int:
        """Write a chunk of `batch`, out of turn; returns how many passings are dealt with."""
        parts, passings, done = self._chunk(batch, self._part_released)
        self._write(parts, passings, released=True)
        self.account.underway.clear()
        self._form.kept(self.account)
        return done

    def _part_released(self, passing: Passing) -> bytes | None:
        """The same of one that was held, unless it is not to be written any more."""
        account, seq = self.account, passing.seq
        if seq not in account.released:
            return None
        verdict = self._form.verdict(account, passing, forced=True)
        if isinstance(verdict, bytes):
            account.underway.add(seq)
            self._accept(passing)
            return verdict
        if not account.released[seq]:
            account.refuse(seq, verdict)
        return None

    def _serve_again(self, again: Again, batch: list[Passing]) -> None:
        """Write a chunk of `batch` again, and count what cannot be written."""
        parts: list[bytes] = []
        passings: list[Passing] = []
        size = 0
        for passing in batch:
            if size >= CHUNK:
                break
            again.at = passing.seq
            if not again.what.takes(self._form.known(passing)):
                continue
            part = self._once_more(passing)
            if isinstance(part, bytes):
                parts.append(part)
                passings.append(passing)
                size += len(part)
                part = "sent"
            again.counts[part] += 1
        self._write(parts, passings, again=True)

    def _once_more(self, passing: Passing) -> bytes | str:
        """Its bytes; or what became of it, see `Again.counts`."""
        account, seq = self.account, passing.seq
        if self._form.not_for(account.address, passing):
            return "other"
        if seq in account.held:
            return "held"
        if seq > self.flight.position or seq in account.released:
            return "waiting"
        verdict = self._form.verdict(account, passing, forced=True)
        if isinstance(verdict, bytes):
            return verdict
        return {Hold: "held", Unmapped: "unmapped", Dropped: "replaced"}[type(verdict)]

    def _accept(self, passing: Passing) -> None:
        for seq in list(self._form.replaces(self.account, passing)):
            self.account.join(seq)

    def _write(
        self, parts: list[bytes], passings: list[Passing], *, released: bool = False, again: bool = False
    ) -> None:
        if not parts:
            return
        opening, joiner, closing = self._form.enclosure
        document = opening + joiner.join(parts) + closing
        end = self.peer.written + len(opening) - len(joiner)
        whole = self.peer.written + len(document)
        for part, passing in zip(parts, passings, strict=True):
            end += len(joiner) + len(part)
            # A document that must be closed is of no use before that; lines are complete one by one.
            written = Written(whole if closing else end, passing.seq, passing.wall, released, again)
            self.flight.written.append(written)
            self.account.wrote(written)
        self.peer.write(document)
        self._next_document = time.monotonic() + self._form.interval

    def taken(self, offset: int) -> bool:
        """The peer's TCP has taken the first `offset` bytes. True: that is news."""
        landed = self.flight.land(offset)
        for written in landed:
            self.account.took(written)
        if landed and not self.flight.written:
            self.account.empty(self.flight.position)
        return bool(landed)
