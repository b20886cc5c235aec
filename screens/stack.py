"""Which view fills the body: the tab in front, or what was opened on top of it."""

from console.model import EngineState
from screens.device import Device
from screens.exports import Exports
from screens.log import Log
from screens.race import Race
from screens.view import View


class Stack:
    """The tabs, and the views on top of the front one."""

    def __init__(self) -> None:
        self.race, self.log, self.exports = Race(), Log(), Exports()
        self.front = 0
        """Number of the front tab, from the left."""
        self.over: list[View] = []
        """Views opened on top of it; Esc closes the last."""
        self._devices: dict[str, Device] = {}

    def take(self, state: EngineState) -> None:
        """One tab per device; the front tab stays in front."""
        names = [device.name for device in state.devices]
        if names == list(self._devices):
            return
        front = self.tabs[self.front]
        self._devices = {name: self._devices.get(name) or Device(name) for name in names}
        self.front = self.tabs.index(front) if front in self.tabs else 0

    @property
    def tabs(self) -> list[View]:
        """The views behind the tabs, from left to right."""
        return [self.race, self.log, *self._devices.values(), self.exports]

    @property
    def view(self) -> View:
        """What fills the body."""
        return self.over[-1] if self.over else self.tabs[self.front]

    def show(self, view: View | int) -> None:
        """Bring a tab to the front; numbers go round."""
        self.over.clear()
        self.front = (view if isinstance(view, int) else self.tabs.index(view)) % len(self.tabs)

    def show_device(self, name: str) -> None:
        """Bring the tab of a device to the front."""
        self.show(self._devices[name])

    def back(self) -> bool:
        """Close what is on top. False: nothing is."""
        return bool(self.over and self.over.pop())
