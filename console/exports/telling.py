"""What became of every passing, told peer by peer from their accounts."""

from collections.abc import Callable
from typing import TypeVar

from console.exports.delivery import Account, Hold, Unmapped
from console.exports.export import Desk, ExportSettings
from console.exports.figures import peer_state
from console.exports.filters import Filters
from console.exports.judging import JudgingExport
from console.exports.steering import Steering
from console.model import Passing, PeerState

S = TypeVar("S", bound=ExportSettings)


class TellingExport(JudgingExport[S]):
    """An account per address, and what settings and operators have left out or brought about since."""

    _steering: Steering

    def __init__(self, settings: S, desk: Desk, now: Callable[[], int]) -> None:
        super().__init__(settings, desk, now)
        self._accounts: dict[str, Account] = {}
        self._former: dict[str, Account] = {}
        """Of targets that the settings name no more, and of clients that were forgotten."""
        self._filters = Filters(self, desk)

    def holds(self) -> dict[str, dict[int, str]]:
        """Peer -> the passings held for it, and why."""
        return {
            account.address: {seq: hold.reason for seq, hold in account.held.items()}
            for account in (*self._accounts.values(), *self._former.values())
        }

    def retire(self, account: Account, why: str) -> None:
        """What it was sent stays in the day's reconciliation, and that is all."""
        account.away = f"{why}; what came beyond #{account.met} is not in it"
        self._former[account.address] = account

    def former(self) -> tuple[PeerState, ...]:
        """What became of targets that the settings name no more, and of clients that were forgotten."""
        return tuple(peer_state(account, ()) for account in self._former.values())

    def fate(self, passing: Passing) -> list[tuple[str, str]]:
        """What became of `passing`, peer by peer."""
        former = [account for account in self._former.values() if passing.seq <= account.met]
        accounts = [*self._accounts.values(), *former]
        now = all(self._filters.then(account.address, passing.seq) is None for account in accounts)
        if now and (why := self.why_not(passing)):
            return [("", why)]
        return [(account.address, self._fate(account, passing)) for account in accounts]

    def _fate(self, account: Account, passing: Passing) -> str:
        if why := self._then(account, passing).not_for(account.address, passing):
            chosen_now = not self.not_for(account.address, passing)
            again = chosen_now and self._sent_again(account, passing)
            return "sent: again" if again else f"{why}, by the settings that it came under" if chosen_now else why
        word = self._fate_in_turn(account, passing)
        unsent = word.startswith(("came before", "skipped"))
        return "sent: again" if unsent and self._sent_again(account, passing) else word

    def _then(self, account: Account, passing: Passing) -> "TellingExport[S]":
        """The export as it was when the passing had its turn."""
        then = self._filters.then(account.address, passing.seq)
        return then if isinstance(then, TellingExport) else self

    def left_out(self, account: Account, passing: Passing) -> bool:
        """Whether the settings were others when `passing` had its turn, and left it out: then only the operator sends
        it."""
        then = self._then(account, passing)
        return then is not self and bool(then.not_for(account.address, passing))

    def _sent_again(self, account: Account, passing: Passing) -> bool:
        again = self._steering.sent_again(account.address)
        mine = [one for one in again if one.first <= passing.seq <= one.last]
        return bool(mine) and any(one.takes(self.known(passing)) for one in mine)

    def _fate_in_turn(self, account: Account, passing: Passing) -> str:
        seq = passing.seq
        if seq <= account.start:
            return "came before this client"
        if hold := account.held.get(seq):
            return f"held: {hold.reason}"
        if account.settled(seq) and seq not in account.released and (why := self._edits.fate(passing)):
            return why
        if word := account.unsent.get(seq):
            return self._fate_of_unsent(account, passing, word)
        if seq in account.skipped:
            return "skipped"
        if seq in account.released:
            return "sent" if account.released[seq] else "waiting"
        if seq > account.sent:
            return "waiting"
        if self._edits.never(seq):
            return self._edits.fate(passing)
        if account.leapt_over(seq):
            return "skipped: it waited when all that did was skipped"
        if isinstance(self.say(account, passing, forced=True), Hold):  # without a bib nothing was written of it
            return "another line says it"
        return "tcp" if seq <= account.tcp else "sent"

    def _fate_of_unsent(self, account: Account, passing: Passing, word: str) -> str:
        if word != "unmapped":
            return "another line says it" if word == "joined" else word
        verdict = self.say(account, passing, forced=True)
        if isinstance(verdict, Unmapped):
            return f"unmapped: {verdict.reason}"
        again = "; sent again since" if self._sent_again(account, passing) else ""
        return f"unmapped: it could not be said when its turn came{again}"
