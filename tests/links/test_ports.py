import os
import pty
import re
from pathlib import Path

import pytest

from console.links import ports
from console.links.holder import holder
from console.links.ports import Port, list_ports
from console.links.serial import KnownPort


def test_a_port_comes_with_its_stable_name_and_its_holder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node, free = tmp_path / "ttyUSB0", tmp_path / "ttyS0"
    free.touch()
    by_id = tmp_path / "by-id"
    by_id.mkdir()
    (by_id / "usb-FTDI_A1-if00-port0").symlink_to("../ttyUSB0")
    known = [KnownPort(str(free), "", ""), KnownPort(str(node), "FT232R", "FTDI")]
    monkeypatch.setattr(ports, "known_ports", lambda: known)
    with node.open("w"):
        first, second = list_ports(by_id)
        seen = holder(str(by_id / "usb-FTDI_A1-if00-port0"))
    assert first == Port(path=str(free))
    assert (second.by_id, second.description) == (str(by_id / "usb-FTDI_A1-if00-port0"), "FT232R")
    assert second.manufacturer == "FTDI"
    assert second.busy == seen
    if Path("/proc/self/fd").exists():
        assert re.fullmatch(rf".+ \(pid {os.getpid()}\)", seen)
    assert holder(str(node)) == ""


def test_no_names_where_udev_makes_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "known_ports", lambda: [KnownPort("/dev/ttyS0", "", "")])
    assert [port.by_id for port in list_ports(tmp_path / "none")] == [""]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="no /proc")
def test_the_holder_of_a_pty_is_seen() -> None:
    master, slave = pty.openpty()
    try:
        assert str(os.getpid()) in holder(os.ttyname(slave))
    finally:
        os.close(master)
        os.close(slave)
