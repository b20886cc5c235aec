"""The official GSM Interface program on this or another machine, read on its local port 7000 (thcom.md, section 4).

A way to the ITS ONLINE TIMING server that does not depend on what is inferred of the server's own link: the program
speaks to the server, and we are its timing software.
"""

from collections.abc import Callable

from console.codecs import gsm_interface
from console.codecs.piece import Piece
from console.codecs.thcom_records import Record
from console.devices.driver import Driver, Outlet, Reply
from console.devices.thcom import Thcom, ThcomSettings
from console.devices.thcom_words import explain
from console.model import EventIs, Fact, Heard, Order, Risk


class GsmInterfaceSettings(ThcomSettings, frozen=True, kw_only=True):
    """Settings of the connection to the program, which runs on this machine unless told otherwise."""

    address: str = "127.0.0.1:7000"


class GsmInterface(Thcom):
    """All timers that the server sends to the program, as one device. Nothing is ever sent to it: what it would answer,
    or pass on to a timer, is not documented.

    Basic frames do not say which timer they are of. So times are told apart by channel, sequence number, time and day
    alone, as those of one timer; give each timer its own channels, and `points` tells start from finish. A run that
    one timer opens is not the run of another's times: it is shown, and no passing gets it.
    """

    settings_type = GsmInterfaceSettings
    shown = "GSM Interface"
    commands = ()

    def __init__(self, settings: ThcomSettings, outlet: Outlet, changed: Callable[[], None] = lambda: None) -> None:
        super().__init__(settings, outlet, changed)
        self._decoder = gsm_interface.Decoder()

    def opened(self) -> None:
        """See Driver."""
        super().opened()
        self._decoder = gsm_interface.Decoder()

    def silence(self) -> float | None:
        """Between two impulses it has nothing to say, as far as is known."""
        return self.settings.silent_after or None

    async def attend(self) -> None:
        """Ask nothing."""
        await Driver.attend(self)

    def risk(self, words: str) -> Risk:
        """It takes no commands."""
        return Driver.risk(self, words)

    async def command(self, order: Order) -> Reply:
        """It takes no commands."""
        return await Driver.command(self, order)

    def _heard(self, piece: Piece[Record]) -> Heard:
        heard = super()._heard(piece)
        assert isinstance(self._decoder, gsm_interface.Decoder)
        if self._decoder.seen:
            self.facts["checksums"] = self._decoder.seen
        return heard

    def _facts(self, record: Record) -> tuple[Fact, ...]:
        return tuple(fact for fact in super()._facts(record) if not isinstance(fact, EventIs))

    @classmethod
    def explain(cls, raw: bytes) -> dict[str, str]:
        """Field by field."""
        bare, printed, checksum = gsm_interface.without_checksum(raw)
        words = explain(bare)
        if printed:
            words["checksum"] = f"{printed.decode('latin-1')}: {checksum}"
        return words
