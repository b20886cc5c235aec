"""What the operator sees of an export: a word, and figures."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from console.exports import health
from console.exports.delivery import Account
from console.exports.health import Verdict
from console.exports.peer import Peer
from console.model import SECOND, PeerState

SLOW_AFTER = 5.0
"""Seconds that a passing waits, or is on its way, before its export is called slow."""

FORMER = "no longer configured: the settings name another"
"""Why a target is not connected."""

FORGOTTEN = "forgotten by "
"""Why a client is not waited for; whoever said so follows."""

FIGURES = ("journaled", "sent", "tcp", "acked", "waiting", "oldest", "held", "unmapped", "skipped", "resent")


def peer_state(account: Account, connections: Sequence[Peer]) -> PeerState:
    """One address; it may have several connections, or none."""
    reasons = {reason: count for reason, count in account.reasons.items() if count}
    notes = [f"{count} held: {reason}" for reason, count in reasons.items()]
    if len(connections) > 1:
        notes.append(f"{len(connections)} connections")
    if any(peer.half_closed for peer in connections):
        notes.append("sending half closed")
    measured = all(peer.measured for peer in connections) if connections else health.MEASURES
    return PeerState(
        address=account.address,
        connected=bool(connections),
        since=account.since,
        reason=account.away,
        journaled=account.journaled,
        sent=account.counts["sent"],
        tcp=account.counts["tcp"] if measured else None,
        waiting=account.waiting,
        oldest=account.oldest,
        held=len(account.held),
        reasons=reasons,
        unmapped=account.counts["unmapped"],
        skipped=account.counts["skipped"],
        resent=account.counts["resent"],
        note="; ".join(notes),
    )


def figures(peers: Sequence[PeerState], concerned: int) -> dict[str, Any]:
    """Those of the peer that is furthest behind; without any, how many passings there are for one."""
    if not peers:
        return {"journaled": concerned}
    last = max(peers, key=lambda peer: (peer.waiting, peer.held))
    return {figure: getattr(last, figure) for figure in FIGURES}


def state_word(states: Iterable[PeerState], connections: Mapping[str, Sequence[Peer]], now: int) -> tuple[str, str]:
    """`no client`, `stuck`, `slow` or `up`, and why."""
    peers = [peer for some in connections.values() for peer in some]
    for peer in peers:
        if peer.verdict is Verdict.STUCK:
            return "stuck", f"{_idle(peer)}: its program does not read"
    for state in states:
        if state.connected and state.oldest is not None and now - state.oldest > SLOW_AFTER * SECOND:
            return "slow", f"{state.address}: {state.waiting} waiting"
    for peer in peers:
        if peer.stuck_for > SLOW_AFTER:
            return "slow", _idle(peer)
    away = [f"{state.address} is not connected, {state.waiting} waiting" for state in states if _missed(state)]
    return "up" if peers else "no client", "; ".join(away)


def _missed(state: PeerState) -> bool:
    return not state.connected and state.waiting > 0


def _idle(peer: Peer) -> str:
    return f"{peer.address} has taken nothing for {peer.stuck_for:.0f} s"
