"""Addresses and networks as people write them in the settings."""

from ipaddress import IPv4Network, IPv6Network, ip_network


def parse_address(text: str) -> tuple[str, int]:
    """Host and port of `host:port`; an IPv6 address stands in brackets (`[::1]:7000`).

    Raises ValueError, in words that can be shown.
    """
    host, colon, port = text.strip().rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host or "[" in host or "]" in host:
        raise ValueError(f"{text!r}: write an IPv6 address in brackets, as in [::1]:7000")
    if not colon or not host or not port:
        raise ValueError(f"{text!r}: expected host:port, as in 192.168.1.50:7000")
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= 65_535):
        raise ValueError(f"{text!r}: the port {port!r} is not a number from 0 to 65535")
    return host, int(port)


def format_address(host: str, port: int) -> str:
    """`host:port`, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def parse_network(text: str) -> IPv4Network | IPv6Network:
    """The network `192.168.1.0/24`, or the single address `192.168.1.20`; raises ValueError, in words."""
    try:
        return ip_network(text.strip(), strict=False)
    except ValueError:
        raise ValueError(f"{text!r}: expected a network, as in 192.168.1.0/24, or an address") from None
