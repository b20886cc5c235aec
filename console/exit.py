"""How a `racedeck` command ends: exit statuses that scripts may rely on, and the one exception that carries them."""

from enum import IntEnum


class Exit(IntEnum):
    """Exit statuses."""

    OK = 0
    FAILED = 1
    """It was tried and not done; stderr says why."""
    USAGE = 2
    """The command line is wrong."""
    SETTINGS = 3
    """The settings are wrong, or not there."""
    NO_ENGINE = 4
    """No engine runs."""
    ENGINE = 5
    """The engine could not be started."""
    REFUSED = 6
    """The engine would not do it."""
    TROUBLE = 7
    """`doctor`, `config check` or `its replay` found something."""


class Failure(Exception):  # noqa: N818 - it is not an error of the program, it is its answer
    """End the command with this status, and say why on stderr."""

    def __init__(self, status: Exit, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
