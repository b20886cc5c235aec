"""Settings of the relay: `relay.toml`, beside the engine's; without the file, the defaults."""

import re
import tomllib
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from console.codecs.thcom_link import Dialect
from console.links.address import parse_address, parse_network

Count = Annotated[int, Meta(ge=1, le=100_000)]


class RelaySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What does not change while it runs; all else is in its database."""

    listen: str = "127.0.0.1:3000"
    """This machine alone, unless told otherwise: passwords cross the network readable, as the protocol has it."""
    networks: tuple[str, ...] = ()
    """Networks that may connect; none: whoever reaches the address."""
    attempts: Count = 5
    """Wrong logins from one address in a minute; then it is refused until the minute is over."""
    attempts_in_all: Count = 60
    """Wrong logins in a minute from all addresses that have not logged in before; then these are refused."""
    numbering: Literal["hop", "origin"] = "hop"
    """Number of a frame that is passed on: the connection's next, as THCOM08 says; or its originator's, as the guide's
    log suggests (thcom.md, section 3; inferred)."""
    checksums: Literal["required", "lenient", "ignored"] = "lenient"
    keep: Annotated[int, Meta(ge=1000, le=10_000_000)] = 100_000
    """Rows of the DATA list; of older ones, those are forgotten that do not wait for their receiver."""
    device_type: str = "1"
    computer_type: str = "P"

    def __post_init__(self) -> None:
        for key, code in (("device_type", self.device_type), ("computer_type", self.computer_type)):
            if not re.fullmatch("[1-9A-Z]", code):
                raise ValueError(f"{key} must be one digit from 1 to 9 or capital letter (got {code!r})")

    @property
    def dialect(self) -> Dialect:
        """What is inferred about the link."""
        return Dialect(checksums=self.checksums, device_type=self.device_type, computer_type=self.computer_type)


def load(path: Path) -> RelaySettings:
    """Read `relay.toml`. Raises ValueError, in words."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return RelaySettings()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        settings = msgspec.convert(tomllib.loads(raw.decode()), RelaySettings)
        parse_address(settings.listen)
        for network in settings.networks:
            parse_network(network)
    except msgspec.ValidationError as error:
        found = re.fullmatch(r"(.*?)(?: - at `\$\.?([^`]*)`)?", str(error), re.DOTALL)
        assert found
        raise ValueError(f"{path.name}: {found[2] + ': ' if found[2] else ''}{found[1]}") from None
    except ValueError as error:  # of TOML, of UTF-8, of an address
        raise ValueError(f"{path.name}: {error}") from None
    return settings
