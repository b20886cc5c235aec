"""What never goes out, and why, kept in the journal: a tag table or a bib that comes later does not make it sent."""

from collections.abc import Iterable

from console.exports.delivery import Account
from console.exports.export import Desk
from console.model import Act, Scalar

ACT = "unsent"

WORDS = ("unmapped", "skipped", "joined")


def note(account: Account, desk: Desk) -> None:
    """Journal what is new. It follows the cursor that counts it: after a crash in between nothing is claimed of what
    may yet go out."""
    if not account.unsent_news:
        return
    body: dict[str, Scalar] = {"export": account.export, "peer": account.address}
    for word in WORDS:
        if seqs := [seq for seq in account.unsent_news if account.unsent.get(seq) == word]:
            body[word] = ",".join(map(str, seqs))
    account.unsent_news.clear()
    desk.note(ACT, body, "engine")


def recall(account: Account, acts: Iterable[Act]) -> None:
    """Take in what was journaled, as far as the account has come."""
    for act in acts:
        if (act.body.get("export"), act.body.get("peer")) != (account.export, account.address):
            continue
        for word in WORDS:
            seqs = map(int, filter(None, str(act.body.get(word, "")).split(",")))
            account.unsent.update((seq, word) for seq in seqs if seq <= account.met)
