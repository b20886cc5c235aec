"""Passwords of ids as they are kept: scrypt with a salt. What can be read from the database opens nothing."""

import hashlib
import hmac
import os

from msgspec import Struct

COST = 2**14
"""N of scrypt: 16 MiB and some 50 ms for each attempt, here and for whoever has stolen the database."""


class Hashed(Struct, frozen=True):
    """A password's hash, and what it takes to compare."""

    salt: bytes
    hash: bytes
    cost: int


def hashed(password: str, cost: int = COST) -> Hashed:
    """A password as it is kept."""
    salt = os.urandom(16)
    return Hashed(salt, _scrypt(password, salt, cost), cost)


def is_right(password: str, kept: Hashed | None) -> bool:
    """Whether it is the password; None (there is no such id) takes as long as a wrong one does."""
    salt, expected, cost = (kept.salt, kept.hash, kept.cost) if kept else (bytes(16), b"", COST)
    return hmac.compare_digest(_scrypt(password, salt, cost), expected)


def _scrypt(password: str, salt: bytes, cost: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=cost, r=8, p=1, dklen=32)
