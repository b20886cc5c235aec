"""What every codec hands out."""

from typing import Generic, TypeVar

from msgspec import Struct

R = TypeVar("R")


class Piece(Struct, Generic[R], frozen=True):
    """One frame cut from a stream: its bytes, what they say, and what is wrong with them.

    The `raw` of all pieces, in order, is the stream: nothing is dropped, invented or changed, except that a codec told
    to mask bit 7 decodes the masked bytes and still hands out the original ones.
    """

    raw: bytes
    record: R | None = None
    """None: not understood."""
    flaw: str = ""
    """In words; empty when the frame is good."""
