"""One client's conversation with the simulated CTP01 server, read strictly."""

import asyncio
import hashlib
import hmac
import re
from collections import deque
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from console.simulators.scoring_ctp01 import ScoringCtp01

HALF_LINE = 0.5
"""Seconds that half a line may lie in our buffer: a server in the wild then drops it, and the next one too."""

LOCATION = re.compile(r"[^,;~|\t\0]{1,16}")
TIMES = {
    "normal": re.compile(r"\d{2,3}:\d\d:\d\d\.\d\d"),
    "iso": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d\d"),
    "unix": re.compile(r"\d+\.\d\d"),
    "msecs": re.compile(r"\d{1,8}"),
}
SEPARATORS = {"1": ",", "2": ";", "3": "~", "4": "|", "5": "\t"}


class Got(NamedTuple):
    """One read line. Two of the same connection, location and sequence must be the same in all the rest."""

    connection: str
    location: str
    sequence: int
    tag: str
    time: str
    lap: int
    reader: str
    gator: int


class Conversation:
    """One client."""

    def __init__(self, server: "ScoringCtp01", reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.server = server
        self.reader = reader
        self.writer = writer
        self.program = ""
        self.connection = ""
        self.locations: list[str] = []
        self.authorised = server.options.get("authentication", "none") == "none"
        self.seed = f"{server.random.getrandbits(64):016x}"
        self.started: set[str] = set()
        self.last: dict[str, int] = {}
        """Location -> the last sequence on this connection since it was started."""
        self.expected: deque[str] = deque()
        """Answers that are due, in order."""
        self.pulled = 0
        """Read lines that are still to come of a `getdata`."""
        self.buffer = b""
        code = server.options.get("tagevent-format", "CT01_33")
        spoken = code[5:6] in SEPARATORS and int(code[6:7] or "8", 16) < 8
        self.code = code if spoken else "CT01_33"
        self.tasks: set[asyncio.Task[None]] = set()

    @property
    def _push(self) -> bool:
        return self.server.options.get("stream-mode", "pull") == "push"

    @property
    def _guns(self) -> bool:
        """Whoever fetches the reads gets gun times among them."""
        return self.server.options.get("guntimes") == "true" or not self._push

    async def run(self, reading: asyncio.Event) -> None:
        """Serve until the client goes; only while `reading` is set. Raises OSError where the connection breaks."""
        if self.server.ping:
            self._task(self._pings())
        while True:
            await reading.wait()
            try:
                async with asyncio.timeout(HALF_LINE if self.buffer else None):
                    data = await self.reader.read(1 << 16)
            except TimeoutError:
                self.server.flaw(f"half a line for more than {HALF_LINE} s: {self.buffer[:80]!r}")
                self.buffer = b""
                continue
            if not data:
                if self.buffer:
                    self.server.flaw(f"cut short: {self.buffer[:80]!r}")
                return
            self._take(data)
            self.server.stir()
            if self.server.pace:
                await asyncio.sleep(self.server.pace)
            if self.server.random.random() < self.server.close_chance:
                self.writer.transport.abort()
                return

    def _task(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def close(self) -> None:
        """End it."""
        for task in self.tasks:
            task.cancel()
        self.writer.close()

    def _say(self, text: str, answer: str = "") -> None:
        """Send a line; `answer`: how the answer must begin."""
        if answer:
            self.expected.append(answer)
        self.writer.write(f"{text}\r\n".encode())

    def _flaw(self, text: str) -> None:
        self.server.flaw(text)

    # --- what comes ---

    def _take(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\n")) >= 0:
            raw, self.buffer = self.buffer[: end + 1], self.buffer[end + 1 :]
            if not raw.endswith(b"\r\n"):
                self._flaw(f"a line without CR LF: {raw[:80]!r}")
            try:
                self._line(raw.rstrip(b"\r\n").decode("ascii"))
            except UnicodeDecodeError:
                self._flaw(f"not ASCII: {raw[:80]!r}")

    def _line(self, text: str) -> None:
        if not self.program and not (self.expected and text.startswith("ack~")):
            self._greeting(text)
        elif text.startswith("CT0"):
            self._read(text)
        elif not self.authorised and text.startswith("authorize~"):
            self._authorise(text)
        else:
            self._answer(text)

    def _greeting(self, text: str) -> None:
        fields = text.split("~")
        if len(fields) != 3 or fields[2] != "CTP01":
            self._flaw(f"greeting {text!r} is not program~version~CTP01")
        if self.server.silent or (self.server.names and fields[0] not in self.server.names):
            self.server.talk(f"{fields[0]!r} gets no answer")
            return
        self.program = fields[0]
        options = dict(self.server.options)
        if not self.authorised:
            options["authentication-seed"] = self.seed
        self._say(f"scoring~1.0~{len(options)}")
        for name, value in options.items():
            self._say(f"{name}={value}")
        if self.authorised:
            self._introduce()

    def _authorise(self, text: str) -> None:
        _, user, proof = (*text.split("~", 2), "", "")[:3]
        wanted = _proof(self.server.options["authentication"], self.seed, self.server.password)
        if (user, proof) != (self.server.user, wanted):
            self._say("err~authorize~wrong user or password")
            self.writer.close()
            return
        self.authorised = True
        self._say("ack~authorize")
        self._introduce()

    def _introduce(self) -> None:
        self._say("getconnectionid", "ack~getconnectionid~")
        self._say("geteventinfo", "ack~geteventinfo~")
        self._say("getlocations", "ack~getlocations")

    def _answer(self, text: str) -> None:
        if not self.expected:
            self._flaw(f"unasked: {text!r}")
            return
        wanted = self.expected.popleft()
        if not text.startswith(wanted):
            self._flaw(f"answered {text!r}, expected {wanted}...")
            return
        fields = text.split("~")
        match fields[1] if len(fields) > 1 else "":
            case "getconnectionid":
                self.connection = fields[2]
                if not re.fullmatch(r"[0-9A-Za-z-]{1,40}", self.connection):
                    self._flaw(f"connection id {self.connection!r}")
            case "geteventinfo" if len(fields) != 5:
                self._flaw(f"event info has {len(fields)} fields, not 5: {text!r}")
            case "getlocations":
                self._located(fields[2:])
            case "getdata":
                self.pulled = int(fields[2])
                if self.pulled > self.server.most:
                    self._flaw(f"{self.pulled} reads, asked for {self.server.most}")
                if not self.pulled:
                    self._task(self._pull())

    def _located(self, names: list[str]) -> None:
        for name in names:
            if not LOCATION.fullmatch(name):
                self._flaw(f"location {name!r} has forbidden characters, or more than 16")
        self.locations = names
        if not self._push:
            self._task(self._pull(at_once=True))
            return
        known = self.server.memory.get(self.connection, {})
        acks = self.server.options.get("pushmode-ack") == "true"
        if self.server.resume == "sequence" and known:
            for name in names:
                number = f"~{known[name] + 1}" if name in known else ""
                self._start(f"start~{name}{number}", [name], f"ack~start~{name}" if acks else "")
        else:
            self._start("start", names, "ack~start" if acks else "")
        if self.server.start_every:
            self._task(self._starts())

    def _start(self, text: str, names: list[str], answer: str) -> None:
        self.started.update(names)
        self._say(text, answer)

    async def _starts(self) -> None:
        """What a server in the wild does for ever."""
        acks = self.server.options.get("pushmode-ack") == "true"
        while True:
            await asyncio.sleep(self.server.start_every)
            for name in self.locations:
                self._say(f"start~{name}", f"ack~start~{name}" if acks else "")

    async def _pings(self) -> None:
        while True:
            await asyncio.sleep(self.server.ping)
            self._say("ping", "ack~ping")

    async def _pull(self, *, at_once: bool = False) -> None:
        """Fetch the next reads; on a new connection, each known location from where it had come to."""
        if not at_once:
            await asyncio.sleep(self.server.poll)
        self.started.update(self.locations)
        known = self.server.memory.get(self.connection, {})
        fresh = [name for name in self.locations if name in known and name not in self.last]
        if self.server.resume == "sequence" and fresh:
            self.last[fresh[0]] = known[fresh[0]]
            self._say(f"getdata~{self.server.most}~{fresh[0]}~{known[fresh[0]] + 1}", "ack~getdata~")
        else:
            self._say(f"getdata~{self.server.most}", "ack~getdata~")

    # --- read lines ---

    def _read(self, text: str) -> None:
        separator = SEPARATORS[self.code[5]]
        fields = text.split(separator)
        if len(fields) != 8:
            self._flaw(f"{len(fields)} fields, not 8: {text!r}")
            return
        form, sequence, location, tag, time, lap, reader, gator = fields
        zero = tag in ("guntime", "newlocation")
        checks = (
            (form == self.code, f"layout {form}, asked for {self.code}"),
            (bool(re.fullmatch(r"[1-9]\d{0,5}", sequence)), f"sequence number {sequence!r}"),
            (bool(LOCATION.fullmatch(location)), f"location {location!r}"),
            (bool(tag), "no tag"),
            (bool(TIMES[self.server.options.get("time-format", "normal")].fullmatch(time)), f"time {time!r}"),
            (bool(re.fullmatch(r"\d{1,3}", lap)) and (lap == "0") == zero, f"lap {lap!r}"),
            (bool(re.fullmatch(r"[0-9A-Fa-f]{6}", reader)), f"reader {reader!r}"),
            (bool(re.fullmatch(r"\d{1,2}", gator)), f"gator {gator!r}"),
            (tag != "guntime" or self._guns, "a gun time nobody asked for"),
            (tag != "newlocation" or self.server.options.get("newlocations") == "true", "newlocation, not asked for"),
        )
        wrong = [why for good, why in checks if not good]
        if wrong:
            self._flaw(f"{'; '.join(wrong)}: {text!r}")
            return
        if tag == "newlocation":
            return
        if location not in self.started:
            self._flaw(f"a read of {location} before it was started: {text!r}")
        number = int(sequence)
        if not self._push:
            self._due()
        self.last[location] = number
        self.server.take(Got(self.connection, location, number, tag, time, int(lap), reader, int(gator)))

    def _due(self) -> None:
        self.pulled -= 1
        if self.pulled < 0:
            self._flaw("more reads than announced")
        elif not self.pulled:
            self._task(self._pull())


def _proof(scheme: str, seed: str, password: str) -> str:
    match scheme:
        case "hmac-sha1" | "hmac-md5":
            return hmac.new(password.encode(), seed.encode(), scheme[5:]).hexdigest()
        case "seed-sha1":
            return hashlib.sha1((seed + password).encode(), usedforsecurity=False).hexdigest()
        case "seed-md5":
            return hashlib.md5((seed + password).encode(), usedforsecurity=False).hexdigest()
    return password
