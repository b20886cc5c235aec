"""Which view fills the body: the tab in front, or what was opened on top of it."""

from console.model import EngineState
from screens.device import Device
from screens.exports import Exports
from screens.its import Its
from screens.log import Log
from screens.race import Race
from screens.timemachine import TimeMachine
from screens.view import View

TABS: dict[str, type[Device]] = {"timemachine": TimeMachine}
"""Device types whose tab is more than that of any other."""


class Stack:
    """The tabs, and the views on top of the front one."""

    def __init__(self) -> None:
        self.race, self.log, self.exports, self.its = Race(), Log(), Exports(), Its()
        self._linked = False
        """The settings have the link to ITS ONLINE TIMING."""
        self.front = 0
        """Number of the front tab, from the left."""
        self.over: list[View] = []
        """Views opened on top of it; Esc closes the last."""
        self._devices: dict[str, Device] = {}

    def take(self, state: EngineState) -> None:
        """One tab per device; the front tab stays in front."""
        wanted = {device.name: TABS.get(device.type, Device) for device in state.devices}
        linked = state.its is not None
        same = list(wanted.items()) == [(name, type(view)) for name, view in self._devices.items()]
        if same and linked is self._linked:
            return
        front = self.tabs[self.front]
        self._linked = linked
        known = self._devices
        self._devices = {
            name: known[name] if type(known.get(name)) is tab else tab(name) for name, tab in wanted.items()
        }
        self.front = self.tabs.index(front) if front in self.tabs else 0
        if linked and self.view is self.its:  # opened to be configured, and now a tab
            self.show(self.its)

    @property
    def tabs(self) -> list[View]:
        """The views behind the tabs, from left to right."""
        its = [self.its] if self._linked else []
        return [self.race, self.log, *self._devices.values(), *its, self.exports]

    @property
    def tab(self) -> View:
        """The front one."""
        return self.tabs[self.front]

    @property
    def view(self) -> View:
        """What fills the body."""
        return self.over[-1] if self.over else self.tab

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
