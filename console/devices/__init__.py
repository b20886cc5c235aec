"""The device types this build knows. A new one is a codec, a driver, and a line here."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from console.devices.driver import Driver

DRIVERS = {
    "thcom": "console.devices.thcom:Thcom",
    "timemachine": "console.devices.timemachine:TimeMachine",
    "timemachine-clock": "console.devices.timemachine_clock:ExternalClock",
    "otimcon": "console.devices.otimcon:Otimcon",
    "gsm-interface": "console.devices.gsm_interface:GsmInterface",
    "gsm-docking": "console.devices.docking:Docking",
}
"""Settings `type` -> where its driver class is. Imported when asked for, so that a start pays only for what it uses."""

OF_THE_LINK = {"its": "console.its.source:Source"}
"""The same of devices that are made from `[its]`."""


def driver_class(kind: str) -> "type[Driver[Any]]":
    """The driver class of a device type; raises KeyError where there is none."""
    module, _, name = (DRIVERS | OF_THE_LINK)[kind].partition(":")
    found: type[Driver[Any]] = getattr(import_module(module), name)
    return found
