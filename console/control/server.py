"""The engine's end of the control socket: many clients, none of which can slow the engine down."""

import asyncio
import itertools
import logging
import os
import socket
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol

import msgspec

from console.control import messages as m
from console.control.messages import packed
from console.model import EngineState

log = logging.getLogger("racedeck")

PUSH_EVERY = 0.1
"""Seconds between two pushes of the state at least."""

SLOW = 256 * 1024
"""Bytes unread by a client beyond which nothing is pushed to it: it gets the newest state once it has caught up."""

STUCK = 8 * 1024 * 1024
"""Bytes unread by a client beyond which it is dropped: it asks for pages and does not read them."""


class Office(Protocol):
    """What the engine does for its clients."""

    def state(self) -> EngineState:
        """The whole picture, now."""

    async def answer(self, call: m.Call, who: str, console: int) -> m.Result:
        """Do what `call` says for `who`, who sits at console number `console` (0: at none that stays). Never raises."""

    def left(self, console: int) -> None:
        """A console has gone away."""


class Server:
    """Listens at a Unix socket of mode 0600, and makes it again if somebody deletes it."""

    def __init__(self, path: Path, office: Office) -> None:
        self.path = path
        self.office = office
        self.clients: set[_Attached] = set()
        self._dirty = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._inode = 0
        self._missing = False
        """The socket is gone, and that was said."""

    def changed(self) -> None:
        """The state is no longer what was pushed last; cheap."""
        self._dirty.set()

    async def open(self) -> None:
        """Bind. A stale socket of a killed engine is replaced: the caller holds the lock that makes this safe.

        Raises OSError where the socket cannot be made.
        """
        # Bound under another name and then renamed, so that a client never meets a socket that does not listen yet.
        fresh = self.path.with_suffix(f".{os.getpid()}")
        fresh.unlink(missing_ok=True)
        bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        old = os.umask(0o177)
        try:
            bound.bind(str(fresh))
            bound.listen()
            fresh.rename(self.path)
            inode = self.path.lstat().st_ino
        except OSError:
            bound.close()
            raise
        finally:
            os.umask(old)
        self._server = await asyncio.start_unix_server(self._attach, sock=bound)
        self._inode = inode

    async def run(self) -> None:
        """Push what changes, until cancelled."""
        try:
            while True:
                await self._wait_for_change()
                self._dirty.clear()
                self._push()
                await asyncio.sleep(PUSH_EVERY)
                await self._mend_socket()
        finally:
            await self.close()

    async def close(self) -> None:
        """Stop listening, say goodbye to every client and remove the socket."""
        if self._server is None:
            return
        self._server.close()
        self._server = None
        for client in list(self.clients):
            client.writer.close()
        if self._is_ours():
            self.path.unlink(missing_ok=True)

    async def _wait_for_change(self) -> None:
        # Once a second without a change too: the socket is looked after, and a console sees that the engine lives.
        try:
            async with asyncio.timeout(1.0):
                await self._dirty.wait()
        except TimeoutError:
            return

    def _push(self) -> None:
        if not self.clients:
            return
        message = packed(m.Pushed(state=self.office.state()))
        for client in self.clients:
            if client.welcome and client.unread() < SLOW:
                client.writer.write(message)

    async def _mend_socket(self) -> None:
        """Make the socket again where it is gone. Where that cannot be now, the old one goes on: its directory may have
        been moved, and may come back with it."""
        old = self._server
        if old is None or self._is_ours():
            return
        try:
            await self.open()
        except OSError as error:
            if not self._missing:
                log.warning("the control socket %s is gone, and cannot be made again: %s", self.path, error.strerror)
            self._missing = True
            return
        self._missing = False
        old.close()

    def _is_ours(self) -> bool:
        try:
            found = self.path.lstat()
        except OSError:
            return False
        return stat.S_ISSOCK(found.st_mode) and found.st_ino == self._inode

    async def _attach(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = _Attached(reader, writer, self.office.state, self.office.answer)
        self.clients.add(client)
        self.changed()
        try:
            await client.serve()
        except (OSError, ValueError, msgspec.DecodeError):
            pass  # It went away, or it is no RaceDeck console: either way nothing of ours is lost.
        finally:
            self.clients.discard(client)
            if client.console:
                self.office.left(client.console)
            self.changed()
            writer.close()


_CONSOLES = itertools.count(1)


class _Attached:
    """One client."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        state: Callable[[], EngineState],
        answer: Callable[[m.Call, str, int], Awaitable[m.Result]],
    ) -> None:
        self.reader = reader
        self.writer = writer
        self.state = state
        self.answer = answer
        self.who = ""
        self.observe = False
        self.console = 0
        """Its number, if it is a console that stays."""
        self.welcome = False
        self.calls: set[asyncio.Task[None]] = set()

    def unread(self) -> int:
        """Bytes waiting in our buffer because the client does not read."""
        return self.writer.transport.get_write_buffer_size()

    async def serve(self) -> None:
        """Serve until the client goes."""
        unpacker = m.Unpacker()
        try:
            while data := await self.reader.read(1 << 16):
                for body in unpacker.feed(data):
                    self.take(m.decode_client(body))
        finally:
            for call in self.calls:
                call.cancel()

    def take(self, message: m.FromClient) -> None:
        match message:
            case m.Hello():
                self.hello(message)
            case m.Request() if self.welcome:
                task = asyncio.create_task(self.request(message))
                self.calls.add(task)
                task.add_done_callback(self.calls.discard)
            case m.Request():
                self.writer.write(packed(m.Refused(reason="say hello first")))

    def hello(self, hello: m.Hello) -> None:
        if hello.protocol != m.PROTOCOL:
            reason = (
                f"this console speaks version {hello.protocol} of the control protocol, the engine {m.PROTOCOL}: "
                "run the same racedeck for both (stop the engine and start it again after an upgrade)"
            )
            self.writer.write(packed(m.Refused(reason=reason)))
            self.writer.close()
            return
        self.who, self.observe, self.welcome = hello.who, hello.observe, True
        self.console = next(_CONSOLES) if hello.stays else 0
        self.writer.write(packed(m.Welcome(protocol=m.PROTOCOL, state=self.state())))

    async def request(self, request: m.Request) -> None:
        if self.observe and isinstance(request.call, m.CHANGES):
            result: m.Result = m.Failed(reason="this console only observes; attach without --observe to act")
        else:
            result = await self.answer(request.call, self.who, self.console)
        if self.unread() > STUCK:
            self.writer.transport.abort()
            return
        self.writer.write(packed(m.Answer(id=request.id, result=result)))
