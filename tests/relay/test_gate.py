"""How many wrong logins are allowed."""

from console.relay.gate import KNOWN, WHILE, Gate


def test_an_address_is_shut_out_for_a_while() -> None:
    gate = Gate(each=2, in_all=100)
    for now in (0.0, 1.0):
        assert gate.ask("10.0.0.5", "0084", now) == "open"
        gate.wrong("10.0.0.5", "0084", now)
    assert [gate.ask("10.0.0.5", serial, 2.0) for serial in ("0084", "0086")] == ["shut", "still shut"]
    assert gate.ask("10.0.0.6", "0084", 2.0) == "open"
    assert gate.ask("10.0.0.5", "0084", WHILE) == "open"


def test_who_was_here_before_has_a_count_of_its_own() -> None:
    gate = Gate(each=2, in_all=3)
    gate.right("10.0.0.5", "0084")
    for number in range(9):
        if gate.ask(f"10.0.1.{number}", "0001", 0.0) == "open":
            gate.wrong(f"10.0.1.{number}", "0001", 0.0)
    assert gate.ask("10.0.2.1", "0001", 1.0) == "still shut"
    assert gate.ask("10.0.0.5", "0086", 1.0) == "still shut"
    assert gate.ask("10.0.0.5", "0084", 1.0) == "open"
    for _ in range(2):
        gate.wrong("10.0.0.5", "0084", 1.0)
    assert gate.ask("10.0.0.5", "0084", 1.0) == "shut"


def test_memory_is_bounded() -> None:
    gate = Gate(each=2, in_all=50)
    for number in range(20 * KNOWN):
        address = f"2001:db8::{number:x}"
        if gate.ask(address, "0084", number / 1000) == "open":
            gate.wrong(address, "0084", number / 1000)
        gate.right(f"known {address}", "0084")
    assert len(gate._wrong) + len(gate._said) <= 60
    assert len(gate._known) == KNOWN
