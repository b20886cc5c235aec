"""Scoring software that speaks CTP01: listens, greets with its options, has reads sent or fetches them (ctp01.md).

It reads strictly, by rules of its own and not by our codec's, and says of every deviation what it was. It remembers,
per connection id, how far each location has come, and resumes there, as the vendor's documents want it.
"""

import asyncio
import random
import sys
from argparse import ArgumentParser, Namespace
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TextIO

from console.exit import Exit, Failure
from console.links.address import parse_address
from console.simulators.scoring_ctp01_talk import Conversation, Got

Resume = Literal["sequence", "bare"]


class ScoringCtp01:
    """A server for one client at a time or several, each with a conversation of its own."""

    def __init__(
        self,
        address: str,
        *,
        options: dict[str, str] | None = None,
        user: str = "",
        password: str = "",
        names: tuple[str, ...] = (),
        resume: Resume = "sequence",
        ping: float = 15.0,
        poll: float = 0.2,
        most: int = 50,
        silent: bool = False,
        start_every: float = 0.0,
        close_chance: float = 0.0,
        pace: float = 0.0,
        log: Path | None = None,
        seed: int = 1,
    ) -> None:
        """Raises ValueError for the address, OSError for the log.

        `names`: programs that are answered (empty: all). `silent`: greets nobody. `start_every`: say `start~location`
        again that often (s). `close_chance`: of closing after a chunk. `pace`: seconds to sleep after each chunk.
        """
        self.host, self.port = parse_address(address)
        self.options = {"stream-mode": "push"} if options is None else dict(options)
        self.user, self.password, self.names = user, password, names
        self.resume: Resume = resume
        self.ping, self.poll, self.most = ping, poll, most
        self.silent, self.start_every, self.close_chance, self.pace = silent, start_every, close_chance, pace
        self.reads: list[Got] = []
        """What came, newest last; repeats too."""
        self.known: dict[tuple[str, str, int], Got] = {}
        """(connection id, location, sequence) -> the read."""
        self.repeats = 0
        self.memory: dict[str, dict[str, int]] = {}
        """Connection id -> location -> the highest sequence that came."""
        self.flaws: deque[str] = deque(maxlen=1000)
        self.connections = 0
        self.talk: Callable[[str], None] = lambda text: None
        """Called with what happens, in words."""
        self.heard: Callable[[Got], None] = lambda got: None
        """Called with every read."""
        self.random = random.Random(seed)
        self._log: TextIO | None = log.open("a", encoding="utf-8", newline="\n") if log else None
        self._open: set[Conversation] = set()
        self._reading = asyncio.Event()
        self._reading.set()
        self._stirred = asyncio.Event()
        self._server: asyncio.Server | None = None

    async def run(self) -> None:
        """Serve until cancelled."""
        self._server = await asyncio.start_server(self._client, self.host, self.port, limit=1 << 20)
        self.port = self._server.sockets[0].getsockname()[1]
        self.stir()
        try:
            await asyncio.Event().wait()
        finally:
            self._server.close()
            for one in list(self._open):
                one.close()
            if self._log:
                self._log.close()

    async def until(self, enough: Callable[[], bool]) -> None:
        """Wait until `enough` is true; it is asked again whenever something has come."""
        while not enough():
            self._stirred.clear()
            await self._stirred.wait()

    @property
    def listening(self) -> bool:
        """The port is open."""
        return self._server is not None

    def drop(self) -> None:
        """Break every connection off."""
        for one in list(self._open):
            one.writer.transport.abort()

    def stop_reading(self) -> None:
        """Stay connected and take nothing."""
        self._reading.clear()

    def read_on(self) -> None:
        """Read again."""
        self._reading.set()

    def stir(self) -> None:
        """Something has happened: `until` looks again."""
        self._stirred.set()

    def flaw(self, text: str) -> None:
        """A strict reader would have stumbled."""
        self.flaws.append(text)
        self.talk(text)
        self.stir()

    def take(self, got: Got) -> None:
        """A read has come."""
        key = got.connection, got.location, got.sequence
        if key in self.known:
            self.repeats += 1
            if self.known[key] != got:
                self.flaw(f"{got.location} {got.sequence} came again as something else: {got} was {self.known[key]}")
        self.known[key] = got
        place = self.memory.setdefault(got.connection, {})
        place[got.location] = max(place.get(got.location, 0), got.sequence)
        self.reads.append(got)
        self.heard(got)
        if self._log:
            self._log.write("~".join(map(str, got)) + "\n")
            self._log.flush()

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        one = Conversation(self, reader, writer)
        self.connections += 1
        self._open.add(one)
        self.stir()
        try:
            await one.run(self._reading)
        except OSError as error:
            self.talk(f"connection lost: {error}")
        except asyncio.CancelledError:
            return  # it all ends; asyncio would print the traceback of a conversation that was cancelled
        finally:
            self._open.discard(one)
            one.close()
            self.stir()


def arguments(parser: ArgumentParser) -> None:
    """The options of `racedeck simulate scoring-ctp01`."""
    parser.add_argument("address", metavar="HOST:PORT", help="where to listen")
    parser.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", help="ask for it (push anyway)")
    parser.add_argument("--pull", action="store_true", help="fetch the reads")
    parser.add_argument("--user", default="", help="who may log in; with --option authentication=...")
    parser.add_argument("--password", default="", help="and with what")
    parser.add_argument("--name", action="append", default=[], help="answer only programs of this name")
    parser.add_argument(
        "--resume", choices=("sequence", "bare"), default="sequence", help="how to go on when it is back"
    )
    parser.add_argument("--silent", action="store_true", help="answer no greeting")
    parser.add_argument("--start-every", type=float, default=0.0, metavar="S", help="say start again every S seconds")
    parser.add_argument("--close", type=float, default=0.0, metavar="P", help="close with probability P after a chunk")
    parser.add_argument(
        "--pace", type=float, default=0.0, metavar="S", help="be slow: sleep S seconds after each chunk"
    )
    parser.add_argument("--stop-reading", action="store_true", help="take nothing, but stay connected")
    parser.add_argument("--log", type=Path, metavar="FILE", help="append what comes to FILE")


async def main(args: Namespace) -> None:
    """Be scoring software until cancelled: print the reads that come. Raises Failure."""
    options = dict(part.partition("=")[::2] for part in args.option)
    options.setdefault("stream-mode", "pull" if args.pull else "push")
    try:
        server = ScoringCtp01(
            args.address,
            options=options,
            user=args.user,
            password=args.password,
            names=tuple(args.name),
            resume=args.resume,
            silent=args.silent,
            start_every=args.start_every,
            close_chance=args.close,
            pace=args.pace,
            log=args.log,
        )
        server.talk = lambda text: print(text, file=sys.stderr)
        server.heard = lambda got: print("~".join(map(str, got)), flush=True)
        if args.stop_reading:
            server.stop_reading()
        await server.run()
    except (OSError, ValueError) as error:
        raise Failure(Exit.FAILED, f"simulate scoring-ctp01: {error}") from None
