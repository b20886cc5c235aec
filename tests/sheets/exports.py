"""Exports of which a test says what became of each passing."""

import time
from typing import Any, ClassVar

from console.exports.export import Export, ExportSettings
from console.model import SECOND, ExportState, Passing, PeerState
from console.sheets import Sources
from console.sheets.deliveries import of_exports
from tests.sheets.event import NOON, Event


class Told(Export[ExportSettings]):
    """Serves `peer`: what its fates are is told, and its figures are counted from them."""

    restates: ClassVar[bool] = False

    def __init__(self, name: str = "scoring", peer: str = "10.0.0.5") -> None:
        super().__init__(ExportSettings(name=name, type="told"), None, lambda: NOON)  # type: ignore[arg-type]
        self.peer = peer
        self.fates: dict[int, str] = {}
        self.more: dict[str, Any] = {}
        """Figures that are told otherwise."""

    async def run(self) -> None:
        raise NotImplementedError

    def count(self, *words: str) -> int:
        return sum(fate.partition(":")[0] in words for fate in self.fates.values())

    def state(self) -> ExportState:
        peer: dict[str, Any] = {
            "address": self.peer,
            "connected": True,
            "since": NOON,
            "journaled": self.count("sent", "tcp", "waiting", "held", "unmapped", "skipped"),
            "sent": self.count("sent", "tcp"),
            "tcp": self.count("tcp"),
            **{word: self.count(word) for word in ("waiting", "held", "unmapped", "skipped")},
        }
        return ExportState(
            name=self.settings.name, type="told", where="", state="up", peers=(PeerState(**(peer | self.more)),)
        )

    def fate(self, passing: Passing) -> list[tuple[str, str]]:
        return [(self.peer, self.fates[passing.seq])] if passing.seq in self.fates else [("", "not chosen")]

    def holds(self) -> dict[str, dict[int, str]]:
        held = {seq: fate.partition(": ")[2] for seq, fate in self.fates.items() if fate.startswith("held")}
        return {self.peer: held}

    def release(self, held: list[int], peer: str | None = None) -> int:
        raise NotImplementedError

    def skip(self, held: list[int], peer: str | None = None) -> int:
        raise NotImplementedError


class Restating(Told):
    """Its format can say that what went out is to have another bib, or is cancelled."""

    restates = True


def sources(event: Event, *exports: Told, of: str = "", later: float = 60, devices: tuple[str, ...] = ()) -> Sources:
    """Sources of a running engine with these exports, as they will be `later` (seconds)."""
    plain = event.sources(of)
    return Sources(
        device=of,
        reader=plain.reader,
        resolve=plain.resolve,
        zone=plain.zone,
        now=time.time_ns() + int(later * SECOND),
        devices=devices,
        deliveries=of_exports({one.settings.name: one for one in exports}),
    )
