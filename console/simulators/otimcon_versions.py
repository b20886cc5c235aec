"""What the versions of the firmware can do (otimcon.md, section 8)."""

from msgspec import Struct

VERSIONS = ("0.14", "0.16", "0.17", "0.18", "0.19", "0.2", "0.21", "0.22")
_OLD_MODES = ("CONTROL", "CONTROL_WITH_READOUT", "READOUT", "CLEAR")
MODES = ("CLEAR", "CONTROL", "CONTROL_WITH_READOUT", "READOUT", "FULL_READOUT", "PRINT", "WRITER", "FROZEN_CONTROL")
"""Of 0.2 and later."""
_BAUD = {"0.2": 38400, "0.22": 38400, "0.17": 19200, "0.18": 19200, "0.19": 19200}


class Firmware(Struct, frozen=True):
    """One version."""

    number: str = "0.22"

    def since(self, number: str) -> bool:
        """It is that version, or later."""
        return VERSIONS.index(self.number) >= VERSIONS.index(number)

    @property
    def modes(self) -> tuple[str, ...]:
        """What SET MODE takes. CRAZY_READOUT is READOUT by another name."""
        return MODES if self.since("0.2") else (*_OLD_MODES, *("CRAZY_READOUT",) * self.naps)

    @property
    def baud(self) -> int:
        """As it is built."""
        return _BAUD.get(self.number, 9600)

    @property
    def naps(self) -> bool:
        """It is built for low power unless told otherwise."""
        return self.number in ("0.18", "0.19")

    @property
    def debugs(self) -> bool:
        """Its debug output was left on."""
        return self.number == "0.2"

    @property
    def ring(self) -> int:
        """Bytes of the backup after which the pointer wraps."""
        return 4096 if self.number == "0.16" else 512
