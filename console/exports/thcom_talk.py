"""What a client of a THCOM08 server asks, and what it is answered, in order (thcom.md, sections 2.3 and 4)."""

import asyncio
import re
from collections import deque
from collections.abc import Callable

from console.codecs import thcom
from console.codecs.thcom_records import Command
from console.exports.peer import Peer
from console.exports.thcom_memory import Memory, UnreadableError

WAITING = 1000
"""Commands of one client that may wait for their answers; what it asks beyond is rejected at once."""

ACCEPTED, REJECTED, UNSUPPORTED = "AK C", "AK F", "AK R"

_RECALL = re.compile(r"(\d{1,4}) +(M?)(\d{1,2})", re.ASCII)
_RUN = re.compile(r"\d{1,2}", re.ASCII)


class Talk:
    """One client's commands. What needs the journal is answered as fast as the client reads, between live lines."""

    def __init__(
        self,
        peer: Peer,
        memory: Memory,
        known: Callable[[str], list[str] | None],
        checksum: bool,
        failed: Callable[[str], None],
    ) -> None:
        self._peer = peer
        self._memory = memory
        self._known = known
        """What is answered to a command without the journal; None: nothing is known of such a command."""
        self._checksum = checksum
        self._failed = failed
        self._decoder = thcom.Decoder(serial=False)
        self._asked: deque[Command | None] = deque()
        """None: a command that came garbled."""
        self._task: asyncio.Task[None] | None = None

    def received(self, data: bytes) -> None:
        """Answer commands; take times of other devices, and anything else, without a word."""
        for piece in self._decoder.receive(data):
            if not piece.raw.lstrip(b"\r\n").startswith(b"#"):
                continue
            command = piece.record if isinstance(piece.record, Command) and not piece.flaw else None
            if self._task is None and not _in_journal(command):
                self._write(self._at_once(command))
            elif len(self._asked) >= WAITING:
                self._write([REJECTED])
            else:
                self._asked.append(command)
                if self._task is None:
                    self._task = asyncio.get_running_loop().create_task(self._answer())

    def end(self) -> None:
        """The client is gone."""
        if self._task:
            self._task.cancel()

    async def _answer(self) -> None:
        try:
            while self._asked:
                command = self._asked.popleft()
                await self._peer.writable()
                if command is None or not _in_journal(command):
                    self._write(self._at_once(command))
                    continue
                try:
                    await (self._recall if command.name == "RT" else self._download)(command.text)
                except UnreadableError as error:
                    self._failed(f"#{command.name} {command.text} of {self._peer.address} was cut short: {error}")
        finally:
            self._task = None

    def _at_once(self, command: Command | None) -> list[str]:
        if command is None:
            return [REJECTED]
        answer = self._known(command.name)
        return [UNSUPPORTED] if answer is None else [ACCEPTED, *answer]

    async def _recall(self, text: str) -> None:
        """`SSSS CC`: sequence number and channel."""
        found = _RECALL.fullmatch(text)
        line = await self._memory.time(int(found[1]), f"{found[2]}{int(found[3])}") if found else None
        await self._peer.writable()
        self._write([ACCEPTED, line] if line else [REJECTED])

    async def _download(self, text: str) -> None:
        """`RR`: number of the run."""
        begun = False
        if _RUN.fullmatch(text):
            async for lines in self._memory.run(f"{int(text):02}"):
                await self._peer.writable()
                self._write(lines if begun else [ACCEPTED, *lines])
                begun = True
        if not begun:
            self._write([REJECTED])

    def _write(self, lines: list[str]) -> None:
        if lines:
            self._peer.write(b"".join(thcom.basic(line, self._checksum) for line in lines))


def _in_journal(command: Command | None) -> bool:
    return command is not None and command.name in ("RT", "DL")
