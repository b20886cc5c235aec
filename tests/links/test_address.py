from ipaddress import ip_network

import pytest

from console.links.address import format_address, parse_address, parse_network


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.168.1.50:7000", ("192.168.1.50", 7000)),
        (" localhost:0 ", ("localhost", 0)),
        ("[::1]:7000", ("::1", 7000)),
        ("[fe80::1%eth0]:65535", ("fe80::1%eth0", 65535)),
    ],
)
def test_address(text: str, address: tuple[str, int]) -> None:
    assert parse_address(text) == address
    assert parse_address(format_address(*address)) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "localhost",
        ":7000",
        "host:",
        "[]:1",
        "host:http",
        "host:65536",
        "host:-1",
        "host:+1",
        "host:\u0667",
        "h:0000000",
    ],
)
def test_what_is_no_address_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected host:port|is not a number") as caught:
        parse_address(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize("text", ["::1:7000", "[::1:7000", "::1]:7000"])
def test_ipv6_needs_brackets(text: str) -> None:
    with pytest.raises(ValueError, match="in brackets"):
        parse_address(text)


def test_network() -> None:
    assert parse_network("192.168.1.7/24") == ip_network("192.168.1.0/24")
    assert parse_network("::1") == ip_network("::1/128")
    with pytest.raises(ValueError, match=r"'192\.168\.1': expected a network"):
        parse_network("192.168.1")
