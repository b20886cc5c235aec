"""What an export that keeps an account per peer makes of a passing: whether it is for it, and what it says of it."""

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar, TypeVar

from console.exports.chosen import Chosen
from console.exports.delivery import Account, Hold, Unmapped, Verdict
from console.exports.edits import Edits
from console.exports.export import Desk, Export, ExportSettings
from console.model import Kind, Passing, Phase, Resolved, Status

S = TypeVar("S", bound=ExportSettings)


class JudgingExport(Export[S]):
    """Judges every passing by the settings, by the format, and by what operators said."""

    kinds: ClassVar[frozenset[Kind]]
    """What the format is made for."""
    needs_names: ClassVar[bool] = False
    """The format says who passed: what comes without an identity waits for the line that brings it."""

    def __init__(self, settings: S, desk: Desk, now: Callable[[], int]) -> None:
        super().__init__(settings, desk, now)
        self._wanted = frozenset(Kind(kind) for kind in settings.kinds) or self.kinds
        self._chosen = Chosen(settings, desk.resolve)
        self._edits = Edits(self.restates, now)

    # --- what a type says ---

    @abstractmethod
    def unwanted(self, passing: Passing) -> str:
        """Why this type does not pass `passing` on; empty: it does."""

    @abstractmethod
    def render(self, passing: Passing, *, forced: bool = False) -> bytes | Hold | Unmapped:
        """The passing in this format, as things are known now. `forced`: the operator wants it sent."""

    def why_not(self, passing: Passing) -> str:
        """Why `passing` is not for this export; empty: it is.

        Depends on nothing that could change while the export runs: where it filters by timing point, the engine starts
        it anew when the points of a device have changed. What came before is judged anew where it still waits; what was
        left out goes out where the operator has it sent again.
        """
        if passing.phase is Phase.TEST:
            return "phase TEST"
        if passing.status in (Status.REPEAT, Status.OFFERED):
            return "repeat" if passing.status is Status.REPEAT else "offered: not taken over"
        if passing.status in (Status.CORRECTION, Status.CANCELLED) and not self._says(passing):
            return f"{passing.status}: this format forwards none"
        return self._chosen.why_not(passing) or self.unwanted(passing)

    def _says(self, passing: Passing) -> bool:
        """Whether the format has a word for this correction of a device: to many, only one that brings a first bib."""
        if self.restates:
            return passing.change in ("bib", "unassigned", "cancelled")
        first = passing.change == "bib" and bool(passing.bib) and passing.extra.get("was") is None
        return self.needs_names and first

    def sources(self, address: str) -> frozenset[str]:
        """The devices whose passings this address gets; empty: all of them."""
        del address
        return frozenset()

    def not_for(self, address: str, passing: Passing) -> str:
        """Why `passing` is not for this address; empty: it is."""
        devices = self.sources(address)
        return (
            "device not chosen for this client" if devices and passing.device not in devices else self.why_not(passing)
        )

    def known(self, passing: Passing) -> Resolved:
        """The passing as things are known now."""
        return self.desk.resolve(passing)

    def verdict(self, account: Account, passing: Passing, *, forced: bool = False) -> Verdict:
        """What is to be done with `passing` for this address, as things are known now."""
        self._take(passing)
        try:
            if hindrance := self._edits.look(account, passing):
                return hindrance
            return self.say(account, passing, forced=forced)
        except Exception as error:  # noqa: BLE001 - one passing that we fail to encode must not stop all that follow
            return Unmapped(f"passing {passing.seq} could not be encoded ({error!r}); please report this")

    def say(self, account: Account, passing: Passing, *, forced: bool) -> Verdict:
        """`verdict`, where operators have nothing against it."""
        if self.needs_names and self._takes_away(passing) and self._edits.went_out(account, passing):
            was = f"bib {bib}" if (bib := passing.extra.get("was")) else "the runner"
            why = f"#{passing.of}: {was} was taken back after it went out, for which there is no word: tell scoring"
            return Unmapped(why)
        return self.render(passing, forced=forced)

    @staticmethod
    def _takes_away(passing: Passing) -> bool:
        return passing.status is Status.EDITED and not passing.bib and not passing.tag

    @abstractmethod
    def _take(self, passing: Passing) -> None:
        """An operator's word changes what becomes of the passing that it is about."""
