"""What can be set, as an operator reads and types it."""

from msgspec import Struct


class Option(Struct, frozen=True):
    """One key of an export's settings."""

    key: str
    value: str
    """As it would be typed, without quotes; empty: nothing is given."""
    default: str = ""
    expects: str = ""
    """What may be typed, in words; empty: any text."""
    help: str = ""
