"""An outlet that goes nowhere, for the tests of drivers to derive theirs from."""

import time
from datetime import UTC, tzinfo

from console.model import Act, Level, Retold, Scalar


class Nowhere:
    """Takes everything, remembers acts and incidents."""

    def __init__(self) -> None:
        self.acts: list[Act] = []
        self.told: list[tuple[Level, str]] = []

    def send(self, raw: bytes, *, by: str = "", label: str = "", mask: bytes = b"") -> None:
        pass

    def lines(self) -> dict[str, bool | None]:
        return {}

    def set_line(self, name: str, up: bool, *, by: str = "") -> None:
        raise ConnectionError(f"there is no line {name} on this link")

    def note(self, word: str, body: dict[str, Scalar], *, by: str) -> None:
        self.acts.append(Act(seq=len(self.acts) + 1, wall=self.wall(), word=word, body=body, by=by))

    async def notes(self, word: str) -> list[Act]:
        return [act for act in self.acts if act.word == word]

    def retold(self) -> Retold | None:
        return None

    async def offered(self) -> int:
        return 0

    async def began(self) -> int:
        return self.wall()

    def trouble(self, level: Level, text: str) -> None:
        self.told.append((level, text))

    def wall(self) -> int:
        return time.time_ns()

    @property
    def zone(self) -> tzinfo:
        return UTC
