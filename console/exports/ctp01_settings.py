"""What can be set of a CTP01 export."""

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from console.codecs.ctp01_lines import sayable
from console.exports.export import ExportSettings


class Ctp01Settings(ExportSettings, frozen=True, kw_only=True):
    """Settings of a CTP01 export."""

    ways: ClassVar = ("connect",)
    takes_password: ClassVar = True
    numbers_lines: ClassVar = True

    skip_first_seen: bool = True
    newcomers: Literal["live", "all"] = "all"
    """What gets a number: what is journaled from now on, or everything; it is the server that says where to begin."""
    program: str = "SimpleClient"
    """How we name ourselves; some servers answer to this name alone."""
    version: str = "1.0.0"
    """Of the program that we name ourselves."""
    user: str = ""
    """For servers that ask who we are; the password is in secrets.toml."""
    time: Literal["local", "utc"] = "local"
    """Which times the lines show."""
    resume: Literal["all", "overlap"] = "all"
    """What a server gets that says start without a number: everything, or what its TCP had not taken and the last
    minute before that."""
    gap: Annotated[float, Meta(ge=0, le=10)] = 0.0
    """Seconds between two lines, each written alone, for servers that take one line per packet; 0: none."""
    event_id: str = "1"
    """Of the event, as the server is told it."""
    description: str = ""
    """Of the event; empty: its name."""

    def __post_init__(self) -> None:
        """Raise ValueError for what would go out as something else."""
        for key, text in (("program", self.program), ("version", self.version), ("user", self.user)):
            if not sayable(text):
                raise ValueError(f"{key}: CTP01 says ASCII, and `~` parts its fields (got {text!r})")
            if not text.strip() and key != "user":
                raise ValueError(f"{key} must not be empty: servers expect it in our greeting")
