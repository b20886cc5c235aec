"""The cards of an OTIMCON race: MIFARE Classic 1K as the stations lay them out (otimcon.md, section 9)."""

import random

from msgspec import Struct, field

SLOTS = 126
EMPTY = (255, -1)
"""(control, epoch) of a slot that was never written."""
NOBODY = 0xFF
"""Last location of a card without punches."""


class Card(Struct, kw_only=True):
    """A card's memory, with what may be wrong with it."""

    uid: bytes
    name: bytes = bytes(30)
    prepared: bool = True
    """It was touched to a CLEAR station once."""
    readable: bool = True
    """False: another key, or a broken card."""
    slots: list[tuple[int, int]] = field(default_factory=lambda: [EMPTY] * SLOTS)
    last: int = NOBODY
    """The location written last; `last_control` and `last_time` stand beside it in the info block."""
    last_control: int = 0xFF
    last_time: int = -1
    stuck: set[int] = field(default_factory=set)
    """Locations that cannot be written."""
    corrupt: set[int] = field(default_factory=set)
    """Blocks of three locations whose checksum is wrong: left out of readouts without a word."""

    @property
    def printed(self) -> str:
        """The uid as stations print it: a blank before each byte."""
        return "".join(f" {byte:02X}" for byte in self.uid)

    def erase(self, *, whole: bool = True) -> None:
        """What a CLEAR station does; not `whole`: the card was taken away before its info block was written."""
        self.slots = [EMPTY] * SLOTS
        if whole:
            self.prepared, self.last, self.last_control, self.last_time = True, NOBODY, 0xFF, -1

    def put(self, location: int, control: int, epoch: int) -> bool:
        """Write a punch and the info block; False where the card does not take it."""
        if location in self.stuck:
            return False
        self.slots[location] = (control, epoch)
        self.last, self.last_control, self.last_time = location, control, epoch
        return True

    def readout(self, first: int, last: int, taken_away: int | None = None) -> tuple[list[tuple[int, int]], bool]:
        """The punches at `first` to `last`, and whether the reading came to its end.

        `taken_away`: the card left after so many locations; blocks of three are read at once.
        """
        found: list[tuple[int, int]] = []
        for location in range(first, last + 1):
            if taken_away is not None and location % 3 == 0 and location >= taken_away:
                return found, False
            if location // 3 not in self.corrupt:
                found.append(self.slots[location])
        return found, True


def field_of(runners: int, seed: int) -> list[Card]:
    """The cards of a race; the same seed gives the same cards, so that several stations see the same runners."""
    chance = random.Random(seed)
    return [
        Card(uid=chance.randbytes(4), name=f"Runner {number}".ljust(30, "\0").encode())
        for number in range(1, runners + 1)
    ]
