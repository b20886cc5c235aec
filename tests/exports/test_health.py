"""Dead, stuck or well."""

import socket

import pytest

from console.exports import health as module
from console.exports.delivery import Account
from console.exports.figures import peer_state
from console.exports.health import Health, TcpInfo, Verdict, tcp_info
from console.model import Cursor

ESTABLISHED, CLOSE_WAIT, CLOSED = 1, 8, 7


def info(*, unacked: int = 0, probes: int = 0, silence: float = 0.0, state: int = ESTABLISHED) -> TcpInfo:
    return TcpInfo(state=state, probes=probes, unacked=unacked, silence=silence, acked=0)


def test_progress_is_well() -> None:
    health = Health(0)
    for second in range(100):
        assert health.check(second, second, 1000, info(unacked=5, silence=30)) is Verdict.WELL


def test_nothing_outstanding_is_well_however_long() -> None:
    health = Health(0)
    assert health.check(1000, 5, 5, info(silence=1000)) is Verdict.WELL
    assert health.check(1001, 5, 6, info(unacked=1, silence=1001)) is Verdict.WELL


@pytest.mark.parametrize("unanswered", [info(unacked=1, silence=10), info(probes=3, silence=10)])
def test_unanswered_for_ten_seconds_is_dead(unanswered: TcpInfo) -> None:
    health = Health(0)
    assert health.check(9.9, 0, 10, unanswered) is Verdict.WELL
    assert health.check(10, 0, 10, unanswered) is Verdict.DEAD


def test_a_closed_window_is_stuck_and_in_the_end_hopeless() -> None:
    health = Health(0)
    assert health.check(11, 0, 10, info(silence=10, probes=1)) is Verdict.STUCK
    assert health.check(59, 0, 10, info(silence=0.1, unacked=1)) is Verdict.STUCK
    assert health.check(60, 0, 10, info()) is Verdict.HOPELESS


def test_a_system_that_does_not_tell_knows_only_stuck() -> None:
    health = Health(0)
    assert health.check(20, 0, 10, None) is Verdict.STUCK
    assert health.check(61, 0, 10, None) is Verdict.HOPELESS


def test_a_half_closed_connection_is_open() -> None:
    assert info(state=CLOSE_WAIT).open
    assert not info(state=CLOSED).open


@pytest.mark.parametrize(("measures", "tcp"), [(True, 5), (False, None)])
def test_of_one_who_is_away_only_what_this_system_tells_is_claimed(
    monkeypatch: pytest.MonkeyPatch, measures: bool, tcp: int | None
) -> None:
    monkeypatch.setattr(module, "MEASURES", measures)
    cursor = Cursor(export="scoring", peer="10.0.0.7", start=0, sent=5, tcp=5, counts={"journaled": 5, "tcp": 5})
    state = peer_state(Account(cursor, tallied=5), [])
    assert (state.connected, state.sent, state.tcp) == (False, 5, tcp)


def test_the_kernel_counts_acknowledged_bytes_even_after_a_reset() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        sock, _ = server.accept()
        with sock:
            if tcp_info(sock) is None:
                pytest.skip("this system does not tell")
            assert client.send(b"x" * 7) == 7  # unread, so that closing resets the connection
            sock.sendall(b"12345")
            assert client.recv(5, socket.MSG_WAITALL) == b"12345"
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            sock.sendall(b"123")
            client.close()
            told = tcp_info(sock)
            assert told is not None
            assert told.acked == 8
            assert not told.open
