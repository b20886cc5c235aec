"""A driver of a made-up device, and a desk that remembers: for the tests of the manager."""

import asyncio
import time
from datetime import UTC, tzinfo
from typing import ClassVar

from console.devices.driver import CommandError, DeviceSettings, Driver, Reply
from console.model import (
    SECOND,
    Act,
    Argument,
    Basis,
    CommandInfo,
    Direction,
    Draft,
    Heard,
    Kind,
    Level,
    Order,
    Origin,
    Reading,
    Retold,
    RetransmitBegin,
    RetransmitEnd,
    Scalar,
)


class ScriptedSettings(DeviceSettings, frozen=True, kw_only=True):
    secret: str = ""
    greeting: str = ""


class Scripted(Driver[ScriptedSettings]):
    """Lines: `bad N` has a flaw, `note X` a note, `at NS` is a time of day; `[` and `]` a retransmit; `BOOM` fails."""

    settings_type = ScriptedSettings
    shown = "scripted"
    commands: ClassVar[tuple[CommandInfo, ...]] = (
        CommandInfo(words="SAY", arguments=(Argument(name="words", rest=True),)),
        CommandInfo(words="ASK", arguments=(Argument(name="words", rest=True),), long=True),
    )
    made = 0
    """How many were made."""
    attend_fails: ClassVar[list[Exception]] = []

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        type(self).made += 1
        self.line = b""
        self.answer: asyncio.Future[str] | None = None

    def opened(self) -> None:
        self.line = b""
        if self.settings.greeting:
            self.outlet.send(self.settings.greeting.encode(), label="greeting", mask=self.settings.secret.encode())

    def receive(self, data: bytes, wall: int) -> list[Heard]:
        *lines, self.line = (self.line + data).split(b"\n")
        return [self.heard(line + b"\n") for line in lines]

    def heard(self, line: bytes) -> Heard:
        word, _, rest = line.decode().strip().partition(" ")
        self.facts["last"] = word
        if self.answer and not self.answer.done():
            self.answer.set_result(word)
        match word:
            case "BOOM":
                raise ZeroDivisionError("scripted")
            case "bad":
                return Heard(raw=line, label="garbage", flaw=f"checksum: got {rest}")
            case "note":
                return Heard(raw=line, label=word, note=rest)
            case "at":
                reading = Reading(kind=Kind.IMPULSE, identity=rest, ns=int(rest), basis=Basis.DAY, origin=Origin.LIVE)
                return Heard(raw=line, label=word, facts=(reading,))
            case "[" | "]":
                return Heard(raw=line, label=word, facts=(RetransmitBegin() if word == "[" else RetransmitEnd(),))
        return Heard(raw=line, label=word)

    def lost(self) -> list[Heard]:
        half, self.line = self.line, b""
        return [Heard(raw=half, label="garbage", flaw="cut short")] if half else []

    async def attend(self) -> None:
        if self.attend_fails:
            raise self.attend_fails.pop()
        try:
            await super().attend()
        finally:
            self.facts["attend"] = "ended"

    async def command(self, order: Order) -> Reply:
        words, by = order.words, order.by
        word, _, rest = words.partition(" ")
        match word:
            case "SAY":
                self.outlet.send(rest.encode(), by=by, label="SAY", mask=self.settings.secret.encode())
                return Reply(ok=None, text="sent")
            case "ASK":
                self.answer = asyncio.get_running_loop().create_future()
                self.outlet.send(rest.encode(), by=by)
                return Reply(ok=True, text=await self.answer)
            case "BREAK":
                raise ZeroDivisionError("scripted")
        raise CommandError(f"no command {words!r}")

    @classmethod
    def explain(cls, raw: bytes) -> dict[str, str]:
        return {"raw": repr(raw)}


class MemoryDesk:
    """Remembers what it is given. `skew` sets its monotonic clock forward, ns."""

    def __init__(self) -> None:
        self.frames: list[Draft] = []
        self.troubles: list[tuple[Level, str, str]] = []
        self.acts: list[Act] = []
        self.changes = 0
        self.skew = 0
        self.writes = False
        """There is a disk, that devices may have to wait for."""

    @property
    def zone(self) -> tzinfo:
        return UTC

    def frame(self, draft: Draft) -> bool:
        self.frames.append(draft)
        self.troubles += [(one.level, one.source, one.text) for one in draft.troubles]
        return True

    def keeps_up(self) -> bool:
        return self.writes

    def trouble(self, level: Level, source: str, text: str) -> None:
        self.troubles.append((level, source, text))

    def note(self, word: str, body: dict[str, Scalar], by: str) -> None:
        self.acts.append(Act(seq=len(self.acts) + 1, wall=self.wall(), word=word, body=body, by=by))

    async def notes(self, word: str) -> list[Act]:
        return [act for act in self.acts if act.word == word]

    def retold(self, device: str) -> Retold | None:
        return None

    async def offered(self, device: str) -> int:
        return 0

    async def began(self) -> int:
        return self.frames[0].wall if self.frames else self.wall()

    def changed(self) -> None:
        self.changes += 1

    def wall(self) -> int:
        return time.time_ns()

    def mono(self) -> int:
        return time.monotonic_ns() + self.skew

    def later(self, seconds: float) -> None:
        self.skew += int(seconds * SECOND)

    def raw(self, device: str, direction: Direction = Direction.RX) -> bytes:
        """All bytes journaled of a device, in order."""
        return b"".join(one.raw for one in self.frames if (one.device, one.direction) == (device, direction))

    def told(self, level: Level) -> list[str]:
        return [text for its, _, text in self.troubles if its is level]
