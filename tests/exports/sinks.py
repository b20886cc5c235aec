"""A desk with all kinds of rows, and what sinks are tested with."""

import asyncio
from pathlib import Path
from typing import Any

from console.exports.records import Newest
from console.model import Act, Direction, Frame, Incident, Level
from tests.exports.desk import MemoryDesk


class RecordsDesk(MemoryDesk):
    """Remembers frames, incidents and acts, too. Cursors are kept over the lives of exports."""

    def __init__(self, directory: Path, event: str = "spring-10k") -> None:
        super().__init__()
        self.directory = directory
        self.event_name = event
        self.all_frames: list[Frame] = []
        self.all_incidents: list[Incident] = []
        self.all_acts: list[Act] = []

    def newest(self) -> Newest:
        return Newest(
            frames=len(self.all_frames),
            passings=self.feed.newest,
            incidents=len(self.all_incidents),
            acts=len(self.all_acts),
        )

    async def beyond(self, known: Newest) -> None:
        while self.newest() == known:
            await asyncio.sleep(0.002)

    async def frames(self, after: int, limit: int) -> list[Frame]:
        return self.all_frames[after : after + limit]

    async def incidents_after(self, after: int, limit: int) -> list[Incident]:
        return self.all_incidents[after : after + limit]

    async def acts(self, after: int, limit: int) -> list[Act]:
        return self.all_acts[after : after + limit]

    def frame(self, raw: bytes, **changes: Any) -> Frame:
        """A frame that came now."""
        keys: dict[str, Any] = {"device": "start", "direction": Direction.RX, "wall": self.clock, "mono": 5} | changes
        frame = Frame(seq=len(self.all_frames) + 1, raw=raw, **keys)
        self.all_frames.append(frame)
        return frame

    def incident(self, text: str, source: str = "software") -> None:
        self.all_incidents.append(
            Incident(seq=len(self.all_incidents) + 1, wall=self.clock, level=Level.NOTE, source=source, text=text)
        )

    def act(self, word: str, by: str = "anna", **body: Any) -> None:
        self.all_acts.append(Act(seq=len(self.all_acts) + 1, wall=self.clock, word=word, body=body, by=by))
